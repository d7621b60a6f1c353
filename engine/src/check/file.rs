//! A flow file: its imports, types, params and models, and its flows, those that are called first.

use super::cx::{Cx, Declared, FileScope};
use super::env::Var;
use super::flow::{FileDef, FlowDef, FlowId, ModelDef, Price, Val};
use super::join::{known_before_the_run, record};
use crate::diag::{Diagnostic, nearest};
use crate::spec;
use crate::spec::types::{Field, Named, Type, parse_field, parse_named};
use crate::syntax::{self, Document, Node as Yaml, Route};
use crate::value::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What an importing file sees of a file.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) root: Option<FlowId>,
    flows: BTreeMap<String, Option<FlowId>>,
    types: Named,
}

impl Cx<'_> {
    /// Reads a file and all it imports. `importing` are the files on the way here.
    pub(super) fn file(&mut self, path: &str, text: String, importing: &mut Vec<String>) -> Option<Loaded> {
        let source = self.sources.add(path, text);
        let (document, found) = syntax::parse(source, &self.sources.get(source).text);
        // A text that is no YAML gives a tree that was guessed.
        let broken = found.iter().any(|d| d.rule == "yaml" || d.rule == "too-large");
        self.report_all(found);
        if broken {
            return None;
        }
        self.report_all(spec::check(&document));
        let folder = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let mut scope = FileScope { folder, ..FileScope::default() };
        importing.push(path.to_owned());
        let imported = self.imports(&document.root, &mut scope, importing);
        importing.pop();

        let top = Route::default();
        let none = Yaml { span: document.root.span, kind: syntax::NodeKind::Map(Vec::new()) };
        let written = document.root.get("types").unwrap_or(&none);
        let mut found = crate::diag::Diagnostics::default();
        scope.types = parse_named(written, &top.key("types"), &imported, &mut found);
        self.report_all(found);
        let own = |name: &String| written.get(name).is_some();
        let types: Named =
            scope.types.iter().filter(|(name, _)| own(name)).map(|(n, t)| (n.clone(), t.clone())).collect();
        let params = self.params(&document.root, &scope);
        scope.params = Some(record(params.iter().map(|f| (f.name.clone(), known_before_the_run(f.ty.clone())))));
        let presets = self.presets(&document.root, &params);
        scope.defaults = document.root.get("defaults").cloned();
        scope.id = self.file_defs.len();
        self.file_defs.push(FileDef {
            params,
            presets,
            models: BTreeMap::new(),
            types: scope.types.clone(),
            without_effect: without_effect(&document),
        });
        let outer = std::mem::replace(&mut self.file, Rc::new(scope));
        self.model_aliases(&document.root);
        let loaded = self.flows(&document, types);
        self.file = outer;
        Some(loaded)
    }

    fn imports(&mut self, root: &Yaml, scope: &mut FileScope, importing: &mut Vec<String>) -> Named {
        let mut named = Named::new();
        let at = Route::default().key("import");
        for entry in root.get("import").map(Yaml::entries).unwrap_or_default() {
            let at = at.key(&entry.key);
            let Some(written) = entry.value.text() else { continue };
            let Some(path) = super::value::inside(&scope.folder, written) else {
                self.error(
                    "outside-file",
                    &at,
                    entry.value.span,
                    format!("`{written}` lies outside the flow's folder"),
                );
                continue;
            };
            if importing.contains(&path) {
                self.error("recursion", &at, entry.value.span, format!("`{written}` imports this file"));
                continue;
            }
            let text = self
                .files
                .read(&path)
                .and_then(|b| String::from_utf8(b).map_err(|_| "it is not UTF-8 text".to_owned()));
            let text = match text {
                Ok(text) => text,
                Err(why) => {
                    self.error("missing-file", &at, entry.value.span, format!("can't read `{written}`: {why}"));
                    continue;
                }
            };
            let Some(loaded) = self.file(&path, text, importing) else { continue };
            scope.callable.insert(entry.key.clone(), loaded.root);
            for (name, id) in loaded.flows {
                scope.callable.insert(format!("{}.{name}", entry.key), id);
            }
            for (name, ty) in loaded.types {
                named.insert(format!("{}.{name}", entry.key), ty);
            }
        }
        named
    }

    fn fields(&mut self, node: &Yaml, at: &Route, types: &Named) -> Vec<Field> {
        let mut found = crate::diag::Diagnostics::default();
        let fields =
            node.entries().iter().map(|e| parse_field(&e.key, &e.value, &at.key(&e.key), types, &mut found)).collect();
        self.report_all(found);
        fields
    }

    fn params(&mut self, root: &Yaml, scope: &FileScope) -> Vec<Field> {
        let at = Route::default().key("params");
        let Some(node) = root.get("params") else { return Vec::new() };
        let fields = self.fields(node, &at, &scope.types);
        let key = format!("params:{}", self.file_defs.len());
        for (field, entry) in fields.iter().zip(node.entries()) {
            let at = at.key(&field.name);
            // A default that does not fit has been told of.
            if field.default.is_none() && field.ty != Type::Any && !self.told(entry.value.span) {
                self.report(
                    Diagnostic::error("missing-key", at.to_string(), entry.value.span, format!("param `{}` has no default", field.name))
                        .help("a param is a knob, known before the run: give it a value, as in `integer 1..5 = 3`; data is an input"),
                );
            }
            self.declared.push(Declared {
                rule: "unused-param",
                at,
                span: entry.key_span,
                key: format!("{key}.{}", field.name),
                within: vec![key.clone()],
            });
        }
        fields
    }

    fn presets(&mut self, root: &Yaml, params: &[Field]) -> BTreeMap<String, BTreeMap<String, Value>> {
        let mut presets = BTreeMap::new();
        let at = Route::default().key("presets");
        for preset in root.get("presets").map(Yaml::entries).unwrap_or_default() {
            let mut values = BTreeMap::new();
            for entry in preset.value.entries() {
                let at = at.key(&preset.key).key(&entry.key);
                let Some(field) = params.iter().find(|f| f.name == entry.key) else {
                    let similar = nearest(&entry.key, params.iter().map(|f| f.name.as_str())).map(str::to_owned);
                    let mut found = Diagnostic::error(
                        "unknown-name",
                        at.to_string(),
                        entry.key_span,
                        format!("there is no param `{}`", entry.key),
                    );
                    if let Some(similar) = similar {
                        found = found.help(format!("a similar param exists: `{similar}`")).fix(entry.key_span, similar);
                    }
                    self.report(found);
                    continue;
                };
                match field.ty.accept_node(&entry.value) {
                    Ok(value) => {
                        values.insert(entry.key.clone(), value);
                    }
                    Err(issues) => {
                        let why = issues.first().map(|i| i.message.clone()).unwrap_or_default();
                        self.error("bad-value", &at, entry.value.span, format!("param `{}`: {why}", entry.key));
                    }
                }
            }
            presets.insert(preset.key.clone(), values);
        }
        presets
    }

    fn model_aliases(&mut self, root: &Yaml) {
        let at = Route::default().key("models");
        let mut models = BTreeMap::new();
        let params = self.file.params.clone().unwrap_or(Type::Any);
        let mark = self.env.mark();
        self.env.push(Var { key: Some(format!("params:{}", self.file.id)), ..Var::new("params", params) });
        for entry in root.get("models").map(Yaml::entries).unwrap_or_default() {
            let at = at.key(&entry.key);
            let uses: Vec<String> = entry
                .value
                .get("use")
                .map(Yaml::items)
                .unwrap_or_default()
                .iter()
                .filter_map(|n| n.text().map(str::to_owned))
                .collect();
            for (i, model) in entry.value.get("use").map(Yaml::items).unwrap_or_default().iter().enumerate() {
                if model.text().is_some_and(|m| !m.contains('/')) {
                    self.report(
                        Diagnostic::error(
                            "bad-value",
                            at.key("use").index(i).to_string(),
                            model.span,
                            format!("`{}` names no provider", model.text().unwrap_or_default()),
                        )
                        .help("write `provider/model`, as in `openai/gpt-4o` or `ollama/qwen2.5-coder`"),
                    );
                }
            }
            let rate = |key: &str| {
                entry.value.get("price").and_then(|p| p.get(key)).and_then(|n| n.text()?.parse::<f64>().ok())
            };
            let price = rate("in").zip(rate("out")).map(|(input, output)| Price { input, output });
            let settings = self.alias_settings(&entry.value, &at);
            models.insert(entry.key.clone(), ModelDef { uses, settings, price });
        }
        self.env.back(mark);
        self.file_defs[self.file.id].models = models.clone();
        self.change_file(|file| file.models = models);
    }

    fn change_file(&mut self, change: impl FnOnce(&mut FileScope)) {
        change(Rc::make_mut(&mut self.file));
    }

    fn flows(&mut self, document: &Document, types: Named) -> Loaded {
        let root = &document.root;
        let subs = root.get("flows").map(Yaml::entries).unwrap_or_default();
        let own_name = root.get("flow").and_then(Yaml::text).unwrap_or_default().to_owned();
        self.change_file(|file| {
            for sub in subs {
                file.callable.insert(sub.key.clone(), None);
            }
        });
        let mut order = Vec::new();
        let mut state = vec![Visit::New; subs.len()];
        let calls = calls_of(root.get("nodes"), &Route::default().key("nodes"));
        for (name, at, span) in calls {
            if name == own_name && !subs.iter().any(|s| s.key == name) {
                self.error("recursion", &at, span, format!("flow `{name}` reaches itself"));
                self.change_file(|file| {
                    file.callable.insert(name, None);
                });
            } else {
                self.visit(&name, &at, span, subs, &mut state, &mut order);
            }
        }
        for sub in subs {
            let at = Route::default().key("flows").key(&sub.key);
            self.visit(&sub.key, &at, sub.key_span, subs, &mut state, &mut order);
        }
        let mut flows = BTreeMap::new();
        for index in order {
            let sub = &subs[index];
            let at = Route::default().key("flows").key(&sub.key);
            let id = self.flow(&sub.value, &at, sub.key.clone());
            flows.insert(sub.key.clone(), Some(id));
            self.change_file(|file| {
                file.callable.insert(sub.key.clone(), Some(id));
            });
        }
        let id = self.flow(root, &Route::default(), own_name);
        Loaded { root: Some(id), flows, types }
    }

    /// Sub-flows in the order that those called come first. A call that closes a circle is told where it stands.
    fn visit(
        &mut self,
        name: &str,
        at: &Route,
        span: crate::diag::Span,
        subs: &[syntax::Entry],
        state: &mut [Visit],
        order: &mut Vec<usize>,
    ) {
        let Some(index) = subs.iter().position(|s| s.key == name) else { return };
        match state[index] {
            Visit::Done => return,
            Visit::Open => {
                self.report(
                    Diagnostic::error(
                        "recursion",
                        at.to_string(),
                        span,
                        format!("flow `{name}` reaches itself, so nothing bounds it"),
                    )
                    .help("a loop with `state` says what recursion would"),
                );
                return;
            }
            Visit::New => {}
        }
        state[index] = Visit::Open;
        let nodes_at = Route::default().key("flows").key(name).key("nodes");
        for (callee, at, span) in calls_of(subs[index].value.get("nodes"), &nodes_at) {
            self.visit(&callee, &at, span, subs, state, order);
        }
        state[index] = Visit::Done;
        order.push(index);
    }

    fn flow(&mut self, yaml: &Yaml, at: &Route, name: String) -> FlowId {
        let mark = self.env.mark();
        self.spoken.clear();
        let file = self.file.clone();
        let inputs = match yaml.get("inputs") {
            Some(node) => self.fields(node, &at.key("inputs"), &file.types),
            None => Vec::new(),
        };
        let key = format!("inputs:{}:{at}", file.id);
        for (field, entry) in inputs.iter().zip(yaml.get("inputs").map(Yaml::entries).unwrap_or_default()) {
            self.declared.push(Declared {
                rule: "unused-input",
                at: at.key("inputs").key(&field.name),
                span: entry.key_span,
                key: format!("{key}.{}", field.name),
                within: vec![key.clone()],
            });
        }
        let input_record = record(inputs.iter().map(|f| (f.name.clone(), known_before_the_run(f.ty.clone()))));
        self.env.push(Var { key: Some(key), ..Var::new("inputs", input_record) });
        let params = file.params.clone().unwrap_or(Type::Any);
        self.env.push(Var { key: Some(format!("params:{}", file.id)), ..Var::new("params", params) });
        let seed = super::join::integer(Some(0.0), Some(f64::INFINITY));
        self.env.push(Var::new("run", record([("seed".to_owned(), seed)])));
        let budget = yaml.get("budget").map(|b| self.budget(b, &at.key("budget")));
        let empty = Yaml { span: yaml.span, kind: syntax::NodeKind::Map(Vec::new()) };
        let body = self.block(yaml.get("nodes").unwrap_or(&empty), &at.key("nodes"), false);
        let mut outputs: Vec<(String, Val)> = Vec::new();
        let mut output_types = Vec::new();
        for entry in yaml.get("outputs").map(Yaml::entries).unwrap_or_default() {
            let (val, ty) = self.value(&entry.value, &at.key("outputs").key(&entry.key));
            outputs.push((entry.key.clone(), val));
            output_types.push((entry.key.clone(), ty));
        }
        let accept = yaml.get("accept").and_then(|e| self.condition(e, &at.key("accept")));
        self.threads();
        self.env.back(mark);
        self.flows.push(FlowDef {
            name,
            about: yaml.get("about").and_then(Yaml::text).map(str::to_owned),
            file: file.id,
            inputs,
            budget,
            body,
            outputs,
            outputs_type: record(output_types),
            accept,
        });
        self.flows.len() - 1
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    Done,
}

/// Every `flow: name` in some nodes, at any depth.
fn calls_of(nodes: Option<&Yaml>, at: &Route) -> Vec<(String, Route, crate::diag::Span)> {
    let mut calls = Vec::new();
    for entry in nodes.map(Yaml::entries).unwrap_or_default() {
        let at = at.key(&entry.key);
        if let Some(flow) = entry.value.get("flow")
            && let Some(name) = flow.text()
        {
            calls.push((name.to_owned(), at.key("flow"), flow.span));
        }
        calls.extend(calls_of(entry.value.get("nodes"), &at.key("nodes")));
    }
    calls
}

/// Keys that are checked and wait for the part that gives them effect.
fn without_effect(document: &Document) -> Vec<String> {
    document.root.get("tests").map(|_| "tests".to_owned()).into_iter().collect()
}
