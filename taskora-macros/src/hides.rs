//! A contract is named after its function, and hides other types of that name.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{FnArg, ReturnType, Signature, Type};

use crate::errors::Errors;
use crate::types::group_free;

/// Types that are in scope everywhere: a signature that names one of them means that type, never the contract.
const AT_HAND: [&str; 7] = ["Box", "Context", "Option", "Result", "State", "String", "Vec"];

/// Reports a signature that names its own contract where it must mean another type.
pub(crate) fn check(sig: &Signature, contract: &Ident, errors: &mut Errors) -> bool {
    let before = errors.len();
    let function = &sig.ident;
    let is_at_hand = AT_HAND.iter().any(|name| contract == name);
    let arguments = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(param) => Some((&*param.ty, true)),
        FnArg::Receiver(_) => None,
    });
    let output = match &sig.output {
        ReturnType::Type(_, ty) => Some((&**ty, false)),
        ReturnType::Default => None,
    };
    for (ty, is_argument) in arguments.chain(output) {
        if is_at_hand && names(ty.to_token_stream(), contract) {
            errors.on(
                ty,
                format!("`{contract}` is here the contract that `#[task]` makes of `{function}`; give the function another name (the task's own can stay, with the option `name`)"),
            );
        } else if is_argument && matches!(group_free(ty), Type::Path(path) if path.path.is_ident(contract)) {
            errors.on(
                ty,
                format!("`{contract}` is here the contract that `#[task]` makes of `{function}`, and cannot be its own argument; take the fields as arguments, or rename the function or the struct"),
            );
        }
    }
    errors.len() > before
}

/// Whether a type begins a path with this name.
fn names(tokens: TokenStream, wanted: &Ident) -> bool {
    let mut is_in_path = false;
    for token in tokens {
        let found = match &token {
            TokenTree::Ident(ident) => !is_in_path && ident == wanted,
            TokenTree::Group(group) => names(group.stream(), wanted),
            _ => false,
        };
        if found {
            return true;
        }
        is_in_path = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ':');
    }
    false
}
