//! Null reads through; operators; filters and tests of our own.

use super::{eval, holds};
use serde_json::{Value, json};

#[test]
fn null_reads_through() {
    let given = json!({ "null": null, "xs": [1, 2], "r": { "a": null, "b": { "c": 3 } }, "ideas": [] });
    holds(
        &given,
        &[
            ("missing", Value::Null),
            ("null.x.y", Value::Null),
            ("null.x.y == none", json!(true)),
            ("none == null[3]", json!(true)),
            ("null.x.y != none", json!(false)),
            ("xs[9]", Value::Null),
            ("xs[9] is none", json!(true)),
            ("xs[9] is not defined", json!(true)),
            ("xs[-3]", Value::Null),
            ("xs[-1]", json!(2)),
            ("xs.x", Value::Null),
            ("xs['a']", Value::Null),
            ("r[0]", Value::Null),
            ("r.a.b.c", Value::Null),
            ("r.b.c", json!(3)),
            ("r['b'].c", json!(3)),
            ("r.b.c.d", Value::Null),
            ("(1 if false)", Value::Null),
            ("(1 if false) is none", json!(true)),
            ("(1 if false) == none", json!(true)),
            ("ideas[5] or 'x'", json!("x")),
            ("[r.a, none] | unique", json!([null])),
            ("null | length", json!(0)),
            ("null | list", json!([])),
            ("null | first", Value::Null),
            ("[] | first", Value::Null),
            ("([] | first) == none", json!(true)),
            ("[] | last", Value::Null),
            ("[] | max", Value::Null),
            ("null | upper", json!("")),
            ("null | default('d')", json!("d")),
            ("0 | default('d')", json!(0)),
            ("0 | default('d', true)", json!("d")),
            ("null ~ 'x' ~ true", json!("xtrue")),
            ("['a', none, 'b'] | join('-')", json!("a--b")),
            ("'x' in null", json!(false)),
            ("none in 'x'", json!(false)),
            ("null[1:]", json!([])),
            ("{'a': null}", json!({ "a": null })),
            ("null < 1", json!(true)),
        ],
    );
}

#[test]
fn and_and_or_give_operands() {
    let given = json!({ "empty": {}, "a": 0, "b": [1] });
    holds(
        &given,
        &[
            ("a or b", json!([1])),
            ("a and b", json!(0)),
            ("b and a", json!(0)),
            ("empty or ''", json!("")),
            ("not empty", json!(true)),
            ("b or (1 // 0)", json!([1])),
        ],
    );
}

