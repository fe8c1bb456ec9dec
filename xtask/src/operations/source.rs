//! What the sources say: public methods with their documentation, and the names of primitives.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use super::doc::{first_sentence, unlinked};
use proc_macro2::{Delimiter, LexError, Literal, Span, TokenStream, TokenTree};
use syn::{Attribute, Expr, ImplItem, ImplItemFn, Item, ItemImpl, ItemMacro, Lit, Meta, Type, Visibility};

/// A module that is a file.
#[derive(Default)]
pub(crate) struct Module {
    /// Its path from the repository's root.
    pub(crate) file: PathBuf,
    /// The first sentence of its documentation, without the full stop.
    pub(crate) title: String,
    pub(crate) methods: Vec<Method>,
    /// The names of primitives that it states, each with its place.
    pub(crate) primitives: Vec<(String, Place)>,
}

/// A public method, or a row of a macro that makes one.
pub(crate) struct Method {
    pub(crate) name: String,
    /// As it is called: `x.sum_dim(axes)`.
    pub(crate) call: String,
    /// Its documentation, line by line.
    pub(crate) docs: Vec<String>,
    pub(crate) place: Place,
    /// The cargo feature that it comes with.
    pub(crate) feature: Option<String>,
    /// The type whose method it is; none for a row of a macro or a trait's method.
    pub(crate) of: Option<String>,
    /// Whether it is given a tensor.
    pub(crate) takes_tensor: bool,
}

/// File and line.
#[derive(Clone)]
pub(crate) struct Place {
    file: PathBuf,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// The module in `file` and those below it, in the order of their `mod` lines. Paths are from `root`.
pub(crate) fn modules(root: &Path, file: &Path) -> Result<Vec<Module>, String> {
    let mut sources = Vec::new();
    collect(root, file, None, &mut sources)?;
    Ok(read_all(sources))
}

/// The modules with these texts, each with its path.
#[cfg(test)]
pub(crate) fn modules_of(texts: &[(&str, &str)]) -> Vec<Module> {
    let parse = |(file, text): &(&str, &str)| Source::parse(Path::new(file), text, None);
    read_all(texts.iter().map(parse).collect::<Result<_, _>>().expect("Rust"))
}

fn read_all(sources: Vec<Source>) -> Vec<Module> {
    // A macro may be called in another module than the one that defines it.
    let naming = naming_macros(sources.iter().flat_map(|source| &source.items));
    sources.into_iter().map(|source| read(source, &naming)).collect()
}

struct Source {
    file: PathBuf,
    feature: Option<String>,
    docs: Vec<String>,
    tokens: TokenStream,
    items: Vec<Item>,
}

impl Source {
    fn parse(file: &Path, text: &str, feature: Option<String>) -> Result<Source, String> {
        let at = |span: Span| format!("{}:{}", file.display(), span.start().line);
        let tokens: TokenStream = text.parse().map_err(|e: LexError| format!("{}: {e}", at(e.span())))?;
        let syntax: syn::File = syn::parse2(tokens.clone()).map_err(|e| format!("{}: {e}", at(e.span())))?;
        Ok(Source {
            file: file.to_owned(),
            feature: feature_of(&syntax.attrs).or(feature),
            docs: docs(&syntax.attrs),
            tokens,
            items: syntax.items,
        })
    }

