//! Attempts, waits, limits and ends of a run, against a clock that jumps over every wait.

use crate::harness::{Kept, Ran, drive, jobs, paused};
use crate::world::{flow, flow_with, play, ports, scripted};
use flow_engine::check::flow::{CheckedFlow, Price};
use flow_engine::journal::Event;
use flow_engine::model::scripted::ScriptedPeople;
use flow_engine::run::ports::{
    CallError, CallSite, Embedder, Model, People, Ports, Question, Request, Response, Usage,
};
use flow_engine::run::{Cancel, ErrorName, Given, Models, Options, Prepared, prepare};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A model that answers every call in the same way after a time, and counts how many are asked at once.
struct Slow {
    after: Duration,
    answer: Result<&'static str, (ErrorName, Option<Duration>)>,
    usage: Option<Usage>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Slow {
    fn answering(after_s: u64, answer: &'static str) -> Self {
        Self { after: Duration::from_secs(after_s), answer: Ok(answer), usage: None, now: 0.into(), most: 0.into() }
    }

    fn failing(name: ErrorName, retry_after_s: Option<u64>) -> Self {
        let answer = Err((name, retry_after_s.map(Duration::from_secs)));
        Self { answer, ..Self::answering(0, "") }
    }
}

impl Model for Slow {
    fn ask<'a>(
        &'a self,
        _site: &'a CallSite,
        _request: &'a Request,
        _on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        Box::pin(async move {
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(self.after).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            match self.answer {
                Ok(text) => Ok(Response {
                    text: text.to_owned(),
                    truncated: false,
                    usage: self.usage,
                    schema_enforced: false,
                    model: None,
                }),
                Err((name, retry_after)) => Err(CallError { name, message: "as told".to_owned(), retry_after }),
            }
        })
    }
}

fn given_nothing(flow: &CheckedFlow) -> Prepared {
    prepare(flow, &Given::default()).expect("the flow needs nothing")
}

/// Runs a flow, and asks it to end after each of these times.
fn cancelled(flow: &CheckedFlow, ports: &Ports, after_s: &[u64]) -> Ran {
    let (cancel, given, mut journal) = (Cancel::default(), given_nothing(flow), Kept::default());
    let report = paused(async {
        for after in after_s {
            let (cancel, after) = (cancel.clone(), Duration::from_secs(*after));
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                cancel.ask();
            });
        }
        drive(flow, &given, ports, &jobs(2), &cancel, &mut journal, &mut |_, _| {}).await
    });
    journal.ran(report)
}

/// How long the waits between attempts were.
fn waits(ran: &Ran) -> Vec<u64> {
    let waits = ran.records.iter().filter_map(|record| match record.event {
        Event::TimerSet { after_ms, budget: false, .. } => Some(after_ms),
        _ => None,
    });
    waits.collect()
}

const ONE: &str = "flow: t\nnodes: { a: { prompt: { user: x } } }\noutputs: { a: $a }";

#[test]
fn transport_is_tried_again_after_growing_waits_and_attempts_are_not_calls() {
    let ran = play(&flow(ONE), &ports(Arc::new(Slow::failing(ErrorName::Overloaded, None))), &jobs(1));
    assert_eq!(ran.error(), ("overloaded", "a"));
    let waits = waits(&ran);
    assert_eq!(waits.len(), 4, "four more tries after the first");
    for (attempt, wait) in (1..).zip(&waits) {
        assert!((2_000..=(2_000 << attempt).min(60_000)).contains(wait), "{wait} ms after attempt {attempt}");
    }
    assert_eq!(ran.report.spend.wall_ms, waits.iter().sum::<u64>());
    assert_eq!((ran.report.spend.calls, ran.report.nodes[0].attempts), (1, 5));
}

#[test]
fn a_provider_that_asks_for_a_wait_gets_at_least_that() {
    let ran = play(&flow(ONE), &ports(Arc::new(Slow::failing(ErrorName::RateLimit, Some(75)))), &jobs(1));
    assert_eq!(waits(&ran), [75_000; 4]);
}

