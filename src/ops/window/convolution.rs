//! Convolution and transposed convolution over one, two or three axes.
//!
//! The three tensors of a convolution enter a trilinear form alike, so the product of any two of them is one
//! primitive, [`Convolution`], in one of three roles; its derivatives are the other roles, to any order.

use super::options::{Conv, Rounding};
use crate::autodiff::level::{bind, misuse};
use crate::error::Misfit;
use crate::exec::window::Windows;
use crate::exec::{ConvRole, Convolution, Kernel};
use crate::ops::movement::too_many_axes;
use crate::ops::operands::{InputSet, Outputs};
use crate::ops::pointwise::{Domain, mixed_dtypes};
use crate::ops::primitive::{Primitive, Reads, Residuals};
use crate::tensor::{Number, Shape, Spec, Tensor};

const FIRST: InputSet = InputSet::one(0);
const SECOND: InputSet = InputSet::one(1);

impl ConvRole {
    /// The roles of the two inputs.
    fn inputs(self) -> [ConvRole; 2] {
        match self {
            ConvRole::Output => [ConvRole::Input, ConvRole::Weight],
            ConvRole::Input => [ConvRole::Output, ConvRole::Weight],
            ConvRole::Weight => [ConvRole::Input, ConvRole::Output],
        }
    }
}

impl Convolution {
    /// The tensor in role `wanted`, from the two others in any order.
    fn third(&self, wanted: ConvRole, given: [(ConvRole, &Tensor); 2]) -> Tensor {
        let [a, b] = wanted.inputs().map(|role| {
            given.iter().find(|(own, _)| *own == role).expect("the two others of three roles are given").1
        });
        bind(&Convolution { role: wanted, ..*self }, &[a, b])
    }

    /// How the first two axes of a role's tensor read for `B` examples at once that all differ: `[n, B * c]` or
    /// `[B * o, c]`.
    fn joined(&self, role: ConvRole, x: &Tensor) -> Tensor {
        let shape = x.spec().shape;
        let (examples, first, second) = (shape.dim(0), shape.dim(1), shape.dim(2));
        let rest = Shape::of(&shape[3..]);
        let lead = match role {
            ConvRole::Weight => [(examples * first) as u32, second as u32],
            _ => [first as u32, (examples * second) as u32],
        };
        let joined = Shape::of(&lead).concat(&rest).expect("one axis less");
        if role == ConvRole::Weight { x.reshape(joined) } else { x.movedim(0, 1).reshape(joined) }
    }

    /// The result for `examples` examples with the first axis of its own back in front.
    fn parted(&self, y: &Tensor, examples: usize) -> Tensor {
        if y.error().is_some() {
            return y.clone();
        }
        let shape = y.spec().shape;
        let axis = usize::from(self.role != ConvRole::Weight);
        let parted = shape.with_dim(axis, shape.dim(axis) / examples).with_axis(axis, examples);
        match parted {
            Some(parted) => y.reshape(parted).movedim(axis as isize, 0),
            None => misuse(self.name(), &[y], too_many_axes()),
        }
    }
}

impl Convolution {
    /// The result for a batch of no examples, whose groups could not be counted.
    fn of_no_examples(&self, x: &[&Tensor], batched: InputSet) -> Tensor {
        let each = [0, 1].map(|i| {
            let spec = x[i].spec();
            if batched.contains(i) { spec.with_shape(spec.shape.without(0)) } else { *spec }
        });
        match self.infer(&[&each[0], &each[1]]) {
            Ok(spec) => match spec.shape.with_axis(0, 0) {
                Some(shape) => Tensor::splat(spec.with_shape(shape), Number::Int(0)),
                None => misuse(self.name(), x, too_many_axes()),
            },
            Err(misfit) => misuse(self.name(), x, misfit),
        }
    }
}

