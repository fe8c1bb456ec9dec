//! The steps of a fused kernel as lines over registers, in the order in which they run.
//!
//! A register holds numbers of one dtype. Arithmetic on 16-bit floats becomes a conversion to f32, the arithmetic,
//! and a conversion back, so that a fused result is rounded where one that is not fused is.
//!
//! Where rows are longer than a tile, a number of a row is there only after all its elements have been seen. So lines
//! are in phases, each of which goes over the row once: a fold is done by the end of its phase.

use super::{MAX_OPERANDS, Run, native};
use crate::exec::fused::{Extent, Step, Value, What};
use crate::exec::{Body, Fold, Kernel};
use crate::ops::Op;
use crate::tensor::{Bits, DType, Shape, Spec};

/// A register's number.
pub(super) type Reg = usize;

pub(super) struct Register {
    pub(super) dtype: DType,
    pub(super) extent: Extent,
    pub(super) source: Source,
}

/// Where the numbers of a register come from.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Source {
    Operand(usize),
    Constant(Bits),
    /// A line computes them.
    Line,
}

pub(super) struct Line {
    pub(super) run: Run,
    pub(super) x: Vec<Reg>,
    pub(super) y: Reg,
    pub(super) when: When,
    pub(super) phase: usize,
}

impl Line {
    pub(super) fn folds(&self) -> bool {
        matches!(self.run, Run::FoldRow { .. } | Run::FoldAll { .. })
    }
}

/// When in its phase a line runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// Once for a row, before its elements.
    Head,
    /// For each tile.
    Body,
    /// Once, after all phases of all rows.
    Tail,
}

/// A fold over rows.
pub(super) struct ColumnFold {
    pub(super) fold: Fold,
    pub(super) x: Reg,
    /// Which output it is.
    pub(super) output: usize,
}

/// What the steps have become.
pub(super) struct Code {
    pub(super) registers: Vec<Register>,
    /// In order: phase by phase, heads before bodies; tails last.
    pub(super) lines: Vec<Line>,
    pub(super) columns: Vec<ColumnFold>,
    /// The register of each output but of columns.
    pub(super) outputs: Vec<Option<Reg>>,
    /// How many rows of totals are kept while tiles are folded.
    pub(super) totals: usize,
}

/// An operation's arithmetic, found once.
pub(super) struct Arithmetic {
    body: *const dyn Body,
    /// Keeps what `body` points into.
    _op: Op,
}

// SAFETY: `body` is part of `_op`, and both are `Send + Sync` and never changed.
unsafe impl Send for Arithmetic {}
// SAFETY: as above.
unsafe impl Sync for Arithmetic {}

