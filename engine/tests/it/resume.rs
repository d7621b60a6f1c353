//! Runs that end in the middle and go on: whatever a process had done when it was killed, the run comes to the same end,
//! and nothing that was paid for is paid again.

use crate::harness::{Ran, go_on, jobs};
use crate::run_properties::Chance;
use crate::world::{flow, play, ports, scripted};
use flow_engine::check::check_again;
use flow_engine::check::flow::CheckedFlow;
use flow_engine::journal::{Event, Record};
use flow_engine::model::scripted::ScriptedPeople;
use flow_engine::run::ports::{People, Ports, Question};
use flow_engine::run::{Options, Undriven};
use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// An `each` in a loop in a sub-flow, a conversation, discarded passes, samples, re-asks, judges and caught errors.
pub(crate) const NESTED: &str = r#"
flow: t
nodes:
  outer:
    loop: { max: 3, state: { n: 1 }, accept: inner.sum != 4, next: { n: $( state.n + inner.sum ) }, on_exhausted: keep, until: state.n > 9 }
    nodes:
      inner: { flow: sub, with: { n: $state.n } }
      talk: { prompt: { user: "{{ inner.sum }}", thread: c, returns: { n: integer }, repair: 2 }, on_error: { else: { n: 0 } } }
      vote: { prompt: { user: "{{ talk.n }}", samples: 2, returns: { n: integer } }, on_error: skip }
outputs: { n: $outer.state.n, exit: $outer.exit, passes: $outer.passes, talk: $outer.talk, vote: $outer.vote }
flows:
  sub:
    inputs: { n: number }
    nodes:
      many:
        each: { in: [1, 2, 3], as: i, at_once: 2, allow_failed: 3 }
        prompt: { user: "{{ i }} {{ inputs.n }}", returns: { n: integer 0..6, ok: boolean }, repair: 1 }
        check: [{ judge: { user: "{{ it.n }}" } }]
    outputs: { sum: $( many | select | map(attribute="n") | sum ) }
"#;

fn calls_settled(records: &[Record]) -> BTreeSet<&str> {
    let settled = records.iter().filter_map(|record| match &record.event {
        Event::CallSettled { path, .. } => Some(path.as_str()),
        _ => None,
    });
    settled.collect()
}

/// Cuts a journal off after so many records and goes on; the end must be the same, and no settled call be sent again.
fn cut(flow: &CheckedFlow, whole: &Ran, at: usize, ports: &Ports, options: &Options) -> Result<Ran, String> {
    let (before, _) = whole.records.split_at(at);
    let ran = go_on(flow, before, Duration::ZERO, ports, options).map_err(|error| error.to_string())?;
    let settled = calls_settled(before);
    for record in &ran.records {
        if let Event::CallSent { path, .. } = &record.event
            && settled.contains(path.as_str())
        {
            return Err(format!("`{path}` was settled, and is sent again"));
        }
    }
    let lost = ran.records.iter().filter(|record| matches!(record.event, Event::CallLost { .. })).count();
    let sent: usize = before.iter().map(|r| usize::from(matches!(r.event, Event::CallSent { .. }))).sum();
    if lost > sent - settled.len() {
        return Err(format!("{lost} calls are said to be lost of {sent} sent and {} settled", settled.len()));
    }
    Ok(ran)
}

fn same_end(whole: &Ran, ran: &Ran) -> Result<(), String> {
    let (one, other) = (&whole.report, &ran.report);
    if (one.outcome, &one.outputs, &one.error) == (other.outcome, &other.outputs, &other.error) {
        return Ok(());
    }
    Err(format!(
        "it came to {:?} {:?}, and without the cut to {:?} {:?}",
        other.outcome, other.outputs, one.outcome, one.outputs
    ))
}

#[test]
fn a_run_that_is_killed_after_any_record_comes_to_the_same_end() {
    let flow = flow(NESTED);
    for chance in [1, 2, 3] {
        let world = ports(Arc::new(Chance(chance)));
        let whole = play(&flow, &world, &jobs(1));
        assert!(whole.records.len() > 90, "{} records", whole.records.len());
        for at in 1..=whole.records.len() {
            let ran = cut(&flow, &whole, at, &world, &jobs(1));
            ran.and_then(|ran| same_end(&whole, &ran)).unwrap_or_else(|error| panic!("cut after {at}: {error}"));
        }
    }
}

/// Without budgets that a lost call would count against.
const UNBUDGETED: [&str; 2] = [NESTED, crate::run_properties::FLOWS[1]];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_prefix_of_a_journal_goes_on_to_the_same_end(
        which in 0..UNBUDGETED.len(),
        chance in any::<u64>(),
        workers in 1..5usize,
        at in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        let (flow, world) = (flow(UNBUDGETED[which]), ports(Arc::new(Chance(chance))));
        let whole = play(&flow, &world, &jobs(workers));
        let at = 1 + at.index(whole.records.len());
        let ran = cut(&flow, &whole, at, &world, &jobs(workers)).map_err(TestCaseError::fail)?;
        prop_assert_eq!(same_end(&whole, &ran), Ok(()));
        // Killed a second time, what both processes wrote is one journal.
        let mut both = whole.records[..at].to_vec();
        both.extend(ran.records.iter().take(again.index(ran.records.len() + 1)).cloned());
        let seqs: Vec<u64> = both.iter().map(|record| record.seq).collect();
        prop_assert_eq!(seqs, (0..both.len() as u64).collect::<Vec<_>>());
        let third = go_on(&flow, &both, Duration::ZERO, &world, &jobs(workers));
        let third = third.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(same_end(&whole, &third), Ok(()));
    }

    #[test]
    fn calls_that_were_lost_count_against_every_budget(
        chance in any::<u64>(),
        workers in 1..6usize,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        for (text, calls, tokens) in [
            (crate::run_properties::FLOWS[0], 23, u64::MAX),
            (crate::run_properties::FLOWS[2], u64::MAX, 9_000),
        ] {
            let (flow, world) = (flow(text), ports(Arc::new(Chance(chance))));
            let mut records = play(&flow, &world, &jobs(workers)).records;
            for cut in &cuts {
                records.truncate(1 + cut.index(records.len()));
                let ran = go_on(&flow, &records, Duration::ZERO, &world, &jobs(workers));
                let ran = ran.map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert!(ran.report.outcome.is_some());
                let spend = &ran.report.spend;
                // A lost call and the one sent in its place are two answers asked for.
                prop_assert!(spend.calls <= calls, "{} calls", spend.calls);
                prop_assert!(spend.prompt_tokens + spend.completion_tokens <= tokens, "{spend:?}");
                records.extend(ran.records);
            }
        }
    }
}

