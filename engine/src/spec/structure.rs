//! A document held against the published schema: unknown, missing and misplaced keys, and values of a wrong shape, all of
//! them at once. What stands inside a scalar is read by the checker.

use super::groups::Group;
use super::schema::flow_schema;
use crate::diag::{Diagnostic, Diagnostics, Span, nearest};
use crate::syntax::{Document, Entry, Node, NodeKind, Route, ScalarStyle, core_value};
use serde_json::{Map, Value};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(flow_schema);

/// Reports every place where a flow file is not built as the format says.
pub fn check(document: &Document) -> Diagnostics {
    held_against(document, &SCHEMA, "Flow")
}

/// Reports every place where a document is not built as a schema says; `name` is what the schema is of.
pub(super) fn held_against(document: &Document, schema: &'static Value, name: &'static str) -> Diagnostics {
    let mut walk = Walk { document, definitions: &schema["definitions"], found: Diagnostics::default() };
    let top = Span::new(document.root.span.source, document.root.span.start, document.root.span.start);
    walk.value(&document.root, &Route::default(), top, schema, name);
    walk.found
}

struct Walk<'d> {
    document: &'d Document,
    definitions: &'static Value,
    found: Diagnostics,
}

impl Walk<'_> {
    /// Holds a value against a schema. `key` is the place of the key it stands at.
    fn value(&mut self, node: &Node, at: &Route, key: Span, schema: &'static Value, name: &'static str) {
        if self.document.is_unread(node) {
            return;
        }
        let (schema, name) = self.resolve(schema, name);
        let schema = branch(schema, node);
        match &node.kind {
            NodeKind::Scalar(text, style) => self.scalar(node, text, *style, at, key, schema),
            NodeKind::List(items) if takes(schema, "array") => {
                let Some(item) = schema.get("items") else { return };
                let (item, item_name) = self.resolve(item, "");
                if items.is_empty() && schema.get("minItems").is_some() {
                    self.report("bad-value", at, node.span, "this list must not be empty".to_owned());
                }
                for (i, node) in items.iter().enumerate() {
                    // A list of words is one value: its place is the key, as with a type or an expression.
                    let at = if takes(item, "object") { at.index(i) } else { at.clone() };
                    self.value(node, &at, node.span, item, item_name);
                }
            }
            NodeKind::Map(entries) if takes(schema, "object") => self.map(entries, at, key, schema, name),
            NodeKind::List(_) | NodeKind::Map(_) => self.wrong_shape(node, at, schema, name),
        }
    }

    fn scalar(&mut self, node: &Node, text: &str, style: ScalarStyle, at: &Route, key: Span, schema: &'static Value) {
        if schema.get("type").is_none() {
            return;
        }
        let absent = style == ScalarStyle::Plain && text.is_empty();
        if absent {
            let wanted = wanted(schema);
            self.report("bad-value", at, key, format!("expected {wanted}, found nothing"));
            return;
        }
        let number = || if style == ScalarStyle::Plain { core_value(text) } else { Value::Null };
        let fits = takes(schema, "string")
            || takes(schema, "boolean") && core_value(text).is_boolean()
            || takes(schema, "number") && number().is_number()
            || takes(schema, "integer") && (number().is_i64() || number().is_u64());
        if !fits {
            self.wrong_shape(node, at, schema, "");
            return;
        }
        let Some(words) = schema.get("enum").and_then(Value::as_array) else { return };
        if words.iter().any(|word| word == text) {
            return;
        }
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let message = format!("expected {}, found `{}`", one_of(&words), short(text));
        let mut found = Diagnostic::error("bad-value", at.to_string(), node.span, message);
        if let Some(meant) = nearest(text, words) {
            found = found.help(format!("did you mean `{meant}`?")).fix(node.span, meant);
        }
        self.found.push(found);
    }

    fn map(&mut self, entries: &[Entry], at: &Route, key: Span, schema: &'static Value, name: &'static str) {
        let known = schema.get("properties").and_then(Value::as_object);
        let rest = schema.get("additionalProperties");
        let mut misspelt = Vec::new();
        let mut strange = false;
        for entry in entries {
            let here = at.key(&entry.key);
            if let Some(schema) = known.and_then(|known| known.get(&entry.key)) {
                self.value(&entry.value, &here, entry.key_span, schema, "");
            } else if rest == Some(&Value::Bool(false)) {
                let keys = || known.into_iter().flat_map(Map::keys).map(String::as_str);
                match nearest(&entry.key, keys()) {
                    Some(meant) => misspelt.push(meant),
                    None => strange = true,
                }
                self.unknown_key(entry, &here, &keys().collect::<Vec<_>>());
            } else if let Some(schema) = rest {
                self.value(&entry.value, &here, entry.key_span, schema, "");
            }
        }
        let given = |key: &str| entries.iter().any(|e| e.key == key);
        // A key that no one knows, or that was meant for this one, is the same mistake.
        let told = |key: &str| strange || misspelt.contains(&key) || !self.document.whole;
        let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut missing: Vec<&str> =
            required.iter().filter_map(Value::as_str).filter(|key| !given(key) && !told(key)).collect();
        if name == "Execute" && !given("language") && !told("language") && !self.default_language() {
            missing.insert(0, "language");
        }
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(|key| format!("`{key}`")).collect();
            self.report("missing-key", at, key, format!("{} missing here: {}", is_are(&missing), names.join(", ")));
        }
        if let Some(group) = Group::of(name) {
            let meant = group.names().any(told);
            self.group(entries, at, key, group, meant);
        }
        if name == "Node" {
            self.repeats(entries, at, key);
        }
    }

    /// Exactly one of a group's keys, and beside it nothing that it rules out. `told` when an unknown key stands for it.
    fn group(&mut self, entries: &[Entry], at: &Route, key: Span, group: &Group, told: bool) {
        let of_group: Vec<&Entry> = entries.iter().filter(|e| group.names().any(|name| name == e.key)).collect();
        match of_group.as_slice() {
            [] if told => {}
            [] => {
                self.report(group.none, at, key, needs(group));
            }
            [one] => self.beside(entries, at, group, &one.key),
            [first, second, ..] => {
                let (at, place) =
                    if group.many_at_mapping { (at.clone(), key) } else { (at.key(&second.key), second.key_span) };
                let message =
                    format!("`{}` stands beside `{}`: {} has exactly one of them", second.key, first.key, group.called);
                self.report(group.many, &at, place, message);
            }
        }
    }

    fn beside(&mut self, entries: &[Entry], at: &Route, group: &Group, chosen: &str) {
        let excluded = group.keys.iter().find(|(key, _)| *key == chosen).map(|(_, excluded)| *excluded);
        for entry in entries.iter().filter(|e| excluded.unwrap_or_default().contains(&e.key.as_str())) {
            let (rule, help) = match entry.key.as_str() {
                "loop" => ("bad-value", "a loop repeats a block: put the node into `nodes: { … }`"),
                "check" => (
                    "unknown-key",
                    "`validate` measures and `check` guards: put the rules into `rules`, or guard another node",
                ),
                "with" => {
                    ("unknown-key", "`with` is for `prompt` and `flow`; elsewhere write a value where it is used")
                }
                _ => ("unknown-key", "`as` names the item of `over`"),
            };
            let message = format!("`{}` has no place beside `{chosen}`", entry.key);
            let found = Diagnostic::error(rule, at.key(&entry.key).to_string(), entry.key_span, message);
            self.found.push(found.help(help));
        }
    }

    fn repeats(&mut self, entries: &[Entry], at: &Route, key: Span) {
        let given = |key: &str| entries.iter().any(|e| e.key == key);
        if given("each") && given("loop") {
            let message = "`each` and `loop` stand on one node, and neither says which comes first";
            let found = Diagnostic::error("each-and-loop", at.to_string(), key, message);
            self.found.push(
                found.help(
                    "put a block with one of them inside the other: `each` beside `nodes: { inner: { loop: … } }`",
                ),
            );
        }
    }

    fn unknown_key(&mut self, entry: &Entry, at: &Route, known: &[&str]) {
        let message = format!("there is no key `{}` here", entry.key);
        let found = Diagnostic::error("unknown-key", at.to_string(), entry.key_span, message);
        self.found.push(similar(found, &entry.key, entry.key_span, known));
    }

    fn wrong_shape(&mut self, node: &Node, at: &Route, schema: &'static Value, name: &str) {
        let found = match &node.kind {
            NodeKind::Scalar(text, _) => format!("`{}`", short(text)),
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Map(_) => "a mapping".to_owned(),
        };
        let mut diagnostic = Diagnostic::error(
            "bad-value",
            at.to_string(),
            node.span,
            format!("expected {}, found {found}", wanted(schema)),
        );
        if let (true, Some(text)) = (takes(schema, "array"), node.text()) {
            diagnostic = diagnostic.help(format!("a list stands in brackets: `[{}]`", short(text)));
            if !text.contains([',', '[', ']', '{', '}', ':', '#', '\n']) {
                diagnostic = diagnostic.fix(node.span, format!("[{text}]"));
            }
        } else if let Some(group) = Group::of(name) {
            diagnostic = diagnostic.help(needs(group));
        } else if let Some(Value::String(sentence)) = schema.get("errorMessage") {
            diagnostic = diagnostic.help(sentence.clone());
        }
        self.found.push(diagnostic);
    }

    fn default_language(&self) -> bool {
        let defaults = self.document.root.get("defaults").and_then(|d| d.get("execute"));
        defaults.is_some_and(|execute| execute.get("language").is_some())
    }

    /// Follows a reference to the definition, and its name.
    fn resolve(&self, schema: &'static Value, name: &'static str) -> (&'static Value, &'static str) {
        let inner = schema.get("allOf").and_then(|all| all.get(0)).unwrap_or(schema);
        let Some(target) = inner.get("$ref").and_then(Value::as_str) else { return (inner, name) };
        let name = target.trim_start_matches("#/definitions/");
        (&self.definitions[name], name)
    }

    fn report(&mut self, rule: &'static str, at: &Route, place: Span, message: String) {
        self.found.push(Diagnostic::error(rule, at.to_string(), place, message));
    }
}

