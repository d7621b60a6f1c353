//! Tables of expressions and what is known of them.

use super::{Env, Eval};
use crate::check::check;
use crate::plan::bound::Formula;
use crate::plan::bound::of_type::{Sizes, of_type};
use crate::plan::bound::value::{Abstract, Interval, Truth};
use crate::template::Expr;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NAMES: &str = r#"flow: t
inputs:
  xs: [{ name: string, n: integer 1..3 }]
  some: "[integer] 2..4"
  maybe: "[integer] | null"
  long: [string]
  three: "[string] 0..3"
  n: integer 0..5
  any_n: integer
  flag: boolean
  text: string
  thing: { code: "string | null", xs: [string] }
outputs: {}
"#;

/// Names as a flow has them: `xs` is an input of unknown size, all others are what a model answered.
fn env() -> Env {
    let checked = check(&BTreeMap::<String, String>::new(), "t.yaml", NAMES.to_owned());
    let flow = checked.flow.unwrap_or_else(|| panic!("{:?}", checked.found));
    let mut env = Env::default();
    for field in &flow.flows[flow.root].inputs {
        let input: Option<(&str, Sizes<'_>)> = (field.name == "xs").then_some(("xs", &Formula::size));
        env.set(field.name.as_str(), of_type(&field.ty, input, &|_| Interval::default()));
    }
    let of = |name: &str| env.get(name).cloned().expect("a name of the list");
    let (lists, thing) = (Abstract::list(of("three"), Interval::exactly(2u64)), of("thing").or_null());
    env.set("lists", lists);
    env.set("thing", thing);
    env.set("params", Abstract::known(&json!({"tries": 3, "on": true, "name": "x"})));
    env
}

fn eval(source: &str) -> Abstract {
    let expr = Expr::compile(source).expect("the expression of a test compiles");
    Eval::default().eval(expr.ast(), &env())
}

fn shown(range: &Interval) -> String {
    let end = |end: &Option<Formula>| end.as_ref().map_or_else(|| "?".to_owned(), Formula::to_string);
    format!("{}..{}", end(&range.min), end(&range.max))
}

#[test]
fn lengths_are_kept() {
    for (source, expected) in [
        ("xs", "|xs|..|xs|"),
        ("xs | reverse | list", "|xs|..|xs|"),
        ("xs + some", "2 + |xs|..4 + |xs|"),
        ("(xs | reverse | list) + some + xs", "2 + 2 × |xs|..4 + 2 × |xs|"),
        ("some + [1, 2]", "4..6"),
        ("some if flag else xs", "min(2, |xs|)..max(4, |xs|)"),
        ("some if flag else [1]", "1..4"),
        ("some if flag", "2..4"),
        ("some if params.on else xs", "2..4"),
        ("(some if flag else none) or [1]", "1..4"),
        ("(some | select | list) or some", "1..4"),
        ("maybe or []", "0..?"),
        ("maybe and [1]", "0..1"),
        ("some | select | list", "0..4"),
        ("xs | selectattr('name') | list", "0..|xs|"),
        ("some | reject('odd') | list", "0..4"),
        ("[1, 2, 3, n] | select('odd') | list", "2..3"),
        ("[0, 1, n] | select | list", "1..2"),
        ("xs | rejectattr('name', 'matches', 'b') | list", "0..|xs|"),
        ("some | unique | list", "1..4"),
        ("some | sort", "2..4"),
        ("xs | map(attribute='name') | list", "|xs|..|xs|"),
        ("long", "0..?"),
        ("long | take(3)", "0..3"),
        ("long | take(n)", "0..5"),
        ("some | take(3)", "2..3"),
        ("[n, n] | take(1)", "1..1"),
        ("text | split(',') | list", "0..?"),
        ("long | list", "0..?"),
        ("range(n)", "0..5"),
        ("range(params.tries)", "3..3"),
        ("range(2, n)", "0..3"),
        ("range(800, 3501, 100)", "28..28"),
        ("range(xs | length)", "|xs|..|xs|"),
        ("lists | flatten", "0..6"),
        ("[[1], [2, 3]] | flatten", "3..3"),
        ("lists | round_robin(4)", "0..4"),
        ("some | group_by", "1..4"),
        ("long | kmeans([], params.tries, 0)", "0..3"),
        ("some[1:]", "0..4"),
        ("some | shuffle(1)", "2..4"),
        ("some | map('string') | list", "2..4"),
    ] {
        assert_eq!(shown(&eval(source).len()), expected, "length of `{source}`");
    }
}

#[test]
fn ranges_are_kept() {
    for (source, expected) in [
        ("n + 1", "1..6"),
        ("n - 1", "-1..4"),
        ("n * 2 + params.tries", "3..13"),
        ("2 * (n - 3)", "-6..4"),
        ("-n", "-5..0"),
        ("n // 2", "0..2"),
        ("n % 3", "0..2"),
        ("(any_n | abs) % (some | length)", "0..3"),
        ("params.tries + 1 + (1 if xs | length == 1 else 0)", "4..5"),
        ("(params.tries + xs | length) * 3", "9 + 3 × |xs|..9 + 3 × |xs|"),
        ("xs | length - 1", "|xs| - 1..|xs| - 1"),
        ("any_n", "?..?"),
        ("any_n if flag else 3", "?..?"),
        ("n if n < 3 else 0", "0..2"),
        ("n if n >= 3 else 7", "3..7"),
        ("n or 9", "1..9"),
        ("xs[0].n", "1..3"),
        ("some | length", "2..4"),
        ("7 // 2", "3..3"),
        ("params.tries ** 2", "9..9"),
    ] {
        assert_eq!(shown(&eval(source).range()), expected, "range of `{source}`");
    }
}

#[test]
fn conditions_are_decided_where_they_can_be() {
    for (source, expected) in [
        ("params.on and not params.off", Truth::True),
        ("flag or params.on", Truth::True),
        ("flag and not params.on", Truth::False),
        ("not flag", Truth::Unknown),
        ("some", Truth::True),
        ("long", Truth::Unknown),
        ("n <= 5", Truth::True),
        ("n > 5", Truth::False),
        ("n < 5", Truth::Unknown),
        ("n == 7", Truth::False),
        ("0 <= n < 6", Truth::True),
        ("some | length > 1", Truth::True),
        ("xs | length + 1 > xs | length", Truth::True),
        ("params.tries == 3", Truth::True),
        ("params.name == 'x'", Truth::True),
        ("text == 'x'", Truth::Unknown),
        ("params.name in ['x', 'y']", Truth::True),
        ("thing is none", Truth::Unknown),
        ("some is none", Truth::False),
        ("params.missing is none", Truth::True),
        ("thing is not none and thing.xs is none", Truth::False),
        ("'ab' is matches('a.')", Truth::True),
    ] {
        assert_eq!(eval(source).truth(), expected, "truth of `{source}`");
    }
}

#[test]
fn what_is_known_is_computed_as_in_a_run() {
    for (source, expected) in [
        ("7 / 2", json!(3.5)),
        ("params.name ~ params.tries", json!("x3")),
        ("[3, 1] | sort", json!([1, 3])),
        ("[1, 2, 3][1:]", json!([2, 3])),
        ("'a,b' | split(',') | list", json!(["a", "b"])),
        ("[1, 1, 2] | unique | list", json!([1, 2])),
        ("{'a': 1}.a", json!(1)),
        ("range(3) | list", json!([0, 1, 2])),
        ("'x' if params.off", Value::Null),
    ] {
        assert_eq!(eval(source).value(), Some(expected), "value of `{source}`");
    }
}

#[test]
fn conditions_rule_out_null() {
    assert!(eval("thing").nullable);
    assert!(!eval("thing.xs if thing else []").nullable);
    assert!(!eval("thing.xs if thing is not none else []").nullable);
    assert!(eval("thing.code if thing else 'x'").nullable);
    assert!(!eval("thing.code if thing.code else 'x'").nullable);
    assert!(!eval("thing and thing.code or 'x'").nullable);
}
