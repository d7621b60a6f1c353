//! How single values may be written: what the schema says of a scalar. What stands inside one (an expression, a unit, a
//! type) is read by the checker; the patterns here are for the editor.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! written {
    ($($(#[$doc:meta])* $name:ident: $schema:tt)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

written! {
    /// A value of the flow: `$path`, `$( expression )`, text with `{{ holes }}`, or a literal; lists and mappings of them.
    Value: {}

    /// A bare expression that is true or false.
    Condition: { "type": ["string", "boolean"] }

    /// The name of a type in the shorthand, a mapping of fields, a list of one type, or `schema: {…}`.
    TypeText: {
        "type": ["string", "object", "array"],
        "markdownDescription": "`string` `integer` `number` `boolean` `any` `code`, `a | b`, `T | null`, `[T]`, `{ k: T }`, a named type; \
            `integer 1..5`, `\"[Test] 6..8\"`, `string ..200`, `string /re/`; `= default`, `-- description`"
    }

    /// A whole number, or an expression of one.
    Amount: {
        "type": ["integer", "string"],
        "pattern": r"^\$|^[0-9.]+k$",
        "patternErrorMessage": "Write a whole number, or an expression of one: $params.n or $( params.n + 1 )."
    }

    /// A whole number above zero.
    Count: {
        "type": ["integer", "string"],
        "minimum": 1,
        "pattern": r"^[0-9.]+k$",
        "patternErrorMessage": "Write a whole number above zero: 500, 30k."
    }

    /// A number, or an expression of one.
    Quantity: {
        "type": ["number", "string"],
        "pattern": r"^\$",
        "patternErrorMessage": "Write a number, or an expression of one: $params.n or $( params.n / 2 )."
    }

    /// How many items may fail: a number, a share of the list, or an expression.
    Share: {
        "type": ["integer", "string"],
        "pattern": r"^\$|^[0-9.]+ *%$",
        "patternErrorMessage": "Write a number, a share such as 5%, or an expression."
    }

    /// A time with its unit.
    Time: {
        "type": "string",
        "pattern": "^[0-9.]+ *(ms|s|m|h|d)$",
        "patternErrorMessage": "Write a number and a unit: 500ms, 90s, 10m, 2h, 3d."
    }

    /// The shortest and the longest wait.
    TimeRange: {
        "type": "string",
        "pattern": r"^[0-9.]+ *(ms|s|m|h|d) *\.\. *[0-9.]+ *(ms|s|m|h|d)$",
        "patternErrorMessage": "Write two times: 2s..60s."
    }

    /// Bytes, with a unit.
    Bytes: {
        "type": ["integer", "string"],
        "pattern": "^[0-9.]+ *([KMG]i?B|B)?$",
        "patternErrorMessage": "Write a number and a unit: 16MiB, 1GiB."
    }

    /// Units of fuel.
    Fuel: {
        "type": ["integer", "string"],
        "pattern": "^[0-9.]+ *[kMG]?$",
        "patternErrorMessage": "Write a number and a unit: 40G."
    }

    /// A list, or an expression of one.
    ListOrExpression: {
        "type": ["array", "string"],
        "pattern": r"^\$",
        "patternErrorMessage": "Write a list, or an expression of one: $inputs.items."
    }

    /// A mapping, or an expression of a record.
    MapOrExpression: {
        "type": ["object", "string"],
        "pattern": r"^\$",
        "patternErrorMessage": "Write a mapping of names to values, or an expression of a record: $node."
    }

    /// One text or a list of texts.
    Texts: { "type": ["array", "string"], "items": { "type": "string" } }

    /// Which pass of a loop is its result.
    TakeText: {
        "type": "string",
        "pattern": r"^(last|all|(min|max) *\(.*\))$",
        "patternErrorMessage": "Write last, all, min(expression) or max(expression).",
        "defaultSnippets": [{ "body": "last" }, { "body": "all" }, { "body": "max(${1:trial.score})" }, { "body": "min(${1:expression})" }]
    }

    /// `provider/model`.
    ModelName: {
        "type": "string",
        "pattern": "^[^/ ]+/.+$",
        "patternErrorMessage": "Write provider/model, as in openai/gpt-4o."
    }
}

/// What becomes of an error: `fail`, `skip` or `{ else: value }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnError;

impl JsonSchema for OnError {
    fn schema_name() -> Cow<'static, str> {
        "OnError".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What becomes of an error of this node: `fail`, `skip` or `{ else: value }`.",
            "if": { "type": "string" },
            "then": { "type": "string", "enum": ["fail", "skip"], "errorMessage": "write `fail`, `skip` or `{ else: value }`" },
            "else": {
                "type": "object",
                "properties": { "else": { "description": "The value after a failure; may read `error.name`, `error.message` and `error.at`." } },
                "required": ["else"],
                "additionalProperties": false
            },
            "defaultSnippets": [{ "body": "skip" }, { "body": { "else": "$1" } }]
        })
    }
}