impl Arithmetic {
    fn of(op: &Op, inputs: &[DType]) -> Arithmetic {
        let op = op.clone();
        let specs: Vec<Spec> = inputs.iter().map(|&dtype| Spec::new(Shape::SCALAR, dtype)).collect();
        let Kernel::Map(body) = op.lower(&specs.iter().collect::<Vec<_>>()) else {
            unreachable!("{op:?} is no Map")
        };
        // SAFETY: only the lifetime changes. The body borrows from the operation, which is static or behind an `Arc`
        // that lives as long as `Arithmetic`, and is not moved with it.
        let body = unsafe { std::mem::transmute::<*const (dyn Body + '_), *const dyn Body>(body) };
        Arithmetic { body, _op: op }
    }

    #[inline(always)]
    pub(super) fn body(&self) -> &dyn Body {
        // SAFETY: `_op` keeps it.
        unsafe { &*self.body }
    }
}

impl Code {
    pub(super) fn new(steps: &[Step], outputs: &[Value]) -> Code {
        let mut lowering =
            Lowering { steps, outputs, code: Code::empty(), narrow: Vec::new(), wide: Vec::new() };
        for at in 0..steps.len() {
            lowering.step(at);
        }
        let Lowering { mut code, narrow, .. } = lowering;
        code.outputs = outputs.iter().map(|v| narrow[v.index()]).collect();
        code.provide_columns();
        code.schedule();
        code
    }

    fn empty() -> Code {
        Code { registers: Vec::new(), lines: Vec::new(), columns: Vec::new(), outputs: Vec::new(), totals: 0 }
    }

    fn register(&mut self, dtype: DType, extent: Extent, source: Source) -> Reg {
        self.registers.push(Register { dtype, extent, source });
        self.registers.len() - 1
    }

    /// The register of a constant.
    fn constant(&mut self, dtype: DType, bits: Bits) -> Reg {
        let source = Source::Constant(bits);
        let same = |r: &Register| r.dtype == dtype && r.source == source;
        match self.registers.iter().position(same) {
            Some(reg) => reg,
            None => self.register(dtype, Extent::Elements, source),
        }
    }

    fn line(&mut self, run: Run, x: Vec<Reg>, dtype: DType, extent: Extent) -> Reg {
        let when = match (&run, extent) {
            (Run::Spread(_), _) => When::Head,
            (Run::FoldRow { .. } | Run::FoldAll { .. }, _) | (_, Extent::Elements) => When::Body,
            (_, Extent::Rows) => When::Head,
            (_, Extent::One | Extent::Columns) => When::Tail,
        };
        let y = self.register(dtype, extent, Source::Line);
        self.lines.push(Line { run, x, y, when, phase: 0 });
        y
    }

    /// Folds of columns read rows that lie in memory: what they fold is made by a line of the body.
    fn provide_columns(&mut self) {
        for i in 0..self.columns.len() {
            let x = self.columns[i].x;
            let made = self.lines.iter().any(|line| line.y == x && line.when == When::Body);
            if !made {
                let dtype = self.registers[x].dtype;
                self.columns[i].x = self.line(Run::Copy(dtype.size()), vec![x], dtype, Extent::Elements);
            }
        }
    }

    /// Gives each line its phase and puts them in order.
    fn schedule(&mut self) {
        let mut ready = vec![0; self.registers.len()];
        for line in &mut self.lines {
            line.phase = line.x.iter().map(|&x| ready[x]).max().unwrap_or(0);
            ready[line.y] = line.phase + usize::from(matches!(line.run, Run::FoldRow { .. }));
        }
        // As late as they are wanted, so that less is kept from one phase to the next.
        let mut wanted: Vec<Option<usize>> = vec![None; self.registers.len()];
        for line in self.lines.iter_mut().rev() {
            let read = self.outputs.contains(&Some(line.y)) || self.columns.iter().any(|c| c.x == line.y);
            if let (Some(phase), false, false) = (wanted[line.y], read, line.folds()) {
                line.phase = phase;
            }
            for &x in &line.x {
                wanted[x] = Some(wanted[x].map_or(line.phase, |phase| phase.min(line.phase)));
            }
        }
        // A stable sort: within a phase the order of the steps remains.
        self.lines.sort_by_key(|line| (line.when == When::Tail, line.phase, line.when));
        let together = |a: &Line, b: &Line| a.when == b.when && a.phase == b.phase;
        let mut order = Vec::with_capacity(self.lines.len());
        for lines in self.lines.chunk_by(together) {
            order.extend(native::order(self, order.len()..order.len() + lines.len()));
        }
        let mut lines: Vec<Option<Line>> = std::mem::take(&mut self.lines).into_iter().map(Some).collect();
        self.lines = order.into_iter().filter_map(|at| lines[at].take()).collect();
    }
}

struct Lowering<'a> {
    steps: &'a [Step],
    outputs: &'a [Value],
    code: Code,
    /// The register of each step's value, and the same as f32 once it is wanted.
    narrow: Vec<Option<Reg>>,
    wide: Vec<Option<Reg>>,
}

impl Lowering<'_> {
    fn narrow(&self, value: Value) -> Reg {
        self.narrow[value.index()].expect("folds of columns are not read by other steps")
    }

