//! Values as text: what `{{ }}` prints, JSON and YAML for prompts, and the one canonical form that hashes are made of.

use crate::value::Value;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// The value as `{{ }}` prints it: null is nothing, text is itself, lists and records are JSON.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write_text(&mut out, value);
    out
}

/// Appends the value as `{{ }}` prints it.
pub(super) fn write_text(out: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => out.push_str(text),
        Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::Array(_) | Value::Object(_) => out.push_str(&json(value)),
    }
}

/// JSON on one line, with a space after commas and colons.
pub(super) fn json(value: &Value) -> String {
    serialize(value, Spaced)
}

/// JSON over many lines.
pub(super) fn json_indented(value: &Value, indent: usize) -> String {
    serialize(value, PrettyFormatter::with_indent(" ".repeat(indent).as_bytes()))
}

/// YAML, with block scalars for text of several lines, and without the last newline.
pub(super) fn yaml(value: &Value) -> String {
    let mut text = serde_yaml::to_string(value).expect("internal error: a JSON value is no YAML");
    text.truncate(text.trim_end_matches('\n').len());
    text
}

/// One text for equal values: keys sorted, whole numbers without a fraction.
pub(super) fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(&mut out, value);
    out
}

fn write_canonical(out: &mut String, value: &Value) {
    match value {
        Value::Number(n) => match n.as_f64() {
            // Below 2^53 a float and its integer are the same number; above, every float prints as itself.
            Some(f) if n.is_f64() && f.fract() == 0.0 && f.abs() < 9_007_199_254_740_992.0 => {
                #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
                out.push_str(&(f as i64).to_string());
            }
            _ => out.push_str(&n.to_string()),
        },
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(out, item);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, item) in sorted {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(out, item);
                out.push(',');
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

fn serialize(value: &Value, formatter: impl Formatter) -> String {
    let mut out = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut out, formatter))
        .expect("internal error: a JSON value is no JSON");
    String::from_utf8(out).expect("internal error: JSON is no UTF-8")
}

/// `[1, {"a": 2}]`
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
