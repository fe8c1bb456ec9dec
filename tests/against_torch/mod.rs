//! Layers and criterions beside what PyTorch's compute: rows of `tests/golden/layers/*.json`, of which
//! `tests/golden/layers.py` says what is in them.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::collections::BTreeMap;
use std::sync::Arc;

use retrograd::nn::{Criterion, Ctx, Mode, Module, criterion};
use retrograd::{Rng, Tensor, Tree, grad, tree, vjp};
use serde::Deserialize;
use serde_json::Value;

/// Elements, NaN and infinities among them as strings.
#[derive(Debug, Deserialize, Clone)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Named(String),
}

fn number(x: &Number) -> f64 {
    match x {
        Number::Finite(x) => *x,
        Number::Named(name) => name.parse().expect("a number's name"),
    }
}

#[derive(Debug, Deserialize, Clone)]
pub(crate) struct Stored {
    shape: Vec<usize>,
    #[serde(default)]
    dtype: Option<String>,
    data: Vec<Number>,
}

impl Stored {
    pub(crate) fn tensor(&self) -> Tensor {
        let x = self.elements(&self.data);
        match self.dtype.as_deref() {
            None => x,
            Some("i64") => x.i64(),
            Some("bool") => x.bool(),
            Some(other) => panic!("dtype {other}"),
        }
    }

    /// Numbers in this shape.
    fn elements(&self, data: &[Number]) -> Tensor {
        Tensor::from_vec(data.iter().map(number).collect(), &self.shape[..])
    }
}

#[derive(Debug, Deserialize, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) stored: Stored,
}

#[derive(Debug, Deserialize, Clone)]
pub(crate) struct Row {
    pub(crate) layer: String,
    pub(crate) case: String,
    pub(crate) config: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) weights: BTreeMap<String, Stored>,
    #[serde(default)]
    pub(crate) call: BTreeMap<String, Value>,
    pub(crate) train: Option<bool>,
    #[serde(default)]
    pub(crate) edge: bool,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, Stored>,
    #[serde(default)]
    pub(crate) state: BTreeMap<String, Stored>,
    pub(crate) inputs: Vec<Named>,
    pub(crate) outputs: Vec<Stored>,
    #[serde(default)]
    w: Vec<Option<Vec<Number>>>,
    #[serde(default)]
    vjp: Vec<Option<Vec<Number>>>,
    #[serde(default)]
    vjp_params: BTreeMap<String, Vec<Number>>,
    #[serde(default)]
    state_after: BTreeMap<String, Stored>,
}

#[derive(Deserialize)]
struct File {
    rows: Vec<Row>,
}

/// The rows of a file.
pub(crate) fn rows(file: &str) -> Vec<Row> {
    let path = format!("{}/tests/golden/layers/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    file.rows
}

impl Row {
    pub(crate) fn is(&self, layer: &str) -> bool {
        self.layer == layer
    }

    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.config.get(key).and_then(Value::as_f64)
    }

    pub(crate) fn number_or(&self, key: &str, otherwise: f64) -> f64 {
        self.number(key).unwrap_or(otherwise)
    }

    pub(crate) fn size(&self, key: &str) -> usize {
        self.config[key].as_u64().expect("a size") as usize
    }

    pub(crate) fn size_or(&self, key: &str, otherwise: usize) -> usize {
        if self.config.contains_key(key) { self.size(key) } else { otherwise }
    }

    /// One length or several.
    pub(crate) fn lengths(&self, key: &str) -> Vec<usize> {
        match &self.config[key] {
            Value::Array(lengths) => lengths.iter().map(|x| x.as_u64().expect("a length") as usize).collect(),
            _ => vec![self.size(key)],
        }
    }

    pub(crate) fn flag(&self, key: &str, otherwise: bool) -> bool {
        self.config.get(key).map_or(otherwise, |value| value.as_bool().expect("a flag"))
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key).and_then(Value::as_str)
    }

    pub(crate) fn weight(&self, key: &str) -> Option<Tensor> {
        self.weights.get(key).map(Stored::tensor)
    }

    pub(crate) fn mode(&self) -> Mode {
        if self.train.unwrap_or(true) { Mode::Train } else { Mode::Eval }
    }

    pub(crate) fn input(&self, name: &str) -> Option<Tensor> {
        self.inputs.iter().find(|input| input.name == name).map(|input| input.stored.tensor())
    }

    pub(crate) fn x(&self) -> Tensor {
        self.inputs[0].stored.tensor()
    }

    /// The golden gradient of an input.
    pub(crate) fn input_gradient(&self, at: usize) -> Option<Tensor> {
        let stored = &self.inputs[at].stored;
        self.vjp.get(at)?.as_ref().map(|data| stored.elements(data))
    }

    /// The leaves of `tree` with those of the row that have their names; a path becomes a name by `name`.
    fn fill<T: Tree>(&self, tree: &T, from: &BTreeMap<String, Stored>, name: &dyn Fn(&str) -> String) -> T {
        let mut names = tree::paths(tree).into_iter().map(|path| name(&path));
        let filled = tree::map(tree, |leaf| {
            let name = names.next().expect("a path for each leaf");
            let stored = from.get(&name).unwrap_or_else(|| panic!("{self}: no `{name}`"));
            assert_eq!(leaf.shape().to_vec(), stored.shape, "{self}: the shape of {name}");
            stored.tensor()
        });
        assert_eq!(tree::leaf_count(tree), from.len(), "{self}: as many parameters as PyTorch has");
        filled
    }

    /// What differs, in a sentence.
    pub(crate) fn close(&self, what: &str, got: &Tensor, want: &Tensor) {
        let (got, want) = (got.to_dtype(want.dtype()), want);
        let text = |x: &Tensor| x.error().map(ToString::to_string).unwrap_or_else(|| format!("{x}"));
        assert!(got.error().is_none(), "{self}: {what}: {}", text(&got));
        assert_eq!(got.shape(), want.shape(), "{self}: the shape of {what}");
        // At the edges PyTorch has constants of f32.
        let relative = if self.edge { 1e-8 } else { 1e-10 };
        let pairs =
            got.to_vec::<f64>().expect("numbers").into_iter().zip(want.to_vec::<f64>().expect("numbers"));
        for (got, want) in pairs {
            let close = got == want || (got - want).abs() <= f64::max(1e-12, relative * want.abs());
            assert!(close || got.is_nan() && want.is_nan(), "{self}: {what}: {got} instead of {want}");
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.layer, self.case)
    }
}

