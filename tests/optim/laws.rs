//! What holds for every optimizer, whatever the tree.

use proptest::prelude::*;
use retrograd::optim::{Adam, Optimizer, Sgd, State};
use retrograd::tree::{self, Value};
use retrograd::{DType, Result, Tensor, Tree, grad};

use super::golden::{Params, Problem, assert_same_bits};
use super::named::{Visit, visit_all};

/// Does something with every optimizer that may fail.
struct Each<F>(F);

/// A closure over all types of optimizers, spelt out.
trait Try {
    fn check<O: Optimizer>(&self, name: &str, optimizer: &O) -> Result<()>;
}

impl<F: Try> Visit for Each<F> {
    fn visit(&mut self, name: &str, optimizer: &impl Optimizer) {
        if let Err(error) = self.0.check(name, optimizer) {
            panic!("{name}: {error}");
        }
    }
}

/// A tensor of its own memory, as if it had been written to a file and read again.
fn reread(x: &Tensor) -> Tensor {
    let shape = x.shape();
    match x.dtype() {
        DType::I64 => Tensor::from_vec(x.to_vec::<i64>().expect("values"), shape),
        DType::F32 => Tensor::from_vec(x.to_vec::<f32>().expect("values"), shape),
        dtype => Tensor::from_vec(x.f64().to_vec::<f64>().expect("values"), shape).to_dtype(dtype),
    }
}

#[test]
fn a_state_from_the_middle_leads_to_the_same_bits() {
    struct Resume;
    impl Try for Resume {
        fn check<O: Optimizer>(&self, name: &str, optimizer: &O) -> Result<()> {
            let problem = Problem::named("network");
            let gradient = grad(problem.loss);
            let steps = |mut at: (Params, State<Params>), batches: &[Params]| -> Result<_> {
                for batch in batches {
                    let (g, _) = gradient.call(&at.0, batch)?;
                    at = optimizer.step(&at.0, &g, &at.1)?;
                }
                Ok(at)
            };
            let begin = || -> Result<_> { Ok((problem.params.clone(), optimizer.init(&problem.params)?)) };
            let whole = steps(begin()?, &problem.batches[..8])?;
            let middle = tree::map(&steps(begin()?, &problem.batches[..4])?, reread);
            assert_same_bits(&steps(middle, &problem.batches[4..8])?, &whole, name)
        }
    }
    visit_all(&mut Each(Resume));
}

/// A tree with leaves of every dtype.
#[derive(Clone, Debug, Tree)]
pub(crate) struct Mixed {
    pub(crate) single: Tensor,
    double: Tensor,
    half: Tensor,
    brain: Tensor,
    count: Tensor,
    mask: Tensor,
    #[tree(static)]
    name: &'static str,
}

pub(crate) fn mixed() -> Mixed {
    let x = Tensor::from([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]);
    Mixed {
        single: x.f32(),
        double: x.clone(),
        half: x.f16(),
        brain: x.bf16(),
        count: Tensor::from([3i64, 4]),
        mask: Tensor::from([true, false]),
        name: "mixed",
    }
}

#[test]
fn every_leaf_keeps_its_dtype_and_what_is_no_float_stays() {
    struct Keep;
    impl Try for Keep {
        fn check<O: Optimizer>(&self, name: &str, optimizer: &O) -> Result<()> {
            let (start, mut at) = (mixed(), (mixed(), optimizer.init(&mixed())?));
            for _ in 0..5 {
                let grads = tree::map(&at.0, |x| if x.dtype().is_float() { x * 0.5 } else { x.clone() });
                at = optimizer.step(&at.0, &grads, &at.1)?;
            }
            for ((old, new), path) in
                tree::leaves(&start).iter().zip(tree::leaves(&at.0)).zip(tree::paths(&start))
            {
                assert_eq!((old.shape(), old.dtype()), (new.shape(), new.dtype()), "{name}: {path}");
                let same = old.f64().allclose(&new.f64(), 0.0, 0.0)?;
                // Sixteen bits may be too few to show a small change.
                let moves = [DType::F32, DType::F64].contains(&old.dtype());
                assert!(same || old.dtype().is_float(), "{name}: {path}: {new}");
                assert!(!same || !moves, "{name}: {path}: {new}");
            }
            // Each leaf is moved as if it were alone; half precision is that of f32, rounded.
            for (leaf, relative) in [(&at.0.single, 1e-5), (&at.0.half, 2e-3), (&at.0.brain, 2e-2)] {
                assert!(leaf.f64().allclose(&at.0.double, relative, relative)?, "{name}: {leaf}");
            }
            assert_eq!(at.0.name, "mixed");
            Ok(())
        }
    }
    visit_all(&mut Each(Keep));
}

