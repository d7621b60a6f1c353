//! Flows, blocks and nodes: how they begin, and what their end means to what is around them.

use super::Outcome;
use super::budget::Budget;
use super::error::{ErrorName, RunError};
use super::frame::{BlockFrame, FlowFrame, Frame, FrameId, Key, Kind, NodeFrame, Repeating, Slot, below, record_of};
use super::ready::{Entry, millis};
use super::scope::{self, Local, View};
use super::state::{Fault, RunState};
use super::work::rules;
use crate::check::flow::{Block, BudgetDef, FileId, FlowId, Node, OnError, Repeat, Val, Verb};
use crate::journal::Event;
use crate::template::{EvalError, Scope};
use crate::value::Value;
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a node's verb is called in events.
pub(super) fn verb_name(node: &Node) -> &'static str {
    match (&node.repeat, &node.verb) {
        (Repeat::Loop(_), _) => "loop",
        (_, Verb::Prompt(_)) => "prompt",
        (_, Verb::Validate { .. }) => "validate",
        (_, Verb::Execute(_)) => "execute",
        (_, Verb::Let(_)) => "let",
        (_, Verb::Call { .. }) => "flow",
        (_, Verb::Human(_)) => "human",
        (_, Verb::Embed(_)) => "embed",
        (_, Verb::Block(_)) => "nodes",
    }
}

impl<'f> RunState<'f> {
    /// Begins a flow: the run's own, or one that a node calls.
    pub(super) fn begin_flow(
        &mut self,
        parent: Option<FrameId>,
        key: Key,
        path: String,
        flow: FlowId,
        inputs: Arc<Value>,
        params: Arc<Value>,
    ) {
        let checked = self.flow;
        let def = &checked.flows[flow];
        let frame = FlowFrame { def, inputs, params, budget: None, threads: BTreeMap::new(), body: None };
        let id = self.frames.add(Frame { parent, key: key.clone(), path: path.clone(), kind: Kind::Flow(frame) });
        if let Some(unit) = parent {
            self.set_child(unit, id);
        }
        if let Some(budget) = &def.budget {
            let scope = if parent.is_none() { String::new() } else { format!("{path}/") };
            match self.budget(budget, scope, &self.view(id)) {
                Ok(budget) => self.frames.flow_mut(id).budget = Some(budget),
                Err(error) => return self.flow_failed(id, Fault::from(error).at(&path)),
            }
            self.set_deadline(id, budget);
        }
        self.begin_block(id, key, path, &def.body);
    }

    /// Begins the nodes of a block that wait for nothing.
    pub(super) fn begin_block(&mut self, parent: FrameId, key: Key, path: String, block: &'f Block) {
        let index = self.index_of(block);
        let slots = index.waits.iter().map(|waits| Slot::Waiting(*waits)).collect();
        let frame = BlockFrame { block, index: Arc::clone(&index), slots, left: block.nodes.len() };
        let id = self.frames.add(Frame { parent: Some(parent), key: key.clone(), path, kind: Kind::Block(frame) });
        self.set_child(parent, id);
        for (node, waits) in index.waits.iter().enumerate() {
            if *waits == 0 {
                self.queue.insert(below(&key, node), Entry::Node { block: id, index: node });
            }
        }
        if block.nodes.is_empty() {
            self.block_done(id);
        }
    }

