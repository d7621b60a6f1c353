//! Blocks: which names they have, in which order their nodes are looked at, and the cycles that forbid one.

use super::cx::{BlockOrder, Cx};
use super::env::Var;
use super::flow::{Block, Dep, Node};
use crate::diag::{Diagnostic, Span};
use crate::source::SourceId;
use crate::spec::types::Type;
use crate::syntax::{Entry, Node as Yaml, Route};

/// Names that the language gives.
const WORDS: [&str; 9] = ["inputs", "params", "run", "budget", "it", "state", "prev", "pass", "error"];
/// Words of the expression language.
const SYNTAX: [&str; 14] =
    ["true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else", "loop"];
/// What a loop's result has beside its body's nodes.
const LOOP_RESULT: [&str; 3] = ["state", "passes", "exit"];

impl Cx<'_> {
    /// Reads the nodes of a block. Their names stay in scope until the caller goes back to its own mark.
    pub(super) fn block(&mut self, nodes: &Yaml, at: &Route, in_loop: bool) -> Block {
        let entries: Vec<&Entry> = nodes
            .entries()
            .iter()
            .filter(|e| self.name_is_free(&e.key, e.key_span, &at.key(&e.key), in_loop))
            .collect();
        for entry in &entries {
            let key = at.key(&entry.key).to_string();
            self.env.push(Var { key: Some(key), ..Var::new(&entry.key, Type::Any) });
        }
        let key = (nodes.span.source, nodes.span.start);
        let known = self.orders.get(&key).cloned();
        let BlockOrder { order, deps } = match known {
            // The names were looked at with the block around it, and its reads bubbled up then.
            Some(known) if !self.names_only => known,
            _ => {
                let found = self.order(&entries, at, key);
                self.orders.insert(key, found.clone());
                found
            }
        };
        if self.names_only {
            return Block::default();
        }
        let mut slots: Vec<Option<Node>> = entries.iter().map(|_| None).collect();
        for index in order {
            let entry = entries[index];
            self.trail.push((key, index));
            let (mut node, var) = self.node(entry, &at.key(&entry.key), &entries);
            self.trail.pop();
            node.deps = deps[index].clone();
            self.env.set(Var { key: Some(node.at.clone()), ..var });
            slots[index] = Some(node);
        }
        Block { nodes: slots.into_iter().map(|n| n.expect("internal error: the order holds every node")).collect() }
    }

    /// Whether a name may be given here; says why not.
    pub(super) fn name_is_free(&mut self, name: &str, span: Span, at: &Route, in_loop: bool) -> bool {
        let identifier =
            name.chars().enumerate().all(|(i, c)| c == '_' || c.is_alphabetic() || (i > 0 && c.is_numeric()));
        if name.is_empty() || !identifier {
            self.report(
                Diagnostic::error("bad-value", at.to_string(), span, format!("`{name}` can't be a name"))
                    .help("a name has letters, digits and `_`, and does not begin with a digit"),
            );
            return false;
        }
        if WORDS.contains(&name) || SYNTAX.contains(&name) || (in_loop && LOOP_RESULT.contains(&name)) {
            self.report(
                Diagnostic::error("reserved-name", at.to_string(), span, format!("`{name}` is a word of the language"))
                    .help("choose another name"),
            );
            return false;
        }
        if self.env.get(name).is_some() {
            self.report(
                Diagnostic::error(
                    "shadowed-name",
                    at.to_string(),
                    span,
                    format!("`{name}` already has a meaning here"),
                )
                .help("a name has one meaning in a block and all that is in it; choose another"),
            );
            return false;
        }
        true
    }

    /// Looks at names alone: who reads whom, and so in which order.
    fn order(&mut self, entries: &[&Entry], at: &Route, key: (SourceId, usize)) -> BlockOrder {
        let outer = std::mem::replace(&mut self.names_only, true);
        let mut deps: Vec<Vec<Dep>> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let before = self.reads.len();
            self.trail.push((key, index));
            self.node(entry, &at.key(&entry.key), entries);
            self.trail.pop();
            let mut mine: Vec<Dep> = Vec::new();
            for read in &self.reads[before..] {
                if let Some(node) = entries.iter().position(|e| e.key == read.name)
                    && mine.iter().all(|d| d.node != node)
                {
                    mine.push(Dep { node, span: read.span, at: read.at.to_string() });
                }
            }
            deps.push(mine);
        }
        self.names_only = outer;
        let order = self.sorted(entries, &mut deps, at);
        BlockOrder { order, deps }
    }

    /// First ready node in file order first. A cycle is told once, at its first node, and cut there.
    fn sorted(&mut self, entries: &[&Entry], deps: &mut [Vec<Dep>], at: &Route) -> Vec<usize> {
        let mut order = Vec::new();
        let mut done = vec![false; entries.len()];
        while order.len() < entries.len() {
            if let Some(next) = (0..entries.len()).find(|i| !done[*i] && deps[*i].iter().all(|d| done[d.node])) {
                done[next] = true;
                order.push(next);
                continue;
            }
            let cycle = find_cycle(deps, &done);
            let first = cycle.iter().copied().min().unwrap_or_default();
            let turn = cycle.iter().position(|i| *i == first).unwrap_or_default();
            let path: Vec<String> =
                cycle[turn..].iter().chain(&cycle[..=turn]).map(|i| format!("`{}`", entries[*i].key)).collect();
            let entry = entries[first];
            self.report(
                Diagnostic::error("cycle", at.key(&entry.key).to_string(), entry.key_span, format!("these nodes wait for each other: {}", path.join(" → ")))
                    .help("a loop with `state` carries a value from pass to pass; elsewhere a node can read only what comes before it"),
            );
            for node in &cycle {
                deps[*node].retain(|d| !cycle.contains(&d.node));
            }
        }
        order
    }
}

/// A cycle among the nodes that are left, each waiting for the next.
fn find_cycle(deps: &[Vec<Dep>], done: &[bool]) -> Vec<usize> {
    let mut path: Vec<usize> = Vec::new();
    let mut here = done.iter().position(|d| !d).expect("internal error: a cycle needs a node that is left");
    loop {
        if let Some(start) = path.iter().position(|n| *n == here) {
            return path.split_off(start);
        }
        path.push(here);
        let next = deps[here].iter().find(|d| !done[d.node]);
        here = next.expect("internal error: a node that is left waits for another that is left").node;
    }
}
