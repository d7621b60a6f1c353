//! `prompt`: the conversation that is sent, what an answer means, and who is asked next when it is not good.

use super::{Call, Job, Recalled, Step, rules};
use crate::answer::{self, Answer, Shape};
use crate::check::flow::{Format, Node, Prompt, Settings, Val};
use crate::journal::{self, Event, Found};
use crate::run::budget::{ASSUMED_MAX_TOKENS, Budget, Cost};
use crate::run::error::ErrorName;
use crate::run::frame::{Exchange, Frame, FrameId, Key, Kind, SamplesFrame, below};
use crate::run::models::Resolved;
use crate::run::ports::{CallSettings, Message, Request, Response, Role};
use crate::run::scope::{Locals, count, list, number, text, value, whole};
use crate::run::state::{Fault, RunState};
use crate::spec::types::Type;
use crate::template::{EvalError, Scope};
use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One answer that is wanted, and how far that is.
#[derive(Clone)]
pub(super) struct PromptJob<'f> {
    prompt: &'f Prompt,
    /// What all samples of the node share.
    common: Arc<Common<'f>>,
    /// Which sample, from 0; none when the node wants one answer.
    pub(super) sample: Option<usize>,
    /// Which model is asked.
    model: usize,
    /// Which re-ask, from 1; 0 is the first question.
    ask: u64,
    /// The answers of this model that were sent back, each with the reasons.
    turns: Vec<Message>,
    /// The answer that is being checked.
    answered: Option<Answered>,
    /// What the answer to the first question to this model is found again by.
    first: journal::Key,
    /// What this model cost so far.
    spent: Cost,
}

/// An answer of a model.
#[derive(Clone)]
struct Answered {
    response: Arc<Response>,
    cost: Cost,
    key: journal::Key,
    /// Whether it is one of before.
    recalled: bool,
}

struct Common<'f> {
    models: Vec<Resolved<'f>>,
    repair: u64,
    returns: Option<Type>,
    shape: Shape,
    /// System, thread and question.
    messages: Vec<Message>,
    /// The question as the thread remembers it: without how to answer.
    user: String,
}

impl PromptJob<'_> {
    /// What the answer adds to the node's path: sample, model, re-ask.
    pub(super) fn mark(&self) -> String {
        let sample = self.sample.map(|sample| format!("@{}", sample + 1)).unwrap_or_default();
        let model = if self.model > 0 { format!("^{}", self.model + 1) } else { String::new() };
        let ask = if self.ask > 0 { format!("~{}", self.ask) } else { String::new() };
        format!("{sample}{model}{ask}")
    }
}

impl<'f> RunState<'f> {
    pub(super) fn begin_prompt(
        &mut self,
        unit: FrameId,
        key: Key,
        node: &'f Node,
        prompt: &'f Prompt,
        scope: FrameId,
    ) -> Result<(), Fault> {
        let mut view = self.view(scope);
        view.spender = unit;
        let locals = node.with.iter().map(|(name, val)| Ok((name.as_str(), value(val, &view)?)));
        let locals = locals.collect::<Result<Vec<_>, EvalError>>()?;
        let inner = Locals { outer: &view, names: &locals };
        let history = self.history(unit, prompt, &inner)?;
        let common = Arc::new(Common {
            models: self.models.of_prompt(&prompt.models, self.prices),
            ..common(prompt, history, &inner)?
        });
        let samples = prompt.samples.as_ref().map(|val| count("prompt.samples", val, &inner)).transpose()?;
        let job = PromptJob {
            prompt,
            common,
            sample: None,
            model: 0,
            ask: 0,
            turns: Vec::new(),
            answered: None,
            first: journal::Key::default(),
            spent: Cost::default(),
        };
        let Some(samples) = samples else {
            self.begin_answer(unit, key, node, scope, locals, job);
            return Ok(());
        };
        let count = usize::try_from(samples).unwrap_or(usize::MAX);
        if count == 0 {
            self.unit_ended(unit, Ok(Arc::new(Value::Array(Vec::new()))));
            return Ok(());
        }
        let path = self.frames.get(unit).path.clone();
        let kind = Kind::Samples(SamplesFrame { at_work: Vec::new(), results: vec![None; count] });
        let id = self.frames.add(Frame { parent: Some(unit), key: key.clone(), path, kind });
        self.set_child(unit, id);
        for sample in 0..count {
            let job = PromptJob { sample: Some(sample), ..job.clone() };
            self.begin_answer(id, below(&key, sample), node, scope, locals.clone(), job);
        }
        Ok(())
    }

