//! `flowctl judge`: packages with validators, reports that are verified, and what is left behind.

use crate::{Ended, end, flowctl, root};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// A package of the project's own: any two numbers with the right sum will do.
const SUMS: [(&str, &str); 9] = [
    (
        "problem.yaml",
        "name: Sums\nvalidation: custom\nvalidator_flags: positive\nlimits: { time_limit: 1, memory: 512 }\n",
    ),
    ("data/sample/1.in", "10\n"),
    ("data/sample/1.ans", "3 7\n"),
    ("data/secret/2.in", "3\n"),
    ("data/secret/2.ans", "1 2\n"),
    (
        "output_validators/sums/validate.py",
        "import sys\nfrom words import WRONG\n_, data, answer, feedback, flag = sys.argv\na, b = map(int, sys.stdin.read().split())\nif a + b == int(open(data).read()) and (flag != 'positive' or min(a, b) > 0):\n    sys.exit(42)\nopen(feedback + '/judgemessage.txt', 'w').write(WRONG % (a, b))\nsys.exit(43)\n",
    ),
    ("output_validators/sums/words.py", "WRONG = '%d and %d are not right'\n"),
    ("submissions/accepted/last.py", "n = int(input())\nprint(n - 1, 1)\n"),
    ("submissions/wrong_answer/zero.py", "print(int(input()), 0)\n"),
];

/// A folder with the package `sums`.
fn sums() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let package = folder.path().join("sums");
    for (path, text) in SUMS {
        write(&package.join(path), text);
    }
    (folder, package)
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, text).expect("written");
}

fn judge(folder: &Path, arguments: &[&str]) -> Ended {
    end(flowctl().current_dir(folder).arg("judge").args(arguments))
}

#[test]
fn a_packages_own_validator_decides_and_says_why() {
    let (folder, _) = sums();
    let ended = judge(folder.path(), &["sums", "--format", "json"]).with(0);
    let all = ended.json()["submissions"].clone();
    assert_eq!(all[0]["verdict"], "accepted", "{all}");
    assert_eq!(all[1]["verdict"], "wrong_answer", "{all}");
    assert_eq!(all[1]["tests"][0]["message"], "10 and 0 are not right");
    assert_eq!(all[1]["made_by"]["limits"]["fuel"], json!(20_000_000_000_u64), "the package's second");
    assert_eq!(all[1]["made_by"]["limits"]["memory"], json!(512 << 20));
    let sha256 = |text: &str| json!(format!("{:x}", Sha256::digest(text)));
    for (key, text) in [("input", "10\n"), ("expected", "3 7\n"), ("stdout", "10 0\n")] {
        assert_eq!(all[1]["tests"][0][format!("{key}_sha256")], sha256(text), "{key}");
    }
}

/// What a flow makes of a program, judged as the problem that it is given says.
fn judged_in_a_flow(folder: &Path, problem: &str, program: &str) -> Ended {
    let flow = "flow: judged\ninputs: { problem: { public_tests: \"[Test]\", compare: any = null }, code: string }\n\
        nodes: { trial: { execute: { language: python, code: $inputs.code, tests: $inputs.problem.public_tests, \
        compare: $( inputs.problem.compare or 'tokens' ) } } }\n\
        outputs: { passed: $trial.passed, report: $trial.report }\n";
    write(&folder.join("judged.yaml"), flow);
    let inputs = [format!("problem=@{problem}"), format!("code={program}")];
    end(flowctl()
        .current_dir(folder)
        .args(["run", "judged.yaml", "--input", &inputs[0], "--input", &inputs[1]])
        .args(["--format", "json"]))
}