    /// The register of a value in the dtype that arithmetic runs in.
    fn wide(&mut self, value: Value) -> Reg {
        let step = &self.steps[value.index()];
        let dtype = step.dtype.compute();
        if dtype == step.dtype {
            return self.narrow(value);
        }
        if let Some(reg) = self.wide[value.index()] {
            return reg;
        }
        let reg = match step.what {
            What::Literal(bits) => self.code.constant(dtype, dtype.bits(step.dtype.number(&bits))),
            What::Spread => {
                let source = self.wide(step.inputs[0]);
                self.code.line(Run::Spread(dtype.size()), vec![source], dtype, step.extent)
            }
            _ => {
                let source = self.narrow(value);
                self.code.line(Run::Cast(step.dtype, dtype), vec![source], dtype, step.extent)
            }
        };
        self.wide[value.index()] = Some(reg);
        reg
    }

    fn step(&mut self, at: usize) {
        let step = &self.steps[at];
        let reg = match &step.what {
            What::Input => {
                let number = self.steps[..at].iter().filter(|s| matches!(s.what, What::Input)).count();
                Some(self.code.register(step.dtype, step.extent, Source::Operand(number)))
            }
            What::Literal(bits) => Some(self.code.constant(step.dtype, *bits)),
            What::Map(op) => Some(self.map(step, op)),
            What::Cast => {
                let x = step.inputs[0];
                let run = Run::Cast(self.steps[x.index()].dtype, step.dtype);
                let x = self.narrow(x);
                Some(self.code.line(run, vec![x], step.dtype, step.extent))
            }
            What::Fold(fold) => self.fold(at, *fold),
            What::Spread => {
                let x = self.narrow(step.inputs[0]);
                Some(self.code.line(Run::Spread(step.dtype.size()), vec![x], step.dtype, step.extent))
            }
        };
        self.narrow.push(reg);
        self.wide.push(None);
    }

    fn map(&mut self, step: &Step, op: &Op) -> Reg {
        let inputs: Vec<DType> = step.inputs.iter().map(|x| self.steps[x.index()].dtype).collect();
        debug_assert!(inputs.len() <= MAX_OPERANDS);
        let arithmetic = Arithmetic::of(op, &inputs);
        let domain = inputs[inputs.len() - 1];
        let converts = domain.compute() != domain && !arithmetic.body().moves();
        let read = |(x, dtype): (&Value, &DType)| {
            if converts && *dtype == domain { self.wide(*x) } else { self.narrow(*x) }
        };
        let x = step.inputs.iter().zip(&inputs).map(read).collect();
        if !converts {
            return self.code.line(Run::Map(arithmetic, domain), x, step.dtype, step.extent);
        }
        let run = Run::Map(arithmetic, domain.compute());
        if step.dtype != domain {
            return self.code.line(run, x, step.dtype, step.extent);
        }
        let exact = self.code.line(run, x, domain.compute(), step.extent);
        self.code.line(Run::Cast(domain.compute(), domain), vec![exact], domain, step.extent)
    }

    fn fold(&mut self, at: usize, fold: Fold) -> Option<Reg> {
        let step = &self.steps[at];
        let x = self.wide(step.inputs[0]);
        if step.extent == Extent::Columns {
            let output = self.outputs.iter().position(|v| v.index() == at)?;
            self.code.columns.push(ColumnFold { fold, x, output });
            return None;
        }
        let dtype = self.code.registers[x].dtype;
        let totals = self.code.totals;
        self.code.totals += 1;
        let run = match step.extent {
            Extent::Rows => Run::FoldRow { fold, dtype, totals },
            _ => Run::FoldAll { fold, dtype, totals },
        };
        let y = self.code.line(run, vec![x], dtype, step.extent);
        if dtype == step.dtype {
            return Some(y);
        }
        Some(self.code.line(Run::Cast(dtype, step.dtype), vec![y], step.dtype, step.extent))
    }
}
