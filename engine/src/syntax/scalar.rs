//! What a scalar means, and where a byte of its text stands in the file.
use super::document::Node;
use crate::diag::Span;
use serde_json::Value;
/// The value of a plain scalar by YAML 1.2's core rules.
pub fn core_value(_text: &str) -> Value {
    todo!()
}
/// The place in the file of bytes `start..end` of a scalar's text: exact in a literal block and on one line without
/// escapes, else the whole scalar.
pub fn place(_source_text: &str, _node: &Node, _start: usize, _end: usize) -> Span {
    todo!()
}
