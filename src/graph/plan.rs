//! The memory plan: where each value of a graph lies while its program runs.
//!
//! A view has no memory of its own: it is other strides over the memory of what it is a view of. Everything else that
//! is computed gets a block, either a new tensor's, where it leaves the program, or a part of one arena, which it
//! shares with blocks that are not in use at the same time. Nothing here touches memory: the plan is data, made once,
//! held against [`Plan::verify`], and carried out by the CPU backend.

mod failing;
mod pack;
mod print;
#[cfg(test)]
mod tests;
mod verify;

use super::ir::{Graph, Id, Step};
use crate::exec::cpu::operand::is_row_major;
use crate::exec::cpu::view;
use crate::exec::{Base, Kernel};
use crate::tensor::{Spec, Strides};
use pack::Block;

/// Where the elements of a value lie.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Layout {
    pub(crate) root: Root,
    /// From the first element of the root to that of the value, in elements.
    pub(crate) offset: isize,
    /// In elements.
    pub(crate) strides: Strides,
}

impl Layout {
    /// All of a root, row-major.
    fn whole(root: Root, spec: &Spec) -> Layout {
        Layout { root, offset: 0, strides: spec.shape.strides() }
    }
}

/// Memory that values lie in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Root {
    /// An argument of the call.
    Argument(usize),
    /// A tensor that the function captured.
    Captured(usize),
    /// The key of a random draw.
    Draw(usize),
    /// A block of the arena.
    Block(usize),
    /// A new tensor that the call returns.
    Result(usize),
}

/// What a call returns in one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Output {
    /// The argument itself.
    Argument(usize),
    /// The captured tensor itself.
    Captured(usize),
    /// A new tensor.
    Result(usize),
    /// A tensor in the memory of an argument that was given away.
    Donated(usize),
}

/// A value that must be copied to a result when all steps have run: it is a view, or of an argument.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Copy {
    pub(crate) from: Id,
    pub(crate) result: usize,
}

/// A graph with a place for each of its values.
pub(crate) struct Plan {
    pub(crate) graph: Graph,
    /// By [`Id`].
    pub(crate) layouts: Vec<Layout>,
    /// The steps that are run: all but views.
    pub(crate) run: Vec<usize>,
    pub(crate) copies: Vec<Copy>,
    pub(crate) outputs: Vec<Output>,
    /// Spec of each result.
    pub(crate) results: Vec<Spec>,
    /// So many of the first arguments are given away: results may be written over them.
    pub(crate) donors: usize,
    blocks: Vec<Block>,
    /// Bytes of the arena.
    pub(crate) arena: usize,
    /// The greatest sum of bytes in use at one step: no arena could be smaller.
    pub(crate) live: usize,
}

impl Plan {
    /// A plan in which results may take the place of the first `donors` arguments.
    pub(crate) fn new(graph: Graph, donors: usize) -> Plan {
        let mut planning = Planning::new(&graph, donors);
        for (at, step) in graph.steps.iter().enumerate() {
            planning.place(at, step);
        }
        planning.finish();
        let Planning { layouts, run, copies, outputs, results, mut blocks, .. } = planning;
        let arena = pack::pack(&mut blocks);
        let live = pack::live(&blocks);
        let layouts = layouts.into_iter().map(|layout| layout.expect("every value was placed")).collect();
        let plan = Plan { graph, layouts, run, copies, outputs, results, donors, blocks, arena, live };
        debug_assert_eq!(plan.verify(), Ok(()));
        plan
    }

    pub(crate) fn layout(&self, id: Id) -> &Layout {
        &self.layouts[id.0 as usize]
    }

    /// Whether the elements of a value lie row-major without gaps.
    pub(crate) fn is_row_major(&self, id: Id) -> bool {
        is_row_major(&self.graph.spec(id).shape, &self.layout(id).strides)
    }

    /// Whether a result is written over an argument.
    pub(crate) fn is_overwritten(&self, argument: usize) -> bool {
        self.outputs.contains(&Output::Donated(argument))
    }

    /// The bytes of each block by the steps for which it is in use.
    pub(crate) fn area(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes * (block.last - block.first + 1)).sum()
    }

    /// Bytes from the start of the arena to a block.
    pub(crate) fn offset(&self, block: usize) -> usize {
        self.blocks[block].offset
    }
}

/// Who asks for the values of a block or a donated argument, as far as they have their places.
#[derive(Clone, Copy)]
struct Use {
    /// The last step that reads one; later views of a value are steps that read it.
    last: Option<usize>,
    returned: bool,
}

struct Planning<'a> {
    graph: &'a Graph,
    layouts: Vec<Option<Layout>>,
    run: Vec<usize>,
    copies: Vec<Copy>,
    outputs: Vec<Output>,
    results: Vec<Spec>,
    blocks: Vec<Block>,
    /// By block.
    uses: Vec<Use>,
    /// By donated argument.
    donors: Vec<Use>,
    /// The last step that may fail. A call that fails is made again directly, so arguments are whole until then.
    last_failing: Option<usize>,
    /// Donated arguments that results are written over.
    taken: Vec<(usize, Id)>,
    /// By [`Id`]: the last step that reads the value itself, views of it not counted.
    last_reader: Vec<Option<usize>>,
    /// By [`Id`]: whether it is returned.
    returned: Vec<bool>,
}

