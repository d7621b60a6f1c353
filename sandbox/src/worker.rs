//! Judging in processes of our own: threads of one process fight over its page tables, and a process can be ended in the
//! middle of a compilation.
//!
//! A worker reads one request a line and answers with lines: each test as it ends, then the report or why there is none.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::error::Error;
use crate::report::{Report, Task, TestReport};
use crate::sandbox::Sandbox;

/// How often a waiting caller is asked whether it still waits.
const PAUSE: Duration = Duration::from_millis(20);

/// What a worker says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Test(TestReport),
    Report(Box<Report>),
    TooSlow { seconds: f64 },
    Checker(String),
    Failed(String),
}

/// Serves requests until there are no more: what a worker process does. Everything that a caller must know is in the
/// replies; an error is one of the pipes.
pub fn serve(sandbox: &Sandbox, requests: impl io::Read, replies: impl Write) -> io::Result<()> {
    let mut replies = BufWriter::new(replies);
    for request in BufReader::new(requests).lines() {
        let task: Task = serde_json::from_str(&request?)?;
        let mut told = Ok(());
        let judged = sandbox.judge(&task, &Cancel::new(), &mut |test| {
            if told.is_ok() {
                told = tell(&mut replies, &Reply::Test(test.clone()));
            }
        });
        told?;
        let last = match judged {
            // The tests were told one by one.
            Ok(report) => Reply::Report(Box::new(Report { tests: Vec::new(), ..report })),
            Err(Error::HostTooSlow { seconds }) => Reply::TooSlow { seconds },
            Err(Error::Checker(why)) => Reply::Checker(why),
            Err(
                error @ (Error::Cancelled
                | Error::Toolchain { .. }
                | Error::InputTooLong { .. }
                | Error::Host(_)
                | Error::Worker(_)),
            ) => Reply::Failed(error.to_string()),
        };
        tell(&mut replies, &last)?;
    }
    Ok(())
}

fn tell(replies: &mut impl Write, reply: &Reply) -> io::Result<()> {
    serde_json::to_writer(&mut *replies, reply)?;
    replies.write_all(b"\n")?;
    replies.flush()
}

/// Worker processes, started when they are needed and used again.
pub struct Pool {
    command: Box<dyn Fn() -> Command + Send + Sync>,
    workers: usize,
    state: Mutex<Workers>,
    free: Condvar,
}

#[derive(Default)]
struct Workers {
    idle: Vec<Worker>,
    busy: usize,
}

impl Pool {
    /// A pool of at most so many workers; `command` starts one that does [`serve`] on its standard input and output.
    pub fn new(workers: usize, command: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        Self { command: Box::new(command), workers: workers.max(1), state: Mutex::default(), free: Condvar::new() }
    }

    /// [`Sandbox::judge`], in a worker. A worker that ends unexpectedly is replaced and its task tried once more.
    pub fn judge(&self, task: &Task, cancel: &Cancel, on: &mut dyn FnMut(&TestReport)) -> Result<Report, Error> {
        let idle = self.enter(cancel)?;
        let _seat = Seat(self);
        let request = serde_json::to_string(task).map_err(|error| Error::Worker(error.to_string()))?;
        let mut told = 0;
        let mut ended = None;
        // The first may be an idle worker that ended long ago, so that a fresh one always has its try.
        for worker in [idle.map(Ok), Some(Err(())), Some(Err(()))].into_iter().flatten() {
            let worker = match worker {
                Ok(worker) => Ok(worker),
                Err(()) => Worker::start((self.command)()),
            };
            match worker.and_then(|mut worker| {
                worker.judge(&request, task, cancel, &mut told, on).map(|judged| (worker, judged))
            }) {
                Ok((worker, judged)) => {
                    // A worker whose task was cancelled is in the middle of it, and ends here.
                    if !matches!(judged, Err(Error::Cancelled)) {
                        self.lock().idle.push(worker);
                    }
                    return judged;
                }
                Err(error) => ended = Some(error),
            }
        }
        Err(Error::Worker(ended.map_or_else(String::new, |error| error.to_string())))
    }

    /// Waits for a seat; with it comes an idle worker, if there is one.
    fn enter(&self, cancel: &Cancel) -> Result<Option<Worker>, Error> {
        let mut state = self.lock();
        while state.busy >= self.workers {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            state = self.free.wait_timeout(state, PAUSE).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.busy += 1;
        Ok(state.idle.pop())
    }

    fn lock(&self) -> MutexGuard<'_, Workers> {
        // Counts and lists are changed in one step each, so they are right whatever happened to who held them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the pool, free again when this is gone.
struct Seat<'a>(&'a Pool);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.lock().busy -= 1;
        self.0.free.notify_one();
    }
}

/// One worker process; it ends with this value.
struct Worker {
    child: Child,
    requests: ChildStdin,
    replies: Receiver<io::Result<String>>,
}

impl Worker {
    fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(requests), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the worker has no pipes"));
        };
        let (line, lines) = channel();
        thread::Builder::new().name("flow-worker".into()).spawn(move || {
            for reply in BufReader::new(replies).lines() {
                if line.send(reply).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { child, requests, replies: lines })
    }

    /// One task. The outer error means that the worker is gone.
    fn judge(
        &mut self,
        request: &str,
        task: &Task,
        cancel: &Cancel,
        told: &mut usize,
        on: &mut dyn FnMut(&TestReport),
    ) -> io::Result<Result<Report, Error>> {
        self.requests.write_all(request.as_bytes())?;
        self.requests.write_all(b"\n")?;
        self.requests.flush()?;
        let mut tests = Vec::with_capacity(task.tests.len());
        loop {
            if cancel.is_cancelled() {
                return Ok(Err(Error::Cancelled));
            }
            let reply = match self.replies.recv_timeout(PAUSE) {
                Ok(reply) => reply?,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other(format!("it ended with {}", self.child.wait()?)));
                }
            };
            return Ok(match serde_json::from_str(&reply)? {
                Reply::Test(test) => {
                    tests.push(test);
                    // A second try begins again; what was heard before is not told twice.
                    if tests.len() > *told {
                        *told = tests.len();
                        on(&tests[*told - 1]);
                    }
                    continue;
                }
                Reply::Report(report) => Ok(Report { tests, ..*report }),
                Reply::TooSlow { seconds } => Err(Error::HostTooSlow { seconds }),
                Reply::Checker(why) => Err(Error::Checker(why)),
                Reply::Failed(why) => Err(Error::Worker(why)),
            });
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
