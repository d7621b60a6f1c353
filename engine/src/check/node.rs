//! One node: its modifiers, outside in, and the type its readers see.

use super::cx::{Cx, Declared};
use super::env::Var;
use super::flow::{AllowFailed, BudgetDef, Cache, Each, Node, OnError, Repeat, Rule, RuleTest, Val, Verb};
use super::infer::item_of;
use super::join::{any_length, join, record, text};
use crate::diag::Diagnostic;
use crate::spec::types::{Bound, Length, Range, Type};
use crate::spec::units;
use crate::syntax::{Entry, Node as Yaml, Route, Step};
use crate::template::Expr;
use crate::value::Value;
use std::sync::Arc;

/// The verbs, in the order of the language page.
pub(super) const VERBS: [&str; 8] = ["prompt", "validate", "execute", "let", "flow", "human", "embed", "nodes"];

impl Cx<'_> {
    /// Reads a node; what readers may know of it comes beside it.
    pub(super) fn node(&mut self, entry: &Entry, at: &Route, siblings: &[&Entry]) -> (Node, Var) {
        let yaml = &entry.value;
        let mark = self.env.mark();
        let mut node = Node {
            id: entry.key.clone(),
            at: at.to_string(),
            span: entry.key_span,
            about: yaml.get("about").and_then(Yaml::text).map(str::to_owned),
            deps: Vec::new(),
            when: None,
            otherwise: None,
            budget: None,
            on_error: OnError::Fail,
            cache: yaml.get("cache").and_then(Yaml::text).and_then(cache),
            repeat: Repeat::Once,
            with: Vec::new(),
            verb: Verb::Let(Val::Const(Arc::new(Value::Null))),
            check: Vec::new(),
            ty: Type::Any,
            item_ty: Type::Any,
        };
        let verbs: Vec<&Entry> = yaml.entries().iter().filter(|e| VERBS.contains(&e.key.as_str())).collect();
        let [verb] = verbs.as_slice() else {
            // No verb, or two: told by the format; the node's readers hear nothing more of it.
            return (node, Var::new(&entry.key, Type::Any));
        };
        if !self.names_only {
            self.declare_node(yaml, at, entry);
        }
        self.after(yaml, at, siblings);

        node.when = yaml.get("when").and_then(|w| self.condition(w, &at.key("when")));
        let mut otherwise_ty = Type::Null;
        if let Some(other) = yaml.entry("else") {
            let skips = yaml.get("on_error").and_then(Yaml::text) == Some("skip");
            if yaml.get("when").is_none() && !skips {
                self.report(
                    Diagnostic::error(
                        "missing-key",
                        at.key("else").to_string(),
                        other.key_span,
                        "`else` is the value of a skipped node, and this one is never skipped",
                    )
                    .help("give the node a `when`, or `on_error: skip`"),
                );
            }
            let here = self.env.mark();
            if let Some(when) = &node.when
                && !skips
            {
                let facts = self.env.truths(when.ast(), false);
                self.env.learn(facts);
            }
            let (val, ty) = self.value(&other.value, &at.key("else"));
            self.env.back(here);
            node.otherwise = Some(val);
            otherwise_ty = ty;
        }
        if let Some(when) = &node.when {
            let facts = self.env.truths(when.ast(), true);
            self.env.learn(facts);
        }
        node.budget = yaml.get("budget").map(|b| self.budget(b, &at.key("budget")));
        let error_ty;
        (node.on_error, error_ty) = match yaml.get("on_error") {
            Some(on_error) => self.on_error(on_error, &at.key("on_error"), &otherwise_ty),
            None => (OnError::Fail, None),
        };

        let mut one = self.repeat_and_verb(&mut node, yaml, verb, at);
        if let Repeat::Each(each) = &node.repeat {
            let failed_is_null =
                !matches!(&each.allow_failed, AllowFailed::Count(Val::Const(n)) if n.as_i64() == Some(0));
            let item = if failed_is_null { join(one.ty, Type::Null) } else { one.ty };
            one.ty = Type::List(Box::new(item), one.each_length);
        }
        let mut ty = one.ty;
        if node.when.is_some() {
            ty = join(ty, otherwise_ty);
        }
        if let Some(error) = error_ty {
            ty = join(ty, error);
        }
        node.ty = ty.clone();

        let mut var = Var::new(&entry.key, ty);
        let null_means_skipped = node.otherwise.is_none() && !matches!(node.on_error, OnError::Else(_));
        if let Some(when) = node.when.as_ref().filter(|_| null_means_skipped) {
            var.implied = self.env.truths(when.ast(), true);
        }
        if let (Verb::Let(Val::Expr(expr)), Repeat::Once) = (&node.verb, &node.repeat) {
            var.implied_when_true = self.env.truths(expr.ast(), true);
        }
        self.env.back(mark);
        (node, var)
    }

    fn declare_node(&mut self, yaml: &Yaml, at: &Route, entry: &Entry) {
        // A guard is there for its check.
        if yaml.get("check").is_some() {
            return;
        }
        let mut within = Vec::new();
        let mut outer = at.clone();
        // `nodes.a.nodes.b`: two steps up is the block `nodes.a`.
        while outer.0.len() > 3 {
            let Some(Step::Key(id)) = outer.0.pop() else { break };
            outer.0.pop();
            within.push(outer.to_string());
            within.push(format!("{outer}.{id}"));
        }
        let key = at.to_string();
        self.declared.push(Declared { rule: "unused-node", at: at.clone(), span: entry.key_span, key, within });
    }

    fn after(&mut self, yaml: &Yaml, at: &Route, siblings: &[&Entry]) {
        let Some(after) = yaml.get("after") else { return };
        for before in after.items() {
            let Some(name) = before.text() else { continue };
            if siblings.iter().any(|e| e.key == name) {
                self.reads.push(super::cx::Read { name: name.to_owned(), span: before.span, at: at.key("after") });
                continue;
            }
            let similar = crate::diag::nearest(name, siblings.iter().map(|e| e.key.as_str())).map(str::to_owned);
            let mut found = Diagnostic::error(
                "unknown-name",
                at.key("after").to_string(),
                before.span,
                format!("`after` names nodes of the same block, and `{name}` is none"),
            );
            if let Some(similar) = similar {
                found = found.help(format!("a node with a similar name exists: `{similar}`")).fix(before.span, similar);
            }
            self.report(found);
        }
    }

    fn on_error(&mut self, yaml: &Yaml, at: &Route, otherwise: &Type) -> (OnError, Option<Type>) {
        if yaml.text() == Some("skip") {
            return (OnError::Skip, Some(otherwise.clone()));
        }
        let Some(value) = yaml.get("else") else { return (OnError::Fail, None) };
        let here = self.env.mark();
        let error = record([("name".to_owned(), text()), ("message".to_owned(), text()), ("at".to_owned(), text())]);
        self.env.push(Var::new("error", error));
        let (val, ty) = self.value(value, &at.key("else"));
        self.env.back(here);
        (OnError::Else(val), Some(ty))
    }

    /// What may be spent; from here on `budget` is a name.
    pub(super) fn budget(&mut self, yaml: &Yaml, at: &Route) -> BudgetDef {
        let amount = |cx: &mut Self, key: &str, wanted: Type| {
            yaml.get(key).map(|node| match node.text().and_then(units::count) {
                Some(count) => Val::Const(Arc::new(count)),
                None => cx.typed_value(node, &at.key(key), &wanted, "a budget"),
            })
        };
        let whole = Type::Integer(Range { min: Some(0.0), max: None });
        let def = BudgetDef {
            calls: amount(self, "calls", whole.clone()),
            tokens: amount(self, "tokens", whole.clone()),
            usd: amount(self, "usd", Type::Number(Range { min: Some(0.0), max: None })),
            time: yaml.get("time").and_then(|t| self.duration(t, &at.key("time"))),
        };
        let outer = match self.env.get("budget").map(|v| v.ty.clone()) {
            Some(Type::Record(fields)) => fields,
            _ => Vec::new(),
        };
        let left = |name: &str, given: bool, ty: Type| {
            let counted = given || outer.iter().any(|f| f.name == name && !f.ty.nullable());
            (name.to_owned(), if counted { ty } else { join(ty, Type::Null) })
        };
        let ty = record([
            left("calls_left", def.calls.is_some(), whole.clone()),
            left("tokens_left", def.tokens.is_some(), whole),
            left("usd_left", def.usd.is_some(), Type::Number(Range::default())),
        ]);
        self.env.push(Var::new("budget", ty));
        def
    }

    /// A duration such as `90s`.
    pub(super) fn duration(&mut self, node: &Yaml, at: &Route) -> Option<std::time::Duration> {
        let written = node.text()?;
        let parsed = units::duration(written);
        if parsed.is_none() {
            self.report(
                Diagnostic::error("bad-value", at.to_string(), node.span, format!("`{written}` is not a duration"))
                    .help("write a number and a unit: `500ms`, `90s`, `10m`, `2h`, `3d`"),
            );
        }
        parsed
    }

    fn repeat_and_verb(&mut self, node: &mut Node, yaml: &Yaml, verb: &Entry, at: &Route) -> One {
        let verb_at = at.key(&verb.key);
        let looped = yaml.get("loop").filter(|_| verb.key == "nodes");
        if let Some(yaml_loop) = looped {
            let (repeat, body, ty) = self.looped(yaml_loop, &at.key("loop"), &verb.value, &verb_at);
            node.repeat = Repeat::Loop(Box::new(repeat));
            node.verb = Verb::Block(body);
            node.item_ty = ty.clone();
            node.check = self.check(yaml, at, &ty);
            return One { ty, each_length: Length::default() };
        }
        let mut each_length = Length::default();
        if let Some(each) = yaml.get("each") {
            let (each, item, length) = self.each(each, &at.key("each"));
            self.env.push(Var::new(&each.name, item));
            node.repeat = Repeat::Each(each);
            each_length = length;
            self.each_depth += 1;
        }
        let (verb_ir, item_ty, ty) = self.verb(node, yaml, verb, at);
        node.verb = verb_ir;
        node.item_ty = item_ty.clone();
        node.check = self.check(yaml, at, &item_ty);
        if matches!(node.repeat, Repeat::Each(_)) {
            self.each_depth -= 1;
        }
        One { ty, each_length }
    }

    fn each(&mut self, yaml: &Yaml, at: &Route) -> (Each, Type, Length) {
        let (list, list_ty) = match yaml.get("in") {
            Some(list) => self.list_value(list, &at.key("in"), "the list of `each`"),
            None => (Val::Const(Arc::new(Value::Null)), any_length(Type::Any)),
        };
        let length = match &list_ty {
            Type::List(_, length) => length.clone(),
            // What is wrong was told where it stands.
            _ => Length { min: None, max: Some(Bound::Flow("its length".to_owned())) },
        };
        if let Some(list) = yaml.get("in")
            && length.max.is_none()
        {
            self.unbounded_list(list, &at.key("in"), "each");
        }
        let name = self.item_name(yaml, at);
        let at_once =
            yaml.get("at_once").map(|n| self.typed_value(n, &at.key("at_once"), &count_type(1.0), "`at_once`"));
        let allow_failed = match yaml.get("allow_failed") {
            None => AllowFailed::Count(Val::Const(Arc::new(Value::from(0)))),
            Some(node) => match node.text().and_then(|t| t.strip_suffix('%')).map(|t| t.trim().parse::<f64>()) {
                Some(Ok(percent)) => AllowFailed::Percent(percent),
                _ => AllowFailed::Count(self.typed_value(
                    node,
                    &at.key("allow_failed"),
                    &count_type(0.0),
                    "`allow_failed`",
                )),
            },
        };
        let item = item_of(&list_ty);
        (Each { list, name, at_once, allow_failed }, item, length)
    }

    /// The name of the item of `each` or `over`.
    pub(super) fn item_name(&mut self, yaml: &Yaml, at: &Route) -> String {
        let node = yaml.get("as");
        let name = node.and_then(Yaml::text).unwrap_or("item").to_owned();
        let span = node.map_or(yaml.span, |n| n.span);
        self.name_is_free(&name, span, &at.key("as"), false);
        name
    }

    /// Every list that is gone through has a bound.
    pub(super) fn unbounded_list(&mut self, node: &Yaml, at: &Route, key: &str) {
        if self.names_only {
            return;
        }
        self.report(
            Diagnostic::error(
                "unbounded-loop",
                at.to_string(),
                node.span,
                format!("nothing says how long the list of `{key}` can be"),
            )
            .help("give its type a length, such as `\"[string] ..20\"`, or take so many: `$( list | take(20) )`"),
        );
    }

    /// The rules of `check`, which look at a value of type `it`.
    fn check(&mut self, yaml: &Yaml, at: &Route, it: &Type) -> Vec<Rule> {
        match yaml.get("check") {
            Some(rules) => self.rules(rules, &at.key("check"), it),
            None => Vec::new(),
        }
    }

    /// Rules of `check` or `validate`.
    pub(super) fn rules(&mut self, yaml: &Yaml, at: &Route, it: &Type) -> Vec<Rule> {
        let here = self.env.mark();
        self.env.push(Var::new("it", it.clone()));
        let mut rules = Vec::new();
        for (i, rule) in yaml.items().iter().enumerate() {
            let at = at.index(i);
            let Some(test) = self.rule_test(rule, &at) else { continue };
            let message = rule.get("else").and_then(|m| self.template(m, &at.key("else")));
            rules.push(Rule { test, message });
        }
        self.env.back(here);
        rules
    }

    fn rule_test(&mut self, rule: &Yaml, at: &Route) -> Option<RuleTest> {
        if let Some(that) = rule.get("that") {
            let expr: Expr = self.condition(that, &at.key("that"))?;
            return Some(RuleTest::That(expr));
        }
        if let Some(schema) = rule.get("schema") {
            return Some(RuleTest::Schema(self.parse_type(schema, &at.key("schema"))));
        }
        if let Some(wasm) = rule.get("wasm") {
            let (path, module) = self.module(wasm, &at.key("wasm"))?;
            return Some(RuleTest::Wasm { path, module });
        }
        let judge = rule.get("judge")?;
        let at = at.key("judge");
        let user = match (judge.get("user"), judge.get("file")) {
            (Some(user), _) => self.template(user, &at.key("user"))?,
            (None, Some(file)) => self.file_template(file, &at.key("file"))?,
            (None, None) => return None,
        };
        let models = judge.get("model").map(|m| self.models(m, &at.key("model"))).unwrap_or_default();
        Some(RuleTest::Judge { user, models })
    }

    /// The bytes of a wasm file, and its path inside the flow's folder.
    pub(super) fn module(&mut self, node: &Yaml, at: &Route) -> Option<(String, Arc<Vec<u8>>)> {
        let written = node.text()?;
        let Some(path) = super::value::inside(&self.file.folder, written) else {
            self.error("outside-file", at, node.span, format!("`{written}` lies outside the flow's folder"));
            return None;
        };
        match self.files.read(&path) {
            Ok(bytes) => {
                let module = self.modules.entry(path.clone()).or_insert_with(|| Arc::new(bytes)).clone();
                Some((path, module))
            }
            Err(why) => {
                self.error("missing-file", at, node.span, format!("can't read `{written}`: {why}"));
                None
            }
        }
    }
}

/// The type of one result, and how many of them an `each` makes.
struct One {
    ty: Type,
    each_length: Length,
}

pub(super) fn count_type(min: f64) -> Type {
    Type::Integer(Range { min: Some(min), max: None })
}

/// The length of a list whose count is a number of this type.
pub(super) fn length_of_count(ty: &Type) -> Length {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a small non-negative number"
    )]
    let bound = |x: f64| {
        if x.is_finite() { Bound::Fixed(x.clamp(0.0, 1e15) as u64) } else { Bound::Flow("its length".to_owned()) }
    };
    match ty {
        Type::Integer(r) => Length { min: r.min.filter(|m| m.is_finite()).map(bound), max: r.max.map(bound) },
        _ => Length::default(),
    }
}

/// What the format lets stand there.
fn cache(word: &str) -> Option<Cache> {
    match word {
        "auto" => Some(Cache::Auto),
        "off" => Some(Cache::Off),
        "refresh" => Some(Cache::Refresh),
        _ => None,
    }
}
