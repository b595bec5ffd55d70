//! Names derived from names, and the grammar of task names.

use proc_macro2::{Ident, Span};
use quote::format_ident;

/// The longest name of a task, in bytes; the runtime has the same limit.
const MAX_NAME: usize = 200;

/// `send_email` → `send-email`, `r#move` → `move`.
pub(crate) fn kebab(name: &Ident) -> String {
    words(name).map(|word| word.to_lowercase()).collect::<Vec<_>>().join("-")
}

/// `send_email` → `SendEmail`, `r#move` → `Move`, at the same place in the source.
pub(crate) fn camel(name: &Ident, suffix: &str) -> Ident {
    let camel: String = words(name)
        .flat_map(|word| {
            let mut chars = word.chars();
            chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect::<Vec<_>>()
        })
        .collect();
    // a name without a letter, such as `_1`, cannot begin a type's name
    let first = if camel.starts_with(|c: char| c.is_alphabetic()) { "" } else { "Task" };
    let text = format!("{first}{camel}{suffix}");
    if text == "Self" { Ident::new("SelfTask", name.span()) } else { Ident::new(&text, name.span()) }
}

/// `SendEmail` → `send-email`, for contracts that are structs.
pub(crate) fn kebab_of_type(name: &Ident) -> String {
    let name = unraw(name);
    let mut kebab = String::new();
    let mut chars = name.chars().peekable();
    let mut before = '-';
    while let Some(c) = chars.next() {
        let ends_acronym = before.is_uppercase() && chars.peek().is_some_and(|next| next.is_lowercase());
        let starts_word =
            c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit() || ends_acronym);
        if c == '_' || (starts_word && before != '-') {
            kebab.push('-');
        }
        if c != '_' {
            kebab.extend(c.to_lowercase());
        }
        before = if c == '_' { '-' } else { c };
    }
    kebab.trim_matches('-').to_owned()
}

/// The text of a name without `r#`.
pub(crate) fn unraw(name: &Ident) -> String {
    let text = name.to_string();
    text.strip_prefix("r#").map(ToOwned::to_owned).unwrap_or(text)
}

/// A name for locals that cannot clash with the user's code.
pub(crate) fn local(name: &str, span: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(span))
}

/// The type parameters of a signature. Items have no hygiene, so the names must be unlikely.
pub(crate) fn parameters(count: usize) -> Vec<Ident> {
    (0..count).map(|index| format_ident!("__T{index}", span = Span::mixed_site())).collect()
}

/// What is wrong with the name of a task, if anything.
pub(crate) fn mistake_in(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("a task's name cannot be empty; leave `name` out to have it made from the item's name")
    } else if name.len() > MAX_NAME {
        Some("a task's name cannot be longer than 200 bytes; shorten it")
    } else if name.chars().any(char::is_control) {
        Some("a task's name cannot contain control characters; use printable text")
    } else {
        None
    }
}

/// The candidate that was probably meant by `typed`.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

fn words(name: &Ident) -> impl Iterator<Item = String> {
    let words: Vec<_> =
        unraw(name).split('_').filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ident(text: &str) -> Ident {
        syn::parse_str(text).unwrap()
    }

    #[test]
    fn functions_name_their_task_and_their_contract() {
        for (function, task, contract) in [
            ("send_email", "send-email", "SendEmail"),
            ("r#move", "move", "Move"),
            ("ping", "ping", "Ping"),
            ("_private", "private", "Private"),
            ("resize_2x", "resize-2x", "Resize2x"),
            ("größe_ändern", "größe-ändern", "GrößeÄndern"),
            ("_1", "1", "Task1"),
        ] {
            let function = ident(function);
            assert_eq!(
                (kebab(&function).as_str(), camel(&function, "").to_string().as_str()),
                (task, contract)
            );
        }
        assert_eq!(camel(&ident("send_email"), "Handler"), "SendEmailHandler");
    }

    #[test]
    fn structs_name_their_task() {
        for (contract, task) in [
            ("SendEmail", "send-email"),
            ("Ping", "ping"),
            ("HTTPGet", "http-get"),
            ("GetURL", "get-url"),
            ("Resize2x", "resize2x"),
            ("V2Import", "v2-import"),
            ("Send_Email", "send-email"),
            ("ÄndereGröße", "ändere-größe"),
        ] {
            assert_eq!(kebab_of_type(&ident(contract)), task);
        }
    }

    #[test]
    fn names_have_a_grammar() {
        assert_eq!(mistake_in("send-email"), None);
        assert_eq!(mistake_in(&"n".repeat(200)), None);
        for name in ["", "a\nb", "a\u{0}", &"n".repeat(201)] {
            assert!(mistake_in(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn typing_mistakes_are_recognised() {
        let options =
            ["name", "aliases", "retry", "timeout", "concurrency", "priority", "on_cancel", "crate"];
        for (typed, meant) in [
            ("retires", Some("retry")),
            ("retries", Some("retry")),
            ("time_out", Some("timeout")),
            ("prio", Some("priority")),
            ("alias", Some("aliases")),
            ("oncancel", Some("on_cancel")),
            ("singleton", None),
            ("ttl", None),
            ("migrate", None),
            ("schedule", None),
        ] {
            assert_eq!(nearest(typed, options), meant, "{typed}");
        }
    }
}
