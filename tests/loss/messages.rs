//! What a wrong call of a loss is told.

use retrograd::{ErrorKind, Tensor, loss};

/// The error with its lines joined by ` | `, but for the one that points here.
fn said(x: &Tensor) -> String {
    let error = x.error().expect("an invalid tensor");
    assert_eq!(error.location().map(|at| at.file()), Some(file!()), "{error}");
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.starts_with("at ")).collect();
    lines.join(" | ")
}

#[test]
fn targets_of_another_shape() {
    let scores = Tensor::zeros([4, 3]);
    let (short, other) = (Tensor::from([0i64, 1, 2]), Tensor::zeros([3, 4]));
    let (value, prediction) = loss::cross_entropy(&scores, &short);
    let expected = "cross_entropy: scores of shape [4, 3] and a target of shape [3] | operands: f32[4, 3], i64[3] | help: the target is class numbers [4], or a number for each score, [4, 3]";
    assert_eq!(said(&value), expected);
    assert_eq!(said(&prediction), expected);
    assert_eq!(
        said(&loss::log_multinomial(&scores, &other)),
        "log_multinomial: scores of shape [4, 3] and a target of shape [3, 4] | operands: f32[4, 3], f32[3, 4] | help: the target is class numbers [4], or a number for each score, [4, 3]"
    );
    assert_eq!(
        said(&loss::margin(&scores, &other, 1.0).1),
        "margin: scores of shape [4, 3] and a target of shape [3, 4] | operands: f32[4, 3], f32[3, 4] | help: the target is class numbers [4], or a number for each score, [4, 3]"
    );
    assert_eq!(
        said(&loss::cross_entropy(&Tensor::from(1.0), &short).0),
        "cross_entropy: scores have an axis of classes, got a number | operands: f64[], i64[3]"
    );
    let column = Tensor::zeros([3, 1]);
    let text = |name: &str| {
        format!(
            "{name}: an output of shape [3] and a target of shape [3, 1] | operands: f32[3], f32[3, 1] | help: both have one shape, nothing is repeated; see `reshape`, `unsqueeze`, `expand`"
        )
    };
    let vector = Tensor::zeros([3]);
    assert_eq!(said(&loss::least_squares(&vector, &column).0), text("least_squares"));
    assert_eq!(said(&loss::huber(&vector, &column, 1.0).0), text("huber"));
    assert_eq!(said(&loss::binary_entropy(&vector, &column).0), text("binary_entropy"));
    assert_eq!(said(&loss::log_bce(&vector, &column, 0.0)), text("log_bce"));
    assert_eq!(loss::log_bce(&vector, &column, 0.0).error().map(|e| e.kind()), Some(ErrorKind::Shape));
}

#[test]
fn targets_and_outputs_of_another_dtype() {
    let scores = Tensor::zeros([2, 3]);
    assert_eq!(
        said(&loss::cross_entropy(&scores, &Tensor::zeros([2])).0),
        "cross_entropy: a target of shape [2] is class numbers, which are integers, got f32 | operands: f32[2, 3], f32[2] | help: convert with `.i64()`; a number for each score would have the shape [2, 3]"
    );
    assert_eq!(
        said(&loss::cross_entropy(&scores, &scores.f64()).0),
        "cross_entropy: an output of dtype f32 and a target of dtype f64 | operands: f32[2, 3], f64[2, 3] | help: convert one of them, for example the target with `.f32()`"
    );
    assert_eq!(
        said(&loss::least_squares(&scores.i64(), &scores).0),
        "least_squares: outputs are floating-point numbers, got i64 | operands: i64[2, 3], f32[2, 3] | help: convert with `.f32()`"
    );
    let kind = |x: &Tensor| x.error().map(|e| e.kind());
    assert_eq!(kind(&loss::least_squares(&scores.i64(), &scores).0), Some(ErrorKind::DType));
}

#[test]
fn settings_that_make_no_sense() {
    let x = Tensor::zeros([2]);
    assert_eq!(
        said(&loss::huber(&x, &x, 0.0).0),
        "huber: delta, where squares become lines, is above 0, got 0 | operands: f32[2], f32[2]"
    );
    assert_eq!(
        said(&loss::huber(&x, &x, f64::NAN).0),
        "huber: delta, where squares become lines, is above 0, got NaN | operands: f32[2], f32[2]"
    );
    assert_eq!(
        said(&loss::log_bce(&x, &x, 0.5)),
        "log_bce: epsilon is from 0 on and below 0.5, got 0.5 | operands: f32[2], f32[2] | help: 0 takes the probabilities as they are"
    );
}

#[test]
fn classes_that_are_none() {
    let (scores, classes) = (Tensor::zeros([2, 3]), Tensor::from([0i64, 7]));
    let (entropy, margin) =
        (loss::cross_entropy(&scores, &classes).0, loss::margin(&scores, &classes, 1.0).0);
    for x in [&entropy, &margin, &loss::log_multinomial(&scores, &classes)] {
        let said = said(x);
        assert!(said.contains("index 7 (element 1 of the index) is out of range for an axis of 3"), "{said}");
        assert_eq!(x.error().map(|e| e.kind()), Some(ErrorKind::Data));
    }
}

#[test]
fn what_was_invalid_before_stays_the_error() {
    let invalid = Tensor::zeros([2, 3]).reshape([5]);
    for x in [
        loss::cross_entropy(&invalid, &Tensor::from([1i64])).0,
        loss::cross_entropy(&Tensor::zeros([1, 3]), &invalid).1,
        loss::margin(&invalid, &invalid, 1.0).0,
        loss::log_bce(&invalid, &invalid, 9.0),
        loss::least_squares(&Tensor::zeros([1]), &invalid).1,
    ] {
        assert!(said(&x).starts_with("reshape: "), "{x:?}");
    }
}
