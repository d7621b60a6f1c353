//! JavaScript programs, written for Node, in the real interpreter.

use flow_sandbox::{Language, Report, Test, Verdict};

fn judge(code: &str, tests: Vec<Test>) -> Report {
    crate::judge(Language::Javascript, code, tests)
}

fn prints(code: &str, input: &str) -> String {
    crate::prints(Language::Javascript, code, input)
}

#[test]
fn promises_are_done_before_timers_and_before_the_end() {
    let code = "let p = Promise.resolve();
        for (let i = 0; i < 12; i++) p = p.then(() => console.log(i));
        (async () => { for (let i = 0; i < 1000; i++) await null; console.log('end'); })();
        setTimeout(() => { console.log('timer'); Promise.resolve().then(() => 0).then(() => 0).then(() => 0).then(() => 0).then(() => console.log('last')); }, 0);
        setTimeout(() => console.log('later'), 1);
        new Promise(() => {}).then(() => console.log('never'));";
    let counted: String = (0..12).map(|n| format!("{n}\n")).collect();
    let expected = format!("{counted}end\ntimer\nlast\nlater\n");
    assert_eq!(crate::prints(Language::Javascript, code, ""), expected);
    let slept = "const m = new Map(); (async () => { for (let i = 0; i < 3000; i++) {
        m.set(i, new Array(100).fill(i)); await new Promise(r => setTimeout(r, 1)); } console.log(m.size); })();";
    assert_eq!(crate::prints(Language::Javascript, slept, ""), "3000\n");
    let lines = "const rl = require('readline').createInterface({ input: process.stdin });
        (async () => { let n = 0; for await (const line of rl) n += Number(line); console.log(n); })();";
    assert_eq!(crate::prints(Language::Javascript, lines, "1\n2\n3\n4\n5\n6\n7\n"), "28\n");
}

#[test]
fn all_ways_of_reading_work() {
    let sum = "console.log(t.trim().split(/\\s+/).map(Number).reduce((a, b) => a + b));";
    for read in [
        "const t = require('fs').readFileSync(0, 'utf8');",
        "const t = require('fs').readFileSync('/dev/stdin').toString();",
        "const fs = require('node:fs'); const t = fs.readFileSync(0) + '';",
    ] {
        assert_eq!(prints(&format!("{read}{sum}"), "1 2\n3\n"), "6\n", "{read}");
    }
    let events =
        format!("let t = ''; process.stdin.on('data', c => t += c); process.stdin.on('end', () => {{ {sum} }});");
    assert_eq!(prints(&events, "1 2\n3\n"), "6\n");
    let lines = "const rl = require('readline').createInterface({ input: process.stdin });\nlet n = 0;\nrl.on('line', l => n += Number(l)); rl.on('close', () => console.log(n));";
    assert_eq!(prints(lines, "4\n5\n"), "9\n");
    let walk = "(async () => { for await (const l of require('readline').createInterface({ input: process.stdin })) console.log('<' + l + '>'); })()";
    assert_eq!(prints(walk, "a\nb\n"), "<a>\n<b>\n");
    let ask = "const rl = require('readline').createInterface({ input: process.stdin, output: process.stdout });\nrl.question('', a => rl.question('', b => { console.log(Number(a) + Number(b)); rl.close(); }));";
    assert_eq!(prints(ask, "4\n5\n"), "9\n");
}

#[test]
fn values_are_shown_as_node_shows_them() {
    // Expected: what Node prints for these.
    let code = "console.log([1, 2, 'x'], { a: 1, b: [2] }, 'text', 1.5, null, undefined, true, -0, 10n); console.log(new Map([[1, 'a']]), new Set([1])); console.log('%d of %s', 3, 'four'); console.log([]); process.stdout.write('no newline')";
    let expected = "[ 1, 2, 'x' ] { a: 1, b: [ 2 ] } text 1.5 null undefined true -0 10n\nMap(1) { 1 => 'a' } Set(1) { 1 }\n3 of four\n[]\nno newline";
    assert_eq!(prints(code, ""), expected);
}

#[test]
fn jobs_and_timers_run_to_their_end_in_order() {
    let code = "setTimeout(() => console.log('late'), 1000); setTimeout(() => console.log('soon'), 10); Promise.resolve().then(() => console.log('job')); console.log('first'); (async () => { await null; console.log('after'); await new Promise(r => setTimeout(r, 5)); console.log('slept'); })();";
    assert_eq!(prints(code, ""), "first\njob\nafter\nslept\nsoon\nlate\n");
}

#[test]
fn errors_and_exits_are_runtime_errors() {
    let end = |code: &str| {
        let report = judge(code, vec![Test::input("")]);
        assert!(report.compiled, "{code}");
        (report.tests[0].verdict, report.tests[0].stdout.clone(), report.tests[0].stderr.clone())
    };
    let (verdict, stdout, stderr) = end("console.log('before');\nfunction f() { null.x; }\nf();");
    assert_eq!((verdict, stdout.as_str()), (Verdict::RuntimeError, "before\n"));
    assert!(stderr.contains("TypeError") && stderr.contains("main.js:2"), "{stderr}");
    assert!(!stderr.contains("shim"), "{stderr}");
    assert_eq!(end("process.exit(3)").0, Verdict::RuntimeError);
    assert_eq!(end("console.log(1); process.exit()"), (Verdict::Finished, "1\n".into(), String::new()));
    assert_eq!(end("process.exitCode = 2").0, Verdict::RuntimeError);
    let (verdict, stdout, _) = end("console.log('said'); Promise.reject(new Error('lost'))");
    assert_eq!((verdict, stdout.as_str()), (Verdict::RuntimeError, "said\n"));
    assert_eq!(end("function f() { f() } f()").0, Verdict::RuntimeError);
}

#[test]
fn a_syntax_error_is_found_before_any_test() {
    let report = judge("let x = ;", vec![Test::new("", "1")]);
    assert!(!report.compiled);
    assert_eq!(report.tests[0].verdict, Verdict::CompileError);
    assert!(report.message.is_some_and(|message| message.contains("SyntaxError") && message.contains("main.js:1")));
}

#[test]
fn an_endless_loop_is_the_time_limit() {
    assert_eq!(judge("while (true) {}", vec![Test::new("", "")]).tests[0].verdict, Verdict::TimeLimit);
}

#[test]
fn timers_and_promises_are_run_to_their_end_and_waiting_is_free() {
    let code = "setTimeout(() => console.log('late'), 100000); Promise.resolve().then(() => console.log('soon')); console.log('now', process.argv.length, Object.keys(process.env).length)";
    assert_eq!(prints(code, ""), "now 2 0\nsoon\nlate\n");
    assert_eq!(judge("require('lodash')", vec![Test::input("")]).tests[0].verdict, Verdict::RuntimeError);
}
