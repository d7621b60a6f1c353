//! Loops: pass by pass while passes may differ, all the rest together.

use super::Formula;
use super::eval::Env;
use super::tally::{Count, Tally};
use super::value::{Abstract, Interval, Shape, Truth};
use super::walk::{WALKED, Walk, results};
use crate::check::flow::{Block, FileId, Loop, Next, Over, Take};
use std::sync::Arc;

/// Rounds in which the state of passes that are walked together settles: by itself in the first ones, then with the ends
/// that still move given up, then (nested ever deeper) as anything at all.
const SETTLES_BY_ITSELF: usize = 3;
const SETTLES_WIDENED: usize = 6;

/// One pass, or many that are walked together.
struct Pass {
    tally: Tally,
    values: Abstract,
    /// The state after it.
    state: Abstract,
    /// Whether it is accepted.
    accepted: Truth,
    /// Whether it ends the loop.
    ends: Truth,
    /// Whether what `take` compares may be null, so that the pass can't be chosen.
    may_not_be_taken: bool,
}

/// What a pass is told of itself.
struct Told<'a> {
    n: Interval,
    last: Truth,
    item: Option<Abstract>,
    state: &'a Abstract,
    prev: &'a Abstract,
}

/// What came of the passes so far.
struct Made {
    tally: Tally,
    /// Passes that are made for certain, and at most.
    passes: Interval,
    /// Whether an earlier pass may have ended the loop.
    may_have_ended: bool,
    values: Option<Abstract>,
    end_state: Option<Abstract>,
    accepted_for_certain: bool,
    may_not_be_taken: bool,
}

impl Made {
    /// Adds a pass, or `count` passes that were walked together.
    fn add(&mut self, pass: &Pass, count: &Count) {
        let certain = !self.may_have_ended;
        let counted = pass.tally.times(count);
        self.tally.add(&if certain { counted } else { counted.optional() });
        self.passes.max = self.passes.max.as_ref().zip(count.most.as_ref()).map(|(a, b)| a.plus(b));
        if certain {
            self.passes.min = self.passes.min.as_ref().map(|min| min.plus(&count.fewest));
            let made = Formula::default().below(&count.fewest);
            self.accepted_for_certain |= made && pass.accepted == Truth::True;
        }
        self.values = Some(self.values.as_ref().map_or_else(|| pass.values.clone(), |v| v.join(&pass.values)));
        self.may_have_ended |= pass.ends != Truth::False;
        self.may_not_be_taken |= pass.may_not_be_taken;
    }

    /// The loop may end with this state.
    fn ends_with(&mut self, state: &Abstract) {
        self.end_state = Some(self.end_state.as_ref().map_or_else(|| state.clone(), |end| end.join(state)));
    }
}

