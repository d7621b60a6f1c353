//! The sandbox beside the same program natively, as ratios within one run: what a fresh instance costs, what programs run
//! at, how many pairs of program and test are judged in a second, what it takes in memory.
//!
//! `cargo bench -p flow-sandbox`. Toolchains are those of the folder `FLOWCTL_CACHE`, or beside the build. Natively it is
//! `/usr/bin/python3` and `g++ -O2`; which builds those are decides what the ratios mean, so their versions are printed.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flow_sandbox::worker::{Pool, serve};
use flow_sandbox::{Cancel, Compiled, End, Language, Limits, Origin, Program, Sandbox, Source, Task, Test};

const PYTHON: &str = "/usr/bin/python3";

/// What a process of this program does, when the variable says so, instead of measuring.
const ROLE: &str = "FLOW_SANDBOX_BENCH_ROLE";

/// A small program, and an input on which it natively takes an eighth longer than the interpreter's start.
const BFS: &str = include_str!("programs/bfs.py");
const GRID: &str = "15 15\n";

const PYTHON_PROGRAMS: [(&str, &str); 6] = [
    ("sieve", include_str!("programs/sieve.py")),
    ("dicts", include_str!("programs/dicts.py")),
    ("calls", include_str!("programs/calls.py")),
    ("dp, heap", include_str!("programs/heap.py")),
    ("regex, json", include_str!("programs/text.py")),
    ("floats", include_str!("programs/floats.py")),
];

const CPP_PROGRAMS: [(&str, &str); 4] = [
    ("sieve", include_str!("programs/sieve.cpp")),
    ("lcs", include_str!("programs/lcs.cpp")),
    ("maps, sort", include_str!("programs/maps.cpp")),
    ("matrix", include_str!("programs/matrix.cpp")),
];

/// Pairs of program and test, judged by so many processes.
const PAIRS: usize = 1000;
const PROCESSES: usize = 2;

fn main() {
    let cache = std::env::var_os("FLOWCTL_CACHE")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/../flowctl-cache")), PathBuf::from);
    let sandbox = Sandbox::open(&cache).expect("the sandbox opens");
    match std::env::var(ROLE).as_deref() {
        Ok("worker") => serve(sandbox.into(), std::io::stdin(), std::io::stdout()).expect("the pipes hold"),
        Ok("memory") => four_at_once(&sandbox),
        _ => measure(&sandbox, &cache),
    }
}

fn measure(sandbox: &Sandbox, cache: &Path) {
    for language in [Language::Python, Language::Cpp] {
        sandbox
            .setup(language, Origin::Registry, &mut |step| println!("{language}: {step:?}"))
            .expect("it is installed");
    }
    println!("native: {}; g++ {}", first_line(PYTHON, "--version"), first_line("g++", "--version"));
    starts(sandbox);
    let python = PYTHON_PROGRAMS.map(|(name, code)| {
        let program = program(sandbox, Language::Python, code);
        ratio(
            name,
            [5, 1],
            || run(sandbox, &program, b""),
            || native(Command::new(PYTHON).args(["-I", "-c", code]), b""),
        )
    });
    summary("python", python);
    let folder = tempfile::tempdir().expect("a folder");
    let cpp = CPP_PROGRAMS.map(|(name, code)| {
        let (source, binary) = (folder.path().join("main.cpp"), folder.path().join("main"));
        std::fs::write(&source, code).expect("it is written");
        native(Command::new("g++").args(["-O2", "-o"]).args([&binary, &source]), b"");
        let program = program(sandbox, Language::Cpp, code);
        ratio(name, [5, 1], || run(sandbox, &program, b""), || native(&mut Command::new(&binary), b""))
    });
    summary("c++", cpp);
    compiling(sandbox);
    pairs(cache);
    let memory = Command::new(this()).env(ROLE, "memory").env("FLOWCTL_CACHE", cache).status();
    assert!(memory.expect("it runs").success());
}

/// A whole run, interpreter and all: how many fresh instances cost what one native start does.
fn starts(sandbox: &Sandbox) {
    for (name, code, stdin) in [("start: print(1)", "print(1)", b"".as_slice()), ("start: bfs", BFS, GRID.as_bytes())] {
        let program = program(sandbox, Language::Python, code);
        let ours = || run(sandbox, &program, stdin);
        let ratio = ratio(name, [6, 10], ours, || native(Command::new(PYTHON).args(["-I", "-c", code]), stdin));
        println!("{name:16} native / fresh instance {:.1}", 1.0 / ratio);
    }
}

