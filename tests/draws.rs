//! Random draws have the distributions that they name, repeat with their seed, and differ from example to example.

use retrograd::{DType, Replacement, Result, Rng, Tensor, grad, vmap};

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec().expect("valid")
}

/// Mean and variance are within five standard errors of those expected; `kurtosis` is that of the distribution.
#[track_caller]
fn assert_moments(x: &Tensor, mean: f64, variance: f64, kurtosis: f64) {
    let (x, n) = (x.f64(), x.numel() as f64);
    let got = x.mean().item::<f64>().expect("a number");
    assert!((got - mean).abs() < 5.0 * (variance / n).sqrt(), "the mean is {got}");
    let got = (x - mean).square().mean().item::<f64>().expect("a number");
    assert!((got - variance).abs() < 5.0 * variance * ((kurtosis - 1.0) / n).sqrt(), "the variance is {got}");
}

#[test]
fn numbers_have_their_distributions_moments() {
    let mut rng = Rng::seed(1);
    let uniform = rng.uniform([100_000], -1.0, 3.0);
    assert!(values(&uniform).iter().all(|x| (-1.0..=3.0).contains(x)));
    assert_moments(&uniform, 1.0, 16.0 / 12.0, 1.8);
    assert_moments(&rng.normal([100_000], 2.0, 0.5), 2.0, 0.25, 3.0);
    let exponential = rng.exponential([100_000], 4.0);
    assert!(values(&exponential).iter().all(|x| *x >= 0.0 && x.is_finite()));
    assert_moments(&exponential, 0.25, 0.0625, 9.0);
    // 0, 1, .., 5 plus 10: variance (6^2 - 1) / 12.
    assert_moments(&rng.randint(10, 16, [100_000]), 12.5, 35.0 / 12.0, 1.8);
    assert_moments(&rng.bernoulli([100_000], 0.3), 0.3, 0.21, 1.8);
}

#[test]
fn whole_numbers_cover_their_range_and_no_more() {
    let drawn = Tensor::randint(-2, 3, [1000]);
    assert_eq!(drawn.dtype(), DType::I64);
    let mut seen = drawn.to_vec::<i64>().expect("valid");
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [-2, -1, 0, 1, 2]);
    assert_eq!(Tensor::randint(7, 8, [3]).to_vec::<i64>().expect("valid"), [7; 3]);
    let wide = Tensor::randint(i64::MIN, i64::MIN + (1 << 53), [1000]).to_vec::<i64>().expect("valid");
    assert!(wide.iter().all(|&x| x < i64::MIN + (1 << 53)));
}

#[test]
fn probabilities_may_be_tensors() {
    let p = Tensor::from([0f32, 0.5, 1.0]);
    let rate = values(&Rng::seed(2).bernoulli([10_000, 3], &p).mean_dim(0));
    assert!(rate[0] == 0.0 && (rate[1] - 0.5).abs() < 0.025 && rate[2] == 1.0, "{rate:?}");
}

#[test]
fn positions_come_as_often_as_their_weights_say() {
    let (weights, mut rng) = (Tensor::from([1f32, 0.0, 3.0, f32::NAN, 4.0, -1.0]), Rng::seed(3));
    let share = |drawn: &Tensor, n: usize| -> Vec<f64> {
        let drawn = drawn.to_vec::<i64>().expect("valid");
        (0..6).map(|i| drawn.iter().filter(|&&d| d == i).count() as f64 / n as f64).collect()
    };
    let with = share(&rng.multinomial(&weights, 40_000, Replacement::With), 40_000);
    for (got, expected) in with.iter().zip([0.125, 0.0, 0.375, 0.0, 0.5, 0.0]) {
        assert!((got - expected).abs() <= 5.0 * (expected * (1.0 - expected) / 40_000f64).sqrt(), "{with:?}");
    }
    // Two of three without replacement: the first as above, and position 0 is left out with probability
    // 3/8 4/5 + 4/8 3/4 = 0.675.
    let many = Tensor::stack(&vec![weights.clone(); 20_000], 0);
    let pairs = rng.multinomial(&many, 2, Replacement::Without);
    let first = share(&pairs.select(1, 0), 20_000);
    let either = share(&pairs, 20_000);
    for (got, expected) in [(first[0], 0.125), (first[4], 0.5), (either[0], 0.325)] {
        let error = (expected * (1.0 - expected) / 20_000f64).sqrt();
        assert!((got - expected).abs() < 5.0 * error, "{got} instead of {expected}");
    }
    assert!(!pairs.select(1, 0).eq(pairs.select(1, 1)).any().item::<bool>().expect("valid"));
    // Where no weight is left, the others come in order.
    let all = rng.multinomial(&weights, 6, Replacement::Without).to_vec::<i64>().expect("valid");
    assert_eq!(all[3..], [1, 3, 5]);
}

