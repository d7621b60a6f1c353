//! Document to checked flow.
pub mod flow;
