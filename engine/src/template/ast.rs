//! The tree of an expression, as the checker and the plan read it. Places are byte offsets into the source.

use crate::value::Value;

/// One expression and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ast {
    /// First byte in the source.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub kind: AstKind,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum AstKind {
    /// A name.
    Var(String),
    /// A literal.
    Const(Value),
    /// `a.b`
    Attr(Box<Ast>, String),
    /// `a[b]`
    Item(Box<Ast>, Box<Ast>),
    /// `a[from:to:step]`
    Slice(Box<Ast>, [Option<Box<Ast>>; 3]),
    /// `not a`, `-a`
    Unary(UnaryOp, Box<Ast>),
    /// `a + b`, `a and b`, …
    Binary(BinOp, Box<Ast>, Box<Ast>),
    /// `a < b < c`: the first operand, then each comparison.
    Compare(Box<Ast>, Vec<(CompareOp, Ast)>),
    /// `a if test else b`; without else it is null.
    If {
        /// What decides.
        test: Box<Ast>,
        /// The value when it holds.
        then: Box<Ast>,
        /// The value when it does not.
        otherwise: Option<Box<Ast>>,
    },
    /// `a | name(args)`
    Filter {
        /// A filter that exists.
        name: String,
        /// What goes through it.
        value: Box<Ast>,
        /// What stands in parentheses.
        args: Vec<KeyArg>,
    },
    /// `a is name(args)`; `is not` is a `Unary(Not, …)` around it.
    Test {
        /// A test that exists.
        name: String,
        /// What is tested.
        value: Box<Ast>,
        /// What stands in parentheses.
        args: Vec<KeyArg>,
    },
    /// `name(args)`: only `range` is known; the template module refuses all others.
    Call {
        /// What is called.
        name: String,
        /// What stands in parentheses.
        args: Vec<KeyArg>,
    },
    /// `[a, b]`
    List(Vec<Ast>),
    /// `{"k": a}`
    Map(Vec<(Ast, Ast)>),
}

/// An argument, named or not.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyArg {
    /// Its name, when it was given by name.
    pub name: Option<String>,
    /// Its value.
    pub value: Ast,
}

/// An operator before one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    /// `not`
    Not,
    /// `-`
    Neg,
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `//`
    FloorDiv,
    /// `%`
    Rem,
    /// `**`
    Pow,
    /// `~`
    Concat,
    /// `and`: the first false operand, else the last
    And,
    /// `or`: the first true operand, else the last
    Or,
}

impl BinOp {
    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::FloorDiv => "//",
            Self::Rem => "%",
            Self::Pow => "**",
            Self::Concat => "~",
            Self::And => "and",
            Self::Or => "or",
        }
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `in`
    In,
    /// `not in`
    NotIn,
}

/// A piece of a text with holes, with its place in the text's own source (partials included stand at their `include`).
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// `{{ a }}`; also the text between the holes, as a literal.
    Emit(Ast),
    /// `{% if test %}then{% else %}otherwise{% endif %}`
    If {
        /// What decides.
        test: Ast,
        /// Printed when it holds.
        then: Vec<Part>,
        /// Printed when it does not.
        otherwise: Vec<Part>,
    },
    /// `{% for targets in over if test %}body{% else %}otherwise{% endfor %}`; `loop` is a name inside.
    For {
        /// One name for the item, or several for the items in it.
        targets: Vec<String>,
        /// The list.
        over: Ast,
        /// Which items are taken.
        test: Option<Ast>,
        /// Printed for each item taken.
        body: Vec<Part>,
        /// Printed when there was none.
        otherwise: Vec<Part>,
    },
    /// `{% set name = a %}`, seen by what follows in the same list of parts.
    Set {
        /// One name for the value, or several for the items in it.
        targets: Vec<String>,
        /// The value.
        value: Ast,
    },
    /// `{% with name = a %}body{% endwith %}`
    With {
        /// Names and values; each value sees the names before it.
        values: Vec<(String, Ast)>,
        /// What sees the names.
        body: Vec<Part>,
    },
    /// The parts of an included partial, whose places are in that partial's own source.
    Include {
        /// The path as written.
        path: String,
        /// First byte of the `include` in the source around it.
        start: usize,
        /// One past its last byte.
        end: usize,
        /// What the partial holds.
        parts: Vec<Part>,
    },
}
