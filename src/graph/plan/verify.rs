//! What must hold of a plan: every value that is read is still there, and nothing is overwritten that must not be.

use std::ops::Range;

use super::super::ir::{Id, Step};
use super::failing::failing;
use super::{Output, Plan, Root};
use crate::exec::Kernel;
use crate::tensor::Spec;

/// Memory that may be written to more than once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Arena,
    /// An argument that was given away.
    Donor(usize),
}

/// A part of some memory, and the value that was last written there.
struct Written {
    memory: Memory,
    bytes: Range<usize>,
    value: Id,
}

impl Plan {
    /// Goes through the program as it would run, with the name of a value in the place of its elements. The error
    /// names the first read of memory that something else has been written to.
    pub(crate) fn verify(&self) -> Result<(), String> {
        let mut written: Vec<Written> = Vec::new();
        for id in &self.graph.inputs[..self.donors] {
            self.write(&mut written, *id)?;
        }
        // By id: the value whose elements it sees.
        let mut seen: Vec<Id> = (0..self.graph.specs.len() as u32).map(Id).collect();
        let mut overwritten = None;
        let failing = failing(&self.graph);
        for (at, step) in self.graph.steps.iter().enumerate() {
            let name = format!("step {at} ({})", step.op.name());
            let in_step = |error: String| format!("{name}: {error}");
            if self.run.binary_search(&at).is_err() {
                let (from, to) = (step.inputs[0], step.outputs[0]);
                if self.layout(from).root != self.layout(to).root {
                    return Err(format!("{name} is a view of other memory"));
                }
                seen[to.0 as usize] = seen[from.0 as usize];
                continue;
            }
            for id in &step.inputs {
                self.holds(&written, *id, seen[id.0 as usize]).map_err(in_step)?;
            }
            self.in_place(step).map_err(in_step)?;
            let over = step.outputs.iter().find(|id| matches!(self.layout(**id).root, Root::Argument(_)));
            if failing[at]
                && let Some(id) = overwritten.or(over.filter(|_| !self.looks_first(step)))
            {
                return Err(in_step(format!("may fail when {id} has been written over an argument")));
            }
            overwritten = overwritten.or(over);
            for id in &step.outputs {
                self.write(&mut written, *id).map_err(in_step)?;
            }
        }
        let copied = self.copies.iter().map(|copy| copy.from);
        let returned = self.graph.outputs.iter().zip(&self.outputs);
        let kept = returned.filter(|(_, output)| matches!(output, Output::Argument(_) | Output::Donated(_)));
        copied
            .chain(kept.map(|(id, _)| *id))
            .try_for_each(|id| self.holds(&written, id, seen[id.0 as usize]))
            .map_err(|error| format!("output: {error}"))
    }

    /// Whether the memory of `id` still holds the value that it is a view of.
    fn holds(&self, written: &[Written], id: Id, value: Id) -> Result<(), String> {
        let empty = self.graph.spec(value).bytes() == 0;
        if self.memory(id).is_none() || empty || written.iter().any(|written| written.value == value) {
            return Ok(());
        }
        Err(format!("reads {id}, whose memory holds something else"))
    }

    /// Whether a kernel that may fail does so before it writes.
    fn looks_first(&self, step: &Step) -> bool {
        let specs: Vec<&Spec> = step.inputs.iter().map(|id| self.graph.spec(*id)).collect();
        matches!(step.op.lower(&specs), Kernel::Scatter(..))
    }

