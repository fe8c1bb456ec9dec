//! Printing a tensor when it is computed.

use super::operands::{InputSet, Outputs};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::bind;
use crate::debug::say;
use crate::error::{Misfit, Result};
use crate::exec::{Kernel, Opaque};
use crate::tensor::{Spec, Tensor};

/// `x`, which is printed with its label when it is computed: also in a compiled function, in every call of it, in the order
/// of the program. It is written to stderr, as by `dbg!`, or to what [`printed`](crate::debug::printed) collects.
///
/// Where the result is not used it is printed nevertheless. Under [`vmap`](crate::vmap) all examples are printed at once.
/// The gradient goes through and is not printed. A call of a compiled function that meets an error runs the function
/// again to report it, and prints again what came before.
///
/// ```
/// use retrograd::{Tensor, debug, jit};
///
/// let f = jit(|x: &Tensor| debug::print(&(x * 2.0), "doubled").sum());
/// let (sum, lines) = debug::printed(|| f.call(&Tensor::from([1.0, 2.0]), ()));
/// assert_eq!(sum?.item::<f64>()?, 6.0);
/// assert!(lines.len() == 1 && lines[0].starts_with("doubled: "));
/// # Ok::<(), retrograd::Error>(())
/// ```
#[track_caller]
pub fn print(x: &Tensor, label: &str) -> Tensor {
    bind(&Print { label: label.to_owned() }, &[x])
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Print {
    label: String,
}

impl Primitive for Print {
    fn name(&self) -> &'static str {
        "print"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Opaque(self)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads::NOTHING)
    }

    fn jvp(&self, _: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        dy[0] = dx[0].cloned();
    }

    fn vjp(&self, _: &Residuals<'_>, dy: &[Option<&Tensor>], _: InputSet, dx: &mut [Option<Tensor>]) {
        dx[0] = dy[0].cloned();
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(self, x))
    }

    fn acts(&self) -> bool {
        true
    }
}

impl Opaque for Print {
    fn run(&self, x: &[&Tensor]) -> Result<Vec<Tensor>> {
        say(format!("{}: {}", self.label, x[0]));
        Ok(vec![x[0].clone()])
    }
}
