//! Constructors by name, so that what was saved under a name can be made again.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retrograd::{Error, Result};

#[derive(Clone)]
struct Entry {
    make: Arc<dyn Fn() -> Box<dyn Any> + Send + Sync>,
    type_name: &'static str,
}

static REGISTRY: Mutex<BTreeMap<String, Entry>> = Mutex::new(BTreeMap::new());

fn entries() -> MutexGuard<'static, BTreeMap<String, Entry>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a constructor of layers (or of anything else) a name, for the whole process; an earlier one of that name is
/// replaced. [`Instance::load`](super::Instance::load) looks there.
///
/// ```
/// use retrograd::nn::{Linear, create, register, registered};
/// register("head", || Linear::new(128, 10));
/// assert!(registered().contains(&"head".to_owned()));
/// let head: Linear = create("head")?;
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn register<T: Any>(name: impl Into<String>, make: impl Fn() -> T + Send + Sync + 'static) {
    let make = Arc::new(move || -> Box<dyn Any> { Box::new(make()) });
    entries().insert(name.into(), Entry { make, type_name: type_name::<T>() });
}

/// The names that have constructors, in order.
pub fn registered() -> Vec<String> {
    entries().keys().cloned().collect()
}

/// What the constructor of that name makes.
///
/// # Errors
/// If there is none, or it makes another type.
pub fn create<T: Any>(name: &str) -> Result<T> {
    // Not under the lock: a constructor may ask for others.
    let Some(Entry { make, type_name: made }) = entries().get(name).cloned() else {
        let names = registered().join(", ");
        let known = if names.is_empty() { "no names are".to_owned() } else { format!("these are: {names}") };
        return Err(Error::msg(format!("no constructor is registered as `{name}`; {known}")));
    };
    make().downcast().map(|made| *made).map_err(|_| {
        Error::msg(format!("the constructor `{name}` makes `{made}`, `{}` was asked for", type_name::<T>()))
    })
}
