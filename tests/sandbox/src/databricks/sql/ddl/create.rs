//! CREATE.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::tokenizer::Token;

use super::{done, full, record};
use crate::databricks::catalog::types::Type;
use crate::databricks::catalog::{Column, Constraint, Kind, Name, Privilege, Table};
use crate::databricks::sql::bind::{Binder, OutColumn};
use crate::databricks::sql::error::{Result, SqlError};
use crate::databricks::sql::run::{Outcome, Output, used};
use crate::databricks::sql::tokens::Tokens;

pub(super) fn run(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    let replaces = tokens.eat(&["OR", "REPLACE"]);
    if tokens.eat(&["TABLE"]) {
        return table(binder, tokens, replaces);
    }
    if tokens.eat(&["VIEW"]) {
        return view(binder, tokens, replaces);
    }
    if replaces {
        return Err(tokens.unexpected());
    }
    if tokens.eat(&["SCHEMA"]) || tokens.eat(&["DATABASE"]) {
        return schema(binder, tokens);
    }
    if tokens.eat(&["VOLUME"]) {
        return volume(binder, tokens);
    }
    Err(tokens.unexpected())
}

fn optional_comment(tokens: &mut Tokens) -> Result<Option<String>> {
    if tokens.eat(&["COMMENT"]) { tokens.string().map(Some) } else { Ok(None) }
}

fn schema(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    let if_missing = tokens.eat(&["IF", "NOT", "EXISTS"]);
    let (top, schema) = binder.session.schema_name(&tokens.name()?)?;
    let comment = optional_comment(tokens)?;
    tokens.finish()?;
    let mut catalog = binder.world.catalog();
    let place = catalog.catalog_mut(&top)?;
    let known = place.schemas().any(|one| one.name.eq_ignore_ascii_case(&schema));
    if !(known && if_missing) {
        let privileges = &binder.session.privileges;
        privileges.demand(Privilege::UseCatalog, &top).map_err(SqlError::insufficient)?;
        privileges.demand(Privilege::CreateSchema, &top).map_err(SqlError::insufficient)?;
    }
    if !place.add_schema(&schema, comment, binder.session.now) && !if_missing {
        let message = format!("Cannot create schema `{top}`.`{schema}` because it already exists.");
        return Err(SqlError::new("SCHEMA_ALREADY_EXISTS", "42P06", message));
    }
    done()
}

fn volume(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    let if_missing = tokens.eat(&["IF", "NOT", "EXISTS"]);
    let name = full(binder, tokens)?;
    let comment = optional_comment(tokens)?;
    tokens.finish()?;
    let mut catalog = binder.world.catalog();
    let known = catalog.schema(&name.catalog, &name.schema)?.volumes.contains_key(&name.own.to_lowercase());
    if !(known && if_missing) {
        demand_in_schema(binder, Privilege::CreateVolume, &name)?;
    }
    let place = catalog.schema_mut(&name.catalog, &name.schema)?;
    if !place.add_volume(&name.own, comment, binder.session.now) && !if_missing {
        let message = format!("Volume {} already exists.", name.quoted());
        return Err(SqlError::new("VOLUME_ALREADY_EXISTS", "42710", message));
    }
    done()
}

fn demand_in_schema(binder: &Binder<'_>, privilege: Privilege, name: &Name) -> Result<()> {
    let privileges = &binder.session.privileges;
    let demand = |privilege, on: &str| privileges.demand(privilege, on).map_err(SqlError::insufficient);
    demand(Privilege::UseCatalog, &name.catalog)?;
    demand(Privilege::UseSchema, &name.schema_full())?;
    demand(privilege, &name.schema_full())
}

fn exists(name: &Name) -> SqlError {
    let message = format!(
        "Cannot create table or view {} because it already exists. Choose a different name, drop or replace the existing \
         object, add the IF NOT EXISTS clause to tolerate pre-existing objects, or refresh the cache.",
        name.quoted()
    );
    SqlError::new("TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", message)
}

/// What stands in a CREATE TABLE.
#[derive(Default)]
struct Declared {
    columns: Vec<Column>,
    constraints: Vec<Constraint>,
    comment: Option<String>,
    properties: BTreeMap<String, String>,
    clustered_by: Vec<String>,
    partitioned_by: Vec<String>,
}

