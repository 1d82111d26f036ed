//! ALTER and COMMENT.

use sqlparser::tokenizer::Token;

use super::create::constraint;
use super::{done, full, record};
use crate::databricks::catalog::types::Type;
use crate::databricks::catalog::{Column, Constraint, Name, Privilege, Table};
use crate::databricks::sql::bind::{Binder, Typed, type_text};
use crate::databricks::sql::error::{Result, SqlError};
use crate::databricks::sql::run::Outcome;
use crate::databricks::sql::tokens::Tokens;

pub(super) fn run(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    if tokens.eat(&["SCHEMA"]) || tokens.eat(&["VOLUME"]) || tokens.eat(&["CATALOG"]) {
        return Err(SqlError::syntax("'ALTER' of this kind, which the sandbox does not know"));
    }
    let _view = tokens.eat(&["VIEW"]) || tokens.eat(&["TABLE"]);
    let name = full(binder, tokens)?;
    let table = binder.table(&name, Privilege::Modify)?;
    let (operation, changed) = change(binder, tokens, table.clone())?;
    tokens.finish()?;
    let previous = table;
    replace(binder, &name, changed.clone())?;
    if changed.records_changes() != previous.records_changes() {
        binder.storage.record_changes(&changed)?;
    }
    if !changed.is_view() {
        record(binder, &name, operation, Vec::new())?;
    }
    done()
}

fn replace(binder: &Binder<'_>, name: &Name, table: Table) -> Result<()> {
    *binder.world.catalog().table_mut(name)? = table;
    Ok(())
}

/// The table as it is afterwards, its rows changed where that takes it.
fn change(binder: &mut Binder<'_>, tokens: &mut Tokens, mut table: Table) -> Result<(&'static str, Table)> {
    if tokens.eat(&["ADD", "COLUMNS"]) || tokens.eat(&["ADD", "COLUMN"]) {
        add_columns(binder, tokens, &mut table)?;
        return Ok(("ADD COLUMNS", table));
    }
    if tokens.eat(&["SET", "TBLPROPERTIES"]) {
        table.properties.extend(tokens.pairs()?);
        return Ok(("SET TBLPROPERTIES", table));
    }
    if tokens.eat(&["UNSET", "TBLPROPERTIES"]) {
        let _tolerant = tokens.eat(&["IF", "EXISTS"]);
        tokens.expect_mark(&Token::LParen)?;
        loop {
            let key = match tokens.string() {
                Ok(key) => key,
                Err(_) => tokens.name()?.join("."),
            };
            table.properties.remove(&key);
            if !tokens.eat_mark(&Token::Comma) {
                break;
            }
        }
        tokens.expect_mark(&Token::RParen)?;
        return Ok(("UNSET TBLPROPERTIES", table));
    }
    if tokens.eat(&["SET", "TAGS"]) {
        table.tags.extend(tokens.pairs()?);
        return Ok(("SET TAGS", table));
    }
    if tokens.eat(&["ADD", "CONSTRAINT"]) {
        let name = tokens.identifier()?;
        let added = constraint(tokens, name)?;
        add_constraint(&mut table, added)?;
        return Ok(("ADD CONSTRAINT", table));
    }
    if tokens.eat(&["DROP", "CONSTRAINT"]) {
        let tolerant = tokens.eat(&["IF", "EXISTS"]);
        let name = tokens.identifier()?;
        let before = table.constraints.len();
        table.constraints.retain(|constraint| !constraint.name().eq_ignore_ascii_case(&name));
        if table.constraints.len() == before && !tolerant {
            let message = format!("Cannot drop nonexistent constraint {name} from table `{}`.", table.name);
            return Err(SqlError::new("DELTA_CONSTRAINT_DOES_NOT_EXIST", "42704", message));
        }
        return Ok(("DROP CONSTRAINT", table));
    }
    if tokens.eat(&["CLUSTER", "BY"]) {
        if !(tokens.eat(&["NONE"]) || tokens.eat(&["AUTO"])) {
            table.clustered_by = tokens.identifiers()?;
        }
        return Ok(("CLUSTER BY", table));
    }
    if tokens.eat(&["ALTER", "COLUMN"]) || tokens.eat(&["CHANGE", "COLUMN"]) {
        alter_column(binder, tokens, &mut table)?;
        return Ok(("CHANGE COLUMN", table));
    }
    if tokens.sees(&["DROP", "COLUMN"]) || tokens.sees(&["DROP", "COLUMNS"]) || tokens.sees(&["RENAME", "COLUMN"]) {
        let message = "Column rename and drop are not supported for your Delta table. Please enable Column Mapping on your table \
            with mapping mode 'name'.";
        return Err(SqlError::new("DELTA_UNSUPPORTED_RENAME_COLUMN", "0AKDC", message));
    }
    Err(tokens.unexpected())
}

