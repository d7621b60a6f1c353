//! What each verb's body says, with the defaults of its file under it.

use super::cx::{Cx, Spoken};
use super::env::Var;
use super::flow::{
    Embed, Execute, ExecuteOn, Format, Human, Limits, ModelUse, Node, Prompt, Retry, Settings, Val, Verb,
};
use super::join::{any_length, join, never, text};
use super::node::{count_type, length_of_count};
use super::place::Place;
use crate::diag::{Diagnostic, nearest};
use crate::run::ErrorName;
use crate::spec::compare::{Compare, FORMS, Modules};
use crate::spec::types::{Bound, Field, Length, Range, Type, built_in, parse_type};
use crate::spec::{LANGUAGES, units};
use crate::syntax::{Entry, Node as Yaml, Route};
use crate::template::Expr;
use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A verb's body over the defaults of its file: a node's own keys win.
struct Body<'y> {
    own: &'y Yaml,
    own_at: Route,
    defaults: Option<(&'y Yaml, Route)>,
}

impl Body<'_> {
    fn get(&self, key: &str) -> Option<(&Yaml, Route)> {
        match (self.own.get(key), &self.defaults) {
            (Some(node), _) => Some((node, self.own_at.key(key))),
            (None, Some((defaults, at))) => defaults.get(key).map(|node| (node, at.key(key))),
            (None, None) => None,
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(|(node, _)| node.text())
    }
}

