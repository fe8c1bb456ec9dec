//! Kernels in memory that the caller gives, of every layout, against the same kernels on tensors: every step of every
//! sample, since these are the kernels that there are.

use std::collections::BTreeSet;

use super::*;
use crate::error::Error;
use crate::graph;
use crate::ops::samples::samples;
use crate::tensor::{Rng, Strides};

/// Bytes before and behind a destination that are nobody's.
const MARGIN: usize = 64;
/// What is in memory that nobody has written.
const POISON: u8 = 0xa5;

/// A destination with a margin.
struct Room {
    block: Storage,
    spec: Spec,
}

impl Room {
    fn new(spec: Spec) -> Room {
        let block = Storage::with_bytes(spec.bytes() + 2 * MARGIN);
        // SAFETY: the block has so many bytes.
        unsafe { std::ptr::write_bytes(block.data(), POISON, spec.bytes() + 2 * MARGIN) };
        Room { block, spec }
    }

    /// With the elements of a tensor of as many bytes in it.
    fn holding(x: &Tensor, spec: Spec) -> Room {
        let room = Room::new(spec);
        let bytes = bytes(x);
        assert_eq!(bytes.len(), spec.bytes());
        // SAFETY: the room has so many bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), room.destination().ptr, bytes.len()) };
        room
    }

    fn destination(&self) -> Destination {
        Destination { ptr: self.block.data().wrapping_add(MARGIN), spec: self.spec }
    }

    /// The elements, after a look at the margins.
    fn tensor(&self) -> Tensor {
        let n = self.spec.bytes();
        // SAFETY: so many bytes, all written.
        let all = unsafe { std::slice::from_raw_parts(self.block.data(), n + 2 * MARGIN) };
        let margins = all[..MARGIN].iter().chain(&all[MARGIN + n..]);
        assert!(margins.copied().all(|byte| byte == POISON), "written outside of a destination");
        // SAFETY: the new block has room for so many bytes.
        build(self.spec, |to| unsafe { std::ptr::copy_nonoverlapping(all[MARGIN..].as_ptr(), to, n) })
    }
}

fn bytes(x: &Tensor) -> Vec<u8> {
    let x = contiguous(x);
    // SAFETY: gap-free elements.
    unsafe { std::slice::from_raw_parts(Operand::of(&x).ptr, x.spec().bytes()).to_vec() }
}

type Outcome = Result<Vec<Tensor>, Box<Misfit>>;

fn on_tensors(kernel: &Kernel<'_>, x: &[&Tensor], specs: &[Spec]) -> Outcome {
    match (kernel, specs) {
        (Kernel::Opaque(opaque), _) => run_opaque(*opaque, x),
        (_, [spec]) => Ok(vec![run(kernel, x, spec, InputSet::NONE)?]),
        _ => run_many(kernel, x, specs),
    }
}

fn on_operands(kernel: &Kernel<'_>, x: &[Operand], specs: &[Spec]) -> Outcome {
    let rooms: Vec<Room> = specs.iter().map(|&spec| Room::new(spec)).collect();
    let y: Vec<Destination> = rooms.iter().map(Room::destination).collect();
    // SAFETY: the operands are those of tensors and blocks that are here, the rooms have room.
    unsafe { compute(kernel, x, &y)? };
    Ok(rooms.iter().map(Room::tensor).collect())
}

/// The elements of a tensor in another order of axes, with gaps, the first axis backwards.
fn spread(x: &Tensor) -> (Storage, Operand) {
    let (shape, size) = (x.spec().shape, x.spec().dtype.size());
    let (mut strides, mut step) = (Strides::default(), 2);
    for (stride, &dim) in strides.iter_mut().zip(shape.iter()) {
        *stride = step;
        step *= dim as isize;
    }
    let block = Storage::with_bytes(2 * shape.numel() * size);
    let mut first = 0;
    if shape.rank() > 0 && shape.numel() > 0 {
        first = (shape[0] as isize - 1) * strides[0];
        strides[0] = -strides[0];
    }
    for (i, element) in bytes(x).chunks_exact(size).enumerate() {
        let (mut rest, mut at) = (i, first);
        for axis in (0..shape.rank()).rev() {
            at += (rest % shape.dim(axis)) as isize * strides[axis];
            rest /= shape.dim(axis);
        }
        // SAFETY: the block has two places for each element.
        unsafe {
            let to = block.data().offset(at * size as isize);
            std::ptr::copy_nonoverlapping(element.as_ptr(), to, size);
        }
    }
    let ptr = block.data().wrapping_offset(first * size as isize);
    let operand = Operand::strided(ptr, x.spec(), strides);
    (block, operand)
}

