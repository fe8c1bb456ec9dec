//! What holds of every pass: the graph after it verifies and has the outputs that it had, bit for bit or within rounding,
//! and a second time it has nothing left to do. Held to random programs, their gradients, and the operations' samples.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{
    CSE, DCE, FOLD, ONE_HOT, POWERS, Pass, RECOMPUTE, SCATTER_INTO, SIMPLER, SIMPLIFY, SUMS, checked,
    in_turn, names, optimize,
};
use crate::exec::cpu::program::Program;
use crate::graph::{Graph, trace};
use crate::ops::samples::samples;
use crate::tensor::{DType, IntoShape, Number, Spec, Tensor};
use crate::{Result, grad_only, stop_gradient, vjp};

/// The graph before its steps are fused.
fn simplified(graph: Graph) -> Graph {
    in_turn(&SIMPLER, graph)
}

/// How outputs may differ after a pass.
#[derive(Clone, Copy, PartialEq)]
enum Keeps {
    Bits,
    Rounding,
}

const PASSES: [(Pass, Keeps); 8] = [
    (DCE, Keeps::Bits),
    (FOLD, Keeps::Bits),
    (CSE, Keeps::Bits),
    (SIMPLIFY, Keeps::Bits),
    (ONE_HOT, Keeps::Bits),
    (POWERS, Keeps::Rounding),
    (SUMS, Keeps::Rounding),
    (SCATTER_INTO, Keeps::Rounding),
];

/// Of f32 arithmetic that is rounded in another order, relative to the greatest magnitude.
const ROUNDING: f64 = 1e-5;

/// Elements as bits, every NaN the same one.
fn bits(x: &Tensor) -> Vec<u64> {
    let of = |number| match number {
        Number::Float(v) if v.is_nan() => f64::NAN.to_bits(),
        Number::Float(v) => v.to_bits(),
        Number::Int(v) => v as u64,
    };
    x.to_vec_of_numbers().into_iter().map(of).collect()
}

fn assert_equal(before: &[Tensor], after: &[Tensor], keeps: Keeps, told: impl Fn() -> String) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before.error().is_some(), after.error().is_some(), "{}", told());
        if before.error().is_some() {
            continue;
        }
        assert_eq!(before.spec(), after.spec(), "{}", told());
        if keeps == Keeps::Bits {
            assert_eq!(bits(before), bits(after), "{}", told());
            continue;
        }
        let numbers = |x: &Tensor| x.to_vec_of_numbers().into_iter().map(Number::as_f64).collect::<Vec<_>>();
        let (before, after) = (numbers(before), numbers(after));
        let scale = before.iter().filter(|v| v.is_finite()).fold(1.0f64, |m, v| m.max(v.abs()));
        for (a, b) in before.iter().zip(&after) {
            let close = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= ROUNDING * scale;
            assert!(close, "{a:e} and {b:e}\n{}", told());
        }
    }
}

/// Holds every pass, alone and after the others, to its laws on a graph.
fn hold(graph: &Graph, inputs: &[Tensor]) {
    hold_exact(graph, inputs);
    let after = graph.replay(inputs).expect("a run");
    for (pass, keeps) in &PASSES {
        hold_pass(pass, *keeps, graph, inputs);
    }
    let all = optimize(graph.clone(), crate::graph::Wanted::default());
    let told = || format!("{graph}\nbecame\n{all}");
    assert_equal(&after, &all.replay(inputs).expect("a run"), Keeps::Rounding, told);
}

/// The same of the passes that keep every bit. Of a random program nothing more can be said: a rounding may decide what is
/// greater, or be all that a difference leaves.
fn hold_exact(graph: &Graph, inputs: &[Tensor]) {
    for (pass, _) in PASSES.iter().filter(|(_, keeps)| *keeps == Keeps::Bits) {
        hold_pass(pass, Keeps::Bits, graph, inputs);
    }
    let order = [DCE, FOLD, CSE, SIMPLIFY, ONE_HOT, FOLD, CSE, DCE];
    order.iter().fold(graph.clone(), |graph, pass| hold_pass(pass, Keeps::Bits, &graph, inputs));
    optimize(graph.clone(), crate::graph::Wanted::default());
    hold_over_inputs(graph, inputs);
    // It may find more to do in what it has made.
    let small = checked(&RECOMPUTE, graph.clone());
    let run = |graph: &Graph| graph.replay(inputs).expect("a run");
    assert_equal(&run(graph), &run(&small), Keeps::Bits, || format!("{graph}\nbecame\n{small}"));
}

