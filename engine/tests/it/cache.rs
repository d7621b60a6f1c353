//! Answers of before: what they are found by, what is never kept, and what is asked again when a flow is edited.

use crate::harness::{Kept, drive, jobs, paused};
use crate::world::{flow, ports, scripted};
use flow_engine::journal::{Event, Found, Key, Record};
use flow_engine::model::scripted::HashingEmbedder;
use flow_engine::report::Report;
use flow_engine::run::ports::{ExecuteJob, Executor, Ports};
use flow_engine::run::{Cancel, Given, prepare};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs programs of one word: it is their output. Counts them.
#[derive(Default)]
struct Echo(AtomicU64);

impl Executor for Echo {
    fn execute<'a>(&'a self, job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let broken = job.code == "broken";
        let result = json!({ "verdict": "finished", "stdout": job.code, "fuel": 1 });
        ready(if broken { Err("no verdict".to_owned()) } else { Ok(result) }).boxed()
    }

    fn rule<'a>(&'a self, _module: &'a [u8], _value: &'a Value) -> BoxFuture<'a, Result<Result<(), String>, String>> {
        ready(Ok(Ok(()))).boxed()
    }
}

/// What is known of earlier runs, and what each run came to.
#[derive(Default)]
struct Runs {
    known: BTreeMap<Key, Found>,
    programs: Arc<Echo>,
}

struct Came {
    report: Report,
    records: Vec<Record>,
}

impl Came {
    /// The calls that were sent.
    fn sent(&self) -> Vec<&str> {
        self.report.calls.iter().map(String::as_str).collect()
    }

    fn output(&self, name: &str) -> Value {
        self.report.outputs.as_ref().map(|outputs| outputs[name].clone()).unwrap_or_default()
    }
}

impl Runs {
    fn run(&mut self, text: &str, rules: &str, inputs: Value) -> Came {
        let flow = flow(text);
        let given = Given { inputs: inputs.as_object().cloned().unwrap_or_default(), ..Given::default() };
        let given = prepare(&flow, &given).expect("inputs fit");
        let executor = Arc::clone(&self.programs) as _;
        let world = Ports { executor, embedder: Arc::new(HashingEmbedder), ..ports(scripted(rules)) };
        let mut journal = Kept::default();
        journal.known.clone_from(&self.known);
        let cancel = Cancel::default();
        let report = paused(drive(&flow, &given, &world, &jobs(2), &cancel, &mut journal, &mut |_, _| {}));
        self.known.append(&mut journal.kept);
        let ran = journal.ran(report);
        Came { report: ran.report, records: ran.records }
    }
}

const CHAIN: &str = "flow: t
inputs: { x: string }
nodes:
  a: { prompt: { user: '{{ inputs.x }}', returns: { n: integer } } }
  b: { prompt: { user: 'b {{ a.n }}' } }
  p: { execute: { language: python, code: $b, input: '' } }
outputs: { b: $b, out: $p.stdout }";
const CHAINED: &str = "[{ at: a, reply: { n: 1 } }, { at: b, reply: word }]";

#[test]
fn a_run_that_is_the_same_asks_nothing_again_and_says_what_it_saved() {
    let mut runs = Runs::default();
    let first = runs.run(CHAIN, CHAINED, json!({ "x": "q" }));
    assert_eq!((first.sent(), first.report.spend.cached), (vec!["a", "b"], 0));
    let second = runs.run(CHAIN, "[]", json!({ "x": "q" }));
    assert_eq!((second.sent(), second.report.spend.cached), (vec![], 3));
    assert_eq!(second.report.outputs, first.report.outputs);
    assert_eq!(runs.programs.0.load(Ordering::SeqCst), 1, "the program ran once");
    let hits = second.records.iter().filter(|record| matches!(record.event, Event::CacheHit { .. })).count();
    assert_eq!(hits, 3);
}

