//! Quantiles, distinct elements, histograms.

use crate::autodiff::level::{misuse, origin, value_of};
use crate::error::{Error, Misfit};
use crate::ops::pointwise::mixed_dtypes;
use crate::ops::sort::Order;
use crate::ops::{Side, stopped};
use crate::tensor::{DType, Tensor};

/// What a quantile between two elements is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Interpolation {
    /// On the line between them.
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// Their mean.
    Midpoint,
    /// The nearer one; halfway between them, the one of even rank.
    Nearest,
}

impl Interpolation {
    /// For the quantile `q` of `n` elements: the ranks of two of them, and the weight of the second.
    fn ranks(self, q: f64, n: usize) -> (usize, usize, f64) {
        let place = q * (n - 1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        match self {
            Interpolation::Linear => (low, high, place - place.floor()),
            Interpolation::Lower => (low, low, 0.0),
            Interpolation::Higher => (high, high, 0.0),
            Interpolation::Midpoint if low == high => (low, low, 0.0),
            Interpolation::Midpoint => (low, high, 0.5),
            Interpolation::Nearest => {
                let nearest = place.round_ties_even() as usize;
                (nearest, nearest, 0.0)
            }
        }
    }
}

impl Tensor {
    /// The quantile `q`, between 0 and 1, along an axis, which goes: the element at the place `q * (n - 1)` of the order,
    /// or what the interpolation makes of its two neighbours. NaN if there is a NaN. With 0.5 and
    /// [`Interpolation::Linear`] it is NumPy's median.
    ///
    /// Gradient: `dy` goes to the elements in their weights.
    ///
    /// PyTorch: `torch.quantile`. JAX: `jnp.quantile`.
    ///
    /// ```
    /// # use retrograd::{Interpolation, Tensor};
    /// let x = Tensor::from([4.0, 1.0, 2.0, 3.0]);
    /// assert_eq!(x.quantile(0.5, 0, Interpolation::Linear).item::<f64>()?, 2.5);
    /// assert_eq!(x.quantile(0.5, 0, Interpolation::Lower).item::<f64>()?, 2.0);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn quantile(&self, q: f64, axis: isize, interpolation: Interpolation) -> Tensor {
        match self.quantiles_of("quantile", &[q], axis, interpolation) {
            Ok(mut parts) => parts.swap_remove(0),
            Err(invalid) => invalid,
        }
    }

    /// Several quantiles along an axis, which goes; they are the first axis of the result. See [`Tensor::quantile`].
    ///
    /// Gradient: `dy` goes to the elements in their weights.
    ///
    /// PyTorch: `torch.quantile`. JAX: `jnp.quantile`.
    #[track_caller]
    pub fn quantiles(&self, q: &[f64], axis: isize, interpolation: Interpolation) -> Tensor {
        match self.quantiles_of("quantiles", q, axis, interpolation) {
            Ok(parts) => Tensor::stack(&parts, 0),
            Err(invalid) => invalid,
        }
    }

    #[track_caller]
    fn quantiles_of(
        &self,
        operation: &'static str,
        q: &[f64],
        axis: isize,
        interpolation: Interpolation,
    ) -> Result<Vec<Tensor>, Tensor> {
        let n = self.count(operation, &[axis])?;
        let at = self.axis_or(operation, axis)?;
        let wrong = if n == 0 {
            Some(format!("axis {axis} of {} is empty", self.spec().shape))
        } else if q.is_empty() {
            Some("needs at least one quantile".to_owned())
        } else {
            let outside = q.iter().find(|q| !(0.0..=1.0).contains(*q));
            outside.map(|q| format!("a quantile is between 0 and 1, got {q}"))
        };
        if let Some(message) = wrong {
            return Err(misuse(operation, &[self], Misfit::shape(message)));
        }
        let ranks: Vec<_> = q.iter().map(|&q| interpolation.ranks(q, n)).collect();
        let first = ranks.iter().map(|(low, ..)| *low).min().unwrap_or(0);
        let last = ranks.iter().map(|(_, high, _)| *high).max().unwrap_or(0);
        let ordered = self.places(at, Order::Ascending, first, last + 1 - first).0;
        // NaN is greatest: it is the maximum, if there is one.
        let greatest = stopped(&self.amax_dim(axis));
        let nan = greatest.isnan();
        // Loops, not closures, here and below: operations in closures would belong to lines of this file.
        let mut parts = Vec::with_capacity(ranks.len());
        for (low, high, weight) in ranks {
            let mut value = ordered.narrow(axis, low - first, 1).squeeze_axis(at);
            if weight > 0.0 {
                // Not `low + (high - low) * weight`: between equal infinities that would be NaN.
                let above = ordered.narrow(axis, high - first, 1).squeeze_axis(at);
                value = value * (1.0 - weight) + above * weight;
            }
            parts.push(nan.where_(&greatest, value));
        }
        Ok(parts)
    }