    /// Whether outputs lie apart from one another and from inputs, but where the kernel may overwrite one.
    fn in_place(&self, step: &Step) -> Result<(), String> {
        let spec = |id: Id| self.graph.spec(id);
        let specs: Vec<&Spec> = step.inputs.iter().map(|id| spec(*id)).collect();
        let kernel = step.op.lower(&specs);
        for (output, &to) in step.outputs.iter().enumerate() {
            if let Some(&other) = step.outputs[..output].iter().find(|other| self.meet(**other, to)) {
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

    /// Whether the memory of two values has bytes in common.
    fn meet(&self, a: Id, b: Id) -> bool {
        match (self.memory(a), self.memory(b)) {
            (Some((a, first)), Some((b, second))) => {
                a == b && first.start.max(second.start) < first.end.min(second.end)
            }
            _ => false,
        }
    }

    /// The block or argument that a value lies in, where that is written to more than once.
    fn memory(&self, id: Id) -> Option<(Memory, Range<usize>)> {
        match self.layout(id).root {
            Root::Block(block) => {
                let start = self.offset(block);
                Some((Memory::Arena, start..start + self.blocks[block].bytes))
            }
            Root::Argument(i) if i < self.donors => {
                Some((Memory::Donor(i), 0..self.graph.spec(self.graph.inputs[i]).bytes()))
            }
            _ => None,
        }
    }

    fn write(&self, written: &mut Vec<Written>, id: Id) -> Result<(), String> {
        let Some((memory, room)) = self.memory(id) else {
            return match self.layout(id).root {
                Root::Result(_) => Ok(()),
                root => Err(format!("writes {id} to {root:?}")),
            };
        };
        let bytes = room.start..room.start + self.graph.spec(id).bytes();
        if memory == Memory::Arena && bytes.end > self.arena {
            return Err(format!("writes {id} beyond the arena"));
        }
        if bytes.end > room.end {
            return Err(format!("writes {id} beyond its memory"));
        }
        written.retain(|other| {
            other.memory != memory || other.bytes.end <= bytes.start || bytes.end <= other.bytes.start
        });
        if !bytes.is_empty() {
            written.push(Written { memory, bytes, value: id });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::trace;
    use crate::tensor::{DType, Tensor};

    /// The plan of a function of two vectors whose first is given away.
    fn plan(f: impl Fn(&Tensor, &Tensor) -> Vec<Tensor>) -> Plan {
        let spec = *Tensor::zeros([5]).to_dtype(DType::F64).spec();
        Plan::new(trace(&[spec, spec], |x| Ok(f(&x[0], &x[1]))).expect("a trace"), 1)
    }

    #[test]
    fn a_result_takes_the_place_of_an_argument_that_is_read_no_more() {
        let donated = [Output::Donated(0)];
        assert_eq!(plan(|p, x| vec![p - x]).outputs, donated);
        // Whatever computes it, when the argument was read before.
        assert_eq!(plan(|p, x| vec![(p.sum() * x).cumsum(0)]).outputs, donated);
        assert_eq!(plan(|p, x| vec![p - x, p + x]).outputs, [Output::Result(0), Output::Donated(0)]);
        // The first look at the indices is the last that may fail.
        let table = plan(|p, x| {
            let i = x.i64();
            vec![p.index_add(0, &i, &p.index_select(0, &i).exp())]
        });
        assert_eq!(table.outputs, donated);
        for kept in [
            plan(|p, x| vec![p - x, p.clone()]),
            plan(|p, x| vec![p - x, p.flip(0)]),
            plan(|p, x| vec![p * 2.0, p.dot(x)]),
            plan(|p, _| vec![p + p.flip(0)]),
            plan(|p, x| vec![p - x, x.index_select(0, &x.i64()).sum()]),
        ] {
            assert!(!kept.is_overwritten(0) || kept.outputs[0] != Output::Donated(0), "{kept}");
        }
    }

    #[test]
    fn arguments_are_overwritten_when_all_have_read_them_and_only_if_they_are_given_away() {
        let mut early = plan(|p, x| vec![p - x, p * x]);
        let [first, second] = early.graph.outputs[..] else { unreachable!("two outputs") };
        early.layouts.swap(first.0 as usize, second.0 as usize);
        assert!(early.verify().is_err_and(|error| error.contains("holds something else")));

        let mut kept = plan(|p, x| vec![p - x]);
        kept.donors = 0;
        assert!(kept.verify().is_err_and(|error| error.contains("writes")));

        let fails = plan(|p, x| vec![p - x]);
        let mut failing = plan(|p, x| vec![p - x, x.index_select(0, &x.i64())]);
        let y = failing.graph.outputs[0];
        failing.layouts[y.0 as usize] = *fails.layout(fails.graph.outputs[0]);
        assert!(failing.verify().is_err_and(|error| error.contains("may fail")));
    }
}
