//! The walk: a flow's nodes in the order of their edges, each with what is known of its value and of its calls.

use super::Formula;
use super::eval::{Env, Eval};
use super::of_type::{Sizes, of_type, read_field};
use super::tally::{Count, Runs, Tally};
use super::value::{Abstract, Interval, Shape, Truth};
use crate::check::flow::{
    AllowFailed, Block, BudgetDef, CheckedFlow, Each, Execute, ExecuteOn, FileId, FlowId, Node, OnError, Prompt,
    Repeat, Rule, RuleTest, Val, Verb,
};
use crate::spec::types::Type;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Passes and items that are walked one by one; those beyond are walked once, together. A loop that asks models more
/// often than this is rarely one whose passes differ.
pub(super) const WALKED: usize = 64;

/// Nodes that may be walked in all before loops are no longer taken pass by pass: keeps a plan of nested loops in the
/// milliseconds.
const MOST_STEPS: usize = 20_000;

/// Runs of one sub-flow that are remembered: those of the passes of a loop mostly know the same.
const MOST_REMEMBERED: usize = 8;

/// Nodes that are counted one by one in a sub-flow; of a larger one only the sum is kept, so that flows that call each
/// other twice, again and again, stay small.
const MOST_COUNTED: usize = 2_000;

/// A run of a flow that was walked: what it knew, its calls and its outputs.
struct Walked {
    flow: FlowId,
    inputs: Abstract,
    params: Abstract,
    tally: Tally,
    outputs: Abstract,
}

/// One walk over a flow.
pub(super) struct Walk<'a> {
    flow: &'a CheckedFlow,
    pub(super) eval: Eval,
    steps: Cell<usize>,
    walked: RefCell<Vec<Walked>>,
    /// `None`: every re-ask counts. Else no re-ask is made, and these params, which say how many there may be, are 0.
    without_reasks: Option<BTreeSet<(FileId, String)>>,
}

impl<'a> Walk<'a> {
    /// A walk with all re-asks.
    pub(super) fn new(flow: &'a CheckedFlow) -> Self {
        Self { flow, eval: Eval::default(), steps: Cell::new(0), walked: RefCell::default(), without_reasks: None }
    }

    /// A walk in which no answer is asked for again: `repair` is 0, and so is each param that is a prompt's `repair`.
    pub(super) fn without_reasks(flow: &'a CheckedFlow) -> Self {
        let mut params = BTreeSet::new();
        for def in &flow.flows {
            each_prompt(&def.body, &mut |prompt| {
                if let Some(Val::Expr(expr)) = &prompt.repair
                    && let Some(name) = expr.source().trim().strip_prefix("params.")
                    && flow.files[def.file].params.iter().any(|p| p.name == name && may_be_zero(&p.ty))
                {
                    params.insert((def.file, name.to_owned()));
                }
            });
        }
        Self { without_reasks: Some(params), ..Self::new(flow) }
    }

    /// Walks the flow that is run.
    pub(super) fn root(&self, inputs: Abstract, params: &serde_json::Map<String, crate::value::Value>) -> Tally {
        let given = Abstract::record(params.iter().map(|(name, value)| (name.as_str(), Abstract::known(value))));
        let file = self.flow.flows[self.flow.root].file;
        self.run(self.flow.root, inputs, self.params(file, &given)).0
    }

    /// What is known of the inputs of the flow that is run, before they are.
    pub(super) fn typed_inputs(&self, sizes: Sizes<'_>) -> Abstract {
        let def = &self.flow.flows[self.flow.root];
        Abstract::record(def.inputs.iter().map(|field| {
            let path = Some((field.name.as_str(), sizes));
            (field.name.as_str(), of_type(&field.ty, path, &no_lengths))
        }))
    }

