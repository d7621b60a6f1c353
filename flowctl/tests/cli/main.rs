//! The program as people meet it: what it prints, where, and how it ends.

mod bad_input;
mod commands;
mod examples;
mod kill;
mod limits;
mod secrets;

use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

/// The project's folder: flows, examples and README are there.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `flowctl` in the project's folder, with no provider's key or place in its environment.
pub(crate) fn flowctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowctl"));
    command.current_dir(root());
    // Runs of tests are nobody's, and answers of one are not taken by another.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    command.env("FLOWCTL_RUNS", format!("{}/runs/{}-{nth}", env!("CARGO_TARGET_TMPDIR"), std::process::id()));
    for (name, _) in std::env::vars() {
        if name.ends_with("_API_KEY") || name.ends_with("_BASE_URL") {
            command.env_remove(name);
        }
    }
    command
}

/// How a command ended, with what it printed.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("flowctl prints UTF-8");
        let ended = Self {
            // Without a code it was killed by a signal, which nothing here does.
            code: output.status.code().expect("an exit code"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }

    /// Asserts the exit code.
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}:\n{}\n{}", self.stdout, self.stderr))
    }
}

/// Runs a command to its end.
pub(crate) fn end(command: &mut Command) -> Ended {
    Ended::of(command.output().expect("flowctl starts"))
}

/// Runs `flowctl` with arguments that hold no spaces.
pub(crate) fn call(arguments: &str) -> Ended {
    end(flowctl().args(arguments.split_whitespace()))
}

/// A folder with one flow, and its path.
pub(crate) fn flow_in_folder(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flow.yaml");
    fs::write(&path, text).expect("the flow is written");
    (folder, path)
}

/// Where nobody listens: a port that was free a moment ago.
pub(crate) fn nowhere() -> String {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}/v1", free.local_addr().expect("its address"))
}
