//! Files and histories as relations: read_files, table_changes, the history of a table.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, TableAlias, Value as Literal};

use super::from::Source;
use super::{Binder, OutColumn, Relation, Visible, quoted};
use crate::databricks::catalog::types::{Field, Type};
use crate::databricks::catalog::{Name, Privilege, Table};
use crate::databricks::sql::error::{Result, SqlError};
use crate::databricks::sql::files::{self, Format, Input, Wanted};
use crate::databricks::sql::{moment, show};

/// The arguments of read_files.
#[derive(Default)]
struct Options {
    path: Option<String>,
    format: Option<Format>,
    schema: Option<String>,
    hints: Option<String>,
    evolution: Option<String>,
    rescued: Option<String>,
}

impl Binder<'_> {
    pub(super) fn read_files(&mut self, args: &[FunctionArg], alias: Option<&TableAlias>) -> Result<Source> {
        let options = read_options(args)?;
        let path = options.path.clone().ok_or_else(|| SqlError::syntax("'read_files' without a path"))?;
        let inputs = files::find(self.world, self.session, &path)?;
        let format = options.format.unwrap_or(Format::Parquet);
        let columns = match &options.schema {
            Some(schema) => Type::parse_fields(schema)?,
            None => hinted(files::infer(&inputs, format)?, options.hints.as_deref())?,
        };
        // Whoever names the columns gets these; whoever lets them be found gets one more for what does not fit.
        let inferred =
            options.schema.is_none() && !options.evolution.is_some_and(|mode| mode.eq_ignore_ascii_case("none"));
        let rescued = options.rescued.or_else(|| inferred.then(|| "_rescued_data".into()));
        self.loaded(&inputs, format, columns, rescued, alias)
    }

    /// The rows of files, with the hidden column `_metadata`.
    pub(in super::super) fn loaded(
        &mut self,
        inputs: &[Input],
        format: Format,
        mut columns: Vec<Field>,
        rescued: Option<String>,
        alias: Option<&TableAlias>,
    ) -> Result<Source> {
        let rescued = rescued.map(|name| {
            columns.push(Field { name, ty: Type::String });
            columns.len() - 1
        });
        let wanted = Wanted { format, columns, rescued };
        let table = files::load(self.storage, inputs, &wanted)?;
        let about = self.about(inputs)?;
        let own = self.alias();
        let shown = wanted.columns.iter().map(|field| OutColumn { name: field.name.clone(), ty: field.ty.clone() });
        let mut source = self.source(format!("{table} AS {own}"), &own, shown.collect(), None, Vec::new())?;
        let place = format!("{own}.c{}", wanted.columns.len());
        let sql = format!("(SELECT c0 FROM {about} WHERE rowid = {place} + 1)");
        let metadata = Visible { hidden: true, ..Visible::new("_metadata", sql, metadata_type()) };
        source.relation.columns.push(metadata);
        if let Some(alias) = alias {
            source.relation.path = vec![alias.name.value.clone()];
        }
        Ok(source)
    }

    /// A temporary table with what is known of each file.
    fn about(&mut self, inputs: &[Input]) -> Result<String> {
        let table = self.storage.make_temporary(&[Type::String])?;
        for input in inputs {
            let name = input.path.rsplit('/').next().unwrap_or_default();
            let about = serde_json::json!({
                "file_path": files::uri(&input.path), "file_name": name, "file_size": input.content.len(),
                "file_block_start": 0, "file_block_length": input.content.len(),
                "file_modification_time": input.modified.timestamp_micros(),
            });
            self.storage.connection.execute(&format!("INSERT INTO {table} VALUES (?1)"), [about.to_string()])?;
        }
        Ok(table)
    }

    /// `table_changes('a.b.c', start[, end])`.
    pub(super) fn table_changes(&mut self, args: &[FunctionArg], alias: Option<&TableAlias>) -> Result<Source> {
        let (name, rest) = match args {
            [name, rest @ ..] => (text_argument(name)?, rest),
            [] => return Err(SqlError::syntax("'table_changes'")),
        };
        let parts: Vec<String> = name.split('.').map(|part| part.trim_matches('`').to_owned()).collect();
        let full = self.name(&parts)?;
        let table = self.table(&full, Privilege::Select)?;
        let (start, end) = match rest {
            [start] => (bound(start, &table)?, None),
            [start, end] => (bound(start, &table)?, Some(bound(end, &table)?)),
            _ => return Err(SqlError::syntax("'table_changes' without a version to start from")),
        };
        let (start, end) = range(&table, start, end)?;
        let own = self.alias();
        let visible = |column: &crate::databricks::catalog::Column| {
            Visible::new(&column.name, format!("{own}.c{}", column.id), column.ty.clone())
        };
        let mut columns: Vec<Visible> = table.columns.iter().map(visible).collect();
        columns.push(Visible::new("_change_type", format!("{own}.kind"), Type::String));
        columns.push(Visible::new("_commit_version", format!("{own}.version"), Type::Long));
        columns.push(Visible::new("_commit_timestamp", format!("{own}.at"), Type::Timestamp));
        let path = alias.map(|alias| vec![alias.name.value.clone()]).unwrap_or_default();
        let sql = format!("(SELECT * FROM {} WHERE version BETWEEN {start} AND {end}) AS {own}", table.feed());
        Ok(Source { sql, relation: Relation { path, columns } })
    }

    /// The history of a table: `describe_history('a.b.c')`, which `(DESCRIBE HISTORY a.b.c)` is read as.
    pub(super) fn history(&mut self, args: &[FunctionArg], alias: Option<&TableAlias>) -> Result<Source> {
        let [name] = args else {
            return Err(SqlError::syntax("'DESCRIBE HISTORY'"));
        };
        let parts: Vec<String> = text_argument(name)?.split('.').map(ToOwned::to_owned).collect();
        let full: Name = self.name(&parts)?;
        let table = self.table(&full, Privilege::Select)?;
        let (columns, rows) = show::history(&table);
        let own = self.alias();
        let rows: Vec<String> = rows
            .iter()
            .map(|row| {
                let cells: Vec<String> =
                    row.iter().map(|cell| cell.as_ref().map_or_else(|| "NULL".into(), written)).collect();
                format!("({})", cells.join(", "))
            })
            .collect();
        let names: Vec<String> = (0..columns.len()).map(|at| format!("column{} AS c{at}", at + 1)).collect();
        let sql = format!("(SELECT {} FROM (VALUES {})) AS {own}", names.join(", "), rows.join(", "));
        self.source(sql, &own, columns, alias, Vec::new())
    }
}