#[test]
fn a_permutation_has_each_number_once_and_any_order() {
    let mut rng = Rng::seed(4);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let order = rng.randperm(3).to_vec::<i64>().expect("valid");
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2]);
        seen.insert(order);
    }
    assert_eq!(seen.len(), 6);
}

#[test]
fn dropped_elements_are_zero_and_take_no_gradient() -> Result<()> {
    let x = Tensor::from([1.0, f64::INFINITY, 2.0, -3.0]).repeat([64]);
    let (gradient, y) = grad(|x: &Tensor| {
        let y = Rng::seed(5).dropout(x, 0.75);
        (y.sum(), y)
    })
    .call(&x, ())?;
    let kept = values(&y.1).iter().filter(|&&y| y != 0.0).count();
    assert!((40..90).contains(&kept), "{kept} of 256 are kept");
    for ((x, y), dx) in values(&x).into_iter().zip(values(&y.1)).zip(values(&gradient)) {
        assert!((y == 0.0 && dx == 0.0) || (y == 4.0 * x && dx == 4.0), "{x} {y} {dx}");
    }
    let (gradient, none) = grad(|x: &Tensor| x.dropout(1.0).sum()).call(&x, ())?;
    assert_eq!((none.item::<f64>()?, values(&gradient)), (0.0, vec![0.0; 256]));
    assert_eq!(values(&x.dropout(0.0)), values(&x));
    Ok(())
}

#[test]
fn mean_and_deviation_take_gradients() -> Result<()> {
    let draw = |mean: &Tensor, std: &Tensor| Rng::seed(6).normal([5], mean, std);
    let noise = draw(&Tensor::from(0f32), &Tensor::from(1f32)).sum().item::<f64>()?;
    let loss = |p: &(Tensor, Tensor)| draw(&p.0, &p.1).sum();
    let ((mean, std), _) = grad(loss).call(&(Tensor::from(1f32), Tensor::from(2f32)), ())?;
    assert_eq!(mean.item::<f64>()?, 5.0);
    assert!((std.item::<f64>()? - noise).abs() < 1e-5);
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_draws() {
    let draws = |rng: &mut Rng| {
        let x = Tensor::ones([4]);
        [
            rng.uniform([4], 0.0, 1.0),
            rng.normal([4], 0.0, 1.0),
            rng.exponential([4], 1.0),
            rng.randint(0, 1000, [4]),
            rng.randperm(9),
            rng.multinomial(&x, 9, Replacement::With),
            rng.dropout(&Tensor::ones([64]), 0.5),
        ]
        .map(|x| values(&x))
    };
    let (mut a, mut b) = (Rng::seed(7), Rng::seed(7));
    let first = draws(&mut a);
    assert_eq!(first, draws(&mut b));
    assert!(first.iter().zip(draws(&mut a)).all(|(first, second)| *first != second), "draws repeat");
}

#[test]
fn each_example_of_a_batch_draws_for_itself() -> Result<()> {
    type Draw = fn(&mut Rng) -> Tensor;
    let draws: [Draw; 6] = [
        |rng| rng.uniform([8], 0.0, 1.0),
        |rng| rng.randint(0, 1000, [8]),
        |rng| rng.randperm(8),
        |rng| rng.multinomial(&Tensor::ones([8]), 8, Replacement::Without),
        |rng| rng.multinomial(&Tensor::ones([8]), 8, Replacement::With),
        |rng| rng.dropout(&Tensor::ones([64]), 0.5),
    ];
    let generators = Rng::seed(9).split(3);
    for draw in draws {
        let all = vmap(|rng: &Rng| draw(&mut rng.clone())).call(&generators, ())?;
        let rows: Vec<Vec<f64>> = all.iter().map(|row| values(&row)).collect();
        assert!(rows[0] != rows[1] && rows[1] != rows[2] && rows[0] != rows[2], "{rows:?}");
        assert_eq!(values(&vmap(|rng: &Rng| draw(&mut rng.clone())).call(&generators, ())?), rows.concat());
    }
    Ok(())
}

#[test]
fn a_draw_like_a_tensor_has_its_shape_and_dtype() {
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let x = Tensor::zeros([2, 3]).to_dtype(dtype);
        for y in [x.rand_like(), x.randn_like()] {
            assert_eq!((y.shape().to_vec(), y.dtype()), (vec![2, 3], dtype));
        }
    }
}