/// The first position along the first axis, in place of all of them.
fn repeated_first(x: &Tensor) -> Operand {
    let mut strides = x.spec().shape.strides();
    if x.spec().shape.rank() > 0 {
        strides[0] = 0;
    }
    Operand::strided(Operand::of(x).ptr, x.spec(), strides)
}

/// Holds an outcome to that of other layouts: to the bit, but where the order of sums depends on strides.
#[track_caller]
fn assert_same(kernel: &Kernel<'_>, got: Outcome, expected: &Outcome) {
    let (got, expected) = match (got, expected) {
        (Ok(got), Ok(expected)) => (got, expected),
        (Err(got), Err(expected)) => return assert_eq!(got.message, expected.message, "{kernel:?}"),
        (got, _) => panic!("{kernel:?} on operands: {got:?}, on tensors: {expected:?}"),
    };
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!(got.spec(), expected.spec(), "{kernel:?}");
        let tolerance = match (kernel, got.spec().dtype) {
            (Kernel::Dot | Kernel::Reduce(..), DType::F64) => 1e-12,
            (Kernel::Dot | Kernel::Reduce(..), DType::F32) => 1e-5,
            (Kernel::Dot | Kernel::Reduce(..), DType::F16 | DType::BF16) => 1e-2,
            _ => {
                assert!(bytes(got) == bytes(expected), "{kernel:?}: {got}, on tensors {expected}");
                continue;
            }
        };
        let close = got.allclose(expected, tolerance, tolerance).expect("concrete");
        assert!(close, "{kernel:?}: {got}, on tensors {expected}");
    }
}

/// Operands that the one output may take the place of.
fn overwritable(kernel: &Kernel<'_>, x: &[&Tensor], spec: &Spec) -> Vec<usize> {
    let size = spec.dtype.size();
    match kernel {
        Kernel::Map(_) => (0..x.len()).filter(|&i| x[i].spec().dtype.size() == size).collect(),
        Kernel::Place(Base::First, _) | Kernel::Scatter(..) => vec![0],
        _ => vec![],
    }
}

/// Runs a kernel with every layout of its operands, and in their places.
fn check(kernel: &Kernel<'_>, x: &[&Tensor], specs: &[Spec]) -> Outcome {
    let expected = on_tensors(kernel, x, specs);
    let as_is: Vec<Operand> = x.iter().map(|x| Operand::of(x)).collect();
    assert_same(kernel, on_operands(kernel, &as_is, specs), &expected);

    let dense: Vec<Tensor> = x.iter().map(|x| contiguous(x)).collect();
    let (_blocks, apart): (Vec<Storage>, Vec<Operand>) = dense.iter().map(spread).unzip();
    assert_same(kernel, on_operands(kernel, &apart, specs), &expected);

    let rows: Vec<Operand> = dense.iter().map(repeated_first).collect();
    // SAFETY: operands of tensors that are here.
    let full = |x: &Operand| build(x.spec(), |to| unsafe { operand::copy(x, to) });
    let full: Vec<Tensor> = rows.iter().map(full).collect();
    let of_full = on_tensors(kernel, &full.iter().collect::<Vec<_>>(), specs);
    assert_same(kernel, on_operands(kernel, &rows, specs), &of_full);

    for i in overwritable(kernel, x, &specs[0]) {
        let room = Room::holding(&dense[i], specs[0]);
        let y = room.destination();
        let mut operands: Vec<Operand> = dense.iter().map(Operand::of).collect();
        for (j, operand) in operands.iter_mut().enumerate() {
            // A map may read it more than once.
            let again = matches!(kernel, Kernel::Map(_)) && x[j].address() == x[i].address();
            if j == i || again {
                *operand = Operand::dense(y.ptr, x[i].spec());
            }
        }
        // SAFETY: as the contract has it.
        let outcome = unsafe { compute(kernel, &operands, &[y]) }.map(|()| vec![room.tensor()]);
        assert_same(kernel, outcome, &expected);
    }
    expected
}

