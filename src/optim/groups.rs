//! Parameter groups: other settings for some leaves, and leaves that stay what they are.

use std::fmt;
use std::sync::Arc;

use retrograd::{Error, Result};

use super::optimizer::{Assignment, Optimizer};
use super::pattern::Pattern;
use super::rule::Rule;

/// Settings that differ between leaves, which are named by patterns on their paths ([`tree::paths`](crate::tree::paths)).
///
/// A pattern is a path or a part of one, whole names at a time: `b` means every leaf or subtree of that name,
/// `encoder.layers[0]` all leaves below it, wherever `encoder` is. Within a name `*` stands for any characters:
/// `layers[*].w`, `norm*`. The pattern `*` alone matches every leaf. Keys of maps are written as names of fields are.
///
/// All patterns that match a leaf apply, in the order in which they were given. One that matches no leaf is an error.
///
/// A frozen leaf stays what it is. A state goes from settings that freeze a leaf to those that do not, and back: when the
/// leaf thaws it goes on as if the steps between had not been, as a parameter without a gradient does in PyTorch. Schedules
/// follow the count of all steps.
///
/// ```
/// use retrograd::{Tensor, Tree, tree};
/// use retrograd::optim::{Groups, Optimizer, Sgd};
///
/// #[derive(Clone, Tree)]
/// struct Layer { w: Tensor, b: Tensor }
///
/// let params = [Tensor::ones([1]), Tensor::ones([1])].map(|w| Layer { b: w.clone(), w });
/// let grads = tree::map(&params, Tensor::ones_like);
/// let sgd = Groups::of(Sgd::new(0.5))
///     .group("b", |sgd| sgd.lr(0.25))
///     .freeze("[0]");
/// let (params, _) = sgd.step(&params, &grads, &sgd.init(&params)?)?;
/// let moved: Vec<f32> = tree::leaves(&params).iter().map(|x| x.item()).collect::<Result<_, _>>()?;
/// assert_eq!(moved, [1.0, 1.0, 0.5, 0.75]);
/// # Ok::<(), retrograd::Error>(())
/// ```
#[derive(Clone)]
pub struct Groups<R> {
    rule: R,
    changes: Vec<(Pattern, Change<R>)>,
    max_norm: Option<f64>,
}

#[derive(Clone)]
enum Change<R> {
    Settings(Arc<dyn Fn(R) -> R + Send + Sync>),
    Freeze,
}

impl<R: fmt::Debug> fmt::Debug for Groups<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = |change: &Change<R>| match change {
            Change::Settings(_) => "other settings",
            Change::Freeze => "frozen",
        };
        let groups: Vec<_> = self.changes.iter().map(|(pattern, to)| (pattern, change(to))).collect();
        f.debug_struct("Groups")
            .field("rule", &self.rule)
            .field("groups", &groups)
            .field("max_norm", &self.max_norm)
            .finish()
    }
}

impl<R: Rule> Groups<R> {
    /// One group of all leaves.
    pub fn of(rule: R) -> Groups<R> {
        Groups { rule, changes: Vec::new(), max_norm: None }
    }

    fn with(mut self, pattern: &str, change: Change<R>) -> Groups<R> {
        self.changes.push((Pattern::new(pattern), change));
        self
    }

    /// For each leaf the changes that apply to it, by number.
    fn matches(&self, paths: &[String]) -> Result<Vec<Vec<usize>>> {
        let mut of = vec![Vec::new(); paths.len()];
        for (number, (pattern, _)) in self.changes.iter().enumerate() {
            let mut found = false;
            for (path, matched) in paths.iter().zip(&mut of) {
                if pattern.matches(path) {
                    matched.push(number);
                    found = true;
                }
            }
            if !found {
                return Err(unmatched(self.rule.name(), pattern, paths));
            }
        }
        Ok(of)
    }

    /// The settings after some changes; none if one of them freezes.
    fn changed(&self, by: &[usize]) -> Option<R> {
        by.iter().filter_map(|&number| self.changes.get(number)).try_fold(
            self.rule.clone(),
            |rule, (_, change)| match change {
                Change::Settings(change) => Some(change(rule)),
                Change::Freeze => None,
            },
        )
    }
}

impl<R: Rule> Optimizer for Groups<R> {
    type Rule = R;

    fn assign(&self, _: usize, paths: &dyn Fn() -> Vec<String>) -> Result<Assignment<R>> {
        let matches = self.matches(&paths())?;
        let mut rules = vec![self.rule.clone()];
        // Leaves with the same changes share their settings, so that the numbers of a step are computed once for them.
        let mut known: Vec<(&[usize], Option<usize>)> = vec![(&[], Some(0))];
        let mut of = Vec::with_capacity(matches.len());
        for changes in &matches {
            let number = match known.iter().find(|(of, _)| of == changes) {
                Some((_, number)) => *number,
                None => {
                    let number = self.changed(changes).map(|rule| {
                        rules.push(rule);
                        rules.len() - 1
                    });
                    known.push((changes, number));
                    number
                }
            };
            of.push(number);
        }
        Ok(Assignment { rules, of, max_norm: self.max_norm })
    }

    fn group<F>(self, pattern: &str, change: F) -> Groups<R>
    where
        F: Fn(R) -> R + Send + Sync + 'static,
    {
        self.with(pattern, Change::Settings(Arc::new(change)))
    }

    fn freeze(self, pattern: &str) -> Groups<R> {
        self.with(pattern, Change::Freeze)
    }

    fn clip_norm(mut self, max_norm: f64) -> Groups<R> {
        self.max_norm = Some(max_norm);
        self
    }
}

fn unmatched(name: &str, pattern: &Pattern, paths: &[String]) -> Error {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    Error::msg(format!(
        "{name}: no leaf matches the pattern {pattern:?}; the leaves are {}",
        paths.join(", ")
    ))
}
