//! Printing tensors as NumPy does: nested brackets, aligned columns, one precision for all, `...` in the middle of
//! what is long.

use std::fmt;

use super::{DType, Number, Shape, Tensor};
use crate::autodiff::level::settle;
use crate::error::Error;
use crate::tensor::Repr;

/// More elements than these are not all printed (NumPy's threshold).
const SUMMARISED_FROM: usize = 1000;
/// Positions printed at each end of a summarised axis (NumPy's number).
const EDGE: usize = 3;
/// Columns that a line of elements fills at most (PyTorch's line width).
const LINE_WIDTH: usize = 80;
/// From here on numbers are printed with an exponent (NumPy's limit).
const LARGE: f64 = 1e8;
/// Below this they are, if digits would be lost otherwise (NumPy's limit).
const SMALL: f64 = 1e-4;
/// And where the largest is this many times the smallest, if digits would be lost otherwise (NumPy's limit).
const WIDE: f64 = 1e3;

/// The elements in nested brackets, as NumPy prints them.
///
/// All floats of a tensor have the same number of digits after the point, as many as the longest of them needs, at
/// most 4 (f64: 8); `{:.2}` asks for exactly two, `{:8}` for columns of at least 8. Of more than 1000 elements only
/// three at each end of an axis are printed, and no more are read than those. A tensor inside a gradient prints its
/// value; one that has none, inside `vmap` or a trace, its dtype and shape; an invalid one its error.
///
/// ```
/// # use retrograd::Tensor;
/// assert_eq!(Tensor::from([[1.0, -2.5], [0.0, 10.0]]).to_string(), "[[ 1.0, -2.5],\n [ 0.0, 10.0]]");
/// assert_eq!(format!("{:.2}", Tensor::from(2.0f32 / 3.0)), "0.67");
/// ```
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match printable(self) {
            Printable::Value(x) => Layout::new(&x, f).print(f),
            Printable::Valueless(place) => write!(f, "<{} {place}>", self.spec()),
            Printable::Invalid(error) => write!(f, "<invalid: {error}>"),
        }
    }
}

/// As `Display`, with dtype and shape in front, and the transform that the tensor is inside of, if any.
///
/// ```
/// # use retrograd::Tensor;
/// assert_eq!(format!("{:?}", Tensor::from([1i64, 2])), "Tensor i64[2] [1, 2]");
/// ```
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = match printable(self) {
            Printable::Value(x) => x,
            Printable::Valueless(place) => return write!(f, "Tensor {} {place}", self.spec()),
            Printable::Invalid(error) => return write!(f, "Tensor invalid: {error}"),
        };
        write!(f, "Tensor {}", self.spec())?;
        match settle(self).lifted().map(|lifted| lifted.tangent.is_some()) {
            Some(true) => f.write_str(" dual")?,
            Some(false) => f.write_str(" taped")?,
            None => {}
        }
        // A matrix has its rows below each other, so it begins on a line of its own.
        f.write_str(if x.spec().shape.rank() > 1 && x.spec().shape.numel() > 0 { "\n" } else { " " })?;
        Layout::new(&x, f).print(f)
    }
}

/// What there is to print of a tensor.
enum Printable {
    /// A concrete tensor.
    Value(Tensor),
    /// Where it is that the tensor has no value.
    Valueless(&'static str),
    Invalid(Error),
}

/// Goes down to the value, without asking a trace for one: that would change how the function runs.
fn printable(x: &Tensor) -> Printable {
    let mut x = settle(x);
    loop {
        let lower = match &x.node().repr {
            Repr::Concrete(_) => return Printable::Value(x),
            Repr::Invalid(error) => return Printable::Invalid(error.clone()),
            Repr::Lifted(lifted) if lifted.lower.is_none() => return Printable::Valueless("inside a trace"),
            Repr::Lifted(lifted) => match lifted.level.value(lifted, std::panic::Location::caller()) {
                Ok(lower) => lower,
                Err(_) => return Printable::Valueless("inside vmap"),
            },
        };
        x = settle(&lower);
    }
}

/// The elements to print, each as text, and where they go.
struct Layout {
    /// Shape of the whole tensor.
    shape: Shape,
    /// Whether long axes are printed without their middle.
    summarised: bool,
    cells: Vec<String>,
    /// Columns that each cell takes.
    width: usize,
}

impl Layout {
    /// The layout of a concrete tensor under a formatter's width and precision.
    fn new(x: &Tensor, f: &fmt::Formatter<'_>) -> Layout {
        let spec = *x.spec();
        let summarised = spec.shape.numel() > SUMMARISED_FROM;
        let numbers = if summarised { edges(x).to_vec_of_numbers() } else { x.to_vec_of_numbers() };
        let cells = texts(&numbers, spec.dtype, f.precision());
        let longest = cells.iter().map(String::len).max().unwrap_or(0);
        Layout { shape: spec.shape, summarised, cells, width: longest.max(f.width().unwrap_or(0)) }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shape.numel() == 0 {
            f.write_str("[]")?;
            return if self.shape.rank() > 1 { write!(f, " of shape {}", self.shape) } else { Ok(()) };
        }
        self.print_axis(f, 0, &mut self.cells.iter())
    }

