//! The workers that share the tests of one task.
//!
//! The first compiles. Once tests are left that are worth the start of another process, and a seat is free that nobody
//! waits for, more join. Tests are told in their order, whoever ran them.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::pool::{OUT_OF_TURN, PAUSE, Patience, Pool, Seat, Worker, line};
use super::{Reply, Request};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::judge::{self, Outcome};
use crate::report::{Report, Stop, Task, TestReport, Verdict};

/// Work that is worth another process: starting one and mapping an interpreter takes a quarter of this.
const WORTH: Duration = Duration::from_millis(100);

/// The most tests that are sent at once: a worker is busy with them while the next ones are written.
const MOST_AT_ONCE: usize = 16;

/// One task and who works at it.
pub(super) struct Crew<'a> {
    pool: &'a Pool,
    task: &'a Task,
    cancel: &'a Cancel,
    state: Mutex<Work>,
    changed: Condvar,
}

/// How far the work is.
struct Work {
    /// What the first worker said of the program, and when.
    made: Option<(Outcome, Instant)>,
    /// The first test that nobody took.
    next: usize,
    /// Tests from here on are not wanted: the end, or the one after the first failure or error.
    end: usize,
    /// What came of each. An error waits for its turn, as a failure before it may mean that the test is skipped.
    tests: Vec<Option<Result<TestReport, Error>>>,
    done: usize,
    /// How many take tests. Only taking counts down: who ends otherwise leaves none to take.
    members: usize,
    /// Why there will be no report.
    failed: Option<Error>,
}

/// Why a worker did not finish its tests.
enum Lost {
    /// The process is gone.
    Worker(io::Error),
    /// It says why there is no verdict.
    Verdict(Error),
    /// Nobody waits for them any more.
    Interest,
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Worker(error)
    }
}

impl<'a> Crew<'a> {
    pub(super) fn new(pool: &'a Pool, task: &'a Task, cancel: &'a Cancel) -> Self {
        let work = Work {
            made: None,
            next: 0,
            end: task.tests.len(),
            tests: task.tests.iter().map(|_| None).collect(),
            done: 0,
            members: 0,
            failed: None,
        };
        Self { pool, task, cancel, state: Mutex::new(work), changed: Condvar::new() }
    }

    /// Does the task: the calling thread hires and tells, the others work.
    pub(super) fn judge(self, first: Seat<'a>, on: &mut dyn FnMut(&TestReport)) -> Result<Report, Error> {
        let told = thread::scope(|scope| {
            self.hire(scope, first);
            let told = self.tell(scope, on);
            // Whatever ended the telling, no test is wanted any more.
            self.lock().end = 0;
            told
        });
        let mut work = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = work.failed {
            return Err(error);
        }
        let (Some((outcome, _)), false) = (work.made.take(), self.cancel.is_cancelled()) else {
            return Err(Error::Cancelled);
        };
        Ok(judge::report(outcome, told))
    }