fn table(binder: &mut Binder<'_>, tokens: &mut Tokens, replaces: bool) -> Outcome {
    let if_missing = tokens.eat(&["IF", "NOT", "EXISTS"]);
    let name = full(binder, tokens)?;
    let declared = declared(binder, tokens)?;
    let query = if tokens.eat(&["AS"]) || tokens.sees(&["SELECT"]) { Some(tokens.clone().into_query()?) } else { None };
    if query.is_none() {
        tokens.finish()?;
    }
    binder.world.catalog().schema(&name.catalog, &name.schema)?;
    let known = binder.world.catalog().table(&name).ok().cloned();
    if known.is_some() && if_missing {
        binder.session.privileges.for_sql(Privilege::Select, &name)?;
        return done();
    }
    demand_in_schema(binder, Privilege::CreateTable, &name)?;
    if known.is_some() && !replaces {
        return Err(exists(&name));
    }
    match query {
        None => make(binder, &name, declared, known, "CREATE TABLE").map(|_| Output::default()),
        Some(query) => from_query(binder, &name, declared, known, &query),
    }
}

fn from_query(
    binder: &mut Binder<'_>,
    name: &Name,
    mut declared: Declared,
    known: Option<Table>,
    query: &sqlparser::ast::Query,
) -> Outcome {
    if !declared.columns.is_empty() {
        return Err(SqlError::syntax("'AS': columns and a query"));
    }
    let bound = binder.query(query, None)?;
    for OutColumn { name, ty } in &bound.columns {
        let ty = if *ty == Type::Null { Type::String } else { ty.clone() };
        let id = binder.world.catalog().number();
        declared.columns.push(Column { id, name: name.clone(), ty, nullable: true, comment: None, default: None });
    }
    // The rows are read before the old table goes, which they may come from.
    let types: Vec<Type> = declared.columns.iter().map(|column| column.ty.clone()).collect();
    let rows = binder.storage.make_temporary(&types)?;
    {
        let mut statement = binder.storage.connection.prepare(&format!("INSERT INTO {rows} {}", bound.sql))?;
        let values = used(&binder.values, &statement);
        statement.execute(values)?;
    }
    let table = make(binder, name, declared, known, "CREATE TABLE AS SELECT")?;
    let count = binder.storage.execute(&format!("INSERT INTO {} SELECT * FROM {rows}", table.storage()))?;
    let count = u64::try_from(count).unwrap_or_default();
    Ok(Output::counts(&[("num_affected_rows", count), ("num_inserted_rows", count)]))
}

/// Puts a table in the place of another or of none.
fn make(
    binder: &mut Binder<'_>,
    name: &Name,
    declared: Declared,
    known: Option<Table>,
    operation: &'static str,
) -> Result<Table> {
    if let Some(known) = &known {
        binder.storage.drop(known)?;
    }
    let now = binder.session.now;
    let mut catalog = binder.world.catalog();
    let id = catalog.number();
    let table = Table {
        id,
        name: name.own.clone(),
        kind: Kind::Managed,
        columns: declared.columns,
        comment: declared.comment,
        properties: declared.properties,
        tags: BTreeMap::new(),
        constraints: declared.constraints,
        clustered_by: declared.clustered_by,
        partitioned_by: declared.partitioned_by,
        history: known.map(|known| known.history).unwrap_or_default(),
        loaded: BTreeSet::new(),
        owner: binder.session.user.clone(),
        created_at: now,
        updated_at: now,
    };
    let place = catalog.schema_mut(&name.catalog, &name.schema)?;
    place.tables.insert(name.own.to_lowercase(), table.clone());
    std::mem::drop(catalog);
    binder.storage.create(&table)?;
    binder.storage.set_commit(table.version() + 1, now.timestamp_micros());
    record(binder, name, operation, vec![("isManaged".into(), "true".into())])?;
    Ok(table)
}

