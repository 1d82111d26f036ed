//! What Unity Catalog has, and making it what is wanted.
//!
//! Looking costs calls and no statement: the warehouse is not woken where nothing is to do. Everything that is made is made
//! so that two who make it at once both succeed.

use std::collections::BTreeMap;

use engine::model::table::TableSpec;
use engine::{Error, Result};
use serde::Deserialize;

use super::client::{Ask, Client};
use super::refusal::Failure;
use super::sql::{self, BATCH, Delta, KEY_PROPERTY, LANDED, LEDGER, PLACE, Place, TOUCH, name};
use super::statements::{Origin, Statement};
use crate::http::Method;
use crate::warehouse::schema::{self, ExistingColumn, ExistingTable, Step};
use crate::warehouse::{check_table, meta};

const CATALOG: &str = "api/2.1/unity-catalog";

#[derive(Deserialize, Default)]
#[serde(default)]
struct TableInfo {
    table_type: Option<String>,
    data_source_format: Option<String>,
    columns: Vec<ColumnInfo>,
    properties: BTreeMap<String, String>,
    table_constraints: Vec<Constraint>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ColumnInfo {
    name: String,
    type_text: String,
    nullable: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Constraint {
    primary_key_constraint: Option<PrimaryKey>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PrimaryKey {
    child_columns: Vec<String>,
}

/// What there is of what loading a table needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// What the table lacks.
    pub(super) steps: Vec<Step>,
    /// Whether the volume is there.
    pub(super) volume: bool,
    /// Whether the ledger is there.
    ledger: bool,
    /// Whether the table of everything that came is there, with which columns.
    raw: Option<Vec<String>>,
}

impl Client {
    /// Makes the table, and what loading it needs, what is wanted.
    ///
    /// # Errors
    /// Stops when the table has a column of another type or another key, or a right is missing, and says in words what to do.
    pub(super) async fn migrate(&self, table: &TableSpec, place: &Place) -> Result<()> {
        let found = self.look_up(table, place).await?;
        let statements = self.missing(table, place, &found).await?;
        if statements.is_empty() {
            return Ok(());
        }
        for sql in statements {
            self.make(table, sql).await?;
        }
        // Whoever else made it at the same time may have made another one.
        let found = self.look_up(table, place).await?;
        match found.steps.is_empty() {
            true => Ok(()),
            false => Err(Error::later(format!(
                "table {} is being changed by somebody else: {}",
                place.table,
                schema::describe(&found.steps)
            ))),
        }
    }

    /// What there is.
    ///
    /// # Errors
    /// As [`Client::migrate`].
    pub(super) async fn look_up(&self, table: &TableSpec, place: &Place) -> Result<Found> {
        check(table)?;
        let settings = &self.settings;
        let existing = self.table(&settings.schema, &table.name).await?;
        let existing = existing.map(|info| existing_table(table, info)).transpose()?;
        let steps = schema::diff(table, existing.as_ref(), &Delta(&place.table))?;
        let volume = self.has("volumes", &[&settings.schema, &settings.volume]).await?;
        let ledger = self.table(settings.ledger_schema(), LEDGER).await?.is_some();
        let raw = match &settings.raw {
            None => None,
            Some(raw) => {
                let schema = raw.schema.as_deref().unwrap_or(&settings.schema);
                let info = self.table(schema, &format!("{}{}", table.name, raw.suffix)).await?;
                Some(info.map(|info| info.columns.into_iter().map(|column| column.name).collect()).unwrap_or_default())
            }
        };
        Ok(Found { steps, volume, ledger, raw })
    }

    /// The statements that make what is missing.
    async fn missing(&self, table: &TableSpec, place: &Place, found: &Found) -> Result<Vec<String>> {
        let settings = &self.settings;
        let mut statements = Vec::new();
        let is_new = found.steps.contains(&Step::Create);
        let raw_is_new = found.raw.as_ref().is_some_and(Vec::is_empty);
        if is_new || raw_is_new || !found.volume || !found.ledger {
            statements.extend(self.missing_schemas().await?);
        }
        if !found.volume {
            let volume = [&settings.catalog, &settings.schema, &settings.volume].map(|part| name(part)).join(".");
            statements.push(format!("CREATE VOLUME IF NOT EXISTS {volume} COMMENT 'Files on their way into tables.'"));
        }
        if !found.ledger {
            statements.push(sql::create_ledger(&place.ledger));
        }
        statements.extend(sql::steps(table, place, &found.steps));
        if is_new && !settings.tags.is_empty() {
            statements.push(sql::set_tags(&place.table, settings.tags.iter()));
        }
        if let (Some(raw), Some(columns)) = (&place.raw, &found.raw) {
            let lacks = |name: &&str| !columns.iter().any(|column| column.eq_ignore_ascii_case(name));
            let missing: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).filter(lacks).collect();
            if columns.is_empty() {
                statements.push(sql::create_raw(table, raw));
            } else if !missing.is_empty() {
                statements.push(sql::extend_raw(table, raw, &missing));
            }
        }
        Ok(statements)
    }

    async fn missing_schemas(&self) -> Result<Vec<String>> {
        let settings = &self.settings;
        if !self.has("catalogs", &[]).await? {
            return Err(Error::stop(format!(
                "there is no catalog `{}`, or `{}` may not use it: name another one as `catalog`, or let an administrator run \
                 `CREATE CATALOG` for it. {}",
                settings.catalog,
                self.http.host(),
                self.grants.all()
            )));
        }
        let raw = settings.raw.as_ref().and_then(|raw| raw.schema.as_deref());
        let mut schemas: Vec<&str> = vec![&settings.schema, settings.ledger_schema()];
        schemas.extend(raw);
        let mut statements = Vec::new();
        for (i, schema) in schemas.iter().enumerate() {
            if !schemas[..i].contains(schema) && !self.has("schemas", &[schema]).await? {
                statements.push(format!("CREATE SCHEMA IF NOT EXISTS {}.{}", name(&settings.catalog), name(schema)));
            }
        }
        Ok(statements)
    }

    /// Runs a statement that makes something; that somebody else made it in between is as good.
    async fn make(&self, table: &TableSpec, sql: String) -> Result<()> {
        let statement = Statement {
            what: format!("«{}»", first_words(&sql)),
            sql,
            parameters: Vec::new(),
            origin: Origin { run: "prepare".to_owned(), sync: table.name.clone(), step: "prepare".to_owned() },
        };
        match self.run(&statement).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_class("FIELDS_ALREADY_EXISTS") || failure.is_class("FIELD_ALREADY_EXISTS") => {
                Ok(())
            }
            Err(failure) if failure.is_class("TABLE_OR_VIEW_ALREADY_EXISTS") => Ok(()),
            Err(failure) => Err(failure.into_error()),
        }
    }

