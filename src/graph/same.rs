//! Telling graphs and captured tensors to be the same.

use std::hash::{Hash, Hasher};

use super::ir::{Graph, Step};
use crate::exec::cpu;
use crate::tensor::{Array, Data, Tensor};

impl Graph {
    /// Whether both compute the same in the same way: equal steps on equal values, in the same order. Lines of the
    /// program do not matter.
    pub(crate) fn same(&self, other: &Graph) -> bool {
        let steps =
            |(a, b): (&Step, &Step)| a.inputs == b.inputs && a.outputs == b.outputs && a.op.same(&*b.op);
        self.specs == other.specs
            && self.inputs == other.inputs
            && self.draws == other.draws
            && self.outputs == other.outputs
            && self.captured.len() == other.captured.len()
            && self.captured.iter().zip(&other.captured).all(|(a, b)| a.0 == b.0 && same_tensor(&a.1, &b.1))
            && self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(steps)
    }
}

/// Whether two tensors are known to be equal, to the bit: the same node, one number that is equal, the same memory, or
/// equal elements. A constant that a function makes itself is a new tensor each time it runs.
pub(crate) fn same_tensor(a: &Tensor, b: &Tensor) -> bool {
    if a.address() == b.address() {
        return true;
    }
    let (Some(left), Some(right)) = (a.concrete(), b.concrete()) else { return false };
    if a.spec() != b.spec() {
        return false;
    }
    match (&left.data, &right.data) {
        (Data::Splat(x), Data::Splat(y)) => x == y,
        (Data::Block(_), Data::Block(_)) => place(a, left) == place(b, right) || same_elements(a, b),
        _ => false,
    }
}

/// Where the elements are, and under which strides.
fn place(x: &Tensor, array: &Array) -> (usize, crate::tensor::Strides) {
    (array.ptr(x.spec().dtype) as usize, array.strides(&x.spec().shape))
}

fn same_elements(a: &Tensor, b: &Tensor) -> bool {
    cpu::contiguous(a).as_bytes() == cpu::contiguous(b).as_bytes()
}

/// Above this many bytes elements are not hashed: constants are told apart by where they are.
const HASHED_BYTES: usize = 16 << 10;

/// A hasher for fingerprints of steps, of which a graph has thousands: the standard one took most of `cse`'s time, and
/// nobody chooses operations to make them collide.
#[derive(Default)]
pub(crate) struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        // An odd number with bits all over: 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        self.mix(bytes.len() as u64);
    }

    fn write_u8(&mut self, word: u8) {
        self.mix(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.mix(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }

    fn finish(&self) -> u64 {
        // Products leave the low bits poor, and tables take those.
        self.0 ^ self.0 >> 32
    }
}

/// A number that is equal for tensors that are the same; large ones of equal elements in different memory excepted.
pub(crate) fn fingerprint(x: &Tensor) -> u64 {
    let mut state = Mixer::default();
    x.spec().hash(&mut state);
    match x.concrete() {
        None => x.address().hash(&mut state),
        Some(Array { data: Data::Splat(bits), .. }) => bits.hash(&mut state),
        Some(array) if x.spec().bytes() > HASHED_BYTES => place(x, array).hash(&mut state),
        Some(_) => cpu::contiguous(x).as_bytes().hash(&mut state),
    }
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::trace;
    use crate::tensor::{DType, IntoShape, Rng, Spec};
    use crate::{CustomOp, Result, apply, custom_vjp};
    use std::fmt::Debug;

    fn traced(f: impl Fn(&Tensor) -> Tensor) -> Graph {
        let spec = Spec::new([3].into_shape().expect("small"), DType::F32);
        trace(&[spec], |x| Ok(vec![f(&x[0])])).expect("a trace")
    }

    #[test]
    fn two_traces_of_a_pure_function_are_the_same() {
        let w = Rng::seed(1).randn([3]);
        let f = |x: &Tensor| (x * &w + 2.0).sum() + x.eq(Tensor::from([1f32, 2.0, 3.0])).f32().sum();
        assert!(traced(f).same(&traced(f)));
    }

    #[test]
    fn what_differs_makes_a_difference() {
        let (w, v) = (Rng::seed(1).randn([3]), Rng::seed(2).randn([3]));
        let all = [
            traced(|x| x * &w),
            traced(|x| x * &v),
            traced(|x| &w * x),
            traced(|x| x + &w),
            traced(|x| x * 2.0),
            traced(|x| x * 3.0),
            traced(|x| x.leaky_relu(0.1)),
            traced(|x| x.leaky_relu(0.2)),
            traced(|x| x * Tensor::rand([3])),
            traced(Tensor::clone),
        ];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(a.same(b), i == j, "{a}\n{b}");
            }
        }
    }

    #[test]
    fn code_of_the_user_is_the_same_if_it_holds_nothing_that_could_differ() {
        #[derive(Debug)]
        struct Scaled<S>(S);
        impl<S: Debug + Send + Sync + 'static> CustomOp for Scaled<S> {
            fn name(&self) -> &'static str {
                "scaled"
            }
            fn infer(&self, x: &[Spec]) -> Result<Vec<Spec>> {
                Ok(x.to_vec())
            }
            fn forward(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
                Ok(x.to_vec())
            }
            fn vjp(&self, _: &[Tensor], _: &[Tensor], dy: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
                Ok(dy.iter().cloned().map(Some).collect())
            }
        }
        let plain = |x: &Tensor| apply(Scaled(()), &[x]).swap_remove(0);
        let by_two = |x: &Tensor| apply(Scaled(2), &[x]).swap_remove(0);
        assert!(traced(plain).same(&traced(plain)));
        assert!(!traced(by_two).same(&traced(by_two)));
        let kept = custom_vjp(|x: &Tensor| (x * 2.0, ()), |(): &(), dy: &Tensor| dy.clone());
        let again = || custom_vjp(|x: &Tensor| (x * 2.0, ()), |(): &(), dy: &Tensor| dy.clone());
        assert!(traced(|x| kept.call(x)).same(&traced(|x| kept.call(x))));
        assert!(traced(|x| again().call(x)).same(&traced(|x| again().call(x))));
        // A trace records what they are made of.
        assert!(traced(|x| kept.call(x)).same(&traced(|x| again().call(x))));
    }

    #[test]
    fn zeros_of_different_sign_differ_and_nan_is_itself() {
        let [zero, minus, nan] = [0.0, -0.0, f64::NAN].map(Tensor::from);
        assert!(!same_tensor(&zero, &minus));
        assert!(same_tensor(&nan, &Tensor::from(f64::NAN)));
        assert_eq!(fingerprint(&nan), fingerprint(&Tensor::from(f64::NAN)));
    }

    #[test]
    fn elements_count_and_strides_do_not() {
        let (a, b) = (Tensor::from([[1.0, 2.0], [3.0, 4.0]]), Tensor::from([[1.0, 3.0], [2.0, 4.0]]).t());
        assert!(same_tensor(&a, &b) && fingerprint(&a) == fingerprint(&b));
        assert!(!same_tensor(&a, &a.t()));
    }
}
