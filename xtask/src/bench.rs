//! `cargo xtask bench`: our times beside the peers', through `benches/peers/ratio.py`.

use std::process::Command;

use crate::run;

const HELP: &str = "\
Our benchmark and the peers' in turns; prints the ratios ours / fastest peer and fails where one is above its limit.
Beside them stands the peak of resident memory, ours and PyTorch eager's (Linux).

Usage: cargo xtask bench [options] [name=limit ...]

Options:
  --suite NAME   What is measured: workloads or operations [default: workloads]
  --threads N    Threads for every program [default: 1]
  --rounds R     Turns, of whose medians the median counts [default: 3]
  --seconds S    Seconds a program measures a workload [default: 1]
  --mode MODE    How ours runs: direct or optimized [default: direct]
  --peers LIST   Peers, separated by commas, of torch-eager, torch-eager-channels-last, torch-compile and jax
                 [default: torch-eager, all of them for optimized workloads]

Workloads are defined in benches/peers/workloads.md, operations in benches/operations.rs. Without any name:
chain=0.07 readme=0.15 mlp=0.95 hvp=1.0, optimized
readme=0.15 logistic=0.1 mlp=0.98 cnn=0.95 lstm=0.9 transformer=0.9 blackscholes=0.8, or of operations
conv_first=0.5 conv_middle=1.0 conv_large=1.15 sort=1.0 cumsum=1.0 inverse=1.0.
Needs python3; the first run makes a virtual environment with torch and jax (several GB) unless PEERS_PY names
a Python that has both.";

/// The ratios, ours to the fastest peer, that the project promises on one thread, direct mode.
const LIMITS: [&str; 4] = ["chain=0.07", "readme=0.15", "mlp=0.95", "hvp=1.0"];

/// The same for optimized mode, against all peers.
const OPTIMIZED_LIMITS: [&str; 7] = [
    "readme=0.15",
    "logistic=0.1",
    "mlp=0.98",
    "cnn=0.95",
    "lstm=0.9",
    "transformer=0.9",
    "blackscholes=0.8",
];

/// The same for operations, against the faster of the layouts of PyTorch eager.
const OPERATION_LIMITS: [&str; 6] =
    ["conv_first=0.5", "conv_middle=1.0", "conv_large=1.15", "sort=1.0", "cumsum=1.0", "inverse=1.0"];

/// Options with their defaults; `ratio.py` knows them by the same names.
const OPTIONS: [(&str, &str); 6] = [
    ("--suite", "workloads"),
    ("--threads", "1"),
    ("--rounds", "3"),
    ("--seconds", "1"),
    ("--mode", "direct"),
    ("--peers", ""),
];

pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    let arguments = ratio_arguments(arguments).map_err(|wrong| format!("{wrong}\n\n{HELP}"))?;
    run(Command::new("python3").arg("benches/peers/ratio.py").args(arguments))
}

/// The arguments for `ratio.py`: every option with its value, then the limits.
fn ratio_arguments(arguments: &[String]) -> Result<Vec<String>, String> {
    let mut options = OPTIONS.map(|(name, value)| (name, value.to_owned()));
    let mut limits = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, attached) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with('-') => (name, Some(value)),
            _ => (argument.as_str(), None),
        };
        if let Some((_, slot)) = options.iter_mut().find(|(option, _)| *option == name) {
            let value = attached.or_else(|| rest.next().map(String::as_str));
            *slot = value.ok_or_else(|| format!("`{name}` needs a value"))?.to_owned();
        } else if name.starts_with('-') {
            return Err(format!("there is no option `{name}`"));
        } else {
            limits.push(limit(argument)?);
        }
    }
    let is = |name: &str, value: &str| options.iter().any(|(n, v)| (*n, v.as_str()) == (name, value));
    let (defaults, peers): (&[&str], _) = match (is("--suite", "operations"), is("--mode", "optimized")) {
        (true, _) => (&OPERATION_LIMITS, "torch-eager"),
        (false, false) => (&LIMITS, "torch-eager"),
        (false, true) => (&OPTIMIZED_LIMITS, "torch-eager,torch-eager-channels-last,torch-compile,jax"),
    };
    if let Some((_, list)) = options.iter_mut().find(|(name, list)| *name == "--peers" && list.is_empty()) {
        *list = peers.to_owned();
    }
    validate(&options)?;
    if limits.is_empty() {
        limits = defaults.iter().map(|&limit| limit.to_owned()).collect();
    }
    Ok(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).chain(limits).collect())
}

