//! What holds of every run: a journal folded again makes the same state and the same commands, budgets are bounds, and
//! whatever a model says, a run ends with a name.

use crate::harness::{Ran, bound_of, jobs, play_given};
use crate::vectors::{runnable, world};
use crate::world::{flow, ports};
use flow_engine::check::flow::CheckedFlow;
use flow_engine::journal::{Event, Record};
use flow_engine::report::Report;
use flow_engine::run::ports::{CallError, CallSite, Model, Request, Response, Usage};
use flow_engine::run::{ErrorName, Given, Options, Outcome, Prices, RunState, prepare};
use futures::future::BoxFuture;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What can be seen of a state: what it would begin, and what is at work.
type Seen = (Option<Event>, Vec<String>, bool);

fn seen(state: &RunState<'_>) -> Seen {
    (state.next(), state.at_work().map(str::to_owned).collect(), state.ended())
}

/// Runs a flow, and notes after each record what could be seen of the state.
fn watched(
    flow: &CheckedFlow,
    given: &Given,
    model: &flow_engine::run::ports::Ports,
    options: &Options,
) -> (Ran, BTreeMap<u64, Seen>) {
    let mut live = BTreeMap::new();
    let ran = play_given(flow, given, model, options, &mut |record: &Record, state: &RunState<'_>| {
        live.insert(record.seq, seen(state));
    });
    (ran, live)
}

/// Folds a journal anew: every intention must be the one that the state would begin, every consequence its own, and what
/// can be seen of it what could be seen live.
fn folds_the_same(flow: &CheckedFlow, ran: &Ran, live: &BTreeMap<u64, Seen>) -> Result<(), String> {
    let prices = Prices::default();
    let mut state = RunState::new(flow, &prices);
    let ends: BTreeSet<usize> =
        ran.writes.iter().scan(0, |sum, count| Some(*sum + count).inspect(|new| *sum = *new)).collect();
    for (index, record) in ran.records.iter().enumerate() {
        let intends = matches!(
            record.event,
            Event::CallSent { .. } | Event::WorkStarted { .. } | Event::Asked { .. } | Event::BudgetExhausted { .. }
        );
        if intends && state.next().as_ref() != Some(&record.event) {
            return Err(format!("{:?} was begun, {:?} would be", record.event, state.next()));
        }
        state.apply(&record.event).map_err(|error| error.to_string())?;
        if let Event::CallSent { path, .. } | Event::WorkStarted { path, .. } | Event::Asked { path, .. } =
            &record.event
            && state.command(path).is_none()
        {
            return Err(format!("nothing is done about `{path}`"));
        }
        // Live, a state is seen when a write is done.
        if ends.contains(&(index + 1)) && live[&record.seq] != seen(&state) {
            return Err(format!("after {record:?} it was {:?} and is {:?}", live[&record.seq], seen(&state)));
        }
    }
    if ran.report != Report::of(&ran.records) {
        Err("the report is not the fold of the records".to_owned())
    } else {
        Ok(())
    }
}

#[test]
fn the_journal_of_every_vector_folds_to_the_state_that_wrote_it() {
    for vector in runnable() {
        for workers in [1, 3] {
            let (_, ports) = world(&vector);
            let (ran, live) = watched(&vector.flow, &vector.given, &ports, &jobs(workers));
            if !ran.records.is_empty() {
                folds_the_same(&vector.flow, &ran, &live).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
            }
        }
    }
}

/// Holds the calls of a run against what the plan said before it.
fn within_the_plan(flow: &CheckedFlow, given: &Given, report: &Report) -> Result<(), String> {
    let given = prepare(flow, given).map_err(|error| error.message)?;
    let bound = bound_of(flow, &given);
    let (fewest, most) = (bound.fewest.number(), bound.most.as_ref().and_then(|most| most.number()));
    let calls = report.spend.calls;
    if most.is_none_or(|most| calls > most) {
        return Err(format!("{calls} calls were made, the plan said at most {most:?}"));
    }
    let ended_well = matches!(report.outcome, Some(Outcome::Accepted | Outcome::NotAccepted));
    if ended_well && !report.budget_spent && fewest.is_none_or(|fewest| calls < fewest) {
        return Err(format!("{calls} calls were made, the plan said at least {fewest:?}"));
    }
    Ok(())
}

