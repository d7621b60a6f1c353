//! The answers that a run has come by before a place: what a fork of it is given.

use super::models::Prices;
use super::state::{Diverged, RunState};
use crate::check::flow::CheckedFlow;
use crate::journal::{Event, Found, Key, Record};
use crate::report::{is_within, node_of};
use std::collections::HashMap;

/// The records before the first one that is about a place: a node, a pass, an item, a call, or something in it.
pub fn records_before<'r>(records: &'r [Record], place: &str) -> &'r [Record] {
    let first = records.iter().position(|record| path_of(&record.event).is_some_and(|path| is_within(path, place)));
    &records[..first.unwrap_or(records.len())]
}

/// The good answers of models, programs and embedders in some records, by path, each with what it is found by. The first
/// question of an answer that had to be sent back stands for what came of it in the end, as it does in the cache.
///
/// # Errors
/// The records are not of that flow.
pub fn good_answers(flow: &CheckedFlow, records: &[Record]) -> Result<HashMap<String, (Key, Found)>, Diverged> {
    let prices = Prices::default();
    let mut state = RunState::new(flow, &prices);
    let mut answers = HashMap::new();
    // What was asked, by node: an answer may be good only when a judge, asked later, has said so.
    let mut asked: HashMap<String, Vec<(String, Key)>> = HashMap::new();
    for record in records {
        let path = path_of(&record.event);
        match &record.event {
            Event::CallSent { path, key, .. } | Event::WorkStarted { path, key, .. } => {
                asked.entry(node_of(path).to_owned()).or_default().push((path.clone(), *key));
            }
            Event::CacheHit { path, key, found, .. } => {
                answers.insert(path.clone(), (*key, found.clone()));
            }
            _ => {}
        }
        state.apply(&record.event)?;
        for (key, found) in state.take_kept() {
            let of = path.and_then(|path| asked.get(node_of(path)));
            for (path, _) in of.into_iter().flatten().filter(|(_, own)| *own == key) {
                answers.insert(path.clone(), (key, found.clone()));
            }
        }
    }
    Ok(answers)
}

/// What an event is about.
fn path_of(event: &Event) -> Option<&str> {
    match event {
        Event::CallSent { path, .. }
        | Event::CallSettled { path, .. }
        | Event::CallFailed { path, .. }
        | Event::CallLost { path, .. }
        | Event::CacheHit { path, .. }
        | Event::WorkStarted { path, .. }
        | Event::WorkDone { path, .. }
        | Event::WorkFailed { path, .. }
        | Event::Asked { path, .. }
        | Event::Answered { path, .. }
        | Event::BudgetExhausted { path, .. }
        | Event::AnswerMended { path, .. }
        | Event::NodeStarted { path, .. }
        | Event::NodeDone { path, .. }
        | Event::NodeFailed { path, .. }
        | Event::NodeSkipped { path, .. }
        | Event::PassAccepted { path }
        | Event::PassDiscarded { path, .. }
        | Event::LoopEnded { path, .. } => Some(path),
        Event::RunStarted(_)
        | Event::TimerSet { .. }
        | Event::TimerFired { .. }
        | Event::Stepped
        | Event::Resumed { .. }
        | Event::Cancelled { .. }
        | Event::RunDone { .. } => None,
    }
}
