//! A graph as readable code.

use std::fmt;

use super::ir::{Graph, Id};

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

fn list(ids: &[Id]) -> String {
    ids.iter().map(Id::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = |id: &Id| format!("{id}: {}", self.spec(*id));
        writeln!(f, "fn({}) {{", self.inputs.iter().map(typed).collect::<Vec<_>>().join(", "))?;
        for (id, _) in &self.captured {
            writeln!(f, "    {} = captured", typed(id))?;
        }
        for id in &self.draws {
            writeln!(f, "    {} = draw", typed(id))?;
        }
        for step in &self.steps {
            let outputs: Vec<String> = step.outputs.iter().map(typed).collect();
            let (op, at) = (step.op.name(), step.origin);
            let inputs = list(&step.inputs);
            writeln!(f, "    {} = {op}({inputs})  // {}:{}", outputs.join(", "), at.file(), at.line())?;
        }
        writeln!(f, "    return {}", list(&self.outputs))?;
        f.write_str("}")
    }
}
