//! The only file that knows the YAML event parser: events become a tree, and what the language leaves out of YAML
//! (anchors, tags, merge keys, keys that are not text, several documents) becomes findings.

use super::document::{Document, Entry, Node, NodeKind, ScalarStyle};
use super::route::{Route, Step};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::source::SourceId;
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle as EventStyle, ScanError, StructureStyle};

/// Flows are hundreds of lines; what is larger is a mistake or an attack.
const MOST_BYTES: usize = 4 << 20;
/// A value costs about 100 bytes of memory, so a document stays under 10 MiB.
const MOST_NODES: usize = 100_000;
/// Deeper than any block of a real flow, and shallow enough for every walk of the tree to recurse.
const MOST_DEPTH: usize = 64;

pub(super) fn read(source: SourceId, text: &str) -> (Document, Diagnostics) {
    let mut builder = Builder::new(source, text);
    if text.len() > MOST_BYTES {
        builder.too_large(0, format!("the file has {} bytes; at most {MOST_BYTES} are read", text.len()));
        return builder.finish();
    }
    let options = granit_parser::options! { emit_comments: false, emit_unresolved_aliases: true };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => builder.syntax_error(&error),
        };
        if step.is_break() {
            break;
        }
    }
    builder.finish()
}

/// Whether reading goes on.
type Flow = std::ops::ControlFlow<()>;
const ON: Flow = Flow::Continue(());
const STOP: Flow = Flow::Break(());

struct Builder<'t> {
    source: SourceId,
    text: &'t str,
    open: Vec<Frame>,
    root: Option<Node>,
    unread: Vec<Span>,
    whole: bool,
    nodes: usize,
    documents: usize,
    found: Diagnostics,
}

/// A list or mapping whose end has not come yet.
struct Frame {
    start: usize,
    in_braces: bool,
    /// Holds a key that is no text, which was reported.
    unread: bool,
    kind: FrameKind,
}

enum FrameKind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Key> },
}

/// A key whose value has not come yet.
struct Key {
    text: String,
    span: Span,
    /// Reported already: its value is read for its own findings, then dropped.
    dropped: bool,
}

impl<'t> Builder<'t> {
    fn new(source: SourceId, text: &'t str) -> Self {
        Self {
            source,
            text,
            open: Vec::new(),
            root: None,
            unread: Vec::new(),
            whole: true,
            nodes: 0,
            documents: 0,
            found: Diagnostics::default(),
        }
    }

    fn event(&mut self, event: Event<'_>, span: granit_parser::Span) -> Flow {
        let place = self.place(span);
        if let Some(tag) = span.tag_span() {
            self.tag(self.place(tag));
        }
        if let Event::Scalar(_, _, 1.., _) | Event::SequenceStart(_, 1.., _) | Event::MappingStart(_, 1.., _) = event {
            self.anchor(place.start);
        }
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Comment(..) => ON,
            Event::DocumentStart(..) => self.document(place),
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.alias(place),
            Event::Scalar(text, style, ..) => {
                // An absent value comes as `~` of no length.
                let absent = style == EventStyle::Plain && place.start == place.end;
                let (span, text) =
                    if absent { (self.absent(place), String::new()) } else { (place, text.into_owned()) };
                self.value(Node { span, kind: NodeKind::Scalar(text, style_of(style)) })
            }
            Event::SequenceStart(style, ..) => self.start(place, style, FrameKind::List(Vec::new())),
            Event::MappingStart(style, ..) => {
                self.start(place, style, FrameKind::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(frame) => {
                    let node = self.close(frame, Some(place.end));
                    self.value(node)
                }
                None => ON,
            },
            // Granit may add events; what is no value changes no tree.
            _ => ON,
        }
    }

    /// Where a value would stand that is absent: behind the colon of its key, or right behind a key without one.
    fn absent(&self, place: Span) -> Span {
        let Some(Frame { kind: FrameKind::Map { key: Some(key), .. }, .. }) = self.open.last() else { return place };
        let colon = self.text[key.span.end..].find(|c: char| c != ' ').map(|blanks| key.span.end + blanks);
        let at = colon.filter(|at| self.text[*at..].starts_with(':')).map_or(key.span.end, |at| at + 1);
        Span::new(self.source, at, at)
    }

