//! Names in sight, and how they are found.

use super::{Typed, quoted};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::error::{Result, SqlError};

/// A column that can be named.
#[derive(Clone, Debug)]
pub(in super::super) struct Visible {
    pub(in super::super) name: String,
    pub(in super::super) sql: String,
    pub(in super::super) ty: Type,
    /// Found by name, but not part of `*`.
    pub(in super::super) hidden: bool,
    /// Found only with its relation's name: the other side of USING.
    pub(in super::super) qualified_only: bool,
}

impl Visible {
    pub(in super::super) fn new(name: &str, sql: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), sql: sql.into(), ty, hidden: false, qualified_only: false }
    }
}

/// A table, a query or a function in FROM.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Relation {
    /// Its alias, or catalog, schema and name.
    pub(in super::super) path: Vec<String>,
    pub(in super::super) columns: Vec<Visible>,
}

impl Relation {
    /// Whether it is called so: by its name, or by the end of its full name.
    fn is_called(&self, parts: &[String]) -> bool {
        parts.len() <= self.path.len()
            && self.path.iter().rev().zip(parts.iter().rev()).all(|(own, part)| own.eq_ignore_ascii_case(part))
    }

    fn column(&self, name: &str) -> Option<&Visible> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// The relations of one SELECT, and those of the queries around it.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Scope<'p> {
    pub(in super::super) relations: Vec<Relation>,
    pub(in super::super) parent: Option<&'p Scope<'p>>,
    /// Items of the same SELECT that stand further left, which may be named too.
    pub(in super::super) items: Vec<(String, Typed)>,
}

/// What a name stands for.
pub(in super::super) struct Found {
    pub(in super::super) typed: Typed,
    /// In the SELECT itself, not in one around it, and not one of its own items.
    pub(in super::super) own: bool,
}

impl<'p> Scope<'p> {
    pub(in super::super) fn within(parent: Option<&'p Scope<'p>>) -> Self {
        Self { relations: Vec::new(), parent, items: Vec::new() }
    }

    /// What a name of one or more parts stands for: a column, or a member of one.
    pub(in super::super) fn find(&self, parts: &[String]) -> Result<Found> {
        let mut scope = Some(self);
        let mut own = true;
        while let Some(here) = scope {
            if let Some(typed) = here.find_here(parts)? {
                return Ok(Found { typed, own });
            }
            if let [name, path @ ..] = parts
                && let Some((_, item)) = here.items.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                return Ok(Found { typed: member(item.clone(), path)?, own: false });
            }
            scope = here.parent;
            own = false;
        }
        let shown: Vec<String> = parts.iter().map(|part| format!("`{part}`")).collect();
        Err(SqlError::column_not_found(&shown.join("."), &self.suggestions()))
    }

    fn find_here(&self, parts: &[String]) -> Result<Option<Typed>> {
        // The longest name of a relation is tried first, then a plain column with a path behind it.
        for named in (0..parts.len()).rev() {
            let Some((relation, [name, path @ ..])) = parts.split_at_checked(named) else {
                continue;
            };
            let candidates = self.relations.iter().filter(|one| relation.is_empty() || one.is_called(relation));
            let mut found = candidates.filter_map(|one| one.column(name));
            let mut found = found.by_ref().filter(|column| !relation.is_empty() || !column.qualified_only);
            let Some(column) = found.next() else {
                continue;
            };
            if found.next().is_some() {
                let message =
                    format!("Reference `{}` is ambiguous, could be several columns of this name.", parts.join("`.`"));
                return Err(SqlError::new("AMBIGUOUS_REFERENCE", "42704", message));
            }
            return member(Typed::new(column.sql.clone(), column.ty.clone()), path).map(Some);
        }
        Ok(None)
    }

    /// The relation of `name.*`.
    pub(in super::super) fn relation(&self, parts: &[String]) -> Option<&Relation> {
        self.relations.iter().find(|one| one.is_called(parts))
    }

    fn suggestions(&self) -> Vec<String> {
        let columns = self.relations.iter().flat_map(|one| &one.columns).filter(|column| !column.hidden);
        columns.map(|column| column.name.clone()).collect()
    }
}

/// A member of a struct, or of a member of it, and so on.
pub(in super::super) fn member(value: Typed, path: &[String]) -> Result<Typed> {
    let mut value = value;
    for name in path {
        let next = match &value.ty {
            Type::Struct(fields) => fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).cloned(),
            Type::Map(_, of) => {
                Some(crate::databricks::catalog::types::Field { name: name.clone(), ty: (**of).clone() })
            }
            other => {
                let message = format!("Need a complex type [STRUCT, ARRAY, MAP] but got \"{other}\".");
                return Err(SqlError::new("INVALID_EXTRACT_BASE_FIELD_TYPE", "42000", message));
            }
        };
        let field = next.ok_or_else(|| {
            SqlError::new("FIELD_NOT_FOUND", "42704", format!("No such struct field `{name}` in {}.", value.ty))
        })?;
        let path = quoted(&format!("$.\"{}\"", field.name));
        value = Typed::new(format!("json_extract({}, {path})", value.sql), field.ty);
    }
    Ok(value)
}
