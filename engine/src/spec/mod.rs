//! The file format.
pub mod types;
