//! Scans along an axis: running sums, products, extremes and logarithms of sums of exponentials.
//!
//! The derivatives of products and logarithms are linear recurrences `y[i] = a[i] * y[i - 1] + b[i]`, a primitive of its
//! own whose derivatives are recurrences again: nothing is divided by, and every order costs one pass.

use super::linear::{Linear, LinearMap};
use super::operands::{InputSet, Outputs};
use super::pointwise::{Domain, alike, bind_repeated};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::{bind, bind_many};
use crate::error::Misfit;
use crate::exec::{Direction, Kernel, Running, Scan};
use crate::tensor::{DType, Number, Spec, Tensor};

const X0: InputSet = InputSet::one(0);

impl Scan {
    fn forward(running: Running, axis: usize) -> Scan {
        Scan { running, axis, direction: Direction::Forward }
    }

    /// The same scan of each example.
    fn batched(self) -> Scan {
        Scan { axis: self.axis + 1, ..self }
    }

    fn reversed(self) -> Scan {
        Scan { direction: self.direction.reversed(), ..self }
    }

    /// At each place the element that comes before it in the scan, `fill` at the first place.
    fn before(&self, x: &Tensor, fill: f64) -> Tensor {
        neighbours(x, self.axis, self.direction, fill)
    }

    /// At each place the element that comes after it in the scan, `fill` at the last place.
    fn after(&self, x: &Tensor, fill: f64) -> Tensor {
        neighbours(x, self.axis, self.direction.reversed(), fill)
    }
}

fn neighbours(x: &Tensor, axis: usize, direction: Direction, fill: f64) -> Tensor {
    let n = x.spec().shape.dim(axis);
    if n == 0 {
        return x.clone();
    }
    let end = Tensor::splat(x.spec().with_shape(x.spec().shape.with_dim(axis, 1)), Number::Float(fill));
    let axis = axis as isize;
    match direction {
        Direction::Forward => Tensor::cat(&[end, x.narrow(axis, 0, n - 1)], axis),
        Direction::Backward => Tensor::cat(&[x.narrow(axis, 1, n - 1), end], axis),
    }
}

/// The running sum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct CumSum(Scan);

impl Linear for CumSum {
    const NAME: &'static str = "cumsum";

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Domain::Numbers.check(x[0].dtype)?;
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Scan(self.0)
    }

    fn transpose(&self, _: &Residuals<'_>, _: usize, dy: &Tensor) -> Tensor {
        bind(&LinearMap(CumSum(self.0.reversed())), &[dy])
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Tensor {
        bind(&LinearMap(CumSum(self.0.batched())), x)
    }
}

/// The running product.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct CumProd(Scan);

impl Primitive for CumProd {
    fn name(&self) -> &'static str {
        "cumprod"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Domain::Numbers.check(x[0].dtype)?;
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Scan(self.0)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads { outputs: true, ..Reads::inputs(X0) })
    }

    // y[i] = x[i] y[i-1], so dy[i] = x[i] dy[i-1] + y[i-1] dx[i]: a recurrence.
    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        dy[0] = dx[0].map(|dx| recurrence(self.0, at.x(0), &(self.0.before(at.y(), 1.0) * dx)));
    }

    // Its transpose: r[i] = dy[i] + x[i+1] r[i+1] and dx[i] = y[i-1] r[i].
    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], _: InputSet, dx: &mut [Option<Tensor>]) {
        dx[0] = dy[0].map(|dy| {
            let factors = self.0.after(at.x(0), 0.0);
            self.0.before(at.y(), 1.0) * recurrence(self.0.reversed(), &factors, dy)
        });
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(&CumProd(self.0.batched()), x))
    }
}

/// `y[i] = x0[i] * y[i - 1] + x1[i]`, beginning with `x1`; backwards, `y[i] = x0[i] * y[i + 1] + x1[i]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Recurrence(Scan);

/// The recurrence that goes as `like` does.
pub(crate) fn recurrence(like: Scan, factors: &Tensor, terms: &Tensor) -> Tensor {
    bind(&Recurrence(Scan { running: Running::Recurrence, ..like }), &[factors, terms])
}

