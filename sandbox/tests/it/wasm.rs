//! Guests in the text form of wasm: each must give exactly this verdict, and this fuel where it is said.

use flow_sandbox::{
    Cancel, Comparison, Error, Language, Limits, Report, Sandbox, Source, Task, Test, Tolerance, Verdict,
};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<(Sandbox, tempfile::TempDir)> = OnceLock::new();
    let (sandbox, _) = SANDBOX.get_or_init(|| {
        let cache = tempfile::tempdir().expect("a folder");
        (Sandbox::open(cache.path()).expect("the sandbox opens"), cache)
    });
    sandbox
}

fn task(text: &str, tests: Vec<Test>) -> Task {
    Task::new(Source::new(Language::Wasm, text), tests)
}

fn judge(task: &Task) -> Report {
    sandbox().judge(task, &Cancel::new(), &mut |_| {}).expect("it is judged")
}

/// The one test's verdict, and what is said of it.
fn verdict(text: &str) -> (Verdict, String) {
    let report = judge(&task(text, vec![Test::input("")]));
    (report.tests[0].verdict, report.message.unwrap_or_default())
}

/// A module with a memory, the calls that guests here need, and a body.
fn guest(body: &str) -> String {
    format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "sock_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "\10\00\00\00\05\00\00\00")
          (data (i32.const 16) "hello")
          (data (i32.const 32) "/etc/passwd../../x")
          (func (export "_start") {body}))"#
    )
}

/// Reads all of standard input into memory at 1024 and writes it out again.
const ECHO: &str = r"
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 60000))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))";

#[test]
fn a_guest_that_echoes_is_accepted() {
    let report = judge(&task(&guest(ECHO), vec![Test::new("1 2\n", "1 2"), Test::new("x", "y")]));
    let verdicts: Vec<_> = report.tests.iter().map(|test| test.verdict).collect();
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::WrongAnswer]);
    assert_eq!(report.tests[0].memory, 1 << 16);
    assert_eq!(report.score, [1.0, 2.0, -1.0]);
    assert!(report.report.contains("input: x\nexpected: y\nactual: x\nverdict: wrong_answer\n"), "{}", report.report);
}

#[test]
fn a_crash_never_beats_a_near_miss() {
    // Echoes, unless the input begins with a `c`: then it traps.
    let echo = guest(&format!("{ECHO} (if (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 99)) (then unreachable))"));
    let tests = vec![
        Test::new("5", "5.0"),
        Test::new("5", "5"),
        Test::new("1 7", "1 9"),
        Test::new("a\nb\nd", "a\nc"),
        Test::new("crash", "1"),
        Test::input("unjudged"),
    ];
    let mut task = task(&echo, tests);
    let float = Some(Tolerance { absolute: 0.0, relative: 0.0 });
    task.comparison = Comparison::Tokens { ignore_case: false, float, same_space: false };
    let report = judge(&task);
    let distances: Vec<_> = report.tests.iter().map(|test| test.distance).collect();
    // 0 accepted; the sum of differences of as many numbers; else the lines that are not equal; none for a crash.
    assert_eq!(distances, [Some(0.0), Some(0.0), Some(2.0), Some(2.0), None, None]);
    // Accepted, not crashed, minus the distances, where the crash counts 10^9.
    assert_eq!((report.score, report.distance), ([2.0, 5.0, -1_000_000_004.0], 1_000_000_004.0));

    task.tests = vec![Test::new("0", "999999999999")];
    let far = judge(&task);
    task.tests = vec![Test::new("crash", "1")];
    assert!(far.score > judge(&task).score);
}

#[test]
fn fuel_counts_instructions() {
    // wasmtime charges 1 for each instruction that computes, nothing for `drop` and `end`, and 1 for entering a function.
    let fuel = |body: &str| judge(&task(&guest(body), vec![Test::input("")])).tests[0].fuel;
    let empty = fuel("");
    assert_eq!(fuel("(drop (i32.add (i32.const 1) (i32.const 2)))") - empty, 3);
    let ten = fuel(
        "(local i32) (loop (br_if 0 (i32.ne (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 10))))",
    );
    let twenty = fuel(
        "(local i32) (loop (br_if 0 (i32.ne (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 20))))",
    );
    assert_eq!((twenty - ten) % 10, 0);
    assert_eq!((twenty - ten) / 10, 7);
}

#[test]
fn an_endless_loop_is_out_of_fuel() {
    let mut task = task(&guest("(loop (br 0))"), vec![Test::input("")]);
    task.limits = Limits::fuel(1_000_000);
    let report = judge(&task);
    assert_eq!((report.tests[0].verdict, report.tests[0].fuel), (Verdict::TimeLimit, 1_000_000));
    assert_eq!(report.tests[0].time_ms, 1);
}