#[test]
fn whole_numbers_stay_whole() {
    holds(
        &json!({ "max": u64::MAX, "half": 0.5 }),
        &[
            ("1 + 2", json!(3)),
            ("4 / 2", json!(2.0)),
            ("7 // 2", json!(3)),
            ("-7 // 2", json!(-4)),
            ("-7 % 3", json!(2)),
            ("7.5 // 2", json!(3.0)),
            ("2 ** 10", json!(1024)),
            ("2 ** -1", json!(0.5)),
            ("1 + 0.0", json!(1.0)),
            ("half * 2", json!(1.0)),
            ("max - 1", json!(u64::MAX - 1)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("1 == 1.0", json!(true)),
            ("max == max + 0.0", json!(false)),
            ("true + 1", json!(2)),
            ("1 < 2 < 3", json!(true)),
            ("3 > 2 > 2", json!(false)),
            ("[1, 0] < [1, 2]", json!(true)),
            ("[1] + [2] + []", json!([1, 2])),
            ("'a' + 'b'", json!("ab")),
            ("'ab' * 2", json!("abab")),
            ("2 * [1]", json!([1, 1])),
        ],
    );
}

#[test]
fn what_cannot_be_computed_is_an_error_that_names_it() {
    let given = json!({ "n": 0, "s": "text", "none_at_all": null });
    let rows = [
        ("1 + 10 // n", "can't divide by zero in `10 // n`"),
        ("1 / n", "can't divide by zero in `1 / n`"),
        ("5 % 0.0", "can't divide by zero in `5 % 0.0`"),
        ("0 ** -1", "can't divide by zero in `0 ** -1`"),
        ("s + 1", "can't compute text + a number in `s + 1`"),
        ("none_at_all + 1", "can't compute null + a number in `none_at_all + 1`"),
        ("-s", "can't negate text in `-s`"),
        ("9223372036854775807 * 4", "the number is too large in `9223372036854775807 * 4`"),
        ("1e308 * 10", "the number is too large in `1e308 * 10`"),
        ("2 ** 2000", "the number is too large in `2 ** 2000`"),
        ("5 | length", "`length`: a number has no length in `5 | length`"),
        ("true | select", "`select`: expected a list, got a boolean in `true | select`"),
        ("[1] | take('x')", "`take`: `n` is a whole number, not text in `[1] | take('x')`"),
        ("'x' | int", "`int`: `x` is not a whole number in `'x' | int`"),
        ("['a'] | map(s)", "`map`: there is no filter `text` in `['a'] | map(s)`"),
        ("[1] | select(s)", "`select`: there is no test `text` in `[1] | select(s)`"),
        ("['a'] | map('int')", "`map`: `int`: `a` is not a whole number in `['a'] | map('int')`"),
        (
            "'x' | matches(s ~ '(')",
            "`matches`: `text(` is no regular expression: unclosed group in `'x' | matches(s ~ '(')`",
        ),
    ];
    for (source, expected) in rows {
        assert_eq!(eval(source, &given).unwrap_err().0, expected, "{source}");
    }
}

#[test]
fn an_expression_that_does_too_much_runs_out_of_fuel() {
    let given = json!({ "xs": (0..2000).collect::<Vec<_>>(), "a": "aaaaaaaaaaaaaaaa" });
    let rows = [
        "range(100000000)",
        "'x' * 1000000000",
        "[1, 2] * 1000000000",
        "[1] | slice(1000000000) | length",
        "[1] | batch(1000000000, 0) | length",
        "'x' | indent(9000000000, true)",
        "(a * 100000) | replace('a', a * 1000)",
        "xs | map('string') | join('x' * 1000000)",
        "range(-9223372036854775808, 9223372036854775807)",
    ];
    for source in rows {
        let error = eval(source, &given).unwrap_err().0;
        assert!(error.contains("template fuel"), "{source}: {error}");
    }
}

#[test]
fn lists_are_cut_and_joined() {
    let given = json!({ "xs": [3, 1, 2], "t": "häuser" });
    holds(
        &given,
        &[
            ("xs[1:]", json!([1, 2])),
            ("xs[:-1]", json!([3, 1])),
            ("xs[::-1]", json!([2, 1, 3])),
            ("xs[5:]", json!([])),
            ("t[1:3]", json!("äu")),
            ("t[1]", json!("ä")),
            ("t | length", json!(6)),
            ("range(3)", json!([0, 1, 2])),
            ("range(2, 8, 3)", json!([2, 5])),
            ("range(3, 0, -1)", json!([3, 2, 1])),
            ("range(3, 3)", json!([])),
            ("range(4, step=2)", json!([0, 2])),
            ("xs | take(2)", json!([3, 1])),
            ("xs | take(-1)", json!([])),
            ("xs | sort", json!([1, 2, 3])),
            ("[[1, 2], [3, 4]] | map('sort', reverse=true)", json!([[2, 1], [4, 3]])),
            ("['b', none, 'A', 1] | sort", json!([null, 1, "A", "b"])),
            ("[[1, [2]], none, 3, [], [4]] | flatten", json!([1, [2], 3, 4])),
            ("[none, 2, 1] | min", json!(1)),
            ("[none, 2, 1] | max", json!(2)),
            ("[none, 2, 1] | sum", json!(3)),
            ("[[1], [2]] | sum(start=[])", json!([1, 2])),
            ("xs | zip(['a', 'b'])", json!([[3, "a"], [1, "b"]])),
            ("[[1, 4, 6], [2, 5], [3]] | round_robin(5)", json!([1, 2, 3, 4, 5])),
            ("[[1], [2]] | round_robin(9)", json!([1, 2])),
            ("['b', 'a', 'a', 'b', 'c'] | majority", json!("b")),
            ("[1, 1.0, 2] | majority", json!(1)),
            ("[] | majority", Value::Null),
        ],
    );
}

#[test]
fn records_are_grouped_and_deduplicated_whole() {
    let given = json!({ "tests": [
        { "input": "1", "output": "a" }, { "output": "a", "input": "1" }, { "input": "2", "output": "a" },
    ] });
    holds(
        &given,
        &[
            ("tests | unique", json!([{ "input": "1", "output": "a" }, { "input": "2", "output": "a" }])),
            ("tests | unique(attribute='output') | length", json!(1)),
            ("tests | group_by('input') | map(attribute='size')", json!([2, 1])),
            (
                "[{'k': 'x'}, {'k': 'y'}, {'k': 'x'}] | group_by('k')",
                json!([
                    { "key": "x", "items": [{ "k": "x" }, { "k": "x" }], "size": 2 },
                    { "key": "y", "items": [{ "k": "y" }], "size": 1 },
                ]),
            ),
            (
                "['b', 'a', 'b'] | group_by",
                json!([
                    { "key": "b", "items": ["b", "b"], "size": 2 }, { "key": "a", "items": ["a"], "size": 1 },
                ]),
            ),
            ("tests[0] == tests[1]", json!(true)),
            ("(tests[0] | hash) == (tests[1] | hash)", json!(true)),
            ("(tests[0] | hash) == (tests[2] | hash)", json!(false)),
            ("(1 | hash) == (1.0 | hash)", json!(true)),
            ("('1' | hash) == (1 | hash)", json!(false)),
            ("tests | hash | length", json!(16)),
        ],
    );
}

#[test]
fn chance_follows_from_the_seeds() {
    let given = json!({ "xs": (0..50).collect::<Vec<_>>() });
    let shuffled = eval("xs | shuffle(0, 'a')", &given).unwrap();
    assert_ne!(shuffled, given["xs"]);
    assert_eq!(shuffled, eval("xs | shuffle(0.0, 'a')", &given).unwrap());
    assert_ne!(shuffled, eval("xs | shuffle(0, 'b')", &given).unwrap());
    assert_eq!(eval("xs | shuffle(7) | sort", &given).unwrap(), given["xs"]);
    holds(&given, &[("[] | choice(1)", Value::Null), ("['a'] | choice(1)", json!("a"))]);
    // 600 draws from 6: a fair die gives each face 100 times, give or take 9; 60 is more than four times that off.
    let mut faces = [0; 6];
    for seed in 0..600 {
        let drawn = eval("range(6) | choice(seed, 'die')", &json!({ "seed": seed })).unwrap();
        faces[usize::try_from(drawn.as_u64().unwrap()).unwrap()] += 1;
    }
    assert!(faces.iter().all(|n| (60..140).contains(n)), "{faces:?}");
}

#[test]
fn kmeans_finds_groups_that_lie_apart() {
    let given = json!({
        "items": ["a", "b", "c", "d", "e", "f"],
        "vectors": [[0, 0], [10, 10], [0, 1], [10, 11], [1, 0], [0.1, 0.1]],
    });
    // Whatever the seed: two heaps far apart, of four and two. The middle of the first is (0.275, 0.275), nearest to f.
    for seed in 0..20 {
        let made = eval(&format!("items | kmeans(vectors, 2, {seed})"), &given).unwrap();
        assert_eq!(
            made,
            json!([
                { "size": 4, "nearest": "f", "items": ["a", "c", "e", "f"] },
                { "size": 2, "nearest": "b", "items": ["b", "d"] },
            ]),
            "{seed}"
        );
    }
    holds(
        &given,
        &[
            ("items | kmeans(vectors, 1, 0) | map(attribute='size')", json!([6])),
            ("items | kmeans(vectors, 99, 0) | map(attribute='size')", json!([1, 1, 1, 1, 1, 1])),
            ("['x', 'y'] | kmeans([[1], [1]], 2, 0) | map(attribute='items')", json!([["x", "y"]])),
            ("[] | kmeans([], 2, 0)", json!([])),
        ],
    );
    let error = eval("items | kmeans([[1]], 2, 0)", &given).unwrap_err().0;
    assert!(error.starts_with("`kmeans`: there are 6 items but 1 vectors"), "{error}");
}

#[test]
fn text_is_shaped_for_prompts() {
    let given = json!({
        "code": "print('```')\n", "list": ["one", "two\nlines", 3, { "a": 1 }],
        "long": (1..=10).map(|i| i.to_string()).collect::<Vec<_>>().join("\n"),
        "idea": { "name": "scan", "content": "a\nb\n", "n": null },
    });
    holds(
        &given,
        &[
            ("'x = 1\n' | fence('python')", json!("```python\nx = 1\n```")),
            ("code | fence", json!("````\nprint('```')\n````")),
            ("list | bullets", json!("- one\n- two\n  lines\n- 3\n- {\"a\": 1}")),
            ("[] | bullets", json!("")),
            ("'alone' | bullets", json!("- alone")),
            ("long | clip(lines=4)", json!("1\n2\n[… 6 lines left out …]\n9\n10")),
            ("long | clip(9)", json!("1\n2\n3\n4\n5\n[… 1 line left out …]\n7\n8\n9\n10")),
            ("long | clip(10) == long", json!(true)),
            ("idea | to_yaml", json!("name: scan\ncontent: |\n  a\n  b\nn: null")),
            ("idea | to_json", json!("{\"name\": \"scan\", \"content\": \"a\\nb\\n\", \"n\": null}")),
            ("[1] | to_json(indent=2)", json!("[\n  1\n]")),
            ("'Brute force' | matches('(?i)brute')", json!(true)),
            ("'abc' is matches('^b')", json!(false)),
            ("null is matches('')", json!(false)),
            ("'a b  c' | split", json!(["a", "b", "c"])),
            ("'a,b,c' | split(',', 1)", json!(["a", "b,c"])),
            ("'  a b  c ' | split(none, 1)", json!(["a", "b  c "])),
            ("'a\nb' | indent(2, true)", json!("  a\n  b")),
        ],
    );
}

#[test]
fn functions_are_found_in_five_languages() {
    let python = "import os\n\n# about f\n@cache\ndef f(\n    x,\n):\n    \"\"\"doc\ndef not_this(): pass\n\"\"\"\n    return (x +\n1)\n\n# about g\nasync def g(): return 1\nx = f(1)\nclass C:\n    def m(self): pass\ndef h():\n    def inner(): pass\n\n    return inner\n";
    let c = "#include <stdio.h>\nint g = 3;\nstruct P { int x; };\nint a[] = {1, 2};\nint f(int x) {\n  // }\n  return x ? '}' : '{';\n}\nstruct P make(void) { struct P p = { 1 }; return p; }\nint main() { puts(\"}\"); }\n";
    let cpp = "using namespace std;\ntemplate <class T> T twice(T x) { return x + x; }\nclass A { int m() { return 1; } };\nauto s = R\"(})\";\nvoid last() {}\n";
    let js = "const k = 1;\nfunction f(a) { return `}${a}`; }\nconst g = (x) => { return x; };\nclass C { m() {} }\nasync function h() {}\n";
    let rust = "use std::io;\nstruct S<'a> { x: &'a str }\nimpl S<'_> { fn m(&self) {} }\n/// about f\npub fn f<'a>(x: &'a str) -> char { let _ = r#\"}\"#; '}' }\nfn main() { println!(\"{}\", 1); }\n";
    let given = json!({ "python": python, "c": c, "cpp": cpp, "js": js, "rust": rust });
    holds(
        &given,
        &[
            (
                "python | functions('python')",
                json!([
                    "@cache\ndef f(\n    x,\n):\n    \"\"\"doc\ndef not_this(): pass\n\"\"\"\n    return (x +\n1)",
                    "async def g(): return 1",
                    "def h():\n    def inner(): pass\n\n    return inner",
                ]),
            ),
            (
                "c | functions('c')",
                json!([
                    "int f(int x) {\n  // }\n  return x ? '}' : '{';\n}",
                    "struct P make(void) { struct P p = { 1 }; return p; }",
                    "int main() { puts(\"}\"); }",
                ]),
            ),
            ("cpp | functions('cpp')", json!(["template <class T> T twice(T x) { return x + x; }", "void last() {}"])),
            (
                "js | functions('javascript')",
                json!(["function f(a) { return `}${a}`; }", "const g = (x) => { return x; }", "async function h() {}"]),
            ),
            (
                "rust | functions('rust')",
                json!([
                    "pub fn f<'a>(x: &'a str) -> char { let _ = r#\"}\"#; '}' }",
                    "fn main() { println!(\"{}\", 1); }",
                ]),
            ),
            ("none | functions('python')", json!([])),
        ],
    );
}
