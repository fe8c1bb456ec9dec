//! Scans, sorts and searches.

use std::cmp::Ordering;

use super::{List, Position, flat, positions};
use crate::exec::{Direction, Running, Scan, Sorting};
use crate::ops::{Order, Side};
use crate::tensor::{Number, Shape};

/// The lists of flat positions along an axis, one for each place beside it.
fn lines(shape: &Shape, axis: usize) -> Vec<Vec<usize>> {
    let starts = positions(shape).into_iter().filter(|p| p[axis] == 0);
    let line = |start: Position| {
        (0..shape.dim(axis))
            .map(|i| flat(shape, &[&start[..axis], &[i], &start[axis + 1..]].concat()))
            .collect()
    };
    starts.map(line).collect()
}

/// The values of a scan, and of extremes the positions.
pub(super) fn scan(scan: &Scan, x: &[List]) -> [Vec<Number>; 2] {
    let shape = x[0].spec.shape;
    let mut y = x[0].values.clone();
    let mut at = vec![Number::Int(0); y.len()];
    for mut line in lines(&shape, scan.axis) {
        if scan.direction == Direction::Backward {
            line.reverse();
        }
        let mut last = 0;
        for i in 0..line.len() {
            let values = |list: &List| line[..=i].iter().map(|&p| list.values[p]).collect::<Vec<_>>();
            let so_far = values(&x[0]);
            let extreme = |greatest| {
                let better = matches!(
                    (compare(so_far[i], so_far[last]), greatest),
                    (Ordering::Equal, _) | (Ordering::Greater, true) | (Ordering::Less, false)
                );
                let nan = |i: usize| so_far[i].as_f64().is_nan();
                if nan(i) || (better && !nan(last)) { i } else { last }
            };
            y[line[i]] = match scan.running {
                Running::Sum if x[0].spec.dtype.is_float() => {
                    Number::Float(so_far.iter().map(|v| v.as_f64()).sum())
                }
                Running::Sum => Number::Int(so_far.iter().fold(0, |sum, v| sum.wrapping_add(v.as_i64()))),
                Running::Prod if x[0].spec.dtype.is_float() => {
                    Number::Float(so_far.iter().map(|v| v.as_f64()).product())
                }
                Running::Prod => Number::Int(so_far.iter().fold(1, |prod, v| prod.wrapping_mul(v.as_i64()))),
                Running::LogSumExp => log_sum_exp(&so_far),
                Running::Recurrence if i == 0 => x[1].values[line[0]],
                Running::Recurrence => {
                    let (a, before, b) = (so_far[i], y[line[i - 1]], x[1].values[line[i]]);
                    Number::Float(a.as_f64() * before.as_f64() + b.as_f64())
                }
                Running::Max | Running::Min => {
                    last = extreme(scan.running == Running::Max);
                    so_far[last]
                }
            };
            at[line[i]] = Number::Int(last as i64);
        }
    }
    [y, at]
}

fn log_sum_exp(x: &[Number]) -> Number {
    let x = || x.iter().map(|v| v.as_f64());
    if x().any(f64::is_nan) {
        return Number::Float(f64::NAN);
    }
    let greatest = x().fold(f64::NEG_INFINITY, f64::max);
    if greatest.is_infinite() {
        return Number::Float(greatest);
    }
    Number::Float(greatest + x().map(|x| (x - greatest).exp()).sum::<f64>().ln())
}

/// NaN is greatest.
fn compare(a: Number, b: Number) -> Ordering {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a.cmp(&b),
        _ => {
            let (a, b) = (a.as_f64(), b.as_f64());
            a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        }
    }
}

/// Values and positions of a sort.
pub(super) fn sort(sorting: &Sorting, x: &List) -> [Vec<Number>; 2] {
    let (mut y, mut at) = (Vec::new(), Vec::new());
    for line in lines(&x.spec.shape, x.spec.shape.rank() - 1) {
        let mut order: Vec<usize> = (0..line.len()).collect();
        // A stable sort.
        order.sort_by(|&i, &j| {
            let ascending = compare(x.values[line[i]], x.values[line[j]]);
            if sorting.order == Order::Ascending { ascending } else { ascending.reverse() }
        });
        for &i in &order[sorting.start..sorting.start + sorting.len] {
            y.push(x.values[line[i]]);
            at.push(Number::Int(i as i64));
        }
    }
    [y, at]
}

/// How many elements of its row come before each of `x`.
pub(super) fn search(side: Side, sorted: &List, x: &List) -> Vec<Number> {
    let rows = lines(&sorted.spec.shape, sorted.spec.shape.rank() - 1);
    let each = x.values.len() / rows.len().max(1);
    let count = |(i, &x): (usize, &Number)| {
        let before = |p: &&usize| match compare(sorted.values[**p], x) {
            Ordering::Less => true,
            Ordering::Equal => side == Side::Right,
            Ordering::Greater => false,
        };
        Number::Int(rows[i / each].iter().filter(before).count() as i64)
    };
    x.values.iter().enumerate().map(count).collect()
}