#[test]
fn exit_codes_and_traps_are_runtime_errors() {
    assert_eq!(verdict(&guest("(call $exit (i32.const 0))")).0, Verdict::Finished);
    assert_eq!(
        verdict(&guest("(call $exit (i32.const 7))")),
        (Verdict::RuntimeError, "test 1: runtime_error: exit code 7".into())
    );
    assert!(verdict(&guest("unreachable")).1.contains("aborted"));
    assert!(verdict(&guest("(drop (i32.div_s (i32.const 1) (i32.const 0)))")).1.contains("divide by zero"));
    assert!(verdict(&guest("(drop (i32.load (i32.const -4)))")).1.contains("out of bounds"));
    assert!(verdict("(module (func $f (export \"_start\") (call $f)))").1.contains("recursion is too deep"));
}

#[test]
fn memory_beyond_the_limit_is_refused() {
    let grow =
        guest("(loop (br_if 0 (i32.ne (memory.grow (i32.const 100)) (i32.const -1)))) (call $exit (memory.size))");
    let mut bomb = task(&grow, vec![Test::input("")]);
    bomb.limits.memory = 10 << 20;
    let report = judge(&bomb);
    assert_eq!(report.message.as_deref(), Some("test 1: runtime_error: exit code 101"));
    assert_eq!(report.tests[0].memory, 101 << 16);
    let mut forever = task(&guest("(loop (drop (memory.grow (i32.const 1))) (br 0))"), vec![Test::input("")]);
    forever.limits = Limits { memory: 10 << 20, ..Limits::fuel(10_000_000) };
    assert_eq!(judge(&forever).tests[0].verdict, Verdict::TimeLimit);
    let mut large = task("(module (memory 1000) (func (export \"_start\")))", vec![Test::input("")]);
    large.limits.memory = 10 << 20;
    assert_eq!(judge(&large).tests[0].verdict, Verdict::MemoryLimit);
}

#[test]
fn a_table_cannot_eat_the_host() {
    let grow = "(module (table 1 funcref) (func (export \"_start\")
        (if (i32.ne (table.grow (ref.null func) (i32.const 100000000)) (i32.const -1)) (then unreachable))))";
    assert_eq!(verdict(grow).0, Verdict::Finished);
    assert_eq!(verdict("(module (table 100000000 funcref) (func (export \"_start\")))").0, Verdict::CompileError);
}

#[test]
fn output_is_cut_at_its_limit() {
    let flood = |fd: u32| {
        guest(&format!("(loop (drop (call $write (i32.const {fd}) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0))"))
    };
    let mut out = task(&flood(1), vec![Test::input("")]);
    out.limits.output = 12;
    let report = judge(&out);
    assert_eq!((report.tests[0].verdict, report.tests[0].stdout.as_str()), (Verdict::OutputLimit, "hellohellohe"));
    let mut errors = task(&flood(2), vec![Test::input("")]);
    errors.limits = Limits::fuel(20_000_000);
    let report = judge(&errors);
    assert_eq!(
        (report.tests[0].verdict, report.tests[0].stderr.len()),
        (Verdict::TimeLimit, flow_sandbox::STDERR_BYTES)
    );
}

#[test]
fn there_is_no_file_and_no_socket() {
    // Exits with the error number: 44 "no such entry", 63 "not permitted" (out of the root), 69 "read-only", 58 "not supported".
    let open = |at: u32, len: u32, how: u32| {
        guest(&format!(
            "(call $exit (call $open (i32.const 3) (i32.const 0) (i32.const {at}) (i32.const {len}) (i32.const {how}) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))"
        ))
    };
    assert!(verdict(&open(32, 11, 0)).1.ends_with("exit code 44"));
    assert!(verdict(&open(43, 7, 0)).1.ends_with("exit code 63"));
    assert!(verdict(&open(33, 3, 1)).1.ends_with("exit code 69"));
    let send = guest("(call $exit (call $send (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 8)))");
    assert!(verdict(&send).1.ends_with("exit code 58"));
}

#[test]
fn bad_pointers_are_told_to_the_guest() {
    let bad = guest("(call $exit (call $write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 8)))");
    assert!(verdict(&bad).1.ends_with("exit code 21"));
    let many = guest("(call $exit (call $write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 8)))");
    assert!(verdict(&many).1.ends_with("exit code 28"));
}

#[test]
fn chance_and_the_clock_are_the_same_in_every_run() {
    let show = guest(
        "(drop (call $random (i32.const 16) (i32.const 3))) (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 24)))
         (i32.store8 (i32.const 19) (i32.load8_u (i32.const 24)))
         (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))",
    );
    let report = judge(&task(&show, vec![Test::input(""), Test::input("x")]));
    assert_eq!(report.tests[0].stdout, report.tests[1].stdout);
    assert_ne!(report.tests[0].stdout, "hello");
}

#[test]
fn unknown_imports_and_missing_entries_do_not_compile() {
    let (found, why) = verdict("(module (import \"env\" \"system\" (func)) (func (export \"_start\")))");
    assert_eq!(found, Verdict::CompileError);
    assert!(why.contains("env::system"), "{why}");
    let (found, why) = verdict("(module (func (export \"main\")))");
    assert!(found == Verdict::CompileError && why.contains("`_start`"), "{why}");
    assert_eq!(verdict("(module (func (export \"_start\") (param i32)))").0, Verdict::CompileError);
    assert_eq!(verdict("(module").0, Verdict::CompileError);
}