/// Traces a function and checks all of its steps on these inputs; yields the names of their classes.
fn check_steps(inputs: &[Tensor], f: impl FnOnce(&[Tensor]) -> Tensor) -> BTreeSet<String> {
    let mut classes = BTreeSet::new();
    let specs: Vec<Spec> = inputs.iter().map(|x| *x.spec()).collect();
    let graph = graph::trace(&specs, |x| Ok(vec![f(x)])).expect("a trace");
    // What only data can show is an error both ways.
    let _ = graph.run(inputs, |step, x| {
        let specs: Vec<Spec> = step.outputs.iter().map(|id| *graph.spec(*id)).collect();
        let of_inputs: Vec<&Spec> = x.iter().map(|x| x.spec()).collect();
        let kernel = step.op.lower(&of_inputs);
        classes.extend(format!("{kernel:?}").split(' ').next().map(str::to_owned));
        check(&kernel, x, &specs).map_err(|misfit| Error::plain(misfit.kind, misfit.message))
    });
    classes
}

#[test]
fn every_sample_is_the_same_on_operands_of_any_layout() {
    let mut classes = BTreeSet::new();
    for sample in samples().into_iter().filter(|sample| sample.symbolic) {
        classes.append(&mut check_steps(&sample.inputs, sample.f));
    }
    // The samples draw no numbers and have no code of the user's own.
    let mut all: BTreeSet<_> =
        "map cast reduce scan sort search view place gather scatter dot conv pool".split(' ').collect();
    if cfg!(feature = "linalg") {
        all.insert("matrix");
    }
    assert!(all.iter().all(|&class| classes.contains(class)), "{classes:?} of {all:?}");
}

#[test]
fn maps_of_several_tiles_are_the_same_in_every_dtype_and_in_place() {
    for dtype in DType::ALL {
        let x = (Rng::seed(1).randn([30, 47]) * 3.0).to_dtype(dtype);
        let y = (Rng::seed(2).randn([30, 47]) * 3.0).to_dtype(dtype);
        check_steps(&[x.gt(&y), x.clone(), y.clone()], |x| x[0].where_(&x[1], &x[2]));
        if dtype != DType::Bool {
            check_steps(&[x.clone(), y.clone()], |x| x[0].maximum(&x[1]));
            check_steps(&[x, y], |x| &x[0] * &x[0] - &x[1]);
        }
    }
}

#[test]
fn matrices_and_sums_are_the_same_in_16_bits() {
    for dtype in [DType::F16, DType::BF16, DType::I32, DType::U8] {
        let [x, y] = [1, 2].map(|seed| (Rng::seed(seed).rand([2, 40, 40]) * 4.0).to_dtype(dtype));
        check_steps(&[x.clone(), y], |x| x[0].matmul(&x[1]));
        let x = [x];
        check_steps(&x, |x| x[0].sum_dim(1));
        check_steps(&x, |x| x[0].argmax(1));
        check_steps(&x, |x| x[0].cumsum(1));
    }
}

