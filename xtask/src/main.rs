//! The project's own commands: `cargo xtask check` before a commit, `cargo xtask bench` before a claim of speed,
//! `cargo xtask operations` after a change to a public operation.

use std::path::Path;
use std::process::{Command, ExitCode};

mod bench;
mod check;
mod examples;
mod memcheck;
#[cfg(feature = "operations")]
mod operations;

const HELP: &str = "\
The project's own commands.

Usage: cargo xtask <command>

Commands:
  check       Formatting, lints, documentation: what CI runs after the tests, cheapest first
  bench       Our benchmark and the peers' in turns, and the ratios of their times
  examples    Each example for a moment
  memcheck    The unit tests of `tensor/` under valgrind
  operations  The list of public operations, docs/operations.md

`cargo xtask <command> --help` says more.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first().map(|(command, rest)| (command.as_str(), rest)) {
        Some(("check", rest)) => check::main(rest),
        Some(("bench", rest)) => bench::main(rest),
        Some(("examples", rest)) => examples::main(rest),
        Some(("memcheck", rest)) => memcheck::main(rest),
        Some(("operations", rest)) => operations::main(rest),
        None | Some(("help" | "--help" | "-h", _)) => {
            println!("{HELP}");
            Ok(())
        }
        Some((other, _)) => Err(format!("there is no command `{other}`\n\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The list of operations is made of the library itself, for which the other commands need not wait: a second build of
/// this program has it.
#[cfg(not(feature = "operations"))]
mod operations {
    use super::{cargo, run};

    pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
        let program =
            ["run", "--quiet", "--package", "xtask", "--features", "operations", "--", "operations"];
        run(cargo().args(program).args(arguments))
    }
}

/// The cargo that runs this program.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The repository's root, where every command runs.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the root")
}

/// Prints the command, runs it in the root, and turns a failure into an error that repeats the command.
fn run(command: &mut Command) -> Result<(), String> {
    let line = shown(command);
    println!("$ {line}");
    let status = command.current_dir(root()).status().map_err(|e| format!("cannot start `{line}`: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
}

/// The command as one would type it, its environment variables first.
fn shown(command: &Command) -> String {
    let quoted = |word: &std::ffi::OsStr| match word.to_string_lossy() {
        word if word.contains(' ') => format!("\"{word}\""),
        word => word.into_owned(),
    };
    let variables =
        command.get_envs().filter_map(|(k, v)| Some(format!("{}={}", k.to_string_lossy(), quoted(v?))));
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    variables
        .chain([program.to_string_lossy().into_owned()])
        .chain(command.get_args().map(quoted))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(shown(&command), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
    }

    #[test]
    fn a_failing_command_is_named() {
        let error = run(Command::new("cargo").arg("no-such-command").stderr(std::process::Stdio::null()));
        assert!(error.expect_err("cargo refuses it").starts_with("`cargo no-such-command` failed"));
    }
}