impl Cx<'_> {
    /// The verb, the type of one result, and the type of the node's result before `each` and `when`.
    pub(super) fn verb(&mut self, node: &mut Node, yaml: &Yaml, verb: &Entry, at: &Route) -> (Verb, Type, Type) {
        let file = self.file.clone();
        let defaults = file.defaults.as_ref().and_then(|d| d.get(&verb.key));
        let defaults = defaults.map(|d| (d, Route::default().key("defaults").key(&verb.key)));
        let body = Body { own: &verb.value, own_at: at.key(&verb.key), defaults };
        let same = |verb, ty: Type| (verb, ty.clone(), ty);
        match verb.key.as_str() {
            "prompt" => {
                let here = self.env.mark();
                node.with = self.with_names(yaml, at);
                let (prompt, item) = self.prompt(&body, &verb.value, at);
                self.env.back(here);
                let ty = match &prompt.samples {
                    Some((_, count)) => Type::List(Box::new(item.clone()), length_of_count(count)),
                    None => item.clone(),
                };
                (Verb::Prompt(Box::new(prompt.prompt)), item, ty)
            }
            "validate" => {
                let (val, ty) = match body.get("value") {
                    Some((value, at)) => self.value(value, &at),
                    None => (Val::Const(Arc::new(Value::Null)), Type::Any),
                };
                let rules = body.get("rules").map(|(rules, at)| self.rules(rules, &at, &ty)).unwrap_or_default();
                let result = match built_in().remove("Validation") {
                    Some(Type::Record(fields)) => Type::Record(
                        fields
                            .into_iter()
                            .map(|f| if f.name == "value" { Field { ty: ty.clone(), ..f } } else { f })
                            .collect(),
                    ),
                    _ => Type::Any,
                };
                same(Verb::Validate { value: val, rules }, result)
            }
            "execute" => {
                let (execute, ty) = self.execute(&body);
                same(Verb::Execute(Box::new(execute)), ty)
            }
            "let" => {
                let (val, ty) = self.value(&verb.value, &at.key("let"));
                same(Verb::Let(val), ty)
            }
            "flow" => {
                let (call, ty) = self.call(yaml, verb, at);
                same(call, ty)
            }
            "human" => {
                let human = self.human(&body);
                let ty = human.returns.clone().unwrap_or_else(text);
                same(Verb::Human(Box::new(human)), ty)
            }
            "embed" => {
                let (embed, length) = self.embed(&body);
                let vector = any_length(Type::Number(Range::default()));
                same(Verb::Embed(Box::new(embed)), Type::List(Box::new(vector), length))
            }
            _ => {
                let here = self.env.mark();
                let block = self.block(&verb.value, &at.key("nodes"), false);
                self.env.back(here);
                let fields = block.nodes.iter().map(|n| (n.id.clone(), n.ty.clone()));
                let ty = if self.names_only { Type::Any } else { super::join::record(fields) };
                same(Verb::Block(block), ty)
            }
        }
    }

    fn with_names(&mut self, yaml: &Yaml, at: &Route) -> Vec<(String, Val)> {
        let Some(with) = yaml.get("with") else { return Vec::new() };
        let mut names = Vec::new();
        let mut vars = Vec::new();
        for entry in with.entries() {
            let at = at.key("with").key(&entry.key);
            if !self.name_is_free(&entry.key, entry.key_span, &at, false) {
                continue;
            }
            let (val, ty) = self.value(&entry.value, &at);
            names.push((entry.key.clone(), val));
            vars.push(Var::new(&entry.key, ty));
        }
        vars.into_iter().for_each(|var| self.env.push(var));
        names
    }

    fn prompt(&mut self, body: &Body<'_>, own: &Yaml, at: &Route) -> (PromptRead, Type) {
        let user = match (own.get("user"), own.get("file")) {
            (None, Some(_)) => body.get("file").and_then(|(node, at)| self.file_template(node, &at)),
            _ => body.get("user").and_then(|(node, at)| self.template(node, &at)),
        };
        let system = body.get("system").and_then(|(node, at)| self.template(node, &at));
        let returns = body.get("returns").map(|(node, at)| (self.parse_type(node, &at), node.clone(), at));
        let (lengths, readers) = match &returns {
            Some((ty, node, at)) => self.lengths(ty, node, at),
            None => (BTreeMap::new(), text()),
        };
        let number = |cx: &mut Self, key: &str, ty: Type| {
            body.get(key).map(|(node, at)| cx.typed_value(node, &at, &ty, &format!("`{key}`")))
        };
        let repair = number(self, "repair", count_type(0.0));
        let keep = number(self, "keep", count_type(1.0));
        if let (Some((node, at)), None) = (body.get("keep"), body.get("thread")) {
            self.report(
                Diagnostic::warning(
                    "no-effect",
                    at.to_string(),
                    node.span,
                    "`keep` is of a thread, and this prompt speaks in none",
                )
                .help("give it a `thread`, or leave `keep` away"),
            );
        }
        let samples = body.get("samples").map(|(node, at)| {
            let (val, ty) = self.value(node, &at);
            (self.fit(val, ty.clone(), node, &at, &count_type(1.0), "`samples`"), ty)
        });
        let thread = body.text("thread").map(str::to_owned);
        if let (Some(thread), Some((node, _))) = (&thread, body.get("thread"))
            && !self.names_only
        {
            let spoken = Spoken {
                thread: thread.clone(),
                at: at.clone(),
                span: node.span,
                at_once: self.each_depth > 0 || samples.is_some(),
                trail: self.trail.clone(),
            };
            self.spoken.push(spoken);
        }
        let format = match body.text("format") {
            Some("json") => Format::Json,
            Some("yaml") => Format::Yaml,
            _ => Format::Auto,
        };
        let prompt = Prompt {
            system,
            user: user.unwrap_or_else(|| {
                crate::template::Text::compile("", &|_| None).expect("internal error: empty text compiles")
            }),
            models: body.get("model").map(|(node, at)| self.models(node, &at)).unwrap_or_default(),
            returns: returns.map(|(ty, ..)| ty),
            lengths,
            format,
            repair,
            samples: samples.as_ref().map(|(val, _)| val.clone()),
            thread,
            keep,
            settings: self.settings(body),
            retry: self.retry(body),
            timeout: body.get("timeout").and_then(|(node, at)| self.duration(node, &at)),
        };
        (PromptRead { prompt, samples }, readers)
    }

    /// The lengths of `returns` that are read from the flow, compiled, and the type with what is known of them at load.
    fn lengths(&mut self, ty: &Type, node: &Yaml, at: &Route) -> (BTreeMap<String, Expr>, Type) {
        let mut compiled = BTreeMap::new();
        let mut fewest = BTreeMap::new();
        let mut most = BTreeMap::new();
        let place = Place::scalar(at, node, 0).whole(node.span);
        for source in ty.flow_lengths() {
            match Expr::compile(source) {
                Ok(expr) => {
                    let count = self.infer(expr.ast(), &place);
                    let count = self.need(count, expr.ast(), &place, "a length");
                    let length = length_of_count(&count);
                    fewest.insert(source.to_owned(), length.min);
                    most.insert(source.to_owned(), length.max);
                    compiled.insert(source.to_owned(), expr);
                }
                Err(wrong) => {
                    let rule = if wrong.unknown_filter.is_some() { "unknown-filter" } else { "bad-expression" };
                    self.error(rule, at, node.span, wrong.message);
                }
            }
        }
        (compiled, with_known_lengths(ty, &fewest, &most))
    }

    fn settings(&mut self, body: &Body<'_>) -> Settings {
        let mut get = |key: &str, ty: Type| {
            body.get(key).map(|(node, at)| match node.text().and_then(units::count) {
                Some(count) => Val::Const(Arc::new(count)),
                None => self.typed_value(node, &at, &ty, &format!("`{key}`")),
            })
        };
        let number = || Type::Number(Range::default());
        Settings {
            temperature: get("temperature", number()),
            top_p: get("top_p", number()),
            max_tokens: get("max_tokens", count_type(1.0)),
            stop: get("stop", Type::Any),
            seed: get("seed", count_type(0.0)),
            frequency_penalty: get("frequency_penalty", number()),
            presence_penalty: get("presence_penalty", number()),
        }
    }

    /// Settings of a model alias, which stand outside every flow.
    pub(super) fn alias_settings(&mut self, yaml: &Yaml, at: &Route) -> Settings {
        self.settings(&Body { own: yaml, own_at: at.clone(), defaults: None })
    }

    fn retry(&mut self, body: &Body<'_>) -> Retry {
        let mut retry = Retry {
            times: 4,
            backoff: (Duration::from_secs(2), Duration::from_secs(60)),
            on: ErrorName::TRANSPORT.to_vec(),
        };
        let Some((yaml, at)) = body.get("retry") else { return retry };
        if let Some(times) = yaml.get("times").and_then(|t| t.text()?.parse().ok()) {
            retry.times = times;
        }
        if let Some(backoff) = yaml.get("backoff") {
            let ends =
                backoff.text().and_then(|t| t.split_once("..")).map(|(a, b)| (units::duration(a), units::duration(b)));
            match ends {
                Some((Some(shortest), Some(longest))) if shortest <= longest => retry.backoff = (shortest, longest),
                _ => self.error("bad-value", &at.key("backoff"), backoff.span, "a backoff is two durations: `2s..60s`"),
            }
        }
        if let Some(on) = yaml.get("on") {
            retry.on =
                on.items().iter().filter_map(|e| ErrorName::parse(e.text()?)).filter(|e| e.is_transport()).collect();
        }
        retry
    }

    /// The models of an alias, or one `provider/model`.
    pub(super) fn models(&mut self, node: &Yaml, at: &Route) -> Vec<ModelUse> {
        let Some(name) = node.text() else { return Vec::new() };
        let file = self.file.clone();
        if let Some(def) = file.models.get(name) {
            let uses = def.uses.iter().map(|model| ModelUse {
                alias: Some(name.to_owned()),
                name: model.clone(),
                settings: def.settings.clone(),
                price: def.price,
            });
            return uses.collect();
        }
        if name.contains('/') {
            return vec![ModelUse { alias: None, name: name.to_owned(), settings: Settings::default(), price: None }];
        }
        let similar = nearest(name, file.models.keys().map(String::as_str));
        let mut found =
            Diagnostic::error("unknown-name", at.to_string(), node.span, format!("`{name}` is no model of this file"));
        found = match similar {
            Some(similar) => found.help(format!("a similar alias is there: `{similar}`")).fix(node.span, similar),
            None => found.help("name an alias of `models`, or write `provider/model`"),
        };
        self.report(found);
        Vec::new()
    }

    fn execute(&mut self, body: &Body<'_>) -> (Execute, Type) {
        let null = || Val::Const(Arc::new(Value::Null));
        let language = match body.get("language") {
            Some((node, at)) => {
                let words = LANGUAGES.map(Value::from).to_vec();
                let (val, ty) = self.value(node, &at);
                let wanted = if matches!(val, Val::Const(_)) { Type::Literals(words) } else { text() };
                self.fit(val, ty, node, &at, &wanted, "`language`")
            }
            None => null(),
        };
        let code = match body.get("code") {
            Some((node, at)) => self.typed_value(node, &at, &text(), "`code`"),
            None => null(),
        };
        let mut types = built_in();
        let result = types.remove("TestResult").unwrap_or(Type::Any);
        let trial = types.remove("Trial").unwrap_or(Type::Any);
        let test = any_length(types.remove("Test").unwrap_or(Type::Any));
        let (on, ty) = if let Some((node, at)) = body.get("tests") {
            let (val, given) = self.list_value(node, &at, "the list of tests");
            let length = match &given {
                Type::List(_, length) => length.clone(),
                _ => Length::default(),
            };
            let val = self.fit(val, given, node, &at, &test, "`tests`");
            (ExecuteOn::Tests(val), with_tests(trial, length))
        } else if let Some((node, at)) = body.get("inputs") {
            let (val, given) = self.list_value(node, &at, "the list of inputs");
            let length = match &given {
                Type::List(_, length) => length.clone(),
                _ => Length::default(),
            };
            let val = self.fit(val, given, node, &at, &any_length(text()), "`inputs`");
            (ExecuteOn::Inputs(val), Type::List(Box::new(result), length))
        } else if let Some((node, at)) = body.get("input") {
            (ExecuteOn::Input(self.typed_value(node, &at, &text(), "`input`")), result)
        } else {
            (ExecuteOn::Input(null()), Type::Any)
        };
        let compare = match body.get("compare") {
            Some((node, at)) => self.compare(node, &at),
            None => Val::Const(Arc::new(Value::from("tokens"))),
        };
        let execute = Execute {
            language,
            code,
            on,
            compare,
            limits: self.limits(body),
            stop_first_failure: body.text("stop") == Some("first_failure"),
            files: body.get("files").map(|(node, at)| self.value(node, &at).0),
        };
        (execute, ty)
    }

    fn compare(&mut self, node: &Yaml, at: &Route) -> Val {
        if let Some(wasm) = node.get("wasm") {
            let path = self.module(wasm, &at.key("wasm")).map(|(path, _)| path).unwrap_or_default();
            return Val::Const(Arc::new(serde_json::json!({ "wasm": path })));
        }
        let (val, ty) = self.value(node, at);
        if let Val::Const(value) = &val {
            if let Err(why) = Compare::read(value, &Modules::new())
                && !self.told(node.span)
            {
                let message = format!("this is no comparison: {why}");
                self.report(
                    Diagnostic::error("bad-value", at.to_string(), node.span, message).help(format!("write {FORMS}")),
                );
            }
        } else {
            self.need_value(&val, ty, node, at, "`compare`");
        }
        val
    }

    fn limits(&mut self, body: &Body<'_>) -> Limits {
        // 2 s at 20 G of fuel a second, 1 GiB, 16 MiB.
        let mut limits = Limits { fuel: 40_000_000_000, memory: 1 << 30, output: 16 << 20 };
        let Some((yaml, at)) = body.get("limits") else { return limits };
        for entry in yaml.entries() {
            let written = entry.value.text().unwrap_or_default();
            let read = match entry.key.as_str() {
                "time" => units::duration(written).map(|t| {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a positive time, far below 2^63 units"
                    )]
                    let fuel = (t.as_secs_f64() * 20e9) as u64;
                    limits.fuel = fuel;
                }),
                "fuel" => units::fuel(written).map(|fuel| limits.fuel = fuel),
                "memory" => units::bytes(written).map(|bytes| limits.memory = bytes),
                "output" => units::bytes(written).map(|bytes| limits.output = bytes),
                _ => Some(()),
            };
            if read.is_none() {
                self.report(
                    Diagnostic::error(
                        "bad-value",
                        at.key(&entry.key).to_string(),
                        entry.value.span,
                        format!("`{written}` is no limit of `{}`", entry.key),
                    )
                    .help("write a number and a unit: `time: 2s`, `fuel: 40G`, `memory: 1GiB`, `output: 16MiB`"),
                );
            }
        }
        limits
    }

    fn call(&mut self, yaml: &Yaml, verb: &Entry, at: &Route) -> (Verb, Type) {
        let with_at = at.key("with");
        let given: Vec<&Entry> = yaml.get("with").map(|w| w.entries().iter().collect()).unwrap_or_default();
        let name = verb.value.text().unwrap_or_default();
        let file = self.file.clone();
        let Some(callable) = file.callable.get(name) else {
            let similar = nearest(name, file.callable.keys().map(String::as_str));
            let mut found = Diagnostic::error(
                "unknown-flow",
                at.key("flow").to_string(),
                verb.value.span,
                format!("there is no flow `{name}`"),
            );
            found = match similar {
                Some(similar) => {
                    found.help(format!("a similar flow exists: `{similar}`")).fix(verb.value.span, similar)
                }
                None => found.help("name a flow of `flows`, an imported file, or a flow of one: `lib.mend`"),
            };
            self.report(found);
            for entry in given {
                self.value(&entry.value, &with_at.key(&entry.key));
            }
            return (Verb::Let(Val::Const(Arc::new(Value::Null))), Type::Any);
        };
        let Some(flow) = callable.filter(|id| *id < self.flows.len()) else {
            // Names only, or the flow's own check failed: its inputs are not known.
            for entry in given {
                self.value(&entry.value, &with_at.key(&entry.key));
            }
            return (Verb::Let(Val::Const(Arc::new(Value::Null))), Type::Any);
        };
        let def = &self.flows[flow];
        let (inputs, outputs) = (def.inputs.clone(), def.outputs_type.clone());
        let imported = def.file != file.id;
        let params = if imported { self.file_defs[def.file].params.clone() } else { Vec::new() };
        let mut input_vals = Vec::new();
        let mut param_vals = Vec::new();
        for entry in &given {
            let at = with_at.key(&entry.key);
            let what = format!("`{}`", entry.key);
            if let Some(field) = inputs.iter().find(|f| f.name == entry.key) {
                let wanted = field.ty.clone();
                let val = self.typed_value(&entry.value, &at, &wanted, &what);
                input_vals.push((entry.key.clone(), val));
            } else if let Some(field) = params.iter().find(|f| f.name == entry.key) {
                let wanted = field.ty.clone();
                let val = self.typed_value(&entry.value, &at, &wanted, &what);
                param_vals.push((entry.key.clone(), val));
            } else {
                let similar =
                    nearest(&entry.key, inputs.iter().chain(&params).map(|f| f.name.as_str())).map(str::to_owned);
                let mut found = Diagnostic::error(
                    "unknown-input",
                    at.to_string(),
                    entry.key_span,
                    format!("flow `{name}` has no input `{}`", entry.key),
                );
                found = match similar {
                    Some(similar) => {
                        found.help(format!("a similar input exists: `{similar}`")).fix(entry.key_span, similar)
                    }
                    None => found.help(format!(
                        "its inputs: {}",
                        inputs.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ")
                    )),
                };
                self.report(found);
                self.value(&entry.value, &at);
            }
        }
        let missing: Vec<&str> = inputs
            .iter()
            .filter(|f| f.default.is_none() && !f.ty.nullable() && given.iter().all(|e| e.key != f.name))
            .map(|f| f.name.as_str())
            .collect();
        if !missing.is_empty() {
            let (place, span) = if yaml.get("with").is_some() {
                (with_at, yaml.get("with").map_or(verb.value.span, |w| w.span))
            } else {
                (at.key("flow"), verb.value.span)
            };
            let names = missing.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(", ");
            self.report(
                Diagnostic::error("missing-input", place.to_string(), span, format!("flow `{name}` needs {names}"))
                    .help("give it in `with`"),
            );
        }
        (Verb::Call { flow, inputs: input_vals, params: param_vals }, outputs)
    }

    fn human(&mut self, body: &Body<'_>) -> Human {
        Human {
            ask: body.get("ask").and_then(|(node, at)| self.template(node, &at)).unwrap_or_else(|| {
                crate::template::Text::compile("", &|_| None).expect("internal error: empty text compiles")
            }),
            show: body.get("show").map(|(node, at)| self.value(node, &at).0),
            returns: body.get("returns").map(|(node, at)| self.parse_type(node, &at)),
            wait: body.get("wait").and_then(|(node, at)| self.duration(node, &at)),
        }
    }

    fn embed(&mut self, body: &Body<'_>) -> (Embed, Length) {
        let (texts, ty) = match body.get("texts") {
            Some((node, at)) => self.list_value(node, &at, "the list of texts"),
            None => (Val::Const(Arc::new(Value::Null)), any_length(never())),
        };
        let length = match ty {
            Type::List(_, length) => length,
            _ => Length::default(),
        };
        let embed = Embed {
            texts,
            models: body.get("model").map(|(node, at)| self.models(node, &at)).unwrap_or_default(),
            retry: self.retry(body),
            timeout: body.get("timeout").and_then(|(node, at)| self.duration(node, &at)),
        };
        (embed, length)
    }

    /// A type as written.
    pub(super) fn parse_type(&mut self, node: &Yaml, at: &Route) -> Type {
        let mut found = crate::diag::Diagnostics::default();
        let file = self.file.clone();
        let ty = parse_type(node, at, &file.types, &mut found);
        self.report_all(found);
        ty
    }
}

