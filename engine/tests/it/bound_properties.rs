//! No run makes fewer or more calls than its plan said: the flows of the vectors with params, inputs, models, programs and
//! people that say whatever their types allow, and sometimes what they do not.

use crate::bounds::counted;
use crate::harness::{bound_of, check_vector, jobs, play_given, record, vectors};
use crate::world::ports;
use flow_engine::check::flow::{Block, CheckedFlow, Verb};
use flow_engine::journal::Event;
use flow_engine::plan::bound::{Count, Tally};
use flow_engine::run::ports::{
    CallError, CallSite, ExecuteJob, Executor, JobInput, Model, People, Ports, Question, Request, Response,
};
use flow_engine::run::{ErrorName, Given, prepare};
use flow_engine::spec::types::{Bound, Range, Type, built_in};
use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Chance that is the same for the same words.
struct Dice(u64);

impl Dice {
    fn of(words: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        Self(hasher.finish())
    }

    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }

    /// Words that the flows of the vectors look for, and some that they do not.
    fn word(&mut self) -> String {
        let words = ["y", "final", "go", "hit", "s", "bad", "ok", "", "print(1)", "a longer text"];
        words[self.roll(words.len() as u64) as usize].to_owned()
    }

    fn number(&mut self, range: Range) -> f64 {
        let least = range.min.unwrap_or(-2.0);
        let most = range.max.unwrap_or(least + 9.0);
        least + self.roll((most - least) as u64 + 1) as f64
    }

    /// A value of a type; lengths that are read from the flow are guessed.
    fn value(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Any | Type::Schema(_) => {
                [json!(null), json!(3), json!("x"), json!([1])][self.roll(4) as usize].clone()
            }
            Type::Null => Value::Null,
            Type::Boolean => Value::Bool(self.one_in(2)),
            Type::Integer(range) => Value::from(self.number(*range) as i64),
            Type::Number(range) => Value::from(self.number(*range)),
            Type::Text(_) | Type::Code => Value::from(self.word()),
            Type::Literals(words) => words[self.roll(words.len() as u64) as usize].clone(),
            Type::List(item, length) => {
                let mut end = |bound: &Option<Bound>, guess: u64| match bound {
                    Some(Bound::Fixed(n)) => *n,
                    Some(Bound::Flow(_)) => self.roll(7),
                    None => guess,
                };
                let least = end(&length.min, 0);
                let most = end(&length.max, least + 3).clamp(least, least + 3);
                let n = least + self.roll(most - least + 1);
                (0..n).map(|_| self.value(item)).collect()
            }
            Type::Record(fields) => {
                fields.iter().map(|field| (field.name.clone(), self.value(&field.ty))).collect::<Map<_, _>>().into()
            }
            Type::Union(members) => {
                let member = &members[self.roll(members.len() as u64) as usize];
                self.value(member)
            }
        }
    }
}

/// A world in which everything answers at random.
struct Chance {
    seed: u64,
    /// What each prompt is to answer, by the ids that lead to it.
    returns: BTreeMap<String, Type>,
}

impl Chance {
    fn of(flow: &CheckedFlow, seed: u64) -> Self {
        let mut returns = BTreeMap::new();
        collect(flow, &flow.flows[flow.root].body, "", &mut returns);
        Self { seed, returns }
    }
}

fn collect(flow: &CheckedFlow, block: &Block, prefix: &str, returns: &mut BTreeMap<String, Type>) {
    for node in &block.nodes {
        let path = format!("{prefix}{}", node.id);
        match &node.verb {
            Verb::Prompt(prompt) => {
                returns.insert(path, prompt.returns.clone().unwrap_or_else(Type::text));
            }
            Verb::Human(human) => {
                returns.insert(path, human.returns.clone().unwrap_or_else(Type::text));
            }
            Verb::Block(inner) => collect(flow, inner, &format!("{path}/"), returns),
            Verb::Call { flow: id, .. } => collect(flow, &flow.flows[*id].body, &format!("{path}/"), returns),
            _ => {}
        }
    }
}

/// The ids that lead to a call: its path without passes, items and marks.
fn ids(path: &str) -> String {
    let id = |part: &str| part.split(['#', '[', '@', '^', '~', '!']).next().unwrap_or_default().to_owned();
    path.split('/').map(id).collect::<Vec<_>>().join("/")
}

impl Model for Chance {
    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        request: &'a Request,
        _on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        let mut dice = Dice::of((self.seed, &site.path, site.attempt));
        // Some worlds are worse than others.
        let trouble = [400, 12, 4][(self.seed % 3) as usize];
        if dice.one_in(trouble) {
            let names = [ErrorName::Refused, ErrorName::Rejected, ErrorName::Overloaded, ErrorName::Timeout];
            let name = names[dice.roll(4) as usize];
            return ready(Err(CallError { name, message: "by chance".into(), retry_after: None })).boxed();
        }
        let answer = if site.path.contains('!') {
            json!({ "ok": dice.one_in(2), "why": "by chance" })
        } else {
            dice.value(&self.returns[&ids(&site.path)])
        };
        let text = match answer {
            _ if dice.one_in(trouble) => "[: no such answer".to_owned(),
            Value::String(text) => text,
            answer => answer.to_string(),
        };
        let truncated = dice.one_in(trouble * 3);
        let model = Some(request.model.clone());
        ready(Ok(Response { text, truncated, usage: None, schema_enforced: false, model })).boxed()
    }
}

