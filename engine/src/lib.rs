//! Flow engine.

pub mod answer;
pub mod check;
pub mod diag;
pub mod model;
pub mod plan;
pub mod run;
pub mod source;
pub mod spec;
pub mod syntax;
pub mod template;
pub mod value;
