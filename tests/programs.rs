//! Whole programs give in optimized mode what they give in direct mode: values, derivatives in both modes and of second
//! order, `vmap`; in the first, the second and later calls.

#[path = "programs/models.rs"]
mod models;
#[path = "programs/networks.rs"]
mod networks;

use retrograd::{DType, Fallback, Result, Rng, Tensor, grad, grad_only, hessian, hvp, jit, jvp, tree, vmap};

/// A loss of parameters and data.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// What is differentiated.
    pub(crate) parameters: fn() -> Vec<Tensor>,
    pub(crate) data: fn() -> Vec<Tensor>,
    pub(crate) loss: fn(&[Tensor], &[Tensor]) -> Tensor,
}

fn programs() -> impl Iterator<Item = &'static Program> {
    networks::NETWORKS.iter().chain(models::MODELS)
}

/// Normal numbers in f64.
pub(crate) fn normal(seed: u64, shape: impl retrograd::IntoShape) -> Tensor {
    Rng::seed(seed).randn(shape).f64()
}

/// Classes that repeat, not in order.
pub(crate) fn labels(count: i64, classes: i64) -> Tensor {
    Tensor::from_vec((0..count).map(|i| (i * i + i / 2) % classes).collect(), [count as usize])
}

type Leaves = Vec<Tensor>;

/// What is computed of a program, at parameters, along directions, on data.
type Transform = fn(&Program, &Leaves, &Leaves, &Leaves) -> Result<Leaves>;

const TRANSFORMS: &[(&str, Transform)] = &[
    ("value", value),
    ("gradient", gradient),
    ("jvp", tangent),
    ("vmap", examples),
    ("vmap of gradient", gradients_of_examples),
    ("hvp", curvature),
    ("hessian", hessian_of_the_smallest),
    ("gradient of gradient", gradient_of_gradient),
    ("step", step),
];

fn value(program: &Program, p: &Leaves, _: &Leaves, x: &Leaves) -> Result<Leaves> {
    Ok(vec![(program.loss)(p, x)])
}

fn gradient(program: &Program, p: &Leaves, _: &Leaves, x: &Leaves) -> Result<Leaves> {
    let (mut dp, loss) = grad(|p: &Leaves, x: &Leaves| (program.loss)(p, x)).call(p, x)?;
    dp.push(loss);
    Ok(dp)
}

fn tangent(program: &Program, p: &Leaves, v: &Leaves, x: &Leaves) -> Result<Leaves> {
    let (loss, slope) = jvp(|p: &Leaves, x: &Leaves| (program.loss)(p, x)).call(p, v, x)?;
    Ok(vec![loss, slope])
}

/// The parameters and some beside them, along a new first axis.
fn varied(p: &Leaves, v: &Leaves) -> Leaves {
    tree::zip(p, v, |p, v| Tensor::stack(&[p.clone(), p + v * 0.1, p - v * 0.05], 0))
}

fn examples(program: &Program, p: &Leaves, v: &Leaves, x: &Leaves) -> Result<Leaves> {
    let each = vmap(|p: &Leaves, x: &Leaves| (program.loss)(p, x)).in_axes([Some(0), None]);
    Ok(vec![each.call(&varied(p, v), x)?])
}

fn gradients_of_examples(program: &Program, p: &Leaves, v: &Leaves, x: &Leaves) -> Result<Leaves> {
    let of_one = |p: &Leaves, x: &Leaves| gradient(program, p, &Vec::new(), x);
    vmap(of_one).in_axes([Some(0), None]).call(&varied(p, v), x)
}

fn curvature(program: &Program, p: &Leaves, v: &Leaves, x: &Leaves) -> Result<Leaves> {
    hvp(|p: &Leaves, x: &Leaves| (program.loss)(p, x)).call(p, v, x)
}

/// That of one parameter, so that it stays small.
fn hessian_of_the_smallest(program: &Program, p: &Leaves, _: &Leaves, x: &Leaves) -> Result<Leaves> {
    let at = (0..p.len()).min_by_key(|&i| p[i].numel()).expect("there are parameters");
    let of_one = |part: &Tensor| {
        let mut p = p.clone();
        p[at] = part.clone();
        (program.loss)(&p, x)
    };
    Ok(vec![hessian(of_one).call(&p[at], ())?])
}

