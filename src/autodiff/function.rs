//! What transforms take: functions of one to five references to trees.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::tree::{self, Key, Tree, Visitor, Walker};

/// A function `Fn(&P, &A, ..) -> R`; `X` is the tuple of argument types after the first. Implemented for all
/// functions and closures with annotated arguments; there is no need to name it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of references to trees",
    note = "write `fn f(p: &Params, x: &Tensor) -> Tensor`, or a closure with annotated arguments, `|p: &Params, x: &Tensor| ..`"
)]
pub trait Function<P, X: Arguments, R> {
    /// Calls it.
    fn apply(&self, p: &P, x: X::Refs<'_>) -> R;
}

/// The arguments after the first: `()`, `&a`, or a tuple `(&a, &b)`.
pub trait Arguments: Sized {
    /// How they are passed.
    type Refs<'a>: Copy
    where
        Self: 'a;
    /// How many there are.
    const COUNT: usize;
    /// Rebuilds each; the walker enters argument `i` of the function (the first has number 0) by its index.
    fn walk(x: Self::Refs<'_>, walker: &mut dyn Walker) -> Self;
    /// Shows each, entered in the same way, without rebuilding.
    fn visit<'a>(x: Self::Refs<'a>, visitor: &mut dyn Visitor<'a>)
    where
        Self: 'a;
    /// References to them.
    fn refs(&self) -> Self::Refs<'_>;
    /// The same for a shorter time.
    fn shortened<'short, 'long: 'short>(x: Self::Refs<'long>) -> Self::Refs<'short>
    where
        Self: 'long;
    /// The first invalid leaf is an error that names its place.
    fn check(x: Self::Refs<'_>) -> Result<()>;
}

/// The argument number `N` of a function of `P` and `Self`; the first has number 0.
pub trait Argument<P, const N: usize>: Arguments {
    /// Its type.
    type Item: Tree;
    /// Takes it out.
    fn get<'a>(p: &'a P, x: Self::Refs<'a>) -> &'a Self::Item;
    /// Puts another in its place.
    fn replace<'a>(p: &'a P, x: Self::Refs<'a>, item: &'a Self::Item) -> (&'a P, Self::Refs<'a>);
}

fn walk_argument<T: Tree>(walker: &mut dyn Walker, index: usize, argument: &T) -> T {
    walker.enter(Key::Index(index));
    let argument = argument.walk(walker);
    walker.leave();
    argument
}

fn visit_argument<'a, T: Tree>(visitor: &mut dyn Visitor<'a>, index: usize, argument: &'a T) {
    visitor.enter(Key::Index(index));
    argument.visit(visitor);
    visitor.leave();
}

/// Shows all arguments of a function to a visitor, which enters each by its number.
pub(crate) fn visit_all<'a, P: Tree, X: Arguments>(p: &'a P, x: X::Refs<'a>, visitor: &mut dyn Visitor<'a>) {
    visit_argument(visitor, 0, p);
    X::visit(x, visitor);
}

/// All arguments with their leaves replaced, in order.
pub(crate) fn replaced<P: Tree, X: Arguments>(
    p: &P,
    x: X::Refs<'_>,
    f: &mut dyn FnMut(&Tensor) -> Tensor,
) -> (P, X) {
    struct Replace<'a>(&'a mut dyn FnMut(&Tensor) -> Tensor);
    impl Walker for Replace<'_> {
        fn leaf(&mut self, leaf: &Tensor) -> Tensor {
            (self.0)(leaf)
        }
        fn enter(&mut self, _: Key<'_>) {}
        fn leave(&mut self) {}
    }
    let mut walker = Replace(f);
    let p = p.walk(&mut walker);
    (p, X::walk(x, &mut walker))
}

impl Arguments for () {
    type Refs<'a> = ();
    const COUNT: usize = 0;
    fn walk((): (), _: &mut dyn Walker) {}
    fn visit<'a>((): (), _: &mut dyn Visitor<'a>)
    where
        Self: 'a,
    {
    }
    fn refs(&self) {}
    fn shortened<'short, 'long: 'short>((): ()) {}
    fn check((): ()) -> Result<()> {
        Ok(())
    }
}

