//! What a compiled program depends on: the structure of its arguments, their static values, the spec of each leaf.

use std::fmt::Write;

use crate::tensor::tree::{Fixed, Key, Visitor};
use crate::tensor::{Spec, Tensor};

/// The arguments of a call as a visitor meets them, without the numbers.
#[derive(Default)]
pub(crate) struct Signature {
    events: Vec<Event>,
    /// How many of them are leaves.
    leaves: usize,
}

enum Event {
    Leaf(Spec),
    Enter(OwnKey),
    Leave,
    Fixed(Box<dyn Fixed>),
}

#[derive(Clone, PartialEq, Eq)]
enum OwnKey {
    Named(&'static str, String),
    Index(usize),
}

impl OwnKey {
    fn of(key: Key<'_>) -> OwnKey {
        match key {
            Key::Index(i) => OwnKey::Index(i),
            Key::Field(name) | Key::Variant(name) => OwnKey::Named(".", name.to_owned()),
            Key::Name(name) => OwnKey::Named("[]", name.to_owned()),
        }
    }

    fn is(&self, key: Key<'_>) -> bool {
        match (self, key) {
            (OwnKey::Index(own), Key::Index(i)) => *own == i,
            (OwnKey::Named(".", own), Key::Field(name) | Key::Variant(name)) => own == name,
            (OwnKey::Named("[]", own), Key::Name(name)) => own == name,
            _ => false,
        }
    }
}

/// What a visitor meets, in its order; a function that shows the arguments of a call to one.
pub(crate) type Visit<'v, 'a> = &'v dyn Fn(&mut dyn Visitor<'a>);

impl Signature {
    /// The signature of some arguments.
    pub(crate) fn of<'a>(visit: Visit<'_, 'a>) -> Signature {
        let mut signature = Signature::default();
        visit(&mut signature);
        signature
    }

    /// Whether the arguments have this signature; their leaves are added to `leaves`.
    pub(crate) fn matches<'a>(&self, visit: Visit<'_, 'a>, leaves: &mut Vec<&'a Tensor>) -> bool {
        let mut compare = Compare { expected: &self.events, same: true, leaves };
        visit(&mut compare);
        compare.same && compare.expected.is_empty()
    }

    /// How many leaves the arguments have.
    pub(crate) fn leaves(&self) -> usize {
        self.leaves
    }

    /// How many leaves the first argument has.
    pub(crate) fn leaves_of_first(&self) -> usize {
        let mut depth = 0;
        let first = self.events.iter().take_while(|event| {
            match event {
                Event::Enter(_) => depth += 1,
                Event::Leave => depth -= 1,
                Event::Leaf(_) | Event::Fixed(_) => {}
            }
            depth > 0
        });
        first.filter(|event| matches!(event, Event::Leaf(_))).count()
    }

    /// Whether the other is the same signature.
    pub(crate) fn is_same(&self, other: &Signature) -> bool {
        self.changes(other).is_some_and(|changes| changes.is_empty())
    }

    /// Where another signature differs from this one; none where their structures do.
    pub(crate) fn changes(&self, other: &Signature) -> Option<Vec<Change>> {
        if self.events.len() != other.events.len() {
            return None;
        }
        let mut changes = Vec::new();
        for (at, (own, others)) in self.events.iter().zip(&other.events).enumerate() {
            match (own, others) {
                (Event::Leaf(own), Event::Leaf(others)) => {
                    if own.dtype != others.dtype || own.shape.rank() != others.shape.rank() {
                        return None;
                    }
                    let axes = (0..own.shape.rank()).filter(|&axis| own.shape[axis] != others.shape[axis]);
                    changes.extend(axes.map(|axis| Change { at, axis: Some(axis) }));
                }
                (Event::Enter(own), Event::Enter(others)) if own == others => {}
                (Event::Leave, Event::Leave) => {}
                (Event::Fixed(own), Event::Fixed(others)) => {
                    if !own.equals(&**others) {
                        changes.push(Change { at, axis: None });
                    }
                }
                _ => return None,
            }
        }
        Some(changes)
    }

    /// Why a program for this signature does not serve `other`: `argument 1: f32[32, 4] -> f32[64, 4]`.
    pub(crate) fn difference(&self, other: &Signature) -> String {
        let Some(first) = self.changes(other).and_then(|changes| changes.first().copied()) else {
            return self.first_difference(other);
        };
        let (own, others) = (&self.events[first.at], &other.events[first.at]);
        format!("{}: {} -> {}", self.path(first.at), own.text(), others.text())
    }

    fn first_difference(&self, other: &Signature) -> String {
        let differ = |(own, others): (&Event, &Event)| own.text() != others.text();
        match self.events.iter().zip(&other.events).position(differ) {
            Some(at) => {
                format!("{}: {} -> {}", self.path(at), self.events[at].text(), other.events[at].text())
            }
            None => "the structure of the arguments".to_owned(),
        }
    }

    /// The way to an event: `argument 0.w[1]`.
    fn path(&self, at: usize) -> String {
        let mut keys: Vec<&OwnKey> = Vec::new();
        for event in &self.events[..at] {
            match event {
                Event::Enter(key) => keys.push(key),
                Event::Leave => drop(keys.pop()),
                Event::Leaf(_) | Event::Fixed(_) => {}
            }
        }
        let mut path = String::from("argument");
        for (depth, key) in keys.into_iter().enumerate() {
            let written = match key {
                OwnKey::Index(i) if depth == 0 => write!(path, " {i}"),
                // No argument, but what the user's own function says of them.
                OwnKey::Named(..) if depth == 0 => {
                    path.clear();
                    write!(path, "what `signature` yields")
                }
                OwnKey::Index(i) => write!(path, "[{i}]"),
                OwnKey::Named(".", name) => write!(path, ".{name}"),
                OwnKey::Named(_, name) => write!(path, "[{name:?}]"),
            };
            written.expect("writing to a string");
        }
        path
    }
}

