//! The taped level: reverse mode on a Wengert list.
//!
//! Every operation on a taped tensor appends one entry: the primitive, its parents' slots, and the residuals its
//! vjp asked for. Walking back is a loop over the list in reverse, so no depth limit exists, neither here nor when
//! the list is dropped.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::smallvec;

use super::level::{Call, Level, LevelId, bind_at, on_level, serving};
use crate::error::{Error, Origin};
use crate::ops::{Few, InputSet, Outputs, Short};
use crate::ops::{Op, Reads, Residuals};
use crate::tensor::{Lifted, Repr, Spec, Tensor};

/// A place on the tape that can have a cotangent.
pub(crate) type Slot = u32;
const NO_SLOT: Slot = Slot::MAX;

/// The level: a list under construction.
pub(crate) struct Tape {
    id: LevelId,
    open: AtomicBool,
    entries: Mutex<Vec<Entry>>,
}

/// A finished list.
pub(crate) struct Recording(Vec<Entry>);

/// One value of the list: a leaf, or an output of a recorded operation.
struct Entry {
    spec: Spec,
    step: Step,
}

enum Step {
    /// Not computed on this tape.
    Leaf,
    /// The usual operation: one or two inputs and one output.
    Small(Small),
    Large(Box<Large>),
    /// A further output of the large operation before it.
    Sibling,
}

struct Small {
    op: Op,
    origin: Origin,
    arity: u8,
    parents: [Slot; 2],
    inputs: [Option<Tensor>; 2],
    output: Option<Tensor>,
}

/// An operation of any number of inputs and outputs.
struct Large {
    op: Op,
    origin: Origin,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
}

/// What a large operation keeps of an input.
struct Input {
    parent: Slot,
    value: Option<Tensor>,
    /// Where it has no slot, and the vjp reads it.
    spec: Option<Spec>,
}

struct Output {
    spec: Spec,
    value: Option<Tensor>,
}

impl Tape {
    pub(crate) fn open() -> Arc<Tape> {
        let entries = Mutex::new(WARM.take());
        Arc::new(Tape { id: LevelId::fresh(), open: AtomicBool::new(true), entries })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `x` as a leaf of this tape.
    pub(crate) fn watch(self: &Arc<Tape>, x: &Tensor) -> (Tensor, Slot) {
        let mut entries = self.lock();
        let slot = entries.len() as Slot;
        entries.push(Entry { spec: *x.spec(), step: Step::Leaf });
        let level: Arc<dyn Level> = self.clone();
        (lift(&level, x.clone(), slot), slot)
    }

    /// Ends the recording: tensors of this tape that live on are their primals.
    pub(crate) fn close(&self) -> Recording {
        self.open.store(false, Ordering::Release);
        Recording(std::mem::take(&mut *self.lock()))
    }

    /// The slot of `x`, if it is on this tape.
    pub(crate) fn slot_of(&self, x: &Tensor) -> Option<Slot> {
        self.own(x).map(|lifted| lifted.place)
    }

    /// The primal of `x`, or `x` itself where it is not on this tape.
    pub(crate) fn primal_of(&self, x: &Tensor) -> Tensor {
        self.own(x).map_or_else(|| x.clone(), |lifted| self.settle(lifted))
    }

    #[inline]
    fn own<'a>(&self, x: &'a Tensor) -> Option<&'a Lifted> {
        on_level(self, x)
    }

    fn record(
        &self,
        me: &Arc<dyn Level>,
        call: &Call<'_>,
        lowered: &[&Tensor],
        reads: Reads,
        y: Outputs,
    ) -> Outputs {
        let y = match y {
            Outputs::One(y) if call.inputs.len() <= 2 && !reads.specs => {
                let small = self.small(call, lowered, reads, &y);
                let mut entries = self.lock();
                let slot = entries.len() as Slot;
                entries.push(Entry { spec: *y.spec(), step: Step::Small(small) });
                drop(entries);
                return Outputs::One(lift(me, y, slot));
            }
            y => y,
        };
        let large = Box::new(self.large(call, lowered, reads, &y));
        let mut entries = self.lock();
        let first = entries.len() as Slot;
        entries.push(Entry { spec: large.outputs[0].spec, step: Step::Large(large) });
        entries.extend(y.as_slice()[1..].iter().map(|y| Entry { spec: *y.spec(), step: Step::Sibling }));
        drop(entries);
        y.map(|k, y| if y.spec().dtype.is_float() { lift(me, y, first + k as Slot) } else { y })
    }

    // Without a loop, and inlined: the entry is then built where the list keeps it, not moved there.
    #[inline(always)]
    fn small(&self, call: &Call<'_>, lowered: &[&Tensor], reads: Reads, y: &Tensor) -> Small {
        let parent = |i: usize| call.inputs.get(i).and_then(|x| self.slot_of(x)).unwrap_or(NO_SLOT);
        let input = |i: usize| lowered.get(i).filter(|_| reads.inputs.contains(i)).map(|&x| x.clone());
        Small {
            op: call.op.to_op(),
            origin: call.origin,
            arity: call.inputs.len() as u8,
            parents: [parent(0), parent(1)],
            inputs: [input(0), input(1)],
            output: reads.output(0).then(|| y.clone()),
        }
    }

    fn large(&self, call: &Call<'_>, lowered: &[&Tensor], reads: Reads, y: &Outputs) -> Large {
        let input = |(i, (x, &lower)): (usize, (&&Tensor, &&Tensor))| {
            let parent = self.slot_of(x);
            Input {
                parent: parent.unwrap_or(NO_SLOT),
                value: reads.inputs.contains(i).then(|| lower.clone()),
                spec: (reads.specs && parent.is_none()).then(|| *lower.spec()),
            }
        };
        let output =
            |(k, y): (usize, &Tensor)| Output { spec: *y.spec(), value: reads.output(k).then(|| y.clone()) };
        Large {
            op: call.op.to_op(),
            origin: call.origin,
            inputs: call.inputs.iter().zip(lowered).enumerate().map(input).collect(),
            outputs: y.as_slice().iter().enumerate().map(output).collect(),
        }
    }
}

