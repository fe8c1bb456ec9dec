//! In the place of `native` where nothing is compiled to machine code.

use std::ops::Range;

use super::Running;
use super::lower::Code;
use super::program::Program;
use crate::tensor::DType;

/// See `native`.
pub(super) struct Native;

pub(super) type Kernels = [(); 0];

pub(super) fn order(code: &Code, lines: Range<usize>) -> Vec<usize> {
    let (folds, others) = lines.partition::<Vec<usize>, _>(|&at| code.lines[at].folds());
    [others, folds].concat()
}

pub(super) fn groups(_: &Code) -> Vec<Range<usize>> {
    Vec::new()
}

impl Native {
    pub(super) fn new(_: Vec<Range<usize>>, _: Vec<DType>) -> Native {
        Native
    }

    pub(super) fn kernels(&self, _: &Program) -> &Kernels {
        &[]
    }

    pub(super) fn made_too_early(&self, _: &Kernels, made: usize, read: usize) -> bool {
        made <= read
    }
}

impl Running<'_> {
    /// Runs instructions by `one`.
    ///
    /// # Safety
    /// As `one` wants.
    #[inline(always)]
    pub(super) unsafe fn instructions(&self, range: Range<usize>, _: usize, one: impl FnMut(usize)) {
        range.for_each(one);
    }
}
