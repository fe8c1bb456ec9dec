//! Reading and replacing parts: NumPy's meaning of every kind of index, gradients, batches and errors.
//!
//! Expected values are NumPy 2.4.6's, for `x = numpy.arange(24).reshape(2, 3, 4)`, and what `x[index]` and
//! `x[index] = value` make of it.

#![expect(clippy::reversed_empty_ranges, reason = "they are walked backward, or counted from the end")]

use retrograd::{Ellipsis, Error, ErrorKind, IndexItem, NewAxis, Tensor, grad, jvp, step, vmap};

/// `0..24` as `[2, 3, 4]` in f64, row-major and with its axes stored in another order.
fn layouts() -> [Tensor; 2] {
    let x = Tensor::arange(24).f64().reshape([2, 3, 4]);
    let stored: Tensor = x.permute([2, 0, 1]) + 0.0;
    [x, stored.permute([1, 2, 0])]
}

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec().expect("a value")
}

/// `1, 2, ..` in the shape of `y`: cotangents that tell elements apart.
fn weights(y: &Tensor) -> Tensor {
    let n = y.numel();
    Tensor::from_vec((0..n).map(|i| i as f64 + 1.0).collect(), y.shape())
}

/// The tensors of `x`'s shape that are 1 in one place and 0 elsewhere.
fn basis(x: &Tensor) -> impl Iterator<Item = Tensor> {
    let (n, shape) = (x.numel(), x.shape());
    (0..n).map(move |k| Tensor::from_vec((0..n).map(|i| if i == k { 1.0 } else { 0.0 }).collect(), shape))
}

/// A linear function's gradient, tangent and batch rule against its values on a basis, exactly.
fn check_linear(f: impl Fn(&Tensor) -> Tensor, x: &Tensor, index: &str) {
    let [twice, raised]: [Tensor; 2] = [x * 2.0, x + 1.0];
    let w = weights(&f(x));
    let weighted = |x: &Tensor| (f(x) * &w).sum();
    let (gradient, _) = grad(weighted).call(x, ()).expect("a gradient");
    let along: Vec<f64> = basis(x).map(|e| weighted(&e).item().expect("a value")).collect();
    assert_eq!(values(&gradient), along, "gradient of [{index}]");
    let (_, tangent) = jvp(|x: &Tensor| f(x)).call(x, &raised, ()).expect("a tangent");
    assert_eq!(values(&tangent), values(&f(&raised)), "tangent of [{index}]");
    let both = Tensor::cat(&[x.unsqueeze(0), twice.unsqueeze(0)], 0);
    let all = vmap(|x: &Tensor| f(x)).call(&both, ()).expect("a batch");
    assert_eq!(values(&all), [values(&f(x)), values(&f(&twice))].concat(), "batch of [{index}]");
}

/// `index => shape of x[index], its elements;`
macro_rules! parts {
    ($($index:expr => $shape:expr, $values:expr;)*) => {
        for x in layouts() {
            $({
                let part = x.at($index);
                assert_eq!(part.shape(), $shape, "[{}]", stringify!($index));
                let expected: Vec<i64> = $values.into_iter().collect();
                assert_eq!(part.to_vec::<i64>().unwrap(), expected, "[{}]", stringify!($index));
                check_linear(|x| x.at($index), &x, stringify!($index));
            })*
        }
    };
}

/// `index = value => all elements after it;`
macro_rules! replacements {
    ($($index:expr, $value:expr => $values:expr;)*) => {
        for x in layouts() {
            $({
                let (mut changed, value) = (x.clone(), Tensor::from($value));
                changed.set($index, &value);
                let expected: Vec<f64> = $values.into_iter().map(f64::from).collect();
                assert_eq!(values(&changed), expected, "[{}] = {value}", stringify!($index));
                assert_eq!(values(&x), values(&layouts()[0]), "the original is another tensor");
                check_linear(|x| x.with($index, Tensor::zeros([]).f64()), &x, stringify!($index));
                check_linear(|v| x.zeros_like().with($index, v), &value, stringify!($index));
            })*
        }
    };
}

