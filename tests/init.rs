//! `retrograd::nn::init`: initial values have the mean, spread and bounds that they are named for, matrices are
//! orthogonal, and shapes without fans are refused.

use retrograd::nn::init::{self, Fan, Fans, Nonlinearity, Truncation};
use retrograd::{DType, ErrorKind, Fallback, Result, Rng, Tensor, jit, vmap};

/// How many standard errors a statistic of a fixed seed may be away: chance is beyond 4 in one draw of 16,000.
const SIGMAS: f64 = 4.0;

/// Holds mean and standard deviation of many draws to what they should be. `kurtosis` is that of the distribution: 3
/// for a normal one, 9/5 for a uniform one.
#[track_caller]
fn spread(x: &Tensor, mean: f64, std: f64, kurtosis: f64) {
    let n = x.numel() as f64;
    let x = x.f64();
    let (got_mean, got_std) =
        (x.mean().item::<f64>().expect("a mean"), x.std(1).item::<f64>().expect("a std"));
    let mean_error = std / n.sqrt();
    assert!((got_mean - mean).abs() <= SIGMAS * mean_error, "mean {got_mean}, not {mean} +- {mean_error}");
    // The standard deviation's own: std * sqrt((kurtosis - 1) / 4 n).
    let std_error = std * ((kurtosis - 1.0) / (4.0 * n)).sqrt();
    assert!((got_std - std).abs() <= SIGMAS * std_error, "std {got_std}, not {std} +- {std_error}");
}

const NORMAL: f64 = 3.0;
const UNIFORM: f64 = 1.8;

/// Holds draws to bounds that they nearly reach.
#[track_caller]
fn bounded(x: &Tensor, low: f64, high: f64) {
    let (least, most) = (x.amin().item::<f64>().expect("a min"), x.amax().item::<f64>().expect("a max"));
    let slack = 1e-6 * (high - low);
    assert!(low - slack <= least && most <= high + slack, "{least} to {most} is not within {low} to {high}");
    let near = 0.01 * (high - low);
    assert!(least < low + near && most > high - near, "{least} to {most} does not fill {low} to {high}");
}

#[test]
fn plain_draws_have_their_mean_and_spread() {
    let mut rng = Rng::seed(1);
    let x = init::uniform(&mut rng, [200, 150], -1.0, 3.0);
    spread(&x, 1.0, 4.0 / 12f64.sqrt(), UNIFORM);
    bounded(&x, -1.0, 3.0);
    spread(&init::normal(&mut rng, [200, 150], 0.5, 2.0), 0.5, 2.0, NORMAL);
    assert_eq!(x.dtype(), DType::F32);
}

#[test]
fn glorots_draws_keep_the_spread_in_both_directions() {
    let mut rng = Rng::seed(2);
    let std = 1.5 * (2.0f64 / (9.0 * (40.0 + 60.0))).sqrt();
    spread(&init::xavier_normal(&mut rng, [60, 40, 3, 3], 1.5), 0.0, std, NORMAL);
    let x = init::xavier_uniform(&mut rng, [60, 40, 3, 3], 1.5);
    spread(&x, 0.0, std, UNIFORM);
    bounded(&x, -std * 3f64.sqrt(), std * 3f64.sqrt());
}

#[test]
fn hes_draws_make_up_for_the_nonlinearity() {
    let mut rng = Rng::seed(3);
    for (fan, count) in [(Fan::In, 40.0 * 3.0), (Fan::Out, 200.0 * 3.0)] {
        for nonlinearity in [Nonlinearity::Relu, Nonlinearity::LeakyRelu(0.5), Nonlinearity::Tanh] {
            let std = init::calculate_gain(nonlinearity) / f64::sqrt(count);
            spread(&init::kaiming_normal(&mut rng, [200, 40, 3], fan, nonlinearity), 0.0, std, NORMAL);
            let x = init::kaiming_uniform(&mut rng, [200, 40, 3], fan, nonlinearity);
            spread(&x, 0.0, std, UNIFORM);
            bounded(&x, -std * 3f64.sqrt(), std * 3f64.sqrt());
        }
    }
}

