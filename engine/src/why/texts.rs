//! Which line of which file changed, of all that a node is written in.

use super::{Stand, What, Why, says};
use crate::check::flow::{CheckedFlow, Node, RuleTest, Verb};
use crate::source::Source;
use crate::template::Text;

/// The first line that changed in the words of a prompt, or of the judge that is asked.
pub(super) fn changed(new: &Stand<'_>, old: &Stand<'_>) -> Option<Why> {
    let (now, then) = (words(new.asked.node), words(old.asked.node));
    now.iter().enumerate().find_map(|(index, text)| {
        let before = then.get(index)?;
        own(new, text, before.source()).or_else(|| {
            let mut partials = text.partials().iter();
            partials.find_map(|(path, source)| {
                let (_, before) = before.partials().iter().find(|(known, _)| known == path)?;
                let line = first_line(source, before)?;
                Some(says(What::Template, format!("`{path}` line {line} changed")))
            })
        })
    })
}

/// The first line that changed in the node as it stands in its file.
pub(super) fn node_changed(new: &Stand<'_>, old: &Stand<'_>) -> Option<Why> {
    let (file, begins, now) = section(new.flow, new.asked.node)?;
    let (_, _, then) = section(old.flow, old.asked.node)?;
    let line = begins + first_line(&now, &then)? - 1;
    Some(says(What::Node, format!("`{}` line {line} changed", file.path)))
}

fn words(node: &Node) -> Vec<&Text> {
    let mut texts = Vec::new();
    if let Verb::Prompt(prompt) = &node.verb {
        texts.extend(prompt.system.iter().chain([&prompt.user]));
    }
    let own: &[_] = if let Verb::Validate { rules, .. } = &node.verb { rules } else { &[] };
    for rule in own.iter().chain(&node.check) {
        if let RuleTest::Judge { user, .. } = &rule.test {
            texts.push(user);
        }
    }
    texts
}

fn own(new: &Stand<'_>, text: &Text, before: &str) -> Option<Why> {
    let line = first_line(text.source(), before)?;
    let file = new.flow.sources.iter().map(|(_, source)| source).find(|source| source.text == text.source());
    let (path, line) = match file {
        Some(file) => (&file.path, line),
        None => {
            // It stands in the flow itself, where its lines are indented, or between quotes.
            let (file, begins, section) = section(new.flow, new.asked.node)?;
            let changed = text.source().lines().nth(line - 1).unwrap_or_default().trim();
            let at = section.lines().position(|line| !changed.is_empty() && line.contains(changed));
            (&file.path, begins + at.unwrap_or(0))
        }
    };
    Some(says(What::Template, format!("`{path}` line {line} changed")))
}

/// The first line that differs, from 1.
fn first_line(now: &str, then: &str) -> Option<usize> {
    if now == then {
        return None;
    }
    Some(now.lines().zip(then.lines()).take_while(|(now, then)| now == then).count() + 1)
}

/// A node's lines in its file, and the number of the first: its key's line, and those after it that stand further in.
fn section<'f>(flow: &'f CheckedFlow, node: &Node) -> Option<(&'f Source, usize, String)> {
    let file = flow.sources.get(node.span.source);
    let (begins, _) = file.line_column(node.span.start);
    let mut lines = file.text.lines().skip(begins - 1);
    let first = lines.next()?;
    let indent = |line: &str| line.len() - line.trim_start().len();
    let rest = lines.take_while(|line| line.trim().is_empty() || indent(line) > indent(first));
    let section: Vec<&str> = std::iter::once(first).chain(rest).collect();
    Some((file, begins, section.join("\n").trim_end().to_owned()))
}
