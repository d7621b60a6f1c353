//! What a scalar means, and where a byte of its text stands in the file.

use super::document::{Node, NodeKind, ScalarStyle};
use crate::diag::Span;
use serde_json::{Number, Value};

/// The value of a plain scalar by YAML 1.2's core rules.
pub fn core_value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// A number as the core schema writes it. What no JSON number can hold (`.inf`, `.nan`) is text.
fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, part) = match mantissa.split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (mantissa, None),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|e| {
        let digits = e.strip_prefix(['-', '+']).unwrap_or(e);
        !digits.is_empty() && all_digits(digits)
    });
    let some_digit = !whole.is_empty() || part.is_some_and(|p| !p.is_empty());
    if !some_digit || !all_digits(whole) || !part.is_none_or(all_digits) || !exponent_fits {
        return None;
    }
    if part.is_none() && exponent.is_none() {
        let signed = text.strip_prefix('+').unwrap_or(text);
        if let Ok(n) = signed.parse::<i64>() {
            return Some(n.into());
        }
        if let Ok(n) = signed.parse::<u64>() {
            return Some(n.into());
        }
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

fn radix(digits: &str, radix: u32) -> Option<Number> {
    // `from_str_radix` takes a sign; the core schema has none here.
    if digits.starts_with(['-', '+']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().map(Number::from)
}

/// The place in the file of bytes `start..end` of a scalar's text: exact in a literal block and on one line without
/// escapes, else the whole scalar.
pub fn place(source_text: &str, node: &Node, start: usize, end: usize) -> Span {
    let NodeKind::Scalar(text, style) = &node.kind else { return node.span };
    let whole = node.span;
    let (start, end) = (start.min(text.len()), end.min(text.len()));
    let written = source_text.get(whole.start..whole.end).unwrap_or_default();
    let first = match style {
        ScalarStyle::Plain if written == text => whole.start,
        ScalarStyle::Quoted if written.get(1..written.len().saturating_sub(1)) == Some(text) => whole.start + 1,
        ScalarStyle::Literal => {
            let Some(from) = literal_offset(written, text, start) else { return whole };
            // The end is found from its last byte, so that it stays on that byte's line.
            let last = literal_offset(written, text, end.saturating_sub(1).max(start));
            let to = last.map_or(from, |last| if end > start { last + 1 } else { last });
            return boundaries(source_text, Span::new(whole.source, whole.start + from, whole.start + to));
        }
        ScalarStyle::Plain | ScalarStyle::Quoted | ScalarStyle::Folded => return whole,
    };
    boundaries(source_text, Span::new(whole.source, first + start, first + end))
}

/// Where byte `offset` of a literal block's text stands in the block as written. The block begins at its first
/// character; each later line has the block's indentation before its text.
fn literal_offset(written: &str, text: &str, offset: usize) -> Option<usize> {
    let body = text.trim_start_matches('\n');
    let Some(mut left) = offset.checked_sub(text.len() - body.len()) else { return Some(0) };
    let mut at = 0;
    let mut lines = body.split('\n');
    for raw in written.split_inclusive('\n') {
        let line = lines.next()?;
        let content = raw.trim_end_matches(['\n', '\r']);
        // A blank line may be written shorter than the indentation.
        let indent = content.len().saturating_sub(line.len());
        if left <= line.len() {
            return Some(at + indent + left);
        }
        left -= line.len() + 1;
        at += raw.len();
    }
    Some(written.len())
}

/// Widens a span to whole characters.
fn boundaries(text: &str, span: Span) -> Span {
    let down = |at: usize| (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let up = |at: usize| (at..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
    Span::new(span.source, down(span.start), up(span.end))
}

#[cfg(test)]
mod tests {
    use super::{core_value, place};
    use crate::source::SourceId;
    use crate::syntax::parse;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_are_read_by_the_core_schema() {
        // YAML 1.2.2, 10.3.2, and the values that the language page names.
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("NULL", json!(null)),
            ("nULL", json!("nULL")),
            ("true", json!(true)),
            ("False", json!(false)),
            ("yes", json!("yes")),
            ("no", json!("no")),
            ("on", json!("on")),
            ("off", json!("off")),
            ("010", json!(10)),
            ("0o10", json!(8)),
            ("0x1F", json!(31)),
            ("0b11", json!("0b11")),
            ("-19", json!(-19)),
            ("+12", json!(12)),
            ("1.10", json!(1.1)),
            ("-.5", json!(-0.5)),
            ("1.", json!(1.0)),
            ("12e03", json!(12000.0)),
            ("-2E+05", json!(-200_000.0)),
            (".", json!(".")),
            ("-", json!("-")),
            ("e3", json!("e3")),
            ("1e", json!("1e")),
            ("1_000", json!("1_000")),
            ("1:30", json!("1:30")),
            (".inf", json!(".inf")),
            ("0o-7", json!("0o-7")),
            ("3k", json!("3k")),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
        ] {
            assert_eq!(core_value(text), value, "{text}");
        }
    }

    /// The text at the place of `needle` in the scalar `a` of a document.
    fn found_at<'t>(source: &'t str, needle: &str) -> &'t str {
        let (document, _) = parse(SourceId(0), source);
        let node = document.root.get("a").expect("a is there");
        let start = node.text().and_then(|t| t.find(needle)).expect("the needle is in the text");
        let span = place(source, node, start, start + needle.len());
        &source[span.start..span.end]
    }

    #[test]
    fn a_place_in_a_literal_block_is_exact() {
        let source = "x: 1\na: |\n\n    first\n      é {{ inner }}\n   \n\n    {{ last }}\nb: 1\n";
        for needle in ["first", "{{ inner }}", "inner", "é", "{{ last }}", "last"] {
            assert_eq!(found_at(source, needle), needle);
        }
        assert_eq!(found_at("a: |-\r\n  one\r\n  two {{ x }}\r\n", "x"), "x");
        assert_eq!(found_at("a: |2\n   one\n  two\n", " one"), " one");
        assert_eq!(found_at("a: |\n  one\n  two {{\n   x }} y\n", "{{\n x }}"), "{{\n   x }}");
    }

    #[test]
    fn a_place_on_one_line_is_exact_and_elsewhere_the_whole_scalar() {
        assert_eq!(found_at("a: $( x.y )\n", "x.y"), "x.y");
        assert_eq!(found_at("a: \"{{ é.x }}\"\n", "é.x"), "é.x");
        assert_eq!(found_at("a: 'it is {{ x }}'\n", "x"), "x");
        assert_eq!(found_at("a: 'it''s {{ x }}'\n", "x"), "'it''s {{ x }}'");
        assert_eq!(found_at("a: one\n  two\n", "two"), "one\n  two");
        assert_eq!(found_at("a: >-\n  one\n  two\n", "two"), "one\n  two\n");
    }

    proptest! {
        #[test]
        fn every_byte_of_a_literal_block_is_found_where_it_was_written(
            lines in proptest::collection::vec("( {0,3}[a-zé]{1,5}( [a-z]{1,3})?)?", 1..8),
        ) {
            let source: String = std::iter::once("a: |2\n".to_owned())
                .chain(lines.iter().map(|l| format!("  {l}\n")))
                .collect();
            let (document, found) = parse(SourceId(0), &source);
            prop_assert!(found.is_empty());
            let node = document.root.get("a").expect("a is there");
            let text = node.text().expect("it is text");
            for (i, c) in text.char_indices().filter(|(_, c)| *c != '\n') {
                let span = place(&source, node, i, i + c.len_utf8());
                let here = &source[span.start..span.end];
                // Blank lines at the start stand before the block's first character.
                prop_assert!(here.starts_with(c) || text[..i].trim().is_empty(), "{c:?} at {i}: {here:?}");
            }
        }
    }
}
