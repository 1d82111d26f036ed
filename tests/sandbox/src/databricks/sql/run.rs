//! One statement from its text to its result.
//!
//! Invariant: a statement runs in one transaction of the storage; when it fails, the catalog is as it was before too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};
use rusqlite::types::Value;

use super::bind::{Binder, OutColumn};
use super::convert::shown;
use super::error::{Result, SqlError};
use super::tokens::{Tokens, tokenize};
use super::{ddl, dml, show};
use crate::databricks::catalog::types::Type;
use crate::databricks::catalog::{Name, Privileges};
use crate::databricks::world::World;

/// In whose name, where and when a statement runs.
pub(in super::super) struct Session {
    pub(in super::super) catalog: String,
    pub(in super::super) schema: String,
    pub(in super::super) user: String,
    pub(in super::super) now: DateTime<Utc>,
    pub(in super::super) privileges: Privileges,
    pub(in super::super) parameters: Vec<Parameter>,
    pub(in super::super) row_limit: Option<u64>,
    /// The version of each table when the statement began; nothing where it runs alone.
    pub(in super::super) began_at: Option<HashMap<u64, i64>>,
    /// Set by who wants it to stop.
    pub(in super::super) stop: Arc<AtomicBool>,
}

/// A value for a named marker.
#[derive(Clone, Debug)]
pub(in super::super) struct Parameter {
    pub(in super::super) name: String,
    pub(in super::super) ty: Type,
    pub(in super::super) value: Value,
}

/// The rows of a result; every value is text.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Output {
    pub(in super::super) columns: Vec<OutColumn>,
    pub(in super::super) rows: Vec<Vec<Option<String>>>,
    /// Whether the caller's limit left rows out.
    pub(in super::super) truncated: bool,
}

/// What became of a statement.
pub(super) type Outcome = Result<Output>;

impl Session {
    /// A name of one to three parts as a full one.
    pub(in super::super) fn name(&self, parts: &[String]) -> Result<Name> {
        let (catalog, schema, own) = match parts {
            [own] => (self.catalog.clone(), self.schema.clone(), own.clone()),
            [schema, own] => (self.catalog.clone(), schema.clone(), own.clone()),
            [catalog, schema, own] => (catalog.clone(), schema.clone(), own.clone()),
            _ => {
                let message =
                    format!("`{}` is not a valid identifier as it has more than 3 name parts.", parts.join("`.`"));
                return Err(SqlError::new("IDENTIFIER_TOO_MANY_NAME_PARTS", "42601", message));
            }
        };
        Ok(Name { catalog, schema, own })
    }

    /// A name of one or two parts as catalog and schema.
    pub(super) fn schema_name(&self, parts: &[String]) -> Result<(String, String)> {
        match parts {
            [schema] => Ok((self.catalog.clone(), schema.clone())),
            [catalog, schema] => Ok((catalog.clone(), schema.clone())),
            _ => Err(SqlError::schema_not_found(&format!("`{}`", parts.join("`.`")))),
        }
    }
}

impl Output {
    /// A result of named numbers in one row.
    pub(super) fn counts(counts: &[(&str, u64)]) -> Self {
        let columns = counts.iter().map(|(name, _)| OutColumn { name: (*name).into(), ty: Type::Long }).collect();
        let row = counts.iter().map(|(_, count)| Some(count.to_string())).collect();
        Self { columns, rows: vec![row], truncated: false }
    }

    /// A result of texts.
    pub(super) fn texts(names: &[&str], rows: Vec<Vec<Option<String>>>) -> Self {
        let columns = names.iter().map(|name| OutColumn { name: (*name).into(), ty: Type::String }).collect();
        Self { columns, rows, truncated: false }
    }
}

/// Runs one statement.
pub(in super::super) fn run(world: &World, session: &Session, text: &str) -> Result<Output> {
    let tokens = tokenize(text)?;
    if !super::bind::has_schema(&world.catalog(), &session.catalog, &session.schema)? {
        return Err(SqlError::schema_not_found(&format!("`{}`.`{}`", session.catalog, session.schema)));
    }
    let mut storage = world.storage();
    storage.stop_when(Some(Arc::clone(&session.stop)))?;
    let before = (!reads_only(&tokens)).then(|| world.catalog().clone());
    storage.execute("BEGIN")?;
    let done = {
        let mut binder = Binder::new(world, &mut storage, session);
        dispatch(&mut binder, tokens)
    };
    let done = done.and_then(|output| {
        storage.clear_temporaries()?;
        storage.execute("COMMIT")?;
        Ok(output)
    });
    storage.stop_when(None)?;
    if done.is_err() {
        storage.execute("ROLLBACK").ok();
        if let Some(before) = before {
            *world.catalog() = before;
        }
    }
    done
}

fn reads_only(tokens: &Tokens) -> bool {
    ["SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"].iter().any(|word| tokens.sees(&[word]))
}

fn dispatch(binder: &mut Binder<'_>, mut tokens: Tokens) -> Outcome {
    if tokens.sees(&["MERGE"]) || tokens.sees(&["INSERT"]) || tokens.sees(&["UPDATE"]) || tokens.sees(&["DELETE"]) {
        return dml::run(binder, tokens);
    }
    if tokens.eat(&["COPY", "INTO"]) {
        return dml::copy_into(binder, tokens);
    }
    if let Some(done) = show::run(binder, &mut tokens) {
        return done;
    }
    if let Some(done) = ddl::run(binder, &mut tokens) {
        return done;
    }
    let query = tokens.into_query()?;
    let bound = binder.query(&query, None)?;
    read(binder, &bound.sql, bound.columns)
}

/// Reads the rows of a written query.
pub(super) fn read(binder: &mut Binder<'_>, sql: &str, columns: Vec<OutColumn>) -> Outcome {
    let mut statement = binder.storage.connection.prepare(sql)?;
    let values = used(&binder.values, &statement);
    let mut rows = statement.query(values)?;
    let mut output = Output { columns, rows: Vec::new(), truncated: false };
    let limit = binder.session.row_limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    while let Some(row) = rows.next()? {
        if output.rows.len() >= limit {
            output.truncated = true;
            break;
        }
        let cells = output.columns.iter().enumerate().map(|(at, column)| Ok(shown(row.get_ref(at)?, &column.ty)));
        let cells = cells.collect::<rusqlite::Result<Vec<_>>>()?;
        output.rows.push(cells);
    }
    Ok(output)
}

/// The values that a written statement names: the storage refuses more.
pub(super) fn used<'v>(values: &'v [Value], statement: &rusqlite::Statement<'_>) -> impl rusqlite::Params + use<'v> {
    rusqlite::params_from_iter(values.get(..statement.parameter_count()).unwrap_or_default())
}

/// A parameter's text as a value of its type.
pub(in super::super) fn convert_text(text: &str, ty: &Type) -> Result<Value> {
    let text = Value::Text(text.into());
    super::convert::converted(super::convert::borrowed(&text), &Type::String, ty)
}
