//! The crate from outside.

mod python;
mod wasm;
