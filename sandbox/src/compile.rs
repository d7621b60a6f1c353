//! A module made ready to run: inspected if it is a candidate's, compiled or found in the cache, linked.

use std::sync::Arc;

use wasmtime::ExternType;

use crate::cache::{WASMTIME, sha256};
use crate::files::{Content, FileTree};
use crate::guest::Start;
use crate::inspect::{initial_memory, inspect};
use crate::limits::Limits;
use crate::report::Provenance;
use crate::run::{Entry, Runnable};
use crate::source::Files;
use crate::toolchain::{Refusal, Toolchain, Workshop};

/// The files of a source as a guest sees them.
pub(crate) fn file_tree(files: &Files) -> FileTree {
    let mut tree = FileTree::default();
    for (path, bytes) in files {
        tree.insert(path, Content::Bytes(Arc::from(bytes.as_slice())));
    }
    tree
}

/// A candidate's own module: inspected, compiled, linked.
pub(crate) fn module(
    shop: &Workshop,
    toolchain: &dyn Toolchain,
    wasm: &[u8],
    start: Start,
    extra_memory: u64,
    flags: Vec<String>,
) -> Result<Runnable, Refusal> {
    let facts = inspect(wasm).map_err(Refusal::Program)?;
    let module = shop.cache.module(&shop.host.engine, wasm).map_err(refused)?;
    match module.get_export("_start") {
        Some(ExternType::Func(start)) if start.params().len() == 0 && start.results().len() == 0 => {}
        _ => {
            return Err(Refusal::Program(
                "the module exports no function `_start` that takes and gives nothing".into(),
            ));
        }
    }
    Ok(Runnable {
        pre: shop.host.linker.instantiate_pre(&module).map_err(refused)?,
        entry: Entry::Start,
        start,
        initial_memory: facts.initial_memory,
        extra_memory,
        has_start: facts.has_start,
        provenance: Provenance { flags, ..provenance(toolchain, wasm) },
    })
}

/// An interpreter of ours, compiled and linked; it is not inspected, because its hash is pinned.
pub(crate) fn interpreter(
    shop: &Workshop,
    toolchain: &dyn Toolchain,
    wasm: &[u8],
    entry: Entry,
    start: Start,
) -> Result<Runnable, Refusal> {
    let module = shop.cache.module(&shop.host.engine, wasm).map_err(refused)?;
    Ok(Runnable {
        pre: shop.host.linker.instantiate_pre(&module).map_err(refused)?,
        entry,
        start,
        initial_memory: initial_memory(wasm).map_err(Refusal::Program)?,
        extra_memory: 0,
        has_start: false,
        provenance: provenance(toolchain, wasm),
    })
}

fn refused(error: wasmtime::Error) -> Refusal {
    Refusal::Program(format!("{error:#}"))
}

fn provenance(toolchain: &dyn Toolchain, wasm: &[u8]) -> Provenance {
    Provenance {
        language: toolchain.language(),
        wasmtime: WASMTIME.to_owned(),
        toolchain: toolchain.name(),
        flags: Vec::new(),
        wasm_sha256: Some(sha256(wasm)),
        program_sha256: None,
        limits: Limits::default(),
    }
}
