//! The rules of `check` and `validate`: all are tried and all reasons given; judges are asked only when the others hold.

use super::{Call, Command, Recalled, Step, USUAL_RETRY, Work};
use crate::answer::{self, Answer};
use crate::check::flow::{Format, Rule, RuleTest};
use crate::journal::Found;
use crate::run::budget::Cost;
use crate::run::error::ErrorName;
use crate::run::frame::FrameId;
use crate::run::models::Resolved;
use crate::run::ports::{Message, Request, Response, Role};
use crate::run::scope::{Local, Locals};
use crate::run::state::{Fault, RunState};
use crate::spec::types::{Field, Issue, Type};
use crate::template::{EvalError, Scope, Text};
use crate::value::Value;
use serde_json::json;
use std::sync::{Arc, LazyLock};

/// What a judge answers.
static VERDICT: LazyLock<Type> = LazyLock::new(|| {
    let field = |name: &str, ty: Type, about: &str| Field {
        name: name.to_owned(),
        ty,
        default: None,
        about: Some(about.to_owned()),
    };
    Type::Record(vec![
        field("ok", Type::Boolean, "whether it is good"),
        field("why", Type::Text(Default::default()), "the reason, in a sentence"),
    ])
});

/// Rules that are being tried on a value.
pub(super) struct Trying<'f> {
    list: &'f [Rule],
    it: Arc<Value>,
    problems: Vec<(usize, String)>,
    /// The next rule that asks the world, by its place in the list.
    next: usize,
    /// True when the turn has come to the judges.
    judging: bool,
    /// Whom the judge at work may be asked of, and whom it is.
    models: Vec<Resolved<'f>>,
    model: usize,
}

/// Whether no rule asks the world.
pub(in crate::run) fn pure(rules: &[Rule]) -> bool {
    rules.iter().all(|rule| match rule.test {
        RuleTest::That(_) | RuleTest::Schema(_) => true,
        RuleTest::Wasm { .. } | RuleTest::Judge { .. } => false,
    })
}

/// What does not hold of a value, as far as no world is asked, with the places of the rules.
pub(in crate::run) fn problems(
    rules: &[Rule],
    it: &Arc<Value>,
    scope: &dyn Scope,
) -> Result<Vec<(usize, String)>, EvalError> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let scope = Local { outer: scope, name: "it", value: it };
    let mut problems = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let reason = match &rule.test {
            RuleTest::That(that) => (!that.holds(&scope)?).then(|| format!("this must hold: `{}`", that.source())),
            RuleTest::Schema(ty) => ty.accept(it).err().map(|issues| words(&issues)),
            RuleTest::Wasm { .. } | RuleTest::Judge { .. } => None,
        };
        if let Some(reason) = reason {
            let own = rule.message.as_ref().map(|message| message.render(&scope)).transpose()?;
            problems.push((index, own.unwrap_or(reason)));
        }
    }
    Ok(problems)
}

/// Holds a value against rules that ask no world.
pub(in crate::run) fn guard(rules: &[Rule], it: &Arc<Value>, scope: &dyn Scope) -> Result<(), Fault> {
    none_of(problems(rules, it, scope)?)
}

/// The error of a check whose rules have these problems.
pub(super) fn none_of(problems: Vec<(usize, String)>) -> Result<(), Fault> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(Fault::new(ErrorName::CheckFailed, texts(problems).join("; ")))
}

/// What does not fit, in one line.
pub(super) fn words(issues: &[Issue]) -> String {
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The problems in the order of their rules.
pub(in crate::run) fn texts(mut problems: Vec<(usize, String)>) -> Vec<String> {
    problems.sort_by_key(|(index, _)| *index);
    problems.into_iter().map(|(_, problem)| problem).collect()
}

impl Work<'_> {
    pub(super) fn rule_command(&self, index: usize) -> Command {
        let (module, it) = self.rule_on(index);
        Command::Rule { module: Arc::clone(module), value: Arc::new(json!({ "value": **it })) }
    }

    /// The wasm rule of that index, and the value it is tried on.
    pub(super) fn rule_on(&self, index: usize) -> (&Arc<Vec<u8>>, &Arc<Value>) {
        match self.rules.as_ref().map(|trying| (&trying.list[index].test, &trying.it)) {
            Some((RuleTest::Wasm { module, .. }, it)) => (module, it),
            _ => unreachable!("internal error: only wasm rules are commands"),
        }
    }
}

impl<'f> RunState<'f> {
    /// Begins to hold a value against rules.
    pub(super) fn begin_rules(&mut self, id: FrameId, list: &'f [Rule], it: Arc<Value>) {
        let found = self.at_work_scope(id, |scope| problems(list, &it, scope));
        match found {
            Err(error) => self.work_ended(id, Err(error.into())),
            Ok(problems) => {
                let trying = Trying { list, it, problems, next: 0, judging: false, models: Vec::new(), model: 0 };
                self.frames.work_mut(id).rules = Some(trying);
                self.next_rule(id);
            }
        }
    }