    fn document(&mut self, place: Span) -> Flow {
        self.documents += 1;
        if self.documents == 1 {
            return ON;
        }
        let found = Diagnostic::error("yaml", "", place, "a second document begins here; a file holds one");
        self.found.push(found.help("remove the line `---`, or move what follows it into a file of its own"));
        STOP
    }

    fn start(&mut self, place: Span, style: StructureStyle, kind: FrameKind) -> Flow {
        self.open.push(Frame { start: place.start, in_braces: style == StructureStyle::Flow, unread: false, kind });
        if self.open.len() > MOST_DEPTH {
            self.too_large(place.start, format!("values are nested more than {MOST_DEPTH} deep"));
            return STOP;
        }
        ON
    }

    fn close(&mut self, frame: Frame, end: Option<usize>) -> Node {
        // A block ends where its last value ends: its own event comes after all comments and blank lines.
        let last = match &frame.kind {
            FrameKind::List(items) => items.last().map(|n| n.span.end),
            FrameKind::Map { entries, .. } => entries.last().map(|e| e.value.span.end),
        };
        let end = if frame.in_braces { end.or(last) } else { last };
        let span = Span::new(self.source, frame.start, end.unwrap_or(frame.start));
        if frame.unread {
            self.unread.push(span);
            // What is meant is a text with a hole; it is checked as one.
            if let Some(meant) = self.text.get(span.start..span.end).filter(|text| text.starts_with("{{")) {
                return Node { span, kind: NodeKind::Scalar(meant.to_owned(), ScalarStyle::Quoted) };
            }
        }
        let kind = match frame.kind {
            FrameKind::List(items) => NodeKind::List(items),
            FrameKind::Map { entries, .. } => NodeKind::Map(entries),
        };
        Node { span, kind }
    }