#[test]
fn nothing_is_scattered_where_an_index_is_out_of_range() {
    let (base, index, part) = (Tensor::ones([4, 3]), Tensor::from([1i64, 4]), Tensor::ones([2, 3]));
    let room = Room::holding(&base, *base.spec());
    let y = room.destination();
    let x = [Operand::dense(y.ptr, base.spec()), Operand::of(&index), Operand::of(&part)];
    let kernel = Kernel::Scatter(crate::exec::Indexing::Slices, 0, crate::exec::Combine::Add);
    // SAFETY: in place, as the contract has it.
    let misfit = unsafe { compute(&kernel, &x, &[y]) }.expect_err("4 is out of range");
    assert_eq!(misfit.message, "index 4 (element 1 of the index) is out of range for an axis of 4");
    assert_eq!(bytes(&room.tensor()), bytes(&base));
}

#[test]
fn a_reshape_without_a_layout_is_copied() {
    let x = Tensor::arange(12).reshape([3, 4]);
    let (turned, flat) = (x.t(), *x.reshape([12]).spec());
    let (shape, strides) = (turned.spec().shape, Operand::of(&turned).strides);
    assert_eq!(view::layout(&crate::exec::View::Reshape, &shape, &strides, &flat.shape), None);
    let got = on_operands(&Kernel::View(crate::exec::View::Reshape), &[Operand::of(&turned)], &[flat]);
    assert_eq!(bytes(&got.expect("no data can fail")[0]), bytes(&turned));
}

#[test]
fn a_layout_follows_the_strides_of_what_it_views() {
    let shape = Tensor::zeros([3, 4]).spec().shape;
    let mut strides = Strides::default();
    strides[..2].copy_from_slice(&[-4, 1]);
    let region = crate::exec::Region { start: vec![2, 3], step: vec![-1, -2] };
    let to = Tensor::zeros([2, 2]).spec().shape;
    let (offset, seen) =
        view::layout(&crate::exec::View::Slice(&region), &shape, &strides, &to).expect("a view");
    assert_eq!((offset, &seen[..2]), (-5, &[4, -2][..]));
}

#[test]
fn draws_are_the_same_in_every_dtype() {
    use Distribution::{Normal, Permutation, Uniform};
    let keys = Tensor::from([[7i64, 0], [7, 1]]);
    let shape = Tensor::zeros([2, 300]).spec().shape;
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        for distribution in [Uniform, Normal] {
            assert!(check(&Kernel::Random(distribution), &[&keys], &[Spec::new(shape, dtype)]).is_ok());
        }
    }
    assert!(check(&Kernel::Random(Permutation), &[&keys], &[Spec::new(shape, DType::I64)]).is_ok());
}

#[test]
fn code_of_the_users_own_sees_tensors_and_is_held_to_its_specs() {
    struct Turn;
    impl Opaque for Turn {
        fn run(&self, x: &[&Tensor]) -> crate::Result<Vec<Tensor>> {
            Ok(vec![x[0].t(), x[0] + 1.0])
        }
    }
    let x = Rng::seed(1).randn([3, 5]);
    let specs = [*x.t().spec(), *x.spec()];
    assert!(check(&Kernel::Opaque(&Turn), &[&x], &specs).is_ok());
    let other = [specs[1], specs[0]];
    let misfit = on_operands(&Kernel::Opaque(&Turn), &[Operand::of(&x)], &other).expect_err("other shapes");
    let expected =
        "yields [f32[5, 3], f32[3, 5]] now, expected [f32[3, 5], f32[5, 3]] as when it was compiled";
    assert_eq!(misfit.message, expected);
}

#[test]
fn an_integer_zero_is_found_under_strides() {
    let (x, y) = (Tensor::from([6i32, 6, 6]), Tensor::from([1i32, 0, 2]));
    let mut strides = Strides::default();
    strides[0] = -1;
    let last = Operand::of(&y).ptr.wrapping_add(8);
    let backwards = Operand::strided(last, y.spec(), strides);
    let graph = graph::trace(&[*x.spec(), *y.spec()], |x| Ok(vec![&x[0] / &x[1]])).expect("a trace");
    let kernel = graph.steps[0].op.lower(&[x.spec(), y.spec()]);
    let misfit = on_operands(&kernel, &[Operand::of(&x), backwards], &[*x.spec()]).expect_err("a zero");
    assert_eq!(misfit.message, "integer division by zero at element 1");
}
