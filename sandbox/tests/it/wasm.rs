//! Guests in the text form of wasm.
