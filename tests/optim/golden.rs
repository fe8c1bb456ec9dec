//! What `golden/optim.py` wrote, and the functions that it optimized.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use retrograd::{Result, Tensor, tree};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Golden {
    /// The steps after which parameters are written down.
    pub(crate) seen: Vec<usize>,
    /// PyTorch's default settings, by optimizer and name.
    pub(crate) defaults: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
    quadratic: BTreeMap<String, Array>,
    bowl: BTreeMap<String, Array>,
    network: BTreeMap<String, Array>,
    pub(crate) runs: Vec<Run>,
    /// Which parameter of the network rests in a step of those that end with `thawed`; empty where none does.
    pub(crate) rests: Vec<String>,
    pub(crate) thawed: Vec<Thawed>,
    pub(crate) lbfgs: Vec<Search>,
    /// Steps of searches as far as they were `seen`.
    pub(crate) long_lbfgs: Vec<Search>,
    pub(crate) schedules: Vec<Values>,
    pub(crate) scheduled: Vec<f64>,
    pub(crate) clipped: Vec<Clipped>,
    pub(crate) clipped_by_value: Vec<ClippedByValue>,
    pub(crate) averaged: Vec<Averaged>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) problem: String,
    pub(crate) seen: Vec<Vec<f64>>,
    pub(crate) averages: Option<Vec<f64>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Thawed {
    pub(crate) name: String,
    pub(crate) params: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Search {
    pub(crate) name: String,
    pub(crate) problem: String,
    pub(crate) steps: Vec<SearchStep>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SearchStep {
    pub(crate) loss: f64,
    /// Iterations and evaluations so far.
    pub(crate) counts: [i64; 2],
    pub(crate) params: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Values {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Clipped {
    pub(crate) limit: f64,
    pub(crate) norm: f64,
    pub(crate) grads: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ClippedByValue {
    pub(crate) limit: f64,
    pub(crate) grads: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Averaged {
    pub(crate) decay: f64,
    pub(crate) average: Vec<f64>,
}

/// Numbers in nested lists.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Array {
    Number(f64),
    List(Vec<Array>),
}

impl Array {
    fn tensor(&self) -> Tensor {
        match self {
            Array::Number(x) => Tensor::from(*x),
            Array::List(parts) => Tensor::stack(&parts.iter().map(Array::tensor).collect::<Vec<_>>(), 0),
        }
    }
}

pub(crate) fn golden() -> &'static Golden {
    static GOLDEN: OnceLock<Golden> = OnceLock::new();
    GOLDEN.get_or_init(|| {
        serde_json::from_str(include_str!("../golden/optim.json")).expect("golden/optim.json")
    })
}

/// Weights and biases of a network of two layers, as a tree with names.
pub(crate) type Params = BTreeMap<String, Tensor>;

/// A function to minimise, with what it is given in each step.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) params: Params,
    pub(crate) loss: fn(&Params, &Params) -> Tensor,
    /// What changes from step to step.
    pub(crate) batches: Vec<Params>,
}

/// Tensors in the order of a list of names, as PyTorch has them.
pub(crate) fn flat(params: &Params, names: &[&str]) -> Vec<f64> {
    names.iter().flat_map(|name| params[*name].to_vec::<f64>().expect("a valid tensor")).collect()
}

impl Problem {
    pub(crate) fn named(name: &str) -> Problem {
        match name {
            "quadratic" => quadratic(&golden().quadratic),
            "bowl" => quadratic(&golden().bowl),
            "root" => root(),
            "network" => network(),
            "rosenbrock" => rosenbrock(),
            other => panic!("no problem `{other}`"),
        }
    }

    /// All parameters in PyTorch's order.
    pub(crate) fn flat(&self, params: &Params) -> Vec<f64> {
        let names = if params.len() == 1 { &["x"][..] } else { &["w1", "b1", "w2", "b2"][..] };
        flat(params, names)
    }
}

fn picked(from: &BTreeMap<String, Array>, names: &[&str]) -> Params {
    names.iter().map(|name| ((*name).to_owned(), from[*name].tensor())).collect()
}

fn quadratic(data: &BTreeMap<String, Array>) -> Problem {
    let loss = |p: &Params, c: &Params| {
        let x = &p["x"];
        x.dot(&c["a"].mv(x)) * 0.5 - c["b"].dot(x)
    };
    Problem { params: picked(data, &["x"]), loss, batches: vec![picked(data, &["a", "b"]); 20] }
}

fn network() -> Problem {
    let data = &golden().network;
    let loss = |p: &Params, batch: &Params| {
        let h = (batch["x"].matmul(&p["w1"]) + &p["b1"]).tanh();
        ((h.matmul(&p["w2"]) + &p["b2"]).tanh() - &batch["y"]).square().mean()
    };
    let all = picked(data, &["x", "y"]);
    let batches = (0..20).map(|i: isize| tree::map(&all, |x| x.at(i))).collect();
    Problem { params: picked(data, &["w1", "b1", "w2", "b2"]), loss, batches }
}

fn root() -> Problem {
    let loss = |p: &Params, _: &Params| (p["x"].square() + 1.0).sqrt().sum();
    let params = Params::from([("x".to_owned(), Tensor::from([10.0]))]);
    Problem { params, loss, batches: vec![Params::new(); 20] }
}

fn rosenbrock() -> Problem {
    let loss = |p: &Params, _: &Params| {
        let x = &p["x"];
        let (a, b) = (x.at(..-1), x.at(1..));
        ((&b - a.square()).square() * 100.0 + (1.0 - &a).square()).sum()
    };
    let params = Params::from([("x".to_owned(), Tensor::from([-1.2, 1.0, -0.7, 0.4]))]);
    Problem { params, loss, batches: vec![Params::new(); 20] }
}

/// Fails unless all numbers agree to `relative`, or to `absolute` where they are small.
#[track_caller]
pub(crate) fn assert_close(got: &[f64], want: &[f64], relative: f64, absolute: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let close = (got - want).abs() <= absolute.max(relative * want.abs());
        assert!(close, "{what}, element {i}: {got:e} instead of {want:e}");
    }
}

/// Fails unless two trees have the same bits.
#[track_caller]
pub(crate) fn assert_same_bits<T: retrograd::Tree>(got: &T, want: &T, what: &str) -> Result<()> {
    let (leaves, wanted) = (tree::leaves(got), tree::leaves(want));
    assert_eq!(tree::paths(got), tree::paths(want), "{what}");
    for ((got, want), path) in leaves.iter().zip(&wanted).zip(tree::paths(want)) {
        assert_eq!((got.shape(), got.dtype()), (want.shape(), want.dtype()), "{what}: {path}");
        let bits = |x: &Tensor| -> Result<Vec<u64>> {
            Ok(x.f64().to_vec::<f64>()?.into_iter().map(f64::to_bits).collect())
        };
        assert_eq!(bits(got)?, bits(want)?, "{what}: {path}: {got} instead of {want}");
    }
    Ok(())
}