    /// Prints the part of the next cells that one position of all axes before `axis` has.
    fn print_axis<'a>(
        &self,
        f: &mut fmt::Formatter<'_>,
        axis: usize,
        cells: &mut impl Iterator<Item = &'a String>,
    ) -> fmt::Result {
        let rank = self.shape.rank();
        if axis == rank {
            let cell = cells.next().expect("a cell for each position");
            return write!(f, "{cell:>width$}", width = self.width);
        }
        let length = self.shape.dim(axis);
        let cut = self.summarised && is_cut(length);
        let shown = if cut { 2 * EDGE } else { length };
        let per_line = if axis + 1 < rank { 1 } else { self.cells_per_line() };
        f.write_str("[")?;
        // Counts what has a place on the line: cells, and the dots.
        let mut placed = 0;
        for i in 0..shown {
            if i > 0 {
                self.separate(f, axis, placed % per_line == 0)?;
            }
            if cut && i == EDGE {
                f.write_str("...")?;
                placed += 1;
                self.separate(f, axis, placed % per_line == 0)?;
            }
            self.print_axis(f, axis + 1, cells)?;
            placed += 1;
        }
        f.write_str("]")
    }

    /// Between two neighbours on an axis: on the same line, on the next, or with empty lines between.
    fn separate(&self, f: &mut fmt::Formatter<'_>, axis: usize, line_is_full: bool) -> fmt::Result {
        f.write_str(",")?;
        if !line_is_full {
            return f.write_str(" ");
        }
        // Rows follow directly, matrices after an empty line, and so on outward.
        for _ in 0..(self.shape.rank() - 1 - axis).max(1) {
            f.write_str("\n")?;
        }
        write!(f, "{:1$}", "", axis + 1)
    }

    fn cells_per_line(&self) -> usize {
        // Each has ", " or the closing bracket behind it.
        (LINE_WIDTH.saturating_sub(self.shape.rank()) / (self.width + 2)).max(1)
    }
}

/// Whether an axis of a summarised tensor loses its middle.
fn is_cut(length: usize) -> bool {
    length > 2 * EDGE
}

/// The tensor without the middles of long axes.
fn edges(x: &Tensor) -> Tensor {
    let shape = x.spec().shape;
    let mut long: Vec<usize> = (0..shape.rank()).filter(|&axis| is_cut(shape.dim(axis))).collect();
    // The longest first: that leaves the least to copy.
    long.sort_by_key(|&axis| std::cmp::Reverse(shape[axis]));
    long.into_iter().fold(x.clone(), |x, axis| {
        let ends = [0, shape.dim(axis) - EDGE].map(|start| x.narrow(axis as isize, start, EDGE));
        Tensor::cat(&ends, axis as isize)
    })
}

/// Each number as text, floats all with the same number of digits.
fn texts(numbers: &[Number], dtype: DType, precision: Option<usize>) -> Vec<String> {
    if !dtype.is_float() {
        let text = |number: &Number| match dtype {
            DType::Bool => (number.as_i64() != 0).to_string(),
            _ => number.as_i64().to_string(),
        };
        return numbers.iter().map(text).collect();
    }
    let style = match precision {
        Some(digits) => Style { exponent: false, digits },
        None => Style::fitting(numbers, dtype),
    };
    numbers.iter().map(|number| style.text(number.as_f64())).collect()
}

/// How the floats of a tensor are written.
struct Style {
    exponent: bool,
    /// Digits after the point.
    digits: usize,
}

