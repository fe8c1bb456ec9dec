//! Combining at computed positions: sums, replacements, products, extremes.

use super::arithmetic::IntoOperand;
use super::index::{INDEX, Joined, check_alike_beside, check_index, selected};
use super::linear::{Linear, LinearMap};
use super::operands::{InputSet, Outputs};
use super::pointwise::{Domain, mixed_dtypes};
use super::primitive::{Primitive, Reads, Residuals};
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::{Combine, Indexing, Kernel, Region};
use crate::tensor::{DType, Number, Shape, Spec, Tensor};

/// `x0` with `x2` combined into it at the positions `x1` of an axis. Sums and replacements are linear.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Scatter {
    pub(super) what: Indexing,
    pub(super) axis: usize,
    pub(super) combine: Combine,
}

impl Scatter {
    /// The same positions, combined in another way.
    fn with(self, combine: Combine) -> Scatter {
        Scatter { combine, ..self }
    }

    fn check(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        check_index(x[1])?;
        if x[0].dtype != x[2].dtype {
            return Err(mixed_dtypes(x[0].dtype, x[2].dtype));
        }
        let expected = match self.what {
            Indexing::Slices => selected(&x[0].shape, self.axis, &x[1].shape)?,
            Indexing::Elements => {
                check_alike_beside(self.axis, &x[0].shape, &x[1].shape)?;
                x[1].shape
            }
        };
        if x[2].shape != expected {
            return Err(Misfit::shape(format!("the source has shape {}, expected {expected}", x[2].shape)));
        }
        Ok(*x[0])
    }

    #[track_caller]
    pub(super) fn bound(self, x: &[&Tensor]) -> Tensor {
        match self.combine {
            Combine::Add | Combine::Replace => bind(&LinearMap(self), x),
            Combine::Mul | Combine::Max | Combine::Min => bind(&Folded(self), x),
        }
    }

    fn batched(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
        let below = Scatter { axis: self.axis + 1, ..*self };
        let repeated = |i: usize| if batched.contains(i) { x[i].clone() } else { x[i].repeated(size) };
        if self.what == Indexing::Elements {
            return below.bound(&[&repeated(0), &repeated(1), &repeated(2)]);
        }
        if !batched.contains(1) {
            return below.bound(&[&repeated(0), x[1], &repeated(2)]);
        }
        let base = repeated(0);
        let joined = Joined::new(&base, x[1], self.axis, size);
        let index_rank = x[1].spec().shape.rank() - 1;
        let source = (0..self.axis)
            .rev()
            .fold(repeated(2), |y, i| y.movedim(1 + i as isize, (self.axis + index_rank) as isize));
        let sums = Scatter { axis: 0, ..*self }.bound(&[&joined.all, &joined.index, &source]);
        sums.reshape(joined.moved).movedim(1, self.axis as isize + 1)
    }

    /// Where the source's element is the last one for its place: only that stays there. Broadcasts to the source.
    fn stays(&self, index: &Tensor, x: &Spec) -> Tensor {
        let places = index.spec().shape;
        let numbers = Tensor::arange(places.numel() as i64).reshape(places);
        let (table, axis) = match self.what {
            Indexing::Elements => (x.shape, self.axis),
            // Whole slices stay or go.
            Indexing::Slices => (Shape::of(&x.shape[self.axis..=self.axis]), 0),
        };
        let none = Tensor::splat(Spec::new(table, DType::I64), Number::Int(-1));
        let last =
            Scatter { axis, what: self.what, combine: Combine::Replace }.bound(&[&none, index, &numbers]);
        let stays = last.read_at(self.what, axis, index).eq(numbers);
        match self.what {
            Indexing::Elements => stays,
            Indexing::Slices => {
                let after = x.shape.rank() - self.axis - 1;
                let column = [places.to_vec(), vec![1; after]].concat();
                stays.reshape(column)
            }
        }
    }
}

impl Linear for Scatter {
    const NAME: &'static str = "scatter";
    const CONSTANTS: InputSet = INDEX;
    const READS_SPECS: bool = true;

