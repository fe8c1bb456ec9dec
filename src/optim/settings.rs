//! Settings: structs with PyTorch's names and defaults, and the ranges they are held to.

use retrograd::{Error, Result};

/// A struct of settings with a learning rate: fields, defaults, and for each field a method that sets it.
macro_rules! settings {
    ($(#[$doc:meta])* $name:ident($lr:literal) {
        $($(#[$about:meta])* $field:ident: $type:ty = $default:expr,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct $name {
            #[doc = concat!("The learning rate, a number or a schedule; `default()` has ", stringify!($lr), ".")]
            pub lr: super::Schedule,
            $($(#[$about])* pub $field: $type,)*
        }

        impl $name {
            /// These settings with the given learning rate, a number or a [`Schedule`](super::Schedule), and the
            /// defaults for all others.
            pub fn new(lr: impl Into<super::Schedule>) -> $name {
                $name { lr: lr.into(), $($field: $default),* }
            }
            /// The learning rate, a number or a schedule.
            #[must_use]
            pub fn lr(mut self, lr: impl Into<super::Schedule>) -> $name {
                self.lr = lr.into();
                self
            }
            $($(#[$about])*
            #[must_use]
            pub fn $field(mut self, $field: $type) -> $name {
                self.$field = $field;
                self
            })*
        }

        impl Default for $name {
            fn default() -> $name {
                $name::new($lr)
            }
        }
    };
}
pub(super) use settings;

/// Where a setting may lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Range {
    /// 0 and above.
    NonNegative,
    /// Above 0.
    Positive,
    /// From 0 on and below 1: what a running mean keeps of its past.
    Decay,
    /// From 0 to 1, both included.
    Unit,
}

/// Refuses a value out of its range, NaN and infinities.
pub(super) fn within(setting: &str, value: f64, range: Range) -> Result<()> {
    let (holds, words) = match range {
        Range::NonNegative => (value >= 0.0, "0 or above"),
        Range::Positive => (value > 0.0, "above 0"),
        Range::Decay => ((0.0..1.0).contains(&value), "at least 0 and below 1"),
        Range::Unit => ((0.0..=1.0).contains(&value), "from 0 to 1"),
    };
    if holds && value.is_finite() {
        return Ok(());
    }
    Err(Error::msg(format!("`{setting}` is {value}, and must be {words}")))
}

/// The two decays that Adam and its like have.
pub(super) fn decays((beta1, beta2): (f64, f64)) -> Result<()> {
    within("betas.0", beta1, Range::Decay)?;
    within("betas.1", beta2, Range::Decay)
}
