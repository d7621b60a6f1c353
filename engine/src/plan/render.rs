//! A plan as text for people and as JSON for programs. Renders to strings and values, and prints nothing.

use super::Plan;
use super::bound::{Count, Formula, Runs, Sized, Tally};
use super::graph::{Graph, Reason, Step};
use crate::value::Value;
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use serde_json::json;
use std::fmt::Write;

impl Plan<'_> {
    /// The plan for people: how many calls, then the steps, wave by wave. With `why`, what made each edge.
    pub fn text(&self, why: bool) -> String {
        let def = &self.flow.flows[self.flow.root];
        let mut out = format!("{}\n", def.name);
        if let Some(about) = &def.about {
            let _ = writeln!(out, "{about}");
        }
        out.push_str(&self.calls());
        self.steps(&mut out, &self.graph, &self.bound.nodes.inside, 0, why);
        out
    }

    fn calls(&self) -> String {
        let most = |sized: &Option<Sized>| sized.as_ref().map_or_else(|| "any number".to_owned(), Sized::to_string);
        let (fewest, all) = (self.bound.fewest.to_string(), most(&self.bound.most));
        let bare = most(&self.bound.most_without_reasks);
        let mut out = if fewest == all {
            format!("calls: {all}\n")
        } else {
            format!("calls at least: {fewest}\ncalls at most: {all}\n")
        };
        if bare != all {
            let _ = writeln!(out, "calls at most, without re-asks: {bare}");
        }
        out
    }

    fn steps(&self, out: &mut String, graph: &Graph, tallies: &[Tally], depth: usize, why: bool) {
        let indent = "  ".repeat(depth);
        let width = graph.steps.node_weights().map(|step| step.id.chars().count()).max().unwrap_or(0);
        for (number, wave) in graph.waves.iter().enumerate() {
            let _ = writeln!(out, "{indent}{}wave {}", if depth == 0 { "\n" } else { "" }, number + 1);
            for index in wave {
                let step = &graph.steps[*index];
                let tally = tallies.get(index.index()).cloned().unwrap_or_default();
                let _ = write!(out, "{indent}  {:width$}  {}", step.id, described(step, &tally));
                let waits = self.waits(graph, *index);
                if !why && !waits.is_empty() {
                    let ids: Vec<&str> = waits.iter().map(|(id, _)| *id).collect();
                    let _ = write!(out, ", after {}", ids.join(", "));
                }
                out.push('\n');
                for (id, reasons) in waits.iter().filter(|_| why) {
                    for reason in *reasons {
                        let _ = writeln!(out, "{indent}    after {id}: {} ({})", reason.at, self.place(reason));
                    }
                }
                if let Some(inside) = &step.inside {
                    self.steps(out, inside, &tally.inside, depth + 2, why);
                }
            }
        }
    }

    /// The steps that a step waits for, in file order, each with the reasons.
    fn waits<'g>(&self, graph: &'g Graph, step: NodeIndex) -> Vec<(&'g str, &'g [Reason])> {
        let mut waits: Vec<_> = graph.steps.edges_directed(step, Direction::Incoming).collect();
        waits.sort_by_key(EdgeRef::source);
        waits
            .into_iter()
            .map(|edge| (graph.steps[edge.source()].id.as_str(), edge.weight().reasons.as_slice()))
            .collect()
    }

    /// `flow.yaml:12:7`.
    fn place(&self, reason: &Reason) -> String {
        let source = self.flow.sources.get(reason.span.source);
        let (line, column) = source.line_column(reason.span.start);
        format!("{}:{line}:{column}", source.path)
    }

    /// The plan for programs: nodes and edges by path, the waves of the flow, the bounds.
    pub fn json(&self) -> Value {
        let (mut nodes, mut edges) = (Vec::new(), Vec::new());
        let waves = self.collect(&mut nodes, &mut edges, &self.graph, &self.bound.nodes.inside, "");
        let number = |sized: &Option<Sized>| sized.as_ref().and_then(Sized::number);
        let shown = |sized: &Option<Sized>| sized.as_ref().map(Sized::to_string);
        let without_effect: Vec<&String> = self.flow.files.iter().flat_map(|file| &file.without_effect).collect();
        json!({
            "flow": self.flow.flows[self.flow.root].name,
            "hash": self.flow.hash,
            "nodes": nodes,
            "edges": edges,
            "waves": waves,
            "bounds": { "calls": {
                "min": self.bound.fewest.number(),
                "max": number(&self.bound.most),
                "formula": shown(&self.bound.most),
                "min_formula": self.bound.fewest.to_string(),
                "without_reasks": {
                    "max": number(&self.bound.most_without_reasks),
                    "formula": shown(&self.bound.most_without_reasks),
                },
            } },
            "without_effect": without_effect,
        })
    }

    fn collect(
        &self,
        nodes: &mut Vec<Value>,
        edges: &mut Vec<Value>,
        graph: &Graph,
        tallies: &[Tally],
        prefix: &str,
    ) -> Value {
        let path = |index: NodeIndex| format!("{prefix}{}", graph.steps[index].id);
        for index in graph.steps.node_indices() {
            let step = &graph.steps[index];
            let tally = tallies.get(index.index()).cloned().unwrap_or_default();
            let at = nodes.len();
            nodes.push(json!({
                "path": path(index),
                "verb": step.verb,
                "about": step.about,
                "flow": step.calls,
                "runs": tally.runs.map(|runs| match runs {
                    Runs::Always => "always",
                    Runs::Maybe => "maybe",
                    Runs::Never => "never",
                }),
                "repeats": step.repeats.map(|by| json!({ "by": by, "times": tally.repeats.as_ref().map(of_count) })),
                "calls": of_count(&tally.calls),
            }));
            if let Some(inside) = &step.inside {
                let waves = self.collect(nodes, edges, inside, &tally.inside, &format!("{}/", path(index)));
                nodes[at]["waves"] = waves;
            }
        }
        for edge in graph.steps.edge_references() {
            let why = |reason: &Reason| {
                let source = self.flow.sources.get(reason.span.source);
                let (line, column) = source.line_column(reason.span.start);
                json!({ "at": reason.at, "file": source.path, "line": line, "column": column })
            };
            edges.push(json!({
                "from": path(edge.source()),
                "to": path(edge.target()),
                "why": edge.weight().reasons.iter().map(why).collect::<Vec<_>>(),
            }));
        }
        graph.waves.iter().map(|wave| wave.iter().map(|index| Value::from(path(*index))).collect::<Value>()).collect()
    }
}

