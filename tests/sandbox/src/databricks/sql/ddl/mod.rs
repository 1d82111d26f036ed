//! Statements that change the catalog.

mod alter;
mod create;
mod grants;

use sqlparser::tokenizer::Token;

use super::bind::Binder;
use super::error::{Result, SqlError};
use super::run::{Outcome, Output};
use super::tokens::Tokens;
use crate::databricks::catalog::{Commit, Name, Privilege};

/// Runs it if it is one.
pub(super) fn run(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Option<Outcome> {
    let word = |tokens: &mut Tokens, word: &str| tokens.eat(&[word]);
    if word(tokens, "CREATE") {
        return Some(create::run(binder, tokens));
    }
    if word(tokens, "ALTER") {
        return Some(alter::run(binder, tokens));
    }
    if word(tokens, "DROP") {
        return Some(drop(binder, tokens));
    }
    if word(tokens, "COMMENT") {
        return Some(alter::comment(binder, tokens));
    }
    if word(tokens, "GRANT") {
        return Some(grants::change(binder, tokens, true));
    }
    if word(tokens, "REVOKE") {
        return Some(grants::change(binder, tokens, false));
    }
    if word(tokens, "TRUNCATE") {
        return Some(truncate(binder, tokens));
    }
    for (words, operation) in
        [(&["OPTIMIZE"][..], "OPTIMIZE"), (&["VACUUM"], "VACUUM"), (&["ANALYZE", "TABLE"], "ANALYZE")]
    {
        if tokens.eat(words) {
            return Some(maintain(binder, tokens, operation));
        }
    }
    if word(tokens, "USE") {
        return Some(use_schema(binder, tokens));
    }
    if word(tokens, "SET") {
        return Some(set(tokens));
    }
    None
}

fn done() -> Outcome {
    Ok(Output::default())
}

fn full(binder: &Binder<'_>, tokens: &mut Tokens) -> Result<Name> {
    binder.name(&tokens.name()?)
}

/// A session's setting, which ends with the statement: each has a session of its own.
fn set(tokens: &mut Tokens) -> Outcome {
    let known = tokens.eat(&["TIME", "ZONE"])
        || tokens.eat(&["TIMEZONE"])
        || tokens.eat(&["ANSI_MODE"])
        || tokens.eat(&["STATEMENT_TIMEOUT"]);
    if !known {
        return Err(tokens.unexpected());
    }
    tokens.rest_of_level();
    done()
}

fn use_schema(binder: &Binder<'_>, tokens: &mut Tokens) -> Outcome {
    let catalog = binder.world.catalog();
    if tokens.eat(&["CATALOG"]) {
        catalog.catalog(&tokens.identifier()?)?;
        return tokens.finish().and_then(|()| done());
    }
    let _word = tokens.eat(&["SCHEMA"]) || tokens.eat(&["DATABASE"]);
    let (top, schema) = binder.session.schema_name(&tokens.name()?)?;
    catalog.schema(&top, &schema)?;
    tokens.finish().and_then(|()| done())
}

/// Adds a version to a table for a change that is none of rows.
fn record(binder: &Binder<'_>, name: &Name, operation: &'static str, parameters: Vec<(String, String)>) -> Result<()> {
    let mut catalog = binder.world.catalog();
    let table = catalog.table_mut(name)?;
    let commit = Commit {
        version: table.version() + 1,
        at: binder.session.now,
        user: binder.session.user.clone(),
        operation,
        parameters,
        metrics: Vec::new(),
        blind_append: true,
        recorded: table.records_changes(),
    };
    table.history.push(commit);
    table.updated_at = binder.session.now;
    Ok(())
}

fn drop(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    let kind = tokens.identifier()?.to_uppercase();
    let if_exists = tokens.eat(&["IF", "EXISTS"]);
    let name = tokens.name()?;
    let cascade = tokens.eat(&["CASCADE"]);
    let _restrict = tokens.eat(&["RESTRICT"]);
    tokens.finish()?;
    let dropped = match kind.as_str() {
        "TABLE" | "VIEW" => drop_table(binder, &binder.name(&name)?, kind == "VIEW"),
        "VOLUME" => drop_volume(binder, &binder.name(&name)?),
        "SCHEMA" | "DATABASE" => drop_schema(binder, &name, cascade),
        _ => return Err(SqlError::syntax(format!("'{kind}'"))),
    };
    match dropped {
        Err(error) if if_exists && is_missing(&error) => done(),
        other => other.and_then(|()| done()),
    }
}

fn is_missing(error: &SqlError) -> bool {
    error.class.ends_with("NOT_FOUND")
}

fn drop_table(binder: &Binder<'_>, name: &Name, view: bool) -> Result<()> {
    let table = binder.table(name, Privilege::Modify)?;
    if table.is_view() != view {
        let message = format!("'{}' expects a {}.", name.full(), if view { "view" } else { "table" });
        return Err(SqlError::new("WRONG_COMMAND_FOR_OBJECT_TYPE", "42809", message));
    }
    binder.storage.drop(&table)?;
    let mut catalog = binder.world.catalog();
    catalog.schema_mut(&name.catalog, &name.schema)?.tables.remove(&name.own.to_lowercase());
    Ok(())
}

fn drop_volume(binder: &Binder<'_>, name: &Name) -> Result<()> {
    let mut catalog = binder.world.catalog();
    catalog.volume(name)?;
    binder.session.privileges.for_sql(Privilege::CreateVolume, name)?;
    catalog.schema_mut(&name.catalog, &name.schema)?.volumes.remove(&name.own.to_lowercase());
    let path = format!("/Volumes/{}", name.full().to_lowercase().replace('.', "/"));
    binder.world.files().remove_below(&path);
    Ok(())
}

fn drop_schema(binder: &Binder<'_>, name: &[String], cascade: bool) -> Result<()> {
    let (top, schema) = binder.session.schema_name(name)?;
    let mut catalog = binder.world.catalog();
    let found = catalog.schema(&top, &schema)?;
    let is_empty = found.tables.is_empty() && found.volumes.is_empty();
    if !(cascade || is_empty) {
        let message = format!("Cannot drop a schema `{top}`.`{schema}` because it contains objects.");
        return Err(SqlError::new("SCHEMA_NOT_EMPTY", "2BP01", message));
    }
    let removed = catalog.catalog_mut(&top)?.remove_schema(&schema);
    std::mem::drop(catalog);
    for table in removed.iter().flat_map(|schema| schema.tables.values()) {
        binder.storage.drop(table)?;
    }
    Ok(())
}

fn truncate(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    tokens.expect(&["TABLE"])?;
    let name = full(binder, tokens)?;
    tokens.finish()?;
    let table = binder.table(&name, Privilege::Modify)?;
    binder.storage.set_commit(table.version() + 1, binder.session.now.timestamp_micros());
    binder.storage.execute(&format!("DELETE FROM {}", table.storage()))?;
    record(binder, &name, "TRUNCATE", Vec::new())?;
    done()
}

/// Maintenance changes nothing that can be seen but the history.
fn maintain(binder: &mut Binder<'_>, tokens: &mut Tokens, operation: &'static str) -> Outcome {
    let name = full(binder, tokens)?;
    let rest = tokens.rest_of_level();
    let first = rest.split(' ').next().unwrap_or_default().to_uppercase();
    if !matches!(first.as_str(), "" | "WHERE" | "ZORDER" | "FULL" | "RETAIN" | "DRY" | "COMPUTE")
        || tokens.sees_mark(&Token::RParen)
    {
        return Err(SqlError::syntax(format!("'{rest}'")));
    }
    let table = binder.table(&name, Privilege::Modify)?;
    if operation == "OPTIMIZE" && !table.is_view() {
        record(binder, &name, operation, vec![("zOrderBy".into(), "[]".into())])?;
        return Ok(Output::texts(&["path", "metrics"], vec![vec![Some(String::new()), Some("{}".into())]]));
    }
    done()
}