#[test]
fn ranges_and_integers_name_what_they_do_in_numpy() {
    parts! {
        () => [2, 3, 4], 0..24;
        1 => [3, 4], 12..24;
        -2 => [3, 4], 0..12;
        .. => [2, 3, 4], 0..24;
        (1, .., 2..5) => [3, 2], [14, 15, 18, 19, 22, 23];
        (1, .., 2..5, NewAxis) => [3, 2, 1], [14, 15, 18, 19, 22, 23];
        (0, 1, -1) => [], [7];
        (.., -1) => [2, 4], [8, 9, 10, 11, 20, 21, 22, 23];
        (Ellipsis, -1) => [2, 3], [3, 7, 11, 15, 19, 23];
        (0, Ellipsis) => [3, 4], 0..12;
        (0, Ellipsis, 1..) => [3, 3], [1, 2, 3, 5, 6, 7, 9, 10, 11];
        (.., .., .., Ellipsis) => [2, 3, 4], 0..24;
        (.., ..=1, 1..=-2) => [2, 2, 2], [1, 2, 5, 6, 13, 14, 17, 18];
        (.., 0..100, -100..2) => [2, 3, 2], [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21];
        (.., 2..1) => [2, 0, 4], [];
        step(.., -1) => [2, 3, 4], [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        (.., step(.., 2), step(3..0, -2)) => [2, 2, 2], [3, 1, 11, 9, 15, 13, 23, 21];
        (.., .., step(-1..=0, -3)) => [2, 3, 2], [3, 0, 7, 4, 11, 8, 15, 12, 19, 16, 23, 20];
        NewAxis => [1, 2, 3, 4], 0..24;
        (.., NewAxis, 1, NewAxis, ..2) => [2, 1, 1, 2], [4, 5, 16, 17];
    }
}

#[test]
fn integer_tensors_broadcast_and_merge_as_in_numpy() {
    let (i, j, one) = (Tensor::from([0i64, 1]), Tensor::from([2i64, 0]), Tensor::from(1i64));
    let (neg, grid, col) =
        (Tensor::from([-1i32, 0, -1]), Tensor::from([[0i64, 2], [1, 1]]), Tensor::from([[0i64], [1]]));
    parts! {
        &i => [2, 3, 4], 0..24;
        (.., &neg) => [2, 3, 4], [8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11, 20, 21, 22, 23, 12, 13, 14, 15, 20, 21, 22, 23];
        (.., .., &grid) => [2, 3, 2, 2], [0, 2, 1, 1, 4, 6, 5, 5, 8, 10, 9, 9, 12, 14, 13, 13, 16, 18, 17, 17, 20, 22, 21, 21];
        (&i, &j) => [2, 4], 8..16;
        (&i, &j, &i) => [2], [8, 13];
        (&col, &j) => [2, 2, 4], [8, 9, 10, 11, 0, 1, 2, 3, 20, 21, 22, 23, 12, 13, 14, 15];
        (&col, 1, &j) => [2, 2], [6, 4, 18, 16];
        (.., &j, &i) => [2, 2], [8, 1, 20, 13];
        (&i, .., &j) => [2, 3], [2, 6, 10, 12, 16, 20];
        (0, .., &neg) => [3, 3], [3, 7, 11, 0, 4, 8, 3, 7, 11];
        (.., 0, &neg) => [2, 3], [3, 0, 3, 15, 12, 15];
        (&i, NewAxis, &j) => [2, 1, 4], 8..16;
        (NewAxis, &i, .., &j) => [2, 1, 3], [2, 6, 10, 12, 16, 20];
        (1, 1.., &neg) => [3, 2], [19, 23, 16, 20, 19, 23];
        (.., step(.., -1), &j) => [2, 3, 2], [10, 8, 6, 4, 2, 0, 22, 20, 18, 16, 14, 12];
        (.., &j, Ellipsis, &i) => [2, 2], [8, 20, 1, 13];
        (&i, Ellipsis, &j) => [2, 3], [2, 6, 10, 12, 16, 20];
        (.., &one) => [2, 4], [4, 5, 6, 7, 16, 17, 18, 19];
        (&one, .., &one) => [3], [13, 17, 21];
        (&i, 1..2, ..3) => [2, 1, 3], [4, 5, 6, 16, 17, 18];
    }
}

#[test]
fn masks_pick_where_they_hold() {
    let rows = Tensor::from([[true, false, true], [false, true, false]]);
    let m3 = Tensor::from((0..24).map(|v| v % 5 == 0).collect::<Vec<bool>>()).reshape([2, 3, 4]);
    let (m0, mid, none) =
        (Tensor::from([true, false]), Tensor::from([false, true, true]), Tensor::from([false; 4]));
    let (yes, no) = (Tensor::from(true), Tensor::from(false));
    let (i, j, neg) = (Tensor::from([0i64, 1]), Tensor::from([2i64, 0]), Tensor::from([-1i64, 0, -1]));
    parts! {
        &m0 => [1, 3, 4], 0..12;
        (.., &mid) => [2, 2, 4], [4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23];
        &rows => [3, 4], [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19];
        (&rows, 1..3) => [3, 2], [1, 2, 9, 10, 17, 18];
        (0, &mid, ..2) => [2, 2], [4, 5, 8, 9];
        &m3 => [5], [0, 5, 10, 15, 20];
        (.., .., &none) => [2, 3, 0], [];
        (.., &mid, &j) => [2, 2], [6, 8, 18, 20];
        (&m0, .., 1) => [1, 3], [1, 5, 9];
        (&m0, .., &neg) => [3, 3], [3, 7, 11, 0, 4, 8, 3, 7, 11];
        &yes => [1, 2, 3, 4], 0..24;
        &no => [0, 2, 3, 4], [];
        (.., &yes, &i) => [2, 2, 4], [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19];
    }
}

#[test]
fn regular_parts_are_replaced() {
    replacements! {
        (0, 1, 2), -1.0 => [0, 1, 2, 3, 4, 5, -1, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
        1, [1.0, 2.0, 3.0, 4.0] => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4];
        (.., 1), [[1.0], [2.0]] => [0, 1, 2, 3, 1, 1, 1, 1, 8, 9, 10, 11, 12, 13, 14, 15, 2, 2, 2, 2, 20, 21, 22, 23];
        (1, step(.., -2), 1..3), [[1.0, 2.0], [3.0, 4.0]] => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 3, 4, 15, 16, 17, 18, 19, 20, 1, 2, 23];
        .., 0.5 => [0.5; 24];
        (NewAxis, 1, .., -1), [[1.0, 2.0, 3.0]] => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 1, 16, 17, 18, 2, 20, 21, 22, 3];
        (0, 0), [[[1.0, 2.0, 3.0, 4.0]]] => [1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
        (.., 2..1), 9.0 => 0..24;
    }
}