impl<F, P, R> Function<P, (), R> for F
where
    F: Fn(&P) -> R,
{
    fn apply(&self, p: &P, (): ()) -> R {
        self(p)
    }
}

impl<A: Tree> Arguments for (A,) {
    type Refs<'a>
        = &'a A
    where
        A: 'a;
    const COUNT: usize = 1;
    fn walk(x: &A, walker: &mut dyn Walker) -> (A,) {
        (walk_argument(walker, 1, x),)
    }
    fn visit<'a>(x: &'a A, visitor: &mut dyn Visitor<'a>)
    where
        Self: 'a,
    {
        visit_argument(visitor, 1, x);
    }
    fn refs(&self) -> &A {
        &self.0
    }
    fn shortened<'short, 'long: 'short>(x: &'long A) -> &'short A
    where
        A: 'long,
    {
        x
    }
    fn check(x: &A) -> Result<()> {
        tree::check_valid("argument 1", x)
    }
}

impl<F, P, A, R> Function<P, (A,), R> for F
where
    A: Tree,
    F: Fn(&P, &A) -> R,
{
    fn apply(&self, p: &P, a: &A) -> R {
        self(p, a)
    }
}

impl<P, A: Tree> Argument<P, 1> for (A,) {
    type Item = A;
    fn get<'a>(_: &'a P, x: &'a A) -> &'a A {
        x
    }
    fn replace<'a>(p: &'a P, _: &'a A, item: &'a A) -> (&'a P, &'a A) {
        (p, item)
    }
}

impl<P: Tree, X: Arguments> Argument<P, 0> for X {
    type Item = P;
    fn get<'a>(p: &'a P, _: X::Refs<'a>) -> &'a P {
        p
    }
    fn replace<'a>(_: &'a P, x: X::Refs<'a>, item: &'a P) -> (&'a P, X::Refs<'a>) {
        (item, x)
    }
}

/// Functions of several arguments after the first: their types, count, and numbers.
macro_rules! arities {
    ($($count:literal: $($part:ident $value:ident $index:tt $number:literal),+;)*) => {$(
        impl<$($part: Tree),+> Arguments for ($($part,)+) {
            type Refs<'a> = ($(&'a $part,)+) where $($part: 'a),+;
            const COUNT: usize = $count;
            fn walk(($($value,)+): Self::Refs<'_>, walker: &mut dyn Walker) -> Self {
                ($(walk_argument(walker, $number, $value),)+)
            }
            fn visit<'a>(($($value,)+): Self::Refs<'a>, visitor: &mut dyn Visitor<'a>)
            where
                Self: 'a,
            {
                $(visit_argument(visitor, $number, $value);)+
            }
            fn refs(&self) -> Self::Refs<'_> {
                ($(&self.$index,)+)
            }
            fn shortened<'short, 'long: 'short>(x: Self::Refs<'long>) -> Self::Refs<'short>
            where
                Self: 'long,
            {
                x
            }
            fn check(($($value,)+): Self::Refs<'_>) -> Result<()> {
                $(tree::check_valid(concat!("argument ", $number), $value)?;)+
                Ok(())
            }
        }

        impl<Func, P, $($part: Tree,)+ R> Function<P, ($($part,)+), R> for Func
        where
            Func: Fn(&P, $(&$part),+) -> R,
        {
            fn apply(&self, p: &P, ($($value,)+): ($(&$part,)+)) -> R {
                self(p, $($value),+)
            }
        }
    )*};
}

arities! {
    2: A a 0 1, B b 1 2;
    3: A a 0 1, B b 1 2, C c 2 3;
    4: A a 0 1, B b 1 2, C c 2 3, D d 3 4;
}

