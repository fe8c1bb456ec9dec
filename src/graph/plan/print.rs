//! A plan as readable code: each value with its place in memory, each operation with the line that it comes from.

use std::fmt;

use super::super::ir::Id;
use super::{Output, Plan, Root};
use crate::exec::Kernel;
use crate::tensor::Spec;

impl Plan {
    /// Where a value lies: `@64` in the arena, `out 0` in a result, `arg 1` in an argument.
    fn place(&self, id: Id) -> String {
        match self.layout(id).root {
            Root::Argument(i) => format!("arg {i}"),
            Root::Captured(i) => format!("captured {i}"),
            Root::Draw(i) => format!("draw {i}"),
            Root::Block(block) => format!("@{}", self.offset(block)),
            Root::Result(i) => format!("out {i}"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = &self.graph;
        let typed = |id: &Id| format!("{id}: {}", graph.spec(*id));
        let inputs: Vec<String> = graph.inputs.iter().map(typed).collect();
        writeln!(f, "fn({}) {{", inputs.join(", "))?;
        for (i, (id, tensor)) in graph.captured.iter().enumerate() {
            match tensor.splat_number() {
                Some(number) => writeln!(f, "    {} = {number:?}", typed(id))?,
                None => writeln!(f, "    {} = captured {i}", typed(id))?,
            }
        }
        for (i, id) in graph.draws.iter().enumerate() {
            writeln!(f, "    {} = draw {i}", typed(id))?;
        }
        for (at, step) in graph.steps.iter().enumerate() {
            let outputs: Vec<String> =
                step.outputs.iter().map(|id| format!("{} [{}]", typed(id), self.place(*id))).collect();
            let inputs: Vec<String> = step.inputs.iter().map(Id::to_string).collect();
            let view = if self.run.binary_search(&at).is_ok() { "" } else { "view " };
            let (name, inputs, line) = (step.op.name(), inputs.join(", "), step.origin);
            let outputs = outputs.join(", ");
            writeln!(f, "    {outputs} = {view}{name}({inputs})  // {}:{}", line.file(), line.line())?;
            let specs: Vec<&Spec> = step.inputs.iter().map(|id| graph.spec(*id)).collect();
            if let Kernel::Fused(kernel) = step.op.lower(&specs) {
                // What it does, a line a step, without its first and last line.
                let kernel = kernel.to_string();
                let steps = kernel.lines().skip(1).filter(|line| *line != "}");
                steps.into_iter().try_for_each(|step| writeln!(f, "    {step}"))?;
            }
        }
        for copy in &self.copies {
            writeln!(f, "    [out {}] = copy({})", copy.result, copy.from)?;
        }
        let output = |output: &Output| match output {
            Output::Argument(i) => format!("arg {i}"),
            Output::Captured(i) => format!("captured {i}"),
            Output::Result(i) => format!("out {i}"),
            Output::Donated(i) => format!("arg {i} overwritten"),
        };
        writeln!(f, "    return {}", self.outputs.iter().map(output).collect::<Vec<_>>().join(", "))?;
        writeln!(f, "}}")?;
        let kernels = self.run.len() + self.copies.len();
        write!(
            f,
            "// {kernels} kernels, arena of {} bytes (at most {} in use at once)",
            self.arena, self.live
        )
    }
}
