//! `information_schema`: the catalog as tables.

use sqlparser::ast::TableAlias;

use super::from::Source;
use super::{Binder, OutColumn, quoted};
use crate::databricks::catalog::types::Type;
use crate::databricks::catalog::{Catalog, Name, Privilege, Schema};
use crate::databricks::sql::error::{Result, SqlError};

type Row = Vec<Option<String>>;

impl Binder<'_> {
    pub(super) fn information_table(&mut self, name: &Name, alias: Option<&TableAlias>) -> Result<Source> {
        let privileges = &self.session.privileges;
        privileges.demand(Privilege::UseCatalog, &name.catalog).map_err(SqlError::insufficient)?;
        let catalog = self.world.catalog();
        // What nobody may see is not there.
        let schemas: Vec<&Schema> = catalog
            .catalog(&name.catalog)?
            .schemas()
            .filter(|schema| privileges.has(Privilege::UseSchema, &format!("{}.{}", name.catalog, schema.name)))
            .collect();
        let (names, rows): (&[&str], Vec<Row>) = match name.own.to_lowercase().as_str() {
            "schemata" => (&["catalog_name", "schema_name", "comment"], of_schemas(name, &schemas)),
            "tables" => (
                &["table_catalog", "table_schema", "table_name", "table_type", "data_source_format", "comment"],
                of_tables(name, &schemas),
            ),
            "columns" => (
                &[
                    "table_catalog",
                    "table_schema",
                    "table_name",
                    "column_name",
                    "ordinal_position",
                    "is_nullable",
                    "full_data_type",
                    "data_type",
                    "comment",
                ],
                of_columns(name, &schemas),
            ),
            "volumes" => (
                &["volume_catalog", "volume_schema", "volume_name", "volume_type", "comment"],
                of_volumes(name, &schemas),
            ),
            _ => return Err(SqlError::table_not_found(&name.quoted())),
        };
        drop(catalog);
        let columns: Vec<OutColumn> = names
            .iter()
            .map(|name| OutColumn {
                name: (*name).into(),
                ty: if *name == "ordinal_position" { Type::Int } else { Type::String },
            })
            .collect();
        let own = self.alias();
        let sql = format!("({}) AS {own}", written(&columns, &rows));
        let path = vec![name.catalog.clone(), name.schema.clone(), name.own.clone()];
        self.source(sql, &own, columns, alias, path)
    }
}

/// Rows of texts and numbers as a query.
fn written(columns: &[OutColumn], rows: &[Row]) -> String {
    if rows.is_empty() {
        let nothing: Vec<String> = (0..columns.len()).map(|at| format!("NULL AS c{at}")).collect();
        return format!("SELECT {} WHERE 0", nothing.join(", "));
    }
    let names: Vec<String> = (0..columns.len()).map(|at| format!("column{} AS c{at}", at + 1)).collect();
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(columns).map(|(cell, column)| match cell {
                None => "NULL".into(),
                Some(number) if column.ty == Type::Int => number.clone(),
                Some(text) => quoted(text),
            });
            format!("({})", cells.collect::<Vec<String>>().join(", "))
        })
        .collect();
    format!("SELECT {} FROM (VALUES {})", names.join(", "), rows.join(", "))
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

fn of_schemas(name: &Name, schemas: &[&Schema]) -> Vec<Row> {
    schemas.iter().map(|schema| vec![some(&name.catalog), some(&schema.name), schema.comment.clone()]).collect()
}

fn of_tables(name: &Name, schemas: &[&Schema]) -> Vec<Row> {
    let tables = schemas.iter().flat_map(|schema| schema.tables.values().map(|table| (*schema, table)));
    let row = |(schema, table): (&Schema, &crate::databricks::catalog::Table)| {
        let (kind, format) = if table.is_view() { ("VIEW", None) } else { ("MANAGED", some("DELTA")) };
        vec![some(&name.catalog), some(&schema.name), some(&table.name), some(kind), format, table.comment.clone()]
    };
    tables.map(row).collect()
}

fn of_columns(name: &Name, schemas: &[&Schema]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (schema, table) in schemas.iter().flat_map(|schema| schema.tables.values().map(move |table| (schema, table))) {
        for (at, column) in table.columns.iter().enumerate() {
            let full = column.ty.to_string().to_lowercase();
            rows.push(vec![
                some(&name.catalog),
                some(&schema.name),
                some(&table.name),
                some(&column.name),
                Some(at.to_string()),
                some(if column.nullable { "YES" } else { "NO" }),
                some(&full),
                some(column.ty.name()),
                column.comment.clone(),
            ]);
        }
    }
    rows
}

fn of_volumes(name: &Name, schemas: &[&Schema]) -> Vec<Row> {
    let volumes = schemas.iter().flat_map(|schema| schema.volumes.values().map(|volume| (*schema, volume)));
    let row = |(schema, volume): (&Schema, &crate::databricks::catalog::Volume)| {
        vec![some(&name.catalog), some(&schema.name), some(&volume.name), some("MANAGED"), volume.comment.clone()]
    };
    volumes.map(row).collect()
}

/// Whether a catalog has such a schema, the one of this module included.
pub(in super::super) fn has_schema(catalog: &Catalog, name: &str, schema: &str) -> Result<bool> {
    catalog.catalog(name)?;
    Ok(schema.eq_ignore_ascii_case("information_schema") || catalog.schema(name, schema).is_ok())
}
