//! The part of JSON Schema that hosted providers enforce, and the way there and back.
//!
//! They want a record at the top, every field required, no other fields, and know few limits. [`lower`] says a schema in
//! that part; [`Lowered::raise`] turns an answer to it into an answer to the schema that was asked for.

use serde_json::{Map, Value, json};

/// Keywords that every provider with a strict part knows. Those that need rewriting stand in [`object`] and [`schema`].
const KNOWN: [&str; 4] = ["type", "description", "enum", "$ref"];

/// Limits that OpenAI enforces as well and others refuse.
const LIMITS: [&str; 9] = [
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "pattern",
    "format",
];

/// Keywords without which an answer would have another form: a schema that uses them can't be said.
const BEYOND: [&str; 10] = [
    "allOf",
    "not",
    "if",
    "patternProperties",
    "prefixItems",
    "contains",
    "unevaluatedProperties",
    "dependentSchemas",
    "dependentRequired",
    "$dynamicRef",
];

/// The field of the record around an answer that is none.
const WRAPPED: &str = "answer";

/// A schema in the strict part.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lowered {
    /// What is sent.
    pub(super) schema: Value,
    /// The schema that was asked for.
    asked: Value,
    wrapped: bool,
}

/// Says a schema in the strict part; none where that part has no word for it. What the provider does not enforce is said
/// in the description, so that the model still reads it.
pub(super) fn lower(asked: &Value, limits: bool) -> Option<Lowered> {
    let mut schema = schema(asked, limits)?;
    let wrapped = asked.get("type").and_then(Value::as_str) != Some("object");
    if wrapped {
        let definitions = schema.as_object_mut().and_then(|fields| fields.shift_remove("$defs"));
        schema = json!({
            "type": "object",
            "properties": { WRAPPED: schema },
            "required": [WRAPPED],
            "additionalProperties": false,
        });
        if let Some(definitions) = definitions {
            schema["$defs"] = definitions;
        }
    }
    Some(Lowered { schema, asked: asked.clone(), wrapped })
}

fn schema(asked: &Value, limits: bool) -> Option<Value> {
    // A schema that allows anything (`true`, `{}`) has no type to enforce.
    let asked = asked.as_object()?;
    if asked.keys().any(|key| BEYOND.contains(&key.as_str())) {
        return None;
    }
    let (mut lowered, mut dropped) = (Map::new(), Map::new());
    for (key, value) in asked {
        match key.as_str() {
            "properties" | "required" | "additionalProperties" => {}
            "items" => _ = lowered.insert("items".into(), schema(value, limits)?),
            "anyOf" | "oneOf" => _ = lowered.insert("anyOf".into(), each(value.as_array()?, limits)?),
            "const" => _ = lowered.insert("enum".into(), json!([value])),
            "$defs" | "definitions" => {
                let definitions = value.as_object()?.iter().map(|(k, v)| Some((k.clone(), schema(v, limits)?)));
                lowered.insert("$defs".into(), Value::Object(definitions.collect::<Option<_>>()?));
            }
            known if KNOWN.contains(&known) || limits && LIMITS.contains(&known) => {
                lowered.insert(key.clone(), value.clone());
            }
            // For editors and tools, nothing to tell a model.
            "$schema" | "$id" | "$comment" | "title" | "examples" => {}
            _ => _ = dropped.insert(key.clone(), value.clone()),
        }
    }
    if let Some(Value::String(at)) = lowered.get_mut("$ref") {
        *at = at.replacen("#/definitions/", "#/$defs/", 1);
    }
    if asked.contains_key("properties") || asked.get("type").and_then(Value::as_str) == Some("object") {
        object(asked, &mut lowered, limits)?;
    }
    if let (None, Some(Value::Array(values))) = (lowered.get("type"), lowered.get("enum")) {
        let ty = type_of(values);
        lowered.insert("type".into(), ty);
    }
    if !["type", "anyOf", "$ref"].iter().any(|key| lowered.contains_key(*key)) {
        return None;
    }
    if lowered.get("type").and_then(Value::as_str) == Some("array") && !lowered.contains_key("items") {
        return None;
    }
    if !dropped.is_empty() {
        let rest = Value::Object(dropped);
        let said = lowered.get("description").and_then(Value::as_str).map(|d| format!("{d} "));
        lowered.insert("description".into(), format!("{}({rest})", said.unwrap_or_default()).into());
    }
    Some(Value::Object(lowered))
}