#[test]
fn a_flow_compares_as_the_problem_says() {
    let (folder, package) = sums();
    write(&package.join("statement.md"), "Which two numbers have this sum?\n");
    let run = |problem: &str, program: &str| judged_in_a_flow(folder.path(), problem, program);
    // The sample's own answer is another one: words alone would call this wrong.
    assert_eq!(run("sums", "print(int(input()) - 1, 1)").with(0).json()["outputs"]["passed"], true);
    let wrong = run("sums", "print(int(input()), 0)").with(0).json()["outputs"].clone();
    assert_eq!(wrong["passed"], false);
    assert!(wrong["report"].as_str().is_some_and(|report| report.contains("10 and 0 are not right")), "{wrong}");

    write(&package.join("problem.yaml"), "name: Sums\nvalidator_flags: float_absolute_tolerance 0.5\n");
    write(&package.join("data/sample/1.ans"), "Yes 8.4\n");
    assert_eq!(run("sums", "print('yes', 8)").with(0).json()["outputs"]["passed"], true);
    assert_eq!(run("sums", "print('yes', 7)").with(0).json()["outputs"]["passed"], false);
    write(&package.join("problem.yaml"), "name: Sums\nvalidation: custom interactive\n");
    assert!(run("sums", "print(1)").with(2).stderr.contains("interactive, which is not supported"));
}

#[test]
fn numbers_in_tests_are_text_as_they_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let flow = "flow: t\nnodes:\n  e:\n    execute: { language: python, code: print(input()), tests: [{ input: 1.10, output: 1.10 }, { input: 01, output: 01 }] }\n  \
        l: { execute: { language: python, code: print(input()), inputs: [1.10, no] } }\n\
        outputs: { passed: $e.passed, said: $( l | map(attribute='stdout') | join('') ) }\n";
    write(&folder.path().join("t.yaml"), flow);
    let ended = end(flowctl().current_dir(folder.path()).args(["run", "t.yaml", "--format", "json"])).with(0);
    assert_eq!(ended.json()["outputs"], json!({ "passed": true, "said": "1.10\nno\n" }));
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let full = fs::File::create("/dev/full").expect("a device that is always full");
    let ended = flowctl().args(["toolchain", "list"]).stdout(full).output().expect("it runs");
    assert_eq!(ended.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("the result can't be written"));
}

#[test]
fn a_json_problem_may_say_how_it_compares() {
    let folder = tempfile::tempdir().expect("a folder");
    let problem = |compare: &Value| {
        let tests = json!([{ "input": "", "output": "a\nb" }]);
        write(&folder.path().join("p.json"), &json!({ "public_tests": tests, "compare": compare }).to_string());
    };
    write(&folder.path().join("p.py"), "print('b')\nprint('a')\n");
    let judged = || judge(folder.path(), &["p.json", "p.py"]);
    let in_a_flow = || judged_in_a_flow(folder.path(), "p.json", "print('b\\na')");
    problem(&json!("lines"));
    judged().with(1);
    assert_eq!(in_a_flow().with(0).json()["outputs"]["passed"], false);
    problem(&json!("unordered"));
    judged().with(0);
    assert_eq!(in_a_flow().with(0).json()["outputs"]["passed"], true);
    problem(&json!({ "tokens": { "ignorecase": true } }));
    for ended in [judged(), in_a_flow()] {
        assert!(ended.with(2).stderr.contains("unknown field `ignorecase`"), "{}", "the reason is told");
    }
}

#[test]
fn a_validator_that_breaks_its_contract_is_no_verdict() {
    let (folder, package) = sums();
    write(&package.join("output_validators/sums/validate.py"), "raise SystemExit(0)\n");
    let ended = judge(folder.path(), &["sums"]).with(3);
    assert!(ended.stdout.contains("expected exit code 42 or 43"), "{}", ended.stdout);
    fs::remove_dir_all(package.join("output_validators")).expect("removed");
    let ended = judge(folder.path(), &["sums"]).with(2);
    assert!(ended.stderr.contains("its output validator is missing"), "{}", ended.stderr);
}

