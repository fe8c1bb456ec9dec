//! Sums of many terms by groups: what the pass `sums` has in their place.

use std::any::Any;

use super::arithmetic::Add;
use super::dot::{Dot, one_product};
use super::join::{Place, joined};
use super::linear::LinearMap;
use super::pointwise::Map;
use super::primitive::Primitive;
use crate::graph::{Seen, Value};

/// Whether an operation is the sum of two tensors.
pub(crate) fn is_sum(op: &dyn Primitive) -> bool {
    let op: &dyn Any = op;
    op.is::<Map<Add, 2>>()
}

/// A sum with its terms gathered: those that are parts of one tensor, and those that are products of matrices. None if
/// there is nothing to gather.
pub(crate) fn regrouped_sum(op: &dyn Primitive, x: &[Seen<'_>]) -> Option<Value> {
    if !is_sum(op) {
        return None;
    }
    let terms = terms(x);
    let (parts, others): (Vec<_>, Vec<_>) = terms
        .into_iter()
        .partition(|term| term.is_read_once() && term.made_by::<LinearMap<Place>>().is_some());
    let (products, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|term| term.is_read_once() && term.made_by::<Dot>().is_some());
    let (whole, product) = (joined(&parts), one_product(&products));
    if whole.is_none() && product.is_none() {
        return None;
    }
    let or_terms = |value: Option<Value>, terms: Vec<Seen<'_>>| match value {
        Some(value) => vec![value],
        None => terms.into_iter().map(Value::from).collect(),
    };
    let others = others.into_iter().map(Value::from);
    total(others.chain(or_terms(whole, parts)).chain(or_terms(product, products)).collect())
}

/// The terms of a sum, through sums that nobody else reads, in order.
fn terms<'g>(x: &[Seen<'g>]) -> Vec<Seen<'g>> {
    let mut terms = Vec::new();
    let mut ahead: Vec<Seen<'g>> = x.iter().rev().copied().collect();
    while let Some(term) = ahead.pop() {
        match term.made_by::<Map<Add, 2>>().filter(|_| term.is_read_once()) {
            Some(sum) => ahead.extend([sum.x(1), sum.x(0)]),
            None => terms.push(term),
        }
    }
    terms
}

/// The sum of values, in halves, so that its depth is a logarithm of their number.
fn total(mut values: Vec<Value>) -> Option<Value> {
    if values.len() < 2 {
        return values.pop();
    }
    let rest = values.split_off(values.len() / 2);
    Some(Value::made(&Map(Add), [total(values)?, total(rest)?]))
}
