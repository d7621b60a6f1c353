//! Any calls of WASI with any arguments: each answers with an error number or ends the run, two runs are the same, and
//! nothing else happens.
//!
//! One guest is compiled, once. It reads its input as a script: a byte that chooses a call, then the call's arguments. It
//! runs as a program, and as an output validator, which has a folder to write to.
#![no_main]

use std::fmt::Write;
use std::sync::OnceLock;

use flow_sandbox::{
    Cancel, Comparison, Compiled, End, Error, Execution, Language, Limits, Program, Report, STDERR_BYTES, Sandbox, Source,
    Task, Test,
};
use libfuzzer_sys::fuzz_target;

/// All calls of preview 1 that answer with an error number, with the types of their arguments.
const CALLS: [(&str, &str); 44] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("random_get", "ii"),
    ("sched_yield", ""),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// Bytes that the guest reads, and where they begin: calls may overwrite what is not carried out yet.
const SCRIPT: u32 = 4096;

/// Calls of one run, as a script may read itself again and again.
const MOST_CALLS: u32 = 1000;

/// Passes its input on, as the program whose output is validated.
const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "\00\10\00\00\00\10\00\00")
    (func (export "_start")
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

/// The guest. A call's answer is written into memory before the next one, so that later calls depend on it.
fn text() -> String {
    let mut text = String::from("(module ");
    for (name, types) in CALLS {
        let params: String = types.chars().map(|t| if t == 'I' { "i64 " } else { "i32 " }).collect();
        let _ =
            write!(text, "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {params}) (result i32)))");
    }
    // At 0: where to read the script to, and how much of it; at 32: names of files for scripts to point at.
    text += "(memory (export \"memory\") 1) (data (i32.const 32) \"folder/file.txt\\00..\\00main.wasm\\00feedback/judgemessage.txt\")
        (data (i32.const 0) \"\\00\\10\\00\\00\\00\\10\\00\\00\")
        (func (export \"_start\") (local $at i32) (local $end i32) (local $left i32)
        (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (local.set $at (i32.const 4096))
        (local.set $end (i32.add (i32.const 4096) (i32.load (i32.const 8))))
        (loop $next (br_if 1 (i32.ge_u (local.get $at) (local.get $end)))\n";
    let _ = writeln!(text, "(br_if 1 (i32.eq (local.get $left) (i32.const {MOST_CALLS})))");
    text += "(local.set $left (i32.add (local.get $left) (i32.const 1)))\n";
    let labels: String = (0..CALLS.len()).map(|call| format!("$l{call} ")).collect();
    for call in (0..CALLS.len()).rev() {
        let _ = write!(text, "(block $l{call} ");
    }
    let _ = writeln!(text, "(br_table {labels} (i32.rem_u (i32.load8_u (local.get $at)) (i32.const {})))", CALLS.len());
    for (name, types) in CALLS {
        let _ = write!(text, ") (i32.store (i32.const 128) (call ${name} ");
        let mut offset = 1;
        for kind in types.chars() {
            let (load, size) = if kind == 'I' { ("i64.load", 8) } else { ("i32.load", 4) };
            let _ = write!(text, "({load} offset={offset} (local.get $at)) ");
            offset += size;
        }
        let _ = writeln!(text, ")) (local.set $at (i32.add (local.get $at) (i32.const {offset}))) (br $next)");
    }
    text + ")))"
}

/// The guest, compiled, and a task whose outputs it validates.
fn guest() -> &'static (Sandbox, Program, Task) {
    static GUEST: OnceLock<(Sandbox, Program, Task)> = OnceLock::new();
    GUEST.get_or_init(|| {
        let cache = std::env::temp_dir().join("flow-sandbox-fuzz");
        let sandbox = Sandbox::open(&cache).expect("the sandbox opens");
        let mut source = Source::new(Language::Wasm, text());
        source.files.insert("folder/file.txt".into(), b"some text".to_vec());
        match sandbox.compile(&source, &Cancel::new()).expect("the sandbox works") {
            Compiled::Program(program) => {
                let mut task = Task::new(Source::new(Language::Wasm, ECHO), Vec::new());
                task.comparison = Comparison::Validator { source: Box::new(source), args: Vec::new() };
                (sandbox, program, task)
            }
            Compiled::Refused(why) => panic!("{why}"),
        }
    })
}

fn run(script: &[u8]) -> Execution {
    let (sandbox, program, _) = guest();
    let limits = Limits { memory: 1 << 16, output: 1 << 16, ..Limits::fuel(10_000_000) };
    sandbox.run(program, script, &limits, &Cancel::new()).expect("every run ends")
}

fn validate(script: &[u8]) -> Result<Report, String> {
    let (sandbox, _, task) = guest();
    // A test's input is text: bytes beyond ASCII reach the validator as two.
    let output: String = script.iter().map(|byte| char::from(*byte)).collect();
    let task = Task { tests: vec![Test::new(output, "answer")], ..task.clone() };
    match sandbox.judge(&task, &Cancel::new(), &mut |_| {}) {
        Err(Error::Checker(why)) => Err(why),
        report => Ok(report.expect("a validator that ends, ends in a verdict or in breaking its contract")),
    }
}

fuzz_target!(|script: &[u8]| {
    let script = &script[..script.len().min(SCRIPT as usize)];
    let once = run(script);
    assert_eq!(once, run(script), "two runs are not the same");
    match &once.end {
        // Arguments at the end of memory are read beyond it.
        End::Trap(why) => assert!(why.contains("out of bounds"), "{why}"),
        // A script may read itself again and again.
        End::Exit(0) | End::OutOfFuel | End::OutputLimit => {}
        end @ (End::Exit(_) | End::OutOfMemory | End::Aborted) => panic!("{end}"),
    }
    assert!(once.stdout.len() <= 1 << 16 && once.stderr.len() <= STDERR_BYTES);
    assert_eq!(validate(script), validate(script), "two validations are not the same");
});