    /// Puts a finished value where it belongs: it is a key, the value of a key, an item or the whole document.
    fn value(&mut self, node: Node) -> Flow {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            self.too_large(node.span.start, format!("the file holds more than {MOST_NODES} values"));
            return STOP;
        }
        match self.open.last_mut().map(|f| &mut f.kind) {
            None => self.root = Some(node),
            Some(FrameKind::List(items)) => items.push(node),
            Some(FrameKind::Map { entries, key }) => match key.take() {
                None => self.key(node),
                Some(Key { dropped: true, .. }) => {}
                Some(Key { text, span, .. }) => entries.push(Entry { key: text, key_span: span, value: node }),
            },
        }
        ON
    }

    fn key(&mut self, node: Node) {
        let Node { span, kind } = node;
        let NodeKind::Scalar(text, style) = kind else {
            self.set_key(String::new(), span, true);
            self.key_that_is_no_text(span);
            return;
        };
        let twin = match self.open.last().map(|f| &f.kind) {
            Some(FrameKind::Map { entries, .. }) => entries.iter().find(|e| e.key == text).map(|e| e.key_span),
            Some(FrameKind::List(_)) | None => None,
        };
        let merge = text == "<<" && style == ScalarStyle::Plain;
        self.set_key(text.clone(), span, merge || twin.is_some());
        if merge {
            let found = self.error("merge-key", span, "the merge key `<<` is not part of the language");
            self.found.push(found.help(INSTEAD_OF_ANCHORS));
        } else if let Some(twin) = twin {
            let line = self.text[..twin.start].matches('\n').count() + 1;
            let found = self.error("duplicate-key", span, format!("the key `{text}` stands twice in one mapping"));
            self.found.push(found.help(format!("the first stands in line {line}; rename or remove one of them")));
        }
    }

    fn set_key(&mut self, text: String, span: Span, dropped: bool) {
        if let Some(Frame { kind: FrameKind::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(Key { text, span, dropped });
        }
    }

    /// A mapping or list as a key: nearly always a text that begins with `{{` and has no quotes.
    fn key_that_is_no_text(&mut self, key: Span) {
        let Some(frame) = self.open.last() else { return };
        let at = self.route_of_open();
        let found = if self.text[frame.start..].starts_with("{{") {
            let end = key.end + usize::from(self.text[key.end..].starts_with('}'));
            let hole = Span::new(self.source, frame.start, end);
            Diagnostic::error("bad-value", at, hole, "`{{` at the start of a plain value opens a mapping in YAML")
                .help("put the whole text in quotes: \"{{ … }}\"")
        } else {
            Diagnostic::error("bad-value", at, key, "a list or mapping stands where a key should; keys are text")
                .help("a plain text that begins with `{` or `[` wants quotes")
        };
        self.found.push(found);
        if let Some(frame) = self.open.last_mut() {
            frame.unread = true;
        }
    }

    /// An anchor stands before the value that begins at `value`.
    fn anchor(&mut self, value: usize) {
        let start = self.text[..value].rfind('&').unwrap_or(value);
        let end = self.text[start..].find(char::is_whitespace).map_or(value, |length| start + length);
        let place = Span::new(self.source, start, end);
        let found =
            self.error("anchor", place, format!("the anchor `{}` is not part of the language", &self.text[start..end]));
        self.found.push(found.help(INSTEAD_OF_ANCHORS));
    }

    fn alias(&mut self, place: Span) -> Flow {
        let name = self.text.get(place.start..place.end).unwrap_or_default().to_owned();
        let merged = matches!(
            self.open.last().map(|f| &f.kind),
            Some(FrameKind::Map { key: Some(Key { text, .. }), .. }) if text == "<<"
        );
        // `<<: *base` is one mistake, told at its key.
        if !merged {
            let found = self.error("anchor", place, format!("the alias `{name}` is not part of the language"));
            self.found.push(found.help(INSTEAD_OF_ANCHORS));
        }
        if matches!(self.open.last().map(|f| &f.kind), Some(FrameKind::Map { key: None, .. })) {
            self.set_key(name, place, true);
            return ON;
        }
        self.unread.push(place);
        self.value(Node { span: place, kind: NodeKind::Scalar(name, ScalarStyle::Plain) })
    }

    fn tag(&mut self, place: Span) {
        let tag = self.text.get(place.start..place.end).unwrap_or_default();
        self.found.push(
            Diagnostic::error("tag", "", place, format!("the tag `{tag}` is not part of the language"))
                .help("remove it: a scalar is read by the type that is asked for, and quotes make it text"),
        );
    }

    fn too_large(&mut self, at: usize, message: String) {
        self.whole = false;
        self.found.push(Diagnostic::error("too-large", "", Span::new(self.source, at, at), message));
    }

    fn syntax_error(&mut self, error: &ScanError) -> Flow {
        let at = error.marker().byte_offset().unwrap_or(self.text.len()).min(self.text.len());
        let at = (0..=at).rev().find(|i| self.text.is_char_boundary(*i)).unwrap_or(0);
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            self.too_large(at, format!("values are nested more than {MOST_DEPTH} deep"));
            return STOP;
        }
        self.whole = false;
        let width = self.text[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        let line_start = self.text[..at].rfind('\n').map_or(0, |i| i + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let found = Diagnostic::error("yaml", "", Span::new(self.source, at, at + width), syntax_message(error))
            .help_if(syntax_help(error.kind(), line));
        self.found.push(found);
        STOP
    }

    fn error(&self, rule: &'static str, place: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(rule, self.route().to_string(), place, message)
    }

    /// The route of the value that comes next, or of the key that was just read.
    fn route(&self) -> Route {
        Route(
            self.open
                .iter()
                .filter_map(|frame| match &frame.kind {
                    FrameKind::List(items) => Some(Step::Index(items.len())),
                    FrameKind::Map { key, .. } => key.as_ref().map(|k| Step::Key(k.text.clone())),
                })
                .collect(),
        )
    }

    /// The route of the innermost list or mapping that is open.
    fn route_of_open(&self) -> String {
        let mut route = self.route();
        route.0.truncate(self.open.len().saturating_sub(1));
        route.to_string()
    }

    fn place(&self, span: granit_parser::Span) -> Span {
        let start = span.start.byte_offset().unwrap_or(0).min(self.text.len());
        let end = span.end.byte_offset().unwrap_or(start).min(self.text.len());
        Span::new(self.source, start, end)
    }

    fn finish(mut self) -> (Document, Diagnostics) {
        // What was open when the reading stopped keeps what it had.
        while let Some(frame) = self.open.pop() {
            let node = self.close(frame, None);
            self.nodes = 0;
            let _ = self.value(node);
        }
        let nothing = Node { span: Span::new(self.source, 0, 0), kind: NodeKind::Map(Vec::new()) };
        let root = self.root.unwrap_or(nothing);
        (Document { root, unread: self.unread, whole: self.whole }, self.found)
    }
}

const INSTEAD_OF_ANCHORS: &str = "what several nodes share stands in `defaults`, `types` or `flows`";

fn style_of(style: EventStyle) -> ScalarStyle {
    match style {
        EventStyle::Plain => ScalarStyle::Plain,
        EventStyle::SingleQuoted | EventStyle::DoubleQuoted => ScalarStyle::Quoted,
        EventStyle::Literal => ScalarStyle::Literal,
        EventStyle::Folded => ScalarStyle::Folded,
    }
}

/// The parser's words where they are plain, ours where they are YAML's own jargon.
fn syntax_message(error: &ScanError) -> String {
    match error.kind() {
        ErrorKind::ExpectedFlowMappingSeparator => "expected `,` or `}` here".to_owned(),
        ErrorKind::ExpectedFlowSequenceSeparator => "expected `,` or `]` here".to_owned(),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            "`:` makes a key of what stands before it, and no key is possible here".to_owned()
        }
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            "a tab indents this line; YAML indents with spaces".to_owned()
        }
        ErrorKind::UnexpectedCharacter { character } => format!("a plain value can't begin with `{character}`"),
        ErrorKind::InvalidIndentation | ErrorKind::ExpectedBlockMappingKey => {
            "this line begins in no column that a line above begins in".to_owned()
        }
        ErrorKind::UnclosedFlowCollection { open } => format!("`{open}` is never closed"),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            "a quoted text that began above is not closed".to_owned()
        }
        _ => error.info(),
    }
}

