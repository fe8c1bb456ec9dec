//! What a [`Tensor`] handle points at: a counted node, concrete, lifted to a level, or invalid.
//!
//! The handle is 8 bytes with a count of its own and its nodes come from a free list: an operation makes two
//! nodes when it is recorded, and moving larger structs by value was the largest cost of the prototype.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::storage::Storage;
use super::{Bits, DType, Number, Shape, Spec, Strides};
use crate::autodiff::level::Level;
use crate::error::Error;

/// A multi-dimensional array of numbers: a cheap, immutable handle that threads may share.
///
/// The dtype and shape are known at run time. Operations never change a tensor, they return a new one (and reuse
/// the memory of an operand that is passed by value and seen by nobody else). An operation that cannot work
/// returns an *invalid* tensor: it carries the [`Error`], passes through later operations, and the error surfaces
/// where a value is asked for ([`Tensor::item`], [`Tensor::to_vec`], [`crate::Grad::call`]).
///
/// # Panics
/// Any operation, when the system has no memory for its result, with a message that says how much was asked for.
#[must_use]
pub struct Tensor(NonNull<Node>);

pub(crate) struct Node {
    count: AtomicUsize,
    pub(crate) spec: Spec,
    pub(crate) repr: Repr,
}

pub(crate) enum Repr {
    /// The bottom: numbers in memory.
    Concrete(Array),
    /// A value of a transform that is under way, around a tensor one level lower.
    Lifted(Lifted),
    /// No value; the spec is meaningless.
    Invalid(Error),
}

/// A tensor of a level: what the fields mean is the level's affair (see `autodiff/` and `graph/`).
pub(crate) struct Lifted {
    pub(crate) level: Arc<dyn Level>,
    /// The tensor one level lower: primal or batched value. A symbolic tensor has none.
    pub(crate) lower: Option<Tensor>,
    /// The tangent of a dual number; none is zero.
    pub(crate) tangent: Option<Tensor>,
    /// Slot on the tape, batched axis, or node of the trace.
    pub(crate) place: u32,
}

/// Numbers in memory.
pub(crate) struct Array {
    pub(crate) data: Data,
    /// Elements before the first one.
    pub(crate) offset: usize,
    /// None: row-major without gaps. Irrelevant for a splat.
    pub(crate) strides: Option<Box<Strides>>,
}

pub(crate) enum Data {
    /// One number for all elements.
    Splat(Bits),
    /// Elements in a block.
    Block(Storage),
}

impl Array {
    /// The first element.
    #[inline]
    pub(crate) fn ptr(&self, dtype: DType) -> *mut u8 {
        match &self.data {
            Data::Splat(bits) => bits.as_ptr().cast_mut(),
            // SAFETY: offset is within the block by construction of views.
            Data::Block(storage) => unsafe { storage.data().add(self.offset * dtype.size()) },
        }
    }

    /// Strides for `shape`; all zero for a splat.
    pub(crate) fn strides(&self, shape: &Shape) -> Strides {
        match (&self.data, &self.strides) {
            (Data::Splat(_), _) => Strides::default(),
            (_, Some(strides)) => **strides,
            (_, None) => shape.strides(),
        }
    }

    /// Whether elements lie in a block, row-major, without gaps.
    #[inline]
    pub(crate) fn is_contiguous(&self) -> bool {
        self.strides.is_none() && matches!(self.data, Data::Block(_))
    }

    #[inline]
    pub(crate) fn splat(&self) -> Option<&Bits> {
        match &self.data {
            Data::Splat(bits) => Some(bits),
            Data::Block(_) => None,
        }
    }

    /// The block that elements lie in; none for a splat.
    pub(crate) fn block(&self) -> Option<&Storage> {
        match &self.data {
            Data::Splat(_) => None,
            Data::Block(storage) => Some(storage),
        }
    }

    /// The block, if nobody else sees it and it is `bytes` long without gaps: it may be overwritten.
    #[inline]
    pub(crate) fn reusable(&self, bytes: usize) -> Option<&Storage> {
        match &self.data {
            Data::Block(storage)
                if self.strides.is_none()
                    && self.offset == 0
                    && storage.is_unique()
                    && storage.capacity() >= bytes =>
            {
                Some(storage)
            }
            _ => None,
        }
    }
}

impl Tensor {
    #[inline(always)]
    pub(crate) fn from_parts(spec: Spec, repr: Repr) -> Tensor {
        let node = take_node();
        // SAFETY: the node is ours alone, allocated for this type.
        unsafe { node.write(Node { count: AtomicUsize::new(1), spec, repr }) };
        Tensor(node)
    }

