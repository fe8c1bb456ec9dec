//! Fusion: steps that can run in one go over memory become one step.
//!
//! Steps are taken in the order of the program, and each joins the groups of what it reads, if their index spaces
//! agree and no path leads from the group out of it and back; so do folds and others that read the same. A group of one
//! step stays as it is.
//!
//! | file | contents |
//! |---|---|
//! | `role` | what a step is to a group |
//! | `emit` | groups as kernels, and the new order |

mod emit;
mod role;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::super::ir::{Graph, Id};
use crate::exec::cpu::fused::MAX_INPUTS;
use crate::exec::fused::Extent;
use crate::tensor::Bits;
use role::{Role, Split};

/// The most steps of a group: beyond, compiling costs more than another pass over memory.
const MAX_STEPS: usize = 256;
/// Elements of the longest row whose fold the same kernel reads again: what is kept of a row from one phase to the
/// next should stay in the second-level cache.
const LONGEST_ROW: usize = 64 << 10;
/// How many groups are looked at in search of a path that would close a cycle; where that is not enough, nothing is
/// fused. It keeps the pass near-linear.
const SEARCH: usize = 256;

/// The graph with groups of steps replaced by fused kernels.
pub(crate) fn fuse(graph: Graph) -> Graph {
    debug_assert_eq!(graph.verify(), Ok(()));
    let mut groups = Groups::new(&graph);
    for step in 0..graph.steps.len() {
        groups.add(step);
    }
    let fused = emit::emit(&groups);
    debug_assert_eq!(fused.verify(), Ok(()), "{fused}");
    fused
}

/// Steps that run together.
struct Group {
    /// In the order of the program.
    steps: Vec<usize>,
    /// What they are computed over; none for a step that is not fused.
    space: Option<Space>,
    /// Values from elsewhere that they read, but for captured literals.
    inputs: Vec<Id>,
    /// Steps elsewhere that read from it.
    readers: Vec<usize>,
    /// The last step of the group and of all that it depends on. Not only its own: a group that it reads from may have
    /// grown after it ended.
    latest: usize,
}

/// The index space of a group.
#[derive(Clone, Copy)]
struct Space {
    len: usize,
    /// How many rows; none while no fold has said it.
    rows: Option<usize>,
}

impl Space {
    /// The space that both agree to.
    fn and(self, other: Space) -> Option<Space> {
        let rows = match (self.rows, other.rows) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.or(b),
        };
        (self.len == other.len).then_some(Space { rows, ..self })
    }

    fn with_rows(self, rows: usize) -> Option<Space> {
        self.and(Space { rows: Some(rows), ..self })
    }

    /// An extent of this space: in a single row, a number of all is one of the row.
    fn extent(self, extent: Extent) -> Extent {
        match extent {
            Extent::One if self.rows == Some(1) => Extent::Rows,
            extent => extent,
        }
    }
}

/// A step's place in a group.
#[derive(Clone, Copy)]
struct Fit {
    /// The group's space with the step in it.
    space: Space,
    /// Extent of the step's output.
    extent: Extent,
    /// Extent of its inputs from the group.
    read: Extent,
}

struct Groups<'a> {
    graph: &'a Graph,
    groups: Vec<Group>,
    /// The group of each step.
    group_of: Vec<usize>,
    /// The step that makes each value.
    producer: Vec<Option<usize>>,
    /// Extent of each value in its group.
    extent: Vec<Option<Extent>>,
    /// The one number that all elements of a value are.
    literal: Vec<Option<Bits>>,
    roles: Vec<Role>,
    /// Who read each value so far.
    readers: HashMap<Id, Readers>,
    /// What the last step that acts yields: the next one comes after it, as if it read that.
    acted: Option<Id>,
    /// Whether each value is computed a second time, late.
    again: Vec<bool>,
}

/// Steps that read a value.
#[derive(Clone, Copy, Default)]
struct Readers {
    last: usize,
    /// The last that folds it.
    fold: Option<usize>,
}