    /// The modules that are files of their own, with the cargo features that they come with.
    fn below(&self) -> Vec<(String, Option<String>)> {
        let module = |item: &Item| match item {
            Item::Mod(item) if item.content.is_none() && !is_for_tests(&item.attrs) => {
                Some((item.ident.to_string(), feature_of(&item.attrs).or(self.feature.clone())))
            }
            _ => None,
        };
        self.items.iter().filter_map(module).collect()
    }
}

/// Appends the module in `file` and those below it.
fn collect(
    root: &Path,
    file: &Path,
    feature: Option<String>,
    sources: &mut Vec<Source>,
) -> Result<(), String> {
    let text =
        fs::read_to_string(root.join(file)).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    let source = Source::parse(file, &text, feature)?;
    let below = source.below();
    sources.push(source);
    // `src/ops/mod.rs` has its modules beside it, `src/check.rs` in `src/check/`.
    let folder = match file.file_stem() {
        Some(stem) if stem != "mod" => file.with_file_name(stem),
        _ => file.parent().unwrap_or(Path::new("")).to_owned(),
    };
    for (name, feature) in below {
        let beside = folder.join(format!("{name}.rs"));
        let inside = folder.join(&name).join("mod.rs");
        let file = if root.join(&beside).exists() { beside } else { inside };
        collect(root, &file, feature, sources)?;
    }
    Ok(())
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    cfg(attributes).any(|condition| condition == "test")
}

/// The cargo feature in `#[cfg(feature = "..")]`.
fn feature_of(attributes: &[Attribute]) -> Option<String> {
    cfg(attributes).find_map(|condition| {
        let (key, value) = condition.split_once('=')?;
        (key.trim() == "feature").then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// The conditions of `#[cfg(..)]`, as text.
fn cfg(attributes: &[Attribute]) -> impl Iterator<Item = String> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).filter_map(|attribute| {
        match &attribute.meta {
            Meta::List(list) => Some(list.tokens.to_string()),
            _ => None,
        }
    })
}

/// The lines of documentation in attributes, without the space that they begin with.
fn docs(attributes: &[Attribute]) -> Vec<String> {
    let text = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => string(&pair.value),
        _ => None,
    };
    attributes.iter().filter_map(text).map(|line| unindented(&line)).collect()
}

fn unindented(line: &str) -> String {
    line.strip_prefix(' ').unwrap_or(line).to_owned()
}

fn string(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(string) => Some(string.value()),
            _ => None,
        },
        _ => None,
    }
}

/// The macros that state a primitive's `NAME`, or call one that does: string literals in a call of one are names.
fn naming_macros<'a>(items: impl Iterator<Item = &'a Item>) -> BTreeSet<String> {
    let defined = |item: &Item| match item {
        Item::Macro(item) => Some((item.ident.as_ref()?.to_string(), item.mac.tokens.to_string())),
        _ => None,
    };
    let all: Vec<(String, String)> = items.filter_map(defined).collect();
    let mut naming = BTreeSet::new();
    loop {
        let names = |text: &str| {
            text.contains("const NAME") || naming.iter().any(|name| text.contains(&format!("{name} !")))
        };
        let found: BTreeSet<String> =
            all.iter().filter(|(_, text)| names(text)).map(|(name, _)| name.clone()).collect();
        if found == naming {
            return naming;
        }
        naming = found;
    }
}

fn read(source: Source, naming: &BTreeSet<String>) -> Module {
    let docs = unlinked(&source.docs.join(" "));
    let title = first_sentence(&docs).trim_end_matches('.').to_owned();
    let mut module = Module { file: source.file, title, ..Module::default() };
    module.add_names(source.tokens);
    for item in &source.items {
        match item {
            Item::Impl(item) => module.add_impl(item, source.feature.as_ref()),
            Item::Macro(item) if item.ident.is_none() => {
                let called = item.mac.path.get_ident().is_some_and(|name| naming.contains(&name.to_string()));
                module.add_macro(item, source.feature.as_ref(), called);
            }
            _ => {}
        }
    }
    module
}

impl Module {
    fn place(&self, span: Span) -> Place {
        Place { file: self.file.clone(), line: span.start().line }
    }