    /// Begins a node whose turn has come.
    pub(super) fn begin_node(&mut self, block: FrameId, index: usize, key: Key) {
        let frame = self.frames.get(block);
        let node: &'f Node = &self.frames.block(block).block.nodes[index];
        let path = if frame.path.is_empty() { node.id.clone() } else { format!("{}/{}", frame.path, node.id) };
        match self.skips(block, node) {
            Ok(None) => {}
            Ok(Some(value)) => {
                self.emit(Event::NodeSkipped { path, verb: verb_name(node).to_owned(), error: None });
                return self.node_has(block, index, value);
            }
            Err(error) => {
                let error = Fault::from(error).at(&path);
                return self.node_failed(block, node, path, error);
            }
        }
        // What is pure and stands alone needs no frame.
        if node.budget.is_none()
            && matches!(node.repeat, Repeat::Once)
            && let Some(result) = pure(node, &self.view(block))
        {
            let result = result.map_err(|fault| fault.at(&path));
            return self.node_ended(block, index, path, result);
        }
        let frame = NodeFrame { node, index, budget: None, repeat: Repeating::Once(None) };
        let kind = Kind::Node(frame);
        let id = self.frames.add(Frame { parent: Some(block), key: key.clone(), path: path.clone(), kind });
        self.frames.block_mut(block).slots[index] = Slot::Begun(id);
        if let Some(budget) = &node.budget {
            match self.budget(budget, path.clone(), &self.view(block)) {
                Ok(budget) => self.frames.node_mut(id).budget = Some(budget),
                Err(error) => {
                    self.remove_node(id);
                    let error = Fault::from(error).at(&path);
                    return self.node_failed(block, node, path, error);
                }
            }
            self.set_deadline(id, budget);
        }
        match &node.repeat {
            Repeat::Once => {
                self.emit(Event::NodeStarted { path, verb: verb_name(node).to_owned(), of: None });
                self.begin_unit(id, key, node, block);
            }
            Repeat::Each(each) => self.begin_each(id, each, block),
            Repeat::Loop(def) => self.begin_loop(id, def, block),
        }
    }

    /// The value of a node that its `when` rules out.
    fn skips(&self, block: FrameId, node: &'f Node) -> Result<Option<Arc<Value>>, EvalError> {
        let Some(when) = &node.when else { return Ok(None) };
        let view = self.view(block);
        if when.holds(&view)? { Ok(None) } else { instead(node, &view).map(Some) }
    }

    /// Runs a node's verb once: for the node itself, or for an item of it. `scope` is where its names are looked up.
    pub(super) fn begin_unit(&mut self, unit: FrameId, key: Key, node: &'f Node, scope: FrameId) {
        match &node.verb {
            Verb::Block(block) => {
                let path = self.frames.get(unit).path.clone();
                self.begin_block(unit, key, path, block);
            }
            Verb::Call { flow, inputs, params } => match self.call_inputs(scope, *flow, inputs, params) {
                Ok((inputs, params)) => {
                    let path = self.frames.get(unit).path.clone();
                    self.begin_flow(Some(unit), key, path, *flow, inputs, params);
                }
                Err(fault) => self.unit_failed(unit, fault),
            },
            Verb::Let(_)
            | Verb::Validate { .. }
            | Verb::Prompt(_)
            | Verb::Execute(_)
            | Verb::Human(_)
            | Verb::Embed(_) => match pure(node, &self.view(scope)) {
                Some(Ok(value)) => self.unit_ended(unit, Ok(value)),
                Some(Err(fault)) => self.unit_failed(unit, fault),
                None => self.begin_work(unit, key, node, scope),
            },
        }
    }

    /// The inputs and params of a sub-flow that is called.
    fn call_inputs(
        &self,
        scope: FrameId,
        flow: FlowId,
        inputs: &'f [(String, Val)],
        params: &'f [(String, Val)],
    ) -> Result<(Arc<Value>, Arc<Value>), Fault> {
        let view = self.view(scope);
        let def = &self.flow.flows[flow];
        let refused = |reasons: Vec<String>| {
            Fault::new(ErrorName::Expression, format!("`{}` can't be called: {}", def.name, reasons.join("; ")))
        };
        let given = scope::record(inputs, &view)?;
        let inputs = super::prepare::accept_fields(&def.inputs, &given).map_err(refused)?;
        let caller: FileId = self.flow_around(scope).def.file;
        let params = if def.file == caller {
            Arc::clone(&self.flow_around(scope).params)
        } else {
            let given = scope::record(params, &view)?;
            let fields = &self.flow.files[def.file].params;
            Arc::new(super::prepare::accept_fields(fields, &given).map_err(refused)?)
        };
        Ok((Arc::new(inputs), params))
    }

