//! What the README shows is what happens.

use retrograd::{Tensor, Tree, grad};

const README: &str = include_str!("../README.md");
/// The example by itself, which is a doctest of the crate.
const EXAMPLE: &str = include_str!("../docs/readme_example.md");

#[derive(Clone, Tree)]
struct Params {
    w: [Tensor; 2],
    b: [Tensor; 2],
}

fn neural_net(p: &Params, x: &Tensor, y: &Tensor) -> Tensor {
    let h1 = (x.matmul(&p.w[0]) + &p.b[0]).tanh();
    let h2 = (h1.matmul(&p.w[1]) + &p.b[1]).tanh();
    let y_hat = &h2 - h2.exp().sum().log();
    -(y_hat * y).sum()
}

/// The code in the README's blocks of this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let inside = |part: &'static str| part.strip_prefix(language)?.strip_prefix('\n');
    README.split("\n```").skip(1).step_by(2).filter_map(inside).collect()
}

#[test]
fn the_readme_repeats_the_example_that_is_tested() {
    assert!(README.contains(EXAMPLE.trim_end()), "README.md and docs/readme_example.md differ");
}

#[test]
fn two_commands_do_all_the_set_up() {
    let commands: Vec<&str> = blocks("sh").iter().flat_map(|block| block.lines()).collect();
    assert_eq!(commands, ["cargo run --release --example mnist", "cargo test --workspace --all-features"]);
}

#[test]
fn the_error_in_the_readme_is_the_one_that_is_returned() {
    let params = Params {
        w: [Tensor::randn([100, 50]), Tensor::randn([40, 10])],
        b: [Tensor::randn([50]), Tensor::randn([10])],
    };
    let (x, y) = (Tensor::randn([1, 100]), Tensor::zeros([1, 10]));
    let error = grad(neural_net).call(&params, (&x, &y)).map(|_| ()).unwrap_err();
    let here = error.location().unwrap();
    let here = format!("{}:{}:{}", here.file(), here.line(), here.column());
    let there = format!("src/main.rs:{}", place_in_example("matmul(&p.w[1])"));
    assert_eq!(blocks("text"), [error.to_string().replace(&here, &there)]);
}

/// Line and column of some code, in a program that is the example's code and nothing else.
fn place_in_example(code: &str) -> String {
    let mut lines = EXAMPLE.lines().skip(1).zip(1..);
    lines
        .find_map(|(line, number)| Some(format!("{number}:{}", line.find(code)? + 1)))
        .expect("the example has it")
}
