//! Unity Catalog: what exists, of which type, who may use it, and what happened to each table.
//!
//! Invariant: names are found whatever their case and shown as they were given. The rows of a table are elsewhere, under
//! its number.

mod privileges;
mod table;
pub(super) mod types;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

pub use privileges::Privilege;
pub(super) use privileges::Privileges;
pub(super) use table::{Column, Commit, Constraint, Kind, Table};

use super::sql::error::{Result, SqlError};

/// The whole metastore.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    catalogs: BTreeMap<String, Top>,
    next: u64,
}

/// What Unity Catalog calls a catalog.
#[derive(Clone, Debug)]
pub(super) struct Top {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    schemas: BTreeMap<String, Schema>,
}

/// A schema with its tables and volumes.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) volumes: BTreeMap<String, Volume>,
    pub(super) created_at: DateTime<Utc>,
}

/// A volume; its files are elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    pub(super) created_at: DateTime<Utc>,
}

/// A full name of a table, schema or volume: catalog, schema and its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) catalog: String,
    pub(super) schema: String,
    pub(super) own: String,
}

impl Name {
    /// With points between.
    pub(super) fn full(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.schema, self.own)
    }

    /// With each part in backticks, as errors show it.
    pub(super) fn quoted(&self) -> String {
        format!("`{}`.`{}`.`{}`", self.catalog, self.schema, self.own)
    }

    pub(super) fn schema_full(&self) -> String {
        format!("{}.{}", self.catalog, self.schema)
    }
}

impl Catalog {
    /// A number that nothing else has.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn add_catalog(&mut self, name: &str, comment: Option<String>) {
        let top = Top { name: name.into(), comment, schemas: BTreeMap::new() };
        self.catalogs.entry(name.to_lowercase()).or_insert(top);
    }

    pub(super) fn catalogs(&self) -> impl Iterator<Item = &Top> {
        self.catalogs.values()
    }

    pub(super) fn catalog(&self, name: &str) -> Result<&Top> {
        self.catalogs.get(&name.to_lowercase()).ok_or_else(|| SqlError::catalog_not_found(name))
    }

    pub(super) fn catalog_mut(&mut self, name: &str) -> Result<&mut Top> {
        self.catalogs.get_mut(&name.to_lowercase()).ok_or_else(|| SqlError::catalog_not_found(name))
    }

    pub(super) fn schema(&self, catalog: &str, schema: &str) -> Result<&Schema> {
        let found = self.catalog(catalog)?.schemas.get(&schema.to_lowercase());
        found.ok_or_else(|| SqlError::schema_not_found(&format!("`{catalog}`.`{schema}`")))
    }

    pub(super) fn schema_mut(&mut self, catalog: &str, schema: &str) -> Result<&mut Schema> {
        let found = self.catalog_mut(catalog)?.schemas.get_mut(&schema.to_lowercase());
        found.ok_or_else(|| SqlError::schema_not_found(&format!("`{catalog}`.`{schema}`")))
    }

    /// A table or view. A schema that is not there is told as a missing table, as the service does for queries.
    pub(super) fn table(&self, name: &Name) -> Result<&Table> {
        let schema = self.schema(&name.catalog, &name.schema).ok();
        let found = schema.and_then(|schema| schema.tables.get(&name.own.to_lowercase()));
        found.ok_or_else(|| SqlError::table_not_found(&name.quoted()))
    }

    pub(super) fn table_mut(&mut self, name: &Name) -> Result<&mut Table> {
        let schema = self.schema_mut(&name.catalog, &name.schema).ok();
        let found = schema.and_then(|schema| schema.tables.get_mut(&name.own.to_lowercase()));
        found.ok_or_else(|| SqlError::table_not_found(&name.quoted()))
    }

    pub(super) fn volume(&self, name: &Name) -> Result<&Volume> {
        let found = self.schema(&name.catalog, &name.schema)?.volumes.get(&name.own.to_lowercase());
        found.ok_or_else(|| SqlError::volume_not_found(&name.quoted()))
    }
}

impl Top {
    pub(super) fn schemas(&self) -> impl Iterator<Item = &Schema> {
        self.schemas.values()
    }

    /// Adds a schema; whether it is new.
    pub(super) fn add_schema(&mut self, name: &str, comment: Option<String>, now: DateTime<Utc>) -> bool {
        if self.schemas.contains_key(&name.to_lowercase()) {
            return false;
        }
        let (tables, volumes) = (BTreeMap::new(), BTreeMap::new());
        let schema = Schema { name: name.into(), comment, tables, volumes, created_at: now };
        self.schemas.insert(name.to_lowercase(), schema);
        true
    }

    pub(super) fn remove_schema(&mut self, name: &str) -> Option<Schema> {
        self.schemas.remove(&name.to_lowercase())
    }
}

impl Schema {
    /// Adds a volume; whether it is new.
    pub(super) fn add_volume(&mut self, name: &str, comment: Option<String>, now: DateTime<Utc>) -> bool {
        if self.volumes.contains_key(&name.to_lowercase()) {
            return false;
        }
        self.volumes.insert(name.to_lowercase(), Volume { name: name.into(), comment, created_at: now });
        true
    }
}
