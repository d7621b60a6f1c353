//! What the engine itself costs, with the memory journal and models that answer at once: a chain, a fan-out, a loop, and
//! the shape of AlphaCodium (19 nodes, 43 of them executed, 15 calls).

#![expect(missing_docs, reason = "criterion's macro makes a public function without any")]

use criterion::{Criterion, criterion_group, criterion_main};
use flow_engine::check::check;
use flow_engine::check::flow::CheckedFlow;
use flow_engine::journal::{Memory, Record};
use flow_engine::model::scripted::{HashingEmbedder, ScriptedPeople};
use flow_engine::run::ports::{CallError, CallSite, ExecuteJob, Executor, Model, Ports, Request, Response};
use flow_engine::run::{Around, Cancel, Given, Models, Options, RunState, prepare, run};
use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

/// What the node of a call answers.
struct Instant(BTreeMap<&'static str, Value>);

impl Model for Instant {
    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        _request: &'a Request,
        _on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        let node = site.path.rsplit('/').next().unwrap_or_default();
        let text = self.0.get(node).map_or_else(|| "1".to_owned(), Value::to_string);
        ready(Ok(Response { text, truncated: false, usage: None, schema_enforced: true, model: None })).boxed()
    }
}

struct NoSandbox;

impl Executor for NoSandbox {
    fn execute<'a>(&'a self, _job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>> {
        ready(Err("there is no sandbox".to_owned())).boxed()
    }

    fn rule<'a>(&'a self, _module: &'a [u8], _value: &'a Value) -> BoxFuture<'a, Result<Result<(), String>, String>> {
        ready(Err("there is no sandbox".to_owned())).boxed()
    }
}

fn flow(text: String) -> CheckedFlow {
    let checked = check(&BTreeMap::<String, String>::new(), "flow.yaml", text);
    checked.flow.unwrap_or_else(|| panic!("{:?}", checked.found))
}

/// `n0` to `n99`, each one more than the one before.
fn chain() -> CheckedFlow {
    let mut text = "flow: chain\nnodes:\n  n0: { let: 1 }\n".to_owned();
    for n in 1..100 {
        let _ = writeln!(text, "  n{n}: {{ let: $( n{} + 1 ) }}", n - 1);
    }
    flow(text + "outputs: { x: $n99 }\n")
}

/// A thousand items, twice each, and their sum.
fn fan_out() -> CheckedFlow {
    flow(
        "flow: fan\nnodes:\n  one: { each: { in: $( range(1000) ), as: i }, let: $( i * 2 ) }\noutputs: { x: $( one | sum ) }\n"
            .to_owned(),
    )
}

/// A thousand passes that carry a kilobyte.
fn loop_of_1000() -> CheckedFlow {
    let text = r#"
flow: loop
inputs: { text: string }
nodes:
  l:
    loop: { max: 1000, state: { i: 0, acc: 0, text: $inputs.text }, next: { i: $step.i, acc: $step.acc } }
    nodes:
      step: { let: { i: $( state.i + 1 ), acc: $( state.acc + state.i ) } }
outputs: { x: $l.state.i }
"#;
    flow(text.to_owned())
}

