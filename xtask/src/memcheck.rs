//! `cargo xtask memcheck`: the unit tests of `tensor/`, where memory is handled by hand, under valgrind.

use std::process::Command;

const HELP: &str = "\
Runs the unit tests of `tensor/` under valgrind, which must be installed: no invalid access, nothing lost.

Usage: cargo xtask memcheck";

pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => {}
        [help] if help == "--help" || help == "-h" => {
            println!("{HELP}");
            return Ok(());
        }
        _ => return Err(format!("memcheck takes no arguments\n\n{HELP}")),
    }
    crate::run(Command::new("cargo").args(["test", "--package", "retrograd", "--lib", "--no-run"]))?;
    crate::run(
        Command::new("cargo")
            .args(["test", "--package", "retrograd", "--lib", "--", "tensor::", "--test-threads", "1"])
            .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", VALGRIND),
    )
}

/// The test harness itself leaves a thread's handle behind, which counts as possibly lost; what is definitely lost is ours.
const VALGRIND: &str = "valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite --error-exitcode=9";