#[test]
fn records_are_read_back_as_they_were_written() {
    for vector in runnable() {
        let (_, ports) = world(&vector);
        let (ran, _) = watched(&vector.flow, &vector.given, &ports, &jobs(1));
        for record in &ran.records {
            let line = serde_json::to_string(record).expect("a record is data");
            let back: Record = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(*record, back, "{line}");
        }
    }
}

#[test]
fn a_journal_of_another_flow_is_refused() {
    let (one, other) = (
        flow("flow: t\nnodes: { a: { prompt: { user: x } } }"),
        flow("flow: t\nnodes: { b: { prompt: { user: x } } }"),
    );
    let ran = crate::world::play(&one, &ports(crate::world::scripted("[{ reply: ok }]")), &jobs(1));
    let prices = Prices::default();
    let mut state = RunState::new(&other, &prices);
    assert!(ran.records.iter().any(|record| state.apply(&record.event).is_err()));
}

/// Answers by chance that hangs on the seed and the call alone: good, bad, cut off, late, or not at all.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn of(&self, what: &str, site: &CallSite, below: u64) -> u64 {
        let hash = blake3::hash(format!("{} {what} {} {}", self.0, site.path, site.attempt).as_bytes());
        let bytes = hash.as_bytes().first_chunk().copied().expect("a hash is long enough");
        u64::from_le_bytes(bytes) % below
    }
}

impl Model for Chance {
    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        _request: &'a Request,
        _on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(self.of("wait", site, 90_000))).await;
            let (n, ok) = (self.of("n", site, 7), self.of("ok", site, 2) == 0);
            let good = format!("{{\"n\": {n}, \"ok\": {ok}, \"why\": \"w\", \"xs\": [\"p\", \"q\"]}}");
            let failed = |name| Err(CallError { name, message: "by chance".to_owned(), retry_after: None });
            let (text, truncated) = match self.of("kind", site, 12) {
                0 => return failed(ErrorName::RateLimit),
                1 => return failed(ErrorName::Refused),
                2 => return failed(ErrorName::Network),
                3 => ("junk: [".to_owned(), false),
                4 => (good, true),
                5 => ("```yaml\nn: 3\nok: yes".to_owned(), false),
                _ => (good, false),
            };
            // Never more than was reserved: a token of each text and no more than the most allowed.
            let usage = Some(Usage { prompt_tokens: 1, completion_tokens: self.of("usage", site, 20) });
            Ok(Response { text, truncated, usage, schema_enforced: false, model: None })
        })
    }
}