impl<'a> Planning<'a> {
    fn new(graph: &'a Graph, donors: usize) -> Planning<'a> {
        let values = graph.specs.len();
        let mut layouts = vec![None; values];
        let mut whole =
            |id: Id, root: Root| layouts[id.0 as usize] = Some(Layout::whole(root, graph.spec(id)));
        (0..).zip(&graph.inputs).for_each(|(i, id)| whole(*id, Root::Argument(i)));
        (0..).zip(&graph.draws).for_each(|(i, id)| whole(*id, Root::Draw(i)));
        for (i, (id, tensor)) in graph.captured.iter().enumerate() {
            let array = tensor.concrete().expect("a program captures concrete tensors");
            let strides = array.strides(&graph.spec(*id).shape);
            layouts[id.0 as usize] = Some(Layout { root: Root::Captured(i), offset: 0, strides });
        }
        let (mut last_reader, mut returned) = (vec![None; values], vec![false; values]);
        for (at, step) in graph.steps.iter().enumerate() {
            step.inputs.iter().for_each(|id| last_reader[id.0 as usize] = Some(at));
        }
        graph.outputs.iter().for_each(|id| returned[id.0 as usize] = true);
        let of = |id: &Id| Use { last: last_reader[id.0 as usize], returned: returned[id.0 as usize] };
        let donors = graph.inputs[..donors].iter().map(of).collect();
        let last_failing = failing::failing(graph).iter().rposition(|fails| *fails);
        Planning {
            graph,
            layouts,
            run: Vec::new(),
            copies: Vec::new(),
            outputs: Vec::new(),
            results: Vec::new(),
            blocks: Vec::new(),
            uses: Vec::new(),
            donors,
            last_failing,
            taken: Vec::new(),
            last_reader,
            returned,
        }
    }

    fn layout(&self, id: Id) -> Layout {
        self.layouts[id.0 as usize].expect("the verifier holds: defined before it is read")
    }

    /// Gives the outputs of a step their places.
    fn place(&mut self, at: usize, step: &Step) {
        // Blocks that the step reads are in use until it is done.
        for id in &step.inputs {
            self.use_until(*id, at);
        }
        let specs: Vec<&Spec> = step.inputs.iter().map(|id| self.graph.spec(*id)).collect();
        let kernel = step.op.lower(&specs);
        if let Kernel::View(view) = &kernel {
            let (from, to) = (self.layout(step.inputs[0]), step.outputs[0]);
            let shape = self.graph.spec(to).shape;
            if let Some((offset, strides)) = view::layout(view, &specs[0].shape, &from.strides, &shape) {
                return self.put(to, Layout { root: from.root, offset: from.offset + offset, strides });
            }
        }
        self.run.push(at);
        for (output, id) in step.outputs.iter().enumerate() {
            let spec = *self.graph.spec(*id);
            let layout = if self.returned[id.0 as usize] {
                Layout::whole(self.result(at, step, &kernel, output), &spec)
            } else if let Some(layout) = self.overwritten(at, step, &kernel, output) {
                layout
            } else {
                self.blocks.push(Block { bytes: spec.bytes(), first: at, last: at, offset: 0 });
                self.uses.push(Use { last: None, returned: false });
                Layout::whole(Root::Block(self.blocks.len() - 1), &spec)
            };
            self.put(*id, layout);
        }
    }

    fn put(&mut self, id: Id, layout: Layout) {
        let of = match layout.root {
            Root::Block(block) => Some(&mut self.uses[block]),
            Root::Argument(i) => self.donors.get_mut(i),
            _ => None,
        };
        if let Some(of) = of {
            of.last = of.last.max(self.last_reader[id.0 as usize]);
            of.returned |= self.returned[id.0 as usize];
        }
        self.layouts[id.0 as usize] = Some(layout);
    }

    /// The place of an input that an output may be written over.
    fn overwritten(&self, at: usize, step: &Step, kernel: &Kernel<'_>, output: usize) -> Option<Layout> {
        let layout = |input: usize| self.layout(step.inputs[input]);
        let mut blocks = (0..step.inputs.len()).filter(|input| matches!(layout(*input).root, Root::Block(_)));
        blocks
            .find(|input| {
                pays(kernel, self.spec(step.outputs[output]))
                    && self.in_place(at, step, kernel, *input, output)
            })
            .map(layout)
    }

    /// The place of an output that is returned: an argument that was given away, or new memory.
    fn result(&mut self, at: usize, step: &Step, kernel: &Kernel<'_>, output: usize) -> Root {
        let spec = *self.spec(step.outputs[output]);
        // A scatter looks at all its indices before it writes.
        let fails = self.last_failing >= Some(at)
            && !(self.last_failing == Some(at) && matches!(kernel, Kernel::Scatter(..)));
        let donor = (!fails).then(|| {
            // Rather what this very step reads: its shape is likely the same, and it is in the cache.
            let read = step.inputs.iter().enumerate().find_map(|(input, id)| match self.layout(*id).root {
                Root::Argument(i) if i < self.donors.len() => {
                    self.in_place(at, step, kernel, input, output).then_some(i)
                }
                _ => None,
            });
            read.or_else(|| (0..self.donors.len()).find(|i| self.is_free(*i, at, spec.bytes())))
        });
        if let Some(i) = donor.flatten() {
            self.taken.push((i, step.outputs[output]));
            return Root::Argument(i);
        }
        self.results.push(spec);
        Root::Result(self.results.len() - 1)
    }

    /// Whether nothing reads a donated argument of so many bytes from this step on.
    fn is_free(&self, donor: usize, at: usize, bytes: usize) -> bool {
        let Use { last, returned } = self.donors[donor];
        !returned && last < Some(at) && bytes > 0 && self.spec(self.graph.inputs[donor]).bytes() == bytes
    }

    /// Whether an output may be written over an input.
    fn in_place(&self, at: usize, step: &Step, kernel: &Kernel<'_>, input: usize, output: usize) -> bool {
        let (from, to) = (step.inputs[input], step.outputs[output]);
        let taken =
            step.outputs[..output].iter().any(|other| self.layout(*other).root == self.layout(from).root);
        may_overwrite(kernel, [self.spec(from), self.spec(to)], input, output)
            && self.dies(from, at, step)
            && !taken
    }

    fn spec(&self, id: Id) -> &Spec {
        self.graph.spec(id)
    }

    fn use_until(&mut self, id: Id, at: usize) {
        if let Root::Block(block) = self.layout(id).root {
            self.blocks[block].last = self.blocks[block].last.max(at);
        }
    }

    /// Whether a value is all of a block, or of a donated argument, that nothing reads after this step, which reads it
    /// but once.
    fn dies(&self, id: Id, at: usize, step: &Step) -> bool {
        let (layout, spec) = (self.layout(id), self.spec(id));
        let (bytes, of) = match layout.root {
            Root::Block(block) => (self.blocks[block].bytes, self.uses[block]),
            Root::Argument(i) if i < self.donors.len() => {
                (self.spec(self.graph.inputs[i]).bytes(), self.donors[i])
            }
            _ => return false,
        };
        let shares = |other: &Id| self.layout(*other).root == layout.root;
        bytes == spec.bytes()
            && layout.offset == 0
            && is_row_major(&spec.shape, &layout.strides)
            && step.inputs.iter().filter(|other| shares(other)).count() == 1
            && !of.returned
            && of.last.is_none_or(|last| last <= at)
    }

    /// Decides how each output leaves the program.
    fn finish(&mut self) {
        let end = self.graph.steps.len();
        let mut given: Vec<(Id, Output)> = Vec::new();
        for id in self.graph.outputs.clone() {
            if let Some((_, output)) = given.iter().find(|(other, _)| *other == id) {
                self.outputs.push(*output);
                continue;
            }
            let (layout, spec) = (self.layout(id), *self.graph.spec(id));
            let itself = layout.offset == 0;
            let output = match layout.root {
                Root::Argument(i) if self.graph.inputs[i] == id => Output::Argument(i),
                Root::Captured(i) if self.graph.captured[i].0 == id => Output::Captured(i),
                Root::Argument(i) if self.taken.contains(&(i, id)) => Output::Donated(i),
                Root::Result(i)
                    if itself && self.results[i] == spec && is_row_major(&spec.shape, &layout.strides) =>
                {
                    Output::Result(i)
                }
                _ => {
                    self.use_until(id, end);
                    self.results.push(spec);
                    let result = self.results.len() - 1;
                    self.copies.push(Copy { from: id, result });
                    Output::Result(result)
                }
            };
            given.push((id, output));
            self.outputs.push(output);
        }
    }
}

/// Whether the memory of an input that dies may become that of an output, which is then made in place.
fn may_overwrite(kernel: &Kernel<'_>, [from, to]: [&Spec; 2], input: usize, output: usize) -> bool {
    match kernel {
        Kernel::Place(Base::First, _) | Kernel::Scatter(..) => input == 0,
        Kernel::Map(_) => from.dtype.size() == to.dtype.size(),
        Kernel::Fused(fused) => fused.may_overwrite(input, output),
        _ => false,
    }
}

/// Whether an output is had sooner in place than in other memory of the arena.
fn pays(kernel: &Kernel<'_>, to: &Spec) -> bool {
    // Tiles of what is overwritten are staged, which is worth it only for what does not stay in the cache anyway.
    matches!(kernel, Kernel::Place(..) | Kernel::Scatter(..)) || to.bytes() >= LEAST_BYTES
}

/// From so many bytes on elementwise results are made in place: below, memory of their own costs less (as in direct mode,
/// bench `chain`).
const LEAST_BYTES: usize = 32 << 10;
