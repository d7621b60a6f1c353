//! Rust, by the compiler that the user has, where it has the standard library for WASI: no registry carries that.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use super::package::{Package, at};
use super::work::Work;
use super::{Error, Origin, Progress, Refusal, State, Toolchain, Workshop};
use crate::cache::sha256;
use crate::cancel::Cancel;
use crate::child::{self, CPU_SECONDS, Ended};
use crate::compile;
use crate::guest::Start;
use crate::run::Runnable;
use crate::source::{Language, Source};

const TARGET: &str = "wasm32-wasip1";

const FLAGS: [&str; 11] = [
    "--edition=2021",
    "--target",
    TARGET,
    "-O",
    "--cap-lints=allow",
    "--color=never",
    "-Cpanic=abort",
    "-Cstrip=symbols",
    "-Clink-arg=-zstack-size=268435456",
    "-o",
    "out.wasm",
];

/// The program's stack in linear memory, as deep as the one for wasm.
const STACK: u64 = 256 << 20;

/// The user's compiler, looked for once.
#[derive(Default)]
pub(super) struct Rust {
    found: OnceLock<Result<String, String>>,
}

impl Rust {
    /// The compiler's version, or what is missing.
    fn version(&self) -> &Result<String, String> {
        self.found.get_or_init(|| {
            let no_rust = || "no `rustc` was found on the path".to_owned();
            let version = said(&["--version"]).ok_or_else(no_rust)?;
            let library = said(&["--print", "target-libdir", "--target", TARGET]).ok_or_else(no_rust)?;
            if Path::new(&library).is_dir() {
                Ok(version)
            } else {
                Err(format!("{version} has no standard library for {TARGET}: `rustup target add {TARGET}`"))
            }
        })
    }
}

/// What the compiler answers.
fn said(args: &[&str]) -> Option<String> {
    let output = Command::new("rustc").args(args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Toolchain for Rust {
    fn language(&self) -> Language {
        Language::Rust
    }

    fn name(&self) -> String {
        self.version().clone().unwrap_or_else(|_| "rustc".to_owned())
    }

    fn package(&self) -> Option<&'static Package> {
        None
    }

    fn state(&self, _shop: &Workshop) -> (State, Vec<PathBuf>) {
        (if self.version().is_ok() { State::Ready } else { State::Missing }, Vec::new())
    }

    fn hint(&self) -> Option<String> {
        self.version().clone().err()
    }

    fn setup(&self, _shop: &Workshop, _origin: Origin<'_>, _on: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        self.version().as_ref().map(drop).map_err(|how| Error::Missing { how: how.clone() })
    }

    fn compile(&self, shop: &Workshop, source: &Source, cancel: &Cancel) -> Result<Runnable, Refusal> {
        let version = self.version().as_ref().map_err(|how| Error::Missing { how: how.clone() })?;
        let key = sha256(&[format!("{version} {FLAGS:?} ").as_bytes(), &source.code].concat());
        let wasm = shop.cache.program(&key, || build(shop, source, cancel))?;
        let start = Start {
            args: Arc::from(["main".to_owned()]),
            files: Arc::new(compile::file_tree(&source.files)),
            ..Start::default()
        };
        compile::module(shop, self, &wasm, start, STACK, FLAGS.map(str::to_owned).to_vec())
    }
}

fn build(shop: &Workshop, source: &Source, cancel: &Cancel) -> Result<Vec<u8>, Refusal> {
    let work = Work::new(shop)?;
    let path = work.0.join("main.rs");
    fs::File::create(&path).and_then(|mut file| file.write_all(&source.code)).map_err(at(&path))?;
    let mut command = Command::new("rustc");
    command.args(FLAGS).arg("main.rs").current_dir(&work.0);
    match child::run(&command, &work.0.join("log"), CPU_SECONDS, cancel).map_err(at(&work.0))? {
        Ended::Exit(status, _) if status.success() => {
            let out = work.0.join("out.wasm");
            Ok(fs::read(&out).map_err(at(&out))?)
        }
        Ended::Exit(status, said) => {
            work.has_room()?;
            Err(Refusal::Program(child::words(status, &said)))
        }
        Ended::Aborted => Err(Refusal::Aborted),
    }
}
