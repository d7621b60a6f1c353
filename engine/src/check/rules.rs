//! The rules by name: what `flowctl explain` lists, and what a test holds against pages and fixtures.

use crate::diag::Severity;

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its name.
    pub name: &'static str,
    /// Error or warning.
    pub severity: Severity,
}

const fn error(name: &'static str) -> RuleInfo {
    RuleInfo { name, severity: Severity::Error }
}

const fn warning(name: &'static str) -> RuleInfo {
    RuleInfo { name, severity: Severity::Warning }
}

/// All rules: reading, structure, names, types, loops, then warnings.
pub const RULES: [RuleInfo; 38] = [
    error("yaml"),
    error("duplicate-key"),
    error("anchor"),
    error("tag"),
    error("merge-key"),
    error("too-large"),
    error("unknown-key"),
    error("missing-key"),
    error("bad-value"),
    error("no-verb"),
    error("two-verbs"),
    error("missing-file"),
    error("outside-file"),
    error("unknown-type"),
    error("unknown-name"),
    error("unknown-path"),
    error("unknown-flow"),
    error("unknown-filter"),
    error("unknown-input"),
    error("missing-input"),
    error("bad-expression"),
    error("dollar-in-expression"),
    error("unbalanced-dollar"),
    error("reserved-name"),
    error("shadowed-name"),
    error("cycle"),
    error("recursion"),
    error("unbounded-loop"),
    error("null-value"),
    error("type-mismatch"),
    error("state-key"),
    error("each-and-loop"),
    error("thread-conflict"),
    warning("forgotten-dollar"),
    warning("no-effect"),
    warning("unused-node"),
    warning("unused-input"),
    warning("unused-param"),
];
