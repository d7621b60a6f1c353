//! What commas inside `{ }` and `[ ]` cut in two without YAML minding: `{ n: $( max(a, b) ) }` is a value `$( max(a`
//! and a key `b) )` to it, `{ else: Once, please }` a key `please` without a value.

use super::document::{Document, Entry, Node, NodeKind, ScalarStyle};
use super::route::Route;
use crate::diag::{Diagnostic, Diagnostics, Span};

/// Reports each cut value once; from then on the tree holds what was meant.
pub(super) fn check(text: &str, document: &mut Document, found: &mut Diagnostics) {
    Check { text, found }.walk(&mut document.root, &Route::default());
}

struct Check<'a> {
    text: &'a str,
    found: &'a mut Diagnostics,
}

impl Check<'_> {
    fn walk(&mut self, node: &mut Node, route: &Route) {
        match &mut node.kind {
            NodeKind::Scalar(..) => {}
            NodeKind::List(items) => self.list(items, route),
            NodeKind::Map(entries) => self.map(entries, route),
        }
    }

    fn list(&mut self, items: &mut Vec<Node>, route: &Route) {
        let mut i = 0;
        while i < items.len() {
            let here = route.index(i);
            match self.cut_expression(&items[i], items[i + 1..].iter().map(|item| item.span)) {
                Some((pieces, end)) => {
                    items[i] = self.report_cut(items[i].span, end, &here);
                    items.drain(i + 1..=i + pieces);
                }
                None => self.walk(&mut items[i], &here),
            }
            i += 1;
        }
    }

    fn map(&mut self, entries: &mut Vec<Entry>, route: &Route) {
        let mut i = 0;
        while i < entries.len() {
            let here = route.key(&entries[i].key);
            if is_alone(&entries[i]) {
                let Entry { key, key_span, .. } = entries.remove(i);
                self.found.push(
                    Diagnostic::error(
                        "bad-value",
                        here.to_string(),
                        key_span,
                        format!("`{key}` is a key without a value"),
                    )
                    .help(
                        "a comma ends a plain text inside `{ }`: if it belongs to the text before it, quote that text",
                    ),
                );
                continue;
            }
            let rest = entries[i + 1..].iter().take_while(|e| is_alone(e)).map(|e| e.key_span);
            match self.cut_expression(&entries[i].value, rest) {
                Some((pieces, end)) => {
                    entries[i].value = self.report_cut(entries[i].value.span, end, &here);
                    entries.drain(i + 1..=i + pieces);
                }
                None => self.walk(&mut entries[i].value, &here),
            }
            i += 1;
        }
    }

    /// How many of the values after an expression that is not closed it takes to close it, and where the last ends;
    /// none when commas did not cut it, or it is closed nowhere.
    fn cut_expression(&self, node: &Node, rest: impl Iterator<Item = Span>) -> Option<(usize, usize)> {
        let NodeKind::Scalar(text, ScalarStyle::Plain) = &node.kind else { return None };
        if !text.starts_with("$(") || closes(text) {
            return None;
        }
        let mut end = node.span.end;
        for (i, piece) in rest.enumerate() {
            if !self.text.get(end..piece.start)?.trim_start().starts_with(',') {
                return None;
            }
            end = piece.end;
            if closes(self.text.get(node.span.start..end)?) {
                return Some((i + 1, end));
            }
        }
        None
    }

    fn report_cut(&mut self, value: Span, end: usize, at: &Route) -> Node {
        let whole = Span::new(value.source, value.start, end);
        let written = &self.text[value.start..end];
        let quoted = if written.contains(['"', '\\']) {
            format!("'{}'", written.replace('\'', "''"))
        } else {
            format!("\"{written}\"")
        };
        self.found.push(
            Diagnostic::error("unbalanced-dollar", at.to_string(), whole, "a comma cuts this expression in two")
                .help("inside `{ }` and `[ ]` a comma ends a plain value: quote the expression")
                .fix(whole, quoted),
        );
        Node { span: whole, kind: NodeKind::Scalar(written.to_owned(), ScalarStyle::Plain) }
    }
}

/// A key that stands without colon and value, as only a comma makes one.
fn is_alone(entry: &Entry) -> bool {
    entry.value.span.start == entry.key_span.end && entry.value.span.end == entry.key_span.end
}

/// Whether every `(` of an expression has its `)`, those in its texts aside.
fn closes(expression: &str) -> bool {
    let mut depth = 0_i64;
    let mut quote = None;
    for c in expression.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
    }
    depth <= 0 && quote.is_none()
}
