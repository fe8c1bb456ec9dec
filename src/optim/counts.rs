//! How many steps each leaf made: as many as the state, but for leaves that were frozen in a part of them.

use retrograd::{DType, Error, Result, Tensor, Tree};

use super::state::{is_nothing, leaves_like, nothing, of_leaf, spec, valid, with_leaves};

/// For each leaf its own count of steps, or [`nothing`] where that is the state's; none where it is so for all leaves, so
/// that a state without frozen leaves holds no counts, and its step computes its numbers once for all leaves.
#[derive(Debug, Default)]
pub(super) struct Counts(Option<Vec<Tensor>>);

impl Counts {
    /// The counts of a state.
    pub(super) fn held<P: Tree>(params: &P, held: Option<&P>) -> Result<Counts> {
        let Some(held) = held else { return Ok(Counts(None)) };
        let counts = leaves_like(params, held, "`leaf_steps`")?;
        valid(params, &counts, "`leaf_steps`")?;
        let misfit = |x: &Tensor| !is_nothing(x) && (x.rank() != 0 || x.dtype() != DType::I64);
        if let Some(at) = counts.iter().position(misfit) {
            let (of, x) = (of_leaf(params, at), spec(&counts[at]));
            return Err(Error::msg(format!(
                "`leaf_steps`{of} is {x}, and must be i64[], or bool[] for none"
            )));
        }
        Ok(Counts(Some(counts)))
    }

    /// With a count for every leaf that rests: where it has none yet it made all steps, which are `step`.
    pub(super) fn with_resting(self, rests: &[bool], step: &Tensor) -> Counts {
        if self.0.is_none() && !rests.contains(&true) {
            return self;
        }
        let counts = self.0.unwrap_or_else(|| vec![nothing(); rests.len()]);
        let counted = |(count, rests): (Tensor, &bool)| match *rests && is_nothing(&count) {
            true => step.clone(),
            false => count,
        };
        Counts(Some(counts.into_iter().zip(rests).map(counted).collect()))
    }

    /// How many steps leaf `i` made, if that is not the state's count.
    pub(super) fn of(&self, i: usize) -> Option<&Tensor> {
        self.0.as_ref()?.get(i).filter(|count| !is_nothing(count))
    }

    /// Counts one more step of leaf `i`.
    pub(super) fn advance(&mut self, i: usize) {
        if let Some(count) = self.0.as_mut().and_then(|counts| counts.get_mut(i)).filter(|x| !is_nothing(x)) {
            *count = &*count + 1;
        }
    }

    /// The counts as a state holds them.
    pub(super) fn into_tree<P: Tree>(self, params: &P) -> Option<P> {
        self.0.map(|counts| with_leaves(params, counts))
    }
}
