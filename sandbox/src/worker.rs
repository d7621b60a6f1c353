//! Judging in processes of our own: threads of one process fight over its page tables, a program that brings its process
//! down takes nobody along, and a process can be ended in the middle of a compilation.
//!
//! A worker reads one request a line and answers with lines. [`serve`] is what it does; a [`Pool`] starts workers, gives
//! them tasks, and replaces those that end.

mod crew;
mod pool;

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use pool::Pool;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::judge::{self, Outcome, Prepared};
use crate::report::{Task, Test, TestReport};
use crate::sandbox::{Answer, Sandbox};
use crate::source::{Language, Source};
use pool::GRACE;

/// What a worker is asked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request<'a> {
    /// Make ready what this task needs; its tests come later. Answered with `Ready`.
    Begin(Cow<'a, Task>),
    /// Judge these by the task that was begun. Answered with as many `Test`.
    Tests(Cow<'a, [Test]>),
    /// Ask a checker. Answered with `Answer`.
    Ask { checker: Cow<'a, Source>, question: Cow<'a, str> },
}

/// What a worker says. `Fault` may come in place of any other, and ends the request.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Ready(Box<Outcome>),
    /// Without what the test itself holds, which whoever asked knows.
    Test(Box<TestReport>),
    Answer(Answer),
    Fault(Fault),
}

/// An [`Error`], as it crosses from process to process.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    Cancelled,
    TooSlow { seconds: f64 },
    Unready { language: Language, why: String },
    Checker(String),
    InputTooLong { bytes: usize },
    Host(String),
    Worker(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled => Self::Cancelled,
            Error::HostTooSlow { seconds } => Self::TooSlow { seconds },
            Error::Toolchain { language, source } => Self::Unready { language, why: source.to_string() },
            Error::Unready { language, why } => Self::Unready { language, why },
            Error::Checker(why) => Self::Checker(why),
            Error::InputTooLong { bytes } => Self::InputTooLong { bytes },
            Error::Host(why) => Self::Host(why),
            Error::Worker(why) => Self::Worker(why),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Cancelled => Self::Cancelled,
            Fault::TooSlow { seconds } => Self::HostTooSlow { seconds },
            Fault::Unready { language, why } => Self::Unready { language, why },
            Fault::Checker(why) => Self::Checker(why),
            Fault::InputTooLong { bytes } => Self::InputTooLong { bytes },
            Fault::Host(why) => Self::Host(why),
            Fault::Worker(why) => Self::Worker(why),
        }
    }
}

/// Serves requests until there are no more: what a worker process does. When they end in the middle of one, whoever asked
/// is gone: the work ends too, and with it a compiler that runs for it; what does not end soon is the error `TimedOut`,
/// and is to end with the process. Everything else that a caller must know is in the replies, and a process that says no
/// more is to end: so this returns when the work does, a panic included, though requests may come.
pub fn serve(
    sandbox: Arc<Sandbox>,
    requests: impl io::Read + Send + 'static,
    replies: impl Write + Send + 'static,
) -> io::Result<()> {
    while_asked(requests, GRACE, move |requests, cancel| answer(&sandbox, requests, replies, cancel))
}

/// Works at the lines of `requests` until the work ends; cancelled when they end, and then waited for so long. Both have a
/// thread of their own, as neither the work nor the wait for a line can be ended.
fn while_asked(
    requests: impl io::Read + Send + 'static,
    grace: Duration,
    work: impl FnOnce(Receiver<io::Result<String>>, &Cancel) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let cancel = Cancel::new();
    let (ask, asked) = channel();
    let (ended, end) = channel();
    let (worked, cancelled) = (ended.clone(), cancel.clone());
    // The first to say that it is over is heard; the other finds nobody who listens.
    thread::Builder::new().name("flow-judge".into()).spawn(move || {
        let work = panic::catch_unwind(AssertUnwindSafe(|| work(asked, &cancelled)));
        drop(worked.send(work.unwrap_or_else(|_| Err(io::Error::other("the judging panicked")))));
    })?;
    thread::Builder::new().name("flow-requests".into()).spawn(move || {
        for request in BufReader::new(requests).lines() {
            if ask.send(request).is_err() {
                break;
            }
        }
        drop(ask);
        cancel.cancel();
        // Nothing ends wasmtime in the middle of a module but the end of the process, and nobody waits for the module.
        thread::sleep(grace);
        let late = "the requests ended in the middle of one that does not end";
        drop(ended.send(Err(io::Error::new(io::ErrorKind::TimedOut, late))));
    })?;
    end.recv().map_err(io::Error::other)?
}

