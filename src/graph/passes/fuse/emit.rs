//! Groups as kernels, in an order in which all are ready that they read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::super::ir::{Graph, Id, Step};
use super::role::{Role, role};
use super::{Group, Groups};
use crate::exec::Kernel;
use crate::exec::cpu::fused::MAX_INPUTS;
use crate::exec::fused::{self, Extent, Fused, Value, What};
use crate::ops::{Fusion, Op};
use crate::tensor::Spec;

/// The most outputs of a kernel: the executor has a bit for each.
const MAX_OUTPUTS: usize = 64;

/// The graph with a step for each group.
pub(super) fn emit(groups: &Groups<'_>) -> Graph {
    let graph = groups.graph;
    let readers = Readers::new(groups);
    let mut steps = Vec::new();
    for group in in_order(groups) {
        match kernel(groups, &groups.groups[group], &readers) {
            Some(fused) => steps.extend(fused),
            None => steps.extend(groups.groups[group].steps.iter().map(|&step| graph.steps[step].clone())),
        }
    }
    without_dead_views(Graph { steps, ..graph.clone() })
}

/// Groups in an order in which each comes after those that it reads from.
fn in_order(groups: &Groups<'_>) -> Vec<usize> {
    let mut order = Vec::new();
    let mut entered = vec![false; groups.groups.len()];
    for (step, &group) in groups.group_of.iter().enumerate() {
        if groups.last(group) != step || entered[group] {
            continue;
        }
        // Groups under way, each with the number of its inputs that have been looked at.
        let mut open = vec![(group, 0)];
        entered[group] = true;
        while let Some((group, looked)) = open.last_mut() {
            let Some(&input) = groups.groups[*group].inputs.get(*looked) else {
                order.push(*group);
                open.pop();
                continue;
            };
            *looked += 1;
            if let Some(maker) = groups.maker(input).filter(|&maker| !entered[maker]) {
                entered[maker] = true;
                open.push((maker, 0));
            }
        }
    }
    order
}

/// Who reads values.
struct Readers {
    /// Steps that read each value.
    steps: Vec<Vec<usize>>,
    outputs: HashSet<Id>,
}

impl Readers {
    fn new(groups: &Groups<'_>) -> Readers {
        let graph = groups.graph;
        let mut steps = vec![Vec::new(); graph.specs.len()];
        for (at, step) in graph.steps.iter().enumerate() {
            step.inputs.iter().for_each(|id| steps[id.0 as usize].push(at));
        }
        Readers { steps, outputs: graph.outputs.iter().copied().collect() }
    }

    /// Whether a value is read by others than the steps of its group.
    fn outside(&self, id: Id, group: &Group) -> bool {
        let inside = |step: &usize| group.steps.binary_search(step).is_ok();
        self.outputs.contains(&id) || !self.steps[id.0 as usize].iter().all(inside)
    }
}

/// The group as one step, and the views of its values that others read; none if it is not worth one.
fn kernel(groups: &Groups<'_>, group: &Group, readers: &Readers) -> Option<Vec<Step>> {
    let space = group.space?;
    let computes = group.steps.iter().filter(|&&step| !groups.roles[step].moves()).count();
    if computes < 2 {
        return None;
    }
    let graph = groups.graph;
    let mut building = Building {
        groups,
        steps: Vec::new(),
        inputs: Vec::new(),
        values: HashMap::new(),
        known: HashMap::new(),
    };
    group.steps.iter().for_each(|&step| building.step(step));
    let Building { steps, inputs, values, .. } = building;
    // Views that others read stay, and read the kernel's outputs.
    let mut wanted: HashSet<Id> = HashSet::new();
    let mut views = Vec::new();
    for &at in group.steps.iter().rev() {
        let step = &graph.steps[at];
        let output = step.outputs[0];
        if !readers.outside(output, group) && !wanted.contains(&output) {
            continue;
        }
        if groups.roles[at].moves() {
            wanted.insert(step.inputs[0]);
            views.push(step.clone());
        } else {
            wanted.insert(output);
        }
    }
    let made = group.steps.iter().filter(|&&step| !groups.roles[step].moves());
    let outputs: Vec<Id> =
        made.map(|&step| graph.steps[step].outputs[0]).filter(|id| wanted.contains(id)).collect();
    if outputs.is_empty() || outputs.len() > MAX_OUTPUTS || inputs.len() > MAX_INPUTS {
        return None;
    }
    let rows = space.rows.unwrap_or(1);
    let space = fused::Space { rows, inner: space.len / rows };
    let kernel = Fused::new(space, steps, outputs.iter().map(|id| values[id]).collect());
    let specs: Vec<Spec> = outputs.iter().map(|id| *graph.spec(*id)).collect();
    let op = Op::Shared(Arc::new(Fusion::new(kernel, specs)));
    let origin = graph.steps[*group.steps.last()?].origin;
    let step = Step { op, inputs: inputs.into_iter().map(|(id, _)| id).collect(), outputs, origin };
    Some(std::iter::once(step).chain(views.into_iter().rev()).collect())
}

