//! What the derive expands to, and what its errors say and point at.

use super::*;

/// Holds if the impl for `source` contains each of `expected`, white space aside.
#[track_caller]
fn assert_expands(source: &str, expected: &[&str]) {
    let dense = |code: &str| code.split_whitespace().collect::<String>();
    let item = syn::parse_str(source).expect("the test's own source parses");
    let tokens = dense(&implementation(&item).expect("the derive accepts it").to_string());
    for part in expected {
        assert!(tokens.contains(&dense(part)), "no {part} in\n{tokens}");
    }
}

/// The errors for `source`: what each points at, and what it says.
fn errors(source: &str) -> Vec<(String, String)> {
    let item = syn::parse_str(source).expect("the test's own source parses");
    let error = implementation(&item).expect_err("the derive refuses it");
    let at = |e: &Error| e.span().source_text().expect("the error points into the source");
    error.into_iter().map(|e| (at(&e), e.to_string())).collect()
}

#[test]
fn fields_are_walked_in_declaration_order() {
    assert_expands(
        "struct Layer { w: Tensor, b: [Tensor; 2] }",
        &["match self { Self { w: field_0, b: field_1 } => {
            walker.enter(::retrograd::tree::Key::Field(\"w\"));
            let field_0 = <Tensor as ::retrograd::Tree>::walk(field_0, walker);
            walker.leave();
            walker.enter(::retrograd::tree::Key::Field(\"b\"));
            let field_1 = <[Tensor; 2] as ::retrograd::Tree>::walk(field_1, walker);
            walker.leave();
            Self { w: field_0, b: field_1 }
        } }"],
    );
}

#[test]
fn static_fields_are_cloned_and_reported() {
    assert_expands(
        "struct Dropout { #[tree(static)] rate: f64 }",
        &[
            "{ let field_0 = <f64 as ::core::clone::Clone>::clone(field_0); Self { rate: field_0 } }",
            "{ visitor.enter(::retrograd::tree::Key::Field(\"rate\"));
               visitor.fixed(field_0);
               visitor.leave(); }",
        ],
    );
}

#[test]
fn variants_are_entered_even_without_fields() {
    assert_expands(
        "enum Init { Zeros, From(Tensor) }",
        &[
            "Self::Zeros { } => {
                walker.enter(::retrograd::tree::Key::Variant(\"Zeros\")); walker.leave(); Self::Zeros { }
            }",
            "Self::From { 0: field_0 } => {
                visitor.enter(::retrograd::tree::Key::Variant(\"From\"));
                visitor.enter(::retrograd::tree::Key::Index(0usize));
                <Tensor as ::retrograd::Tree>::visit(field_0, visitor);
                visitor.leave();
                visitor.leave();
            }",
        ],
    );
}

#[test]
fn structs_without_fields_and_enums_without_variants_expand() {
    assert_expands("struct Unit;", &["match self { Self { } => { Self { } } }"]);
    assert_expands("enum Never {}", &["-> Self { match *self { } }"]);
}

#[test]
fn raw_identifiers_lose_their_prefix_in_keys_only() {
    let expected = ["Self { r#type: field_0 }", "::retrograd::tree::Key::Field(\"type\")"];
    assert_expands("struct Layer { r#type: Tensor }", &expected);
}

#[test]
fn bounds_follow_the_fields() {
    assert_expands(
        "struct Net<'a, T, U, A, P: Copy, const N: usize>
            where U: Default { a: T, b: [Layer<A>; N], #[tree(static)] p: PhantomData<P>, c: Tensor }",
        &["impl<'a, T, U, A, P: Copy, const N: usize> ::retrograd::Tree for Net<'a, T, U, A, P, N>
            where U: Default,
                T: ::retrograd::Tree,
                [Layer<A>; N]: ::retrograd::Tree,
                PhantomData<P>: ::core::clone::Clone + ::retrograd::tree::Fixed, {"],
    );
}

#[test]
fn a_recursive_type_bounds_its_parameters_instead() {
    assert_expands(
        "enum List<T> { Nil, Cons(T, Box<List<T>>) }",
        &["where T: ::retrograd::Tree, T: ::retrograd::Tree, {"],
    );
}

#[test]
fn unknown_words_are_refused_where_they_stand() {
    let found = errors("struct S { #[tree(frozen)] a: f64, #[tree(static, skip)] b: f64, #[tree()] c: f64 }");
    let at: Vec<&str> = found.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(at, ["frozen", "skip", "tree"]);
    assert_eq!(
        found[0].1,
        "unknown word in #[tree(..)]: the only one is `static`, for a field that is cloned and not differentiated",
    );
    assert_eq!(found[2].1, "this attribute says nothing: write #[tree(static)] or remove it");
}

#[test]
fn the_attribute_is_refused_on_types_and_variants() {
    let found = errors("#[tree(static)] enum E { #[tree(static)] A(f64) }");
    let message = "#[tree(..)] belongs on a field: mark each field that is not differentiated";
    assert_eq!(found, [("tree".to_owned(), message.to_owned()), ("tree".to_owned(), message.to_owned())]);
}

#[test]
fn unions_are_refused() {
    let message = "a union cannot be a Tree: nothing says which of its fields is alive; use an enum";
    assert_eq!(errors("union U { a: f32, b: u32 }"), [("union".to_owned(), message.to_owned())]);
}