    fn begin_answer(
        &mut self,
        parent: FrameId,
        key: Key,
        node: &'f Node,
        scope: FrameId,
        locals: Vec<(&'f str, Arc<Value>)>,
        job: PromptJob<'f>,
    ) {
        // The step that stands here is replaced before anybody sees it.
        let id = self.add_work(parent, key, node, scope, Job::Prompt(Box::new(job)), Step::Rule(0));
        self.frames.work_mut(id).locals = locals;
        self.queue_call(id);
    }

    /// The exchanges of the prompt's thread that are sent again.
    fn history(&self, unit: FrameId, prompt: &Prompt, scope: &dyn Scope) -> Result<Vec<Message>, EvalError> {
        let Some(exchanges) = prompt.thread.as_ref().and_then(|name| self.flow_around(unit).threads.get(name.as_str()))
        else {
            return Ok(Vec::new());
        };
        let keep = prompt.keep.as_ref().map(|val| count("prompt.keep", val, scope)).transpose()?;
        let keep = keep.map_or(exchanges.len(), |keep| usize::try_from(keep).unwrap_or(usize::MAX));
        let sent = exchanges[exchanges.len().saturating_sub(keep)..].iter().flat_map(|exchange| {
            let said = [(Role::User, &exchange.user), (Role::Assistant, &exchange.answer)];
            said.map(|(role, text)| Message { role, text: text.clone() })
        });
        Ok(sent.collect())
    }

    fn job(&mut self, id: FrameId) -> &mut PromptJob<'f> {
        match &mut self.frames.work_mut(id).job {
            Job::Prompt(job) => job,
            Job::Validate | Job::Check | Job::Execute | Job::Embed(_) | Job::Human(_) => {
                unreachable!("internal error: the work is no prompt")
            }
        }
    }

    /// Queues the next question of a prompt.
    fn queue_call(&mut self, id: FrameId) {
        let counts = self.counts_tokens(id);
        let job = self.job(id).clone();
        let model = job.common.models[job.model].clone();
        let settings =
            self.at_work_scope(id, |scope| settings(Some(&job.prompt.settings), model.settings, counts, scope));
        let settings = match settings {
            Ok(settings) => settings,
            Err(error) => return self.work_ended(id, Err(error.into())),
        };
        let mut messages = job.common.messages.clone();
        messages.extend(job.turns.iter().cloned());
        let request = Request {
            model: model.name,
            messages,
            schema: job.common.returns.as_ref().and_then(|ty| schema(ty, job.common.shape)),
            settings,
            timeout: job.prompt.timeout,
        };
        let (request, mark) = (Arc::new(request), job.mark());
        self.next_step(id, Step::Call(Call { request, price: model.price, retry: &job.prompt.retry, mark }));
    }

    /// A model answered.
    pub(super) fn prompt_answered(&mut self, id: FrameId, response: &Arc<Response>, cost: Cost) {
        if response.truncated {
            return self.model_failed(id, Fault::new(ErrorName::Truncated, "the answer was cut off"));
        }
        let work = self.frames.work(id);
        let (key, recalled) = (work.key, work.recalled == Recalled::Now);
        let job = self.job(id);
        if job.ask == 0 {
            job.first = key;
        }
        job.spent += cost;
        job.answered = Some(Answered { response: Arc::clone(response), cost, key, recalled });
        let read = match &job.common.returns {
            None => Ok(Answer { value: Value::String(response.text.clone()), repairs: Vec::new() }),
            Some(returns) => answer::read(&response.text, returns),
        };
        match read {
            Ok(Answer { value, repairs }) => {
                if !repairs.is_empty() {
                    self.emit(Event::AnswerMended { path: self.site(id), repairs });
                }
                let node = self.frames.work(id).node;
                self.begin_rules(id, &node.check, Arc::new(value));
            }
            Err(reasons) => self.ask_again(id, ErrorName::BadOutput, reasons),
        }
    }