fn add_columns(binder: &mut Binder<'_>, tokens: &mut Tokens, table: &mut Table) -> Result<()> {
    let listed = tokens.eat_mark(&Token::LParen);
    loop {
        let (name, ty) = (tokens.identifier()?, tokens.ty()?);
        if table.column(&name).is_some() {
            let message = format!("Cannot add column, because `{name}` already exists in \"{}\".", table.as_struct());
            return Err(SqlError::new("FIELDS_ALREADY_EXISTS", "42710", message));
        }
        if tokens.sees(&["NOT", "NULL"]) {
            let message = format!("NOT NULL constraint cannot be added to the new column {name}.");
            return Err(SqlError::new("DELTA_UNSUPPORTED_NOT_NULL_COLUMN_ADDED", "0AKDC", message));
        }
        if tokens.sees(&["DEFAULT"]) {
            let message =
                "A new column with a DEFAULT cannot be added to an existing table; set the default afterwards.";
            return Err(SqlError::new(
                "WRONG_COLUMN_DEFAULTS_FOR_DELTA_ALTER_TABLE_ADD_COLUMN_NOT_SUPPORTED",
                "0AKDC",
                message,
            ));
        }
        let comment = if tokens.eat(&["COMMENT"]) { Some(tokens.string()?) } else { None };
        if tokens.eat(&["AFTER"]) {
            tokens.identifier()?;
        }
        let id = binder.world.catalog().number();
        let column = Column { id, name, ty, nullable: true, comment, default: None };
        table.columns.push(column.clone());
        binder.storage.add_column(table, &column)?;
        if !(listed && tokens.eat_mark(&Token::Comma)) {
            break;
        }
    }
    if listed { tokens.expect_mark(&Token::RParen) } else { Ok(()) }
}

fn add_constraint(table: &mut Table, added: Constraint) -> Result<()> {
    if table.constraints.iter().any(|known| known.name().eq_ignore_ascii_case(added.name())) {
        let message = format!("Constraint '{}' already exists. Please delete the old constraint first.", added.name());
        return Err(SqlError::new("DELTA_CONSTRAINT_ALREADY_EXISTS", "42710", message));
    }
    if let Constraint::PrimaryKey { columns, .. } = &added {
        for name in columns {
            let column = table.column(name);
            let column =
                column.ok_or_else(|| SqlError::column_not_found(&format!("`{name}`"), &table.column_names()))?;
            if column.nullable {
                let message = format!("Cannot create the primary key because its column `{name}` is nullable.");
                return Err(SqlError::new("UC_PRIMARY_KEY_ON_NULLABLE_COLUMN", "42000", message));
            }
        }
    }
    table.constraints.push(added);
    Ok(())
}

fn alter_column(binder: &mut Binder<'_>, tokens: &mut Tokens, table: &mut Table) -> Result<()> {
    let name = tokens.identifier()?;
    let known = table.column_names();
    let widens = table.property_is_true("delta.enableTypeWidening");
    let column = table.column_mut(&name).ok_or_else(|| SqlError::column_not_found(&format!("`{name}`"), &known))?;
    if tokens.eat(&["COMMENT"]) {
        column.comment = Some(tokens.string()?);
        return Ok(());
    }
    if tokens.eat(&["SET", "DEFAULT"]) {
        column.default = Some(tokens.rest_of_level());
        return Ok(());
    }
    if tokens.eat(&["DROP", "DEFAULT"]) {
        column.default = None;
        return Ok(());
    }
    if tokens.eat(&["SET", "NOT", "NULL"]) || tokens.sees(&["DROP", "NOT", "NULL"]) {
        column.nullable = tokens.eat(&["DROP", "NOT", "NULL"]);
        let rebuilt = binder.storage.rebuild(table, |column| format!("c{}", column.id));
        return rebuilt.map_err(|error| {
            if !error.message.contains("NOT NULL constraint failed") {
                return error;
            }
            let message = format!("NOT NULL constraint violated for column: {name}.");
            SqlError::new("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502", message)
        });
    }
    if tokens.eat(&["TYPE"]) || tokens.eat(&["SET", "DATA", "TYPE"]) {
        let ty = tokens.ty()?;
        let old = std::mem::replace(&mut column.ty, ty.clone());
        let id = column.id;
        if !is_widening(&old, &ty) || (!widens && old != ty) {
            let message = format!(
                "ALTER TABLE CHANGE COLUMN is not supported for changing column {name} from {old} to {ty}.{}",
                if widens { "" } else { " Type widening is not enabled on the table." }
            );
            return Err(SqlError::new("DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP", "0AKDC", message));
        }
        let value = binder.cast_for_rebuild(Typed::new(format!("c{id}"), old), &ty)?;
        return binder
            .storage
            .rebuild(table, |column| if column.id == id { value.clone() } else { format!("c{}", column.id) });
    }
    Err(tokens.unexpected())
}