    /// The value of a unit's verb is there; its checks follow, where the verb does not do them itself.
    pub(super) fn verb_done(&mut self, unit: FrameId, value: Arc<Value>) {
        let (node, scope) = self.unit(unit);
        if node.check.is_empty() {
            return self.unit_ended(unit, Ok(value));
        }
        if rules::pure(&node.check) {
            return match rules::guard(&node.check, &value, &self.view(scope)) {
                Ok(()) => self.unit_ended(unit, Ok(value)),
                Err(fault) => self.unit_failed(unit, fault),
            };
        }
        self.begin_check(unit, node, scope, value);
    }

    /// The node of a unit, and where its names are looked up.
    pub(super) fn unit(&self, unit: FrameId) -> (&'f Node, FrameId) {
        let frame = self.frames.get(unit);
        let parent = frame.parent.expect("internal error: a unit is part of a block or a node");
        match &frame.kind {
            Kind::Node(node) => (node.node, parent),
            Kind::Item(_) => (self.frames.node(parent).node, unit),
            Kind::Flow(_) | Kind::Block(_) | Kind::Samples(_) | Kind::Work(_) => {
                unreachable!("internal error: a unit is a node or an item")
            }
        }
    }

    /// Notes what a flow or unit is waiting for.
    pub(super) fn set_child(&mut self, parent: FrameId, child: FrameId) {
        match &mut self.frames.get_mut(parent).kind {
            Kind::Flow(flow) => flow.body = Some(child),
            Kind::Item(item) => item.child = Some(child),
            Kind::Node(node) => match &mut node.repeat {
                Repeating::Once(slot) => *slot = Some(child),
                Repeating::Loop(run) => run.child = Some(child),
                Repeating::Each(_) => unreachable!("internal error: the children of an `each` are its items"),
            },
            Kind::Block(_) | Kind::Samples(_) | Kind::Work(_) => {
                unreachable!("internal error: only flows, nodes and items wait for one child")
            }
        }
    }

    pub(super) fn unit_failed(&mut self, unit: FrameId, fault: Fault) {
        let error = fault.at(&self.frames.get(unit).path);
        self.unit_ended(unit, Err(error));
    }

    /// A unit has ended, checks and all.
    pub(super) fn unit_ended(&mut self, unit: FrameId, result: Result<Arc<Value>, RunError>) {
        let parent = self.frames.get(unit).parent.expect("internal error: a unit is part of a block or a node");
        match &self.frames.get(unit).kind {
            Kind::Item(item) => {
                let index = item.index;
                let frame = self.remove(unit);
                self.frames.each_mut(parent).at_work.remove(&index);
                self.item_ended(parent, index, frame.path, result);
            }
            Kind::Node(node) => {
                let index = node.index;
                let frame = self.remove_node(unit);
                self.node_ended(parent, index, frame.path, result);
            }
            Kind::Flow(_) | Kind::Block(_) | Kind::Samples(_) | Kind::Work(_) => {
                unreachable!("internal error: a unit is a node or an item")
            }
        }
    }

