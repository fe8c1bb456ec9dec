//! What a compiled training step allocates once it is running: small lists, and nothing that grows with the tensors.

mod steps;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use retrograd::{Fallback, Result, Rng, Tensor, Tree, grad, jit, tree};
use steps::{Layers, images, network, recurrent};

/// Counts what is asked of the system, and how much of it is large.
struct Counting;

static ALL: AtomicUsize = AtomicUsize::new(0);
static LARGE: AtomicUsize = AtomicUsize::new(0);
/// Bytes of a large allocation.
const KIBIBYTE: usize = 1024;

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALL.fetch_add(1, Ordering::Relaxed);
        LARGE.fetch_add(usize::from(layout.size() >= KIBIBYTE), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs some steps, then counts the allocations of one: all, and large ones.
fn steady<P: Tree + Clone>(
    loss: fn(&P, &Tensor, &Tensor) -> Tensor,
    mut p: P,
    x: &Tensor,
    y: &Tensor,
) -> Result<[usize; 2]> {
    let gradient = grad(loss);
    let step = jit(|p: &P, x: &Tensor, y: &Tensor| -> Result<(P, Tensor)> {
        let (g, loss) = gradient.call(p, (x, y))?;
        Ok((tree::zip(p, &g, |p, g| p - g * 0.01), loss))
    })
    .fallback(Fallback::Error);
    for _ in 0..5 {
        p = step.call(&p, (x, y))?.0;
    }
    let before = [&ALL, &LARGE].map(|count| count.load(Ordering::Relaxed));
    p = step.call(&p, (x, y))?.0;
    let after = [&ALL, &LARGE].map(|count| count.load(Ordering::Relaxed));
    drop(p);
    Ok([after[0] - before[0], after[1] - before[1]])
}

/// The same for a step that is given its parameters and the state of its optimizer.
fn steady_owned<P: Tree + Clone>(
    loss: fn(&P, &Tensor, &Tensor) -> Tensor,
    p: P,
    x: &Tensor,
    y: &Tensor,
) -> Result<[usize; 2]> {
    let gradient = grad(loss);
    let step = jit(|(p, m): &(P, P), x: &Tensor, y: &Tensor| -> Result<((P, P), Tensor)> {
        let (g, loss) = gradient.call(p, (x, y))?;
        let m = tree::zip(m, &g, |m, g| m * 0.9 + g * 0.1);
        Ok(((tree::zip(p, &m, |p, m| p - m * 0.01), m), loss))
    })
    .fallback(Fallback::Error);
    let m = tree::map(&p, |x| x * 0.0);
    let mut state = (tree::map(&p, |x| x * 1.0), m);
    let places = |state: &(P, P)| -> Vec<*const f32> {
        let leaves = tree::leaves(state);
        leaves.iter().map(|x| x.as_slice::<f32>().expect("f32 without gaps").as_ptr()).collect()
    };
    // What is one number for all elements gets memory in the first step.
    state = step.call_owned(state, (x, y))?.0;
    let first = places(&state);
    for _ in 0..5 {
        state = step.call_owned(state, (x, y))?.0;
    }
    let count = |run: &mut dyn FnMut() -> Result<()>| -> Result<[usize; 2]> {
        let before = [&ALL, &LARGE].map(|count| count.load(Ordering::Relaxed));
        run()?;
        let after = [&ALL, &LARGE].map(|count| count.load(Ordering::Relaxed));
        Ok([after[0] - before[0], after[1] - before[1]])
    };
    step.call(&state, (x, y)).map(drop)?;
    // Blocks that are kept for reuse would hide new ones. What kernels work in is new for both then.
    retrograd::memory::trim();
    let [_, borrowed] = count(&mut || step.call(&state, (x, y)).map(drop))?;
    retrograd::memory::trim();
    let mut state = Some(state);
    let mut owned = || {
        let given = state.take().expect("the state of the step before");
        state = Some(step.call_owned(given, (x, y))?.0);
        Ok(())
    };
    let [_, large] = count(&mut owned)?;
    let counts = count(&mut owned)?;
    let state = state.expect("the state of the last step");
    assert_eq!(places(&state), first);
    let leaves = tree::leaves(&state).iter().filter(|x| x.numel() * 4 >= KIBIBYTE).count();
    assert!(leaves > 0 && large + leaves == borrowed, "{large} large allocations instead of {borrowed}");
    Ok(counts)
}

/// `outputs` counts the leaves that a step returns.
#[track_caller]
fn assert_steady([all, large]: [usize; 2], outputs: usize) {
    assert!(all <= 2 * outputs, "{all} allocations for {outputs} outputs");
    assert_eq!(large, 0, "allocations of a KiB or more");
}

// One test, since the counts are those of the process.
#[test]
fn a_running_step_allocates_two_small_things_an_output_and_nothing_large() -> Result<()> {
    let mut rng = Rng::seed(1);
    let labels =
        |n: i64, classes: i64| Tensor::from_vec((0..n).map(|i| i * 7 % classes).collect(), [n as usize]);
    let layers: Layers =
        [(64, 48), (48, 10)].map(|(i, o)| (rng.randn([i, o]) * 0.1, Tensor::zeros([o]))).to_vec();
    assert_steady(steady_owned(network, layers.clone(), &rng.randn([32, 64]), &labels(32, 10))?, 9);
    assert_steady(steady(network, layers, &rng.randn([32, 64]), &labels(32, 10))?, 5);

    let p = [
        (rng.randn([8, 3, 3, 3]) * 0.1, Tensor::zeros([8])),
        (rng.randn([8 * 36, 10]) * 0.1, Tensor::zeros([10])),
    ];
    assert_steady(steady(images, p, &rng.randn([4, 3, 12, 12]), &labels(4, 10))?, 5);

    let [table, wx, wh] = [[50, 24], [24, 96], [24, 96]].map(|shape| rng.randn(shape) * 0.1);
    let p = [table, wx, wh, Tensor::zeros([96]), rng.randn([24, 50]) * 0.1];
    let tokens = labels(16 * 6, 50).reshape([16, 6]);
    assert_steady(steady(recurrent, p, &tokens, &labels(16, 50))?, 6);
    Ok(())
}
