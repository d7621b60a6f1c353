//! Python programs in the real interpreter.

use flow_sandbox::{Cancel, Language, Limits, Report, Sandbox, Source, Stop, Task, Test, Verdict};

fn sandbox() -> &'static Sandbox {
    crate::sandbox(Language::Python)
}

fn judge(code: &str, tests: Vec<Test>) -> Report {
    crate::judge(Language::Python, code, tests)
}

fn prints(code: &str, input: &str) -> String {
    crate::prints(Language::Python, code, input)
}

#[test]
fn a_program_reads_and_prints() {
    assert_eq!(prints("print(int(input()) * 2)", "21\n"), "42\n");
}

#[test]
fn all_ways_of_reading_see_the_input_alone() {
    assert_eq!(prints("import sys\nprint(len(sys.stdin.read()))", "abc\nd"), "5\n");
    assert_eq!(prints("import sys\nprint(sys.stdin.buffer.read())", "abc\n"), "b'abc\\n'\n");
    assert_eq!(prints("print(open(0).read().split())", "1 2\n3\n"), "['1', '2', '3']\n");
    assert_eq!(prints("import os\nprint(os.read(0, os.fstat(0).st_size))", "xyz"), "b'xyz'\n");
    assert_eq!(prints("import sys\nprint([line for line in sys.stdin])", "a\nb"), "['a\\n', 'b']\n");
}

#[test]
fn every_test_has_a_fresh_instance() {
    let code = "import builtins\nbuiltins.n = getattr(builtins, 'n', 0) + 1\nprint(builtins.n)";
    let report = judge(code, vec![Test::new("", "1"), Test::new("x", "1"), Test::new("y", "1")]);
    assert!(report.passed, "{}", report.report);
}

#[test]
fn a_traceback_is_the_one_that_python_prints() {
    let code = "def f(x):\n    return 1 // x\n\nprint(\"before\")\nf(int(input()))\n";
    let report = judge(code, vec![Test::new("0", "")]);
    let test = &report.tests[0];
    assert_eq!((test.verdict, test.stdout.as_str()), (Verdict::RuntimeError, "before\n"));
    let expected = "Traceback (most recent call last):\n  File \"main.py\", line 5, in <module>\n    f(int(input()))\n    ~^^^^^^^^^^^^^^\n  File \"main.py\", line 2, in f\n    return 1 // x\n           ~~^^~~\nZeroDivisionError: integer division or modulo by zero\n";
    // The words of the last line changed between versions of CPython; the rest did not.
    let (found, last) = test.stderr.trim_end().rsplit_once('\n').expect("several lines");
    let (wanted, _) = expected.trim_end().rsplit_once('\n').expect("several lines");
    assert_eq!(found, wanted);
    assert!(last.starts_with("ZeroDivisionError: "), "{last}");
    assert!(report.report.contains("error:\nTraceback"), "{}", report.report);
}

#[test]
fn a_syntax_error_is_found_before_any_test() {
    let report = judge("print(", vec![Test::new("", "1"), Test::new("", "2")]);
    assert!(!report.compiled && !report.passed);
    assert!(report.tests.iter().all(|test| test.verdict == Verdict::CompileError && test.distance.is_none()));
    let message = report.message.expect("a message");
    assert!(
        message.starts_with("  File \"main.py\", line 1\n    print(\n")
            && message.contains("SyntaxError: '(' was never closed"),
        "{message}"
    );
    assert_eq!(report.score, [0.0, 0.0, -2e9]);
    assert!(!judge("print(", vec![]).passed);
    assert!(judge("print(1)", vec![]).passed);
}

/// Names of a module are found by a shorter way than natively (`_declare` in the prelude); the language stays as it is.
#[test]
fn names_of_a_module_mean_what_they_always_mean() {
    let same = |code: &str, expected: &str| assert_eq!(prints(code, ""), expected, "{code}");
    same("'''text'''\nfrom __future__ import annotations\nimport math\nprint(__doc__, math.floor(2.5))", "text 2\n");
    same(
        "import __main__\nn: int = 3\nm: int\nprint(n, 'm' in globals(), sorted(__main__.__annotations__))",
        "3 False ['m', 'n']\n",
    );
    same("i = 7\nprint([i for i in range(3)], i, [j := i for i in range(2)], i, j)", "[0, 1, 2] 7 [0, 1] 7 1\n");
    same(
        "x = 1\nclass C:\n    y = x\n    x = 2\ndef f():\n    global x\n    x = 5\nf()\nprint(x, C.y, C.x)",
        "5 1 2\n",
    );
    same("len = lambda x: 'mine'\nprint(len([]))\ndel len\nprint(len([]))", "mine\n0\n");
    same("exec('z = 4')\nprint(z, eval('z + 1'), locals() is globals(), vars() is globals())", "4 5 True True\n");
    same("from math import *\nprint(floor(pi))\nfor k in 'ab':\n    globals()[k] = k * 2\nprint(a + b)", "3\naabb\n");
    same(
        "match [1, 2]:\n    case [p, *q]:\n        print(p, q)\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    pass\nprint('e' in globals())",
        "1 [2]\nFalse\n",
    );
    same(
        "import __main__\nv = 1\n__main__.v = 2\nprint(v)\ndef g(v=v): return v\ntype T = list[v]\nprint(g(), T.__name__)",
        "2\n2 T\n",
    );
    let report = judge("print(unknown)", vec![Test::input("")]);
    assert!(
        report.report.contains("    print(unknown)\n          ^^^^^^^\nNameError: name 'unknown' is not defined"),
        "{}",
        report.report
    );
    let report = judge("a = 1\nglobal a\n", vec![Test::input("")]);
    let said = report.message.expect("it does not compile");
    assert!(said.contains("line 2") && said.contains("name 'a' is assigned to before global declaration"), "{said}");
}

