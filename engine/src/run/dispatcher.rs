//! One task that owns the state and the journal, and orders everything: it takes in what workers say, one event after the
//! other, begins what may begin, writes all of that down at once, and only then lets the commands go.

use super::models::{self, Models, Prices};
use super::ports::Ports;
use super::prepare::Prepared;
use super::state::{Effect, RunState};
use super::worker;
use crate::check::flow::CheckedFlow;
use crate::journal::{self, Event, Journal, Record, RunStarted};
use crate::report::Report;
use std::collections::{HashMap, HashSet};
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
        unwritten: Vec::new(),
        void: HashSet::new(),
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
    dispatcher.note(Event::RunStarted(Box::new(start)));
    let mut stopping = 0;
    loop {
        while let Some(intention) = dispatcher.state.next() {
            dispatcher.note(intention);
        }
        dispatcher.commit()?;
        if dispatcher.state.ended() {
            break;
        }
        assert!(!dispatcher.workers.is_empty(), "internal error: the run has not ended, and nothing is at work");
        tokio::select! {
            // Cancel-safe: a change that is not seen now is seen in the next round. First, so that it is seen under load.
            biased;
            Ok(now) = more_than(&mut asked, stopping), if stopping < 2 => {
                stopping = now;
                dispatcher.note(Event::Cancelled { now: stopping >= 2 });
            }
            // Cancel-safe by its documentation.
            Some(ended) = dispatcher.workers.join_next_with_id() => dispatcher.worker_ended(ended),
        }
        // What has ended in the meantime shares the write.
        while let Some(ended) = dispatcher.workers.try_join_next_with_id() {
            dispatcher.worker_ended(ended);
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
    /// What a task is; one that was dropped is not in it.
    of_task: HashMap<Id, Effect>,
    journal: &'r mut dyn Journal,
    observe: &'r mut (dyn FnMut(&Record, &RunState<'_>) + Send),
    report: Report,
    /// What is to be written before anything else happens outside.
    unwritten: Vec<Record>,
    /// What began, or was set, and was dropped before it was written.
    void: HashSet<Effect>,
    seq: u64,
    began: Instant,
}

impl Dispatcher<'_, '_> {
    /// Takes one event in, with its consequences; nothing is written yet.
    fn note(&mut self, event: Event) {
        self.state.apply(&event).expect("internal error: the dispatcher told the state what can't be");
        let at_ms = super::ready::millis(self.began.elapsed());
        for event in std::iter::once(event).chain(self.state.take_consequences()) {
            let record = Record { seq: self.seq, at_ms, event };
            self.report.take_in(&record);
            self.unwritten.push(record);
            self.seq += 1;
        }
        for effect in self.state.take_dropped() {
            match self.effects.remove(&effect) {
                Some(task) => {
                    self.of_task.remove(&task.id());
                    task.abort();
                }
                None => {
                    self.void.insert(effect);
                }
            }
        }
    }

    /// Writes all that was noted, shows it, and lets begin what is now written.
    fn commit(&mut self) -> Result<(), journal::Error> {
        let records = std::mem::take(&mut self.unwritten);
        self.journal.append(&records)?;
        for record in &records {
            (self.observe)(record, &self.state);
        }
        for record in records {
            match record.event {
                Event::CallSent { path, .. } | Event::WorkStarted { path, .. } | Event::Asked { path, .. } => {
                    self.begin(path);
                }
                Event::TimerSet { path, after_ms, budget } => self.set_timer(path, after_ms, budget),
                _ => {}
            }
        }
        self.void.clear();
        Ok(())
    }

    /// Hands the command of a path to a worker, unless it was dropped already.
    fn begin(&mut self, path: String) {
        if let Some(command) = self.state.command(&path) {
            let task = self.workers.spawn(worker::attempt(self.ports.clone(), path.clone(), command));
            self.remember(Effect::Work(path), task);
        }
    }

    fn set_timer(&mut self, path: String, after_ms: u64, budget: bool) {
        let effect = if budget { Effect::Deadline(path.clone()) } else { Effect::Work(path.clone()) };
        if self.void.contains(&effect) {
            return;
        }
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

    fn worker_ended(&mut self, ended: Result<(Id, Event), JoinError>) {
        match ended {
            Ok((id, event)) => {
                // One that was dropped when it had already ended is not listened to.
                if let Some(effect) = self.of_task.remove(&id) {
                    self.effects.remove(&effect);
                    self.note(event);
                }
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Dropped.
            Err(_) => {}
        }
    }
}
