//! What must hold of a plan: every value that is read is still there.

use super::super::ir::Id;
use super::{Plan, Root};

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
