//! A piece of an expression.

use crate::error::{CronErrorKind, Mistake};

/// A piece of the expression, and where it begins there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
}

impl<'a> Token<'a> {
    pub(crate) fn mistake(self, kind: CronErrorKind, text: impl Into<String>) -> Mistake {
        Mistake { kind, span: self.at..self.at + self.text.len(), text: text.into() }
    }

    /// The pieces between the separators.
    pub(crate) fn split(self, separator: impl Fn(char) -> bool) -> impl Iterator<Item = Token<'a>> {
        let mut at = self.at;
        self.text.split_inclusive(separator).map(move |piece| {
            let token = Token { text: piece, at };
            at += piece.len();
            token
        })
    }

    /// What stands before and after the separator.
    pub(crate) fn halves(self, separator: char) -> Option<(Token<'a>, Token<'a>)> {
        let (before, after) = self.text.split_once(separator)?;
        let at = self.at + before.len() + separator.len_utf8();
        Some((Token { text: before, at: self.at }, Token { text: after, at }))
    }
}
