//! The default of a process: a test binary of its own.

use retrograd::{Result, Tensor, grad, grad_only, optimize_by_default};

#[test]
fn gradients_made_after_it_are_optimized_unless_they_say_otherwise() -> Result<()> {
    let f = |x: &Tensor| x.square().sum();
    let x = Tensor::from([1.0, 2.0]);
    let before = grad(f);
    optimize_by_default(true);
    let (after, only, direct) = (grad(f), grad_only(f), grad(f).optimize(false));
    optimize_by_default(false);
    let again = grad(f);
    for _ in 0..3 {
        for d in [&before, &after, &direct, &again] {
            assert_eq!(d.call(&x, ())?.0.to_vec::<f64>()?, [2.0, 4.0]);
        }
        assert_eq!(only.call(&x, ())?.to_vec::<f64>()?, [2.0, 4.0]);
    }
    let hits = [before, after, direct, again].map(|d| d.stats().hits);
    assert_eq!((hits, only.stats().hits), ([0, 2, 0, 0], 2));
    Ok(())
}