/// `argument`, if it is a workload and its limit.
fn limit(argument: &str) -> Result<String, String> {
    match argument.split_once('=').map(|(name, limit)| (name, limit.parse::<f64>())) {
        Some((name, Ok(limit))) if !name.is_empty() && limit > 0.0 => Ok(argument.to_owned()),
        _ => {
            Err(format!("`{argument}` is no limit: write a workload and a positive number, like chain=0.07"))
        }
    }
}

/// An error for the first option whose value makes no sense.
fn validate(options: &[(&str, String)]) -> Result<(), String> {
    for (name, value) in options {
        let (fits, expected) = match *name {
            "--suite" => (["workloads", "operations"].contains(&value.as_str()), "workloads or operations"),
            "--mode" => (["direct", "optimized"].contains(&value.as_str()), "direct or optimized"),
            "--seconds" => (value.parse().is_ok_and(|seconds: f64| seconds > 0.0), "a positive number"),
            "--peers" => (!value.is_empty(), "the names of peers"),
            _ => (value.parse().is_ok_and(|count: u32| count > 0), "a positive whole number"),
        };
        if !fits {
            return Err(format!("`{name}` is `{value}`, not {expected}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `ratio.py` gets for a command line, in one line.
    fn given(line: &str) -> Result<String, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        ratio_arguments(&arguments).map(|arguments| arguments.join(" "))
    }

    #[test]
    fn defaults_are_the_projects_promises() {
        assert_eq!(
            given("").unwrap(),
            "--suite workloads --threads 1 --rounds 3 --seconds 1 --mode direct --peers torch-eager \
             chain=0.07 readme=0.15 mlp=0.95 hvp=1.0"
        );
    }

    #[test]
    fn options_and_limits_replace_the_defaults() {
        assert_eq!(
            given("cnn=1 --threads 2 --mode=optimized lstm=0.9 --seconds 0.5").unwrap(),
            "--suite workloads --threads 2 --rounds 3 --seconds 0.5 --mode optimized \
             --peers torch-eager,torch-eager-channels-last,torch-compile,jax cnn=1 lstm=0.9"
        );
        assert!(given("--suite operations").unwrap().ends_with(&OPERATION_LIMITS.join(" ")));
        let optimized = given("--mode optimized").unwrap();
        assert!(optimized.contains("torch-compile,jax") && optimized.ends_with(&OPTIMIZED_LIMITS.join(" ")));
    }

    #[test]
    fn the_defaults_are_those_the_help_promises() {
        assert!(HELP.contains(&LIMITS.join(" ")) && HELP.contains(&OPERATION_LIMITS.join(" ")));
        for (name, value) in OPTIONS {
            let (_, text) = HELP.split_once(name).expect("every option is explained");
            let (_, text) = text.split_once("[default: ").expect("with its default");
            assert!(text.starts_with(value), "{name}");
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (line, message) in [
            ("--fast", "there is no option `--fast`"),
            ("--rounds", "`--rounds` needs a value"),
            ("--threads 0", "`--threads` is `0`, not a positive whole number"),
            ("--suite tests", "`--suite` is `tests`, not workloads or operations"),
            ("--mode eager", "`--mode` is `eager`, not direct or optimized"),
            ("--seconds -1", "`--seconds` is `-1`, not a positive number"),
            ("mlp", "`mlp` is no limit: write a workload and a positive number, like chain=0.07"),
            ("mlp=fast", "`mlp=fast` is no limit: write a workload and a positive number, like chain=0.07"),
        ] {
            assert_eq!(given(line), Err(message.to_owned()), "{line}");
        }
    }
}
