//! The order of pairwise contractions that costs least.

use super::equation::{Label, Labels};
use crate::tensor::MAX_RANK;

/// Up to this many operands all orders are compared: `3^n` pairs of subsets, 6,561 of them for eight, which takes
/// less than a tenth of a millisecond. Beyond, pairs are joined greedily until so many are left.
const EXHAUSTIVE: usize = 8;

/// Added for an intermediate result with more axes than a tensor has: such an order is taken if there is no other,
/// and then refused.
const IMPOSSIBLE: f64 = 1e250;

/// What is to be contracted: the names of each operand and of the result, and the length of each name.
pub(super) struct Network<'a> {
    pub(super) operands: Vec<Labels>,
    pub(super) output: Labels,
    pub(super) lengths: &'a [usize; Label::COUNT],
}

/// A step: the operands at these two places, the first the smaller, go, and their product comes to the end.
pub(super) type Step = (usize, usize);

impl Network<'_> {
    /// The steps to a single operand.
    pub(super) fn order(mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        while self.operands.len() > EXHAUSTIVE {
            let step = self.greedy_step();
            self.join(step);
            steps.push(step);
        }
        let n = self.operands.len();
        if n == 2 {
            steps.push((0, 1));
        } else if n > 2 {
            steps.extend(self.best_steps());
        }
        steps
    }

    /// How many elements a tensor with these names has.
    fn size(&self, labels: Labels) -> f64 {
        labels.iter().map(|label| self.lengths[label.index()] as f64).product()
    }

    /// The names that the product of some operands, all of whose names are `inside`, keeps, beside operands whose
    /// names are `outside`.
    fn kept(&self, inside: Labels, outside: Labels) -> Labels {
        inside.common(outside.union(self.output))
    }

    fn join(&mut self, (a, b): Step) {
        let inside = self.operands[a].union(self.operands[b]);
        self.operands.remove(b);
        self.operands.remove(a);
        let outside = self.operands.iter().fold(Labels::default(), |all, labels| all.union(*labels));
        let kept = self.kept(inside, outside);
        self.operands.push(kept);
    }

    /// The pair whose product is smallest beside the two that go, and among equals cheapest.
    fn greedy_step(&self) -> Step {
        let n = self.operands.len();
        let mut best = ((f64::INFINITY, f64::INFINITY), (0, 1));
        for b in 1..n {
            for a in 0..b {
                let rest = (0..n).filter(|&i| i != a && i != b);
                let outside = rest.fold(Labels::default(), |all, i| all.union(self.operands[i]));
                let inside = self.operands[a].union(self.operands[b]);
                let kept = self.kept(inside, outside);
                let growth = self.size(kept) - self.size(self.operands[a]) - self.size(self.operands[b]);
                let rank = if kept.len() > MAX_RANK { IMPOSSIBLE } else { 0.0 };
                let cost = (growth + rank, self.size(inside));
                if cost < best.0 {
                    best = (cost, (a, b));
                }
            }
        }
        best.1
    }

    /// The cheapest order, by dynamic programming over the subsets of operands.
    fn best_steps(&self) -> Vec<Step> {
        let n = self.operands.len();
        let union: Vec<Labels> = (0..1usize << n)
            .map(|subset| {
                let members = (0..n).filter(|i| subset >> i & 1 == 1);
                members.fold(Labels::default(), |all, i| all.union(self.operands[i]))
            })
            .collect();
        let whole = (1 << n) - 1;
        let kept = |subset: usize| match subset.count_ones() {
            1 => union[subset],
            _ => self.kept(union[subset], union[whole ^ subset]),
        };
        let mut best = vec![(f64::INFINITY, 0); 1 << n];
        for subset in 1..=whole {
            if subset.count_ones() == 1 {
                best[subset].0 = 0.0;
                continue;
            }
            let result = kept(subset);
            let rank = if result.len() > MAX_RANK && subset != whole { IMPOSSIBLE } else { 0.0 };
            let result = self.size(result) + rank;
            // Every split once: the part with the lowest operand.
            let lowest = subset & subset.wrapping_neg();
            let mut part = (subset - 1) & subset;
            while part > 0 {
                if part & lowest != 0 {
                    let other = subset ^ part;
                    let work = self.size(kept(part).union(kept(other)));
                    let cost = best[part].0 + best[other].0 + work + result;
                    if cost < best[subset].0 {
                        best[subset] = (cost, part);
                    }
                }
                part = (part - 1) & subset;
            }
        }
        let mut places: Vec<usize> = (0..n).map(|i| 1 << i).collect();
        let mut steps = Vec::new();
        splits(whole, &best, &mut |a, b| {
            let place = |subset| places.iter().position(|&at| at == subset).expect("made before");
            let (a, b) = (place(a), place(b));
            let step = (a.min(b), a.max(b));
            let joined = places[a] | places[b];
            places.remove(step.1);
            places.remove(step.0);
            places.push(joined);
            steps.push(step);
        });
        steps
    }
}

/// Calls `join` on the two parts of every split of a subset, inner ones first. At most [`EXHAUSTIVE`] deep.
fn splits(subset: usize, best: &[(f64, usize)], join: &mut impl FnMut(usize, usize)) {
    if subset.count_ones() == 1 {
        return;
    }
    let part = best[subset].1;
    splits(part, best, join);
    splits(subset ^ part, best, join);
    join(part, subset ^ part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::composite::einsum::equation::Equation;
    use crate::tensor::Shape;

    fn order(text: &str, shapes: &[&[u32]]) -> Vec<Step> {
        let shapes: Vec<Shape> = shapes.iter().map(|dims| Shape::of(dims)).collect();
        let equation = Equation::parse(text, &shapes).expect("a right equation");
        let set = |labels: &Vec<Label>| labels.iter().copied().collect();
        let operands = equation.operands.iter().map(set).collect();
        let output = equation.output.iter().copied().collect();
        Network { operands, output, lengths: &equation.lengths }.order()
    }

    #[test]
    fn a_chain_of_matrices_starts_where_it_is_cheapest() {
        let chain = "ij,jk,kl->il";
        assert_eq!(order(chain, &[&[2, 100], &[100, 100], &[100, 100]]), [(0, 1), (0, 1)]);
        assert_eq!(order(chain, &[&[100, 100], &[100, 100], &[100, 2]]), [(1, 2), (0, 1)]);
    }

    #[test]
    fn many_operands_are_joined_greedily_first() {
        // A chain of ten with a narrow middle: nothing is joined that shares no name.
        let letters = "abcdefghijk";
        let terms: Vec<&str> = (0..10).map(|i| &letters[i..i + 2]).collect();
        let shapes: Vec<&[u32]> = vec![&[3, 3]; 10];
        let steps = order(&format!("{}->ak", terms.join(",")), &shapes);
        assert_eq!(steps.len(), 9);
        let mut left = 10;
        for (a, b) in steps {
            assert!(a < b && b < left);
            left -= 1;
        }
    }

    #[test]
    fn orders_with_too_many_axes_between_are_avoided() {
        // The outer product of the first two would have nine axes.
        let steps = order("abcde,fghi,abcde,fghi->", &[&[1; 5], &[1; 4], &[1; 5], &[1; 4]]);
        assert!(steps[0] == (0, 2) || steps[0] == (1, 3), "{steps:?}");
    }
}