#[test]
fn a_leaf_that_thaws_goes_on_as_if_the_steps_between_had_not_been() {
    type Pair = (Tensor, Tensor);
    struct Thaw;
    impl Try for Thaw {
        fn check<O: Optimizer>(&self, name: &str, optimizer: &O) -> Result<()> {
            if name == "sgd_decayed" {
                return Ok(()); // Its rate falls with the count of all steps.
            }
            let frozen = optimizer.clone().freeze("[0]");
            // Steps in some of which the first leaf rests.
            let steps = |begin: &Pair, moves: &[bool]| -> Result<(Pair, State<Pair>)> {
                let state = if moves[0] { optimizer.init(begin)? } else { frozen.init(begin)? };
                let mut at = (begin.clone(), state);
                for moves in moves {
                    let grads = tree::map(&at.0, |x| x * 0.5);
                    at = match moves {
                        true => optimizer.step(&at.0, &grads, &at.1)?,
                        false => frozen.step(&at.0, &grads, &at.1)?,
                    };
                }
                Ok(at)
            };
            for dtype in [DType::F32, DType::F64, DType::BF16] {
                let x = Tensor::from([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]).to_dtype(dtype);
                let begin = (x.clone(), x);
                let (four, seven) = (steps(&begin, &[true; 4])?, steps(&begin, &[true; 7])?);
                for moves in ["---++++", "++---++", "-++-+-+"] {
                    let what = format!("{name} in {dtype}, {moves}");
                    let moves: Vec<bool> = moves.chars().map(|c| c == '+').collect();
                    let got = steps(&begin, &moves)?;
                    assert_same_bits(&got.0.0, &four.0.0, &what)?;
                    assert_same_bits(&got.0.1, &seven.0.1, &format!("{what}: the leaf beside it"))?;
                    for (slot, held) in &got.1.slots {
                        assert_same_bits(&held.0, &four.1.slots[slot].0, &format!("{what}: {slot}"))?;
                    }
                    let counts = got.1.leaf_steps.expect("counts of a leaf that was frozen");
                    assert_eq!((counts.0.item::<i64>()?, counts.1.dtype()), (4, DType::Bool), "{what}");
                }
                assert!(seven.1.leaf_steps.is_none(), "{name}");
            }
            Ok(())
        }
    }
    visit_all(&mut Each(Thaw));
}

#[test]
fn sixteen_bits_keep_their_state_in_thirty_two() -> Result<()> {
    // The square of this gradient is zero in f16, which would divide by eps.
    let (x, g) = (Tensor::from([1.0]).f16(), Tensor::from([1e-4]).f16());
    let adam = Adam::new(0.25);
    let (stepped, state) = adam.step(&x, &g, &adam.init(&x)?)?;
    assert_eq!(stepped.f64().to_vec::<f64>()?, [0.75]);
    assert!(state.slots.values().all(|slot| slot.dtype() == DType::F32));
    Ok(())
}

/// Trees of any structure.
fn trees() -> impl Strategy<Value = Value> {
    let leaf = (proptest::collection::vec(0..4usize, 0..3), 0..3usize).prop_map(|(shape, dtype)| {
        Value::Tensor(Tensor::ones(shape).to_dtype([DType::F32, DType::F64, DType::I64][dtype]))
    });
    let leaf = prop_oneof![4 => leaf, 1 => any::<i32>().prop_map(|n| Value::Number(f64::from(n)))];
    leaf.prop_recursive(3, 12, 4, |part| {
        prop_oneof![
            proptest::collection::vec(part.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map("[a-c]{1,2}", part, 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, rng_seed: proptest::test_runner::RngSeed::Fixed(5), ..ProptestConfig::default() })]

    #[test]
    fn a_state_is_built_like_the_parameters(params in trees()) {
        struct Built(Value);
        impl Try for Built {
            fn check<O: Optimizer>(&self, name: &str, optimizer: &O) -> Result<()> {
                let params = &self.0;
                let grads = tree::map(params, Tensor::ones_like);
                let first = optimizer.init(params)?;
                let (stepped, second) = optimizer.step(params, &grads, &first)?;
                assert_eq!(tree::paths(&stepped), tree::paths(params), "{name}");
                for state in [&first, &second] {
                    for (slot, held) in &state.slots {
                        assert_eq!(tree::paths(held), tree::paths(params), "{name}: {slot}");
                        for (x, s) in tree::leaves(params).iter().zip(tree::leaves(held)) {
                            assert!(s.shape() == x.shape() || s.rank() == 0, "{name}: {slot}");
                        }
                    }
                }
                let specs = |x: &State<Value>| tree::leaves(x).iter().map(|x| (x.shape(), x.dtype())).collect::<Vec<_>>();
                assert_eq!(specs(&first), specs(&second), "{name}");
                Ok(())
            }
        }
        visit_all(&mut Each(Built(params)));
    }
}

#[test]
fn a_step_can_be_differentiated() -> Result<()> {
    // d/dlr of the loss after one step of gradient descent: -g(x) g(x - lr g(x)); with loss x^2, -2x 2(1 - 2 lr) x.
    let after = |lr: &Tensor| -> Result<Tensor> {
        let x = Tensor::from(3.0);
        let (g, _) = grad(|x: &Tensor| x.square()).call(&x, ())?;
        let sgd = Sgd::new(lr);
        Ok(sgd.step(&x, &g, &sgd.init(&x)?)?.0.square())
    };
    let (slope, _) = grad(after).call(&Tensor::from(0.1), ())?;
    assert!((slope.item::<f64>()? + 2.0 * 3.0 * 2.0 * 0.8 * 3.0).abs() < 1e-12, "{slope}");
    Ok(())
}
