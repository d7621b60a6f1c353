//! What asks the world: a prompt, a rule that is more than an expression, a program, a person, an embedding. Each file is
//! one verb: what it asks, and what an answer means to it.

mod asked;
mod embed;
mod execute;
mod human;
mod key;
mod prompt;
pub(super) mod rules;

pub use asked::Asked;

use super::budget::{Cost, estimate, estimate_all};
use super::error::ErrorName;
use super::frame::{Frame, FrameId, Key, Kind, Repeating};
use super::node::validation;
use super::ports::{CallSite, ExecuteJob, Question, Request, Response, Usage};
use super::ready::Entry;
use super::scope;
use super::state::{Fault, RunState};
use crate::check::flow::{Node, Price, Retry, Verb};
use crate::journal::{self, WorkKind};
use crate::value::Value;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// How a call is tried again where the flow can't say: the language's own default.
static USUAL_RETRY: LazyLock<Retry> = LazyLock::new(|| Retry {
    times: 4,
    backoff: (Duration::from_secs(2), Duration::from_secs(60)),
    on: ErrorName::TRANSPORT.to_vec(),
});

/// What the world is asked to do: one attempt of it.
#[derive(Debug, Clone)]
pub enum Command {
    /// Ask a model.
    Call {
        /// Where the call stands.
        site: CallSite,
        /// What is sent.
        request: Arc<Request>,
        /// The model's price, if it is known.
        price: Option<Price>,
    },
    /// Run a program.
    Execute(Arc<ExecuteJob>),
    /// Try a wasm rule on `{value}`.
    Rule {
        /// The program.
        module: Arc<Vec<u8>>,
        /// What it is tried on.
        value: Arc<Value>,
    },
    /// Embed texts.
    Embed {
        /// `provider/model`.
        model: String,
        /// The texts.
        texts: Arc<Vec<String>>,
        /// Longest time of the attempt.
        timeout: Option<Duration>,
    },
    /// Ask a person.
    Ask(Arc<Question>),
}

/// Something that asks the world.
pub(super) struct Work<'f> {
    pub(super) node: &'f Node,
    /// Where its names are looked up.
    pub(super) scope: FrameId,
    /// The names of its `with`.
    locals: Vec<(&'f str, Arc<Value>)>,
    job: Job<'f>,
    /// What it asks now, or asked last.
    pub(super) step: Step<'f>,
    pub(super) stage: Stage,
    /// Of the step, from 1.
    pub(super) attempt: u32,
    /// What its call may still cost.
    pub(super) reserved: Cost,
    /// What the answer to the step is found again by.
    pub(super) key: journal::Key,
    pub(super) recalled: Recalled,
    rules: Option<rules::Trying<'f>>,
}

/// Whether an answer of before stood in for the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recalled {
    /// None was looked at.
    Never,
    /// It did.
    Now,
    /// One did, and is not good any more.
    Refused,
}

/// What a work is for.
enum Job<'f> {
    Prompt(Box<prompt::PromptJob<'f>>),
    /// A `validate`: its rules measure.
    Validate,
    /// The check of a verb that does not check itself: its rules guard.
    Check,
    Execute,
    Embed(embed::EmbedJob<'f>),
    Human(&'f crate::check::flow::Human),
}

/// What is asked of the world.
pub(super) enum Step<'f> {
    Call(Call<'f>),
    /// The wasm rule of that index.
    Rule(usize),
    Execute(Arc<ExecuteJob>),
    Embed(embed::Embedding<'f>),
    Ask(Arc<Question>),
}

/// One answer asked of a model.
pub(super) struct Call<'f> {
    pub(super) request: Arc<Request>,
    price: Option<Price>,
    retry: &'f Retry,
    /// What it adds to the node's path.
    mark: String,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for its turn, or is over.
    Queued,
    /// The world is at it.
    Running,
    /// It waits for its next attempt.
    Waiting,
    /// Its next attempt is due.
    Due,
}

impl Step<'_> {
    pub(super) fn retry(&self) -> Option<&Retry> {
        match self {
            Self::Call(call) => Some(call.retry),
            Self::Embed(embedding) => Some(embedding.retry),
            Self::Rule(_) | Self::Execute(_) | Self::Ask(_) => None,
        }
    }

    /// How many of the jobs it takes: a person takes none.
    pub(super) fn places(&self) -> usize {
        usize::from(!matches!(self, Self::Ask(_)))
    }

    pub(super) fn kind(&self) -> WorkKind {
        match self {
            Self::Rule(_) => WorkKind::Rule,
            Self::Execute(_) => WorkKind::Execute,
            Self::Embed(_) => WorkKind::Embed,
            Self::Call(_) | Self::Ask(_) => unreachable!("internal error: calls and questions have their own events"),
        }
    }
}

impl Call<'_> {
    /// The most that the call may cost, by the estimate of its tokens.
    pub(super) fn worst_cost(&self) -> Cost {
        let schema = self.request.schema.as_ref().map_or(0, |schema| estimate(&schema.to_string()));
        let usage = Usage {
            prompt_tokens: estimate_all(&self.request.messages) + schema,
            completion_tokens: self.request.settings.max_tokens.unwrap_or(0),
        };
        Cost::of_call(usage, self.price)
    }
}

