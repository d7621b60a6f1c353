//! The instances that are alive: a tree of frames in an arena. What is finished or dropped is gone from it.

use super::budget::{Budget, Left};
use super::work::Work;
use crate::check::flow::{Block, Each, FlowDef, Loop, Node, Over};
use crate::value::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// The place of an instance in the order of the flow: for each level around it the index of the node in its block, the
/// pass or the item. So depth first, in file order, is the order of keys; and what is under an instance has its key as a
/// prefix.
pub(super) type Key = Vec<u32>;

/// The key of what stands at `index` under `key`.
pub(super) fn below(key: &[u32], index: usize) -> Key {
    let mut deeper = Vec::with_capacity(key.len() + 1);
    deeper.extend_from_slice(key);
    deeper.push(u32::try_from(index).expect("internal error: more than 2^32 nodes, passes or items at one place"));
    deeper
}

/// The values of the nodes of a finished block, in file order.
pub(super) type Results = Arc<[Arc<Value>]>;

/// Where a frame is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FrameId(usize);

/// One instance.
pub(super) struct Frame<'f> {
    /// What it is part of; none for the run itself.
    pub(super) parent: Option<FrameId>,
    /// Its place in the order.
    pub(super) key: Key,
    /// Its path; for flows and blocks, what the paths of their nodes begin with.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: Kind<'f>,
}

/// What an instance is.
pub(super) enum Kind<'f> {
    /// A flow that runs.
    Flow(FlowFrame<'f>),
    /// The nodes of a block.
    Block(BlockFrame<'f>),
    /// A node between its `when` and its `on_error`.
    Node(NodeFrame<'f>),
    /// One item of an `each`.
    Item(ItemFrame<'f>),
    /// The samples of a prompt.
    Samples(SamplesFrame),
    /// Something that asks the world.
    Work(Box<Work<'f>>),
}

/// A flow that runs.
pub(super) struct FlowFrame<'f> {
    pub(super) def: &'f FlowDef,
    pub(super) inputs: Arc<Value>,
    pub(super) params: Arc<Value>,
    pub(super) budget: Option<Budget>,
    /// Conversations of this instance.
    pub(super) threads: BTreeMap<&'f str, Vec<Exchange>>,
    pub(super) body: Option<FrameId>,
}

/// One turn of a conversation.
pub(super) struct Exchange {
    /// The node that spoke; a discarded pass takes back what was said in it.
    pub(super) path: String,
    pub(super) user: String,
    pub(super) answer: String,
}

/// The nodes of a block.
pub(super) struct BlockFrame<'f> {
    pub(super) block: &'f Block,
    pub(super) index: Arc<BlockIndex<'f>>,
    pub(super) slots: Vec<Slot>,
    /// How many nodes have no value yet.
    pub(super) left: usize,
}

/// What is known of one node of a block.
pub(super) enum Slot {
    /// It waits for so many others; 0 when it is queued.
    Waiting(u32),
    /// It began.
    Begun(FrameId),
    /// It has its value.
    Done(Arc<Value>),
}

/// A node between its `when` and its `on_error`.
pub(super) struct NodeFrame<'f> {
    pub(super) node: &'f Node,
    /// Its place in its block.
    pub(super) index: usize,
    pub(super) budget: Option<Budget>,
    pub(super) repeat: Repeating<'f>,
}

/// How often, and how far.
pub(super) enum Repeating<'f> {
    Once(Option<FrameId>),
    Each(EachRun<'f>),
    Loop(Box<LoopRun<'f>>),
}

/// A parallel map.
pub(super) struct EachRun<'f> {
    pub(super) each: &'f Each,
    pub(super) list: Arc<Value>,
    pub(super) results: Vec<Option<Arc<Value>>>,
    /// The next item to begin.
    pub(super) next: usize,
    pub(super) at_work: BTreeMap<usize, FrameId>,
    pub(super) at_once: usize,
    pub(super) done: usize,
    pub(super) failed: u64,
    pub(super) allowed: u64,
}

/// A sequential loop.
pub(super) struct LoopRun<'f> {
    pub(super) def: &'f Loop,
    pub(super) list: Option<Arc<Value>>,
    pub(super) max: u64,
    /// Passes that began.
    pub(super) begun: u64,
    pub(super) state: Arc<Value>,
    /// `{n, last}` of the pass.
    pub(super) pass: Arc<Value>,
    pub(super) item: Option<Arc<Value>>,
    pub(super) previous: Option<Previous<'f>>,
    pub(super) taken: Taken,
    /// The block of the pass, or the check of the result.
    pub(super) child: Option<FrameId>,
}

/// The pass before; its record is made when somebody reads it.
pub(super) struct Previous<'f> {
    pub(super) block: &'f Block,
    pub(super) results: Results,
    pub(super) record: OnceLock<Arc<Value>>,
}

