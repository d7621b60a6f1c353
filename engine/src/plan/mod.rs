//! A checked flow as a graph that is ready to run, and the calls it may make. Planning cannot fail: what could not be
//! planned was refused by the checker.

pub mod bound;
mod draw;
mod graph;
mod render;

pub use graph::{Edge, Graph, Reason, Step};

use crate::check::CheckedFlow;
use bound::{Bound, Known, bound};
use std::sync::Arc;

/// What a run of a flow would do.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The flow.
    pub flow: &'a CheckedFlow,
    /// Its steps.
    pub graph: Arc<Graph>,
    /// Its calls.
    pub bound: Bound,
}

/// Plans a run, as far as its inputs are known.
pub fn build<'a>(flow: &'a CheckedFlow, known: Known<'_>) -> Plan<'a> {
    Plan { flow, graph: graph::graph(flow), bound: bound(flow, known) }
}
