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

/// Gives a constructor of layers (or of criterions, or of anything else) a name, for the whole process.
/// [`Instance::load`](super::Instance::load) looks there.
///
/// A name stands for one constructor: an earlier one of that name is replaced, and the type that it made is returned.
/// `None` says that the name was free.
///
/// ```
/// use retrograd::nn::{Linear, Relu, create, register, registered};
/// assert_eq!(register("head", || Linear::new(128, 10)), None);
/// assert!(registered().contains(&"head".to_owned()));
/// let head: Linear = create("head")?;
/// assert_eq!(register("head", || Relu), Some(std::any::type_name::<Linear>()));
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn register<T: Any>(
    name: impl Into<String>,
    make: impl Fn() -> T + Send + Sync + 'static,
) -> Option<&'static str> {
    let make = Arc::new(move || -> Box<dyn Any> { Box::new(make()) });
    let replaced = entries().insert(name.into(), Entry { make, type_name: type_name::<T>() });
    replaced.map(|entry| entry.type_name)
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
