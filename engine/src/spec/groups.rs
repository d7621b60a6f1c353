//! Keys of which a mapping has exactly one, and what each rules out beside it. The schema's branches and the check of a
//! document's structure both come from this table.

/// Keys of which exactly one stands in a mapping.
pub(super) struct Group {
    /// The mapping's name in the schema.
    pub(super) of: &'static str,
    /// What a person calls the mapping.
    pub(super) called: &'static str,
    /// The keys, each with others that may not stand beside it.
    pub(super) keys: &'static [(&'static str, &'static [&'static str])],
    /// The rule that none of them breaks.
    pub(super) none: &'static str,
    /// The rule that several of them break.
    pub(super) many: &'static str,
    /// Whether several are told at the mapping, and not at the second key.
    pub(super) many_at_mapping: bool,
}

/// What acts neither on a model's text nor on a block.
const PLAIN: &[&str] = &["with", "loop"];

/// All of them.
pub(super) const GROUPS: [Group; 6] = [
    Group {
        of: "Node",
        called: "a node",
        keys: &[
            ("prompt", &["loop"]),
            ("validate", &["with", "loop", "check"]),
            ("execute", PLAIN),
            ("let", PLAIN),
            ("flow", &["loop"]),
            ("human", PLAIN),
            ("embed", PLAIN),
            ("nodes", &["with"]),
        ],
        none: "no-verb",
        many: "two-verbs",
        many_at_mapping: false,
    },
    Group {
        of: "Loop",
        called: "a loop",
        keys: &[("max", &["as"]), ("over", &[])],
        none: "unbounded-loop",
        many: "unbounded-loop",
        many_at_mapping: true,
    },
    one_of("Prompt", "a prompt", &[("user", &[]), ("file", &[])]),
    one_of("Judge", "a judge", &[("user", &[]), ("file", &[])]),
    one_of("Execute", "`execute`", &[("tests", &[]), ("inputs", &[]), ("input", &[])]),
    one_of("Rule", "a rule", &[("that", &[]), ("schema", &[]), ("wasm", &[]), ("judge", &[])]),
];

const fn one_of(
    of: &'static str,
    called: &'static str,
    keys: &'static [(&'static str, &'static [&'static str])],
) -> Group {
    Group { of, called, keys, none: "missing-key", many: "bad-value", many_at_mapping: false }
}

impl Group {
    /// The group of a mapping, if it has one.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        GROUPS.iter().find(|group| group.of == name)
    }

    /// The keys, in the order of the language page.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|(key, _)| *key)
    }

    /// The rule as a sentence, for editors.
    pub(super) fn sentence(&self) -> String {
        let mut called = self.called.replace('`', "");
        called[..1].make_ascii_uppercase();
        format!("{called} needs exactly one of: {}.", self.names().collect::<Vec<_>>().join(", "))
    }
}