fn gradient_of_gradient(program: &Program, p: &Leaves, _: &Leaves, x: &Leaves) -> Result<Leaves> {
    let steepness = |p: &Leaves| -> Result<Tensor> {
        let dp = grad_only(|p: &Leaves| (program.loss)(p, x)).call(p, ())?;
        Ok(dp.iter().map(|dp| dp.square().sum()).reduce(|a, b| a + b).expect("there are parameters"))
    };
    let (mut dp, steepness) = grad(steepness).call(p, ())?;
    dp.push(steepness);
    Ok(dp)
}

/// A step of gradient descent.
fn step(program: &Program, p: &Leaves, _: &Leaves, x: &Leaves) -> Result<Leaves> {
    let (dp, loss) = grad(|p: &Leaves| (program.loss)(p, x)).call(p, ())?;
    let mut next = tree::zip(p, &dp, |p, dp| p - dp * 0.01);
    next.push(loss);
    Ok(next)
}

/// The inputs of the calls: parameters that differ from call to call, directions, data.
fn calls(program: &Program, dtype: DType) -> (Vec<Leaves>, Leaves, Leaves) {
    let p = tree::cast(&(program.parameters)(), dtype);
    let v: Leaves =
        p.iter().enumerate().map(|(i, p)| normal(100 + i as u64, p.shape()).to_dtype(dtype)).collect();
    let moved = |by: f64| tree::zip(&p, &v, |p, v| p + v * by);
    ([0.0, 0.01, 0.02].map(moved).to_vec(), v, tree::cast(&(program.data)(), dtype))
}

/// What differs between the modes by rounding alone, relative to the greatest number of the same leaf. Passes that
/// round (sums by groups, sums scattered into a table, folds a tile at a time) add in another order: a few units in the
/// last place, which the subtractions of a second derivative make tens of them (the transformer's: 22 in f64).
fn rounding(dtype: DType) -> f64 {
    if dtype == DType::F64 { 1e-13 } else { 2e-5 }
}

/// Programs, and the transforms of them in which a pass has a reason to round. All others keep every bit.
const ROUNDED: &[(&str, &[&str])] = &[
    ("mlp", &["hvp"]),
    ("cnn", &["hvp"]),
    ("lstm", &["gradient", "jvp", "vmap of gradient", "hvp", "gradient of gradient", "step"]),
    ("gru", &["gradient", "vmap of gradient", "hvp", "gradient of gradient", "step"]),
    ("transformer", &["gradient", "jvp", "hvp", "gradient of gradient", "step"]),
    ("layer_norm", &["gradient", "gradient of gradient", "step"]),
    ("autoencoder", &["hvp", "gradient of gradient"]),
    ("mixed_precision", &["gradient", "step"]),
    ("runge_kutta", &["gradient", "vmap of gradient", "hvp", "gradient of gradient", "step"]),
];

fn keeps_bits(program: &str, transform: &str) -> bool {
    !ROUNDED.iter().any(|(name, transforms)| *name == program && transforms.contains(&transform))
}

/// Why the leaves are not what they should be.
fn difference(got: &[Tensor], expected: &[Tensor], tolerance: f64) -> Option<String> {
    if got.len() != expected.len() {
        return Some(format!("{} leaves instead of {}", got.len(), expected.len()));
    }
    got.iter().zip(expected).enumerate().find_map(|(leaf, (got, expected))| {
        if (got.dtype(), got.shape()) != (expected.dtype(), expected.shape()) {
            return Some(format!("leaf {leaf}: {got:?} instead of {expected:?}"));
        }
        let [a, b] = [got, expected].map(|x| x.to_vec::<f64>().expect("a valid tensor"));
        let scale = b.iter().fold(0.0f64, |scale, b| scale.max(b.abs()));
        let off = |(a, b): (&f64, &f64)| !b.is_finite() || (a - b).abs() > tolerance * scale;
        let at = a.iter().zip(&b).position(off)?;
        Some(format!("leaf {leaf}, element {at}: {:e} instead of {:e}", a[at], b[at]))
    })
}

