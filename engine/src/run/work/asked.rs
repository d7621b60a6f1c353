//! What a work stands on when it is about to begin: for whoever wants to know why it was asked.

use super::Command;
use crate::check::flow::{Cache, Node, Prompt, Settings, Val, Verb};
use crate::journal::Key;
use crate::run::frame::{FrameId, Kind};
use crate::run::ready::Entry;
use crate::run::state::RunState;
use crate::template::{Read, Scope, Text, reads, text_reads};
use crate::value::{Value, push_key};
use std::sync::Arc;

/// A work that is about to begin.
pub struct Asked<'f> {
    /// The node it is of.
    pub node: &'f Node,
    /// What its answer is found again by.
    pub key: Key,
    /// What holds of answers of before.
    pub cache: Cache,
    /// The values that its texts and expressions read, by the paths that stand there, each once, in order.
    pub reads: Vec<(String, Arc<Value>)>,
    /// The items it stands in, by their paths, the innermost first.
    pub items: Vec<(String, Arc<Value>)>,
}

impl<'f> RunState<'f> {
    /// The work of that path, if it is the one that begins next.
    pub fn next_asked(&self, path: &str) -> Option<Asked<'f>> {
        let (_, Entry::Send(id)) = self.queue.first_key_value()? else { return None };
        if self.site(*id) != path {
            return None;
        }
        let work = self.frames.work(*id);
        let items = self.frames.around(*id).filter_map(|(_, frame)| match &frame.kind {
            Kind::Item(item) => Some((frame.path.clone(), Arc::clone(&item.value))),
            Kind::Flow(_) | Kind::Block(_) | Kind::Node(_) | Kind::Samples(_) | Kind::Work(_) => None,
        });
        Some(Asked {
            node: work.node,
            key: work.key,
            cache: self.cache_of(*id),
            reads: self.read_by(*id, work.node),
            items: items.collect(),
        })
    }

    /// What begins next would be this command.
    pub(in crate::run) fn next_command(&self) -> Option<Command> {
        match self.queue.first_key_value()? {
            (_, Entry::Send(id)) => Some(self.command_of(*id)),
            (_, Entry::Node { .. } | Entry::Next(_)) => None,
        }
    }

    fn read_by(&self, id: FrameId, node: &Node) -> Vec<(String, Arc<Value>)> {
        let mut found = Vec::new();
        node.with.iter().for_each(|(_, val)| val_reads(val, &mut found));
        verb_reads(&node.verb, &mut found);
        self.at_work_scope(id, |scope| {
            let mut values: Vec<(String, Arc<Value>)> = Vec::new();
            for read in &found {
                let name = name_of(read);
                // A budget is what is left, which is no reason.
                if read.root != "budget" && values.iter().all(|(known, _)| *known != name) {
                    values.push((name, value_of(read, scope)));
                }
            }
            values
        })
    }
}

fn verb_reads(verb: &Verb, found: &mut Vec<Read>) {
    match verb {
        Verb::Prompt(prompt) => prompt_reads(prompt, found),
        Verb::Validate { value, .. } | Verb::Let(value) => val_reads(value, found),
        Verb::Execute(execute) => {
            use crate::check::flow::ExecuteOn::{Input, Inputs, Tests};
            let (Tests(on) | Inputs(on) | Input(on)) = &execute.on;
            for val in [&execute.language, &execute.code, on, &execute.compare] {
                val_reads(val, found);
            }
            execute.files.iter().for_each(|files| val_reads(files, found));
        }
        Verb::Embed(embed) => val_reads(&embed.texts, found),
        Verb::Human(human) => {
            one_text(&human.ask, found);
            human.show.iter().for_each(|show| val_reads(show, found));
        }
        Verb::Call { inputs, params, .. } => inputs.iter().chain(params).for_each(|(_, val)| val_reads(val, found)),
        Verb::Block(_) => {}
    }
}

fn prompt_reads(prompt: &Prompt, found: &mut Vec<Read>) {
    one_text(&prompt.user, found);
    prompt.system.iter().for_each(|system| one_text(system, found));
    prompt.lengths.values().for_each(|expr| found.extend(reads(expr.ast())));
    let Settings { temperature, top_p, max_tokens, stop, seed, frequency_penalty, presence_penalty } = &prompt.settings;
    for val in [temperature, top_p, max_tokens, stop, seed, frequency_penalty, presence_penalty].into_iter().flatten() {
        val_reads(val, found);
    }
}

fn one_text(text: &Text, found: &mut Vec<Read>) {
    found.extend(text_reads(text.parts()));
}

fn val_reads(val: &Val, found: &mut Vec<Read>) {
    match val {
        Val::Const(_) => {}
        Val::Expr(expr) => found.extend(reads(expr.ast())),
        Val::Text(text) => one_text(text, found),
        Val::List(items) => items.iter().for_each(|item| val_reads(item, found)),
        Val::Map(fields) => fields.iter().for_each(|(_, val)| val_reads(val, found)),
    }
}

fn name_of(read: &Read) -> String {
    let mut name = read.root.clone();
    for key in &read.path {
        if key.parse::<usize>().is_ok() {
            name.push_str(&format!("[{key}]"));
        } else {
            push_key(&mut name, key);
        }
    }
    name
}

fn value_of(read: &Read, scope: &dyn Scope) -> Arc<Value> {
    let root = scope.get(&read.root).unwrap_or_default();
    if read.path.is_empty() {
        return root;
    }
    let value = read.path.iter().try_fold(&*root, |value, key| match value {
        Value::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
        other => other.get(key),
    });
    Arc::new(value.cloned().unwrap_or_default())
}