#[test]
fn exits_are_those_of_python() {
    let end = |code: &str| {
        let report = judge(code, vec![Test::input("")]);
        (report.tests[0].verdict, report.tests[0].message.clone(), report.tests[0].stderr.clone())
    };
    assert_eq!(end("import sys; sys.exit(0)").0, Verdict::Finished);
    assert_eq!(end("exit()").0, Verdict::Finished);
    assert_eq!(end("exit(3)"), (Verdict::RuntimeError, Some("exit code 3".into()), String::new()));
    assert_eq!(end("exit('no')"), (Verdict::RuntimeError, Some("exit code 1".into()), "no\n".into()));
    assert_eq!(end("import os; os._exit(0)").0, Verdict::Finished);
}

#[test]
fn an_endless_loop_is_the_time_limit_at_the_same_place_each_time() {
    let mut task = Task::new(Source::new(Language::Python, "n = 0\nwhile True: n += 1"), vec![Test::new("", "")]);
    task.limits = Limits::seconds(0.05);
    let runs: Vec<Report> =
        (0..2).map(|_| sandbox().judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged")).collect();
    assert_eq!(runs[0].tests[0].verdict, Verdict::TimeLimit);
    assert_eq!(runs[0].tests[0].fuel, task.limits.fuel);
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn fuel_is_the_same_in_every_run_and_thread() {
    let task =
        Task::new(Source::new(Language::Python, "print(sum(range(int(input()))))"), vec![Test::new("1000", "499500")]);
    let one = sandbox().judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged");
    assert!(one.passed);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| sandbox().judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged")))
            .collect();
        for run in runs {
            assert_eq!(run.join().expect("no panic"), one);
        }
    });
}

#[test]
fn the_clock_runs_on_fuel_and_sleeping_is_free() {
    let code = "import time\na = time.time()\ntime.sleep(100)\nb = time.time()\nprint(100 <= b - a < 100.1)";
    assert_eq!(prints(code, ""), "True\n");
    let until = "import time\nt = time.perf_counter()\nn = 0\nwhile time.perf_counter() - t < 0.05: n += 1\nprint(n)";
    assert_eq!(prints(until, ""), prints(until, ""));
}

#[test]
fn recursion_goes_as_deep_as_a_contest_needs_and_no_deeper() {
    let code =
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(100000))";
    assert_eq!(prints(code, ""), "100000\n");
    let threaded = "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 27)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\ndef main(): print(f(50000))\nt = threading.Thread(target=main)\nt.start()\nt.join()";
    assert_eq!(prints(threaded, ""), "50000\n");
    let endless = "def f(): return f()\nf()";
    let report = judge(endless, vec![Test::new("", "")]);
    assert_eq!(report.tests[0].verdict, Verdict::RuntimeError);
    assert!(report.tests[0].stderr.contains("RecursionError"), "{}", report.tests[0].stderr);
    let cached = "import functools, sys\nsys.setrecursionlimit(10**9)\n@functools.lru_cache(None)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(20000))";
    assert_eq!(prints(cached, ""), "20000\n");
}

#[test]
fn threads_futures_and_asyncio_have_their_stand_ins() {
    let pool = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool:\n    print(sum(pool.map(lambda x: x * x, range(10))), pool.submit(max, 1, 2).result())";
    assert_eq!(prints(pool, ""), "285 2\n");
    let io = "import asyncio\nasync def f(n):\n    await asyncio.sleep(n)\n    return n\nasync def main():\n    print(await asyncio.gather(f(3), f(1), f(2)))\nasyncio.run(main())";
    assert_eq!(prints(io, ""), "[3, 1, 2]\n");
}

#[test]
fn the_libraries_that_programs_import_are_there() {
    let code = "import numpy as np, heapq, collections, itertools, bisect, decimal, fractions, re, json, random, resource\nprint(np.arange(5).sum(), np.linalg.norm([3.0, 4.0]), decimal.Decimal('0.1') + 1)";
    assert_eq!(prints(code, ""), "10 5.0 1.1\n");
    assert_eq!(prints("import networkx\nprint(networkx.path_graph(3).number_of_edges())", ""), "2\n");
}

