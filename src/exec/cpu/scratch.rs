//! Memory that a kernel needs while it runs. It comes from the pool of blocks and goes back there, so that a kernel that
//! runs again and again asks the system for nothing.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use crate::tensor::Storage;

/// A list like `Vec`, in a block of the pool.
pub(super) struct Scratch<T> {
    block: Storage,
    /// The first so many places hold an element.
    len: usize,
    /// How many the block has room for, at least `len`.
    room: usize,
    elements: PhantomData<T>,
}

impl<T> Scratch<T> {
    /// An empty list with room for `room` elements.
    pub(super) fn with_room(room: usize) -> Scratch<T> {
        const { assert!(size_of::<T>() > 0 && align_of::<T>() <= 64, "blocks are 64-aligned") }
        let bytes = room.checked_mul(size_of::<T>()).expect("as many as fit the address space");
        let block = Storage::with_bytes(bytes);
        let room = block.capacity() / size_of::<T>();
        Scratch { block, len: 0, room, elements: PhantomData }
    }

    /// Where the elements begin, and the places of those to come: for kernels that write them by themselves.
    pub(super) fn ptr(&mut self) -> *mut T {
        self.block.data().cast()
    }

    /// The places behind the last element.
    fn spare(&mut self) -> &mut [MaybeUninit<T>] {
        let (len, room) = (self.len, self.room);
        // SAFETY: the block is this list's alone, has room for so many more elements, and is aligned for them.
        unsafe { std::slice::from_raw_parts_mut(self.ptr().add(len).cast(), room - len) }
    }

    /// Adds an element.
    #[inline]
    pub(super) fn push(&mut self, element: T) {
        if self.room == self.len {
            self.grow(1);
        }
        self.spare()[0].write(element);
        self.len += 1;
    }

    /// Adds what `f` makes of the numbers below `count`.
    #[inline]
    pub(super) fn add(&mut self, count: usize, f: impl Fn(usize) -> T) {
        if self.room - self.len < count {
            self.grow(count);
        }
        for (i, place) in self.spare()[..count].iter_mut().enumerate() {
            place.write(f(i));
        }
        self.len += count;
    }

    /// Moves to a block at least twice as large, with room for `count` more elements.
    #[cold]
    fn grow(&mut self, count: usize) {
        let mut larger = Scratch::<T>::with_room(self.len + count.max(self.len));
        // SAFETY: the elements move to the larger block, which has room for them, and are this one's no more.
        unsafe { std::ptr::copy_nonoverlapping(self.ptr(), larger.ptr(), self.len) };
        larger.len = std::mem::take(&mut self.len);
        *self = larger;
    }
}

impl<T: Copy> Scratch<T> {
    /// A list of `n` times the same element.
    pub(super) fn filled(n: usize, element: T) -> Scratch<T> {
        let mut list = Scratch::with_room(n);
        list.spare()[..n].fill(MaybeUninit::new(element));
        list.len = n;
        list
    }

    /// What `f` makes of each element of a slice and its place: a loop that LLVM makes SIMD code of, unlike `push`.
    pub(super) fn mapped<S: Copy>(from: &[S], f: impl Fn(usize, S) -> T) -> Scratch<T> {
        let mut list = Scratch::with_room(from.len());
        for (i, (place, &element)) in list.spare().iter_mut().zip(from).enumerate() {
            place.write(f(i, element));
        }
        list.len = from.len();
        list
    }

    /// Keeps the first `n` elements.
    pub(super) fn truncate(&mut self, n: usize) {
        self.len = self.len.min(n);
    }
}

impl<T> FromIterator<T> for Scratch<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Scratch<T> {
        let elements = elements.into_iter();
        let mut list = Scratch::with_room(elements.size_hint().0);
        elements.for_each(|element| list.push(element));
        list
    }
}

impl<T> Deref for Scratch<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the block is this list's alone, and its first `len` places hold an element.
        unsafe { std::slice::from_raw_parts(self.block.data().cast(), self.len) }
    }
}

impl<T> DerefMut for Scratch<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.block.data().cast(), self.len) }
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        // SAFETY: the elements are dropped once, with the list.
        unsafe { std::ptr::drop_in_place::<[T]>(&mut **self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_grows_and_keeps_its_elements() {
        let list: Scratch<u64> = (0..1000u64).filter(|i| i % 3 == 0).collect();
        assert!(list.iter().copied().eq((0..1000).step_by(3)));
        let mut list = Scratch::filled(3, 7u8);
        list.add(500, |i| (i % 2) as u8);
        assert_eq!((list.len(), list[2], list[3], list[502]), (503, 7, 0, 1));
        list.truncate(2);
        assert_eq!(*list, [7, 7]);
        assert_eq!(*Scratch::mapped(&[1u8, 2], |i, x| usize::from(x) * 10 + i), [10, 21]);
        assert!(Scratch::<u64>::from_iter([]).is_empty());
    }

    #[test]
    fn elements_that_own_something_are_dropped_once() {
        let shared = std::sync::Arc::new(());
        let list: Scratch<_> = (0..100).filter(|_| true).map(|_| shared.clone()).collect();
        assert_eq!(std::sync::Arc::strong_count(&shared), 101);
        drop(list);
        assert_eq!(std::sync::Arc::strong_count(&shared), 1);
    }
}
