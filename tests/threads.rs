//! Results do not depend on the number of threads, bit for bit.
//!
//! The tensors are large enough for every kernel here to be shared; `RETROGRAD_NUM_THREADS` and the machine do not matter,
//! since each test says how many threads it takes.

use retrograd::{
    Conv, Fallback, Result, Rng, Tensor, Tree, grad, jit, set_threads, threads, tree, with_threads,
};

/// The bits of a tensor's numbers, which are exact in f64.
fn bits(x: &Tensor) -> Vec<u64> {
    x.f64().to_vec::<f64>().expect("a valid tensor").into_iter().map(f64::to_bits).collect()
}

/// Holds what `f` yields with several threads to what it yields with one.
#[track_caller]
fn same<T: Tree>(what: &str, f: impl Fn() -> Result<T>) {
    let leaves = |n| with_threads(n, || f().map(|y| tree::leaves(&y))).expect("it works");
    let alone = leaves(1);
    for n in [2, 3, 7] {
        for (i, (x, y)) in leaves(n).iter().zip(&alone).enumerate() {
            assert!(bits(x) == bits(y), "{what}: leaf {i} is not the same with {n} threads");
        }
    }
}

/// As above, of one tensor.
#[track_caller]
fn same_tensor(what: &str, f: impl Fn() -> Tensor) {
    same(what, || Ok(f()));
}

#[test]
fn elementwise_operations() {
    let mut rng = Rng::seed(1);
    let (x, y) = (rng.randn([311, 700]), rng.randn([311, 700]));
    let (row, turned) = (rng.randn([700]), rng.randn([700, 311]).t());
    same_tensor("add", || &x + &y);
    same_tensor("tanh", || x.tanh());
    same_tensor("a row for all rows", || &x * &row);
    same_tensor("strides", || &x - &turned);
    same_tensor("a number", || &x * 2.5);
    same_tensor("in place", || (&x + 1.0).exp());
    same_tensor("16 bits", || x.bf16() * y.bf16());
    same_tensor("a test", || x.gt(&y));
    same_tensor("integers", || x.i64() + y.i64());
}

#[test]
fn matrix_products() {
    let mut rng = Rng::seed(2);
    // Rows, depth, columns: thin ones, whose rows are combined or which are dot products, and ones that are packed.
    for [m, k, n] in
        [[1, 1500, 3000], [4, 1024, 2048], [300, 333, 257], [1000, 64, 90], [70, 4000, 30], [2000, 2000, 1]]
    {
        let (a, b) = (rng.randn([m, k]), rng.randn([k, n]));
        let (at, bt) = (rng.randn([k, m]), rng.randn([n, k]));
        for [a, b] in [[a.clone(), b.clone()], [at.t(), b.clone()], [a.clone(), bt.t()], [at.t(), bt.t()]] {
            same_tensor(&format!("{m} x {k} x {n}"), || a.matmul(&b));
            let (a, b) = (a.f64(), b.f64());
            same_tensor(&format!("{m} x {k} x {n} in f64"), || a.matmul(&b));
        }
    }
    let (a, b) = (rng.randn([7, 3, 120, 90]), rng.randn([3, 90, 70]));
    same_tensor("a batch", || a.matmul(&b));
    let (a, b) = ((rng.randn([400, 300]) * 9.0).i32(), (rng.randn([300, 200]) * 9.0).i32());
    same_tensor("integers", || a.matmul(&b));
}

#[test]
fn convolutions_and_poolings() {
    let mut rng = Rng::seed(3);
    for groups in [1, 4] {
        let (x, w) = (rng.randn([13, 8, 30, 31]), rng.randn([16, 8 / groups, 5, 3]));
        let gradient = grad(|(x, w): &(Tensor, Tensor), b: &Tensor| {
            let y = x.conv2d(w, Conv::new().padding(2).stride([1, 2]).groups(groups).bias(b));
            (y.max_pool2d(2).square().sum() + y.avg_pool2d(3).sin().sum(), y)
        });
        let (p, b) = ((x, w), rng.randn([16]));
        same(&format!("{groups} groups"), || gradient.call(&p, &b));
    }
    let (x, w) = (rng.randn([64, 1, 28, 28]), rng.randn([16, 1, 5, 5]));
    let gradient = grad(|w: &Tensor, x: &Tensor| x.conv2d(w, Conv::new()).tanh().sum());
    same("one channel", || gradient.call(&w, &x));
}