#[test]
fn activations_keep_their_spread_through_layers() -> Result<()> {
    let mut rng = Rng::seed(4);
    let mut x = rng.randn([64, 256]);
    for _ in 0..8 {
        let w = init::kaiming_normal(&mut rng, [256, 256], Fan::In, Nonlinearity::Relu);
        x = x.relu().matmul(&w.t());
    }
    let second_moment = x.square().mean().item::<f64>()?;
    assert!((0.6..1.6).contains(&second_moment), "{second_moment}");
    Ok(())
}

#[test]
fn lecuns_draws_have_the_variance_of_one_input() {
    let mut rng = Rng::seed(5);
    let std = (1.0f64 / 150.0).sqrt();
    let x = init::lecun_normal(&mut rng, [200, 150]);
    // Of a normal distribution cut at two: E[z^4] / E[z^2]^2 = 1.4116 / 0.7737^2.
    spread(&x, 0.0, std, 2.36);
    bounded(&x, -2.0 * std / 0.879_625_661, 2.0 * std / 0.879_625_661);
    let x = init::lecun_uniform(&mut rng, [200, 150]);
    spread(&x, 0.0, std, UNIFORM);
    bounded(&x, -std * 3f64.sqrt(), std * 3f64.sqrt());
}

#[test]
fn truncated_draws_are_those_of_a_normal_distribution_within_bounds() {
    let mut rng = Rng::seed(6);
    let x = init::truncated_normal(&mut rng, [30_000], Truncation::default());
    spread(&x, 0.0, 0.879_625_661, 2.36);
    bounded(&x, -2.0, 2.0);
    // The half normal distribution: mean sqrt(2 / pi), variance 1 - 2 / pi, kurtosis 3.87.
    let half = Truncation { low: 0.0, high: f64::INFINITY, ..Truncation::default() };
    let share = std::f64::consts::FRAC_2_PI;
    spread(&init::truncated_normal(&mut rng, [30_000], half), share.sqrt(), (1.0 - share).sqrt(), 3.87);
    let shifted = Truncation { mean: 3.0, std: 0.5, low: 2.0, high: 4.0 };
    spread(&init::truncated_normal(&mut rng, [30_000], shifted), 3.0, 0.5 * 0.879_625_661, 2.36);
}

#[test]
fn truncated_draws_far_out_keep_to_their_tail() -> Result<()> {
    let mut rng = Rng::seed(7);
    // Beyond `a` the tail falls off like exp(-a x): mean a + 1 / a - 2 / a^3 + 10 / a^5.
    let (a, mean) = (9.0, 9.0 + 1.0 / 9.0 - 2.0 / 729.0 + 10.0 / 59_049.0);
    for (low, high, sign) in [(a, f64::INFINITY, 1.0), (f64::NEG_INFINITY, -a, -1.0)] {
        let range = Truncation { low, high, ..Truncation::default() };
        let x = init::truncated_normal(&mut rng, [30_000], range) * sign;
        assert!(x.isfinite().all().item::<bool>()? && x.amin().item::<f64>()? >= a);
        spread(&x, mean, 0.107, 9.0);
    }
    let beyond = Truncation { low: 50.0, high: 60.0, ..Truncation::default() };
    assert_eq!(init::truncated_normal(&mut rng, [3], beyond).to_vec::<f32>()?, [50.0; 3]);
    Ok(())
}

/// The greatest deviation of `rows rows^T` from the identity, in f64.
fn skew(rows: &Tensor) -> f64 {
    let rows = rows.f64();
    let product = rows.matmul(&rows.t());
    let n = product.size(0);
    (product - Tensor::eye(n).f64()).abs().amax().item().expect("a number")
}