/// A program that may write its results over its inputs yields the same, and changes them only if nobody else sees them
/// and it does not fail.
fn hold_over_inputs(graph: &Graph, inputs: &[Tensor]) {
    if !graph.draws.is_empty() {
        return;
    }
    let expected = graph.replay(inputs).expect("a run");
    let program = Program::new(graph.clone(), graph.inputs.len());
    let alone = |x: &Tensor| Tensor::stack(std::slice::from_ref(x), 0).squeeze(0);
    let before: Vec<Tensor> = inputs.iter().map(alone).collect();
    let told = || format!("{}", program.plan());
    for seen in [true, false] {
        let given: Vec<Tensor> = inputs.iter().map(|x| if seen { x.clone() } else { alone(x) }).collect();
        let found = program.run(&given.iter().collect::<Vec<_>>(), &[]);
        if let Ok(found) = &found {
            assert_equal(&expected, found, Keeps::Bits, told);
        }
        if seen || found.is_err() {
            assert_equal(&before, &given, Keeps::Bits, told);
        }
    }
}

fn hold_pass(pass: &Pass, keeps: Keeps, graph: &Graph, inputs: &[Tensor]) -> Graph {
    let once = checked(pass, graph.clone());
    let told = || format!("{}:\n{graph}\nbecame\n{once}", pass.name);
    let run = |graph: &Graph| graph.replay(inputs).expect("a run");
    assert_equal(&run(graph), &run(&once), keeps, told);
    let twice = checked(pass, once.clone());
    assert!(once.same(&twice), "{} again:\n{once}\nbecame\n{twice}", pass.name);
    once
}

/// One operation of a random program: which, and on which of the values so far.
type Instruction = (u8, usize, usize);

const OPERATIONS: u8 = 46;

fn index(numbers: &[i64]) -> Tensor {
    Tensor::from_vec(numbers.to_vec(), [numbers.len()])
}

/// What an instruction makes of two values; the first where they do not fit.
fn applied(operation: u8, a: &Tensor, b: &Tensor) -> Tensor {
    let shape = a.shape();
    let b = if a.shape().broadcast(b.shape()).is_some() { b.clone() } else { b.sum() };
    let (last, rank) = (shape.rank().saturating_sub(1), shape.rank());
    match operation {
        0 => a + &b,
        1 => a - &b,
        2 => a * &b,
        3 => a / &b,
        4 => -a,
        5 => a.maximum(&b),
        6 => a.minimum(&b),
        7 => a.gt(&b).where_(a, &b),
        8 => a.eq(a).where_(&b, &b),
        9 => a.relu(),
        10 => a.abs(),
        11 => a.sign().floor(),
        12 => a.tanh(),
        13 => a + 0.0,
        14 => a + -0.0,
        15 => a - 0.0,
        16 => a - -0.0,
        17 => a * 1.0,
        18 => a * 0.0,
        19 => a * -1.0,
        20 => a / 1.0,
        21 => a / -4.0,
        22 => a * f64::NAN,
        23 => a + f64::INFINITY,
        24 => -0.0 - a,
        25 => a + -&b,
        26 => a - -&b,
        27 => -a * -&b,
        28 => -a / -&b,
        29 => a.f64().f32(),
        30 => a.f16().f64().f32(),
        31 => a.i32().i64().f32(),
        32 => a.sum(),
        33 => a.reshape([shape.numel()]),
        34 if rank > 0 => a.unsqueeze(0).amax_dim(0),
        35 if rank > 1 => a.t(),
        36 if rank > 0 => a.flip(-1),
        37 if rank > 0 && shape.dim(last) > 1 => a.narrow(-1, 1, shape.dim(last) - 1),
        38 if rank < 3 => a.unsqueeze(0).broadcast_shape(shape.with_axis(0, 2).expect("small")),
        39 if rank > 0 && shape.dim(last) > 0 => a.sum_dim(-1).unsqueeze(-1).broadcast_shape(shape),
        40 if rank > 0 && shape.dim(0) > 0 => a.index_select(0, &index(&[0, -1, 0])),
        41 if rank > 0 && shape.dim(0) > 1 => {
            let rows = a.narrow(0, 0, 2) * 0.5;
            a - a.zeros_like().index_add(0, &index(&[1, 0]), &rows) * 0.1
        }
        42 => a.eq(&b).logical_not().where_(a, 1.0),
        43 => stop_gradient(a) * 2.0,
        44 if rank > 0 => Tensor::cat(&[a.clone(), a.clone()], 0).narrow(0, 0, shape.dim(0)),
        45 if rank > 1 => a.permute((0..rank as isize).rev().collect::<Vec<_>>()).unsqueeze(0).squeeze(0),
        _ => a.clone(),
    }
}