#[test]
fn gathers_and_scatters() {
    let mut rng = Rng::seed(4);
    let x = rng.randn([60, 500, 7]);
    let rows = rng.randint(0, 500, [300]);
    let each = rng.randint(0, 500, [60, 300, 7]);
    let source = rng.randn([60, 300, 7]);
    same_tensor("rows", || x.index_select(1, &rows));
    same_tensor("elements", || x.gather(1, &each));
    same_tensor("sums", || x.scatter_add(1, &each, &source));
    same_tensor("sums along the last axis", || {
        x.transpose(1, 2).scatter_add(2, &each.transpose(1, 2), &source.transpose(1, 2))
    });
}

#[test]
fn compiled_programs() -> Result<()> {
    let mut rng = Rng::seed(5);
    let norm = |x: &Tensor| {
        let centred = x - x.mean_keepdim(-1);
        &centred / (centred.square().mean_keepdim(-1) + 1e-5).sqrt()
    };
    let x = rng.randn([600, 333]);
    // Elements alone; rows in phases; rows longer than a tile; sums of rows, of columns and of all.
    let flat = jit(|x: &Tensor| (x.tanh() * x + 1.0).exp()).fallback(Fallback::Error);
    same("elements", || flat.call(&x, ()));
    let strided = jit(|x: &Tensor| (x.t().tanh() * 2.0).exp()).fallback(Fallback::Error);
    same("strided elements", || strided.call(&x, ()));
    let rows = jit(move |x: &Tensor| norm(x)).fallback(Fallback::Error);
    same("rows", || rows.call(&x, ()));
    let long = rng.randn([40, 7000]);
    same("long rows", || rows.call(&long, ()));
    let sums = jit(|x: &Tensor| {
        let y = x.tanh() * 3.0;
        (y.sum_dim(-1), y.sum_dim(0), y.exp().sum())
    });
    let sums = sums.fallback(Fallback::Error);
    same("sums", || sums.call(&x, ()));

    let energy = jit(|x: &Tensor| {
        let y = ((x.tanh() * 3.0 + 1.0).exp() - (x * x + 2.0).sqrt().sin()) * (x * 0.5).sigmoid();
        (((&y * &y + 1.0).log() * 0.5 - &y).sum(), y.amax(), y)
    });
    let energy = energy.fallback(Fallback::Error);
    same("sums of everything", || energy.call(&x, ()));
    // With a last tile that would be too short.
    let odd = rng.randn([195 * 1024 + 5]);
    same("sums of everything, odd", || energy.call(&odd, ()));
    same("sums of everything, strided", || energy.call(&x.t(), ()));
    let columns = jit(|x: &Tensor| {
        let y = x.softmax(-1) * 3.0;
        (y.sum_dim(0), y.tanh().max_dim(0).0)
    });
    let columns = columns.fallback(Fallback::Error);
    same("columns", || columns.call(&x, ()));
    same("columns of long rows", || columns.call(&rng.clone().randn([70, 5000]), ()));
    same("narrow columns", || columns.call(&rng.clone().randn([90_000, 5]), ()));

    let step = jit(|p: &Vec<Tensor>, x: &Tensor| -> Result<(Vec<Tensor>, Tensor)> {
        let loss = |p: &Vec<Tensor>, x: &Tensor| {
            let h = (x.matmul(&p[0]) + &p[1]).relu();
            h.matmul(&p[2]).cross_entropy(&Tensor::zeros([600]).i64())
        };
        let (gradient, loss) = grad(loss).call(p, x)?;
        Ok((tree::zip(p, &gradient, |p, g| p - g * 0.1), loss))
    });
    let step = step.fallback(Fallback::Error);
    let p = vec![rng.randn([333, 200]), rng.randn([200]), rng.randn([200, 10])];
    same("a step", || step.call(&p, &x));
    Ok(())
}

#[test]
fn the_process_may_be_told_how_many() {
    let unless_told = threads();
    assert!(unless_told >= 1);
    set_threads(3);
    assert_eq!(threads(), 3);
    assert_eq!(std::thread::spawn(threads).join().expect("it ends"), 3);
    set_threads(0);
    assert_eq!(threads(), unless_told);
}
