//! env
pub(super) struct CompiledExpr;
pub(super) struct CompiledText;
