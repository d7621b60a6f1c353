//! The language by example: what expressions and texts give, what is refused, and minijinja beside it.

mod flows;
mod minijinja;
mod places;
mod refused;
mod texts;
mod values;

use super::{EvalError, Expr, Scope, Text};
use serde_json::Value;
use std::sync::Arc;

/// The fields of a record, as a scope.
struct Given(Value);

impl Scope for Given {
    fn get(&self, name: &str) -> Option<Arc<Value>> {
        self.0.get(name).cloned().map(Arc::new)
    }
}

fn eval(source: &str, given: &Value) -> Result<Value, EvalError> {
    Expr::compile(source).unwrap_or_else(|error| panic!("{source}: {error:?}")).eval(&Given(given.clone()))
}

fn render(source: &str, given: &Value) -> Result<String, EvalError> {
    Text::compile(source, &|_| None).unwrap_or_else(|error| panic!("{source}: {error:?}")).render(&Given(given.clone()))
}

/// Every row: an expression and its value.
fn holds(given: &Value, rows: &[(&str, Value)]) {
    for (source, expected) in rows {
        let value = eval(source, given).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(value, *expected, "{source}");
    }
}
