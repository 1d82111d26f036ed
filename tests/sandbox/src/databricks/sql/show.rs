//! SHOW and DESCRIBE.

use chrono::{DateTime, Utc};
use rusqlite::types::Value;
use sqlparser::tokenizer::Token;

use super::bind::{Binder, OutColumn};
use super::convert::{borrowed, shown};
use super::error::{Result, SqlError};
use super::run::{Outcome, Output};
use super::tokens::Tokens;
use crate::databricks::catalog::types::{Field, Type};
use crate::databricks::catalog::{Kind, Privilege, Table};

/// Runs it if it is one.
pub(super) fn run(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Option<Outcome> {
    if tokens.eat(&["SHOW"]) {
        return Some(show(binder, tokens));
    }
    if tokens.eat(&["DESCRIBE"]) || tokens.eat(&["DESC"]) {
        return Some(describe(binder, tokens));
    }
    None
}

fn show(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    if tokens.eat(&["CATALOGS"]) {
        tokens.finish()?;
        let catalog = binder.world.catalog();
        let rows = catalog.catalogs().map(|top| vec![Some(top.name.clone())]).collect();
        return Ok(Output::texts(&["catalog"], rows));
    }
    if tokens.eat(&["SCHEMAS"]) || tokens.eat(&["DATABASES"]) {
        let name = if tokens.eat(&["IN"]) || tokens.eat(&["FROM"]) {
            tokens.identifier()?
        } else {
            binder.session.catalog.clone()
        };
        tokens.finish()?;
        demand(binder, Privilege::UseCatalog, &name)?;
        let catalog = binder.world.catalog();
        let rows = catalog.catalog(&name)?.schemas().map(|schema| vec![Some(schema.name.clone())]).collect();
        return Ok(Output::texts(&["databaseName"], rows));
    }
    if tokens.eat(&["TABLES"]) || tokens.sees(&["VOLUMES"]) {
        let volumes = tokens.eat(&["VOLUMES"]);
        let (catalog, schema) = schema(binder, tokens)?;
        tokens.finish()?;
        let known = binder.world.catalog();
        let schema = known.schema(&catalog, &schema)?;
        if volumes {
            let rows =
                schema.volumes.values().map(|one| vec![Some(schema.name.clone()), Some(one.name.clone())]).collect();
            return Ok(Output::texts(&["database", "volume_name"], rows));
        }
        let rows = schema
            .tables
            .values()
            .map(|one| vec![Some(schema.name.clone()), Some(one.name.clone()), Some("false".into())]);
        let mut output = Output::texts(&["database", "tableName", "isTemporary"], rows.collect());
        if let Some(column) = output.columns.last_mut() {
            column.ty = Type::Boolean;
        }
        return Ok(output);
    }
    if tokens.eat(&["COLUMNS"]) {
        let _in = tokens.eat(&["IN"]) || tokens.eat(&["FROM"]);
        let table = table(binder, tokens)?;
        return Ok(Output::texts(
            &["col_name"],
            table.columns.iter().map(|column| vec![Some(column.name.clone())]).collect(),
        ));
    }
    if tokens.eat(&["TBLPROPERTIES"]) {
        let table = table(binder, tokens)?;
        let rows = table.properties.iter().map(|(key, value)| vec![Some(key.clone()), Some(value.clone())]).collect();
        return Ok(Output::texts(&["key", "value"], rows));
    }
    if tokens.eat(&["GRANTS"]) {
        return grants(binder, tokens);
    }
    Err(tokens.unexpected())
}

fn demand(binder: &Binder<'_>, privilege: Privilege, on: &str) -> Result<()> {
    binder.session.privileges.demand(privilege, on).map_err(SqlError::insufficient)
}

/// `IN a.b`, or the schema of the session.
fn schema(binder: &Binder<'_>, tokens: &mut Tokens) -> Result<(String, String)> {
    let (catalog, schema) = if tokens.eat(&["IN"]) || tokens.eat(&["FROM"]) {
        binder.session.schema_name(&tokens.name()?)?
    } else {
        (binder.session.catalog.clone(), binder.session.schema.clone())
    };
    demand(binder, Privilege::UseCatalog, &catalog)?;
    demand(binder, Privilege::UseSchema, &format!("{catalog}.{schema}"))?;
    Ok((catalog, schema))
}

fn table(binder: &Binder<'_>, tokens: &mut Tokens) -> Result<Table> {
    let name = binder.name(&tokens.name()?)?;
    tokens.finish()?;
    binder.table(&name, Privilege::Select)
}

/// What the caller may do with one thing: `SHOW GRANTS [principal] ON TABLE a.b.c`.
fn grants(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    let principal = if tokens.sees(&["ON"]) { binder.session.user.clone() } else { tokens.identifier()? };
    tokens.expect(&["ON"])?;
    let kind = tokens.identifier()?.to_uppercase();
    let name = tokens.name()?.join(".");
    tokens.finish()?;
    let on = match kind.as_str() {
        "CATALOG" => "Catalog",
        "SCHEMA" | "DATABASE" => "Schema",
        "TABLE" | "VIEW" => "Table",
        "VOLUME" => "Volume",
        _ => return Err(SqlError::syntax(format!("'{kind}'"))),
    };
    let own = Privilege::ALL.into_iter().filter(|one| one.on() == on && binder.session.privileges.has(*one, &name));
    let rows =
        own.map(|one| vec![Some(principal.clone()), Some(one.sql().into()), Some(kind.clone()), Some(name.clone())]);
    Ok(Output::texts(&["Principal", "ActionType", "ObjectType", "ObjectKey"], rows.collect()))
}

fn describe(binder: &mut Binder<'_>, tokens: &mut Tokens) -> Outcome {
    if tokens.eat(&["HISTORY"]) {
        let name = binder.name(&tokens.name()?)?;
        let limit = if tokens.eat(&["LIMIT"]) { tokens.number()? } else { usize::MAX };
        tokens.finish()?;
        let table = binder.table(&name, Privilege::Select)?;
        let (columns, rows) = history(&table);
        let rows = rows.into_iter().take(limit).map(|row| {
            let cells = row.iter().zip(&columns);
            cells.map(|(cell, column)| cell.as_ref().and_then(|cell| shown(borrowed(cell), &column.ty))).collect()
        });
        let rows = rows.collect();
        return Ok(Output { rows, columns, truncated: false });
    }
    if tokens.eat(&["DETAIL"]) {
        let table = table(binder, tokens)?;
        let row = vec![
            Some("delta".into()),
            Some(table.id.to_string()),
            Some(table.name.clone()),
            table.comment.clone(),
            Some(table.created_at.to_rfc3339()),
        ];
        return Ok(Output::texts(&["format", "id", "name", "description", "createdAt"], vec![row]));
    }
    let _table = tokens.eat(&["TABLE"]);
    let extended = tokens.eat(&["EXTENDED"]);
    let table = table(binder, tokens)?;
    let mut rows: Vec<Vec<Option<String>>> = table
        .columns
        .iter()
        .map(|column| {
            vec![Some(column.name.clone()), Some(column.ty.to_string().to_lowercase()), column.comment.clone()]
        })
        .collect();
    if extended {
        let mut line =
            |name: &str, value: &str| rows.push(vec![Some(name.into()), Some(value.into()), Some(String::new())]);
        line("", "");
        line("# Detailed Table Information", "");
        line("Table", &table.name);
        line("Type", if table.is_view() { "VIEW" } else { "MANAGED" });
        line("Comment", table.comment.as_deref().unwrap_or_default());
        line("Owner", &table.owner);
        if let Kind::View(query) = &table.kind {
            line("View Text", query);
        }
    }
    Ok(Output::texts(&["col_name", "data_type", "comment"], rows))
}

/// The versions of a table, the latest first, as the storage keeps values.
pub(super) fn history(table: &Table) -> (Vec<OutColumn>, Vec<Vec<Option<Value>>>) {
    let text = |name: &str| OutColumn { name: name.into(), ty: Type::String };
    let map = Type::Map(Box::new(Type::String), Box::new(Type::String));
    let notebook = Type::Struct(vec![Field { name: "notebookId".into(), ty: Type::String }]);
    let columns = vec![
        OutColumn { name: "version".into(), ty: Type::Long },
        OutColumn { name: "timestamp".into(), ty: Type::Timestamp },
        text("userId"),
        text("userName"),
        text("operation"),
        OutColumn { name: "operationParameters".into(), ty: map.clone() },
        OutColumn { name: "job".into(), ty: notebook.clone() },
        OutColumn { name: "notebook".into(), ty: notebook },
        text("clusterId"),
        OutColumn { name: "readVersion".into(), ty: Type::Long },
        text("isolationLevel"),
        OutColumn { name: "isBlindAppend".into(), ty: Type::Boolean },
        OutColumn { name: "operationMetrics".into(), ty: map },
        text("userMetadata"),
        text("engineInfo"),
    ];
    let object = |pairs: &[(String, String)]| {
        let object: serde_json::Map<String, serde_json::Value> =
            pairs.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        Some(Value::Text(serde_json::Value::Object(object).to_string()))
    };
    let row = |commit: &crate::databricks::catalog::Commit| {
        let text = |text: &str| Some(Value::Text(text.into()));
        vec![
            Some(Value::Integer(commit.version)),
            Some(Value::Integer(micros(commit.at))),
            text("1"),
            text(&commit.user),
            text(commit.operation),
            object(&commit.parameters),
            None,
            None,
            None,
            (commit.version > 0).then_some(Value::Integer(commit.version - 1)),
            text("WriteSerializable"),
            Some(Value::Integer(commit.blind_append.into())),
            object(&commit.metrics),
            None,
            text("Databricks-Runtime/17.3.x-photon-scala2.13"),
        ]
    };
    (columns, table.history.iter().rev().map(row).collect())
}

fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// The words of a privilege list up to ON, as GRANT and REVOKE have them.
pub(super) fn privilege_words(tokens: &mut Tokens) -> Result<Vec<String>> {
    let mut words = vec![String::new()];
    while !tokens.sees(&["ON"]) {
        if tokens.eat_mark(&Token::Comma) {
            words.push(String::new());
            continue;
        }
        let word = tokens.identifier()?;
        if let Some(last) = words.last_mut() {
            last.push_str(if last.is_empty() { "" } else { " " });
            last.push_str(&word);
        }
    }
    Ok(words)
}
