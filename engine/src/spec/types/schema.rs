//! Types as JSON Schema, for servers that hold answers to it and for the texts that show it.

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

    /// The type in the subset that servers with strict schemas take; nothing where the subset can't say it.
    pub fn strict_schema(&self) -> Option<Value> {
        strict(&self.json_schema())
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

/// The schema in the subset that servers with strict schemas take: a mapping on top, every property required, null in place
/// of absence, nothing beyond the properties, no limits. Nothing where the subset can't say it: anything goes, references,
/// combinations other than `anyOf`.
pub fn strict(schema: &Value) -> Option<Value> {
    let strict = subset(schema)?;
    if strict["type"] == "object" {
        return Some(strict);
    }
    // The reader of answers takes a mapping of one key for what it holds.
    Some(json!({
        "type": "object",
        "properties": { "answer": strict },
        "required": ["answer"],
        "additionalProperties": false,
    }))
}

fn subset(schema: &Value) -> Option<Value> {
    let keywords = schema.as_object()?;
    let mut strict = Map::new();
    for (keyword, value) in keywords {
        let kept = match keyword.as_str() {
            "type" | "enum" | "const" | "description" | "title" => value.clone(),
            "items" => subset(value)?,
            "anyOf" => Value::Array(value.as_array()?.iter().map(subset).collect::<Option<_>>()?),
            "properties" => {
                let required = |name: &String| {
                    schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name)))
                };
                let property = |(name, value): (&String, &Value)| {
                    let value = subset(value)?;
                    Some((name.clone(), if required(name) { value } else { nullable(value) }))
                };
                Value::Object(value.as_object()?.iter().map(property).collect::<Option<_>>()?)
            }
            "additionalProperties" if *value != Value::Bool(false) => return None,
            "$ref" | "$dynamicRef" | "allOf" | "oneOf" | "not" | "if" | "patternProperties" | "prefixItems" => {
                return None;
            }
            // Limits, defaults, annotations: what they say is checked when the answer is read.
            _ => continue,
        };
        strict.insert(keyword.clone(), kept);
    }
    if strict.get("type").is_some_and(|kind| kind == "object") {
        let names: Vec<Value> = strict.get("properties")?.as_object()?.keys().cloned().map(Value::from).collect();
        strict.insert("required".to_owned(), names.into());
        strict.insert("additionalProperties".to_owned(), false.into());
    }
    if strict.get("type").is_some_and(|kind| kind == "array") && !strict.contains_key("items") {
        return None;
    }
    let says_what = ["type", "enum", "const", "anyOf"].iter().any(|keyword| strict.contains_key(*keyword));
    says_what.then_some(Value::Object(strict))
}

/// The schema, or null.
fn nullable(mut schema: Value) -> Value {
    let null = json!("null");
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut)
        && !words.contains(&Value::Null)
    {
        words.push(Value::Null);
    }
    if let Some(members) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        if !members.iter().any(|m| m["type"] == null) {
            members.push(json!({ "type": "null" }));
        }
        return schema;
    }
    match schema.get_mut("type") {
        Some(Value::Array(kinds)) if !kinds.contains(&null) => kinds.push(null),
        Some(Value::String(kind)) if kind != "null" => schema["type"] = json!([kind.clone(), "null"]),
        _ => {}
    }
    schema
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
        (true, true) => nullable(one.clone()),
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

    #[test]
    fn strict_schemas_require_all_and_limit_nothing() {
        let ty = Type::of(
            "{ s: string ..9, n: integer 1..5 = 3, l: \"low | high = low\", r: \"{ k: string } | null\", xs: \"[integer] 2\" }",
        );
        let wanted = json!({
            "type": "object",
            "properties": {
                "s": { "type": "string" },
                "n": { "type": ["integer", "null"] },
                "l": { "type": ["string", "null"], "enum": ["low", "high", null] },
                "r": { "anyOf": [
                    { "type": "object", "properties": { "k": { "type": "string" } }, "required": ["k"], "additionalProperties": false },
                    { "type": "null" },
                ] },
                "xs": { "type": "array", "items": { "type": "integer" } },
            },
            "required": ["s", "n", "l", "r", "xs"],
            "additionalProperties": false,
        });
        assert_eq!(ty.strict_schema(), Some(wanted));
        let list = Type::of("[string]").strict_schema().expect("a list can be said");
        assert_eq!(list["properties"]["answer"], json!({ "type": "array", "items": { "type": "string" } }));
        for open in [
            "any",
            "{ a: any }",
            "[any]",
            "{ schema: { $ref: '#/$defs/x', $defs: { x: {} } } }",
            "{ schema: { type: object, additionalProperties: true } }",
        ] {
            assert_eq!(Type::of(open).strict_schema(), None, "{open}");
        }
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
