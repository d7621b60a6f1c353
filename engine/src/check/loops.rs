//! Loops: their bound, what they carry, and the types that settle over their passes.

use super::cx::Cx;
use super::env::Var;
use super::flow::{Block, Loop, Next, Over, Take, Val};
use super::infer::{item_of, without_null};
use super::join::{integer, join, never, record, widen};
use super::node::length_of_count;
use crate::diag::{Diagnostic, nearest};
use crate::spec::types::{Bound, Length, Range, Type};
use crate::syntax::{Node as Yaml, Route};
use crate::value::Value;
use std::sync::Arc;

/// Rounds in which the types of a loop's state may settle: a fresh one widens at most once by null, item and number. What
/// has not settled then is anything.
const ROUNDS: usize = 4;

/// What a pass of a loop is typed with.
struct Carried {
    state: Vec<(String, Type)>,
    prev: Type,
}

impl Cx<'_> {
    /// A loop and its body; the type of its result.
    pub(super) fn looped(&mut self, yaml: &Yaml, at: &Route, body: &Yaml, body_at: &Route) -> (Loop, Block, Type) {
        let (over, item, passes) = self.over(yaml, at);
        let mut state = Vec::new();
        let mut carried = Carried { state: Vec::new(), prev: Type::Union(vec![Type::Any, Type::Null]) };
        if let Some(first) = yaml.get("state") {
            for entry in first.entries() {
                let (val, ty) = self.value(&entry.value, &at.key("state").key(&entry.key));
                state.push((entry.key.clone(), val));
                carried.state.push((entry.key.clone(), widen(ty)));
            }
        }
        if !self.names_only {
            self.settle(yaml, at, body, body_at, &item, &passes, &mut carried);
        }
        let mut result = self.pass(yaml, at, body, body_at, &item, &passes, &carried);
        result.repeat.over = over;
        result.repeat.state = state;
        let take_all = matches!(result.repeat.take, Take::All);
        let some_pass = matches!(passes.min, Some(Bound::Fixed(n)) if n > 0) && result.repeat.accept.is_none();
        let mut fields: Vec<(String, Type)> = Vec::new();
        for (name, ty) in result.body_types {
            let ty = match (take_all, some_pass) {
                (true, _) => Type::List(Box::new(ty), Length { min: None, max: passes.max.clone() }),
                (false, true) => ty,
                (false, false) => join(ty, Type::Null),
            };
            fields.push((name, ty));
        }
        fields.push(("state".to_owned(), record(carried.state)));
        fields.push(("passes".to_owned(), integer(Some(0.0), count_max(&passes))));
        let exits = ["until", "done", "exhausted", "budget"].map(Value::from).to_vec();
        fields.push(("exit".to_owned(), Type::Literals(exits)));
        let ty = if self.names_only { Type::Any } else { record(fields) };
        (result.repeat, result.block, ty)
    }

    fn over(&mut self, yaml: &Yaml, at: &Route) -> (Over, Option<(String, Type)>, Length) {
        if let Some(list) = yaml.get("over") {
            let (val, ty) = self.list_value(list, &at.key("over"), "the list of `over`");
            let length = match &ty {
                Type::List(_, length) => length.clone(),
                // What is wrong was told where it stands.
                _ => Length { min: None, max: Some(Bound::Flow("its length".to_owned())) },
            };
            if length.max.is_none() {
                self.unbounded_list(list, &at.key("over"), "over");
            }
            let name = self.item_name(yaml, at);
            return (Over::List { list: val, name: name.clone() }, Some((name, item_of(&ty))), length);
        }
        let Some(max) = yaml.get("max") else {
            // No bound, or two: told by the format. A pass is supposed, so that its results are not null.
            let some = Length { min: Some(Bound::Fixed(1)), max: Some(Bound::Flow("its passes".to_owned())) };
            return (Over::Max(Val::Const(Arc::new(Value::from(0)))), None, some);
        };
        let at = at.key("max");
        let (val, ty) = self.value(max, &at);
        let ty = self.need_value(&val, ty, max, &at, "`max`");
        let bounded = match &ty {
            Type::Integer(Range { max, .. }) => max.is_some(),
            Type::Union(members) if members.is_empty() => true,
            Type::Any | Type::Schema(_) | Type::Union(_) => false,
            other => {
                self.error(
                    "type-mismatch",
                    &at,
                    max.span,
                    format!("`max` must be a whole number, and this is {other}"),
                );
                true
            }
        };
        if !bounded && !self.names_only {
            self.report(
                Diagnostic::error("unbounded-loop", at.to_string(), max.span, "nothing says how large `max` can be")
                    .help("take it from a param, an input or a number, or give its type a range: `integer 1..5`"),
            );
        }
        let length = length_of_count(&ty);
        (Over::Max(val), None, length)
    }

    /// Finds types of state and `prev` that hold for every pass, silently.
    #[expect(clippy::too_many_arguments, reason = "the parts of one loop, read once and passed on")]
    fn settle(
        &mut self,
        yaml: &Yaml,
        at: &Route,
        body: &Yaml,
        body_at: &Route,
        item: &Option<(String, Type)>,
        passes: &Length,
        carried: &mut Carried,
    ) {
        for round in 0..ROUNDS {
            let result = self.muted(|cx| cx.pass(yaml, at, body, body_at, item, passes, carried));
            let mut settled = true;
            for (name, ty) in &mut carried.state {
                let Some((_, next)) = result.next_types.iter().find(|(n, _)| n == name) else { continue };
                // Null keeps the old value.
                let next = if matches!(next, Type::Null) { never() } else { widen(without_null(next.clone())) };
                let joined = join(ty.clone(), next);
                if joined != *ty {
                    settled = false;
                    *ty = if round + 1 == ROUNDS { Type::Any } else { joined };
                }
            }
            let prev = Type::Union(vec![record(result.body_types), Type::Null]);
            if prev != carried.prev {
                settled = false;
                carried.prev = if round + 1 == ROUNDS { Type::Union(vec![Type::Any, Type::Null]) } else { prev };
            }
            if settled {
                return;
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one loop, read once and passed on")]
    fn pass(
        &mut self,
        yaml: &Yaml,
        at: &Route,
        body: &Yaml,
        body_at: &Route,
        item: &Option<(String, Type)>,
        passes: &Length,
        carried: &Carried,
    ) -> PassResult {
        let mark = self.env.mark();
        let facts = self.env.forget_loop_names();
        if let Some((name, ty)) = item {
            self.env.push(Var::new(name, ty.clone()));
        }
        self.env.push(Var::new("state", if self.names_only { Type::Any } else { record(carried.state.clone()) }));
        self.env.push(Var::new("prev", carried.prev.clone()));
        let pass =
            record([("n".to_owned(), integer(Some(1.0), count_max(passes))), ("last".to_owned(), Type::Boolean)]);
        self.env.push(Var::new("pass", pass));
        let block = self.block(body, body_at, true);
        let body_types = block.nodes.iter().map(|n| (n.id.clone(), n.ty.clone())).collect();

        let accept = yaml.get("accept").and_then(|e| self.condition(e, &at.key("accept")));
        let inner = self.env.mark();
        if let Some(accept) = &accept {
            let known = self.env.truths(accept.ast(), true);
            self.env.learn(known);
        }
        let (next, next_types) = self.next(yaml, at, carried);
        self.env.back(inner);
        let until = yaml.get("until").and_then(|e| self.condition(e, &at.key("until")));
        let take = self.take(yaml, at);
        let exhausted = yaml.get("on_exhausted").and_then(Yaml::text);
        let keep_exhausted = match exhausted {
            Some(word) => word == "keep",
            None => yaml.get("take").is_some() || yaml.get("over").is_some(),
        };
        self.env.restore_facts(facts);
        self.env.back(mark);
        let repeat = Loop {
            over: Over::Max(Val::Const(Arc::new(Value::from(0)))),
            state: Vec::new(),
            accept,
            next,
            until,
            take,
            keep_exhausted,
        };
        PassResult { repeat, block, body_types, next_types }
    }

    fn next(&mut self, yaml: &Yaml, at: &Route, carried: &Carried) -> (Next, Vec<(String, Type)>) {
        let at = at.key("next");
        let Some(next) = yaml.get("next") else { return (Next::Fields(Vec::new()), Vec::new()) };
        let known = |name: &str| carried.state.iter().any(|(n, _)| n == name);
        if next.text().is_some() {
            let (val, ty) = self.value(next, &at);
            let fields = match without_null(ty) {
                Type::Record(fields) => fields,
                _ => Vec::new(),
            };
            if let Some(extra) = fields.iter().find(|f| !known(&f.name)) {
                self.error(
                    "state-key",
                    &at,
                    next.span,
                    format!("the record has `{}`, which is no name of `state`", extra.name),
                );
            }
            return (Next::Record(val), fields.into_iter().map(|f| (f.name, f.ty)).collect());
        }
        let mut fields = Vec::new();
        let mut types = Vec::new();
        for entry in next.entries() {
            let at = at.key(&entry.key);
            if !known(&entry.key) {
                let similar = nearest(&entry.key, carried.state.iter().map(|(n, _)| n.as_str())).map(str::to_owned);
                let mut found = Diagnostic::error(
                    "state-key",
                    at.to_string(),
                    entry.key_span,
                    format!("`{}` is no name of `state`", entry.key),
                );
                found = match similar {
                    Some(similar) => {
                        found.help(format!("a similar name is there: `{similar}`")).fix(entry.key_span, similar)
                    }
                    None => found.help("give it its first value in `state`"),
                };
                self.report(found);
                continue;
            }
            let (val, ty) = self.value(&entry.value, &at);
            fields.push((entry.key.clone(), val));
            types.push((entry.key.clone(), ty));
        }
        (Next::Fields(fields), types)
    }

    fn take(&mut self, yaml: &Yaml, at: &Route) -> Take {
        let Some(node) = yaml.get("take") else { return Take::Last };
        let written = node.text().unwrap_or_default().trim();
        let at = at.key("take");
        let inner = |word: &str| written.strip_prefix(word)?.trim_start().strip_prefix('(')?.strip_suffix(')');
        match written {
            "last" => return Take::Last,
            "all" => return Take::All,
            _ => {}
        }
        let (source, greatest) = match (inner("max"), inner("min")) {
            (Some(source), _) => (source, true),
            (None, Some(source)) => (source, false),
            (None, None) => {
                self.report(
                    Diagnostic::error(
                        "bad-value",
                        at.to_string(),
                        node.span,
                        format!("`{written}` does not say which pass to take"),
                    )
                    .help("write `last`, `all`, `min(expression)` or `max(expression)`"),
                );
                return Take::Last;
            }
        };
        let base = node.text().unwrap_or_default().find('(').unwrap_or_default() + 1;
        let Some((expr, place)) = self.expr(source, node, base, &at) else { return Take::Last };
        let ty = self.infer(expr.ast(), &place);
        if matches!(ty, Type::Record(_)) {
            self.error("type-mismatch", &at, node.span, "records have no order, so none of them is the greatest");
        }
        if greatest { Take::Max(expr) } else { Take::Min(expr) }
    }
}

struct PassResult {
    repeat: Loop,
    block: Block,
    body_types: Vec<(String, Type)>,
    next_types: Vec<(String, Type)>,
}

fn count_max(passes: &Length) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts of passes are far below 2^52")]
    match &passes.max {
        Some(Bound::Fixed(n)) => Some(*n as f64),
        Some(Bound::Flow(_)) => Some(f64::INFINITY),
        None => None,
    }
}
