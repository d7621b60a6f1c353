//! YAML text to a tree that remembers every place. Parsing never fails: what is wrong is reported beside the tree.

mod document;
mod events;
mod route;
mod scalar;

pub use document::{Document, Entry, Node, NodeKind, ScalarStyle};
pub use route::{Route, Step};

use crate::diag::Diagnostics;
use crate::source::SourceId;

/// Reads one YAML document.
pub fn parse(source: SourceId, text: &str) -> (Document, Diagnostics) {
    events::read(source, text)
}
