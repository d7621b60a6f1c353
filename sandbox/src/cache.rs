//! The folder where packages, toolchains and compiled modules are kept. Only the user may write there, because compiled
//! modules are run as they are found.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use crate::toolchain::Progress;

/// wasmtime's version: it decides what an instruction costs, and is part of every key. wasmtime does not tell it, so a
/// test holds it against the lock file.
pub(crate) const WASMTIME: &str = "48.0.8";

/// The cache folder.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// A cache in this folder, which need not be there yet.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a package with this hash lies.
    pub(crate) fn wheels(&self) -> PathBuf {
        self.root.join("wheels")
    }

    /// Where a toolchain lies.
    pub(crate) fn toolchain(&self, id: &str) -> PathBuf {
        self.root.join("toolchains").join(id)
    }

    /// Makes a folder of the cache that only the user may enter.
    pub(crate) fn make(&self, folder: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)
    }

    /// Holds a lock by name until the file is dropped: two processes do not make the same thing at once.
    pub(crate) fn lock_for(&self, name: &str, on: &mut dyn FnMut(Progress)) -> io::Result<File> {
        self.make(&self.root)?;
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(self.root.join(format!("{name}.lock")))?;
        if file.try_lock().is_err() {
            on(Progress::Waiting);
            file.lock()?;
        }
        Ok(file)
    }

    /// Writes a file so that it is there whole or not at all.
    pub(crate) fn write(&self, path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        self.make(folder)?;
        let mut part = tempfile::Builder::new().suffix(".part").tempfile_in(folder)?;
        content(part.as_file_mut())?;
        part.as_file().sync_all()?;
        part.persist(path)?;
        Ok(())
    }

    /// The name under which a module's machine code is kept: it holds for this wasm, this wasmtime, these settings and
    /// this processor only.
    fn module_key(engine: &Engine, wasm: &[u8]) -> String {
        format!("{}-{WASMTIME}-{}.cwasm", sha256(wasm), engine_key(engine))
    }

    /// A module compiled, from the cache when it was before. A cache that cannot be written costs time, nothing else.
    pub(crate) fn module(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
        let path = self.root.join("modules").join(Self::module_key(engine, wasm));
        if let Some(module) = self.map(engine, &path) {
            return Ok(module);
        }
        let code = engine.precompile_module(wasm)?;
        let kept = self.write(&path, |file| file.write_all(&code));
        match kept.ok().and_then(|()| self.map(engine, &path)) {
            Some(module) => Ok(module),
            None => {
                #[expect(
                    unsafe_code,
                    reason = "these bytes were made by this engine a moment ago, and nobody else had them"
                )]
                // SAFETY: see the reason.
                unsafe {
                    Module::deserialize(engine, &code)
                }
            }
        }
    }

    /// A program's wasm, from the cache when it was compiled before. A cache that cannot be written costs time, nothing else.
    pub(crate) fn program<E>(&self, key: &str, build: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        let path = self.root.join("programs").join(format!("{key}.wasm"));
        if let Ok(wasm) = fs::read(&path) {
            return Ok(wasm);
        }
        let wasm = build()?;
        drop(self.write(&path, |file| file.write_all(&wasm)));
        Ok(wasm)
    }

    /// Whether a file, its folder and the cache are this user's, and nobody else may put a file there.
    #[cfg(unix)]
    fn only_ours(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let me = rustix::process::geteuid().as_raw();
        let ours = |path: &Path, writers: u32| {
            fs::metadata(path).is_ok_and(|found| found.uid() == me && found.mode() & writers == 0)
        };
        // Of a folder that is not ours to make, a group may be its user alone.
        ours(path, 0) && path.parent().is_some_and(|folder| ours(folder, 0o022)) && ours(&self.root, 0o002)
    }

    /// Where folders belong to nobody, it is enough that it is there.
    #[cfg(not(unix))]
    fn only_ours(&self, path: &Path) -> bool {
        path.exists()
    }

    /// Machine code that we wrote before, mapped.
    pub(crate) fn map(&self, engine: &Engine, path: &Path) -> Option<Module> {
        if !self.only_ours(path) {
            return None;
        }
        #[expect(unsafe_code, reason = "the file was written whole by us, in a folder that only the user may write")]
        // SAFETY: see the reason; wasmtime itself checks that version, settings and processor are the ones it was made for.
        unsafe {
            Module::deserialize_file(engine, path).ok()
        }
    }
}

/// What machine code depends on beside the wasm: settings and processor.
pub(crate) fn engine_key(engine: &Engine) -> String {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    format!("{:016x}", settings.finish())
}

/// Bytes of all files in a folder; what cannot be read counts nothing.
pub(crate) fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            _ => entry.metadata().map_or(0, |file| file.len()),
        })
        .sum()
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_in_keys_is_the_one_that_is_linked() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
        let lock = fs::read_to_string(lock).expect("the lock file is readable");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME}\"")), "another wasmtime is linked");
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path());
        let path = cache.toolchain("x").join("file");
        let failed = cache.write(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(cache.toolchain("x")).expect("the folder is there").count(), 0);
    }

    #[test]
    fn hashes_are_those_of_the_standard() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
