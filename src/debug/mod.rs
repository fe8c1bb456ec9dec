//! Finding mistakes.

use std::cell::RefCell;

use crate::autodiff::{Arguments, Function, Output, guarded, replaced};
use crate::error::{Error, ErrorKind, Result};
use crate::graph;
use crate::tensor::tree::{self, Tree};

pub use crate::error::panic_on_error;
pub use crate::ops::print;

/// Names of the passes that optimize a graph, in the order in which they first run; see [`print_pass`].
pub fn passes() -> Vec<&'static str> {
    graph::names()
}

/// Prints graphs to stderr as they are after the named pass, one of [`passes`], from now on: each graph that is compiled.
/// `"all"` prints them after every pass, `"none"` ends it.
///
/// ```
/// use retrograd::debug;
///
/// debug::print_pass("cse")?;
/// debug::print_pass("none")?;
/// assert!(debug::print_pass("magic").unwrap_err().to_string().contains("simplify"));
/// # Ok::<(), retrograd::Error>(())
/// ```
///
/// # Errors
/// If no pass has that name.
pub fn print_pass(name: &str) -> Result<()> {
    let what = match name {
        "none" => graph::Printed::None,
        "all" => graph::Printed::All,
        _ => match passes().into_iter().find(|pass| *pass == name) {
            Some(pass) => graph::Printed::After(pass),
            None => {
                let message = format!("print_pass: there is no pass `{name}`");
                let help = format!("the passes are {}; \"all\" and \"none\" work too", passes().join(", "));
                return Err(Error::plain(ErrorKind::Other, message).help(help));
            }
        },
    };
    graph::print(what);
    Ok(())
}

/// The operations of a function as readable code, one a line, each with the line of the program that it comes from.
/// The function is traced on tensors without values, so it must not ask for one.
///
/// ```
/// use retrograd::{Tensor, debug, grad_only};
///
/// let slope = grad_only(|x: &Tensor| (x * x).sum());
/// let code = debug::show_trace(|x: &Tensor| slope.call(x, ()), &Tensor::from([1.0, 2.0]), ())?;
/// assert!(code.starts_with("fn(v0: f64[2]) {"));
/// assert!(code.contains("= mul(v0, v0)"));
/// # Ok::<(), retrograd::Error>(())
/// ```
///
/// # Errors
/// Whatever the function returns; that a value was asked for.
pub fn show_trace<F, P, X, R>(f: F, p: &P, x: X::Refs<'_>) -> Result<String>
where
    F: Function<P, X, R>,
    P: Tree,
    X: Arguments,
    R: Output,
{
    let mut specs = Vec::new();
    replaced::<P, X>(p, x, &mut |leaf| {
        specs.push(*leaf.spec());
        leaf.clone()
    });
    let graph = graph::trace(&specs, |symbols| {
        let mut symbols = symbols.iter().cloned();
        let (p, x) = replaced::<P, X>(p, x, &mut |leaf| symbols.next().unwrap_or_else(|| leaf.clone()));
        guarded(|| f.apply(&p, x.refs())).map(|output| tree::leaves(&output))
    })?;
    graph
        .verify()
        .map_err(|message| Error::msg(format!("the trace is wrong, please report it: {message}")))?;
    Ok(graph.to_string())
}

thread_local! {
    /// What [`print()`] has said on this thread, while somebody listens.
    static SAID: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// What `f` yields, and what [`print()`] said while it ran, a text for each time; nothing of it goes to stderr.
///
/// ```
/// use retrograd::{Tensor, debug};
/// let (y, lines) = debug::printed(|| debug::print(&Tensor::from(2.0), "x") * 3.0);
/// assert_eq!(y.item::<f64>()?, 6.0);
/// assert_eq!(lines, ["x: 2.0"]);
/// # Ok::<(), retrograd::Error>(())
/// ```
pub fn printed<R>(f: impl FnOnce() -> R) -> (R, Vec<String>) {
    /// However `f` ends, the one who listened before listens again.
    struct Restore(Option<Vec<String>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SAID.set(self.0.take());
        }
    }
    let _restore = Restore(SAID.replace(Some(Vec::new())));
    let y = f();
    (y, SAID.take().unwrap_or_default())
}

/// Writes a text to stderr, or to whom listens.
pub(crate) fn say(text: String) {
    SAID.with_borrow_mut(|said| match said {
        Some(said) => said.push(text),
        None => eprintln!("{text}"),
    });
}
