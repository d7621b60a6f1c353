//! The shorthand of the language page, form by form.

use super::*;
use crate::source::SourceId;
use crate::spec::types::{Bound, Length, Range, TextRule};
use crate::syntax::parse;
use serde_json::json;

fn node(yaml: &str) -> Node {
    let (document, found) = parse(SourceId::default(), yaml);
    assert!(found.is_empty(), "{yaml}: {found:?}");
    document.root
}

/// The `types` of a file that are named in the tests.
fn names() -> Named {
    let mut found = Diagnostics::default();
    let types = node("Pair: { a: string, b: integer = 3 }\nProblem: { name: string }");
    let named = parse_named(&types, &Route::default().key("types"), &Named::new(), &mut found);
    assert!(found.is_empty(), "{found:?}");
    named
}

/// The field under the key `x` and what is wrong with it.
fn field(yaml: &str) -> (Field, Vec<(&'static str, String, String)>) {
    let document = node(yaml);
    let mut found = Diagnostics::default();
    let mut named = names();
    named.insert("lib.Pair".to_owned(), named["Pair"].clone());
    let entry = &document.entries()[0];
    let field = parse_field(&entry.key, &entry.value, &Route::default().key(&entry.key), &named, &mut found);
    (field, found.into_iter().map(|d| (d.rule, d.at, d.message + " / " + &d.help.unwrap_or_default())).collect())
}

fn good(yaml: &str) -> Field {
    let (field, found) = field(yaml);
    assert!(found.is_empty(), "{yaml}: {found:?}");
    field
}

fn ty(yaml: &str) -> Type {
    let field = good(yaml);
    assert_eq!((&field.default, &field.about), (&None, &None), "{yaml}");
    field.ty
}

fn words(words: &[&str]) -> Type {
    Type::Literals(words.iter().map(|w| json!(w)).collect())
}

fn range(min: f64, max: f64) -> Range {
    Range { min: Some(min), max: Some(max) }
}

fn length(min: Option<u64>, max: Option<u64>) -> Length {
    Length { min: min.map(Bound::Fixed), max: max.map(Bound::Fixed) }
}

fn record(fields: Vec<(&str, Type)>) -> Type {
    let field = |(name, ty): (&str, Type)| Field { name: name.to_owned(), ty, default: None, about: None };
    Type::Record(fields.into_iter().map(field).collect())
}

#[test]
fn every_form_of_the_language_page_is_read() {
    let strings = || Box::new(Type::text());
    let cases: Vec<(&str, Type)> = vec![
        ("x: string", Type::text()),
        ("x: integer", Type::integer()),
        ("x: number", Type::number()),
        ("x: boolean", Type::Boolean),
        ("x: any", Type::Any),
        ("x: code", Type::Code),
        ("x: python | cpp", words(&["python", "cpp"])),
        ("x: \"string | null\"", Type::text().or_null()),
        ("x: low | high | null", Type::union(vec![words(&["low", "high"]), Type::Null])),
        ("x: integer | string", Type::union(vec![Type::integer(), Type::text()])),
        ("x: [string]", Type::list(Type::text())),
        ("x: [[number]]", Type::list(Type::list(Type::number()))),
        ("x: [low | high]", Type::list(words(&["low", "high"]))),
        ("x: { k: string }", record(vec![("k", Type::text())])),
        (
            "x: \"{ k: string, l: [integer] 2 }\"",
            record(vec![("k", Type::text()), ("l", Type::List(Box::new(Type::integer()), length(Some(2), Some(2))))]),
        ),
        ("x: [{ i: string, o: string }]", Type::list(record(vec![("i", Type::text()), ("o", Type::text())]))),
        ("x: Problem", record(vec![("name", Type::text())])),
        ("x: \"[Problem] 6..8\"", Type::List(Box::new(record(vec![("name", Type::text())])), length(Some(6), Some(8)))),
        ("x: \"[string] ..8\"", Type::List(strings(), length(None, Some(8)))),
        ("x: \"[string] 2..\"", Type::List(strings(), length(Some(2), None))),
        ("x: \"[string] 3\"", Type::List(strings(), length(Some(3), Some(3)))),
        ("x: \"[string] 1..2 | null\"", Type::List(strings(), length(Some(1), Some(2))).or_null()),
        (
            "x: \"[string ..160] ..8\"",
            Type::List(Box::new(Type::Text(TextRule { max_chars: Some(160), pattern: None })), length(None, Some(8))),
        ),
        ("x: integer 1..5", Type::Integer(range(1.0, 5.0))),
        ("x: integer -3..-1", Type::Integer(range(-3.0, -1.0))),
        ("x: integer 64..64k", Type::Integer(range(64.0, 64000.0))),
        ("x: number 0..1", Type::Number(range(0.0, 1.0))),
        ("x: number -0.5..1.25", Type::Number(range(-0.5, 1.25))),
        ("x: integer 1..", Type::Integer(Range { min: Some(1.0), max: None })),
        ("x: string ..200", Type::Text(TextRule { max_chars: Some(200), pattern: None })),
        ("x: string /^[a-z]+$/", Type::Text(TextRule { max_chars: None, pattern: Some("^[a-z]+$".to_owned()) })),
        (
            "x: \"string ..9 /a\\\\/b | c/\"",
            Type::Text(TextRule { max_chars: Some(9), pattern: Some("a/b | c".to_owned()) }),
        ),
        ("x: \"'Low' | 'it''s' | b\"", words(&["Low", "it's", "b"])),
        ("x: \"'auto' | integer\"", Type::union(vec![words(&["auto"]), Type::integer()])),
        ("x: 1 | 2 | -3", Type::Literals(vec![json!(1), json!(2), json!(-3)])),
        ("x: c++ | c#", words(&["c++", "c#"])),
    ];
    for (yaml, wanted) in cases {
        assert_eq!(ty(yaml), wanted, "{yaml}");
    }
    assert_eq!(ty("x: Pair"), ty("x: lib.Pair"));
}

#[test]
fn lengths_read_from_the_flow_keep_their_source() {
    let cases = [
        ("x: \"[string] $( given.tests | length )\"", Some("given.tests | length"), Some("given.tests | length")),
        ("x: \"[string] 1..$params.ideas\"", None, Some("params.ideas")),
        ("x: \"[string] $a.b[0].c..$( f(')') )\"", Some("a.b[0].c"), Some("f(')')")),
    ];
    for (yaml, min, max) in cases {
        let Type::List(_, length) = ty(yaml) else { panic!("{yaml} is no list") };
        let flow = |bound: &Option<Bound>| match bound {
            Some(Bound::Flow(source)) => Some(source.clone()),
            Some(Bound::Fixed(_)) | None => None,
        };
        assert_eq!((flow(&length.min).as_deref(), flow(&length.max).as_deref()), (min, max), "{yaml}");
    }
    let exact = ty("x: \"[string] $( given.tests | length )\"");
    assert_eq!(exact.flow_lengths(), ["given.tests | length"]);
    let known = exact.resolve(&[("given.tests | length".to_owned(), 4)].into());
    assert_eq!(known, Type::List(Box::new(Type::text()), length(Some(4), Some(4))));
}

#[test]
fn defaults_fit_their_type_and_descriptions_are_kept() {
    let cases = [
        ("x: integer 1..9 = 3 -- ideas asked for", json!(3), Some("ideas asked for")),
        ("x: integer 64..64000 = 4k -- longest answer", json!(4000), Some("longest answer")),
        ("x: number 0..2 = 0.3", json!(0.3), None),
        ("x: python | cpp = python", json!("python"), None),
        ("x: boolean = false -- one, in place of -- two", json!(false), Some("one, in place of -- two")),
        ("x: string = untitled", json!("untitled"), None),
        ("x: string = 1.10", json!("1.10"), None),
        ("x: \"string = 'a -- b'\"", json!("a -- b"), None),
        ("x: \"string = \\\"\\\"\"", json!(""), None),
        ("x: \"[string ..160] ..8 = []\"", json!([]), None),
        ("x: \"[string] = [a, 'b -- c'] -- words\"", json!(["a", "b -- c"]), Some("words")),
        ("x: \"Pair = { a: 01 }\"", json!({ "a": "01", "b": 3 }), None),
        ("x: \"string | null = null\"", json!(null), None),
    ];
    for (yaml, default, about) in cases {
        let field = good(yaml);
        assert_eq!((field.default, field.about.as_deref()), (Some(default), about), "{yaml}");
    }
    let about = good("x: \"string ..60 | null -- time, in terms of the limits\"");
    assert_eq!(about.about.as_deref(), Some("time, in terms of the limits"));
    let inner = good("x: \"{ a: integer = 3 -- how many, b: string }\"");
    let a = inner.ty.field("a").expect("the record has `a`");
    assert_eq!((&a.default, a.about.as_deref()), (&Some(json!(3)), Some("how many")));
}

#[test]
fn what_is_wrong_is_said_with_its_rule_and_a_hint() {
    let cases = [
        ("x: strng", "unknown-type", "`string`"),
        ("x: strng | null", "unknown-type", "`string`"),
        ("x: \"strng | integer\"", "unknown-type", "`string`"),
        ("x: Problm", "unknown-type", "`Problem`"),
        ("x: lib.Pear", "unknown-type", "`lib.Pair`"),
        ("x: str | int", "unknown-type", "`string`"),
        ("x: word", "unknown-type", "at least two words"),
        ("x: word | word", "unknown-type", "at least two words"),
        ("x: \"'word'\"", "unknown-type", "at least two words"),
        ("x: code | docs", "unknown-type", "'docs'"),
        ("x: [string, integer]", "bad-value", "one type"),
        ("x: \"[string\"", "bad-value", "`]`"),
        ("x: \"{ a string }\"", "bad-value", "name: type"),
        ("x: \"{ a: string, a: string }\"", "bad-value", "twice"),
        ("x: integer 5..1", "bad-value", "5..1"),
        ("x: integer 1.5..2", "bad-value", "1.5"),
        ("x: integer 3", "bad-value", "3..3"),
        ("x: \"[string] 5..1\"", "bad-value", "5 to 1"),
        ("x: string 3..5", "bad-value", "..200"),
        ("x: string /(/", "bad-value", "regular expression"),
        ("x: string /a", "bad-value", "never closed"),
        ("x: 1..5", "bad-value", "integer 1..5"),
        ("x: integer 1..5 = 9", "bad-value", "from 1 to 5"),
        ("x: low | high = mid", "bad-value", "`low`"),
        ("x: \"[integer] = [a]\"", "bad-value", "`[0]`"),
        ("x: \"string =\"", "bad-value", "missing"),
        ("x: \"string string\"", "bad-value", "found `string`"),
        ("x: [integer = 3]", "bad-value", "default"),
        ("x: ''", "bad-value", "expected a type"),
        ("x: \"[string] $\"", "bad-value", "$path"),
        ("x: { schema: { type: 7 } }", "bad-value", "JSON Schema"),
    ];
    for (yaml, rule, says) in cases {
        let (_, found) = field(yaml);
        let [(found_rule, at, message)] = &found[..] else { panic!("{yaml}: {found:?}") };
        assert_eq!((*found_rule, at.as_str()), (rule, "x"), "{yaml}: {message}");
        assert!(message.contains(says), "{yaml}: {message}");
    }
}

#[test]
fn errors_stand_at_the_field_that_has_them() {
    let (_, found) = field("x: { a: strng, b: { c: [intger] } }");
    let places: Vec<&str> = found.iter().map(|(_, at, _)| at.as_str()).collect();
    assert_eq!(places, ["x.a", "x.b.c"]);
}

#[test]
fn raw_schemas_are_kept() {
    let schema = json!({ "type": "object", "required": ["a"] });
    assert_eq!(ty("x: { schema: { type: object, required: [a] } }"), Type::Schema(Arc::new(schema)));
    assert_eq!(ty("x: { schema: string }"), record(vec![("schema", Type::text())]));
}

#[test]
fn named_types_are_read_in_any_order() {
    let mut found = Diagnostics::default();
    let imported = [("lib.Pair".to_owned(), record(vec![("l", Type::text())]))].into();
    let types = node("A: { b: B, t: [Test] }\nB: { p: lib.Pair }");
    let named = parse_named(&types, &Route::default().key("types"), &imported, &mut found);
    assert!(found.is_empty(), "{found:?}");
    let pair = record(vec![("l", Type::text())]);
    let b = record(vec![("p", pair)]);
    assert_eq!(named["A"], record(vec![("b", b), ("t", Type::list(built_in()["Test"].clone()))]));
}

#[test]
fn a_type_that_holds_itself_is_reported_where_it_does() {
    let cases = [
        ("Tree: { kids: [Tree] }", vec!["types.Tree.kids"]),
        ("A: { b: B }\nB: { a: A }\nC: { a: A }", vec!["types.B.a"]),
        ("A: { b: \"[{ a: A }]\" }", vec!["types.A.b"]),
    ];
    for (yaml, wanted) in cases {
        let mut found = Diagnostics::default();
        parse_named(&node(yaml), &Route::default().key("types"), &Named::new(), &mut found);
        let places: Vec<&str> = found.iter().map(|d| d.at.as_str()).collect();
        assert_eq!(places, wanted, "{yaml}");
        assert!(found.iter().all(|d| d.rule == "unknown-type"), "{found:?}");
    }
}

#[test]
fn names_of_types_begin_with_a_capital_and_are_free() {
    let mut found = Diagnostics::default();
    parse_named(&node("pair: string\nTest: string"), &Route::default().key("types"), &Named::new(), &mut found);
    let rules: Vec<_> = found.iter().map(|d| (d.rule, d.at.as_str())).collect();
    assert_eq!(rules, [("bad-value", "types.pair"), ("reserved-name", "types.Test")]);
}

#[test]
fn types_that_grow_without_bound_are_refused() {
    use std::fmt::Write as _;
    let mut yaml = "A0: string\n".to_owned();
    for i in 1..200 {
        writeln!(yaml, "A{i}: {{ a: A{0}, b: A{0} }}", i - 1).expect("text takes text");
    }
    let mut found = Diagnostics::default();
    let named = parse_named(&node(&yaml), &Route::default().key("types"), &Named::new(), &mut found);
    assert!(found.has_errors());
    assert!(named.values().all(|ty| ty.size() <= MOST_TYPES));

    let mut chain = "A0: string\n".to_owned();
    for i in 1..1000 {
        writeln!(chain, "A{i}: {{ a: A{} }}", i - 1).expect("text takes text");
    }
    // Last first, so that reading it goes all the way down.
    let reversed: Vec<&str> = chain.lines().rev().collect();
    parse_named(&node(&reversed.join("\n")), &Route::default().key("types"), &Named::new(), &mut found);
    let deep = "[".repeat(100_000);
    let (_, faults) = field(&format!("x: \"{deep}\""));
    assert!(faults[0].2.contains("deep"), "{faults:?}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}|=$().'\"/0-9a-zA-Z:, -]{0,40}") {
        let node = Node { span: crate::diag::Span::default(), kind: NodeKind::Scalar(text, ScalarStyle::Plain) };
        let mut found = Diagnostics::default();
        parse_field("x", &node, &Route::default(), &names(), &mut found);
    }

    #[test]
    fn a_type_is_shown_as_it_would_be_written(written in a_type()) {
        let shown = ty(&format!("x: {}", serde_json::to_string(&written).expect("text is JSON"))).to_string();
        proptest::prop_assert_eq!(shown, written);
    }
}

/// Types as the display writes them.
fn a_type() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just("string"),
        Just("string ..20"),
        Just("string /a\\/b/"),
        Just("integer"),
        Just("integer 1..5"),
        Just("integer ..5"),
        Just("number -0.5..2"),
        Just("boolean"),
        Just("any"),
        Just("code"),
        Just("low | high"),
        Just("string | null"),
        Just("low | 'High' | null"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let length = prop_oneof![
            Just(""),
            Just(" 3"),
            Just(" 1..5"),
            Just(" ..8"),
            Just(" 2.."),
            Just(" $params.n"),
            Just(" 1..$( a | length )")
        ];
        prop_oneof![
            (inner.clone(), length).prop_map(|(item, length)| format!("[{item}]{length}")),
            proptest::collection::vec(inner, 1..3).prop_map(|fields| {
                let fields: Vec<String> = fields.iter().enumerate().map(|(i, ty)| format!("f{i}: {ty}")).collect();
                format!("{{ {} }}", fields.join(", "))
            }),
        ]
    })
}