/// The values that a program makes, the last few of them.
fn run(program: &[Instruction], x: &[Tensor]) -> Vec<Tensor> {
    let mut values = x.to_vec();
    for &(operation, a, b) in program {
        let y = applied(operation, &values[a % values.len()], &values[b % values.len()]);
        values.push(y);
    }
    values.split_off(values.len() - 3)
}

fn arguments() -> Vec<Tensor> {
    vec![
        Tensor::from([[1.5f32, -2.0, 0.0], [-0.0, 3.25, -0.75]]),
        Tensor::from([0.5f32, -0.0, 4.0]),
        Tensor::from([[f32::NAN], [f32::INFINITY]]),
        Tensor::from(-3.0f32),
    ]
}

fn traced(x: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Graph {
    let specs: Vec<Spec> = x.iter().map(|x| *x.spec()).collect();
    trace(&specs, f).expect("a trace")
}

/// The graph with its last argument captured instead.
fn with_captured(graph: &Graph, x: &[Tensor]) -> Graph {
    let mut graph = graph.clone();
    let id = graph.inputs.pop().expect("an argument");
    graph.captured.push((id, x[graph.inputs.len()].clone()));
    graph
}

fn program() -> impl Strategy<Value = Vec<Instruction>> {
    proptest::collection::vec((0..OPERATIONS, 0..32usize, 0..32usize), 3..24)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::with_cases(96)
    })]

    #[test]
    fn passes_keep_what_random_programs_compute(program in program()) {
        let x = arguments();
        let graph = traced(&x, |x| Ok(run(&program, x)));
        hold_exact(&graph, &x);
        // All arguments but one known: most of the program is constant.
        let constant = (1..x.len()).fold(graph, |graph, _| with_captured(&graph, &x));
        hold_exact(&constant, &x[..1]);
    }

    #[test]
    fn passes_keep_the_gradients_of_random_programs(program in program()) {
        let x = arguments();
        let loss = |x: &Tensor, rest: &Vec<Tensor>| {
            let all: Vec<Tensor> = std::iter::once(x.clone()).chain(rest.iter().cloned()).collect();
            run(&program, &all).iter().map(Tensor::sum).fold(Tensor::from(0.0f32), |sum, y| sum + y)
        };
        let slope = grad_only(loss);
        let graph = traced(&x, |x| Ok(vec![slope.call(&x[0], &x[1..].to_vec())?]));
        hold_exact(&graph, &x);
    }
}

#[test]
fn passes_keep_what_every_operation_computes() {
    for sample in samples().into_iter().filter(|sample| sample.symbolic) {
        let graph = traced(&sample.inputs, |x| Ok(vec![(sample.f)(x)]));
        if !graph.draws.is_empty() {
            // Each run draws anew.
            simplified(graph);
            continue;
        }
        hold(&graph, &sample.inputs);
        let y = (sample.f)(&sample.inputs);
        if y.error().is_some() || !y.spec().dtype.is_float() || !sample.inputs[0].spec().dtype.is_float() {
            continue;
        }
        let pulled = traced(&sample.inputs, |x| {
            let of_first = |first: &Tensor| {
                let all: Vec<Tensor> = std::iter::once(first.clone()).chain(x[1..].iter().cloned()).collect();
                (sample.f)(&all)
            };
            let (y, pull) = vjp(of_first).call(&x[0], ())?;
            Ok(vec![pull.call(&y)?])
        });
        hold(&pulled, &sample.inputs);
    }
}

#[test]
fn passes_keep_integers_to_the_ends_of_their_ranges() {
    let ends = [i64::MIN, i64::MAX, i64::from(i32::MIN), i64::from(i32::MAX), -1, 0, 1, 255, 128];
    for dtype in [DType::I64, DType::I32, DType::U8] {
        let column = Tensor::from_vec(ends.to_vec(), [ends.len(), 1]).to_dtype(dtype);
        let x = [column.broadcast_to([9, 9]), column.t().broadcast_to([9, 9])];
        let graph = traced(&x, |x| {
            let (a, b) = (&x[0], &x[1]);
            let differences = [a + -b, a - -b, -a + b, a + 0, a - 0, 0 - a, -(-a)];
            let products = [-a * -b, a * 1, a / 1, a / 2, (-a).abs(), a.abs().abs(), a.sign(), a.maximum(a)];
            let casts =
                [a.i64().i32(), a.i32().i64(), a.u8().i32(), a.i32().u8(), a.f64().i32(), a.f64().u8()];
            let few = [a.u8().f32().i32(), a.bool().f32().bool(), a.u8().bf16().u8(), a.i32().f64().f16()];
            Ok(differences.into_iter().chain(products).chain(casts).chain(few).collect())
        });
        hold(&graph, &x);
    }
}