/// Flows that hold everything that can go wrong at once.
pub(crate) const FLOWS: [&str; 3] = [
    r#"
flow: t
models: { m: { use: [a/one, b/two] } }
budget: { calls: 23, time: 20m }
nodes:
  first: { prompt: { user: x, model: m, returns: { n: integer, ok: boolean }, repair: 2 }, on_error: { else: { n: 1, ok: false } } }
  many:
    each: { in: [1, 2, 3, 4, 5], as: i, at_once: 3, allow_failed: 2 }
    prompt: { user: "{{ i }}", returns: { n: integer 0..5 }, repair: 1 }
    check: [{ that: it.n > 0, else: "not {{ i }}" }, { judge: { user: "{{ it.n }}" } }]
    on_error: skip
  l:
    after: [first]
    loop: { max: 4, state: { n: $first.n }, accept: a.n != 2, next: { n: $a.n }, until: a.ok, take: max(a.n), on_exhausted: keep }
    nodes:
      a: { prompt: { user: "{{ state.n }}", thread: c, keep: 2, returns: { n: integer, ok: boolean }, repair: 1 }, on_error: { else: { n: 2, ok: false } } }
      b: { when: a.ok, flow: sub, with: { n: $a.n }, on_error: skip }
outputs: { n: $l.a.n, left: $budget.calls_left, many: $many }
accept: l.exit == "until"
flows:
  sub:
    inputs: { n: integer }
    budget: { calls: 3 }
    nodes:
      s: { prompt: { user: "{{ inputs.n }}", samples: 3, returns: { n: integer } } }
    outputs: { n: $( s | map(attribute="n") | majority ) }
"#,
    r#"
flow: t
nodes:
  deep:
    each: { in: [1, 2, 3], as: i }
    nodes:
      a: { prompt: { user: "{{ i }}", returns: { xs: "[string]" } } }
      b: { each: { in: $( a.xs | take(4) ), as: x }, prompt: { user: "{{ x }}" } }
      v: { validate: { value: $b, rules: [{ that: it | length > 1 }, { judge: { user: "{{ it }}" } }] }, on_error: skip }
    on_error: { else: [] }
outputs: { deep: $deep }
"#,
    r#"
flow: t
budget: { tokens: 9k }
defaults: { prompt: { max_tokens: 1k } }
nodes:
  fan: { each: { in: $( range(9) ), as: i, allow_failed: 9 }, prompt: { user: "{{ i }}", repair: 1, returns: { n: integer } } }
  h: { human: { ask: x, returns: string, wait: 5m }, on_error: { else: nobody } }
  fold:
    loop: { over: [x, y, z], as: s, state: { t: "" }, next: { t: "{{ state.t }}{{ p }}" } }
    nodes: { p: { prompt: { user: "{{ s }}{{ pass.n }}" } } }
outputs: { fan: $fan, t: $fold.state.t, h: $h, e: $fold.exit }
"#,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_model_says_a_run_ends_with_a_name_and_folds_to_itself(
        which in 0..FLOWS.len(),
        chance in any::<u64>(),
        seed in any::<u64>(),
        workers in 1..6usize,
    ) {
        let flow = flow(FLOWS[which]);
        let given = Given { seed, ..Given::default() };
        let (ran, live) = watched(&flow, &given, &ports(Arc::new(Chance(chance))), &jobs(workers));
        prop_assert!(ran.report.outcome.is_some());
        let calls: BTreeSet<&String> = ran.report.calls.iter().collect();
        prop_assert_eq!(calls.len(), ran.report.calls.len(), "a call was made twice");
        match which {
            0 => prop_assert!(calls.len() <= 23, "{} calls", calls.len()),
            2 => prop_assert!(ran.report.spend.prompt_tokens + ran.report.spend.completion_tokens <= 9_000),
            _ => {}
        }
        prop_assert_eq!(within_the_plan(&flow, &given, &ran.report), Ok(()));
        prop_assert_eq!(folds_the_same(&flow, &ran, &live), Ok(()));
    }

    #[test]
    fn a_journal_that_was_tampered_with_is_refused_or_read_and_never_a_panic(
        which in 0..FLOWS.len(),
        chance in any::<u64>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..3u8), 1..4),
    ) {
        let flow = flow(FLOWS[which]);
        let (ran, _) = watched(&flow, &Given::default(), &ports(Arc::new(Chance(chance))), &jobs(3));
        let mut events: Vec<Event> = ran.records.into_iter().map(|record| record.event).collect();
        for (from, to, how) in edits {
            let (from, to) = (from.index(events.len()), to.index(events.len()));
            match how {
                0 => events.swap(from, to),
                1 => events.insert(to, events[from].clone()),
                _ => {
                    events.remove(from);
                }
            }
            if events.is_empty() {
                break;
            }
        }
        let prices = Prices::default();
        let mut state = RunState::new(&flow, &prices);
        for event in &events {
            if state.apply(event).is_err() {
                break;
            }
            // Whatever was read, what comes next can be asked.
            let _ = seen(&state);
        }
    }

    #[test]
    fn a_run_is_the_same_again(chance in any::<u64>(), which in 0..FLOWS.len()) {
        let flow = flow(FLOWS[which]);
        let again = || {
            let (ran, _) = watched(&flow, &Given::default(), &ports(Arc::new(Chance(chance))), &jobs(1));
            ran.records
        };
        prop_assert_eq!(again(), again());
    }
}
