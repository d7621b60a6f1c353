//! What is shown is what is wanted, and what is shown, filled in, is read back.

use super::*;
use crate::answer::read;
use serde_json::json;

const MEND: &str = "{ what_went_wrong: string ..800, fixed_code: code }";

#[test]
fn the_shape_follows_the_type_and_the_format() {
    for (ty, format, wanted) in [
        ("string", None, Shape::Text),
        ("string", Some(Shape::Json), Shape::Text),
        ("code", None, Shape::Fence),
        ("{ code: code }", None, Shape::Fence),
        ("{ code: \"code | null\" }", None, Shape::Fence),
        ("{ code: code }", Some(Shape::Json), Shape::Json),
        ("{ code: code }", Some(Shape::Yaml), Shape::Yaml),
        (MEND, None, Shape::Yaml),
        (MEND, Some(Shape::Json), Shape::Json),
        ("[{ name: string, code: code }]", None, Shape::Yaml),
        ("{ a: string, n: integer }", None, Shape::Json),
        ("{ a: string, n: integer }", Some(Shape::Yaml), Shape::Yaml),
        ("integer", None, Shape::Json),
    ] {
        assert_eq!(shape(&Type::of(ty), format), wanted, "{ty} as {format:?}");
    }
}

#[test]
fn yaml_is_shown_with_blocks_notes_and_counts() {
    let ty = Type::of(
        "{ about: 'string ..60 -- in a few words', why: 'string | null', tests: '[{ input: string, level: low | high, xs: [integer 1..5] }] 3', ok: boolean, code: code }",
    );
    let wanted = "\
Answer with one fenced block of YAML in this shape, each `...` filled in:
```yaml
# in a few words; at most 60 characters
about: ...
# or null
why: |
  ...
# a list of exactly 3 items
tests:
- input: |
    ...
  # one of `low`, `high`
  level: low
  # each a whole number from 1 to 5
  xs:
  - 1
# true or false
ok: true
# the whole program
code: |
  ...
```";
    assert_eq!(ask_yaml(&ty), wanted);
}

#[test]
fn a_shape_that_is_answered_as_shown_is_read() {
    for ty in [
        MEND,
        "{ about: 'string ..60', why: 'string | null', tests: '[{ input: string, level: low | high, xs: [integer 2..5] }] 1', ok: boolean }",
        "[{ name: string, code: code }]",
        "{ a: { b: { c: [[string]] }, d: number }, e: any }",
        "{ rows: [{ xs: [{ k: '[string ..9] 1 -- why', v: boolean }], n: integer }] }",
    ] {
        let shown = ask_yaml(&Type::of(ty));
        read(&shown, &Type::of(ty)).unwrap_or_else(|why| panic!("{ty}: {why:?}\n{shown}"));
    }
}

#[test]
fn a_schema_is_shown_in_a_fence_after_the_word_answer() {
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    let shown = ask_json(&schema);
    let fence = shown.split_once("```json\n").and_then(|(_, rest)| rest.strip_suffix("\n```"));
    assert_eq!(fence.and_then(|text| serde_json::from_str(text).ok()), Some(schema));
    assert!(shown.starts_with("Answer"));
}

#[test]
fn reasons_are_sent_back_one_a_line() {
    let text = reask(&["`level` must be one of `low`, `high`; got `medium`".to_owned(), "`n` is missing".to_owned()]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1..3], ["- `level` must be one of `low`, `high`; got `medium`", "- `n` is missing"]);
}