impl Style {
    /// As short as the numbers allow.
    fn fitting(numbers: &[Number], dtype: DType) -> Style {
        let most = if dtype == DType::F64 { 8 } else { 4 };
        let finite = || numbers.iter().map(|number| number.as_f64()).filter(|v| v.is_finite());
        let digits_needed = |exponent: bool| {
            finite().map(|v| digits_of(&shortest(v, dtype, exponent))).max().unwrap_or(1).max(1)
        };
        let sizes = || finite().map(f64::abs).filter(|&v| v > 0.0);
        let (least, greatest) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
        let digits = digits_needed(false);
        let loses = digits > most && (least < SMALL || greatest / least > WIDE);
        let exponent = greatest >= LARGE || loses;
        Style { exponent, digits: if exponent { digits_needed(true) } else { digits }.min(most) }
    }

    fn text(&self, v: f64) -> String {
        if v.is_nan() {
            return "nan".into();
        }
        if v.is_infinite() {
            return if v > 0.0 { "inf" } else { "-inf" }.into();
        }
        let digits = self.digits;
        if !self.exponent {
            return format!("{v:.digits$}");
        }
        // Rust writes 1.5e7, NumPy and C 1.5e+07, which keeps columns aligned.
        let text = format!("{v:.digits$e}");
        let (mantissa, exponent) = text.split_once('e').expect("an exponent was asked for");
        let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
        format!("{mantissa}e{sign}{size:0>2}")
    }
}

/// The fewest digits that tell `v` from its neighbours, as Rust prints numbers.
fn shortest(v: f64, dtype: DType, exponent: bool) -> String {
    match (dtype, exponent) {
        (DType::F64, false) => format!("{v}"),
        (DType::F64, true) => format!("{v:e}"),
        (_, false) => format!("{}", v as f32),
        (_, true) => format!("{:e}", v as f32),
    }
}

