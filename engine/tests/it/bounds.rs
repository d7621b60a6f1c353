//! The plan's bound on model calls: what the vectors say, what a formula says for each size, and runs that stay inside.

use crate::checks::{check_vector, here, listing};
use crate::vectors::vectors;
use flow_engine::check::CheckedFlow;
use flow_engine::plan::bound::{Bound, Known, bound};
use flow_engine::run::{Given, Prepared, prepare};
use serde_json::{Map, Value, json};

/// What a vector gives a run.
fn given(vector: &Value) -> Given {
    let record = |key: &str| vector[key].as_object().cloned().unwrap_or_default();
    Given {
        inputs: record("inputs"),
        params: record("params"),
        preset: vector["preset"].as_str().map(str::to_owned),
        seed: vector["seed"].as_u64().unwrap_or(0),
    }
}

/// The bound of a run whose inputs are known.
fn bound_of(flow: &CheckedFlow, prepared: &Prepared) -> Bound {
    let record = |value: &Value| value.as_object().cloned().expect("inputs and params are records");
    bound(flow, Known { inputs: Some(&record(&prepared.inputs)), params: &record(&prepared.params) })
}

fn numbers(bound: &Bound) -> (u64, u64) {
    let most = bound.most.as_ref().and_then(|most| most.number());
    (bound.fewest.number().expect("a number: all inputs are known"), most.expect("a number: all inputs are known"))
}

#[test]
fn the_vectors_have_the_bounds_they_state() {
    let (mut wrong, mut count) = (String::new(), 0);
    for (file, vector) in vectors() {
        let Some(want) = vector["expect"]["bounds"].as_array() else { continue };
        count += 1;
        let checked = check_vector(&vector);
        let Some(flow) = &checked.flow else {
            wrong.push_str(&format!("{file} {}: does not check clean\n{}", vector["name"], listing(&checked)));
            continue;
        };
        let prepared = prepare(flow, &given(&vector)).expect("a vector with bounds runs");
        let (fewest, most) = numbers(&bound_of(flow, &prepared));
        if *want != [json!(fewest), json!(most)] {
            wrong.push_str(&format!("{file} {}: [{fewest}, {most}], not {want:?}\n", vector["name"]));
        }
    }
    assert!(count >= 63, "only {count} vectors state bounds");
    assert!(wrong.is_empty(), "of {count} vectors:\n{wrong}");
}