/// The branch of a value that is a word or a mapping.
fn branch(schema: &'static Value, node: &Node) -> &'static Value {
    if schema.get("if").is_none() {
        return schema;
    }
    let scalar = matches!(node.kind, NodeKind::Scalar(..));
    let branch = &schema[if scalar { "then" } else { "else" }];
    // A mapping without the key that makes it that branch is no such value at all.
    let required = branch.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let fits = scalar || required.iter().filter_map(Value::as_str).all(|key| node.get(key).is_some());
    if fits { branch } else { &schema["then"] }
}

fn takes(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|k| k == kind),
        Some(one) => one == kind,
        None => true,
    }
}

/// What a schema asks for, in words.
fn wanted(schema: &Value) -> String {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return one_of(&words.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    }
    if takes(schema, "boolean") && takes(schema, "string") {
        return "an expression".to_owned();
    }
    let kinds = [
        ("string", "text"),
        ("integer", "a whole number"),
        ("number", "a number"),
        ("boolean", "true or false"),
        ("array", "a list"),
        ("object", "a mapping"),
    ];
    let kinds: Vec<&str> = kinds.iter().filter(|(kind, _)| takes(schema, kind)).map(|(_, words)| *words).collect();
    kinds.join(" or ")
}

fn one_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn needs(group: &Group) -> String {
    format!("{} needs exactly one of {}", group.called, listed(&group.names().collect::<Vec<_>>()))
}