impl Primitive for Recurrence {
    fn name(&self) -> &'static str {
        "recurrence"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        let spec = alike(x)?;
        Domain::Floats.check(spec.dtype)?;
        if self.0.axis >= spec.shape.rank() {
            return Err(Misfit::shape(format!("no axis {} in {}", self.0.axis, spec.shape)));
        }
        Ok(spec)
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Scan(self.0)
    }

    fn reads(&self, needs: InputSet) -> Option<Reads> {
        Some(Reads { outputs: needs.contains(0), ..Reads::inputs(X0) })
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let of_factors = dx[0].map(|da| da * self.0.before(at.y(), 0.0));
        let terms = match (of_factors, dx[1]) {
            (Some(a), Some(b)) => a + b,
            (Some(a), None) => a,
            (None, Some(b)) => b.clone(),
            (None, None) => return,
        };
        dy[0] = Some(recurrence(self.0, at.x(0), &terms));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        let Some(dy) = dy[0] else { return };
        let terms = recurrence(self.0.reversed(), &self.0.after(at.x(0), 0.0), dy);
        if needs.contains(0) {
            dx[0] = Some(&terms * self.0.before(at.y(), 0.0));
        }
        if needs.contains(1) {
            dx[1] = Some(terms);
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::One(bind_repeated(&Recurrence(self.0.batched()), x, batched, size))
    }
}

/// The running logarithm of the sum of exponentials.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct LogCumSumExp(Scan);

impl LogCumSumExp {
    /// `exp(a - b)` for `a <= b`, 1 where they are equal, infinities included.
    fn weight(a: &Tensor, b: &Tensor) -> Tensor {
        a.eq(b).where_(0.0, a - b).exp()
    }
}

impl Primitive for LogCumSumExp {
    fn name(&self) -> &'static str {
        "logcumsumexp"
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Domain::Floats.check(x[0].dtype)?;
        Ok(*x[0])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Scan(self.0)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads { outputs: true, ..Reads::inputs(X0) })
    }

    // dy[i] = sum over j <= i of exp(x[j] - y[i]) dx[j]. As y does not fall, all factors of the recurrence are at most 1:
    // nothing overflows, whatever the range of x.
    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let (x, y) = (at.x(0), at.y());
        dy[0] = dx[0].map(|dx| {
            let kept = LogCumSumExp::weight(&self.0.before(y, f64::NEG_INFINITY), y);
            recurrence(self.0, &kept, &(LogCumSumExp::weight(x, y) * dx))
        });
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], _: InputSet, dx: &mut [Option<Tensor>]) {
        let (x, y) = (at.x(0), at.y());
        dx[0] = dy[0].map(|dy| {
            let kept = LogCumSumExp::weight(y, &self.0.after(y, f64::INFINITY));
            LogCumSumExp::weight(x, y) * recurrence(self.0.reversed(), &kept, dy)
        });
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::One(bind(&LogCumSumExp(self.0.batched()), x))
    }
}

/// The running extreme and its position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct CumExtreme(Scan);

impl Primitive for CumExtreme {
    fn name(&self) -> &'static str {
        if self.0.running == Running::Max { "cummax" } else { "cummin" }
    }

    fn outputs(&self) -> usize {
        2
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        Ok(*x[0])
    }

    fn infer_all(&self, x: &[&Spec]) -> Result<Vec<Spec>, Box<Misfit>> {
        Ok(vec![*x[0], x[0].with_dtype(DType::I64)])
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Scan(self.0)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads::OUTPUTS)
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        dy[0] = dx[0].map(|dx| dx.gather(self.0.axis as isize, at.output(1)));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], _: InputSet, dx: &mut [Option<Tensor>]) {
        let zeros = Tensor::splat(*at.output_specs[0], Number::Int(0));
        dx[0] = dy[0].map(|dy| zeros.scatter_add(self.0.axis as isize, at.output(1), dy));
    }

    fn batch(&self, x: &[&Tensor], _: InputSet, _: usize) -> Outputs {
        Outputs::Many(bind_many(&CumExtreme(self.0.batched()), x))
    }
}

/// Both outputs of a primitive that has two.
#[track_caller]
pub(crate) fn bind_pair(op: &dyn Primitive, x: &Tensor) -> (Tensor, Tensor) {
    let [first, second] = bind_many(op, &[x]).try_into().expect("two outputs, valid or not");
    (first, second)
}

