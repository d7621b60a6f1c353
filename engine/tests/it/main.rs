//! What the engine promises about files: fixtures in, findings and results out.

mod schema;