impl Executor for Chance {
    fn execute<'a>(&'a self, job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>> {
        let mut dice = Dice::of((self.seed, format!("{job:?}")));
        let types = built_in();
        let mut results = |n: usize| (0..n).map(|_| dice.value(&types["TestResult"])).collect::<Vec<_>>();
        let result = match &job.on {
            JobInput::Input(_) => results(1).remove(0),
            JobInput::Inputs(inputs) => results(inputs.len()).into(),
            JobInput::Tests(tests) => {
                let ran = results(tests.len());
                let mut trial = dice.value(&types["Trial"]);
                trial["tests"] = ran.into();
                trial["code"] = job.code.clone().into();
                trial
            }
        };
        let broken = self.seed % 3 == 2 && dice.one_in(20);
        ready(if broken { Err("by chance".to_owned()) } else { Ok(result) }).boxed()
    }

    fn rule<'a>(&'a self, _: &'a [u8], value: &'a Value) -> BoxFuture<'a, Result<Result<(), String>, String>> {
        let holds = Dice::of((self.seed, value.to_string())).one_in(2);
        ready(Ok(if holds { Ok(()) } else { Err("by chance".to_owned()) })).boxed()
    }
}

impl People for Chance {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Option<Value>, String>> {
        let mut dice = Dice::of((self.seed, &question.path));
        let answer = (!dice.one_in(4)).then(|| dice.value(&self.returns[&ids(&question.path)]));
        ready(Ok(answer)).boxed()
    }
}

/// What a vector gives a run, changed by chance.
fn given(flow: &CheckedFlow, vector: &Value, dice: &mut Dice) -> Given {
    let def = &flow.flows[flow.root];
    let mut given = Given {
        inputs: record(&vector["inputs"]),
        params: record(&vector["params"]),
        preset: vector["preset"].as_str().map(str::to_owned),
        seed: 0,
    };
    for field in &flow.files[def.file].params {
        if dice.one_in(3) {
            given.params.insert(field.name.clone(), dice.value(&field.ty));
        }
    }
    for field in &def.inputs {
        if dice.one_in(3) {
            given.inputs.insert(field.name.clone(), dice.value(&field.ty));
        }
    }
    given
}

/// What is wrong with the number of calls, of the run and of each node of the flow.
fn outside(count: &Count, calls: u64, ended_well: bool) -> bool {
    let number = |n: f64| n.max(0.0) as u64;
    let fewest = count.fewest.as_number().map(number).expect("a number: all inputs are known");
    let most = count.most.as_ref().and_then(|most| most.as_number()).map(number).expect("a bound");
    calls > most || ended_well && calls < fewest
}

#[test]
fn no_run_makes_fewer_or_more_calls_than_its_plan_said() {
    let (mut wrong, mut runs, mut ended_well) = (String::new(), 0, 0);
    let counted = counted().into_iter().map(|case| ("bounds.yaml".to_owned(), case));
    for (file, vector) in vectors().into_iter().chain(counted) {
        let checked = check_vector(&vector);
        let Some(flow) = &checked.flow else { continue };
        for seed in 0..6 {
            let given = given(flow, &vector, &mut Dice::of((seed, &file)));
            let Ok(prepared) = prepare(flow, &given) else { continue };
            let bound = bound_of(flow, &prepared);
            let world = Arc::new(Chance::of(flow, seed));
            let ports = Ports { executor: world.clone(), people: world.clone(), ..ports(world) };
            let ran = play_given(flow, &given, &ports, &jobs(1 + seed as usize % 3), &mut |_, _| {});
            let spent = ran.records.iter().any(|r| matches!(r.event, Event::BudgetExhausted { .. }));
            let well = !spent && matches!(ran.outcome(), "accepted" | "not_accepted");
            runs += 1;
            ended_well += u32::from(well);
            let mut by_node: BTreeMap<String, u64> = BTreeMap::new();
            for call in &ran.report.calls {
                *by_node.entry(ids(call).split('/').next().unwrap_or_default().to_owned()).or_default() += 1;
            }
            let of = |id: &str| by_node.get(id).copied().unwrap_or_default();
            let nodes = flow.flows[flow.root].body.nodes.iter().zip(&bound.nodes.inside);
            let off: Vec<&str> = nodes
                .filter(|(node, tally): &(_, &Tally)| outside(&tally.calls, of(&node.id), well))
                .map(|(node, _)| node.id.as_str())
                .collect();
            if outside(&bound.nodes.calls, ran.report.spend.calls, well) || !off.is_empty() {
                wrong.push_str(&format!(
                    "{file} {} with seed {seed}, {:?}: {} calls of {} to {:?}, {}, nodes {off:?}: {:?}\n",
                    vector["name"],
                    given.params,
                    ran.report.spend.calls,
                    bound.fewest,
                    bound.most.as_ref().map(ToString::to_string),
                    ran.outcome(),
                    ran.report.calls,
                ));
            }
        }
    }
    assert!(runs > 900 && ended_well > 400, "only {runs} runs were made, {ended_well} of them ended well");
    assert!(wrong.is_empty(), "{wrong}");
}