    fn name(&self) -> &'static str {
        match (self.what, self.combine) {
            (Indexing::Slices, Combine::Replace) => "index_copy",
            (Indexing::Slices, _) => "index_add",
            (Indexing::Elements, Combine::Replace) => Self::NAME,
            (Indexing::Elements, _) => "scatter_add",
        }
    }

    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        self.check(x)
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Scatter(self.what, self.axis, self.combine)
    }

    fn transpose(&self, at: &Residuals<'_>, input: usize, dy: &Tensor) -> Tensor {
        match (self.combine, input) {
            (Combine::Add, 0) => dy.clone(),
            (_, 0) => self.bound(&[dy, at.x(1), &Tensor::splat(*at.spec(2), Number::Int(0))]),
            (Combine::Add, _) => dy.read_at(self.what, self.axis, at.x(1)),
            (_, _) => {
                let read = dy.read_at(self.what, self.axis, at.x(1));
                self.stays(at.x(1), at.spec(0)).where_(read, 0.0)
            }
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Tensor {
        self.batched(x, batched, size)
    }
}

/// Products and extremes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Folded(Scatter);

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
    /// This tensor with the slices of `source` added at the positions in `index` of an axis; a position may come
    /// up more than once.
    ///
    /// Gradient: `dy` for this tensor, `dy.index_select(axis, index)` for the source.
    ///
    /// PyTorch: `torch.index_add`. JAX: `x.at[..].add`.
    #[track_caller]
    pub fn index_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        self.scattered("index_add", Indexing::Slices, Combine::Add, axis, index, source)
    }

    /// This tensor with the slices of `source` in place of those at the positions in `index` of an axis. Where a
    /// position comes up more than once, the last slice stays.
    ///
    /// Gradient: for this tensor `dy`, 0 where it was replaced; for the source `dy.index_select(axis, index)`, 0 for
    /// slices that were overwritten.
    ///
    /// PyTorch: `torch.index_copy`. JAX: `x.at[..].set`.
    #[track_caller]
    pub fn index_copy(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        self.scattered("index_copy", Indexing::Slices, Combine::Replace, axis, index, source)
    }

    /// This tensor with a number (or tensor of rank 0) at the positions in `index` of an axis.
    ///
    /// Gradient: for this tensor `dy`, 0 where it was replaced; for the value the sum of `dy` there.
    ///
    /// PyTorch: `torch.index_fill`. JAX: `x.at[..].set`.
    #[track_caller]
    pub fn index_fill(&self, axis: isize, index: &Tensor, value: impl IntoOperand) -> Tensor {
        let at = match self.axis_or("index_fill", axis) {
            Ok(at) => at,
            Err(invalid) => return invalid,
        };
        if let Some(rank) =
            value.as_tensor().filter(|value| value.error().is_none()).map(|v| v.spec().shape.rank())
            && rank > 0
        {
            let message = format!("the value is a number or a tensor of rank 0, got rank {rank}");
            return misuse("index_fill", &[self, index], Misfit::shape(message).help("see `index_copy`"));
        }
        if index.error().is_some() {
            return index.clone();
        }
        let part = match selected(&self.spec().shape, at, &index.spec().shape) {
            Ok(shape) => Tensor::splat(self.spec().with_shape(shape), Number::Int(0)),
            Err(misfit) => return misuse("index_fill", &[self, index], misfit),
        };
        let value = value.operand_for(&part, "index_fill").broadcast_shape(part.spec().shape);
        self.scattered("index_fill", Indexing::Slices, Combine::Replace, axis, index, &value)
    }

    /// This tensor with the elements of `source` added: `x[index[i][j]][j] += source[i][j]` for axis 0. Index and
    /// source have the same shape, of the tensor's rank; where they are shorter beside the axis, only the first
    /// positions there are added to.
    ///
    /// Gradient: `dy` for this tensor, `dy.gather(axis, index)` for the source.
    ///
    /// PyTorch: `torch.scatter_add`. JAX: `x.at[..].add`.
    #[track_caller]
    pub fn scatter_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Tensor {
        self.scattered("scatter_add", Indexing::Elements, Combine::Add, axis, index, source)
    }

    /// This tensor with the elements of `source` put in: `x[index[i][j]][j] = source[i][j]` for axis 0. Index and
    /// source have the same shape, of the tensor's rank; where they are shorter beside the axis, only the first
    /// positions there are written. A number stands for a source of it. Where several elements go to one place, the last
    /// in row-major order stays.
    ///
    /// Gradient: for this tensor `dy`, 0 where it was replaced; for the source `dy.gather(axis, index)`, 0 for elements
    /// that were overwritten.
    ///
    /// PyTorch: `torch.scatter`. JAX: `x.at[..].set`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (x, i) = (Tensor::zeros([2, 3]), Tensor::from([[2i64], [0]]));
    /// assert_eq!(x.scatter(1, &i, 1.0).to_vec::<f32>()?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter(&self, axis: isize, index: &Tensor, source: impl IntoOperand) -> Tensor {
        if self.error().is_some() || index.error().is_some() {
            return if self.error().is_some() { self.clone() } else { index.clone() };
        }
        let like = Tensor::splat(self.spec().with_shape(index.spec().shape), Number::Int(0));
        let source = source.operand_for(&like, "scatter");
        self.scattered("scatter", Indexing::Elements, Combine::Replace, axis, index, &source)
    }

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
        self.around(part.reduced_with(Indexing::Elements, at, index, source, reduce, own))
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
            Ok(at) => self.reduced_with(Indexing::Slices, at, index, source, reduce, own),
            Err(invalid) => invalid,
        }
    }

    #[track_caller]
    fn reduced_with(
        &self,
        what: Indexing,
        axis: usize,
        index: &Tensor,
        source: &Tensor,
        reduce: ScatterReduce,
        own: IncludeSelf,
    ) -> Tensor {
        let scatter = Scatter { what, axis, combine: Combine::Add };
        let operation = if what == Indexing::Slices { "index_reduce" } else { "scatter_reduce" };
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

    #[track_caller]
    fn scattered(
        &self,
        operation: &'static str,
        what: Indexing,
        combine: Combine,
        axis: isize,
        index: &Tensor,
        source: &Tensor,
    ) -> Tensor {
        let axis = match self.axis_or(operation, axis) {
            Ok(axis) => axis,
            Err(invalid) => return invalid,
        };
        let scatter = Scatter { what, axis, combine };
        match what {
            Indexing::Slices => scatter.bound(&[self, index, source]),
            Indexing::Elements => {
                let part = self.corner_beside(axis, index);
                self.around(scatter.bound(&[&part, index, source]))
            }
        }
    }

    /// This tensor with a corner of it replaced.
    #[track_caller]
    fn around(&self, corner: Tensor) -> Tensor {
        if corner.error().is_some() || corner.spec().shape == self.spec().shape {
            return corner;
        }
        self.with_region(Region::corner(self.spec().shape.rank()), &corner)
    }
}
