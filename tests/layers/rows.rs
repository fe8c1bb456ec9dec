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
    pub(crate) inputs: Vec<Named>,
    outputs: Vec<Stored>,
    #[serde(default)]
    w: Vec<Option<Values>>,
    #[serde(default)]
    vjp: Vec<Option<Values>>,
    #[serde(default)]
    vjp_params: BTreeMap<String, Values>,
}

/// An input by the name of its argument.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    name: String,
    #[serde(flatten)]
    stored: Stored,
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
        self.inputs[place].stored.tensor()
    }

    /// The input of that name, if it was given.
    pub(crate) fn input_named(&self, name: &str) -> Option<Tensor> {
        self.inputs.iter().find(|input| input.name == name).map(|input| input.stored.tensor())
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
        let outputs = tree::leaves(&y);
        assert_eq!(outputs.len(), self.outputs.len(), "{}: outputs", self.place());
        for (got, like) in outputs.iter().zip(&self.outputs) {
            compared("output", got, like, &like.data);
        }
        assert_eq!(self.w.len(), self.outputs.len(), "{}: a cotangent or null for each output", self.place());
        let mut cotangents = self.outputs.iter().zip(&self.w).map(|(like, w)| match w {
            Some(w) => like.with(w),
            None => like.tensor().zeros_like(),
        });
        let dy = tree::map(&y, |_| cotangents.next().expect("a cotangent for each output"));
        let (dp, dx) = layer.backward(&params, &saved, &dy);
        let gradients = tree::leaves(&dx);
        assert_eq!(gradients.len(), self.inputs.len(), "{}: gradients", self.place());
        assert_eq!(self.vjp.len(), self.inputs.len(), "{}: a gradient or null for each input", self.place());
        for ((got, like), want) in gradients.iter().zip(&self.inputs).zip(&self.vjp) {
            if let Some(want) = want {
                compared("gradient", got, &like.stored, want);
            }
        }
        assert_eq!(tree::paths(&dp), tree::paths(&params), "{}: gradients of the parameters", self.place());
        for (path, got) in tree::paths(&dp).iter().zip(tree::leaves(&dp)) {
            let name = pytorch_name(path);
            compared(path, &got, &self.params[&name], &self.vjp_params[&name]);
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
            let stored = self.params.get(&pytorch_name(path));
            let stored = stored.unwrap_or_else(|| panic!("{}: no {path}", self.place()));
            assert_eq!(own.shape().to_vec(), stored.shape, "{}: {path}", self.place());
            stored.tensor()
        })
    }
}

/// `layers[0].weight` as PyTorch has it, `layers.0.weight`.
fn pytorch_name(path: &str) -> String {
    path.replace('[', ".").replace(']', "")
}

/// Layers that have something in common: holds the row's to it, if it is one of them.
pub(crate) type Family<'a> = &'a dyn Fn(&Row) -> Option<Held>;

/// Holds all rows of a file, each by the first family that has its layer; how many those are. Every row has one, but
/// for those that are left out, by their place and with a reason.
pub(crate) fn hold_all(file: &str, families: &[Family<'_>], left_out: &[(&str, &str)]) -> usize {
    let rows = rows(file);
    for (place, reason) in left_out {
        let there = rows.iter().any(|row| row.place() == *place);
        assert!(there, "{file}: there is no row `{place}` to leave out ({reason})");
    }
    let is_left_out = |row: &&Row| left_out.iter().any(|(place, _)| row.place() == *place);
    let mut wrong = Vec::new();
    let mut held = 0;
    for row in rows.iter().filter(|row| !is_left_out(row)) {
        match families.iter().find_map(|layer| layer(row)) {
            None => wrong.push(format!("{}: no test, and no reason to leave it out", row.place())),
            Some(Ok(())) => held += 1,
            Some(Err(differences)) => wrong.extend(differences),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    held
}
