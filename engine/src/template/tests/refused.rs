//! What is refused when it is compiled, with its place; and that nothing makes the compiler panic.

use super::Given;
use crate::template::{Expr, SyntaxError, Text};
use proptest::prelude::*;
use serde_json::json;

/// The source with what is wrong in «», and the message.
fn refusal(marked: &str, compile: impl Fn(&str) -> Result<(), SyntaxError>) -> SyntaxError {
    let source = marked.replace(['«', '»'], "");
    let start = marked.find('«').expect("a mark");
    let end = marked.find('»').expect("a mark") - '«'.len_utf8();
    let error = compile(&source).expect_err(marked);
    assert_eq!((error.start, error.end), (start, end), "{marked}: {}", error.message);
    error
}

fn expr(source: &str) -> Result<(), SyntaxError> {
    Expr::compile(source).map(|_| ())
}

fn text(source: &str) -> Result<(), SyntaxError> {
    let partial = |path: &str| match path {
        "self.md" => Some("{% include 'self.md' %}".to_owned()),
        "bad.md" => Some("fine\n\n{{ x | lenght }}".to_owned()),
        "twice.md" => Some("{% include 'two.md' %}{% include 'two.md' %}".to_owned()),
        _ => None,
    };
    Text::compile(source, &partial).map(|_| ())
}

#[test]
fn expressions_that_are_not_in_the_language() {
    let rows = [
        ("1 «+»", "unexpected end of input, expected expression"),
        ("«a.b.upper()»", "`.upper(…)`: values have no methods; use a filter"),
        ("«dict»(a=1)", "`dict` can't be called, only `range` can"),
        ("1 + «length»(xs)", "`length` can't be called, only `range` can; write `value | length`"),
        ("«(a or b)(1)»", "only `range(…)` can be called; values have filters"),
        ("xs | take(*«ys»)", "`*` before an argument is not in the language; write each argument"),
        ("xs | «take»", "`take` needs the argument `n`: it is written `take(n)`"),
        ("xs | «take»(1, 2)", "`take` takes at most 1 arguments: it is written `take(n)`"),
        ("xs | «take»(m=1)", "`take` has no argument `m`: it is written `take(n)`"),
        ("xs | «take»(1, n=1)", "`n` is given twice"),
        ("«range»()", "`range` needs the argument `start`"),
        ("name | matches(«'('»)", "`(` is no regular expression: unclosed group"),
        ("xs | selectattr('a', 'matches', «'['»)", "`[` is no regular expression: unclosed character class"),
        ("«99999999999999999999»", "this number is too large"),
    ];
    for (marked, message) in rows {
        let error = refusal(marked, expr);
        assert!(error.message.contains(message), "{marked}: {}", error.message);
        assert_eq!(error.unknown_filter, None, "{marked}");
    }
}

#[test]
fn filters_and_tests_that_do_not_exist() {
    let rows = [
        ("xs | «lenght»", "lenght", "there is no filter `lenght`; did you mean `length`?"),
        ("xs | «tojson»", "tojson", "did you mean `to_json`?"),
        ("xs | map(«'uper'»)", "uper", "there is no filter `uper`; did you mean `upper`?"),
        ("xs | select(«'nome'»)", "nome", "there is no test `nome`; did you mean `none`?"),
        ("xs | rejectattr('name', «\"match\"», 'x')", "match", "there is no test `match`"),
        ("xs | map('select', «'evn'»)", "evn", "did you mean `even`?"),
        ("x is «defned»", "defned", "did you mean `defined`?"),
        ("x | «urlize»", "urlize", "there is no filter `urlize`"),
        ("1 + (a.b | «frist»).c", "frist", "did you mean `first`?"),
    ];
    for (marked, name, message) in rows {
        let error = refusal(marked, expr);
        assert!(error.message.contains(message), "{marked}: {}", error.message);
        assert_eq!(error.unknown_filter.as_deref(), Some(name), "{marked}");
    }
}

#[test]
fn texts_that_are_not_in_the_language() {
    let rows = [
        ("a {% «macro» f() %}{% endmacro %}", "a `macro` is not in the language"),
        ("{% «extends» 'a.md' %}", "`extends` is not in the language"),
        ("{% «import» 'a.md' as a %}", "`import` is not in the language"),
        ("{% «from» 'a.md' import a %}", "`import` is not in the language"),
        ("{% «block» b %}{% endblock %}", "a `block` is not in the language"),
        ("{% «autoescape» true %}{% endautoescape %}", "`autoescape` is not in the language"),
        ("{% «filter» upper %}a{% endfilter %}", "a `filter` block is not in the language"),
        ("{% «set» x %}a{% endset %}", "a `set` block is not in the language"),
        ("{% «do» range(1) %}", "`do` is not in the language"),
        ("{% «call» range(1) %}{% endcall %}", "a `call` block is not in the language"),
        ("{% «for» x in xs recursive %}{% endfor %}", "a recursive loop is not in the language"),
        ("{% set a.«b» = 1 %}", "only a plain name can be given a value"),
        ("{% «include» path %}", "literal"),
        ("x\n{% «include 'missing.md'» %}", "there is no partial `missing.md`"),
        ("{% «include 'missing.md' ignore missing» %}", "`ignore missing` is not in the language"),
        ("{% «include 'self.md'» %}", "in `self.md`, line 1: `self.md` includes itself: self.md -> self.md"),
        ("{{ a }}{{ b | «lenght» }}", "did you mean `length`?"),
    ];
    for (marked, message) in rows {
        let error = if marked.contains("path %}") {
            // The place of an include is all of it.
            let error = text("{% include path %}").unwrap_err();
            assert_eq!((error.start, error.end), (3, 15));
            error
        } else {
            refusal(marked, text)
        };
        assert!(error.message.contains(message), "{marked}: {}", error.message);
    }
    let error = refusal("{% «include 'bad.md'» %}", text);
    assert_eq!(error.message, "in `bad.md`, line 3: there is no filter `lenght`; did you mean `length`?");
    assert_eq!(error.unknown_filter.as_deref(), Some("lenght"));
}

