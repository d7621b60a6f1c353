//! Output validators of problem packages: arguments, feedback, exit codes.

use flow_sandbox::{Cancel, Comparison, Error, Language, Report, Source, Task, Test, Verdict};

/// Any two numbers with the right sum will do; with the flag `positive` they must be that.
const PYTHON: &str = "
import sys
from words import SUM, SIGN
_, data, answer, feedback, *flags = sys.argv
def end(code, why=None):
    if why:
        with open(feedback + 'judgemessage.txt', 'a') as out:
            out.write(why + '\\n')
    sys.exit(code)
# The output to print stands on the second line of the input, for the program.
n, right = int(open(data).readline()), open(answer).read().split()
if sum(map(int, right)) != n:
    sys.exit('the answer is wrong itself')
a, b = map(int, sys.stdin.read().split())
if a + b != n:
    end(43, SUM % (a + b))
if 'positive' in flags and min(a, b) <= 0:
    end(43, SIGN)
end(42)
";

const CPP: &str = r#"
#include "sums.h"
int main(int argc, char **argv) {
    std::ifstream in(argv[1]), ans(argv[2]);
    std::string feedback = argv[3];
    long n = 0, a = 0, b = 0;
    in >> n;
    if (!(std::cin >> a >> b)) return 43;
    bool positive = argc > 4 && std::string(argv[4]) == "positive";
    if (!right(n, a, b)) {
        std::ofstream(feedback + "/judgemessage.txt") << "the sum is " << a + b << std::endl;
        return 43;
    }
    if (positive && std::min(a, b) <= 0) {
        std::ofstream(feedback + "/judgemessage.txt") << "one is not positive" << std::endl;
        return 43;
    }
    return 42;
}
"#;

fn judge(validator: Source, args: &[&str], prints: &[&str]) -> Result<Report, Error> {
    // Prints what it is given after the number.
    let program = "import sys\nsys.stdout.write(sys.stdin.read().split('\\n', 1)[1])";
    let tests = prints.iter().map(|line| Test::new(format!("10\n{line}"), "3 7\n")).collect();
    let mut task = Task::new(Source::new(Language::Python, program), tests);
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    task.comparison = Comparison::Validator { source: Box::new(validator), args };
    let sandbox = crate::sandbox(task.source.language);
    sandbox.judge(&task, &Cancel::new(), &mut |_| {})
}

/// Verdicts and messages of both validators must be the same.
fn agrees(validator: &Source) {
    let verdicts = |args: &[&str], prints: &[&str]| {
        let report = judge(validator.clone(), args, prints).expect("it is judged");
        report.tests.into_iter().map(|test| (test.verdict, test.message)).collect::<Vec<_>>()
    };
    let right = (Verdict::Accepted, None);
    let wrong = |why: &str| (Verdict::WrongAnswer, Some(why.to_owned()));
    assert_eq!(verdicts(&[], &["4 6", "12 -2", "4 5"]), [right.clone(), right.clone(), wrong("the sum is 9")]);
    assert_eq!(verdicts(&["positive"], &["4 6", "12 -2"]), [right, wrong("one is not positive")]);
}

#[test]
fn a_validator_in_python_has_its_arguments_its_files_and_a_place_for_feedback() {
    let mut validator = Source::new(Language::Python, PYTHON);
    let words = "SUM = 'the sum is %d'\nSIGN = 'one is not positive'\n";
    validator.files.insert("words.py".into(), words.into());
    agrees(&validator);
}

#[test]
fn a_validator_in_cpp_may_be_several_files() {
    crate::sandbox(Language::Cpp);
    let mut validator = Source::new(Language::Cpp, CPP);
    let header = "#include <bits/stdc++.h>\nbool right(long n, long a, long b);\n";
    validator.files.insert("sums.h".into(), header.into());
    let source = "#include \"sums.h\"\nbool right(long n, long a, long b) { return a + b == n; }\n";
    validator.files.insert("sums.cpp".into(), source.into());
    agrees(&validator);
}

#[test]
fn a_validator_that_breaks_its_contract_is_an_error_and_no_verdict() {
    let said = |language, code: &str| match judge(Source::new(language, code), &[], &["4 6"]) {
        Err(Error::Checker(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(
        said(Language::Python, "import sys; sys.exit(0)")
            .contains("expected exit code 42 or 43, it ended with exit code 0")
    );
    assert!(said(Language::Python, "1 // 0").contains("ZeroDivisionError"));
    // Feedback is the one folder that may be written, and it has an end.
    assert!(said(Language::Python, "open('input', 'w')").contains("Read-only file system"));
    assert!(said(Language::Python, "open('feedback/x', 'w').write('x' * (1 << 21))").contains("File too large"));
    assert!(said(Language::Javascript, "process.exit(42)").contains("cannot be given its arguments"));
    assert!(said(Language::Wasm, "(module)").contains("does not compile"));
}

#[test]
fn feedback_of_one_test_is_gone_in_the_next() {
    let code =
        "import os, sys\nopen('feedback/judgemessage.txt', 'a').write(str(os.listdir('feedback')))\nsys.exit(43)";
    let report = judge(Source::new(Language::Python, code), &[], &["a", "b"]).expect("it is judged");
    for test in report.tests {
        assert_eq!(test.message.as_deref(), Some("['judgemessage.txt']"));
    }
}
