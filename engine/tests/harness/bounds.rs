//! The plan's bound on model calls where all is known.

use flow_engine::check::CheckedFlow;
use flow_engine::plan::bound::{Bound, Known, bound};
use flow_engine::run::Prepared;
use serde_json::Value;

/// The bound of a run whose inputs are known.
pub(crate) fn bound_of(flow: &CheckedFlow, prepared: &Prepared) -> Bound {
    let record = |value: &Value| value.as_object().cloned().expect("inputs and params are records");
    bound(flow, Known { inputs: Some(&record(&prepared.inputs)), params: &record(&prepared.params) })
}

/// The fewest and the most calls.
pub(crate) fn numbers(bound: &Bound) -> (u64, u64) {
    let most = bound.most.as_ref().and_then(|most| most.number());
    (bound.fewest.number().expect("a number: all inputs are known"), most.expect("a number: all inputs are known"))
}
