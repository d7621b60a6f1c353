//! How the outputs of a program are compared: what `compare` of an `execute` may be, as a value. Written in the flow, or
//! handed in with a problem that knows how its answers are to be judged.

use super::{Condition, LANGUAGES, MapOrExpression, Quantity, Texts};
use crate::value::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Programs that compare, by the path that stands in the flow.
pub type Modules = BTreeMap<String, Arc<Vec<u8>>>;

/// What `compare` may be, for messages.
pub const FORMS: &str = "`tokens`, `exact`, `lines`, `unordered`, `{ float: 1e-6 }`, `{ tokens: { … } }`, `{ validator: { … } }` or \
     `{ wasm: ./checker.wasm }`";

/// How outputs are compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Whitespace apart.
    Tokens(Tokens),
    /// Bytes.
    Exact,
    /// Lines, but for trailing space.
    Lines,
    /// A multiset of lines.
    Unordered,
    /// A program that gets `{input, expected, actual}`.
    Wasm(Arc<Vec<u8>>),
    /// An output validator of a problem package.
    Validator(Validator),
}

/// What else passes for the same word; by default nothing does. As the flags of the problem package format's default
/// output validator (<https://www.kattis.com/problem-package-format/>), but that case counts unless it is said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// Letters match in either case. Example: `ignore_case: true`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Condition")]
    pub ignore_case: bool,
    /// Whitespace must be the same too. Example: `same_space: true`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Condition")]
    pub same_space: bool,
    /// Numbers match that differ by no more. Of the two tolerances one suffices. Example: `absolute: 1e-6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Quantity")]
    pub absolute: Option<f64>,
    /// Numbers match that differ by no more for each 1 of the expected one. Example: `relative: 1e-6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Quantity")]
    pub relative: Option<f64>,
}

/// A program that judges an output by the contract of the problem package format: it gets the arguments `input answer
/// feedback/` and `args`, reads the output, and ends with 42 (right) or 43 (wrong).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// What it is written in, as `language` of `execute`. Example: `language: python`.
    pub language: String,
    /// The program. Example: `code: $inputs.validator`.
    pub code: String,
    /// Files beside it, by name. Example: `files: { limits.py: $inputs.limits }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "MapOrExpression")]
    pub files: BTreeMap<String, String>,
    /// Arguments after the three that are always there. Example: `args: [max, "100"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Texts")]
    pub args: Vec<String>,
}

/// How it may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison;

impl JsonSchema for Comparison {
    fn schema_name() -> Cow<'static, str> {
        "Comparison".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "object"],
            "pattern": r"^(exact|lines|tokens|unordered)$|^\$|\{\{",
            "patternErrorMessage": "Write tokens, exact, lines, unordered, a mapping, or an expression.",
            "properties": {
                "float": generator.subschema_for::<Quantity>(),
                "tokens": generator.subschema_for::<Tokens>(),
                "validator": generator.subschema_for::<Validator>(),
                "wasm": { "type": "string" }
            },
            "additionalProperties": false,
            "maxProperties": 1,
            "defaultSnippets": [
                { "body": "tokens" }, { "body": "lines" }, { "body": "exact" }, { "body": "unordered" },
                { "body": { "float": "${1:1e-6}" } }, { "body": { "tokens": { "ignore_case": true } } },
                { "body": { "wasm": "${1:./checker.wasm}" } }
            ]
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Tokens(Tokens),
    Float(f64),
    Wasm(String),
    Validator(Validator),
}

impl Compare {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(value: &Value, modules: &Modules) -> Result<Self, String> {
        if let Value::String(word) = value {
            return match word.as_str() {
                "tokens" => Ok(Self::Tokens(Tokens::default())),
                "exact" => Ok(Self::Exact),
                "lines" => Ok(Self::Lines),
                "unordered" => Ok(Self::Unordered),
                _ => Err(format!("`{word}` is no way to compare outputs")),
            };
        }
        match Written::deserialize(value).map_err(|why| why.to_string())? {
            Written::Tokens(tokens) => {
                let negative = [tokens.absolute, tokens.relative].into_iter().flatten().find(|within| *within < 0.0);
                negative
                    .map_or(Ok(Self::Tokens(tokens)), |within| Err(format!("a tolerance of {within} is below zero")))
            }
            Written::Float(within) if within < 0.0 => Err(format!("a tolerance of {within} is below zero")),
            Written::Float(within) => {
                Ok(Self::Tokens(Tokens { absolute: Some(within), relative: Some(within), ..Tokens::default() }))
            }
            Written::Wasm(path) => match modules.get(&path) {
                Some(module) => Ok(Self::Wasm(Arc::clone(module))),
                None => Err(format!("`{path}` does not stand in the flow as a file")),
            },
            Written::Validator(validator) if !LANGUAGES.contains(&validator.language.as_str()) => {
                Err(format!("`{}` is no language of a program", validator.language))
            }
            Written::Validator(validator) => Ok(Self::Validator(validator)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Compare, String> {
        Compare::read(&value, &Modules::from([("c.wasm".to_owned(), Arc::new(vec![0]))]))
    }

    #[test]
    fn a_float_is_a_tolerance_of_either_kind() {
        let both = json!({ "tokens": { "absolute": 0.5, "relative": 0.5 } });
        assert_eq!(read(json!({ "float": 0.5 })), read(both));
        assert_eq!(read(json!("tokens")), read(json!({ "tokens": {} })));
    }

    #[test]
    fn a_program_is_told_by_its_path_or_its_text() {
        assert_eq!(read(json!({ "wasm": "c.wasm" })), Ok(Compare::Wasm(Arc::new(vec![0]))));
        let validator = json!({ "validator": { "language": "python", "code": "exit(42)" } });
        let Ok(Compare::Validator(read)) = read(validator.clone()) else { panic!("it is a validator") };
        assert_eq!(json!({ "validator": read }), validator);
    }

    #[test]
    fn what_is_none_is_told_with_the_reason() {
        for (value, why) in [
            (json!("token"), "`token` is no way to compare"),
            (json!({ "flaot": 1 }), "unknown variant `flaot`, expected one of `tokens`"),
            (json!({ "tokens": { "case": true } }), "unknown field `case`, expected one of `ignore_case`"),
            (json!({ "tokens": { "relative": -1 } }), "a tolerance of -1 is below zero"),
            (json!({ "float": -0.5 }), "a tolerance of -0.5 is below zero"),
            (json!({ "validator": { "language": "c" } }), "missing field `code`"),
            (json!({ "validator": { "language": "perl", "code": "" } }), "`perl` is no language"),
            (json!({ "wasm": "other.wasm" }), "`other.wasm` does not stand in the flow"),
            (json!(null), "invalid type: null"),
        ] {
            let found = read(value).expect_err(why);
            assert!(found.contains(why), "{found}");
        }
    }
}