/// What the service widens without writing the table anew.
fn is_widening(from: &Type, to: &Type) -> bool {
    let rank = |ty: &Type| match ty {
        Type::Byte => Some(0),
        Type::Short => Some(1),
        Type::Int => Some(2),
        Type::Long => Some(3),
        _ => None,
    };
    match (from, to) {
        (from, to) if from == to => true,
        (Type::Decimal(p1, s1), Type::Decimal(p2, s2)) => s2 >= s1 && p2 >= p1 && p2 - p1 >= s2 - s1,
        (Type::Float, Type::Double) | (Type::Date, Type::TimestampNtz) => true,
        (from, Type::String) if from.is_text() => true,
        (Type::Varchar(a), Type::Varchar(b)) => a <= b,
        (from, Type::Double) => matches!(from, Type::Byte | Type::Short | Type::Int),
        (Type::Long, Type::Decimal(precision, scale)) => precision - scale >= 20,
        (from, Type::Decimal(precision, scale)) => from.is_whole() && precision - scale >= 10,
        (from, to) => rank(from).zip(rank(to)).is_some_and(|(from, to)| from <= to),
    }
}

/// `COMMENT ON TABLE a.b.c IS '…'`.
pub(super) fn comment(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    tokens.expect(&["ON"])?;
    let kind = tokens.identifier()?.to_uppercase();
    let mut parts = tokens.name()?;
    tokens.expect(&["IS"])?;
    let text = if tokens.eat(&["NULL"]) { None } else { Some(tokens.string()?) };
    tokens.finish()?;
    match kind.as_str() {
        "TABLE" | "VIEW" => {
            let name = binder.name(&parts)?;
            binder.table(&name, Privilege::Modify)?;
            binder.world.catalog().table_mut(&name)?.comment = text;
        }
        "COLUMN" => {
            let column = parts.pop().unwrap_or_default();
            let name = binder.name(&parts)?;
            let table = binder.table(&name, Privilege::Modify)?;
            let mut catalog = binder.world.catalog();
            let found = catalog.table_mut(&name)?.column_mut(&column);
            found.ok_or_else(|| SqlError::column_not_found(&format!("`{column}`"), &table.column_names()))?.comment =
                text;
        }
        "SCHEMA" | "DATABASE" => {
            let (top, schema) = binder.session.schema_name(&parts)?;
            binder.world.catalog().schema_mut(&top, &schema)?.comment = text;
        }
        "VOLUME" => {
            let name = binder.name(&parts)?;
            let mut catalog = binder.world.catalog();
            catalog.volume(&name)?;
            let volumes = &mut catalog.schema_mut(&name.catalog, &name.schema)?.volumes;
            if let Some(volume) = volumes.get_mut(&name.own.to_lowercase()) {
                volume.comment = text;
            }
        }
        "CATALOG" => {
            let name = parts.pop().unwrap_or_default();
            binder.world.catalog().catalog_mut(&name)?.comment = text;
        }
        _ => return Err(SqlError::syntax(format!("'{kind}'"))),
    }
    done()
}

impl Binder<'_> {
    /// A value of a column of one type as the storage keeps it in another.
    fn cast_for_rebuild(&self, value: Typed, to: &Type) -> Result<String> {
        Ok(format!("cast_as({}, {}, {})", value.sql, type_text(&value.ty), type_text(to)))
    }
}
