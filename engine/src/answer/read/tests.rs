//! Answers as models give them: the language page's rules, the usual slips, and what must stay refused.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn answer(ty: &str, text: &str) -> Result<Value, String> {
    read(text, &Type::of(ty)).map(|answer| answer.value).map_err(|reasons| reasons.join("; "))
}

fn good(cases: &[(&str, &str, Value)]) {
    for (ty, text, wanted) in cases {
        assert_eq!(answer(ty, text), Ok(wanted.clone()), "{ty} of:\n{text}");
    }
}

#[test]
fn the_replies_of_the_type_vectors_are_read_as_they_demand() {
    good(&[
        (
            "{ tests: [{ input: string, output: string }], ok: boolean }",
            "```yaml\ntests:\n  - { input: 1, output: 1.10 }\n  - { input: 01, output: no }\nok: true\n```",
            json!({ "tests": [{ "input": "1", "output": "1.10" }, { "input": "01", "output": "no" }], "ok": true }),
        ),
        ("{ level: low | high }", "{\"level\":\"high\"}", json!({ "level": "high" })),
        ("{ n: integer 1..5 }", "{\"n\":3.0}", json!({ "n": 3 })),
        (
            "{ code: code }",
            "Here it is:\n```python\nprint(1)\nprint(2)\n```\nGood luck.",
            json!({ "code": "print(1)\nprint(2)" }),
        ),
        ("code", "print(3)", json!("print(3)")),
        ("{ code: \"code | null\" }", "Final answer.", json!({ "code": null })),
        (
            "{ why: string, code: code }",
            "{\"why\":\"w\",\"code\":\"```python\\nprint(1)\\n```\"}",
            json!({ "why": "w", "code": "print(1)" }),
        ),
        ("string", "k: 1", json!("k: 1")),
        (
            "{ p: \"string | null\", q: \"string | null\", r: string }",
            "p: null\nq: \"null\"\nr: null",
            json!({ "p": null, "q": "null", "r": "null" }),
        ),
        ("{ n: integer }", "{\"n\": 3}", json!({ "n": 3 })),
        ("{ n: integer }", "Sure:\n```json\n{\"n\": 4}\n```\nDone.", json!({ "n": 4 })),
        ("{ ys: \"[string] 2\" }", "{\"ys\":[\"one\",\"two\"]}", json!({ "ys": ["one", "two"] })),
    ]);
    for (ty, text, says) in [
        ("{ level: low | high }", "{\"level\":\"medium\"}", "`medium`"),
        ("{ xs: \"[string] 1..2\" }", "{\"xs\":[\"a\",\"b\",\"c\"]}", "1 to 2 items"),
        ("{ n: integer 1..5 }", "{\"n\":6}", "from 1 to 5; got `6`"),
        ("{ n: integer 1..5 }", "{\"n\":3.5}", "`3.5`"),
        ("{ ys: \"[string] 2\" }", "{\"ys\":[\"one\"]}", "exactly 2 items"),
        ("{ s: string ..5 }", "{\"s\":\"toolong\"}", "at most 5 characters"),
    ] {
        let why = answer(ty, text).expect_err(text);
        assert!(why.contains(says), "{ty} of {text}: {why}");
    }
}

#[test]
fn words_around_the_answer_do_not_matter() {
    let ty = "{ n: integer, s: string }";
    let wanted = json!({ "n": 4, "s": "x" });
    let forms = [
        "{\"n\": 4, \"s\": \"x\"}",
        "Sure! It is {\"n\": 4, \"s\": \"x\"}. Hope it helps {and more}",
        "n: 4\ns: x",
        "Here you are:\n\nn: 4\ns: x\n",
        "First try:\n```json\n{\"n\": 1, \"s\": \"no\"}\n```\nNo, wait:\n```json\n{\"n\": 4, \"s\": \"x\"}\n```",
        "```\nn: 4\ns: x\n```",
        "```yaml\nn: 4\ns: x",
        "<think>{\"n\": 1, \"s\": \"draft\"}</think>{\"n\": 4, \"s\": \"x\"}",
        "{\"answer\": {\"n\": 4, \"s\": \"x\"}}",
        "{\"type\": \"object\", \"properties\": {\"n\": 4, \"s\": \"x\"}}",
        "---\nn: 4\ns: x\n...",
        "{'n': 4, 's': 'x'}",
        "{n: 4, s: x}",
        "N: 4\nS: x",
    ];
    for form in forms {
        assert_eq!(answer(ty, form), Ok(wanted.clone()), "{form}");
    }
    good(&[
        ("[string]", "1. no\n```json\n[\"a\", \"b\"]\n```", json!(["a", "b"])),
        ("[string]", "- a\n- b", json!(["a", "b"])),
        ("[string]", "{\"items\": [\"a\"]}", json!(["a"])),
        ("{ xs: [string] }", "[\"a\"]", json!({ "xs": ["a"] })),
        ("integer", "7", json!(7)),
        ("integer", "{\"answer\": 7}", json!(7)),
        ("yes | no", "no", json!("no")),
        ("\"integer | null\"", "```json\nnull\n```", json!(null)),
        ("boolean", "Yes", json!(true)),
        ("{ level: low | high }", "level: High", json!({ "level": "high" })),
        ("{ xs: [string] }", "xs: |\n  - a: b\n\n  - c\n", json!({ "xs": ["a: b", "c"] })),
        ("any", "{\"a\": [1]}", json!({ "a": [1] })),
        ("any", "*just* words: with `: ` and {", json!("*just* words: with `: ` and {")),
    ]);
}

