//! WebAssembly as it is: a binary or its text, entered at `_start`, with WASI preview 1 as its only imports.

use std::path::PathBuf;
use std::sync::Arc;

use super::package::Package;
use super::{Error, Origin, Progress, Refusal, State, Toolchain, Workshop};
use crate::cancel::Cancel;
use crate::compile;
use crate::guest::Start;
use crate::limits::MODULE_BYTES;
use crate::run::Runnable;
use crate::source::{Language, Source};

pub(super) struct Wasm;

impl Toolchain for Wasm {
    fn language(&self) -> Language {
        Language::Wasm
    }

    fn name(&self) -> String {
        format!("wasmtime {}", crate::cache::WASMTIME)
    }

    fn package(&self) -> Option<&'static Package> {
        None
    }

    fn state(&self, _shop: &Workshop) -> (State, Vec<PathBuf>) {
        (State::Ready, Vec::new())
    }

    fn setup(&self, _shop: &Workshop, _origin: Origin<'_>, _on: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        Ok(())
    }

    fn compile(&self, shop: &Workshop, source: &Source, _cancel: &Cancel) -> Result<Runnable, Refusal> {
        let wasm = binary(&source.code)?;
        let start = Start {
            args: Arc::from(["main.wasm".to_owned()]),
            files: Arc::new(compile::file_tree(&source.files)),
            ..Start::default()
        };
        compile::module(shop, self, &wasm, start, 0, Vec::new())
    }
}

/// The binary of a text, or the binary itself.
fn binary(code: &[u8]) -> Result<Vec<u8>, Refusal> {
    if code.len() > MODULE_BYTES {
        return Err(Refusal::Program(format!("the module has {} bytes; at most {MODULE_BYTES} are read", code.len())));
    }
    wat::parse_bytes(code).map(std::borrow::Cow::into_owned).map_err(|error| Refusal::Program(error.to_string()))
}