#[test]
fn what_cannot_be_judged_is_an_error_alone_and_a_line_among_others() {
    let (folder, package) = sums();
    write(&folder.path().join("talk/problem.yaml"), "name: Talk\nvalidation: custom interactive\n");
    write(&folder.path().join("talk/data/secret/1.in"), "1\n");
    write(&folder.path().join("talk/data/secret/1.ans"), "1\n");
    write(&folder.path().join("talk/submissions/accepted/a.py"), "print(1)\n");
    write(&package.join("submissions/accepted/Main.java"), "class Main {}\n");
    let alone = judge(folder.path(), &["talk"]).with(2);
    assert!(alone.stderr.contains("interactive, which is not supported"), "{}", alone.stderr);
    let all = judge(folder.path(), &["."]).with(0).stdout;
    assert!(all.contains("interactive, which is not supported"), "{all}");
    assert!(all.contains("`.java` is no language that is judged here"), "{all}");
    assert!(all.contains("2 of 2 as expected: 1 accepted, 1 wrong_answer, 2 without a verdict"), "{all}");
}

#[test]
fn a_report_is_verified_and_what_differs_is_told() {
    let (folder, package) = sums();
    let verify = || judge(folder.path(), &["--verify", "report.json"]);
    for format in ["json", "ndjson"] {
        let report = judge(folder.path(), &["sums", "--format", format]).with(0).stdout;
        write(&folder.path().join("report.json"), &report);
        let same = verify().with(0).stdout;
        assert_eq!(same, "2 of 2 programs are the same, bit for bit\n");
    }
    let report = judge(folder.path(), &["sums", "--format", "json"]).with(0);

    let mut forged = report.json();
    let fuel = forged["submissions"][1]["tests"][1]["fuel"].as_u64().expect("fuel");
    forged["submissions"][1]["tests"][1]["fuel"] = json!(fuel + 1);
    write(&folder.path().join("report.json"), &forged.to_string());
    let told = verify().with(1).stdout;
    assert!(told.contains(&format!("tests `2`, fuel: {} became {fuel}\n", fuel + 1)), "{told}");
    assert!(told.contains("1 of 2 programs are the same"), "{told}");

    write(&folder.path().join("report.json"), &report.stdout);
    write(&package.join("submissions/accepted/last.py"), "n = int(input())\nprint(n - 1, 1 )\n");
    let told = verify().with(1).stdout;
    assert!(told.contains("last.py\n  sha256: "), "{told}");
    fs::remove_file(package.join("submissions/accepted/last.py")).expect("removed");
    assert!(verify().with(2).stderr.contains("last.py` of the report is not there"));
}