struct PromptRead {
    prompt: Prompt,
    samples: Option<(Val, Type)>,
}

/// The results of a trial are as many as its tests.
fn with_tests(trial: Type, length: Length) -> Type {
    match trial {
        Type::Record(fields) => Type::Record(
            fields
                .into_iter()
                .map(|f| match f.ty {
                    Type::List(item, _) if f.name == "tests" => Field { ty: Type::List(item, length.clone()), ..f },
                    ty => Field { ty, ..f },
                })
                .collect(),
        ),
        other => other,
    }
}

fn with_known_lengths(
    ty: &Type,
    fewest: &BTreeMap<String, Option<Bound>>,
    most: &BTreeMap<String, Option<Bound>>,
) -> Type {
    let end = |bound: &Option<Bound>, known: &BTreeMap<String, Option<Bound>>| match bound {
        Some(Bound::Flow(source)) => known.get(source).cloned().flatten(),
        other => other.clone(),
    };
    let inner = |ty: &Type| with_known_lengths(ty, fewest, most);
    match ty {
        Type::List(item, length) => {
            Type::List(Box::new(inner(item)), Length { min: end(&length.min, fewest), max: end(&length.max, most) })
        }
        Type::Record(fields) => Type::Record(fields.iter().map(|f| Field { ty: inner(&f.ty), ..f.clone() }).collect()),
        Type::Union(members) => members.iter().map(inner).fold(never(), join),
        other => other.clone(),
    }
}
