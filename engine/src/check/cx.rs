//! What a rule may use while a flow is checked: the texts, the names in scope, and a way to report.

use super::env::Env;
use super::flow::{CheckedFlow, FileDef, FileId, FlowDef, FlowId};
use super::place::Place;
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::source::{Files, SourceId, Sources};
use crate::spec::compare::Modules;
use crate::spec::types::{Named, Type};
use crate::syntax::{Node as Yaml, Route};
use crate::template::{Ast, AstKind, Expr, SyntaxError, Text};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

/// A name that was read, and where: what edges and warnings are made of.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) at: Route,
}

/// What the flows of one file share.
#[derive(Debug, Default, Clone)]
pub(super) struct FileScope {
    pub(super) id: FileId,
    /// The file's folder, relative to the folder of the flow that was opened; empty or ending in `/`.
    pub(super) folder: String,
    pub(super) types: Named,
    /// The record of the file's params.
    pub(super) params: Option<Type>,
    pub(super) models: BTreeMap<String, super::flow::ModelDef>,
    pub(super) defaults: Option<Yaml>,
    /// Flows that can be called, by the name they are called with; those whose check failed have no id.
    pub(super) callable: BTreeMap<String, Option<FlowId>>,
}

/// One prompt that speaks in a thread, for the rule that they must stand in order.
#[derive(Debug, Clone)]
pub(super) struct Spoken {
    pub(super) thread: String,
    pub(super) at: Route,
    pub(super) span: Span,
    /// Under an `each` of this flow, or with `samples`.
    pub(super) at_once: bool,
    /// Its index in each block around it, outermost first, with where that block stands.
    pub(super) trail: Vec<((SourceId, usize), usize)>,
}

/// A node, an input or a param, for the warning that nobody reads it.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) rule: &'static str,
    pub(super) at: Route,
    pub(super) span: Span,
    /// The key its use is noted under.
    pub(super) key: String,
    /// Keys whose use as a whole uses it too: the blocks around a node, the record of an input.
    pub(super) within: Vec<String>,
}

/// The order of a block's nodes, found once.
#[derive(Debug, Clone)]
pub(super) struct BlockOrder {
    pub(super) order: Vec<usize>,
    pub(super) deps: Vec<Vec<super::flow::Dep>>,
}

type Compiled<T> = HashMap<(SourceId, usize, usize), Result<T, SyntaxError>>;

pub(super) struct Cx<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) sources: Sources,
    pub(super) env: Env,
    pub(super) file: Rc<FileScope>,
    pub(super) flows: Vec<FlowDef>,
    pub(super) file_defs: Vec<FileDef>,
    pub(super) modules: Modules,
    /// Types are not known yet: only names and edges are looked at.
    pub(super) names_only: bool,
    pub(super) reads: Vec<Read>,
    pub(super) orders: HashMap<(SourceId, usize), BlockOrder>,
    pub(super) spoken: Vec<Spoken>,
    pub(super) trail: Vec<((SourceId, usize), usize)>,
    pub(super) each_depth: u32,
    pub(super) declared: Vec<Declared>,
    pub(super) used: BTreeSet<String>,
    /// The name being read is read for one of its fields, which alone is used.
    pub(super) field_read: bool,
    pub(super) exprs: Compiled<Expr>,
    pub(super) texts: Compiled<Text>,
    pub(super) prompt_files: HashMap<String, Option<SourceId>>,
    found: Diagnostics,
    muted: u32,
}

impl<'a> Cx<'a> {
    pub(super) fn new(files: &'a dyn Files) -> Self {
        Self {
            files,
            sources: Sources::default(),
            env: Env::default(),
            file: Rc::default(),
            flows: Vec::new(),
            file_defs: Vec::new(),
            modules: BTreeMap::new(),
            names_only: false,
            reads: Vec::new(),
            orders: HashMap::new(),
            spoken: Vec::new(),
            trail: Vec::new(),
            each_depth: 0,
            declared: Vec::new(),
            used: BTreeSet::new(),
            field_read: false,
            exprs: HashMap::new(),
            texts: HashMap::new(),
            prompt_files: HashMap::new(),
            found: Diagnostics::default(),
            muted: 0,
        }
    }

    pub(super) fn report(&mut self, found: Diagnostic) {
        if self.muted == 0 {
            self.found.push(found);
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.has_errors()
    }

    pub(super) fn report_all(&mut self, found: Diagnostics) {
        if self.muted == 0 {
            self.found.extend(found);
        }
    }

    /// Whether something was found here or in a part of it.
    pub(super) fn told(&self, span: Span) -> bool {
        self.found.iter().any(|one| span.holds(one.span))
    }

    /// An error at a key.
    pub(super) fn error(&mut self, rule: &'static str, at: &Route, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::error(rule, at.to_string(), span, message));
    }

    /// Runs `work` without reporting: a round whose types are not final.
    pub(super) fn muted<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.muted += 1;
        let result = work(self);
        self.muted -= 1;
        result
    }

    /// Notes that a name is read. Where types are looked at, the edges are known already.
    pub(super) fn read(&mut self, name: &str, ast: &Ast, place: &Place) {
        let field_read = std::mem::take(&mut self.field_read);
        if let Some(var) = self.env.get(name)
            && let Some(key) = &var.key
            && !field_read
        {
            self.used.insert(key.clone());
        }
        if self.names_only {
            let span = place.span(&self.sources, ast.start, ast.end);
            self.reads.push(Read { name: name.to_owned(), span, at: place.at.clone() });
        }
    }

    /// `params.x` uses one field; a read of the whole record uses all.
    pub(super) fn note_field_use(&mut self, base: &Ast, name: &str) {
        if let AstKind::Var(root) = &base.kind
            && let Some(var) = self.env.get(root)
            && let Some(key) = &var.key
        {
            self.used.insert(format!("{key}.{name}"));
            self.field_read = true;
        }
    }

    pub(super) fn finish(self, root: Option<FlowId>) -> (Option<CheckedFlow>, Arc<Sources>, Diagnostics) {
        let sources = Arc::new(self.sources);
        let mut found = self.found;
        found.sort();
        let flow = root.filter(|_| !found.has_errors()).map(|root| CheckedFlow {
            flows: self.flows,
            root,
            files: self.file_defs,
            sources: sources.clone(),
            modules: self.modules,
            bundle: Arc::default(),
            hash: String::new(),
        });
        (flow, sources, found)
    }
}
