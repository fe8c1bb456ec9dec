//! Which instructions the machine has.

use std::cell::Cell;

/// A set of instructions that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Isa {
    /// What every machine of the architecture has: SSE2 on x86-64, NEON on AArch64.
    Plain = 1,
    /// AVX2 and FMA: x86-64 from 2013 on.
    Avx2 = 2,
    /// AVX-512 F, DQ, BW and VL.
    Avx512 = 3,
}

impl Isa {
    /// All of them, the best last.
    const ALL: [Isa; 3] = [Isa::Plain, Isa::Avx2, Isa::Avx512];

    /// Whether this machine can run kernels compiled for it.
    fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Isa::Plain => true,
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Isa::Avx512 => {
                Isa::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        matches!(self, Isa::Plain)
    }

    /// Those that this machine has, the best last.
    pub(crate) fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }
}

thread_local! {
    /// What `isa` yields on this thread; `None` before it was first asked. It is thread-local for
    /// `with_isa`, and costs one load, as a static would.
    static CURRENT: Cell<Option<Isa>> = const { Cell::new(None) };
}

/// The instructions that kernels called from this thread use: the best the machine has.
#[inline]
pub(crate) fn isa() -> Isa {
    match CURRENT.get() {
        Some(isa) => isa,
        None => detect(),
    }
}

/// Lets kernels called from this thread use what those of another thread do, which has handed it some work.
pub(crate) fn adopt(isa: Isa) {
    CURRENT.set(Some(isa));
}

#[cold]
fn detect() -> Isa {
    let best = Isa::available().last().expect("every machine has the plain instructions");
    CURRENT.set(Some(best));
    best
}

/// What `body` yields when kernels called from this thread use `isa`; for tests.
#[cfg(test)]
pub(crate) fn with_isa<R>(isa: Isa, body: impl FnOnce() -> R) -> R {
    /// Restores the previous choice, also when `body` panics.
    struct Restore(Option<Isa>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    assert!(isa.is_available(), "this machine does not have {isa:?}");
    let _restore = Restore(CURRENT.replace(Some(isa)));
    body()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_available_isa_is_chosen_unless_another_is_asked_for() {
        let best = Isa::available().last();
        assert_eq!(Some(isa()), best);
        for other in Isa::available() {
            assert_eq!(with_isa(other, isa), other);
            assert_eq!(Some(isa()), best);
        }
    }

    #[test]
    fn a_panic_restores_the_choice() {
        let before = isa();
        let caught = std::panic::catch_unwind(|| with_isa(Isa::Plain, || panic!("on purpose")));
        assert!(caught.is_err());
        assert_eq!(isa(), before);
    }
}