#[test]
fn compiled_programs_give_what_direct_ones_give() {
    let mut wrong = Vec::new();
    for dtype in [DType::F64, DType::F32] {
        for (program, (transform, run)) in programs().flat_map(|p| TRANSFORMS.iter().map(move |t| (p, t))) {
            let (parameters, v, x) = calls(program, dtype);
            let f = |p: &Leaves, v: &Leaves, x: &Leaves| run(program, p, v, x);
            let compiled = jit(f).fallback(Fallback::Error);
            let tolerance = if keeps_bits(program.name, transform) { 0.0 } else { rounding(dtype) };
            for (call, p) in parameters.iter().enumerate() {
                let agreed = match (compiled.call(p, (&v, &x)), f(p, &v, &x)) {
                    (Ok(got), Ok(expected)) => difference(&got, &expected, tolerance),
                    (got, expected) => Some(format!("{got:?} instead of {expected:?}")),
                };
                let at = || format!("{} in {dtype}, {transform}, call {}", program.name, call + 1);
                wrong.extend(agreed.map(|reason| format!("{}: {reason}", at())));
            }
            let stats = compiled.stats();
            assert_eq!((stats.misses, stats.hits, stats.direct), (1, 2, 0), "{}: {stats:?}", program.name);
        }
    }
    assert!(wrong.is_empty(), "{} results differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The other form of optimized mode, where the update remains the user's.
#[test]
fn optimized_gradients_are_those_of_direct_mode_while_a_model_learns() -> Result<()> {
    for program in programs() {
        let loss = |p: &Leaves, x: &Leaves| (program.loss)(p, x);
        let (direct, optimized) = (grad(loss), grad(loss).optimize(true).fallback(Fallback::Error));
        let (parameters, _, x) = calls(program, DType::F64);
        let mut p = parameters[0].clone();
        for call in 0..5 {
            let ((dp, loss), (expected, expected_loss)) = (optimized.call(&p, &x)?, direct.call(&p, &x)?);
            let tolerance = if keeps_bits(program.name, "gradient") { 0.0 } else { rounding(DType::F64) };
            let differs = difference(&dp, &expected, tolerance)
                .or_else(|| difference(&[loss], &[expected_loss], tolerance));
            assert_eq!(differs, None, "{}, call {call}", program.name);
            p = tree::zip(&p, &dp, |p, dp| p - dp * 1e-3);
        }
        let stats = optimized.stats();
        assert_eq!((stats.misses, stats.hits, stats.direct), (1, 4, 0), "{}: {stats:?}", program.name);
    }
    Ok(())
}

/// How many kernels a compiled program has: fused ones, and all.
fn kernels(program: &Program, transform: Transform) -> Result<String> {
    let (p, v, x) = calls(program, DType::F32);
    let f = |p: &Leaves, v: &Leaves, x: &Leaves| transform(program, p, v, x);
    let code = jit(f).fallback(Fallback::Error).show_code(&p[0], (&v, &x))?;
    let fused = code.lines().filter(|line| line.contains(" = fused(")).count();
    let all = code.lines().last().and_then(|line| line.strip_prefix("// ")?.split_once(" kernels"));
    let (all, _) = all.expect("the last line counts the kernels");
    Ok(format!("{fused} of {all}"))
}

/// Fewer are better. A number that grows is a fusion lost: find out why before you write it down.
#[test]
fn programs_are_as_few_kernels_as_they_were() -> Result<()> {
    let counted: Vec<&(&str, Transform)> = TRANSFORMS
        .iter()
        .filter(|(name, _)| ["value", "gradient", "step", "jvp", "hvp"].contains(name))
        .collect();
    let mut table = format!("{:<24}", "fused kernels of all");
    table.extend(counted.iter().map(|(transform, _)| format!("{transform:>12}")));
    for program in programs() {
        table += &format!("\n{:<24}", program.name);
        for (_, transform) in &counted {
            table += &format!("{:>12}", kernels(program, *transform)?);
        }
    }
    table.push('\n');
    let pinned = include_str!("programs/kernels.txt");
    assert!(table == pinned, "tests/programs/kernels.txt does not say what there is:\n{table}");
    Ok(())
}
