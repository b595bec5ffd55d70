//! What the task finds out about a file.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// The result of a job: any type that serde can write and read.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) lines: usize,
    pub(crate) words: usize,
    /// The word that occurs most often, and how often it does.
    pub(crate) favourite: Option<(String, usize)>,
}

/// Words below this length ("the", "with") say little about a text.
const TELLING: usize = 5;

impl Summary {
    pub(crate) fn of(text: &str) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() >= TELLING) {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
        let favourite = counts.into_iter().min_by_key(|(word, count)| (Reverse(*count), word.clone()));
        Self { lines: text.lines().count(), words: text.split_whitespace().count(), favourite }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_words_and_the_most_frequent_telling_word() {
        let summary = Summary::of("the worker, the Worker and\nthe queue\n");
        assert_eq!(summary, Summary { lines: 2, words: 7, favourite: Some(("worker".into(), 2)) });
    }

    #[test]
    fn an_empty_file_has_no_favourite_and_equals_are_ordered_by_name() {
        assert_eq!(Summary::of(""), Summary { lines: 0, words: 0, favourite: None });
        assert_eq!(Summary::of("retry lease").favourite, Some(("lease".into(), 1)));
    }
}