#[test]
fn what_an_answer_hangs_on_is_asked_again_when_it_changes_and_nothing_else() {
    let mut runs = Runs::default();
    runs.run(CHAIN, CHAINED, json!({ "x": "q" }));
    // A new input reaches `a`; what `a` comes to is the same, and so is all after it.
    let other = runs.run(CHAIN, CHAINED, json!({ "x": "r" }));
    assert_eq!((other.sent(), other.report.spend.cached), (vec!["a"], 2));
    for (edit, asked) in [
        (("'b {{ a.n }}'", "'c {{ a.n }}'"), vec!["b"]),
        (("'b {{ a.n }}'", "'b {{ a.n }}', temperature: 0.5"), vec!["b"]),
        (("'b {{ a.n }}'", "'b {{ a.n }}', max_tokens: 9"), vec!["b"]),
        (("'b {{ a.n }}'", "'b {{ a.n }}', system: be brief"), vec!["b"]),
        (("returns: { n: integer }", "returns: { n: integer, m: integer | null }"), vec!["a"]),
        (("  b: {", "  c: {"), vec!["c"]),
        // What waits, limits, documents or only changes place does not change the answer.
        (("'b {{ a.n }}'", "'b {{ a.n }}', timeout: 9s, retry: { times: 1 }"), vec![]),
        (("  b: {", "  b: { about: the second, budget: { calls: 3 },"), vec![]),
        (("flow: t", "# a comment\nflow: t"), vec![]),
    ] {
        let text = CHAIN.replace(edit.0, edit.1).replace("$b", if edit.1 == "  c: {" { "$c" } else { "$b" });
        let mut copy = Runs { known: runs.known.clone(), ..Runs::default() };
        let rules = "[{ at: a, reply: { n: 1, m: 2 } }, { reply: word }]";
        assert_eq!(copy.run(&text, rules, json!({ "x": "q" })).sent(), asked, "{edit:?}");
    }
}

#[test]
fn passes_samples_items_and_places_with_the_same_prompt_are_answers_of_their_own() {
    let text = "flow: t
nodes:
  l: { loop: { max: 2, state: { n: 0 } }, nodes: { a: { prompt: { user: same } } } }
  s: { prompt: { user: same, samples: 2 } }
  e: { each: { in: [1, 2], as: i }, prompt: { user: same } }
  one: { flow: sub }
  two: { flow: sub }
flows:
  sub: { nodes: { a: { prompt: { user: same } } }, outputs: { a: $a } }";
    let mut runs = Runs::default();
    let first = runs.run(text, "[{ reply: x }]", json!({}));
    assert_eq!(first.sent().len(), 8);
    assert_eq!(runs.known.len(), 8, "each is found by its own key");
    assert_eq!(runs.run(text, "[]", json!({})).sent(), Vec::<&str>::new());
}

#[test]
fn off_and_refresh_hold_for_a_node_and_what_is_in_it() {
    let text = |how: &str| {
        format!(
            "flow: t\nnodes:\n  block: {{ cache: {how}, nodes: {{ a: {{ prompt: {{ user: x }} }}, b: {{ cache: auto, prompt: {{ user: y }} }} }} }}\noutputs: {{ a: $block.a }}"
        )
    };
    let mut runs = Runs::default();
    runs.run(&text("auto"), "[{ reply: old }]", json!({}));
    let off = runs.run(&text("off"), "[{ reply: new }]", json!({}));
    assert_eq!((off.sent(), off.output("a")), (vec!["block/a"], json!("new")));
    assert_eq!(runs.run(&text("auto"), "[]", json!({})).output("a"), json!("old"), "`off` keeps nothing");
    let refreshed = runs.run(&text("refresh"), "[{ reply: new }]", json!({}));
    assert_eq!((refreshed.sent(), refreshed.output("a")), (vec!["block/a"], json!("new")));
    assert_eq!(runs.run(&text("auto"), "[]", json!({})).output("a"), json!("new"), "`refresh` keeps what came");
}