#[test]
fn an_attempt_that_takes_too_long_is_a_timeout() {
    let text = "flow: t\nnodes: { a: { prompt: { user: x, timeout: 30s, retry: { times: 1 } } } }";
    let ran = play(&flow(text), &ports(Arc::new(Slow::answering(31, "late"))), &jobs(1));
    assert_eq!(ran.error(), ("timeout", "a"));
    assert_eq!(ran.report.nodes[0].attempts, 2);
    let text = text.replace("30s", "32s");
    let ran = play(&flow(&text), &ports(Arc::new(Slow::answering(31, "late"))), &jobs(1));
    assert_eq!(ran.outcome(), "accepted");
}

#[test]
fn no_more_calls_are_at_work_than_there_are_jobs() {
    let text = "flow: t\nnodes: { a: { each: { in: $( range(10) ) }, prompt: { user: x } } }";
    for (workers, seconds) in [(1, 10), (3, 4), (20, 1)] {
        let model = Arc::new(Slow::answering(1, "ok"));
        let ran = play(&flow(text), &ports(Arc::clone(&model) as _), &jobs(workers));
        assert_eq!(ran.report.spend.wall_ms, seconds * 1000);
        assert_eq!(model.most.load(Ordering::SeqCst), workers.min(10));
    }
}

#[test]
fn a_fan_out_of_a_thousand_shares_its_writes() {
    let text = "flow: t\nnodes: { a: { each: { in: $( range(1000) ) }, prompt: { user: x } } }";
    let ran = play(&flow(text), &ports(scripted("[{ reply: ok }]")), &jobs(1000));
    assert_eq!((ran.outcome(), ran.report.spend.calls), ("accepted", 1000));
    assert!(ran.writes.len() <= 40, "{} writes", ran.writes.len());
}

#[test]
fn at_once_limits_one_fan_out() {
    let text = "flow: t\nnodes: { a: { each: { in: $( range(10) ), at_once: 4 }, prompt: { user: x } } }";
    let model = Arc::new(Slow::answering(1, "ok"));
    let ran = play(&flow(text), &ports(Arc::clone(&model) as _), &jobs(9));
    assert_eq!((ran.report.spend.wall_ms, model.most.load(Ordering::SeqCst)), (3_000, 4));
}

#[test]
fn asked_once_to_end_what_is_at_work_may_finish_and_nothing_begins() {
    let text = "flow: t\nnodes: { a: { prompt: { user: x } }, b: { prompt: { user: x }, after: [a] } }";
    let ran = cancelled(&flow(text), &ports(Arc::new(Slow::answering(10, "ok"))), &[3]);
    assert_eq!((ran.outcome(), ran.report.spend.wall_ms), ("cancelled", 10_000));
    assert_eq!(ran.report.calls, ["a"]);
    assert!(ran.value("a").is_some(), "the answer that was paid for is kept");
}

#[test]
fn asked_twice_to_end_nothing_is_waited_for() {
    let ran = cancelled(&flow(ONE), &ports(Arc::new(Slow::answering(10, "ok"))), &[3, 5]);
    assert_eq!((ran.outcome(), ran.report.spend.wall_ms), ("cancelled", 5_000));
    assert_eq!(ran.error(), ("cancelled", ""));
}

#[test]
fn a_run_that_only_waits_ends_at_once_when_asked() {
    let ran = cancelled(&flow(ONE), &ports(Arc::new(Slow::failing(ErrorName::RateLimit, Some(600)))), &[3]);
    assert_eq!((ran.outcome(), ran.report.spend.wall_ms), ("cancelled", 3_000));
}

#[test]
fn a_failed_item_drops_the_others() {
    let text = "flow: t\nnodes: { a: { each: { in: [1, 2, 3] , as: i }, prompt: { user: \"{{ i }}\" } } }";
    struct FirstFails;
    impl Model for FirstFails {
        fn ask<'a>(
            &'a self,
            site: &'a CallSite,
            _request: &'a Request,
            _on_text: &'a (dyn Fn(&str) + Send + Sync),
        ) -> BoxFuture<'a, Result<Response, CallError>> {
            Box::pin(async move {
                if site.path == "a[0]" {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let message = "no".to_owned();
                    return Err(CallError { name: ErrorName::Refused, message, retry_after: None });
                }
                futures::future::pending().await
            })
        }
    }
    let ran = play(&flow(text), &ports(Arc::new(FirstFails)), &jobs(3));
    assert_eq!((ran.error(), ran.report.spend.wall_ms), (("refused", "a[0]"), 1_000));
}

