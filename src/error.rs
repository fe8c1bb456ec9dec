//! What went wrong: operation, what it got, what it expected, where, and what to do next.
//!
//! Errors ride in invalid tensors (see [`crate::Tensor`]), so they are cheap to clone.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::autodiff::level::misuse;
use crate::tensor::{Spec, Tensor};

/// The result of everything that asks for a value.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The user's line that an operation belongs to.
pub(crate) type Origin = &'static Location<'static>;

/// Why a computation has no value.
///
/// `Display` prints a sentence (`matmul: inner dimensions differ`), the operands, the caller's line and,
/// where there is one, advice.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    /// What was being done, from the outside in: `argument 0.w[0]`; empty where nothing is to be said.
    context: String,
    operation: Cow<'static, str>,
    message: String,
    operands: Vec<Spec>,
    origin: Option<Origin>,
    /// The line of the user's own operation in whose rule `origin` is, when that is not the whole story.
    rule: Option<Origin>,
    help: Option<Cow<'static, str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What sort of mistake an [`Error`] tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes, ranks or axes do not fit the operation.
    Shape,
    /// Dtypes do not fit the operation.
    DType,
    /// Only the data could show it: an index out of range, an integer division by zero.
    Data,
    /// Two trees differ in structure, or a leaf of one is invalid.
    Tree,
    /// A derivative was asked for that does not exist.
    Derivative,
    /// A value was asked for inside a trace or a batch that has none yet.
    Value,
    /// A function that must run optimized cannot be compiled.
    Compile,
    /// The user's own code or a file reported it.
    Other,
}

/// A shape or dtype rule's refusal, before operation and origin are known.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) help: Option<Cow<'static, str>>,
    /// What an operation of the user's own reported.
    pub(crate) cause: Option<Error>,
}

impl Misfit {
    pub(crate) fn shape(message: impl Into<String>) -> Box<Misfit> {
        Misfit::kind(ErrorKind::Shape, message)
    }

    pub(crate) fn dtype(message: impl Into<String>) -> Box<Misfit> {
        Misfit::kind(ErrorKind::DType, message)
    }

    pub(crate) fn data(message: impl Into<String>) -> Box<Misfit> {
        Misfit::kind(ErrorKind::Data, message)
    }

    pub(crate) fn kind(kind: ErrorKind, message: impl Into<String>) -> Box<Misfit> {
        Box::new(Misfit { kind, message: message.into(), help: None, cause: None })
    }

    /// An operation of the user's own failed.
    pub(crate) fn caused(cause: Error) -> Box<Misfit> {
        Box::new(Misfit { kind: cause.kind(), message: String::new(), help: None, cause: Some(cause) })
    }

    pub(crate) fn help(mut self: Box<Misfit>, help: impl Into<Cow<'static, str>>) -> Box<Misfit> {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn at(
        self,
        operation: impl Into<Cow<'static, str>>,
        operands: Vec<Spec>,
        origin: Origin,
    ) -> Error {
        let Misfit { kind, message, help, cause } = self;
        let error = cause.unwrap_or_else(|| Error::plain(kind, message).helped(help));
        error.of_operation(operation, operands, origin)
    }
}

impl Error {
    /// An error of the user's own, to return from a function that is differentiated.
    pub fn msg(message: impl Into<String>) -> Error {
        Error::plain(ErrorKind::Other, message)
    }

