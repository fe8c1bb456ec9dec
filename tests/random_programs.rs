//! Random programs give in optimized mode what they give in direct mode: values, and gradients.
//!
//! `PROPTEST_CASES=5000` tries more of them, `PROPTEST_RNG_SEED=2` others.

#[path = "random_programs/operations.rs"]
mod operations;
#[path = "random_programs/values.rs"]
mod values;

use std::env;

use operations::OPERATIONS;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use retrograd::{DType, Fallback, Rng, Tensor, grad, jit, tree};
use values::{LARGEST, MOST_AXES, Picks, Value};

type Leaves = Vec<Tensor>;

/// An argument: its dtype, shape, and the layout that it has in the first call.
#[derive(Clone, Debug)]
struct Leaf {
    dtype: DType,
    shape: Vec<usize>,
    layout: usize,
}

impl Leaf {
    /// Numbers in this shape for a call, laid out in another way in each.
    fn numbers(&self, seed: u64, call: usize) -> Tensor {
        let mut rng = Rng::seed(1000 * call as u64 + seed);
        let dtype = self.dtype;
        let mut number = |shape: &[usize]| match dtype {
            DType::Bool => rng.randn(shape).gt(0.0),
            _ if dtype.is_float() => (rng.randn(shape).f64().tanh() * 2).to_dtype(dtype),
            _ => (rng.randn(shape) * 4).to_dtype(dtype),
        };
        let shape = &self.shape[..];
        let Some((&last, lead)) = shape.split_last() else { return number(shape) };
        let with_last = |n: usize| [lead, &[n]].concat();
        match (self.layout + call) % 7 {
            0 | 1 => number(shape),
            2 => {
                let turned: Vec<usize> = shape.iter().rev().copied().collect();
                number(&turned).permute((0..shape.len() as isize).rev().collect::<Vec<_>>())
            }
            3 => number(&with_last(last + 3)).narrow(-1, 2, last),
            4 => number(&[last]).broadcast_to(shape),
            5 => number(&with_last(1)).broadcast_to(shape),
            _ => Tensor::full(shape, 0.5).to_dtype(dtype),
        }
    }
}

/// An operation and the numbers that it picks its operands by.
type Step = (usize, [usize; 4]);

#[derive(Clone, Debug)]
struct Program {
    /// Floating-point ones come first.
    leaves: Vec<Leaf>,
    steps: Vec<Step>,
    half: bool,
}

impl Program {
    /// All values that it makes of these leaves.
    fn values(&self, leaves: &[Tensor]) -> Vec<Value> {
        let of_leaf = |x: &Tensor| Value { x: x.clone(), exact: true, bound: 2.0 };
        let mut values: Vec<Value> = leaves.iter().map(of_leaf).collect();
        for &(operation, numbers) in &self.steps {
            let (name, apply) = OPERATIONS[operation];
            let Some(mut value) = apply(&Picks { values: &values, numbers, half: self.half }) else {
                continue;
            };
            if let Some(error) = value.x.error() {
                panic!("{name}: {error}");
            }
            if value.x.numel() > LARGEST || value.x.rank() > MOST_AXES {
                continue;
            }
            // Numbers stay near one, so that roundings stay small.
            if value.is_float() && value.bound > 50.0 {
                value = value.after(&value.x * value.bound.recip(), 1.0);
            }
            values.push(value);
        }
        values
    }

    /// What it returns: its last values.
    fn outputs(&self, leaves: &[Tensor]) -> Vec<Value> {
        let mut values = self.values(leaves);
        values.split_off(values.len().saturating_sub(5))
    }

    /// A number that depends on all elements of the last values.
    fn loss(&self, leaves: &[Tensor]) -> Tensor {
        let weighted = |value: &Value| {
            let x = value.x.f64();
            let weights = (Tensor::arange(x.numel() as i64).f64() + 0.3).cos().reshape(x.shape());
            (x * weights).sum()
        };
        let parts = self.values(leaves);
        let parts = parts.iter().rev().filter(|value| value.is_float()).take(4).map(weighted);
        parts.reduce(|a, b| a + b).expect("the first leaf is a float")
    }

    /// The arguments of a call: what is differentiated, and the others.
    fn arguments(&self, call: usize) -> (Leaves, Leaves) {
        let laid = self.leaves.iter().enumerate().map(|(i, leaf)| leaf.numbers(i as u64, call));
        laid.partition(|x| x.dtype().is_float())
    }

    /// How far apart roundings may have brought two results, relative to the greatest number about: a million units in
    /// the last place of the coarsest dtype in use, since differences of near numbers come one after the other.
    fn tolerance(&self, values: &[Value]) -> f64 {
        let coarse = values.iter().any(|value| value.x.dtype() == DType::F32);
        if coarse { 1e-3 } else { 1e-10 }
    }
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f64>().expect("a valid tensor")
}

fn greatest<'a>(x: impl IntoIterator<Item = &'a Tensor>) -> f64 {
    x.into_iter().flat_map(numbers).filter(|x| x.is_finite()).fold(1.0, |most, x| most.max(x.abs()))
}

/// Why `got` is not what it should be, with deviations up to `allowed`; with 0, it must have the same bits.
fn difference(got: &Tensor, expected: &Tensor, allowed: f64) -> Option<String> {
    if (got.dtype(), got.shape()) != (expected.dtype(), expected.shape()) {
        return Some(format!("{got:?} instead of {expected:?}"));
    }
    let (a, b) = (numbers(got), numbers(expected));
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    let off = |(&a, &b): (&f64, &f64)| !(same(a, b) || allowed > 0.0 && (a == b || (a - b).abs() <= allowed));
    let at = a.iter().zip(&b).position(off)?;
    Some(format!("element {at}: {:e} instead of {:e}, allowed {allowed:e}", a[at], b[at]))
}

