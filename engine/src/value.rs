//! Values that flow along edges: JSON-shaped data, object keys in order.

pub use serde_json::Value;

/// Truth as the language sees it: null, false, 0, empty text, lists and records are false.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}
