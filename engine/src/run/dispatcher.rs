//! One task that owns the state and the journal, and orders everything: it writes an intention before it acts on it, hands
//! commands to workers, and takes in what they say, one event after the other.

use super::models::{self, Models, Prices};
use super::ports::Ports;
use super::prepare::Prepared;
use super::state::{Effect, RunState};
use super::worker;
use crate::check::flow::CheckedFlow;
use crate::journal::{self, Event, Journal, Record, RunStarted};
use crate::report::Report;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;

/// How a flow is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most commands at work at once; questions to people take no place.
    pub jobs: usize,
    /// Models in place of the flow's own.
    pub models: Models,
    /// Prices of models that the flow has no price for.
    pub prices: Prices,
}

impl Default for Options {
    /// One job, the flow's own models and prices.
    fn default() -> Self {
        Self { jobs: 1, models: Models::default(), prices: Prices::default() }
    }
}

/// Asks a run to end. Clones ask the same run.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Sender<u8>);

impl Default for Cancel {
    /// Nothing is asked yet.
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Cancel {
    /// Asked once, nothing new begins, and attempts at work may end; asked again, they are dropped.
    pub fn ask(&self) {
        self.0.send_modify(|asked| *asked = asked.saturating_add(1));
    }
}

/// Runs a flow to its end. `observe` is shown every record once it is kept, with the state after it.
///
/// # Errors
/// The journal can't be kept. All else that can go wrong is an outcome.
pub async fn run(
    flow: &CheckedFlow,
    given: &Prepared,
    ports: &Ports,
    options: &Options,
    cancel: &Cancel,
    journal: &mut dyn Journal,
    observe: &mut (dyn FnMut(&Record, &RunState<'_>) + Send),
) -> Result<Report, journal::Error> {
    if let Err(error) = models::check(flow, &options.models, &options.prices, &*ports.model) {
        return Ok(Report::refused(&flow.flows[flow.root].name, error));
    }
    let mut asked = cancel.0.subscribe();
    let mut dispatcher = Dispatcher {
        state: RunState::new(flow, &options.prices),
        ports: ports.clone(),
        workers: JoinSet::new(),
        effects: HashMap::new(),
        of_task: HashMap::new(),
        journal,
        observe,
        report: Report::default(),
        seq: 0,
        began: Instant::now(),
    };
    let start = RunStarted {
        version: journal::VERSION,
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        flow: flow.flows[flow.root].name.clone(),
        hash: flow.hash.clone(),
        inputs: given.inputs.clone(),
        params: given.params.clone(),
        seed: given.seed,
        jobs: options.jobs.max(1),
        models: options.models.clone(),
    };
    dispatcher.take_in(Event::RunStarted(Box::new(start)))?;
    let mut stopping = 0;
    while !dispatcher.state.ended() {
        dispatcher.begin_ready()?;
        if dispatcher.state.ended() {
            break;
        }
        assert!(!dispatcher.workers.is_empty(), "internal error: the run has not ended, and nothing is at work");
        tokio::select! {
            // Cancel-safe: a change that is not seen now is seen in the next round. First, so that it is seen under load.
            biased;
            Ok(now) = more_than(&mut asked, stopping), if stopping < 2 => {
                stopping = now;
                dispatcher.take_in(Event::Cancelled { now: stopping >= 2 })?;
            }
            // Cancel-safe by its documentation.
            Some(ended) = dispatcher.workers.join_next_with_id() => dispatcher.worker_ended(ended)?,
        }
    }
    Ok(dispatcher.report)
}

/// Waits until a run was asked to end more often than `seen`.
async fn more_than(asked: &mut watch::Receiver<u8>, seen: u8) -> Result<u8, watch::error::RecvError> {
    asked.wait_for(|now| *now > seen).await.map(|now| *now)
}

struct Dispatcher<'r, 'f> {
    state: RunState<'f>,
    ports: Ports,
    workers: JoinSet<Event>,
    effects: HashMap<Effect, AbortHandle>,
    /// What a task is, so that one that was dropped after it had ended is not listened to.
    of_task: HashMap<Id, Effect>,
    journal: &'r mut dyn Journal,
    observe: &'r mut (dyn FnMut(&Record, &RunState<'_>) + Send),
    report: Report,
    seq: u64,
    began: Instant,
}

impl Dispatcher<'_, '_> {
    /// Takes one event in: applies it, keeps it with its consequences in one write, and acts on them.
    fn take_in(&mut self, event: Event) -> Result<(), journal::Error> {
        self.state.apply(&event).expect("internal error: the dispatcher told the state what can't be");
        let at_ms = super::ready::millis(self.began.elapsed());
        let mut records = vec![Record { seq: self.seq, at_ms, event }];
        for event in self.state.take_consequences() {
            records.push(Record { seq: self.seq + records.len() as u64, at_ms, event });
        }
        self.seq += records.len() as u64;
        let timers: Vec<(Effect, u64)> = records.iter().filter_map(|record| timer(&record.event)).collect();
        for record in &records {
            self.report.take_in(record);
        }
        self.journal.append(&records)?;
        for record in &records {
            (self.observe)(record, &self.state);
        }
        // What was set may have been dropped in the same step, never the other way round.
        for (effect, after_ms) in timers {
            self.set_timer(effect, after_ms);
        }
        for effect in self.state.take_dropped() {
            if let Some(task) = self.effects.remove(&effect) {
                self.of_task.remove(&task.id());
                task.abort();
            }
        }
        Ok(())
    }

    /// Begins all that may begin now.
    fn begin_ready(&mut self) -> Result<(), journal::Error> {
        while let Some(intention) = self.state.next() {
            let path = match &intention {
                Event::CallSent { path, .. } | Event::WorkStarted { path, .. } | Event::Asked { path, .. } => {
                    path.clone()
                }
                _ => {
                    self.take_in(intention)?;
                    continue;
                }
            };
            self.take_in(intention)?;
            let command = self.state.command(&path).expect("internal error: what began is not at work");
            let task = self.workers.spawn(worker::attempt(self.ports.clone(), path.clone(), command));
            self.remember(Effect::Work(path), task);
        }
        Ok(())
    }

    fn set_timer(&mut self, effect: Effect, after_ms: u64) {
        let (Effect::Work(path) | Effect::Deadline(path)) = effect.clone();
        let budget = matches!(effect, Effect::Deadline(_));
        let task = self.workers.spawn(async move {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            Event::TimerFired { path, budget }
        });
        self.remember(effect, task);
    }

    fn remember(&mut self, effect: Effect, task: AbortHandle) {
        self.of_task.insert(task.id(), effect.clone());
        self.effects.insert(effect, task);
    }

    fn worker_ended(&mut self, ended: Result<(Id, Event), JoinError>) -> Result<(), journal::Error> {
        match ended {
            Ok((id, event)) => {
                let Some(effect) = self.of_task.remove(&id) else { return Ok(()) };
                self.effects.remove(&effect);
                self.take_in(event)
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Ok(()),
        }
    }
}

fn timer(event: &Event) -> Option<(Effect, u64)> {
    match event {
        Event::TimerSet { path, after_ms, budget: true } => Some((Effect::Deadline(path.clone()), *after_ms)),
        Event::TimerSet { path, after_ms, budget: false } => Some((Effect::Work(path.clone()), *after_ms)),
        _ => None,
    }
}
