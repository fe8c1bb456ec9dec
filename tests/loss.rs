//! `retrograd::loss`: what its functions are by their laws, beside PyTorch, far from zero, and when they are called
//! wrongly.

#[path = "loss/compiled.rs"]
mod compiled;
#[path = "loss/golden.rs"]
mod golden;
#[path = "loss/messages.rs"]
mod messages;
#[path = "golden/read.rs"]
mod read;

use retrograd::{DType, Result, Rng, Tensor, grad, gradcheck, gradgradcheck, loss, vmap};

/// Scores, class numbers, and probabilities for each.
fn example(seed: u64) -> (Tensor, Tensor, Tensor) {
    let mut rng = Rng::seed(seed);
    let scores = rng.normal([5, 4], 0.0, 2.0).f64();
    (scores, rng.randint(0, 4, [5]), rng.rand([5, 4]).f64())
}

#[track_caller]
fn close(a: &Tensor, b: &Tensor) {
    assert!(a.allclose(b, 1e-12, 1e-12).expect("two tensors of one shape"), "{a} and {b}");
}

fn finite(x: &Tensor) -> bool {
    x.isfinite().all().item::<bool>().expect("a value")
}

#[test]
fn class_numbers_are_rows_with_a_one() -> Result<()> {
    let (scores, classes, _) = example(1);
    let rows = classes.one_hot(4);
    for rows in [&rows.f64(), &rows.i32(), &rows.bool()] {
        close(&loss::cross_entropy(&scores, &classes).0, &loss::cross_entropy(&scores, rows).0);
        close(&loss::margin(&scores, &classes, 1.0).0, &loss::margin(&scores, rows, 1.0).0);
        let log_p = scores.log_softmax(-1);
        close(&loss::log_multinomial(&log_p, &classes), &loss::log_multinomial(&log_p, rows));
    }
    Ok(())
}

#[test]
fn class_numbers_have_any_integer_dtype_and_may_count_from_the_end() {
    let (scores, classes, _) = example(2);
    let from_the_end = &classes - 4;
    for numbers in [&classes.i32(), &classes.u8(), &from_the_end] {
        close(&loss::cross_entropy(&scores, &classes).0, &loss::cross_entropy(&scores, numbers).0);
        close(&loss::margin(&scores, &classes, 1.0).0, &loss::margin(&scores, numbers, 1.0).0);
    }
}

#[test]
fn cross_entropy_adds_up_what_the_method_averages() {
    let (scores, classes, _) = example(3);
    close(&loss::cross_entropy(&scores, &classes).0, &(scores.cross_entropy(&classes) * 5.0));
}

#[test]
fn cross_entropy_is_the_multinomial_loss_of_its_prediction() {
    let (scores, _, p) = example(4);
    let (value, log_p) = loss::cross_entropy(&scores, &p);
    close(&value, &loss::log_multinomial(&log_p, &p));
    close(&log_p.exp().sum_dim(-1), &Tensor::ones([5]).f64());
}

#[test]
fn cross_entropy_does_not_see_what_is_added_to_all_scores() -> Result<()> {
    let (scores, classes, p) = example(5);
    for target in [&classes, &p] {
        let f = |x: &Tensor| loss::cross_entropy(x, target);
        close(&f(&scores).0, &f(&(&scores + 3.0)).0);
        let (gradient, _) = grad(f).call(&scores, ())?;
        close(&gradient.sum_dim(-1), &Tensor::zeros([5]).f64());
    }
    Ok(())
}

#[test]
fn two_classes_are_a_binary_entropy() {
    let (x, y) = (Tensor::from([0.3, -1.2, 2.5]), Tensor::from([1i64, 0, 0]));
    let two = Tensor::stack(&[x.zeros_like(), x.clone()], -1);
    close(&loss::cross_entropy(&two, &y).0, &loss::binary_entropy(&x, &y).0);
}

#[test]
fn binary_entropy_is_log_bce_of_its_prediction() {
    let (scores, _, target) = example(6);
    let (value, p) = loss::binary_entropy(&scores, &target);
    close(&value, &loss::log_bce(&p, &target, 0.0));
}

#[test]
fn huber_is_half_the_square_up_to_delta_and_a_line_beyond() -> Result<()> {
    let (x, _, y) = example(7);
    close(&(loss::huber(&x, &y, f64::INFINITY).0 * 2.0), &loss::least_squares(&x, &y).0);
    let far = Tensor::from([1e30f32, -1e30]);
    let (slope, _) = grad(|x: &Tensor| loss::huber(x, &x.zeros_like(), 0.5)).call(&far, ())?;
    assert_eq!(slope.to_vec::<f64>()?, [0.5, -0.5]);
    Ok(())
}

