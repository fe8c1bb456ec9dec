//! Combining at computed positions: products, means and extremes.

use super::operands::{InputSet, Outputs};
use super::pointwise::Domain;
use super::primitive::{Primitive, Reads, Residuals};
use super::scatter::Scatter;
use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::exec::{Combine, Indexing, Kernel};
use crate::tensor::{DType, Number, Spec, Tensor};

/// Products and extremes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Folded(pub(super) Scatter);

impl Folded {
    /// `dy/dx0` of each element of `x0`, and `dy/dx2` of each of `x2`.
    fn slopes(&self, at: &Residuals<'_>) -> [Tensor; 2] {
        let (x, index, source) = (at.x(0), at.x(1), at.x(2));
        let add = self.0.with(Combine::Add);
        let read = |y: &Tensor| y.read_at(self.0.what, self.0.axis, index);
        if self.0.combine == Combine::Mul {
            return self.other_factors(at);
        }
        // An even share among the extreme elements.
        let dtype = x.spec().dtype;
        let hit = x.eq(at.y()).to_dtype(dtype);
        let hit_by_source = source.eq(read(at.y())).to_dtype(dtype);
        let hits = add.bound(&[&hit, index, &hit_by_source]);
        let hits_by_source = read(&hits);
        [hit / hits, hit_by_source / hits_by_source]
    }

    /// For each element the product of the others that meet in its place. It is `y / x` but where `x` is 0. There it
    /// is the product of the elements that are not 0 if this is the only 0; if there is one other, that times the other
    /// (which is 0, but has a derivative); else 0, and so is its derivative. (Its second derivative, third of the
    /// product, is not where exactly three zeros meet.)
    fn other_factors(&self, at: &Residuals<'_>) -> [Tensor; 2] {
        let (index, dtype) = (at.x(1), at.x(0).spec().dtype);
        let both = [at.x(0), at.x(2)];
        let add = self.0.with(Combine::Add);
        let is_zero = both.map(|x| x.eq(0));
        let factors = [0, 1].map(|i| is_zero[i].where_(1.0, both[i]));
        let product = self.0.bound(&[&factors[0], index, &factors[1]]);
        let ones = [0, 1].map(|i| is_zero[i].to_dtype(dtype));
        let count = add.bound(&[&ones[0], index, &ones[1]]);
        let zeros = [0, 1].map(|i| is_zero[i].where_(both[i], 0.0));
        let sum = add.bound(&[&zeros[0], index, &zeros[1]]);
        [0, 1].map(|i| {
            let here = |y: &Tensor| {
                if i == 0 { y.clone() } else { y.read_at(self.0.what, self.0.axis, index) }
            };
            let count = here(&count);
            let other_zeros = count.eq(1).where_(1.0, count.eq(2).where_(here(&sum) - both[i], 0.0));
            is_zero[i].where_(other_zeros * here(&product), here(at.y()) / &factors[i])
        })
    }
}

impl Primitive for Folded {
    fn name(&self) -> &'static str {
        if self.0.what == Indexing::Slices { "index_reduce" } else { "scatter_reduce" }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        let spec = self.0.check(x)?;
        Domain::Numbers.check(spec.dtype)?;
        Ok(spec)
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Scatter(self.0.what, self.0.axis, self.0.combine)
    }

    fn reads(&self, _: InputSet) -> Option<Reads> {
        Some(Reads { outputs: true, ..Reads::inputs(InputSet::ALL) })
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let slopes = self.slopes(at);
        let term =
            |dx: Option<&Tensor>, slope: &Tensor| dx.map_or_else(|| slope.zeros_like(), |dx| dx * slope);
        let terms = [term(dx[0], &slopes[0]), term(dx[2], &slopes[1])];
        dy[0] = Some(self.0.with(Combine::Add).bound(&[&terms[0], at.x(1), &terms[1]]));
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        let Some(dy) = dy[0] else { return };
        let [of_x, of_source] = self.slopes(at);
        if needs.contains(0) {
            dx[0] = Some(dy * of_x);
        }
        if needs.contains(2) {
            dx[2] = Some(dy.read_at(self.0.what, self.0.axis, at.x(1)) * of_source);
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        Outputs::One(self.0.batched(x, batched, size))
    }
}

/// How [`Tensor::scatter_reduce`] makes one element of those that meet in a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScatterReduce {
    /// Their sum.
    Sum,
    /// Their product.
    Prod,
    /// Their mean (floating-point tensors only).
    Mean,
    /// The greatest; NaN if there is one.
    Amax,
    /// The least; NaN if there is one.
    Amin,
}

/// Whether the tensor's own element takes part where [`Tensor::scatter_reduce`] writes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IncludeSelf {
    /// It does.
    Yes,
    /// It is replaced; one that no source element meets stays.
    No,
}

