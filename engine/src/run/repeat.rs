//! `each` and `loop`: items at once, passes in turn.

use super::error::{ErrorName, RunError};
use super::frame::{
    EachRun, Frame, FrameId, ItemFrame, Key, Kind, LoopRun, Previous, Repeating, Results, Taken, below,
};
use super::node::{pure, results, verb_name};
use super::ready::Entry;
use super::scope::{self, Local};
use super::state::{Fault, RunState};
use crate::check::flow::{AllowFailed, Block, Each, Loop, Next, Over, Take, Verb};
use crate::journal::{Event, Exit};
use crate::template::EvalError;
use crate::value::Value;
use serde_json::{Map, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

impl<'f> RunState<'f> {
    /// Begins the next item or pass of a node.
    pub(super) fn begin_next(&mut self, id: FrameId, key: Key) {
        match &self.frames.node(id).repeat {
            Repeating::Each(_) => self.begin_item(id, key),
            Repeating::Loop(_) => self.begin_pass(id, key),
            Repeating::Once(_) => unreachable!("internal error: only `each` and `loop` have a next"),
        }
    }

    pub(super) fn begin_each(&mut self, id: FrameId, each: &'f Each, block: FrameId) {
        let run = match self.each_run(each, block) {
            Ok(run) => run,
            Err(error) => return self.unit_failed(id, error.into()),
        };
        let (node, items) = (self.frames.node(id).node, run.results.len());
        let path = self.frames.get(id).path.clone();
        self.emit(Event::NodeStarted { path, verb: verb_name(node).to_owned(), of: Some(items as u64) });
        self.frames.node_mut(id).repeat = Repeating::Each(run);
        if items == 0 {
            return self.unit_ended(id, Ok(Arc::new(Value::Array(Vec::new()))));
        }
        self.queue_item(id);
    }

    fn each_run(&self, each: &'f Each, block: FrameId) -> Result<EachRun<'f>, EvalError> {
        let view = self.view(block);
        let list = scope::value(&each.list, &view)?;
        let items = scope::list("each.in", &list)?.len();
        let allowed = match &each.allow_failed {
            AllowFailed::Count(val) => scope::count("each.allow_failed", val, &view)?,
            // A share that is exact in writing may be a hair below in binary.
            AllowFailed::Percent(percent) => (items as f64 * percent / 100.0 + 1e-9).floor() as u64,
        };
        let at_once = match &each.at_once {
            Some(val) => usize::try_from(scope::count("each.at_once", val, &view)?).unwrap_or(usize::MAX).max(1),
            None => usize::MAX,
        };
        Ok(EachRun {
            each,
            list,
            results: vec![None; items],
            next: 0,
            at_work: BTreeMap::new(),
            at_once,
            done: 0,
            failed: 0,
            allowed,
        })
    }

    /// Queues the next item, if there is one and it may begin beside those at work.
    fn queue_item(&mut self, id: FrameId) {
        let run = self.frames.each_mut(id);
        if run.next < run.results.len() && run.at_work.len() < run.at_once {
            let next = run.next;
            let key = below(&self.frames.get(id).key, next);
            self.queue.insert(key, Entry::Next(id));
        }
    }

    fn begin_item(&mut self, id: FrameId, key: Key) {
        let node = self.frames.node(id).node;
        let run = self.frames.each_mut(id);
        let (index, name) = (run.next, run.each.name.as_str());
        let value = Arc::new(run.list[index].clone());
        run.next += 1;
        let frame = self.frames.get(id);
        let path = format!("{}[{index}]", frame.path);
        let block = frame.parent.expect("internal error: a node is part of a block");
        let view = self.view(block);
        // What is pure needs no frame.
        if let Some(result) = pure(node, &Local { outer: &view, name, value: &value }) {
            let result = result.map_err(|fault| fault.at(&path));
            self.queue_item(id);
            return self.item_ended(id, index, path, result);
        }
        let kind = Kind::Item(ItemFrame { name, value, index, child: None });
        let item = self.frames.add(Frame { parent: Some(id), key: key.clone(), path, kind });
        self.frames.each_mut(id).at_work.insert(index, item);
        self.queue_item(id);
        self.begin_unit(item, key, node, item);
    }

    /// An item has ended; its frame is gone.
    pub(super) fn item_ended(&mut self, id: FrameId, index: usize, path: String, result: Result<Arc<Value>, RunError>) {
        let verb = verb_name(self.frames.node(id).node).to_owned();
        let value = match result {
            Ok(value) => {
                self.emit(Event::NodeDone { path, verb, value: Arc::clone(&value), caught: None });
                value
            }
            Err(error) => {
                self.emit(Event::NodeFailed { path, verb, error: error.clone() });
                let run = self.frames.each_mut(id);
                run.failed += 1;
                if run.failed > run.allowed || error.name == ErrorName::Cancelled {
                    self.drop_below(id);
                    self.frames.each_mut(id).at_work.clear();
                    return self.unit_ended(id, Err(error));
                }
                Arc::new(Value::Null)
            }
        };
        let run = self.frames.each_mut(id);
        run.results[index] = Some(value);
        run.done += 1;
        if run.done == run.results.len() {
            // The list that was mapped is of no use any more, and may be large.
            run.list = Arc::default();
            let list = std::mem::take(&mut run.results).into_iter().flatten().map(Arc::unwrap_or_clone).collect();
            return self.unit_ended(id, Ok(Arc::new(Value::Array(list))));
        }
        self.queue_item(id);
    }

    pub(super) fn begin_loop(&mut self, id: FrameId, def: &'f Loop, block: FrameId) {
        let run = match self.loop_run(def, block) {
            Ok(run) => run,
            Err(error) => return self.unit_failed(id, error.into()),
        };
        let (path, max) = (self.frames.get(id).path.clone(), run.max);
        self.emit(Event::NodeStarted { path, verb: "loop".to_owned(), of: Some(max) });
        self.frames.node_mut(id).repeat = Repeating::Loop(Box::new(run));
        self.next_pass(id);
    }

    fn loop_run(&self, def: &'f Loop, block: FrameId) -> Result<LoopRun<'f>, EvalError> {
        let view = self.view(block);
        let (list, max) = match &def.over {
            Over::Max(val) => (None, scope::count("loop.max", val, &view)?),
            Over::List { list, .. } => {
                let list = scope::value(list, &view)?;
                let items = scope::list("loop.over", &list)?.len() as u64;
                (Some(list), items)
            }
        };
        let taken = match &def.take {
            Take::Last => Taken::One(None),
            Take::All => Taken::All(Vec::new()),
            Take::Min(_) | Take::Max(_) => Taken::Best(None),
        };
        Ok(LoopRun {
            def,
            list,
            max,
            begun: 0,
            state: Arc::new(scope::record(&def.state, &view)?),
            pass: Arc::new(Value::Null),
            item: None,
            previous: None,
            taken,
            child: None,
        })
    }

    /// Queues the next pass, or ends the loop when all are made.
    fn next_pass(&mut self, id: FrameId) {
        let run = self.frames.looping(id);
        if run.begun == run.max {
            let exit = if run.def.until.is_some() { Exit::Exhausted } else { Exit::Done };
            return self.end_loop(id, exit);
        }
        let pass = usize::try_from(run.begun + 1).expect("internal error: more passes than there are numbers");
        let key = below(&self.frames.get(id).key, pass);
        self.queue.insert(key, Entry::Next(id));
    }

    fn begin_pass(&mut self, id: FrameId, key: Key) {
        let block = body(self.frames.node(id).node);
        let run = self.frames.looping_mut(id);
        run.begun += 1;
        run.pass = Arc::new(json!({ "n": run.begun, "last": run.begun == run.max }));
        let index = usize::try_from(run.begun - 1).expect("internal error: more passes than there are numbers");
        run.item = run.list.as_ref().map(|list| Arc::new(list[index].clone()));
        let path = self.pass_path(id);
        self.begin_block(id, key, path, block);
    }

    /// The path of the pass that is being made, or was last.
    fn pass_path(&self, id: FrameId) -> String {
        let (run, path) = (self.frames.looping(id), &self.frames.get(id).path);
        match run.def.over {
            Over::Max(_) => format!("{path}#{}", run.begun),
            Over::List { .. } => format!("{path}[{}]", run.begun - 1),
        }
    }

    /// A pass has been made: `accept`, then `next`, then `until`.
    pub(super) fn pass_done(&mut self, id: FrameId, block: FrameId) {
        match self.close_pass(id, block) {
            Ok(ends) => {
                self.remove(block);
                self.frames.looping_mut(id).child = None;
                if ends { self.end_loop(id, Exit::Until) } else { self.next_pass(id) }
            }
            Err(error) => {
                self.remove(block);
                self.unit_failed(id, error.into());
            }
        }
    }

    /// Closes a pass, and says whether `until` holds after it.
    fn close_pass(&mut self, id: FrameId, block: FrameId) -> Result<bool, EvalError> {
        let def = self.frames.looping(id).def;
        let view = self.view(block);
        let accepted = def.accept.as_ref().map_or(Ok(true), |accept| accept.holds(&view))?;
        let mut weight = None;
        let mut changes = Vec::new();
        if accepted {
            weight = match &def.take {
                Take::Min(by) | Take::Max(by) => Some(by.eval(&view)?),
                Take::Last | Take::All => None,
            };
            changes = match &def.next {
                Next::Fields(fields) => {
                    let changed = fields.iter().map(|(name, val)| Ok((name.clone(), scope::value(val, &view)?)));
                    changed.collect::<Result<Vec<_>, EvalError>>()?
                }
                Next::Record(val) => match &*scope::value(val, &view)? {
                    Value::Null => Vec::new(),
                    Value::Object(fields) => {
                        fields.iter().map(|(name, value)| (name.clone(), Arc::new(value.clone()))).collect()
                    }
                    other => return Err(EvalError(format!("`next` must be a record, not {}", scope::shown(other)))),
                },
            };
        }
        let frame = self.frames.block(block);
        let results: Results = results(frame).into();
        let previous = Previous { block: frame.block, results: Arc::clone(&results), record: OnceLock::new() };
        let path = self.pass_path(id);
        if !accepted {
            self.discard(id, path, false);
            self.frames.looping_mut(id).previous = Some(previous);
            return Ok(false);
        }
        self.emit(Event::PassAccepted { path });
        let run = self.frames.looping_mut(id);
        change(&mut run.state, changes);
        take(&mut run.taken, &def.take, weight, results);
        // `until` is still part of this pass: `prev` is the one before.
        let ends = def.until.as_ref().map_or(Ok(false), |until| until.holds(&self.view(block)))?;
        self.frames.looping_mut(id).previous = Some(previous);
        Ok(ends)
    }

    /// A pass leaves no trace: what was said in it is not in the threads.
    fn discard(&mut self, id: FrameId, path: String, unfinished: bool) {
        let flow = self.frames.flow_of(id);
        let inside = format!("{path}/");
        for exchanges in self.frames.flow_mut(flow).threads.values_mut() {
            exchanges.retain(|exchange| !exchange.path.starts_with(&inside));
        }
        self.emit(Event::PassDiscarded { path, unfinished });
    }

    /// A pass failed; its block is gone. A loop that keeps leaves by its door when a budget ended the pass.
    pub(super) fn pass_failed(&mut self, id: FrameId, error: RunError) {
        self.frames.looping_mut(id).child = None;
        if error.name != ErrorName::Budget || !self.frames.looping(id).def.keep_exhausted {
            return self.unit_ended(id, Err(error));
        }
        let path = self.pass_path(id);
        self.discard(id, path, true);
        self.end_loop(id, Exit::Budget);
    }

    fn end_loop(&mut self, id: FrameId, exit: Exit) {
        let run = self.frames.looping(id);
        let passes = if exit == Exit::Budget { run.begun - 1 } else { run.begun };
        let keeps = run.def.keep_exhausted;
        let path = self.frames.get(id).path.clone();
        self.emit(Event::LoopEnded { path, exit, passes });
        if exit == Exit::Exhausted && !keeps {
            let message = format!("`until` never held in {passes} passes");
            return self.unit_failed(id, Fault::new(ErrorName::Exhausted, message));
        }
        let block = body(self.frames.node(id).node);
        let run = self.frames.looping(id);
        let mut result = taken(block, &run.taken);
        result.insert("state".to_owned(), (*run.state).clone());
        result.insert("passes".to_owned(), json!(passes));
        result.insert("exit".to_owned(), json!(exit.as_str()));
        self.verb_done(id, Arc::new(Value::Object(result)));
    }
}

fn body(node: &crate::check::flow::Node) -> &Block {
    match &node.verb {
        Verb::Block(block) => block,
        _ => unreachable!("internal error: a loop repeats a block"),
    }
}

/// Changes the state: null, and a name it does not have, keep what is there.
fn change(state: &mut Arc<Value>, changes: Vec<(String, Arc<Value>)>) {
    // In place, unless somebody still reads the old state.
    let Value::Object(fields) = Arc::make_mut(state) else {
        unreachable!("internal error: the state of a loop is a record")
    };
    for (name, value) in changes {
        if !value.is_null()
            && let Some(field) = fields.get_mut(&name)
        {
            *field = Arc::unwrap_or_clone(value);
        }
    }
}

/// Takes a pass in, if it is the result so far: the earliest on a tie; null never wins against a value.
fn take(taken: &mut Taken, how: &Take, weight: Option<Value>, results: Results) {
    match taken {
        Taken::One(last) => *last = Some(results),
        Taken::All(all) => all.push(results),
        Taken::Best(best) => {
            let weight = weight.unwrap_or(Value::Null);
            let wins = best.as_ref().is_none_or(|(held, _)| match (held, &weight) {
                (_, Value::Null) => false,
                (Value::Null, _) => true,
                (held, weight) => {
                    let wanted = if matches!(how, Take::Min(_)) { Ordering::Less } else { Ordering::Greater };
                    compare(weight, held) == wanted
                }
            });
            if wins {
                *best = Some((weight, results));
            }
        }
    }
}

/// The order of two values: null first, then booleans, numbers, texts, lists item by item, records.
fn compare(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    };
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let unequal = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| *order != Ordering::Equal);
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// The results of the body, as the loop hands them out.
fn taken(block: &Block, taken: &Taken) -> Map<String, Value> {
    let each = |value: &dyn Fn(usize) -> Value| {
        block.nodes.iter().enumerate().map(|(index, node)| (node.id.clone(), value(index))).collect()
    };
    match taken {
        Taken::One(Some(pass)) | Taken::Best(Some((_, pass))) => each(&|index| (*pass[index]).clone()),
        Taken::One(None) | Taken::Best(None) => each(&|_| Value::Null),
        Taken::All(passes) => each(&|index| Value::Array(passes.iter().map(|pass| (*pass[index]).clone()).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_compare_item_by_item_and_numbers_as_numbers() {
        assert_eq!(compare(&json!([1, 2, -3]), &json!([1, 2, -5.5])), Ordering::Greater);
        assert_eq!(compare(&json!([0, 9]), &json!([1])), Ordering::Less);
        assert_eq!(compare(&json!(1), &json!(1.0)), Ordering::Equal);
    }

    #[test]
    fn null_keeps_the_state_and_so_does_a_name_it_does_not_have() {
        let mut state = Arc::new(json!({ "a": 1, "b": 2 }));
        let changes = [("a", json!(null)), ("b", json!(3)), ("c", json!(4))];
        change(&mut state, changes.map(|(name, value)| (name.to_owned(), Arc::new(value))).to_vec());
        assert_eq!(*state, json!({ "a": 1, "b": 3 }));
    }
}