fn written(value: &rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => quoted(text),
        _ => "NULL".into(),
    }
}

fn metadata_type() -> Type {
    let field = |name: &str, ty: Type| Field { name: name.into(), ty };
    Type::Struct(vec![
        field("file_path", Type::String),
        field("file_name", Type::String),
        field("file_size", Type::Long),
        field("file_block_start", Type::Long),
        field("file_block_length", Type::Long),
        field("file_modification_time", Type::Timestamp),
    ])
}

/// The types of `schemaHints` in place of those that were found; what was not found is added.
fn hinted(mut columns: Vec<Field>, hints: Option<&str>) -> Result<Vec<Field>> {
    for hint in hints.map(Type::parse_fields).transpose()?.unwrap_or_default() {
        match columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(&hint.name)) {
            Some(column) => column.ty = hint.ty,
            None => columns.push(hint),
        }
    }
    Ok(columns)
}

fn text_argument(arg: &FunctionArg) -> Result<String> {
    let expr = match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => expr,
        FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. } => expr,
        other => return Err(SqlError::syntax(format!("'{other}'"))),
    };
    constant_text(expr)
}

fn constant_text(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::SingleQuotedString(text) | Literal::DoubleQuotedString(text) => Ok(text.clone()),
            Literal::Boolean(bit) => Ok(bit.to_string()),
            _ => Err(not_constant(expr)),
        },
        _ => Err(not_constant(expr)),
    }
}

fn not_constant(expr: &Expr) -> SqlError {
    let message = format!("The argument {expr} of the table-valued function must be a constant string.");
    SqlError::new("NON_FOLDABLE_ARGUMENT", "42K08", message)
}

