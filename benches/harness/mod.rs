//! What the benchmarks share: inputs that all programs compute alike, options, timing, a JSON line a workload.

use std::hint::black_box;
use std::process::exit;
use std::time::{Duration, Instant};

use retrograd::{Result, Tensor};

/// `scale * (hash(i) - 1/2)`: the inputs that all programs share.
pub(crate) fn fill<const N: usize>(seed: u64, shape: [usize; N], scale: f64) -> Tensor {
    let n: usize = shape.iter().product();
    let value = |i: u64| scale * (hash(seed, i) as f64 / 4_294_967_296.0 - 0.5);
    Tensor::from_vec((0..n as u64).map(value).collect::<Vec<f64>>(), shape)
}

pub(crate) fn fill32<const N: usize>(seed: u64, shape: [usize; N], scale: f64) -> Tensor {
    fill(seed, shape, scale).f32()
}

pub(crate) fn hash(seed: u64, i: u64) -> u64 {
    i.wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503 + 12_345) & 0xffff_ffff
}

/// A workload: one run of it. The number to check is made of what it yields, which is not what is measured.
pub(crate) type Run = Box<dyn FnMut() -> Result<Vec<Tensor>>>;

/// The number that programs have to agree on.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Check {
    /// The first output (the loss) of the fifth run.
    FifthLoss,
    /// The sum of all outputs of the first run.
    #[allow(dead_code, reason = "each benchmark uses some of them")]
    Sum,
    /// The sum of their squares.
    #[allow(dead_code, reason = "each benchmark uses some of them")]
    SumOfSquares,
}

impl Check {
    fn number(self, outputs: &[Tensor]) -> Result<f64> {
        let sum = |f: fn(Tensor) -> Tensor| outputs.iter().map(|y| f(y.f64()).sum().item::<f64>()).sum();
        match self {
            Check::FifthLoss => outputs[0].item(),
            Check::Sum => sum(|y| y),
            Check::SumOfSquares => sum(|y| y.square()),
        }
    }
}

/// How our functions run.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Direct,
    Optimized,
}

struct Options {
    mode: Mode,
    threads: usize,
    only: Vec<String>,
    seconds: f64,
}

fn options() -> std::result::Result<Options, String> {
    let mut options = Options { mode: Mode::Direct, threads: 1, only: Vec::new(), seconds: 2.0 };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            // Passed by cargo.
            "--bench" => {}
            "--mode" => match value()?.as_str() {
                "direct" => options.mode = Mode::Direct,
                "optimized" => options.mode = Mode::Optimized,
                mode => {
                    return Err(format!("mode `{mode}` does not exist; there are `direct` and `optimized`"));
                }
            },
            "--threads" => options.threads = value()?.parse().map_err(|e| format!("--threads: {e}"))?,
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--seconds" => options.seconds = value()?.parse().map_err(|e| format!("--seconds: {e}"))?,
            _ => return Err(format!("unknown option {arg}; there are --mode, --threads, --only, --seconds")),
        }
    }
    if options.threads == 0 {
        return Err("--threads: there is at least one".to_owned());
    }
    retrograd::set_threads(options.threads);
    Ok(options)
}

/// The most memory that this process had resident so far, in KiB; none where the system does not tell (it is Linux that
/// does).
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// As JSON has it.
fn json(number: Option<u64>) -> String {
    number.map_or("null".to_owned(), |number| number.to_string())
}

fn measure(
    name: &str,
    (check, mut run): (Check, Run),
    start_kib: Option<u64>,
    options: &Options,
) -> Result<()> {
    let start = Instant::now();
    let mut outputs = black_box(run()?);
    let first = start.elapsed();
    if check == Check::FifthLoss {
        for _ in 0..4 {
            outputs = run()?;
        }
    }
    let value = check.number(&outputs)?;
    drop(outputs);
    for _ in 0..3 {
        run()?;
    }
    let mut times: Vec<Duration> = Vec::new();
    let start = Instant::now();
    while (start.elapsed().as_secs_f64() < options.seconds || times.len() < 20)
        && start.elapsed().as_secs() < 60
    {
        let turn = Instant::now();
        black_box(run()?);
        times.push(turn.elapsed());
    }
    times.sort_unstable();
    let peak_kib = peak_kib();
    let mode = if options.mode == Mode::Direct { "direct" } else { "optimized" };
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        r#"{{"workload": "{name}", "program": "retrograd-{mode}", "threads": {}, "median_us": {:.2}, "min_us": {:.2}, "first_us": {:.0}, "peak_kib": {}, "start_kib": {}, "check": {value:e}}}"#,
        options.threads,
        us(times[times.len() / 2]),
        us(times[0]),
        us(first),
        json(peak_kib),
        json(start_kib),
    );
    Ok(())
}

/// Measures the workloads that the command line names, all if it names none.
pub(crate) fn main(names: &[&str], workload: impl Fn(&str, Mode) -> Option<(Check, Run)>) {
    let options = options().unwrap_or_else(|message| {
        eprintln!("{message}");
        exit(2)
    });
    let wanted = |name: &&&str| options.only.is_empty() || options.only.iter().any(|only| only == **name);
    for name in names.iter().filter(wanted) {
        let start_kib = peak_kib();
        let Some(work) = workload(name, options.mode) else { continue };
        if let Err(error) = measure(name, work, start_kib, &options) {
            eprintln!("{name}: {error}");
            exit(1);
        }
    }
}