/// A place where two signatures of one structure differ: a dimension, or a static value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    at: usize,
    /// None: a static value.
    axis: Option<usize>,
}

impl Event {
    fn text(&self) -> String {
        match self {
            Event::Leaf(spec) => spec.to_string(),
            Event::Fixed(value) => format!("{value:?}"),
            Event::Enter(OwnKey::Index(i)) => format!("part {i}"),
            Event::Enter(OwnKey::Named(_, name)) => format!("part {name}"),
            Event::Leave => "the end of a part".to_owned(),
        }
    }
}

impl Visitor<'_> for Signature {
    fn leaf(&mut self, leaf: &Tensor) {
        self.events.push(Event::Leaf(*leaf.spec()));
        self.leaves += 1;
    }
    fn enter(&mut self, key: Key<'_>) {
        self.events.push(Event::Enter(OwnKey::of(key)));
    }
    fn leave(&mut self) {
        self.events.push(Event::Leave);
    }
    fn fixed(&mut self, value: &dyn Fixed) {
        self.events.push(Event::Fixed(value.to_box()));
    }
}

/// Holds arguments against a signature.
struct Compare<'s, 'a> {
    /// What is still to come.
    expected: &'s [Event],
    same: bool,
    leaves: &'s mut Vec<&'a Tensor>,
}

impl Compare<'_, '_> {
    #[inline]
    fn next(&mut self, same: impl FnOnce(&Event) -> bool) {
        match self.expected.split_first() {
            Some((event, rest)) if same(event) => self.expected = rest,
            _ => self.same = false,
        }
    }
}

impl<'a> Visitor<'a> for Compare<'_, 'a> {
    fn leaf(&mut self, leaf: &'a Tensor) {
        self.next(|event| matches!(event, Event::Leaf(spec) if spec == leaf.spec()));
        self.leaves.push(leaf);
    }
    fn enter(&mut self, key: Key<'_>) {
        self.next(|event| matches!(event, Event::Enter(own) if own.is(key)));
    }
    fn leave(&mut self) {
        self.next(|event| matches!(event, Event::Leave));
    }
    fn fixed(&mut self, value: &dyn Fixed) {
        self.next(|event| matches!(event, Event::Fixed(own) if own.equals(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::tree::{Static, Tree};

    fn signature<T: Tree>(arguments: &T) -> Signature {
        Signature::of(&|visitor| arguments.visit(visitor))
    }

    #[test]
    fn a_signature_matches_arguments_of_its_structure_specs_and_static_values() {
        let arguments = |rows: usize, flag: i32| (vec![Tensor::zeros([rows, 2]); 2], Static(flag));
        let signature = signature(&arguments(3, 1));
        let matches = |other: &(Vec<Tensor>, Static<i32>)| {
            let mut leaves = Vec::new();
            signature.matches(&|visitor| other.visit(visitor), &mut leaves) && leaves.len() == 2
        };
        assert!(matches(&arguments(3, 1)));
        assert!(!matches(&arguments(4, 1)));
        assert!(!matches(&arguments(3, 2)));
        assert!(!matches(&(vec![Tensor::zeros([3, 2])], Static(1))));
        assert!(!matches(&(vec![Tensor::zeros([3, 2]); 3], Static(1))));
        assert!(!matches(&(vec![Tensor::zeros([3, 2]).f64(), Tensor::zeros([3, 2])], Static(1))));
    }

    #[test]
    fn differences_name_the_place() {
        let x = |rows: usize| signature(&(Tensor::zeros([rows, 2]), [Tensor::zeros([rows])]));
        let (three, four) = (x(3), x(4));
        assert_eq!(three.changes(&three), Some(Vec::new()));
        let changes = three.changes(&four).expect("one structure");
        assert_eq!(changes.iter().map(|change| change.axis).collect::<Vec<_>>(), [Some(0), Some(0)]);
        assert_eq!(three.difference(&four), "argument 0: f32[3, 2] -> f32[4, 2]");

        let one = signature(&(Static(1), Static("a")));
        assert_eq!(one.difference(&signature(&(Static(1), Static("b")))), "argument 1: \"a\" -> \"b\"");

        let vector = |n: usize| signature(&(vec![Tensor::zeros([1]); n],));
        assert!(vector(1).changes(&vector(2)).is_none());
        assert_eq!(vector(1).difference(&vector(2)), "argument 0: the end of a part -> part 1");
    }
}
