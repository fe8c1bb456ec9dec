//! Losses agree with PyTorch in f64: values, pull-backs and second derivatives (`golden/loss.py`).

use std::collections::BTreeSet;

use retrograd::{Result, Tensor, grad_only, loss, vjp};
use serde::Deserialize;

use crate::read::{Stored, Tolerance, Values, compare};

#[derive(Debug, Default, Deserialize)]
struct Attrs {
    #[serde(default)]
    epsilon: f64,
    #[serde(default)]
    delta: f64,
    #[serde(default)]
    margin: f64,
}

/// A call, as in `golden/cases`.
#[derive(Debug, Deserialize)]
struct Case {
    #[serde(rename = "fn")]
    function: String,
    case: String,
    inputs: Vec<Stored>,
    #[serde(default)]
    attrs: Attrs,
    outputs: Vec<Stored>,
    w: Vec<Values>,
    vjp: Vec<Option<Values>>,
    u: Vec<Option<Values>>,
    second: Vec<Option<Values>>,
}

#[derive(Debug, Deserialize)]
struct File {
    cases: Vec<Case>,
}

type Call = fn(&Tensor, &Tensor, &Attrs) -> Vec<Tensor>;

fn both((loss, prediction): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![loss, prediction]
}

const CALLS: &[(&str, Call)] = &[
    ("cross_entropy", |x, y, _| both(loss::cross_entropy(x, y))),
    ("binary_entropy", |x, y, _| both(loss::binary_entropy(x, y))),
    ("least_squares", |x, y, _| both(loss::least_squares(x, y))),
    ("huber", |x, y, a| both(loss::huber(x, y, a.delta))),
    ("margin", |x, y, a| both(loss::margin(x, y, a.margin))),
    ("log_multinomial", |x, y, _| vec![loss::log_multinomial(x, y)]),
    ("log_bce", |x, y, a| vec![loss::log_bce(x, y, a.epsilon)]),
    ("each_cross_entropy", |x, y, _| vec![loss::each::cross_entropy(x, y)]),
    ("each_binary_entropy", |x, y, _| vec![loss::each::binary_entropy(x, y)]),
    ("each_least_squares", |x, y, _| vec![loss::each::least_squares(x, y)]),
    ("each_huber", |x, y, a| vec![loss::each::huber(x, y, a.delta)]),
    ("each_margin", |x, y, a| vec![loss::each::margin(x, y, a.margin)]),
    ("each_log_multinomial", |x, y, _| vec![loss::each::log_multinomial(x, y)]),
    ("each_log_bce", |x, y, a| vec![loss::each::log_bce(x, y, a.epsilon)]),
];

impl Case {
    fn call(&self) -> Call {
        let found = CALLS.iter().find(|(name, _)| *name == self.function);
        found.unwrap_or_else(|| panic!("no row calls `{}`", self.function)).1
    }

    /// The inputs that have derivatives, and the loss as a function of them.
    fn function(&self) -> (Vec<Tensor>, impl Fn(&Vec<Tensor>) -> Vec<Tensor>) {
        let inputs: Vec<Tensor> = self.inputs.iter().map(Stored::tensor).collect();
        let varied: Vec<bool> = self.vjp.iter().map(Option::is_some).collect();
        let chosen = inputs.iter().zip(&varied).filter(|(_, varied)| **varied).map(|(x, _)| x.clone());
        let floats = chosen.collect();
        let f = move |floats: &Vec<Tensor>| {
            let mut floats = floats.iter();
            let take = |(x, varied): (&Tensor, &bool)| match varied {
                true => floats.next().expect("as many as vary").clone(),
                false => x.clone(),
            };
            let inputs: Vec<Tensor> = inputs.iter().zip(&varied).map(take).collect();
            self.call()(&inputs[0], &inputs[1], &self.attrs)
        };
        (floats, f)
    }

    fn agree(&self, what: &str, got: &[Tensor], like: &[Stored], want: &[Option<&Values>]) {
        let want: Vec<_> = like.iter().zip(want).filter_map(|(x, w)| Some((x, (*w)?))).collect();
        assert_eq!(got.len(), want.len(), "{}, {}: {what}", self.function, self.case);
        for (i, (got, (like, want))) in got.iter().zip(want).enumerate() {
            compare(got, like, want, Tolerance::of(like.dtype))
                .unwrap_or_else(|e| panic!("{}, {}: {what} {i} {e}", self.function, self.case));
        }
    }

    fn check(&self) -> Result<()> {
        let (floats, f) = self.function();
        let outputs: Vec<_> = self.outputs.iter().map(|y| Some(&y.data)).collect();
        self.agree("value", &f(&floats), &self.outputs, &outputs);
        let w: Vec<Tensor> = self.outputs.iter().zip(&self.w).map(|(y, w)| y.with(w)).collect();
        let dx = vjp(&f).call(&floats, ())?.1.call(&w)?;
        let wanted: Vec<_> = self.vjp.iter().map(Option::as_ref).collect();
        self.agree("pull-back", &dx, &self.inputs, &wanted);
        let along = self.inputs.iter().zip(&self.u).filter_map(|(x, u)| Some(x.with(u.as_ref()?)));
        let along: Vec<Tensor> = along.collect();
        let contracted = |x: &Vec<Tensor>| -> Result<Tensor> {
            let dx = vjp(&f).call(x, ())?.1.call(&w)?;
            Ok(dx.iter().zip(&along).fold(Tensor::from(0.0f64), |total, (dx, u)| total + (dx * u).sum()))
        };
        let second = grad_only(&contracted).call(&floats, ())?;
        let wanted: Vec<_> = self.second.iter().map(Option::as_ref).collect();
        self.agree("second derivative", &second, &self.inputs, &wanted);
        Ok(())
    }
}

#[test]
fn losses_are_those_of_pytorch() -> Result<()> {
    let file: File = serde_json::from_str(include_str!("../golden/loss.json")).expect("a file of cases");
    let named: BTreeSet<&str> = file.cases.iter().map(|case| &*case.function).collect();
    assert_eq!(named, CALLS.iter().map(|(name, _)| *name).collect(), "each function has a case");
    file.cases.iter().try_for_each(Case::check)
}