#[test]
fn a_judge_is_asked_when_the_other_rules_hold_and_its_reason_goes_back() {
    let text = r#"
flow: t
nodes:
  a:
    prompt: { user: x, repair: 2, returns: { n: integer } }
    check:
      - { that: it.n > 1, else: "{{ it.n }} is too small" }
      - { judge: { user: "Is {{ it.n }} good?" }, else: no good }
outputs: { n: $a.n }
"#;
    let model = scripted(
        r#"[{ at: a, reply: { n: 1 } }, { at: a~1, reply: { n: 2 } }, { at: a~1!2, reply: { ok: false, why: too even } },
            { at: a~2, reply: { n: 3 } }, { at: a~2!2, reply: { ok: true, why: odd } }]"#,
    );
    let ran = play(&flow(text), &ports(Arc::clone(&model) as _), &jobs(1));
    assert_eq!(ran.report.calls, ["a", "a~1", "a~1!2", "a~2", "a~2!2"]);
    assert_eq!(ran.output("n"), json!(3));
    let last = |path: &str| {
        let log = model.log();
        let sent = log.iter().find(|sent| sent.site.path == path).expect("it was sent");
        sent.request.messages.last().map(|message| message.text.clone()).unwrap_or_default()
    };
    assert!(last("a~1").contains("1 is too small"));
    assert!(last("a~1!2").contains("Is 2 good?"));
    assert!(last("a~2").contains("no good: too even"));
}

#[test]
fn a_judge_that_does_not_judge_is_the_error_of_its_node() {
    let text = "flow: t\nnodes: { a: { let: 1, check: [{ judge: { user: x } }] } }";
    let ran = play(&flow(text), &ports(scripted("[{ reply: hm }]")), &jobs(1));
    assert_eq!((ran.error(), ran.report.calls.as_slice()), (("bad_output", "a"), ["a!1".to_owned()].as_slice()));
}

#[test]
fn a_wasm_rule_holds_or_says_why_not() {
    let text = r#"
flow: t
nodes:
  good: { let: 1, check: [{ wasm: ./good.wasm }] }
  v: { validate: { value: 2, rules: [{ wasm: ./bad.wasm, else: no }, { that: it > 5 }, { wasm: ./good.wasm }] } }
outputs: { p: $v.problems }
"#;
    let flow = flow_with(text, &[("good.wasm", "ok"), ("bad.wasm", "it is even")]);
    let ran = play(&flow, &ports(scripted("[]")), &jobs(1));
    assert_eq!(ran.outcome(), "accepted");
    let problems = ran.output("p");
    let problems = problems.as_array().expect("a list");
    assert_eq!((problems.len(), &problems[0]), (2, &json!("no: it is even")));
}

#[test]
fn a_budget_of_time_ends_a_loop_by_its_door() {
    let text = r#"
flow: t
nodes:
  l:
    budget: { time: 25s }
    loop: { max: 9, until: a == "never", on_exhausted: keep }
    nodes: { a: { prompt: { user: "{{ pass.n }}" } } }
outputs: { passes: $l.passes, exit: $l.exit, a: $l.a }
"#;
    let ran = play(&flow(text), &ports(Arc::new(Slow::answering(10, "ok"))), &jobs(1));
    assert_eq!(ran.output("passes"), json!(2));
    assert_eq!((ran.output("exit"), ran.output("a")), (json!("budget"), json!("ok")));
    assert_eq!((ran.report.spend.wall_ms, &ran.report.discarded[..]), (25_000, ["l#3".to_owned()].as_slice()));
    assert!(ran.report.budget_spent);
}

