//! Steps and edges: each block a graph without circles. A loop, a block, an `each` of nodes or a call of a sub-flow is one
//! step that owns the graph of what is in it.

use crate::check::flow::{Block, CheckedFlow, FlowId, Node, Repeat, Verb};
use crate::diag::Span;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Steps that are drawn of one flow, those of its sub-flows counted wherever they are called. Beyond it a call stands for
/// itself: flows that call each other twice, again and again, would fill the screen and the memory.
const MOST_DRAWN: usize = 2_000;

/// The steps of a block and what each waits for.
#[derive(Debug, Clone)]
pub struct Graph {
    /// In file order; an edge leads to the step that waits.
    pub steps: DiGraph<Step, Edge>,
    /// Steps that may run at once, by the longest way to them.
    pub waves: Vec<Vec<NodeIndex>>,
    /// How many steps are drawn, those inside included.
    size: usize,
}

/// A node of the flow, as a step of its block.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub about: Option<String>,
    /// Its verb, as it is written.
    pub verb: &'static str,
    /// The sub-flow it calls.
    pub calls: Option<String>,
    /// How it repeats: `each` or `loop`.
    pub repeats: Option<&'static str>,
    /// What is in it, if that is drawn.
    pub inside: Option<Arc<Graph>>,
}

/// Why a step waits for another.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Every reference, or entry of `after`, that makes the edge.
    pub reasons: Vec<Reason>,
}

/// One reference.
#[derive(Debug, Clone)]
pub struct Reason {
    /// The key it stands at.
    pub at: String,
    /// Its place, which may lie in a prompt file.
    pub span: Span,
}

/// The graph of the flow that is run.
pub(super) fn graph(flow: &CheckedFlow) -> Arc<Graph> {
    Builder { flow, built: BTreeMap::new() }.flow(flow.root)
}

struct Builder<'a> {
    flow: &'a CheckedFlow,
    /// A sub-flow that is called from many places is drawn once.
    built: BTreeMap<FlowId, Arc<Graph>>,
}

impl Builder<'_> {
    fn flow(&mut self, id: FlowId) -> Arc<Graph> {
        if let Some(built) = self.built.get(&id) {
            return Arc::clone(built);
        }
        let flow = self.flow;
        let graph = Arc::new(self.block(&flow.flows[id].body));
        self.built.insert(id, Arc::clone(&graph));
        graph
    }

    fn block(&mut self, block: &Block) -> Graph {
        let mut steps: DiGraph<Step, Edge> = DiGraph::new();
        let mut size = block.nodes.len();
        for node in &block.nodes {
            let mut step = self.step(node);
            step.inside = step.inside.filter(|inside| step.calls.is_none() || size + inside.size <= MOST_DRAWN);
            size += step.inside.as_ref().map_or(0, |inside| inside.size);
            steps.add_node(step);
        }
        for (index, node) in block.nodes.iter().enumerate() {
            for dep in &node.deps {
                let (from, to) = (NodeIndex::new(dep.node), NodeIndex::new(index));
                let reason = Reason { at: dep.at.clone(), span: dep.span };
                match steps.find_edge(from, to) {
                    Some(edge) => steps[edge].reasons.push(reason),
                    None => {
                        steps.add_edge(from, to, Edge { reasons: vec![reason] });
                    }
                }
            }
        }
        let waves = waves(&steps);
        Graph { steps, waves, size }
    }

    fn step(&mut self, node: &Node) -> Step {
        let flow = self.flow;
        let (verb, inside, calls) = match &node.verb {
            Verb::Prompt(_) => ("prompt", None, None),
            Verb::Validate { .. } => ("validate", None, None),
            Verb::Execute(_) => ("execute", None, None),
            Verb::Let(_) => ("let", None, None),
            Verb::Human(_) => ("human", None, None),
            Verb::Embed(_) => ("embed", None, None),
            Verb::Call { flow: id, .. } => ("flow", Some(self.flow(*id)), Some(flow.flows[*id].name.clone())),
            Verb::Block(block) => ("nodes", Some(Arc::new(self.block(block))), None),
        };
        let repeats = match &node.repeat {
            Repeat::Once => None,
            Repeat::Each(_) => Some("each"),
            Repeat::Loop(_) => Some("loop"),
        };
        Step { id: node.id.clone(), about: node.about.clone(), verb, calls, repeats, inside }
    }
}

/// Layers by the longest way from a step that waits for nothing.
fn waves(steps: &DiGraph<Step, Edge>) -> Vec<Vec<NodeIndex>> {
    let order = petgraph::algo::toposort(steps, None).expect("internal error: a checked block has no circle");
    let mut wave = vec![0; steps.node_count()];
    for step in order {
        let before = steps.neighbors_directed(step, petgraph::Direction::Incoming);
        wave[step.index()] = before.map(|before| wave[before.index()] + 1).max().unwrap_or(0);
    }
    let mut waves = vec![Vec::new(); wave.iter().max().map_or(0, |last| last + 1)];
    for step in steps.node_indices() {
        waves[wave[step.index()]].push(step);
    }
    waves
}