/// What a step is: `loop of at most 9 passes, 1 to 9 calls`.
pub(super) fn described(step: &Step, tally: &Tally) -> String {
    let verb = step.calls.as_ref().map_or_else(|| step.verb.to_owned(), |flow| format!("flow {flow}"));
    let mut text = match (step.repeats, step.verb) {
        (Some("loop"), _) => format!("loop{}", times(tally, "pass", "passes")),
        (Some(_), "nodes") => format!("each{}", times(tally, "item", "items")),
        (Some(_), _) => format!("{verb} for each{}", times(tally, "item", "items")),
        (None, "nodes") => "block".to_owned(),
        (None, _) => verb,
    };
    match tally.runs {
        Some(Runs::Always) => {}
        Some(Runs::Maybe) => text.push_str(", when its condition holds"),
        Some(Runs::Never) => text.push_str(", skipped"),
        None => text.push_str(", not reached"),
    }
    if tally.calls != Count::default() {
        let _ = write!(text, ", {}", of_calls(&range(&tally.calls)));
    }
    text
}

fn times(tally: &Tally, one: &str, many: &str) -> String {
    tally.repeats.as_ref().map_or_else(String::new, |count| {
        let range = range(count);
        format!(" of {range} {}", if range == "1" { one } else { many })
    })
}

fn of_calls(count: &str) -> String {
    format!("{count} {}", if count == "1" { "call" } else { "calls" })
}

/// `3`, `1 to 9`, `any number of`.
fn range(count: &Count) -> String {
    match &count.most {
        Some(most) if *most == count.fewest => most.to_string(),
        Some(most) => format!("{} to {most}", count.fewest),
        None => format!("{} or more", count.fewest),
    }
}

/// Numbers where they are known, formulas beside them where they are not.
fn of_count(count: &Count) -> Value {
    let number = |formula: &Formula| formula.as_number().map(|n| n.max(0.0) as u64);
    let max = count.most.as_ref().and_then(number);
    let formula = count.most.as_ref().filter(|_| max.is_none()).map(Formula::to_string);
    json!({ "min": number(&count.fewest), "max": max, "formula": formula })
}
