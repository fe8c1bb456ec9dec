//! What a wrong call of an elementwise function is told; `messages.rs` has the rest.

use retrograd::{Closeness, Tensor};

use crate::f32s;

#[test]
fn domains() {
    let (x, ints, bools) = (f32s(&[2]), f32s(&[2]).i64(), f32s(&[2]).bool());
    table! {
        ints.tan() =>
            "tan: needs a floating-point tensor, got i64 | operands: i64[2] | help: convert with `.f32()` or `.f64()`";
        ints.lgamma() =>
            "lgamma: needs a floating-point tensor, got i64 | operands: i64[2] | help: convert with `.f32()` or `.f64()`";
        ints.leaky_relu(0.5) =>
            "leaky_relu: needs a floating-point tensor, got i64 | operands: i64[2] | help: convert with `.f32()` or `.f64()`";
        ints.deg2rad() =>
            "mul: the number 0.017453292519943295 is no i64 | operands: i64[2] | help: convert the tensor first, for example with `.f32()`";
        bools.round() =>
            "round: bool has no arithmetic | operands: bool[2] | help: convert with `.i64()` or `.f32()`, or use `logical_and`, `logical_or`, `logical_not`";
        &x & &x =>
            "bitwise_and: needs an integer or bool tensor, got f32 | operands: f32[2], f32[2] | help: convert with `.i64()`, or use `logical_and`, `logical_or`, `logical_not`";
        !&x => "bitwise_not: needs an integer tensor, got f32 | operands: f32[2] | help: convert with `.i64()`";
        &bools << 1 =>
            "bitwise_left_shift: needs an integer tensor, got bool | operands: bool[2], bool[2] | help: convert with `.i64()`";
        &ints | 0.5 =>
            "bitor: the number 0.5 is no i64 | operands: i64[2] | help: convert the tensor first, for example with `.f32()`";
        &ints ^ &bools =>
            "bitwise_xor: dtypes i64 and bool do not mix | operands: i64[2], bool[2] | help: convert one of them, for example with `.i64()`";
    }
}

#[test]
fn shapes() {
    let x = f32s(&[2, 3]);
    table! {
        x.atan2(f32s(&[4])) =>
            "atan2: shapes [2, 3] and [4] do not broadcast | operands: f32[2, 3], f32[4] | help: shapes are aligned at the last axis; axes must be equal or 1 (see `unsqueeze`, `reshape`)";
        x.isclose(f32s(&[4]), Closeness::default()) =>
            "isclose: shapes [2, 3] and [4] do not broadcast | operands: f32[2, 3], f32[4] | help: shapes are aligned at the last axis; axes must be equal or 1 (see `unsqueeze`, `reshape`)";
        x.lerp(f32s(&[3]), f32s(&[4])) =>
            "lerp: shapes [2, 3], [3] and [4] do not broadcast | operands: f32[2, 3], f32[3], f32[4]";
        x.addcmul(f32s(&[3]).f64(), 1.0, 1.0) =>
            "addcmul: dtypes f32 and f64 do not mix | operands: f32[2, 3], f64[2, 3], f32[2, 3] | help: convert one of them, for example with `.f64()`";
        x.glu(1) =>
            "glu: axis 1 of [2, 3] has 3 positions, an odd number | operands: f32[2, 3] | help: its halves are the values and their gates";
        x.glu(2) => "glu: axis 2 of a tensor with 2 axes, [2, 3] | operands: f32[2, 3]";
        x.prelu(&f32s(&[2])) =>
            "prelu: slopes of shape [2] for 3 channels of [2, 3] | operands: f32[2, 3], f32[2] | help: one slope, or a vector with one for each position of axis 1";
    }
}

#[test]
fn numbers() {
    let (x, ints) = (f32s(&[2]), Tensor::from([3i64, 4]));
    table! {
        x.celu(0.0) => "celu: alpha is 0, and x is divided by it | operands: f32[2]";
        ints.fmod(Tensor::from([2i64, 0])) =>
            "fmod: integer division by zero at element 1 | operands: i64[2], i64[2] | help: convert to a floating-point dtype, or replace the zeros with `where_`";
        ints.remainder(0) =>
            "remainder: integer division by zero at element 0 | operands: i64[2], i64[2] | help: convert to a floating-point dtype, or replace the zeros with `where_`";
        ints.floor_divide(0) =>
            "floor_divide: integer division by zero at element 0 | operands: i64[2], i64[2] | help: convert to a floating-point dtype, or replace the zeros with `where_`";
    }
}