impl Primitive for Convolution {
    fn name(&self) -> &'static str {
        match self.role {
            ConvRole::Output => "conv",
            ConvRole::Input => "conv_transpose",
            ConvRole::Weight => "conv_weight",
        }
    }

    /// The methods have checked that channels and windows fit.
    fn infer(&self, x: &[&Spec]) -> Result<Spec, Box<Misfit>> {
        if x[0].dtype != x[1].dtype {
            return Err(mixed_dtypes(x[0].dtype, x[1].dtype));
        }
        Domain::Numbers.check(x[0].dtype)?;
        let (a, b) = (x[0].shape, x[1].shape);
        let windows = &self.windows;
        let (first, second, own) = match self.role {
            ConvRole::Output => (a.dim(0), b.dim(0), windows.output),
            ConvRole::Input => (a.dim(0), b.dim(1) * self.groups, windows.input),
            ConvRole::Weight => (b.dim(1), a.dim(1) / self.groups, windows.kernel),
        };
        let dims: Vec<usize> = [first, second].into_iter().chain(windows.own(&own).iter().copied()).collect();
        Ok(x[0].with_shape(Shape::checked(&dims).map_err(Misfit::shape)?))
    }

    fn lower<'a>(&'a self, _: &[&Spec]) -> Kernel<'a> {
        Kernel::Conv(*self)
    }

    fn reads(&self, needs: InputSet) -> Option<Reads> {
        let for_first = if needs.contains(0) { SECOND } else { InputSet::NONE };
        let for_second = if needs.contains(1) { FIRST } else { InputSet::NONE };
        Some(Reads::inputs(for_first.union(for_second)))
    }

    fn jvp(&self, at: &Residuals<'_>, dx: &[Option<&Tensor>], dy: &mut [Option<Tensor>]) {
        let from_first = dx[0].map(|da| bind(self, &[da, at.x(1)]));
        let from_second = dx[1].map(|db| bind(self, &[at.x(0), db]));
        dy[0] = match (from_first, from_second) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }

    fn vjp(&self, at: &Residuals<'_>, dy: &[Option<&Tensor>], needs: InputSet, dx: &mut [Option<Tensor>]) {
        let Some(dy) = dy[0] else { return };
        let roles = self.role.inputs();
        for input in [0, 1] {
            if needs.contains(input) {
                let given = [(self.role, dy), (roles[1 - input], at.x(1 - input))];
                dx[input] = Some(self.third(roles[input], given));
            }
        }
    }

    fn batch(&self, x: &[&Tensor], batched: InputSet, size: usize) -> Outputs {
        let roles = self.role.inputs();
        if roles[1] == ConvRole::Weight && !batched.contains(1) {
            // One convolution of all examples' images.
            let shape = x[0].spec().shape;
            let images = shape.without(0).with_dim(0, size * shape.dim(1));
            let y = bind(self, &[&x[0].reshape(images), x[1]]);
            if y.error().is_some() {
                return Outputs::One(y);
            }
            let parted = y.spec().shape.with_dim(0, shape.dim(1)).with_axis(0, size);
            return Outputs::One(match parted {
                Some(parted) => y.reshape(parted),
                None => misuse(self.name(), x, too_many_axes()),
            });
        }
        if size == 0 {
            return Outputs::One(self.of_no_examples(x, batched));
        }
        // Otherwise examples are groups of channels.
        let all = [0, 1].map(|i| {
            let each = if batched.contains(i) { x[i].clone() } else { x[i].repeated(size) };
            if each.error().is_some() { each } else { self.joined(roles[i], &each) }
        });
        let joined = Convolution { groups: self.groups * size, ..*self };
        Outputs::One(self.parted(&bind(&joined, &[&all[0], &all[1]]), size))
    }
}

/// A convolution's options, checked against its operands.
struct Fitted {
    convolution: Convolution,
    /// Of the result.
    channels: usize,
}

/// Whether a convolution or its transpose is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Transposed,
}