/// What a call cost: what the provider counted, else an estimate.
pub(super) fn settled_cost(request: &Request, response: &Response, price: Option<Price>) -> Cost {
    let usage = response.usage.unwrap_or_else(|| Usage {
        prompt_tokens: estimate_all(&request.messages),
        completion_tokens: estimate(&response.text),
    });
    Cost::of_call(usage, price)
}

impl<'f> RunState<'f> {
    /// Begins the verb of a unit that asks the world.
    pub(super) fn begin_work(&mut self, unit: FrameId, key: Key, node: &'f Node, scope: FrameId) {
        let begun = match &node.verb {
            Verb::Prompt(prompt) => self.begin_prompt(unit, key, node, prompt, scope),
            Verb::Let(val) => {
                let value = scope::value(val, &self.view(scope));
                value.map(|value| self.verb_done(unit, value)).map_err(Fault::from)
            }
            Verb::Validate { value, rules } => {
                let value = scope::value(value, &self.view(scope));
                value.map_err(Fault::from).map(|value| {
                    let id = self.add_work(unit, key, node, scope, Job::Validate, Step::Rule(0));
                    self.begin_rules(id, rules, value);
                })
            }
            Verb::Execute(execute) => execute::job(execute, &self.flow.modules, &self.view(scope)).map(|job| {
                let id = self.add_work(unit, key, node, scope, Job::Execute, Step::Execute(Arc::new(job)));
                self.queue_work(id);
            }),
            Verb::Human(human) => {
                human::question(human, &self.frames.get(unit).path, &self.view(scope)).map(|question| {
                    let id = self.add_work(unit, key, node, scope, Job::Human(human), Step::Ask(Arc::new(question)));
                    self.queue_work(id);
                })
            }
            Verb::Embed(embed) => embed::job(embed, &self.models, self.prices, &self.view(scope)).map(|job| {
                let step = Step::Embed(job.step());
                let id = self.add_work(unit, key, node, scope, Job::Embed(job), step);
                self.queue_work(id);
            }),
            Verb::Call { .. } | Verb::Block(_) => unreachable!("internal error: blocks and flows are no work"),
        };
        if let Err(fault) = begun {
            self.unit_failed(unit, fault);
        }
    }

    /// Begins the check of a value whose rules ask the world.
    pub(super) fn begin_check(&mut self, unit: FrameId, node: &'f Node, scope: FrameId, value: Arc<Value>) {
        let key = self.frames.get(unit).key.clone();
        let id = self.add_work(unit, key, node, scope, Job::Check, Step::Rule(0));
        self.begin_rules(id, &node.check, value);
    }

    fn add_work(
        &mut self,
        parent: FrameId,
        key: Key,
        node: &'f Node,
        scope: FrameId,
        job: Job<'f>,
        step: Step<'f>,
    ) -> FrameId {
        let path = self.frames.get(parent).path.clone();
        let work = Work {
            node,
            scope,
            locals: Vec::new(),
            job,
            step,
            stage: Stage::Queued,
            attempt: 1,
            reserved: Cost::default(),
            key: journal::Key::default(),
            recalled: Recalled::Never,
            rules: None,
        };
        let id = self.frames.add(Frame { parent: Some(parent), key, path, kind: Kind::Work(Box::new(work)) });
        match &mut self.frames.get_mut(parent).kind {
            Kind::Samples(samples) => samples.at_work.push(id),
            Kind::Node(_) | Kind::Item(_) => self.set_child(parent, id),
            Kind::Flow(_) | Kind::Block(_) | Kind::Work(_) => {
                unreachable!("internal error: a work is part of a node, an item or its samples")
            }
        }
        id
    }

    /// Queues the step of a work.
    pub(super) fn queue_work(&mut self, id: FrameId) {
        let key = self.key_of(id);
        self.frames.work_mut(id).key = key;
        self.queue.insert(self.frames.get(id).key.clone(), Entry::Send(id));
    }

    /// Asks another thing of the world.
    fn next_step(&mut self, id: FrameId, step: Step<'f>) {
        let work = self.frames.work_mut(id);
        work.step = step;
        work.attempt = 1;
        work.recalled = Recalled::Never;
        self.queue_work(id);
    }

    /// The path of what a work asks now, marks included.
    pub(super) fn site(&self, id: FrameId) -> String {
        let (frame, work) = (self.frames.get(id), self.frames.work(id));
        match &work.step {
            Step::Call(call) => format!("{}{}", frame.path, call.mark),
            Step::Rule(rule) => format!("{}{}!{}", frame.path, work.answer_mark(), rule + 1),
            Step::Execute(_) | Step::Embed(_) | Step::Ask(_) => frame.path.clone(),
        }
    }