    /// The names that `const NAME: .. = ".."` and the bodies of `fn name` state, tests left out.
    fn add_names(&mut self, tokens: TokenStream) {
        // What stands between one block and the next.
        let mut before = String::new();
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let next = match tokens.peek() {
                Some(TokenTree::Ident(next)) => next.to_string(),
                _ => String::new(),
            };
            match &token {
                TokenTree::Ident(word) if word == "const" && next == "NAME" => {
                    let end =
                        |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ';');
                    let value = tokens.by_ref().take_while(|token| !end(token)).collect();
                    self.add_strings(value);
                }
                // A primitive with several names chooses among them here.
                TokenTree::Ident(word) if word == "fn" && next == "name" => {
                    let body = tokens.by_ref().find_map(|token| match token {
                        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
                        _ => None,
                    });
                    self.add_strings(body.map(|body| body.stream()).unwrap_or_default());
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    if !before.contains("cfg (test)") {
                        self.add_names(group.stream());
                    }
                    before.clear();
                    continue;
                }
                _ => {}
            }
            before.push_str(&token.to_string());
        }
    }

    /// The string literals as names of primitives.
    fn add_strings(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.add_strings(group.stream()),
                TokenTree::Literal(literal) => self.add_name(&literal),
                _ => {}
            }
        }
    }

    fn add_name(&mut self, literal: &Literal) {
        let place = self.place(literal.span());
        let string = syn::parse_str::<syn::LitStr>(&literal.to_string()).ok();
        self.primitives.extend(string.map(|name| (name.value(), place)));
    }

    fn add_impl(&mut self, item: &ItemImpl, feature: Option<&String>) {
        let feature = feature_of(&item.attrs).or(feature.cloned());
        for member in &item.items {
            let ImplItem::Fn(function) = member else { continue };
            let of = match (&item.trait_, &function.vis) {
                (None, Visibility::Public(_)) => Some(type_name(&item.self_ty)),
                (None, _) => continue,
                (Some(_), _) if docs(&function.attrs).is_empty() => continue,
                (Some(_), _) => None,
            };
            self.methods.push(self.method(function, of, feature.clone()));
        }
    }

    fn method(&self, function: &ImplItemFn, of: Option<String>, feature: Option<String>) -> Method {
        let name = function.sig.ident.to_string();
        let arguments = function.sig.inputs.iter().filter_map(|input| match input {
            syn::FnArg::Typed(typed) => match &*typed.pat {
                syn::Pat::Ident(pattern) => Some(pattern.ident.to_string()),
                _ => None,
            },
            syn::FnArg::Receiver(_) => None,
        });
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        let call = match (&of, function.sig.receiver()) {
            (None, _) => name.clone(),
            (Some(of), None) => format!("{of}::{name}({arguments})"),
            (Some(of), Some(_)) if of == "Tensor" => format!("x.{name}({arguments})"),
            (Some(of), Some(_)) => format!("{}.{name}({arguments})", of.to_lowercase()),
        };
        Method {
            name,
            call,
            docs: docs(&function.attrs),
            place: self.place(function.sig.ident.span()),
            feature: feature_of(&function.attrs).or(feature),
            takes_tensor: takes_tensor(function, of.as_deref()),
            of,
        }
    }

    /// Rows of the form `/// docs` `name(arguments)` make methods, string literals name primitives if the macro does.
    fn add_macro(&mut self, item: &ItemMacro, feature: Option<&String>, is_naming: bool) {
        let feature = feature_of(&item.attrs).or(feature.cloned());
        let mut docs = Vec::new();
        let mut tokens = item.mac.tokens.clone().into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    if let Some(TokenTree::Group(group)) = tokens.next() {
                        docs.extend(doc_in(group.stream()));
                    }
                }
                TokenTree::Ident(name) if !docs.is_empty() => {
                    if name == "pub" || name == "fn" {
                        continue;
                    }
                    let arguments = match tokens.peek() {
                        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
                            // As people write it: a stream of tokens has a space before every mark.
                            Some(group.stream().to_string().replace(" ,", ",").replace(" :", ":"))
                        }
                        _ => None,
                    };
                    let place = self.place(name.span());
                    let name = name.to_string();
                    let call = match arguments {
                        Some(arguments) => format!("x.{name}({arguments})"),
                        None => name.clone(),
                    };
                    let (docs, feature) = (std::mem::take(&mut docs), feature.clone());
                    let method = Method { name, call, docs, place, feature, of: None, takes_tensor: true };
                    self.methods.push(method);
                }
                TokenTree::Literal(literal) if is_naming => self.add_name(&literal),
                _ => docs.clear(),
            }
        }
    }
}

/// The name of a type, whatever path or reference it stands behind.
fn type_name(of: &Type) -> String {
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default(),
        Type::Reference(reference) => type_name(&reference.elem),
        _ => String::new(),
    }
}

