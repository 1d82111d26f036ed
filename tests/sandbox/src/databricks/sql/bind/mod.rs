//! Statements bound against the catalog and written in the SQL of the embedded database.
//!
//! Invariant: every expression has a type before it is written; a relation has a name of its own in the written SQL and its
//! columns are `c0`, `c1`, …, so that no name of a caller stands in it.

mod aggregates;
mod cast;
mod expression;
mod files;
mod from;
mod functions;
mod generators;
mod information;
mod operators;
mod query;
mod scalars;
mod scope;
mod select;
mod times;

use rusqlite::types::Value;

pub(super) use cast::type_text;
pub(super) use from::parts;
pub(super) use information::has_schema;
pub(super) use scope::{Relation, Scope, Visible};

use super::error::{Result, SqlError};
use super::run::Session;
use super::storage::Storage;
use crate::databricks::catalog::types::Type;
use crate::databricks::catalog::{Name, Privilege, Table};
use crate::databricks::world::World;

/// An expression in the storage's SQL, and its type.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) sql: String,
    pub(super) ty: Type,
}

impl Typed {
    pub(super) fn new(sql: impl Into<String>, ty: Type) -> Self {
        Self { sql: sql.into(), ty }
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct OutColumn {
    pub(in super::super) name: String,
    pub(in super::super) ty: Type,
}

/// A query in the storage's SQL; its columns are `c0`, `c1`, ….
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) sql: String,
    pub(super) columns: Vec<OutColumn>,
}

/// A table expression that was named with WITH.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    sql: String,
    columns: Vec<OutColumn>,
}

/// Binds one statement.
pub(super) struct Binder<'a> {
    pub(super) world: &'a World,
    pub(super) storage: &'a mut Storage,
    pub(super) session: &'a Session,
    /// The values of the markers `?1`, `?2`, … in the written SQL.
    pub(super) values: Vec<Value>,
    markers: Vec<(String, Typed)>,
    named: Vec<Named>,
    grouping: Option<Vec<Typed>>,
    grouping_texts: Vec<String>,
    in_aggregate: bool,
    aliases: u64,
    depth: u32,
}

impl<'a> Binder<'a> {
    pub(super) fn new(world: &'a World, storage: &'a mut Storage, session: &'a Session) -> Self {
        Self {
            world,
            storage,
            session,
            values: Vec::new(),
            markers: Vec::new(),
            named: Vec::new(),
            grouping: None,
            grouping_texts: Vec::new(),
            in_aggregate: false,
            aliases: 0,
            depth: 0,
        }
    }

    /// A name in the written SQL that nothing else has.
    pub(super) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("r{}", self.aliases)
    }

    /// A value that is bound instead of written.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// The full name of a table, schema parts filled in from the session.
    pub(super) fn name(&self, parts: &[String]) -> Result<Name> {
        self.session.name(parts)
    }

    /// A table or view that this caller may use so.
    pub(super) fn table(&self, name: &Name, privilege: Privilege) -> Result<Table> {
        let table = self.world.catalog().table(name).cloned();
        self.session.privileges.for_sql(privilege, name)?;
        table
    }

    /// The value of a parameter, bound once.
    fn marker(&mut self, name: &str) -> Result<Typed> {
        let name = name.trim_start_matches(':');
        if let Some((_, typed)) = self.markers.iter().find(|(known, _)| known == name) {
            return Ok(typed.clone());
        }
        let parameter = self.session.parameters.iter().find(|parameter| parameter.name == name).ok_or_else(|| {
            let message = format!(
                "Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the parameter to either a \
                 SQL literal or collection constructor functions such as `map()`, `array()`, `struct()`."
            );
            SqlError::new("UNBOUND_SQL_PARAMETER", "42P02", message)
        })?;
        let typed = match &parameter.value {
            Value::Null => Typed::new("NULL", parameter.ty.clone()),
            value => {
                let marker = self.bind(value.clone());
                Typed::new(marker, parameter.ty.clone())
            }
        };
        self.markers.push((name.into(), typed.clone()));
        Ok(typed)
    }
}

/// Text as a literal of the storage's SQL.
pub(super) fn quoted(text: &str) -> String {
    // The storage's texts end at U+0000, so such a text is put together.
    if text.contains('\0') {
        let parts: Vec<String> = text.split('\0').map(quoted).collect();
        return format!("({})", parts.join(" || char(0) || "));
    }
    format!("'{}'", text.replace('\'', "''"))
}
