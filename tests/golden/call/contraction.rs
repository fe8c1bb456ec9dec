//! Rows of einsum and its like, and linear algebra: `contraction.py`.

use retrograd::Tensor;

use super::Row::{Binary, General, Unary};
use super::{Attrs, Row};

pub(crate) const TABLE: &[(&str, Row)] = &[
    ("einsum", General(|x, a| Tensor::einsum(&a.need::<String>("equation"), x))),
    ("kron", Binary(Tensor::kron)),
    ("matrix_power", General(|x, a| x[0].matrix_power(a.need("n")))),
    ("multi_dot", General(|x, _| Tensor::multi_dot(x))),
    ("tensordot", General(tensordot)),
    ("trace", Unary(Tensor::trace)),
    ("vecdot", General(|x, a| x[0].vecdot(&x[1], a.axis()))),
];

fn tensordot(x: &[Tensor], attrs: &Attrs) -> Tensor {
    if let Some(count) = attrs.get::<usize>("count") {
        return x[0].tensordot(&x[1], count);
    }
    let axes = |name: &str| attrs.need::<Vec<isize>>(name);
    x[0].tensordot(&x[1], (&axes("first")[..], &axes("second")[..]))
}
