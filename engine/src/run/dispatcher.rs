//! One task that owns the state and the journal, and orders everything: it takes in what workers say, one event after the
//! other, begins what may begin, writes all of that down at once, and only then lets the commands go.

use super::models::{self, Models, Prices};
use super::ports::Ports;
use super::prepare::Prepared;
use super::ready::millis;
use super::state::{Diverged, Effect, RunState, Wanted};
use super::work::Command;
use super::worker;
use crate::check::flow::{Cache, CheckedFlow};
use crate::journal::{self, Batch, Event, Found, Journal, Key, Record, RunStarted};
use crate::report::Report;
use futures::future::{AbortHandle, Aborted, BoxFuture, FutureExt, abortable};
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
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
    /// What judges programs, by a name that changes when its verdicts may.
    pub sandbox: String,
    /// Which part the run takes in the cache, for whoever goes on with it; the journal is what takes it.
    pub cache: Cache,
    /// Whether a run that only waits for people is left, to be resumed when they have answered.
    pub leave: bool,
}

impl Default for Options {
    /// One job, the flow's own models and prices, and a run that waits for people.
    fn default() -> Self {
        Self {
            jobs: 1,
            models: Models::default(),
            prices: Prices::default(),
            sandbox: String::new(),
            cache: Cache::Auto,
            leave: false,
        }
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

/// How long answers of people are looked for before a run is left that waits for nothing else.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// So many records are written before more are made: what a run holds in memory does not grow with its journal.
const MANY: usize = 4_096;

/// Everything around a run that is not the flow.
pub struct Around<'r> {
    /// What answers.
    pub ports: &'r Ports,
    /// How it is run.
    pub options: &'r Options,
    /// Asks it to end.
    pub cancel: &'r Cancel,
    /// Where its events are kept.
    pub journal: &'r mut dyn Journal,
    /// Is shown every record once it is kept, with the state after it.
    pub observe: &'r mut (dyn FnMut(&Record, &RunState<'_>) + Send),
}

/// Why a run can't be driven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undriven {
    /// Its journal can't be kept. All that was kept is good, and the run can be resumed.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// Its journal is of another flow or engine.
    #[error(transparent)]
    Diverged(#[from] Diverged),
}

/// Runs a flow to its end, or until it only waits for people.
///
/// # Errors
/// The journal can't be kept. All else that can go wrong is an outcome.
pub async fn run(flow: &CheckedFlow, given: &Prepared, around: Around<'_>) -> Result<Report, Undriven> {
    let options = around.options;
    if let Err(error) = models::check(flow, &options.models, &options.prices, &*around.ports.model) {
        return Ok(Report::refused(&flow.flows[flow.root].name, error));
    }
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
        sandbox: options.sandbox.clone(),
        cache: options.cache,
        bundle: Arc::clone(&flow.bundle),
    };
    let mut dispatcher = Dispatcher::new(flow, around);
    dispatcher.note(Event::RunStarted(Box::new(start)));
    dispatcher.drive().await
}

/// Goes on with a run from its journal: what is finished is not done again, a call that was at work is lost and sent
/// again, other works are begun anew, waits go on. `away` is how long nobody drove it, for waits of people.
///
/// # Errors
/// The journal does not fit the flow, or can't be kept.
pub async fn resume(
    flow: &CheckedFlow,
    records: &[Record],
    away: Duration,
    around: Around<'_>,
) -> Result<Report, Undriven> {
    let mut dispatcher = Dispatcher::new(flow, around);
    dispatcher.restore(records, away)?;
    dispatcher.drive().await
}

struct Dispatcher<'r, 'f> {
    state: RunState<'f>,
    ports: Ports,
    leave: bool,
    cancel: &'r Cancel,
    /// Driven by this task: most of them only wait, and what takes the processor has threads or processes of its own.
    workers: FuturesUnordered<Worker>,
    /// What goes on outside, each with the number of its worker.
    effects: HashMap<Effect, (u64, AbortHandle)>,
    /// How many workers there were.
    begun: u64,
    journal: &'r mut dyn Journal,
    observe: &'r mut (dyn FnMut(&Record, &RunState<'_>) + Send),
    report: Report,
    /// What is to be written before anything else happens outside.
    unwritten: Vec<Record>,
    kept: Vec<(Key, Found)>,
    /// What began, or was set, and was dropped before it was written.
    void: HashSet<Effect>,
    seq: u64,
    began: Instant,
    /// How long the run was driven for before.
    before_ms: u64,
}

