//! How much a flow may do: values known only in part (a range, a length, a type), and the walk that counts calls with them.
//!
//! Used twice over the same checked flow: by the checker, to ask whether every loop and list has a bound, and by the
//! plan, to say how few and how many calls a run makes. This part never runs a node and never refuses a flow.

mod eval;
mod filters;
mod formula;
mod of_type;
mod value;

pub use formula::Formula;
