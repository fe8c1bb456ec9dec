//! What a fused kernel is: elementwise operations and folds over one index space, computed in one go over memory.
//!
//! The space is a number of rows of equal length, all elements in row-major order. Values have one of four extents
//! in it; an operand may have any shape with as many elements, under any strides.

use std::fmt;

use super::{Fold, Kernel, cpu};
use crate::error::Origin;
use crate::ops::Op;
use crate::tensor::{Bits, DType, Spec};

/// A kernel made of others. Values that nobody outside reads never reach memory.
pub(crate) struct Fused {
    space: Space,
    /// SSA: a value each, after the values that it reads.
    steps: Vec<Step>,
    /// The values to be written; each is made by a step that computes, and none is there twice.
    outputs: Vec<Value>,
    program: cpu::fused::Program,
}

/// An index space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Space {
    /// How many rows; 1 where nothing is folded but everything at once.
    pub(crate) rows: usize,
    /// Elements of a row.
    pub(crate) inner: usize,
}

/// A step's place in [`Fused::steps`], and so what it yields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Value(pub(crate) u32);

impl Value {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What of the space a value has a number for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Extent {
    /// Each element.
    Elements,
    /// Each row.
    Rows,
    /// Each position in a row. Only folds yield it, for output.
    Columns,
    /// All of it. In a space of one row such values are `Rows`.
    One,
}

/// One operation.
pub(crate) struct Step {
    pub(crate) what: What,
    pub(crate) inputs: Vec<Value>,
    pub(crate) extent: Extent,
    pub(crate) dtype: DType,
    /// The user's line; none for operands and what only moves.
    pub(crate) origin: Option<Origin>,
}

/// What a step does.
pub(crate) enum What {
    /// Operands, in the order of the steps.
    Input,
    /// The same number everywhere; may stand beside values of any extent.
    Literal(Bits),
    /// An operation that lowers to [`Kernel::Map`]; its inputs have the same extent as itself, or are literals.
    Map(Op),
    /// The same number in another dtype.
    Cast,
    /// Folds elements: each row, each column, or all, as the extent says.
    Fold(Fold),
    /// Repeats a number of each row for its elements.
    Spread,
}

impl Space {
    pub(crate) fn len(&self) -> usize {
        self.rows * self.inner
    }

    /// How many numbers a value has.
    pub(crate) fn count(&self, extent: Extent) -> usize {
        match extent {
            Extent::Elements => self.len(),
            Extent::Rows => self.rows,
            Extent::Columns => self.inner,
            Extent::One => 1,
        }
    }
}

impl Step {
    pub(crate) fn is_literal(&self) -> bool {
        matches!(self.what, What::Literal(_))
    }
}

impl Fused {
    /// The kernel, prepared for running. The space is not empty.
    pub(crate) fn new(space: Space, steps: Vec<Step>, outputs: Vec<Value>) -> Fused {
        debug_assert_eq!(check(space, &steps, &outputs), Ok(()));
        let program = cpu::fused::Program::new(space, &steps, &outputs);
        Fused { space, steps, outputs, program }
    }

    pub(crate) fn space(&self) -> Space {
        self.space
    }

    #[cfg(any(test, feature = "samples"))]
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    #[cfg(any(test, feature = "samples"))]
    pub(crate) fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    #[cfg(any(test, feature = "samples"))]
    pub(crate) fn step(&self, value: Value) -> &Step {
        &self.steps[value.index()]
    }

    /// The program of the CPU backend.
    pub(crate) fn program(&self) -> &cpu::fused::Program {
        &self.program
    }

    /// The operands' steps, in order.
    pub(crate) fn operands(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| matches!(step.what, What::Input))
    }

    /// Whether output `output` may be placed exactly over operand `input`, which must then be row-major without gaps
    /// and the only operand that reads this memory: no element of it is read after its place has been written.
    pub(crate) fn may_overwrite(&self, input: usize, output: usize) -> bool {
        self.program.may_overwrite(input, output)
    }
}

/// What must hold of the steps; the error says where it does not.
fn check(space: Space, steps: &[Step], outputs: &[Value]) -> Result<(), String> {
    if space.len() == 0 {
        return Err("the space is empty".into());
    }
    for (at, step) in steps.iter().enumerate() {
        if step.inputs.iter().any(|input| input.index() >= at) {
            return Err(format!("v{at} reads a value that comes later"));
        }
        let reads = |extent: Extent| {
            step.inputs.iter().map(|v| &steps[v.index()]).all(|x| x.is_literal() || x.extent == extent)
        };
        let fits = match &step.what {
            What::Input | What::Literal(_) => step.inputs.is_empty() && step.extent != Extent::Columns,
            What::Map(_) | What::Cast => step.extent != Extent::Columns && reads(step.extent),
            What::Fold(fold) => {
                let positions = matches!(fold, Fold::ArgMax | Fold::ArgMin);
                step.extent != Extent::Elements && reads(Extent::Elements) && !positions
            }
            What::Spread => step.extent == Extent::Elements && reads(Extent::Rows),
        };
        if !fits {
            return Err(format!("the extents of v{at} and its inputs do not fit"));
        }
    }
    match outputs
        .iter()
        .find(|v| matches!(steps[v.index()].what, What::Input | What::Literal(_) | What::Spread))
    {
        Some(output) => Err(format!("v{} is an output without being computed", output.0)),
        None => Ok(()),
    }
}

/// As readable code, a line a step.
impl fmt::Display for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fused [{} x {}] {{", self.space.rows, self.space.inner)?;
        let list =
            |values: &[Value]| values.iter().map(|v| format!("v{}", v.0)).collect::<Vec<_>>().join(", ");
        let mut operands = 0;
        for (at, step) in self.steps.iter().enumerate() {
            let call = match &step.what {
                What::Input => {
                    operands += 1;
                    format!("input {}", operands - 1)
                }
                What::Literal(bits) => format!("{}", step.dtype.number(bits).as_f64()),
                What::Map(op) => format!("{}({})", op.name(), list(&step.inputs)),
                What::Cast => format!("{}({})", step.dtype, list(&step.inputs)),
                What::Fold(fold) => format!("{fold:?}({})", list(&step.inputs)).to_lowercase(),
                What::Spread => format!("spread({})", list(&step.inputs)),
            };
            let extent = match step.extent {
                _ if step.is_literal() => "",
                Extent::Elements => "",
                Extent::Rows => " a row",
                Extent::Columns => " a column",
                Extent::One => " once",
            };
            write!(f, "    v{at}: {}{extent} = {call}", step.dtype)?;
            match step.origin {
                Some(at) => writeln!(f, "  // {}:{}", at.file(), at.line())?,
                None => writeln!(f)?,
            }
        }
        writeln!(f, "    return {}", list(&self.outputs))?;
        f.write_str("}")
    }
}

impl fmt::Debug for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a step of a graph may be part of a fused kernel as a Map: elementwise, and without errors that only data
/// can show.
pub(crate) fn is_fusible_map(kernel: &Kernel<'_>, inputs: &[&Spec]) -> bool {
    match kernel {
        Kernel::Map(body) => {
            let divides = body.divides() && inputs.last().is_some_and(|x| x.dtype.is_int());
            !divides && inputs.len() <= cpu::fused::MAX_OPERANDS
        }
        Kernel::Cast => true,
        _ => false,
    }
}
