//! Judging in other processes: this test binary is the worker too.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flow_sandbox::worker::{Pool, serve};
use flow_sandbox::{Cancel, Comparison, Error, Language, Limits, Report, Sandbox, Source, Stop, Task, Test, Verdict};

const SERVES: &str = "FLOW_SANDBOX_TEST_SERVES";

/// Not a test of its own: what the workers of the other tests run, when the variable says so. It writes to standard
/// output what the protocol says, and the test harness its own words, so the replies go where only we read.
#[test]
fn serves_when_asked_to() {
    if let Some(cache) = std::env::var_os(SERVES) {
        let sandbox = Sandbox::open(cache.as_ref()).expect("the sandbox opens");
        serve(sandbox.into(), std::io::stdin(), std::io::stderr()).expect("the pipes hold");
    }
}

fn pool(workers: usize, crash_once: Option<std::path::PathBuf>) -> Pool {
    // The shell swaps the streams: the harness talks on standard output.
    let first = crash_once.map_or(String::new(), |flag| {
        format!("if mkdir '{}' 2>/dev/null; then read line; exit 9; fi; ", flag.display())
    });
    Pool::new(workers, command(format!("{first}exec {SERVE}")))
}

/// In a shell's words: this program, serving on standard input and output.
const SERVE: &str = "\"$0\" --exact worker::serves_when_asked_to --nocapture 3>&1 1>/dev/null 2>&3";

/// In a shell's words: a worker that is gone after so many replies.
fn ends_after(replies: u32) -> String {
    format!("{SERVE} | {{ sed -u {replies}q; kill -9 $$; }}")
}

fn command(script: String) -> impl Fn() -> Command {
    let cache = crate::cache();
    move || {
        let this = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(this).env(SERVES, &cache);
        command
    }
}