impl Walk<'_> {
    /// A loop's calls and its result.
    pub(super) fn looped(&self, repeat: &Loop, body: &Block, file: FileId, env: &Env) -> (Tally, Abstract) {
        let (count, list) = match &repeat.over {
            Over::Max(max) => (self.val(max, env).range().clamped(), None),
            Over::List { list, .. } => {
                let list = self.val(list, env);
                (list.len().clamped(), Some(list))
            }
        };
        let first = repeat.state.iter().map(|(name, val)| (name.as_str(), self.val(val, env)));
        let mut state = Abstract::record(first.collect::<Vec<_>>());
        let mut prev = Abstract::NULL;
        let mut made = Made {
            tally: Tally::around(vec![Tally::default(); body.nodes.len()]),
            passes: Interval::exactly(0u64),
            may_have_ended: false,
            values: None,
            end_state: None,
            accepted_for_certain: false,
            may_not_be_taken: false,
        };
        let [certain, most] =
            [&count.min, &count.max].map(|end| end.as_ref().and_then(Formula::as_number).map(|n| n as usize));
        let one_by_one = most.map_or(0, |most| most.min(WALKED));
        let mut walked = 0;
        let mut ended = false;
        while walked < one_by_one && !self.is_tired() {
            // Passes beyond the fewest are made only if `max` turns out that large: the loop may be over already.
            if certain.is_none_or(|certain| walked >= certain) {
                made.may_have_ended = true;
                made.ends_with(&state);
            }
            walked += 1;
            let last = match (certain, most) {
                (_, Some(most)) if walked == most => Truth::True,
                (Some(certain), _) if walked < certain => Truth::False,
                _ => Truth::Unknown,
            };
            let item = list.as_ref().map(|list| item_of_pass(list, walked - 1));
            let told = Told { n: Interval::exactly(walked), last, item, state: &state, prev: &prev };
            let pass = self.pass(repeat, body, file, env, told);
            made.add(&pass, &Count::new(1u64, 1u64));
            (state, prev) = (pass.state, pass.values);
            if pass.ends != Truth::False {
                made.ends_with(&state);
            }
            if pass.ends == Truth::True {
                ended = true;
                break;
            }
        }
        if !ended {
            if most != Some(walked) {
                let item = list.as_ref().map(Abstract::any_item);
                state = self.rest(repeat, body, file, env, (&count, walked, item), state, &mut made);
            }
            made.ends_with(&state);
        }
        self.result(repeat, body, count, made)
    }

    /// The passes after those that were walked, together; the state after them.
    #[expect(clippy::too_many_arguments, reason = "the parts of one loop, and what came of it so far")]
    fn rest(
        &self,
        repeat: &Loop,
        body: &Block,
        file: FileId,
        env: &Env,
        (count, walked, item): (&Interval, usize, Option<Abstract>),
        state: Abstract,
        made: &mut Made,
    ) -> Abstract {
        let walked = Formula::from(walked);
        let left = Count::from(&Interval {
            min: count.min.as_ref().map(|min| min.minus(&walked)),
            max: count.max.as_ref().map(|max| max.minus(&walked)),
            whole: true,
        });
        let one = Formula::from(1u64);
        let any = Abstract::any();
        let pass = |state: &Abstract, last: Truth| {
            let n = Interval::whole(walked.plus(&one), count.max.clone());
            self.pass(repeat, body, file, env, Told { n, last, item: item.clone(), state, prev: &any })
        };
        let settled = settle(state, |state| pass(state, Truth::Unknown).state);
        // Where it is certain that passes are left, and how many, the last is told from those before it.
        let exact = left.most.as_ref() == Some(&left.fewest) && one.at_most(&left.fewest);
        let before = if exact { left.fewest.minus(&one) } else { Formula::default() };
        if exact {
            let middle = pass(&settled, Truth::False);
            let count = ending(&middle, Count { fewest: before.clone(), most: Some(before) });
            made.add(&middle, &count);
            made.ends_with(&settled);
        }
        let last = pass(&settled, if exact { Truth::True } else { Truth::Unknown });
        let count = if exact { Count::new(1u64, 1u64) } else { ending(&last, left) };
        made.add(&last, &count);
        settled.join(&last.state)
    }

    fn pass(&self, repeat: &Loop, body: &Block, file: FileId, env: &Env, told: Told<'_>) -> Pass {
        let mut inner = env.clone();
        let last = Abstract::from(Shape::Boolean(match told.last {
            Truth::True => Some(true),
            Truth::False => Some(false),
            Truth::Unknown => None,
        }));
        inner.set("pass", Abstract::record([("n", Abstract::number(told.n)), ("last", last)]));
        inner.set("state", told.state.clone());
        inner.set("prev", told.prev.clone());
        if let (Over::List { name, .. }, Some(item)) = (&repeat.over, told.item) {
            inner.set(name.as_str(), item);
        }
        let tally = Tally::around(self.block(body, file, &mut inner));
        let holds = |expr: &Option<crate::template::Expr>, env: &Env, absent: Truth| {
            expr.as_ref().map_or(absent, |expr| self.eval.holds(expr.ast(), env))
        };
        let accepted = holds(&repeat.accept, &inner, Truth::True);
        let next = self.next(&repeat.next, told.state, &inner);
        let ends = match (accepted, holds(&repeat.until, &inner.with("state", next.clone()), Truth::False)) {
            (Truth::False, _) | (_, Truth::False) => Truth::False,
            (Truth::True, ends) => ends,
            (Truth::Unknown, _) => Truth::Unknown,
        };
        let state = match accepted {
            Truth::True => next,
            Truth::False => told.state.clone(),
            Truth::Unknown => told.state.join(&next),
        };
        let may_not_be_taken = match &repeat.take {
            Take::Min(expr) | Take::Max(expr) => self.eval.eval(expr.ast(), &inner).nullable,
            Take::Last | Take::All => false,
        };
        Pass { tally, values: results(body, &inner), state, accepted, ends, may_not_be_taken }
    }

    /// The state after a pass that is accepted: null keeps what was.
    fn next(&self, next: &Next, state: &Abstract, env: &Env) -> Abstract {
        let Shape::Record(fields) = &state.shape else { return state.clone() };
        let given: Box<dyn Fn(&str) -> Abstract> = match next {
            Next::Fields(given) => Box::new(move |name| {
                given.iter().find(|(n, _)| n == name).map_or(Abstract::NULL, |(_, val)| self.val(val, env))
            }),
            Next::Record(val) => {
                let record = self.val(val, env);
                Box::new(move |name| record.field(name))
            }
        };
        Abstract::record(fields.iter().map(|(name, old)| {
            let new = given(name);
            let kept = if new.nullable && new.shape == Shape::Nothing {
                old.clone()
            } else if new.nullable {
                old.join(&new.not_null())
            } else {
                new
            };
            (name.clone(), kept)
        }))
    }

    fn result(&self, repeat: &Loop, body: &Block, count: Interval, mut made: Made) -> (Tally, Abstract) {
        let values = made.values.unwrap_or(Abstract::NULL);
        let taken = |id: &str| {
            let value = values.field(id);
            match repeat.take {
                Take::All if made.passes.max.as_ref().and_then(Formula::as_number) == Some(0.0) => Abstract::items([]),
                Take::All => {
                    let fewest = if repeat.accept.is_none() { made.passes.min.clone() } else { None };
                    Abstract::list(
                        value,
                        Interval { min: fewest.or_else(|| Some(Formula::default())), ..made.passes.clone() },
                    )
                }
                Take::Last | Take::Min(_) | Take::Max(_) if made.accepted_for_certain && !made.may_not_be_taken => {
                    value
                }
                Take::Last | Take::Min(_) | Take::Max(_) => value.or_null(),
            }
        };
        let mut fields: Vec<(Arc<str>, Abstract)> =
            body.nodes.iter().map(|node| (node.id.as_str().into(), taken(&node.id))).collect();
        fields.push(("state".into(), made.end_state.unwrap_or(Abstract::NULL)));
        fields.push(("passes".into(), Abstract::number(made.passes.clone())));
        fields.push(("exit".into(), Abstract::text()));
        made.tally.repeats = Some(Count {
            fewest: made.passes.min.unwrap_or_default(),
            most: count.capped(made.passes.max.as_ref()).max,
        });
        made.tally.calls = made.tally.inside.iter().fold(Count::default(), |sum, node| sum.plus(&node.calls));
        (made.tally, Abstract::record(fields))
    }
}

