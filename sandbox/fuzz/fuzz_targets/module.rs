//! Any bytes as a module: reading, compiling and running them ends in a verdict, soon.
#![no_main]

use std::sync::OnceLock;

use flow_sandbox::{Cancel, Language, Limits, Sandbox, Source, Task, Test};
use libfuzzer_sys::fuzz_target;

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let cache = std::env::temp_dir().join("flow-sandbox-fuzz");
    SANDBOX.get_or_init(|| Sandbox::open(&cache).expect("the sandbox opens"))
}

fuzz_target!(|bytes: &[u8]| {
    let mut task = Task::new(Source::new(Language::Wasm, bytes), vec![Test::input("1 2 3\n")]);
    task.limits = Limits { memory: 16 << 20, ..Limits::fuel(1_000_000) };
    let report = sandbox().judge(&task, &Cancel::new(), &mut |_| {}).expect("every module has a verdict");
    assert_eq!(report.tests.len(), 1);
});
