//! Compiled programs of one function, by signature; and when the function runs directly instead.
//!
//! A call whose arguments have the signature of an earlier one runs that one's program. What must hold is that the
//! function would be recorded alike again, which tracing cannot see: so the second call of a signature records the
//! function once more and compares, and every so many calls after it if an audit is asked for. A function that asks
//! for a value, that changes what it does from call to call, or that captures a tensor of an enclosing transform runs
//! directly. No lock is held while the function runs.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::ir::Graph;
use super::signature::{Change, Signature, Visit};
use super::trace::{Recorded, trace_call};
use super::{Wanted, compile};
use crate::autodiff::level::settle;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::cpu::program::Program;
use crate::tensor::Tensor;
use crate::tensor::tree::{self, Tree};

/// What happens where a function, or a call of it, cannot be compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fallback {
    /// It runs directly: the result is the same, [`Stats`] say why.
    #[default]
    Direct,
    /// `call` fails and says why. For tests and benchmarks.
    Error,
}

/// What became of the calls of an optimized function.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Calls that ran a program compiled before.
    pub hits: usize,
    /// Calls that were traced, because no program fitted their arguments.
    pub misses: usize,
    /// Calls that ran directly, the traced ones that asked for a value among them.
    pub direct: usize,
    /// Time spent tracing and compiling.
    pub compiling: Duration,
    /// Why programs were compiled anew and why calls ran directly, in the order in which that came up.
    pub reasons: Vec<String>,
    /// Bytes of the block in which the intermediate results of a program lie: the largest of all its programs.
    pub arena: usize,
    /// Bytes that the same program has in use at once at most: no block could be smaller.
    pub live: usize,
    /// Paths of leaves of the argument that a loss did not depend on, so that their gradient is zero. Of gradients only.
    pub unreached: Vec<String>,
}

impl Stats {
    /// How many times as large as need be the block of intermediate results is.
    pub fn packing(&self) -> f64 {
        if self.live == 0 { 1.0 } else { self.arena as f64 / self.live as f64 }
    }
}

/// Programs kept for one function; the one that was used longest ago goes first.
const MAX_ENTRIES: usize = 64;
/// Programs for signatures that differ in one dimension or static value, before such calls run directly.
const MAX_VARIANTS: usize = 8;
/// Reasons that are kept.
const MAX_REASONS: usize = 256;

/// How a function is compiled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) fallback: Fallback,
    /// After how many calls of a signature its function is traced again; 0: never.
    pub(crate) audit: usize,
    pub(crate) wanted: Wanted,
}

/// The programs of a function.
pub(crate) struct Cache {
    pub(crate) options: Options,
    /// Counted apart from the rest, which takes a lock.
    hits: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// The one used last comes first.
    entries: Vec<Arc<Entry>>,
    families: Vec<Family>,
    stats: Stats,
}

/// What calls of one signature do.
struct Entry {
    signature: Arc<Signature>,
    calls: AtomicUsize,
    way: Way,
}

enum Way {
    Program(Box<Compiled>),
    /// The function runs, for this reason.
    Direct(String),
}

struct Compiled {
    /// As it was recorded, to be held against later recordings.
    traced: Graph,
    /// Made when it is first called for.
    program: OnceLock<Program>,
    /// The same for calls that give the first argument away.
    donating: OnceLock<Program>,
    /// The structure of the result.
    template: Box<dyn Any + Send + Sync>,
}

impl Entry {
    fn program(&self) -> Option<&Compiled> {
        match &self.way {
            Way::Program(compiled) => Some(compiled),
            Way::Direct(_) => None,
        }
    }
}

impl Compiled {
    fn template<O: Tree>(&self) -> &O {
        self.template.downcast_ref().expect("a cache serves one function, which returns one type")
    }
}

/// Signatures that differ from one in the same places.
struct Family {
    base: Arc<Signature>,
    places: Vec<Change>,
    variants: usize,
}

/// The function: on the call's own arguments, or with these leaves in their place.
pub(crate) type Run<'r, O> = &'r dyn Fn(Option<&[Tensor]>) -> Result<O>;

/// A call of the function.
pub(crate) struct Call<'c, 'a, O> {
    /// Shows the arguments, and what else the program depends on.
    pub(crate) visit: Visit<'c, 'a>,
    pub(crate) run: Run<'c, O>,
    pub(crate) lent: Lent<'c>,
}

