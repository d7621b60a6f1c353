//! Texts with holes: what they print, and where lines go.

use super::{Given, render};
use crate::template::Text;
use serde_json::{Value, json};

/// Every row: a text and what it prints.
fn prints(given: &Value, rows: &[(&str, &str)]) {
    for (source, expected) in rows {
        assert_eq!(render(source, given).unwrap(), *expected, "{source:?}");
    }
}

#[test]
fn null_prints_nothing_and_lists_print_json() {
    prints(
        &json!({ "x": { "none": null, "yes": true, "list": [1, "a", null], "rec": { "k": "v", "a": 1.0 }, "t": "ä\"" } }),
        &[
            ("[{{ x.none }}]", "[]"),
            ("[{{ x.a.b.c }}]", "[]"),
            ("{{ x.yes }} {{ not x.yes }}", "true false"),
            ("{{ x.list }}", "[1, \"a\", null]"),
            ("{{ x.rec }}", "{\"k\": \"v\", \"a\": 1.0}"),
            ("{{ [x.t] }} {{ x.t }}", "[\"ä\\\"\"] ä\""),
            ("{{ 1.50 }} {{ 3 }}", "1.5 3"),
            ("<b>{{ '<' }}", "<b><"),
            ("costs $5 {# a comment #}now", "costs $5 now"),
        ],
    );
}

#[test]
fn blocks_leave_no_blank_line_and_the_last_newline_stays() {
    prints(
        &json!({ "on": true, "xs": ["a", "b"] }),
        &[
            ("one\n{% if on %}\ntwo\n{% endif %}\nthree\n", "one\ntwo\nthree\n"),
            ("one\n  {% if not on %}\n  two\n  {% else %}\n  three\n  {% endif %}\n", "one\n  three\n"),
            ("{% for x in xs %}\n- {{ x }}\n{% endfor %}\nend", "- a\n- b\nend"),
            ("{{ xs[0] }}\n{{ xs[1] }}\n", "a\nb\n"),
            ("{% raw %}{{ no }}{% endraw %}", "{{ no }}"),
        ],
    );
}

#[test]
fn names_are_bound_where_they_stand() {
    prints(
        &json!({ "xs": [1, 2, 3], "pairs": [["a", 1], ["b", 2]], "rec": { "k": "v" }, "name": "outer", "none": null }),
        &[
            (
                "{% for x in xs if x != 2 %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ ', ' if not loop.last }}{% endfor %}",
                "1/2:1, 2/2:3",
            ),
            (
                "{% for x in xs %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }} {% endfor %}",
                "03true 12false 21false ",
            ),
            ("{% for x in none %}{{ x }}{% else %}none{% endfor %}", "none"),
            ("{% for x in xs if x > 9 %}{{ x }}{% else %}none{% endfor %}", "none"),
            ("{% for k, n in pairs %}{{ k }}{{ n }}{% endfor %}", "a1b2"),
            ("{% for k, v in rec | items %}{{ k }}={{ v }}{% endfor %}", "k=v"),
            ("{% for k in rec %}{{ k }}{% endfor %}", "k"),
            ("{% for name in xs %}{{ name }}{% endfor %}{{ name }}", "123outer"),
            ("{% for a in xs %}{% for b in xs if b < a %}{{ a }}{{ b }} {% endfor %}{% endfor %}", "21 31 32 "),
            ("{% set name = 'set' %}{{ name }}", "set"),
            ("{% set a, b = pairs[0] %}{{ b }}{{ a }}", "1a"),
            ("{% set n = 1 %}{% set n = n + 1 %}{{ n }}", "2"),
            ("{% with name = 'with', more = name ~ '!' %}{{ more }}{% endwith %}{{ name }}", "with!outer"),
            ("{% if xs %}{% set name = 'inner' %}{{ name }} {% endif %}{{ name }}", "inner outer"),
            ("{% if not xs %}a{% elif name == 'outer' %}b{% else %}c{% endif %}", "b"),
        ],
    );
}

#[test]
fn partials_see_the_names_around_them() {
    let partials = |path: &str| match path {
        "list.md" => Some("{% for x in xs %}\n{% include 'item.md' %}\n{% endfor %}\n".to_owned()),
        "item.md" => Some("- {{ x }}\n".to_owned()),
        "broken.md" => Some("fine\n{{ 10 // x }}".to_owned()),
        _ => None,
    };
    let given = Given(json!({ "xs": ["a", "b"], "x": 0 }));
    let text = Text::compile("Items:\n{% include \"list.md\" %}\nDone.\n", &partials).unwrap();
    assert_eq!(text.render(&given).unwrap(), "Items:\n- a\n- b\nDone.\n");
    let paths: Vec<&str> = text.partials().iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["list.md", "item.md"]);
    let error = Text::compile("{% include 'broken.md' %}", &partials).unwrap().render(&given).unwrap_err();
    assert_eq!(error.0, "can't divide by zero in `10 // x` of `broken.md`");
}

#[test]
fn a_text_without_holes_is_constant() {
    let constant = |source: &str| Text::compile(source, &|_| Some("partial".to_owned())).unwrap().is_constant();
    assert!(constant("plain {% raw %}{{ x }}{% endraw %} {# comment #}"));
    assert!(constant("{% include 'a.md' %}"));
    assert!(!constant("{{ x }}"));
    assert!(!constant("{% if x %}y{% endif %}"));
}

#[test]
fn a_text_that_loops_runs_out_of_fuel() {
    let nested = "{% for a in range(3000) %}{% for b in range(3000) %}{% for c in range(3000) %}x{% endfor %}{% endfor %}{% endfor %}";
    let error = render(nested, &json!({})).unwrap_err();
    assert!(error.0.contains("template fuel"), "{error}");
}

#[test]
fn errors_quote_what_failed() {
    let given = json!({ "n": 0, "xs": [[1, 2]] });
    let rows = [
        ("a {{ 1 // n }} b", "can't divide by zero in `1 // n`"),
        ("{% for x in n %}{% endfor %}", "expected a list, got a number in `n`"),
        ("{% for a, b, c in xs %}{% endfor %}", "can't give 3 names to a list of 2 in `xs`"),
        ("{% set a, b = n %}", "can't give 2 names to a number in `n`"),
    ];
    for (source, expected) in rows {
        assert_eq!(render(source, &given).unwrap_err().0, expected, "{source}");
    }
}