#[test]
fn slips_in_json_are_mended_and_told() {
    for (text, wanted, told) in [
        ("{\"s\": \"a\nb\tc\", \"n\": 1}", json!({ "s": "a\nb\tc", "n": 1 }), "escaped raw line ends in strings"),
        ("{\"s\": \"\\d+\\n\", \"n\": 1}", json!({ "s": "\\d+\n", "n": 1 }), "doubled lone backslashes in strings"),
        ("{\"s\": \"x, }\", \"n\": 1,}", json!({ "s": "x, }", "n": 1 }), "dropped commas before closing brackets"),
        (
            "{\"s\": \"None\\\\\", \"n\": None}",
            json!({ "s": "None\\", "n": null }),
            "wrote constants of Python as JSON's",
        ),
    ] {
        let answer = read(text, &Type::of("{ s: string, n: \"integer | null\" }")).expect(text);
        assert_eq!((&answer.value, answer.repairs), (&wanted, vec![told.to_owned()]), "{text}");
    }
    let clean = read("{\"s\": \"\\u00e9\", \"n\": 1}", &Type::of("{ s: string, n: integer }")).expect("is JSON");
    assert_eq!((clean.value, clean.repairs), (json!({ "s": "é", "n": 1 }), vec![]));
}

#[test]
fn slips_in_yaml_are_mended_by_what_the_type_says() {
    let two = "{ why: string, n: integer }";
    let items = "{ xs: [string] }";
    good(&[
        (two, "why: It works: O(n)\nn: 1", json!({ "why": "It works: O(n)", "n": 1 })),
        (two, "why: `dp` is enough\nn: 1", json!({ "why": "`dp` is enough", "n": 1 })),
        (two, "why: *bold* claim\nn: 1", json!({ "why": "*bold* claim", "n": 1 })),
        (two, "why: %d of them\nn: 1", json!({ "why": "%d of them", "n": 1 })),
        (two, "why: \"fast\" and simple\nn: 1", json!({ "why": "\"fast\" and simple", "n": 1 })),
        (two, "why: C # not C++\nn: 1", json!({ "why": "C # not C++", "n": 1 })),
        (two, "why: !important & more\nn: 1", json!({ "why": "!important & more", "n": 1 })),
        (two, "why: first: a\n  then: b\n\n  last\nn: 1", json!({ "why": "first: a\nthen: b\n\nlast", "n": 1 })),
        (two, "why: 1e3\nn: 1", json!({ "why": "1e3", "n": 1 })),
        (two, "why: [a, b]\nn: 1", json!({ "why": "[a, b]", "n": 1 })),
        (two, "why: fine\nn: 1 # a guess", json!({ "why": "fine", "n": 1 })),
        (two, "why: 'it''s: so'\nn: 1", json!({ "why": "it's: so", "n": 1 })),
        (
            items,
            "xs:\n- Input: two ints\n- plain\n- a: b\n  c: d # e",
            json!({ "xs": ["Input: two ints", "plain", "a: b\nc: d # e"] }),
        ),
        (
            items,
            "xs:\n  - `x` is: one\n    more\n  - *two*\n  - \"three\" of: them",
            json!({ "xs": ["`x` is: one\nmore", "*two*", "\"three\" of: them"] }),
        ),
        (
            "{ rows: [{ k: string, v: string }] }",
            "rows:\n- k: `a`: b\n  v: c: d\n- k: e\n  v: @f",
            json!({ "rows": [{ "k": "`a`: b", "v": "c: d" }, { "k": "e", "v": "@f" }] }),
        ),
    ]);
    let told = read("why: It works: O(n)\nn: 1", &Type::of(two)).expect("can be mended").repairs;
    assert_eq!(told, ["block scalar: `why`"]);
}