    /// The median of what is not NaN along an axis, which goes, and where (i64) it is: of an even number of elements the
    /// lower one of the two in the middle. NaN where all are.
    ///
    /// Gradient: `dy` goes to that element.
    ///
    /// PyTorch: `torch.nanmedian`. JAX: none.
    #[track_caller]
    pub fn nanmedian(&self, axis: isize) -> (Tensor, Tensor) {
        let at = match self.axis_or("nanmedian", axis) {
            Ok(at) => at,
            Err(invalid) => return (invalid.clone(), invalid),
        };
        let shape = self.spec().shape;
        if shape[at] == 0 {
            let invalid = self.refuse_shape("nanmedian", format!("axis {axis} of {shape} is empty"));
            return (invalid.clone(), invalid);
        }
        // NaN is greatest: the others come first.
        let (values, positions) = self.places(at, Order::Ascending, 0, shape.dim(at));
        let count = self.isnan().logical_not().sum_keepdim(axis);
        let middle = (count - 1).maximum(0) / 2;
        (values.gather(axis, &middle).squeeze_axis(at), positions.gather(axis, &middle).squeeze_axis(at))
    }

    /// The distinct elements, sorted, as a vector; all NaN count as one, -0 as 0. The result's length depends on the
    /// values, so there is none inside `vmap` or a trace.
    ///
    /// Gradient: `dy` goes to the first of the equal elements.
    ///
    /// PyTorch: `torch.unique`. JAX: `jnp.unique`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([3.0, 1.0, 3.0]).unique().to_vec::<f64>()?, [1.0, 3.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn unique(&self) -> Tensor {
        match self.distinct("unique") {
            Ok(distinct) => distinct.values,
            Err(invalid) => invalid,
        }
    }

    /// The distinct elements, sorted, and how often (i64) each occurs. See [`Tensor::unique`].
    ///
    /// Gradient: `dy` goes to the first of the equal elements.
    ///
    /// PyTorch: `torch.unique`. JAX: `jnp.unique_counts`.
    #[track_caller]
    pub fn unique_counts(&self) -> (Tensor, Tensor) {
        match self.distinct("unique_counts") {
            Ok(Distinct { values, starts, order, .. }) => {
                let ends = starts.iter().skip(1).copied().chain([order.len()]);
                let counts: Vec<i64> =
                    starts.iter().zip(ends).map(|(start, end)| (end - start) as i64).collect();
                (values, Tensor::from(counts))
            }
            Err(invalid) => (invalid.clone(), invalid),
        }
    }

    /// The distinct elements, sorted, and for each element of this tensor, in its shape, where (i64) its value is among
    /// them. See [`Tensor::unique`].
    ///
    /// Gradient: `dy` goes to the first of the equal elements.
    ///
    /// PyTorch: `torch.unique`. JAX: `jnp.unique_inverse`.
    #[track_caller]
    pub fn unique_inverse(&self) -> (Tensor, Tensor) {
        match self.distinct("unique_inverse") {
            Ok(Distinct { values, starts, order }) => {
                let mut inverse = vec![0i64; order.len()];
                let mut group = 0;
                for (i, &at) in order.iter().enumerate() {
                    group += usize::from(starts.get(group + 1) == Some(&i));
                    inverse[at as usize] = group as i64;
                }
                (values, Tensor::from(inverse).reshape(self.spec().shape))
            }
            Err(invalid) => (invalid.clone(), invalid),
        }
    }

    /// The concrete tensor behind this one, as a vector; or the invalid tensor that says why there is none.
    #[track_caller]
    fn flat_value(&self, operation: &'static str) -> Result<Tensor, Tensor> {
        let at = origin();
        let named = |error: Error| match self.error() {
            Some(_) => error,
            None => error.of_operation(operation, vec![*self.spec()], at),
        };
        let value = value_of(self).map_err(|error| Tensor::invalid(named(error)))?;
        Ok(value.reshape([value.spec().shape.numel()]))
    }

    #[track_caller]
    fn distinct(&self, operation: &'static str) -> Result<Distinct, Tensor> {
        let flat = self.flat_value(operation)?;
        let n = flat.spec().shape.numel();
        let (sorted, order) = flat.places(0, Order::Ascending, 0, n);
        let number = |error| Tensor::invalid(error);
        let order = order.to_vec::<i64>().map_err(number)?;
        let mut starts: Vec<usize> = if n == 0 { vec![] } else { vec![0] };
        if n > 1 {
            let (a, b) = (sorted.narrow(0, 0, n - 1), sorted.narrow(0, 1, n - 1));
            let equal = a.eq(&b).logical_or(a.isnan().logical_and(b.isnan()));
            let equal = equal.to_vec::<bool>().map_err(number)?;
            starts.extend((1..n).filter(|&i| !equal[i - 1]));
        }
        let first: Vec<i64> = starts.iter().map(|&start| order[start]).collect();
        let values = self.reshape([n]).index_select(0, &Tensor::from(first));
        Ok(Distinct { values, starts, order })
    }

    /// Where (bool, in this tensor's shape) an element equals one of `elements`. NaN equals nothing. No gradient.
    ///
    /// PyTorch: `torch.isin`. JAX: `jnp.isin`.
    #[track_caller]
    pub fn isin(&self, elements: &Tensor) -> Tensor {
        if self.error().is_some() || elements.error().is_some() {
            return if self.error().is_some() { self.clone() } else { elements.clone() };
        }
        let (own, other) = (self.spec().dtype, elements.spec().dtype);
        if own != other {
            return misuse("isin", &[self, elements], mixed_dtypes(own, other));
        }
        let n = elements.spec().shape.numel();
        if n == 0 {
            return Tensor::splat(self.spec().with_dtype(DType::Bool), false.into());
        }
        let sorted = elements.reshape([n]).places(0, Order::Ascending, 0, n).0;
        let at = sorted.searchsorted(self, Side::Left);
        // One that would go behind all is equal to none: compared with the last, it is greater.
        self.eq(sorted.index_select(0, &at.minimum(n - 1)))
    }

    /// How often (i64) each number from 0 on occurs: a vector as long as the greatest number plus one, or `least` if that
    /// is more. Numbers are integers and not negative. The result's length depends on the values, so there is none inside
    /// `vmap` or a trace. No gradient.
    ///
    /// PyTorch: `torch.bincount`. JAX: `jnp.bincount`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([0i64, 2, 2]).bincount(0).to_vec::<i64>()?, [1, 0, 2]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn bincount(&self, least: usize) -> Tensor {
        match self.bins("bincount", least) {
            Ok((numbers, length)) => {
                let mut counts = vec![0i64; length];
                for number in numbers {
                    counts[number as usize] += 1;
                }
                Tensor::from(counts)
            }
            Err(invalid) => invalid,
        }
    }

    /// The sum of the weights at each number from 0 on. See [`Tensor::bincount`]; weights have this tensor's shape.
    ///
    /// Gradient: `dw[i] = dy[x[i]]`.
    ///
    /// PyTorch: `torch.bincount`. JAX: `jnp.bincount`.
    #[track_caller]
    pub fn bincount_weighted(&self, weights: &Tensor, least: usize) -> Tensor {
        match self.bins("bincount_weighted", least) {
            Ok(_) if weights.error().is_some() => weights.clone(),
            Ok((numbers, length)) => {
                let (own, weighted) = (self.spec().shape, weights.spec().shape);
                if own != weighted {
                    let misfit =
                        Misfit::shape(format!("weights of shape {weighted} for numbers of shape {own}"));
                    return misuse("bincount_weighted", &[self, weights], misfit);
                }
                let zeros = Tensor::zeros([length]).to_dtype(weights.spec().dtype);
                zeros.index_add(0, &Tensor::from(numbers), &weights.reshape([own.numel()]))
            }
            Err(invalid) => invalid,
        }
    }

    /// The numbers to count and how many counts there are.
    #[track_caller]
    fn bins(&self, operation: &'static str, least: usize) -> Result<(Vec<i64>, usize), Tensor> {
        let flat = self.flat_value(operation)?;
        if !flat.spec().dtype.is_int() {
            let misfit = Misfit::dtype(format!("counts integers, got {}", flat.spec().dtype));
            return Err(misuse(operation, &[self], misfit.help("convert with `.i64()`, or see `histc`")));
        }
        let values = flat.to_vec::<i64>().map_err(Tensor::invalid)?;
        if let Some(at) = values.iter().position(|&value| value < 0) {
            let message = format!("the number {} (element {at}) is negative", values[at]);
            return Err(misuse(operation, &[self], Misfit::data(message)));
        }
        let length = values.iter().max().map_or(0, |&greatest| greatest as usize + 1).max(least);
        if u32::try_from(length).is_err() {
            let misfit = Misfit::shape(format!("{length} counts are more than an axis can have"));
            return Err(misuse(operation, &[self], misfit));
        }
        Ok((values, length))
    }

    /// How many elements are in each of `bins` equal parts of the range from `low` to `high`, as numbers of this tensor's
    /// dtype. The last part has its end; elements outside the range, and NaN, are not counted. No gradient.
    ///
    /// PyTorch: `torch.histc`. JAX: `jnp.histogram`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let x = Tensor::from([0.0, 0.1, 0.5, 1.0, 7.0]);
    /// assert_eq!(x.histc(2, 0.0, 1.0).to_vec::<f64>()?, [2.0, 2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn histc(&self, bins: usize, low: f64, high: f64) -> Tensor {
        let axes: Vec<isize> = (0..self.rank_or_zero() as isize).collect();
        let n = match self.count("histc", &axes) {
            Ok(n) => n,
            Err(invalid) => return invalid,
        };
        let possible = low < high && low.is_finite() && high.is_finite();
        if !possible || bins == 0 || bins >= u32::MAX as usize {
            let message = format!("{bins} parts of the range from {low} to {high}");
            return misuse("histc", &[self], Misfit::shape(message).help("a range has low < high"));
        }
        let x = stopped(self).reshape([n]);
        let place = ((&x - low) / (high - low) * bins as f64).floor();
        // A place of its own, thrown away, for what is not counted.
        let inside = x.ge(low).logical_and(x.le(high));
        let place = inside.where_(place.i64().minimum(bins - 1), bins);
        let one = Tensor::splat(*x.spec(), 1.0.into());
        let counts = Tensor::zeros([bins + 1]).to_dtype(x.spec().dtype).index_add(0, &place, &one);
        counts.narrow(0, 0, bins)
    }

    /// Differences of neighbours along an axis, `y[i] = x[i + 1] - x[i]`, taken `n` times; of an axis that is too short,
    /// none. Bool is compared: where neighbours differ.
    ///
    /// Gradient: `dx[i] = dy[i - 1] - dy[i]`, for each time.
    ///
    /// PyTorch: `torch.diff`. JAX: `jnp.diff`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// assert_eq!(Tensor::from([1.0, 4.0, 9.0]).diff(1, 0).to_vec::<f64>()?, [3.0, 5.0]);
    /// assert_eq!(Tensor::from([1.0, 4.0, 9.0]).diff(2, 0).to_vec::<f64>()?, [2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn diff(&self, n: usize, axis: isize) -> Tensor {
        let length = match self.axis_or("diff", axis) {
            Ok(at) => self.spec().shape.dim(at),
            Err(invalid) => return invalid,
        };
        if n >= length {
            return self.narrow(axis, 0, 0);
        }
        let mut y = self.clone();
        for length in (length - n..length).rev() {
            let (after, before) = (y.narrow(axis, 1, length), y.narrow(axis, 0, length));
            y = if y.spec().dtype == DType::Bool { after.logical_xor(before) } else { after - before };
        }
        y
    }

    /// The integral along an axis, which goes, by the trapezoidal rule over places `dx` apart; of fewer than two elements
    /// 0.
    ///
    /// Gradient: `dy * dx`, and half of it at both ends.
    ///
    /// PyTorch: `torch.trapezoid`. JAX: `jnp.trapezoid`.
    #[track_caller]
    pub fn trapezoid(&self, dx: f64, axis: isize) -> Tensor {
        match self.trapezoids("trapezoid", axis) {
            Ok(parts) => parts.sum_dim(axis) * dx,
            Err(invalid) => invalid,
        }
    }

    /// The running integral along an axis by the trapezoidal rule over places `dx` apart, one element shorter.
    ///
    /// Gradient: that of a running sum of means of neighbours.
    ///
    /// PyTorch: `torch.cumulative_trapezoid`. JAX: none.
    #[track_caller]
    pub fn cumulative_trapezoid(&self, dx: f64, axis: isize) -> Tensor {
        match self.trapezoids("cumulative_trapezoid", axis) {
            Ok(parts) => parts.cumsum(axis) * dx,
            Err(invalid) => invalid,
        }
    }

    /// The means of neighbours along an axis.
    #[track_caller]
    fn trapezoids(&self, operation: &'static str, axis: isize) -> Result<Tensor, Tensor> {
        let n = self.count(operation, &[axis])?;
        match n {
            0 => Ok(self.clone()),
            _ => Ok((self.narrow(axis, 1, n - 1) + self.narrow(axis, 0, n - 1)) * 0.5),
        }
    }
}

/// The distinct elements of a tensor.
struct Distinct {
    values: Tensor,
    /// Where, among the sorted elements, each value begins.
    starts: Vec<usize>,
    /// The positions of the sorted elements.
    order: Vec<i64>,
}
