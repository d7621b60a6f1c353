//! Whole runs over models that are held to a pace, and what their calls cost.

use super::{always, openai, openai_stream, request, stream};
use flow_engine::check::check;
use flow_engine::check::flow::{CheckedFlow, Price};
use flow_engine::journal::{Event, Memory, Record};
use flow_engine::model::cassette::Recorder;
use flow_engine::model::scripted::{HashingEmbedder, ScriptedPeople};
use flow_engine::model::{HttpModel, Limited, known_prices};
use flow_engine::report::Report;
use flow_engine::run::ports::{CallError, CallSite, ExecuteJob, Executor, Model, Ports, Request, Response, Usage};
use flow_engine::run::{Around, Cancel, Given, Options, RunState, prepare, run};
use flow_engine::spec;
use flow_engine::spec::config::RateLimits;
use flow_engine::value::Value;
use futures::future::{BoxFuture, FutureExt, join_all, ready};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

struct NoPrograms;

impl Executor for NoPrograms {
    fn execute<'a>(&'a self, _job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>> {
        ready(Err("there is no sandbox".to_owned())).boxed()
    }

    fn rule<'a>(&'a self, _module: &'a [u8], _value: &'a Value) -> BoxFuture<'a, Result<Result<(), String>, String>> {
        ready(Err("there is no sandbox".to_owned())).boxed()
    }
}

pub(super) fn flow(text: &str) -> CheckedFlow {
    let checked = check(&BTreeMap::<String, String>::new(), "flow.yaml", text.to_owned());
    checked.flow.unwrap_or_else(|| panic!("{:?}", checked.found))
}

/// Runs a flow, and what was recorded of it.
pub(super) async fn play(
    flow: &CheckedFlow,
    model: Arc<dyn Model>,
    options: &Options,
    input: Option<(&str, Value)>,
) -> (Report, Vec<Event>) {
    let ports = Ports {
        model,
        executor: Arc::new(NoPrograms),
        people: Arc::new(ScriptedPeople::default()),
        embedder: Arc::new(HashingEmbedder),
    };
    let inputs = input.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let given = prepare(flow, &Given { inputs, ..Given::default() }).expect("the inputs fit");
    let (mut journal, cancel) = (Memory::default(), Cancel::default());
    let observe = &mut |_: &Record, _: &RunState<'_>| {};
    let around = Around { ports: &ports, options, cancel: &cancel, journal: &mut journal, observe };
    let report = run(flow, &given, around).await;
    let events = journal.records().iter().map(|record| record.event.clone()).collect();
    (report.expect("memory does not fail"), events)
}

pub(super) fn at_once(most: u64) -> BTreeMap<String, RateLimits> {
    BTreeMap::from([("p".to_owned(), RateLimits { in_flight: NonZeroU64::new(most), ..RateLimits::default() })])
}

/// A model that takes a second for an answer, and knows how often it was asked at once.
#[derive(Default)]
struct Slow {
    now: AtomicU64,
    most: AtomicU64,
}

impl Model for Slow {
    fn ask<'a>(
        &'a self,
        _site: &'a CallSite,
        _request: &'a Request,
        _on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        async move {
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            // A million tokens each way, so that money is prices.
            let usage = Some(Usage { prompt_tokens: 1_000_000, completion_tokens: 1_000_000 });
            Ok(Response { text: "ok".into(), truncated: false, usage, schema_enforced: false, model: None })
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn runs_of_one_process_share_the_pace_of_a_model() {
    let flow = flow("flow: t\nnodes: { a: { each: { in: $( range(12) ) }, prompt: { user: x, model: p/m } } }");
    let (alone, shared) = (Arc::new(Slow::default()), Arc::new(Slow::default()));
    let options = Options { jobs: 12, ..Options::default() };
    play(&flow, alone.clone(), &options, None).await;
    assert_eq!(alone.most.load(Ordering::SeqCst), 12, "without limits");
    let limited: Arc<dyn Model> = Arc::new(Limited::new(shared.clone(), at_once(3)));
    let reports = join_all((0..4).map(|_| play(&flow, limited.clone(), &options, None))).await;
    assert_eq!(shared.most.load(Ordering::SeqCst), 3);
    // Who comes first goes first: the first run's twelve calls take four seconds, and the last run waits for all others.
    let times: Vec<u64> = reports.iter().map(|(report, _)| report.spend.wall_ms / 1000).collect();
    assert_eq!(times, [4, 8, 12, 16]);
}

#[tokio::test]
async fn waiting_for_a_place_is_no_part_of_an_attempt() {
    let answer = stream(openai_stream("hello", "stop")).set_delay(Duration::from_millis(200));
    let server = always(answer).await;
    let model = Limited::new(Arc::new(openai(&server.uri())), at_once(1));
    let hurried = Request { timeout: Some(Duration::from_secs(2)), ..request("hi") };
    let site = CallSite { path: "a".into(), attempt: 1 };
    // Twelve are 2.4 s.
    for answer in join_all((0..12).map(|_| model.ask(&site, &hurried, &|_| {}))).await {
        assert_eq!(answer.expect("an answer").text, "hello");
    }
}

#[tokio::test]
async fn a_call_of_a_run_that_waits_for_its_place_does_not_time_out() {
    let answer = stream(openai_stream("hello", "stop")).set_delay(Duration::from_millis(200));
    let server = always(answer).await;
    let model: Arc<dyn Model> = Arc::new(Limited::new(Arc::new(openai(&server.uri())), at_once(1)));
    // Recording a run changes nothing of it.
    for model in [Arc::clone(&model), Arc::new(Recorder::new(model, "t"))] {
        let flow = flow(
            "flow: t\nnodes: { a: { each: { in: $( range(12) ) }, prompt: { user: x, model: p/m, timeout: 2s, retry: { times: 0 } } } }",
        );
        let options = Options { jobs: 12, ..Options::default() };
        let (report, _) = play(&flow, model, &options, None).await;
        assert_eq!(report.outcome.map(|o| o.as_str()), Some("accepted"), "{:?}", report.error);
    }
}

#[test]
fn what_can_be_told_before_a_run_is_told_through_a_pace() {
    let model = Limited::new(Arc::new(HttpModel::new([])), BTreeMap::new());
    assert!(model.ready("p/m").expect_err("there is no provider").message.contains("`p`"));
}

#[tokio::test(start_paused = true)]
async fn the_price_of_the_flow_wins_over_the_configuration_and_that_over_the_table() {
    let own = "models: { m: { use: [openai/gpt-4o], price: { in: 1, out: 2 } } }\n";
    let text = |models: &str, model: &str| {
        format!("flow: t\nbudget: {{ usd: 100 }}\n{models}nodes: {{ a: {{ prompt: {{ user: x, model: {model} }} }} }}")
    };
    let given = BTreeMap::from([("openai/gpt-4o".to_owned(), spec::Price { input: 4.0, output: 5.0 })]);
    for (models, model, given, usd) in [
        (own, "m", &given, 3.0),
        ("", "openai/gpt-4o", &given, 9.0),
        ("", "openai/gpt-4o", &BTreeMap::new(), 12.5),
        ("", "openai/gpt-4o-2024-05-13", &given, 20.0),
    ] {
        let price = |(name, price): (String, spec::Price)| (name, Price { input: price.input, output: price.output });
        let prices = known_prices(given, &[]).into_iter().map(price).collect();
        let options = Options { prices, ..Options::default() };
        let (report, _) = play(&flow(&text(models, model)), Arc::new(Slow::default()), &options, None).await;
        assert_eq!(report.spend.usd, Some(usd), "{models}{model} {given:?}");
    }
}
