//! `cargo xtask check`: everything CI asks besides the tests, cheapest first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::{cargo, root, run};

const HELP: &str = "\
Formatting, lints (examples included) and documentation, cheapest first; stops at the first failure. The tests build the
examples.

Usage: cargo xtask check

Files of more than 600 lines are listed, but do not fail. Where rustfmt or clippy is not installed, that step
is left out and the last line says so.";

/// The longest a source file should be (docs/style.md, rule 14).
const LONGEST_FILE: usize = 600;

pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => check(),
        [help] if help == "--help" || help == "-h" => {
            println!("{HELP}");
            Ok(())
        }
        [other, ..] => Err(format!("`check` takes no `{other}`\n\n{HELP}")),
    }
}

fn check() -> Result<(), String> {
    list_long_files()?;
    let mut left_out = Vec::new();
    if component("fmt", "rustfmt", &mut left_out) {
        run(cargo().args(["fmt", "--all", "--check"]))?;
    }
    if component("clippy", "clippy", &mut left_out) {
        run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
        run(cargo()
            .args(["clippy", "--workspace", "--all-targets", "--all-features"])
            .args(["--", "-D", "warnings"]))?;
    }
    run(cargo()
        .args(["doc", "--no-deps", "--workspace", "--all-features"])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    match &left_out[..] {
        [] => println!("all checks passed"),
        names => println!(
            "all other checks passed; WARNING: {0} not installed, left out: rustup component add {0}",
            names.join(" ")
        ),
    }
    Ok(())
}

/// Whether `cargo <command>` is installed; if not, its component goes to `left_out`.
fn component(command: &str, component: &'static str, left_out: &mut Vec<&'static str>) -> bool {
    let mut probe = cargo();
    probe.args([command, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    let installed = probe.status().is_ok_and(|status| status.success());
    if !installed {
        left_out.push(component);
    }
    installed
}

/// Prints the files that are longer than they should be, the longest first.
fn list_long_files() -> Result<(), String> {
    let mut files = Vec::new();
    collect_sources(root(), &mut files)
        .map_err(|e| format!("cannot list the sources in {}: {e}", root().display()))?;
    let mut long = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            long.push((lines, path));
        }
    }
    long.sort_by(|a, b| b.cmp(a));
    for (lines, path) in long {
        let path = path.strip_prefix(root()).unwrap_or(&path);
        println!("WARNING: {} has {lines} lines, more than {LONGEST_FILE}", path.display());
    }
    Ok(())
}

/// Appends every `.rs` file below `folder`, hidden folders and build output left out.
fn collect_sources(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            // Cargo writes a CACHEDIR.TAG into its target folder, whatever that is called.
            if !name.to_string_lossy().starts_with('.') && !path.join("CACHEDIR.TAG").exists() {
                collect_sources(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_are_found_and_build_output_is_not() {
        let mut files = Vec::new();
        collect_sources(root(), &mut files).unwrap();
        let relative = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_owned();
        let found: Vec<PathBuf> = files.iter().map(relative).collect();
        assert!(found.contains(&PathBuf::from("xtask/src/check.rs")), "{found:?}");
        assert!(!found.iter().any(|path| path.starts_with("target")), "{found:?}");
    }

    #[test]
    fn a_missing_component_is_left_out_by_name() {
        let mut left_out = Vec::new();
        assert!(!component("no-such-command", "nothing", &mut left_out));
        assert_eq!(left_out, ["nothing"]);
    }
}