    /// An answer was held against the checks.
    pub(super) fn prompt_checked(&mut self, id: FrameId, it: &Arc<Value>, problems: Vec<(usize, String)>) {
        if !problems.is_empty() {
            return self.ask_again(id, ErrorName::CheckFailed, rules::texts(problems));
        }
        let path = self.frames.get(id).path.clone();
        let job = self.job(id);
        let (first, spent) = (job.first, job.spent);
        let answered = job.answered.take().expect("internal error: what is checked is an answer");
        if let Some(thread) = &job.prompt.thread {
            let answer = answered.response.text.clone();
            let exchange = Exchange { path, user: job.common.user.clone(), answer };
            let flow = self.frames.flow_of(id);
            self.frames.flow_mut(flow).threads.entry(thread).or_default().push(exchange);
        }
        if !answered.recalled {
            let Answered { response, cost, key, .. } = answered;
            // A run to come that asks the first question is given what the last one came to.
            if first != key {
                self.keep(id, first, Found::Call { response: Arc::clone(&response), cost: spent });
            }
            self.keep(id, key, Found::Call { response, cost });
        }
        self.work_ended(id, Ok(Arc::clone(it)));
    }

    /// Sends an answer back with the reasons, while that is allowed.
    fn ask_again(&mut self, id: FrameId, name: ErrorName, reasons: Vec<String>) {
        let job = self.job(id);
        let answered = job.answered.take().expect("internal error: what is sent back is an answer");
        if answered.recalled {
            // What is not good any more is no answer: the question is asked.
            self.queue_call(id);
            self.frames.work_mut(id).recalled = Recalled::Refused;
            return;
        }
        if job.ask == job.common.repair {
            return self.model_failed(id, Fault::new(name, reasons.join("; ")));
        }
        job.ask += 1;
        let again = answer::reask(&reasons);
        job.turns.push(Message { role: Role::Assistant, text: answered.response.text.clone() });
        job.turns.push(Message { role: Role::User, text: again });
        self.queue_call(id);
    }

    /// A model gave no good answer: the next one is asked, or the work fails.
    pub(super) fn model_failed(&mut self, id: FrameId, fault: Fault) {
        let job = self.job(id);
        if fault.name.falls_back() && job.model + 1 < job.common.models.len() {
            (job.model, job.ask) = (job.model + 1, 0);
            job.turns.clear();
            job.spent = Cost::default();
            return self.queue_call(id);
        }
        self.work_ended(id, Err(fault));
    }

    /// A sample is over; its frame is gone.
    pub(super) fn sample_ended(
        &mut self,
        samples: FrameId,
        id: FrameId,
        job: &PromptJob<'f>,
        result: Result<Arc<Value>, Fault>,
    ) {
        let frame = self.frames.get_mut(samples);
        let unit = frame.parent.expect("internal error: samples are part of a unit");
        let Kind::Samples(all) = &mut frame.kind else { unreachable!("internal error: the frame is no samples") };
        all.at_work.retain(|work| *work != id);
        let done = match result {
            Ok(value) => {
                let sample = job.sample.expect("internal error: a sample without a number");
                all.results[sample] = Some(value);
                if all.results.iter().any(Option::is_none) {
                    return;
                }
                Ok(Arc::new(Value::Array(all.results.iter().flatten().map(|value| (**value).clone()).collect())))
            }
            Err(fault) => Err(fault.at(&frame.path)),
        };
        self.drop_tree(samples);
        self.unit_ended(unit, done);
    }

    /// Whether a budget around must know the most tokens of an answer.
    pub(in crate::run) fn counts_tokens(&self, id: FrameId) -> bool {
        self.frames.budgets(id).any(Budget::counts_tokens)
    }
}