#[test]
fn programs_in_yaml_keep_their_lines() {
    let ty = "{ why: string, code: code }";
    let program = "def f(n):\n    # half: of it\n    if n:\n        return {\"a\": n}\n\nprint(f(1))";
    let indented = |by: &str| {
        program
            .lines()
            .map(|l| if l.is_empty() { String::new() } else { format!("{by}{l}") })
            .collect::<Vec<_>>()
            .join("\n")
    };
    for text in [
        format!("why: w\ncode: |\n{}\n", indented("  ")),
        format!("```yaml\nwhy: w\ncode: |\n{}\n```", indented("  ")),
        format!("```yaml\nwhy: 'a: b'\ncode: |-\n{}\n```", indented("    ")),
        format!("```yaml\nwhy: a: b\ncode: |\n  ```python\n{}\n  ```\n```", indented("  ")),
        format!("why: w\ncode: |\n{program}\n"),
        format!("why: w\ncode: |\n{}\n", indented("\t")),
        format!("code: |\n{}\nwhy: w", indented("  ")),
        serde_json::to_string(&json!({ "why": "w", "code": program })).expect("is JSON"),
        format!("{{\"why\": \"w\", \"code\": \"{}\"}}", program.replace('"', "\\\"")),
    ] {
        let read = answer(ty, &text).unwrap_or_else(|why| panic!("{text}\n{why}"));
        assert_eq!(read["code"].as_str().map(str::trim_end), Some(program), "{text}");
    }
    let unmarked = answer(ty, "why: w\ncode: a = 1\n  b = 2").expect("is YAML");
    assert_eq!(unmarked["code"], json!("a = 1\nb = 2"));
}

#[test]
fn a_program_alone_is_the_first_fenced_block_else_the_whole_answer() {
    let ty = "{ code: code }";
    let of = |text: &str| answer(ty, text).map(|record| record["code"].as_str().map(str::to_owned));
    for (text, program) in [
        ("Intro\n```python\na = 1\n\nb = 2\n```\nthen\n```\nother\n```", "a = 1\n\nb = 2"),
        ("```cpp\nint main() {}\n```", "int main() {}"),
        ("```python\nprint(1)\n", "print(1)"),
        ("print({\"code\": 1})\n", "print({\"code\": 1})"),
        ("{\"a\": 1}", "{\"a\": 1}"),
        ("code = 1\nprint(code)", "code = 1\nprint(code)"),
        ("\n  indented = 1\n", "  indented = 1"),
        ("{\"code\": \"print(1)\\nprint(2)\"}", "print(1)\nprint(2)"),
        ("{\"code\": \"```python\\nprint(1)\\n```\"}", "print(1)"),
        ("```json\n{\"code\": \"print(1)\"}\n```", "print(1)"),
        ("{\"code\": \"print(1)\nprint(2)\"}", "print(1)\nprint(2)"),
        ("code: |\n  print(1)\n  print(2)", "print(1)\nprint(2)"),
        ("```yaml\ncode: |\n  print(1)\n```", "print(1)"),
        ("<think>```python\nno\n```</think>```python\nyes\n```", "yes"),
    ] {
        assert_eq!(of(text), Ok(Some(program.to_owned())), "{text}");
    }
    assert!(of("").is_err());
    assert!(of("```python\n```").is_err());
    good(&[
        ("\"code | null\"", "I would change nothing.", json!(null)),
        ("\"code | null\"", "```\nx\n```", json!("x")),
        ("{ code: \"code | null\" }", "{\"code\": null}", json!({ "code": null })),
    ]);
}

