//! The recipe of a composed payload.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::shape::{self, ENVELOPE, RecipeError, Shape};
use crate::contract::Task;
use crate::json::{self, Unreadable};

/// The placeholder in a template for a composed value.
const HOLE: &str = "null";

/// The recipe of a composed payload: JSON with holes, and what fills them.
///
/// It is stored as JSON itself, and the results are copied only once, into the payload:
/// `{"form":"arguments","template":[null,800],"holes":[[1,3]]}` is a contract whose first argument is the result of
/// node 3 and whose second one is 800.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    form: Form,
    template: Box<RawValue>,
    /// The positions of the holes, in bytes, and what fills them.
    holes: Vec<(usize, Shape)>,
}

/// An argument in a recipe.
#[derive(Clone)]
pub(super) enum Part {
    /// A known value, as JSON.
    Json(String),
    /// Assembled from results.
    Value(Shape),
}

/// The form of a composed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The payload: the contract, in the format of a dispatch.
    Payload,
    /// The contract's arguments, as a list in the order of their declaration.
    Arguments,
}

impl Input {
    /// The value is the payload.
    pub(crate) fn whole(value: Shape) -> Result<Self, serde_json::Error> {
        Self::new(Form::Payload, HOLE.to_owned(), vec![(0, value)])
    }

    /// The list of a contract's arguments.
    pub(super) fn arguments(arguments: Vec<Part>) -> Result<Self, serde_json::Error> {
        let mut template = String::from("[");
        let mut holes = Vec::new();
        for (at, argument) in arguments.into_iter().enumerate() {
            if at > 0 {
                template.push(',');
            }
            match argument {
                Part::Json(json) => template.push_str(&json),
                Part::Value(value) => {
                    holes.push((template.len(), value));
                    template.push_str(HOLE);
                }
            }
        }
        template.push(']');
        Self::new(Form::Arguments, template, holes)
    }

    /// A payload with values in it.
    pub(crate) fn template(template: String, holes: Vec<(usize, Shape)>) -> Result<Self, serde_json::Error> {
        Self::new(Form::Payload, template, holes)
    }

    fn new(form: Form, template: String, holes: Vec<(usize, Shape)>) -> Result<Self, serde_json::Error> {
        Ok(Self { form, template: RawValue::from_string(template)?, holes })
    }

    /// Shifts the number of every node.
    pub(crate) fn shift(&mut self, by: u32) {
        self.holes.iter_mut().for_each(|(_, value)| value.shift(by));
    }

    /// Whether all of its values can be assembled.
    pub(super) fn check(&self) -> Result<(), RecipeError> {
        self.holes.iter().try_for_each(|(_, value)| value.check())
    }

    /// How many bytes of its JSON say where its values come from.
    pub(super) fn references(&self, json: &[u8]) -> usize {
        json.len().saturating_sub(self.template.get().len())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`RecipeError::Invalid`].
    pub fn parse(json: &[u8]) -> Result<Self, RecipeError> {
        let invalid = |message: &str| RecipeError::Invalid(message.to_owned());
        let input: Self = json::read(json).map_err(|error| {
            if is_newer(json) { RecipeError::Newer(error.to_string()) } else { invalid(&error.to_string()) }
        })?;
        let mut free = 0;
        for (at, value) in &input.holes {
            value.check()?;
            let is_hole =
                at.checked_add(HOLE.len()).and_then(|end| input.template.get().get(*at..end)) == Some(HOLE);
            if *at < free || !is_hole {
                return Err(invalid("it has no hole where one should be"));
            }
            free = at.saturating_add(HOLE.len());
        }
        Ok(input)
    }

    /// The stored form.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // text, numbers and JSON cannot fail to serialize
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The numbers of the nodes whose results it needs; a node that it needs twice is listed twice.
    #[must_use]
    pub fn nodes(&self) -> Vec<u32> {
        self.holes.iter().flat_map(|(_, value)| value.nodes()).collect()
    }

    /// Assembles the value.
    ///
    /// # Errors
    /// [`RecipeError::Missing`] for a node without a result.
    pub fn compose<'r>(
        &self,
        mut result: impl FnMut(u32) -> Option<&'r [u8]>,
    ) -> Result<Composed, RecipeError> {
        let template = self.template.get().as_bytes();
        let mut json = Vec::with_capacity(template.len());
        let mut from = 0;
        for (at, value) in &self.holes {
            json.extend_from_slice(template.get(from..*at).unwrap_or_default());
            value.compose_into(&mut json, &mut result)?;
            from = at.saturating_add(HOLE.len());
        }
        json.extend_from_slice(template.get(from..).unwrap_or_default());
        Ok(Composed { form: self.form, json })
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the template holds arguments
        f.debug_struct("Input").field("form", &self.form).field("holes", &self.holes).finish_non_exhaustive()
    }
}