fn is_are(missing: &[&str]) -> &'static str {
    if missing.len() == 1 { "a key is" } else { "keys are" }
}

/// Says what was probably meant, and mends it; else what there is.
fn similar(found: Diagnostic, name: &str, place: Span, known: &[&str]) -> Diagnostic {
    match nearest(name, known.iter().copied()) {
        Some(meant) => found.help(format!("did you mean `{meant}`?")).fix(place, meant),
        None => found.help(format!("what can stand here: {}", listed(known))),
    }
}

/// The beginning of a text, for a message.
fn short(text: &str) -> String {
    const MOST: usize = 40;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= MOST && line.len() == text.len() {
        return line.to_owned();
    }
    line.chars().take(MOST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::diag::Diagnostic;
    use crate::source::SourceId;
    use crate::syntax::parse;

    fn findings(text: &str) -> Vec<Diagnostic> {
        let (document, found) = parse(SourceId(0), text);
        assert!(found.is_empty(), "{found:?}");
        check(&document).into_iter().collect()
    }

    fn told(text: &str) -> Vec<(&'static str, String)> {
        findings(text).into_iter().map(|d| (d.rule, d.at)).collect()
    }

    fn node(body: &str) -> Vec<(&'static str, String)> {
        told(&format!("flow: t\nnodes:\n  a: {body}\n"))
    }

    fn one(rule: &'static str, at: &str) -> Vec<(&'static str, String)> {
        vec![(rule, at.to_owned())]
    }

    #[test]
    fn a_misspelt_key_names_the_one_that_was_meant_and_mends_it() {
        let text = "flow: t\nnodes: { a: { prompt: { user: x, temprature: 1 } } }\n";
        let found = findings(text);
        assert_eq!(found.len(), 1);
        assert_eq!(&text[found[0].span.start..found[0].span.end], "temprature");
        assert_eq!(found[0].help.as_deref(), Some("did you mean `temperature`?"));
        assert_eq!((found[0].fixes[0].span, found[0].fixes[0].text.as_str()), (found[0].span, "temperature"));
    }

    #[test]
    fn a_misspelt_key_is_not_also_a_missing_one() {
        assert_eq!(node("{ execut: { language: python, code: x, tests: [] } }"), one("unknown-key", "nodes.a.execut"));
        assert_eq!(node("{ llm: { user: x } }"), one("unknown-key", "nodes.a.llm"));
        assert_eq!(node("{ human: { aks: x } }"), one("unknown-key", "nodes.a.human.aks"));
        assert_eq!(node("{ loop: { mx: 2 }, nodes: {} }"), one("unknown-key", "nodes.a.loop.mx"));
        let both = vec![("unknown-key", "nodes.a.abuot".to_owned()), ("no-verb", "nodes.a".to_owned())];
        assert_eq!(node("{ abuot: x }"), both);
    }

    #[test]
    fn unknown_keys_hide_nothing_else() {
        let found = told("flow: t\nnods: {}\nnodes: { a: { let: 1, wehn: x, after: b, on_error: quit } }\n");
        let rules: Vec<&str> = found.iter().map(|(rule, _)| *rule).collect();
        assert_eq!(rules, ["unknown-key", "unknown-key", "bad-value", "bad-value"]);
    }

    #[test]
    fn keys_that_must_be_there_are_asked_for_at_their_mapping() {
        assert_eq!(told("about: no name\n"), one("missing-key", ""));
        assert_eq!(node("{ execute: { tests: [], code: x } }"), one("missing-key", "nodes.a.execute"));
        assert_eq!(node("{ prompt: { returns: string } }"), one("missing-key", "nodes.a.prompt"));
        assert_eq!(node("{ let: 1, check: [{ else: no }] }"), one("missing-key", "nodes.a.check[0]"));
        assert_eq!(node("{ each: { as: x }, let: 1 }"), one("missing-key", "nodes.a.each"));
        assert_eq!(told("flow: t\nmodels: { m: { temperature: 1 } }\n"), one("missing-key", "models.m"));
    }

    #[test]
    fn a_language_may_come_from_the_defaults_and_a_text_may_not() {
        let flow =
            "flow: t\ndefaults: { execute: { language: python } }\nnodes: { a: { execute: { code: x, input: y } } }\n";
        assert_eq!(told(flow), []);
        assert_eq!(told("flow: t\ndefaults: { prompt: { user: x } }\n"), one("unknown-key", "defaults.prompt.user"));
    }

    #[test]
    fn alternatives_stand_alone() {
        assert_eq!(node("{ prompt: { user: x, file: y } }"), one("bad-value", "nodes.a.prompt.file"));
        assert_eq!(
            node("{ execute: { language: c, code: x, input: a, tests: [] } }"),
            one("bad-value", "nodes.a.execute.tests")
        );
        assert_eq!(node("{ loop: { max: 2, as: x }, nodes: {} }"), one("unknown-key", "nodes.a.loop.as"));
        assert_eq!(node("{ nodes: {}, with: { x: 1 } }"), one("unknown-key", "nodes.a.with"));
    }

    #[test]
    fn a_value_of_a_wrong_shape_says_what_was_expected() {
        for (body, at, message) in [
            ("{ prompt: hello }", "nodes.a.prompt", "expected a mapping, found `hello`"),
            ("{ let: 1, after: { b: 1 } }", "nodes.a.after", "expected a list, found a mapping"),
            ("{ let: 1, cache: on }", "nodes.a.cache", "expected `auto` or `off` or `refresh`, found `on`"),
            (
                "{ prompt: { user: x, retry: { times: often } } }",
                "nodes.a.prompt.retry.times",
                "expected a whole number, found `often`",
            ),
            ("{ prompt: { user: [x] } }", "nodes.a.prompt.user", "expected text, found a list"),
            ("{ prompt: { user: } }", "nodes.a.prompt.user", "expected text, found nothing"),
            ("{ when: , let: 1 }", "nodes.a.when", "expected an expression, found nothing"),
            ("[1]", "nodes.a", "expected a mapping, found a list"),
        ] {
            let found = findings(&format!("flow: t\nnodes:\n  a: {body}\n"));
            assert_eq!(found.len(), 1, "{body}: {found:?}");
            assert_eq!((found[0].rule, found[0].at.as_str(), found[0].message.as_str()), ("bad-value", at, message));
        }
        assert_eq!(told("- a\n- b\n"), one("bad-value", ""));
        assert_eq!(told("flow: t\nmodels: { m: { use: [] } }\n"), one("bad-value", "models.m.use"));
    }

    #[test]
    fn text_may_look_like_anything_where_text_is_asked_for() {
        assert_eq!(told("flow: 1.10\nabout: no\nnodes: { a: { prompt: { user: 01, system: null } } }\n"), []);
    }

    #[test]
    fn a_document_that_was_not_read_whole_is_not_told_what_is_missing() {
        let (document, found) = parse(SourceId(0), "nodes:\n  a: { about: x, bogus: [1\n");
        assert!(found.has_errors());
        assert_eq!(check(&document).into_iter().filter(|d| d.rule != "unknown-key").count(), 0);
    }

    #[test]
    fn what_an_alias_stands_for_is_not_told_twice() {
        let (document, found) = parse(SourceId(0), "flow: t\nnodes: { a: { prompt: *base } }\n");
        assert_eq!(found.iter().map(|d| d.rule).collect::<Vec<_>>(), ["anchor"]);
        assert!(check(&document).is_empty());
    }
}