    /// The inputs of the flow that is run, as its types read them.
    pub(super) fn known_inputs(&self, inputs: &serde_json::Map<String, crate::value::Value>) -> Abstract {
        let given = Abstract::record(inputs.iter().map(|(name, value)| (name.as_str(), Abstract::known(value))));
        let def = &self.flow.flows[self.flow.root];
        Abstract::record(def.inputs.iter().map(|f| (f.name.as_str(), read_field(&given, f, &no_lengths))))
    }

    fn params(&self, file: FileId, given: &Abstract) -> Abstract {
        let zeroed =
            |name: &str| self.without_reasks.as_ref().is_some_and(|params| params.contains(&(file, name.to_owned())));
        Abstract::record(self.flow.files[file].params.iter().map(|field| {
            let value = if zeroed(&field.name) {
                Abstract::number(Interval::exactly(0u64))
            } else {
                read_field(given, field, &no_lengths)
            };
            (field.name.as_str(), value)
        }))
    }

    /// Runs a sub-flow, unless one that knew the same was walked before.
    fn run_once(&self, flow: FlowId, inputs: Abstract, params: Abstract) -> (Tally, Abstract) {
        let same = |w: &&Walked| w.flow == flow && w.inputs == inputs && w.params == params;
        if let Some(known) = self.walked.borrow().iter().find(same) {
            return (known.tally.clone(), known.outputs.clone());
        }
        let (mut tally, outputs) = self.run(flow, inputs.clone(), params.clone());
        if tally.size() > MOST_COUNTED {
            tally.inside.clear();
        }
        let mut walked = self.walked.borrow_mut();
        if walked.iter().filter(|w| w.flow == flow).count() < MOST_REMEMBERED {
            walked.push(Walked { flow, inputs, params, tally: tally.clone(), outputs: outputs.clone() });
        }
        (tally, outputs)
    }

    /// Runs a flow: its calls and its outputs.
    fn run(&self, id: FlowId, inputs: Abstract, params: Abstract) -> (Tally, Abstract) {
        let def = &self.flow.flows[id];
        let mut env = Env::default();
        env.set("inputs", inputs);
        env.set("params", params);
        env.set("run", Abstract::record([("seed", Abstract::number(Interval { whole: true, ..Interval::default() }))]));
        let budget = self.budget(def.budget.as_ref(), &mut env);
        let mut tally = Tally::around(self.block(&def.body, def.file, &mut env));
        if let Some(most) = budget {
            tally.cap(&most);
        }
        (tally, Abstract::record(def.outputs.iter().map(|(name, val)| (name.as_str(), self.val(val, &env)))))
    }

    /// The most calls that a budget allows; what is left of it is in scope from here on.
    fn budget(&self, budget: Option<&BudgetDef>, env: &mut Env) -> Option<Formula> {
        let def = budget?;
        let most = def.calls.as_ref().and_then(|calls| self.val(calls, env).range().clamped().max);
        let left = |most: Option<Formula>| Abstract::number(Interval::whole(0u64, most)).or_null();
        env.set(
            "budget",
            Abstract::record([
                ("calls_left", left(most.clone())),
                ("tokens_left", left(None)),
                ("usd_left", Abstract::number(Interval::default()).or_null()),
            ]),
        );
        most
    }

    /// Walks the nodes of a block, each after those it waits for, and gives their names their values.
    pub(super) fn block(&self, block: &Block, file: FileId, env: &mut Env) -> Vec<Tally> {
        let mut tallies = vec![Tally::default(); block.nodes.len()];
        for index in order(block) {
            let node = &block.nodes[index];
            let (tally, value) = self.node(node, file, env);
            tallies[index] = tally;
            env.set(node.id.as_str(), value);
        }
        tallies
    }

