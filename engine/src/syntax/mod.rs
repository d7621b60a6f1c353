//! YAML text to a tree that remembers every place. Parsing never fails: what is wrong is reported beside the tree.

mod commas;
mod document;
mod events;
mod route;
mod scalar;

pub use document::{Document, Entry, Node, NodeKind, ScalarStyle};
pub use route::{Route, Step};
pub use scalar::{core_value, place};

use crate::diag::Diagnostics;
use crate::source::SourceId;

/// Reads one YAML document; a JSON text is one.
pub fn parse(source: SourceId, text: &str) -> (Document, Diagnostics) {
    let (mut document, mut found) = events::read(source, text);
    commas::check(text, &mut document, &mut found);
    (document, found)
}