/// One program that was never compiled before, with all that a set-up left warm.
fn compiling(sandbox: &Sandbox) {
    let times = (0..3).map(|n| {
        // Another text each time, in this run and in the next.
        let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later").as_nanos();
        let code =
            format!("#include <bits/stdc++.h>\nint main() {{ std::map<int, int> m; std::cout << m[{n}]; }} // {stamp}");
        time(|| drop(program(sandbox, Language::Cpp, &code)))
    });
    println!("c++ warm compile {:.2} s", times.min().unwrap_or_default().as_secs_f64());
}

/// One program, many tests, two at a time.
fn pairs(cache: &Path) {
    let cache = cache.to_owned();
    let pool = Pool::new(PROCESSES, move || {
        let mut command = Command::new(this());
        command.env(ROLE, "worker").env("FLOWCTL_CACHE", &cache);
        command
    });
    let tests = vec![Test::input(GRID); PAIRS / 20];
    let task = Task::new(Source::new(Language::Python, BFS), tests);
    let each = |count: usize, work: &(dyn Fn() + Sync)| {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..PROCESSES {
                scope.spawn(|| {
                    while next.fetch_add(1, Ordering::Relaxed) < count {
                        work();
                    }
                });
            }
        });
    };
    let judge = || drop(pool.judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged"));
    each(PROCESSES, &judge);
    let ours = time(|| each(20, &judge));
    let theirs = time(|| each(PAIRS, &|| native(Command::new(PYTHON).args(["-I", "-c", BFS]), GRID.as_bytes())));
    let rate = |took: Duration| PAIRS as f64 / took.as_secs_f64();
    println!(
        "{PAIRS} pairs, {PROCESSES} processes: {:.0} a second, native {:.0}, ratio {:.1}",
        rate(ours),
        rate(theirs),
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
}

/// In a process of its own: what four instances of the interpreter at once leave resident.
fn four_at_once(sandbox: &Sandbox) {
    let program = program(sandbox, Language::Python, PYTHON_PROGRAMS[1].1);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| run(sandbox, &program, b""));
        }
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown").trim();
    println!("four at once: {} at most, of it {} of files", line("VmHWM:"), line("RssFile:"));
}

/// Runs both in turn, so that what else the machine does hits both, and compares the best. What takes moments is run
/// some times in a row, as the tests of a program are: else each finds the processor's caches full of the other.
fn ratio(name: &str, [turns, in_a_row]: [usize; 2], ours: impl Fn(), theirs: impl Fn()) -> f64 {
    let best = |work: &dyn Fn()| (0..in_a_row).map(|_| time(work)).min().unwrap_or_default();
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..turns).map(|_| (best(&ours), best(&theirs))).unzip();
    let best = |times: Vec<Duration>| times.into_iter().min().unwrap_or_default().as_secs_f64();
    let (ours, theirs) = (best(ours), best(theirs));
    println!("{name:16} {:8.2} ms, native {:8.2} ms, ratio {:.2}", ours * 1e3, theirs * 1e3, ours / theirs);
    ours / theirs
}

fn summary<const N: usize>(name: &str, mut ratios: [f64; N]) {
    ratios.sort_by(f64::total_cmp);
    println!("{name:16} median {:.2}, worst {:.2}", (ratios[(N - 1) / 2] + ratios[N / 2]) / 2.0, ratios[N - 1]);
}

fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn program(sandbox: &Sandbox, language: Language, code: &str) -> Program {
    match sandbox.compile(&Source::new(language, code), &Cancel::new()) {
        Ok(Compiled::Program(program)) => program,
        Ok(Compiled::Refused(why)) => panic!("{why}"),
        Err(error) => panic!("{error}"),
    }
}

fn run(sandbox: &Sandbox, program: &Program, stdin: &[u8]) {
    let execution = sandbox.run(program, stdin, &Limits::seconds(60.0), &Cancel::new()).expect("it runs");
    assert_eq!(execution.end, End::Exit(0));
}

fn native(command: &mut Command, stdin: &[u8]) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is there");
    child.stdin.take().expect("it has an input").write_all(stdin).expect("it reads");
    assert!(child.wait_with_output().expect("it ends").status.success());
}

fn first_line(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().expect("it is there");
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

fn this() -> PathBuf {
    std::env::current_exe().expect("this program has a path")
}