/// A task of so many tests, the last of which is wrong, each with so many turns of a loop.
fn long(tests: usize, turns: u64) -> Task {
    let text = format!(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\02\00\00\00") (data (i32.const 16) "42")
        (func (export "_start") (local $n i64) (local.set $n (i64.const {turns}))
          (loop (br_if 0 (i64.ne (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
          (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#
    );
    let expected = |test: usize| if test + 1 == tests { "43" } else { "42" };
    let tests = (0..tests).map(|test| Test::new(test.to_string(), expected(test))).collect();
    Task::new(Source::new(Language::Wasm, text), tests)
}

fn here(task: &Task) -> Report {
    let sandbox = Sandbox::open(&crate::cache()).expect("the sandbox opens");
    sandbox.judge(task, &Cancel::new(), &mut |_| {}).expect("it is judged")
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
    let local = here(&echo());
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
    // Endless, if it is given anything.
    let text = r#"(module (import "wasi_snapshot_preview1" "fd_read" (func $r (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\01\00\00\00")
        (func (export "_start") (drop (call $r (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
          (loop (br_if 0 (i32.load (i32.const 8))))))"#;
    let mut tests = vec![Test::input("x"); 8];
    tests[0] = Test::input("");
    let mut task = Task::new(Source::new(Language::Wasm, text), tests);
    task.limits = Limits { wall: Duration::from_secs(600), ..Limits::fuel(u64::MAX) };
    let (pool, cancel, mut heard) = (pool(1, None), Cancel::new(), 0);
    // Of so many tests the first two are asked for at once, so the worker that told the first is at the second.
    let judged = pool.judge(&task, &cancel, &mut |_| {
        heard += 1;
        cancel.cancel();
    });
    assert!(matches!(judged, Err(Error::Cancelled)));
    assert_eq!(heard, 1);
    assert!(pool.judge(&echo(), &Cancel::new(), &mut |_| {}).is_ok());
}

#[test]
fn the_tests_of_one_task_are_spread_over_workers_and_told_in_their_order() {
    let started = Arc::new(AtomicUsize::new(0));
    let (count, start) = (started.clone(), command(format!("exec {SERVE}")));
    let pool = Pool::new(3, move || {
        count.fetch_add(1, Ordering::Relaxed);
        start()
    });
    let mut task = long(24, 20_000_000);
    for stop in [Stop::Never, Stop::FirstFailure] {
        task.stop = stop;
        let mut heard = Vec::new();
        let report = pool.judge(&task, &Cancel::new(), &mut |test| heard.push(test.input.clone())).expect("judged");
        assert_eq!(report.differences(&here(&task)), Vec::<String>::new());
        assert_eq!(heard, task.tests.iter().map(|test| test.input.clone()).collect::<Vec<_>>());
    }
    assert!(started.load(Ordering::Relaxed) > 1, "one worker did it all");
}

#[test]
fn what_comes_after_the_first_failure_is_skipped_whoever_ran_it() {
    let mut task = long(12, 10_000_000);
    task.stop = Stop::FirstFailure;
    task.tests[3].expected = Some("41".into());
    let report = pool(3, None).judge(&task, &Cancel::new(), &mut |_| {}).expect("judged");
    assert_eq!(report, here(&task));
    assert_eq!((report.counts[&Verdict::Accepted], report.counts[&Verdict::Skipped]), (3, 8));
}

#[test]
fn a_checker_that_breaks_its_contract_counts_in_the_order_of_the_tests() {
    // Takes its time over an input that begins with `s`.
    let text = r#"(module (import "wasi_snapshot_preview1" "fd_read" (func $r (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\01\00\00\00")
        (func (export "_start") (local $n i64) (drop (call $r (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
          (local.set $n (select (i64.const 1000000000) (i64.const 1) (i32.eq (i32.load8_u (i32.const 16)) (i32.const 115))))
          (loop (br_if 0 (i64.ne (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))))"#;
    // Ends with the digit that comes second in the input, after `{"input":"` in the question.
    let checker = r#"(module (import "wasi_snapshot_preview1" "fd_read" (func $r (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\ff\00\00\00")
        (func (export "_start") (drop (call $r (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
          (call $exit (i32.sub (i32.load8_u (i32.const 27)) (i32.const 48)))))"#;
    let sandbox = Sandbox::open(&crate::cache()).expect("the sandbox opens");
    let pool = pool(2, None);
    // While one worker is at the first, another has long been through the second.
    for (inputs, stop) in [(["s1", "q7"], Stop::FirstFailure), (["s8", "q7"], Stop::Never)] {
        let mut task = Task::new(Source::new(Language::Wasm, text), inputs.map(|input| Test::new(input, "")).into());
        task.comparison = Comparison::Checker(Box::new(Source::new(Language::Wasm, checker)));
        task.stop = stop;
        let here = sandbox.judge(&task, &Cancel::new(), &mut |_| {}).map_err(|error| error.to_string());
        let judged = pool.judge(&task, &Cancel::new(), &mut |_| {}).map_err(|error| error.to_string());
        assert_eq!(judged, here);
        assert_eq!(judged.is_ok(), stop == Stop::FirstFailure);
    }
}

#[test]
fn a_worker_that_ends_in_the_middle_loses_no_test_and_repeats_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let flag = folder.path().join("crashed");
    // The first worker ends after it said that it is ready, and five tests.
    let script = format!("if mkdir '{}' 2>/dev/null; then {}; else exec {SERVE}; fi", flag.display(), ends_after(6));
    let (pool, task, mut heard) = (Pool::new(1, command(script)), long(20, 1000), 0);
    let report = pool.judge(&task, &Cancel::new(), &mut |_| heard += 1).expect("it is judged");
    assert!(flag.exists());
    assert_eq!((report, heard), (here(&task), 20));
}

#[test]
fn a_test_that_ends_its_worker_twice_is_an_error() {
    let pool = Pool::new(1, command(ends_after(1)));
    match pool.judge(&long(20, 1000), &Cancel::new(), &mut |_| {}) {
        Err(Error::Worker(why)) => assert!(why.starts_with("twice over test 1, "), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn fuel_is_one_number_over_threads_and_processes() {
    let python = "import math, re\nn = int(input())\nd = {i: str(i) for i in range(n)}\nprint(len(re.findall('1', ''.join(d.values()))), math.sqrt(n), hash('x'))";
    let runs = 50;
    let mut python = Task::new(Source::new(Language::Python, python), vec![Test::input("300"); runs]);
    python.limits = Limits::seconds(10.0);
    crate::sandbox(Language::Python);
    let mut wasm = long(runs, 1000);
    wasm.tests = vec![Test::input(""); runs];
    for task in [python, wasm] {
        let mut seen = BTreeSet::new();
        // Half in this process, on four threads, and half in three others.
        let sandbox = Sandbox::open(&crate::cache()).expect("the sandbox opens");
        let quarter = Task { tests: task.tests[..runs / 4 + 1].to_vec(), ..task.clone() };
        let mut reports: Vec<Report> = std::thread::scope(|scope| {
            let judge = || sandbox.judge(&quarter, &Cancel::new(), &mut |_| {}).expect("it is judged");
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(judge)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for workers in [1, 3] {
            reports.push(pool(workers, None).judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged"));
        }
        let tests = reports.iter().flat_map(|report| &report.tests);
        let count = tests.map(|test| seen.insert((test.verdict, test.fuel, test.memory, test.stdout.clone()))).count();
        assert!(count >= 100);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen.first().map(|(verdict, ..)| *verdict), Some(Verdict::Finished));
    }
}
