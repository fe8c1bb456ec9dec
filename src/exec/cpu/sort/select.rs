//! Few places of a row's order, without sorting the rest.

use super::key::{Key, Packed};
use crate::exec::cpu::job::{self, Job};
use crate::exec::cpu::scratch::Scratch;

/// Elements looked at together: the loop over them is SIMD code.
const BLOCK: usize = 64;

/// Hands the elements at the places `start..end` of the order to `take`, packed.
pub(super) fn places<T: Key, P: Packed>(
    x: &[T],
    key: impl Fn(T) -> u64 + Copy,
    start: usize,
    end: usize,
    take: impl FnMut(P),
) {
    let mut found = if end * 16 <= x.len() {
        first::<T, P>(x, key, end)
    } else {
        Scratch::mapped(x, |i, x| P::pack(key(x), i))
    };
    if end < found.len() {
        if end > 0 {
            found.select_nth_unstable(end - 1);
        }
        found.truncate(end);
    }
    if start > 0 && start < end {
        found.select_nth_unstable(start);
    }
    let wanted = &mut found[start..];
    wanted.sort_unstable();
    wanted.iter().copied().for_each(take);
}

/// Elements among which are the first `end` of the order. One pass: who comes after `end` others seen before is
/// passed over, and most are.
fn first<T: Key, P: Packed>(x: &[T], key: impl Fn(T) -> u64 + Copy, end: usize) -> Scratch<P> {
    let room = 2 * end.max(BLOCK);
    let mut found = Scratch::with_room(room + BLOCK);
    // SAFETY: the job is made of borrows that last.
    unsafe { job::run(Sieve { x, key, end, room, found: &mut found }) };
    found
}

struct Sieve<'a, T, P, F> {
    x: &'a [T],
    key: F,
    end: usize,
    room: usize,
    found: &'a mut Scratch<P>,
}

impl<T: Key, P: Packed, F: Fn(T) -> u64> Job for Sieve<'_, T, P, F> {
    const WIDE: bool = false;
    #[inline(always)]
    unsafe fn run(self) {
        let Sieve { x, key, end, room, found } = self;
        if end == 0 {
            return;
        }
        // A later element of the same key comes later: only lesser ones matter.
        let mut bound = None;
        for (i, block) in x.chunks(BLOCK).enumerate() {
            if let Some(bound) = bound
                && !block.iter().fold(false, |any, &x| any | (key(x) < bound))
            {
                continue;
            }
            for (j, &x) in block.iter().enumerate() {
                if bound.is_none_or(|bound| key(x) < bound) {
                    found.push(P::pack(key(x), i * BLOCK + j));
                }
            }
            if found.len() >= room {
                let (_, last, _) = found.select_nth_unstable(end - 1);
                bound = Some(last.key());
                found.truncate(end);
            }
        }
    }
}
