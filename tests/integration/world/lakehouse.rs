//! A simulated Databricks workspace as the warehouse of a test, read as somebody else and not with the product.

use std::collections::BTreeMap;

use sandbox::databricks::{Builder, DatabricksSandbox, Principal};

use super::{Rows, block_on};

const CLIENT_ID: &str = "4f1c0a7e-loader";
const CLIENT_SECRET: &str = "dose+of/secret=";

/// A workspace whose loader may do everything, and what the tenant file says of it besides.
pub struct Lakehouse {
    /// The workspace.
    pub sandbox: DatabricksSandbox,
    lines: Vec<String>,
}

impl Lakehouse {
    /// A workspace with a running warehouse `w1` and an empty catalog `main`.
    pub fn new() -> Self {
        Self::of(DatabricksSandbox::builder(), Principal::new(CLIENT_ID, CLIENT_SECRET))
    }

    /// A workspace with this loader, made by `privileges` of one who may do everything.
    pub fn with_loader(privileges: impl FnOnce(Principal) -> Principal) -> Self {
        Self::of(DatabricksSandbox::builder(), privileges(Principal::new(CLIENT_ID, CLIENT_SECRET)))
    }

    /// This workspace.
    pub fn built(builder: Builder) -> Self {
        Self::of(builder, Principal::new(CLIENT_ID, CLIENT_SECRET))
    }

    fn of(builder: Builder, loader: Principal) -> Self {
        Self { sandbox: block_on(builder.principal(loader).start()).unwrap(), lines: Vec::new() }
    }

    /// Another line of the connection.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// The connection of the tenant file.
    pub fn settings(&self) -> String {
        let own: String = self.lines.iter().map(|line| format!("      {line}\n")).collect();
        format!(
            "    databricks:\n      url: {}\n      warehouse: w1\n      catalog: main\n      secret: lakehouse\n{own}",
            self.sandbox.url()
        )
    }

    /// What the environment of the program says of the secret.
    pub fn secrets(&self) -> [(&'static str, &'static str); 2] {
        [
            ("ML_CONNECTOR_SECRET_LAKEHOUSE_CLIENT_ID", CLIENT_ID),
            ("ML_CONNECTOR_SECRET_LAKEHOUSE_CLIENT_SECRET", CLIENT_SECRET),
        ]
    }

    /// Every row of a table by `_source_id`; a table that is not there has none.
    pub fn rows(&self, table: &str) -> Rows {
        let Ok(rows) = self.sandbox.rows(&format!("main.erp.{table}")) else { return Rows::new() };
        let named = |row: Vec<Option<String>>| -> BTreeMap<String, String> {
            let cells = rows.names.iter().zip(row);
            cells.filter_map(|(name, cell)| Some((name.clone(), cell?))).collect()
        };
        rows.rows.iter().cloned().map(named).map(|row| (row["_source_id"].clone(), row)).collect()
    }

    /// Runs a statement as somebody else.
    #[track_caller]
    pub fn sql(&self, statement: &str) -> Vec<Vec<String>> {
        let rows = self.sandbox.sql(statement).unwrap_or_else(|e| panic!("{statement}: {e}"));
        rows.texts().into_iter().map(|row| row.into_iter().map(str::to_owned).collect()).collect()
    }

    /// How many statements the program has sent besides looking at what is there.
    pub fn statements(&self) -> usize {
        self.sandbox.statements().len()
    }
}