/// A kernel under construction.
struct Building<'a> {
    groups: &'a Groups<'a>,
    steps: Vec<fused::Step>,
    /// Operands, in order.
    inputs: Vec<(Id, Extent)>,
    /// What stands for each value of the group.
    values: HashMap<Id, Value>,
    /// Operands and literals that are there already, by what they are.
    known: HashMap<Known, Value>,
}

#[derive(PartialEq, Eq, Hash)]
enum Known {
    Operand(Id, Extent),
    Literal(Spec, [u8; 8]),
    Spread(Value),
}

impl Building<'_> {
    fn push(&mut self, step: fused::Step) -> Value {
        self.steps.push(step);
        Value(self.steps.len() as u32 - 1)
    }

    fn once(&mut self, known: Known, step: fused::Step) -> Value {
        if let Some(value) = self.known.get(&known) {
            return *value;
        }
        if let Known::Operand(id, extent) = known {
            self.inputs.push((id, extent));
        }
        let value = self.push(step);
        self.known.insert(known, value);
        value
    }

    /// What a step of the group reads, as a value of this extent if it comes from elsewhere.
    fn read(&mut self, id: Id, extent: Extent) -> Value {
        if let Some(value) = self.values.get(&id) {
            return *value;
        }
        let spec = *self.groups.graph.spec(id);
        let step = |what| fused::Step { what, inputs: Vec::new(), extent, dtype: spec.dtype, origin: None };
        match self.groups.literal(id) {
            Some(bits) => {
                let scalar = spec.with_shape(crate::tensor::Shape::SCALAR);
                self.once(Known::Literal(scalar, bits.0), step(What::Literal(bits)))
            }
            None => self.once(Known::Operand(id, extent), step(What::Input)),
        }
    }

    fn step(&mut self, at: usize) {
        let groups = self.groups;
        let step = &groups.graph.steps[at];
        let output = step.outputs[0];
        let (extent, dtype) = (groups.extent_of(output), groups.graph.spec(output).dtype);
        let specs: Vec<&Spec> = step.inputs.iter().map(|id| groups.graph.spec(*id)).collect();
        let what = match (groups.roles[at], step.op.lower(&specs)) {
            (Role::Fold(fold, _), _) => What::Fold(fold),
            (Role::Map, Kernel::Cast) => What::Cast,
            (Role::Map, _) => What::Map(step.op.clone()),
            (_, _) => {
                let read = self.values[&step.inputs[0]];
                let from = self.steps[read.index()].extent;
                let value = if from == extent {
                    read
                } else {
                    let spread = What::Spread;
                    let step = fused::Step { what: spread, inputs: vec![read], extent, dtype, origin: None };
                    self.once(Known::Spread(read), step)
                };
                self.values.insert(output, value);
                return;
            }
        };
        let read = if matches!(what, What::Fold(_)) { Extent::Elements } else { extent };
        let inputs = step.inputs.iter().map(|&id| self.read(id, read)).collect();
        let value = self.push(fused::Step { what, inputs, extent, dtype, origin: Some(step.origin) });
        self.values.insert(output, value);
    }
}

/// The graph without views that nobody reads: of literals, which kernels have inside.
fn without_dead_views(mut graph: Graph) -> Graph {
    let mut read: HashSet<Id> = graph.outputs.iter().copied().collect();
    let mut kept: Vec<Step> = Vec::new();
    for step in std::mem::take(&mut graph.steps).into_iter().rev() {
        if role(&graph, &step).moves() && !step.outputs.iter().any(|id| read.contains(id)) {
            continue;
        }
        read.extend(step.inputs.iter().copied());
        kept.push(step);
    }
    kept.reverse();
    graph.steps = kept;
    graph
}
