//! The examples of the pages: the language reference's flows have no findings; a rule's wrong example fires the rule and
//! nothing else, its right one nothing.

use flow_engine::check::{RULES, check};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

fn page(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The blocks of a page that are whole flows.
fn flows(page: &str) -> Vec<&str> {
    page.split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .filter(|block| block.starts_with("flow: "))
        .collect()
}

/// The rules that a flow without files fires.
fn fired(flow: &str) -> BTreeSet<&'static str> {
    let checked = check(&BTreeMap::<String, String>::new(), "example.yaml", flow.to_owned());
    checked.found.iter().map(|d| d.rule).collect()
}

#[test]
fn every_flow_of_the_language_reference_checks_clean() {
    let page = page("flows/README.md");
    let flows = flows(&page);
    assert!(flows.len() >= 11, "only {} flows", flows.len());
    for flow in flows {
        assert!(fired(flow).is_empty(), "{:?}\n{flow}", fired(flow));
    }
}

#[test]
fn the_examples_of_a_rule_fire_it_and_then_do_not() {
    for rule in RULES {
        let page = page(&format!("docs/rules/{}.md", rule.name));
        let flows = flows(&page);
        let [wrong, right] = flows[..] else {
            panic!("{}: a wrong and a right example, not {}", rule.name, flows.len())
        };
        assert_eq!(fired(wrong), BTreeSet::from([rule.name]), "{}, wrong", rule.name);
        assert_eq!(fired(right), BTreeSet::new(), "{}, right", rule.name);
    }
}
