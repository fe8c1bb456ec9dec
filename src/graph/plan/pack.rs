//! Blocks of memory with lifetimes, laid into one arena.

/// Memory that is in use from one step to another, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) bytes: usize,
    pub(super) first: usize,
    pub(super) last: usize,
    /// Where it begins in the arena.
    pub(super) offset: usize,
}

/// What blocks begin at a multiple of: a cache line, and the widest vector register.
const ALIGNMENT: usize = 64;

impl Block {
    fn size(&self) -> usize {
        self.bytes.next_multiple_of(ALIGNMENT)
    }

    fn meets(&self, other: &Block) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Gives each block its offset; yields the bytes of the arena.
///
/// The largest blocks first, each at the lowest place where it meets none that is in use at the same time: on the
/// graphs of neural networks within a few percent of the least that could do (Pisarchyk and Lee, "Efficient memory
/// management for deep neural net inference", 2020: greedy by size).
pub(super) fn pack(blocks: &mut [Block]) -> usize {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(blocks[i].size()), blocks[i].first));
    // Blocks with a place, by offset.
    let mut placed: Vec<usize> = Vec::with_capacity(blocks.len());
    let mut arena = 0;
    for i in order {
        let mut offset = 0;
        for &other in &placed {
            let other = blocks[other];
            if other.offset >= offset + blocks[i].size() {
                break;
            }
            if other.meets(&blocks[i]) {
                offset = offset.max(other.offset + other.size());
            }
        }
        blocks[i].offset = offset;
        arena = arena.max(offset + blocks[i].size());
        let at = placed.partition_point(|&other| blocks[other].offset <= offset);
        placed.insert(at, i);
    }
    arena
}

/// The greatest sum of bytes in use at one step.
pub(super) fn live(blocks: &[Block]) -> usize {
    let steps = blocks.iter().map(|block| block.last + 2).max().unwrap_or(0);
    let mut change = vec![0isize; steps];
    for block in blocks {
        change[block.first] += block.size() as isize;
        change[block.last + 1] -= block.size() as isize;
    }
    let sums = change.iter().scan(0, |sum, change| {
        *sum += change;
        Some(*sum)
    });
    sums.max().unwrap_or(0) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn block(bytes: usize, first: usize, last: usize) -> Block {
        Block { bytes, first, last, offset: 0 }
    }

    #[test]
    fn blocks_of_different_times_share_their_place() {
        let mut blocks = [block(100, 0, 1), block(100, 1, 2), block(100, 2, 3), block(64, 3, 4)];
        assert_eq!(pack(&mut blocks), 256);
        assert_eq!(live(&blocks), 256);
        assert_eq!(pack(&mut []), 0);
        assert_eq!(live(&[]), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(200) })]
        #[test]
        fn blocks_in_use_together_do_not_overlap(
            given in prop::collection::vec((0..5000usize, 0..40usize, 0..10usize), 0..60)
        ) {
            let mut blocks: Vec<Block> =
                given.iter().map(|&(bytes, first, len)| block(bytes, first, first + len)).collect();
            let arena = pack(&mut blocks);
            prop_assert!(arena >= live(&blocks));
            for (i, a) in blocks.iter().enumerate() {
                prop_assert!(a.offset + a.size() <= arena && a.offset.is_multiple_of(ALIGNMENT));
                for b in &blocks[..i] {
                    let apart = a.offset + a.size() <= b.offset || b.offset + b.size() <= a.offset;
                    prop_assert!(apart || !a.meets(b) || a.size() == 0 || b.size() == 0, "{a:?} {b:?}");
                }
            }
        }
    }
}
