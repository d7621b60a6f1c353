//! Worker processes, started when they are needed and used again.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::crew::Crew;
use super::{Reply, Request};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::report::{Report, Task, TestReport};
use crate::sandbox::Answer;
use crate::source::Source;

/// How often whoever waits is asked whether it still does.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// How long what a worker does has to end by itself. It ends guests and compilers within milliseconds; only wasmtime, in the middle
/// of a module, cannot be interrupted, and then no compiler runs that could outlive it.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// Judges in worker processes, started when they are needed and used again; they end with the pool. It may be used from
/// many threads at once: who comes when all workers are busy waits.
pub struct Pool {
    command: Box<dyn Fn() -> Command + Send + Sync>,
    seats: usize,
    state: Mutex<Seats>,
    free: Condvar,
}

#[derive(Default)]
struct Seats {
    idle: Vec<Worker>,
    busy: usize,
    waiting: usize,
}

impl Pool {
    /// A pool of at most so many workers; `command` starts one that does [`super::serve`] on its standard input and
    /// output.
    pub fn new(workers: usize, command: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        Self { command: Box::new(command), seats: workers.max(1), state: Mutex::default(), free: Condvar::new() }
    }

    /// [`crate::Sandbox::judge`], in workers. The tests of a long task are spread over workers that have nothing else to
    /// do; what comes of it is the same. A worker that ends unexpectedly is replaced, and the test that it was at tried
    /// once more.
    pub fn judge(&self, task: &Task, cancel: &Cancel, on: &mut dyn FnMut(&TestReport)) -> Result<Report, Error> {
        let first = self.enter(cancel)?;
        Crew::new(self, task, cancel).judge(first, on)
    }

    /// [`crate::Sandbox::ask`], in a worker.
    pub fn ask(&self, checker: &Source, question: &str, cancel: &Cancel) -> Result<Answer, Error> {
        let seat = self.enter(cancel)?;
        let request = Request::Ask { checker: Cow::Borrowed(checker), question: Cow::Borrowed(question) };
        let patience = Patience::new();
        match self.first_reply(seat.idle(), &line(&request)?, &|| !cancel.is_cancelled() && patience.lasts())? {
            Some((worker, Reply::Answer(answer))) => {
                self.rest(worker);
                Ok(answer)
            }
            Some((worker, Reply::Fault(fault))) => {
                self.rest(worker);
                Err(fault.into())
            }
            Some((_, Reply::Ready(_) | Reply::Test(_))) => Err(Error::Worker(OUT_OF_TURN.to_owned())),
            None => Err(patience.given_up(cancel)),
        }
    }

    /// Waits for a seat.
    fn enter(&self, cancel: &Cancel) -> Result<Seat<'_>, Error> {
        let mut state = self.lock();
        while state.busy >= self.seats {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            state.waiting += 1;
            state = self.free.wait_timeout(state, PAUSE).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.busy += 1;
        Ok(Seat(self))
    }

    /// A seat that nobody waits for, if there is one.
    pub(super) fn spare(&self) -> Option<Seat<'_>> {
        let mut state = self.lock();
        let free = state.waiting == 0 && state.busy < self.seats;
        free.then(|| {
            state.busy += 1;
            Seat(self)
        })
    }

    /// Whether somebody waits for a seat.
    pub(super) fn is_wanted(&self) -> bool {
        self.lock().waiting > 0
    }

    /// Sends a request to a worker that lives, and waits for the first reply; none when it is no longer wanted.
    pub(super) fn first_reply(
        &self,
        idle: Option<Worker>,
        request: &str,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Option<(Worker, Reply)>, Error> {
        let mut why = String::new();
        // The idle one may have ended long ago, so a fresh one always has its try, and a second.
        for worker in [idle.map(Ok), Some(Err(())), Some(Err(()))].into_iter().flatten() {
            let tried = worker.or_else(|()| Worker::start((self.command)())).and_then(|mut worker| {
                worker.ask(request)?;
                Ok((worker.reply(wanted)?, worker))
            });
            match tried {
                Ok((reply, worker)) => return Ok(reply.map(|reply| (worker, reply))),
                Err(error) => why = error.to_string(),
            }
        }
        Err(Error::Worker(why))
    }

    /// Keeps a worker that has nothing to do.
    pub(super) fn rest(&self, worker: Worker) {
        self.lock().idle.push(worker);
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        // Counts and lists are changed in one step each, so they are right whatever happened to who held them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut idle = std::mem::take(&mut self.lock().idle);
        // All are told before the first is waited for.
        idle.iter_mut().for_each(|worker| worker.requests = None);
    }
}

/// How long a worker may take to make a program ready: compilers have walls of their own, so only a host that is much too
/// busy gets here, or a module that is made to keep wasmtime busy and passed the pre-check.
const PATIENCE: Duration = Duration::from_secs(900);

/// Waiting for one request.
pub(super) struct Patience(Instant);

impl Patience {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn lasts(&self) -> bool {
        self.0.elapsed() < PATIENCE
    }

    /// Why nobody waits any more.
    pub(super) fn given_up(&self, cancel: &Cancel) -> Error {
        if self.lasts() || cancel.is_cancelled() {
            return Error::Cancelled;
        }
        Error::HostTooSlow { seconds: PATIENCE.as_secs_f64() }
    }
}

/// What is said of a worker that answers what was not asked.
pub(super) const OUT_OF_TURN: &str = "it said what it was not asked";

/// A place in the pool, free again when this is gone.
pub(super) struct Seat<'a>(&'a Pool);

impl Seat<'_> {
    /// A worker that has nothing to do, if there is one.
    pub(super) fn idle(&self) -> Option<Worker> {
        self.0.lock().idle.pop()
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.lock().busy -= 1;
        self.0.free.notify_one();
    }
}

/// A request as a worker reads it.
pub(super) fn line(request: &Request<'_>) -> Result<String, Error> {
    serde_json::to_string(request).map(|line| line + "\n").map_err(|error| Error::Worker(error.to_string()))
}

/// One worker process; it ends with this value.
pub(super) struct Worker {
    child: Child,
    /// None when it was told that nothing more comes.
    requests: Option<ChildStdin>,
    replies: Receiver<io::Result<String>>,
}

impl Worker {
    fn start(mut command: Command) -> io::Result<Self> {
        // A group of its own: Ctrl-C is for whoever waits, who ends the worker in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(requests), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no pipes"));
        };
        let (line, lines) = channel();
        let worker = Self { child, requests: Some(requests), replies: lines };
        thread::Builder::new().name("flow-worker".into()).spawn(move || {
            for reply in BufReader::new(replies).lines() {
                if line.send(reply).is_err() {
                    break;
                }
            }
        })?;
        Ok(worker)
    }

    /// Sends a request. An error means that the worker is gone.
    pub(super) fn ask(&mut self, request: &str) -> io::Result<()> {
        let requests = self.requests.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        requests.write_all(request.as_bytes())?;
        requests.flush()
    }

    /// Waits for a reply; none when it is no longer wanted. An error means that the worker is gone.
    pub(super) fn reply(&mut self, wanted: &dyn Fn() -> bool) -> io::Result<Option<Reply>> {
        while wanted() {
            match self.replies.recv_timeout(PAUSE) {
                Ok(reply) => return Ok(Some(serde_json::from_str(&reply?)?)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other(format!("it ended with {}", self.child.wait()?)));
                }
            }
        }
        Ok(None)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends what it does when no more requests can come, its compiler included.
        self.requests = None;
        let told = Instant::now();
        while told.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(1));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
