//! The types of the filters: what each takes, and what comes of it.

use super::cx::Cx;
use super::infer::{is_text, item_of, some_list, without_null};
use super::join::{any_length, integer, is_never, join, record, text};
use super::place::Place;
use crate::diag::Diagnostic;
use crate::spec::types::{Bound, Length, Range, Type};
use crate::template::{Ast, AstKind, KeyArg};
use crate::value::Value;

/// What a filter is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Anything,
    List,
    Text,
    /// A list, a record or text.
    Sized,
    Number,
}

impl Cx<'_> {
    pub(super) fn infer_filter(
        &mut self,
        name: &str,
        value: &Ast,
        args: &[KeyArg],
        whole: &Ast,
        place: &Place,
    ) -> Type {
        let given = self.infer(value, place);
        let arg_types = self.infer_args(args, place);
        let takes = takes(name);
        let given = if takes == Takes::Anything {
            given
        } else {
            let given = self.need(given, value, place, &format!("what `{name}` is given"));
            self.fits(name, takes, &given, whole, place);
            given
        };
        let attribute = args.iter().find(|a| a.name.as_deref() == Some("attribute")).map(|a| &a.value);
        let first_word = args.iter().find(|a| a.name.is_none()).and_then(|a| match &a.value.kind {
            AstKind::Const(Value::String(word)) => Some(word.as_str()),
            _ => None,
        });
        if is_never(&given) {
            return given;
        }
        let length = length_of(&given);
        let item = item_of(&given);
        match name {
            "length" | "count" => Type::Integer(count_range(&length)),
            "list" | "sort" | "reverse" | "shuffle" if matches!(given, Type::List(..)) => {
                if let Some(path) = attribute {
                    self.attribute(&item, path, place);
                }
                given
            }
            "unique" if matches!(given, Type::List(..)) => {
                let min = matches!(length.min, Some(Bound::Fixed(n)) if n > 0).then_some(Bound::Fixed(1));
                Type::List(Box::new(item), Length { min, max: length.max })
            }
            "select" if args.is_empty() => {
                Type::List(Box::new(without_null(item)), Length { min: None, max: length.max })
            }
            "select" | "reject" => Type::List(Box::new(item), Length { min: None, max: length.max }),
            "selectattr" | "rejectattr" => {
                if let Some(path) = args.first() {
                    self.attribute(&item, &path.value, place);
                }
                Type::List(Box::new(item), Length { min: None, max: length.max })
            }
            "map" => {
                let of = match (attribute, first_word) {
                    (Some(path), _) => {
                        let ty = self.attribute(&item, path, place);
                        match args.iter().zip(&arg_types).find(|(a, _)| a.name.as_deref() == Some("default")) {
                            Some((_, default)) => join(without_null(ty), default.clone()),
                            None => ty,
                        }
                    }
                    (None, Some("functions")) => any_length(text()),
                    (None, Some("length")) => integer(Some(0.0), None),
                    (None, Some(word)) if gives_text(word) => text(),
                    (None, _) => Type::Any,
                };
                Type::List(Box::new(of), length)
            }
            "first" | "last" | "min" | "max" | "choice" | "majority" => match length.min {
                _ if !matches!(given, Type::List(..)) => Type::Any,
                Some(Bound::Fixed(n)) if n > 0 => item,
                _ => join(item, Type::Null),
            },
            "take" => {
                let most = match arg_types.first() {
                    Some(Type::Integer(Range { max: Some(m), .. })) if m.is_finite() =>
                    {
                        #[expect(
                            clippy::cast_possible_truncation,
                            clippy::cast_sign_loss,
                            reason = "clamped to a small non-negative number"
                        )]
                        Some(Bound::Fixed(m.clamp(0.0, 1e15) as u64))
                    }
                    Some(Type::Integer(Range { max: Some(_), .. })) => Some(Bound::Flow("its length".to_owned())),
                    _ => length.max.clone(),
                };
                let max = match (most, length.max) {
                    (Some(Bound::Fixed(a)), Some(Bound::Fixed(b))) => Some(Bound::Fixed(a.min(b))),
                    (most, _) => most,
                };
                Type::List(Box::new(item), Length { min: None, max })
            }
            "flatten" => match item {
                Type::List(inner, inner_length) => {
                    let max = match (&length.max, &inner_length.max) {
                        (Some(Bound::Fixed(a)), Some(Bound::Fixed(b))) => Some(Bound::Fixed(a.saturating_mul(*b))),
                        (Some(a), Some(_)) => Some(a.clone()),
                        _ => None,
                    };
                    Type::List(inner, Length { min: None, max })
                }
                other => Type::List(Box::new(other), Length { min: None, max: None }),
            },
            "round_robin" => {
                let max = match arg_types.first() {
                    Some(Type::Integer(Range { max: Some(m), .. })) if m.is_finite() =>
                    {
                        #[expect(
                            clippy::cast_possible_truncation,
                            clippy::cast_sign_loss,
                            reason = "clamped to a small non-negative number"
                        )]
                        Some(Bound::Fixed(m.clamp(0.0, 1e15) as u64))
                    }
                    _ => None,
                };
                Type::List(Box::new(item_of(&item)), Length { min: None, max })
            }
            "group_by" => {
                let key = match args.first() {
                    Some(path) => self.attribute(&item, &path.value, place),
                    None => item.clone(),
                };
                let group = record([
                    ("key".to_owned(), key),
                    (
                        "items".to_owned(),
                        Type::List(Box::new(item), Length { min: Some(Bound::Fixed(1)), max: length.max.clone() }),
                    ),
                    ("size".to_owned(), integer(Some(1.0), None)),
                ]);
                let min = matches!(length.min, Some(Bound::Fixed(n)) if n > 0).then_some(Bound::Fixed(1));
                Type::List(Box::new(group), Length { min, max: length.max })
            }
            "kmeans" => {
                let cluster = record([
                    (
                        "items".to_owned(),
                        Type::List(
                            Box::new(item.clone()),
                            Length { min: Some(Bound::Fixed(1)), max: length.max.clone() },
                        ),
                    ),
                    ("size".to_owned(), integer(Some(1.0), None)),
                    ("nearest".to_owned(), item),
                ]);
                Type::List(Box::new(cluster), Length { min: None, max: length.max })
            }
            "split" | "lines" => Type::List(Box::new(text()), Length { min: Some(Bound::Fixed(1)), max: None }),
            "functions" => any_length(text()),
            "default" | "d" => {
                let other = arg_types.first().cloned().unwrap_or_else(text);
                join(without_null(given), other)
            }
            "abs" | "round" | "sum" => match given {
                Type::Integer(_) => Type::Integer(Range::default()),
                _ => Type::Number(Range::default()),
            },
            "int" => Type::Integer(Range::default()),
            "float" => Type::Number(Range::default()),
            "bool" => Type::Boolean,
            "matches" => Type::Boolean,
            "items" | "dictsort" | "batch" | "slice" => some_list(),
            word if gives_text(word) => text(),
            _ => Type::Any,
        }
    }

    /// The type at a path of an item: `"a.b"`.
    fn attribute(&mut self, item: &Type, path: &Ast, place: &Place) -> Type {
        let AstKind::Const(Value::String(dotted)) = &path.kind else { return Type::Any };
        let mut ty = item.clone();
        for name in dotted.split('.') {
            ty = match name.parse::<i64>() {
                Ok(index) => super::infer::index_type(&ty, Some(index)),
                Err(_) => self.item_field(&ty, name, path, place),
            };
        }
        ty
    }

    fn item_field(&mut self, ty: &Type, name: &str, path: &Ast, place: &Place) -> Type {
        // The path stands in a text, so a tree is made for it whose place is that text.
        let base = Ast { start: path.start, end: path.end, kind: AstKind::Const(Value::Null) };
        let made = Ast { start: path.start, end: path.end, kind: AstKind::Attr(Box::new(base), name.to_owned()) };
        let was_null = ty.nullable();
        let field = self.field(&without_null(ty.clone()), name, &made, place);
        if was_null { join(field, Type::Null) } else { field }
    }

    fn fits(&mut self, name: &str, takes: Takes, given: &Type, whole: &Ast, place: &Place) {
        let wrong = match given {
            Type::Any | Type::Schema(_) | Type::Union(_) => false,
            Type::List(..) => matches!(takes, Takes::Text | Takes::Number),
            Type::Record(_) => matches!(takes, Takes::Text | Takes::Number | Takes::List),
            Type::Integer(_) | Type::Number(_) => matches!(takes, Takes::List | Takes::Sized | Takes::Text),
            Type::Boolean => matches!(takes, Takes::List | Takes::Sized | Takes::Number),
            other if is_text(other) => matches!(takes, Takes::List),
            _ => false,
        };
        if !wrong {
            return;
        }
        let wanted = match takes {
            Takes::List => "a list",
            Takes::Text => "text",
            Takes::Sized => "a list, a record or text",
            Takes::Number => "a number",
            Takes::Anything => return,
        };
        let span = place.span(&self.sources, whole.start, whole.end);
        self.report(Diagnostic::error(
            "type-mismatch",
            place.at.to_string(),
            span,
            format!("`{name}` takes {wanted}, and is given {given}"),
        ));
    }
}