#[test]
fn orthogonal_rows_or_columns_are_orthogonal_whichever_are_fewer() {
    let mut rng = Rng::seed(8);
    for n in [1, 2, 7, 32, 33, 130] {
        let square = init::orthogonal(&mut rng, [n, n], 1.0);
        assert!(skew(&square) < 1e-6 && skew(&square.t()) < 1e-6, "{n}: {}", skew(&square));
        assert!(skew(&init::orthogonal(&mut rng, [n, n + 5], 1.0)) < 1e-6);
        assert!(skew(&init::orthogonal(&mut rng, [n + 5, n], 1.0).t()) < 1e-6);
    }
    let weight = init::orthogonal(&mut rng, [6, 3, 2, 2], 2.0);
    assert_eq!(weight.shape().to_vec(), [6, 3, 2, 2]);
    assert!(skew(&(weight.reshape([6, 12]) / 2.0)) < 1e-6);
}

#[test]
fn orthogonal_matrices_are_the_factor_of_random_numbers_with_a_positive_diagonal() -> Result<()> {
    // The draws are those that the generator would have given.
    for shape in [[5, 3], [3, 5], [40, 40], [100, 70], [70, 100]] {
        let (noise, q) = (Rng::seed(3).randn(shape), init::orthogonal(&mut Rng::seed(3), shape, 1.0));
        let (noise, q) = if shape[0] < shape[1] { (noise.t(), q.t()) } else { (noise, q) };
        let r = q.t().f64().matmul(&noise.f64());
        assert!(r.tril(-1).abs().amax().item::<f64>()? < 1e-5, "{shape:?}: no triangle");
        assert!(r.diagonal(0, 0, 1).amin().item::<f64>()? > 0.0, "{shape:?}: a negative diagonal");
    }
    Ok(())
}

#[test]
fn orthogonal_matrices_are_uniform() -> Result<()> {
    // Their traces have mean 0 and variance 1; without the signs the mean would be far below 0.
    let mut rng = Rng::seed(9);
    let traces: Vec<Tensor> = (0..400).map(|_| init::orthogonal(&mut rng, [5, 5], 1.0).trace()).collect();
    spread(&Tensor::stack(&traces, 0), 0.0, 1.0, NORMAL);
    // In one dimension both signs come up.
    let ones: Vec<f32> =
        (0..40).map(|_| init::orthogonal(&mut rng, [1, 1], 1.0).item()).collect::<Result<_>>()?;
    assert!(ones.contains(&1.0) && ones.contains(&-1.0), "{ones:?}");
    Ok(())
}

#[test]
fn orthogonal_matrices_without_elements_are_empty() {
    for shape in [[0, 3], [3, 0], [0, 0]] {
        let x = init::orthogonal(&mut Rng::seed(0), shape, 1.0);
        assert_eq!(x.shape().to_vec(), shape);
    }
}

#[test]
fn weights_without_elements_are_empty() {
    let mut rng = Rng::seed(0);
    for weight in [
        init::kaiming_normal(&mut rng, [0, 3], Fan::Out, Nonlinearity::Relu),
        init::xavier_uniform(&mut rng, [0, 3], 1.0),
        init::lecun_normal(&mut rng, [0, 3]),
        init::truncated_normal(&mut rng, [0, 3], Truncation::default()),
        init::sparse(&mut rng, [0, 3], 0.5, 1.0),
        init::eye([0, 3]),
        init::dirac([0, 3, 0], 1),
        init::dirac([3, 3, 0], 3),
    ] {
        assert!(weight.error().is_none() && weight.numel() == 0, "{weight:?}");
    }
}