fn declared(binder: &Binder<'_>, tokens: &mut Tokens) -> Result<Declared> {
    let mut declared = Declared::default();
    if tokens.eat_mark(&Token::LParen) {
        loop {
            element(binder, tokens, &mut declared)?;
            if !tokens.eat_mark(&Token::Comma) {
                break;
            }
        }
        tokens.expect_mark(&Token::RParen)?;
    }
    loop {
        if tokens.eat(&["USING"]) {
            let format = tokens.identifier()?;
            if !format.eq_ignore_ascii_case("delta") {
                return Err(SqlError::new(
                    "UNSUPPORTED_DATASOURCE_FOR_MANAGED_TABLE",
                    "0A000",
                    format!("{format} is not supported."),
                ));
            }
        } else if tokens.eat(&["COMMENT"]) {
            declared.comment = Some(tokens.string()?);
        } else if tokens.eat(&["TBLPROPERTIES"]) {
            declared.properties = tokens.pairs()?.into_iter().collect();
        } else if tokens.eat(&["CLUSTER", "BY", "AUTO"]) {
            declared.clustered_by.clear();
        } else if tokens.eat(&["CLUSTER", "BY"]) {
            declared.clustered_by = tokens.identifiers()?;
        } else if tokens.eat(&["PARTITIONED", "BY"]) {
            declared.partitioned_by = tokens.identifiers()?;
        } else {
            break;
        }
    }
    check(&declared)?;
    Ok(declared)
}

fn check(declared: &Declared) -> Result<()> {
    let mut seen = BTreeSet::new();
    for column in &declared.columns {
        if !seen.insert(column.name.to_lowercase()) {
            let message = format!(
                "The column `{}` already exists. Choose another name or rename the existing column.",
                column.name
            );
            return Err(SqlError::new("COLUMN_ALREADY_EXISTS", "42711", message));
        }
        if column.name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '=']) {
            let message =
                format!("Found invalid character(s) among ' ,;{{}}()\\n\\t=' in the column names: {}.", column.name);
            return Err(SqlError::new("DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", "42K05", message));
        }
    }
    let keys = declared.constraints.iter().filter_map(|constraint| match constraint {
        Constraint::PrimaryKey { columns, .. } => Some(columns),
        _ => None,
    });
    let named = keys.flatten().chain(&declared.clustered_by).chain(&declared.partitioned_by);
    let known: Vec<String> = declared.columns.iter().map(|column| column.name.clone()).collect();
    for name in named {
        if !seen.contains(&name.to_lowercase()) {
            return Err(SqlError::column_not_found(&format!("`{name}`"), &known));
        }
    }
    Ok(())
}

/// A column or a constraint between the parentheses.
fn element(binder: &Binder<'_>, tokens: &mut Tokens, declared: &mut Declared) -> Result<()> {
    let named = if tokens.eat(&["CONSTRAINT"]) { Some(tokens.identifier()?) } else { None };
    if named.is_some() || tokens.sees(&["PRIMARY", "KEY"]) {
        let number = declared.constraints.len() + 1;
        let constraint = constraint(tokens, named.unwrap_or_else(|| format!("constraint_{number}")))?;
        if let Constraint::PrimaryKey { columns, .. } = &constraint {
            // A primary key makes its columns NOT NULL.
            for column in &mut declared.columns {
                column.nullable &= !columns.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
            }
        }
        declared.constraints.push(constraint);
        return Ok(());
    }
    let name = tokens.identifier()?;
    let ty = tokens.ty()?;
    let id = binder.world.catalog().number();
    let mut column = Column { id, name, ty, nullable: true, comment: None, default: None };
    loop {
        if tokens.eat(&["NOT", "NULL"]) {
            column.nullable = false;
        } else if tokens.eat(&["COMMENT"]) {
            column.comment = Some(tokens.string()?);
        } else if tokens.eat(&["PRIMARY", "KEY"]) {
            column.nullable = false;
            let (name, columns) = (format!("{}_pk", column.name), vec![column.name.clone()]);
            declared.constraints.push(Constraint::PrimaryKey { name, columns });
        } else if tokens.eat(&["DEFAULT"]) {
            column.default = Some(default(tokens));
        } else {
            break;
        }
    }
    declared.columns.push(column);
    Ok(())
}

