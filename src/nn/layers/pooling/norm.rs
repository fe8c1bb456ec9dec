//! The p-norm of every window.

use super::super::stateless::{Function, functions};
use super::super::window::PerWindowAxis;
use super::average::{lengths_of, spread};
use retrograd::{Error, Pool, Tensor};

/// The p-norm of every window over the last `N` axes: `(sum |x|^p)^(1/p)`. (PyTorch takes `x^p`, which differs for odd
/// `p`.)
///
/// Input `[batch, channels, ..]` with any leading axes; a length `l` becomes `(l - kernel) / stride + 1`, rounded down,
/// or up in ceil mode.
///
/// Gradient: `dx = sign(x) |x|^(p - 1)` times the sum of `dy y^(1 - p)` over the windows of `x`, 0 from windows with
/// `y = 0`; input and output are kept.
///
/// PyTorch: `torch.nn.LPPool1d`, `LPPool2d`, `LPPool3d`. Torch: `nn.SpatialLPPooling`.
#[derive(Clone, Debug)]
pub struct LpPool<const N: usize> {
    norm_type: f64,
    kernel: [usize; N],
    stride: [usize; N],
    ceil_mode: bool,
}

/// [`LpPool`] of signals.
pub type LpPool1d = LpPool<1>;
/// [`LpPool`] of images.
pub type LpPool2d = LpPool<2>;
/// [`LpPool`] of volumes.
pub type LpPool3d = LpPool<3>;

impl<const N: usize> LpPool<N> {
    /// The norm of order `norm_type`, positive and finite, of windows of a length or lengths, one beside the other.
    pub fn new(norm_type: f64, kernel_size: impl PerWindowAxis<N>) -> LpPool<N> {
        const { assert!(N >= 1 && N <= 3, "windows have one to three axes") }
        let kernel = kernel_size.each();
        LpPool { norm_type, kernel, stride: kernel, ceil_mode: false }
    }

    /// From one window to the next; the kernel's length by default.
    pub fn stride(mut self, stride: impl PerWindowAxis<N>) -> LpPool<N> {
        self.stride = stride.each();
        self
    }

    /// Whether a last window that ends outside of the input counts too.
    pub fn ceil_mode(mut self, ceil: bool) -> LpPool<N> {
        self.ceil_mode = ceil;
        self
    }

    fn pool(&self) -> Pool {
        let pool = Pool::new(self.kernel).stride(self.stride);
        if self.ceil_mode { pool.ceil_mode() } else { pool }
    }
}

impl<const N: usize> Function for LpPool<N> {
    /// Input and output.
    type Saved = (Tensor, Tensor);
    fn value(&self, x: &Tensor) -> (Tensor, Self::Saved) {
        let p = self.norm_type;
        let y = match N {
            _ if p == f64::INFINITY => {
                let name = retrograd::nn::Module::name(self);
                let message = format!("{name}: the norm of order infinity is `MaxPool` of `Abs`");
                Tensor::invalid(Error::msg(message))
            }
            1 => x.lp_pool1d(p, self.pool()),
            2 => x.lp_pool2d(p, self.pool()),
            _ => x.lp_pool3d(p, self.pool()),
        };
        (y.clone(), (x.clone(), y))
    }
    fn pull(&self, (x, y): &Self::Saved, dy: &Tensor) -> Tensor {
        let p = self.norm_type;
        // The power is taken of 1 where the norm is 0, so that no infinity meets a zero.
        let zero = y.eq(0.0);
        let shares = zero.where_(0.0, dy * zero.where_(1.0, y).pow(1.0 - p));
        // A mean with the divisor 1 is a sum.
        let sums = spread::<N>(&shares, &lengths_of(x, N), self.pool().divisor(1.0));
        let slope = if p == 2.0 { x.clone() } else { x.sign() * x.abs().pow(p - 1.0) };
        sums * slope
    }
}

functions! { LpPool<N> ["LpPool1d", "LpPool2d", "LpPool3d"] }