/// What all samples share, but for the models.
fn common<'f>(prompt: &Prompt, history: Vec<Message>, scope: &dyn Scope) -> Result<Common<'f>, EvalError> {
    let mut lengths = BTreeMap::new();
    for (source, expr) in &prompt.lengths {
        lengths.insert(source.clone(), whole("a length in `returns`", &expr.eval(scope)?)?);
    }
    let returns = prompt.returns.as_ref().map(|ty| ty.resolve(&lengths));
    let shape = returns.as_ref().map_or(Shape::Text, |ty| shape(ty, prompt.format));
    let user = prompt.user.render(scope)?;
    let system = prompt.system.as_ref().map(|system| system.render(scope)).transpose()?;
    let mut messages: Vec<Message> = system.map(|text| Message { role: Role::System, text }).into_iter().collect();
    messages.extend(history);
    let asked = returns.as_ref().map_or_else(|| user.clone(), |ty| asked(user.clone(), ty, shape));
    messages.push(Message { role: Role::User, text: asked });
    let repair = prompt.repair.as_ref().map_or(Ok(0), |val| count("prompt.repair", val, scope))?;
    Ok(Common { models: Vec::new(), repair, returns, shape, messages, user })
}

/// The shape in which an answer is asked for.
pub(super) fn shape(ty: &Type, format: Format) -> Shape {
    answer::shape(
        ty,
        match format {
            Format::Auto => None,
            Format::Json => Some(Shape::Json),
            Format::Yaml => Some(Shape::Yaml),
        },
    )
}

/// A question with how to answer it, where the server is not the one who says so.
pub(super) fn asked(question: String, ty: &Type, shape: Shape) -> String {
    match shape {
        Shape::Yaml => format!("{}\n\n{}", question.trim_end(), answer::ask_yaml(ty)),
        Shape::Fence => format!("{}\n\n{}", question.trim_end(), answer::ask_fence(ty)),
        Shape::Text | Shape::Json => question,
    }
}

/// The schema that the server is to hold an answer to.
pub(super) fn schema(ty: &Type, shape: Shape) -> Option<Value> {
    match shape {
        Shape::Json => Some(ty.json_schema()),
        Shape::Text | Shape::Fence | Shape::Yaml => None,
    }
}

/// The settings of a call: the prompt's own over those of the model's alias.
pub(super) fn settings(
    own: Option<&Settings>,
    alias: Option<&Settings>,
    counts_tokens: bool,
    scope: &dyn Scope,
) -> Result<CallSettings, EvalError> {
    let pick = |of: fn(&Settings) -> Option<&Val>| own.and_then(of).or_else(|| alias.and_then(of));
    let float = |what: &str, val: Option<&Val>| val.map(|val| number(what, val, scope)).transpose();
    let whole = |what: &str, val: Option<&Val>| val.map(|val| count(what, val, scope)).transpose();
    let stop = match pick(|s| s.stop.as_ref()) {
        None => Vec::new(),
        Some(val) => match &*value(val, scope)? {
            Value::String(one) => vec![one.clone()],
            several => list("stop", several)?.iter().map(|stop| text("stop", stop)).collect::<Result<_, _>>()?,
        },
    };
    let max_tokens = whole("max_tokens", pick(|s| s.max_tokens.as_ref()))?;
    Ok(CallSettings {
        temperature: float("temperature", pick(|s| s.temperature.as_ref()))?,
        top_p: float("top_p", pick(|s| s.top_p.as_ref()))?,
        // What is reserved must be held to.
        max_tokens: max_tokens.or(counts_tokens.then_some(ASSUMED_MAX_TOKENS)),
        stop,
        seed: whole("seed", pick(|s| s.seed.as_ref()))?,
        frequency_penalty: float("frequency_penalty", pick(|s| s.frequency_penalty.as_ref()))?,
        presence_penalty: float("presence_penalty", pick(|s| s.presence_penalty.as_ref()))?,
    })
}