fn takes(filter: &str) -> Takes {
    match filter {
        "length" | "count" => Takes::Sized,
        "sort" | "unique" | "select" | "reject" | "selectattr" | "rejectattr" | "map" | "take" | "flatten"
        | "group_by" | "kmeans" | "round_robin" | "majority" | "shuffle" | "choice" | "sum" | "bullets" => Takes::List,
        // `first`, `last`, `join`, `list`, `reverse`, `min` and `max` also go through text or records.
        "first" | "last" | "join" | "list" | "reverse" | "min" | "max" | "batch" | "slice" | "items" | "dictsort" => {
            Takes::Sized
        }
        "trim" | "upper" | "lower" | "replace" | "split" | "lines" | "matches" | "clip" | "functions" | "title"
        | "capitalize" | "indent" => Takes::Text,
        "abs" | "round" => Takes::Number,
        _ => Takes::Anything,
    }
}

fn gives_text(filter: &str) -> bool {
    matches!(
        filter,
        "trim"
            | "upper"
            | "lower"
            | "replace"
            | "clip"
            | "fence"
            | "bullets"
            | "to_yaml"
            | "to_json"
            | "join"
            | "hash"
            | "string"
            | "title"
            | "capitalize"
            | "indent"
    )
}

fn length_of(ty: &Type) -> Length {
    match ty {
        Type::List(_, length) => length.clone(),
        _ => Length::default(),
    }
}

fn count_range(length: &Length) -> Range {
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
    let number = |b: &Bound| match b {
        Bound::Fixed(n) => *n as f64,
        Bound::Flow(_) => f64::INFINITY,
    };
    let min = match &length.min {
        Some(Bound::Fixed(_)) => length.min.as_ref().map(number),
        _ => Some(0.0),
    };
    Range { min, max: length.max.as_ref().map(number) }
}
