//! What an answer of before is found by: all that the answer hangs on, and nothing else.
//!
//! A call: the request as it is sent (which holds templates, values, conversation, schema, model and settings, but not how
//! long it is waited for), the names of the nodes around it, the passes and items it stands in, and the sample. So two
//! passes with the same prompt are two answers, and a node that moved in its file is the same one. A program, a rule, an
//! embedding: only what it is given, for the same gives the same anywhere.

use super::{Job, Step, Work};
use crate::journal::Key;
use crate::run::frame::{FrameId, Kind, Repeating};
use crate::run::state::RunState;
use serde::Serialize;
use std::io;

/// Changed when the same key would not mean the same any more.
const VERSION: u8 = 1;

impl RunState<'_> {
    /// What the answer to the step of a work is found again by.
    pub(super) fn key_of(&self, id: FrameId) -> Key {
        let work = self.frames.work(id);
        let mut key = Hash(blake3::Hasher::new());
        key.add(&VERSION);
        match &work.step {
            Step::Call(call) => {
                let request = &call.request;
                key.add(&("call", &request.model, &request.messages, &request.schema, &request.settings));
                self.add_place(id, work, &mut key);
            }
            Step::Execute(job) => key.add(&("execute", &self.sandbox, &**job)),
            Step::Rule(index) => {
                let (module, value) = work.rule_on(*index);
                key.add(&("rule", &self.sandbox, blake3::hash(module).as_bytes(), value));
            }
            Step::Embed(embedding) => key.add(&("embed", &embedding.model, &*embedding.texts)),
            // A person is asked each time.
            Step::Ask(_) => {}
        }
        Key::of(&key.0)
    }

    /// Where a call stands: names, passes and items, the innermost first, and the sample.
    fn add_place(&self, id: FrameId, work: &Work<'_>, key: &mut Hash) {
        for (_, frame) in self.frames.around(id) {
            match &frame.kind {
                Kind::Node(node) => {
                    key.add(&node.node.id);
                    if let Repeating::Loop(run) = &node.repeat {
                        key.add(&("pass", run.begun));
                    }
                }
                Kind::Item(item) => key.add(&("item", &*item.value)),
                Kind::Flow(_) | Kind::Block(_) | Kind::Samples(_) | Kind::Work(_) => {}
            }
        }
        if let Job::Prompt(job) = &work.job {
            key.add(&("sample", job.sample));
        }
    }
}

/// A hash of data, in the one form in which it is written.
struct Hash(blake3::Hasher);

impl Hash {
    fn add(&mut self, data: &impl Serialize) {
        serde_json::to_writer(&mut *self, data).expect("internal error: what a work is given is data");
        // Two parts are not one longer part.
        self.0.update(b"\n");
    }
}

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
