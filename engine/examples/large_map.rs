//! How much memory a map over a million items takes: `cargo run --release -p flow-engine --example large_map`.

#![expect(clippy::print_stdout, reason = "a figure is what it is for")]

use flow_engine::check::check;
use flow_engine::journal::{Durability, Record, Reuse, Store};
use flow_engine::model::scripted::{HashingEmbedder, Scripted, ScriptedPeople};
use flow_engine::run::ports::{ExecuteJob, Executor, Ports};
use flow_engine::run::{Around, Cancel, Given, Options, RunState, prepare, run};
use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

struct NoSandbox;

impl Executor for NoSandbox {
    fn execute<'a>(&'a self, _job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>> {
        ready(Err("there is no sandbox".to_owned())).boxed()
    }

    fn rule<'a>(&'a self, _module: &'a [u8], _value: &'a Value) -> BoxFuture<'a, Result<Result<(), String>, String>> {
        ready(Err("there is no sandbox".to_owned())).boxed()
    }
}

fn main() {
    let text = "flow: map\nnodes: { a: { each: { in: '$( range(1000000) )', as: i }, let: '$( i * 2 )' } }\noutputs: { n: '$( a | length )' }";
    let checked = check(&BTreeMap::<String, String>::new(), "flow.yaml", text.to_owned());
    let flow = checked.flow.unwrap_or_else(|| panic!("{:?}", checked.found));
    let given = prepare(&flow, &Given::default()).expect("the flow needs nothing");
    let ports = Ports {
        model: Arc::new(Scripted::from_rules(Vec::new())),
        executor: Arc::new(NoSandbox),
        people: Arc::new(ScriptedPeople::default()),
        embedder: Arc::new(HashingEmbedder),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Durability::Normal).expect("a store");
    let mut journal = store.begin(Reuse::Nothing, None).expect("a run");
    let (options, cancel, observe) = (Options::default(), Cancel::default(), &mut |_: &Record, _: &RunState<'_>| {});
    let around = Around { ports: &ports, options: &options, cancel: &cancel, journal: &mut journal, observe };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let begun = Instant::now();
    let report = runtime.block_on(run(&flow, &given, around)).expect("the journal is kept");
    println!("{:?} in {:.1} s", report.outputs.map(|outputs| outputs.to_string()), begun.elapsed().as_secs_f64());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("the peak is not known here"));
}
