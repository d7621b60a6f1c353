//! The types that every flow knows.

use super::{Bound, Field, Length, Named, Type};
use serde_json::Value;

/// What became of a test. The words of the language page, in its order.
const VERDICTS: [&str; 9] = [
    "accepted",
    "wrong_answer",
    "runtime_error",
    "time_limit",
    "memory_limit",
    "output_limit",
    "compile_error",
    "finished",
    "skipped",
];

/// `Test`, `Trial`, `TestResult`, `Validation`.
pub fn built_in() -> Named {
    let maybe_text = || Type::text().or_null();
    let test = Type::Record(vec![
        field("name", maybe_text()),
        field("input", Type::text()),
        field("output", Type::text()),
        field("why", maybe_text()),
    ]);
    let verdict = Type::Literals(VERDICTS.into_iter().map(Value::from).collect());
    let result = Type::Record(vec![
        field("verdict", verdict),
        field("input", Type::text()),
        // Null where the program was only looked at: nothing was expected.
        field("expected", maybe_text()),
        field("stdout", Type::text()),
        field("stderr", Type::text()),
        field("fuel", Type::integer()),
        field("memory", Type::integer()),
        field("time_ms", Type::number()),
        // Null for a crash.
        field("distance", Type::number().or_null()),
    ]);
    let none = Some(Value::from(0));
    let count = |verdict| Field { default: none.clone(), ..field(verdict, Type::integer()) };
    let three = Some(Bound::Fixed(3));
    let trial = Type::Record(vec![
        field("passed", Type::Boolean),
        field("code", Type::Code),
        field("compiled", Type::Boolean),
        field("message", Type::text()),
        field("score", Type::List(Box::new(Type::number()), Length { min: three.clone(), max: three })),
        field("distance", Type::number()),
        field("counts", Type::Record(VERDICTS.into_iter().map(count).collect())),
        field("tests", Type::list(result.clone())),
        field("fuel", Type::integer()),
        field("report", Type::text()),
    ]);
    let validation = Type::Record(vec![
        field("ok", Type::Boolean),
        field("problems", Type::list(Type::text())),
        field("value", Type::Any),
    ]);
    [("Test", test), ("TestResult", result), ("Trial", trial), ("Validation", validation)]
        .map(|(name, ty)| (name.to_owned(), ty))
        .into()
}

fn field(name: &str, ty: Type) -> Field {
    Field { name: name.to_owned(), ty, default: None, about: None }
}