    pub(super) fn command_of(&self, id: FrameId) -> Command {
        let work = self.frames.work(id);
        match &work.step {
            Step::Call(call) => Command::Call {
                site: CallSite { path: self.site(id), attempt: work.attempt },
                request: Arc::clone(&call.request),
                price: call.price,
            },
            Step::Rule(index) => work.rule_command(*index),
            Step::Execute(job) => Command::Execute(Arc::clone(job)),
            Step::Embed(embedding) => Command::Embed {
                model: embedding.model.clone(),
                texts: Arc::clone(&embedding.texts),
                timeout: embedding.timeout,
            },
            Step::Ask(question) => Command::Ask(Arc::clone(question)),
        }
    }

    /// A model answered.
    pub(super) fn call_answered(&mut self, id: FrameId, response: &Arc<Response>, cost: Cost) {
        let work = self.frames.work(id);
        match (&work.rules, &work.job) {
            (Some(_), _) => self.judge_answered(id, response, cost),
            (None, Job::Prompt(_)) => self.prompt_answered(id, response, cost),
            (None, Job::Validate | Job::Check | Job::Execute | Job::Embed(_) | Job::Human(_)) => {
                unreachable!("internal error: only prompts and judges call")
            }
        }
    }

    /// A program ran, a rule was tried, texts were embedded.
    pub(super) fn work_answered(&mut self, id: FrameId, value: &Arc<Value>) {
        match self.frames.work(id).step {
            Step::Rule(index) => self.rule_answered(id, index, value),
            Step::Execute(_) | Step::Embed(_) => self.work_ended(id, Ok(Arc::clone(value))),
            Step::Call(_) | Step::Ask(_) => unreachable!("internal error: calls and questions have their own events"),
        }
    }

    /// A step failed, and is not tried again: another model may be asked, or the work is over.
    pub(super) fn attempts_over(&mut self, id: FrameId, fault: Fault) {
        let work = self.frames.work(id);
        match (&work.step, &work.job) {
            (Step::Call(_), _) if work.rules.is_some() => self.judge_failed(id, fault),
            (Step::Call(_), Job::Prompt(_)) => self.model_failed(id, fault),
            (Step::Embed(_), Job::Embed(_)) => self.embed_failed(id, fault),
            _ => self.work_ended(id, Err(fault)),
        }
    }

    /// All rules were tried.
    fn rules_done(&mut self, id: FrameId, it: &Arc<Value>, problems: Vec<(usize, String)>) {
        match &self.frames.work(id).job {
            Job::Prompt(_) => self.prompt_checked(id, it, problems),
            Job::Validate => self.work_ended(id, Ok(validation(it, problems))),
            Job::Check => {
                let result = rules::none_of(problems).map(|()| Arc::clone(it));
                self.work_ended(id, result);
            }
            Job::Execute | Job::Embed(_) | Job::Human(_) => {
                unreachable!("internal error: the rules of this verb are a check of their own")
            }
        }
    }

    /// A work is over.
    pub(super) fn work_ended(&mut self, id: FrameId, result: Result<Arc<Value>, Fault>) {
        let frame = self.remove(id);
        let (parent, Kind::Work(work)) = (frame.parent, frame.kind) else {
            unreachable!("internal error: the frame is no work")
        };
        let parent = parent.expect("internal error: a work is part of something");
        if let (Kind::Samples(_), Job::Prompt(job)) = (&self.frames.get(parent).kind, &work.job) {
            return self.sample_ended(parent, id, job, result);
        }
        match (result, work.job) {
            (Err(fault), _) => self.unit_failed(parent, fault),
            (Ok(value), Job::Prompt(_) | Job::Validate | Job::Check) => self.unit_ended(parent, Ok(value)),
            (Ok(value), Job::Execute | Job::Embed(_) | Job::Human(_)) => {
                self.clear_child(parent);
                self.verb_done(parent, value);
            }
        }
    }

    /// Notes that a unit waits for nothing now.
    fn clear_child(&mut self, unit: FrameId) {
        match &mut self.frames.get_mut(unit).kind {
            Kind::Item(item) => item.child = None,
            Kind::Node(node) => {
                if let Repeating::Once(child) = &mut node.repeat {
                    *child = None;
                }
            }
            Kind::Flow(_) | Kind::Block(_) | Kind::Samples(_) | Kind::Work(_) => {
                unreachable!("internal error: a unit is a node or an item")
            }
        }
    }
}

impl Work<'_> {
    /// What the answer that is asked for, or was, adds to the node's path.
    fn answer_mark(&self) -> String {
        match &self.job {
            Job::Prompt(job) => job.mark(),
            Job::Validate | Job::Check | Job::Execute | Job::Embed(_) | Job::Human(_) => String::new(),
        }
    }
}