    /// Tries the next rule that asks the world: programs first, then, when all else holds, judges.
    fn next_rule(&mut self, id: FrameId) {
        let trying = self.trying(id);
        let list = trying.list;
        loop {
            let judging = trying.judging;
            let wanted = |rule: &Rule| match rule.test {
                RuleTest::Wasm { .. } => !judging,
                RuleTest::Judge { .. } => judging,
                RuleTest::That(_) | RuleTest::Schema(_) => false,
            };
            let found = list.iter().enumerate().skip(trying.next).find(|(_, rule)| wanted(rule));
            if let Some((index, rule)) = found {
                trying.next = index + 1;
                return match &rule.test {
                    RuleTest::Judge { models, .. } => {
                        let models = self.models.of_prompt(models, self.prices);
                        let trying = self.trying(id);
                        (trying.models, trying.model) = (models, 0);
                        self.ask_judge(id, index);
                    }
                    RuleTest::That(_) | RuleTest::Schema(_) | RuleTest::Wasm { .. } => {
                        self.next_step(id, Step::Rule(index));
                    }
                };
            }
            if trying.judging || !trying.problems.is_empty() {
                break;
            }
            (trying.judging, trying.next) = (true, 0);
        }
        let done = self.frames.work_mut(id).rules.take().expect("internal error: no rules are tried");
        self.rules_done(id, &done.it, done.problems);
    }

    fn trying(&mut self, id: FrameId) -> &mut Trying<'f> {
        self.frames.work_mut(id).rules.as_mut().expect("internal error: no rules are tried")
    }

    /// A wasm rule was tried: null, or the reason why it does not hold.
    pub(super) fn rule_answered(&mut self, id: FrameId, index: usize, answer: &Value) {
        match answer.as_str() {
            Some(reason) => self.rule_broken(id, index, reason),
            None => self.next_rule(id),
        }
    }

    fn rule_broken(&mut self, id: FrameId, index: usize, reason: &str) {
        let trying = self.trying(id);
        let (rule, it) = (&trying.list[index], Arc::clone(&trying.it));
        let own = rule.message.as_ref().map(|message| {
            self.at_work_scope(id, |scope| message.render(&Local { outer: scope, name: "it", value: &it }))
        });
        match own.transpose() {
            Err(error) => self.work_ended(id, Err(error.into())),
            Ok(own) => {
                let reason = reason.trim();
                let problem = match own {
                    Some(own) if reason.is_empty() => own,
                    Some(own) => format!("{own}: {reason}"),
                    None if reason.is_empty() => format!("rule {} does not hold", index + 1),
                    None => reason.to_owned(),
                };
                self.trying(id).problems.push((index, problem));
                self.next_rule(id);
            }
        }
    }

    /// Asks the judge that is the rule of that index.
    fn ask_judge(&mut self, id: FrameId, index: usize) {
        match self.judge_call(id, index) {
            Ok(call) => self.next_step(id, Step::Call(call)),
            Err(error) => self.work_ended(id, Err(error.into())),
        }
    }

    fn judge_call(&mut self, id: FrameId, index: usize) -> Result<Call<'f>, EvalError> {
        let (answer_mark, counts) = (self.frames.work(id).answer_mark(), self.counts_tokens(id));
        let trying = self.trying(id);
        let (model, nth, it) = (trying.models[trying.model].clone(), trying.model, Arc::clone(&trying.it));
        let user: &'f Text = match &trying.list[index].test {
            RuleTest::Judge { user, .. } => user,
            _ => unreachable!("internal error: the rule is no judge"),
        };
        let (text, settings) = self.at_work_scope(id, |scope| {
            let text = user.render(&Local { outer: scope, name: "it", value: &it })?;
            Ok::<_, EvalError>((text, super::prompt::settings(None, model.settings, counts, scope)?))
        })?;
        let shape = super::prompt::shape(&VERDICT, Format::Auto);
        let text = super::prompt::asked(text, &VERDICT, shape);
        let request = Request {
            model: model.name,
            messages: vec![Message { role: Role::User, text }],
            schema: super::prompt::schema(&VERDICT, shape),
            settings,
            timeout: None,
        };
        let model_mark = if nth == 0 { String::new() } else { format!("^{}", nth + 1) };
        Ok(Call {
            request: Arc::new(request),
            price: model.price,
            retry: &USUAL_RETRY,
            mark: format!("{answer_mark}!{}{model_mark}", index + 1),
        })
    }

    /// A judge answered.
    pub(super) fn judge_answered(&mut self, id: FrameId, response: &Arc<Response>, cost: Cost) {
        let index = self.trying(id).next - 1;
        if response.truncated {
            return self.judge_failed(id, Fault::new(ErrorName::Truncated, "the judge's answer was cut off"));
        }
        match answer::read(&response.text, &VERDICT) {
            Err(reasons) => self.judge_failed(id, Fault::new(ErrorName::BadOutput, reasons.join("; "))),
            Ok(Answer { value, .. }) => {
                if self.frames.work(id).recalled != Recalled::Now {
                    self.keep(id, self.frames.work(id).key, Found::Call { response: Arc::clone(response), cost });
                }
                match value["ok"] {
                    Value::Bool(true) => self.next_rule(id),
                    _ => self.rule_broken(id, index, value["why"].as_str().unwrap_or_default()),
                }
            }
        }
    }

    /// A judge did not judge: another model is asked, or the work fails.
    pub(super) fn judge_failed(&mut self, id: FrameId, fault: Fault) {
        let trying = self.trying(id);
        if fault.name.falls_back() && trying.model + 1 < trying.models.len() {
            trying.model += 1;
            let index = trying.next - 1;
            return self.ask_judge(id, index);
        }
        self.work_ended(id, Err(fault));
    }

    /// Gives the names of a work to what computes.
    pub(super) fn at_work_scope<T>(&self, id: FrameId, compute: impl FnOnce(&dyn Scope) -> T) -> T {
        let work = self.frames.work(id);
        let mut view = self.view(work.scope);
        view.spender = id;
        compute(&Locals { outer: &view, names: &work.locals })
    }
}
