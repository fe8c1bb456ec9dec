//! Layers that are functions of their input alone.

use retrograd::{Shape, Tensor, Tree};

/// What a layer without parameters, state and draws says; [`functions`] makes a [`Module`](retrograd::nn::Module) of it.
pub trait Function {
    /// What `pull` needs of `value`.
    type Saved: Tree;

    /// The output, and what is kept for the gradient.
    fn value(&self, x: &Tensor) -> (Tensor, Self::Saved);

    /// The gradient of the input, given that of the output.
    fn pull(&self, saved: &Self::Saved, dy: &Tensor) -> Tensor;
}

/// The shape, and that of a number for an invalid tensor, whose error whatever follows passes on.
pub(in crate::nn) fn shape_of(x: &Tensor) -> Shape {
    if x.error().is_some() { Shape::SCALAR } else { x.shape() }
}

/// Layers of [`Function`]s.
macro_rules! functions {
    ($($layer:ty),* $(,)?) => {$(
        functions! { @module [] $layer, }
    )*};
    // Over one, two or three axes, of which each has a name.
    ($($layer:ident<N> $names:expr),* $(,)?) => {$(
        functions! { @module [const N: usize] $layer<N>, fn name(&self) -> &'static str { $names[N - 1] } }
    )*};
    (@module [$($axes:tt)*] $layer:ty, $($name:tt)*) => {
        impl<$($axes)*> retrograd::nn::Module for $layer {
            type Params = ();
            type State = ();
            type Input = Tensor;
            type Output = Tensor;
            type Saved = <$layer as Function>::Saved;
            $($name)*
            fn params(&self, _: &mut retrograd::Rng) {}
            fn state(&self) {}
            fn forward(&self, _: &(), _: &(), x: &Tensor, _: &mut retrograd::nn::Ctx) -> (Tensor, Self::Saved, ()) {
                let (y, saved) = self.value(x);
                (y, saved, ())
            }
            fn backward(&self, _: &(), saved: &Self::Saved, dy: &Tensor) -> ((), Tensor) {
                ((), self.pull(saved, dy))
            }
            fn backward_params(&self, _: &(), _: &Self::Saved, _: &Tensor) {}
        }
    };
}

/// A layer with options: its type, the defaults, and a method to change each.
macro_rules! options {
    ($($(#[$about:meta])* $layer:ident { $($(#[$doc:meta])* $option:ident: $type:ty = $default:expr),* $(,)? })*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub struct $layer { $($option: $type),* }

        impl Default for $layer {
            fn default() -> $layer {
                $layer { $($option: $default),* }
            }
        }

        impl $layer {
            /// With the default options.
            pub fn new() -> $layer {
                $layer::default()
            }
            $($(#[$doc])* pub fn $option(mut self, $option: $type) -> $layer {
                self.$option = $option;
                self
            })*
        }
    )*};
}

pub(super) use {functions, options};
