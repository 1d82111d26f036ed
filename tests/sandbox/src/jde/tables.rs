//! All tables of one simulated database, and the business views over them.
//!
//! Invariant: a name is a table (`F…`) or a view (`V…`), never both; a view shows columns of one table.

use std::collections::BTreeMap;

use super::cell::Collation;
use super::schema::Schema;
use super::table::Table;
use super::table_error::TableError;

/// The tables and views that a server serves.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    tables: BTreeMap<String, Table>,
    views: BTreeMap<String, String>,
}

impl Tables {
    /// No table at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every standard table the simulator knows, empty.
    pub fn standard() -> Self {
        let mut tables = Self::new();
        for schema in Schema::standard_names().filter_map(Schema::standard) {
            tables.add(schema);
        }
        tables
    }

    /// Adds an empty table, in place of one with the same name.
    pub fn add(&mut self, schema: Schema) -> &mut Table {
        let name = schema.name().to_owned();
        self.put(Table::new(schema), name)
    }

    /// Adds a table with its rows, in place of one with the same name.
    pub fn add_table(&mut self, table: Table) -> &mut Table {
        let name = table.schema().name().to_owned();
        self.put(table, name)
    }

    fn put(&mut self, table: Table, name: String) -> &mut Table {
        let entry = self.tables.entry(name).or_insert_with(|| Table::new(table.schema().clone()));
        *entry = table;
        entry
    }

    /// Adds a business view over one table: the same rows under the view's name, row keys still those of the table.
    pub fn add_view(&mut self, view: &str, table: &str) {
        self.views.insert(view.into(), table.into());
    }

    /// A table.
    pub fn get(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// A table, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.get_mut(name)
    }

    /// A table that has to be there.
    pub fn existing(&mut self, name: &str) -> Result<&mut Table, TableError> {
        self.tables.get_mut(name).ok_or_else(|| TableError::UnknownTable(name.into()))
    }

    /// All tables by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table))
    }

    /// The table behind a view.
    pub(super) fn behind(&self, view: &str) -> Option<&Table> {
        self.tables.get(self.views.get(view)?)
    }

    pub(super) fn set_collation(&mut self, collation: Collation) {
        self.tables.values_mut().for_each(|table| table.set_collation(collation));
    }
}
