//! `thread-conflict`: prompts of one thread must stand in order, none under `each` or with `samples`.

use super::cx::{Cx, Spoken};
use crate::diag::Diagnostic;

impl Cx<'_> {
    /// Looks at the threads of the flow that was just read.
    pub(super) fn threads(&mut self) {
        let mut spoken = std::mem::take(&mut self.spoken);
        // A loop's body is looked at in several rounds.
        let mut seen = std::collections::BTreeSet::new();
        spoken.retain(|s| seen.insert(s.at.clone()));
        for (i, later) in spoken.iter().enumerate() {
            if later.at_once {
                self.report(
                    Diagnostic::error(
                        "thread-conflict",
                        later.at.to_string(),
                        later.span,
                        format!("several would speak in thread `{}` at once", later.thread),
                    )
                    .help("a sub-flow gives each item a thread of its own"),
                );
                continue;
            }
            let other = spoken[..i]
                .iter()
                .find(|earlier| earlier.thread == later.thread && !earlier.at_once && !self.ordered(earlier, later));
            if let Some(other) = other {
                let found = Diagnostic::error(
                    "thread-conflict",
                    later.at.to_string(),
                    later.span,
                    format!("this and `{}` could speak in thread `{}` at once", other.at, later.thread),
                )
                .help("order them: `after: [node]`, or read one in the other");
                self.report(found);
            }
        }
    }

    fn ordered(&self, a: &Spoken, b: &Spoken) -> bool {
        let Some((&(block, i), &(_, j))) = a.trail.iter().zip(&b.trail).find(|((x, i), (y, j))| x == y && i != j)
        else {
            return true;
        };
        self.reaches(block, i, j) || self.reaches(block, j, i)
    }

    /// Whether node `from` of a block waits for node `to`, directly or not.
    fn reaches(&self, block: (crate::source::SourceId, usize), from: usize, to: usize) -> bool {
        let Some(order) = self.orders.get(&block) else { return false };
        let mut open = vec![from];
        let mut seen = vec![false; order.deps.len()];
        while let Some(node) = open.pop() {
            if node == to {
                return true;
            }
            if !std::mem::replace(&mut seen[node], true) {
                open.extend(order.deps[node].iter().map(|d| d.node));
            }
        }
        false
    }
}
