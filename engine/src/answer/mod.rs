//! Answers of models: how a type is asked for ([`shape`], [`ask_json`], [`ask_yaml`], [`ask_fence`], [`reask`]) and how what
//! comes back is read ([`read`]).
//!
//! Reading is forgiving in form and strict in content: words around the answer, fences, the usual slips in JSON and YAML are
//! mended and reported, but a value that does not fit its type is never bent until it does. Everything here is pure.

mod ask;
mod find;
mod mend;
mod read;

pub use ask::{Shape, ask_fence, ask_json, ask_yaml, reask, shape};
pub use read::{Answer, read};