#[test]
fn partials_that_double_are_stopped() {
    let twice = |n: usize| format!("{{% include '{}' %}}", n + 1).repeat(2 * usize::from(n < 12));
    let error = Text::compile("{% include '0' %}", &|path| path.parse().ok().map(twice)).unwrap_err();
    assert!(error.message.ends_with("this text includes more than 256 partials"), "{}", error.message);
    let once = |n: u32| format!("{{% include '{}' %}}", n + 1);
    let error = Text::compile("{% include '0' %}", &|path| path.parse().ok().map(once)).unwrap_err();
    assert!(error.message.ends_with("more than 60 blocks, partials and `set` stand around this"), "{}", error.message);
}

#[test]
fn what_nests_without_end_is_refused() {
    let nested = |n: usize| {
        [
            format!("{}a", "not ".repeat(n)),
            format!("{}a", "-".repeat(n)),
            format!("{}a{}", "(".repeat(n), ")".repeat(n)),
            format!("a{}", " + a".repeat(n)),
            format!("a{}", ".a".repeat(n)),
            format!("a{}", " | list".repeat(n)),
            format!("a{}", " if a else a".repeat(n)),
            format!("{}a{}", "[".repeat(n), "]".repeat(n)),
        ]
    };
    for source in nested(100_000) {
        let error = Expr::compile(&source).unwrap_err();
        assert!(error.message.len() < 200, "{}", error.message);
    }
    // What the parser is let to read it reads within the stack of a thread, which a test has as small as any.
    for source in nested(900).into_iter().chain(nested(300)) {
        Expr::compile(&source).unwrap_err();
    }
    // What is accepted is also evaluated, printed and dropped within the stack of a thread.
    for source in nested(140) {
        if let Ok(expr) = Expr::compile(&source) {
            let _ = expr.eval(&Given(json!({ "a": 1 })));
        }
    }
    let blocks = |inner: &str| ["{% if a %}".repeat(50), inner.to_owned(), "{% endif %}".repeat(50)].concat();
    let hole = format!("{{{{ {}a }}}}", "a + ".repeat(140));
    for source in [
        blocks(&hole),
        blocks("{% include 'blocks' %}"),
        format!("{}{hole}", "{% set a = 1 %}".repeat(50)),
        format!("{{% if a %}}{}{hole}{{% endif %}}", "{% elif a %}".repeat(50)),
        format!("{{% with {}a = 1 %}}{hole}{{% endwith %}}", "a = 1,".repeat(240)),
    ] {
        let partial = |_: &str| Some("{% if a %}{{ a }}{% endif %}".to_owned());
        Text::compile(&source, &partial).unwrap().render(&Given(json!({ "a": 1 }))).unwrap();
    }
    Text::compile(&blocks("{% include 'blocks' %}"), &|_| Some(blocks("deep"))).unwrap_err();
    for source in [
        "{% if a %}".repeat(100_000),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(100_000)),
        "{% set a = 1 %}".repeat(100_000),
        format!("{{% with {} %}}{{% endwith %}}", "a = 1,".repeat(100_000)),
    ] {
        Text::compile(&source, &|_| None).unwrap_err();
    }
}

proptest! {
    #[test]
    fn random_text_never_panics(source in ".{0,60}") {
        let _ = Expr::compile(&source);
        let _ = Text::compile(&source, &|_| None);
    }

    #[test]
    fn random_words_of_the_language_never_panic(words in prop::collection::vec(0..WORDS.len(), 0..24)) {
        let source: String = words.into_iter().map(|i| WORDS[i]).collect::<Vec<_>>().join(" ");
        let given = Given(json!({ "a": [1, 2, { "b": "x" }], "b": null }));
        if let Ok(expr) = Expr::compile(&source) {
            let _ = expr.eval(&given);
        }
        let hole = format!("é{{{{ {source} }}}}");
        for source in [source, hole] {
            if let Ok(text) = Text::compile(&source, &|_| Some("{{ a }}".to_owned())) {
                let _ = text.render(&given);
            }
        }
    }
}

const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "if",
    "else",
    "elif",
    "endif",
    "for",
    "in",
    "endfor",
    "set",
    "=",
    "with",
    "endwith",
    "include",
    "'a.md'",
    "raw",
    "endraw",
    "a",
    "b",
    "c.d",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ":",
    ",",
    ".",
    "|",
    "map",
    "select",
    "sort",
    "take",
    "is",
    "not",
    "none",
    "and",
    "or",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "~",
    "==",
    "<",
    "0",
    "1",
    "2.5",
    "'é'",
    "\n",
    "range",
    "attribute",
    "loop",
    "ä",
    "$",
];
