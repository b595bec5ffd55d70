//! Writing JSON that can be read back. `serde_json` writes NaN and infinities as `null`, and nests deeper than it reads.

use std::io;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::ser::Formatter;

use super::MAX_DEPTH;
use super::unreadable::{Refused, find};

/// The value as JSON, as [`serde_json::to_vec`] writes it, or an error if it could not be read back unchanged. The error
/// names the field, not its value.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let (mut json, mut seen) = (Vec::with_capacity(128), Seen::default());
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Watch(&mut seen)));
    // only values with a `null` need the search for what it stands for
    if (seen.null || seen.too_deep)
        && let Some(refused) = find(value)
    {
        return Err(serde_json::Error::custom(refused));
    }
    if seen.too_deep {
        return Err(serde_json::Error::custom(Refused::too_deep()));
    }
    written.map(|()| json)
}

/// The same as text.
pub(crate) fn write_text<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    String::from_utf8(write(value)?).map_err(serde_json::Error::custom)
}

/// What was written that may not be readable.
#[derive(Default)]
struct Seen {
    depth: usize,
    too_deep: bool,
    null: bool,
}

impl Seen {
    fn enter(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.too_deep = true;
            // do not use up the stack for it
            return Err(io::Error::other("nested too deep"));
        }
        Ok(())
    }

    /// Writes JSON as it is.
    fn raw(&mut self, json: &str) -> io::Result<()> {
        let (mut in_text, mut escaped) = (false, false);
        for byte in json.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                b'[' | b'{' if !in_text => self.enter()?,
                b']' | b'}' if !in_text => self.leave(),
                _ => {}
            }
        }
        Ok(())
    }

    const fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// Writes compactly, as `serde_json` does by default, and watches what it writes.
struct Watch<'a>(&'a mut Seen);

impl Formatter for Watch<'_> {
    #[inline]
    fn write_null<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.null = true;
        to.write_all(b"null")
    }

    #[inline]
    fn begin_array<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.enter()?;
        to.write_all(b"[")
    }

    #[inline]
    fn end_array<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.leave();
        to.write_all(b"]")
    }

    #[inline]
    fn begin_object<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.enter()?;
        to.write_all(b"{")
    }

    #[inline]
    fn end_object<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.leave();
        to.write_all(b"}")
    }

    fn write_raw_fragment<W: io::Write + ?Sized>(&mut self, to: &mut W, json: &str) -> io::Result<()> {
        self.0.raw(json)?;
        to.write_all(json.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Serialize)]
    struct Reading {
        name: &'static str,
        value: f64,
        before: Option<f32>,
        series: Vec<Point>,
        by_place: BTreeMap<String, f64>,
        kind: Kind,
    }

    #[derive(Serialize)]
    struct Point(f64, f64);

    #[derive(Serialize)]
    enum Kind {
        Plain,
        One(f64),
        Pair(u8, f64),
        Named { low: f64 },
    }

    fn reading() -> Reading {
        Reading {
            name: "secret",
            value: 1.5,
            before: None,
            series: vec![Point(0.0, 1.0), Point(-1e300, f64::MIN_POSITIVE)],
            by_place: [("secret".to_owned(), 2.0)].into(),
            kind: Kind::Plain,
        }
    }

    fn message<T: Serialize>(value: &T) -> String {
        write(value).expect_err("it cannot be read again").to_string()
    }

    /// Lists within lists.
    fn nested(depth: usize) -> String {
        ["[".repeat(depth), "]".repeat(depth)].concat()
    }

    #[test]
    fn what_can_be_read_is_written_as_serde_json_does() {
        let texts = json!({ "a": [1, null, "[[[{{{\"", {}], "b": { "c": [] }, "d": null, "e": 1.0e10 });
        assert_eq!(write(&texts).unwrap(), serde_json::to_vec(&texts).unwrap());
        assert_eq!(write(&reading()).unwrap(), serde_json::to_vec(&reading()).unwrap());
        assert_eq!(write(&()).unwrap(), b"null");
        assert_eq!(write("text").unwrap(), b"\"text\"");
        let raw = RawValue::from_string(r#"{"a":["]]]]\"[[[[{",{}]}"#.to_owned()).unwrap();
        assert_eq!(write(&vec![&raw; 200]).unwrap(), serde_json::to_vec(&vec![&raw; 200]).unwrap());
    }

    #[test]
    fn numbers_that_json_does_not_have_are_refused_by_the_name_of_their_field() {
        let rest =
            "is a number that JSON does not have (NaN or infinite); use an `Option`, or check it before";
        assert_eq!(message(&f32::NAN), format!("the value {rest}"));
        assert_eq!(message(&Reading { value: f64::INFINITY, ..reading() }), format!("`value` {rest}"));
        assert_eq!(message(&Reading { before: Some(f32::NAN), ..reading() }), format!("`before` {rest}"));
        let series = vec![Point(0.0, 0.0), Point(0.0, f64::NEG_INFINITY)];
        assert_eq!(message(&Reading { series, ..reading() }), format!("`series[1][1]` {rest}"));
        let by_place = [("secret".to_owned(), f64::NAN)].into();
        assert_eq!(message(&Reading { by_place, ..reading() }), format!("`by_place[..]` {rest}"));
        for (kind, path) in [
            (Kind::One(f64::NAN), "kind.One"),
            (Kind::Pair(1, f64::NAN), "kind[1]"),
            (Kind::Named { low: f64::NAN }, "kind.low"),
        ] {
            assert_eq!(message(&Reading { kind, ..reading() }), format!("`{path}` {rest}"));
        }
    }

    #[test]
    fn what_is_nested_deeper_than_it_can_be_read_is_refused() {
        let value = |depth| {
            let mut value = json!(1);
            for _ in 0..depth {
                value = json!({ "a": value });
            }
            value
        };
        let deepest = write(&value(MAX_DEPTH)).unwrap();
        assert!(serde_json::from_slice::<Value>(&deepest).is_ok(), "it can be read");
        let more = serde_json::to_vec(&value(MAX_DEPTH + 1)).unwrap();
        assert!(serde_json::from_slice::<Value>(&more).is_err(), "and not one level more");
        let text = message(&value(MAX_DEPTH + 1));
        assert!(text.starts_with("`[..][..][..][..][..]..[..]` is nested deeper than 127 levels"), "{text}");

        let raw = |depth| RawValue::from_string(nested(depth)).unwrap();
        assert_eq!(write(&[raw(MAX_DEPTH - 1)]).unwrap(), nested(MAX_DEPTH).into_bytes());
        assert!(message(&[raw(MAX_DEPTH)]).starts_with("the value is nested deeper"));
    }

    #[test]
    fn the_values_own_error_stays() {
        struct Unwritable;

        impl Serialize for Unwritable {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("ink is out"))
            }
        }

        assert_eq!(message(&(None::<u8>, Unwritable)), "ink is out");
    }
}
