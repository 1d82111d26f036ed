//! Statements that change rows.
//!
//! Invariant: a change of a table is one version of it; what changes nothing makes none, but for an INSERT.

mod change;
mod copy;
mod insert;
mod merge;

use sqlparser::ast::{ObjectName, Statement, TableAlias, TableFactor};

pub(super) use copy::copy_into;

use super::bind::{Binder, Relation, Scope, Typed, Visible};
use super::error::{Result, SqlError};
use super::run::{Outcome, used};
use super::tokens::{Tokens, condition};
use crate::databricks::catalog::{Column, Commit, Constraint, Name, Privilege, Table};

pub(super) fn run(binder: &mut Binder<'_>, mut tokens: Tokens) -> Outcome {
    let evolves = tokens.position(&["WITH", "SCHEMA", "EVOLUTION"]).filter(|at| *at == 1);
    if let Some(at) = evolves {
        tokens.remove(at, 3);
    }
    let by_name = if tokens.sees(&["INSERT"]) { tokens.position(&["BY", "NAME"]) } else { None };
    if let Some(at) = by_name {
        tokens.remove(at, 2);
    }
    match tokens.into_statement()? {
        Statement::Insert(statement) => insert::run(binder, &statement, by_name.is_some()),
        Statement::Merge(statement) => merge::run(binder, &statement, evolves.is_some()),
        Statement::Update(statement) => change::update(binder, &statement),
        Statement::Delete(statement) => change::delete(binder, &statement),
        other => Err(SqlError::syntax(format!("'{other}'"))),
    }
}

/// A table that is written to.
struct Target {
    name: Name,
    table: Table,
    /// What the statement calls it.
    path: Vec<String>,
}

impl Target {
    fn open(binder: &Binder<'_>, name: &ObjectName, alias: Option<&TableAlias>, reads: bool) -> Result<Self> {
        let name = binder.name(&super::bind::parts(name)?)?;
        let table = binder.table(&name, Privilege::Modify)?;
        if reads {
            binder.session.privileges.for_sql(Privilege::Select, &name)?;
        }
        if table.is_view() {
            let message = format!("The view {} does not support INSERT, UPDATE, DELETE or MERGE.", name.quoted());
            return Err(SqlError::new("EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", "42809", message));
        }
        let path = match alias {
            Some(alias) => vec![alias.name.value.clone()],
            None => vec![name.catalog.clone(), name.schema.clone(), name.own.clone()],
        };
        Ok(Self { name, table, path })
    }

