//! Errors of statements: an error class, words, and an SQLSTATE.

use std::fmt;

/// Why a statement fails, as the service words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct SqlError {
    /// The error class, with its subclass behind a point.
    pub(in super::super) class: String,
    pub(in super::super) message: String,
    pub(in super::super) state: String,
}

pub(in super::super) type Result<T> = std::result::Result<T, SqlError>;

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {} SQLSTATE: {}", self.class, self.message, self.state)
    }
}

impl std::error::Error for SqlError {}

impl SqlError {
    pub(in super::super) fn new(class: &str, state: &str, message: impl Into<String>) -> Self {
        Self { class: class.into(), message: message.into(), state: state.into() }
    }

    /// What the grammar does not know, and what this simulator does not.
    pub(in super::super) fn syntax(near: impl fmt::Display) -> Self {
        Self::new("PARSE_SYNTAX_ERROR", "42601", format!("Syntax error at or near {near}."))
    }

    pub(in super::super) fn table_not_found(name: &str) -> Self {
        let message = format!(
            "The table or view {name} cannot be found. Verify the spelling and correctness of the schema and catalog.\n\
             If you did not qualify the name with a schema, verify the current_schema() output, or qualify the name with \
             the correct schema and catalog.\nTo tolerate the error on drop use DROP VIEW IF EXISTS or DROP TABLE IF EXISTS."
        );
        Self::new("TABLE_OR_VIEW_NOT_FOUND", "42P01", message)
    }

    pub(in super::super) fn schema_not_found(name: &str) -> Self {
        let message = format!(
            "The schema {name} cannot be found. Verify the spelling and correctness of the schema and catalog.\nIf you did \
             not qualify the name with a catalog, verify the current_schema() output, or qualify the name with the correct \
             catalog.\nTo tolerate the error on drop use DROP SCHEMA IF EXISTS."
        );
        Self::new("SCHEMA_NOT_FOUND", "42704", message)
    }

    pub(in super::super) fn catalog_not_found(name: &str) -> Self {
        let message = format!(
            "Catalog '{name}' was not found. Please verify the catalog name and then retry the query or command again."
        );
        Self::new("NO_SUCH_CATALOG_EXCEPTION", "42704", message)
    }

    pub(in super::super) fn volume_not_found(name: &str) -> Self {
        let message = format!("Volume {name} does not exist. Please use 'SHOW VOLUMES' to list available volumes.");
        Self::new("UC_VOLUME_NOT_FOUND", "42704", message)
    }

    pub(in super::super) fn path_not_found(path: &str) -> Self {
        Self::new("PATH_NOT_FOUND", "42K03", format!("Path does not exist: {path}."))
    }

    pub(in super::super) fn column_not_found(name: &str, known: &[String]) -> Self {
        let what = format!("A column, variable, or function parameter with name {name} cannot be resolved.");
        if known.is_empty() {
            return Self::new("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", what);
        }
        let known: Vec<String> = known.iter().take(5).map(|name| format!("`{name}`")).collect();
        let message = format!("{what} Did you mean one of the following? [{}].", known.join(", "));
        Self::new("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703", message)
    }

    pub(in super::super) fn mismatch(expression: &str, why: impl fmt::Display) -> Self {
        let message = format!("Cannot resolve \"{expression}\" due to data type mismatch: {why}.");
        Self::new("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09", message)
    }

    pub(in super::super) fn cast(value: &str, from: &str, to: &str) -> Self {
        let message = format!(
            "The value '{value}' of the type \"{from}\" cannot be cast to \"{to}\" because it is malformed. Correct the \
             value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and return \
             NULL instead."
        );
        Self::new("CAST_INVALID_INPUT", "22018", message)
    }

    pub(in super::super) fn cast_overflow(value: &str, from: &str, to: &str) -> Self {
        let message = format!(
            "The value {value} of the type \"{from}\" cannot be cast to \"{to}\" due to an overflow. Use `try_cast` to \
             tolerate overflow and return NULL instead."
        );
        Self::new("CAST_OVERFLOW", "22003", message)
    }

    pub(in super::super) fn out_of_range(value: &str, precision: u8, scale: u8) -> Self {
        let message = format!(
            "The value {value} cannot be represented as Decimal({precision}, {scale}). If necessary set \
             \"ansi_mode\" to \"false\" to bypass this error, and return NULL instead."
        );
        Self::new("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "22003", message)
    }

    pub(in super::super) fn overflow(what: &str) -> Self {
        let message = format!("{what} overflow. If necessary set \"ansi_mode\" to \"false\" to bypass this error.");
        Self::new("ARITHMETIC_OVERFLOW", "22003", message)
    }

    pub(in super::super) fn insufficient(message: impl Into<String>) -> Self {
        Self::new("INSUFFICIENT_PERMISSIONS", "42501", format!("Insufficient privileges: {}", message.into()))
    }

    /// Reads back what went through the database as text.
    fn parse(text: &str) -> Option<Self> {
        let (class, rest) = text.strip_prefix('[')?.split_once("] ")?;
        let (message, state) = rest.rsplit_once(" SQLSTATE: ")?;
        Some(Self::new(class, state, message))
    }
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        let text = match &error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            rusqlite::Error::UserFunctionError(inner) => inner.to_string(),
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        if let Some(known) = Self::parse(&text) {
            return known;
        }
        if text.contains("integer overflow") {
            return Self::overflow("long");
        }
        if text.contains("interrupted") {
            return Self::new("QUERY_CANCELED", "HY008", "The statement was canceled.");
        }
        Self::new("INTERNAL_ERROR", "XX000", format!("The sandbox's engine: {text}"))
    }
}

/// For errors inside functions that the database calls.
impl From<SqlError> for rusqlite::Error {
    fn from(error: SqlError) -> Self {
        Self::UserFunctionError(Box::new(error))
    }
}