#[test]
fn a_class_that_cannot_be_and_is_not_adds_nothing() -> Result<()> {
    let scores = Tensor::from([[0.0, f64::NEG_INFINITY, 0.0]]);
    let target = Tensor::from([[0.5, 0.0, 0.5]]);
    let (gradient, (value, _)) = grad(|x: &Tensor| loss::cross_entropy(x, &target)).call(&scores, ())?;
    assert_eq!(value.item::<f64>()?, 2f64.ln());
    assert_eq!(gradient.to_vec::<f64>()?, [0.0, 0.0, 0.0]);
    let impossible = Tensor::from([[0.0, 1.0, 0.0]]);
    assert_eq!(loss::cross_entropy(&scores, &impossible).0.item::<f64>()?, f64::INFINITY);
    Ok(())
}

#[test]
fn margin_skips_what_is_neither_0_nor_1() -> Result<()> {
    let scores = Tensor::from([[2.0, 0.5, 9.0, 1.5]]);
    let (value, _) = loss::margin(&scores, &Tensor::from([[1.0, 1.0, 0.5, 0.0]]), 1.0);
    assert_eq!(value.item::<f64>()?, 0.5 + 2.0);
    Ok(())
}

#[test]
fn a_loss_before_it_is_added_up_adds_up_to_it() {
    let (x, classes, p) = example(8);
    let q = x.sigmoid();
    close(&loss::each::cross_entropy(&x, &classes).sum(), &loss::cross_entropy(&x, &classes).0);
    close(&loss::each::binary_entropy(&x, &p).sum(), &loss::binary_entropy(&x, &p).0);
    close(&loss::each::least_squares(&x, &p).sum(), &loss::least_squares(&x, &p).0);
    close(&loss::each::huber(&x, &p, 0.5).sum(), &loss::huber(&x, &p, 0.5).0);
    close(&loss::each::margin(&x, &classes, 0.5).sum(), &loss::margin(&x, &classes, 0.5).0);
    close(&loss::each::log_multinomial(&q.log(), &classes).sum(), &loss::log_multinomial(&q.log(), &classes));
    close(&loss::each::log_bce(&q, &p, 0.1).sum(), &loss::log_bce(&q, &p, 0.1));
}

/// Scores far out, where exponentials overflow and probabilities round to 0 and 1.
const FAR: [f32; 4] = [1e4, -1e4, 1e4, -1e4];

#[test]
fn scores_of_any_size_give_finite_losses_and_gradients() -> Result<()> {
    let far = Tensor::from([FAR, [0.0, 1e4, -1e4, 88.8]]);
    let (numbers, rows) = (Tensor::from([1i64, 2]), Tensor::full([2, 4], 0.25));
    type Loss<'a> = &'a dyn Fn(&Tensor) -> Tensor;
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        // f16 ends at 65,504, and some of the losses are sums of eight.
        let far = if dtype == DType::F16 { &far / 4.0 } else { far.clone() };
        let (far, rows) = (far.to_dtype(dtype), rows.to_dtype(dtype));
        let losses: [Loss<'_>; 7] = [
            &|x| loss::cross_entropy(x, &numbers).0,
            &|x| loss::cross_entropy(x, &rows).0,
            &|x| loss::binary_entropy(x, &rows).0,
            &|x| loss::binary_entropy(x, &rows.bool()).0,
            &|x| loss::margin(x, &numbers, 1.0).0,
            &|x| loss::huber(x, &rows, 1.0).0,
            &|x| loss::log_bce(&x.sigmoid(), &rows, 0.0),
        ];
        for (i, f) in losses.iter().enumerate() {
            let (gradient, value) = grad(|x: &Tensor| f(x)).call(&far, ())?;
            assert!(finite(&value) && finite(&gradient), "loss {i} in {dtype}: {value} and {gradient}");
            assert!(value.dtype() == dtype && gradient.dtype() == dtype, "loss {i} in {dtype}");
        }
    }
    Ok(())
}

#[test]
fn far_scores_give_exact_losses_and_gradients() -> Result<()> {
    let (x, y) = (Tensor::from(FAR), Tensor::from([true, true, false, false]));
    let (gradient, (value, p)) = grad(|x: &Tensor| loss::binary_entropy(x, &y)).call(&x, ())?;
    assert_eq!(value.item::<f32>()?, 2e4);
    assert_eq!(gradient.to_vec::<f32>()?, [0.0, -1.0, 1.0, 0.0]);
    assert_eq!(p.to_vec::<f32>()?, [1.0, 0.0, 1.0, 0.0]);
    let (gradient, (value, _)) =
        grad(|x: &Tensor| loss::cross_entropy(x, &Tensor::from(1i64))).call(&x, ())?;
    assert!((value.item::<f64>()? - 2e4).abs() < 1.0, "{value}");
    assert_eq!(gradient.to_vec::<f32>()?, [0.5, -1.0, 0.5, 0.0]);
    Ok(())
}

