//! `#[derive(Tree)]` for [`retrograd`](https://docs.rs/retrograd), which re-exports it: use it from there.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, Generics, Index, Member, Result, Type, Variant,
};

/// Implements `Tree` for a struct or an enum, field by field in declaration order.
///
/// Every field is a `Tree` itself, or is marked `#[tree(static)]`: then it is cloned where the tree is
/// rebuilt, and never differentiated. A static field must be
/// `Clone + Debug + PartialEq + Send + Sync + 'static`.
///
/// The path of a leaf names fields (`w`), positions in tuple structs (`0`) and, for enums, the variant first.
/// In a generic type the bounds follow the fields: `T: Tree` where a field is a `T`, `Layer<T>: Tree` where it
/// is a `Layer<T>`, nothing where no field mentions the parameter.
///
/// ```ignore
/// #[derive(Clone, Tree)]
/// struct Layer {
///     w: Tensor,
///     b: Tensor,
///     #[tree(static)]
///     dropout: f64,
/// }
/// ```
///
/// # Errors
///
/// Unions, words other than `static` in `#[tree(..)]`, and the attribute on anything but a field do not compile.
#[proc_macro_derive(Tree, attributes(tree))]
pub fn derive_tree(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let item = syn::parse_macro_input!(item as DeriveInput);
    implementation(&item).unwrap_or_else(Error::into_compile_error).into()
}

/// One way to take a value apart: the fields of a struct, or of one variant of an enum.
struct Shape<'a> {
    /// `Self` or `Self::Variant`.
    constructor: TokenStream,
    /// The variant's name, as the path of its leaves shows it; none for a struct.
    variant: Option<String>,
    parts: Vec<Part<'a>>,
}

/// One field of a [`Shape`].
struct Part<'a> {
    member: Member,
    /// The local variable that holds it: a fresh name, so that no field shadows `walker` or `visitor`.
    local: Ident,
    ty: &'a Type,
    /// Where the type stands, for what the compiler has to say about it; names resolve as the macro's own.
    span: Span,
    role: Role,
}

/// What a field is to the derivative.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// A tree: its leaves are visited.
    Tree,
    /// `#[tree(static)]`: cloned, never differentiated.
    Static,
}

/// The `impl Tree` for `item`.
fn implementation(item: &DeriveInput) -> Result<TokenStream> {
    let shapes = shapes(item)?;
    let DeriveInput { ident: name, generics, .. } = item;
    let (parameters, arguments, given) = generics.split_for_impl();
    let given = given.iter().flat_map(|given| &given.predicates);
    let bounds = bounds(name, generics, &shapes);

    let (walk, visit) = (shapes.iter().map(Shape::walk), shapes.iter().map(Shape::visit));
    // `*self`: a reference to an enum without variants counts as inhabited, the place behind it does not.
    let scrutinee = if shapes.is_empty() { quote!(*self) } else { quote!(self) };
    Ok(quote! {
        // Where there is no field, `walker` and `visitor` are not used.
        #[automatically_derived]
        #[allow(unused_variables, deprecated)]
        impl #parameters ::retrograd::Tree for #name #arguments
        where #(#given,)* #(#bounds,)*
        {
            fn walk(&self, walker: &mut dyn ::retrograd::tree::Walker) -> Self {
                match #scrutinee { #(#walk)* }
            }

            fn visit<'tree>(&'tree self, visitor: &mut dyn ::retrograd::tree::Visitor<'tree>) {
                match #scrutinee { #(#visit)* }
            }
        }
    })
}

/// The shapes of `item`: one for a struct, one per variant for an enum; or every wrong attribute at once.
fn shapes<'a>(item: &'a DeriveInput) -> Result<Vec<Shape<'a>>> {
    let mut errors = Errors::default();
    errors.check(no_attribute(&item.attrs));
    let shapes = match &item.data {
        Data::Struct(data) => vec![Shape::new(quote!(Self), None, &data.fields, &mut errors)],
        Data::Enum(data) => {
            let shape = |variant: &'a Variant| {
                errors.check(no_attribute(&variant.attrs));
                let name = &variant.ident;
                Shape::new(quote!(Self::#name), Some(name.unraw().to_string()), &variant.fields, &mut errors)
            };
            data.variants.iter().map(shape).collect()
        }
        Data::Union(data) => {
            let message = "a union cannot be a Tree: nothing says which of its fields is alive; use an enum";
            return Err(Error::new(data.union_token.span, message));
        }
    };
    errors.0.map_or(Ok(shapes), Err)
}

/// Errors gathered so that the compiler shows all of them in one run.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    /// The value of `result`, or none after noting its error.
    fn check<T>(&mut self, result: Result<T>) -> Option<T> {
        match (result, &mut self.0) {
            (Ok(value), _) => return Some(value),
            (Err(error), Some(first)) => first.combine(error),
            (Err(error), none) => *none = Some(error),
        }
        None
    }
}

impl<'a> Shape<'a> {
    fn new(
        constructor: TokenStream,
        variant: Option<String>,
        fields: &'a Fields,
        errors: &mut Errors,
    ) -> Self {
        let parts = fields.iter().enumerate();
        let parts = parts.filter_map(|(i, field)| errors.check(Part::new(i, field))).collect();
        Shape { constructor, variant, parts }
    }