impl Conv {
    fn fit(&self, direction: Direction, rank: usize, x: &Shape, w: &Shape) -> Result<Fitted, Box<Misfit>> {
        let channels_of = if direction == Direction::Forward { ["out", "in"] } else { ["in", "out"] };
        if w.rank() != rank + 2 {
            let message = format!(
                "the weight has shape {w}, expected {} axes: [{}_channels, {}_channels / groups, ..]",
                rank + 2,
                channels_of[0],
                channels_of[1]
            );
            return Err(Misfit::shape(message));
        }
        let (outer, inner, groups) = (w.dim(0), w.dim(1), self.groups);
        if groups == 0 || !outer.is_multiple_of(groups) {
            let message = format!("groups {groups} does not divide the weight's {outer} channels, {w}");
            return Err(Misfit::shape(message));
        }
        let expected = if direction == Direction::Forward { inner * groups } else { outer };
        if x.dim(1) != expected {
            let of_groups = if groups == 1 { String::new() } else { format!(" in {groups} groups") };
            let message = format!(
                "the input {x} has {} channels, the weight {w} takes {expected}{of_groups}",
                x.dim(1)
            );
            return Err(Misfit::shape(message).help("the axes are [batch, channels, ..]"));
        }
        let slides = self.sliding.each(rank)?;
        let lengths = |shape: &Shape| shape.to_vec()[2..].to_vec();
        let more = self.more(rank)?;
        if direction == Direction::Forward && more.iter().any(|&more| more > 0) {
            return Err(Misfit::shape(format!("output_padding {more:?} is for transposed convolutions")));
        }
        let (role, windows, channels): (_, Windows, _) = match direction {
            Direction::Forward => {
                (ConvRole::Output, slides.over(&lengths(x), &lengths(w), Rounding::Down)?, outer)
            }
            Direction::Transposed => {
                (ConvRole::Input, slides.under(&lengths(x), &lengths(w), &more)?, inner * groups)
            }
        };
        if let Some(bias) = self.bias.as_ref().map(|bias| bias.spec().shape)
            && bias != [channels]
        {
            return Err(Misfit::shape(format!("the bias has shape {bias}, expected [{channels}]")));
        }
        Ok(Fitted { convolution: Convolution { role, windows, groups }, channels })
    }
}

impl Tensor {
    #[track_caller]
    fn convolved(
        &self,
        operation: &'static str,
        direction: Direction,
        rank: usize,
        weight: &Tensor,
        options: &Conv,
    ) -> Tensor {
        let operands: Vec<&Tensor> = [self, weight].into_iter().chain(&options.bias).collect();
        if let Some(invalid) = operands.iter().find(|x| x.error().is_some()) {
            return (*invalid).clone();
        }
        let shape = self.spec().shape;
        let images = match shape.rank() {
            n if n == rank + 2 => self.clone(),
            n if n == rank + 1 => self.unsqueeze(0),
            n => {
                let message =
                    format!("the input {shape} has {n} axes, expected {} or {}", rank + 2, rank + 1);
                let misfit = Misfit::shape(message).help("[batch, channels, ..], or [channels, ..]");
                return misuse(operation, &operands, misfit);
            }
        };
        let fitted = match options.fit(direction, rank, &images.spec().shape, &weight.spec().shape) {
            Ok(fitted) => fitted,
            Err(misfit) => return misuse(operation, &operands, misfit),
        };
        if let Some(other) = operands[1..].iter().find(|x| x.spec().dtype != self.spec().dtype) {
            return misuse(operation, &operands, mixed_dtypes(self.spec().dtype, other.spec().dtype));
        }
        let mut y = bind(&fitted.convolution, &[&images, weight]);
        if let Some(bias) = &options.bias {
            let column: Vec<usize> = std::iter::once(fitted.channels).chain(vec![1; rank]).collect();
            y += bias.reshape(column);
        }
        if shape.rank() == rank + 1 { y.squeeze(0) } else { y }
    }
}

macro_rules! convolutions {
    ($($(#[doc = $doc:literal])* $name:ident $direction:ident $rank:literal;)*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            #[track_caller]
            pub fn $name(&self, weight: &Tensor, options: Conv) -> Tensor {
                self.convolved(stringify!($name), Direction::$direction, $rank, weight, &options)
            }
        )*}
    };
}