/// The result of a loop so far.
pub(super) enum Taken {
    One(Option<Results>),
    Best(Option<(Value, Results)>),
    All(Vec<Results>),
}

/// One item of an `each`.
pub(super) struct ItemFrame<'f> {
    pub(super) name: &'f str,
    pub(super) value: Arc<Value>,
    pub(super) index: usize,
    pub(super) child: Option<FrameId>,
}

/// The samples of a prompt.
pub(super) struct SamplesFrame {
    pub(super) at_work: Vec<FrameId>,
    pub(super) results: Vec<Option<Arc<Value>>>,
}

/// What readiness needs of a block, computed once for all its instances.
pub(super) struct BlockIndex<'f> {
    /// Node ids.
    pub(super) names: HashMap<&'f str, usize>,
    /// For each node, how many others it waits for.
    pub(super) waits: Vec<u32>,
    /// For each node, those that wait for it.
    pub(super) dependents: Vec<Vec<usize>>,
}

impl<'f> BlockIndex<'f> {
    pub(super) fn new(block: &'f Block) -> Self {
        let count = block.nodes.len();
        let (mut waits, mut dependents) = (vec![0; count], vec![Vec::new(); count]);
        for (index, node) in block.nodes.iter().enumerate() {
            let mut before: Vec<usize> = node.deps.iter().map(|dep| dep.node).collect();
            before.sort_unstable();
            before.dedup();
            for dep in before {
                waits[index] += 1;
                dependents[dep].push(index);
            }
        }
        Self { names: block.nodes.iter().enumerate().map(|(i, n)| (n.id.as_str(), i)).collect(), waits, dependents }
    }
}

/// All frames that are alive.
#[derive(Default)]
pub(super) struct Frames<'f> {
    slots: Vec<Option<Frame<'f>>>,
    free: Vec<usize>,
}

impl<'f> Frames<'f> {
    pub(super) fn add(&mut self, frame: Frame<'f>) -> FrameId {
        match self.free.pop() {
            Some(index) => {
                self.slots[index] = Some(frame);
                FrameId(index)
            }
            None => {
                self.slots.push(Some(frame));
                FrameId(self.slots.len() - 1)
            }
        }
    }

    pub(super) fn get(&self, id: FrameId) -> &Frame<'f> {
        self.slots[id.0].as_ref().expect("internal error: a frame is read after its end")
    }

    pub(super) fn get_mut(&mut self, id: FrameId) -> &mut Frame<'f> {
        self.slots[id.0].as_mut().expect("internal error: a frame is changed after its end")
    }

    pub(super) fn remove(&mut self, id: FrameId) -> Frame<'f> {
        self.free.push(id.0);
        self.slots[id.0].take().expect("internal error: a frame ends twice")
    }

    pub(super) fn node(&self, id: FrameId) -> &NodeFrame<'f> {
        match &self.get(id).kind {
            Kind::Node(node) => node,
            _ => unreachable!("internal error: the frame is no node"),
        }
    }

    pub(super) fn node_mut(&mut self, id: FrameId) -> &mut NodeFrame<'f> {
        match &mut self.get_mut(id).kind {
            Kind::Node(node) => node,
            _ => unreachable!("internal error: the frame is no node"),
        }
    }

    pub(super) fn looping(&self, id: FrameId) -> &LoopRun<'f> {
        match &self.node(id).repeat {
            Repeating::Loop(run) => run,
            Repeating::Once(_) | Repeating::Each(_) => unreachable!("internal error: the node is no loop"),
        }
    }

    pub(super) fn looping_mut(&mut self, id: FrameId) -> &mut LoopRun<'f> {
        match &mut self.node_mut(id).repeat {
            Repeating::Loop(run) => run,
            Repeating::Once(_) | Repeating::Each(_) => unreachable!("internal error: the node is no loop"),
        }
    }

    pub(super) fn each_mut(&mut self, id: FrameId) -> &mut EachRun<'f> {
        match &mut self.node_mut(id).repeat {
            Repeating::Each(run) => run,
            Repeating::Once(_) | Repeating::Loop(_) => unreachable!("internal error: the node is no `each`"),
        }
    }

    pub(super) fn block(&self, id: FrameId) -> &BlockFrame<'f> {
        match &self.get(id).kind {
            Kind::Block(block) => block,
            _ => unreachable!("internal error: the frame is no block"),
        }
    }

    pub(super) fn block_mut(&mut self, id: FrameId) -> &mut BlockFrame<'f> {
        match &mut self.get_mut(id).kind {
            Kind::Block(block) => block,
            _ => unreachable!("internal error: the frame is no block"),
        }
    }

    pub(super) fn work(&self, id: FrameId) -> &Work<'f> {
        match &self.get(id).kind {
            Kind::Work(work) => work,
            _ => unreachable!("internal error: the frame is no work"),
        }
    }

    pub(super) fn work_mut(&mut self, id: FrameId) -> &mut Work<'f> {
        match &mut self.get_mut(id).kind {
            Kind::Work(work) => work,
            _ => unreachable!("internal error: the frame is no work"),
        }
    }

    /// The flow instance that a frame is in.
    pub(super) fn flow_of(&self, id: FrameId) -> FrameId {
        let mut at = id;
        loop {
            let frame = self.get(at);
            if matches!(frame.kind, Kind::Flow(_)) {
                return at;
            }
            at = frame.parent.expect("internal error: a frame outside any flow");
        }
    }

    pub(super) fn flow(&self, id: FrameId) -> &FlowFrame<'f> {
        match &self.get(id).kind {
            Kind::Flow(flow) => flow,
            _ => unreachable!("internal error: the frame is no flow"),
        }
    }

    pub(super) fn flow_mut(&mut self, id: FrameId) -> &mut FlowFrame<'f> {
        match &mut self.get_mut(id).kind {
            Kind::Flow(flow) => flow,
            _ => unreachable!("internal error: the frame is no flow"),
        }
    }

    /// A frame and all around it, innermost first.
    pub(super) fn around(&self, id: FrameId) -> impl Iterator<Item = (FrameId, &Frame<'f>)> {
        std::iter::successors(Some(id), |at| self.get(*at).parent).map(|at| (at, self.get(at)))
    }

    /// The budgets around a frame, innermost first.
    pub(super) fn budgets(&self, id: FrameId) -> impl Iterator<Item = &Budget> {
        self.around(id).filter_map(|(_, frame)| frame.budget())
    }

    /// Changes every budget around a frame.
    pub(super) fn each_budget(&mut self, id: FrameId, mut change: impl FnMut(&mut Budget)) {
        let mut at = Some(id);
        while let Some(id) = at {
            let frame = self.get_mut(id);
            if let Some(budget) = frame.budget_mut() {
                change(budget);
            }
            at = frame.parent;
        }
    }

    /// What the budgets around a frame have left; none when no budget stands around.
    pub(super) fn left(&self, id: FrameId) -> Option<Left> {
        self.budgets(id).map(Budget::left).reduce(Left::tightest)
    }
}

