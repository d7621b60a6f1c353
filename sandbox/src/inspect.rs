//! The pre-check of modules: compiling cannot be interrupted, so what would take minutes is refused before it begins.
//!
//! This file needs a parser and nothing else of the crate but its limits, so that it can be fuzzed alone.

use wasmparser::{
    BlockType, CompositeInnerType, FunctionBody, MemorySectionReader, Operator, Parser, Payload, TypeRef,
    TypeSectionReader, Validator, WasmFeatures,
};

use crate::limits::MODULE_BYTES;

/// The most that compiling a module may cost, see [`cost`]. A unit is about a tenth of a microsecond of one core, so this
/// is some ten seconds. C++ programs cost up to 20 million, QuickJS 60; what is made to keep a compiler busy can cost
/// hours within a few KB.
const MAX_COST: u64 = 128 << 20;

/// The longest function in bytes: what the compiler holds in memory grows with it, to 1.5 KB a byte. CPython's longest has
/// 186,000, QuickJS's 55,000.
const MAX_FUNCTION: u64 = 256 << 10;

/// What is said of a module that costs more.
const TOO_LONG: &str =
    "the module would take too long to compile: its functions are too long, or have too many loops or locals";

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
    let mut spent = 0u64;
    let mut types = Vec::new();
    let mut functions = Vec::new();
    let mut bodies = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| error.to_string())? {
            Payload::TypeSection(section) => types = signatures(section)?,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(|error| error.to_string())?;
                    match import.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => {}
                        _ => {
                            return Err(format!(
                                "the module imports `{}.{}`, which is no function",
                                import.module, import.name
                            ));
                        }
                    }
                }
            }
            Payload::FunctionSection(section) => {
                functions = section.into_iter().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
            }
            Payload::MemorySection(section) => facts.initial_memory = memory_bytes(section)?,
            Payload::StartSection { .. } => facts.has_start = true,
            Payload::CodeSectionEntry(function) => {
                // Sections are read before they are validated: a function of no known type has no parameters.
                let signature = functions.get(bodies).and_then(|kind: &u32| types.get(*kind as usize));
                bodies += 1;
                if function.range().len() as u64 > MAX_FUNCTION {
                    return Err(TOO_LONG.to_owned());
                }
                let found = cost(&function, signature.map_or(0, |signature: &Signature| signature.params), &types)?;
                spent = spent.saturating_add(found);
                if spent > MAX_COST {
                    return Err(TOO_LONG.to_owned());
                }
            }
            _ => {}
        }
    }
    Validator::new_with_features(features()).validate_all(wasm).map_err(|error| error.to_string())?;
    Ok(facts)
}

/// How many values a function or block of a type takes and gives.
struct Signature {
    params: u64,
    results: u64,
}

/// The signatures of a module's types; what is no function's has none of either.
fn signatures(section: TypeSectionReader<'_>) -> Result<Vec<Signature>, String> {
    let mut signatures = Vec::new();
    for group in section {
        for kind in group.map_err(|error| error.to_string())?.types() {
            let (params, results) = match &kind.composite_type.inner {
                CompositeInnerType::Func(kind) => (kind.params().len(), kind.results().len()),
                CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) | CompositeInnerType::Cont(_) => (0, 0),
            };
            signatures.push(Signature { params: params as u64, results: results as u64 });
        }
    }
    Ok(signatures)
}

/// What a construct does to what the compiler follows, until its end.
#[derive(PartialEq)]
enum Scope {
    Block,
    Loop,
    Try,
}

/// What compiling a function costs, by what was measured of cranelift 0.135: each byte, and each function by itself, costs
/// what there is to follow: parameters, locals, and what blocks take and give; the `n`th loop costs as much as `n` (as does an operator
/// that becomes a loop), more the deeper it lies in others; a call within `d` nested `try`s has `d` more ends, and costs
/// about the square of that; a branch costs the number of blocks that it leaves.
fn cost(function: &FunctionBody<'_>, params: u64, types: &[Signature]) -> Result<u64, String> {
    let mut followed = 32 + params;
    for group in function.get_locals_reader().map_err(|error| error.to_string())? {
        followed += u64::from(group.map_err(|error| error.to_string())?.0);
    }
    let mut cost = 0u64;
    let (mut scopes, mut loops, mut loop_depth, mut try_depth) = (Vec::new(), 0u64, 0u64, 0u64);
    let mut operators = function.get_operators_reader().map_err(|error| error.to_string())?;
    while !operators.eof() {
        let operator = operators.read().map_err(|error| error.to_string())?;
        match &operator {
            Operator::Block { .. } | Operator::If { .. } => scopes.push(Scope::Block),
            Operator::Loop { .. } => {
                scopes.push(Scope::Loop);
                loop_depth += 1;
                loops += 1;
                cost = cost.saturating_add(loops.saturating_mul(2)).saturating_add(loop_depth * loop_depth / 16);
            }
            Operator::TryTable { .. } => {
                scopes.push(Scope::Try);
                try_depth += 1;
            }
            Operator::End => match scopes.pop() {
                Some(Scope::Loop) => loop_depth -= 1,
                Some(Scope::Try) => try_depth -= 1,
                // The function's own end, or one too many, which validation finds.
                Some(Scope::Block) | None => {}
            },
            Operator::Br { relative_depth }
            | Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth } => cost = cost.saturating_add(u64::from(*relative_depth) / 2),
            Operator::BrTable { targets } => {
                for target in targets.targets() {
                    cost = cost.saturating_add(u64::from(target.map_err(|error| error.to_string())?) / 4);
                }
            }
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef => cost = cost.saturating_add(44 * try_depth * (try_depth + 8)),
            other => {
                // An array may be said to have any number of items, where nothing gets to.
                let more = long_in_machine_code(other);
                loops = loops.saturating_add(more);
                cost = cost.saturating_add(loops.saturating_mul(more).saturating_mul(2));
            }
        }
        if let Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } = operator {
            followed += block_values(blockty, types);
        } else if let Operator::TryTable { try_table } = operator {
            followed += block_values(try_table.ty, types);
        }
    }
    Ok(cost.saturating_add(followed.saturating_mul(64 + function.range().len() as u64)))
}