/// A literal or a call without arguments, such as `current_timestamp()`.
fn default(tokens: &mut Tokens) -> String {
    let mut text = String::new();
    let mut depth = 0;
    while !tokens.is_done() {
        let outside = depth == 0;
        if outside && (tokens.sees_mark(&Token::Comma) || tokens.sees_mark(&Token::RParen)) {
            break;
        }
        if outside && (tokens.sees(&["COMMENT"]) || tokens.sees(&["NOT", "NULL"])) {
            break;
        }
        match tokens.next() {
            Some(Token::LParen) => {
                depth += 1;
                text.push('(');
            }
            Some(Token::RParen) => {
                depth -= 1;
                text.push(')');
            }
            Some(token) => {
                text.push_str(&token.to_string());
                text.push(' ');
            }
            None => break,
        }
    }
    text.trim().replace(" (", "(")
}

/// `PRIMARY KEY (a, b)` or `CHECK (…)`, behind its name.
pub(super) fn constraint(tokens: &mut Tokens, name: String) -> Result<Constraint> {
    let made = if tokens.eat(&["PRIMARY", "KEY"]) {
        Constraint::PrimaryKey { name, columns: tokens.identifiers()? }
    } else if tokens.eat(&["FOREIGN", "KEY"]) {
        let columns = tokens.identifiers()?;
        tokens.expect(&["REFERENCES"])?;
        tokens.name()?;
        if tokens.sees_mark(&Token::LParen) {
            tokens.identifiers()?;
        }
        Constraint::ForeignKey { name, columns }
    } else if tokens.eat(&["CHECK"]) {
        tokens.expect_mark(&Token::LParen)?;
        let condition = tokens.rest_of_level();
        tokens.expect_mark(&Token::RParen)?;
        Constraint::Check { name, condition }
    } else {
        return Err(tokens.unexpected());
    };
    while tokens.eat(&["RELY"]) || tokens.eat(&["NORELY"]) || tokens.eat(&["NOT", "ENFORCED"]) {}
    Ok(made)
}

fn view(binder: &mut Binder<'_>, tokens: &mut Tokens, replaces: bool) -> Outcome {
    let if_missing = tokens.eat(&["IF", "NOT", "EXISTS"]);
    let name = full(binder, tokens)?;
    let mut names: Vec<(String, Option<String>)> = Vec::new();
    if tokens.eat_mark(&Token::LParen) {
        loop {
            names.push((tokens.identifier()?, optional_comment(tokens)?));
            if !tokens.eat_mark(&Token::Comma) {
                break;
            }
        }
        tokens.expect_mark(&Token::RParen)?;
    }
    let comment = optional_comment(tokens)?;
    tokens.expect(&["AS"])?;
    let text = tokens.clone().rest_of_level();
    let query = tokens.clone().into_query()?;
    let known = binder.world.catalog().table(&name).ok().cloned();
    if known.is_some() && if_missing {
        return done();
    }
    demand_in_schema(binder, Privilege::CreateTable, &name)?;
    if known.as_ref().is_some_and(|known| !replaces || !known.is_view()) {
        return Err(exists(&name));
    }
    let bound = binder.query(&query, None)?;
    let mut columns = Vec::new();
    for (at, OutColumn { name, ty }) in bound.columns.iter().enumerate() {
        let (name, comment) = names.get(at).cloned().unwrap_or_else(|| (name.clone(), None));
        let id = binder.world.catalog().number();
        columns.push(Column { id, name, ty: ty.clone(), nullable: true, comment, default: None });
    }
    let now = binder.session.now;
    let mut catalog = binder.world.catalog();
    let table = Table {
        id: catalog.number(),
        name: name.own.clone(),
        kind: Kind::View(text),
        columns,
        comment,
        properties: BTreeMap::new(),
        tags: BTreeMap::new(),
        constraints: Vec::new(),
        clustered_by: Vec::new(),
        partitioned_by: Vec::new(),
        history: Vec::new(),
        loaded: BTreeSet::new(),
        owner: binder.session.user.clone(),
        created_at: now,
        updated_at: now,
    };
    catalog.schema_mut(&name.catalog, &name.schema)?.tables.insert(name.own.to_lowercase(), table);
    std::mem::drop(catalog);
    done()
}