#[test]
fn nothing_of_the_host_can_be_reached() {
    let fails = |code: &str, error: &str| {
        let report = judge(code, vec![Test::input("")]);
        assert_eq!(report.tests[0].verdict, Verdict::RuntimeError, "{code}");
        assert!(report.tests[0].stderr.contains(error), "{code}: {}", report.tests[0].stderr);
    };
    fails("open('/etc/passwd')", "FileNotFoundError");
    fails("open('../../etc/passwd')", "Error");
    fails("open('x', 'w')", "OSError");
    fails("import os; os.fork()", "Error");
    fails("import subprocess; subprocess.run(['ls'])", "Error");
    fails("import socket; socket.create_connection(('127.0.0.1', 80))", "Error");
    assert_eq!(prints("import os\nprint(dict(os.environ).get('HOME'), os.listdir('/'))", ""), "None ['usr']\n");
}

#[test]
fn files_lie_beside_the_program() {
    let mut source = Source::new(Language::Python, "import helper\nprint(open('data/in.txt').read(), helper.f(2))");
    source.files.insert("data/in.txt".into(), b"hello".to_vec());
    source.files.insert("helper.py".into(), b"def f(x): return x + 1".to_vec());
    let report = sandbox().judge(&Task::new(source, vec![Test::new("", "hello 3")]), &Cancel::new(), &mut |_| {});
    let report = report.expect("it is judged");
    assert!(report.passed, "{}", report.report);
}

#[test]
fn memory_that_is_not_there_is_an_error_of_python() {
    let report = judge("x = bytearray((1 << 31) - 100)", vec![Test::input("")]);
    assert_eq!(report.tests[0].verdict, Verdict::RuntimeError);
    assert!(report.tests[0].stderr.contains("MemoryError"), "{}", report.tests[0].stderr);
    assert_eq!(prints("try:\n    x = [0] * (1 << 29)\nexcept MemoryError:\n    print('caught')", ""), "caught\n");
}

#[test]
fn a_flood_is_the_output_limit() {
    let report = judge("while True: print('x' * 1000)", vec![Test::new("", "")]);
    assert_eq!((report.tests[0].verdict, report.tests[0].stdout.len()), (Verdict::OutputLimit, 16 << 20));
    let stderr = judge("import sys\nfor _ in range(10**4): sys.stderr.write('x' * 100)", vec![Test::input("")]);
    assert_eq!((stderr.tests[0].verdict, stderr.tests[0].stderr.len()), (Verdict::Finished, 64 << 10));
}

#[test]
fn a_crash_never_beats_a_near_miss() {
    let miss = judge("print(int(input()) * 2 + 7)", vec![Test::new("1", "2")]);
    let crash = judge("raise ValueError", vec![Test::new("1", "2")]);
    assert_eq!((miss.score, miss.tests[0].distance), ([0.0, 1.0, -7.0], Some(7.0)));
    assert_eq!((crash.score, crash.tests[0].distance), ([0.0, 0.0, -1e9], None));
    assert!(miss.score > crash.score);
}

#[test]
fn after_the_first_failure_the_rest_is_skipped_when_asked_for() {
    let mut task = Task::new(
        Source::new(Language::Python, "print(1)"),
        vec![Test::new("", "1"), Test::new("a", "2"), Test::new("b", "1")],
    );
    task.stop = Stop::FirstFailure;
    let report = sandbox().judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged");
    let verdicts: Vec<Verdict> = report.tests.iter().map(|test| test.verdict).collect();
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::WrongAnswer, Verdict::Skipped]);
    assert_eq!(report.counts[&Verdict::Skipped], 1);
}

#[test]
fn what_differs_from_native_is_as_the_page_says() {
    let fails = |code: &str, error: &str| {
        let report = judge(code, vec![Test::input("")]);
        assert_eq!(report.tests[0].verdict, Verdict::RuntimeError, "{code}");
        assert!(report.tests[0].stderr.contains(error), "{code}: {}", report.tests[0].stderr);
    };
    assert!(prints("import sys\nprint(sys.version)", "").starts_with("3.15."));
    fails("import threading\nthreading.Event().wait()", "RuntimeError: deadlock");
    fails("import multiprocessing\nmultiprocessing.Pool(2).map(abs, [1])", "Error");
    fails("import ssl", "ModuleNotFoundError");
    fails("import sortedcontainers", "ModuleNotFoundError");
    assert_eq!(prints("import sympy\nprint(sympy.factorint(12))", ""), "{2: 2, 3: 1}\n");
    let order = "print({'a', 'b', 'c', 'd'}, hash('a'))";
    assert_eq!(prints(order, ""), prints(order, "x"));
    assert_eq!(prints("import datetime\nprint(datetime.date.today())", ""), "2020-01-01\n");
    let order = "import threading\nt = [threading.Thread(target=print, args=(i,)) for i in range(3)]\nfor x in t: x.start()\nprint('main')";
    assert_eq!(prints(order, ""), "0\n1\n2\nmain\n");
}
