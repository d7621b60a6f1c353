//! `unused-node`, `unused-input`, `unused-param`: warnings about what nobody reads.

use super::cx::Cx;
use crate::diag::Diagnostic;

impl Cx<'_> {
    /// Looks at all that was declared, when everything has been read.
    pub(super) fn unused(&mut self) {
        let declared = std::mem::take(&mut self.declared);
        let mut seen = std::collections::BTreeSet::new();
        for one in declared {
            let fields = format!("{}.", one.key);
            let used = self.used.contains(&one.key)
                || self.used.range(fields.clone()..).next().is_some_and(|k| k.starts_with(&fields))
                || one.within.iter().any(|w| self.used.contains(w));
            if used || !seen.insert((one.span, one.at.clone())) {
                continue;
            }
            let (message, help) = match one.rule {
                "unused-param" => ("nothing reads this param", "use it as `$params.name`, or leave it away"),
                "unused-input" => ("nothing reads this input", "use it as `$inputs.name`, or leave it away"),
                _ => ("nothing reads this node's result", "it runs all the same; read it, or leave it away"),
            };
            self.report(Diagnostic::warning(one.rule, one.at.to_string(), one.span, message).help(help));
        }
    }
}