/// Steps that are left of a function of one f32 tensor.
fn left(shape: &[usize], f: impl Fn(&Tensor) -> Tensor) -> Vec<&'static str> {
    let spec = Spec::new(shape.into_shape().expect("small"), DType::F32);
    let graph = simplified(trace(&[spec], |x| Ok(vec![f(&x[0])])).expect("a trace"));
    graph.steps.iter().map(|step| step.op.name()).collect()
}

#[test]
fn nothing_is_left_of_what_does_nothing() {
    let nothing: [&'static str; 0] = [];
    assert_eq!(left(&[2, 3], |x| x * 1.0 / 1.0 - 0.0 + -0.0), nothing);
    assert_eq!(left(&[2, 3], |x| -(-x)), nothing);
    assert_eq!(left(&[2, 3], |x| x.t().t().reshape([6]).reshape([2, 3])), nothing);
    assert_eq!(left(&[2, 3], |x| x.flip(0).flip(0).maximum(x)), nothing);
    assert_eq!(left(&[2, 3], |x| x.f64().f32()), nothing);
    assert_eq!(left(&[2, 3], |x| stop_gradient(x).pow(1.0)), nothing);
    assert_eq!(left(&[2, 3], |x| Tensor::ones([2, 3]).gt(0.0).where_(x, x.exp())), nothing);
    assert_eq!(left(&[2, 3], |x| x.gt(0.0).where_(x.reshape([6]).reshape([2, 3]), x)), nothing);
}

#[test]
fn what_is_exact_only_for_some_numbers_is_left() {
    assert_eq!(left(&[3], |x| x + 0.0), ["add"]);
    assert_eq!(left(&[3], |x| x * 0.0), ["mul"]);
    assert_eq!(left(&[3], |x| x - x), ["sub"]);
    assert_eq!(left(&[3], |x| x / 3.0), ["div"]);
    assert_eq!(left(&[3], |x| x.f16().f32()), ["cast", "cast"]);
}

#[test]
fn several_steps_become_one() {
    assert_eq!(left(&[2, 3], |x| x.exp() + -x), ["exp", "sub"]);
    assert_eq!(left(&[2, 3], |x| x.exp() - -x), ["exp", "add"]);
    assert_eq!(left(&[2, 3, 4], |x| x.permute([2, 0, 1]).permute([1, 0, 2])), ["permute"]);
    assert_eq!(left(&[3], |x| x.unsqueeze(0).broadcast_to([2, 3])), ["broadcast_to"]);
    assert_eq!(left(&[8], |x| x.narrow(0, 1, 6).flip(0).narrow(0, 2, 3)), ["slice"]);
    assert_eq!(left(&[3], |x| x.f16().f32().f64()), ["cast", "cast"]);
    assert_eq!(left(&[3], |x| x / 4.0), ["mul"]);
    assert_eq!(left(&[3], |x| x.pow(2.0)), ["mul"]);
    assert_eq!(left(&[1, 3], |x| x.amax_dim(0)), ["reshape"]);
}

#[test]
fn an_error_that_direct_mode_shows_is_not_simplified_away() {
    let far = Tensor::from([7i64]);
    assert_eq!(left(&[1], |x| Tensor::ones([1]).gt(0.0).where_(x, x.index_select(0, &far))).len(), 2);
    assert_eq!(left(&[1], |x| x.index_select(0, &far).gt(0.0).where_(x, x)).len(), 3);
}

#[test]
fn an_update_of_a_table_touches_the_rows_that_were_read() {
    let step = |table: &Tensor, rate: &Tensor| {
        let d = grad_only(|table: &Tensor| table.index_select(0, &index(&[3, 0, 3])).square().sum());
        let d = d.call(table, ()).expect("a gradient");
        [table - &d * 0.1, table + rate * d]
    };
    let x = [Tensor::from_vec((0..20).map(|i| i as f32).collect(), [10, 2]), Tensor::from(-0.5f32)];
    let graph = traced(&x, |x| Ok(step(&x[0], &x[1]).to_vec()));
    hold(&graph, &x);
    for k in 0..2 {
        let graph = simplified(traced(&x, |x| Ok(vec![step(&x[0], &x[1])[k].clone()])));
        let dense: Vec<&str> = graph
            .steps
            .iter()
            .filter(|step| graph.spec(step.outputs[0]) == x[0].spec())
            .map(|step| step.op.name())
            .collect();
        assert_eq!(dense, ["index_add"], "{graph}");
    }
}

#[test]
fn an_update_that_somebody_else_reads_stays() {
    let x = [Tensor::ones([10, 2])];
    let graph = simplified(traced(&x, |x| {
        let d = x[0].zeros_like().index_add(0, &index(&[1]), &x[0].narrow(0, 0, 1));
        Ok(vec![&x[0] - &d * 0.1, d])
    }));
    assert!(graph.steps.iter().any(|step| step.op.name() == "sub"), "{graph}");
}

#[test]
fn the_gradient_of_a_cross_entropy_needs_no_scatter() {
    let x = [Tensor::from([[1.0f32, -2.0, 0.5], [0.0, -0.0, 3.0]]), Tensor::from([2i64, -3])];
    let slope = grad_only(|x: &Tensor, classes: &Tensor| x.cross_entropy(classes));
    let alone = traced(&x, |x| Ok(vec![slope.call(&x[0], &x[1])?]));
    let both = traced(&x, |x| Ok(vec![slope.call(&x[0], &x[1])?, x[0].cross_entropy(&x[1])]));
    let scatters = |graph: &Graph| graph.steps.iter().filter(|step| step.op.name() == "scatter_add").count();
    hold(&both, &x);
    assert_eq!(scatters(&simplified(both)), 0);
    // Without the forward gather nothing else checks the index.
    assert_eq!(scatters(&simplified(alone)), 1);
}

#[test]
fn an_index_out_of_range_is_an_error_after_all_passes() {
    let x = [Tensor::from([[1.0f32, -2.0, 0.5]]), Tensor::from([3i64])];
    let d = crate::grad(|x: &Tensor, classes: &Tensor| x.cross_entropy(classes));
    let graph = traced(&x, |x| {
        let (slope, loss) = d.call(&x[0], &x[1])?;
        Ok(vec![slope, loss])
    });
    let y = simplified(graph).replay(&x).expect("a run");
    assert!(y.iter().any(|y| y.error().is_some()));
}

/// Gradients of a recurrent network, step by step over slices of its input.
fn recurrent(x: &[Tensor]) -> Result<Vec<Tensor>> {
    let loss = |p: &[Tensor; 3]| {
        let mut h = Tensor::zeros([2, 4]);
        let mut outputs = Vec::new();
        for t in 0..3 {
            let gates = p[2].narrow(1, t, 1).squeeze(1).matmul(&p[0]) + h.matmul(&p[1]);
            let [a, b] = gates.split([4, 4], 1);
            h = a.sigmoid() * b.tanh();
            outputs.push(h.clone());
        }
        Tensor::stack(&outputs, 1).square().sum()
    };
    let slopes = grad_only(loss).call(&[x[0].clone(), x[1].clone(), x[2].clone()], ())?;
    Ok(slopes.to_vec())
}

#[test]
fn gradients_over_slices_and_over_steps_are_gathered() {
    let numbers = |shape: &[usize]| crate::Rng::seed(3).randn(shape);
    let x = [numbers(&[5, 8]), numbers(&[4, 8]), numbers(&[2, 3, 5])];
    let graph = traced(&x, recurrent);
    hold(&graph, &x);
    let graph = simplified(graph);
    let count = |name: &str| graph.steps.iter().filter(|step| step.op.name() == name).count();
    // Forward three times two products less the first one, which is of zeros; back the cotangent of the input and both
    // weights' in one each, the state's for each step.
    assert_eq!(count("place"), 0, "{graph}");
    assert!(count("matmul") <= 6 + 3 + 2, "{graph}");
}

#[test]
fn parts_that_overlap_or_leave_gaps_are_added_right() {
    let x = [Tensor::from([1.0f32, -2.0, 0.5, 4.0, 3.0])];
    let part = |x: &Tensor, at: usize| x.narrow(0, at, 2).exp().sum();
    for ([a, b], places) in [([0, 1], 2), ([3, 0], 0)] {
        let slope = grad_only(move |x: &Tensor| part(x, a) + part(x, b));
        let graph = traced(&x, |x| Ok(vec![slope.call(&x[0], ())?]));
        hold(&graph, &x);
        assert_eq!(simplified(graph).steps.iter().filter(|step| step.op.name() == "place").count(), places);
    }
}

#[test]
fn the_passes_have_names() {
    assert_eq!(
        names(),
        ["dce", "fold", "cse", "sums", "powers", "simplify", "one_hot", "scatter_into", "recompute", "fuse"]
    );
    // That of the last is held in its own tests.
    assert!(SIMPLER.iter().all(|pass| PASSES.iter().any(|(held, _)| held.name == pass.name)));
}
