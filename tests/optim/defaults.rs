//! Default settings are PyTorch's.

use std::collections::BTreeMap;

use retrograd::Result;
use retrograd::optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Asgd, Lbfgs, NAdam, RAdam, RmsProp, Rprop, Schedule, Sgd,
};

use super::golden::golden;

type Settings = BTreeMap<String, Vec<f64>>;

/// The rate, which is the same in all steps.
fn rate(lr: &Schedule) -> Vec<f64> {
    vec![lr.value(0).expect("a rate")]
}

fn number(x: f64) -> Vec<f64> {
    vec![x]
}

fn pair((a, b): (f64, f64)) -> Vec<f64> {
    vec![a, b]
}

fn flag(x: bool) -> Vec<f64> {
    vec![f64::from(u8::from(x))]
}

fn count(x: usize) -> Vec<f64> {
    vec![x as f64]
}

/// Names and values of some fields, each made a list of numbers by what stands after the colon.
macro_rules! fields {
    ($of:expr; $($name:ident: $as:ident),*) => {{
        let of = $of;
        Settings::from([("lr".to_owned(), rate(&of.lr)), $((stringify!($name).to_owned(), $as(of.$name))),*])
    }};
}

fn own() -> [(&'static str, Settings); 12] {
    [
        (
            "SGD",
            fields!(Sgd::default(); momentum: number, dampening: number, weight_decay: number, nesterov: flag,
                maximize: flag),
        ),
        (
            "Adam",
            fields!(Adam::default(); betas: pair, eps: number, weight_decay: number, amsgrad: flag, maximize: flag),
        ),
        (
            "AdamW",
            fields!(AdamW::default(); betas: pair, eps: number, weight_decay: number, amsgrad: flag, maximize: flag),
        ),
        (
            "Adamax",
            fields!(Adamax::default(); betas: pair, eps: number, weight_decay: number, maximize: flag),
        ),
        (
            "NAdam",
            fields!(NAdam::default(); betas: pair, eps: number, weight_decay: number, momentum_decay: number,
                decoupled_weight_decay: flag, maximize: flag),
        ),
        (
            "RAdam",
            fields!(RAdam::default(); betas: pair, eps: number, weight_decay: number, decoupled_weight_decay: flag,
                maximize: flag),
        ),
        (
            "Adagrad",
            fields!(Adagrad::default(); lr_decay: number, weight_decay: number, initial_accumulator_value: number,
                eps: number, maximize: flag),
        ),
        (
            "Adadelta",
            fields!(Adadelta::default(); rho: number, eps: number, weight_decay: number, maximize: flag),
        ),
        (
            "RMSprop",
            fields!(RmsProp::default(); alpha: number, eps: number, weight_decay: number, momentum: number,
                centered: flag, maximize: flag),
        ),
        ("Rprop", fields!(Rprop::default(); etas: pair, step_sizes: pair, maximize: flag)),
        (
            "ASGD",
            fields!(Asgd::default(); lambd: number, alpha: number, t0: number, weight_decay: number, maximize: flag),
        ),
        (
            "LBFGS",
            fields!(Lbfgs::default(); max_iter: count, tolerance_grad: number, tolerance_change: number,
                history_size: count, maximize: flag),
        ),
    ]
}

#[test]
fn settings_have_the_names_and_defaults_of_pytorch() -> Result<()> {
    for (name, settings) in own() {
        let mut pytorchs = golden().defaults[name].clone();
        // Adam's other form is a type of its own here.
        pytorchs.retain(|setting, _| name != "Adam" || setting != "decoupled_weight_decay");
        assert_eq!(settings, pytorchs, "{name}");
    }
    assert_eq!(golden().defaults.len(), own().len());
    Ok(())
}
