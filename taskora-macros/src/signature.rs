//! Every rule about a function's signature, and the model built from it.

use proc_macro2::{Ident, Span};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{FnArg, GenericParam, Pat, PatType, ReturnType, Safety, Signature, Type};

use crate::errors::Errors;
use crate::field::Field;
use crate::model::{Argument, Output};
use crate::options::{Options, span_of};
use crate::types::{
    Injected, borrows, group_free, injected, is_plain, last_segment, mentioned, mentions, or_state,
    output_of, owned, peel, tidy, with_name,
};
use crate::values::Word;

/// More arguments than this belong in a struct.
const MAX_ARGUMENTS: usize = 12;

/// Async, or plain and `blocking`.
pub(crate) fn check_runs_alone(options: &Options, sig: &Signature, errors: &mut Errors) {
    match (&sig.asyncness, options.blocking) {
        (None, None) => errors.on(
            sig.fn_token,
            format!(
                "`{}` is not async; write `async fn`, or add the option `blocking` to run it off the async threads",
                sig.ident
            ),
        ),
        (Some(_), Some(Word(blocking))) => errors.at(
            blocking,
            format!("`blocking` is for plain functions, but `{}` is async; leave one of them out", sig.ident),
        ),
        _ => {}
    }
}

/// Whether a function is outside an `impl`, as far as its signature shows. A macro does not see its surroundings.
pub(crate) fn check_is_free(sig: &Signature, errors: &mut Errors) -> bool {
    if let Some(receiver) = sig.receiver() {
        errors.on(
            receiver,
            "a task cannot take `self`: it is a free function; take what it needs as `State<T>`",
        );
        return false;
    }
    let types = [sig.inputs.to_token_stream(), sig.output.to_token_stream()];
    let found = types.into_iter().find_map(|tokens| mentioned(tokens, &|ident| ident == "Self"));
    if let Some(ident) = &found {
        errors.on(ident, "a task cannot name `Self`: it is a free function; move it out of the `impl`, and write the type's name");
    }
    found.is_none()
}

pub(crate) fn check_signature(sig: &Signature, errors: &mut Errors) {
    if let Some(constness) = &sig.constness {
        errors.on(constness, "a task cannot be a `const fn`: it runs in a worker; leave `const` out");
    }
    if let Safety::Unsafe(unsafety) = &sig.safety {
        errors.on(
            unsafety,
            "a task cannot be `unsafe`: workers call it with any payload; call unsafe code inside it",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.on(abi, "a task cannot be `extern`: workers call it from Rust; leave the ABI out");
    }
    if let Some(variadic) = &sig.variadic {
        errors.on(variadic, "a task cannot be variadic: every argument is a field of its contract");
    }
    let types = sig.generics.params.iter().any(|param| !matches!(param, GenericParam::Lifetime(_)));
    if types {
        errors.on(
            &sig.generics,
            "a task cannot be generic: one task name has one payload type; write one task per type",
        );
    } else if !sig.generics.params.is_empty() {
        errors.on(
            &sig.generics,
            "a task cannot have lifetime parameters: its arguments own their data, and `&Context` needs none",
        );
    } else if let Some(clause) = &sig.generics.where_clause {
        errors.on(clause, "a task cannot have a `where` clause, as it cannot be generic; leave it out");
    }
}

pub(crate) fn check_arguments(arguments: &[Argument], errors: &mut Errors) {
    let mut fields = arguments.iter().filter_map(Argument::field);
    if let Some(field) = fields.nth(MAX_ARGUMENTS) {
        let count = MAX_ARGUMENTS + 1 + fields.count();
        errors.on(
            &field.name,
            format!("a task takes at most {MAX_ARGUMENTS} payload arguments, but this one has {count}; group them in a struct"),
        );
    }
}

pub(crate) fn argument(input: &FnArg, generics: &[Ident], errors: &mut Errors) -> Option<Argument> {
    let param = match input {
        FnArg::Typed(param) => param,
        FnArg::Receiver(_) => return None,
    };
    let inject = with_name(&param.attrs, "inject").into_iter().next();
    let payload = with_name(&param.attrs, "payload").into_iter().next();
    if let (Some(inject), Some(_)) = (&inject, &payload) {
        errors.on(inject, "`#[inject]` and `#[payload]` exclude each other; keep one of them");
    }
    if let Some(cfg) = with_name(&param.attrs, "cfg").first() {
        errors.on(
            cfg,
            "an argument cannot be conditional: every worker and producer must agree on the payload",
        );
    }
    let (by_ref, inner) = peel(&param.ty);
    let injected = match (injected(inner), inject.is_some()) {
        (Some(injected), _) if payload.is_none() => Some(injected),
        (None, true) => Some(Injected::Other(inner.clone())),
        _ => None,
    };
    match injected {
        Some(from) => {
            for attribute in with_name(&param.attrs, "serde") {
                errors.on(
                    attribute,
                    "`#[serde(..)]` is for payload arguments, but this one is injected; leave it out",
                );
            }
            if let Type::Reference(reference) = group_free(&param.ty)
                && let Some(mutability) = &reference.mutability
            {
                errors.on(mutability, "an injected argument is shared; take it by `&` or by value");
            }
            Some(Argument::Injected { from, by_ref, span: span_of(&param.ty) })
        }
        None => Some(Argument::Payload(payload_field(param, generics, errors)?)),
    }
}

fn payload_field(param: &PatType, generics: &[Ident], errors: &mut Errors) -> Option<Field> {
    let name = match &*param.pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => pat.ident.clone(),
        Pat::Wild(pat) => {
            errors.on(pat, "a payload argument needs a name, as it becomes a field of the contract");
            return None;
        }
        pat => {
            errors.on(
                pat,
                "a payload argument is a plain name, as it becomes a field of the contract; take it apart in the body",
            );
            return None;
        }
    };
    let ty = &*param.ty;
    let text = tidy(ty);
    let mut replacement = None;
    if let Type::Reference(reference) = group_free(ty) {
        let owned = owned(&reference.elem);
        errors.on(
            ty,
            format!("payload argument `{name}` is stored in the queue, so it must own its data; use `{}` instead of `{text}`{}", tidy(&owned), or_state(&reference.elem)),
        );
        replacement = Some(owned);
    } else if borrows(ty.to_token_stream(), false) {
        errors.on(
            ty,
            format!("payload argument `{name}` is stored in the queue, so it must own its data, but `{text}` borrows"),
        );
        replacement = Some(quote!(()));
    } else if mentions(ty.to_token_stream(), &|ident| ident == "impl") {
        errors.on(ty, format!("payload argument `{name}` needs a type of its own: a task cannot be generic, so `impl Trait` says too little"));
        replacement = Some(quote!(()));
    } else if mentions(ty.to_token_stream(), &|ident| generics.contains(ident)) {
        replacement = Some(quote!(()));
    }
    let mut attrs = with_name(&param.attrs, "serde");
    let plain = is_plain(&attrs);
    attrs.extend(with_name(&param.attrs, "doc"));
    Some(Field { name, ty: replacement.unwrap_or_else(|| ty.to_token_stream()), attrs, plain })
}

