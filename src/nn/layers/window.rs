//! What layers with sliding windows take.

/// A whole number for each of `N` axes that a window slides over: one for all, or one each.
pub trait PerWindowAxis<const N: usize> {
    /// The numbers.
    fn each(self) -> [usize; N];
}

impl<const N: usize> PerWindowAxis<N> for usize {
    fn each(self) -> [usize; N] {
        [self; N]
    }
}

impl<const N: usize> PerWindowAxis<N> for [usize; N] {
    fn each(self) -> [usize; N] {
        self
    }
}