/// Digits after the point.
fn digits_of(text: &str) -> usize {
    let mantissa = text.split_once('e').map_or(text, |(mantissa, _)| mantissa);
    mantissa.split_once('.').map_or(0, |(_, digits)| digits.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed<T>(values: T) -> String
    where
        Tensor: From<T>,
    {
        Tensor::from(values).to_string()
    }

    #[test]
    fn numbers_are_printed_bare() {
        assert_eq!(printed(2.5f32), "2.5");
        assert_eq!(printed(1.0 / 3.0), "0.33333333");
        assert_eq!(printed(1.0f32 / 3.0), "0.3333");
        assert_eq!(printed(-7i64), "-7");
        assert_eq!(printed(true), "true");
        assert_eq!(printed(0.0), "0.0");
        assert_eq!(printed(-0.0), "-0.0");
    }

    #[test]
    fn columns_are_aligned_and_rows_stand_below_each_other() {
        assert_eq!(printed([[1.0, -2.5], [0.25, 10.0]]), "[[ 1.00, -2.50],\n [ 0.25, 10.00]]");
        assert_eq!(printed([1i64, -20, 300]), "[  1, -20, 300]");
        assert_eq!(printed([true, false]), "[ true, false]");
        let cube = Tensor::arange(8).reshape([2, 2, 2]);
        assert_eq!(cube.to_string(), "[[[0, 1],\n  [2, 3]],\n\n [[4, 5],\n  [6, 7]]]");
    }

    #[test]
    fn floats_share_the_fewest_digits_that_tell_them_apart() {
        assert_eq!(printed([1.0f32, 2.0, 3.0]), "[1.0, 2.0, 3.0]");
        assert_eq!(printed([0.1f32, 2.25]), "[0.10, 2.25]");
        assert_eq!(printed([0.1f32, 2.0 / 3.0]), "[0.1000, 0.6667]");
        assert_eq!(printed([f32::NAN, 1.0, f32::NEG_INFINITY]), "[ nan,  1.0, -inf]");
        assert_eq!(printed([f64::INFINITY]), "[inf]");
        assert_eq!(Tensor::from([0.1f32, 1.5]).f16().to_string(), "[0.1000, 1.5000]");
    }

    #[test]
    fn the_range_asks_for_exponents() {
        assert_eq!(printed([1e10, 1.5]), "[1.0e+10, 1.5e+00]");
        assert_eq!(printed([1.0f32, 10000.0]), "[    1.0, 10000.0]");
        assert_eq!(printed([0.00001234f32, 1.0]), "[1.234e-05, 1.000e+00]");
        assert_eq!(printed([1e-300, 0.0]), "[1.0e-300, 0.0e+00]".replace("0.0e+00", " 0.0e+00"));
        assert_eq!(printed([0.123456f32, 1234.5]), "[1.2346e-01, 1.2345e+03]");
        assert_eq!(printed([0.123456f32, 120.5]), "[  0.1235, 120.5000]");
    }

    #[test]
    fn width_and_precision_are_honoured() {
        let x = Tensor::from([1.0f32, 2.0 / 3.0]);
        assert_eq!(format!("{x:.2}"), "[1.00, 0.67]");
        assert_eq!(format!("{x:.0}"), "[1, 1]");
        assert_eq!(format!("{x:7.2}"), "[   1.00,    0.67]");
        assert_eq!(format!("{:.2}", Tensor::from([1i64])), "[1]");
    }

    #[test]
    fn nothing_is_printed_with_its_shape() {
        assert_eq!(Tensor::zeros([0]).to_string(), "[]");
        assert_eq!(Tensor::zeros([2, 0]).to_string(), "[] of shape [2, 0]");
        assert_eq!(format!("{:?}", Tensor::zeros([2, 0])), "Tensor f32[2, 0] [] of shape [2, 0]");
    }

    #[test]
    fn large_tensors_show_their_edges() {
        assert_eq!(Tensor::arange(1001).to_string(), "[   0,    1,    2, ...,  998,  999, 1000]");
        let matrix = Tensor::arange(2000).reshape([2, 1000]);
        let rows = "[[   0,    1,    2, ...,  997,  998,  999],\n [1000, 1001, 1002, ..., 1997, 1998, 1999]]";
        assert_eq!(matrix.to_string(), rows);
        let rows = "[[   0,    1],\n [   2,    3],\n [   4,    5],\n ...,\n \
                    [1194, 1195],\n [1196, 1197],\n [1198, 1199]]";
        assert_eq!(Tensor::arange(1200).reshape([600, 2]).to_string(), rows);
        let cubes = Tensor::arange(2002).reshape([1001, 1, 2]).to_string();
        assert!(cubes.contains("[[   4,    5]],\n\n ...,\n\n [[1996, 1997]],"), "{cubes}");
        // Every element would take 4 GiB.
        assert!(Tensor::zeros([1 << 15, 1 << 15]).t().to_string().starts_with("[[0.0, 0.0, 0.0, ..., 0.0"));
    }

    #[test]
    fn long_rows_are_wrapped() {
        let lines: Vec<String> = Tensor::arange(30).to_string().lines().map(String::from).collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with("[ 0,  1,") && lines[0].ends_with("18,") && lines[1].starts_with(" 19, 20")
        );
        assert!(lines.iter().all(|line| line.len() <= LINE_WIDTH));
    }

    #[test]
    fn debug_adds_dtype_and_shape() {
        assert_eq!(format!("{:?}", Tensor::from(1.5f32)), "Tensor f32[] 1.5");
        assert_eq!(format!("{:?}", Tensor::from([[1i64], [2]])), "Tensor i64[2, 1]\n[[1],\n [2]]");
        assert_eq!(format!("{:.1?}", Tensor::from([1.25])), "Tensor f64[1] [1.2]");
    }

    #[test]
    fn an_invalid_tensor_prints_its_error() {
        let invalid = Tensor::zeros([2]).reshape([3]);
        assert!(invalid.to_string().starts_with("<invalid: reshape: 2 elements"), "{invalid}");
        assert!(format!("{invalid:?}").starts_with("Tensor invalid: reshape: 2 elements"), "{invalid:?}");
    }

    #[test]
    fn a_symbol_is_printed_without_asking_for_its_value() {
        let spec = *Tensor::zeros([2]).spec();
        let traced = crate::graph::specs_of(&[spec], |x| {
            assert_eq!(x[0].to_string(), "<f32[2] inside a trace>");
            assert_eq!(format!("{:?}", x[0]), "Tensor f32[2] inside a trace");
            Ok(x.to_vec())
        });
        assert_eq!(traced.expect("traced"), [spec]);
    }
}
