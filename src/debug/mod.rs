//! Finding mistakes.

use crate::autodiff::{Arguments, Function, Output, guarded, replaced};
use crate::error::{Error, Result};
use crate::graph;
use crate::tensor::tree::{self, Tree};

pub use crate::error::panic_on_error;

/// The operations of a function as readable code, one a line, each with the line of the program that it comes from.
/// The function is traced on tensors without values, so it must not ask for one.
///
/// ```
/// use retrograd::{Tensor, debug, grad_only};
///
/// let slope = grad_only(|x: &Tensor| (x * x).sum());
/// let code = debug::show_trace(|x: &Tensor| slope.call(x, ()), &Tensor::from([1.0, 2.0]), ())?;
/// assert!(code.starts_with("fn(v0: f64[2]) {"));
/// assert!(code.contains("= mul(v0, v0)"));
/// # Ok::<(), retrograd::Error>(())
/// ```
///
/// # Errors
/// Whatever the function returns; that a value was asked for.
pub fn show_trace<F, P, X, R>(f: F, p: &P, x: X::Refs<'_>) -> Result<String>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Output,
{
    let mut specs = Vec::new();
    replaced::<P, X>(p, x, &mut |leaf| {
        specs.push(*leaf.spec());
        leaf.clone()
    });
    let graph = graph::trace(&specs, |symbols| {
        let mut symbols = symbols.iter().cloned();
        let (p, x) = replaced::<P, X>(p, x, &mut |leaf| symbols.next().unwrap_or_else(|| leaf.clone()));
        guarded(|| f.apply(&p, x.refs())).map(|output| tree::leaves(&output))
    })?;
    graph
        .verify()
        .map_err(|message| Error::msg(format!("the trace is wrong, please report it: {message}")))?;
    Ok(graph.to_string())
}
