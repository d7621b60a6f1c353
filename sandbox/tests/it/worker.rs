//! Judging in other processes: this test binary is the worker too.

use std::process::Command;
use std::time::{Duration, Instant};

use flow_sandbox::worker::{Pool, serve};
use flow_sandbox::{Cancel, Error, Language, Limits, Sandbox, Source, Task, Test, Verdict};

const SERVES: &str = "FLOW_SANDBOX_TEST_SERVES";

/// Not a test of its own: what the workers of the other tests run, when the variable says so. It writes to standard
/// output what the protocol says, and the test harness its own words, so the replies go where only we read.
#[test]
fn serves_when_asked_to() {
    if let Some(cache) = std::env::var_os(SERVES) {
        let sandbox = Sandbox::open(cache.as_ref()).expect("the sandbox opens");
        serve(&sandbox, std::io::stdin(), std::io::stderr()).expect("the pipes hold");
    }
}

fn pool(workers: usize, crash_once: Option<std::path::PathBuf>) -> Pool {
    let cache = crate::cache();
    Pool::new(workers, move || {
        let this = std::env::current_exe().expect("this program has a path");
        // The shell swaps the streams: the harness talks on standard output.
        let first = crash_once.as_ref().map_or(String::new(), |flag| {
            format!("if mkdir '{}' 2>/dev/null; then read line; exit 9; fi; ", flag.display())
        });
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                &format!("{first}exec \"$0\" --exact worker::serves_when_asked_to --nocapture 3>&1 1>/dev/null 2>&3"),
            ])
            .arg(this)
            .env(SERVES, &cache);
        command
    })
}

fn echo() -> Task {
    let text = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\02\00\00\00") (data (i32.const 16) "42")
        (func (export "_start") (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;
    Task::new(Source::new(Language::Wasm, text), vec![Test::new("", "42"), Test::new("", "43")])
}

#[test]
fn a_worker_says_what_the_sandbox_says() {
    let mut heard = Vec::new();
    let report =
        pool(1, None).judge(&echo(), &Cancel::new(), &mut |test| heard.push(test.verdict)).expect("it is judged");
    let here = Sandbox::open(&crate::cache()).expect("the sandbox opens");
    let local = here.judge(&echo(), &Cancel::new(), &mut |_| {}).expect("it is judged");
    assert_eq!(report, local);
    assert_eq!(report.differences(&local), Vec::<String>::new());
    assert_eq!(heard, [Verdict::Accepted, Verdict::WrongAnswer]);
}

#[test]
fn a_worker_that_ends_is_replaced_and_its_task_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let pool = pool(1, Some(folder.path().join("crashed")));
    let report = pool.judge(&echo(), &Cancel::new(), &mut |_| {}).expect("it is judged");
    assert_eq!(report.counts[&Verdict::Accepted], 1);
    assert!(folder.path().join("crashed").exists());
}

#[test]
fn a_command_that_is_no_worker_is_an_error() {
    let pool = Pool::new(1, || Command::new("false"));
    assert!(matches!(pool.judge(&echo(), &Cancel::new(), &mut |_| {}), Err(Error::Worker(_))));
}

#[test]
fn cancelling_ends_the_worker() {
    let mut endless = Task::new(
        Source::new(Language::Wasm, "(module (func (export \"_start\") (loop (br 0))))"),
        vec![Test::input("")],
    );
    endless.limits = Limits { wall: Duration::from_secs(600), ..Limits::fuel(u64::MAX) };
    let (pool, cancel) = (pool(1, None), Cancel::new());
    std::thread::scope(|scope| {
        let judged = scope.spawn(|| pool.judge(&endless, &cancel, &mut |_| {}));
        cancel.cancel();
        let begun = Instant::now();
        assert!(matches!(judged.join().expect("no panic"), Err(Error::Cancelled)));
        assert!(begun.elapsed() < Duration::from_secs(30));
    });
    assert!(pool.judge(&echo(), &Cancel::new(), &mut |_| {}).is_ok());
}
