//! A field of a contract.

use proc_macro2::{Ident, TokenStream};
use syn::Attribute;

/// A payload argument.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) ty: TokenStream,
    /// `#[serde(..)]`, and docs of a parameter: they move to the field.
    pub(crate) attrs: Vec<Attribute>,
    /// Whether it has its type's format, without an attribute such as `#[serde(with = ..)]`.
    pub(crate) plain: bool,
}