    /// An error of the kind that it is, for functions and layers of your own that refuse their arguments: see
    /// [`refuse`](Error::refuse).
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::plain(kind, message)
    }

    /// An invalid tensor that carries this error, which is what a function of your own returns that cannot work:
    /// the name of the function, its operands' specs and the caller's line become part of the error. An operand
    /// that is invalid itself is returned instead, since its error came first.
    ///
    /// ```
    /// use retrograd::{Error, ErrorKind, INFER, Tensor};
    ///
    /// #[track_caller]
    /// fn halves(x: &Tensor) -> Tensor {
    ///     if x.error().is_some() || x.numel() % 2 == 0 {
    ///         return x.reshape([2, INFER]);
    ///     }
    ///     let message = format!("an even number of elements has halves, got {}", x.numel());
    ///     Error::new(ErrorKind::Shape, message).help("pad it with `pad`").refuse("halves", &[x])
    /// }
    ///
    /// let text = halves(&Tensor::ones([3])).item::<f32>().unwrap_err().to_string();
    /// assert!(text.starts_with("halves: an even number of elements has halves, got 3\n  operands: f32[3]\n  at "));
    /// assert!(text.ends_with("help: pad it with `pad`"));
    ///
    /// let first = Tensor::ones([3]).reshape([2]);
    /// let later = Error::msg("too late").refuse("halves", &[&first]);
    /// assert!(later.error().unwrap().to_string().starts_with("reshape: "));
    /// ```
    #[track_caller]
    pub fn refuse(self, operation: &'static str, operands: &[&Tensor]) -> Tensor {
        misuse(operation, operands, Misfit::caused(self))
    }

    pub(crate) fn plain(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Arc::new(Inner {
            kind,
            context: String::new(),
            operation: Cow::Borrowed(""),
            message: message.into(),
            operands: Vec::new(),
            origin: None,
            rule: None,
            help: None,
            source: None,
        }))
    }

    /// What sort of mistake it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that could not work; empty where none is to blame.
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The line of the caller's program.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.0.origin
    }

    /// Wraps an error of another library.
    pub fn wrap(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        let message = error.to_string();
        Error::plain(ErrorKind::Other, message).with(|inner| inner.source = Some(Arc::new(error)))
    }

    /// Unwinds with this error, where there is no tensor to carry it: `call` of a transform returns it as `Err`.
    ///
    /// # Panics
    /// With its text, if no transform is under way.
    #[track_caller]
    pub fn raise(self) -> ! {
        crate::autodiff::function::raise(self)
    }

    /// Keeps what another library reported as the source; the message already tells of it.
    pub(crate) fn caused_by(self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        self.with(|inner| inner.source = Some(Arc::new(source)))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Error {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Says in front what was being done: `params.w[0]: ...`.
    pub fn context(self, context: impl fmt::Display) -> Error {
        self.with(|inner| inner.context = format!("{context}: {}", inner.context))
    }

    /// Says what to do next, in a line of its own.
    #[must_use]
    pub fn help(self, help: impl Into<Cow<'static, str>>) -> Error {
        self.helped(Some(help.into()))
    }

    fn helped(self, help: Option<Cow<'static, str>>) -> Error {
        self.with(|inner| inner.help = help)
    }

    /// Says which operation it was and where, or, if it points to a line inside the user's code for that operation,
    /// names both lines.
    pub(crate) fn of_operation(
        self,
        operation: impl Into<Cow<'static, str>>,
        operands: Vec<Spec>,
        origin: Origin,
    ) -> Error {
        if self.0.origin.is_some() {
            return self.in_rule(origin);
        }
        self.with(|inner| {
            inner.operation = operation.into();
            inner.operands = operands;
            inner.origin = Some(origin);
        })
    }

    /// Names the line of the operation that the user's rule serves as well, unless the error already points there.
    pub(crate) fn in_rule(self, rule: Origin) -> Error {
        if self.0.origin == Some(rule) || self.0.rule.is_some() {
            return self;
        }
        self.with(|inner| inner.rule = Some(rule))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { context, operation, message, operands, origin, rule, help, .. } = &*self.0;
        f.write_str(context)?;
        if !operation.is_empty() {
            write!(f, "{operation}: ")?;
        }
        f.write_str(message)?;
        if !operands.is_empty() {
            let operands: Vec<String> = operands.iter().map(Spec::to_string).collect();
            write!(f, "\n  operands: {}", operands.join(", "))?;
        }
        if let Some(origin) = origin {
            write!(f, "\n  at {}:{}:{}", origin.file(), origin.line(), origin.column())?;
        }
        if let Some(rule) = rule {
            write!(f, "\n  in the rule of the operation at {}:{}", rule.file(), rule.line())?;
        }
        if let Some(help) = help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}, {self})", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::wrap(error)
    }
}

static PANIC_ON_ERROR: AtomicBool = AtomicBool::new(false);

/// Whether an operation that cannot work panics on the spot, for a backtrace, instead of returning an invalid
/// tensor. Off at first; holds for all threads.
pub fn panic_on_error(panic: bool) {
    PANIC_ON_ERROR.store(panic, Ordering::Relaxed);
}

pub(crate) fn panics_on_error() -> bool {
    PANIC_ON_ERROR.load(Ordering::Relaxed)
}