    /// Removes the frame of a node that has ended, from its block too.
    fn remove_node(&mut self, id: FrameId) -> Frame<'f> {
        let (index, parent) = (self.frames.node(id).index, self.frames.get(id).parent);
        let block = parent.expect("internal error: a node is part of a block");
        self.frames.block_mut(block).slots[index] = Slot::Waiting(0);
        self.remove(id)
    }

    /// A node has ended: `on_error` decides what its error becomes.
    fn node_ended(&mut self, block: FrameId, index: usize, path: String, result: Result<Arc<Value>, RunError>) {
        let node: &'f Node = &self.frames.block(block).block.nodes[index];
        let error = match result {
            Ok(value) => {
                let verb = verb_name(node).to_owned();
                self.emit(Event::NodeDone { path, verb, value: Arc::clone(&value), caught: None });
                return self.node_has(block, index, value);
            }
            Err(error) => error,
        };
        let caught = match &node.on_error {
            _ if error.name == ErrorName::Cancelled => None,
            OnError::Fail => None,
            OnError::Skip => Some(instead(node, &self.view(block))),
            OnError::Else(val) => {
                let shown = Arc::new(json!({ "name": error.name, "message": error.message, "at": error.at }));
                let view = self.view(block);
                Some(scope::value(val, &Local { outer: &view, name: "error", value: &shown }))
            }
        };
        match caught {
            None => self.node_failed(block, node, path, error),
            Some(Err(second)) => {
                let error = Fault::from(second).at(&path);
                self.node_failed(block, node, path, error);
            }
            Some(Ok(value)) => {
                self.emit(match &node.on_error {
                    OnError::Skip => Event::NodeSkipped { path, verb: verb_name(node).to_owned(), error: Some(error) },
                    OnError::Fail | OnError::Else(_) => {
                        let verb = verb_name(node).to_owned();
                        Event::NodeDone { path, verb, value: Arc::clone(&value), caught: Some(error) }
                    }
                });
                self.node_has(block, index, value);
            }
        }
    }

    /// A node has its value, whatever way it came to it.
    fn node_has(&mut self, block: FrameId, index: usize, value: Arc<Value>) {
        let key = self.frames.get(block).key.clone();
        let frame = self.frames.block_mut(block);
        frame.slots[index] = Slot::Done(value);
        frame.left -= 1;
        let done = frame.left == 0;
        let plan = Arc::clone(&frame.index);
        for &next in &plan.dependents[index] {
            if let Slot::Waiting(waits) = &mut self.frames.block_mut(block).slots[next] {
                *waits -= 1;
                if *waits == 0 {
                    self.queue.insert(below(&key, next), Entry::Node { block, index: next });
                }
            }
        }
        if done {
            self.block_done(block);
        }
    }

    /// A node failed for good, and with it its block.
    fn node_failed(&mut self, block: FrameId, node: &'f Node, path: String, error: RunError) {
        self.emit(Event::NodeFailed { path, verb: verb_name(node).to_owned(), error: error.clone() });
        let parent = self.frames.get(block).parent.expect("internal error: a block is part of something");
        self.drop_tree(block);
        match &self.frames.get(parent).kind {
            Kind::Flow(_) => self.flow_failed(parent, error),
            Kind::Node(node) if matches!(node.repeat, Repeating::Loop(_)) => self.pass_failed(parent, error),
            Kind::Node(_) | Kind::Item(_) => self.unit_ended(parent, Err(error)),
            Kind::Block(_) | Kind::Samples(_) | Kind::Work(_) => {
                unreachable!("internal error: a block is part of a flow, a node or an item")
            }
        }
    }

    /// All nodes of a block have their values.
    fn block_done(&mut self, id: FrameId) {
        let frame = self.frames.get(id);
        let parent = frame.parent.expect("internal error: a block is part of something");
        match &self.frames.get(parent).kind {
            Kind::Flow(_) => self.flow_done(parent, id),
            Kind::Node(node) if matches!(node.repeat, Repeating::Loop(_)) => self.pass_done(parent, id),
            Kind::Node(_) | Kind::Item(_) => {
                let block = self.frames.block(id);
                let value = Arc::new(record_of(block.block, &results(block)));
                self.remove(id);
                self.verb_done(parent, value);
            }
            Kind::Block(_) | Kind::Samples(_) | Kind::Work(_) => {
                unreachable!("internal error: a block is part of a flow, a node or an item")
            }
        }
    }

    /// All nodes of a flow have their values: it hands out its outputs.
    fn flow_done(&mut self, id: FrameId, body: FrameId) {
        let def = self.frames.flow(id).def;
        let outputs = scope::record(&def.outputs, &self.view(body)).map(Arc::new);
        let accepted = match (&def.accept, self.frames.get(id).parent) {
            (Some(accept), None) => accept.holds(&self.view(body)),
            (Some(_) | None, _) => Ok(true),
        };
        self.remove(body);
        match (outputs, accepted, self.frames.get(id).parent) {
            (Err(error), _, _) | (_, Err(error), _) => {
                let error = Fault::from(error).at(&self.frames.get(id).path);
                self.flow_failed(id, error);
            }
            (Ok(outputs), Ok(_), Some(unit)) => {
                self.remove(id);
                self.verb_done(unit, outputs);
            }
            (Ok(outputs), Ok(accepted), None) => {
                self.remove(id);
                let outcome = if accepted { Outcome::Accepted } else { Outcome::NotAccepted };
                self.end(outcome, Some(outputs), None);
            }
        }
    }

    /// A flow can't hand out its outputs. Its body is gone.
    fn flow_failed(&mut self, id: FrameId, error: RunError) {
        let frame = self.remove(id);
        match frame.parent {
            Some(unit) => self.unit_ended(unit, Err(error)),
            None => self.end(Outcome::of_error(error.name), None, Some(error)),
        }
    }

    /// A budget as written, made numbers.
    fn budget(&self, def: &BudgetDef, scope: String, view: &View<'_, 'f>) -> Result<Budget, EvalError> {
        let count = |what: &str, val: &Option<Val>| val.as_ref().map(|v| scope::count(what, v, view)).transpose();
        let usd = def.usd.as_ref().map(|val| scope::number("budget.usd", val, view)).transpose()?;
        Ok(Budget {
            scope,
            calls: count("budget.calls", &def.calls)?,
            tokens: count("budget.tokens", &def.tokens)?,
            // Rounded down: a bound must not round up. Negative money is none at all.
            nano_usd: usd.map(|usd| (usd * 1e9).floor().max(0.0) as u64),
            ..Budget::default()
        })
    }

    /// Lets the time of a budget run.
    fn set_deadline(&mut self, id: FrameId, def: &BudgetDef) {
        let (Some(time), Some(budget)) = (def.time, self.frames.get(id).budget()) else { return };
        let path = budget.scope.clone();
        self.deadlines.insert(path.clone(), id);
        self.emit(Event::TimerSet { path, after_ms: millis(time), budget: true });
    }
}

