//! Any bytes as a module: reading them ends in facts or in words, soon, and the facts hold.
//!
//! The pre-check is compiled into this program as the file that it is, so that no compiler of wasm has to be built.
#![no_main]

#[path = "../../src/inspect.rs"]
mod inspect;
#[path = "../../src/limits.rs"]
#[expect(dead_code, reason = "the pre-check needs one of the limits")]
mod limits;

use libfuzzer_sys::fuzz_target;
use wasmparser::{Parser, Payload};

fuzz_target!(|bytes: &[u8]| {
    // As the toolchain for wasm does: a text first becomes a binary.
    let Ok(wasm) = wat::parse_bytes(bytes) else { return };
    let found = inspect::inspect(&wasm);
    assert_eq!(found, inspect::inspect(&wasm), "two readings are not the same");
    match found {
        Ok(facts) => {
            assert_eq!(Ok(facts.initial_memory), inspect::initial_memory(&wasm));
            assert_eq!(facts.has_start, has_start(&wasm));
            assert!(facts.initial_memory <= 1 << 32, "more than a 32-bit memory holds");
        }
        Err(why) => assert!(!why.is_empty(), "a refusal without words"),
    }
});

fn has_start(wasm: &[u8]) -> bool {
    Parser::new(0).parse_all(wasm).any(|payload| matches!(payload, Ok(Payload::StartSection { .. })))
}
