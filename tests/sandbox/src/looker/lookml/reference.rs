//! `${TABLE}`, `${field}` and `${view.field}` inside SQL.
//!
//! Invariant: a reference is looked up in one place, both when the project is checked and when SQL is written.

use super::LookmlError;
use super::model::{Explore, Source};
use super::params::Params;
use super::view::Field;

/// A piece of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Sql(&'a str),
    Table,
    /// What stands between `${` and `}`.
    Field(&'a str),
}

/// Cuts SQL at its references; a `${` without `}` is SQL.
pub(crate) fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        pieces.push(Piece::Sql(before));
        pieces.push(if name.trim() == "TABLE" { Piece::Table } else { Piece::Field(name.trim()) });
        rest = behind;
    }
    pieces.push(Piece::Sql(rest));
    pieces
}

/// The field that a reference names, seen from `home`.
pub(crate) fn find<'e>(explore: &'e Explore, home: &'e Source, name: &str) -> Option<(&'e Source, &'e Field)> {
    match name.split_once('.') {
        // Inside a view its own name works even where the explore calls it something else.
        Some((alias, field)) if alias == home.view.name && explore.source(alias).is_none() => {
            Some((home, home.view.field(field)?))
        }
        Some(_) => explore.field(name),
        None => Some((home, home.view.field(name)?)),
    }
}

/// How deep references may go before they count as a circle.
pub(crate) const DEPTH: usize = 32;

/// The references of an explore that lead nowhere or in a circle.
pub(super) fn check(explore: &Explore, params: &Params<'_>) -> Vec<LookmlError> {
    let mut errors = Vec::new();
    for source in &explore.sources {
        for field in &source.view.fields {
            let place = format!("{}.{}", source.alias, field.name);
            if let Err(message) = follow(explore, source, field, 0) {
                let file = source.view.file.clone();
                errors.push(LookmlError { file, line: field.line, message: format!("{message} in {place}") });
            }
            for (name, _) in &field.filters {
                if find(explore, source, name).is_none_or(|(_, field)| field.kind.is_measure()) {
                    let file = source.view.file.clone();
                    let message = format!("Unknown dimension \"{name}\" in the filters of {place}");
                    errors.push(LookmlError { file, line: field.line, message });
                }
            }
        }
    }
    let joins = explore.sources.iter().filter_map(|source| Some((source, &source.join.as_ref()?.sql_on)));
    let base = explore.sources.first().zip(explore.always_where.as_ref());
    for (source, sql) in joins.chain(base) {
        for piece in pieces(sql) {
            let Piece::Field(name) = piece else {
                continue;
            };
            if find(explore, source, name).is_none_or(|(_, field)| field.kind.is_measure()) {
                let message = format!("Unknown or inaccessible field \"{name}\" in {}", params.place);
                errors.push(params.error(params.line, message));
            }
        }
    }
    errors
}

fn follow(explore: &Explore, home: &Source, field: &Field, depth: usize) -> Result<(), String> {
    if depth > DEPTH {
        return Err("Circular reference".into());
    }
    for piece in pieces(field.sql.as_deref().unwrap_or_default()) {
        let Piece::Field(name) = piece else {
            continue;
        };
        let (source, target) =
            find(explore, home, name).ok_or_else(|| format!("Unknown or inaccessible field \"{name}\" referenced"))?;
        if target.kind.is_measure() && !field.kind.is_measure() {
            return Err(format!("A dimension refers to the measure \"{name}\""));
        }
        follow(explore, source, target, depth + 1)?;
    }
    Ok(())
}