#[test]
fn one_seed_gives_one_set_of_weights_and_the_next_draw_another() -> Result<()> {
    let draw = |rng: &mut Rng| init::orthogonal(rng, [4, 4], 1.0);
    let mut rng = Rng::seed(10);
    let (first, second) = (draw(&mut rng), draw(&mut rng));
    assert_eq!(first.to_vec::<f32>()?, draw(&mut Rng::seed(10)).to_vec::<f32>()?);
    assert_ne!(first.to_vec::<f32>()?, second.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn weights_may_be_drawn_in_compiled_functions_and_batches() -> Result<()> {
    let draw = |rng: &Rng| {
        let mut rng = rng.clone();
        let a = init::orthogonal(&mut rng, [3, 4], 1.0);
        a + init::truncated_normal(&mut rng, [3, 4], Truncation::default())
    };
    let seed = Rng::seed(11);
    let compiled = jit(draw).fallback(Fallback::Error);
    for _ in 0..3 {
        assert!(compiled.call(&seed, ())?.allclose(&draw(&seed), 1e-6, 1e-6)?);
    }
    let many = vmap(|rng: &Rng| init::orthogonal(&mut rng.clone(), [3, 3], 1.0));
    let drawn = many.call(&Rng::seed(12).split(4), ())?;
    assert_eq!(drawn.shape().to_vec(), [4, 3, 3]);
    assert!(drawn.iter().all(|q| skew(&q) < 1e-6));
    Ok(())
}

#[test]
fn sparse_columns_have_their_zeros_at_random_places() -> Result<()> {
    let x = init::sparse(&mut Rng::seed(13), [25, 400], 0.3, 0.5);
    let zeros = x.eq(0.0).i64();
    assert_eq!(zeros.sum_dim(0).to_vec::<i64>()?, [8; 400]); // ceil(7.5)
    let rows = zeros.sum_dim(1);
    // Each row has 400 * 8 / 25 = 128 of them on average, with a standard deviation of 9.3.
    let (least, most) = (rows.amin().item::<i64>()?, rows.amax().item::<i64>()?);
    assert!(least > 128 - 40 && most < 128 + 40, "{least} to {most}");
    spread(&x.masked_select(&x.ne(0.0)), 0.0, 0.5, NORMAL);
    Ok(())
}

#[test]
fn dirac_weights_pass_channels_on() -> Result<()> {
    let mut rng = Rng::seed(14);
    let x = rng.randn([2, 4, 5, 6]);
    let y = x.conv2d(&init::dirac([4, 4, 3, 3], 1), retrograd::Conv::new().padding(1));
    assert!(y.allclose(&x, 0.0, 0.0)?);
    // Two groups of the output channels begin with the first channels of what they see.
    let grouped = init::dirac([6, 2, 1], 2);
    let ones = [(0, 0), (1, 1), (3, 0), (4, 1)];
    let mut expected = Tensor::zeros([6, 2, 1]);
    for at in ones {
        expected.set((at.0, at.1, 0), 1.0);
    }
    assert!(grouped.allclose(&expected, 0.0, 0.0)?);
    Ok(())
}

#[test]
fn gains_are_those_of_pytorch() {
    // torch.nn.init.calculate_gain
    for (nonlinearity, gain) in [
        (Nonlinearity::Linear, 1.0),
        (Nonlinearity::Sigmoid, 1.0),
        (Nonlinearity::Tanh, 1.666_666_666_666_666_7),
        (Nonlinearity::Relu, std::f64::consts::SQRT_2),
        (Nonlinearity::LeakyRelu(0.01), 1.414_142_856_997_835_4),
        (Nonlinearity::LeakyRelu(-0.5), 1.264_911_064_067_351_8),
        (Nonlinearity::Selu, 0.75),
    ] {
        let got = init::calculate_gain(nonlinearity);
        assert!((got - gain).abs() < 1e-15, "{nonlinearity:?}: {got}");
    }
}

#[test]
fn fans_count_inputs_of_an_output_and_outputs_of_an_input() -> Result<()> {
    assert_eq!(init::fans([7, 3])?, Fans { fan_in: 3, fan_out: 7 });
    assert_eq!(init::fans([8, 2, 3, 5, 7])?, Fans { fan_in: 210, fan_out: 840 });
    Ok(())
}

/// The error with its lines joined by ` | `, but for the one that points here.
fn said(x: &Tensor) -> String {
    let error = x.error().expect("an invalid tensor");
    assert_eq!(error.location().map(|at| at.file()), Some(file!()), "{error}");
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.starts_with("at ")).collect();
    lines.join(" | ")
}

#[test]
fn shapes_without_fans_are_refused() {
    let mut rng = Rng::seed(0);
    let text = |name: &str| {
        format!(
            "{name}: fans are those of weights [out, in, ..kernel], got [5] | help: biases and scales have none: see `uniform`, `Tensor::zeros`, `Tensor::ones`"
        )
    };
    assert_eq!(said(&init::xavier_uniform(&mut rng, [5], 1.0)), text("xavier_uniform"));
    assert_eq!(said(&init::xavier_normal(&mut rng, [5], 1.0)), text("xavier_normal"));
    assert_eq!(
        said(&init::kaiming_uniform(&mut rng, [5], Fan::In, Nonlinearity::Relu)),
        text("kaiming_uniform")
    );
    assert_eq!(
        said(&init::kaiming_normal(&mut rng, [5], Fan::In, Nonlinearity::Relu)),
        text("kaiming_normal")
    );
    assert_eq!(said(&init::lecun_uniform(&mut rng, [5])), text("lecun_uniform"));
    assert_eq!(said(&init::lecun_normal(&mut rng, [5])), text("lecun_normal"));
    let error = init::fans([5]).expect_err("no fans");
    assert_eq!(error.kind(), ErrorKind::Shape);
    assert!(
        error.to_string().starts_with("fans are those of weights [out, in, ..kernel], got [5]"),
        "{error}"
    );
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let mut rng = Rng::seed(0);
    assert_eq!(
        said(&init::orthogonal(&mut rng, [5], 1.0)),
        "orthogonal: an orthogonal weight has two axes or more, got [5]"
    );
    assert_eq!(said(&init::eye([5])), "eye: a matrix has two axes, got [5]");
    let too_many = [2usize; 9];
    let text = "a tensor has at most 8 axes, got 9: [2, 2, 2, 2, 2, 2, 2, 2, 2]";
    assert_eq!(said(&init::dirac(too_many, 1)), format!("dirac: {text}"));
    assert_eq!(said(&init::orthogonal(&mut rng, too_many, 1.0)), format!("orthogonal: {text}"));
    assert_eq!(said(&init::lecun_normal(&mut rng, too_many)), format!("lecun_normal: {text}"));
    assert_eq!(
        said(&init::sparse(&mut rng, [5, 2, 2], 0.5, 1.0)),
        "sparse: a matrix has two axes, got [5, 2, 2]"
    );
    assert_eq!(
        said(&init::dirac([5, 5], 1)),
        "dirac: weights are [out, in, ..kernel] with one to three axes of a kernel, got [5, 5]"
    );
    assert_eq!(
        said(&init::dirac([5, 5, 3], 2)),
        "dirac: 5 output channels are no 2 equal parts, of weights [5, 5, 3]"
    );
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let mut rng = Rng::seed(0);
    assert_eq!(
        said(&init::uniform(&mut rng, [5], 1.0, -1.0)),
        "uniform: bounds are finite and in order, got 1 and -1"
    );
    assert_eq!(
        said(&init::normal(&mut rng, [5], 0.0, -1.0)),
        "normal: mean and std are finite, std 0 or more, got 0 and -1"
    );
    assert_eq!(
        said(&init::xavier_normal(&mut rng, [5, 5], -1.0)),
        "xavier_normal: a gain is finite and 0 or more, got -1"
    );
    assert_eq!(said(&init::orthogonal(&mut rng, [5, 5], f64::NAN)), "orthogonal: a gain is finite, got NaN");
    assert_eq!(
        said(&init::kaiming_normal(&mut rng, [5, 5], Fan::In, Nonlinearity::LeakyRelu(f64::NAN))),
        "kaiming_normal: a slope is finite, got LeakyRelu(NaN)"
    );
    assert_eq!(
        said(&init::sparse(&mut rng, [5, 5], 1.5, 0.1)),
        "sparse: sparsity is from 0 to 1, std 0 or more, got 1.5 and 0.1"
    );
    let range = Truncation { low: 1.0, high: 1.0, ..Truncation::default() };
    assert_eq!(
        said(&init::truncated_normal(&mut rng, [5], range)),
        "truncated_normal: std is above 0 and low below high, got Truncation { mean: 0.0, std: 1.0, low: 1.0, high: 1.0 }"
    );
}
