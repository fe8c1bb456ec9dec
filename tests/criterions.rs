//! Criterions: their gradients are the derived ones, and all of it is PyTorch's.

mod against_torch;

use against_torch::{Row, hold_criterion, rows};
use retrograd::nn::{
    BceLoss, BceWithLogitsLoss, CosineEmbeddingLoss, Criterion, CrossEntropyLoss, GaussianNllLoss,
    HingeEmbeddingLoss, HuberLoss, KlDivLoss, KlReduction, L1Loss, MarginLoss, MarginPower,
    MarginRankingLoss, MseLoss, MultiCriterion, MultiLabelMarginLoss, MultiLabelSoftMarginLoss,
    MultiMarginLoss, NllLoss, ParallelCriterion, PoissonNllLoss, Reduction, SmoothL1Loss, SoftMarginLoss,
    TripletMarginLoss, WeightedMseLoss, criterion_function,
};
use retrograd::tree::AnyTree;
use retrograd::{Result, Rng, Tensor, check, grad};

const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

fn x(shape: &[usize]) -> Tensor {
    Rng::seed(3).randn(shape).f64()
}

fn y(shape: &[usize]) -> Tensor {
    Rng::seed(4).randn(shape).f64()
}

/// Numbers between 0.05 and 0.95.
fn p(shape: &[usize]) -> Tensor {
    Rng::seed(5).uniform(shape, 0.05, 0.95).f64()
}

/// -1 and 1.
fn signs(shape: &[usize]) -> Tensor {
    y(shape).sign()
}

fn weights(shape: &[usize]) -> Tensor {
    Rng::seed(6).uniform(shape, 0.5, 2.0)
}

#[test]
fn distances_of_numbers_have_the_derived_gradient() -> Result<()> {
    for reduction in REDUCTIONS {
        let (x, y) = (&x(&[3, 4]), &y(&[3, 4]));
        check::criterion(L1Loss { reduction }, x, y)?;
        check::criterion(HuberLoss { reduction, delta: 0.5 }, x, y)?;
        for beta in [0.0, 0.5, 1.0] {
            check::criterion(SmoothL1Loss { reduction, beta }, x, y)?;
        }
        for shape in [&[4][..], &[3, 4], &[3, 1]] {
            check::criterion(WeightedMseLoss { reduction, weight: weights(shape) }, x, y)?;
        }
    }
    Ok(())
}

#[test]
fn criterions_of_yes_or_no_have_the_derived_gradient() -> Result<()> {
    for reduction in REDUCTIONS {
        for weight in [None, Some(weights(&[4])), Some(weights(&[3, 4]))] {
            let (x, p) = (&x(&[3, 4]), &p(&[3, 4]));
            check::criterion(BceLoss { reduction, weight: weight.clone() }, p, &p.square())?;
            let pos_weight = weight.as_ref().map(|w| w + 0.5);
            check::criterion(BceWithLogitsLoss { reduction, weight, pos_weight }, x, p)?;
        }
        for weight in [None, Some(weights(&[4]))] {
            let labels = y(&[3, 4]).gt(0.0);
            check::criterion(MultiLabelSoftMarginLoss { reduction, weight }, &x(&[3, 4]), &labels)?;
        }
        check::criterion(SoftMarginLoss { reduction }, &x(&[5]), &signs(&[5]))?;
    }
    Ok(())
}