#[test]
fn picked_positions_are_replaced_and_the_last_write_stays() {
    let (i, j) = (Tensor::from([0i64, 1]), Tensor::from([2i64, 0]));
    let (neg, grid, col) =
        (Tensor::from([-1i32, 0, -1]), Tensor::from([[0i64, 2], [1, 1]]), Tensor::from([[0i64], [1]]));
    replacements! {
        (.., &neg), -1.0 => [-1, -1, -1, -1, 4, 5, 6, 7, -1, -1, -1, -1, -1, -1, -1, -1, 16, 17, 18, 19, -1, -1, -1, -1];
        (.., &neg, 0), [1.0, 2.0, 3.0] => [2, 1, 2, 3, 4, 5, 6, 7, 3, 9, 10, 11, 2, 13, 14, 15, 16, 17, 18, 19, 3, 21, 22, 23];
        (1, &neg, 0), [1.0, 2.0, 3.0] => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 2, 13, 14, 15, 16, 17, 18, 19, 3, 21, 22, 23];
        (&i, &j), [[1.0], [2.0]] => [0, 1, 2, 3, 4, 5, 6, 7, 1, 1, 1, 1, 2, 2, 2, 2, 16, 17, 18, 19, 20, 21, 22, 23];
        (&i, .., &j), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]] => [0, 1, 1, 3, 4, 5, 2, 7, 8, 9, 3, 11, 4, 13, 14, 15, 5, 17, 18, 19, 6, 21, 22, 23];
        (&col, &j, 1..3), [[[1.0, 2.0]], [[3.0, 4.0]]] => [0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 11, 12, 3, 4, 15, 16, 17, 18, 19, 20, 3, 4, 23];
        (0, .., &grid), [[[1.0], [2.0]], [[3.0], [4.0]]] => [1, 4, 2, 3, 1, 4, 2, 7, 1, 4, 2, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
    }
}