    /// `Self { w: field_0, b: field_1 }`: the same words match and construct, whatever kind the fields are of.
    fn literal(&self) -> TokenStream {
        let constructor = &self.constructor;
        let members = self.parts.iter().map(|part| &part.member);
        let locals = self.parts.iter().map(|part| &part.local);
        quote!(#constructor { #(#members: #locals),* })
    }

    /// The arm of `walk`.
    fn walk(&self) -> TokenStream {
        let literal = self.literal();
        let (enter, leave) = self.inside(&format_ident!("walker"));
        let parts = self.parts.iter().map(Part::walk);
        quote!(#literal => { #enter #(#parts)* #leave #literal })
    }

    /// The arm of `visit`.
    fn visit(&self) -> TokenStream {
        let literal = self.literal();
        let (enter, leave) = self.inside(&format_ident!("visitor"));
        let parts = self.parts.iter().map(Part::visit);
        quote!(#literal => { #enter #(#parts)* #leave })
    }

    /// What stands before and after the fields: the variant's key, also around no fields at all, since two
    /// variants without fields are two different structures.
    fn inside(&self, guest: &Ident) -> (TokenStream, TokenStream) {
        match &self.variant {
            Some(name) => {
                (quote!(#guest.enter(::retrograd::tree::Key::Variant(#name));), quote!(#guest.leave();))
            }
            None => (quote!(), quote!()),
        }
    }
}

impl<'a> Part<'a> {
    fn new(position: usize, field: &'a Field) -> Result<Self> {
        let member = match &field.ident {
            Some(name) => Member::Named(name.clone()),
            None => Member::Unnamed(Index { index: position as u32, span: Span::call_site() }),
        };
        let span = field.ty.span().resolved_at(Span::call_site());
        let local = format_ident!("field_{position}", span = span);
        Ok(Part { member, local, ty: &field.ty, span, role: role(&field.attrs)? })
    }

    /// `Key::Field("w")` or `Key::Index(0)`.
    fn key(&self) -> TokenStream {
        match &self.member {
            Member::Named(name) => {
                let name = name.unraw().to_string();
                quote!(::retrograd::tree::Key::Field(#name))
            }
            Member::Unnamed(index) => {
                let index = index.index as usize;
                quote!(::retrograd::tree::Key::Index(#index))
            }
        }
    }

    /// The statements that rebuild the field.
    fn walk(&self) -> TokenStream {
        let &Part { ref local, ty, span, .. } = self;
        let key = self.key();
        match self.role {
            Role::Tree => quote_spanned! {span=>
                walker.enter(#key);
                let #local = <#ty as ::retrograd::Tree>::walk(#local, walker);
                walker.leave();
            },
            Role::Static => quote_spanned! {span=>
                let #local = <#ty as ::core::clone::Clone>::clone(#local);
            },
        }
    }

    /// The statements that show the field.
    fn visit(&self) -> TokenStream {
        let &Part { ref local, ty, span, .. } = self;
        let key = self.key();
        let show = match self.role {
            Role::Tree => quote_spanned!(span=> <#ty as ::retrograd::Tree>::visit(#local, visitor);),
            Role::Static => quote_spanned!(span=> visitor.fixed(#local);),
        };
        quote!(visitor.enter(#key); #show visitor.leave();)
    }
}

/// The role that a field's attributes give it.
fn role(attrs: &[Attribute]) -> Result<Role> {
    let mut role = Role::Tree;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("tree")) {
        let mut words = 0;
        attr.parse_nested_meta(|word| {
            words += 1;
            if !word.path.is_ident("static") {
                let message = "unknown word in #[tree(..)]: the only one is `static`, for a field that is \
                               cloned and not differentiated";
                return Err(Error::new(word.path.span(), message));
            }
            role = Role::Static;
            Ok(())
        })?;
        if words == 0 {
            let message = "this attribute says nothing: write #[tree(static)] or remove it";
            return Err(Error::new(attr.path().span(), message));
        }
    }
    Ok(role)
}

/// An error if a `#[tree(..)]` stands where only fields have one.
fn no_attribute(attrs: &[Attribute]) -> Result<()> {
    let message = "#[tree(..)] belongs on a field: mark each field that is not differentiated";
    let misplaced = attrs.iter().find(|attr| attr.path().is_ident("tree"));
    misplaced.map_or(Ok(()), |attr| Err(Error::new(attr.path().span(), message)))
}

/// What the impl asks of the type parameters: that each field which mentions one is a tree, or may be static.
fn bounds(name: &Ident, generics: &Generics, shapes: &[Shape<'_>]) -> Vec<TokenStream> {
    let mut bounds = Vec::new();
    for Part { ty, role, .. } in shapes.iter().flat_map(|shape| &shape.parts) {
        let mut words = Vec::new();
        identifiers(ty.to_token_stream(), &mut words);
        let mentioned: Vec<&Ident> =
            generics.type_params().map(|parameter| &parameter.ident).filter(|t| words.contains(t)).collect();
        let recursive = words.iter().any(|word| word == name || word == "Self");
        match role {
            _ if mentioned.is_empty() => {}
            Role::Static => bounds.push(quote!(#ty: ::core::clone::Clone + ::retrograd::tree::Fixed)),
            // `Option<Box<List<T>>>: Tree` as a condition of `List<T>: Tree` would send the compiler in circles.
            Role::Tree if recursive => bounds.extend(mentioned.iter().map(|t| quote!(#t: ::retrograd::Tree))),
            Role::Tree => bounds.push(quote!(#ty: ::retrograd::Tree)),
        }
    }
    bounds
}

/// Appends every identifier in `tokens`, those in brackets included.
fn identifiers(tokens: TokenStream, words: &mut Vec<Ident>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => words.push(word),
            TokenTree::Group(group) => identifiers(group.stream(), words),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