impl<'f> Frame<'f> {
    pub(super) fn budget(&self) -> Option<&Budget> {
        match &self.kind {
            Kind::Flow(flow) => flow.budget.as_ref(),
            Kind::Node(node) => node.budget.as_ref(),
            Kind::Block(_) | Kind::Item(_) | Kind::Samples(_) | Kind::Work(_) => None,
        }
    }

    pub(super) fn budget_mut(&mut self) -> Option<&mut Budget> {
        match &mut self.kind {
            Kind::Flow(flow) => flow.budget.as_mut(),
            Kind::Node(node) => node.budget.as_mut(),
            Kind::Block(_) | Kind::Item(_) | Kind::Samples(_) | Kind::Work(_) => None,
        }
    }

    /// The frames that are part of it.
    pub(super) fn children(&self) -> Vec<FrameId> {
        match &self.kind {
            Kind::Flow(flow) => flow.body.into_iter().collect(),
            Kind::Block(block) => block
                .slots
                .iter()
                .filter_map(|slot| match slot {
                    Slot::Begun(id) => Some(*id),
                    Slot::Waiting(_) | Slot::Done(_) => None,
                })
                .collect(),
            Kind::Node(node) => match &node.repeat {
                Repeating::Once(child) => child.iter().copied().collect(),
                Repeating::Each(run) => run.at_work.values().copied().collect(),
                Repeating::Loop(run) => run.child.into_iter().collect(),
            },
            Kind::Item(item) => item.child.into_iter().collect(),
            Kind::Samples(samples) => samples.at_work.clone(),
            Kind::Work(_) => Vec::new(),
        }
    }
}

impl LoopRun<'_> {
    /// What a name means inside the loop, if the loop gives it.
    pub(super) fn name(&self, name: &str) -> Option<Arc<Value>> {
        match name {
            "state" => Some(Arc::clone(&self.state)),
            "pass" => Some(Arc::clone(&self.pass)),
            "prev" => Some(self.previous.as_ref().map_or_else(|| Arc::new(Value::Null), Previous::record)),
            _ => match &self.def.over {
                Over::List { name: item, .. } if item == name => self.item.clone(),
                Over::List { .. } | Over::Max(_) => None,
            },
        }
    }
}

impl Previous<'_> {
    fn record(&self) -> Arc<Value> {
        Arc::clone(self.record.get_or_init(|| Arc::new(record_of(self.block, &self.results))))
    }
}

/// The record of the results of a block.
pub(super) fn record_of(block: &Block, results: &[Arc<Value>]) -> Value {
    Value::Object(block.nodes.iter().zip(results).map(|(node, value)| (node.id.clone(), (**value).clone())).collect())
}
