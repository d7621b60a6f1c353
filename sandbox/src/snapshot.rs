//! An interpreter started once, frozen in memory, and entered again for each test.
//!
//! A module is run until it ends itself from the middle of its work; that unwinds the host, and the guest's memory stays
//! as it was. The memory becomes a new module's data, and a function of that memory is where runs enter.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ExportKind, ExportSection, RawSection};
use wasmparser::{Parser, Payload, ValType};
use wasmtime::{Error, Instance, Linker, Memory, Module, Result, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, Wizer};

use crate::cancel::Cancel;
use crate::engine::throwaway_engine;
use crate::fault::End;
use crate::guard::Guard;
use crate::guest::{Guest, Start};
use crate::limits::Limits;
use crate::run::Patience;

/// The export under which a frozen module shows its table.
pub(crate) const TABLE: &str = "flow_table";

/// A module that has run and stopped, before it is frozen.
pub(crate) struct Stopped {
    store: Store<Guest>,
    instance: Instance,
    memory: Memory,
}

impl Stopped {
    /// What it wrote to standard output.
    pub(crate) fn stdout(&self) -> &[u8] {
        &self.store.data().stdout
    }

    /// The guest's memory, to be read and mended.
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    /// The value of the module's only mutable global: the stack pointer of what clang compiles.
    pub(crate) fn stack_pointer(&mut self) -> Result<u32> {
        let global = self.instance.get_global(&mut self.store, "__wizer_global_0");
        match global.map(|global| global.get(&mut self.store)) {
            Some(Val::I32(pointer)) => Ok(pointer.cast_unsigned()),
            _ => Err(Error::msg("the module has no stack pointer")),
        }
    }
}

/// Runs `exports` of a module one after the other until it exits with `code`, lets `mend` look at what is there, and
/// gives back the module that begins where this one stopped, with what `mend` found.
pub(crate) fn freeze<T>(
    wasm: &[u8],
    start: &Start,
    exports: &[&str],
    code: i32,
    mend: impl FnOnce(&mut Stopped) -> Result<T>,
) -> Result<(Vec<u8>, T)> {
    let wasm = export_table(wasm)?;
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument(&wasm)?;
    let engine = throwaway_engine()?;
    let module = Module::new(&engine, &instrumented)?;
    let mut linker = Linker::new(&engine);
    crate::wasi::link(&mut linker)?;
    linker.define_unknown_imports_as_traps(&module)?;
    let limits = Limits { memory: u64::MAX, ..Limits::fuel(u64::MAX) };
    let patience = Patience { guard: Guard::new(Duration::MAX), cancel: Cancel::new() };
    let mut store = Store::new(&engine, Guest::new(start, Arc::default(), &limits, 0, patience));
    store.set_fuel(u64::MAX)?;
    let instance = now(linker.instantiate_async(&mut store, &module))?;
    let ended = exports.iter().try_for_each(|export| {
        let function =
            instance.get_func(&mut store, export).ok_or_else(|| Error::msg(format!("the module has no `{export}`")))?;
        let mut results = vec![Val::I32(0); function.ty(&store).results().len()];
        now(function.call_async(&mut store, &[], &mut results))
    });
    match ended {
        Err(error) if End::of(&error) == End::Exit(code) => {}
        Err(error) => return Err(Error::msg(format!("{}: {}", End::of(&error), said(&store)))),
        Ok(()) => return Err(Error::msg(format!("the module did not stop where it should: {}", said(&store)))),
    }
    let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| Error::msg("the module has no memory"))?;
    let mut stopped = Stopped { store, instance, memory };
    let found = mend(&mut stopped)?;
    let frozen = now(wizer.snapshot(&context, &mut State(&mut stopped)))?;
    Ok((frozen, found))
}

fn said(store: &Store<Guest>) -> String {
    String::from_utf8_lossy(&store.data().stderr).trim().to_owned()
}

/// The module with its first table exported, and without what only debuggers read.
fn export_table(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut module = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                for export in section {
                    RoundtripReencoder.parse_export(&mut exports, export?).map_err(|e| Error::msg(e.to_string()))?;
                }
                exports.export(TABLE, ExportKind::Table, 0);
                module.section(&exports);
            }
            Payload::CustomSection(_) => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    module.section(&RawSection { id, data: &wasm[range] });
                }
            }
        }
    }
    Ok(module.finish())
}

/// The result of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("internal error: reading a stopped instance waits for nothing"),
    }
}

struct State<'a>(&'a mut Stopped);

impl InstanceState for State<'_> {
    async fn global_get(&mut self, name: &str, _type: ValType) -> SnapshotVal {
        let Stopped { store, instance, .. } = &mut *self.0;
        match instance.get_global(&mut *store, name).map(|global| global.get(store)) {
            Some(Val::I32(x)) => SnapshotVal::I32(x),
            Some(Val::I64(x)) => SnapshotVal::I64(x),
            Some(Val::F32(x)) => SnapshotVal::F32(x),
            Some(Val::F64(x)) => SnapshotVal::F64(x),
            Some(Val::V128(x)) => SnapshotVal::V128(x.as_u128()),
            _ => unreachable!("internal error: wizer asks for the globals that it exported, and refuses references"),
        }
    }

    async fn memory_contents(&mut self, _name: &str, contents: impl FnOnce(&[u8]) + Send) {
        // A pool's module has one memory, and `freeze` found it.
        contents(self.0.memory.data(&self.0.store));
    }
}
