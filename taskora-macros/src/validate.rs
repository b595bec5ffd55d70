//! Every rule about items as a whole; those about a function's signature are in `signature.rs`.

use proc_macro2::Span;
use quote::{ToTokens as _, quote};
use syn::{Attribute, Data, DeriveInput, Fields, Path, parse_quote};

use crate::errors::Errors;
use crate::field::Field;
use crate::list::List as _;
use crate::model::{Argument, Contract, Handler, Krate, Output, TaskFn};
use crate::names;
use crate::options::Options;
use crate::schedule;
use crate::serde_default::Container;
use crate::signature::{self, argument};
use crate::types::{is_plain, with_name};

/// A function's own contract, if it has one, and its handler.
pub(crate) fn function(
    item: &TaskFn,
    mut options: Options,
    errors: &mut Errors,
) -> (Option<Contract>, Handler) {
    let sig = &item.sig;
    let before = errors.len();
    signature::check_runs_alone(&options, sig, errors);
    signature::check_signature(sig, errors);
    let generics: Vec<_> = signature::generic_names(sig);
    let arguments: Vec<_> =
        sig.inputs.iter().filter_map(|input| argument(input, &generics, errors)).collect();
    signature::check_arguments(&arguments, errors);
    options.check_batch(&sig.ident, &arguments, errors);
    if let Some(span) = options.span_of("serde")
        && arguments.iter().all(|argument| argument.field().is_none())
    {
        errors.at(span, "`serde(..)` does nothing for a task without payload arguments; leave it out");
    }
    let returns = signature::returns(sig, &generics, errors);
    let broken = errors.len() > before;

    if let (Output::Value(_), Some(retry)) = (&returns, &mut options.retry) {
        for name in ["on", "never_on", "after"] {
            if let Some(span) = retry.span_of(name) {
                errors.at(
                    span,
                    format!(
                        "`{name}` speaks of the task's error, but `{}` returns none; return a `Result<T, E>`",
                        sig.ident
                    ),
                );
            }
        }
        (retry.on, retry.never_on, retry.after) = (None, None, None);
    }

    let before = before_items(&item.attrs);
    let own = options.implements.is_none();
    let suffix = if own { "" } else { "Handler" };
    let ident = names::camel(&sig.ident, suffix);
    let contract = own.then(|| {
        let name = name(options.name.as_ref(), || names::kebab(&sig.ident), sig.ident.span(), errors);
        let fields: Vec<_> = arguments.iter().filter_map(Argument::field).cloned().collect();
        check_aliases(&mut options, &name, errors);
        options.check_limits(&fields, errors);
        options.check_rates(&fields, errors);
        Contract {
            krate: Krate::new(options.krate.clone()),
            before: before.clone(),
            vis: item.vis.clone(),
            ident: ident.clone(),
            name,
            fields: Some(fields),
            output: returns.clone(),
            options: options.clone(),
            schedules: Vec::new(),
        }
    });
    let mut schedules = Vec::new();
    // with an argument that cannot be read, values could not be compared with the arguments
    if options.schedule.is_some() && arguments.len() == sig.inputs.len() {
        let fields: Vec<_> = arguments.iter().filter_map(Argument::field).cloned().collect();
        let task = (names::unraw(&sig.ident), contract.as_ref().map(|contract| contract.name.as_str()));
        let container = options.serde.clone().and_then(Container::of_tokens);
        schedules = schedule::resolve(options.schedule.take(), task, &fields, container.as_ref(), errors);
    }
    if broken {
        schedules.clear();
    }
    let handler = Handler {
        krate: Krate::new(options.krate.clone()),
        before,
        contract: options.implements.clone().unwrap_or_else(|| Path::from(ident.clone())),
        ident,
        implements: !own,
        function: sig.ident.clone(),
        arguments,
        returns,
        options,
        schedules,
        broken,
    };
    (contract, handler)
}

/// A struct that is a contract; `None` if it cannot be one.
pub(crate) fn derived(item: DeriveInput, errors: &mut Errors) -> Option<Contract> {
    let mut options = Options::default();
    for attribute in with_name(&item.attrs, "task") {
        if let Some(list) = errors.keep(attribute.meta.require_list()) {
            options.read(list.tokens.clone(), true, errors);
        }
    }
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
    let before = before_items(&item.attrs);
    let name = name(options.name.as_ref(), || names::kebab_of_type(&item.ident), item.ident.span(), errors);
    check_aliases(&mut options, &name, errors);
    options.check_limits(fields.as_deref().unwrap_or_default(), errors);
    options.check_rates(fields.as_deref().unwrap_or_default(), errors);
    options.check_collect(fields.as_deref().unwrap_or_default(), errors);
    let output = options.output.as_ref().map_or_else(|| quote!(()), |output| output.to_token_stream());
    let schedules = match (options.schedule.take(), &fields) {
        (Some(schedules), Some(fields)) => {
            let container = Container::of_attributes(&with_name(&item.attrs, "serde"));
            let task = (names::unraw(&item.ident), Some(name.as_str()));
            schedule::resolve(Some(schedules), task, fields, container.as_ref(), errors)
        }
        _ => Vec::new(),
    };
    Some(Contract {
        krate: Krate::new(options.krate.clone()),
        before,
        vis: item.vis,
        ident: item.ident,
        name,
        fields,
        output: Output::Value(output),
        options,
        schedules,
    })
}

fn contract_field(field: syn::Field) -> Option<Field> {
    let attrs = with_name(&field.attrs, "serde");
    let plain = is_plain(&attrs);
    Some(Field { name: field.ident?, ty: field.ty.into_token_stream(), attrs, plain })
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

/// Removes aliases that repeat another name of the task.
fn check_aliases(options: &mut Options, name: &str, errors: &mut Errors) {
    let mut aliases: Vec<String> = Vec::new();
    options.aliases.iter_mut().for_each(|given| {
        given.retain(|literal| {
            let alias = literal.value();
            if let Some(mistake) = names::mistake_in(&alias) {
                errors.on(literal, mistake);
            } else if name == alias {
                errors.on(literal, format!("`{alias}` is the task's name already; leave the alias out"));
            } else if aliases.contains(&alias) {
                errors.on(literal, format!("alias `{alias}` is given twice; keep one of them"));
            } else {
                aliases.push(alias);
                return true;
            }
            false
        });
    });
}

/// The `#[cfg]`s of an item; if it is deprecated, also an `allow` for the code that is generated for it.
fn before_items(attrs: &[Attribute]) -> Vec<Attribute> {
    let mut before = with_name(attrs, "cfg");
    if !with_name(attrs, "deprecated").is_empty() {
        before.push(parse_quote!(#[allow(deprecated, reason = "this is generated for what is deprecated")]));
    }
    before
}
