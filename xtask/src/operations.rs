//! `cargo xtask operations`: the page that lists every public operation, made from what the sources say of it
//! (`source`, `doc`) and from what its sample rows tell (`retrograd::check`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use retrograd::check::{self, Order, Survey};

use crate::root;
use doc::{Doc, Gradient, Peers};
use source::{Method, Module};

mod doc;
mod page;
mod source;

const HELP: &str = "\
Writes docs/operations.md: every public operation with its names in PyTorch and JAX, dtypes and gradient.

Usage: cargo xtask operations [--check]

With --check nothing is written; it fails if the page is not what the code says, as the tests do.

A public method of `Tensor` in src/ops/ that is given a tensor must say `Gradient: ..` or `No gradient.`, have a line
    /// PyTorch: `torch.name`. JAX: `jnp.name`.
(`none` without backticks where there is none) and a row of its name in src/ops/samples/. A row tells on which dtypes
the method works and how often it can be differentiated. Other methods are listed if they have the line; so are draws
\"from the global generator\", of which no row can be, since they differ from call to call. A macro that makes methods is given their documentation in front of
their names.";

const PAGE: &str = "docs/operations.md";

/// Where operations are, and where what makes tensors and reads them is.
const OPERATIONS: &str = "src/ops/mod.rs";
const TENSORS: &str = "src/tensor/mod.rs";

pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => write(),
        [flag] if flag == "--check" => check(),
        [help] if help == "--help" || help == "-h" => {
            println!("{HELP}");
            Ok(())
        }
        [other, ..] => Err(format!("`operations` takes no `{other}`\n\n{HELP}")),
    }
}

fn write() -> Result<(), String> {
    let page = page::of(&Catalogue::of_the_sources()?);
    fs::write(root().join(PAGE), page).map_err(|e| format!("cannot write {PAGE}: {e}"))?;
    println!("wrote {PAGE}");
    Ok(())
}

/// Fails if the page is not what the code says.
pub(crate) fn check() -> Result<(), String> {
    let expected = page::of(&Catalogue::of_the_sources()?);
    let page = fs::read_to_string(root().join(PAGE)).map_err(|e| format!("cannot read {PAGE}: {e}"))?;
    let same = expected.lines().zip(page.lines()).take_while(|(expected, page)| expected == page).count();
    if same == expected.lines().count() && same == page.lines().count() {
        return Ok(());
    }
    Err(format!(
        "{PAGE} is not what the code says, from line {} on: run `cargo xtask operations` and commit the page",
        same + 1
    ))
}

/// All that the page is made of.
struct Catalogue {
    families: Vec<Family>,
}

/// What one file defines.
struct Family {
    file: String,
    /// What its documentation begins with; the part before a colon if no other file has the same.
    title: String,
    operations: Vec<Entry>,
}

/// A line of the page.
struct Entry {
    call: String,
    feature: Option<String>,
    summary: String,
    peers: Peers,
    /// Of an operation; what makes tensors or reads them has none.
    law: Option<Law>,
}

struct Law {
    gradient: Gradient,
    survey: Survey,
}

impl Catalogue {
    /// The catalogue, or everything that keeps it from being complete, a line each.
    fn of_the_sources() -> Result<Catalogue, String> {
        let operations = source::modules(root(), Path::new(OPERATIONS))?;
        let tensors = source::modules(root(), Path::new(TENSORS))?;
        Catalogue::new(operations, tensors, surveys()?)
    }

    fn new(
        operations: Vec<Module>,
        tensors: Vec<Module>,
        surveys: BTreeMap<&'static str, Survey>,
    ) -> Result<Catalogue, String> {
        let mut wrong = unreached(&operations, &surveys);
        let stated = operations.iter().flat_map(|module| &module.primitives);
        // What a row may be named by.
        let mut names: BTreeSet<String> = stated.map(|(name, _)| name.clone()).collect();
        let mut families = Vec::new();
        let modules = operations.into_iter().map(|module| (module, true));
        for (module, computes) in modules.chain(tensors.into_iter().map(|module| (module, false))) {
            let mut family = Family {
                file: module.file.display().to_string(),
                title: module.title,
                operations: Vec::new(),
            };
            for method in module.methods {
                match Entry::new(&method, computes, &surveys) {
                    Ok(None) => {}
                    Ok(Some(entry)) => {
                        names.insert(method.name);
                        family.operations.push(entry);
                    }
                    Err(message) => wrong.push(format!("{}: `{}` {message}", method.place, method.name)),
                }
            }
            if !family.operations.is_empty() {
                families.push(family);
            }
        }
        for name in surveys.keys().filter(|name| !names.contains(**name)) {
            wrong.push(format!(
                "a row of src/ops/samples/ is named `{name}`, which is no public operation (a macro that makes \
                 methods is given their documentation with `///` before the name)"
            ));
        }
        shorten_titles(&mut families);
        if wrong.is_empty() { Ok(Catalogue { families }) } else { Err(wrong.join("\n       ")) }
    }
}