impl<'r, 'f> Dispatcher<'r, 'f> {
    fn new(flow: &'f CheckedFlow, around: Around<'r>) -> Self
    where
        'r: 'f,
    {
        Self {
            state: RunState::new(flow, &around.options.prices),
            ports: around.ports.clone(),
            leave: around.options.leave,
            cancel: around.cancel,
            workers: FuturesUnordered::new(),
            effects: HashMap::new(),
            begun: 0,
            journal: around.journal,
            observe: around.observe,
            report: Report::default(),
            unwritten: Vec::new(),
            kept: Vec::new(),
            void: HashSet::new(),
            seq: 0,
            began: Instant::now(),
            before_ms: 0,
        }
    }

    /// Folds what was kept, and begins again what was at work.
    fn restore(&mut self, records: &[Record], away: Duration) -> Result<(), Diverged> {
        let mut ends: HashMap<Effect, u64> = HashMap::new();
        for record in records {
            self.state.apply(&record.event)?;
            self.report.take_in(record);
            match &record.event {
                Event::TimerSet { path, after_ms, budget } => {
                    ends.insert(effect(path.clone(), *budget), record.at_ms + after_ms);
                }
                Event::Asked { path, wait_ms: Some(wait), .. } => {
                    ends.insert(Effect::Work(path.clone()), record.at_ms + wait);
                }
                Event::TimerFired { path, budget } => {
                    ends.remove(&effect(path.clone(), *budget));
                }
                _ => {}
            }
        }
        let Some(last) = records.last() else { return Err(Diverged("it is empty".to_owned())) };
        (self.seq, self.before_ms) = (last.seq + 1, last.at_ms);
        // A journal may end between a fact and what follows from it.
        self.take_consequences();
        if self.state.ended() {
            return Ok(());
        }
        let away_ms = millis(away);
        self.note(Event::Resumed { after_ms: away_ms });
        for (path, cost) in self.state.in_doubt() {
            self.note(Event::CallLost { path, cost });
        }
        let left = |effect: &Effect| ends.get(effect).map(|end| end.saturating_sub(last.at_ms));
        for path in self.state.working_on() {
            let left = left(&Effect::Work(path.clone())).map(|ms| Duration::from_millis(ms.saturating_sub(away_ms)));
            self.begin(path, left);
        }
        for timer in self.state.timers() {
            // One that was not written yet begins when it is.
            match (left(&timer), timer) {
                (None, _) => {}
                (Some(after_ms), Effect::Work(path)) => self.set_timer(path, after_ms, false),
                (Some(after_ms), Effect::Deadline(path)) => self.set_timer(path, after_ms, true),
            }
        }
        Ok(())
    }

    /// Drives the run until it ends, or only waits for people and is left.
    async fn drive(mut self) -> Result<Report, Undriven> {
        let mut asked = self.cancel.0.subscribe();
        let mut stopping = 0;
        loop {
            let now = *asked.borrow_and_update();
            if now > stopping && stopping < 2 {
                stopping = now;
                self.note(Event::Cancelled { now: stopping >= 2 });
            }
            while self.begin_all()? {
                self.commit().await?;
            }
            self.commit().await?;
            if self.state.ended() {
                break;
            }
            let leaves = self.leave && self.state.waits_for_people();
            assert!(!self.workers.is_empty(), "internal error: the run has not ended, and nothing is at work");
            tokio::select! {
                // Cancel-safe: a change that is not seen now is seen in the next round. First, so that it is seen under load.
                biased;
                Ok(()) = asked.changed(), if stopping < 2 => {}
                // Cancel-safe: a worker that is not heard now is heard in the next round.
                Some(ended) = self.workers.next() => self.worker_ended(ended),
                // An answer that is there already is looked at before the run is left.
                () = tokio::time::sleep(LAST_LOOK), if leaves => break,
            }
            // What has ended in the meantime shares the write.
            while let Some(Some(ended)) = self.workers.next().now_or_never() {
                self.worker_ended(ended);
            }
        }
        Ok(self.report)
    }

