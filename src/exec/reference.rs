//! The reference interpreter of the kernel classes: slow and obvious, the oracle of every backend.
//!
//! It knows tensors as lists of numbers in row-major order, one element at a time, and shares nothing with a
//! backend but the definition of the random generator.

mod fused;
#[cfg(feature = "linalg")]
mod matrix;
mod ordering;

use super::expr::Expr;
use super::window::{self, Windows};
use super::{
    Base, Body, Combine, ConvRole, Convolution, Fold, Indexing, Kernel, PoolKind, Pooling, Region, Regions,
    View,
};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{AxisSet, DType, Number, Shape, Spec, Tensor};

/// A tensor as a list.
struct List {
    spec: Spec,
    values: Vec<Number>,
}

/// A position: one index for each axis.
type Position = Vec<usize>;

impl List {
    fn of(x: &Tensor) -> List {
        List { spec: *x.spec(), values: x.to_vec_of_numbers() }
    }

    fn at(&self, position: &[usize]) -> Number {
        self.values[flat(&self.spec.shape, position)]
    }
}

/// Row-major number of a position.
fn flat(shape: &Shape, position: &[usize]) -> usize {
    position.iter().zip(shape.iter()).fold(0, |flat, (&i, &n)| flat * n as usize + i)
}

/// All positions of a shape, in row-major order.
fn positions(shape: &Shape) -> Vec<Position> {
    (0..shape.numel())
        .map(|mut rest| {
            let mut position = vec![0; shape.rank()];
            for axis in (0..shape.rank()).rev() {
                position[axis] = rest % shape.dim(axis);
                rest /= shape.dim(axis);
            }
            position
        })
        .collect()
}

/// Computes a kernel whose outputs have the given specs.
pub(crate) fn compute(kernel: &Kernel<'_>, x: &[&Tensor], specs: &[Spec]) -> Result<Vec<Tensor>> {
    if let Kernel::Opaque(opaque) = kernel {
        return opaque.run(x);
    }
    if let Kernel::Fused(kernel) = kernel {
        return fused::compute(kernel, x, specs);
    }
    if specs.len() == 1 {
        return Ok(vec![compute_one(kernel, x, specs[0])?]);
    }
    let x: Vec<List> = x.iter().map(|x| List::of(x)).collect();
    let values: Vec<Vec<Number>> = match kernel {
        Kernel::Scan(scan) => ordering::scan(scan, &x).into(),
        Kernel::Sort(sorting) => ordering::sort(sorting, &x[0]).into(),
        Kernel::Pool(Pooling { windows, .. }) => greatest_seen(windows, &x[0], specs[0]).into(),
        #[cfg(feature = "linalg")]
        Kernel::Matrix(function) => matrix::compute(*function, &x, specs)?,
        _ => unreachable!("{kernel:?} has one output"),
    };
    Ok(specs.iter().zip(values).map(|(spec, values)| from_numbers(*spec, &values)).collect())
}

fn compute_one(kernel: &Kernel<'_>, x: &[&Tensor], spec: Spec) -> Result<Tensor> {
    if let Kernel::Random(_) = kernel {
        // The generator is its own definition.
        return super::cpu::run(kernel, x, &spec, crate::ops::InputSet::NONE)
            .map_err(|misfit| Error::plain(misfit.kind, misfit.message));
    }
    let x: Vec<List> = x.iter().map(|x| List::of(x)).collect();
    let values = match kernel {
        Kernel::Map(body) => map(*body, &x, spec),
        Kernel::Cast => x[0].values.clone(),
        Kernel::Reduce(fold, axes) => reduce(*fold, *axes, &x[0], spec),
        Kernel::View(view) => {
            positions(&spec.shape).iter().map(|p| viewed(view, &x[0], &spec.shape, p)).collect()
        }
        Kernel::Place(base, regions) => place(*base, *regions, &x, spec),
        Kernel::Gather(what, axis) => gather(*what, *axis, &x, spec)?,
        Kernel::Scatter(what, axis, combine) => scatter(*what, *axis, *combine, &x, spec)?,
        Kernel::Scan(scan) => {
            let [values, _] = ordering::scan(scan, &x);
            values
        }
        Kernel::Search(side) => ordering::search(*side, &x[0], &x[1]),
        Kernel::Sort(_) => unreachable!("{kernel:?} has two outputs"),
        Kernel::Dot => dot(&x[0], &x[1], spec),
        Kernel::Conv(conv) => convolution(conv, &x, spec),
        Kernel::Pool(pooling) => sums_seen(pooling, &x[0], spec),
        #[cfg(feature = "linalg")]
        Kernel::Matrix(function) => matrix::compute(*function, &x, &[spec])?.swap_remove(0),
        Kernel::Random(_) | Kernel::Opaque(_) | Kernel::Fused(_) => unreachable!("done above"),
    };
    Ok(from_numbers(spec, &values))
}

