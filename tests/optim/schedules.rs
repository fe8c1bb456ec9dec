//! Learning rates over time.

use retrograd::optim::{Anneal, OneCycle, Schedule};
use retrograd::{Fallback, Result, Tensor, jit};

use super::golden::{assert_close, golden};

fn by_name(name: &str) -> Schedule {
    match name {
        "step" => Schedule::step(0.2, 7, 0.3),
        "multi_step" => Schedule::multi_step(0.2, [3, 11, 12], 0.5),
        "exponential" => Schedule::exponential(0.2, 0.9),
        "linear" => Schedule::linear(0.2, 0.25, 0.8, 9),
        "warmup" => Schedule::warmup(0.2, 10),
        "polynomial" => Schedule::polynomial(0.2, 25, 1.7),
        "cosine" => Schedule::cosine(0.2, 12, 0.01),
        "restarts" => Schedule::cosine_warm_restarts(0.2, 5, 1, 0.02),
        "longer_restarts" => Schedule::cosine_warm_restarts(0.2, 3, 2, 0.0),
        "one_cycle" => OneCycle::new(0.5, 40).into(),
        "one_cycle_linear" => {
            let cycle = OneCycle::new(0.5, 40).pct_start(0.25).anneal_strategy(Anneal::Linear);
            cycle.div_factor(10.0).final_div_factor(100.0).into()
        }
        "one_cycle_three" => OneCycle::new(0.5, 40).pct_start(0.4).three_phase(true).into(),
        "inverse_time" => Schedule::inverse_time(0.2, 0.3),
        "warmup_then_cosine" => Schedule::warmup(0.2, 5).then(Schedule::cosine(0.2, 20, 0.0)),
        other => panic!("no schedule `{other}`"),
    }
}

#[test]
fn schedules_have_the_values_of_pytorchs_on_numbers_on_tensors_and_compiled() -> Result<()> {
    for want in &golden().schedules {
        let schedule = by_name(&want.name);
        let numbers = (0..40).map(|t| schedule.value(t)).collect::<Result<Vec<_>>>()?;
        assert_close(&numbers, &want.values, 1e-10, 1e-15, &want.name);
        let curve = schedule.at(&Tensor::arange(40)).to_vec::<f64>()?;
        assert_close(&curve, &numbers, 1e-14, 0.0, &want.name);
        let compiled = jit(|t: &Tensor| schedule.at(t)).fallback(Fallback::Error);
        let traced = (0..40)
            .map(|t| compiled.call(&Tensor::from(t as i64), ())?.item())
            .collect::<Result<Vec<f64>>>()?;
        assert_eq!(traced, numbers, "{}", want.name);
        assert_eq!((compiled.stats().misses, compiled.stats().hits), (1, 39), "{}", want.name);
    }
    assert_eq!(golden().schedules.len(), 14);
    Ok(())
}

#[test]
fn restarts_begin_exactly_where_the_cycles_before_them_end() -> Result<()> {
    for (t_0, t_mult) in [(2, 2), (3, 2), (10, 3), (7, 10), (5, 1)] {
        let schedule = Schedule::cosine_warm_restarts(1.0, t_0, t_mult, 0.0);
        let (mut begin, mut length) = (0, t_0);
        for _ in 0..30 {
            assert_eq!(schedule.value(begin)?, 1.0, "{t_0}, {t_mult}: cycle at {begin}");
            begin += length;
            length *= t_mult;
            if begin > 1 << 40 {
                break;
            }
            assert!(schedule.value(begin - 1)? < 0.6, "{t_0}, {t_mult}: before {begin}");
        }
    }
    Ok(())
}

#[test]
fn one_schedule_follows_another_from_its_own_beginning() -> Result<()> {
    let three = Schedule::constant(1.0).lasting(2).then(Schedule::linear(1.0, 1.0, 0.0, 2)).then(0.25);
    let values = (0..7).map(|t| three.value(t)).collect::<Result<Vec<_>>>()?;
    assert_eq!(values, [1.0, 1.0, 1.0, 0.5, 0.25, 0.25, 0.25]);
    let nested = Schedule::constant(3.0).lasting(1).then(three.scaled(2.0));
    let values = (0..6).map(|t| nested.value(t)).collect::<Result<Vec<_>>>()?;
    assert_eq!(values, [3.0, 2.0, 2.0, 2.0, 1.0, 0.5]);
    Ok(())
}

#[test]
fn after_its_last_step_one_cycle_keeps_its_last_rate() -> Result<()> {
    let cycle: Schedule = OneCycle::new(1.0, 10).into();
    assert_eq!(cycle.value(9)?, cycle.value(1000)?);
    assert!((cycle.value(9)? - 1.0 / 25.0 / 1e4).abs() < 1e-15);
    Ok(())
}

#[test]
fn a_schedule_shows_how_it_was_made() {
    let rate =
        Schedule::multi_step(0.5, [3, 7], 0.25).lasting(9).then(Schedule::cosine(0.5, 12, 0.0).scaled(2.0));
    assert_eq!(format!("{rate:?}"), "multi_step(0.5, 3, 7, 0.25), then cosine(0.5, 12, 0) * 2");
}

#[test]
fn a_rate_may_be_computed_or_given() -> Result<()> {
    assert_eq!(Schedule::function(|t| (t + 1.0) * 0.5).value(3)?, 2.0);
    assert_eq!(Schedule::from(Tensor::from(0.5)).value(7)?, 0.5);
    Ok(())
}
