//! Whole programs agree with JAX: transforms nested in each other, control flow, networks.
//!
//! `golden/programs.json` is made by `golden/make.py`; [`PROGRAMS`] has the same programs in Rust.

#[path = "golden/nesting.rs"]
mod nesting;
#[path = "golden/networks.rs"]
mod networks;
#[path = "golden/read.rs"]
mod read;
#[path = "golden/rules.rs"]
mod rules;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use read::{Stored, Tolerance, compare};
use retrograd::{Fallback, Result, Tensor, jit, tree};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Program {
    program: String,
    inputs: BTreeMap<String, Stored>,
    expected: BTreeMap<String, Stored>,
}

#[derive(Debug, Deserialize)]
struct File {
    programs: Vec<Program>,
}

/// The inputs of a program by name.
pub(crate) struct Inputs(BTreeMap<String, Tensor>);

/// Programs that ask for values, so that they run directly when they are to be compiled.
const ASKING: &[&str] = &["branches_on_the_data", "grad_through_a_while_loop", "grad_through_recursion"];

impl Inputs {
    pub(crate) fn get(&self, name: &str) -> Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("no input `{name}`")).clone()
    }

    pub(crate) fn all<const N: usize>(&self, names: [&str; N]) -> [Tensor; N] {
        names.map(|name| self.get(name))
    }
}

/// What a program computed, by name. A name comes up more than once where several ways lead to one result.
pub(crate) type Results = Vec<(String, Tensor)>;

pub(crate) fn results<const N: usize>(named: [(&str, Tensor); N]) -> Results {
    named.map(|(name, x)| (name.to_owned(), x)).into()
}

type Run = fn(&Inputs) -> Result<Results>;

const PROGRAMS: &[(&str, Run)] = &[
    ("attention", networks::attention),
    ("bilinear_form", nesting::bilinear_form),
    ("black_scholes", networks::black_scholes),
    ("branches_on_the_data", rules::branches_on_the_data),
    ("bundle_adjustment", networks::bundle_adjustment),
    ("closure_over_an_outer_variable", nesting::closure_over_an_outer_variable),
    ("custom_rule_with_a_wrong_factor", rules::custom_rule_with_a_wrong_factor),
    ("four_derivatives_of_sin_exp", nesting::four_derivatives_of_sin_exp),
    ("grad_of_grad_of_tanh", nesting::grad_of_grad_of_tanh),
    ("grad_through_a_while_loop", rules::grad_through_a_while_loop),
    ("grad_through_recursion", rules::grad_through_recursion),
    ("gradient_of_the_norm_of_a_gradient", nesting::gradient_of_the_norm_of_a_gradient),
    ("gradients_for_each_example", nesting::gradients_for_each_example),
    ("hessian_of_rosenbrock", nesting::hessian_of_rosenbrock),
    ("hessian_of_softmax_cross_entropy", nesting::hessian_of_softmax_cross_entropy),
    ("hessian_vector_product_of_an_mlp", networks::hessian_vector_product_of_an_mlp),
    ("implicit_newton", rules::implicit_newton),
    ("inner_gradient_steps", rules::inner_gradient_steps),
    ("jacobian_of_a_vector_function", nesting::jacobian_of_a_vector_function),
    ("jvp_of_a_pullback", nesting::jvp_of_a_pullback),
    ("mixed_partials", nesting::mixed_partials),
    ("perturbation_confusion", nesting::perturbation_confusion),
    ("perturbation_of_a_product", nesting::perturbation_of_a_product),
    ("readme_f32", networks::readme_f32),
    ("readme_f64", networks::readme_f64),
    ("recurrent_cell", networks::recurrent_cell),
    ("runge_kutta", networks::runge_kutta),
    ("stopped_gradients", rules::stopped_gradients),
    ("three_levels", nesting::three_levels),
    ("vmap_of_hessian", nesting::vmap_of_hessian),
    ("vmap_of_jvp_and_of_a_pullback", nesting::vmap_of_jvp_and_of_a_pullback),
    ("vmap_of_vmap", nesting::vmap_of_vmap),
];

