//! The engine's tests that need files: flows, vectors, walls.

mod bounds;
mod checks;
mod schema;
mod tidy;
mod run_properties;
mod run_attempts;
mod vectors;
mod world;
