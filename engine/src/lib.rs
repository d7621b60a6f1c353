//! Flow engine.