#[test]
fn likelihoods_of_classes_have_the_derived_gradient() -> Result<()> {
    let classes = Tensor::from([2i64, 0, 1, -100]);
    let planes = Tensor::from([[0i64, 2], [1, 1]]);
    for reduction in REDUCTIONS {
        for weight in [None, Some(weights(&[3]))] {
            let nll = NllLoss { reduction, weight: weight.clone(), ..Default::default() };
            check::criterion(nll.clone(), &x(&[4, 3]), &classes)?;
            check::criterion(nll.clone(), &x(&[2, 3, 2]), &planes)?;
            check::criterion(NllLoss { ignore_index: 0, ..nll }, &x(&[3]), &Tensor::from(1i64))?;
            for label_smoothing in [0.0, 0.25] {
                let weight = weight.clone();
                let loss = CrossEntropyLoss { reduction, weight, label_smoothing, ..Default::default() };
                check::criterion(loss.clone(), &x(&[4, 3]), &classes)?;
                check::criterion(loss.clone(), &x(&[4, 3]), &p(&[4, 3]))?;
                if reduction == Reduction::None {
                    check::criterion(loss.clone(), &x(&[2, 3, 2]), &planes)?;
                    check::criterion(loss.clone(), &x(&[3]), &Tensor::from(1i64))?;
                    check::criterion(loss.clone(), &x(&[2, 3, 2]), &p(&[2, 3, 2]))?;
                    check::criterion(loss, &x(&[3]), &p(&[3]))?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn divergences_and_likelihoods_have_the_derived_gradient() -> Result<()> {
    for reduction in [KlReduction::None, KlReduction::Mean, KlReduction::Sum, KlReduction::BatchMean] {
        for log_target in [false, true] {
            check::criterion(KlDivLoss { reduction, log_target }, &p(&[3, 4]).log(), &p(&[3, 4]).square())?;
        }
    }
    for reduction in REDUCTIONS {
        let counts = Tensor::from([[0.0, 1.0, 3.0], [2.0, 5.0, 0.0]]);
        for (log_input, full) in [(true, false), (false, true)] {
            let loss = PoissonNllLoss { reduction, log_input, full, eps: 0.1 };
            check::criterion(loss, &p(&[2, 3]), &counts)?;
        }
        for variances in [&[2, 3][..], &[2, 1], &[2]] {
            let loss = GaussianNllLoss { reduction, full: true, ..Default::default() };
            check::criterion(loss, &(x(&[2, 3]), p(variances)), &y(&[2, 3]))?;
        }
    }
    Ok(())
}

#[test]
fn margins_have_the_derived_gradient() -> Result<()> {
    for reduction in REDUCTIONS {
        let pair = (x(&[5]), y(&[5]));
        check::criterion(MarginRankingLoss { reduction, margin: 0.5 }, &pair, &signs(&[5]))?;
        check::criterion(HingeEmbeddingLoss { reduction, margin: 0.5 }, &x(&[5]), &signs(&[5]))?;
        check::criterion(MarginLoss { reduction, margin: 0.5 }, &x(&[2, 5]), &signs(&[2, 5]))?;
        let classes = Tensor::from([1i64, 3, 0]);
        for (p, weight) in
            [(MarginPower::One, None), (MarginPower::Two, None), (MarginPower::Two, Some(weights(&[4])))]
        {
            let loss = MultiMarginLoss { reduction, p, margin: 0.7, weight };
            check::criterion(loss.clone(), &x(&[3, 4]), &classes)?;
            check::criterion(loss, &x(&[4]), &Tensor::from(2i64))?;
        }
        let labels = Tensor::from([[3i64, 0, -1, 1], [2, -1, 0, 1], [0, 1, 2, 3]]);
        check::criterion(MultiLabelMarginLoss { reduction }, &x(&[3, 4]), &labels)?;
        check::criterion(MultiLabelMarginLoss { reduction }, &x(&[4]), &labels.select(0, 0))?;
    }
    Ok(())
}

#[test]
fn distances_of_vectors_have_the_derived_gradient() -> Result<()> {
    for reduction in REDUCTIONS {
        let pairs = (x(&[4, 3]), y(&[4, 3]));
        let alike = Tensor::from([1.0, -1.0, -1.0, 1.0]);
        for margin in [0.0, -0.5] {
            check::criterion(CosineEmbeddingLoss { reduction, margin }, &pairs, &alike)?;
        }
        check::criterion(
            CosineEmbeddingLoss { reduction, margin: 0.0 },
            &(x(&[3]), y(&[3])),
            &Tensor::from(1.0),
        )?;
        let triples = (x(&[4, 3]), y(&[4, 3]), p(&[4, 3]) * 3.0);
        for (p, swap) in [(2.0, false), (2.0, true), (1.0, true), (3.0, false)] {
            let loss = TripletMarginLoss { reduction, margin: 2.0, p, swap, ..Default::default() };
            check::criterion(loss, &triples, &())?;
        }
    }
    Ok(())
}

#[test]
fn criterions_together_have_the_sum_of_the_gradients() -> Result<()> {
    let on_one = MultiCriterion::new().add(MseLoss::default(), 0.5).add(L1Loss::default(), 2.0);
    check::criterion(on_one.clone(), &x(&[4]), &y(&[4]))?;
    let each = ParallelCriterion::new().add(on_one, 0.5).add(CrossEntropyLoss::default(), 3.0);
    let inputs = vec![AnyTree::new(x(&[4])), AnyTree::new(x(&[2, 3]))];
    let targets = vec![AnyTree::new(y(&[4])), AnyTree::new(Tensor::from([2i64, 0]))];
    check::criterion(each, &inputs, &targets)?;
    let none = MultiCriterion::<Tensor, Tensor>::new();
    let (loss, saved) = none.forward(&x(&[2]), &y(&[2]));
    assert_eq!(loss.item::<f64>()?, 0.0);
    assert_eq!(none.backward(&saved, &loss).to_vec::<f64>()?, [0.0, 0.0]);
    Ok(())
}

#[test]
fn bools_and_integers_are_targets_of_yes_or_no() -> Result<()> {
    let loss = criterion_function(BceWithLogitsLoss::default());
    let x = x(&[3]);
    let number = loss(&x, &Tensor::from([1.0, 0.0, 1.0])).item::<f64>()?;
    assert_eq!(loss(&x, &Tensor::from([true, false, true])).item::<f64>()?, number);
    assert_eq!(loss(&x, &Tensor::from([1i64, 0, 1])).item::<f64>()?, number);
    Ok(())
}

#[test]
fn class_weights_follow_the_dtype_of_the_scores() -> Result<()> {
    let weight = Some(weights(&[3]));
    let loss = criterion_function(CrossEntropyLoss { weight, label_smoothing: 0.1, ..Default::default() });
    let of = |scores: Tensor| grad(|x: &Tensor| loss(x, &Tensor::from([2i64, 0]))).call(&scores, ());
    let ((narrow, one), (wide, other)) = (of(x(&[2, 3]).f32())?, of(x(&[2, 3]))?);
    assert!(narrow.f64().allclose(&wide, 1e-5, 1e-6)? && one.f64().allclose(&other, 1e-5, 1e-6)?);
    Ok(())
}

#[test]
fn an_example_that_is_left_out_has_no_gradient_whatever_its_scores() -> Result<()> {
    let loss = criterion_function(CrossEntropyLoss::default());
    let scores = Tensor::from([[1.0, 2.0], [f64::NEG_INFINITY, 0.0]]);
    let (dx, value) = grad(|x: &Tensor| loss(x, &Tensor::from([0i64, -100]))).call(&scores, ())?;
    assert!((value.item::<f64>()? - (1.0 + 1f64.exp()).ln()).abs() < 1e-12);
    assert_eq!(dx.select(0, 1).to_vec::<f64>()?, [0.0, 0.0]);
    Ok(())
}

#[test]
fn a_target_that_does_not_fit_is_an_error_that_says_what_is_needed() {
    fn text<C: Criterion>(criterion: C, input: &C::Input, target: &C::Target) -> String {
        criterion.forward(input, target).0.error().expect("an error").to_string()
    }
    let ones = |shape: &[usize]| Tensor::ones(shape);
    let cases = [
        (
            text(L1Loss::default(), &ones(&[2, 3]), &ones(&[2])),
            "L1Loss: input and target are to have one shape, got [2, 3] and [2]",
        ),
        (
            text(BceWithLogitsLoss::default(), &ones(&[3]), &ones(&[3, 1])),
            "BceWithLogitsLoss: input and target are to have one shape, got [3] and [3, 1]",
        ),
        (
            text(NllLoss::default(), &ones(&[4, 3]), &Tensor::from([1i64])),
            "NllLoss: for scores [n, classes, ..] or [classes] of shape [4, 3], class numbers of shape [4] are needed, \
             got i64 [1]",
        ),
        (
            text(NllLoss::default(), &ones(&[1, 3]), &ones(&[1])),
            "NllLoss: for scores [n, classes, ..] or [classes] of shape [1, 3], class numbers of shape [1] are needed, \
             got f32 [1]",
        ),
        (
            text(CrossEntropyLoss::default(), &ones(&[4, 3]), &ones(&[4])),
            "CrossEntropyLoss: input and target are to have one shape, got [4, 3] and [4]",
        ),
        (
            text(MultiMarginLoss::default(), &ones(&[4, 3]), &Tensor::from([1i64])),
            "MultiMarginLoss: for scores [n, classes] or [classes] of shape [4, 3], a class number for each row is \
             needed, got i64 [1]",
        ),
        (
            text(CosineEmbeddingLoss::default(), &(ones(&[4, 3]), ones(&[4, 3])), &ones(&[3])),
            "CosineEmbeddingLoss: for pairs [n, d] or [d] of shape [4, 3], a target for each is needed, got shape [3]",
        ),
        (
            text(GaussianNllLoss::default(), &(ones(&[4, 3]), ones(&[3])), &ones(&[4, 3])),
            "GaussianNllLoss: variances are to have the means' shape [4, 3], or that with 1 for the last axis or \
             without it, got [3]",
        ),
    ];
    for (got, expected) in cases {
        assert!(got.starts_with(expected), "{got}\ninstead of\n{expected}");
    }
    let classes = Tensor::from([3i64]);
    let (loss, _) = NllLoss::default().forward(&ones(&[1, 3]), &classes);
    assert!(loss.item::<f32>().unwrap_err().to_string().contains("3"));
}

#[test]
fn an_error_goes_through_the_gradient_by_hand() {
    let (loss, saved) = MseLoss::default().forward(&Tensor::ones([2]), &Tensor::ones([3]));
    let dx = MseLoss::default().backward(&saved, &loss);
    let text = dx.error().expect("an error").to_string();
    assert!(text.starts_with("MseLoss: input and target are to have one shape"), "{text}");
    let (loss, saved) = BceLoss::default().forward(&Tensor::ones([2]), &Tensor::ones([3]));
    let text = BceLoss::default().backward(&saved, &loss).error().expect("an error").to_string();
    assert!(text.starts_with("BceLoss: input and target are to have one shape"), "{text}");
}

#[test]
fn a_list_of_another_length_is_an_error_that_says_so() {
    let loss = criterion_function(ParallelCriterion::new().add(MseLoss::default(), 1.0));
    let error = grad(|x: &Vec<AnyTree>| loss(x, &Vec::new())).call(&vec![AnyTree::new(x(&[1]))], ());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("ParallelCriterion: targets for 0 criterions, it has 1"), "{text}");
    let wrong = vec![AnyTree::new((x(&[1]), x(&[1])))];
    let error = grad(|x: &Vec<AnyTree>| loss(x, &vec![AnyTree::new(y(&[1]))])).call(&wrong, ());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("MseLoss, input: a tree of type"), "{text}");
}

fn reduction(row: &Row) -> Reduction {
    match row.text("reduction") {
        Some("none") => Reduction::None,
        Some("sum") => Reduction::Sum,
        _ => Reduction::Mean,
    }
}

fn target(row: &Row) -> Tensor {
    row.input("target").expect("a target")
}

#[test]
fn distances_and_likelihoods_are_pytorchs() {
    for row in &rows("criterions") {
        let (reduction, x, y) = (reduction(row), row.x(), target(row));
        let weight = row.weight("weight");
        let full = row.flag("full", false);
        match row.layer.as_str() {
            "MSELoss" => hold_criterion(row, MseLoss { reduction }, &x, &y, &[0]),
            "L1Loss" => hold_criterion(row, L1Loss { reduction }, &x, &y, &[0]),
            "SmoothL1Loss" => {
                let beta = row.number_or("beta", 1.0);
                hold_criterion(row, SmoothL1Loss { reduction, beta }, &x, &y, &[0]);
            }
            "HuberLoss" => {
                let delta = row.number_or("delta", 1.0);
                hold_criterion(row, HuberLoss { reduction, delta }, &x, &y, &[0]);
            }
            "BCELoss" => hold_criterion(row, BceLoss { reduction, weight }, &x, &y, &[0]),
            "BCEWithLogitsLoss" => {
                let pos_weight = row.weight("pos_weight");
                hold_criterion(row, BceWithLogitsLoss { reduction, weight, pos_weight }, &x, &y, &[0]);
            }
            "KLDivLoss" => {
                let reduction = match row.text("reduction") {
                    Some("batchmean") => KlReduction::BatchMean,
                    Some("none") => KlReduction::None,
                    Some("sum") => KlReduction::Sum,
                    _ => KlReduction::Mean,
                };
                let log_target = row.flag("log_target", false);
                hold_criterion(row, KlDivLoss { reduction, log_target }, &x, &y, &[0]);
            }
            "PoissonNLLLoss" => {
                let (log_input, eps) = (row.flag("log_input", true), row.number_or("eps", 1e-8));
                hold_criterion(row, PoissonNllLoss { reduction, log_input, full, eps }, &x, &y, &[0]);
            }
            "GaussianNLLLoss" => {
                let loss = GaussianNllLoss { reduction, full, eps: row.number_or("eps", 1e-6) };
                let input = (x, row.input("var").expect("variances"));
                hold_criterion(row, loss, &input, &y, &[0, 2]);
            }
            other => panic!("no test for {other}"),
        }
    }
}

#[test]
fn likelihoods_of_classes_are_pytorchs() {
    for row in &rows("classification") {
        let (reduction, x, y, weight) = (reduction(row), row.x(), target(row), row.weight("weight"));
        let ignore_index = row.number_or("ignore_index", -100.0) as i64;
        match row.layer.as_str() {
            "NLLLoss" => hold_criterion(row, NllLoss { reduction, weight, ignore_index }, &x, &y, &[0]),
            "CrossEntropyLoss" => {
                let label_smoothing = row.number_or("label_smoothing", 0.0);
                let loss = CrossEntropyLoss { reduction, weight, ignore_index, label_smoothing };
                hold_criterion(row, loss, &x, &y, &[0]);
            }
            other => panic!("no test for {other}"),
        }
    }
}

#[test]
fn margins_are_pytorchs() {
    // Far from 0 PyTorch's soft margin overflows; the next test says what it is here.
    for row in rows("margins").iter().filter(|row| !row.case.starts_with("large")) {
        let (reduction, x) = (reduction(row), row.x());
        let margin = |otherwise| row.number_or("margin", otherwise);
        let pair = || (row.x(), row.input("input2").expect("a second input"));
        match row.layer.as_str() {
            "MarginRankingLoss" => {
                let loss = MarginRankingLoss { reduction, margin: margin(0.0) };
                hold_criterion(row, loss, &pair(), &target(row), &[0, 1]);
            }
            "HingeEmbeddingLoss" => {
                let loss = HingeEmbeddingLoss { reduction, margin: margin(1.0) };
                hold_criterion(row, loss, &x, &target(row), &[0]);
            }
            "MarginCriterion" => {
                let loss = MarginLoss { reduction, margin: margin(1.0) };
                hold_criterion(row, loss, &x, &target(row), &[0]);
            }
            "SoftMarginLoss" => hold_criterion(row, SoftMarginLoss { reduction }, &x, &target(row), &[0]),
            "CosineEmbeddingLoss" => {
                let loss = CosineEmbeddingLoss { reduction, margin: margin(0.0) };
                hold_criterion(row, loss, &pair(), &target(row), &[0, 1]);
            }
            "MultiMarginLoss" => {
                let p = if row.number_or("p", 1.0) == 2.0 { MarginPower::Two } else { MarginPower::One };
                let weight = row.weight("weight");
                let loss = MultiMarginLoss { reduction, p, margin: margin(1.0), weight };
                hold_criterion(row, loss, &x, &target(row), &[0]);
            }
            "MultiLabelMarginLoss" => {
                hold_criterion(row, MultiLabelMarginLoss { reduction }, &x, &target(row), &[0]);
            }
            "MultiLabelSoftMarginLoss" => {
                let loss = MultiLabelSoftMarginLoss { reduction, weight: row.weight("weight") };
                hold_criterion(row, loss, &x, &target(row), &[0]);
            }
            "TripletMarginLoss" => {
                let (p, eps) = (row.number_or("p", 2.0), row.number_or("eps", 1e-6));
                let swap = row.flag("swap", false);
                let loss = TripletMarginLoss { reduction, margin: margin(1.0), p, eps, swap };
                let rest = |name| row.input(name).expect("a vector");
                hold_criterion(row, loss, &(x, rest("positive"), rest("negative")), &(), &[0, 1, 2]);
            }
            other => panic!("no test for {other}"),
        }
    }
}

#[test]
fn the_soft_margin_is_finite_for_scores_of_any_size() -> Result<()> {
    let loss = criterion_function(SoftMarginLoss { reduction: Reduction::Sum });
    let d = grad(|x: &Tensor| loss(x, &Tensor::from([1.0, 1.0])));
    let (dx, value) = d.call(&Tensor::from([1000.0, -1000.0]), ())?;
    assert_eq!((value.item::<f64>()?, dx.to_vec::<f64>()?), (1000.0, vec![0.0, -1.0]));
    Ok(())
}

#[test]
fn a_negative_class_is_no_class() -> Result<()> {
    let scores = Tensor::zeros([1, 3]);
    let target = Tensor::from([-1i64]);
    let losses = [
        criterion_function(CrossEntropyLoss::default())(&scores, &target),
        criterion_function(NllLoss::default())(&scores, &target),
        criterion_function(MultiMarginLoss::default())(&scores, &target),
    ];
    for loss in losses {
        let text = loss.item::<f32>().expect_err("no class").to_string();
        assert!(
            text.contains("index -4 (element 0 of the index) is out of range for an axis of 3"),
            "{text}"
        );
    }
    // Unless it says that the example is left out.
    let ignoring = CrossEntropyLoss { ignore_index: -1, ..Default::default() };
    let both = criterion_function(ignoring)(&Tensor::zeros([2, 3]), &Tensor::from([-1i64, 0]));
    assert!((both.item::<f32>()? - 3f32.ln()).abs() < 1e-6);
    Ok(())
}

#[test]
fn a_mean_is_over_more_examples_than_f16_can_count() -> Result<()> {
    let (x, y) = (Tensor::full([256, 512], 0.5f32).f16(), Tensor::zeros([256, 512]).f16());
    let mse = criterion_function(MseLoss::default());
    let (dx, loss) = grad(|x: &Tensor| mse(x, &y).f32()).call(&x, ())?;
    assert_eq!(loss.item::<f32>()?, 0.25);
    assert_eq!(dx.f32().sum().item::<f32>()?, 1.0);
    let divergence = KlDivLoss::default();
    let kl = criterion_function(divergence)(&x, &(&y + 1.0)).f32().item::<f32>()?;
    assert_eq!(kl, -0.5);
    let (scores, classes) = (Tensor::zeros([70_000, 2]).f16(), Tensor::zeros([70_000]).i64());
    let cross_entropy = criterion_function(CrossEntropyLoss::default())(&scores, &classes);
    assert!((cross_entropy.f32().item::<f32>()? - 2f32.ln()).abs() < 1e-3);
    Ok(())
}

/// bf16 holds 257 as 256.
#[test]
fn class_numbers_are_not_rounded_to_the_dtype_of_scores() -> Result<()> {
    let scores = Tensor::zeros([1, 300]).bf16();
    let target = Tensor::full([1, 300], -1i64).with((0, 0), 257i64);
    let loss = criterion_function(MultiLabelMarginLoss::default());
    let (dx, _) = grad(|x: &Tensor| loss(x, &target).f32()).call(&scores, ())?;
    assert_eq!(dx.f32().argmin(1).to_vec::<i64>()?, [257]);
    Ok(())
}