    fn node(&self, node: &Node, file: FileId, env: &Env) -> (Tally, Abstract) {
        self.steps.set(self.steps.get() + 1);
        let skipped = || node.otherwise.as_ref().map_or(Abstract::NULL, |val| self.val(val, env));
        let (runs, mut inner) = match &node.when {
            None => (Truth::True, env.clone()),
            Some(when) => (self.eval.holds(when.ast(), env), self.eval.assuming(when.ast(), true, env)),
        };
        if runs == Truth::False {
            return (Tally { runs: Some(Runs::Never), ..Tally::default() }, skipped());
        }
        let budget = self.budget(node.budget.as_ref(), &mut inner);
        let (mut tally, mut value) = match (&node.repeat, &node.verb) {
            (Repeat::Once, _) => self.once(node, file, &inner),
            (Repeat::Each(each), _) => self.each(node, each, file, &inner),
            (Repeat::Loop(repeat), Verb::Block(body)) => {
                let (tally, value) = self.looped(repeat, body, file, &inner);
                (self.judged(node, tally), value)
            }
            (Repeat::Loop(_), _) => unreachable!("internal error: a loop stands beside nodes"),
        };
        if let Some(most) = budget {
            tally.cap(&most);
        }
        match &node.on_error {
            OnError::Fail => {}
            OnError::Skip => {
                tally = self.caught(node, tally, &inner);
                value = value.join(&skipped());
            }
            OnError::Else(val) => {
                let error = ["name", "message", "at"].map(|field| (field, Abstract::text()));
                tally = self.caught(node, tally, &inner);
                value = value.join(&self.val(val, &env.with("error", Abstract::record(error))));
            }
        }
        tally.runs = Some(Runs::Always);
        if runs == Truth::Unknown {
            tally = tally.optional();
            tally.runs = Some(Runs::Maybe);
            value = value.join(&skipped());
        }
        (tally, value)
    }

    /// One run of a node's verb and its checks.
    fn once(&self, node: &Node, file: FileId, env: &Env) -> (Tally, Abstract) {
        let by_type = || of_type(&node.item_ty, None, &no_lengths);
        let (tally, value) = match &node.verb {
            Verb::Prompt(prompt) => return self.prompt(prompt, &node.check, env),
            Verb::Let(val) => (Tally::default(), self.val(val, env)),
            Verb::Validate { value, rules } => {
                // Judges are asked when all other rules hold: for certain only where there are none.
                let judges = judges(rules);
                let alone = rules.iter().all(|rule| matches!(rule.test, RuleTest::Judge { .. }));
                let tally = Tally::of(judges);
                let value = with_field(by_type(), "value", self.val(value, env));
                (if alone { tally } else { tally.optional() }, value)
            }
            Verb::Execute(execute) => (Tally::default(), self.execute(execute, by_type(), env)),
            Verb::Call { flow, inputs, params } => self.call(*flow, inputs, params, file, env),
            Verb::Human(human) => {
                let value = human.returns.as_ref().map_or_else(Abstract::text, |ty| of_type(ty, None, &no_lengths));
                (Tally::default(), value)
            }
            Verb::Embed(embed) => {
                let vector = Abstract::list(Abstract::number(Interval::default()), Interval::whole(0u64, None));
                (Tally::default(), Abstract::list(vector, self.val(&embed.texts, env).len()))
            }
            Verb::Block(block) => {
                let mut inner = env.clone();
                let tally = Tally::around(self.block(block, file, &mut inner));
                (tally, results(block, &inner))
            }
        };
        (self.judged(node, tally), value)
    }

    /// A node's own calls, and those of the judges among its checks.
    fn judged(&self, node: &Node, mut tally: Tally) -> Tally {
        tally.calls = tally.calls.plus(&judges(&node.check));
        tally
    }