/// Whether this is a recipe with a form or a field of a later version, which this version does not understand.
fn is_newer(json: &[u8]) -> bool {
    if json.first() == Some(&ENVELOPE) {
        return true;
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(json) else { return false };
    let is_unknown = |name: &String| !["form", "template", "holes"].contains(&name.as_str());
    let is_form = |form: &Value| form.as_str().is_some_and(|form| !["payload", "arguments"].contains(&form));
    let mut shapes = fields.get("holes").and_then(Value::as_array).into_iter().flatten();
    fields.keys().any(is_unknown)
        || fields.get("form").is_some_and(is_form)
        || shapes.any(|hole| hole.get(1).is_some_and(shape::is_newer))
}

/// An assembled value.
#[derive(Clone, PartialEq, Eq)]
pub struct Composed {
    /// Its form.
    pub form: Form,
    /// The value.
    pub json: Vec<u8>,
}

impl Composed {
    /// Decodes the contract from its payload or its arguments.
    ///
    /// # Errors
    /// If the value is not a `T`.
    pub fn decode<T: Task>(&self) -> Result<T, Unreadable> {
        match self.form {
            Form::Payload => json::read(&self.json),
            Form::Arguments => json::arguments(&self.json),
        }
    }
}

impl std::fmt::Debug for Composed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Composed({:?}, {} bytes)", self.form, self.json.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(input: &Input) -> String {
        String::from_utf8(input.to_json()).unwrap()
    }

    fn text(json: &str) -> Part {
        Part::Json(json.to_owned())
    }

    fn composed(input: &Input) -> (Form, String) {
        let results: [&[u8]; 4] = [b"0", b"[1]", br#"{"two":2}"#, b"null"];
        let Composed { form, json } = input.compose(|node| results.get(node as usize).copied()).unwrap();
        (form, String::from_utf8(json).unwrap())
    }

    #[test]
    fn the_whole_payload_can_be_a_value() {
        let input = Input::whole(Shape::Node(2)).unwrap();
        assert_eq!(json(&input), r#"{"form":"payload","template":null,"holes":[[0,2]]}"#);
        assert_eq!(composed(&input), (Form::Payload, r#"{"two":2}"#.to_owned()));
    }

    #[test]
    fn an_argument_can_be_a_value() {
        let value = Shape::List(vec![Shape::Node(1), Shape::Node(3)]);
        let arguments = vec![text(r#""a \"b\"""#), Part::Value(value), text("null")];
        let input = Input::arguments(arguments).unwrap();
        assert_eq!(
            json(&input),
            r#"{"form":"arguments","template":["a \"b\"",null,null],"holes":[[11,[1,3]]]}"#
        );
        assert_eq!(composed(&input), (Form::Arguments, r#"["a \"b\"",[[1],null],null]"#.to_owned()));
        let again = Input::parse(&input.to_json()).unwrap();
        assert_eq!((json(&again), again.nodes()), (json(&input), vec![1, 3]));
    }

    #[test]
    fn values_can_stand_anywhere_in_a_payload() {
        let template = r#"{"a":null,"b":[null],"c":null}"#.to_owned();
        let holes = vec![(5, Shape::Node(0)), (15, Shape::Node(2))];
        let mut input = Input::template(template, holes).unwrap();
        assert_eq!(composed(&input).1, r#"{"a":0,"b":[{"two":2}],"c":null}"#);
        input.shift(1);
        assert_eq!(input.nodes(), [1, 3]);
    }

    #[test]
    fn a_recipe_that_cannot_be_followed_is_refused() {
        for json in [
            "null",
            "{}",
            r#"{"form":"payload","template":null}"#,
            r#"{"form":"payload","template":null,"holes":[[1,0]]}"#,
            r#"{"form":"payload","template":null,"holes":[[0,0],[0,1]]}"#,
            r#"{"form":"payload","template":null,"holes":[[18446744073709551615,0]]}"#,
            r#"{"form":"payload","template":"ünull","holes":[[2,0]]}"#,
            r#"{"form":"payload","template":null,"holes":[[0,{"of":0,"len":4294967295,"step":1}]]}"#,
        ] {
            assert!(matches!(Input::parse(json.as_bytes()), Err(RecipeError::Invalid(_))), "{json}");
        }
        let input = Input::whole(Shape::Node(9)).unwrap();
        assert_eq!(input.compose(|_| None).unwrap_err(), RecipeError::Missing(9));
    }

    #[test]
    fn a_recipe_of_a_later_version_is_told_from_a_damaged_one() {
        for json in [
            r#"{"form":"x","template":null,"holes":[]}"#,
            r#"{"form":"payload","template":null,"holes":[],"more":1}"#,
            r#"{"form":"payload","template":null,"holes":[[0,{"of":0,"len":5,"step":1,"by":2}]]}"#,
            r#"{"form":"payload","template":null,"holes":[[0,[1,{"field":"a"}]]]}"#,
        ] {
            assert!(matches!(Input::parse(json.as_bytes()), Err(RecipeError::Newer(_))), "{json}");
        }
        assert!(matches!(Input::parse(b"\xC1\x01"), Err(RecipeError::Newer(_))));
        for json in [r#"{"of":0,"len":5,"step":1,"by":2}"#, r#"[1,{"if":0}]"#] {
            assert!(matches!(Shape::parse(json.as_bytes()), Err(RecipeError::Newer(_))), "{json}");
        }
        assert!(matches!(Shape::parse(br#"{"of":0,"len":5}"#), Err(RecipeError::Invalid(_))));
    }

    #[test]
    fn nothing_of_a_payload_is_shown() {
        let input = Input::arguments(vec![text("\"secret\""), Part::Value(Shape::Node(0))]).unwrap();
        assert!(!format!("{input:?} {:?}", input.compose(|_| Some(b"\"secret\""))).contains("secret"));
    }
}
