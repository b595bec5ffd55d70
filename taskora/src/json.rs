//! What serde says of JSON, without what the JSON holds.

/// An error's message without the value that caused it: payloads and results do not belong into errors and logs.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    let message = error.to_string();
    // `invalid type: string "secret", expected u32 at line 1 column 20`, ``unknown variant `secret`, expected ..``
    match (message.rfind(", expected "), message.find([':', '`'])) {
        (Some(expected), Some(value)) if error.is_data() && value < expected => {
            let (what, rest) = (message.get(..value), message.get(expected..));
            format!("{}{}", what.unwrap_or_default().trim_end(), rest.unwrap_or_default())
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    fn message<T: serde::de::DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        describe(&serde_json::from_str::<T>(json).unwrap_err())
    }

    #[test]
    fn values_are_left_out_and_the_rest_stays() {
        assert_eq!(
            message::<u32>(r#""hun, expected ter2""#),
            "invalid type, expected u32 at line 1 column 20"
        );
        assert_eq!(message::<u8>("4711"), "invalid value, expected u8 at line 1 column 4");
        assert_eq!(message::<Colour>(r#""secret""#), "unknown variant, expected `red` at line 1 column 8");
        assert_eq!(message::<u32>("[1"), "invalid type, expected u32 at line 1 column 0");
        assert_eq!(message::<Vec<u32>>("[1"), "EOF while parsing a list at line 1 column 2");
        assert!(matches!(serde_json::from_str("\"red\""), Ok(Colour::Red)));
    }
}
