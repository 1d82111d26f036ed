//! Database connections: what they are, whether they work, and what the catalogue behind them shows.

use serde_json::{Value as Json, json};

use super::error::Refusal;
use super::parameters::Parameters;
use super::server::Shared;
use super::warehouse::{Column, Dialect, Warehouse};

const TESTS: [&str; 3] = ["connect", "kill", "query"];

impl Shared {
    /// `DBConnection` of each connection.
    pub(super) fn connections(&self) -> Json {
        self.state().warehouses.iter().map(|(name, warehouse)| connection(name, warehouse)).collect()
    }

    pub(super) fn connection(&self, name: &str) -> Result<Json, Refusal> {
        Ok(connection(name, &self.warehouse(name)?))
    }

    /// `PUT /connections/{name}/test`: the HTTP status says nothing, each element does.
    pub(super) async fn test_connection(&self, name: &str, parameters: &Parameters) -> Result<Json, Refusal> {
        let warehouse = self.warehouse(name)?;
        let asked = parameters.list("tests").unwrap_or_else(|| TESTS.map(str::to_owned).to_vec());
        let answer = warehouse.query("SELECT 1").await;
        let mut results = Vec::new();
        // Tests that the dialect does not have are ignored, as the vendor says.
        for test in asked.iter().filter(|test| TESTS.contains(&test.as_str())) {
            let (status, message) = match (&answer, test.as_str()) {
                (Ok(_), "connect") => ("success", "Can connect".to_owned()),
                (Ok(_), "kill") => ("success", "Can kill queries".to_owned()),
                (Ok(_), _) => ("success", "Can run simple select query".to_owned()),
                (Err(why), "connect") => ("error", format!("Cannot connect: {why}")),
                (Err(_), _) => ("error", "Skipped, because it cannot connect".to_owned()),
            };
            let mut result = json!({"name": test, "status": status, "message": message, "can": {}});
            if test == "connect" {
                result["connection_string"] = json!(warehouse.address());
            }
            results.push(result);
        }
        Ok(Json::Array(results))
    }

    /// `GET /connections/{name}/columns`: one entry per table. The catalogue is always read anew.
    pub(super) async fn columns(&self, name: &str, parameters: &Parameters) -> Result<Json, Refusal> {
        let warehouse = self.warehouse(name)?;
        let columns = warehouse.columns(parameters.text("schema_name")).await;
        let columns = columns.map_err(|why| Refusal::invalid("connection_name", why))?;
        let wanted = parameters.list("table_names");
        let most = parameters.integer("table_limit").and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        let mut tables: Vec<(String, String, Vec<Json>)> = Vec::new();
        for column in columns.iter().filter(|column| wanted.as_ref().is_none_or(|names| names.contains(&column.table)))
        {
            match tables.last_mut() {
                Some((schema, table, described)) if *schema == column.schema && *table == column.table => {
                    described.push(describe(column));
                }
                _ => tables.push((column.schema.clone(), column.table.clone(), vec![describe(column)])),
            }
        }
        let shown = tables.into_iter().take(most).map(|(schema, table, columns)| {
            json!({"name": table, "sql_escaped_name": table, "schema_name": schema, "columns": columns})
        });
        Ok(shown.collect())
    }

    fn warehouse(&self, name: &str) -> Result<Warehouse, Refusal> {
        self.state().warehouses.get(name).cloned().ok_or(Refusal::NotFound)
    }
}

fn connection(name: &str, warehouse: &Warehouse) -> Json {
    let dialect = warehouse.dialect();
    let label = match dialect {
        Dialect::Sqlite => "SQLite (simulated)",
        Dialect::Postgres => "PostgreSQL 9.5+",
    };
    json!({
        "name": name,
        "dialect_name": dialect.name(),
        "dialect": {"name": dialect.name(), "label": label, "connection_tests": TESTS},
        "db_timezone": "UTC",
        "query_timezone": "UTC",
        "can": {},
    })
}

fn describe(column: &Column) -> Json {
    let kind = column.kind.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| kind.contains(part));
    let looker = if has(&["timestamp", "datetime"]) {
        "datetime"
    } else if kind == "date" {
        "date"
    } else if has(&["int", "numeric", "decimal", "real", "double", "float"]) {
        "number"
    } else if has(&["bool"]) {
        "yesno"
    } else {
        "string"
    };
    json!({
        "name": column.name, "sql_escaped_name": column.name, "schema_name": column.schema,
        "data_type_database": column.kind, "data_type": kind, "data_type_looker": looker, "description": null,
    })
}