    /// Tells of the tests in their order until all are told, or there is an end to it.
    fn tell<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        on: &mut dyn FnMut(&TestReport),
    ) -> Vec<TestReport> {
        let mut told = Vec::with_capacity(self.task.tests.len());
        let mut work = self.lock();
        loop {
            if work.failed.is_some() || self.cancel.is_cancelled() {
                return told;
            }
            let refused = work.made.as_ref().is_some_and(|(outcome, _)| outcome.refused.is_some());
            let rest = self.task.tests.get(told.len());
            let next = match (rest, refused) {
                (None, _) if work.made.is_some() => return told,
                (Some(test), true) => Some(Ok(judge::not_run(test, Verdict::CompileError))),
                (Some(test), false) if told.len() >= work.end => Some(Ok(judge::not_run(test, Verdict::Skipped))),
                (Some(_), false) => work.tests[told.len()].take(),
                (None, _) => None,
            };
            match next {
                Some(Ok(test)) => {
                    drop(work);
                    on(&test);
                    told.push(test);
                    work = self.lock();
                    continue;
                }
                Some(Err(error)) => {
                    work.failed = Some(error);
                    return told;
                }
                None => {}
            }
            if self.pays(&work)
                && let Some(seat) = self.pool.spare()
            {
                drop(work);
                self.hire(scope, seat);
                work = self.lock();
            }
            work = self.changed.wait_timeout(work, PAUSE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether what nobody took yet is worth another process.
    fn pays(&self, work: &Work) -> bool {
        let Some((_, since)) = &work.made else { return false };
        let (left, spent) = (work.end.saturating_sub(work.next), since.elapsed());
        let done = u32::try_from(work.done).unwrap_or(u32::MAX);
        match (left, done) {
            (0, _) => false,
            (_, 0) => spent > WORTH,
            (left, done) => spent * u32::try_from(left).unwrap_or(u32::MAX) / done > WORTH,
        }
    }

    fn hire<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, seat: Seat<'a>)
    where
        'a: 'scope,
    {
        let work = move || {
            self.lock().members += 1;
            if let Err(error) = self.work(&seat) {
                self.lock().failed.get_or_insert(error);
            }
            self.changed.notify_all();
        };
        if let Err(error) = thread::Builder::new().name("flow-crew".into()).spawn_scoped(scope, work) {
            self.lock().failed.get_or_insert(Error::Host(format!("no thread can be started: {error}")));
        }
    }

    /// What one member does: tests, until there are none left to take.
    fn work(&self, seat: &Seat<'_>) -> Result<(), Error> {
        let Some(mut worker) = self.begin(seat.idle())? else { return Ok(()) };
        while let Some(mut tests) = self.take() {
            match self.finish(worker, &mut tests) {
                Ok(Some(same)) => worker = same,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.done(tests.start, Err(error));
                    return Ok(());
                }
            }
        }
        self.pool.rest(worker);
        Ok(())
    }

    /// Has tests done, by another worker where one is lost, and gives back the last; none when nobody waits any more. An
    /// error is that of the first test that is left.
    fn finish(&self, mut worker: Worker, tests: &mut Range<usize>) -> Result<Option<Worker>, Error> {
        let mut crashed_at = None;
        while tests.start < tests.end {
            match self.tests(&mut worker, tests) {
                Ok(()) => {}
                Err(Lost::Interest) => return Ok(None),
                Err(Lost::Verdict(error)) => return Err(error),
                Err(Lost::Worker(why)) if crashed_at == Some(tests.start) => {
                    return Err(Error::Worker(format!("twice over test {}, {why}", tests.start + 1)));
                }
                Err(Lost::Worker(_)) => {
                    crashed_at = Some(tests.start);
                    let Some(fresh) = self.begin(None)? else { return Ok(None) };
                    worker = fresh;
                }
            }
        }
        Ok(Some(worker))
    }

    /// A worker that has the program; none when there is nothing to run.
    fn begin(&self, idle: Option<Worker>) -> Result<Option<Worker>, Error> {
        let bare = Task {
            tests: Vec::new(),
            source: self.task.source.clone(),
            comparison: self.task.comparison.clone(),
            ..*self.task
        };
        let request = line(&Request::Begin(Cow::Owned(bare)))?;
        let patience = Patience::new();
        match self.pool.first_reply(idle, &request, &|| !self.given_up() && patience.lasts())? {
            Some((worker, Reply::Ready(outcome))) => {
                let refused = outcome.refused.is_some();
                self.lock().made.get_or_insert_with(|| (*outcome, Instant::now()));
                self.changed.notify_all();
                if refused {
                    self.pool.rest(worker);
                    return Ok(None);
                }
                Ok(Some(worker))
            }
            Some((worker, Reply::Fault(fault))) => {
                self.pool.rest(worker);
                Err(fault.into())
            }
            Some((_, Reply::Test(_) | Reply::Answer(_))) => Err(Error::Worker(OUT_OF_TURN.to_owned())),
            None if self.given_up() => Ok(None),
            None => Err(patience.given_up(self.cancel)),
        }
    }

    /// Takes the next tests: few when few are left, one by one when a failure ends it.
    fn take(&self) -> Option<Range<usize>> {
        let mut work = self.lock();
        // Who helps leaves when somebody waits for the seat, and counts as gone at once: the last one stays.
        let leaves = work.members > 1 && self.pool.is_wanted();
        if work.next >= work.end || leaves {
            work.members -= 1;
            return None;
        }
        let count = match self.task.stop {
            Stop::Never => ((work.end - work.next) / (4 * work.members)).clamp(1, MOST_AT_ONCE),
            Stop::FirstFailure => 1,
        };
        let first = work.next;
        work.next += count;
        Some(first..work.next)
    }

    /// Has a worker do tests; what is left of them are those that it did not do.
    fn tests(&self, worker: &mut Worker, tests: &mut Range<usize>) -> Result<(), Lost> {
        let request = Request::Tests(Cow::Borrowed(&self.task.tests[tests.clone()]));
        worker.ask(&line(&request).map_err(Lost::Verdict)?)?;
        while tests.start < tests.end {
            match worker.reply(&|| self.wanted(tests.start))? {
                Some(Reply::Test(test)) => {
                    self.done(tests.start, Ok(*test));
                    tests.start += 1;
                }
                Some(Reply::Fault(fault)) => return Err(Lost::Verdict(fault.into())),
                Some(Reply::Ready(_) | Reply::Answer(_)) => return Err(io::Error::other(OUT_OF_TURN).into()),
                None => return Err(Lost::Interest),
            }
        }
        Ok(())
    }

    /// Whether there will be no report. A worker that is only getting ready is kept otherwise, for the next task.
    fn given_up(&self) -> bool {
        self.cancel.is_cancelled() || self.lock().failed.is_some()
    }

    /// Whether anybody waits for a test.
    fn wanted(&self, test: usize) -> bool {
        !self.given_up() && test < self.lock().end
    }

    fn done(&self, index: usize, came: Result<TestReport, Error>) {
        let test = &self.task.tests[index];
        let came = came.map(|report| TestReport {
            name: test.name.clone(),
            input: test.input.clone(),
            expected: test.expected.clone(),
            ..report
        });
        let last = match &came {
            Ok(report) => report.verdict.failed() && self.task.stop == Stop::FirstFailure,
            Err(_) => true,
        };
        let mut work = self.lock();
        if last {
            work.end = work.end.min(index + 1);
        }
        work.tests[index] = Some(came);
        work.done += 1;
        drop(work);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        // Each change leaves the work right, so it is right whatever happened to who held it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::report::Test;
    use crate::source::{Language, Source};

    #[test]
    fn of_two_members_one_stays_when_somebody_waits_for_a_seat() {
        let (pool, cancel) = (Pool::new(1, || Command::new("false")), Cancel::new());
        let task = Task::new(Source::new(Language::Wasm, ""), vec![Test::input(""); 2]);
        let crew = Crew::new(&pool, &task, &cancel);
        crew.lock().members = 2;
        let seat = pool.spare();
        thread::scope(|scope| {
            let waits = scope.spawn(|| pool.ask(&task.source, "", &cancel));
            while !pool.is_wanted() {
                thread::yield_now();
            }
            let taken = (crew.take(), crew.take());
            drop(seat);
            // It got the seat, and no more: the command is no worker.
            assert!(matches!(waits.join().expect("no panic"), Err(Error::Worker(_))));
            assert_eq!(taken, (None, Some(0..1)));
        });
    }
}