#[test]
fn masked_positions_are_replaced() {
    let rows = Tensor::from([[true, false, true], [false, true, false]]);
    let m3 = Tensor::from((0..24).map(|v| v % 5 == 0).collect::<Vec<bool>>()).reshape([2, 3, 4]);
    let (mid, none) = (Tensor::from([false, true, true]), Tensor::from([false; 4]));
    let (yes, no, j) = (Tensor::from(true), Tensor::from(false), Tensor::from([2i64, 0]));
    replacements! {
        &m3, 0.0 => [0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 0, 16, 17, 18, 19, 0, 21, 22, 23];
        &m3, [1.0, 2.0, 3.0, 4.0, 5.0] => [1, 1, 2, 3, 4, 2, 6, 7, 8, 9, 3, 11, 12, 13, 14, 4, 16, 17, 18, 19, 5, 21, 22, 23];
        (&rows, ..2), [7.0, 8.0] => [7, 8, 2, 3, 4, 5, 6, 7, 7, 8, 10, 11, 12, 13, 14, 15, 7, 8, 18, 19, 20, 21, 22, 23];
        (&rows, 0), [7.0, 8.0, 9.0] => [7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 9, 17, 18, 19, 20, 21, 22, 23];
        (.., &mid, &j), [-1.0, -2.0] => [0, 1, 2, 3, 4, 5, -1, 7, -2, 9, 10, 11, 12, 13, 14, 15, 16, 17, -1, 19, -2, 21, 22, 23];
        (.., .., &none), 1.0 => 0..24;
        &no, 1.0 => 0..24;
        &yes, 1.0 => [1; 24];
    }
}

#[test]
fn an_index_may_be_put_together_at_run_time() {
    let x = Tensor::arange(24).reshape([2, 3, 4]);
    let items: Vec<IndexItem> = vec![1.into(), Ellipsis.into(), (1..3).into()];
    let expected = x.at((1, Ellipsis, 1..3)).to_vec::<i64>().unwrap();
    assert_eq!(x.at(&items).to_vec::<i64>().unwrap(), expected);
    assert_eq!(x.at(&items[..]).to_vec::<i64>().unwrap(), expected);
    assert_eq!(x.at(items).to_vec::<i64>().unwrap(), expected);
    assert_eq!(x.at((2usize - 1, 0isize, 3i64)).item::<i64>().unwrap(), 15);
}

#[test]
fn a_view_shares_the_memory_and_replacing_a_part_of_it_does_not_show() {
    let mut x = Tensor::from([1.0, 2.0, 3.0]);
    let view = x.at(1..);
    x.set(1, 9.0);
    assert_eq!((values(&x), values(&view)), (vec![1.0, 9.0, 3.0], vec![2.0, 3.0]));
    // Source and target overlap.
    x.set(..2, x.at(1..));
    assert_eq!(values(&x), [9.0, 3.0, 3.0]);
    x.set(.., x.at(step(.., -1)));
    assert_eq!(values(&x), [3.0, 3.0, 9.0]);
}

#[test]
fn memory_that_nobody_else_sees_is_changed_in_place() {
    let mut x = Tensor::from([1.0, 2.0, 3.0]);
    let address = x.as_slice::<f64>().unwrap().as_ptr();
    for i in 0..3 {
        x.set(i, i as f64);
    }
    assert_eq!(x.as_slice::<f64>().unwrap().as_ptr(), address);
    assert_eq!(values(&x), [0.0, 1.0, 2.0]);
}

#[test]
fn numbers_take_the_tensors_dtype() {
    assert_eq!(Tensor::arange(3).with(0, 7).to_vec::<i64>().unwrap(), [7, 1, 2]);
    assert_eq!(Tensor::from([false, false]).with(1, true).to_vec::<bool>().unwrap(), [false, true]);
    assert_eq!(values(&Tensor::zeros([2]).f16().with(1, 0.5)), [0.0, 0.5]);
}