/// Which argument of which arity: type parameters, number, its type, its place.
macro_rules! arguments {
    ($(($($part:ident),+) $number:literal $item:ident ($($before:ident)*) ($($after:ident)*);)*) => {$(
        impl<P, $($part: Tree),+> Argument<P, $number> for ($($part,)+) {
            type Item = $item;
            #[expect(unused_variables, reason = "one argument is replaced, the macro binds all")]
            fn get<'a>(_: &'a P, ($($before,)* item, $($after,)*): Self::Refs<'a>) -> &'a $item {
                item
            }
            fn replace<'a>(
                p: &'a P,
                ($($before,)* _, $($after,)*): Self::Refs<'a>,
                item: &'a $item,
            ) -> (&'a P, Self::Refs<'a>) {
                (p, ($($before,)* item, $($after,)*))
            }
        }
    )*};
}

arguments! {
    (A, B) 1 A () (b);
    (A, B) 2 B (a) ();
    (A, B, C) 1 A () (b c);
    (A, B, C) 2 B (a) (c);
    (A, B, C) 3 C (a b) ();
    (A, B, C, D) 1 A () (b c d);
    (A, B, C, D) 2 B (a) (c d);
    (A, B, C, D) 3 C (a b) (d);
    (A, B, C, D) 4 D (a b c) ();
}

/// What a function may return: a tree, or a `Result` of one.
pub trait Output {
    /// The tree.
    type Value: Tree;
    /// The tree, or the error that the function returned.
    fn open(self) -> Result<Self::Value>;
}

impl<T: Tree> Output for T {
    type Value = T;
    fn open(self) -> Result<T> {
        Ok(self)
    }
}

impl<T: Tree> Output for Result<T> {
    type Value = T;
    fn open(self) -> Result<T> {
        self
    }
}

/// What a function with a gradient returns: a scalar loss, a tuple that begins with it (the rest is passed
/// through), or a `Result` of either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not begin with a scalar loss",
    note = "return a `Tensor`, a tuple such as `(Tensor, Aux)`, or a `Result` of either; for other outputs use `vjp` or `jacobian`"
)]
pub trait Loss: Output<Value = Self::Parts> {
    /// Loss and auxiliary outputs.
    type Parts: Tree;
    /// The loss.
    fn loss(parts: &Self::Parts) -> &Tensor;
}

impl Loss for Tensor {
    type Parts = Tensor;
    fn loss(parts: &Tensor) -> &Tensor {
        parts
    }
}

impl<L: Loss<Parts = L> + Tree> Loss for Result<L> {
    type Parts = L;
    fn loss(parts: &L) -> &Tensor {
        L::loss(parts)
    }
}

macro_rules! losses_with {
    ($(($($part:ident),+);)*) => {$(
        impl<$($part: Tree),+> Loss for (Tensor, $($part),+) {
            type Parts = (Tensor, $($part),+);
            fn loss(parts: &Self::Parts) -> &Tensor {
                &parts.0
            }
        }
    )*};
}

losses_with! {
    (A);
    (A, B);
    (A, B, C);
    (A, B, C, D);
}

thread_local! {
    /// Whether a transform runs user code on this thread, so that an error which unwinds will be caught.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Unwinds with `error`: quietly, for [`guarded`] to turn it into `Err`, or with a message where nothing will.
#[track_caller]
pub(crate) fn raise(error: Error) -> ! {
    if GUARDED.get() {
        // `resume_unwind` runs no panic hook: it is not a bug but an error on its way.
        resume_unwind(Box::new(error));
    }
    panic!("{error}");
}

/// Runs user code; an unwinding that carries an [`Error`] (an invalid tensor asked for its shape) is an `Err`.
pub(crate) fn guarded<R: Output>(run: impl FnOnce() -> R) -> Result<R::Value> {
    let outside = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(outside);
    match result {
        Ok(output) => output.open(),
        Err(payload) => match payload.downcast::<Error>() {
            Ok(error) => Err(*error),
            Err(payload) => resume_unwind(payload),
        },
    }
}
