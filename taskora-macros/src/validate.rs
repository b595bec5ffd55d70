//! Every rule about items and their signatures.

use proc_macro2::{Ident, Span};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Fields, FnArg, GenericParam, Pat, PatType, Path, ReturnType, Safety,
    Signature, Type,
};

use crate::errors::Errors;
use crate::model::{Argument, Contract, ContractOptions, Field, Handler, Injected, Krate, Output, TaskFn};
use crate::names;
use crate::options::Options;
use crate::place::{self, Place};
use crate::types::{
    borrows, group_free, injected, is_plain, last_segment, mentions, or_state, output_of, owned, peel, tidy,
};

/// More arguments than these belong into a struct of their own.
const MAX_ARGUMENTS: usize = 12;

/// A function's own contract, if it makes one, and its handler.
pub(crate) fn function(
    item: &TaskFn,
    options: Options,
    errors: &mut Errors,
) -> (Option<Contract>, Handler, Vec<Path>) {
    let sig = &item.sig;
    let place = if options.implements.is_some() { Place::Implementation } else { Place::Function };
    place::check(place, &options.given, errors);
    let before = errors.len();
    check_runs_alone(&options, sig, errors);
    check_signature(sig, errors);
    let generics: Vec<_> = generic_names(sig);
    let arguments: Vec<_> =
        sig.inputs.iter().filter_map(|input| argument(input, &generics, errors)).collect();
    check_arguments(&arguments, errors);
    if let Some(span) = options.span_of("serde")
        && arguments.iter().all(|argument| argument.field().is_none())
    {
        errors.at(span, "`serde(..)` does nothing for a task without payload arguments; leave it out");
    }
    let returns = returns(sig, &generics, errors);
    let broken = errors.len() > before;

    let mut advice = options.retry;
    if let Output::Value(_) = returns {
        for name in ["on", "never_on", "after"] {
            if let Some(given) = options.given.iter().find(|given| given.option.name == name) {
                errors.at(
                    given.span,
                    format!(
                        "`{name}` speaks of the task's error, but `{}` returns none; return a `Result<T, E>`",
                        sig.ident
                    ),
                );
            }
        }
        (advice.on, advice.never_on, advice.after) = (None, None, None);
    }

    let cfgs = with_name(&item.attrs, "cfg");
    let own = options.implements.is_none();
    let suffix = if own { "" } else { "Handler" };
    let ident = names::camel(&sig.ident, suffix);
    let contract = own.then(|| Contract {
        krate: Krate::new(options.krate.clone()),
        cfgs: cfgs.clone(),
        vis: item.vis.clone(),
        ident: ident.clone(),
        name: name(options.name.as_ref(), || names::kebab(&sig.ident), sig.ident.span(), errors),
        fields: Some(arguments.iter().filter_map(Argument::field).cloned().collect()),
        serde: options.serde.clone(),
        output: returns.clone(),
        options: ContractOptions::default(),
    });
    let aliases = aliases(&options.aliases, contract.as_ref().map(|contract| contract.name.as_str()), errors);
    let handler = Handler {
        krate: Krate::new(options.krate),
        cfgs,
        contract: options.implements.unwrap_or_else(|| Path::from(ident.clone())),
        ident,
        implements: !own,
        function: sig.ident.clone(),
        arguments,
        returns,
        blocking: options.blocking.is_some(),
        concurrency: options.concurrency,
        on_cancel: options.on_cancel,
        advice: advice.clone(),
        broken,
    };
    let contract = contract.map(|contract| Contract {
        options: ContractOptions {
            aliases,
            retry: advice,
            timeout: options.timeout,
            priority: options.priority,
            lease: options.lease,
            max_stalls: options.max_stalls,
        },
        ..contract
    });
    (contract, handler, options.derive)
}

