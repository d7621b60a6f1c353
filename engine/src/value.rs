//! Values that flow along edges: JSON-shaped data, object keys in order.

use serde::Serialize;
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

/// The first place where two values differ, and what stands there in each; nothing where one has no such place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The place, as an expression would name it: `goals[2].name`; empty for the values as a whole.
    pub at: String,
    /// In the first.
    pub a: Option<Value>,
    /// In the second.
    pub b: Option<Value>,
}

/// Where two values first differ.
pub fn difference(a: &Value, b: &Value) -> Option<Difference> {
    let mut at = String::new();
    let (a, b) = first_unequal(Some(a), Some(b), &mut at)?;
    let at = at.strip_prefix('.').unwrap_or(&at).to_owned();
    Some(Difference { at, a: a.cloned(), b: b.cloned() })
}

/// Appends a key to a place, as an expression would write it.
pub fn push_key(at: &mut String, key: &str) {
    let mut letters = key.chars();
    let name = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if name {
        at.push('.');
        at.push_str(key);
    } else {
        at.push_str(&format!("[{}]", Value::from(key)));
    }
}

type Unequal<'v> = (Option<&'v Value>, Option<&'v Value>);

fn first_unequal<'v>(a: Option<&'v Value>, b: Option<&'v Value>, at: &mut String) -> Option<Unequal<'v>> {
    let before = at.len();
    match (a, b) {
        (Some(Value::Object(x)), Some(Value::Object(y))) => {
            for key in x.keys().chain(y.keys().filter(|key| !x.contains_key(*key))) {
                push_key(at, key);
                if let Some(found) = first_unequal(x.get(key), y.get(key), at) {
                    return Some(found);
                }
                at.truncate(before);
            }
            None
        }
        (Some(Value::Array(x)), Some(Value::Array(y))) => {
            for index in 0..x.len().max(y.len()) {
                at.push_str(&format!("[{index}]"));
                if let Some(found) = first_unequal(x.get(index), y.get(index), at) {
                    return Some(found);
                }
                at.truncate(before);
            }
            None
        }
        _ => (a != b).then_some((a, b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_place_that_differs_is_named_as_an_expression_would() {
        let of = |a: Value, b: Value| difference(&a, &b).map(|found| (found.at, found.a, found.b));
        assert_eq!(of(json!({ "a": [1, { "b": 2 }] }), json!({ "a": [1, { "b": 2 }] })), None);
        let (old, new) = (json!({ "goals": ["x", "y"] }), json!({ "goals": ["x", "z"] }));
        assert_eq!(of(old, new), Some(("goals[1]".into(), Some(json!("y")), Some(json!("z")))));
        assert_eq!(of(json!([1]), json!([1, 2])), Some(("[1]".into(), None, Some(json!(2)))));
        assert_eq!(of(json!({ "a b": 1 }), json!({})), Some(("[\"a b\"]".into(), Some(json!(1)), None)));
        assert_eq!(of(json!(1), json!("1")), Some((String::new(), Some(json!(1)), Some(json!("1")))));
        // Null is a value; what is not there is none.
        assert_eq!(of(json!({ "a": null }), json!({})), Some(("a".into(), Some(Value::Null), None)));
    }
}