fn programs() -> Vec<Program> {
    let file: File = serde_json::from_str(include_str!("golden/programs.json")).expect("programs.json");
    file.programs
}

/// Lists what is wrong with the results of a program.
fn failures(program: &Program, run: impl Fn(&Inputs) -> Result<Results>) -> Vec<String> {
    let name = &program.program;
    let inputs = Inputs(program.inputs.iter().map(|(name, x)| (name.clone(), x.tensor())).collect());
    let found = match run(&inputs) {
        Ok(found) => found,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let mut failures = Vec::new();
    for (part, got) in &found {
        let agreed = match program.expected.get(part) {
            Some(want) => compare(got, want, &want.data, Tolerance::of(want.dtype)),
            None => Err("is not in programs.json".to_owned()),
        };
        failures.extend(agreed.err().map(|reason| format!("{name}, {part}: {reason}")));
    }
    let found: BTreeSet<&String> = found.iter().map(|(part, _)| part).collect();
    let missing = program.expected.keys().filter(|part| !found.contains(part));
    failures.extend(missing.map(|part| format!("{name}, {part}: is not computed")));
    failures
}

#[test]
fn every_program_is_in_both_languages() {
    let python: Vec<String> = programs().into_iter().map(|program| program.program).collect();
    let here: BTreeSet<&str> = PROGRAMS.iter().map(|(name, _)| *name).collect();
    assert_eq!(python.iter().map(|name| &**name).collect::<BTreeSet<_>>(), here);
    assert_eq!(PROGRAMS.len(), python.len());
}

#[test]
fn programs_agree() {
    let mut wrong = Vec::new();
    for program in programs() {
        let (_, run) = PROGRAMS.iter().find(|(name, _)| *name == program.program).expect("a program in Rust");
        wrong.extend(failures(&program, *run));
    }
    assert!(wrong.is_empty(), "{} results differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Traced by the first call, traced again and compared by the second, run as a program by the third.
#[test]
fn programs_agree_when_they_are_compiled() {
    let mut wrong = Vec::new();
    for program in programs() {
        let (name, run) =
            PROGRAMS.iter().find(|(name, _)| *name == program.program).expect("a program in Rust");
        let names: RefCell<Vec<String>> = RefCell::default();
        let compiled = jit(|inputs: &BTreeMap<String, Tensor>| -> Result<Vec<Tensor>> {
            let (found, tensors) = run(&Inputs(inputs.clone()))?.into_iter().unzip();
            names.replace(found);
            Ok(tensors)
        });
        let fallback = if ASKING.contains(name) { Fallback::Direct } else { Fallback::Error };
        let compiled = compiled.fallback(fallback);
        let named = |tensors: Vec<Tensor>| names.borrow().iter().cloned().zip(tensors).collect();
        for _ in 0..3 {
            wrong.extend(failures(&program, |inputs| compiled.call(&inputs.0, ()).map(named)));
        }
        // Again over the inputs themselves, which nobody else holds then.
        let alone = |x: &Tensor| Tensor::stack(std::slice::from_ref(x), 0).squeeze(0);
        for _ in 0..2 {
            let owned = |inputs: &Inputs| compiled.call_owned(tree::map(&inputs.0, alone), ()).map(named);
            wrong.extend(failures(&program, owned));
        }
        let stats = compiled.stats();
        let expected = if ASKING.contains(name) { (0, 5) } else { (4, 0) };
        assert_eq!((stats.hits, stats.direct), expected, "{name}: {stats:?}");
        assert!(stats.packing() <= 1.1, "{name}: {stats:?}");
        let small = compiled.reduce_footprint(true);
        wrong.extend(failures(&program, |inputs| small.call(&inputs.0, ()).map(named)));
        assert!(small.stats().arena <= stats.arena, "{name}: {:?} instead of {stats:?}", small.stats());
    }
    assert!(wrong.is_empty(), "{} results differ:\n{}", wrong.len(), wrong.join("\n"));
}
