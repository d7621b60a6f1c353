//! The engine's tests that need files: flows, vectors, walls.

mod bounds;
mod checks;
mod plans;
mod schema;
mod tidy;
mod vectors;