#[test]
fn a_position_written_twice_gives_its_gradient_to_the_last_value() {
    let index = Tensor::from([1i64, 1, 0]);
    let loss =
        |v: &Tensor| (Tensor::zeros([3]).f64().with(&index, v) * Tensor::from([1.0, 10.0, 100.0])).sum();
    let (gradient, _) = grad(loss).call(&Tensor::from([5.0, 6.0, 7.0]), ()).unwrap();
    assert_eq!(values(&gradient), [0.0, 10.0, 1.0]);
}

#[test]
fn second_derivatives_pass_through_parts() {
    // f(x) = sum over i of x[i]^3 for x[0], x[2] and twice x[1]: f'' is 6 x[i], 12 x[1].
    let cubes = |x: &Tensor| x.at(Tensor::from([0i64, 1, 2, 1])).pow(3.0).sum();
    let slope = |x: &Tensor| grad(cubes).call(x, ()).map(|(gradient, _)| gradient.with(0, 0.0).sum());
    let (second, _) = grad(slope).call(&Tensor::from([1.0, 2.0, 3.0]), ()).unwrap();
    assert_eq!(values(&second), [0.0, 24.0, 18.0]);
}

#[test]
fn each_example_of_a_batch_has_its_own_indices() {
    let x = Tensor::arange(12).f64().reshape([2, 2, 3]);
    let (i, j) = (Tensor::from([[0i64, 1], [1, 1]]), Tensor::from([[2i64, 0], [-1, -1]]));
    let read = vmap(|x: &Tensor, i: &Tensor, j: &Tensor| x.at((i, j))).call(&x, (&i, &j)).unwrap();
    assert_eq!(values(&read), [2.0, 3.0, 11.0, 11.0]);
    let v = Tensor::from([[-1.0, -2.0], [-3.0, -4.0]]);
    let written = vmap(|x: &Tensor, i: &Tensor, j: &Tensor, v: &Tensor| x.with((i, j), v));
    let written = written.call(&x, (&i, &j, &v)).unwrap();
    assert_eq!(values(&written), [0.0, 1.0, -1.0, -2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, -4.0]);
    let same = vmap(|i: &Tensor| Tensor::zeros([3]).with(i, 1.0)).call(&i, ()).unwrap();
    assert_eq!(values(&same), [1.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    let clipped = vmap(|x: &Tensor| x.with(x.gt(7.0), 7.0)).call(&x, ()).unwrap();
    assert_eq!(values(&clipped)[5..], [5.0, 6.0, 7.0, 7.0, 7.0, 7.0, 7.0]);
}

#[track_caller]
fn assert_refused(x: &Tensor, kind: ErrorKind, parts: &[&str]) -> Error {
    let error = x.error().expect("refused").clone();
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for part in parts.iter().chain(&["tests/indexing.rs"]) {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    error
}

#[test]
fn an_index_that_does_not_fit_says_why() {
    let x = Tensor::zeros([2, 3]);
    let i = |values: &[i64]| Tensor::from(values);
    let out = [
        "at: index 3 is out of range for axis 1, which has length 3",
        "positions run from 0 to 2, or from -3",
    ];
    assert_refused(&x.at((.., 3)), ErrorKind::Shape, &out);
    assert_refused(&x.at(-3), ErrorKind::Shape, &["index -3 is out of range for axis 0, which has length 2"]);
    assert_refused(&x.at(usize::MAX), ErrorKind::Shape, &["is out of range for axis 0"]);
    assert_refused(&Tensor::zeros([0]).at(0), ErrorKind::Shape, &["the axis has no positions"]);
    assert_refused(
        &x.at((0, 0, 0)),
        ErrorKind::Shape,
        &["at: the index is for 3 axes, the tensor has 2", "f32[2, 3]"],
    );
    assert_refused(&x.at((Ellipsis, Ellipsis)), ErrorKind::Shape, &["at most one `Ellipsis`"]);
    assert_refused(&x.at(step(.., 0)), ErrorKind::Shape, &["the step of a slice is not 0"]);
    assert_refused(&x.at(x.at(0)), ErrorKind::DType, &["i64, i32 or bool, got f32", "`.i64()`"]);
    let mask = Tensor::from([true, false]);
    assert_refused(
        &x.at((.., &mask)),
        ErrorKind::Shape,
        &["a mask of shape [2] for axes of shape [3], from axis 1 on"],
    );
    let pair = (i(&[0, 1]), i(&[0, 1, 2]));
    assert_refused(
        &x.at(pair),
        ErrorKind::Shape,
        &["at: index shapes [2] and [3] do not broadcast", "`rows.unsqueeze(-1)`"],
    );
    assert_refused(&x.at(i(&[0, 2])), ErrorKind::Data, &["index 2", "out of range"]);
    assert_refused(
        &x.at((i(&[0]), i(&[-4]))),
        ErrorKind::Data,
        &["index -4 is out of range for axis 1, which has length 3"],
    );
    assert_refused(&x.at(&[const { IndexItem::NewAxis }; 7][..]), ErrorKind::Shape, &["at most 8 axes"]);
}

#[test]
fn a_value_that_does_not_fit_leaves_an_invalid_tensor() {
    let zeros = Tensor::zeros([2, 3]);
    let mut x = zeros.clone();
    x.set(0, Tensor::zeros([4]));
    let error = assert_refused(
        &x,
        ErrorKind::Shape,
        &["set: a value of shape [4] does not broadcast to the part's shape [3]"],
    );
    x.set(0, 1.0);
    assert_eq!(x.error().unwrap().to_string(), error.to_string(), "an invalid tensor stays as it is");
    let kinds = ["with: a value of dtype f64 for a tensor of dtype f32", "convert the value with `.f32()`"];
    assert_refused(&zeros.with(.., Tensor::from(1.0)), ErrorKind::DType, &kinds);
    assert_refused(&zeros.with((0, 3), 1.0), ErrorKind::Shape, &["with: index 3 is out of range for axis 1"]);
    assert_refused(
        &zeros.with(zeros.eq(0.0), Tensor::zeros([5])),
        ErrorKind::Shape,
        &["[5]", "part's shape [6]"],
    );
    assert_refused(
        &zeros.with(Tensor::from([0i64, 2]), 1.0),
        ErrorKind::Data,
        &["with: index 2 is out of range for axis 0"],
    );
    assert_refused(&Tensor::arange(3).with(0, 0.5), ErrorKind::DType, &["with: the number 0.5 is no i64"]);
    let invalid = Tensor::zeros([2]).reshape([3]);
    assert_refused(&zeros.with(0, &invalid), ErrorKind::Shape, &["reshape"]);
    assert_refused(&zeros.at((0, &invalid)), ErrorKind::Shape, &["reshape"]);
    assert_refused(&invalid.at(0), ErrorKind::Shape, &["reshape"]);
}

#[test]
fn a_mask_without_a_value_is_refused_with_advice() {
    let picked = vmap(|x: &Tensor| x.at(x.gt(0.0))).call(&Tensor::zeros([2, 3]), ());
    let text = picked.unwrap_err().to_string();
    assert!(text.contains("at reads a bool mask: inside vmap") && text.contains("where_"), "{text}");
}

#[test]
fn a_tensor_prints_where_it_is() {
    let seen = |x: &Tensor| {
        assert_eq!(x.to_string(), "[1.0, 2.0]");
        assert_eq!(format!("{x:?}"), "Tensor f64[2] taped [1.0, 2.0]");
        x.sum()
    };
    let _ = grad(seen).call(&Tensor::from([1.0, 2.0]), ()).unwrap();
    let seen = |x: &Tensor| {
        assert_eq!(format!("{x:?} {x}"), "Tensor f64[] dual 1.0 1.0");
        x.clone()
    };
    let _ = jvp(seen).call(&Tensor::from(1.0), &Tensor::from(1.0), ()).unwrap();
    let seen = |x: &Tensor| {
        assert_eq!(format!("{x:?} {x}"), "Tensor f64[2] inside vmap <f64[2] inside vmap>");
        x.clone()
    };
    let _ = vmap(seen).call(&Tensor::from([[1.0, 2.0]]), ()).unwrap();
}
