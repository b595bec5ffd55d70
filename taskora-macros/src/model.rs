//! The model of an item: as it was written, and as it is expanded.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Path, Signature, Type, Visibility};

use crate::field::Field;
use crate::options::Options;
use crate::schedule::Ready;
use crate::types::Injected;

/// A function as it was written. Its body is not parsed, so it may be half typed.
pub(crate) struct TaskFn {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: TokenStream,
}

impl Parse for TaskFn {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            body: input.parse()?,
        })
    }
}

/// The same tokens with another span; names resolve as before.
pub(crate) fn at(span: Span, tokens: TokenStream) -> TokenStream {
    let moved = |token: TokenTree| match token {
        TokenTree::Group(group) => {
            let mut moved = Group::new(group.delimiter(), at(span, group.stream()));
            moved.set_span(group.span().located_at(span));
            TokenTree::Group(moved)
        }
        mut token => {
            token.set_span(token.span().located_at(span));
            token
        }
    };
    tokens.into_iter().map(moved).collect()
}

/// The path of the runtime crate where the macro is used.
pub(crate) struct Krate(Path);

impl Krate {
    pub(crate) fn new(path: Option<Path>) -> Self {
        let default = || {
            let leading = quote_spanned!(Span::mixed_site()=> ::taskora);
            syn::parse2(leading).unwrap_or_else(|_| Path::from(Ident::new("taskora", Span::mixed_site())))
        };
        Self(path.unwrap_or_else(default))
    }

    /// The path of the module that only expansions use.
    pub(crate) fn private(&self) -> TokenStream {
        let path = &self.0;
        quote_spanned!(Span::mixed_site()=> #path::__private)
    }

    /// The same, so that errors in the expression around it appear at `span`.
    pub(crate) fn private_at(&self, span: Span) -> TokenStream {
        at(span, self.private())
    }
}

/// A contract, ready to be expanded.
pub(crate) struct Contract {
    pub(crate) krate: Krate,
    /// The attributes of every generated item, see [`crate::validate::before_items`].
    pub(crate) before: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) name: String,
    /// `None` if it is not a struct with named fields, which was already reported.
    pub(crate) fields: Option<Vec<Field>>,
    pub(crate) output: Output,
    pub(crate) options: Options,
    /// Those of a contract without a function; a handler has its own.
    pub(crate) schedules: Vec<Ready>,
}

/// A task's output.
#[derive(Clone)]
pub(crate) enum Output {
    /// This type.
    Value(TokenStream),
    /// The output of this type, whose name ends like `Result`.
    Of(Box<Type>),
}

/// A function that runs a contract, ready to be expanded.
pub(crate) struct Handler {
    pub(crate) krate: Krate,
    /// The attributes of every generated item.
    pub(crate) before: Vec<Attribute>,
    /// The type to register.
    pub(crate) ident: Ident,
    pub(crate) contract: Path,
    /// Whether the contract is defined elsewhere.
    pub(crate) implements: bool,
    pub(crate) function: Ident,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) returns: Output,
    pub(crate) options: Options,
    pub(crate) schedules: Vec<Ready>,
    /// The signature cannot be called; only the types are generated, so that nothing else breaks.
    pub(crate) broken: bool,
}

/// What a parameter receives.
pub(crate) enum Argument {
    Payload(Field),
    /// `Context` or `State<T>`, maybe behind a reference.
    Injected {
        from: Injected,
        by_ref: bool,
        span: Span,
    },
}

impl Argument {
    /// The field of the contract, if the argument is one.
    pub(crate) const fn field(&self) -> Option<&Field> {
        match self {
            Self::Payload(field) => Some(field),
            Self::Injected { .. } => None,
        }
    }
}
