//! `#[derive(Tree)]`: which types it accepts, and what walkers and visitors see of them.

use std::marker::PhantomData;

use retrograd::tree::{Fixed, Key, Visitor, Walker};
use retrograd::{Tensor, Tree};

/// Writes what it is shown, one word an event: `w(` enters the key `w`, `.` is a leaf, `=3` a fixed value.
#[derive(Default)]
struct Record(String);

impl Record {
    fn of(tree: &impl Tree) -> String {
        let mut record = Record::default();
        tree.visit(&mut record);
        record.0
    }

    fn key(&mut self, key: Key<'_>) {
        match key {
            Key::Field(name) => self.0 += name,
            Key::Index(i) => self.0 += &i.to_string(),
            Key::Name(name) => self.0 += &format!("{name:?}"),
            Key::Variant(name) => self.0 += &format!("::{name}"),
        }
        self.0 += "(";
    }
}

impl Visitor<'_> for Record {
    fn leaf(&mut self, _: &Tensor) {
        self.0 += ".";
    }
    fn enter(&mut self, key: Key<'_>) {
        self.key(key);
    }
    fn leave(&mut self) {
        self.0 += ")";
    }
    fn fixed(&mut self, _: &dyn Fixed) {
        self.0 += "=";
    }
}

/// Replaces the n-th leaf by the number n, and writes what it is shown as [`Record`] does.
#[derive(Default)]
struct Number {
    leaves: u32,
    record: Record,
}

impl Number {
    fn all<T: Tree>(tree: &T) -> T {
        tree.walk(&mut Number::default())
    }
}

impl Walker for Number {
    fn leaf(&mut self, leaf: &Tensor) -> Tensor {
        self.record.leaf(leaf);
        self.leaves += 1;
        number(f64::from(self.leaves))
    }
    fn enter(&mut self, key: Key<'_>) {
        self.record.enter(key);
    }
    fn leave(&mut self) {
        self.record.leave();
    }
}

fn number(x: f64) -> Tensor {
    Tensor::from(x)
}

#[track_caller]
fn value(x: &Tensor) -> f64 {
    x.item::<f64>().expect("a rank-0 tensor has a value")
}

#[derive(Clone, Debug, Tree)]
struct Layer {
    w: Tensor,
    b: [Tensor; 2],
    #[tree(static)]
    rate: f64,
}

fn layer() -> Layer {
    Layer { w: number(0.0), b: [number(0.0), number(0.0)], rate: 0.5 }
}

#[test]
fn leaves_are_rebuilt_in_declaration_order() {
    let Layer { w, b, rate } = Number::all(&layer());
    assert_eq!([value(&w), value(&b[0]), value(&b[1]), rate], [1.0, 2.0, 3.0, 0.5]);
}

#[test]
fn walk_and_visit_show_the_same_leaves_under_the_same_keys() {
    let mut number = Number::default();
    let _rebuilt = layer().walk(&mut number);
    assert_eq!(number.record.0, "w(.)b(0(.)1(.))");
    assert_eq!(Record::of(&layer()), "w(.)b(0(.)1(.))rate(=)", "and visit the static fields too");
}

#[derive(Tree)]
struct Pair(Tensor, #[tree(static)] &'static str);

#[test]
fn tuple_fields_are_known_by_their_position() {
    let pair = Pair(number(0.0), "mean");
    assert_eq!(Record::of(&pair), "0(.)1(=)");
    let Pair(x, word) = Number::all(&pair);
    assert_eq!((value(&x), word), (1.0, "mean"));
}

#[derive(Clone, Copy, Debug, PartialEq, Tree)]
struct Unit;

#[derive(Debug, Tree)]
enum Activation {
    Relu,
    Leaky { slope: Tensor },
    Affine(Tensor, Tensor),
}

#[test]
fn types_without_fields_are_trees_without_leaves() {
    assert_eq!(Record::of(&Unit), "");
    assert_eq!(Number::all(&Unit), Unit);
}

#[test]
fn a_variant_is_part_of_the_path() {
    assert_eq!(Record::of(&Activation::Relu), "::Relu()");
    assert_eq!(Record::of(&Activation::Leaky { slope: number(0.1) }), "::Leaky(slope(.))");
    let rebuilt = Number::all(&Activation::Affine(number(0.0), number(0.0)));
    let Activation::Affine(scale, shift) = rebuilt else { panic!("another variant: {rebuilt:?}") };
    assert_eq!([value(&scale), value(&shift)], [1.0, 2.0]);
}

/// Neither a tree nor comparable: only a marker.
#[derive(Debug)]
struct Gelu;

#[derive(Tree)]
struct Marked<A: 'static> {
    w: Tensor,
    #[tree(static)]
    activation: PhantomData<fn() -> A>,
}

#[derive(Tree)]
struct Residual<M, A: 'static, const N: usize>
where
    M: Clone,
{
    inner: Vec<M>,
    marked: [Marked<A>; N],
}

#[test]
fn type_parameters_are_bound_only_where_fields_need_it() {
    let marked = || Marked::<Gelu> { w: number(0.0), activation: PhantomData };
    let tree = Residual { inner: vec![layer()], marked: [marked(), marked()] };
    let shown = "inner(0(w(.)b(0(.)1(.))rate(=)))marked(0(w(.)activation(=))1(w(.)activation(=)))";
    assert_eq!(Record::of(&tree), shown);
    assert_eq!(value(&Number::all(&tree).marked[1].w), 5.0);
}

#[derive(Tree)]
struct List<T> {
    head: T,
    tail: Option<Box<List<T>>>,
}

#[test]
fn recursive_types_are_trees() {
    let list = List { head: number(0.0), tail: Some(Box::new(List { head: number(0.0), tail: None })) };
    let rebuilt = Number::all(&list);
    assert_eq!(value(&rebuilt.head), 1.0);
    assert_eq!(rebuilt.tail.map(|tail| value(&tail.head)), Some(2.0));
}

#[derive(Tree)]
struct Clashing {
    walker: Tensor,
    visitor: Tensor,
    field_0: Tensor,
    r#type: Tensor,
}

#[test]
fn field_names_cannot_clash_with_the_macro() {
    let zero = || number(0.0);
    let tree = Clashing { walker: zero(), visitor: zero(), field_0: zero(), r#type: zero() };
    assert_eq!(Record::of(&tree), "walker(.)visitor(.)field_0(.)type(.)");
    let rebuilt = Number::all(&tree);
    let values = [&rebuilt.walker, &rebuilt.visitor, &rebuilt.field_0, &rebuilt.r#type].map(value);
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0]);
}
