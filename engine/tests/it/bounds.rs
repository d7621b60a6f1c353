//! The plan's bound on model calls: what the vectors say, what a formula says for each size, and runs that stay inside.

use crate::harness::{bound_of, check_vector, given, here, listing, numbers, vectors};
use flow_engine::plan::bound::{Known, bound};
use flow_engine::run::prepare;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;

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

/// Flows whose bounds were counted by hand.
pub(crate) fn counted() -> Vec<Value> {
    let text = fs::read_to_string(here().join("tests/fixtures/bounds.yaml")).expect("the bounds are there");
    serde_yaml::from_str(&text).expect("a list of flows")
}

#[test]
fn bounds_are_what_a_count_by_hand_gives() {
    let mut wrong = String::new();
    for case in counted() {
        let checked = check_vector(&case);
        let flow = checked.flow.as_ref().unwrap_or_else(|| panic!("{}:\n{}", case["name"], listing(&checked)));
        let prepared = prepare(flow, &given(&case)).expect("what is given fits");
        let known = bound_of(flow, &prepared);
        let (fewest, most) = numbers(&known);
        let without = known.most_without_reasks.as_ref().and_then(|most| most.number());
        let params = prepared.params.as_object().cloned().expect("params are a record");
        let open = bound(flow, Known { inputs: None, params: &params });
        let open = [Some(open.fewest), open.most].map(|sized| sized.map(|sized| sized.to_string()));
        for (key, got) in [("calls", json!([fewest, most])), ("bare", json!(without)), ("open", json!(open))] {
            if case.get(key).is_some_and(|want| *want != got) {
                wrong.push_str(&format!("{}: `{key}` is {got}, not {}\n", case["name"], case[key]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn flows_that_call_each_other_twice_again_and_again_are_planned_at_once() {
    use std::fmt::Write;
    let mut text = "flow: t\nnodes: { a: { flow: f0 }, b: { flow: f0 } }\nflows:\n".to_owned();
    for i in 0..29 {
        let _ = writeln!(text, "  f{i}: {{ nodes: {{ a: {{ flow: f{0} }}, b: {{ flow: f{0} }} }} }}", i + 1);
    }
    text.push_str("  f29: { nodes: { x: { prompt: { user: x } } } }\n");
    let flow = crate::world::flow(&text);
    let params = Map::new();
    let plan = flow_engine::plan::build(&flow, Known { inputs: Some(&params), params: &params });
    assert_eq!(numbers(&plan.bound), (1 << 30, 1 << 30));
    assert!(plan.text(true).lines().count() < 20_000);
}

/// The lists among inputs, by how their sizes are shown.
fn lists(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(_) => found.push(format!("|{at}|")),
        Value::Object(fields) => {
            for (name, value) in fields {
                lists(&if at.is_empty() { name.clone() } else { format!("{at}.{name}") }, value, found);
            }
        }
        _ => {}
    }
}

/// The inputs with the list of that size made `n` long: its first item, so many times.
fn resized(inputs: &Map<String, Value>, shown: &str, n: usize) -> Option<Map<String, Value>> {
    let mut inputs = Value::Object(inputs.clone());
    let pointer = format!("/{}", shown.trim_matches('|').replace('.', "/"));
    let list = inputs.pointer_mut(&pointer)?;
    let first = list.get(0)?.clone();
    *list = Value::Array(vec![first; n]);
    inputs.as_object().cloned()
}

#[test]
fn a_formula_says_for_each_size_what_the_bound_of_such_inputs_says() {
    let (mut wrong, mut compared, mut seen) = (String::new(), 0, BTreeSet::new());
    for (file, vector) in vectors() {
        let checked = check_vector(&vector);
        let Some(flow) = &checked.flow else { continue };
        let Ok(prepared) = prepare(flow, &given(&vector)) else { continue };
        let record = |value: &Value| value.as_object().cloned().expect("inputs and params are records");
        let (inputs, params) = (record(&prepared.inputs), record(&prepared.params));
        if !seen.insert(format!("{}{params:?}", flow.hash)) {
            continue;
        }
        let open = bound(flow, Known { inputs: None, params: &params });
        let mut sizes = Vec::new();
        lists("", &prepared.inputs, &mut sizes);
        for (shown, n) in sizes.iter().flat_map(|shown| (0..=8).map(move |n| (shown, n))) {
            let Some(inputs) = resized(&inputs, shown, n) else { continue };
            compared += 1;
            let exact = bound(flow, Known { inputs: Some(&inputs), params: &params });
            let at = |shown: &str| resolve(&inputs, shown);
            let by_formula = (open.fewest.at(&at), open.most.as_ref().map(|most| most.at(&at)));
            let (fewest, most) = numbers(&exact);
            if by_formula != (fewest, Some(most)) {
                wrong.push_str(&format!(
                    "{file} {}: at {shown} = {n} {by_formula:?}, not [{fewest}, {most}]\n",
                    vector["name"]
                ));
            }
        }
    }
    assert!(compared > 300, "only {compared} sizes were compared");
    assert!(wrong.is_empty(), "{wrong}");
}

/// A size by how it is shown.
fn resolve(inputs: &Map<String, Value>, shown: &str) -> u64 {
    let pointer = format!("/{}", shown.trim_matches('|').replace('.', "/"));
    let inputs = Value::Object(inputs.clone());
    let value = inputs.pointer(&pointer).unwrap_or_else(|| panic!("no input is shown as {shown}"));
    value.as_array().map_or_else(|| value.as_u64().expect("a size or a number"), |list| list.len() as u64)
}

#[test]
fn alphacodium_is_bounded_by_a_formula_in_its_public_tests() {
    let shown = |params: Value, preset: Option<&str>| {
        let vector = json!({ "file": "AlphaCodium.yaml" });
        let checked = check_vector(&vector);
        let flow = checked.flow.as_ref().expect("AlphaCodium.yaml checks clean");
        let given =
            json!({ "inputs": { "problem": { "name": "n", "description": "d" } }, "params": params, "preset": preset });
        let prepared = prepare(flow, &crate::harness::given(&given)).expect("the params fit");
        let params = prepared.params.as_object().cloned().expect("params are a record");
        let bound = bound(flow, Known { inputs: None, params: &params });
        let text = |sized: &Option<flow_engine::plan::bound::Sized>| sized.as_ref().expect("bounded").to_string();
        (bound.fewest.to_string(), text(&bound.most), text(&bound.most_without_reasks))
    };
    // The closed form of the reference system: 4 prompts, 9 tries, 2 calls for each of 4 mends, 4 mends and one a test.
    let formula = "25 + |problem.public_tests|, or 17 when |problem.public_tests| is 0".to_owned();
    for preset in [None, Some("original")] {
        let (fewest, most, without) = shown(json!({ "repair": 0 }), preset);
        assert_eq!((fewest.as_str(), &most, &without), ("5", &formula, &formula));
    }
    let (fewest, most, without) = shown(json!({}), None);
    assert_eq!(fewest, "5");
    assert_eq!(most, "75 + 3 × |problem.public_tests|, or 51 when |problem.public_tests| is 0");
    assert_eq!(without, formula);
}