/// The values of a block all of whose nodes are done.
pub(super) fn results(block: &BlockFrame<'_>) -> Vec<Arc<Value>> {
    let values = block.slots.iter().map(|slot| match slot {
        Slot::Done(value) => Arc::clone(value),
        Slot::Waiting(_) | Slot::Begun(_) => unreachable!("internal error: a block ended before its nodes"),
    });
    values.collect()
}

/// The value of a node that was skipped.
fn instead(node: &Node, scope: &dyn Scope) -> Result<Arc<Value>, EvalError> {
    node.otherwise.as_ref().map_or_else(|| Ok(Arc::new(Value::Null)), |val| scope::value(val, scope))
}

/// The value of a verb that asks nothing of the world, its checks included; none for a verb that does.
pub(super) fn pure(node: &Node, scope: &dyn Scope) -> Option<Result<Arc<Value>, Fault>> {
    match &node.verb {
        Verb::Let(val) if rules::pure(&node.check) => {
            Some(scope::value(val, scope).map_err(Fault::from).and_then(|value| {
                rules::guard(&node.check, &value, scope)?;
                Ok(value)
            }))
        }
        Verb::Validate { value, rules } if rules::pure(rules) => Some(
            scope::value(value, scope)
                .and_then(|value| Ok(validation(&value, rules::problems(rules, &value, scope)?)))
                .map_err(Fault::from),
        ),
        Verb::Let(_)
        | Verb::Validate { .. }
        | Verb::Prompt(_)
        | Verb::Execute(_)
        | Verb::Call { .. }
        | Verb::Human(_)
        | Verb::Embed(_)
        | Verb::Block(_) => None,
    }
}

/// A `Validation`.
pub(super) fn validation(value: &Arc<Value>, problems: Vec<(usize, String)>) -> Arc<Value> {
    let problems: Vec<Value> = rules::texts(problems).into_iter().map(Value::String).collect();
    let fields =
        [("ok", Value::Bool(problems.is_empty())), ("problems", Value::Array(problems)), ("value", (**value).clone())];
    Arc::new(Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>()))
}
