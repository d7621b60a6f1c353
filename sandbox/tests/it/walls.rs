//! Guests that try to get more than they may have: each ends in its verdict, soon, and the host goes on.

use flow_sandbox::{Cancel, Language, Limits, Report, Source, Task, Test, Verdict};

fn report(text: &str, limits: Limits) -> Report {
    let mut task = Task::new(Source::new(Language::Wasm, text), vec![Test::input("1 2 3")]);
    task.limits = limits;
    crate::sandbox(Language::Wasm).judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged")
}

fn verdict(text: &str) -> (Verdict, String) {
    let report = report(text, Limits::fuel(20_000_000));
    (report.tests[0].verdict, report.message.unwrap_or_default())
}

/// A guest with 64 pages of memory that makes one call of WASI for ever.
fn hammer(name: &str, params: &str, args: &str) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "{name}" (func $call (param {params}) (result i32)))
           (memory (export "memory") 64) (data (i32.const 0) "\00\00\00\00\00\00\3f\00")
           (func (export "_start") (loop (drop (call $call {args})) (br 0))))"#
    )
}

#[test]
fn what_the_host_does_for_a_guest_costs_fuel() {
    let numbers = |args: &[u32]| args.iter().map(|arg| format!("(i32.const {arg}) ")).collect::<String>();
    for (name, args) in [
        ("random_get", vec![0, 4_000_000]),
        ("fd_write", vec![2, 0, 1, 4_000_000]),
        ("fd_write", vec![2, 8, 500_000, 4_000_000]),
        ("fd_read", vec![0, 0, 1, 4_000_000]),
        ("poll_oneoff", vec![0, 0, 80_000, 4_000_000]),
        ("args_get", vec![0, 64]),
        ("fd_filestat_get", vec![0, 64]),
    ] {
        let guest = hammer(name, &"i32 ".repeat(args.len()), &numbers(&args));
        assert_eq!(verdict(&guest).0, Verdict::TimeLimit, "{name}");
    }
    let once = |len: u32| {
        let guest = hammer("random_get", "i32 i32", &numbers(&[0, len])).replace("(br 0)", "");
        report(&guest, Limits::default()).tests[0].fuel
    };
    assert_eq!(once(1_000_000) - once(1), 999_999);
}

#[test]
fn sleeping_for_ever_is_the_time_limit() {
    let sleep =
        hammer("poll_oneoff", "i32 i32 i32 i32", "(i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 0)");
    assert_eq!(verdict(&sleep).0, Verdict::TimeLimit);
}

#[test]
fn recursion_without_end_is_a_fault() {
    let (found, why) = verdict("(module (func $f (call $f) (call $f)) (func (export \"_start\") (call $f)))");
    assert!(found == Verdict::RuntimeError && why.contains("recursion is too deep"), "{why}");
}

#[test]
fn garbage_collected_memory_is_limited_as_well() {
    let bomb = "(module (type $node (struct (field i64))) (func (export \"_start\")
        (loop (drop (struct.new $node (i64.const 1))) (br 0))))";
    let report = report(bomb, Limits { memory: 16 << 20, ..Limits::default() });
    assert_eq!(report.tests[0].verdict, Verdict::RuntimeError);
    assert!(report.tests[0].memory <= 16 << 20);
}

#[test]
fn what_would_take_the_compiler_minutes_is_refused_at_once() {
    let blocks = format!(
        "(module (type $t (func (param{0}) (result{0}))) (func (export \"_start\") {1} {2}{3} {4}))",
        " i32".repeat(1000),
        "(i32.const 0)".repeat(1000),
        "(loop (type $t)".repeat(1000),
        ")".repeat(1000),
        "drop ".repeat(1000),
    );
    let (found, why) = verdict(&blocks);
    assert!(found == Verdict::CompileError && why.contains("too long to compile"), "{why}");
}

#[test]
fn a_module_beyond_all_bounds_is_refused_unread() {
    let text = format!("(module (func (export \"_start\"))) ;;{}", "x".repeat(flow_sandbox::MODULE_BYTES));
    let (found, why) = verdict(&text);
    assert!(found == Verdict::CompileError && why.contains("at most"), "{why}");
}

#[test]
fn exports_that_are_not_what_their_names_promise_are_told() {
    for (text, says) in [
        ("(module (memory 1) (export \"_start\" (memory 0)))", "`_start`"),
        ("(module (func (export \"_start\") (result i32) (i32.const 1)))", "`_start`"),
        ("(module (import \"wasi_snapshot_preview1\" \"fd_close\" (func)) (func (export \"_start\")))", "fd_close"),
        (
            "(module (import \"wasi_snapshot_preview1\" \"memory\" (memory 1)) (func (export \"_start\")))",
            "no function",
        ),
    ] {
        let (found, why) = verdict(text);
        assert!(found == Verdict::CompileError && why.contains(says), "{text}: {why}");
    }
    for memory in ["", "(global (export \"memory\") i32 (i32.const 1))", "(func (export \"memory\"))"] {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
               {memory} (func (export "_start") (drop (call $close (i32.const 0)))))"#
        );
        let (found, why) = verdict(&text);
        assert!(found == Verdict::RuntimeError && why.contains("exports no `memory`"), "{text}: {why}");
    }
    // What our interpreters are entered by means nothing in a candidate.
    let names =
        "(module (table (export \"flow_table\") 1 funcref) (func $no unreachable) (export \"_initialize\" (func $no))
        (export \"run\" (func $no)) (export \"malloc\" (func $no)) (func (export \"_start\")))";
    assert_eq!(verdict(names).0, Verdict::Finished);
}

#[test]
fn an_exception_that_nobody_catches_is_a_fault() {
    let (found, why) = verdict("(module (tag $t) (func (export \"_start\") (throw $t)))");
    assert!(found == Verdict::RuntimeError && why.contains("not caught"), "{why}");
}