#[test]
fn lines_come_one_a_program_and_workers_change_nothing() {
    let lines = |jobs: &str| {
        let ended = judge(&root(), &["examples/trulstrubbel", "--format", "ndjson", "--jobs", jobs]).with(0);
        let mut lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let one = lines("1");
    assert_eq!(one.len(), 5);
    for line in &one {
        let record: Value = serde_json::from_str(line).expect("a record a line");
        assert_eq!(record["verdict"], record["expected"]);
    }
    assert_eq!(one, lines("3"));
}

#[test]
fn tests_after_a_failure_are_skipped_when_that_is_asked() {
    let (folder, _) = sums();
    let ended = judge(folder.path(), &["sums", "--stop", "first-failure", "--format", "json"]).with(0);
    let verdicts = |n: usize| {
        let tests = ended.json()["submissions"][n]["tests"].as_array().expect("tests").clone();
        tests.iter().map(|t| t["verdict"].as_str().expect("a verdict").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(0), ["accepted", "accepted"]);
    assert_eq!(verdicts(1), ["wrong_answer", "skipped"]);
}

#[test]
fn limits_that_are_given_take_the_place_of_the_packages() {
    let (folder, _) = sums();
    let limits = |limits: &str| {
        let ended = judge(
            folder.path(),
            &["sums", "sums/submissions/accepted/last.py", "--limits", limits, "--format", "json"],
        );
        (ended.code, ended.json()["submissions"][0]["verdict"].clone())
    };
    assert_eq!(limits("fuel=1k"), (1, json!("time_limit")));
    assert_eq!(limits("output=1B"), (1, json!("output_limit")));
    assert_eq!(limits("time=3s,memory=1GiB"), (0, json!("accepted")));
}

/// Where processes are told apart and signalled by the system's own means.
#[cfg(target_os = "linux")]
mod left_behind {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// `flowctl` in the middle of an endless program, after one that ended; with its standard error.
    fn at_work(folder: &Path, key: &str) -> (Child, BufReader<std::process::ChildStderr>, u32) {
        write(&folder.join("first.py"), "n = int(input())\nprint(n - 1, 1)\n");
        write(&folder.join("second.py"), "while True: pass\n");
        let mut command = flowctl();
        command.current_dir(folder).env("OPENAI_API_KEY", key).args(["judge", "sums", "first.py", "second.py"]);
        command.args(["--jobs", "1", "--limits", "time=10h"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("flowctl starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.starts_with("[1/2]") {
            line.clear();
            assert!(stderr.read_line(&mut line).expect("a line") > 0, "it ended");
        }
        let worker = another_worker(&child, 0).expect("it has a worker");
        (child, stderr, worker)
    }

    /// A worker that is not this one, as soon as there is one; none when `flowctl` has ended.
    fn another_worker(flowctl: &Child, but: u32) -> Option<u32> {
        loop {
            // Workers are started by threads, each of which has children of its own.
            let process = PathBuf::from(format!("/proc/{}", flowctl.id()));
            let ended = fs::read_to_string(process.join("stat")).is_ok_and(|stat| stat.contains(") Z "));
            let threads = fs::read_dir(process.join("task")).ok().filter(|_| !ended)?.flatten();
            let all: String = threads.filter_map(|t| fs::read_to_string(t.path().join("children")).ok()).collect();
            if let Some(other) = all.split_whitespace().filter_map(|pid| pid.parse().ok()).find(|pid| *pid != but) {
                return Some(other);
            }
            std::thread::yield_now();
        }
    }

    /// What ended meanwhile needs no signal.
    fn signal(name: &str, pid: u32) {
        let kill = Command::new("kill").args([format!("-{name}"), pid.to_string()]).stderr(Stdio::null()).status();
        kill.expect("kill starts");
    }

    /// Standard error is shared with the workers, so it ends when all of them have.
    fn all_end(mut stderr: impl Read) -> String {
        let (begun, mut rest) = (Instant::now(), String::new());
        stderr.read_to_string(&mut rest).expect("the end of it");
        assert!(begun.elapsed() < Duration::from_secs(60));
        rest
    }

    #[test]
    fn workers_end_when_flowctl_is_killed() {
        let (folder, _) = sums();
        let (mut child, stderr, _) = at_work(folder.path(), "");
        signal("KILL", child.id());
        all_end(stderr);
        child.wait().expect("it ended");
    }

    #[test]
    fn asked_to_end_it_tells_what_was_judged_and_ends_with_130() {
        for asked in ["INT", "TERM"] {
            let (folder, _) = sums();
            let (mut child, stderr, _) = at_work(folder.path(), "");
            signal(asked, child.id());
            let said = all_end(stderr);
            assert_eq!(child.wait().expect("it ended").code(), Some(130));
            assert!(said.contains("interrupted: 1 of 2 programs were judged"), "{said}");
        }
    }

    #[test]
    fn a_worker_has_no_key_in_its_environment() {
        let (folder, _) = sums();
        let (mut child, stderr, worker) = at_work(folder.path(), "sk-planted-77aa01");
        let environment = fs::read_to_string(format!("/proc/{worker}/environ")).expect("its environment");
        signal("INT", child.id());
        all_end(stderr);
        child.wait().expect("it ended");
        assert!(environment.contains("PATH=") && !environment.contains("sk-planted"), "{environment}");
    }

    #[test]
    fn a_worker_that_is_killed_is_replaced() {
        let (folder, _) = sums();
        let (mut child, stderr, worker) = at_work(folder.path(), "");
        signal("KILL", worker);
        // It goes on with another, until one ends twice over the same test: then there is no verdict.
        let mut killed = worker;
        while let Some(next) = another_worker(&child, killed) {
            signal("KILL", next);
            killed = next;
        }
        assert_ne!(killed, worker);
        all_end(stderr);
        assert_eq!(child.wait().expect("it ended").code(), Some(3));
    }
}