#[inline]
fn lift(level: &Arc<dyn Level>, primal: Tensor, slot: Slot) -> Tensor {
    let spec = *primal.spec();
    let lifted = Lifted { level: level.clone(), lower: Some(primal), tangent: None, place: slot };
    Tensor::from_parts(spec, Repr::Lifted(lifted))
}

impl Level for Tape {
    fn id(&self) -> LevelId {
        self.id
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    fn settle(&self, x: &Lifted) -> Tensor {
        x.lower.clone().expect("a taped tensor has a primal")
    }

    fn value(&self, x: &Lifted, _: Origin) -> Result<Tensor, Error> {
        Ok(self.settle(x))
    }

    fn apply(&self, me: &Arc<dyn Level>, call: Call<'_>) -> Outputs {
        let mut needs = InputSet::NONE;
        let mut dying = InputSet::NONE;
        let lowered = Few::map(call.inputs, |i, x| {
            let Some(lower) = self.own(x).and_then(|lifted| lifted.lower.as_ref()) else {
                if call.dying.contains(i) {
                    dying.insert(i);
                }
                return x;
            };
            needs.insert(i);
            // The primal goes with its taped tensor, unless an entry or somebody else keeps either.
            if call.dying.contains(i) && x.is_unique() {
                dying.insert(i);
            }
            lower
        });
        let reads = call.op.reads_on(self.id, needs);
        let kept = reads.map_or(InputSet::NONE, |reads| reads.inputs);
        let lower_call = Call { inputs: lowered.as_slice(), dying: dying.without(kept), ..call };
        let y = bind_at(lower_call);
        // Of several outputs it may be known only now which are read.
        let reads = if matches!(y, Outputs::One(_)) { reads } else { call.op.reads_on(self.id, needs) };
        match reads {
            Some(reads) if y.as_slice()[0].error().is_none() => {
                self.record(me, &call, lowered.as_slice(), reads, y)
            }
            _ => y,
        }
    }
}

impl Recording {
    /// Cotangents of `leaves`, given those of some slots.
    pub(crate) fn pull(&self, seeds: Vec<(Slot, Tensor)>, leaves: &[Slot]) -> Vec<Option<Tensor>> {
        let mut cotangents = Cotangents::seeded(self.0.len(), seeds);
        for (slot, entry) in self.0.iter().enumerate().rev() {
            entry.pull(slot as Slot, &self.0, &mut cotangents);
        }
        cotangents.collect(leaves)
    }

