//! Rust, by the compiler that this machine has; where it has no library for WASI, that is said in full.

use flow_sandbox::{Cancel, Error, Language, Origin, Sandbox, Source, State, Task, Test, ToolchainError, Verdict};

#[test]
fn rust_runs_or_says_what_is_missing() {
    let cache = tempfile::tempdir().expect("a folder");
    let sandbox = Sandbox::open(cache.path()).expect("the sandbox opens");
    let status = sandbox.toolchains().into_iter().find(|status| status.language == Language::Rust);
    let status = status.expect("every language is listed");
    let code = "fn main() { let mut line = String::new(); std::io::stdin().read_line(&mut line).unwrap();
        let n: u64 = line.trim().parse().unwrap(); println!(\"{}\", n * 2); }";
    let task = Task::new(Source::new(Language::Rust, code), vec![Test::new("21", "42"), Test::new("x", "0")]);
    let judged = sandbox.judge(&task, &Cancel::new(), &mut |_| {});
    if status.state == State::Ready {
        let verdicts: Vec<Verdict> = judged.expect("it is judged").tests.iter().map(|test| test.verdict).collect();
        assert_eq!(verdicts, [Verdict::Accepted, Verdict::RuntimeError]);
        return;
    }
    crate::skipped("Rust programs are not run, because this machine's compiler has no library for WASI");
    assert_eq!(status.state, State::Missing);
    assert!(status.hint.is_some_and(|hint| hint.contains("rust")), "the list says what would help");
    for error in [
        judged.expect_err("it cannot run"),
        sandbox.setup(Language::Rust, Origin::Registry, &mut |_| {}).expect_err("nor be set up"),
    ] {
        let says = error.to_string();
        assert!(matches!(error, Error::Toolchain { source: ToolchainError::Missing { .. }, .. }));
        assert!(says.starts_with("`rust` cannot be run") && says.contains("rust"), "{says}");
        assert!(says.contains("`rustup target add wasm32-wasip1`") || says.contains("no `rustc` was found"), "{says}");
    }
}