impl Tensor {
    /// The running sum along an axis: `y[i] = x[0] + .. + x[i]`. Integers and bool are summed as i64.
    ///
    /// Sums of f32 and of the 16-bit floats are kept in f64 and rounded once for each element, so their error does not
    /// grow with their length. Sums of f64 combine in blocks of eight, in an order that depends on the shape alone.
    ///
    /// Gradient: `dx[i] = dy[i] + .. + dy[n - 1]`.
    ///
    /// PyTorch: `torch.cumsum`. JAX: `jnp.cumsum`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.cumsum(-1).to_vec::<f64>()?, [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, axis: isize) -> Tensor {
        let axis = match self.axis_or("cumsum", axis) {
            Ok(axis) => axis,
            Err(invalid) => return invalid,
        };
        let op = LinearMap(CumSum(Scan::forward(Running::Sum, axis)));
        let dtype = self.spec().dtype;
        if dtype.is_float() || dtype == DType::I64 { bind(&op, &[self]) } else { bind(&op, &[&self.i64()]) }
    }

    /// The running product along an axis: `y[i] = x[0] * .. * x[i]`. Integers keep their dtype and wrap. Products of
    /// f32 are kept in f64, so one that leaves the range of f32 may come back into it.
    ///
    /// Gradient: `dx[i] = sum over k >= i of dy[k] * (the product of x[0] .. x[k] but x[i])`, without dividing, so zeros
    /// are no special case.
    ///
    /// PyTorch: `torch.cumprod`. JAX: `jnp.cumprod`.
    #[track_caller]
    pub fn cumprod(&self, axis: isize) -> Tensor {
        match self.axis_or("cumprod", axis) {
            Ok(axis) => bind(&CumProd(Scan::forward(Running::Prod, axis)), &[self]),
            Err(invalid) => invalid,
        }
    }

    /// The running maximum along an axis and where (i64) it is; of equal elements the last counts. From the first NaN on
    /// it is NaN, at the place of the last NaN so far.
    ///
    /// Gradient: `dy` goes to the elements at the indices, added up.
    ///
    /// PyTorch: `torch.cummax`. JAX: `lax.cummax`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (values, indices) = Tensor::from([1.0, 3.0, 2.0, 3.0]).cummax(0);
    /// assert_eq!(values.to_vec::<f64>()?, [1.0, 3.0, 3.0, 3.0]);
    /// assert_eq!(indices.to_vec::<i64>()?, [0, 1, 1, 3]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cummax(&self, axis: isize) -> (Tensor, Tensor) {
        self.running_extreme("cummax", Running::Max, axis)
    }

    /// The running minimum along an axis and where (i64) it is; of equal elements the last counts. From the first NaN on
    /// it is NaN, at the place of the last NaN so far.
    ///
    /// Gradient: `dy` goes to the elements at the indices, added up.
    ///
    /// PyTorch: `torch.cummin`. JAX: `lax.cummin`.
    #[track_caller]
    pub fn cummin(&self, axis: isize) -> (Tensor, Tensor) {
        self.running_extreme("cummin", Running::Min, axis)
    }

    #[track_caller]
    fn running_extreme(&self, operation: &'static str, running: Running, axis: isize) -> (Tensor, Tensor) {
        match self.axis_or(operation, axis) {
            Ok(axis) => bind_pair(&CumExtreme(Scan::forward(running, axis)), self),
            Err(invalid) => (invalid.clone(), invalid),
        }
    }

    /// `log(exp(x[0]) + .. + exp(x[i]))` along an axis, without overflow, and accurate where one element is far greater
    /// than all others.
    ///
    /// Gradient: `dx[i] = sum over k >= i of dy[k] * exp(x[i] - y[k])`, without overflow.
    ///
    /// PyTorch: `torch.logcumsumexp`. JAX: `lax.cumlogsumexp`.
    #[track_caller]
    pub fn logcumsumexp(&self, axis: isize) -> Tensor {
        match self.axis_or("logcumsumexp", axis) {
            Ok(axis) => bind(&LogCumSumExp(Scan::forward(Running::LogSumExp, axis)), &[self]),
            Err(invalid) => invalid,
        }
    }
}
