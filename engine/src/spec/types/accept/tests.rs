//! Values against types: what the language page says of reading scalars, records, literals, lengths and code.

use crate::spec::types::Type;
use crate::syntax::parse;
use serde_json::{Value, json};

fn yaml(ty: &str, text: &str) -> Result<Value, String> {
    let (document, found) = parse(crate::source::SourceId::default(), text);
    assert!(found.is_empty(), "{text}: {found:?}");
    Type::of(ty).accept_node(&document.root).map_err(said)
}

fn said(issues: Vec<super::Issue>) -> String {
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn yaml_scalars_are_read_by_the_type_asked_for() {
    let cases = [
        (
            "[string]",
            "[1, 1.10, 01, no, null, true, 1e3, \"x\"]",
            json!(["1", "1.10", "01", "no", "null", "true", "1e3", "x"]),
        ),
        ("\"[string | null]\"", "[null, \"null\", ~, 3]", json!([null, "null", null, "3"])),
        ("[integer]", "[3, 3.0, \"3\", 1e3, 4k]", json!([3, 3, 3, 1000, 4000])),
        ("[number]", "[3, 3.5, \"3.5\", -1]", json!([3, 3.5, 3.5, -1])),
        ("[boolean]", "[true, False, \"true\"]", json!([true, false, true])),
        ("[low | high]", "[low, \"high\"]", json!(["low", "high"])),
        ("[1 | 2]", "[1, 2.0, \"2\"]", json!([1, 2, 2])),
        ("[any]", "[1, no, \"2\", null, { a: 1 }]", json!([1, "no", "2", null, { "a": 1 }])),
        ("\"[integer | string]\"", "[1, \"1\", x]", json!([1, "1", "x"])),
        ("\"[string | integer]\"", "[1, \"1\", x]", json!([1, "1", "x"])),
        ("\"[[string] | string]\"", "[[a], a]", json!([["a"], "a"])),
        ("[{ a: string }]", "[{ a: 1, b: 2 }]", json!([{ "a": "1" }])),
    ];
    for (ty, text, wanted) in cases {
        assert_eq!(yaml(ty, text), Ok(wanted), "{ty} of {text}");
    }
}

#[test]
fn json_values_are_read_without_loss() {
    let cases = [
        ("string", json!(1), json!("1")),
        ("integer", json!("3"), json!(3)),
        ("integer", json!(3.0), json!(3)),
        ("boolean", json!("false"), json!(false)),
        ("\"string | null\"", json!("null"), json!("null")),
        ("\"string | null\"", json!(null), json!(null)),
        ("any", json!({ "a": [1] }), json!({ "a": [1] })),
    ];
    for (ty, value, wanted) in cases {
        assert_eq!(Type::of(ty).accept(&value).map_err(said), Ok(wanted), "{ty} of {value}");
    }
}

#[test]
fn records_take_what_they_name_and_fill_what_is_absent() {
    let ty = "{ a: integer = 3, b: \"string | null\", c: \"[string] = []\" }";
    assert_eq!(yaml(ty, "{}"), Ok(json!({ "a": 3, "b": null, "c": [] })));
    assert_eq!(yaml(ty, "{ a: null, d: 1 }"), Ok(json!({ "a": 3, "b": null, "c": [] })));
    assert_eq!(yaml("{ a: any }", "{}"), Ok(json!({ "a": null })));
    assert_eq!(
        yaml("Test", "{ input: 1, output: 01, secret: x }"),
        Ok(json!({ "name": null, "input": "1", "output": "01", "why": null }))
    );
}

#[test]
fn what_does_not_fit_is_said_where_it_is() {
    let cases = [
        ("{ level: low | high }", "{ level: medium }", "`level` must be one of `low`, `high`; got `medium`"),
        ("{ n: integer 1..5 }", "{ n: 6 }", "`n` must be a whole number from 1 to 5; got `6`"),
        ("{ n: integer 1..5 }", "{ n: 3.5 }", "`n` must be a whole number from 1 to 5; got `3.5`"),
        ("{ n: integer }", "{ n: null }", "`n` must be a whole number; got null"),
        ("{ n: number ..1 }", "{ n: x }", "`n` must be a number of 1 or less; got `x`"),
        ("{ s: string ..5 }", "{ s: toolong }", "`s` must have at most 5 characters; it has 7"),
        ("{ s: string /^a/ }", "{ s: b }", "`s` must match the pattern `^a`; got `b`"),
        ("{ s: string }", "{ s: [x] }", "`s` must be text; got a list"),
        ("{ ok: boolean }", "{ ok: yes }", "`ok` must be true or false; got `yes`"),
        ("{ xs: \"[string] 1..2\" }", "{ xs: [a, b, c] }", "`xs` must have 1 to 2 items; it has 3 items"),
        ("{ xs: \"[string] 2\" }", "{ xs: [a] }", "`xs` must have exactly 2 items; it has 1 item"),
        (
            "{ xs: [{ i: string, o: string }] }",
            "{ xs: [{ i: 1 }, x] }",
            "`xs[0].o` is missing; `xs[1]` must be a record with `i`, `o`; got `x`",
        ),
        ("[integer]", "a", "the value must be a list; got `a`"),
        ("\"integer 1..5 | null\"", "9", "the value must be a whole number from 1 to 5; got `9`"),
        ("\"[integer] | boolean\"", "x", "the value must be a list, or true or false; got `x`"),
        ("\"[integer] | boolean\"", "[x]", "`[0]` must be a whole number; got `x`"),
        (
            "{ a: { schema: { type: object, properties: { b: { type: integer } } } } }",
            "{ a: { b: x } }",
            "`a.b` breaks the schema: \"x\" is not of type \"integer\"",
        ),
    ];
    for (ty, text, wanted) in cases {
        assert_eq!(yaml(ty, text), Err(wanted.to_owned()), "{ty} of {text}");
    }
    assert_eq!(Type::text().accept(&json!(null)).map_err(said), Err("the value must be text; got null".to_owned()));
}

#[test]
fn code_loses_its_fence_and_nothing_else() {
    let program = "def f():\n    \"\"\"```not a fence```\"\"\"\n";
    for (given, wanted) in [
        ("```python\nprint(1)\n```", "print(1)"),
        ("\n```\nprint(1)\n\nprint(2)\n```\n", "print(1)\n\nprint(2)"),
        (program, program),
        ("print(1)\n", "print(1)\n"),
    ] {
        assert_eq!(Type::Code.accept(&json!(given)).map_err(said), Ok(json!(wanted)), "{given}");
    }
}

#[test]
fn a_person_gives_a_value_as_bare_text() {
    let cases = [
        ("integer", "4", json!(4)),
        ("integer", "4k", json!(4000)),
        ("boolean", "true", json!(true)),
        ("string", " as it is: 1 # x\n", json!(" as it is: 1 # x\n")),
        ("code", "print({1: 2})\n", json!("print({1: 2})\n")),
        ("\"string | null\"", "null", json!(null)),
        ("python | cpp", "cpp", json!("cpp")),
        ("[integer]", "[1, 2]", json!([1, 2])),
        ("[string]", "- 1\n- no\n", json!(["1", "no"])),
        ("{ a: string }", "{\"a\": 1}", json!({ "a": "1" })),
        ("{ a: string }", "a: 01", json!({ "a": "01" })),
        ("any", "3", json!(3)),
        ("any", "a: b", json!("a: b")),
        ("any", "{ a: b }", json!({ "a": "b" })),
        ("\"string | [string]\"", "a: b", json!("a: b")),
        ("\"string | [string]\"", "[a, b]", json!(["a", "b"])),
    ];
    for (ty, text, wanted) in cases {
        assert_eq!(Type::of(ty).accept_text(text).map_err(said), Ok(wanted), "{ty} of {text}");
    }
    assert!(Type::of("[integer]").accept_text("[1").is_err());
    assert!(Type::integer().accept_text("four").is_err());
}