    /// A tensor over elements that fill `storage` from its start.
    #[inline(always)]
    pub(crate) fn from_storage(spec: Spec, storage: Storage) -> Tensor {
        debug_assert!(storage.capacity() >= spec.bytes());
        let array = Array { data: Data::Block(storage), offset: 0, strides: None };
        Tensor::from_parts(spec, Repr::Concrete(array))
    }

    /// A tensor whose elements are all `number`, which takes no memory.
    pub(crate) fn splat(spec: Spec, number: Number) -> Tensor {
        Tensor::splat_bits(spec, spec.dtype.bits(number))
    }

    pub(crate) fn splat_bits(spec: Spec, bits: Bits) -> Tensor {
        Tensor::from_parts(spec, Repr::Concrete(Array { data: Data::Splat(bits), offset: 0, strides: None }))
    }

    /// A tensor that carries an error instead of a value: it passes through later operations, and the error comes out
    /// where a value is asked for.
    ///
    /// ```
    /// # use retrograd::{Error, Tensor};
    /// let y = Tensor::invalid(Error::msg("the table has no rows")) + 1.0;
    /// assert_eq!(y.item::<f32>().unwrap_err().to_string(), "the table has no rows");
    /// ```
    pub fn invalid(error: Error) -> Tensor {
        Tensor::from_parts(Spec::new(Shape::SCALAR, DType::F32), Repr::Invalid(error))
    }

    #[inline]
    pub(crate) fn node(&self) -> &Node {
        // SAFETY: the handle keeps the node, which was written when it was taken.
        unsafe { self.0.as_ref() }
    }

    /// The spec, whatever the level. Meaningless for an invalid tensor.
    #[inline]
    pub(crate) fn spec(&self) -> &Spec {
        &self.node().spec
    }

    #[inline]
    pub(crate) fn concrete(&self) -> Option<&Array> {
        match &self.node().repr {
            Repr::Concrete(array) => Some(array),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn lifted(&self) -> Option<&Lifted> {
        match &self.node().repr {
            Repr::Lifted(lifted) => Some(lifted),
            _ => None,
        }
    }

    /// Why the tensor has no value, if it is invalid.
    pub fn error(&self) -> Option<&Error> {
        match &self.node().repr {
            Repr::Invalid(error) => Some(error),
            _ => None,
        }
    }

    /// Whether this is the only handle on the node.
    #[inline]
    pub(crate) fn is_unique(&self) -> bool {
        self.node().count.load(Ordering::Acquire) == 1
    }

    /// Identity of the node, as long as it lives.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }
}

// SAFETY: the count is atomic and a node is not changed while a second handle exists; what it holds is Send + Sync
// (`Storage`, `Error`, `Arc<dyn Level>` with `Level: Send + Sync`).
unsafe impl Send for Tensor {}
// SAFETY: as above.
unsafe impl Sync for Tensor {}

// SAFETY (for unwinding): a panic between operations leaves handles whole; there is no torn state to see.
impl std::panic::UnwindSafe for Tensor {}
impl std::panic::RefUnwindSafe for Tensor {}

impl Clone for Tensor {
    #[inline]
    fn clone(&self) -> Tensor {
        self.node().count.fetch_add(1, Ordering::Relaxed);
        Tensor(self.0)
    }
}

impl Drop for Tensor {
    #[inline]
    fn drop(&mut self) {
        // A count of one needs no read-modify-write: nobody else can raise it.
        if self.is_unique() || self.node().count.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: the last handle is going, so the node may be taken apart and its memory reused.
            unsafe { self.0.drop_in_place() };
            give_node(self.0);
        }
    }
}

/// Nodes a thread keeps for reuse: as many as a long backward pass frees before the next call takes them.
const NODES_KEPT: usize = 1 << 14;

thread_local! {
    #[expect(clippy::vec_box, reason = "handles point at nodes, which therefore do not move")]
    static FREE: RefCell<Vec<Box<MaybeUninit<Node>>>> = const { RefCell::new(Vec::new()) };
}

#[inline]
fn take_node() -> NonNull<Node> {
    let free = FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten();
    let node = free.unwrap_or_else(|| Box::new(MaybeUninit::uninit()));
    NonNull::from(Box::leak(node)).cast()
}

#[inline]
fn give_node(node: NonNull<Node>) {
    // SAFETY: leaked from such a box in `take_node`, and its contents were dropped.
    let node: Box<MaybeUninit<Node>> = unsafe { Box::from_raw(node.as_ptr().cast()) };
    // While the thread ends the list may be gone; the box is then freed here.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < NODES_KEPT {
            free.push(node);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handle_and_node_stay_small() {
        assert_eq!(size_of::<Option<Tensor>>(), 8);
        assert!(size_of::<Node>() <= 96, "{}", size_of::<Node>());
    }
}
