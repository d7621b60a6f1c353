//! A flow file to a flow that can be planned: names resolved, templates compiled, types followed from node to node, loops
//! bounded. All findings are made at once; this part never runs anything and never prints.

mod block;
mod cx;
mod env;
mod file;
mod filters;
pub mod flow;
mod infer;
mod join;
mod loops;
mod node;
mod place;
mod rules;
mod threads;
mod unused;
mod value;
mod verbs;

pub use flow::CheckedFlow;
pub use rules::{RULES, RuleInfo};

use crate::diag::Diagnostics;
use crate::source::{Bundle, Files, Kept, Sources};
use std::sync::Arc;

/// What came of reading a flow file.
#[derive(Debug)]
pub struct Checked {
    /// The flow; none when any finding is an error.
    pub flow: Option<CheckedFlow>,
    /// All texts that were read.
    pub sources: Arc<Sources>,
    /// What was found, by place.
    pub found: Diagnostics,
}

/// Checks a flow as it was when a run of it began.
pub fn check_again(bundle: &Bundle) -> Checked {
    check(bundle, &bundle.path, bundle.text().unwrap_or_default())
}

/// Reads and checks the flow file `path` whose text is `text`; prompt files and imports come from `files`.
pub fn check(files: &dyn Files, path: &str, text: String) -> Checked {
    let files = Kept::new(files, path, &text);
    let mut cx = cx::Cx::new(&files);
    let loaded = cx.file(path, text, &mut Vec::new());
    // Where names are wrong, nobody can tell what is read.
    if !cx.has_errors() {
        cx.unused();
    }
    let (mut flow, sources, found) = cx.finish(loaded.and_then(|l| l.root));
    if let Some(flow) = &mut flow {
        let bundle = files.bundle(path);
        (flow.hash, flow.bundle) = (bundle.hash(), Arc::new(bundle));
    }
    Checked { flow, sources, found }
}