/// How many loops an operator costs as much as, because it becomes one, or a call of the host with what goes around it.
fn long_in_machine_code(operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::MemoryCopy { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryInit { .. }
        | Operator::MemoryGrow { .. }
        | Operator::TableCopy { .. }
        | Operator::TableFill { .. }
        | Operator::TableInit { .. }
        | Operator::TableGrow { .. }
        | Operator::StructNew { .. }
        | Operator::StructNewDefault { .. }
        | Operator::ArrayNew { .. }
        | Operator::ArrayNewDefault { .. }
        | Operator::ArrayNewData { .. }
        | Operator::ArrayNewElem { .. }
        | Operator::ArrayCopy { .. }
        | Operator::ArrayFill { .. }
        | Operator::ArrayInitData { .. }
        | Operator::ArrayInitElem { .. }
        | Operator::RefTestNonNull { .. }
        | Operator::RefTestNullable { .. }
        | Operator::RefCastNonNull { .. }
        | Operator::RefCastNullable { .. }
        | Operator::BrOnCast { .. }
        | Operator::BrOnCastFail { .. } => 1,
        Operator::ArrayNewFixed { array_size, .. } => u64::from(*array_size),
        _ => 0,
    }
}

/// The values that a block takes and gives whose type says more than "one result".
fn block_values(kind: BlockType, types: &[Signature]) -> u64 {
    match kind {
        BlockType::FuncType(index) => types.get(index as usize).map_or(0, |kind| kind.params + kind.results),
        BlockType::Empty | BlockType::Type(_) => 0,
    }
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
        assert!(found.is_err_and(|why| why.contains("too long to compile")));
    }

    /// Each of these small modules kept cranelift busy for more than 14 seconds, some for minutes.
    #[test]
    fn small_modules_that_compile_for_long_are_refused() {
        let refused = |body: &str| facts(&format!("(module (func $f (param i32) {body}))")).is_err();
        assert!(refused(&"(loop (br_if 0 (local.get 0)))".repeat(18_000)), "loops in a row");
        let nested = |n: usize| format!("{}{}", "loop ".repeat(n), "(br_if 0 (local.get 0)) end ".repeat(n));
        assert!(refused(&nested(2_300)), "loops in loops");
        assert!(!refused(&nested(64)));
        let out: String = (0..25_000).map(|n| format!("(br_if {n} (local.get 0))")).collect();
        assert!(refused(&format!("{}{out}{}", "block ".repeat(25_000), "end ".repeat(25_000))), "branches far out");
        let copy = "(memory.copy (local.get 0) (local.get 0) (local.get 0))";
        assert!(refused(&copy.repeat(50_000)), "copies");
        let calls = |depth: usize, n: usize| {
            let call = "(call $f (i32.const 0))".repeat(n);
            format!("block {} {call} {} end", "try_table (catch_all 0) ".repeat(depth), "end ".repeat(depth))
        };
        let arrays = |n: usize| {
            let news = format!("(drop (array.new_fixed $a 100 {}))", "(i32.const 1)".repeat(100)).repeat(n);
            facts(&format!("(module (type $a (array (mut i32))) (func {news}))"))
        };
        assert!(arrays(1_000).is_err(), "arrays");
        // Twice 2^31 items and once more wrap to a cost of 0, and would keep the validator busy for minutes.
        let unreached = "(array.new_fixed $a 2147483648)".repeat(3);
        let endless = facts(&format!("(module (type $a (array (mut i32))) (func unreachable {unreached} drop))"));
        assert!(endless.is_err_and(|why| why.contains("too long to compile")), "arrays that nothing gets to");
        assert!(arrays(10).is_ok());
        assert!(refused(&calls(64, 2_000)), "calls that may throw to many places");
        assert!(!refused(&calls(3, 500)));
    }

    #[test]
    fn many_functions_cost_what_one_does_and_parameters_what_locals_do() {
        let body = "(loop (br_if 0 (local.get 0)))".repeat(1_000);
        let module =
            |n: usize| facts(&format!("(module {})", format!("(func (param{}) {body})", " i32".repeat(900)).repeat(n)));
        assert!(module(2).is_ok());
        assert!(module(30).is_err());
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
        assert!(blocks(50).is_ok());
        assert!(blocks(1_000).is_err_and(|why| why.contains("too long to compile")));
    }

    #[test]
    fn what_is_no_module_is_refused_in_words() {
        assert!(inspect(b"not wasm").is_err());
        assert!(facts("(module (memory 1) (memory 1))").is_err_and(|why| why.contains("multiple memories")));
        assert!(facts("(module (import \"m\" \"g\" (global i32)))").is_err_and(|why| why.contains("`m.g`")));
    }
}