    fn prompt(&self, prompt: &Prompt, check: &[Rule], env: &Env) -> (Tally, Abstract) {
        let reasks = match &prompt.repair {
            Some(repair) if self.without_reasks.is_none() => self.val(repair, env).range().clamped().max,
            _ => Some(Formula::default()),
        };
        let models = Formula::from(prompt.models.len().max(1));
        let answers = Count {
            fewest: Formula::from(1u64),
            most: reasks.map(|most| most.plus(&Formula::from(1u64)).times(&models)),
        };
        let calls = answers.times(&Count::new(1u64, 1u64).plus(&judges(check)));
        let lengths = |source: &str| {
            prompt.lengths.get(source).map_or_else(Interval::default, |expr| self.eval.eval(expr.ast(), env).range())
        };
        let value = prompt.returns.as_ref().map_or_else(Abstract::text, |ty| of_type(ty, None, &lengths));
        match &prompt.samples {
            None => (Tally::of(calls), value),
            Some(samples) => {
                let samples = self.val(samples, env).range().clamped();
                (Tally::of(calls.times(&Count::from(&samples))), Abstract::list(value, samples))
            }
        }
    }

    fn execute(&self, execute: &Execute, by_type: Abstract, env: &Env) -> Abstract {
        match &execute.on {
            ExecuteOn::Tests(tests) => {
                let ran = Abstract::list(by_type.field("tests").any_item(), self.val(tests, env).len());
                with_field(with_field(by_type, "tests", ran), "code", self.val(&execute.code, env))
            }
            ExecuteOn::Inputs(inputs) => Abstract::list(by_type.any_item(), self.val(inputs, env).len()),
            ExecuteOn::Input(_) => by_type,
        }
    }

    fn call(
        &self,
        id: FlowId,
        inputs: &[(String, Val)],
        params: &[(String, Val)],
        file: FileId,
        env: &Env,
    ) -> (Tally, Abstract) {
        let def = &self.flow.flows[id];
        let record = |given: &[(String, Val)]| {
            Abstract::record(given.iter().map(|(name, val)| (name.as_str(), self.val(val, env))).collect::<Vec<_>>())
        };
        let given = record(inputs);
        let inputs = Abstract::record(def.inputs.iter().map(|field| {
            // Once so much was walked, nothing but types is known, so that one walk of the sub-flow serves all calls.
            let ty = &field.ty;
            let value =
                if self.is_tired() { of_type(ty, None, &no_lengths) } else { read_field(&given, field, &no_lengths) };
            (field.name.as_str(), value)
        }));
        let params = match env.get("params") {
            Some(own) if def.file == file => own.clone(),
            _ => self.params(def.file, &record(params)),
        };
        self.run_once(id, inputs, params)
    }

    fn each(&self, node: &Node, each: &Each, file: FileId, env: &Env) -> (Tally, Abstract) {
        let list = self.val(&each.list, env);
        let may_fail = match &each.allow_failed {
            AllowFailed::Count(val) => self.val(val, env).range().as_number() != Some(0.0),
            AllowFailed::Percent(share) => *share > 0.0,
        };
        let one = |item: Abstract| {
            let inner = env.with(each.name.as_str(), item);
            let (tally, value) = self.once(node, file, &inner);
            if may_fail { (self.asked(node, tally, &inner), value.or_null()) } else { (tally, value) }
        };
        let repeats = Count::from(&list.len());
        let (mut tally, value) = match &list.shape {
            Shape::Items(items) if items.len() <= WALKED && !self.is_tired() => {
                let mut all = Tally::default();
                let values = items.iter().map(|item| {
                    let (tally, value) = one(item.clone());
                    all.add(&tally);
                    value
                });
                let values = Abstract::items(values.collect::<Vec<_>>());
                (all, values)
            }
            _ => {
                let (tally, value) = one(list.any_item());
                (tally.times(&repeats), Abstract::list(value, list.len()))
            }
        };
        tally.repeats = Some(repeats);
        (tally, value)
    }

    /// The calls of a node whose failure does not fail the run.
    fn caught(&self, node: &Node, tally: Tally, env: &Env) -> Tally {
        let Repeat::Each(each) = &node.repeat else { return self.asked(node, tally, env) };
        let mut item = Abstract::NULL;
        if self.eval.may_fail(|| item = self.val(&each.list, env).any_item()) {
            return tally.optional();
        }
        self.asked(node, tally, &env.with(each.name.as_str(), item))
    }