fn each(schemas: &[Value], limits: bool) -> Option<Value> {
    schemas.iter().map(|s| schema(s, limits)).collect::<Option<Vec<_>>>().map(Value::Array)
}

/// A record: all its fields required, those that were not may be null.
fn object(asked: &Map<String, Value>, lowered: &mut Map<String, Value>, limits: bool) -> Option<()> {
    // A record of any keys can't be said.
    let fields = asked.get("properties").and_then(Value::as_object)?;
    if asked.get("additionalProperties").is_some_and(|more| more.is_object() || *more == Value::Bool(true)) {
        return None;
    }
    let mut properties = Map::new();
    for (name, field) in fields {
        let field = schema(field, limits)?;
        let field = if required(asked, name) { field } else { json!({ "anyOf": [field, { "type": "null" }] }) };
        properties.insert(name.clone(), field);
    }
    lowered.insert("type".into(), "object".into());
    lowered.insert("required".into(), properties.keys().cloned().collect());
    lowered.insert("properties".into(), Value::Object(properties));
    lowered.insert("additionalProperties".into(), false.into());
    Some(())
}

fn required(object: &Map<String, Value>, name: &str) -> bool {
    object.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|n| n == name))
}

fn type_of(values: &[Value]) -> Value {
    let mut types: Vec<&str> = Vec::new();
    for value in values {
        let ty = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(n) if n.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !types.contains(&ty) {
            types.push(ty);
        }
    }
    match types.as_slice() {
        [one] => json!(one),
        several => json!(several),
    }
}

impl Lowered {
    /// The answer to the schema that was asked for. A text that is no such answer (cut off, say) stays as it is.
    pub(super) fn raise(&self, text: String) -> String {
        let Ok(mut answer) = serde_json::from_str::<Value>(&text) else {
            return text;
        };
        let was = answer.clone();
        if self.wrapped {
            match answer.get_mut(WRAPPED) {
                Some(inner) => answer = inner.take(),
                None => return text,
            }
        }
        self.drop_nulls(&self.asked, &mut answer);
        // Untouched answers keep the provider's own text, byte for byte.
        if answer == was { text } else { answer.to_string() }
    }