    /// Notes all that may begin now, or the answers of before that stand in for it. True when much is noted, and is to be
    /// written before more.
    fn begin_all(&mut self) -> Result<bool, journal::Error> {
        while self.unwritten.len() < MANY {
            if let Some(Wanted { path, request, key }) = self.state.wanted()
                && let Some(found) = self.journal.find(&path, key)?
            {
                self.note(Event::CacheHit { path, request, key, found });
            } else if let Some(intention) = self.state.next() {
                self.note(intention);
            } else {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes one event in, with its consequences; nothing is written yet.
    fn note(&mut self, event: Event) {
        self.state.apply(&event).expect("internal error: the dispatcher told the state what can't be");
        self.record(event);
        self.take_consequences();
        self.kept.append(&mut self.state.take_kept());
        for effect in self.state.take_dropped() {
            match self.effects.remove(&effect) {
                Some((_, worker)) => worker.abort(),
                None => {
                    self.void.insert(effect);
                }
            }
        }
    }

    fn take_consequences(&mut self) {
        let consequences: Vec<Event> = self.state.take_consequences().collect();
        for event in consequences {
            self.record(event);
        }
    }

    fn record(&mut self, event: Event) {
        let at_ms = self.before_ms + millis(self.began.elapsed());
        let record = Record { seq: self.seq, at_ms, event };
        self.report.take_in(&record);
        self.unwritten.push(record);
        self.seq += 1;
    }

    /// Writes all that was noted, shows it, and lets begin what is now written.
    async fn commit(&mut self) -> Result<(), journal::Error> {
        let (records, kept) = (std::mem::take(&mut self.unwritten), std::mem::take(&mut self.kept));
        if records.is_empty() {
            return Ok(());
        }
        self.journal.append(Batch { records: &records, kept: &kept }).await?;
        for record in &records {
            (self.observe)(record, &self.state);
        }
        for record in records {
            match record.event {
                Event::CallSent { path, .. } | Event::WorkStarted { path, .. } | Event::Asked { path, .. } => {
                    self.begin(path, None);
                }
                Event::TimerSet { path, after_ms, budget } => self.set_timer(path, after_ms, budget),
                _ => {}
            }
        }
        self.void.clear();
        Ok(())
    }

    /// Hands the command of a path to a worker, unless it was dropped already. `left` is what is left of the time that a
    /// person has to answer, when not all of it.
    fn begin(&mut self, path: String, left: Option<Duration>) {
        if let Some(mut command) = self.state.command(&path) {
            if let (Command::Ask(question), Some(left)) = (&mut command, left) {
                Arc::make_mut(question).wait = Some(left);
            }
            let attempt = worker::attempt(self.ports.clone(), path.clone(), command);
            self.start(Effect::Work(path), attempt.boxed());
        }
    }

    fn set_timer(&mut self, path: String, after_ms: u64, budget: bool) {
        let effect = effect(path.clone(), budget);
        if self.void.contains(&effect) {
            return;
        }
        let timer = async move {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            Event::TimerFired { path, budget }
        };
        self.start(effect, timer.boxed());
    }

    fn start(&mut self, effect: Effect, work: BoxFuture<'static, Event>) {
        self.begun += 1;
        let number = self.begun;
        let (work, handle) = abortable(work);
        self.effects.insert(effect.clone(), (number, handle));
        self.workers.push(work.map(move |ended| (number, effect, ended)).boxed());
    }

    fn worker_ended(&mut self, (number, effect, ended): (u64, Effect, Result<Event, Aborted>)) {
        // One that was dropped when it had already ended is not listened to.
        if self.effects.get(&effect).is_some_and(|(known, _)| *known == number)
            && let Ok(event) = ended
        {
            self.effects.remove(&effect);
            self.note(event);
        }
    }
}

/// One that works: its number, what it is, and what came of it unless it was dropped.
type Worker = BoxFuture<'static, (u64, Effect, Result<Event, Aborted>)>;

/// What a timer ends: the wait for another attempt, or the time of a budget.
fn effect(path: String, budget: bool) -> Effect {
    if budget { Effect::Deadline(path) } else { Effect::Work(path) }
}
