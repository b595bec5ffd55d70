//! What errors of the same reason have in common.

/// The longest pattern, in characters.
const LONGEST: usize = 200;

/// An error with `#` in place of each word that has a digit, cut to the longest pattern.
pub(crate) fn pattern_of(error: &str) -> String {
    let (mut pattern, mut length) = (String::new(), 0);
    let mut rest = error;
    while let Some(first) = rest.chars().next().filter(|_| length < LONGEST) {
        let is_word = |letter: char| letter.is_alphanumeric();
        let end = rest.find(|letter| is_word(letter) != is_word(first)).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        if part.chars().any(|letter| letter.is_ascii_digit()) {
            pattern.push('#');
            length += 1;
        } else {
            for letter in part.chars().take(LONGEST - length) {
                pattern.push(letter);
                length += 1;
            }
        }
        rest = tail;
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_differ_in_numbers_only_have_one_pattern() {
        for (error, pattern) in [
            ("timeout after 30 s", "timeout after # s"),
            ("no user 0191b0a6-0000-7000-8000-000000000001", "no user #-#-#-#-#"),
            ("HTTP 502: bad gateway at 10:32:07.5", "HTTP #: bad gateway at #:#:#.#"),
            ("", ""),
            ("größer als 5€", "größer als #€"),
        ] {
            assert_eq!(pattern_of(error), pattern);
        }
        assert_eq!(pattern_of(&"é".repeat(500)).chars().count(), LONGEST);
        let long = format!("{} 7", "1 ".repeat(500));
        assert_eq!(pattern_of(&long), "# ".repeat(100), "no longer than that");
    }
}