/// How many of some passes are made, when any of them may end the loop.
fn ending(pass: &Pass, count: Count) -> Count {
    let one = Formula::from(1u64);
    match pass.ends {
        Truth::False => count,
        Truth::Unknown => Count { fewest: count.fewest.least(&one), most: count.most },
        Truth::True => {
            Count { fewest: count.fewest.least(&one), most: Some(count.most.map_or(one.clone(), |m| m.least(&one))) }
        }
    }
}

/// A state that holds before and after every pass.
fn settle(first: Abstract, after: impl Fn(&Abstract) -> Abstract) -> Abstract {
    let mut state = first;
    let mut round = 0;
    loop {
        let joined = state.join(&after(&state));
        if joined == state {
            return state;
        }
        round += 1;
        state = if round <= SETTLES_BY_ITSELF {
            joined
        } else if round <= SETTLES_WIDENED {
            widen(&state, &joined)
        } else {
            give_up(&state, &joined)
        };
    }
}

/// Gives up the ends that moved.
fn widen(old: &Abstract, new: &Abstract) -> Abstract {
    let moved = |old: &Interval, new: &Interval| Interval {
        min: new.min.clone().filter(|min| old.min.as_ref() == Some(min)),
        max: new.max.clone().filter(|max| old.max.as_ref() == Some(max)),
        whole: new.whole,
    };
    let shape = match (&old.shape, &new.shape) {
        (Shape::Number(a), Shape::Number(b)) => Shape::Number(moved(a, b)),
        (Shape::Items(_) | Shape::List { .. }, Shape::Items(_) | Shape::List { .. }) if old != new => {
            let item = widen(&old.any_item(), &new.any_item());
            let mut len = moved(&old.len(), &new.len());
            len.min = len.min.or_else(|| Some(Formula::default()));
            Shape::List { item: Arc::new(item), len }
        }
        (Shape::Record(a), Shape::Record(b)) => {
            let was = |name: &str| a.iter().find(|(n, _)| &**n == name).map(|(_, value)| value);
            let field = |(name, value): &(Arc<str>, Abstract)| {
                (name.clone(), was(name).map_or_else(|| value.clone(), |old| widen(old, value)))
            };
            Shape::Record(b.iter().map(field).collect())
        }
        (_, shape) => shape.clone(),
    };
    Abstract { shape, nullable: new.nullable }
}

/// Makes anything of the fields that moved.
fn give_up(old: &Abstract, new: &Abstract) -> Abstract {
    let (Shape::Record(_), Shape::Record(fields)) = (&old.shape, &new.shape) else { return Abstract::any() };
    Abstract::record(
        fields.iter().map(|(name, value)| {
            (name.clone(), if old.field(name) == *value { value.clone() } else { Abstract::any() })
        }),
    )
}

/// The item of a pass that is made: past the fewest items a list is known to have, it is there all the same.
fn item_of_pass(list: &Abstract, index: usize) -> Abstract {
    match &list.shape {
        Shape::Items(items) => items.get(index).cloned().unwrap_or(Abstract::NULL),
        _ => list.any_item(),
    }
}