    fn of_factor(binder: &Binder<'_>, factor: &TableFactor) -> Result<Self> {
        match factor {
            TableFactor::Table { name, alias, args: None, version: None, .. } => {
                Self::open(binder, name, alias.as_ref(), true)
            }
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }

    /// As the relation that the storage calls `t`.
    fn relation(&self) -> Relation {
        let columns = self.table.columns.iter();
        let columns = columns.map(|column| Visible::new(&column.name, format!("t.c{}", column.id), column.ty.clone()));
        Relation { path: self.path.clone(), columns: columns.collect() }
    }

    fn column(&self, name: &str) -> Result<&Column> {
        let found = self.table.column(name);
        found.ok_or_else(|| SqlError::column_not_found(&format!("`{name}`"), &self.table.column_names()))
    }

    /// The value of a column that nobody names.
    fn default(&self, binder: &mut Binder<'_>, column: &Column, how: &str) -> Result<String> {
        let Some(default) = &column.default else {
            return Ok("NULL".into());
        };
        let value = binder.expr(&condition(default)?, &Scope::default())?;
        binder.store(value, &column.ty, &column.name, how)
    }

    /// Recorded changes get the version that this statement makes. Refused where somebody else has changed the table since
    /// the statement began, unless it only adds rows.
    fn begin(&self, binder: &Binder<'_>, appends: bool) -> Result<()> {
        let version = self.table.version();
        binder.storage.set_commit(version + 1, binder.session.now.timestamp_micros());
        let began = binder.session.began_at.as_ref().and_then(|versions| versions.get(&self.table.id));
        let others = began.map(|began| self.table.history.iter().filter(move |commit| commit.version > *began));
        let disturbed = others.is_some_and(|mut commits| commits.any(|commit| !commit.blind_append));
        if disturbed && !appends {
            let message = format!(
                "ConcurrentAppendException: Files were added to the root of the table {} by a concurrent update. Please try the \
                 operation again.",
                self.name.full()
            );
            return Err(SqlError::new("DELTA_CONCURRENT_APPEND", "2D521", message));
        }
        Ok(())
    }

    /// Adds a version to the table, once its rows keep its constraints.
    fn commit(
        &self,
        binder: &mut Binder<'_>,
        operation: &'static str,
        parameters: Vec<(String, String)>,
        metrics: &[(&str, u64)],
        blind_append: bool,
    ) -> Result<()> {
        self.checked(binder)?;
        let (now, user) = (binder.session.now, binder.session.user.clone());
        let mut catalog = binder.world.catalog();
        let table = catalog.table_mut(&self.name)?;
        let commit = Commit {
            version: table.version() + 1,
            at: now,
            user,
            operation,
            parameters,
            metrics: metrics.iter().map(|(name, count)| ((*name).into(), count.to_string())).collect(),
            blind_append,
            recorded: table.records_changes(),
        };
        table.history.push(commit);
        table.updated_at = now;
        Ok(())
    }

    fn checked(&self, binder: &mut Binder<'_>) -> Result<()> {
        for constraint in &self.table.constraints {
            let Constraint::Check { name, condition: text } = constraint else { continue };
            let relation = Relation { path: self.path.clone(), ..self.relation() };
            let scope = Scope { relations: vec![relation], ..Scope::default() };
            let parsed = condition(text)?;
            let value = binder.expr(&parsed, &scope)?;
            let holds = binder.condition(value, &parsed)?;
            let broken =
                count(binder, &format!("SELECT count(*) FROM {} AS t WHERE NOT {holds}", self.table.storage()))?;
            if broken > 0 {
                let message = format!("CHECK constraint {name} ({text}) violated by row.");
                return Err(SqlError::new("DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "23001", message));
            }
        }
        Ok(())
    }

    /// The service's words for what the storage refused.
    fn worded(&self, error: SqlError) -> SqlError {
        let Some((_, place)) = error.message.split_once("NOT NULL constraint failed: ") else {
            return error;
        };
        let id = place.rsplit_once(".c").and_then(|(_, id)| id.trim().parse::<u64>().ok());
        let column = self.table.columns.iter().find(|column| Some(column.id) == id);
        let name = column.map_or("", |column| column.name.as_str());
        SqlError::new(
            "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
            "23502",
            format!("NOT NULL constraint violated for column: {name}."),
        )
    }
}

/// Runs written SQL with the bound values; how many rows it changed.
fn execute(binder: &Binder<'_>, sql: &str) -> Result<u64> {
    let mut statement = binder.storage.connection.prepare(sql)?;
    let values = used(&binder.values, &statement);
    Ok(u64::try_from(statement.execute(values)?).unwrap_or(u64::MAX))
}

fn count(binder: &Binder<'_>, sql: &str) -> Result<u64> {
    let mut statement = binder.storage.connection.prepare(sql)?;
    let values = used(&binder.values, &statement);
    let count: i64 = statement.query_row(values, |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// `a = 1, t.b = 2` as columns of the target and what they become.
fn assignments<'a>(
    target: &Target,
    list: &'a [sqlparser::ast::Assignment],
) -> Result<Vec<(Column, &'a sqlparser::ast::Expr)>> {
    let mut assigned: Vec<(Column, &sqlparser::ast::Expr)> = Vec::new();
    for one in list {
        let sqlparser::ast::AssignmentTarget::ColumnName(name) = &one.target else {
            return Err(SqlError::syntax(format!("'{one}'")));
        };
        let parts = super::bind::parts(name)?;
        let column = target.column(parts.last().map_or("", String::as_str))?.clone();
        if assigned.iter().any(|(known, _)| known.id == column.id) {
            let message = format!("Conflicting assignments for column `{}`.", column.name);
            return Err(SqlError::new("DELTA_CONFLICT_SET_COLUMN", "42701", message));
        }
        assigned.push((column, &one.value));
    }
    Ok(assigned)
}

fn is_default(expr: &sqlparser::ast::Expr) -> bool {
    matches!(expr, sqlparser::ast::Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("DEFAULT"))
}

/// What a column becomes, written for the storage.
fn assigned(
    binder: &mut Binder<'_>,
    target: &Target,
    column: &Column,
    value: &sqlparser::ast::Expr,
    scope: &Scope<'_>,
    how: &str,
) -> Result<String> {
    if is_default(value) {
        return target.default(binder, column, how);
    }
    let value: Typed = binder.expr(value, scope)?;
    binder.store(value, &column.ty, &column.name, how)
}
