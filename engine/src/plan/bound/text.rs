//! Whether a prompt is asked for certain: nothing that is evaluated for it may fail before.

use super::eval::{Env, Eval};
use super::value::{Abstract, Interval, Shape, Truth};
use super::walk::Walk;
use crate::check::flow::{Node, Prompt, Val};
use crate::template::Part;

impl Walk<'_> {
    /// Whether the first call of a prompt is made for certain, once the prompt runs.
    pub(super) fn asks_for_certain(&self, node: &Node, prompt: &Prompt, env: &Env) -> bool {
        !self.eval.may_fail(|| {
            let mut inner = env.clone();
            for (name, val) in &node.with {
                inner.set(name.as_str(), self.whole(val, env));
            }
            for text in prompt.system.iter().chain([&prompt.user]) {
                parts(&self.eval, text.parts(), &inner);
            }
            for expr in prompt.lengths.values() {
                self.eval.eval(expr.ast(), env);
            }
            let settings = &prompt.settings;
            let vals = [&prompt.repair, &prompt.samples, &prompt.keep, &settings.temperature, &settings.top_p];
            let more = [&settings.max_tokens, &settings.stop, &settings.seed, &settings.frequency_penalty];
            for val in vals.into_iter().chain(more).chain([&settings.presence_penalty]).flatten() {
                self.whole(val, env);
            }
        })
    }

    /// A value with all its texts.
    fn whole(&self, val: &Val, env: &Env) -> Abstract {
        match val {
            Val::Text(text) => parts(&self.eval, text.parts(), env),
            Val::List(items) => items.iter().for_each(|item| drop(self.whole(item, env))),
            Val::Map(fields) => fields.iter().for_each(|(_, field)| drop(self.whole(field, env))),
            Val::Const(_) | Val::Expr(_) => {}
        }
        self.val(val, env)
    }
}

/// Evaluates what a text prints, tests and loops over.
fn parts(eval: &Eval, list: &[Part], env: &Env) {
    let mut env = env.clone();
    for part in list {
        match part {
            Part::Emit(ast) => drop(eval.eval(ast, &env)),
            Part::If { test, then, otherwise } => {
                let holds = eval.holds(test, &env);
                if holds != Truth::False {
                    parts(eval, then, &eval.assuming(test, true, &env));
                }
                if holds != Truth::True {
                    parts(eval, otherwise, &eval.assuming(test, false, &env));
                }
            }
            Part::For { targets, over, test, body, otherwise } => {
                let list = eval.eval(over, &env);
                let item = list.any_item();
                let mut inner = env.with("loop", counters(&item));
                set(&mut inner, targets, &item);
                if let Some(test) = test {
                    eval.holds(test, &inner);
                    inner = eval.assuming(test, true, &inner);
                }
                parts(eval, body, &inner);
                parts(eval, otherwise, &env);
            }
            Part::Set { targets, value } => {
                let value = eval.eval(value, &env);
                set(&mut env, targets, &value);
            }
            Part::With { values, body } => {
                let mut inner = env.clone();
                for (name, value) in values {
                    let value = eval.eval(value, &inner);
                    inner.set(name.as_str(), value);
                }
                parts(eval, body, &inner);
            }
            Part::Include { parts: partial, .. } => parts(eval, partial, &env),
        }
    }
}

/// Gives one name the value, or several the items in it.
fn set(env: &mut Env, targets: &[String], value: &Abstract) {
    if let [name] = targets {
        env.set(name.as_str(), value.clone());
        return;
    }
    for (name, index) in targets.iter().zip(0..) {
        env.set(name.as_str(), value.item(index));
    }
}

/// What a text's loop knows of itself.
fn counters(item: &Abstract) -> Abstract {
    let number = || Abstract::number(Interval::whole(0u64, None));
    let counts = ["index", "index0", "revindex", "revindex0", "length", "depth", "depth0"].map(|name| (name, number()));
    let ends = ["first", "last"].map(|name| (name, Abstract::from(Shape::Boolean(None))));
    let items = ["previtem", "nextitem"].map(|name| (name, item.clone().or_null()));
    Abstract::record(counts.into_iter().chain(ends).chain(items).collect::<Vec<(&str, Abstract)>>())
}