/// Memory of the caller's that results may take.
#[derive(Clone, Copy)]
pub(crate) struct Lent<'c> {
    /// Whether the first argument is given away: what nobody else sees of it may be overwritten.
    pub(crate) first: bool,
    /// Tensors that the first leaves of the result replace, one for each.
    pub(crate) replaced: &'c [&'c Tensor],
}

impl Lent<'_> {
    pub(crate) const NOTHING: Lent<'static> = Lent { first: false, replaced: &[] };
}

impl Cache {
    pub(crate) fn with(options: Options) -> Cache {
        let state = State { entries: Vec::new(), families: Vec::new(), stats: Stats::default() };
        Cache { options, hits: AtomicUsize::new(0), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats { hits: self.hits.load(Ordering::Relaxed), ..self.lock().stats.clone() }
    }
}

impl Cache {
    /// What the function yields for these arguments.
    pub(crate) fn call<O: Tree>(&self, call: Call<'_, '_, O>) -> Result<O> {
        let mut leaves = Vec::new();
        let found = self.lookup(call.visit, &mut leaves);
        let signature = found.is_none().then(|| {
            leaves.clear();
            let signature = Signature::of(call.visit);
            let _ = signature.matches(call.visit, &mut leaves);
            signature
        });
        let mut settled = Vec::new();
        let leaves = match concrete(&leaves, &mut settled) {
            Leaves::Concrete => &leaves[..],
            Leaves::Settled => &settled.iter().collect::<Vec<_>>()[..],
            // Inside another transform, or an error, which the function reports better.
            Leaves::Other => return (call.run)(None),
        };
        match (found, signature) {
            (Some(entry), _) => self.hit(&entry, leaves, &call),
            (None, signature) => self.miss(signature.unwrap_or_default(), leaves, &call),
        }
    }

    /// The entry whose signature the arguments have; their leaves.
    fn lookup<'a>(&self, visit: Visit<'_, 'a>, leaves: &mut Vec<&'a Tensor>) -> Option<Arc<Entry>> {
        let last = self.lock().entries.first().cloned()?;
        leaves.reserve(last.signature.leaves());
        if last.signature.matches(visit, leaves) {
            return Some(last);
        }
        let others = self.lock().entries.get(1..).unwrap_or_default().to_vec();
        let found = others.into_iter().find(|entry| {
            leaves.clear();
            entry.signature.matches(visit, leaves)
        })?;
        let mut state = self.lock();
        if let Some(at) = state.entries.iter().position(|entry| Arc::ptr_eq(entry, &found)) {
            state.entries[..=at].rotate_right(1);
        }
        Some(found)
    }

    fn hit<O: Tree>(&self, entry: &Arc<Entry>, leaves: &[&Tensor], call: &Call<'_, '_, O>) -> Result<O> {
        let compiled = match &entry.way {
            Way::Program(compiled) => compiled,
            Way::Direct(reason) => return self.directly(reason, call.run),
        };
        let calls = entry.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if calls == 2 || (self.options.audit > 0 && calls.is_multiple_of(self.options.audit)) {
            return self.audited(entry, compiled, leaves, call);
        }
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.execute(entry, compiled, leaves, call)
    }

    fn directly<O>(&self, reason: &str, run: Run<'_, O>) -> Result<O> {
        self.lock().stats.direct += 1;
        self.allowed(reason)?;
        run(None)
    }

    /// An error where the function must not run directly.
    fn allowed(&self, reason: &str) -> Result<()> {
        match self.options.fallback {
            Fallback::Direct => Ok(()),
            Fallback::Error => Err(Error::plain(ErrorKind::Compile, reason.to_owned())
                .help("mend what keeps the function from being compiled, or allow `Fallback::Direct`")),
        }
    }

    /// Traces once more, and goes on with the program only if the trace is what it was.
    fn audited<O: Tree>(
        &self,
        entry: &Arc<Entry>,
        compiled: &Compiled,
        leaves: &[&Tensor],
        call: &Call<'_, '_, O>,
    ) -> Result<O> {
        let start = Instant::now();
        let own = owned(leaves);
        // A call that fails has compared nothing: the next one does.
        let traced = trace_call(&own, |symbols| (call.run)(Some(symbols)))
            .inspect_err(|_| entry.calls.store(1, Ordering::Relaxed))?;
        self.lock().stats.compiling += start.elapsed();
        match traced {
            Recorded::Graph(graph, template) => {
                if graph.same(&compiled.traced)
                    && Signature::of(&|visitor| template.visit(visitor))
                        .is_same(&Signature::of(&|visitor| compiled.template::<O>().visit(visitor)))
                {
                    self.hits.fetch_add(1, Ordering::Relaxed);
                    // What is given away has one handle only.
                    drop(own);
                    return self.execute(entry, compiled, leaves, call);
                }
                let reason = "it does not do the same in every call: what it captures has changed, or a counter, \
                              a clock or a cell that it reads; pass that as an argument";
                self.replace(&entry.signature, Way::Direct(reason.to_owned()));
                self.allowed(reason)?;
                replayed(&graph, &template, &own)
            }
            Recorded::Ran(output, at) => {
                let reason = asked(at);
                self.replace(&entry.signature, Way::Direct(reason.clone()));
                self.allowed(&reason)?;
                Ok(output)
            }
        }
    }

