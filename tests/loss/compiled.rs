//! Each loss from a program is that of direct mode, with its gradients by all that is differentiated.

use retrograd::{Fallback, Result, Tensor, grad, jit, loss};

use crate::{close, example};

/// A loss of scores and a target, and what its name is.
type Row = (&'static str, fn(&Tensor, &Tensor) -> Tensor);

/// A loss with its prediction: both are differentiated.
fn with((loss, prediction): (Tensor, Tensor)) -> Tensor {
    loss + prediction.sin().sum()
}

/// Losses before they are added up: each counts differently.
fn each(losses: &Tensor) -> Tensor {
    losses.square().sum()
}

/// A number for each score: a target that is differentiated itself.
const OF_ROWS: [Row; 15] = [
    ("cross_entropy", |x, y| with(loss::cross_entropy(x, y))),
    ("binary_entropy", |x, y| with(loss::binary_entropy(x, y))),
    ("least_squares", |x, y| with(loss::least_squares(x, y))),
    ("huber", |x, y| with(loss::huber(x, y, 0.7))),
    ("margin", |x, y| with(loss::margin(x, &y.round(), 1.0))),
    ("log_multinomial", |x, y| loss::log_multinomial(x, y)),
    ("log_bce", |x, y| loss::log_bce(&x.sigmoid(), y, 0.0)),
    ("log_bce, kept away from 0 and 1", |x, y| loss::log_bce(&x.sigmoid(), y, 0.1)),
    ("each::cross_entropy", |x, y| each(&loss::each::cross_entropy(x, y))),
    ("each::binary_entropy", |x, y| each(&loss::each::binary_entropy(x, y))),
    ("each::least_squares", |x, y| each(&loss::each::least_squares(x, y))),
    ("each::huber", |x, y| each(&loss::each::huber(x, y, 0.7))),
    ("each::margin", |x, y| each(&loss::each::margin(x, &y.round(), 1.0))),
    ("each::log_multinomial", |x, y| each(&loss::each::log_multinomial(x, y))),
    ("each::log_bce", |x, y| each(&loss::each::log_bce(&x.sigmoid(), y, 0.1))),
];

/// The number of a class for each row.
const OF_NUMBERS: [Row; 6] = [
    ("cross_entropy", |x, y| with(loss::cross_entropy(x, y))),
    ("margin", |x, y| with(loss::margin(x, y, 1.0))),
    ("log_multinomial", |x, y| loss::log_multinomial(x, y)),
    ("each::cross_entropy", |x, y| each(&loss::each::cross_entropy(x, y))),
    ("each::margin", |x, y| each(&loss::each::margin(x, y, 1.0))),
    ("each::log_multinomial", |x, y| each(&loss::each::log_multinomial(x, y))),
];

/// Holds values and gradients of a call to those that are expected.
#[track_caller]
fn same(name: &str, got: &[&Tensor], expected: &[&Tensor]) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (got, expected) in got.iter().zip(expected) {
        assert!(got.allclose(expected, 1e-12, 1e-12).expect("values"), "{name}: {got} and {expected}");
    }
}

#[test]
fn a_compiled_loss_is_that_of_direct_mode_by_scores_and_target() -> Result<()> {
    let (scores, _, rows) = example(11);
    let at = (scores, rows);
    for (name, f) in OF_ROWS {
        let of = |(x, y): &(Tensor, Tensor)| f(x, y);
        let ((dx, dy), value) = grad(of).call(&at, ())?;
        // The slope by the target of a loss that has one is none of zeros; `margin` sees which are 1 alone.
        let flat = dy.eq(0.0).all().item::<bool>()?;
        assert_eq!(flat, name.ends_with("margin"), "{name}: {dy}");
        let compiled = grad(of).optimize(true).fallback(Fallback::Error);
        for _ in 0..3 {
            let ((again, too), same_value) = compiled.call(&at, ())?;
            same(name, &[&again, &too, &same_value], &[&dx, &dy, &value]);
        }
        close(&jit(of).fallback(Fallback::Error).call(&at, ())?, &value);
    }
    Ok(())
}

#[test]
fn a_compiled_loss_of_class_numbers_is_that_of_direct_mode() -> Result<()> {
    let (scores, classes, _) = example(12);
    for (name, f) in OF_NUMBERS {
        let of = |x: &Tensor, y: &Tensor| f(x, y);
        for classes in [&classes, &classes.u8(), &(&classes - 4)] {
            let (dx, value) = grad(of).call(&scores, classes)?;
            let compiled = grad(of).optimize(true).fallback(Fallback::Error);
            for _ in 0..3 {
                let (again, same_value) = compiled.call(&scores, classes)?;
                same(name, &[&again, &same_value], &[&dx, &value]);
            }
            close(&jit(of).fallback(Fallback::Error).call(&scores, classes)?, &value);
        }
    }
    Ok(())
}