/// Whether a method of this type, or of a trait, is given a tensor as such (not only what may become one).
fn takes_tensor(function: &ImplItemFn, of: Option<&str>) -> bool {
    fn is_tensor(of: &Type) -> bool {
        match of {
            Type::Reference(reference) => is_tensor(&reference.elem),
            Type::Slice(slice) => is_tensor(&slice.elem),
            Type::Array(array) => is_tensor(&array.elem),
            other => type_name(other) == "Tensor",
        }
    }
    function.sig.inputs.iter().any(|input| match input {
        syn::FnArg::Receiver(_) => of.is_none_or(|of| of == "Tensor"),
        syn::FnArg::Typed(typed) => is_tensor(&typed.ty),
    })
}

/// The text of `doc = ".."`.
fn doc_in(attribute: TokenStream) -> Option<String> {
    let pair: syn::MetaNameValue = syn::parse2(attribute).ok()?;
    if !pair.path.is_ident("doc") {
        return None;
    }
    string(&pair.value).map(|line| unindented(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
//! Sums of all kinds: plain. And more.
macro_rules! functions {
    ($($(#[$doc:meta])* $method:ident() $op:ident $name:literal;)*) => {$(
        impl Elementwise<1> for $op {
            const NAME: &'static str = $name;
        }
    )*};
}
functions! {
    /// Row.
    row(p: f64, q: f64) Row "row_primitive";
    Undocumented "bare_primitive";
}
macro_rules! gated {
    ($op:ident $name:literal;) => {
        functions! { $op $name; }
    };
}
gated! { Gated "gated_primitive"; }
impl Tensor {
    /// Sum.
    ///
    /// Gradient: 1.
    #[track_caller]
    pub fn sum_dim(&self, axes: impl IntoAxes) -> Tensor {
        misuse("no name")
    }
    fn private(&self) {}
    #[cfg(feature = "linalg")]
    pub fn of(n: usize) -> Tensor {}
}
impl Primitive for Reduce {
    fn name(&self) -> &'static str {
        if self.most { "amax" } else { "amin" }
    }
}
impl Linear for Sum {
    const NAME: &'static str = "sum";
}
#[cfg(test)]
mod tests {
    impl Linear for Fake {
        const NAME: &'static str = "fake";
    }
}
"#;

    #[test]
    fn methods_are_found_in_impl_blocks_and_in_rows_of_macros() {
        let [module] = &modules_of(&[("src/ops/sum.rs", TEXT)])[..] else { panic!("one module") };
        assert_eq!(module.title, "Sums of all kinds: plain");
        let calls: Vec<&str> = module.methods.iter().map(|method| method.call.as_str()).collect();
        assert_eq!(calls, ["x.row(p: f64, q: f64)", "x.sum_dim(axes)", "Tensor::of(n)"]);
        let takes_tensor: Vec<bool> = module.methods.iter().map(|method| method.takes_tensor).collect();
        assert_eq!(takes_tensor, [true, true, false]);
        let sum = &module.methods[1];
        assert_eq!(sum.docs, ["Sum.", "", "Gradient: 1."]);
        assert_eq!(sum.place.to_string(), "src/ops/sum.rs:26");
        assert_eq!(module.methods[2].feature.as_deref(), Some("linalg"));
    }

    #[test]
    fn primitives_are_found_by_their_names() {
        // The macro may be defined elsewhere.
        let call = "functions! { Sinh \"sinh\" Reads::OUTPUTS, |at, v| other(\"no name\"); }";
        let modules = modules_of(&[("src/ops/sum.rs", TEXT), ("src/ops/hyperbolic.rs", call)]);
        let names = |module: &Module| -> BTreeSet<String> {
            module.primitives.iter().map(|(name, _)| name.clone()).collect()
        };
        let expected = ["amax", "amin", "bare_primitive", "gated_primitive", "row_primitive", "sum"];
        assert_eq!(names(&modules[0]), expected.map(str::to_owned).into());
        assert_eq!(names(&modules[1]), ["sinh".to_owned()].into());
        assert_eq!(modules[1].primitives[0].1.to_string(), "src/ops/hyperbolic.rs:1");
    }
}
