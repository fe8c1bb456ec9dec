//! The kernels of this process, so that each is compiled once whatever programs it is part of.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, PoisonError};

use super::graph::Multiply;
use super::{Graph, Kernel, Width};

/// Kernels that are kept, some ten KiB each; programs keep theirs as long as they live.
const KEPT: usize = 256;

/// Kernels by what they compute.
struct Cache {
    kernels: HashMap<(Graph, Width), Known, BuildHasherDefault<Multiply>>,
    now: u64,
}

/// A kernel, none if it cannot be made, and when it was last asked for.
struct Known {
    kernel: Option<Arc<Kernel>>,
    used: u64,
}

static CACHE: Mutex<Option<Cache>> = Mutex::new(None);

/// The kernel of a graph, as `make` makes it when it is asked for the first time.
pub(super) fn find_or_make(
    graph: Graph,
    width: Width,
    make: impl FnOnce(&Graph, Width) -> Option<Kernel>,
) -> Option<Arc<Kernel>> {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = cache.get_or_insert_with(|| Cache { kernels: HashMap::default(), now: 0 });
    cache.now += 1;
    let key = (graph, width);
    if let Some(known) = cache.kernels.get_mut(&key) {
        known.used = cache.now;
        return known.kernel.clone();
    }
    if cache.kernels.len() >= KEPT {
        let mut times: Vec<u64> = cache.kernels.values().map(|known| known.used).collect();
        // The half that was used longest ago goes at once, so that this is done seldom.
        let (_, middle, _) = times.select_nth_unstable(KEPT / 2);
        let middle = *middle;
        cache.kernels.retain(|_, known| known.used > middle);
    }
    let kernel = make(&key.0, width).map(Arc::new);
    cache.kernels.insert(key, Known { kernel: kernel.clone(), used: cache.now });
    kernel
}