fn answer(
    sandbox: &Sandbox,
    requests: Receiver<io::Result<String>>,
    replies: impl Write,
    cancel: &Cancel,
) -> io::Result<()> {
    let mut replies = BufWriter::new(replies);
    let mut begun = None;
    for request in requests {
        if cancel.is_cancelled() {
            break;
        }
        match serde_json::from_str(&request?)? {
            Request::Begin(task) => {
                begun = None;
                match judge::prepare(sandbox, &task, cancel) {
                    Ok(prepared) => {
                        tell(&mut replies, &Reply::Ready(Box::new(prepared.outcome(&task))))?;
                        begun = Some((task.into_owned(), prepared));
                    }
                    Err(error) => tell(&mut replies, &Reply::Fault(error.into()))?,
                }
            }
            Request::Tests(tests) => {
                let Some((task, Prepared::Ready(program))) = &begun else {
                    return Err(io::Error::other("tests came before a task that compiles"));
                };
                for test in tests.iter() {
                    match judge::run_test(sandbox, program, test, task, cancel) {
                        Ok(report) => {
                            let bare = TestReport { name: None, input: String::new(), expected: None, ..report };
                            tell(&mut replies, &Reply::Test(Box::new(bare)))?;
                        }
                        Err(error) => {
                            tell(&mut replies, &Reply::Fault(error.into()))?;
                            break;
                        }
                    }
                }
            }
            Request::Ask { checker, question } => {
                let reply = match judge::ask(sandbox, &checker, question.as_bytes(), cancel) {
                    Ok(answer) => Reply::Answer(answer),
                    Err(error) => Reply::Fault(error.into()),
                };
                tell(&mut replies, &reply)?;
            }
        }
    }
    Ok(())
}

fn tell(replies: &mut impl Write, reply: &Reply) -> io::Result<()> {
    serde_json::to_writer(&mut *replies, reply)?;
    replies.write_all(b"\n")?;
    replies.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use super::*;
    use crate::limits::Limits;

    /// Requests that end when so many replies have come.
    struct Requests {
        text: io::Cursor<String>,
        replies: usize,
        replied: Receiver<u8>,
    }

    impl io::Read for Requests {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let read = self.text.read(into)?;
            if read == 0 {
                self.replied.iter().filter(|byte| *byte == b'\n').take(self.replies).for_each(drop);
            }
            Ok(read)
        }
    }

    /// Replies, byte by byte, to both who counts them and who reads them.
    struct Replies([Sender<u8>; 2]);

    impl Write for Replies {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            for (to, byte) in self.0.iter().flat_map(|to| bytes.iter().map(move |byte| (to, *byte))) {
                // Whoever counts them stops before the last.
                let _ = to.send(byte);
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn when_the_requests_end_in_the_middle_of_one_the_work_ends_too() {
        // Endless, if it is given anything. That the first test is told shows that the second was asked for.
        let text = r#"(module (import "wasi_snapshot_preview1" "fd_read" (func $r (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\01\00\00\00")
            (func (export "_start") (drop (call $r (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
              (loop (br_if 0 (i32.load (i32.const 8))))))"#;
        let mut task = Task::new(Source::new(Language::Wasm, text), Vec::new());
        task.limits = Limits { wall: Duration::from_secs(600), ..Limits::fuel(u64::MAX) };
        let tests = [Test::input(""), Test::input("x")];
        let lines = [Request::Begin(Cow::Borrowed(&task)), Request::Tests(Cow::Borrowed(&tests))];
        let text = lines.map(|line| serde_json::to_string(&line).expect("it is data") + "\n").concat();

        let (cache, (count, replied), (tell, told)) = (tempfile::tempdir().expect("a folder"), channel(), channel());
        let requests = Requests { text: io::Cursor::new(text), replies: 2, replied };
        let sandbox = Sandbox::open(cache.path()).expect("the sandbox opens");
        while_asked(requests, Duration::from_secs(120), move |requests, cancel| {
            answer(&sandbox, requests, Replies([count, tell]), cancel)
        })
        .expect("it ends in order");

        let told = String::from_utf8(told.iter().collect()).expect("text");
        let replies: Vec<Reply> = told.lines().map(|line| serde_json::from_str(line).expect("a reply")).collect();
        assert!(matches!(replies[..], [Reply::Ready(_), Reply::Test(_), Reply::Fault(Fault::Cancelled)]), "{told}");
    }

    #[test]
    fn work_that_does_not_end_with_the_requests_is_not_waited_for() {
        let (_never, end) = channel::<()>();
        let work = move |_, _: &Cancel| end.recv().map_err(io::Error::other);
        let ended = while_asked(io::empty(), Duration::ZERO, work);
        assert_eq!(ended.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[test]
    fn work_that_panics_ends_it_though_requests_may_come() {
        let (requests, _open) = io::pipe().expect("a pipe");
        let ended = while_asked(requests, Duration::MAX, |_, _| panic!("as the test wants"));
        assert_eq!(ended.map_err(|error| error.kind()), Err(io::ErrorKind::Other));
    }
}
