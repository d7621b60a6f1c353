//! Where a piece of a flow stands: its key route, and the text its offsets count in.

use crate::diag::Span;
use crate::source::{SourceId, Sources};
use crate::syntax::{Node, Route, place};

/// The place of an expression or text.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The key route; for a prompt file the key that names it.
    pub(super) at: Route,
    text: PlacedText,
}

#[derive(Debug, Clone)]
enum PlacedText {
    /// Inside a scalar of the flow file, from this byte of the scalar's text.
    Scalar(Node, usize),
    /// A whole file.
    File(SourceId),
    /// Offsets mean nothing (a partial's): the whole of another place.
    Whole(Span),
}

impl Place {
    pub(super) fn scalar(at: &Route, node: &Node, base: usize) -> Self {
        Self { at: at.clone(), text: PlacedText::Scalar(node.clone(), base) }
    }

    pub(super) fn file(at: &Route, source: SourceId) -> Self {
        Self { at: at.clone(), text: PlacedText::File(source) }
    }

    /// The same route, all offsets at one span.
    pub(super) fn whole(&self, span: Span) -> Self {
        Self { at: self.at.clone(), text: PlacedText::Whole(span) }
    }

    /// The place of bytes `start..end` of the piece's text.
    pub(super) fn span(&self, sources: &Sources, start: usize, end: usize) -> Span {
        match &self.text {
            PlacedText::Scalar(node, base) => {
                place(&sources.get(node.span.source).text, node, base + start, base + end)
            }
            PlacedText::File(source) => Span::new(*source, start, end),
            PlacedText::Whole(span) => *span,
        }
    }
}
