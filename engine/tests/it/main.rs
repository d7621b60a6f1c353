//! The engine's tests that need files: flows, vectors, walls.

mod tidy;