/// A struct that is a contract; nothing if it can be none.
pub(crate) fn derived(item: DeriveInput, errors: &mut Errors) -> Option<Contract> {
    let mut options = Options::default();
    for attribute in with_name(&item.attrs, "task") {
        if let Some(list) = errors.keep(attribute.meta.require_list()) {
            options.read(list.tokens.clone(), true, errors);
        }
    }
    place::check(Place::Contract, &options.given, errors);
    if !item.generics.params.is_empty() {
        errors.on(
            &item.generics,
            "a contract cannot be generic: one task name has one payload type; write one struct per type",
        );
        return None;
    }
    let fields = match item.data {
        Data::Struct(data) => match data.fields {
            Fields::Named(fields) => Some(fields.named.into_iter().filter_map(contract_field).collect()),
            Fields::Unit => Some(Vec::new()),
            Fields::Unnamed(fields) => {
                errors.on(fields, "a contract's arguments have names; write a struct with named fields");
                None
            }
        },
        Data::Enum(data) => {
            errors.at(data.enum_token.span, "a contract is a struct whose fields are the task's arguments, not an enum; put the enum into a field");
            None
        }
        Data::Union(data) => {
            errors.at(
                data.union_token.span,
                "a contract is a struct whose fields are the task's arguments, not a union",
            );
            None
        }
    };
    if options.output.is_none() && options.span_of("output").is_none() {
        errors.at(
            item.ident.span(),
            "a contract says what its handler returns; add `#[task(output = Type)]`, or `output = ()`",
        );
    }
    let name = name(options.name.as_ref(), || names::kebab_of_type(&item.ident), item.ident.span(), errors);
    Some(Contract {
        krate: Krate::new(options.krate),
        cfgs: Vec::new(),
        vis: item.vis,
        ident: item.ident,
        fields,
        serde: None,
        output: Output::Value(options.output.map_or_else(|| quote!(()), |output| output.into_token_stream())),
        options: ContractOptions {
            aliases: aliases(&options.aliases, Some(&name), errors),
            retry: options.retry,
            timeout: options.timeout,
            priority: options.priority,
            lease: options.lease,
            max_stalls: options.max_stalls,
        },
        name,
    })
}

fn contract_field(field: syn::Field) -> Option<Field> {
    let plain = is_plain(&with_name(&field.attrs, "serde"));
    Some(Field { name: field.ident?, ty: field.ty.into_token_stream(), attrs: Vec::new(), plain })
}

fn name(
    given: Option<&syn::LitStr>,
    default: impl FnOnce() -> String,
    span: Span,
    errors: &mut Errors,
) -> String {
    let name = given.map_or_else(default, syn::LitStr::value);
    if let Some(mistake) = names::mistake_in(&name) {
        errors.at(given.map_or(span, syn::LitStr::span), mistake);
    }
    name
}

fn aliases(given: &[syn::LitStr], name: Option<&str>, errors: &mut Errors) -> Vec<String> {
    let mut aliases: Vec<String> = Vec::new();
    for literal in given {
        let alias = literal.value();
        if let Some(mistake) = names::mistake_in(&alias) {
            errors.on(literal, mistake);
        } else if name == Some(&alias) {
            errors.on(literal, format!("`{alias}` is the task's name already; leave the alias out"));
        } else if aliases.contains(&alias) {
            errors.on(literal, format!("alias `{alias}` is given twice; keep one of them"));
        } else {
            aliases.push(alias);
        }
    }
    aliases
}

/// Async, or plain and `blocking`.
fn check_runs_alone(options: &Options, sig: &Signature, errors: &mut Errors) {
    match (&sig.asyncness, options.blocking) {
        (None, None) => errors.on(
            sig.fn_token,
            format!(
                "`{}` is not async; write `async fn`, or add the option `blocking` to run it off the async threads",
                sig.ident
            ),
        ),
        (Some(_), Some(blocking)) => errors.at(
            blocking,
            format!("`blocking` is for plain functions, but `{}` is async; leave one of them out", sig.ident),
        ),
        _ => {}
    }
}

fn check_signature(sig: &Signature, errors: &mut Errors) {
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

fn check_arguments(arguments: &[Argument], errors: &mut Errors) {
    let mut fields = arguments.iter().filter_map(Argument::field);
    if let Some(field) = fields.nth(MAX_ARGUMENTS) {
        let count = MAX_ARGUMENTS + 1 + fields.count();
        errors.on(
            &field.name,
            format!("a task takes at most {MAX_ARGUMENTS} payload arguments, but this one has {count}; group them in a struct"),
        );
    }
}

fn argument(input: &FnArg, generics: &[Ident], errors: &mut Errors) -> Option<Argument> {
    let param = match input {
        FnArg::Typed(param) => param,
        FnArg::Receiver(receiver) => {
            errors.on(
                receiver,
                "a task cannot take `self`: it is a free function; take what it needs as `State<T>`",
            );
            return None;
        }
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
            Some(Argument::Injected { from, by_ref, span: crate::options::span_of(&param.ty) })
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

fn returns(sig: &Signature, generics: &[Ident], errors: &mut Errors) -> Output {
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

fn generic_names(sig: &Signature) -> Vec<Ident> {
    let name = |param: &GenericParam| match param {
        GenericParam::Type(param) => Some(param.ident.clone()),
        GenericParam::Const(param) => Some(param.ident.clone()),
        _ => None,
    };
    sig.generics.params.iter().filter_map(name).collect()
}

/// The attributes of this name.
pub(crate) fn with_name(attrs: &[Attribute], name: &str) -> Vec<Attribute> {
    attrs.iter().filter(|attribute| attribute.path().is_ident(name)).cloned().collect()
}
