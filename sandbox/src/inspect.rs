//! The pre-check of modules: compiling cannot be interrupted, so what would take minutes is refused before it begins.
//!
//! This file needs a parser and nothing else of the crate but its limits, so that it can be fuzzed alone.

use wasmparser::{
    BlockType, CompositeInnerType, FunctionBody, MemorySectionReader, Operator, Parser, Payload, TypeRef,
    TypeSectionReader, Validator, WasmFeatures,
};

use crate::limits::MODULE_BYTES;

/// The most that a function's bytes times its locals may be: what compiling costs grows with it. C++ programs have
/// 0.4 million, QuickJS 2.7, CPython 13; at this bound a function takes seconds.
const MAX_FUNCTION: u64 = 16 << 20;

/// The most values that the blocks of one function may take and give, all together: each is one more for the compiler to
/// follow from there on. What real compilers emit gives at most one a block, and these are not counted.
const MAX_BLOCK_VALUES: u64 = 1 << 14;

/// What the pre-check finds out about a module.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Bytes of memory before anything runs.
    pub(crate) initial_memory: u64,
    /// Whether instantiating runs code.
    pub(crate) has_start: bool,
}

/// Looks a module over: whether it is one, and whether compiling it will end soon.
pub(crate) fn inspect(wasm: &[u8]) -> Result<Facts, String> {
    if wasm.len() > MODULE_BYTES {
        return Err(format!("the module has {} bytes; at most {MODULE_BYTES} are compiled", wasm.len()));
    }
    let mut facts = Facts::default();
    let (mut imported, mut body) = (0u64, 0u64);
    let mut types = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| error.to_string())? {
            Payload::TypeSection(section) => types = block_values(section)?,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(|error| error.to_string())?;
                    match import.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => imported += 1,
                        _ => {
                            return Err(format!(
                                "the module imports `{}.{}`, which is no function",
                                import.module, import.name
                            ));
                        }
                    }
                }
            }
            Payload::MemorySection(section) => facts.initial_memory = memory_bytes(section)?,
            Payload::StartSection { .. } => facts.has_start = true,
            Payload::CodeSectionEntry(function) => {
                body += 1;
                let mut locals = 0u64;
                for group in function.get_locals_reader().map_err(|error| error.to_string())? {
                    locals += u64::from(group.map_err(|error| error.to_string())?.0);
                }
                let (bytes, index) = (function.range().len() as u64, imported + body - 1);
                if bytes.saturating_mul(locals) > MAX_FUNCTION {
                    return Err(format!(
                        "function {index} has {bytes} bytes and {locals} locals, which would take too long to compile"
                    ));
                }
                let values = values(&function, &types)?;
                if values > MAX_BLOCK_VALUES {
                    return Err(format!(
                        "the blocks of function {index} take and give {values} values, which would take too long to compile"
                    ));
                }
            }
            _ => {}
        }
    }
    Validator::new_with_features(features()).validate_all(wasm).map_err(|error| error.to_string())?;
    Ok(facts)
}

/// How many values a block of each type takes and gives. Sections are read before they are validated, so a type that is
/// none of a function's counts nothing.
fn block_values(section: TypeSectionReader<'_>) -> Result<Vec<u64>, String> {
    let mut values = Vec::new();
    for group in section {
        for kind in group.map_err(|error| error.to_string())?.types() {
            values.push(match &kind.composite_type.inner {
                CompositeInnerType::Func(kind) => (kind.params().len() + kind.results().len()) as u64,
                CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) | CompositeInnerType::Cont(_) => 0,
            });
        }
    }
    Ok(values)
}

/// The values that all blocks of a function take and give whose type says more than "one result".
fn values(function: &FunctionBody<'_>, types: &[u64]) -> Result<u64, String> {
    let mut sum = 0u64;
    let mut operators = function.get_operators_reader().map_err(|error| error.to_string())?;
    while !operators.eof() {
        let block = match operators.read().map_err(|error| error.to_string())? {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => blockty,
            Operator::TryTable { try_table } => try_table.ty,
            _ => continue,
        };
        if let BlockType::FuncType(index) = block {
            sum = sum.saturating_add(types.get(index as usize).copied().unwrap_or(0));
        }
    }
    Ok(sum)
}

/// Bytes of memory that a module of ours has before it runs.
pub(crate) fn initial_memory(wasm: &[u8]) -> Result<u64, String> {
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::MemorySection(section) = payload.map_err(|error| error.to_string())? {
            return memory_bytes(section);
        }
    }
    Ok(0)
}

fn memory_bytes(section: MemorySectionReader<'_>) -> Result<u64, String> {
    let mut bytes = 0u64;
    for memory in section {
        let memory = memory.map_err(|error| error.to_string())?;
        let page = 1u64 << memory.page_size_log2.unwrap_or(16).min(16);
        bytes = bytes.saturating_add(memory.initial.saturating_mul(page));
    }
    Ok(bytes)
}

/// What candidates may use of wasm: what the engine is configured for, and no threads, which are not deterministic.
fn features() -> WasmFeatures {
    WasmFeatures::WASM3.difference(WasmFeatures::MEMORY64 | WasmFeatures::MULTI_MEMORY | WasmFeatures::THREADS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Result<Facts, String> {
        inspect(&wat::parse_str(text).expect("the test's own text is a module"))
    }

    #[test]
    fn facts_are_read_off_the_module() {
        let found = facts("(module (memory (export \"memory\") 3) (func $s) (func (export \"_start\")) (start $s))");
        assert_eq!(found, Ok(Facts { initial_memory: 3 << 16, has_start: true }));
    }

    #[test]
    fn a_function_that_would_compile_for_minutes_is_refused() {
        let body = "(loop (br_if 0 (local.get 0)))".repeat(20_000);
        let found = facts(&format!("(module (func (param i32) {} {body}))", "(local i32)".repeat(6_000)));
        assert!(found.is_err_and(|why| why.contains("6000 locals")));
    }

    #[test]
    fn blocks_that_take_many_values_are_refused() {
        let blocks = |n: usize| {
            let body = format!("{}{}{}", "(loop (type $t)".repeat(n), ")".repeat(n), "drop ".repeat(100));
            facts(&format!(
                "(module (type $t (func (param{0}) (result{0}))) (func {1} {body}))",
                " i32".repeat(100),
                "(i32.const 0)".repeat(100)
            ))
        };
        assert!(blocks(80).is_ok());
        assert!(blocks(90).is_err_and(|why| why.contains("take and give 18000 values")));
    }

    #[test]
    fn what_is_no_module_is_refused_in_words() {
        assert!(inspect(b"not wasm").is_err());
        assert!(facts("(module (memory 1) (memory 1))").is_err_and(|why| why.contains("multiple memories")));
        assert!(facts("(module (import \"m\" \"g\" (global i32)))").is_err_and(|why| why.contains("`m.g`")));
    }
}