#[test]
fn a_right_score_far_out_costs_what_is_left_of_it() -> Result<()> {
    // log(1 + exp(-30)), of which `softplus(30) - 30` keeps no digit in f32.
    let (value, _) = loss::binary_entropy(&Tensor::from([30f32, -30.0]), &Tensor::from([1, 0]));
    let exact = 2.0 * (-30f64).exp().ln_1p();
    assert!((value.item::<f64>()? / exact - 1.0).abs() < 1e-6, "{value} and {exact:e}");
    Ok(())
}

#[test]
fn a_certain_mistake_of_probabilities_costs_100_and_has_no_slope() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let (p, y) = (Tensor::from([0f32, 1.0, 0.0, 1.0]).to_dtype(dtype), Tensor::from([1, 0, 0, 1]));
        let (gradient, value) = grad(|p: &Tensor| loss::log_bce(p, &y, 0.0)).call(&p, ())?;
        assert_eq!(value.item::<f64>()?, 200.0);
        assert_eq!(gradient.to_vec::<f64>()?, [0.0, 0.0, 1.0, -1.0]);
    }
    let wrong = Tensor::from([-0.1, 1.1, f64::NAN]);
    let losses = loss::each::log_bce(&wrong, &Tensor::from([1, 1, 1]), 0.0);
    assert!(losses.isnan().all().item::<bool>()?, "{losses}");
    Ok(())
}

#[test]
fn epsilon_keeps_probabilities_and_slopes_within_bounds() -> Result<()> {
    let (p, y) = (Tensor::from([0.0, 1.0]), Tensor::from([1, 0]));
    let (gradient, value) = grad(|p: &Tensor| loss::log_bce(p, &y, 1e-3)).call(&p, ())?;
    assert!((value.item::<f64>()? + 2.0 * 1e-3f64.ln()).abs() < 1e-12);
    close(&gradient, &(Tensor::from([-1.0, 1.0]) * (0.998 / 1e-3)));
    Ok(())
}

#[test]
fn derivatives_are_those_of_differences() -> Result<()> {
    let (x, classes, p) = example(9);
    let labels = Tensor::from([[1i64, 0, 0, 1]]).expand([5, 4]);
    type Loss<'a> = &'a dyn Fn(&Tensor, &Tensor) -> Tensor;
    let losses: [Loss<'_>; 8] = [
        &|x, p| loss::cross_entropy(x, p).0,
        &|x, p| loss::cross_entropy(&(x * p), &classes).0,
        &|x, p| loss::binary_entropy(x, p).0,
        &|x, p| loss::least_squares(x, p).0,
        &|x, p| loss::huber(x, p, 0.7).0,
        &|x, p| loss::margin(&(x * p), &labels, 1.0).0,
        &|x, p| loss::log_multinomial(&x.square(), p),
        &|x, p| loss::log_bce(&x.sigmoid(), p, 0.1),
    ];
    for (i, f) in losses.iter().enumerate() {
        let of = |(x, p): &(Tensor, Tensor)| f(x, p);
        let at = (x.clone(), p.clone());
        gradcheck(of, &at, ())
            .and_then(|_| gradgradcheck(of, &at, ()))
            .unwrap_or_else(|e| panic!("loss {i}: {e}"));
    }
    Ok(())
}

#[test]
fn a_batch_is_its_examples_one_by_one() -> Result<()> {
    let (x, classes, p) = example(10);
    let of_classes = vmap(|x: &Tensor, y: &Tensor| loss::cross_entropy(x, y).0).call(&x, &classes)?;
    close(&of_classes, &loss::each::cross_entropy(&x, &classes));
    let of_rows = vmap(|x: &Tensor, p: &Tensor| loss::cross_entropy(x, p).0).call(&x, &p)?;
    close(&of_rows, &loss::each::cross_entropy(&x, &p));
    let margins = vmap(|x: &Tensor, y: &Tensor| loss::margin(x, y, 1.0).0).call(&x, &classes)?;
    close(&margins, &loss::each::margin(&x, &classes, 1.0));
    Ok(())
}

#[test]
fn empty_batches_cost_nothing() -> Result<()> {
    let (x, classes) = (Tensor::zeros([0, 3]), Tensor::from_vec(Vec::<i64>::new(), [0]));
    assert_eq!(loss::cross_entropy(&x, &classes).0.item::<f64>()?, 0.0);
    assert_eq!(loss::margin(&x, &classes, 1.0).0.item::<f64>()?, 0.0);
    assert_eq!(loss::binary_entropy(&x, &x).0.item::<f64>()?, 0.0);
    Ok(())
}
