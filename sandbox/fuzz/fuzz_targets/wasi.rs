//! Any calls of WASI with any arguments: each answers with an error number or ends the run, and nothing else happens.
#![no_main]

use std::fmt::Write;
use std::sync::OnceLock;

use arbitrary::Arbitrary;
use flow_sandbox::{Cancel, Language, Limits, Sandbox, Source, Task, Test};
use libfuzzer_sys::fuzz_target;

/// The calls, with the types of their arguments.
const CALLS: [(&str, &str); 26] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("random_get", "ii"),
    ("poll_oneoff", "iiii"),
    ("fd_write", "iiii"),
    ("fd_read", "iiii"),
    ("fd_pread", "iiiIi"),
    ("fd_seek", "iIii"),
    ("fd_tell", "ii"),
    ("fd_close", "i"),
    ("fd_renumber", "ii"),
    ("fd_fdstat_get", "ii"),
    ("fd_filestat_get", "ii"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_readdir", "iiiIi"),
    ("fd_advise", "iIIi"),
    ("path_open", "iiiiiIIii"),
    ("path_filestat_get", "iiiii"),
    ("path_readlink", "iiiiii"),
    ("path_unlink_file", "iii"),
    ("sock_recv", "iiiiii"),
    ("fd_filestat_set_size", "iI"),
];

#[derive(Arbitrary, Debug)]
struct Guest {
    memory: Vec<u8>,
    calls: Vec<(u8, [i64; 9], bool)>,
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let cache = std::env::temp_dir().join("flow-sandbox-fuzz");
    SANDBOX.get_or_init(|| Sandbox::open(&cache).expect("the sandbox opens"))
}

/// A guest in text that makes the calls. Small arguments are likelier to mean something, so a flag asks for them.
fn text(guest: &Guest) -> String {
    let mut text = String::from("(module ");
    for (name, types) in CALLS {
        let params: String = types.chars().map(|t| if t == 'I' { "i64 " } else { "i32 " }).collect();
        let _ = write!(text, "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {params}) (result i32)))");
    }
    text += "(memory (export \"memory\") 1) (data (i32.const 0) \"";
    for byte in guest.memory.iter().take(4096) {
        let _ = write!(text, "\\{byte:02x}");
    }
    text += "\") (func (export \"_start\") ";
    for (which, args, small) in guest.calls.iter().take(64) {
        let (name, types) = CALLS[usize::from(*which) % CALLS.len()];
        let _ = write!(text, "(drop (call ${name} ");
        for (kind, arg) in types.chars().zip(args) {
            let arg = if *small { arg % 64 } else { *arg };
            let _ = if kind == 'I' { write!(text, "(i64.const {arg})") } else { write!(text, "(i32.const {})", arg as i32) };
        }
        text += "))";
    }
    text + "))"
}

fuzz_target!(|guest: Guest| {
    let mut source = Source::new(Language::Wasm, text(&guest));
    source.files.insert("folder/file.txt".into(), b"some text".to_vec());
    let mut task = Task::new(source, vec![Test::input("1 2 3\n"), Test::input("1 2 3\n")]);
    task.limits = Limits { memory: 1 << 20, output: 1 << 16, ..Limits::fuel(1_000_000) };
    let report = sandbox().judge(&task, &Cancel::new(), &mut |_| {}).expect("every guest has a verdict");
    assert!(report.compiled);
    assert_eq!(report.tests[0], report.tests[1], "two runs are not the same");
});