    fn miss<O: Tree>(&self, signature: Signature, leaves: &[&Tensor], call: &Call<'_, '_, O>) -> Result<O> {
        let signature = Arc::new(signature);
        if let Some(reason) = self.counted(&signature) {
            return self.directly(&reason, call.run);
        }
        match self.compile(&signature, owned(leaves), call.run)? {
            Traced::Ran(output) => Ok(output),
            Traced::Compiled(entry) => {
                entry.calls.store(1, Ordering::Relaxed);
                self.execute(&entry, entry.program().expect("just compiled"), leaves, call)
            }
        }
    }

    /// Traces the function for a new signature, and puts what becomes of it into the cache.
    fn compile<O: Tree>(
        &self,
        signature: &Arc<Signature>,
        leaves: Vec<Tensor>,
        run: Run<'_, O>,
    ) -> Result<Traced<O>> {
        let start = Instant::now();
        let (graph, template) = match trace_call(&leaves, |symbols| run(Some(symbols)))? {
            Recorded::Ran(output, at) => {
                let reason = asked(at);
                self.replace(signature, Way::Direct(reason.clone()));
                self.allowed(&reason)?;
                return Ok(Traced::Ran(output));
            }
            Recorded::Graph(graph, template) => (graph, template),
        };
        if graph.captured.iter().any(|(_, x)| x.concrete().is_none()) {
            let reason = "it captures a tensor of an enclosing transform";
            self.replace(signature, Way::Direct(reason.to_owned()));
            self.allowed(reason)?;
            return replayed(&graph, &template, &leaves).map(Traced::Ran);
        }
        let compiled = Compiled {
            traced: graph,
            program: OnceLock::new(),
            donating: OnceLock::new(),
            template: Box::new(template),
        };
        let entry = self.replace(signature, Way::Program(Box::new(compiled)));
        self.lock().stats.compiling += start.elapsed();
        Ok(Traced::Compiled(entry))
    }

    /// The program of an entry, made if it is not there yet.
    fn program<'e>(&self, entry: &'e Entry, compiled: &'e Compiled, donating: bool) -> &'e Program {
        let (place, donors) = match donating {
            false => (&compiled.program, 0),
            true => (&compiled.donating, entry.signature.leaves_of_first()),
        };
        place.get_or_init(|| {
            let start = Instant::now();
            let program = compile(compiled.traced.clone(), self.options.wanted, donors);
            let stats = &mut self.lock().stats;
            stats.compiling += start.elapsed();
            let plan = program.plan();
            if plan.arena > stats.arena {
                (stats.arena, stats.live) = (plan.arena, plan.live);
            }
            program
        })
    }

    /// Runs the program; where that meets an error, the function itself reports it.
    fn execute<O: Tree>(
        &self,
        entry: &Entry,
        compiled: &Compiled,
        leaves: &[&Tensor],
        call: &Call<'_, '_, O>,
    ) -> Result<O> {
        let program = self.program(entry, compiled, call.lent.first);
        // A program yields concrete tensors: there is nothing to check.
        if let Some(outputs) = program.passed(leaves) {
            return Ok(filled(compiled.template::<O>(), outputs));
        }
        match program.run(leaves, call.lent.replaced) {
            Ok(outputs) => Ok(filled(compiled.template::<O>(), outputs)),
            Err(_) => (call.run)(None),
        }
    }

