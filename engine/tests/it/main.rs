//! The engine's tests that need files: flows, vectors, walls.

mod checks;
mod pages;
mod schema;
mod tidy;
mod vectors;