impl ScatterReduce {
    /// What changes nothing when it is combined with an element.
    fn neutral(self, dtype: DType) -> Number {
        match (self, dtype) {
            (ScatterReduce::Sum | ScatterReduce::Mean, _) => Number::Int(0),
            (ScatterReduce::Prod, _) => Number::Int(1),
            (ScatterReduce::Amax, DType::I64) => i64::MIN.into(),
            (ScatterReduce::Amin, DType::I64) => i64::MAX.into(),
            (ScatterReduce::Amax, DType::I32) => i32::MIN.into(),
            (ScatterReduce::Amin, DType::I32) => i32::MAX.into(),
            (ScatterReduce::Amax, DType::U8) => u8::MIN.into(),
            (ScatterReduce::Amin, DType::U8) => u8::MAX.into(),
            (ScatterReduce::Amax, _) => f64::NEG_INFINITY.into(),
            (ScatterReduce::Amin, _) => f64::INFINITY.into(),
        }
    }
}

impl Tensor {
    /// This tensor with the elements of `source` combined into it at the positions in `index` of an axis, as
    /// [`Tensor::scatter_add`] but for what becomes of elements that meet in a place.
    ///
    /// Gradient: of the sum, product, mean or extreme of what meets; extremes share evenly, products are right at zeros.
    /// (Third derivatives of a product are not, in a place where three zeros meet.)
    ///
    /// PyTorch: `torch.scatter_reduce`. JAX: `x.at[..].max`.
    ///
    /// ```
    /// # use retrograd::{IncludeSelf, ScatterReduce, Tensor};
    /// let (x, i) = (Tensor::from([1.0, 2.0]), Tensor::from([0i64, 0, 0]));
    /// let y = x.scatter_reduce(0, &i, &Tensor::from([5.0, 3.0, 4.0]), ScatterReduce::Amax, IncludeSelf::Yes);
    /// assert_eq!(y.to_vec::<f64>()?, [5.0, 2.0]);
    /// let y = x.scatter_reduce(0, &i, &Tensor::from([5.0, 3.0, 4.0]), ScatterReduce::Mean, IncludeSelf::No);
    /// assert_eq!(y.to_vec::<f64>()?, [4.0, 2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_reduce(
        &self,
        axis: isize,
        index: &Tensor,
        source: &Tensor,
        reduce: ScatterReduce,
        own: IncludeSelf,
    ) -> Tensor {
        let at = match self.axis_or("scatter_reduce", axis) {
            Ok(at) => at,
            Err(invalid) => return invalid,
        };
        let part = self.corner_beside(at, index);
        let scatter = Scatter { what: Indexing::Elements, axis: at, combine: Combine::Add };
        self.around(part.reduced_with(scatter, index, source, reduce, own))
    }

    /// This tensor with the slices of `source` combined into it at the positions in `index` of an axis, as
    /// [`Tensor::index_add`] but for what becomes of slices that meet in a place.
    ///
    /// Gradient: as [`Tensor::scatter_reduce`].
    ///
    /// PyTorch: `torch.index_reduce`. JAX: `x.at[..].max`.
    #[track_caller]
    pub fn index_reduce(
        &self,
        axis: isize,
        index: &Tensor,
        source: &Tensor,
        reduce: ScatterReduce,
        own: IncludeSelf,
    ) -> Tensor {
        match self.axis_or("index_reduce", axis) {
            Ok(axis) => {
                let scatter = Scatter { what: Indexing::Slices, axis, combine: Combine::Add };
                self.reduced_with(scatter, index, source, reduce, own)
            }
            Err(invalid) => invalid,
        }
    }

    /// This tensor with the source reduced into it, where `scatter` adds.
    #[track_caller]
    fn reduced_with(
        &self,
        scatter: Scatter,
        index: &Tensor,
        source: &Tensor,
        reduce: ScatterReduce,
        own: IncludeSelf,
    ) -> Tensor {
        let operation = if scatter.what == Indexing::Slices { "index_reduce" } else { "scatter_reduce" };
        if let Some(invalid) = [self, index, source].into_iter().find(|x| x.error().is_some()) {
            return invalid.clone();
        }
        let domain = if reduce == ScatterReduce::Mean { Domain::Floats } else { Domain::Numbers };
        let checked = domain.check(self.spec().dtype);
        if let Err(misfit) = checked.and_then(|()| scatter.check(&[self.spec(), index.spec(), source.spec()]))
        {
            return misuse(operation, &[self, index, source], misfit);
        }
        let filled = |number: Number| Tensor::splat(*source.spec(), number);
        let replace = scatter.with(Combine::Replace);
        let base = match own {
            IncludeSelf::Yes => self.clone(),
            IncludeSelf::No => replace.bound(&[self, index, &filled(reduce.neutral(self.spec().dtype))]),
        };
        let combine = match reduce {
            ScatterReduce::Sum | ScatterReduce::Mean => Combine::Add,
            ScatterReduce::Prod => Combine::Mul,
            ScatterReduce::Amax => Combine::Max,
            ScatterReduce::Amin => Combine::Min,
        };
        let combined = scatter.with(combine).bound(&[&base, index, source]);
        if reduce != ScatterReduce::Mean {
            return combined;
        }
        let counted = match own {
            IncludeSelf::Yes => self.ones_like(),
            IncludeSelf::No => replace.bound(&[&self.ones_like(), index, &filled(Number::Int(0))]),
        };
        combined / scatter.bound(&[&counted, index, &filled(Number::Int(1))])
    }
}