    async fn table(&self, schema: &str, table: &str) -> Result<Option<TableInfo>> {
        let full = format!("{}.{schema}.{table}", self.settings.catalog);
        let what = format!("table `{full}`");
        match self.ask(&Ask::new(Method::GET, &[CATALOG, "tables", &full], &what)).await {
            Err(Failure::Missing(_)) => Ok(None),
            info => Ok(info?),
        }
    }

    /// Whether the catalog has something of this kind.
    async fn has(&self, kind: &str, below: &[&str]) -> Result<bool> {
        let full: Vec<&str> = std::iter::once(self.settings.catalog.as_str()).chain(below.iter().copied()).collect();
        let full = full.join(".");
        let what = format!("`{full}` among the {kind}");
        match self.tell(&Ask::new(Method::GET, &[CATALOG, kind, &full], &what)).await {
            Err(Failure::Missing(_)) => Ok(false),
            told => Ok(told.map(|()| true)?),
        }
    }
}

/// Checks everything about a table that no workspace needs to be asked for.
fn check(table: &TableSpec) -> Result<()> {
    check_table(table)?;
    let ours: Vec<&str> = LANDED.iter().map(|(column, _)| *column).chain([BATCH, TOUCH, PLACE]).collect();
    match table.columns.iter().find(|column| ours.iter().any(|ours| ours.eq_ignore_ascii_case(&column.name))) {
        None => Ok(()),
        Some(column) => Err(Error::stop(format!(
            "table `{}`: column `{}` has the name of a column of landed files: rename it in the blueprint",
            table.name, column.name
        ))),
    }
}

fn existing_table(table: &TableSpec, info: TableInfo) -> Result<ExistingTable> {
    let kind = info.table_type.as_deref().unwrap_or("MANAGED");
    let format = info.data_source_format.as_deref().unwrap_or("DELTA");
    if !matches!(kind, "MANAGED" | "EXTERNAL") || !format.eq_ignore_ascii_case("DELTA") {
        return Err(Error::stop(format!(
            "table `{}` is no Delta table but {kind} {format}: rename it, or name another schema in the connection",
            table.name
        )));
    }
    // Unity Catalog compares names without case.
    let declared = |name: &str| {
        let own = table.columns.iter().map(|column| column.name.as_str());
        own.chain(meta::COLUMNS).find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name).to_owned()
    };
    let columns = info.columns.iter().map(|column| ExistingColumn {
        name: declared(&column.name),
        kind: column.type_text.to_ascii_lowercase().replace(", ", ","),
        required: column.nullable == Some(false),
    });
    let keys = info.table_constraints.iter().filter_map(|constraint| constraint.primary_key_constraint.as_ref());
    let mut unique: Vec<Vec<String>> =
        keys.map(|key| key.child_columns.iter().map(|column| declared(column)).collect()).collect();
    unique.extend(info.properties.get(KEY_PROPERTY).map(|key| key.split(',').map(declared).collect()));
    Ok(ExistingTable { columns: columns.collect(), unique })
}

/// As much of a statement as a message needs.
fn first_words(sql: &str) -> String {
    match sql.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &sql[..end]),
        None => sql.to_owned(),
    }
}