#[test]
fn a_start_function_is_metered_too() {
    let mut endless =
        task("(module (func $s (loop (br 0))) (start $s) (func (export \"_start\")))", vec![Test::input("")]);
    endless.limits = Limits::fuel(1_000_000);
    assert_eq!(judge(&endless).tests[0].verdict, Verdict::TimeLimit);
}

#[test]
fn cancelling_ends_a_running_guest() {
    let mut endless = task(&guest("(loop (br 0))"), vec![Test::input(""); 3]);
    endless.limits = Limits { wall: Duration::from_secs(600), ..Limits::fuel(u64::MAX) };
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| sandbox().judge(&endless, &cancel, &mut |_| {}));
        cancel.cancel();
        let begun = Instant::now();
        assert!(matches!(run.join().expect("no panic"), Err(Error::Cancelled)));
        assert!(begun.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn a_guest_that_does_nothing_but_call_ends_like_any_other() {
    // Each call sets the fuel, and with that the engine begins anew to count until the guest gives way.
    let text = r#"(module (import "wasi_snapshot_preview1" "clock_time_get" (func $now (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32))) (memory (export "memory") 1)
        (func (export "_start") (loop (br_if 0 (i32.eqz (call $now (i32.const 1) (i64.const 1) (i32.const 8)))))))"#;
    let mut endless = task(text, vec![Test::input("")]);
    endless.limits = Limits { wall: Duration::from_millis(1), ..Limits::fuel(u64::MAX) };
    let failed = sandbox().judge(&endless, &Cancel::new(), &mut |_| {});
    assert!(matches!(failed, Err(Error::HostTooSlow { .. })), "{failed:?}");
    for text in [text.to_owned(), text.replace("call $now (i32.const 1) (i64.const 1) (i32.const 8)", "call $yield")] {
        let mut endless = task(&text, vec![Test::input("")]);
        endless.limits = Limits::fuel(10_000_000);
        let report = judge(&endless);
        assert_eq!(report.tests[0].verdict, Verdict::TimeLimit);
    }
}

#[test]
fn a_host_too_slow_is_an_error_and_no_verdict() {
    let mut endless = task(&guest("(loop (br 0))"), vec![Test::input("")]);
    endless.limits = Limits { wall: Duration::from_millis(1), ..Limits::fuel(u64::MAX) };
    let failed = sandbox().judge(&endless, &Cancel::new(), &mut |_| {});
    assert!(matches!(failed, Err(Error::HostTooSlow { .. })));
}

#[test]
fn a_checker_decides_by_its_exit_code() {
    // Holds when the question is longer than 50 bytes; says what it read otherwise.
    let body = format!("{ECHO} (call $exit (i32.lt_u (i32.load (i32.const 4)) (i32.const 50)))");
    let with = |checker: &str, actual: &str| {
        let mut task = task(&guest(ECHO), vec![Test::new(actual, "e")]);
        task.comparison = Comparison::Checker(Box::new(Source::new(Language::Wasm, checker)));
        sandbox().judge(&task, &Cancel::new(), &mut |_| {})
    };
    let long = "a long output that a long input begot";
    assert!(with(&guest(&body), long).expect("it is judged").passed);
    let short = with(&guest(&body), "x").expect("it is judged");
    assert_eq!(short.tests[0].verdict, Verdict::WrongAnswer);
    assert_eq!(short.tests[0].message.as_deref(), Some(r#"{"input":"x","expected":"e","actual":"x"}"#));
    assert!(matches!(with(&guest("unreachable"), "x"), Err(Error::Checker(_))));
    assert!(matches!(with("(module", "x"), Err(Error::Checker(_))));
}

#[test]
fn a_validator_decides_by_42_and_43() {
    // Reads what the program wrote; right when it begins with `4`.
    let body =
        format!("{ECHO} (call $exit (i32.sub (i32.const 43) (i32.eq (i32.load8_u (i32.const 1024)) (i32.const 52))))");
    let with = |input: &str| {
        let mut task = task(&guest(ECHO), vec![Test::new(input, "e")]);
        let source = Box::new(Source::new(Language::Wasm, guest(&body)));
        task.comparison = Comparison::Validator { source, args: vec![] };
        judge(&task).tests[0].verdict
    };
    assert_eq!((with("4"), with("5")), (Verdict::Accepted, Verdict::WrongAnswer));
}

#[test]
fn modules_that_would_compile_for_minutes_are_refused_at_once() {
    let begun = Instant::now();
    let body = "(loop (br_if 0 (local.get 0)))".repeat(20_000);
    let text = format!("(module (func (export \"_start\") (local i32) {} {body}))", "(local i32)".repeat(6_000));
    assert_eq!(verdict(&text).0, Verdict::CompileError);
    assert!(begun.elapsed() < Duration::from_secs(30));
}
