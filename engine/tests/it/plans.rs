//! What a plan shows: steps, waves, edges and what made them, calls.

use crate::harness::{check_vector, vectors};
use flow_engine::check::{CheckedFlow, check};
use flow_engine::plan::bound::Known;
use flow_engine::plan::{Graph, Plan, build};
use serde_json::{Map, json};
use std::collections::BTreeMap;

const FLOW: &str = r#"flow: t
about: Tell of it.
inputs: { xs: [string] }
params: { deep: boolean = false }
nodes:
  tell: { prompt: { file: tell.md, repair: 1 } }
  think: { prompt: { user: "{{ inputs.xs | length }}" } }
  doubt: { when: params.deep, prompt: { user: "{{ think }}" } }
  each_one:
    each: { in: $inputs.xs, as: x }
    flow: say
    with: { what: $x }
    after: [think]
  tries:
    when: think == "hm"
    loop: { max: 3 }
    nodes:
      a: { prompt: { user: "{{ think }}" } }
      b: { let: $a }
flows:
  say:
    inputs: { what: string }
    nodes: { said: { prompt: { user: "{{ inputs.what }}" } } }
    outputs: { said: $said }
"#;

fn flow() -> CheckedFlow {
    let files = BTreeMap::from([("tell.md".to_owned(), "Say\n{{ think }} and {{ tries.a }}".to_owned())]);
    let checked = check(&files, "t.yaml", FLOW.to_owned());
    checked.flow.unwrap_or_else(|| panic!("{:?}", checked.found))
}

fn open(flow: &CheckedFlow) -> Plan<'_> {
    build(flow, Known { inputs: None, params: &Map::new() })
}

#[test]
fn people_see_waves_and_calls_and_what_comes_before() {
    let flow = flow();
    assert_eq!(
        open(&flow).text(false),
        "\
t
Tell of it.
calls at least: 2 + |xs|
calls at most: 6 + |xs|
calls at most, without re-asks: 5 + |xs|

wave 1
  think     prompt, 1 call

wave 2
  doubt     prompt, skipped, after think
  each_one  flow say for each of |xs| items, |xs| calls, after think
    wave 1
      said  prompt, |xs| calls
  tries     loop of 3 passes, when its condition holds, 0 to 3 calls, after think
    wave 1
      a  prompt, 0 to 3 calls
    wave 2
      b  let, after a

wave 3
  tell      prompt, 1 to 2 calls, after think, tries
"
    );
}

#[test]
fn why_tells_the_line_that_made_each_edge() {
    let flow = flow();
    let text = open(&flow).text(true);
    for line in [
        "after think: nodes.tell.prompt.file (tell.md:2:4)",
        "after tries: nodes.tell.prompt.file (tell.md:2:20)",
        "after think: nodes.each_one.after (t.yaml:13:13)",
        "after a: nodes.tries.nodes.b.let (t.yaml:19:18)",
    ] {
        assert!(text.lines().any(|l| l.trim() == line), "no line `{line}` in:\n{text}");
    }
}

#[test]
fn programs_get_nodes_edges_waves_and_bounds() {
    let flow = flow();
    let inputs = json!({ "xs": ["p", "q"] });
    let params = json!({ "deep": true });
    let known = Known { inputs: inputs.as_object(), params: params.as_object().expect("a record") };
    let plan = build(&flow, known).json();
    // think, doubt, two said, tell asked once; at most three passes of tries and one re-ask of tell more.
    let calls = &plan["bounds"]["calls"];
    assert_eq!((&calls["min"], &calls["max"], &calls["formula"]), (&json!(5), &json!(9), &json!("9")));
    assert_eq!(calls["without_reasks"]["max"], 8);
    assert_eq!(plan["waves"], json!([["think"], ["doubt", "each_one", "tries"], ["tell"]]));
    let node = |path: &str| plan["nodes"].as_array().into_iter().flatten().find(|n| n["path"] == path).expect("a node");
    assert_eq!(node("tries")["waves"], json!([["tries/a"], ["tries/b"]]));
    assert_eq!(node("tries")["runs"], "maybe");
    assert_eq!(node("doubt")["runs"], "always");
    assert_eq!(node("each_one/said")["calls"], json!({ "min": 2, "max": 2, "formula": null }));
    assert_eq!(node("each_one")["repeats"], json!({ "by": "each", "times": { "min": 2, "max": 2, "formula": null } }));
    let edge = |from: &str, to: &str| {
        plan["edges"].as_array().into_iter().flatten().find(|e| e["from"] == from && e["to"] == to).cloned()
    };
    let why = json!([{ "at": "nodes.tell.prompt.file", "file": "tell.md", "line": 2, "column": 20 }]);
    assert_eq!(edge("tries", "tell").expect("an edge")["why"], why);
    assert!(edge("tries/a", "tries/b").is_some());
    assert!(edge("tell", "think").is_none());
}

/// Every edge, in the graph and in what is inside its steps, leads to a later wave.
fn ordered(graph: &Graph) -> bool {
    let wave = |step| graph.waves.iter().position(|wave| wave.contains(&step)).expect("every step is in a wave");
    let here = graph.steps.edge_indices().all(|edge| {
        let (from, to) = graph.steps.edge_endpoints(edge).expect("an edge has ends");
        wave(from) < wave(to) && !graph.steps[edge].reasons.is_empty()
    });
    here && graph.steps.node_weights().all(|step| step.inside.as_ref().is_none_or(|inside| ordered(inside)))
}

#[test]
fn every_flow_of_the_vectors_is_ordered_by_its_edges() {
    let mut planned = 0;
    for (file, vector) in vectors() {
        let checked = check_vector(&vector);
        let Some(flow) = &checked.flow else { continue };
        assert!(ordered(&open(flow).graph), "{file} {}", vector["name"]);
        planned += 1;
    }
    assert!(planned > 150, "only {planned} flows were planned");
}

#[test]
fn pictures_hold_every_step_and_edge() {
    let flow = flow();
    let dot = open(&flow).dot();
    for line in [
        r#""think" -> "tries" [lhead="cluster tries"];"#,
        r#""tries" -> "tell" [ltail="cluster tries"];"#,
        r#"subgraph "cluster each_one" {"#,
        r#""tries/a" -> "tries/b";"#,
    ] {
        assert!(dot.lines().any(|l| l.trim() == line), "no line `{line}` in:\n{dot}");
    }
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    let mermaid = open(&flow).mermaid();
    for line in [
        "n_think --> n_tries",
        "subgraph n_each__one[\"each_one<br/>flow say for each of |xs| items, |xs| calls\"]",
        "n_tries_i_a --> n_tries_i_b",
    ] {
        assert!(mermaid.lines().any(|l| l.trim() == line), "no line `{line}` in:\n{mermaid}");
    }
}