/// Holds a layer to a row: its outputs, the gradients of parameters and floating-point inputs, called by hand and
/// through `vjp`, and the state after the call. A leaf of the input is the row's input of that number, as
/// `places` has it (`None`: the row has no such input).
pub(crate) fn hold<M: Module>(
    row: &Row,
    module: M,
    input: &M::Input,
    places: &[Option<usize>],
    name: impl Fn(&str) -> String,
) {
    let module = Arc::new(module);
    let params = row.fill(&module.params(&mut Rng::seed(0)), &row.params, &name);
    let state = row.fill(&module.state(), &row.state, &name);
    let ctx = || Ctx { mode: row.mode(), rng: Rng::seed(1) };
    let (y, saved, next) = module.forward(&params, &state, input, &mut ctx());
    let outputs = tree::leaves(&y);
    assert_eq!(outputs.len(), row.outputs.len(), "{row}: as many outputs");
    for (i, (got, want)) in outputs.iter().zip(&row.outputs).enumerate() {
        row.close(&format!("output {i}"), got, &want.tensor());
    }
    for (path, got) in tree::paths(&next).iter().zip(tree::leaves(&next)) {
        row.close(path, &got, &row.state_after[&name(path)].tensor());
    }

    let mut given = row.w.iter().zip(&row.outputs);
    let dy = tree::map(&y, |y| match given.next() {
        Some((Some(w), like)) => like.elements(w),
        _ => y.zeros_like(),
    });
    let by_hand = module.backward(&params, &saved, &dy);
    hold_gradients::<M>(row, &params, &by_hand, places, &name);
    let floats = |x: &M::Input| tree::copy(x);
    let f = |(p, x): &(M::Params, M::Input)| M::apply(&module, p, &state, x, &mut ctx()).0;
    if tree::leaves(input).iter().all(|x| x.dtype().is_float()) {
        let at = (tree::copy(&params), floats(input));
        let (_, pull) = vjp(f).call(&at, ()).expect("a pull-back");
        hold_gradients::<M>(row, &params, &pull.call(&dy).expect("gradients"), places, &name);
    }
}

fn hold_gradients<M: Module>(
    row: &Row,
    params: &M::Params,
    (dp, dx): &(M::Params, M::Input),
    places: &[Option<usize>],
    name: &impl Fn(&str) -> String,
) {
    for ((path, got), like) in tree::paths(dp).iter().zip(tree::leaves(dp)).zip(tree::leaves(params)) {
        let want = row.vjp_params[&name(path)].iter().map(number).collect();
        row.close(&format!("the gradient of {path}"), &got, &Tensor::from_vec::<f64>(want, like.shape()));
    }
    let dx = tree::leaves(dx);
    assert_eq!(dx.len(), places.len(), "{row}: a place for each input");
    for (got, place) in dx.iter().zip(places) {
        if let Some(want) = place.and_then(|place| row.input_gradient(place)) {
            row.close(&format!("the gradient of input {place:?}"), got, &want);
        }
    }
}

/// Holds a criterion to a row: the loss and the gradients of its inputs, by hand and through `grad`. A leaf of the input
/// is the row's input of that number, as `places` has it.
pub(crate) fn hold_criterion<C: Criterion>(
    row: &Row,
    criterion: C,
    input: &C::Input,
    target: &C::Target,
    places: &[usize],
) {
    let (loss, saved) = criterion.forward(input, target);
    row.close("the loss", &loss, &row.outputs[0].tensor());
    let [Some(w)] = &row.w[..] else { panic!("{row}: a cotangent of the loss") };
    let dl = row.outputs[0].elements(w);
    let by_hand = criterion.backward(&saved, &dl);
    let criterion = Arc::new(criterion);
    let weighed = |x: &C::Input| (criterion::apply(&criterion, x, target) * &dl).sum();
    let through = grad(weighed).call(input, ()).expect("a gradient").0;
    for dx in [by_hand, through] {
        let dx = tree::leaves(&dx);
        assert_eq!(dx.len(), places.len(), "{row}: a place for each input");
        for (&place, got) in places.iter().zip(&dx) {
            let want = row.input_gradient(place).expect("a golden gradient");
            row.close(&format!("the gradient of input {place}"), got, &want);
        }
    }
}