#[test]
fn tokens_are_reserved_at_their_worst_and_settled_as_they_came() {
    // A call may cost 1 token sent and 100 answered, and does cost 1 and 10: two never fit at once, nine do in turn.
    let text = r#"
flow: t
budget: { tokens: 190 }
nodes: { a: { each: { in: $( range(12) ), allow_failed: 12 }, prompt: { user: word, max_tokens: 100 } } }
outputs: { n: $( a | select | list | length ) }
"#;
    let usage = Some(Usage { prompt_tokens: 1, completion_tokens: 10 });
    let model = Arc::new(Slow { usage, ..Slow::answering(1, "ok") });
    let ran = play(&flow(text), &ports(Arc::clone(&model) as _), &jobs(5));
    assert_eq!(model.most.load(Ordering::SeqCst), 1);
    assert_eq!(ran.output("n"), json!(9), "after nine calls 99 are spent, and 101 more would overshoot");
    assert_eq!(ran.report.spend.prompt_tokens + ran.report.spend.completion_tokens, 99);
}

/// A first answer that is sent back, and a first attempt that does not get through.
struct Stumbling;

impl Model for Stumbling {
    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        _request: &'a Request,
        _on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        Box::pin(async move {
            let (after, text, tokens) = match (site.path.as_str(), site.attempt) {
                ("a", _) => (1, "junk", 60),
                ("b", 1) => {
                    let message = "it broke".to_owned();
                    return Err(CallError { name: ErrorName::Network, message, retry_after: None });
                }
                _ => (1, "{\"n\": 1}", 10),
            };
            tokio::time::sleep(Duration::from_secs(after)).await;
            let usage = Some(Usage { prompt_tokens: 1, completion_tokens: tokens });
            Ok(Response { text: text.to_owned(), truncated: false, usage, schema_enforced: false, model: None })
        })
    }
}

#[test]
fn a_call_that_waits_for_room_does_not_stand_in_the_way_of_one_that_is_tried_again() {
    // The re-ask of `a` does not fit beside what `b` has reserved, and `b` has an attempt to make before it lets go.
    let text = r#"
flow: t
budget: { tokens: 260 }
defaults: { prompt: { max_tokens: 100 } }
nodes:
  a: { prompt: { user: x, returns: { n: integer }, repair: 1 } }
  b: { prompt: { user: x } }
outputs: { n: $a.n }
"#;
    let ran = play(&flow(text), &ports(Arc::new(Stumbling)), &jobs(2));
    assert_eq!((ran.outcome(), ran.output("n")), ("accepted", json!(1)), "{:?}", ran.report.error);
    let sent = |wanted: &str, nth: u32| {
        ran.records.iter().position(|record| {
            matches!(&record.event, Event::CallSent { path, attempt, .. } if path == wanted && *attempt == nth)
        })
    };
    assert!(sent("a~1", 1) > sent("b", 2), "the re-ask waited for room");
}

#[test]
fn money_is_counted_by_price_and_an_unknown_price_refuses_to_start() {
    let text = "flow: t\nbudget: { usd: 1 }\nnodes: { a: { prompt: { user: x, model: x/y, max_tokens: 10 } } }";
    let usage = Some(Usage { prompt_tokens: 1000, completion_tokens: 100 });
    let world = ports(Arc::new(Slow { usage, ..Slow::answering(0, "ok") }));
    let ran = play(&flow(text), &world, &jobs(1));
    assert_eq!((ran.error().0, ran.report.calls.len()), ("bad_input", 0));
    let message = &ran.report.error.as_ref().expect("an error").message;
    for place in ["`x/y`", "shipped table", "`price: {", "`prices` in flowctl.yaml"] {
        assert!(message.contains(place), "{message}");
    }
    for (name, input) in [("x/y", 2.5), ("x", 2.5)] {
        let prices = [(name.to_owned(), Price { input, output: 10.0 })].into();
        let ran = play(&flow(text), &world, &Options { prices, ..jobs(1) });
        assert_eq!((ran.outcome(), ran.report.spend.usd), ("accepted", Some(0.0035)), "the price of `{name}`");
    }
    let unpriced = play(&flow(&text.replace("budget: { usd: 1 }\n", "")), &world, &jobs(1));
    assert_eq!((unpriced.outcome(), unpriced.report.spend.usd), ("accepted", None));
}

