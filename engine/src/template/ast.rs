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
    If { test: Box<Ast>, then: Box<Ast>, otherwise: Option<Box<Ast>> },
    /// `a | name(args)`; inside a `{% filter %}` block the value is the block's text.
    Filter { name: String, value: Box<Ast>, args: Vec<KeyArg> },
    /// `a is name(args)`; `is not` is a `Unary(Not, …)` around it.
    Test { name: String, value: Box<Ast>, args: Vec<KeyArg> },
    /// `name(args)`: only `range` is known; the template module refuses all others.
    Call { name: String, args: Vec<KeyArg> },
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
    /// `{{ a }}`
    Emit(Ast),
    /// `{% if test %}then{% else %}otherwise{% endif %}`
    If { test: Ast, then: Vec<Part>, otherwise: Vec<Part> },
    /// `{% for targets in over if test %}body{% else %}otherwise{% endfor %}`; `loop` is a name inside.
    For { targets: Vec<String>, over: Ast, test: Option<Ast>, body: Vec<Part>, otherwise: Vec<Part> },
    /// `{% set name = a %}`, seen by what follows in the same list of parts.
    Set { targets: Vec<String>, value: Ast },
    /// `{% with name = a %}body{% endwith %}`
    With { values: Vec<(String, Ast)>, body: Vec<Part> },
    /// The parts of an included partial, whose places are in that partial's own source.
    Include { path: String, start: usize, end: usize, parts: Vec<Part> },
}
