//! Pictures of a plan: Graphviz's DOT and Mermaid. What is inside a step is drawn inside its box.

use super::Plan;
use super::bound::Tally;
use super::graph::Graph;
use super::render::described;
use petgraph::visit::EdgeRef;
use std::fmt::Write;

impl Plan<'_> {
    /// The plan in Graphviz's language.
    pub fn dot(&self) -> String {
        let name = &self.flow.flows[self.flow.root].name;
        let mut out = format!("digraph {} {{\n  compound=true;\n  rankdir=TB;\n  node [shape=box];\n", dot_text(name));
        dot_steps(&mut out, &self.graph, &self.bound.nodes.inside, "", 1);
        out.push_str("}\n");
        out
    }

    /// The plan as a Mermaid flowchart.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart TB\n");
        mermaid_steps(&mut out, &self.graph, &self.bound.nodes.inside, "", 1);
        out
    }
}

fn dot_steps(out: &mut String, graph: &Graph, tallies: &[Tally], prefix: &str, depth: usize) {
    let indent = "  ".repeat(depth);
    for index in graph.steps.node_indices() {
        let step = &graph.steps[index];
        let path = format!("{prefix}{}", step.id);
        let tally = tallies.get(index.index()).cloned().unwrap_or_default();
        let label = dot_text(&format!("{}\n{}", step.id, described(step, &tally)));
        match &step.inside {
            None => {
                let _ = writeln!(out, "{indent}{} [label={label}];", dot_text(&path));
            }
            // An edge needs a node at each end: the box has one that shows nothing.
            Some(inside) => {
                let _ = writeln!(out, "{indent}subgraph {} {{", dot_text(&format!("cluster {path}")));
                let _ = writeln!(out, "{indent}  label={label};");
                let _ = writeln!(out, "{indent}  {} [shape=point, style=invis];", dot_text(&path));
                dot_steps(out, inside, &tally.inside, &format!("{path}/"), depth + 1);
                let _ = writeln!(out, "{indent}}}");
            }
        }
    }
    for edge in graph.steps.edge_references() {
        let [from, to] = [edge.source(), edge.target()].map(|end| &graph.steps[end]);
        let [a, b] = [from, to].map(|step| format!("{prefix}{}", step.id));
        let mut ends = Vec::new();
        if from.inside.is_some() {
            ends.push(format!("ltail={}", dot_text(&format!("cluster {a}"))));
        }
        if to.inside.is_some() {
            ends.push(format!("lhead={}", dot_text(&format!("cluster {b}"))));
        }
        let ends = if ends.is_empty() { String::new() } else { format!(" [{}]", ends.join(", ")) };
        let _ = writeln!(out, "{indent}{} -> {}{ends};", dot_text(&a), dot_text(&b));
    }
}

fn dot_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn mermaid_steps(out: &mut String, graph: &Graph, tallies: &[Tally], prefix: &str, depth: usize) {
    let indent = "  ".repeat(depth);
    for index in graph.steps.node_indices() {
        let step = &graph.steps[index];
        let path = format!("{prefix}{}", step.id);
        let tally = tallies.get(index.index()).cloned().unwrap_or_default();
        let label = mermaid_text(&format!("{}\n{}", step.id, described(step, &tally)));
        match &step.inside {
            Some(inside) if inside.steps.node_count() > 0 => {
                let _ = writeln!(out, "{indent}subgraph {}[{label}]", mermaid_id(&path));
                mermaid_steps(out, inside, &tally.inside, &format!("{path}/"), depth + 1);
                let _ = writeln!(out, "{indent}end");
            }
            Some(_) | None => {
                let _ = writeln!(out, "{indent}{}[{label}]", mermaid_id(&path));
            }
        }
    }
    for edge in graph.steps.edge_references() {
        let [a, b] = [edge.source(), edge.target()].map(|i| mermaid_id(&format!("{prefix}{}", graph.steps[i].id)));
        let _ = writeln!(out, "{indent}{a} --> {b}");
    }
}

/// Ids are words; `end` alone would close a subgraph, so every id begins with `n_`.
fn mermaid_id(path: &str) -> String {
    format!("n_{}", path.replace('_', "__").replace('/', "_i_").replace('-', "_d_"))
}

fn mermaid_text(text: &str) -> String {
    format!("\"{}\"", text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('\n', "<br/>"))
}
