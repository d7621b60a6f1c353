//! The crate from outside.
#![expect(clippy::print_stderr, reason = "a test tells what it waits for")]

mod cpp;
mod humaneval;
mod install;
mod javascript;
mod python;
mod rust;
mod validator;
mod walls;
mod wasm;
mod worker;

use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

use flow_sandbox::{Cancel, Language, Origin, Report, Sandbox, Source, Task, Test, Verdict};

/// The cache of toolchains. It outlives the tests, because making what is in it takes minutes.
fn cache() -> PathBuf {
    std::env::var_os("FLOWCTL_CACHE")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/../flowctl-cache")), PathBuf::from)
}

/// The sandbox of this process, with a language set up.
fn sandbox(language: Language) -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| Sandbox::open(&cache()).expect("the sandbox opens"));
    let mut tell = |step| eprintln!("{language}: {step:?}");
    sandbox.setup(language, Origin::Registry, &mut tell).expect("the toolchain is installed");
    sandbox
}

/// Says that a test that passes did not look at what it is for. Not by a macro, whose words the harness keeps to itself.
fn skipped(why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {why}").expect("it is open");
}

/// How a program does on tests, under the default limits.
fn judge(language: Language, code: &str, tests: Vec<Test>) -> Report {
    let task = Task::new(Source::new(language, code), tests);
    sandbox(language).judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged")
}

/// What a program prints for an input, when it ends well.
fn prints(language: Language, code: &str, input: &str) -> String {
    let report = judge(language, code, vec![Test::input(input)]);
    assert!(report.compiled, "{:?}", report.message);
    let test = &report.tests[0];
    assert_eq!(test.verdict, Verdict::Finished, "{:?} {}", test.message, test.stderr);
    test.stdout.clone()
}
