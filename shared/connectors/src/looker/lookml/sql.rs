//! How a warehouse has to be asked: the SQL that stands in LookML.

use engine::model::table::ColumnType;
use engine::{Error, Result};

use crate::warehouse::meta;

/// Where the tables are, and by which dialect they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warehouse {
    /// PostgreSQL.
    Postgres {
        /// The schema of the tables.
        schema: String,
        /// The schema of the ledger of loaded batches.
        ledger_schema: String,
    },
    /// Tables of Unity Catalog on Databricks.
    Databricks {
        /// The catalog.
        catalog: String,
        /// The schema of the tables.
        schema: String,
        /// The schema of the ledger of loaded batches.
        ledger_schema: String,
    },
    /// A SQLite file. It has no schemas, and few types: see `warehouse::sqlite`.
    Sqlite,
}

impl Warehouse {
    /// Checks the names that come from the connection's settings.
    pub(super) fn check(&self) -> Result<()> {
        let names = match self {
            Self::Postgres { schema, ledger_schema } => vec![schema, ledger_schema],
            Self::Databricks { catalog, schema, ledger_schema } => vec![catalog, schema, ledger_schema],
            Self::Sqlite => Vec::new(),
        };
        let fits = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match names.into_iter().find(|name| !fits(name)) {
            None => Ok(()),
            Some(name) => Err(Error::stop(format!(
                "`{name}` cannot be the name of a schema: use letters (a-z), digits and underscores"
            ))),
        }
    }

    /// A name as this warehouse takes it, in quotes where it needs them.
    pub(super) fn identifier(&self, name: &str) -> String {
        let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        match self {
            _ if is_plain && RESERVED.binary_search(&name).is_err() => name.to_owned(),
            Self::Databricks { .. } => format!("`{}`", name.replace('`', "``")),
            Self::Postgres { .. } | Self::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// A column of the view's table.
    fn column(&self, name: &str) -> String {
        format!("${{TABLE}}.{}", self.identifier(name))
    }

    /// A table, qualified where there are schemas.
    pub(super) fn table(&self, name: &str) -> String {
        match self {
            Self::Postgres { schema, .. } => format!("{}.{}", self.identifier(schema), self.identifier(name)),
            Self::Databricks { catalog, schema, .. } => {
                [catalog, schema, name].map(|name| self.identifier(name)).join(".")
            }
            Self::Sqlite => self.identifier(name),
        }
    }

    /// The ledger of loaded batches.
    pub(super) fn ledger(&self) -> String {
        match self {
            Self::Postgres { ledger_schema, .. } => format!("{}.load_batches", self.identifier(ledger_schema)),
            Self::Databricks { catalog, ledger_schema, .. } => {
                format!("{}.{}.load_batches", self.identifier(catalog), self.identifier(ledger_schema))
            }
            Self::Sqlite => "etl_load_batches".to_owned(),
        }
    }

    /// The value of a mapped column, as its declared type is meant.
    pub(super) fn value(&self, name: &str, kind: ColumnType) -> String {
        let column = self.column(name);
        match (self, kind) {
            // Documents are neither grouped nor filtered, their text is.
            (Self::Postgres { .. }, ColumnType::Json) => format!("CAST({column} AS TEXT)"),
            (Self::Sqlite, ColumnType::Boolean) => format!("{column} = 1"),
            // Decimals are text there, which would be compared letter by letter.
            (Self::Sqlite, ColumnType::Decimal { .. }) => format!("CAST({column} AS NUMERIC)"),
            _ => column,
        }
    }

    /// The value of a metadata column: what is in bytes there, as text.
    pub(super) fn metadata(&self, name: &str) -> String {
        let column = self.column(name);
        match (self, name) {
            (Self::Postgres { .. }, meta::BATCH_ID) => format!("CAST({column} AS TEXT)"),
            (Self::Postgres { .. }, meta::ROW_HASH) => format!("encode({column}, 'hex')"),
            (Self::Sqlite, meta::BATCH_ID | meta::ROW_HASH) => format!("lower(hex({column}))"),
            (Self::Sqlite, meta::IS_DELETED) => format!("{column} = 1"),
            _ => column,
        }
    }

    /// How many days ago a date was; negative for one to come.
    pub(super) fn days_past(&self, name: &str, kind: ColumnType) -> String {
        let column = self.column(name);
        match (self, kind) {
            (Self::Databricks { .. }, ColumnType::Date) => format!("datediff(current_date(), {column})"),
            (Self::Databricks { .. }, _) => format!("datediff(current_date(), CAST({column} AS DATE))"),
            (Self::Postgres { .. }, ColumnType::Date) => format!("CURRENT_DATE - {column}"),
            (Self::Postgres { .. }, _) => format!("CURRENT_DATE - CAST({column} AS DATE)"),
            (Self::Sqlite, _) => {
                format!("CAST(julianday('now', 'start of day') - julianday(date({column})) AS INTEGER)")
            }
        }
    }
}

/// Words that one of the databases keeps for itself, in their order.
#[rustfmt::skip]
const RESERVED: [&str; 136] = [
    "add", "all", "alter", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
    "autoincrement", "between", "binary", "both", "case", "cast", "check", "collate", "collation", "column", "commit",
    "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable", "delete", "desc",
    "distinct", "do", "drop", "else", "end", "escape", "except", "exists", "false", "fetch", "filter", "for",
    "foreign", "freeze", "from", "full", "grant", "group", "having", "ilike", "in", "index", "initially", "inner",
    "insert", "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit", "localtime",
    "localtimestamp", "match", "materialized", "natural", "not", "nothing", "notnull", "null", "of", "offset", "on",
    "only", "or", "order", "outer", "over", "overlaps", "partition", "placing", "primary", "range", "recursive",
    "references", "regexp", "replace", "returning", "right", "rows", "select", "session_user", "set", "similar",
    "some", "symmetric", "system_user", "table", "tablesample", "then", "ties", "to", "trailing", "transaction",
    "trigger", "true", "unbounded", "union", "unique", "update", "user", "using", "vacuum", "values", "variadic",
    "verbose", "view", "virtual", "when", "where", "window", "with", "within", "without",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_only_where_they_must_be() {
        assert!(RESERVED.is_sorted());
        for (name, sql) in [("gl_date", "gl_date"), ("_op", "_op"), ("order", "\"order\""), ("Amount", "\"Amount\"")] {
            assert_eq!(Warehouse::Sqlite.identifier(name), sql);
        }
    }

    #[test]
    fn databricks_is_asked_in_three_parts_and_backquotes() {
        let name = str::to_owned;
        let there = Warehouse::Databricks { catalog: name("main"), schema: name("Erp"), ledger_schema: name("etl") };
        assert_eq!(there.table("order"), "main.`Erp`.`order`");
        assert_eq!(there.ledger(), "main.etl.load_batches");
        assert_eq!(there.days_past("due_date", ColumnType::Date), "datediff(current_date(), ${TABLE}.due_date)");
        assert_eq!(there.value("payload", ColumnType::Json), "${TABLE}.payload");
    }

    #[test]
    fn a_schema_that_would_leave_its_place_is_refused() {
        let warehouse = Warehouse::Postgres { schema: "erp ;; }".to_owned(), ledger_schema: "etl".to_owned() };
        assert!(warehouse.check().unwrap_err().to_string().contains("cannot be the name of a schema"));
    }
}
