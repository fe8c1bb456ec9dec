//! What must hold of a plan: every value that is read is still there, and nothing is overwritten that must not be.

use super::super::ir::{Id, Step};
use super::{Plan, Root};
use crate::tensor::Spec;

/// A part of the arena, and the value that was last written there.
struct Written {
    start: usize,
    end: usize,
    value: Id,
}

impl Plan {
    /// Goes through the program as it would run, with the name of a value in the place of its elements. The error
    /// names the first read of memory that something else has been written to.
    pub(crate) fn verify(&self) -> Result<(), String> {
        let mut arena: Vec<Written> = Vec::new();
        // By id: the value whose elements it sees.
        let mut seen: Vec<Id> = (0..self.graph.specs.len() as u32).map(Id).collect();
        for (at, step) in self.graph.steps.iter().enumerate() {
            let name = format!("step {at} ({})", step.op.name());
            if self.run.binary_search(&at).is_err() {
                let (from, to) = (step.inputs[0], step.outputs[0]);
                if self.layout(from).root != self.layout(to).root {
                    return Err(format!("{name} is a view of other memory"));
                }
                seen[to.0 as usize] = seen[from.0 as usize];
                continue;
            }
            for id in &step.inputs {
                self.holds(&arena, *id, seen[id.0 as usize]).map_err(|error| format!("{name}: {error}"))?;
            }
            self.in_place(step).map_err(|error| format!("{name}: {error}"))?;
            for id in &step.outputs {
                self.write(&mut arena, *id).map_err(|error| format!("{name}: {error}"))?;
            }
        }
        for copy in &self.copies {
            self.holds(&arena, copy.from, seen[copy.from.0 as usize])
                .map_err(|error| format!("output: {error}"))?;
        }
        Ok(())
    }

    /// Whether the memory of `id` still holds the value that it is a view of.
    fn holds(&self, arena: &[Written], id: Id, value: Id) -> Result<(), String> {
        let Root::Block(_) = self.layout(id).root else { return Ok(()) };
        let empty = self.graph.spec(value).bytes() == 0;
        if empty || arena.iter().any(|written| written.value == value) {
            return Ok(());
        }
        Err(format!("reads {id}, whose memory holds something else"))
    }

    /// Whether outputs lie apart from one another and from inputs, but where the kernel may overwrite one.
    fn in_place(&self, step: &Step) -> Result<(), String> {
        let spec = |id: Id| self.graph.spec(id);
        let specs: Vec<&Spec> = step.inputs.iter().map(|id| spec(*id)).collect();
        let kernel = step.op.lower(&specs);
        for (output, &to) in step.outputs.iter().enumerate() {
            for &other in step.outputs[..output].iter().filter(|other| self.meet(**other, to)) {
                return Err(format!("writes {to} over {other}"));
            }
            for (input, &from) in step.inputs.iter().enumerate().filter(|(_, from)| self.meet(**from, to)) {
                let exactly =
                    self.layout(from).root == self.layout(to).root && spec(from).bytes() == spec(to).bytes();
                let shared = step.inputs.iter().filter(|other| self.meet(**other, to)).count() > 1;
                if !exactly || shared || !super::may_overwrite(&kernel, [spec(from), spec(to)], input, output)
                {
                    return Err(format!("writes {to} over {from}, which it reads"));
                }
            }
        }
        Ok(())
    }

    /// Whether the blocks of two values share bytes.
    fn meet(&self, a: Id, b: Id) -> bool {
        let range = |id: Id| match self.layout(id).root {
            Root::Block(block) => self.offset(block)..self.offset(block) + self.blocks[block].bytes,
            _ => 0..0,
        };
        let (a, b) = (range(a), range(b));
        a.start.max(b.start) < a.end.min(b.end)
    }

    fn write(&self, arena: &mut Vec<Written>, id: Id) -> Result<(), String> {
        let Root::Block(block) = self.layout(id).root else { return Ok(()) };
        let bytes = self.graph.spec(id).bytes();
        let (start, end) = (self.offset(block), self.offset(block) + bytes);
        if end > self.arena {
            return Err(format!("writes {id} beyond the arena"));
        }
        arena.retain(|written| written.end <= start || end <= written.start);
        if bytes > 0 {
            arena.push(Written { start, end, value: id });
        }
        Ok(())
    }
}
