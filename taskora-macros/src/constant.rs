//! What cannot be a schedule's value: a call whose value would be another one at each tick.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use crate::errors::Errors;

/// Functions that tell the time.
const TIME: [&str; 4] = ["now", "today", "now_utc", "now_local"];

/// Functions whose value is another one at each call.
const CHANCE: [&str; 4] = ["random", "new_v4", "new_v7", "now_v7"];

/// Reports such calls, also within closures and macros.
pub(crate) fn check(value: TokenStream, errors: &mut Errors) {
    let tokens: Vec<TokenTree> = value.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => check(group.stream(), errors),
            TokenTree::Ident(function) => {
                if let Some(instead) = instead(function)
                    && let Some(call) = call(&tokens, index)
                {
                    let called: String = call.clone().into_iter().map(written).collect();
                    errors.on(
                        call,
                        format!("`{called}` would be evaluated once, when the worker starts; {instead}"),
                    );
                }
            }
            _ => {}
        }
    }
}

/// A token of a call, without its arguments.
fn written(token: TokenTree) -> String {
    match token {
        TokenTree::Group(arguments) if arguments.stream().is_empty() => "()".to_owned(),
        TokenTree::Group(_) => "(..)".to_owned(),
        token => token.to_string(),
    }
}

fn instead(function: &Ident) -> Option<&'static str> {
    let is_in = |names: &[&str]| names.iter().any(|name| function == name);
    if is_in(&TIME) {
        Some("the tick's time is `ctx.tick()`")
    } else if is_in(&CHANCE) {
        Some("call it in the task")
    } else {
        None
    }
}

/// The whole call of the function at this place, with the path before it; `None` if it is not called.
fn call(tokens: &[TokenTree], function: usize) -> Option<TokenStream> {
    let colons = |at: usize| {
        let is_colon =
            |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        is_colon(at) && is_colon(at + 1)
    };
    let is_call = |at: usize| matches!(tokens.get(at), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
    let mut end = function + 1;
    if colons(end) {
        // types in `::<..>` come before the arguments
        end = (end..tokens.len()).find(|at| is_call(*at))?;
    }
    if !is_call(end) {
        return None;
    }
    let mut start = function;
    while start >= 2 && colons(start - 2) {
        start -= 2;
        if let Some(TokenTree::Ident(_)) = start.checked_sub(1).and_then(|before| tokens.get(before)) {
            start -= 1;
        }
    }
    tokens.get(start..=end).map(|call| call.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(value: &str) -> Vec<String> {
        let mut errors = Errors::default();
        check(value.parse().unwrap(), &mut errors);
        errors.texts()
    }

    #[test]
    fn calls_of_the_moment_are_found() {
        let time = "would be evaluated once, when the worker starts; the tick's time is `ctx.tick()`";
        assert_eq!(texts("Utc::now()"), [format!("`Utc::now()` {time}")]);
        assert_eq!(
            texts("a::Local::today(x) + clock.now()"),
            [format!("`a::Local::today(..)` {time}"), format!("`now()` {time}")]
        );
        let chance = "would be evaluated once, when the worker starts; call it in the task";
        assert_eq!(texts("vec![rand::random::<u8>()]"), [format!("`rand::random::<u8>()` {chance}")]);
        assert_eq!(texts("::uuid::Uuid::now_v7()"), [format!("`::uuid::Uuid::now_v7()` {chance}")]);
    }

    #[test]
    fn other_names_are_not() {
        for value in ["now", "Now { now }", "When::Now", "known()", "today - 1", "random.len()", "\"now()\""]
        {
            assert_eq!(texts(value), [] as [String; 0], "{value}");
        }
    }
}