#[test]
fn errors_refusals_truncated_answers_and_failed_checks_are_never_kept() {
    let text = "flow: t\nnodes: { a: { prompt: { user: x, returns: { n: integer }, retry: { times: 0 } }, check: [{ that: it.n > 0 }], on_error: skip } }";
    for rules in [
        "[{ error: refused }]",
        "[{ error: overloaded }]",
        "[{ reply: { n: 0 } }]",
        "[{ reply: no number }]",
        "[{ reply: { n: 1 }, finish: length }]",
    ] {
        let mut runs = Runs::default();
        runs.run(text, rules, json!({}));
        assert!(runs.known.is_empty(), "{rules}: {:?}", runs.known);
    }
    let mut runs = Runs::default();
    let broken = "flow: t\nnodes: { p: { execute: { language: python, code: broken, input: '' }, on_error: skip } }";
    runs.run(broken, "[]", json!({}));
    runs.run(broken, "[]", json!({}));
    assert_eq!(runs.programs.0.load(Ordering::SeqCst), 2, "what gave no verdict is run again");
}

#[test]
fn an_answer_that_came_after_a_re_ask_answers_the_first_question_from_then_on() {
    let text =
        "flow: t\nnodes: { a: { prompt: { user: x, returns: { n: integer }, repair: 1 } } }\noutputs: { n: $a.n }";
    let mut runs = Runs::default();
    let first = runs.run(text, "[{ at: a~1, reply: { n: 7 } }, { reply: nothing }]", json!({}));
    assert_eq!(first.sent(), ["a", "a~1"]);
    let second = runs.run(text, "[]", json!({}));
    assert_eq!((second.sent(), second.output("n"), second.report.spend.cached), (vec![], json!(7), 1));
}

#[test]
fn an_answer_that_is_not_good_any_more_is_no_answer() {
    let text = |least: u64| {
        format!(
            "flow: t\nnodes: {{ a: {{ prompt: {{ user: x, returns: {{ n: integer }} }}, check: [{{ that: it.n >= {least} }}] }} }}\noutputs: {{ n: $a.n }}"
        )
    };
    let mut runs = Runs::default();
    runs.run(&text(1), "[{ reply: { n: 3 } }]", json!({}));
    // The check was edited, and the answer still holds: nothing is asked.
    assert_eq!(runs.run(&text(2), "[]", json!({})).output("n"), json!(3));
    // Now it does not: the question is asked, though nothing in it changed, and no re-ask is allowed.
    let stricter = runs.run(&text(5), "[{ reply: { n: 9 } }]", json!({}));
    assert_eq!((stricter.sent(), stricter.output("n")), (vec!["a"], json!(9)));
    assert_eq!(runs.run(&text(5), "[]", json!({})).output("n"), json!(9), "and what came is kept in its place");
}

#[test]
fn a_hit_costs_nothing_even_where_no_call_could_be_paid() {
    let text = |calls: u64| {
        format!(
            "flow: t\nbudget: {{ calls: {calls} }}\nnodes: {{ a: {{ prompt: {{ user: x }} }} }}\noutputs: {{ a: $a, left: $budget.calls_left }}"
        )
    };
    let mut runs = Runs::default();
    runs.run(&text(1), "[{ reply: ok }]", json!({}));
    let broke = runs.run(&text(0), "[]", json!({}));
    assert_eq!((broke.output("a"), broke.output("left")), (json!("ok"), json!(0)));
}

#[test]
fn judges_and_embeddings_are_found_again_too() {
    let text = "flow: t
nodes:
  a: { prompt: { user: x }, check: [{ judge: { user: 'good? {{ it }}' } }] }
  v: { embed: { texts: [one, two], model: m/e } }
outputs: { v: $( v | length ) }";
    let mut runs = Runs::default();
    let first = runs.run(text, "[{ at: a, reply: y }, { at: 'a!1', reply: { ok: true, why: '' } }]", json!({}));
    assert_eq!(first.sent(), ["a", "a!1"]);
    let second = runs.run(text, "[]", json!({}));
    assert_eq!((second.sent(), second.report.spend.cached, second.output("v")), (vec![], 3, json!(2)));
}
