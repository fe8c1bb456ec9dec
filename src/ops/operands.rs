//! What goes into a primitive and comes out of it: sets of inputs, the usual few without allocation, outputs.

use smallvec::SmallVec;

use crate::error::Error;
use crate::tensor::Tensor;

/// A set of a primitive's inputs, one bit each. Inputs from [`InputSet::SHARED`] on share the last bit: where one
/// of them is in the set, all are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct InputSet(u64);

impl InputSet {
    pub(crate) const NONE: InputSet = InputSet(0);
    pub(crate) const ALL: InputSet = InputSet(u64::MAX);
    /// The first input without a bit of its own.
    pub(crate) const SHARED: usize = 63;

    #[inline]
    pub(crate) const fn one(input: usize) -> InputSet {
        InputSet(1 << if input < InputSet::SHARED { input } else { InputSet::SHARED })
    }

    #[inline]
    pub(crate) fn contains(self, input: usize) -> bool {
        self.0 & InputSet::one(input).0 != 0
    }

    /// Whether some input of the range is in the set.
    pub(crate) fn meets(self, mut inputs: std::ops::Range<usize>) -> bool {
        inputs.any(|i| self.contains(i))
    }

    #[inline]
    pub(crate) fn insert(&mut self, input: usize) {
        self.0 |= InputSet::one(input).0;
    }

    #[inline]
    pub(crate) const fn union(self, other: InputSet) -> InputSet {
        InputSet(self.0 | other.0)
    }

    #[inline]
    pub(crate) const fn without(self, other: InputSet) -> InputSet {
        InputSet(self.0 & !other.0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What a primitive yields: one tensor nearly always, so that the usual case allocates nothing.
pub(crate) enum Outputs {
    One(Tensor),
    Many(Vec<Tensor>),
}

impl Outputs {
    /// The same error in every output's place.
    pub(crate) fn invalid(outputs: usize, error: Error) -> Outputs {
        match outputs {
            // A custom operation, whose outputs only its code could count, has one.
            0 | 1 => Outputs::One(Tensor::invalid(error)),
            n => Outputs::Many(vec![Tensor::invalid(error); n]),
        }
    }

    pub(crate) fn as_slice(&self) -> &[Tensor] {
        match self {
            Outputs::One(y) => std::slice::from_ref(y),
            Outputs::Many(ys) => ys,
        }
    }

    #[inline]
    pub(crate) fn one(self) -> Tensor {
        match self {
            Outputs::One(y) => y,
            Outputs::Many(mut ys) => ys.swap_remove(0),
        }
    }

    pub(crate) fn many(self) -> Vec<Tensor> {
        match self {
            Outputs::One(y) => vec![y],
            Outputs::Many(ys) => ys,
        }
    }

    /// Each output, with its place, replaced by what `f` makes of it.
    #[inline]
    pub(crate) fn map(self, mut f: impl FnMut(usize, Tensor) -> Tensor) -> Outputs {
        match self {
            Outputs::One(y) => Outputs::One(f(0, y)),
            Outputs::Many(ys) => Outputs::Many(ys.into_iter().enumerate().map(|(k, y)| f(k, y)).collect()),
        }
    }
}

/// A list with an entry for each input or output, of which operations have few.
pub(crate) type Short<T> = SmallVec<[T; 8]>;

/// References to a call's inputs, or to something of each, without allocating for the usual few.
pub(crate) struct Few<'a, T> {
    inline: [&'a T; 4],
    spilled: Vec<&'a T>,
    len: usize,
}

impl<'a, T> Few<'a, T> {
    /// What `f` makes of each input; there is at least one.
    #[inline]
    pub(crate) fn map(inputs: &[&'a Tensor], mut f: impl FnMut(usize, &'a Tensor) -> &'a T) -> Few<'a, T> {
        let len = inputs.len();
        let mut few = Few { inline: [f(0, inputs[0]); 4], spilled: Vec::new(), len };
        if len > few.inline.len() {
            few.spilled = inputs.iter().enumerate().map(|(i, x)| f(i, x)).collect();
            return few;
        }
        // One test for the usual one or two inputs, instead of a loop (bench `overhead`).
        if len > 1 {
            few.inline[1] = f(1, inputs[1]);
        }
        if len > 2 {
            for (i, x) in inputs.iter().enumerate().skip(2) {
                few.inline[i] = f(i, x);
            }
        }
        few
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[&'a T] {
        if self.len > self.inline.len() { &self.spilled } else { &self.inline[..self.len] }
    }
}