fn syntax_help(kind: &ErrorKind, line: &str) -> Option<String> {
    if line.contains("$(") {
        return Some(
            "quote the expression, or write it on a line of its own: a plain value ends at `: ` and ` #`, \
             and inside `{ }` and `[ ]` also at `,` `[` `]` `{` `}`"
                .to_owned(),
        );
    }
    if line.contains(": {{") {
        return Some("a text that begins with `{{` wants quotes around all of it".to_owned());
    }
    match kind {
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::UnexpectedCharacter { .. } => {
            Some("a text that holds `: `, or one of `, [ ] { }` inside braces, wants quotes".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::source::SourceId;
    use crate::syntax::{Document, Node, NodeKind, parse};
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> (Document, Vec<(String, String)>) {
        let (document, found) = parse(SourceId(0), text);
        (document, found.iter().map(|d| (d.rule.to_owned(), d.at.clone())).collect())
    }

    fn findings(text: &str) -> Vec<(String, String)> {
        read(text).1
    }

    fn one(rule: &str, at: &str) -> Vec<(String, String)> {
        vec![(rule.to_owned(), at.to_owned())]
    }

    fn slice<'t>(text: &'t str, document: &Document, keys: &[&str]) -> &'t str {
        let node = keys.iter().fold(&document.root, |node, key| node.get(key).expect("key is there"));
        &text[node.span.start..node.span.end]
    }

    #[test]
    fn places_are_bytes_of_what_is_written() {
        let text = "é: {ü: 'it''s', x: [1, ö]} # c\nb:\n  - c: d e\n\n# end\nlast: |\n  é\n  x\n";
        let (document, found) = read(text);
        assert_eq!(found, []);
        assert_eq!(slice(text, &document, &["é"]), "{ü: 'it''s', x: [1, ö]}");
        assert_eq!(slice(text, &document, &["é", "ü"]), "'it''s'");
        assert_eq!(slice(text, &document, &["é", "x"]), "[1, ö]");
        assert_eq!(slice(text, &document, &["b"]), "- c: d e");
        assert_eq!(slice(text, &document, &["last"]), "é\n  x\n");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_key() {
        let (document, found) = read("\u{feff}flow: t\n");
        assert_eq!(found, []);
        assert_eq!(document.root.to_json(), json!({ "flow": "t" }));
        assert_eq!(document.root.entries()[0].key_span.start, 3);
    }

    #[test]
    fn a_json_text_is_a_document() {
        let value = json!({ "a": [1, -2.5, true, null, "x\n\"y\" / \u{1F600}"], "b": { "c": "1", "d": {}, "e": [] } });
        for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("it is JSON")] {
            let (document, found) = read(&text);
            assert_eq!(found, []);
            assert_eq!(document.root.to_json(), value);
        }
        assert_eq!(Node::from_json(&value).to_json(), value);
    }

    #[test]
    fn the_first_of_two_keys_is_kept_and_the_second_reported() {
        let (document, found) = read("nodes:\n  a: { let: 1 }\n  a: { let: 2 }\n");
        assert_eq!(found, one("duplicate-key", "nodes.a"));
        assert_eq!(document.root.to_json(), json!({ "nodes": { "a": { "let": 1 } } }));
    }

    #[test]
    fn anchors_tags_and_merge_keys_are_told_once_each() {
        assert_eq!(findings("a: &x 1\nb: 2"), one("anchor", "a"));
        assert_eq!(findings("a: [1, *x]"), one("anchor", "a[1]"));
        assert_eq!(findings("a: { let: !!str 1 }"), one("tag", ""));
        assert_eq!(findings("a: { let: { <<: { x: 1 } } }"), one("merge-key", "a.let.<<"));
        assert_eq!(findings("a: { <<: *b, c: 1 }"), one("merge-key", "a.<<"));
        assert_eq!(findings("a: { '<<': 1 }"), []);
    }

    #[test]
    fn an_alias_bomb_expands_nothing() {
        let mut text = "a0: &a0 [x, x]\n".to_owned();
        for i in 1..30 {
            text += &format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1);
        }
        let (document, found) = read(&text);
        assert_eq!(found.len(), 30 + 2 * 29);
        assert!(document.root.get("a29").expect("it is there").items().iter().all(|n| document.is_unread(n)));
    }

    #[test]
    fn a_hole_without_quotes_is_told_as_what_it_is() {
        let (document, found) = read("a: { let: {{ x }} }\nb: 1\n");
        assert_eq!(found, one("bad-value", "a.let"));
        assert!(document.is_unread(document.root.get("a").and_then(|a| a.get("let")).expect("it is there")));
        assert_eq!(findings("a: {\n  ? [x]\n  : 1 }"), one("bad-value", "a"));
    }

    #[test]
    fn a_syntax_error_keeps_what_was_read() {
        let (document, found) = parse(SourceId(0), "a: { let: 1 }\nb:\n  let: $( x if y == 'a: b' )\n  c: 1\n");
        let error = found.iter().next().expect("there is one");
        assert_eq!((error.rule, error.at.as_str()), ("yaml", ""));
        assert!(error.help.as_ref().is_some_and(|h| h.contains("quote the expression")));
        assert!(!document.whole);
        assert_eq!(document.root.get("a").map(Node::to_json), Some(json!({ "let": 1 })));
        for text in
            ["a: [1, 2\n", "a: 'x\nb: 3\n", "a:\n  b: 1\n c: 2\n", "a: @x\n", "a: 1\n---\nb: 2\n", "a:\n\t- 1\n"]
        {
            assert_eq!(findings(text), one("yaml", ""), "{text}");
        }
    }

    #[test]
    fn brackets_in_braces_are_an_error_that_asks_for_quotes() {
        let (_, found) = parse(SourceId(0), "a: { tests: $( given + [test] ) }\n");
        let error = found.iter().next().expect("there is one");
        assert_eq!(error.rule, "yaml");
        assert!(error.help.as_ref().is_some_and(|h| h.contains("quote the expression")));
    }

    #[test]
    fn commas_that_cut_a_value_are_told_once() {
        assert_eq!(findings("a: { n: $( max(a, b, c) ), m: 1 }"), one("unbalanced-dollar", "a.n"));
        assert_eq!(findings("a: [1, $( f(a, b) ), 2]"), one("unbalanced-dollar", "a[1]"));
        assert_eq!(findings("a: { else: Once, please }"), one("bad-value", "a.please"));
        assert_eq!(findings("a: { x: $( \"(\" ), y: , z: '' }"), []);
        let (document, found) = parse(SourceId(0), "a: { n: $( f(a, b ~ 'c') ), m: 1 }");
        let fix = &found.iter().next().expect("there is one").fixes[0];
        assert_eq!(fix.text, "\"$( f(a, b ~ 'c') )\"");
        assert_eq!(document.root.get("a").map(|a| a.entries().len()), Some(2));
    }

    #[test]
    fn an_absent_value_is_null_and_an_explicit_one_keeps_its_text() {
        let (document, _) = read("a:\nb: ~\nc: { d: , e: '' }\n");
        assert_eq!(document.root.to_json(), json!({ "a": null, "b": null, "c": { "d": null, "e": "" } }));
        assert_eq!(document.root.get("b").and_then(Node::text), Some("~"));
    }

    #[test]
    fn nothing_and_comments_are_an_empty_mapping() {
        for text in ["", "\n\n", "# only\n"] {
            let (document, found) = read(text);
            assert_eq!(found, []);
            assert_eq!(document.root.to_json(), json!({}));
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let wide = format!("a: [{}]", "1,".repeat(100_001));
        let deep = format!("a: {}{}", "[".repeat(300), "]".repeat(300));
        let deep_block: String = (0..80).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
        let long = format!("a: {}", "x".repeat(4 << 20));
        for text in [wide, deep, deep_block, long] {
            let (document, found) = read(&text);
            assert_eq!(found, one("too-large", ""));
            assert!(!document.whole);
        }
    }

    fn spans_lie_inside(text: &str, node: &Node) -> bool {
        let good = |start: usize, end: usize| text.get(start..end).is_some();
        good(node.span.start, node.span.end)
            && match &node.kind {
                NodeKind::Scalar(..) => true,
                NodeKind::List(items) => items.iter().all(|item| spans_lie_inside(text, item)),
                NodeKind::Map(entries) => {
                    entries.iter().all(|e| good(e.key_span.start, e.key_span.end) && spans_lie_inside(text, &e.value))
                }
            }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn no_text_panics_and_every_span_lies_inside(
            text in proptest::collection::vec(
                prop_oneof![
                    Just("a: ".to_owned()), Just("- ".to_owned()), Just("\n".to_owned()), Just("\n  ".to_owned()),
                    Just("{".to_owned()), Just("}".to_owned()), Just("[".to_owned()), Just("]".to_owned()),
                    Just(", ".to_owned()), Just("$( ".to_owned()), Just("\"".to_owned()), Just("'".to_owned()),
                    Just("|\n".to_owned()), Just("é".to_owned()), Just("&x ".to_owned()), Just("*x".to_owned()),
                    Just("!t ".to_owned()), Just("<<".to_owned()), Just("? ".to_owned()), Just("---\n".to_owned()),
                    Just("\t".to_owned()), Just("\r\n".to_owned()), Just("# ".to_owned()), any::<char>().prop_map(String::from),
                ],
                0..40,
            ).prop_map(|pieces| pieces.concat())
        ) {
            let (document, found) = parse(SourceId(0), &text);
            prop_assert!(spans_lie_inside(&text, &document.root));
            for finding in found.iter() {
                prop_assert!(text.get(finding.span.start..finding.span.end).is_some());
            }
        }
    }
}