#[test]
fn a_call_in_doubt_is_counted_reported_and_sent_once_more() {
    let flow = flow(
        "flow: t\nbudget: { calls: 2 }\nnodes: { a: { prompt: { user: x } } }\noutputs: { a: $a, left: $( budget.calls_left ) }",
    );
    let world = ports(scripted("[{ reply: ok }]"));
    let whole = play(&flow, &world, &jobs(1));
    let sent = whole.records.iter().position(|r| matches!(r.event, Event::CallSent { .. })).expect("a call is sent");
    let ran = cut(&flow, &whole, sent + 1, &world, &jobs(1)).expect("it goes on");
    assert_eq!((ran.report.spend.lost, ran.report.spend.calls), (1, 2));
    assert_eq!(ran.output("left"), json!(0));
    // Killed again with the second try at work, nothing is left to send a third.
    let mut records = whole.records[..=sent].to_vec();
    let again = ran.records.iter().position(|r| matches!(r.event, Event::CallSent { .. })).expect("it is sent again");
    records.extend_from_slice(&ran.records[..=again]);
    let third = go_on(&flow, &records, Duration::ZERO, &world, &jobs(1)).expect("it goes on");
    assert_eq!((third.outcome(), third.report.spend.calls), ("budget", 2));
}

#[test]
fn a_run_goes_on_with_the_flow_it_began_with() {
    let whole = play(&flow(NESTED), &ports(Arc::new(Chance(5))), &jobs(1));
    let Event::RunStarted(start) = &whole.records[0].event else { panic!("a run starts") };
    let kept = check_again(&start.bundle).flow.expect("what was checked once checks again");
    assert_eq!(kept.hash, start.hash);
    let ran = cut(&kept, &whole, 40, &ports(Arc::new(Chance(5))), &jobs(1)).expect("it goes on");
    assert_eq!(same_end(&whole, &ran), Ok(()));
    let other = flow("flow: t\nnodes: { b: { prompt: { user: x } } }");
    let refused = go_on(&other, &whole.records[..40], Duration::ZERO, &ports(Arc::new(Chance(5))), &jobs(1));
    assert!(matches!(refused.map(|_| ()), Err(Undriven::Diverged(_))));
}

const ASKS: &str = "flow: t
nodes:
  a: { prompt: { user: x } }
  h: { after: [a], human: { ask: good?, returns: boolean, wait: 2h }, on_error: { else: false } }
outputs: { h: $h }";

/// A person who never answers.
struct Silent;

impl People for Silent {
    fn ask<'a>(&'a self, _question: &'a Question) -> BoxFuture<'a, Result<Option<Value>, String>> {
        pending().boxed()
    }
}

fn silent() -> Ports {
    Ports { people: Arc::new(Silent), ..ports(scripted("[{ reply: ok }]")) }
}

fn leaving() -> Options {
    Options { leave: true, ..jobs(1) }
}

#[test]
fn a_run_that_only_waits_for_people_is_left_and_goes_on_with_their_answer() {
    let flow = flow(ASKS);
    let left = play(&flow, &silent(), &leaving());
    assert_eq!(left.report.outcome, None);
    assert_eq!(
        left.report.waiting.iter().map(|w| (w.path.as_str(), w.question.as_str())).collect::<Vec<_>>(),
        [("h", "good?")]
    );
    // Left again while nobody answers; with an answer it ends, and the call is not made again.
    let still = go_on(&flow, &left.records, Duration::from_secs(60), &silent(), &leaving()).expect("it goes on");
    assert_eq!((still.report.outcome, still.report.waiting.len()), (None, 1));
    let people = Arc::new(ScriptedPeople::from_answers(vec![("h".to_owned(), json!(true))]));
    let answered = Ports { people, ..ports(scripted("[]")) };
    let ran = go_on(&flow, &left.records, Duration::from_secs(60), &answered, &jobs(1)).expect("it goes on");
    assert_eq!((ran.outcome(), ran.output("h")), ("accepted", json!(true)));
}

#[test]
fn the_time_that_people_have_goes_on_while_nobody_drives_the_run() {
    let flow = flow(ASKS);
    let left = play(&flow, &silent(), &leaving());
    let late = go_on(&flow, &left.records, Duration::from_secs(7201), &silent(), &jobs(1)).expect("it goes on");
    assert_eq!((late.outcome(), late.output("h"), late.report.spend.wall_ms), ("accepted", json!(false), 0));
    let early = go_on(&flow, &left.records, Duration::from_secs(7000), &silent(), &jobs(1)).expect("it goes on");
    assert_eq!(early.report.spend.wall_ms, 200_000, "what is left of two hours");
}
