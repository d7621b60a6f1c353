//! What a fresh instance costs, and what a program runs at, beside the same natively.
//!
//! The toolchains are installed into the folder `FLOWCTL_CACHE`, or beside the build when it is not set. Native programs
//! are `python3` as it is on the path; which build that is decides what the ratios mean.
#![expect(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};
use flow_sandbox::{Cancel, Compiled, End, Language, Limits, Origin, Program, Sandbox, Source};

const BFS: &str = include_str!("programs/bfs.py");

const PROGRAMS: [(&str, &str); 6] = [
    ("sieve", include_str!("programs/sieve.py")),
    ("dicts", include_str!("programs/dicts.py")),
    ("calls", include_str!("programs/calls.py")),
    ("heap", include_str!("programs/heap.py")),
    ("text", include_str!("programs/text.py")),
    ("floats", include_str!("programs/floats.py")),
];

fn sandbox() -> Sandbox {
    let cache = std::env::var_os("FLOWCTL_CACHE")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/../flowctl-cache")), PathBuf::from);
    let sandbox = Sandbox::open(&cache).expect("the sandbox opens");
    sandbox.setup(Language::Python, Origin::Registry, &mut |_| {}).expect("Python is installed");
    sandbox
}

fn program(sandbox: &Sandbox, code: &str) -> Program {
    match sandbox.compile(&Source::new(Language::Python, code), &Cancel::new()) {
        Ok(Compiled::Program(program)) => program,
        Ok(Compiled::Refused(why)) => panic!("{why}"),
        Err(error) => panic!("{error}"),
    }
}

fn run(sandbox: &Sandbox, program: &Program, stdin: &[u8]) {
    let limits = Limits::seconds(60.0);
    let execution = sandbox.run(program, stdin, &limits, &Cancel::new()).expect("it runs");
    assert_eq!(execution.end, End::Exit(0));
    black_box(execution);
}

fn native(code: &str, stdin: &[u8]) {
    let mut child = Command::new("python3")
        .args(["-I", "-c", code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is on the path");
    child.stdin.take().expect("it has an input").write_all(stdin).expect("it reads");
    assert!(child.wait_with_output().expect("it ends").status.success());
}

/// A whole run, interpreter and all.
fn starts(c: &mut Criterion) {
    let sandbox = sandbox();
    let grid = b"20 20\n";
    for (name, code, stdin) in [("print", "print(1)", b"".as_slice()), ("bfs", BFS, grid)] {
        let mut group = c.benchmark_group(format!("start/{name}"));
        let program = program(&sandbox, code);
        group.bench_function("fresh instance", |b| b.iter(|| run(&sandbox, &program, stdin)));
        group.bench_function("native", |b| b.iter(|| native(code, stdin)));
        group.finish();
    }
}

/// Programs that compute.
fn programs(c: &mut Criterion) {
    let sandbox = sandbox();
    for (name, code) in PROGRAMS {
        let mut group = c.benchmark_group(format!("python/{name}"));
        group.sample_size(10);
        let program = program(&sandbox, code);
        group.bench_function("sandbox", |b| b.iter(|| run(&sandbox, &program, b"")));
        group.bench_function("native", |b| b.iter(|| native(code, b"")));
        group.finish();
    }
}

criterion_group!(benches, starts, programs);
criterion_main!(benches);