fn from_numbers(spec: Spec, values: &[Number]) -> Tensor {
    let bytes: Vec<u8> =
        values.iter().flat_map(|v| spec.dtype.bits(*v)[..spec.dtype.size()].to_vec()).collect();
    super::cpu::build(spec, |to| {
        // SAFETY: the block has room for `spec.bytes()`, which is what the elements take.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    })
}

fn map(body: &dyn Body, x: &[List], spec: Spec) -> Vec<Number> {
    let expr = body.expr();
    let domain = x[x.len() - 1].spec.dtype;
    (0..spec.shape.numel())
        .map(|i| evaluate(&expr, domain, &x.iter().map(|x| x.values[i]).collect::<Vec<_>>()))
        .collect()
}

fn evaluate(expr: &Expr, domain: DType, x: &[Number]) -> Number {
    let floats = || x.iter().map(|v| v.as_f64()).collect::<Vec<_>>();
    let ints = || x.iter().map(|v| v.as_i64()).collect::<Vec<_>>();
    match domain {
        DType::F64 => Number::Float(expr.eval_f64(&floats())),
        DType::F32 | DType::F16 | DType::BF16 => {
            let x: Vec<f32> = floats().iter().map(|v| *v as f32).collect();
            Number::Float(f64::from(expr.eval_f32(&x)))
        }
        DType::I64 => Number::Int(expr.eval_i64(&ints())),
        DType::I32 => {
            Number::Int(expr.eval_i32(&ints().iter().map(|v| *v as i32).collect::<Vec<_>>()).into())
        }
        DType::U8 | DType::Bool => {
            Number::Int(expr.eval_u8(&ints().iter().map(|v| *v as u8).collect::<Vec<_>>()).into())
        }
    }
}

fn reduce(fold: Fold, axes: AxisSet, x: &List, spec: Spec) -> Vec<Number> {
    let mut groups: Vec<Vec<Number>> = vec![Vec::new(); spec.shape.numel()];
    for position in positions(&x.spec.shape) {
        let kept: Position =
            position.iter().enumerate().filter(|(axis, _)| !axes.contains(*axis)).map(|(_, &i)| i).collect();
        groups[flat(&spec.shape, &kept)].push(x.at(&position));
    }
    groups.iter().map(|group| folded(fold, x.spec.dtype, group)).collect()
}

fn folded(fold: Fold, dtype: DType, group: &[Number]) -> Number {
    let floats = group.iter().map(|v| v.as_f64());
    let ints = group.iter().map(|v| v.as_i64());
    let extreme = |greatest: bool| {
        let better = |a: f64, b: f64| (b.is_nan() && !a.is_nan()) || if greatest { b > a } else { b < a };
        let mut best = 0;
        for i in 1..group.len() {
            if better(group[best].as_f64(), group[i].as_f64()) {
                best = i;
            }
        }
        best
    };
    match fold {
        Fold::Sum if dtype.is_float() => Number::Float(floats.sum()),
        Fold::Sum => Number::Int(ints.fold(0, i64::wrapping_add)),
        Fold::Prod if dtype.is_float() => Number::Float(floats.product()),
        Fold::Prod => Number::Int(ints.fold(1, i64::wrapping_mul)),
        Fold::Max => group[extreme(true)],
        Fold::Min => group[extreme(false)],
        Fold::ArgMax => Number::Int(extreme(true) as i64),
        Fold::ArgMin => Number::Int(extreme(false) as i64),
    }
}

fn viewed(view: &View<'_>, x: &List, shape: &Shape, position: &[usize]) -> Number {
    let from = &x.spec.shape;
    match view {
        View::Reshape => x.values[flat(shape, position)],
        View::Permute(order) => {
            let mut source = vec![0; from.rank()];
            for (i, &p) in position.iter().enumerate() {
                source[order[i] as usize] = p;
            }
            x.at(&source)
        }
        View::Broadcast => {
            let own = &position[shape.rank() - from.rank()..];
            let source: Position =
                own.iter().zip(from.iter()).map(|(&p, &n)| if n == 1 { 0 } else { p }).collect();
            x.at(&source)
        }
        View::Slice(region) => x.at(&in_region(region, position)),
        View::Windows(axis, step) => {
            let mut source = position[..from.rank()].to_vec();
            source[*axis] = source[*axis] * step + position[from.rank()];
            x.at(&source)
        }
    }
}

fn in_region(region: &Region, position: &[usize]) -> Position {
    let axes = region.start.iter().zip(&region.step).zip(position);
    axes.map(|((start, step), &p)| (start + step * p as i64) as usize).collect()
}

fn place(base: Base, regions: Regions<'_>, x: &[List], spec: Spec) -> Vec<Number> {
    let (mut y, parts) = match base {
        Base::Fill(number) => (vec![number; spec.shape.numel()], x),
        Base::First => (x[0].values.clone(), &x[1..]),
    };
    let mut end = 0;
    for part in parts {
        let start = end;
        for position in positions(&part.spec.shape) {
            let to = match regions {
                Regions::One(region) => in_region(region, &position),
                Regions::Joined(axis) => {
                    let mut to = position.clone();
                    to[axis] += start;
                    end = start + part.spec.shape.dim(axis);
                    to
                }
            };
            y[flat(&spec.shape, &to)] = part.at(&position);
        }
    }
    y
}

/// The position that an index points at.
fn pointed(value: Number, n: usize) -> Result<usize> {
    let value = value.as_i64();
    let position = if value < 0 { value + n as i64 } else { value };
    usize::try_from(position).ok().filter(|&p| p < n).ok_or_else(|| {
        Error::plain(ErrorKind::Data, format!("index {value} is out of range for an axis of {n}"))
    })
}

/// For a position of the gathered tensor, that of the index and that of the tensor it points into.
fn source(what: Indexing, axis: usize, x: &Shape, index: &List, position: &[usize]) -> Result<Position> {
    match what {
        Indexing::Elements => {
            let mut source = position.to_vec();
            source[axis] = pointed(index.at(position), x.dim(axis))?;
            Ok(source)
        }
        Indexing::Slices => {
            let end = axis + index.spec.shape.rank();
            let mut source = position[..axis].to_vec();
            source.push(pointed(index.at(&position[axis..end]), x.dim(axis))?);
            source.extend(&position[end..]);
            Ok(source)
        }
    }
}

fn gather(what: Indexing, axis: usize, x: &[List], spec: Spec) -> Result<Vec<Number>> {
    let from = &x[0].spec.shape;
    positions(&spec.shape).iter().map(|p| Ok(x[0].at(&source(what, axis, from, &x[1], p)?))).collect()
}

fn scatter(what: Indexing, axis: usize, combine: Combine, x: &[List], spec: Spec) -> Result<Vec<Number>> {
    let mut y = x[0].values.clone();
    for position in positions(&x[2].spec.shape) {
        let to = flat(&spec.shape, &source(what, axis, &spec.shape, &x[1], &position)?);
        y[to] = combined(combine, y[to], x[2].at(&position));
    }
    Ok(y)
}

fn combined(combine: Combine, a: Number, b: Number) -> Number {
    let (x, y) = (a.as_f64(), b.as_f64());
    match (combine, a, b) {
        (Combine::Replace, ..) => b,
        (Combine::Add, Number::Int(a), Number::Int(b)) => Number::Int(a.wrapping_add(b)),
        (Combine::Mul, Number::Int(a), Number::Int(b)) => Number::Int(a.wrapping_mul(b)),
        (Combine::Max, Number::Int(a), Number::Int(b)) => Number::Int(a.max(b)),
        (Combine::Min, Number::Int(a), Number::Int(b)) => Number::Int(a.min(b)),
        (Combine::Add, ..) => Number::Float(x + y),
        (Combine::Mul, ..) => Number::Float(x * y),
        (Combine::Max, ..) => {
            if x.is_nan() || x > y {
                a
            } else {
                b
            }
        }
        (Combine::Min, ..) => {
            if x.is_nan() || x < y {
                a
            } else {
                b
            }
        }
    }
}

fn dot(a: &List, b: &List, spec: Spec) -> Vec<Number> {
    let last = spec.shape.rank() - 1;
    let depth = a.spec.shape.dim(last);
    positions(&spec.shape)
        .iter()
        .map(|p| {
            let term = |k: usize| {
                let (mut left, mut right) = (p.clone(), p.clone());
                (left[last], right[last - 1]) = (k, k);
                (a.at(&left), b.at(&right))
            };
            if spec.dtype.is_float() {
                return Number::Float((0..depth).map(term).map(|(a, b)| a.as_f64() * b.as_f64()).sum());
            }
            let terms = (0..depth).map(term).map(|(a, b)| a.as_i64().wrapping_mul(b.as_i64()));
            Number::Int(terms.fold(0, i64::wrapping_add))
        })
        .collect()
}

/// Every product of the trilinear form, added to the tensor that is computed.
fn convolution(conv: &Convolution, x: &[List], spec: Spec) -> Vec<Number> {
    let windows = &conv.windows;
    let image = |list: &List| list.spec.shape.dim(0);
    let (images, outputs, inputs) = match conv.role {
        ConvRole::Output => (image(&x[0]), x[1].spec.shape.dim(0), x[0].spec.shape.dim(1)),
        ConvRole::Input => (image(&x[0]), x[1].spec.shape.dim(0), spec.shape.dim(1)),
        ConvRole::Weight => (image(&x[0]), x[1].spec.shape.dim(1), x[0].spec.shape.dim(1)),
    };
    let depth = inputs / conv.groups;
    let mut y =
        vec![if spec.dtype.is_float() { Number::Float(0.0) } else { Number::Int(0) }; spec.shape.numel()];
    for (n, o, c) in
        (0..images).flat_map(|n| (0..outputs).flat_map(move |o| (0..depth).map(move |c| (n, o, c))))
    {
        let channel = o / (outputs / conv.groups) * depth + c;
        for (p, position) in window::positions(windows.output).enumerate() {
            for (k, element) in window::positions(windows.kernel).enumerate() {
                let Some(seen) = windows.seen_flat(position, element) else { continue };
                let at_x = (n * inputs + channel) * window::count(windows.input) + seen;
                let at_w = (o * depth + c) * window::count(windows.kernel) + k;
                let at_y = (n * outputs + o) * window::count(windows.output) + p;
                let (a, b, to) = match conv.role {
                    ConvRole::Output => (at_x, at_w, at_y),
                    ConvRole::Input => (at_y, at_w, at_x),
                    ConvRole::Weight => (at_x, at_y, at_w),
                };
                y[to] = match (y[to], x[0].values[a], x[1].values[b]) {
                    (Number::Int(sum), Number::Int(a), Number::Int(b)) => {
                        Number::Int(sum.wrapping_add(a.wrapping_mul(b)))
                    }
                    (sum, a, b) => Number::Float(sum.as_f64() + a.as_f64() * b.as_f64()),
                };
            }
        }
    }
    y
}

/// All `(plane, output position, seen input position)` of a pooling, as flat numbers.
fn sights(windows: &Windows, planes: usize) -> impl Iterator<Item = (usize, usize)> {
    let (inputs, outputs) = (window::count(windows.input), window::count(windows.output));
    (0..planes).flat_map(move |plane| {
        window::positions(windows.output).enumerate().flat_map(move |(p, position)| {
            let seen = window::positions(windows.kernel).filter_map(move |k| windows.seen_flat(position, k));
            seen.map(move |seen| (plane * outputs + p, plane * inputs + seen))
        })
    })
}

fn added(a: Number, b: Number) -> Number {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Number::Int(a.wrapping_add(b)),
        (a, b) => Number::Float(a.as_f64() + b.as_f64()),
    }
}

fn sums_seen(pooling: &Pooling, x: &List, spec: Spec) -> Vec<Number> {
    let zero = if spec.dtype.is_float() { Number::Float(0.0) } else { Number::Int(0) };
    let mut y = vec![zero; spec.shape.numel()];
    let spread = pooling.kind == PoolKind::Spread;
    let each = window::count(if spread { pooling.windows.input } else { pooling.windows.output });
    for (output, input) in sights(&pooling.windows, spec.shape.numel() / each.max(1)) {
        let (from, to) = if spread { (output, input) } else { (input, output) };
        y[to] = added(y[to], x.values[from]);
    }
    y
}

fn greatest_seen(windows: &Windows, x: &List, spec: Spec) -> [Vec<Number>; 2] {
    let planes = spec.shape.numel() / window::count(windows.output).max(1);
    let mut best: Vec<Option<usize>> = vec![None; spec.shape.numel()];
    for (output, input) in sights(windows, planes) {
        let value = |at: usize| x.values[at].as_f64();
        let wins = |at: usize| value(input) > value(at) || (value(input).is_nan() && !value(at).is_nan());
        if best[output].is_none_or(wins) {
            best[output] = Some(input);
        }
    }
    let best = best.into_iter().map(|at| at.expect("every window sees something"));
    let inputs = window::count(windows.input);
    let (values, places) = best.map(|at| (x.values[at], Number::Int((at % inputs) as i64))).unzip();
    [values, places]
}