fn shorten_titles(families: &mut [Family]) {
    let short = |title: &str| title.split(": ").next().unwrap_or(title).to_owned();
    let shorts: Vec<String> = families.iter().map(|family| short(&family.title)).collect();
    for family in families {
        let title = short(&family.title);
        if shorts.iter().filter(|other| **other == title).count() == 1 {
            family.title = title;
        }
    }
}

/// What the rows tell, by name: the dtypes and the primitives of all together, the highest order of any.
fn surveys() -> Result<BTreeMap<&'static str, Survey>, String> {
    let mut surveys: BTreeMap<&'static str, Survey> = BTreeMap::new();
    for row in check::rows() {
        let survey = row.survey().map_err(|e| format!("the row {row:?} does not work: {e}"))?;
        match surveys.get_mut(row.name()) {
            Some(sum) => {
                sum.dtypes.extend(survey.dtypes);
                sum.dtypes.sort();
                sum.dtypes.dedup();
                sum.order = sum.order.max(survey.order);
                sum.primitives.extend(survey.primitives);
            }
            None => {
                surveys.insert(row.name(), survey);
            }
        }
    }
    Ok(surveys)
}

/// A line for each primitive that no row reaches.
fn unreached(operations: &[Module], surveys: &BTreeMap<&'static str, Survey>) -> Vec<String> {
    let reached: BTreeSet<&str> =
        surveys.values().flat_map(|survey| survey.primitives.iter().copied()).collect();
    let stated = operations.iter().flat_map(|module| &module.primitives);
    let missing = stated.filter(|(name, _)| !reached.contains(name.as_str()));
    missing
        .map(|(name, place)| format!("{place}: no row of src/ops/samples/ reaches the primitive `{name}`"))
        .collect()
}

impl Entry {
    /// The entry of a method, none if it is no matter of the page, or what its documentation or its rows lack.
    /// `computes`: it stands where operations are.
    fn new(
        method: &Method,
        computes: bool,
        surveys: &BTreeMap<&'static str, Survey>,
    ) -> Result<Option<Entry>, String> {
        let doc = Doc::parse(&method.docs)?;
        let makes = !method.takes_tensor || method.docs.join(" ").contains("global generator");
        let computes = computes && method.of.as_deref() == Some("Tensor");
        let is_operation = !makes && (computes || matches!(doc.gradient, Some(Gradient::Is(_))));
        let Some(peers) = doc.peers else {
            return if is_operation { Err(format!("has no line `{}`", doc::PEERS)) } else { Ok(None) };
        };
        let survey = surveys.get(method.name.as_str());
        let law = match (is_operation, doc.gradient, survey) {
            (true, None, _) => return Err("says neither `Gradient: ..` nor `No gradient.`".to_owned()),
            (true, _, None) => return Err(no_row(method.feature.as_deref())),
            (_, Some(gradient), Some(survey)) => Some(Law::new(gradient, survey)?),
            (false, _, _) => None,
        };
        Ok(Some(Entry {
            call: method.call.clone(),
            feature: method.feature.clone(),
            summary: doc.summary,
            peers,
            law,
        }))
    }
}

fn no_row(feature: Option<&str>) -> String {
    let message = "has no row of its name in src/ops/samples/";
    match feature {
        Some(feature) => format!("{message} (is the feature `{feature}` switched on in xtask/Cargo.toml?)"),
        None => message.to_owned(),
    }
}