pub(crate) fn returns(sig: &Signature, generics: &[Ident], errors: &mut Errors) -> Output {
    let ty = match &sig.output {
        ReturnType::Default => return Output::Value(quote_spanned!(Span::mixed_site()=> ())),
        ReturnType::Type(_, ty) => group_free(ty),
    };
    let tokens = ty.to_token_stream();
    if mentions(tokens.clone(), &|ident| ident == "impl") {
        errors.on(ty, "a task's output is stored for whoever awaits it, so it needs a type with a name; `impl Trait` says too little");
        return Output::Value(quote!(()));
    }
    let output = output_of(ty);
    if let Type::Reference(reference) = output {
        errors.on(
            output,
            format!(
                "a task's output is stored for whoever awaits it, so it must own its data; use `{}` instead of `{}`",
                tidy(&owned(&reference.elem)),
                tidy(output)
            ),
        );
        return Output::Value(quote!(()));
    }
    let borrowing =
        |(ty, static_references): &(&Type, bool)| borrows(ty.to_token_stream(), *static_references);
    if let Some((ty, _)) = [(output, false), (ty, true)].into_iter().find(borrowing) {
        errors.on(
            ty,
            format!(
                "a task's output is stored for whoever awaits it, so it must own its data, but `{}` borrows",
                tidy(ty)
            ),
        );
        return Output::Value(quote!(()));
    }
    if mentions(tokens.clone(), &|ident| generics.contains(ident)) {
        return Output::Value(quote!(()));
    }
    match last_segment(ty) {
        Some((ident, _)) if ident.to_string().ends_with("Result") => Output::Of(Box::new(ty.clone())),
        _ => Output::Value(tokens),
    }
}

pub(crate) fn generic_names(sig: &Signature) -> Vec<Ident> {
    let name = |param: &GenericParam| match param {
        GenericParam::Type(param) => Some(param.ident.clone()),
        GenericParam::Const(param) => Some(param.ident.clone()),
        _ => None,
    };
    sig.generics.params.iter().filter_map(name).collect()
}