    /// The same for the last time: frees the list on the way.
    pub(crate) fn pull_once(mut self, seeds: Vec<(Slot, Tensor)>, leaves: &[Slot]) -> Vec<Option<Tensor>> {
        let mut cotangents = Cotangents::seeded(self.0.len(), seeds);
        while let Some(entry) = self.0.pop() {
            entry.pull(self.0.len() as Slot, &self.0, &mut cotangents);
        }
        cotangents.collect(leaves)
    }
}

/// Entries that a thread keeps room for: the first touch of a long list costs more than filling it.
const WARM_ENTRIES: usize = 1 << 16;

thread_local! {
    static WARM: Cell<Vec<Entry>> = const { Cell::new(Vec::new()) };
}

impl Drop for Recording {
    fn drop(&mut self) {
        let mut entries = std::mem::take(&mut self.0);
        entries.clear();
        if entries.capacity() <= WARM_ENTRIES {
            // An error means that the thread is ending: the vector is freed instead.
            let _ = WARM.try_with(|warm| warm.set(entries));
        }
    }
}

impl Entry {
    /// Turns the cotangents of the entry's outputs into contributions to those of its parents, which all stand
    /// in `earlier`.
    fn pull(&self, slot: Slot, earlier: &[Entry], cotangents: &mut Cotangents) {
        match &self.step {
            Step::Leaf | Step::Sibling => {}
            Step::Small(small) => {
                let Some(dy) = cotangents.0[slot as usize].take() else { return };
                small.pull(&self.spec, dy, earlier, cotangents);
            }
            Step::Large(large) => large.pull(slot, earlier, cotangents),
        }
    }
}

fn spec_at(earlier: &[Entry], parent: Slot) -> Option<&Spec> {
    (parent != NO_SLOT).then(|| &earlier[parent as usize].spec)
}

fn needs_of(parents: impl Iterator<Item = Slot>) -> InputSet {
    let mut needs = InputSet::NONE;
    for (i, _) in parents.enumerate().filter(|&(_, parent)| parent != NO_SLOT) {
        needs.insert(i);
    }
    needs
}

impl Small {
    fn pull(&self, spec: &Spec, dy: Tensor, earlier: &[Entry], cotangents: &mut Cotangents) {
        let arity = self.arity as usize;
        let at = Residuals {
            inputs: &self.inputs.each_ref().map(Option::as_ref)[..arity],
            outputs: &[self.output.as_ref()],
            input_specs: &self.parents.map(|parent| spec_at(earlier, parent))[..arity],
            output_specs: &[spec],
        };
        let needs = needs_of(self.parents[..arity].iter().copied());
        let mut dx = [None, None];
        serving(self.origin, || {
            self.op.vjp(&at, &[Some(&dy)], needs, &mut dx[..arity]);
            drop(dy);
            cotangents.add(self.parents, dx);
        });
    }
}

impl Large {
    fn pull(&self, slot: Slot, earlier: &[Entry], cotangents: &mut Cotangents) {
        let first = slot as usize;
        let dy: Short<Option<Tensor>> =
            cotangents.0[first..first + self.outputs.len()].iter_mut().map(Option::take).collect();
        if dy.iter().all(Option::is_none) {
            return;
        }
        let parents = self.inputs.iter().map(|x| x.parent);
        let at = Residuals {
            inputs: &self.inputs.iter().map(|x| x.value.as_ref()).collect::<Short<_>>(),
            outputs: &self.outputs.iter().map(|y| y.value.as_ref()).collect::<Short<_>>(),
            input_specs: &self
                .inputs
                .iter()
                .map(|x| spec_at(earlier, x.parent).or(x.spec.as_ref()))
                .collect::<Short<_>>(),
            output_specs: &self.outputs.iter().map(|y| &y.spec).collect::<Short<_>>(),
        };
        let mut dx: Short<Option<Tensor>> = smallvec![None; self.inputs.len()];
        serving(self.origin, || {
            let dy: Short<_> = dy.iter().map(Option::as_ref).collect();
            self.op.vjp(&at, &dy, needs_of(parents.clone()), &mut dx);
            cotangents.add(parents, dx);
        });
    }
}

/// The cotangent of each slot; a missing one is zero.
struct Cotangents(Vec<Option<Tensor>>);

impl Cotangents {
    fn seeded(slots: usize, seeds: Vec<(Slot, Tensor)>) -> Cotangents {
        let mut cotangents = Cotangents(vec![None; slots]);
        for (slot, seed) in seeds {
            cotangents.add([slot], [Some(seed)]);
        }
        cotangents
    }

    fn add(&mut self, parents: impl IntoIterator<Item = Slot>, dx: impl IntoIterator<Item = Option<Tensor>>) {
        for (parent, dx) in parents.into_iter().zip(dx) {
            let Some(dx) = dx.filter(|_| parent != NO_SLOT) else { continue };
            let sum = &mut self.0[parent as usize];
            *sum = Some(match sum.take() {
                None => dx,
                Some(sum) => sum + dx,
            });
        }
    }

    fn collect(mut self, leaves: &[Slot]) -> Vec<Option<Tensor>> {
        leaves.iter().map(|&slot| self.0[slot as usize].take()).collect()
    }
}