#[test]
fn what_does_not_fit_is_refused_with_few_and_plain_reasons() {
    for (ty, text, wanted) in [
        ("{ n: integer }", "junk", "the answer must be a record with `n`; got `junk`"),
        ("{ n: integer }", "\n", "the answer is empty"),
        ("{ k: string }", "{\"q\": 1}", "`k` is missing"),
        (
            "{ n: integer }",
            "I think:\n```json\n{\"n\": \"three\"}\n```\nbut who knows: not me",
            "`n` must be a whole number; got `three`",
        ),
        ("{ n: integer }", "```json\n{\"n\": 3\n```", "the JSON can't be read"),
        (
            "{ why: string, code: code }",
            "The `x` is: wrong.\n\n* see: this\n```python\nprint(1)\n```",
            "the answer must be a record with `why`, `code`; got `print(1)`",
        ),
        (
            "{ why: string, code: code }",
            "The `x` is: wrong.\n\n* see: this\n",
            "the answer must be a record with `why`, `code`, in JSON or YAML",
        ),
        ("[integer]", "no list", "the answer must be a list; got `no list`"),
    ] {
        let why = answer(ty, text).expect_err(text);
        assert!(why.starts_with(wanted), "{ty} of {text}: {why}");
    }
    let many = json!({ "xs": vec!["x"; 9] }).to_string();
    let reasons = read(&many, &Type::of("{ xs: [integer] }")).expect_err("none is a number");
    assert_eq!((reasons.len(), reasons[4].as_str()), (5, "and 5 more places do not fit"));
}

/// A type, and a value of it that reads back as itself.
fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    let text = prop_oneof!["[ -~]{0,20}", "[a-z:#'\"\\\\{}\\[\\] \n|>-]{0,30}", "[äß 1-9.é\n]{0,9}"];
    let leaf = prop_oneof![
        text.prop_map(|text| (Type::text(), Value::from(text))),
        "[a-z(){} =:+\n]{0,30}[a-z]".prop_map(|code| (Type::Code, Value::from(code))),
        any::<i32>().prop_map(|n| (Type::integer(), n.into())),
        (-1e9..1e9).prop_map(|n: f64| (Type::number(), n.into())),
        any::<bool>().prop_map(|b| (Type::Boolean, b.into())),
        Just((Type::text().or_null(), Value::Null)),
        prop_oneof!["low", "high"].prop_map(|word| (Type::Literals(vec![json!("low"), json!("high")]), word.into())),
    ];
    let nested = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            (inner.clone(), 0..4usize).prop_map(|((ty, value), n)| (Type::list(ty), vec![value; n].into())),
            record(inner),
        ]
    });
    record(nested)
}

/// Records of two fields or more: one `code` alone is read in its own way.
fn record(inner: impl Strategy<Value = (Type, Value)>) -> impl Strategy<Value = (Type, Value)> {
    proptest::collection::vec(inner, 2..4).prop_map(|fields| {
        let (mut types, mut values) = (Vec::new(), serde_json::Map::new());
        for (i, (ty, value)) in fields.into_iter().enumerate() {
            let name = format!("field_{i}");
            types.push(crate::spec::types::Field { name: name.clone(), ty, default: None, about: None });
            values.insert(name, value);
        }
        (Type::Record(types), Value::Object(values))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_as_json_reads_back((ty, value) in typed_value(), fenced in any::<bool>()) {
        let text = if fenced { format!("So:\n```json\n{value:#}\n```\n") } else { value.to_string() };
        let answer = read(&text, &ty);
        prop_assert_eq!(answer, Ok(Answer { value, repairs: vec![] }), "{}", text);
    }

    #[test]
    fn what_is_written_as_yaml_reads_back((ty, value) in typed_value(), fenced in any::<bool>()) {
        let yaml = serde_yaml::to_string(&value).expect("values are YAML");
        let text = if fenced { format!("So:\n```yaml\n{yaml}```\n") } else { yaml };
        prop_assert_eq!(read(&text, &ty).map(|answer| answer.value), Ok(value), "{}", text);
    }

    #[test]
    fn no_text_makes_reading_panic((ty, _) in typed_value(), text in "(field_[0-2]|[{}\\[\\]|>`~:#'\"\\\\,\n\t é-]|```|[a-c]){0,40}") {
        let _ = read(&text, &ty);
        let _ = read(&text, &Type::of("{ code: \"code | null\" }"));
    }
}

proptest! {
    // Each case reads some hundred texts.
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn no_prefix_of_an_answer_makes_reading_panic((ty, value) in typed_value()) {
        let yaml = serde_yaml::to_string(&value).expect("values are YAML");
        for text in [format!("```json\n{value:#}\n```"), format!("```yaml\n{yaml}```")] {
            for (end, _) in text.char_indices() {
                let _ = read(&text[..end], &ty);
            }
        }
    }
}