#[test]
fn models_given_for_a_run_stand_in_for_the_flows_own() {
    let text = "flow: t\nmodels: { m: { use: [a/one, b/two] } }\nnodes: { a: { prompt: { user: x, model: m } }, b: { prompt: { user: x } } }";
    let asked = |models: Models| {
        let model = scripted("[{ reply: ok }]");
        let ran = play(&flow(text), &ports(Arc::clone(&model) as _), &Options { models, ..Options::default() });
        let names: Vec<String> = model.log().into_iter().map(|sent| sent.request.model).collect();
        (ran.error().0.to_owned(), names.join(" "))
    };
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(asked(Models::default()).0, "bad_input", "`b` names no model");
    assert_eq!(asked(Models { fallback: named("z/z"), ..Models::default() }).1, "a/one z/z");
    assert_eq!(asked(Models { every: named("z/z"), ..Models::default() }).1, "z/z z/z");
    let aliases = [("m".to_owned(), "y/y".to_owned())].into();
    assert_eq!(asked(Models { every: named("z/z"), aliases, ..Models::default() }).1, "y/y z/z");
}

#[test]
fn nobody_who_answers_in_time_is_a_timeout() {
    struct Nobody;
    impl People for Nobody {
        fn ask<'a>(&'a self, _question: &'a Question) -> BoxFuture<'a, Result<Option<Value>, String>> {
            Box::pin(futures::future::pending())
        }
    }
    let text = "flow: t\nnodes: { h: { human: { ask: x, returns: string, wait: 2d } }, a: { prompt: { user: x } } }";
    let world = Ports { people: Arc::new(Nobody), ..ports(scripted("[{ reply: ok }]")) };
    let ran = play(&flow(text), &world, &jobs(1));
    assert_eq!((ran.error(), ran.report.spend.wall_ms), (("timeout", "h"), 2 * 24 * 3_600_000));
    assert_eq!(ran.report.calls, ["a"], "a person takes no worker's place");
}

#[test]
fn a_person_is_held_to_the_type_that_was_asked_for() {
    let text = "flow: t\nnodes: { h: { human: { ask: x, returns: { n: integer } } } }\noutputs: { n: $h.n }";
    let answered = |answer: Value| {
        let people = Arc::new(ScriptedPeople::from_answers(vec![("h".to_owned(), answer)]));
        play(&flow(text), &Ports { people, ..ports(scripted("[]")) }, &jobs(1))
    };
    assert_eq!(answered(json!({ "n": 3, "more": 1 })).output("n"), json!(3));
    assert_eq!(answered(json!({ "n": "many" })).error(), ("bad_output", "h"));
}

#[test]
fn embedding_falls_back_on_the_next_model_and_is_no_call() {
    struct Second;
    impl Embedder for Second {
        fn embed<'a>(&'a self, model: &'a str, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f64>>, CallError>> {
            Box::pin(async move {
                if model == "a/one" {
                    let message = "no such model".to_owned();
                    return Err(CallError { name: ErrorName::Rejected, message, retry_after: None });
                }
                Ok(texts.iter().map(|text| vec![text.len() as f64]).collect())
            })
        }
    }
    let text = "flow: t\nmodels: { m: { use: [a/one, b/two] } }\nnodes: { e: { embed: { texts: [x, yy], model: m } } }\noutputs: { e: $e }";
    let world = Ports { embedder: Arc::new(Second), ..ports(scripted("[]")) };
    let ran = play(&flow(text), &world, &jobs(1));
    assert_eq!((ran.output("e"), ran.report.spend.calls), (json!([[1.0], [2.0]]), 0));
}

#[test]
fn a_worker_that_panics_is_not_hidden() {
    struct Broken;
    impl Model for Broken {
        fn ask<'a>(
            &'a self,
            _site: &'a CallSite,
            _request: &'a Request,
            _on_text: &'a (dyn Fn(&str) + Send + Sync),
        ) -> BoxFuture<'a, Result<Response, CallError>> {
            Box::pin(async { panic!("a bug of an adapter") })
        }
    }
    let ended = std::panic::catch_unwind(|| play(&flow(ONE), &ports(Arc::new(Broken)), &jobs(1)).outcome().to_owned());
    assert!(ended.is_err());
}
