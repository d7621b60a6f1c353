//! C and C++ programs through the real compiler. It is built for some systems only; on others these tests say so.

use flow_sandbox::{Language, Report, Test, Verdict};

/// Whether the compiler can be had here.
fn had() -> bool {
    let had = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    if !had {
        crate::skipped("there is no C and C++ toolchain for this system");
    }
    had
}

fn judge(code: &str, tests: Vec<Test>) -> Report {
    crate::judge(Language::Cpp, code, tests)
}

fn prints(code: &str, input: &str) -> String {
    crate::prints(Language::Cpp, &format!("#include <bits/stdc++.h>\nusing namespace std;\n{code}"), input)
}

#[test]
fn cpp_reads_and_prints() {
    if had() {
        assert_eq!(prints("int main() { int n; cin >> n; cout << n * 2 << endl; }", "21"), "42\n");
        assert_eq!(
            prints("int main() { int n; scanf(\"%d\", &n); printf(\"%d %.3f\\n\", n, 1.0 / 3); }", "7"),
            "7 0.333\n"
        );
    }
}

#[test]
fn c_reads_and_prints() {
    if had() {
        let code = "#include <stdio.h>\n#include <math.h>\nint main(void) { double x; scanf(\"%lf\", &x); printf(\"%.1f\\n\", sqrt(x)); }";
        assert_eq!(crate::prints(Language::C, code, "16"), "4.0\n");
    }
}

