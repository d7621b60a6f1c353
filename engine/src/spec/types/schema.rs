//! Types as JSON Schema, for servers that hold answers to it (each adapter in its own dialect) and for the texts that
//! show it.

use super::{Field, Type};
use serde_json::{Map, Value, json};

impl Type {
    /// The type in the keywords of draft 2020-12. Lengths that are not numbers yet are left out.
    pub fn json_schema(&self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Null => json!({ "type": "null" }),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Code => json!({ "type": "string" }),
            Self::Integer(range) => {
                limited("integer", [("minimum", range.min.map(whole)), ("maximum", range.max.map(whole))])
            }
            Self::Number(range) => {
                limited("number", [("minimum", range.min.map(Value::from)), ("maximum", range.max.map(Value::from))])
            }
            Self::Text(rule) => limited(
                "string",
                [("maxLength", rule.max_chars.map(Value::from)), ("pattern", rule.pattern.clone().map(Value::from))],
            ),
            Self::Literals(words) => match kind_of(words) {
                Some(kind) => json!({ "type": kind, "enum": words }),
                None => json!({ "enum": words }),
            },
            Self::List(item, length) => {
                let ends =
                    [("minItems", length.fewest().map(Value::from)), ("maxItems", length.most().map(Value::from))];
                let mut schema = limited("array", ends);
                schema["items"] = item.json_schema();
                schema
            }
            Self::Record(fields) => {
                let properties: Map<String, Value> = fields.iter().map(|f| (f.name.clone(), f.json_schema())).collect();
                let required: Vec<&str> = fields
                    .iter()
                    .filter(|f| f.default.is_none() && !f.ty.takes_null())
                    .map(|f| f.name.as_str())
                    .collect();
                json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
            }
            Self::Union(members) => any_of(members.iter().map(Self::json_schema).collect()),
            Self::Schema(schema) => schema.as_ref().clone(),
        }
    }
}

impl Field {
    fn json_schema(&self) -> Value {
        let mut schema = self.ty.json_schema();
        if let Value::Object(keywords) = &mut schema {
            keywords.extend(self.about.clone().map(|about| ("description".to_owned(), about.into())));
            keywords.extend(self.default.clone().map(|default| ("default".to_owned(), default)));
        }
        schema
    }
}

/// One of several: `type: [T, null]` for one scalar or null, which every server takes; else `anyOf`.
fn any_of(members: Vec<Value>) -> Value {
    let null = json!({ "type": "null" });
    let [one, other] = &members[..] else { return json!({ "anyOf": members }) };
    let simple = |schema: &Value| {
        schema["type"].as_str().is_some_and(|kind| !matches!(kind, "object" | "array" | "null"))
            && schema.get("enum").is_none()
    };
    match (simple(one), *other == null) {
        (true, true) => {
            let mut schema = one.clone();
            schema["type"] = json!([one["type"], "null"]);
            schema
        }
        _ => json!({ "anyOf": members }),
    }
}

fn limited<const N: usize>(kind: &str, limits: [(&str, Option<Value>); N]) -> Value {
    let mut schema = Map::from_iter([("type".to_owned(), kind.into())]);
    schema.extend(limits.into_iter().filter_map(|(keyword, value)| Some((keyword.to_owned(), value?))));
    Value::Object(schema)
}

/// An end of a range of whole numbers, written without a point where it fits.
fn whole(end: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "compared with what it came from in the same line")]
    let whole = end as i64;
    #[expect(clippy::cast_precision_loss, reason = "the comparison is what shows that nothing was lost")]
    let same = (whole as f64 - end).abs() < f64::EPSILON;
    if same { whole.into() } else { end.into() }
}

/// The one JSON type of all words, if there is one.
fn kind_of(words: &[Value]) -> Option<&'static str> {
    if words.iter().all(Value::is_string) {
        Some("string")
    } else if words.iter().all(|w| w.is_i64() || w.is_u64()) {
        Some("integer")
    } else if words.iter().all(Value::is_number) {
        Some("number")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::types::Type;
    use serde_json::{Value, json};

    #[test]
    fn types_become_schemas() {
        let ty = Type::of(
            "{ s: 'string ..9 /a/ -- a word', n: integer 1..5 = 3, l: low | high, o: \"string | null\", xs: \"[{ k: code }] 1..2\", e: a | b | null }",
        );
        let wanted = json!({
            "type": "object",
            "properties": {
                "s": { "type": "string", "maxLength": 9, "pattern": "a", "description": "a word" },
                "n": { "type": "integer", "minimum": 1, "maximum": 5, "default": 3 },
                "l": { "type": "string", "enum": ["low", "high"] },
                "o": { "type": ["string", "null"] },
                "xs": {
                    "type": "array", "minItems": 1, "maxItems": 2,
                    "items": { "type": "object", "properties": { "k": { "type": "string" } }, "required": ["k"], "additionalProperties": false },
                },
                "e": { "anyOf": [{ "type": "string", "enum": ["a", "b"] }, { "type": "null" }] },
            },
            "required": ["s", "l", "xs"],
            "additionalProperties": false,
        });
        assert_eq!(ty.json_schema(), wanted);
    }

    /// Whatever a type takes as it stands, the schema it is shown as takes too, and the other way round.
    #[test]
    fn schemas_and_types_agree() {
        let types = [
            "{ a: integer 1..5, b: low | high, c: \"string ..3 | null\" }",
            "\"[string] 1..2\"",
            "\"integer 1..5 | null\"",
            "\"{ a: boolean } | [number]\"",
            "{ a: \"string /^x/ = x\" }",
        ];
        let values: Vec<Value> = vec![
            json!({ "a": 3, "b": "low", "c": null }),
            json!({ "a": 3, "b": "low" }),
            json!({ "a": 6, "b": "low" }),
            json!({ "a": 3, "b": "mid" }),
            json!({ "a": 3, "b": "low", "c": "toolong" }),
            json!([]),
            json!(["a"]),
            json!(["a", "b", "c"]),
            json!(1),
            json!(9),
            json!(null),
            json!({ "a": true }),
            json!([1.5, 2]),
            json!({}),
            json!({ "a": "xy" }),
            json!({ "a": "y" }),
        ];
        for text in types {
            let ty = Type::of(text);
            let validator = jsonschema::validator_for(&ty.json_schema()).expect("our schemas are schemas");
            for value in &values {
                // Types read more than schemas take (`true` as text); what counts here is what is taken as it stands.
                let taken = ty.accept(value).is_ok_and(|read| keeps(&read, value));
                assert_eq!(taken, validator.is_valid(value), "{text} of {value}");
            }
        }
    }

    /// Whether a value was taken as it stands, absent fields filled in.
    fn keeps(read: &Value, value: &Value) -> bool {
        match (read, value) {
            (Value::Object(read), Value::Object(value)) => value.iter().all(|(k, v)| read.get(k) == Some(v)),
            _ => read == value,
        }
    }
}
