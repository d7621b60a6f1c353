//! All conformance vectors, with the sandbox behind the port as flowctl plugs it in. Python on WASI must be in the cache, or
//! is fetched.

#[path = "../src/wire/executor.rs"]
mod executor;
#[path = "../../engine/tests/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the engine's tests use more of it")]
mod harness;

use executor::Judge;
use flow_engine::run::prepare;
use harness::{Vector, bound_of, check_vector, differences, jobs, misfound, numbers, play_given, prepared, vectors};
use serde_json::json;
use std::sync::Arc;

/// What of a vector's run is not as the language demands, line by line.
fn wrong_in(vector: &Vector, judge: &Judge) -> Vec<String> {
    let (model, ports) = vector.world(Arc::new(judge.clone()));
    let ran = play_given(&vector.flow, &vector.given, &ports, &jobs(1), &mut |_, _| {});
    let mut wrong = differences(&vector.expect, &model, &ran);
    // What can't be prepared is refused before a bound is made, and makes no calls.
    let Ok(prepared) = prepare(&vector.flow, &vector.given) else { return wrong };
    let (fewest, most) = numbers(&bound_of(&vector.flow, &prepared));
    if let Some(want) = vector.expect.get("bounds")
        && *want != json!([fewest, most])
    {
        wrong.push(format!("the bounds are [{fewest}, {most}], not {want}"));
    }
    let ended = ["accepted", "not_accepted"].contains(&ran.outcome()) && !ran.report.budget_spent;
    let calls = ran.report.spend.calls;
    if calls > most || ended && calls < fewest {
        wrong.push(format!("{calls} calls, outside [{fewest}, {most}]"));
    }
    wrong
}

#[test]
fn all_vectors_do_as_the_language_demands() {
    let judge = Judge::new(false, |_, _| {});
    let mut found = String::new();
    for (file, vector) in vectors() {
        let mut wrong = misfound(&vector, &check_vector(&vector));
        if wrong.is_empty() && vector["expect"].get("errors").is_none() {
            wrong = wrong_in(&prepared(&file, &vector), &judge);
        }
        for line in wrong {
            found.push_str(&format!("{file} {}: {line}\n", vector["name"]));
        }
    }
    assert!(found.is_empty(), "{found}");
}
