//! Flow sandbox.
