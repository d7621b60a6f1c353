//! Places of what was read, and what an expression or text reads.

use crate::template::{Ast, AstKind, BinOp, CompareOp, Expr, Part, Read, Text, reads, text_reads};
use serde_json::json;

fn slice<'s>(source: &'s str, ast: &Ast) -> &'s str {
    &source[ast.start..ast.end]
}

#[test]
fn every_part_knows_its_place() {
    let source = "ä.b[0].c if (x or y).z | length > 2 and not w is none else [1, -2]";
    let source = &source.replace('ä', "a");
    let expr = Expr::compile(source).unwrap();
    let AstKind::If { test, then, otherwise } = &expr.ast().kind else { panic!("{:?}", expr.ast()) };
    assert_eq!(slice(source, expr.ast()), *source);
    assert_eq!(slice(source, then), "a.b[0].c");
    assert_eq!(slice(source, test), "(x or y).z | length > 2 and not w is none");
    assert_eq!(slice(source, otherwise.as_ref().unwrap()), "[1, -2]");
    let AstKind::Binary(BinOp::And, compare, not) = &test.kind else { panic!("{test:?}") };
    assert_eq!(slice(source, not), "not w is none");
    let AstKind::Compare(filter, rest) = &compare.kind else { panic!("{compare:?}") };
    assert_eq!((rest[0].0, slice(source, &rest[0].1)), (CompareOp::Gt, "2"));
    let AstKind::Filter { name, value, args } = &filter.kind else { panic!("{filter:?}") };
    assert_eq!((name.as_str(), args.len(), slice(source, value)), ("length", 0, "(x or y).z"));
    let AstKind::List(items) = &otherwise.as_ref().unwrap().kind else { panic!() };
    assert_eq!((slice(source, &items[1]), &items[1].kind), ("-2", &AstKind::Const(json!(-2))));
}

#[test]
fn places_in_a_text_are_those_of_the_file() {
    let source = "é\n{% for x in inputs.xs | take(2) %}\n- {{ x.name }} {{ run.seed }}\n{% endfor %}\n";
    let text = Text::compile(source, &|_| None).unwrap();
    let Part::For { targets, over, body, .. } = &text.parts()[1] else { panic!("{:?}", text.parts()) };
    assert_eq!((targets.as_slice(), slice(source, over)), (&["x".to_owned()][..], "inputs.xs | take(2)"));
    let Part::Emit(hole) = &body[1] else { panic!("{body:?}") };
    assert_eq!(slice(source, hole), "x.name");
    let Part::Emit(between) = &text.parts()[0] else { panic!() };
    assert_eq!(slice(source, between), "é\n");
}

fn written(found: &[Read]) -> Vec<String> {
    found.iter().map(|read| [&[read.root.clone()][..], &read.path].concat().join(".")).collect()
}

#[test]
fn an_expression_reads_its_longest_literal_paths() {
    let source = "a.b[0].c + d[e.f].g + h['k'].0 | length if i[j] else [k, {'l': m}][n:] | map(attribute=o)";
    let found = reads(Expr::compile(source).unwrap().ast());
    assert_eq!(written(&found), ["a.b.0.c", "d", "e.f", "h.k.0", "i", "j", "k", "m", "n", "o"]);
    let places: Vec<&str> = found.iter().map(|read| &source[read.start..read.end]).collect();
    assert_eq!(places, ["a.b[0].c", "d", "e.f", "h['k'].0", "i", "j", "k", "m", "n", "o"]);
}

#[test]
fn names_bound_in_a_text_are_not_read() {
    let source = "{% for x in xs if x > low %}{{ x }}{{ loop.index }}{% include 'p.md' %}{% else %}{{ x }}{% endfor %}\
                  {% with w = w.a, v = w.b %}{{ v }}{{ w }}{% endwith %}{{ v }}{% set s = s %}{{ s.t }}{{ loop }}";
    let text = Text::compile(source, &|_| Some("{{ x }}{{ deep.in.partial }}".to_owned())).unwrap();
    let found = text_reads(text.parts());
    assert_eq!(written(&found), ["xs", "low", "deep.in.partial", "x", "w.a", "v", "s", "loop"]);
    assert_eq!(&source[found[2].start..found[2].end], "include 'p.md'");
}
