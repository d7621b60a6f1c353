//! How few and how many calls a run makes: values known only in part (a range, a length, a type), and the walk over a
//! checked flow that counts calls with them.
//!
//! This part never runs a node, and what it says holds for every run: of two ways it can't tell apart it takes the one
//! that makes the bound wider.

mod eval;
mod filters;
mod formula;
mod loops;
mod of_type;
mod sized;
mod tally;
mod text;
mod value;
mod walk;

pub use formula::Formula;
pub use sized::Sized;
pub use tally::{Count, Runs, Tally};

use crate::check::CheckedFlow;
use crate::value::Value;
use serde_json::Map;
use value::Abstract;
use walk::Walk;

/// What is known when a bound is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The inputs of the run, as their types read them; `None` when only their types are known.
    pub inputs: Option<&'a Map<String, Value>>,
    /// Params that were set, by hand or by a preset; all others have their defaults.
    pub params: &'a Map<String, Value>,
}

/// How few and how many calls a run makes.
#[derive(Debug, Clone)]
pub struct Bound {
    /// Fewest, in runs that end accepted or not accepted, uncached, with no budget spent.
    pub fewest: Sized,
    /// Most, with every re-ask.
    pub most: Option<Sized>,
    /// Most when no answer is asked for again: with every `repair` at 0, and so each param that is one.
    pub most_without_reasks: Option<Sized>,
    /// The calls of each node.
    pub nodes: Tally,
}

/// Counts the calls of a run.
pub fn bound(flow: &CheckedFlow, known: Known<'_>) -> Bound {
    let all = Walk::new(flow);
    let bare = Walk::without_reasks(flow);
    let counts = |inputs: &dyn Fn(&Walk<'_>) -> Abstract| {
        let (tally, bare) = (all.root(inputs(&all), known.params), bare.root(inputs(&bare), known.params));
        let most = tally.calls.most.clone();
        let without = bare.calls.most.map(|bare| most.as_ref().map_or_else(|| bare.clone(), |most| bare.least(most)));
        ([Some(tally.calls.fewest.clone()), most, without], tally)
    };
    if let Some(inputs) = known.inputs {
        let inputs = all.known_inputs(inputs);
        let ([fewest, most, without], nodes) = counts(&|_| inputs.clone());
        return Bound {
            fewest: Sized::always(fewest.unwrap_or_default()),
            most: most.map(Sized::always),
            most_without_reasks: without.map(Sized::always),
            nodes,
        };
    }
    let (_, nodes) = counts(&|walk| walk.typed_inputs(&|shown| Formula::size(shown)));
    let mut sized = sized::by_size(&|sizes| counts(&|walk| walk.typed_inputs(sizes)).0);
    Bound {
        fewest: sized[0].take().expect("internal error: fewest calls are always known"),
        most: sized[1].take(),
        most_without_reasks: sized[2].take(),
        nodes,
    }
}