convolutions! {
    /// The convolution of signals `[n, c, length]`, or of one without the first axis, with a weight
    /// `[out, c / groups, kernel]`; see [`Tensor::conv2d`].
    ///
    /// Gradient: `dx = dy.conv_transpose1d(w)`, `dw` the correlation of `x` and `dy`.
    ///
    /// PyTorch: `torch.nn.functional.conv1d`. JAX: `jax.lax.conv_general_dilated`.
    conv1d Forward 1;

    /// The convolution (as networks have it: a correlation) of images `[n, c, height, width]`, or of one without the
    /// first axis, with a weight `[out, c / groups, height, width]`:
    /// `y[n, o, p] = bias[o] + sum of x[n, c, p * stride + k * dilation - padding] * w[o, c, k]`.
    ///
    /// # Errors
    /// The result is invalid if channels, groups or the bias do not fit, or if the kernel is longer than the padded
    /// input.
    ///
    /// Gradient: `dx = dy.conv_transpose2d(w)`, `dw` the correlation of `x` and `dy`, the bias' the sum of `dy` over
    /// all axes but the channels'. See Dumoulin and Visin, arXiv:1603.07285.
    ///
    /// PyTorch: `torch.nn.functional.conv2d`. JAX: `jax.lax.conv_general_dilated`.
    ///
    /// ```
    /// # use retrograd::{Conv, Tensor};
    /// let x = Tensor::from([[1.0, 2.0, 4.0], [0.0, 1.0, 3.0]]).reshape([1, 1, 2, 3]);
    /// let w = Tensor::from([[1.0, -1.0]]).reshape([1, 1, 1, 2]);
    /// assert_eq!(x.conv2d(&w, Conv::new()).to_vec::<f64>()?, [-1.0, -2.0, -1.0, -2.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    conv2d Forward 2;

    /// The convolution of volumes `[n, c, depth, height, width]`, or of one without the first axis, with a weight
    /// `[out, c / groups, depth, height, width]`; see [`Tensor::conv2d`].
    ///
    /// Gradient: `dx = dy.conv_transpose3d(w)`, `dw` the correlation of `x` and `dy`.
    ///
    /// PyTorch: `torch.nn.functional.conv3d`. JAX: `jax.lax.conv_general_dilated`.
    conv3d Forward 3;

    /// The transposed convolution of signals `[n, c, length]`, or of one without the first axis, with a weight
    /// `[c, out / groups, kernel]`; see [`Tensor::conv_transpose2d`].
    ///
    /// Gradient: `dx = dy.conv1d(w)`, `dw` the correlation of `dy` and `x`.
    ///
    /// PyTorch: `torch.nn.functional.conv_transpose1d`. JAX: `jax.lax.conv_transpose`.
    conv_transpose1d Transposed 1;

    /// The transposed convolution of images `[n, c, height, width]`, or of one without the first axis, with a weight
    /// `[c, out / groups, height, width]`: the derivative of [`Tensor::conv2d`] with the same options in its input.
    /// A length `l` becomes `(l - 1) * stride + (k - 1) * dilation + 1 + output_padding`, less the padding on both
    /// sides.
    ///
    /// # Errors
    /// The result is invalid if channels, groups or the bias do not fit, if `output_padding` is not below the stride,
    /// or if padding leaves nothing.
    ///
    /// Gradient: `dx = dy.conv2d(w)`, `dw` the correlation of `dy` and `x`, the bias' the sum of `dy` over all axes
    /// but the channels'.
    ///
    /// PyTorch: `torch.nn.functional.conv_transpose2d`. JAX: `jax.lax.conv_transpose`.
    ///
    /// ```
    /// # use retrograd::{Conv, Tensor};
    /// let (y, w) = (Tensor::randn([8, 16, 7, 7]), Tensor::randn([16, 3, 4, 4]));
    /// let x = y.conv_transpose2d(&w, Conv::new().stride(2).padding(1));
    /// assert_eq!(x.shape(), [8, 3, 14, 14]);
    /// ```
    conv_transpose2d Transposed 2;

    /// The transposed convolution of volumes `[n, c, depth, height, width]`, or of one without the first axis, with a
    /// weight `[c, out / groups, depth, height, width]`; see [`Tensor::conv_transpose2d`].
    ///
    /// Gradient: `dx = dy.conv3d(w)`, `dw` the correlation of `dy` and `x`.
    ///
    /// PyTorch: `torch.nn.functional.conv_transpose3d`. JAX: `jax.lax.conv_transpose`.
    conv_transpose3d Transposed 3;
}
