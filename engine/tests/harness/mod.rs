//! Runs the conformance vectors: those without programs in the engine's tests, all of them in flowctl's, which includes
//! this folder by its path.

mod bounds;
mod flows;
mod vectors;
mod world;

pub(crate) use bounds::{bound_of, numbers};
pub(crate) use flows::{Disk, check_file, check_vector, expected, found, here, listing, misfound};
pub(crate) use vectors::{Vector, differences, given, prepared, vectors};
pub(crate) use world::{Kept, Ran, drive, go_on, jobs, paused, play_given, record};
