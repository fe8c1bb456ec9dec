//! Where operations run. A backend executes kernel classes, not operations: [`Kernel`] is all it knows.

pub(crate) mod cpu;
pub(crate) mod expr;
pub(crate) mod fused;
mod math;
#[cfg(feature = "linalg")]
pub(crate) mod matrix;
#[cfg(any(test, feature = "samples"))]
pub(crate) mod reference;
pub(crate) mod scalar;
pub(crate) mod threads;
pub(crate) mod window;

use std::fmt;

use crate::error::Misfit;
use crate::ops::{Distribution, Few, InputSet, Order, Outputs, Primitive, Side};
use crate::tensor::{AxisSet, DType, Number, Tensor};
use expr::Expr;
use window::Windows;

/// How a primitive is computed: its class, and what the class needs to know beside the specs.
pub(crate) enum Kernel<'a> {
    /// `y[i] = body(x0[i], x1[i], ..)`.
    Map(&'a dyn Body),
    /// `y[i] = x0[i]` in the output's dtype.
    Cast,
    /// Folds the axes of `x0`.
    Reduce(Fold, AxisSet),
    /// Along an axis of `x0` (and `x1`), each output made of the one before it; extremes also yield positions.
    Scan(Scan),
    /// Part of the last axis of `x0` in order: values, and where (i64) they were.
    Sort(Sorting),
    /// For each element of `x1`, where (i64) it would go in the sorted rows `x0`, which may be one row for all.
    Search(Side),
    /// No arithmetic: the same elements under other strides.
    View(View<'a>),
    /// A base with the other inputs written into regions of it.
    Place(Base, Regions<'a>),
    /// `x0` at the indices `x1` along an axis.
    Gather(Indexing, usize),
    /// `x0` with `x2` combined into it at the indices `x1` along an axis, in row-major order of `x2`.
    Scatter(Indexing, usize, Combine),
    /// `y[b, i, j] = sum over k of x0[b, i, k] * x1[b, k, j]`, `b` standing for all leading axes.
    Dot,
    /// Convolution, or one of its transposes.
    Conv(Convolution),
    /// What windows over the last axes of `x0` see, or its spread. Of the greatest there is a second output, their
    /// row-major numbers (i64) among the window's axes.
    Pool(Pooling),
    /// A function of the matrices in the last two axes.
    #[cfg(feature = "linalg")]
    Matrix(matrix::MatrixFunction),
    /// Numbers drawn with the key `x0` (i64: seed, counter).
    Random(Distribution),
    /// Maps, casts and folds over one index space, in one go.
    Fused(&'a fused::Fused),
    /// Code that only itself knows: the user's.
    Opaque(&'a dyn Opaque),
}

/// How a reduction combines elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Fold {
    Sum,
    Prod,
    /// NaN wins.
    Max,
    /// NaN wins.
    Min,
    /// Index (i64) of the first greatest element along the one axis; NaN counts as greatest.
    ArgMax,
    /// Index (i64) of the first least element along the one axis; NaN counts as least.
    ArgMin,
}

/// A scan along one axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Scan {
    pub(crate) running: Running,
    pub(crate) axis: usize,
    pub(crate) direction: Direction,
}

/// What a scan yields at each place, of the elements up to there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Running {
    Sum,
    Prod,
    /// The greatest element and the index (i64) of its last occurrence; NaN wins.
    Max,
    /// The least element and the index (i64) of its last occurrence; NaN wins.
    Min,
    /// `log(sum(exp(x)))`.
    LogSumExp,
    /// `y[i] = x0[i] * y[i - 1] + x1[i]`, beginning with `x1`.
    Recurrence,
}

/// Which way a scan goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    pub(crate) fn reversed(self) -> Direction {
        match self {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        }
    }
}

/// Places `start..start + len` of the stable order of each row. NaN counts as greatest, -0 equals 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sorting {
    pub(crate) order: Order,
    pub(crate) start: usize,
    pub(crate) len: usize,
}

/// Other strides for the same elements. The output's shape is the spec's.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    /// Row-major order is kept.
    Reshape,
    /// Output axis `i` is input axis `order[i]`.
    Permute(&'a [u8]),
    /// Axes are aligned at the last; those of length 1 repeat.
    Broadcast,
    /// Output position `i` along an axis is input position `start + i * step`.
    Slice(&'a Region),
    /// Windows of an axis, each `step` further on; the positions in a window are a new last axis.
    Windows(usize, usize),
}

/// A regular grid of positions, one start and step for each axis.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Region {
    pub(crate) start: Vec<i64>,
    pub(crate) step: Vec<i64>,
}

/// Where the tensors of a placement go.
#[derive(Clone, Copy)]
pub(crate) enum Regions<'a> {
    /// The one tensor that there is goes here.
    One(&'a Region),
    /// One after the other along an axis.
    Joined(usize),
}

/// What a placement starts from.
#[derive(Clone, Copy)]
pub(crate) enum Base {
    /// The same number everywhere; every input is placed.
    Fill(Number),
    /// The first input; the others are placed.
    First,
}