fn shapes() -> impl Strategy<Value = Vec<usize>> {
    let shapes: &[&[usize]] = &[
        &[],
        &[1],
        &[5],
        &[17],
        &[0],
        &[3, 4],
        &[4, 4],
        &[1, 9],
        &[9, 1],
        &[2, 16],
        &[3, 33],
        &[40, 6],
        &[3, 300],
        &[2, 1500],
        &[0, 3],
        &[3, 0],
        &[2, 3, 4],
        &[2, 3, 1],
        &[2, 2, 5, 3],
    ];
    prop::sample::select(shapes).prop_map(<[usize]>::to_vec)
}

/// Leaves of one shape, or of shapes that broadcast to it.
fn leaves() -> impl Strategy<Value = Vec<Leaf>> {
    let floats = prop::sample::select(vec![DType::F64, DType::F64, DType::F32]);
    let any = prop::sample::select(vec![DType::F64, DType::F32, DType::I64, DType::I32, DType::Bool]);
    let one = (any, 0usize..4, 0usize..7);
    (floats, shapes(), 0usize..7, prop::collection::vec(one, 0..5)).prop_map(
        |(dtype, shape, layout, others)| {
            let beside = |(dtype, kind, layout): (DType, usize, usize)| {
                let shape = match (kind, shape.split_first()) {
                    (1, Some((_, rest))) => rest.to_vec(),
                    (2, Some((_, rest))) => [&[1], rest].concat(),
                    (3, Some((_, rest))) => [rest, &[1]].concat(),
                    _ => shape.clone(),
                };
                Leaf { dtype, shape, layout }
            };
            let mut leaves: Vec<Leaf> = others.into_iter().map(beside).collect();
            leaves.insert(0, Leaf { dtype, shape: shape.clone(), layout });
            leaves.sort_by_key(|leaf| !leaf.dtype.is_float());
            leaves
        },
    )
}

fn programs(half: bool) -> impl Strategy<Value = Program> {
    let number = 0usize..1000;
    let step = (0..OPERATIONS.len(), prop::array::uniform4(number));
    (leaves(), prop::collection::vec(step, 3..24)).prop_map(move |(leaves, steps)| Program {
        leaves,
        steps,
        half,
    })
}

fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn compiled_random_programs_give_what_direct_ones_give(program in programs(true)) {
        let all = |p: &Leaves, x: &Leaves| [&p[..], x].concat();
        let compiled = jit(|p: &Leaves, x: &Leaves| {
            program.outputs(&all(p, x)).into_iter().map(|value| value.x).collect::<Leaves>()
        });
        let compiled = compiled.fallback(Fallback::Error);
        for call in 0..3 {
            let (p, x) = program.arguments(call);
            let values = program.values(&all(&p, &x));
            let expected = program.outputs(&all(&p, &x));
            let got = compiled.call(&p, &x).expect("it works directly");
            let scale = greatest(values.iter().filter(|value| value.is_float()).map(|value| &value.x));
            for (got, expected) in got.iter().zip(&expected) {
                let allowed = if expected.exact { 0.0 } else { program.tolerance(&values) * scale };
                let differs = difference(got, &expected.x, allowed);
                prop_assert!(differs.is_none(), "call {call}: {differs:?}\n{}", compiled.show_code(&p, &x).expect("it is compiled"));
            }
        }
        let stats = compiled.stats();
        prop_assert_eq!((stats.misses, stats.hits, stats.direct), (1, 2, 0));
    }

    #[test]
    fn optimized_gradients_of_random_programs_are_those_of_direct_mode(program in programs(false)) {
        let loss = |p: &Leaves, x: &Leaves| program.loss(&[&p[..], x].concat());
        let (direct, optimized) = (grad(loss), grad(loss).optimize(true).fallback(Fallback::Error));
        for call in 0..3 {
            let (p, x) = program.arguments(call);
            let (dp, value) = direct.call(&p, &x).expect("there is a gradient");
            let (got, got_value) = optimized.call(&p, &x).expect("it works directly");
            let values = program.values(&[&p[..], &x[..]].concat());
            let scale = greatest(values.iter().filter(|value| value.is_float()).map(|value| &value.x).chain(&dp).chain([&value]));
            let allowed = program.tolerance(&values) * scale;
            for (got, expected) in tree::leaves(&got).iter().chain([&got_value]).zip(dp.iter().chain([&value])) {
                let differs = difference(got, expected, allowed);
                prop_assert!(differs.is_none(), "call {call}: {differs:?}\n{}", optimized.show_code(&p, &x).expect("it is compiled"));
            }
        }
        let stats = optimized.stats();
        prop_assert_eq!((stats.misses, stats.hits, stats.direct), (1, 2, 0));
    }
}

#[test]
fn every_operation_comes_up() {
    let mut runner = TestRunner::new(config(1));
    let mut met = vec![false; OPERATIONS.len()];
    for _ in 0..1000 {
        let program = programs(true).new_tree(&mut runner).expect("a program").current();
        let (p, x) = program.arguments(0);
        let leaves = [p, x].concat();
        let made = |steps: usize| {
            let start = Program { steps: program.steps[..steps].to_vec(), ..program.clone() };
            start.values(&leaves).len()
        };
        for (at, (operation, _)) in
            program.steps.iter().enumerate().filter(|(_, (i, _))| !met[*i]).collect::<Vec<_>>()
        {
            met[*operation] = made(at + 1) > made(at);
        }
    }
    let missing: Vec<&str> =
        OPERATIONS.iter().zip(&met).filter(|(_, met)| !**met).map(|((name, _), _)| *name).collect();
    assert!(missing.is_empty(), "never applied: {missing:?}");
}
