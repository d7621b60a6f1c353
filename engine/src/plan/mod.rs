//! A checked flow as a graph that is ready to run, and the calls it may make.

pub mod bound;
