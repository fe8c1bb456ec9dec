//! The rows of `tests/golden/layers/*.json`, and how a layer is held to one.

use std::collections::BTreeMap;
use std::fs;

use retrograd::nn::{Ctx, Module};
use retrograd::{Rng, Tensor, tree};
use serde::Deserialize;
use serde_json::Value;

use crate::read::{Stored, Tolerance, Values, compare};

#[derive(Debug, Deserialize)]
struct File {
    rows: Vec<Row>,
}

/// A call of one of PyTorch's modules; `tests/golden/layers.py` says what the fields are.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) layer: String,
    pub(crate) case: String,
    pub(crate) config: serde_json::Map<String, Value>,
    #[serde(default)]
    train: Option<bool>,
    #[serde(default)]
    params: BTreeMap<String, Stored>,
    pub(crate) inputs: Vec<Stored>,
    outputs: Vec<Stored>,
    #[serde(default)]
    w: Vec<Option<Values>>,
    #[serde(default)]
    vjp: Vec<Option<Values>>,
    #[serde(default)]
    vjp_params: BTreeMap<String, Values>,
}

/// What a layer is held to: nothing to say, or the differences.
pub(crate) type Held = Result<(), Vec<String>>;

/// All rows of a file.
pub(crate) fn rows(file: &str) -> Vec<Row> {
    let path = format!("{}/tests/golden/layers/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str::<File>(&text).unwrap_or_else(|error| panic!("{path}: {error}")).rows
}

impl Row {
    /// An option of the constructor, if it is not PyTorch's default.
    pub(crate) fn number(&self, option: &str) -> Option<f64> {
        self.config.get(option).and_then(Value::as_f64)
    }

    pub(crate) fn whole(&self, option: &str) -> Option<isize> {
        self.config.get(option).and_then(Value::as_i64).map(|n| n as isize)
    }

    pub(crate) fn text(&self, option: &str) -> Option<&str> {
        self.config.get(option).and_then(Value::as_str)
    }

    pub(crate) fn flag(&self, option: &str) -> Option<bool> {
        self.config.get(option).and_then(Value::as_bool)
    }

    /// A number for each of `N` axes; `null` stands for `None`.
    pub(crate) fn each<const N: usize>(&self, option: &str) -> Option<[Option<f64>; N]> {
        match self.config.get(option)? {
            Value::Array(all) => Some(std::array::from_fn(|i| all[i].as_f64())),
            one => Some([one.as_f64(); N]),
        }
    }

    /// The same where all are whole numbers.
    pub(crate) fn lengths<const N: usize>(&self, option: &str) -> Option<[usize; N]> {
        self.each::<N>(option)?
            .map(|n| n.map(|n| n as usize))
            .into_iter()
            .collect::<Option<Vec<_>>>()?
            .try_into()
            .ok()
    }

    pub(crate) fn input(&self, place: usize) -> Tensor {
        self.inputs[place].tensor()
    }

    fn tolerance(&self) -> Tolerance {
        match self.layer.as_str() {
            // PyTorch multiplies by a sixth rounded to f32.
            "Hardsigmoid" => Tolerance { relative: 1e-7, ..Tolerance::F64 },
            _ => Tolerance::F64,
        }
    }

    /// Where the row is, for messages.
    pub(crate) fn place(&self) -> String {
        format!("{}, {}", self.layer, self.case)
    }

    /// Holds a layer of one input to the row.
    pub(crate) fn hold<M: Module<Input = Tensor>>(&self, layer: &M) -> Held {
        self.hold_at(layer, &self.input(0))
    }

    /// Holds a layer of two inputs to the row.
    pub(crate) fn hold_two<M: Module<Input = (Tensor, Tensor)>>(&self, layer: &M) -> Held {
        self.hold_at(layer, &(self.input(0), self.input(1)))
    }

    /// Holds a layer to the row, at an input of any kind.
    pub(crate) fn hold_at<M: Module>(&self, layer: &M, input: &M::Input) -> Held {
        let mut wrong = Vec::new();
        let mut compared = |what: &str, got: &Tensor, like: &Stored, want: &Values| {
            if let Err(difference) = compare(got, like, want, self.tolerance()) {
                wrong.push(format!("{}: {what} {difference}", self.place()));
            }
        };
        let params = self.parameters(layer);
        let mut ctx = if self.train == Some(false) { Ctx::eval() } else { Ctx::train(Rng::seed(1)) };
        let (y, saved, _) = layer.forward(&params, &layer.state(), input, &mut ctx);
        for (got, like) in tree::leaves(&y).iter().zip(&self.outputs) {
            compared("output", got, like, &like.data);
        }
        let mut cotangents = self.outputs.iter().zip(&self.w).map(|(like, w)| match w {
            Some(w) => like.with(w),
            None => like.tensor().zeros_like(),
        });
        let dy = tree::map(&y, |_| cotangents.next().expect("a cotangent for each output"));
        let (dp, dx) = layer.backward(&params, &saved, &dy);
        for ((got, like), want) in tree::leaves(&dx).iter().zip(&self.inputs).zip(&self.vjp) {
            if let Some(want) = want {
                compared("gradient", got, like, want);
            }
        }
        for (path, got) in tree::paths(&dp).iter().zip(tree::leaves(&dp)) {
            compared(path, &got, &self.params[path], &self.vjp_params[path]);
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The layer's parameters with the values of the row.
    fn parameters<M: Module>(&self, layer: &M) -> M::Params {
        let own = layer.params(&mut Rng::seed(1));
        let paths = tree::paths(&own);
        assert_eq!(paths.len(), self.params.len(), "{}: parameters {paths:?}", self.place());
        let mut paths = paths.iter();
        tree::map(&own, |own| {
            let path = paths.next().expect("a path for each leaf");
            let stored = self.params.get(path).unwrap_or_else(|| panic!("{}: no {path}", self.place()));
            assert_eq!(own.shape().to_vec(), stored.shape, "{}: {path}", self.place());
            stored.tensor()
        })
    }
}

/// Holds all rows of a file for which there is a layer; how many those are.
pub(crate) fn hold_all(file: &str, layer: impl Fn(&Row) -> Option<Held>) -> usize {
    let mut wrong = Vec::new();
    let mut held = 0;
    for row in rows(file) {
        match layer(&row) {
            None => {}
            Some(Ok(())) => held += 1,
            Some(Err(differences)) => wrong.extend(differences),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    held
}