/// The trilinear form `sum of y[n, o, p] * x[n, c, p * stride + k * dilation - before] * w[o, c, k]` as a function of
/// two of its tensors: the slope in the third.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Convolution {
    pub(crate) role: ConvRole,
    pub(crate) windows: Windows,
    /// Input and output channels are cut into so many parts; each output part sees its input part alone.
    pub(crate) groups: usize,
}

/// Which of the three tensors of a convolution is computed from the other two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ConvRole {
    /// From input `[n, c, ..]` and weight `[o, c / groups, ..]`: the convolution itself.
    Output,
    /// From output `[n, o, ..]` and weight: the transposed convolution.
    Input,
    /// From input and output.
    Weight,
}

/// A pooling.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Pooling {
    pub(crate) kind: PoolKind,
    pub(crate) windows: Windows,
}

/// What is made of a window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PoolKind {
    /// The sum of what it sees.
    Sum,
    /// The transpose: every element is added to all that its window sees.
    Spread,
    /// The greatest element, the first of equal ones; NaN counts as greatest.
    Max,
}

/// What an index stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Indexing {
    /// A whole slice across the axis: the index tensor's axes take the axis' place.
    Slices,
    /// One element: the index tensor has the rank of the source (PyTorch's `gather`).
    Elements,
}

/// What becomes of an element that a scatter meets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Combine {
    Add,
    /// The last one written stays.
    Replace,
    Mul,
    /// NaN wins.
    Max,
    /// NaN wins.
    Min,
}

/// The arithmetic of a Map: the same for a tile of numbers and for a recorded expression.
pub(crate) trait Body: Send + Sync {
    /// Computes `n` elements, gap-free. `dtype` is that of the last input, as arithmetic sees it.
    ///
    /// # Safety
    /// Every pointer is valid for `n` elements and `y` overlaps no input.
    unsafe fn tile(&self, dtype: DType, x: &[*const u8], y: *mut u8, n: usize);

    /// The same as a recorded expression.
    fn expr(&self) -> Expr;

    /// Whether an integer zero in the last input is an error.
    fn divides(&self) -> bool {
        false
    }

    /// Whether elements are only moved, so that 16-bit floats need no conversion.
    fn moves(&self) -> bool {
        false
    }
}

/// An operation that computes on whole tensors by itself.
pub(crate) trait Opaque: Send + Sync {
    fn run(&self, x: &[&Tensor]) -> crate::Result<Vec<Tensor>>;
}

impl fmt::Debug for Kernel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kernel::Map(body) => write!(f, "map {}", body.expr()),
            Kernel::Cast => f.write_str("cast"),
            Kernel::Reduce(fold, axes) => write!(f, "reduce {fold:?} {:?}", axes.iter().collect::<Vec<_>>()),
            Kernel::Scan(scan) => write!(f, "scan {:?} {} {:?}", scan.running, scan.axis, scan.direction),
            Kernel::Sort(sorting) => {
                let end = sorting.start + sorting.len;
                write!(f, "sort {:?} {}..{end}", sorting.order, sorting.start)
            }
            Kernel::Search(side) => write!(f, "search {side:?}"),
            Kernel::View(_) => f.write_str("view"),
            Kernel::Place(..) => f.write_str("place"),
            Kernel::Gather(indexing, axis) => write!(f, "gather {indexing:?} {axis}"),
            Kernel::Scatter(indexing, axis, combine) => write!(f, "scatter {combine:?} {indexing:?} {axis}"),
            Kernel::Dot => f.write_str("dot"),
            Kernel::Conv(conv) => write!(f, "conv {:?}", conv.role),
            Kernel::Pool(pooling) => write!(f, "pool {:?}", pooling.kind),
            #[cfg(feature = "linalg")]
            Kernel::Matrix(function) => write!(f, "matrix {function:?}"),
            Kernel::Random(distribution) => write!(f, "random {distribution:?}"),
            Kernel::Fused(fused) => write!(f, "{fused}"),
            Kernel::Opaque(_) => f.write_str("opaque"),
        }
    }
}

/// Computes a primitive on concrete inputs. The memory of `dying` ones may be overwritten.
pub(crate) fn apply(op: &dyn Primitive, x: &[&Tensor], dying: InputSet) -> Result<Outputs, Box<Misfit>> {
    let specs = Few::map(x, |_, x| x.spec());
    if op.outputs() == 1 {
        let spec = op.infer(specs.as_slice())?;
        return cpu::run(&op.lower(specs.as_slice()), x, &spec, dying).map(Outputs::One);
    }
    let kernel = op.lower(specs.as_slice());
    if let Kernel::Opaque(opaque) = kernel {
        // What it yields is known when it has run.
        return cpu::run_opaque(opaque, x).map(Outputs::Many);
    }
    let outputs = op.infer_all(specs.as_slice())?;
    cpu::run_many(&kernel, x, &outputs).map(Outputs::Many)
}