#[test]
fn exceptions_are_thrown_and_caught() {
    if had() {
        let code = "struct E { int x; }; int f(int n) { if (n == 0) throw E{7}; return f(n - 1) + 1; }
            int main() { try { f(10); } catch (E &e) { cout << e.x; } try { throw runtime_error(\"r\"); } catch (exception &e) { cout << e.what() << endl; } }";
        assert_eq!(prints(code, ""), "7r\n");
        let report =
            judge("#include <stdexcept>\nint main() { throw std::runtime_error(\"x\"); }", vec![Test::input("")]);
        assert_eq!(report.tests[0].verdict, Verdict::RuntimeError);
    }
}

#[test]
fn recursion_goes_a_million_deep() {
    if had() {
        let code = "int f(int n, volatile int *p) { volatile int x = n; return n == 0 ? 0 : f(n - 1, &x) + 1 + x - n; } int main() { cout << f(1000000, nullptr) << endl; }";
        assert_eq!(prints(code, ""), "1000000\n");
    }
}

#[test]
fn the_order_statistics_tree_counts_keys() {
    if had() {
        let code = "#include <ext/pb_ds/assoc_container.hpp>
            #include <ext/pb_ds/tree_policy.hpp>
            using namespace __gnu_pbds;
            typedef tree<int, null_type, less<int>, rb_tree_tag, tree_order_statistics_node_update> ordered;
            int main() {
              ordered t; set<int> model; unsigned r = 1;
              for (int i = 0; i < 20000; i++) {
                r = r * 1103515245 + 12345; int k = (r >> 8) % 1000;
                if (r >> 30 & 1) { assert(t.erase(k) == model.erase(k)); } else { assert(t.insert(k).second == model.insert(k).second); }
                if (i % 50 == 0) {
                  assert(t.size() == model.size());
                  int n = 0; for (int x : model) { assert(*t.find_by_order(n) == x); assert((int)t.order_of_key(x) == n); n++; }
                  assert(t.find_by_order(n) == t.end());
                  assert(equal(model.begin(), model.end(), t.begin()));
                  auto m = model.lower_bound(k); auto l = t.lower_bound(k);
                  assert(m == model.end() ? l == t.end() : *m == *l);
                }
              }
              tree<int, string, greater<int>, rb_tree_tag, tree_order_statistics_node_update> names;
              names[3] = \"c\"; names[9] = \"i\"; gp_hash_table<int, int> h; h[5] = 6;
              cout << names.begin()->second << names.order_of_key(3) << h[5] << endl;
            }";
        assert_eq!(prints(code, ""), "i16\n");
    }
}

#[test]
fn a_compile_error_is_in_the_compilers_words_without_our_paths() {
    if had() {
        let report = judge("int main() { return x; }", vec![Test::new("", "")]);
        assert_eq!((report.compiled, report.tests[0].verdict), (false, Verdict::CompileError));
        let message = report.message.expect("a message");
        assert!(message.contains("main.cpp:1:21: error: use of undeclared identifier 'x'"), "{message}");
        assert!(!message.contains(&crate::cache().display().to_string()), "{message}");
    }
}

#[test]
fn faults_are_runtime_errors() {
    if had() {
        let fault = |body: &str| {
            let report = judge(
                &format!("#include <bits/stdc++.h>\nint main(int n, char **) {{ {body} }}"),
                vec![Test::input("")],
            );
            report.tests[0].verdict
        };
        assert_eq!(fault("return 3;"), Verdict::RuntimeError);
        assert_eq!(fault("abort();"), Verdict::RuntimeError);
        assert_eq!(fault("assert(n == 7);"), Verdict::RuntimeError);
        assert_eq!(fault("volatile int z = 0; return n / z;"), Verdict::RuntimeError);
    }
}

#[test]
fn what_differs_from_native_is_as_the_page_says() {
    if had() {
        assert_eq!(
            prints("int main() { cout << sizeof(void *) << sizeof(long) << sizeof(size_t) << sizeof(int64_t); }", ""),
            "4448"
        );
        let caught = |what: &str| {
            let code = format!(
                "int main() {{ vector<int> v(3); try {{ {what}; }} catch (exception &) {{ puts(\"caught\"); }} }}"
            );
            let report =
                judge(&format!("#include <bits/stdc++.h>\nusing namespace std;\n{code}"), vec![Test::input("")]);
            (report.tests[0].verdict, report.tests[0].stdout.clone())
        };
        assert_eq!(caught("cout << v.at(7)"), (Verdict::Finished, "caught\n".to_owned()));
        assert_eq!(caught("stoi(\"x\")").0, Verdict::RuntimeError);
        assert_eq!(caught("static char *volatile p; p = new char[3u << 30]").0, Verdict::RuntimeError);
        assert_eq!(prints("int main() { int *p = nullptr; cout << (*p == *p); }", ""), "1");
        let report = judge(
            "#include <bits/stdc++.h>\nint main() { int n; std::cin >> n; int a[n] = {0}; }",
            vec![Test::input("1")],
        );
        assert!(report.message.is_some_and(|why| why.contains("variable-sized object may not be initialized")));
    }
}

#[test]
fn what_gcc_takes_with_a_warning_is_taken() {
    if had() {
        let code = "#include <bits/stdc++.h>\nusing namespace std; struct E { int u, v; };
            int main() { long long n = 5; vector<int> v{n, n + 1}; vector<E> e; e.push_back({n, v.size()}); register int i = 1;
              cout << v[1] << e[0].v << i << ' ' << count_if(v.begin(), v.end(), bind2nd(less<int>(), 6)) << ' ' << __gcd(12, 18) << __lg(100); }";
        assert_eq!(crate::prints(Language::Cpp, code, ""), "621 1 66");
    }
}

#[test]
fn arrays_may_be_as_large_as_memory() {
    if had() {
        let code = "#include <cstdio>\nlong long a[1 << 25]; int main() { a[(1 << 25) - 1] = 7; printf(\"%lld\", a[0] + a[(1 << 25) - 1]); }";
        assert_eq!(crate::prints(Language::Cpp, code, ""), "7");
    }
}

#[test]
fn c_takes_what_c_compilers_long_took() {
    if had() {
        let code = "#include <stdio.h>\ntwice(x) { return 2 * x; }\nint main(void) { char *p = twice(3); printf(\"%d %d\\n\", p, abs(-4)); return 0; }";
        assert_eq!(crate::prints(Language::C, code, ""), "6 4\n");
    }
}

#[test]
fn a_program_that_compiles_sees_nothing_of_the_host() {
    if had() {
        // The file of this very test is there for the compiler to be found.
        let there = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/cpp.rs");
        let refused = |code: &str, says: &str| {
            let report = judge(code, vec![Test::input("")]);
            let why = report.message.expect("it does not compile");
            assert!(why.contains(says) && !why.contains("Origin::Cache"), "{why}");
            why
        };
        refused(&format!("#include \"{there}\"\nint main() {{}}"), "file not found");
        refused(&format!("#include \"/proc/self/cwd{there}\"\nint main() {{}}"), "file not found");
        refused(&format!("char text[] = {{\n#embed \"{there}\"\n}}; int main() {{}}"), "error");
        refused(&format!("asm(\".incbin \\\"{there}\\\"\"); int main() {{}}"), "assembly is disabled");
        let why = refused("int missing(); int main() { return missing(); }", "undefined symbol: missing()");
        assert!(!why.contains('/'), "{why}");
        // Nor of its clock; and an empty assembly, which only keeps the optimizer from something, is none.
        let code =
            "#include <cstdio>\nint main() { asm volatile(\"\" ::: \"memory\"); puts(__DATE__ \" \" __TIME__); }";
        assert_eq!(crate::prints(Language::Cpp, code, ""), "Jan  1 2020 00:00:00\n");
    }
}

#[test]
fn a_program_that_keeps_the_compiler_busy_is_refused() {
    if had() {
        // Constant evaluation has a bound of its own, deep templates another: each is told in the compiler's words.
        let steps = "constexpr long f(long n) { long s = 0; for (long i = 0; i < n; i++) s += i; return s; } int main() { constexpr long x = f(1 << 30); return x; }";
        let deep = "template <int N> struct F { static const int v = F<N - 1>::v + 1; }; template <> struct F<0> { static const int v = 0; }; int main() { return F<100000>::v; }";
        for (code, says) in [(steps, "constexpr"), (deep, "recursive template")] {
            let report = judge(code, vec![Test::input("")]);
            assert!(!report.compiled, "{code}");
            assert!(report.message.is_some_and(|why| why.contains(says)), "{code}");
        }
    }
}