/// The shape of AlphaCodium: reflection, ideas, tests, a loop of three fixes, a fold over eight tests of which two are fixed.
fn alphacodium() -> CheckedFlow {
    let text = r#"
flow: shape
inputs: { description: string, public_tests: [Test] }
nodes:
  parse: { let: { description: $inputs.description, tests: $inputs.public_tests } }
  reflect: { prompt: { user: "{{ parse.description }}", returns: { points: [string] } } }
  check_reflection: { prompt: { user: "{{ reflect.points | bullets }}", returns: { valid: boolean } } }
  solutions: { prompt: { user: "{{ reflect.points | bullets }}", returns: { ideas: [string] } }, after: [check_reflection] }
  best: { prompt: { user: "{{ solutions.ideas | bullets }}", returns: { name: string } } }
  ai_tests: { prompt: { user: "{{ best.name }}", returns: { tests: "[{ input: string, output: string }]" } } }
  check_tests: { prompt: { user: "{{ ai_tests.tests | length }}", returns: { tests: "[{ input: string, output: string }]" } } }
  merged: { let: $( check_tests.tests | take(8) ) }
  first: { prompt: { user: "{{ best.name }}", returns: { code: string } }, after: [merged] }
  public:
    loop: { max: 5, state: { code: $first.code, fixes: 0 }, until: tried.ok, next: { code: $fix.code, fixes: $( state.fixes + 1 if fix ) } }
    nodes:
      tried: { let: { ok: $( state.fixes >= 3 ), error: "{{ '' if state.fixes >= 3 else 'expected 1, got -1' }}" } }
      analyze: { when: not tried.ok, prompt: { user: "{{ tried.error }}", returns: { problem: string } } }
      fix: { when: analyze, prompt: { user: "{{ analyze.problem }}", returns: { code: string } } }
  begun: { let: $( range(parse.tests | length) | list ), after: [public] }
  hidden:
    loop:
      over: $merged
      as: test
      state: { code: $public.state.code, passed: $begun, fixes: 0 }
      next: { code: $mend.code, passed: "$( state.passed + [100 + pass.n] )", fixes: $( state.fixes + 1 if mend ) }
    nodes:
      tested: { let: { ok: $( pass.n != 3 and pass.n != 6 ) } }
      mend: { when: not tested.ok, prompt: { user: "{{ test.input }}", returns: { code: string } } }
      again: { when: mend, let: { ok: true } }
      anchors: { when: again, let: $( state.passed | length >= 3 ) }
      counted: { let: $pass.n, after: [anchors] }
  final: { let: "fixes_a={{ public.state.fixes }} fixes_b={{ hidden.state.fixes }} passed={{ hidden.state.passed | length }}" }
outputs: { x: $final }
"#;
    flow(text.to_owned())
}

fn replies() -> Instant {
    let tests: Vec<Value> =
        (0..8).map(|i| json!({ "input": format!("{i} 1"), "output": format!("{}", i + 1) })).collect();
    let code = json!({ "code": "a, b = map(int, input().split())\nprint(a + b)" });
    Instant(BTreeMap::from([
        ("reflect", json!({ "points": ["Read two integers.", "Add them.", "Print the sum."] })),
        ("check_reflection", json!({ "valid": true })),
        ("solutions", json!({ "ideas": ["add", "subtract the negative", "count"] })),
        ("best", json!({ "name": "add" })),
        ("ai_tests", json!({ "tests": tests })),
        ("check_tests", json!({ "tests": tests })),
        ("first", code.clone()),
        ("analyze", json!({ "problem": "A minus stands where a plus should." })),
        ("fix", code.clone()),
        ("mend", code),
    ]))
}

fn bench(criterion: &mut Criterion, name: &str, flow: &CheckedFlow, inputs: &Value, expected: &Value) {
    let given = Given { inputs: inputs.as_object().cloned().unwrap_or_default(), ..Given::default() };
    let given = prepare(flow, &given).expect("inputs fit");
    let ports = Ports {
        model: Arc::new(replies()),
        executor: Arc::new(NoSandbox),
        people: Arc::new(ScriptedPeople::default()),
        embedder: Arc::new(HashingEmbedder),
    };
    let models = Models { fallback: Some("test/instant".to_owned()), ..Models::default() };
    let options = Options { models, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            let mut journal = Memory::default();
            let cancel = Cancel::default();
            let observe = &mut |_: &Record, _: &RunState<'_>| {};
            let around = Around { ports: &ports, options: &options, cancel: &cancel, journal: &mut journal, observe };
            let report = runtime.block_on(run(flow, &given, around));
            let report = report.expect("memory does not fail");
            let outputs = report.outputs.as_ref().unwrap_or_else(|| panic!("{:?}", report.error));
            assert_eq!(&outputs["x"], expected);
            black_box(journal);
        });
    });
}

fn workloads(criterion: &mut Criterion) {
    bench(criterion, "chain of 100", &chain(), &json!({}), &json!(100));
    bench(criterion, "fan-out of 1000", &fan_out(), &json!({}), &json!(999_000));
    bench(criterion, "loop of 1000 with 1 KB", &loop_of_1000(), &json!({ "text": "x".repeat(1024) }), &json!(1000));
    let tests: Vec<Value> = (0..3).map(|i| json!({ "input": format!("{i} 1"), "output": "1" })).collect();
    let problem = json!({ "description": "Print the sum of two integers. ".repeat(12), "public_tests": tests });
    bench(criterion, "shape of AlphaCodium", &alphacodium(), &problem, &json!("fixes_a=3 fixes_b=2 passed=11"));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(3));
    targets = workloads
}
criterion_main!(benches);