    /// Null stands for an absent field where the schema that was asked for has no null.
    fn drop_nulls(&self, schema: &Value, value: &mut Value) {
        let schema = self.resolve(schema);
        for option in ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(*key)?.as_array()).flatten() {
            if self.has_form(option, value) {
                return self.drop_nulls(option, value);
            }
        }
        match value {
            Value::Array(items) => {
                if let Some(of) = schema.get("items") {
                    items.iter_mut().for_each(|item| self.drop_nulls(of, item));
                }
            }
            Value::Object(fields) => {
                let Some(schema) = schema.as_object() else { return };
                let Some(Value::Object(properties)) = schema.get("properties") else { return };
                fields.retain(|name, field| {
                    !field.is_null()
                        || required(schema, name)
                        || properties.get(name).is_some_and(|p| self.has_form(p, &Value::Null))
                });
                for (name, field) in fields {
                    if let Some(of) = properties.get(name) {
                        self.drop_nulls(of, field);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Whether a value has the outer form of a schema: its type, and for a record the names of its fields.
    fn has_form(&self, schema: &Value, value: &Value) -> bool {
        let schema = self.resolve(schema);
        if let Some(options) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array) {
            return options.iter().any(|option| self.has_form(option, value));
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.contains(value);
        }
        if let Some(constant) = schema.get("const") {
            return constant == value;
        }
        let is = |ty: &str| match ty {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" | "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.as_object().is_some_and(|fields| {
                let properties = schema.get("properties").and_then(Value::as_object);
                properties.is_none_or(|properties| fields.keys().all(|name| properties.contains_key(name)))
            }),
            _ => false,
        };
        match schema.get("type") {
            Some(Value::String(ty)) => is(ty),
            Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).any(is),
            _ => true,
        }
    }

    /// Follows references to the definition. A circle of references alone ends at the bound.
    fn resolve<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..16 {
            let Some(at) = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix('#')) else {
                break;
            };
            let Some(found) = self.asked.pointer(at) else { break };
            schema = found;
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(asked: &Value) -> Lowered {
        lower(asked, false).expect("can be said")
    }

    fn raised(asked: &Value, answer: &str) -> String {
        lowered(asked).raise(answer.into())
    }

    #[test]
    fn fields_are_required_or_null_and_no_others_allowed() {
        let asked = json!({
            "type": "object", "title": "T",
            "properties": { "a": { "type": "string" }, "b": { "type": "integer", "default": 3 } },
            "required": ["a"],
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "a": { "type": "string" },
                "b": { "anyOf": [{ "type": "integer", "description": "({\"default\":3})" }, { "type": "null" }] },
            },
            "required": ["a", "b"],
            "additionalProperties": false,
        });
        assert_eq!(lowered(&asked).schema, expected);
        assert_eq!(raised(&asked, r#"{"a": "x", "b": null}"#), r#"{"a":"x"}"#);
        assert_eq!(raised(&asked, r#"{"a": "x", "b": 2}"#), r#"{"a": "x", "b": 2}"#);
    }

    #[test]
    fn limits_go_where_they_are_enforced_and_else_into_the_description() {
        let asked = json!({
            "type": "array", "items": { "type": "string", "maxLength": 9, "description": "a word" },
            "minItems": 2, "maxItems": 2,
        });
        let inner = |lowered: Lowered| lowered.schema["properties"]["answer"].clone();
        assert_eq!(
            inner(lower(&asked, true).unwrap()),
            json!({
                "type": "array", "items": { "type": "string", "description": "a word ({\"maxLength\":9})" },
                "minItems": 2, "maxItems": 2,
            })
        );
        assert_eq!(inner(lower(&asked, false).unwrap())["description"], json!("({\"minItems\":2,\"maxItems\":2})"));
    }

    #[test]
    fn an_answer_that_is_no_record_is_wrapped_and_unwrapped() {
        let asked = json!({ "type": "array", "items": { "$ref": "#/definitions/T" }, "definitions": { "T": { "enum": ["a", 1] } } });
        let sent = lowered(&asked).schema;
        assert_eq!(sent["required"], json!(["answer"]));
        assert_eq!(sent["$defs"]["T"], json!({ "enum": ["a", 1], "type": ["string", "integer"] }));
        assert_eq!(sent["properties"]["answer"]["items"], json!({ "$ref": "#/$defs/T" }));
        assert_eq!(raised(&asked, r#"{"answer": ["a", 1]}"#), r#"["a",1]"#);
        assert_eq!(raised(&asked, r#"{"answer": ["a""#), r#"{"answer": ["a""#);
    }

    #[test]
    fn null_stays_where_it_was_asked_for() {
        let asked = json!({
            "type": "object",
            "properties": {
                "list": { "type": "array", "items": { "anyOf": [
                    { "type": "object", "properties": { "x": { "type": "integer" }, "y": { "type": ["integer", "null"] } } },
                    { "type": "null" },
                ] } },
                "why": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
            },
            "required": ["list"],
        });
        let answer = r#"{"list":[{"x":null,"y":null},null],"why":null}"#;
        assert_eq!(raised(&asked, answer), r#"{"list":[{"y":null},null],"why":null}"#);
    }

    #[test]
    fn what_has_no_type_can_not_be_said() {
        for asked in [
            json!({}),
            json!(true),
            json!({ "type": "object", "properties": { "x": {} } }),
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            json!({ "type": "object", "properties": {}, "additionalProperties": true }),
            json!({ "type": "array" }),
            json!({ "type": "string", "not": { "const": "x" } }),
        ] {
            assert_eq!(lower(&asked, true), None, "{asked}");
        }
    }

    #[test]
    fn a_circle_of_references_ends() {
        let asked = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } });
        assert_eq!(raised(&asked, r#"{"answer": {"x": null}}"#), r#"{"x":null}"#);
    }
}