    /// The calls of a node that may fail: a prompt has asked once before it does, if nothing fails before that; of
    /// anything else the error may come before the first call.
    fn asked(&self, node: &Node, mut tally: Tally, env: &Env) -> Tally {
        match &node.verb {
            Verb::Prompt(prompt) if self.asks_for_certain(node, prompt, env) => {
                tally.calls.fewest = tally.calls.fewest.least(&Formula::from(1u64));
                tally
            }
            _ => tally.optional(),
        }
    }

    /// What is known of a value as written.
    pub(super) fn val(&self, val: &Val, env: &Env) -> Abstract {
        match val {
            Val::Const(value) => Abstract::known(value),
            Val::Expr(expr) => self.eval.eval(expr.ast(), env),
            Val::Text(_) => Abstract::text(),
            Val::List(items) => Abstract::items(items.iter().map(|item| self.val(item, env))),
            Val::Map(fields) => Abstract::record(fields.iter().map(|(name, val)| (name.as_str(), self.val(val, env)))),
        }
    }

    /// Whether so much was walked that loops are no longer taken pass by pass.
    pub(super) fn is_tired(&self) -> bool {
        self.steps.get() > MOST_STEPS
    }
}

/// A length that is read from the flow, where none can be.
pub(super) fn no_lengths(_: &str) -> Interval {
    Interval::default()
}

/// The nodes of a block, each after those it waits for, the first in the file first.
fn order(block: &Block) -> Vec<usize> {
    let mut placed = vec![false; block.nodes.len()];
    let mut order = Vec::with_capacity(block.nodes.len());
    // Each round places one node at least: edges make no cycle.
    while order.len() < block.nodes.len() {
        let ready = (0..block.nodes.len())
            .find(|i| !placed[*i] && block.nodes[*i].deps.iter().all(|dep| placed[dep.node]))
            .expect("internal error: the nodes of a checked block wait in a circle");
        placed[ready] = true;
        order.push(ready);
    }
    order
}

/// The values of a block's nodes, by id.
pub(super) fn results(block: &Block, env: &Env) -> Abstract {
    let of = |node: &Node| env.get(&node.id).cloned().unwrap_or_else(Abstract::any);
    Abstract::record(block.nodes.iter().map(|node| (node.id.as_str(), of(node))))
}

/// The calls of all judges among some rules, each asked once, of one model after the other.
fn judges(rules: &[Rule]) -> Count {
    rules.iter().fold(Count::default(), |sum, rule| match &rule.test {
        RuleTest::Judge { models, .. } => sum.plus(&Count::new(1u64, models.len().max(1))),
        RuleTest::That(_) | RuleTest::Schema(_) | RuleTest::Wasm { .. } => sum,
    })
}

fn with_field(record: Abstract, name: &str, value: Abstract) -> Abstract {
    let Shape::Record(fields) = &record.shape else { return record };
    let put = |(field, old): &(Arc<str>, Abstract)| {
        (field.clone(), if &**field == name { value.clone() } else { old.clone() })
    };
    Abstract { nullable: record.nullable, ..Abstract::record(fields.iter().map(put).collect::<Vec<_>>()) }
}

fn may_be_zero(ty: &Type) -> bool {
    ty.members().iter().any(|ty| matches!(ty, Type::Integer(range) | Type::Number(range) if range.holds(0.0)))
}

fn each_prompt(block: &Block, seen: &mut dyn FnMut(&Prompt)) {
    for node in &block.nodes {
        match &node.verb {
            Verb::Prompt(prompt) => seen(prompt),
            Verb::Block(inner) => each_prompt(inner, seen),
            Verb::Validate { .. }
            | Verb::Execute(_)
            | Verb::Let(_)
            | Verb::Call { .. }
            | Verb::Human(_)
            | Verb::Embed(_) => {}
        }
    }
}