fn read_options(args: &[FunctionArg]) -> Result<Options> {
    let mut options = Options::default();
    for arg in args {
        let name = match arg {
            FunctionArg::Unnamed(_) if options.path.is_none() => {
                options.path = Some(text_argument(arg)?);
                continue;
            }
            FunctionArg::Named { name, operator: FunctionArgOperator::RightArrow, .. } => name.value.to_lowercase(),
            other => return Err(SqlError::syntax(format!("'{other}'"))),
        };
        let value = text_argument(arg)?;
        match name.as_str() {
            "format" => options.format = Some(Format::parse(&value)?),
            "schema" => options.schema = Some(value),
            "schemahints" => options.hints = Some(value),
            "schemaevolutionmode" => options.evolution = Some(value),
            "rescueddatacolumn" => options.rescued = Some(value),
            // These do not change how files of one shape are read.
            "mergeschema" | "recursivefilelookup" | "multiline" | "infercolumntypes" | "mode" | "timezone" => {}
            other => {
                let message = format!(
                    "Found unknown option keys: {other}. Please make sure that all provided option keys are correct."
                );
                return Err(SqlError::new("CF_UNKNOWN_OPTION_KEYS_ERROR", "42000", message));
            }
        }
    }
    Ok(options)
}

/// A version, or the version of a time.
fn bound(arg: &FunctionArg, table: &Table) -> Result<i64> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) = arg else {
        return Err(SqlError::syntax(format!("'{arg}'")));
    };
    match &value.value {
        Literal::Number(digits, _) => digits.parse().map_err(|_| SqlError::syntax(format!("'{digits}'"))),
        Literal::SingleQuotedString(text) => {
            let at = moment::parse_timestamp(text).ok_or_else(|| SqlError::cast(text, "STRING", "TIMESTAMP"))?;
            let found = table.history.iter().find(|commit| commit.at.timestamp_micros() >= at);
            found.map(|commit| commit.version).ok_or_else(|| {
                let message =
                    format!("The provided timestamp ({text}) is after the latest version available to this table.");
                SqlError::new("DELTA_TIMESTAMP_GREATER_THAN_COMMIT", "42816", message)
            })
        }
        other => Err(SqlError::syntax(format!("'{other}'"))),
    }
}

/// The versions whose changes are asked for, if they were all recorded.
fn range(table: &Table, start: i64, end: Option<i64>) -> Result<(i64, i64)> {
    let latest = table.version();
    if start > latest {
        let message = format!(
            "Provided Start version({start}) for reading change data is invalid. Start version cannot be greater than the \
             latest version of the table({latest})."
        );
        return Err(SqlError::new("DELTA_CDC_START_VERSION_AFTER_LATEST", "22003", message));
    }
    if end.is_some_and(|end| end < start) {
        let message = format!(
            "CDC range from start {start} to end {} was invalid. End cannot be before start.",
            end.unwrap_or_default()
        );
        return Err(SqlError::new("DELTA_INVALID_CDC_RANGE", "22003", message));
    }
    let end = end.unwrap_or(latest).min(latest);
    let first = table.history.first().map_or(0, |commit| commit.version);
    let asked = table.history.iter().filter(|commit| (start..=end).contains(&commit.version));
    let missing = asked.filter(|commit| !commit.recorded).map(|commit| commit.version).next();
    if start < first {
        let message =
            format!("Cannot time travel Delta table to version {start}. Available versions: [{first}, {latest}].");
        return Err(SqlError::new("DELTA_VERSION_NOT_FOUND", "22003", message));
    }
    if let Some(version) = missing {
        let message = format!(
            "Error getting change data for range [{start} , {end}] as change data was not recorded for version [{version}]. If \
             you've enabled change data feed on this table, use `DESCRIBE HISTORY` to see when it was first enabled. Otherwise, \
             to start recording change data, use `ALTER TABLE table_name SET TBLPROPERTIES \
             (delta.enableChangeDataFeed=true)`."
        );
        return Err(SqlError::new("DELTA_MISSING_CHANGE_DATA", "KD002", message));
    }
    Ok((start, end))
}