impl<'a> Groups<'a> {
    fn new(graph: &'a Graph) -> Groups<'a> {
        let values = graph.specs.len();
        let mut producer = vec![None; values];
        for (at, step) in graph.steps.iter().enumerate() {
            step.outputs.iter().for_each(|id| producer[id.0 as usize] = Some(at));
        }
        let mut literal = vec![None; values];
        for (id, tensor) in &graph.captured {
            literal[id.0 as usize] = tensor.concrete().and_then(|array| array.splat()).copied();
        }
        let mut again = vec![false; values];
        graph.again.iter().for_each(|id| again[id.0 as usize] = true);
        let roles = graph.steps.iter().map(|step| role::role(graph, step)).collect();
        Groups {
            graph,
            groups: Vec::new(),
            group_of: Vec::new(),
            producer,
            extent: vec![None; values],
            literal,
            roles,
            readers: HashMap::new(),
            acted: None,
            again,
        }
    }

    fn literal(&self, id: Id) -> Option<Bits> {
        self.literal[id.0 as usize]
    }

    /// The group that makes a value.
    fn maker(&self, id: Id) -> Option<usize> {
        self.producer[id.0 as usize].and_then(|step| self.group_of.get(step)).copied()
    }

    fn extent_of(&self, id: Id) -> Extent {
        self.extent[id.0 as usize].expect("the value is one of a group")
    }

    fn last(&self, group: usize) -> usize {
        self.groups[group].steps.last().copied().expect("a group has steps")
    }

    /// Puts the next step of the program into a group.
    fn add(&mut self, step: usize) {
        if self.roles[step] == Role::Border {
            return self.start(step, None);
        }
        let graph = self.graph;
        let (inputs, output) = (&graph.steps[step].inputs, graph.steps[step].outputs[0]);
        if self.roles[step].moves() && inputs.len() == 1 && self.literal(inputs[0]).is_some() {
            self.literal[output.0 as usize] = self.literal(inputs[0]);
            return self.start(step, None);
        }
        let mut candidates: Vec<usize> = inputs.iter().filter_map(|id| self.maker(*id)).collect();
        if self.again[output.0 as usize] {
            // What it reads was computed early; it joins what is computed late.
            candidates.retain(|&group| self.is_again(group));
        } else {
            candidates.extend(self.siblings(step));
        }
        // The latest first: it is the one whose values are still in the cache.
        candidates.sort_unstable_by_key(|&group| std::cmp::Reverse(self.last(group)));
        candidates.dedup();
        let mut home: Option<(usize, Fit)> = None;
        for group in candidates {
            let Some(fit) = self.fit(step, group) else { continue };
            home = match home {
                None if self.may_join(&[group], step) => Some((group, fit)),
                None => None,
                Some((into, joined)) => Some((into, self.merge(step, (into, joined), (group, fit)))),
            };
        }
        for &id in inputs.iter().filter(|_| self.roles[step].computes()) {
            let folds = matches!(self.roles[step], Role::Fold(..));
            let readers = self.readers.entry(id).or_default();
            *readers = Readers { last: step, fold: if folds { Some(step) } else { readers.fold } };
        }
        match home {
            Some((group, fit)) => self.join(step, group, fit),
            None => self.start(step, self.roles[step].alone(graph, &graph.steps[step])),
        }
    }

    /// Groups that read the same as a step, where one or the other folds it: together they read it once.
    fn siblings(&self, step: usize) -> Vec<usize> {
        let folds = matches!(self.roles[step], Role::Fold(..));
        let readers = self.graph.steps[step].inputs.iter().filter_map(|id| self.readers.get(id));
        let steps = readers.filter_map(|readers| if folds { Some(readers.last) } else { readers.fold });
        steps.filter(|_| self.roles[step].computes()).map(|step| self.group_of[step]).collect()
    }

    /// Whether a group has a value that is computed a second time.
    fn is_again(&self, group: usize) -> bool {
        let mut outputs = self.groups[group].steps.iter().flat_map(|&step| &self.graph.steps[step].outputs);
        outputs.any(|id| self.again[id.0 as usize])
    }

    /// A group of its own.
    fn start(&mut self, step: usize, fit: Option<(Space, Extent)>) {
        self.group_of.push(self.groups.len());
        self.groups.push(Group {
            steps: Vec::new(),
            space: fit.map(|(space, _)| space),
            inputs: Vec::new(),
            readers: Vec::new(),
            latest: step,
        });
        self.enter(step, fit.map(|(_, extent)| extent));
    }

    /// Writes the step down in its group.
    fn enter(&mut self, step: usize, extent: Option<Extent>) {
        let group = self.group_of[step];
        let step_of = &self.graph.steps[step];
        for &id in &step_of.inputs {
            let computed = self.literal(id).is_none() || self.maker(id).is_some();
            let outside = computed && self.maker(id) != Some(group);
            if outside && !self.groups[group].inputs.contains(&id) {
                self.groups[group].inputs.push(id);
                if let Some(maker) = self.maker(id) {
                    self.groups[maker].readers.push(step);
                }
            }
        }
        if step_of.op.acts() {
            if let Some((acted, before)) = self.acted.and_then(|id| Some((id, self.maker(id)?))) {
                self.groups[group].inputs.push(acted);
                self.groups[before].readers.push(step);
            }
            self.acted = step_of.outputs.first().copied();
        }
        self.groups[group].steps.push(step);
        step_of.outputs.iter().for_each(|id| self.extent[id.0 as usize] = extent);
        self.grown(group, step);
    }

    /// Tells a group, and all that depend on it, that it goes on to this step.
    fn grown(&mut self, group: usize, latest: usize) {
        self.groups[group].latest = latest;
        let mut open = vec![group];
        while let Some(group) = open.pop() {
            for at in 0..self.groups[group].readers.len() {
                let reader = self.group_of[self.groups[group].readers[at]];
                if self.groups[reader].latest < latest {
                    self.groups[reader].latest = latest;
                    open.push(reader);
                }
            }
        }
    }

    fn join(&mut self, step: usize, group: usize, fit: Fit) {
        self.group_of.push(group);
        self.settle(group, fit.space);
        self.enter(step, Some(fit.space.extent(fit.extent)));
    }

    /// Gives a group its space, and its values their extents in it.
    fn settle(&mut self, group: usize, space: Space) {
        self.groups[group].space = Some(space);
        for &step in &self.groups[group].steps {
            for id in &self.graph.steps[step].outputs {
                let extent = &mut self.extent[id.0 as usize];
                *extent = extent.map(|extent| space.extent(extent));
            }
        }
    }

    /// How a step would fit into a group that makes some of its inputs.
    fn fit(&self, step: usize, group: usize) -> Option<Fit> {
        let space = self.groups[group].space?;
        let mut extents = Vec::new();
        for &id in &self.graph.steps[step].inputs {
            if self.literal(id).is_none() && self.maker(id) == Some(group) {
                extents.push(self.extent_of(id));
            }
        }
        let spec = |id: &Id| self.graph.spec(*id);
        let (inputs, outputs) = (&self.graph.steps[step].inputs, &self.graph.steps[step].outputs);
        let shared = |id: &Id| self.groups[group].inputs.contains(id) && spec(id).shape.numel() == space.len;
        if extents.is_empty() && inputs.iter().any(shared) {
            extents.push(Extent::Elements);
        }
        let read = *extents.first()?;
        if read == Extent::Columns || extents.iter().any(|&extent| extent != read) {
            return None;
        }
        let (from, to) = (spec(&inputs[0]).shape, spec(&outputs[0]).shape);
        let (space, extent) = match self.roles[step] {
            Role::Map | Role::Reshape => (space, read),
            Role::Broadcast if from.numel() == to.numel() => (space, read),
            Role::Broadcast if to.numel() == space.len => match read {
                Extent::Rows if role::repeats_elements(&from, &to) => (space, Extent::Elements),
                Extent::One => (space.with_rows(1)?, Extent::Elements),
                _ => return None,
            },
            Role::Fold(_, split) if read == Extent::Elements => match split {
                Split::All => (space, Extent::One),
                Split::Rows(rows) => (space.with_rows(rows)?, Extent::Rows),
                Split::Columns(rows) => (space.with_rows(rows)?, Extent::Columns),
            },
            _ => return None,
        };
        let row = space.len / space.rows.unwrap_or(1);
        let spreads = extent == Extent::Elements && read != Extent::Elements;
        if (spreads || extent == Extent::Columns) && row > LONGEST_ROW {
            return None;
        }
        Some(Fit { space, extent, read })
    }

    /// Merges the group `(b, at_b)` into `(a, at_a)`, if that may be; yields how the step fits then.
    fn merge(&mut self, step: usize, (a, at_a): (usize, Fit), (b, at_b): (usize, Fit)) -> Fit {
        let Some(space) = at_a.space.and(at_b.space) else { return at_a };
        let same = |extent: fn(&Fit) -> Extent| space.extent(extent(&at_a)) == space.extent(extent(&at_b));
        if !same(|fit| fit.read) || !same(|fit| fit.extent) || !self.may_join(&[a, b], step) {
            return at_a;
        }
        let other = std::mem::take(&mut self.groups[b].steps);
        other.iter().for_each(|&step| self.group_of[step] = a);
        self.groups[a].steps.extend(other);
        self.groups[a].steps.sort_unstable();
        let inputs = std::mem::take(&mut self.groups[b].inputs);
        let readers = std::mem::take(&mut self.groups[b].readers);
        self.groups[a].readers.extend(readers);
        self.grown(a, self.groups[a].latest.max(self.groups[b].latest));
        self.groups[b].space = None;
        let mut all = std::mem::take(&mut self.groups[a].inputs);
        all.extend(inputs);
        all.sort_unstable();
        all.dedup();
        all.retain(|&id| self.maker(id) != Some(a));
        self.groups[a].inputs = all;
        self.settle(a, space);
        Fit { space, ..at_a }
    }

    /// Whether the groups and the step may become one: within bounds, and without a path out of it and back.
    fn may_join(&self, groups: &[usize], step: usize) -> bool {
        let inside = |id: &Id| self.maker(*id).is_some_and(|group| groups.contains(&group));
        let steps: usize = groups.iter().map(|&group| self.groups[group].steps.len()).sum();
        let all = groups.iter().flat_map(|&group| &self.groups[group].inputs);
        let all = all.chain(&self.graph.steps[step].inputs);
        let mut inputs: Vec<Id> =
            all.copied().filter(|id| self.literal(*id).is_none() && !inside(id)).collect();
        inputs.sort_unstable();
        inputs.dedup();
        steps < MAX_STEPS && inputs.len() <= MAX_INPUTS && !self.reaches(groups, &inputs)
    }

    /// Whether one of the values depends on the groups.
    fn reaches(&self, groups: &[usize], values: &[Id]) -> bool {
        let first = groups.iter().map(|&group| self.groups[group].steps[0]).min().unwrap_or(0);
        let mut seen: Vec<usize> = Vec::new();
        let mut open: Vec<usize> = values.iter().filter_map(|id| self.maker(*id)).collect();
        while let Some(group) = open.pop() {
            if groups.contains(&group) {
                return true;
            }
            // What ended before the groups began, with all that it depends on, cannot depend on them.
            if self.groups[group].latest < first || seen.contains(&group) {
                continue;
            }
            seen.push(group);
            if seen.len() > SEARCH {
                return true;
            }
            open.extend(self.groups[group].inputs.iter().filter_map(|id| self.maker(*id)));
        }
        false
    }
}
