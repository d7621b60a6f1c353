//! The engine's tests that need files: flows, vectors, walls.

mod bound_properties;
mod bounds;
mod cache;
mod checks;
#[path = "../harness/mod.rs"]
mod harness;
mod pages;
mod plans;
mod resume;
mod run_attempts;
mod run_properties;
mod schema;
mod store;
mod tidy;
mod vectors;
mod world;
