//! `cargo xtask examples`: whether each example starts, works for a moment and ends well.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::run;

const HELP: &str = "\
Runs each example for a moment, and its `--help`. They must have been built: `cargo test` does, and so does
`cargo build --examples`.

Usage: cargo xtask examples";

/// Each example with options by which it ends soon, in a build that is hardly optimised. None are enough for `transfer`,
/// which compares two dozen networks.
const SHORT: [(&str, &str); 8] = [
    ("auto_module", "--epochs 1"),
    ("autoencoder", "--epochs 1 --batch 400"),
    ("char_rnn", "--model fw --hidden 16 --steps 3 --sample 20"),
    ("char_transformer", "--width 16 --steps 3 --dropout 0.1 --sample 20"),
    ("maml", "--steps 5 --updates 2"),
    ("mnist", "--model logistic --epochs 1"),
    ("pinn", "--points 40 --adam 3 --lbfgs 3"),
    ("transfer", "--help"),
];

pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => SHORT.iter().try_for_each(|(name, options)| example(name, options)),
        [help] if help == "--help" || help == "-h" => {
            println!("{HELP}");
            Ok(())
        }
        [other, ..] => Err(format!("`examples` takes no `{other}`\n\n{HELP}")),
    }
}

fn example(name: &str, options: &str) -> Result<(), String> {
    let program = built(name)?;
    // Which also has clap look over the options.
    for options in ["--help", options] {
        run(Command::new(&program).args(options.split(' ')).stdout(Stdio::null()))?;
    }
    Ok(())
}

/// The program, which cargo puts into a folder beside this one.
fn built(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|e| format!("cannot find the folder of programs: {e}"))?;
    let program = own.with_file_name("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    match program.is_file() {
        true => Ok(program),
        false => Err(format!("{} is not there: `cargo build --examples` builds it", program.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;

    #[test]
    fn every_example_is_run() {
        let folders = std::fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
        let programs = folders.filter(|folder| folder.join("main.rs").is_file());
        let mut names: Vec<_> =
            programs.map(|folder| folder.file_name().unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        assert_eq!(names, SHORT.map(|(name, _)| name));
    }

    #[test]
    fn an_example_that_is_not_built_is_named() {
        let error = built("no_such_example").expect_err("it is not there");
        assert!(error.contains("no_such_example") && error.contains("cargo build --examples"), "{error}");
    }
}