impl Law {
    /// What the documentation and the rows say, if they do not contradict each other.
    fn new(gradient: Gradient, survey: &Survey) -> Result<Law, String> {
        match (&gradient, survey.order) {
            (Gradient::Is(_), Order::None) => {
                Err("has no gradient as its rows tell, but its documentation says one".to_owned())
            }
            (Gradient::None, Order::First | Order::Any) => {
                Err("has a gradient as its rows tell, but its documentation says `No gradient`".to_owned())
            }
            _ => Ok(Law { gradient, survey: survey.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrograd::DType;

    #[test]
    fn the_committed_page_is_what_the_code_says() {
        assert_eq!(check(), Ok(()));
    }

    /// A catalogue of one file with one method and one primitive, both called `f`, and one row.
    fn catalogue(docs: &str, row: &'static str, order: Order) -> Result<Catalogue, String> {
        let text = format!(
            "impl Tensor {{\n{docs}\npub fn f(&self) {{}}\n}}\nimpl Linear for F {{ const NAME: &'static str = \"f\"; }}"
        );
        let survey = Survey { dtypes: DType::ALL.to_vec(), order, primitives: ["f"].into() };
        Catalogue::new(source::modules_of(&[("f.rs", &text)]), Vec::new(), [(row, survey)].into())
    }

    const GOOD: &str = "/// F. Gradient: `dy`.\n///\n/// PyTorch: `torch.f`. JAX: none.";

    #[test]
    fn an_entry_has_what_the_sources_and_the_rows_tell() {
        let catalogue = catalogue(GOOD, "f", Order::Any).unwrap();
        let entry = &catalogue.families[0].operations[0];
        assert_eq!((entry.call.as_str(), entry.summary.as_str()), ("x.f()", "F."));
        assert_eq!((entry.peers.pytorch.as_str(), entry.peers.jax.as_str()), ("`torch.f`", "none"));
        let law = entry.law.as_ref().unwrap();
        assert_eq!((&law.gradient, law.survey.order), (&Gradient::Is("`dy`".to_owned()), Order::Any));
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_named_with_its_place() {
        let no_gradient = "/// F. No gradient.\n/// PyTorch: `torch.f`. JAX: none.";
        for (docs, row, order, message) in [
            ("/// F. Gradient: `dy`.", "f", Order::Any, "f.rs:3: `f` has no line `/// PyTorch: `torch.name`"),
            ("/// PyTorch: none. JAX: none.", "f", Order::Any, "f.rs:3: `f` says neither `Gradient: ..` nor"),
            (
                "/// F. Gradient: 1.\n/// PyTorch: f. JAX: g.",
                "f",
                Order::Any,
                "f.rs:4: `f` `PyTorch: f. JAX: g.` does",
            ),
            (GOOD, "g", Order::Any, "f.rs:5: `f` has no row of its name in src/ops/samples/"),
            (GOOD, "g", Order::Any, "is named `g`, which is no public operation"),
            (
                GOOD,
                "f",
                Order::None,
                "f.rs:5: `f` has no gradient as its rows tell, but its documentation says one",
            ),
            (
                no_gradient,
                "f",
                Order::Any,
                "f.rs:4: `f` has a gradient as its rows tell, but its documentation says",
            ),
        ] {
            let told = catalogue(docs, row, order).err().unwrap_or_default();
            assert!(told.contains(message), "{docs}: {told}");
        }
    }

    #[test]
    fn a_feature_that_is_not_switched_on_is_named() {
        let text = format!("#[cfg(feature = \"linalg\")]\nimpl Tensor {{\n{GOOD}\npub fn f(&self) {{}}\n}}");
        let told = Catalogue::new(source::modules_of(&[("f.rs", &text)]), Vec::new(), BTreeMap::new());
        let message =
            "f.rs:6: `f` has no row of its name in src/ops/samples/ (is the feature `linalg` switched on";
        assert!(told.err().is_some_and(|told| told.starts_with(message)));
    }

    #[test]
    fn what_makes_tensors_needs_no_row() {
        for text in [
            "impl Tensor {\n/// Zeros.\n/// PyTorch: `torch.zeros`. JAX: none.\npub fn zeros(shape: impl IntoShape) {}}",
            "impl Tensor {\n/// A draw from the global generator. No gradient.\n///\n/// PyTorch: none. JAX: none.\npub fn draw(&self) {}}",
        ] {
            let catalogue =
                Catalogue::new(source::modules_of(&[("f.rs", text)]), Vec::new(), BTreeMap::new());
            assert!(catalogue.unwrap().families[0].operations[0].law.is_none());
        }
    }

    #[test]
    fn a_primitive_that_no_row_reaches_is_named() {
        let text = "impl Linear for G { const NAME: &'static str = \"g\"; }";
        let told = Catalogue::new(source::modules_of(&[("g.rs", text)]), Vec::new(), BTreeMap::new());
        let expected = "g.rs:1: no row of src/ops/samples/ reaches the primitive `g`";
        assert_eq!(told.err().as_deref(), Some(expected));
    }
}