    /// The program for these arguments as readable code, compiled if it is not yet; or why there is none.
    pub(crate) fn code<O: Tree>(&self, call: Call<'_, '_, O>) -> Result<String> {
        let mut leaves = Vec::new();
        let entry = match self.lookup(call.visit, &mut leaves) {
            Some(entry) => entry,
            None => {
                leaves.clear();
                let signature = Signature::of(call.visit);
                let _ = signature.matches(call.visit, &mut leaves);
                let mut settled = Vec::new();
                let own = match concrete(&leaves, &mut settled) {
                    Leaves::Concrete => owned(&leaves),
                    Leaves::Settled => settled,
                    Leaves::Other => {
                        let message = "an argument is invalid or belongs to a transform under way";
                        return Err(Error::plain(ErrorKind::Value, message));
                    }
                };
                match self.compile(&Arc::new(signature), own, call.run)? {
                    Traced::Compiled(entry) => entry,
                    Traced::Ran(_) => self.lock().entries[0].clone(),
                }
            }
        };
        Ok(match &entry.way {
            Way::Program(compiled) => self.program(&entry, compiled, call.lent.first).plan().to_string(),
            Way::Direct(reason) => format!("// runs directly: {reason}"),
        })
    }

    /// Counts a miss; a reason if so many signatures of this kind were met that another program does not pay.
    fn counted(&self, signature: &Arc<Signature>) -> Option<String> {
        let mut state = self.lock();
        let kin = state.families.iter().position(|family| {
            family
                .base
                .changes(signature)
                .is_some_and(|changes| changes.iter().all(|change| family.places.contains(change)))
        });
        if let Some(at) = kin {
            let family = &mut state.families[at];
            if family.variants >= MAX_VARIANTS {
                let reason = format!(
                    "{MAX_VARIANTS} programs were compiled for signatures like it ({})",
                    family.base.difference(signature)
                );
                return Some(reason);
            }
            family.variants += 1;
        } else if let Some((base, places)) = state.entries.iter().find_map(|entry| {
            let changes = entry.signature.changes(signature).filter(|changes| !changes.is_empty())?;
            Some((entry.signature.clone(), changes))
        }) {
            state.families.truncate(MAX_ENTRIES - 1);
            state.families.insert(0, Family { base, places, variants: 2 });
        }
        let stats = &mut state.stats;
        stats.misses += 1;
        None
    }

    /// Puts an entry in the place of one of the same signature, or in front.
    fn replace(&self, signature: &Arc<Signature>, way: Way) -> Arc<Entry> {
        let mut state = self.lock();
        let State { entries, stats, .. } = &mut *state;
        if let Way::Direct(reason) = &way {
            stats.direct += 1;
            note(stats, format!("runs directly: {reason}"));
        } else if let Some(last) = entries.first() {
            note(stats, format!("compiled anew: {}", last.signature.difference(signature)));
        }
        let entry = Arc::new(Entry { signature: signature.clone(), calls: AtomicUsize::new(0), way });
        entries.retain(|entry| !entry.signature.is_same(signature));
        entries.truncate(MAX_ENTRIES - 1);
        entries.insert(0, entry.clone());
        entry
    }
}

fn note(stats: &mut Stats, reason: String) {
    if stats.reasons.len() < MAX_REASONS {
        stats.reasons.push(reason);
    }
}

fn asked(at: crate::error::Origin) -> String {
    format!("it asks for the value of a tensor, at {}:{}", at.file(), at.line())
}

/// What became of a call that was traced.
enum Traced<O> {
    Compiled(Arc<Entry>),
    /// It ran.
    Ran(O),
}

enum Leaves {
    Concrete,
    /// Some were of transforms that have ended: in the list there is what they are now.
    Settled,
    /// Some are invalid or belong to a transform that is under way.
    Other,
}

fn concrete(leaves: &[&Tensor], settled: &mut Vec<Tensor>) -> Leaves {
    if leaves.iter().all(|leaf| leaf.concrete().is_some()) {
        return Leaves::Concrete;
    }
    settled.extend(leaves.iter().map(|leaf| settle(leaf)));
    match settled.iter().all(|leaf| leaf.concrete().is_some()) {
        true => Leaves::Settled,
        false => Leaves::Other,
    }
}

fn owned(leaves: &[&Tensor]) -> Vec<Tensor> {
    leaves.iter().copied().cloned().collect()
}

/// The result with these leaves.
fn filled<O: Tree>(template: &O, outputs: impl IntoIterator<Item = Tensor>) -> O {
    let mut outputs = outputs.into_iter();
    tree::map(template, |_| outputs.next().expect("a leaf of the result for each output"))
}

/// The result of a graph that is not compiled, of which all leaves must be valid.
fn replayed<O: Tree>(graph: &Graph, template: &O, leaves: &[Tensor]) -> Result<O> {
    let output = filled(template, graph.replay(leaves)?);
    tree::check_valid("output", &output).map(|()| output)
}
