//! Files of volumes as rows.
//!
//! Invariant: what a file holds is read with its own types; a value that the wanted type does not hold is rescued or an
//! error, never converted by guessing.

mod json;
mod parquet;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::error::{Result, SqlError};
use super::storage::Storage;
use crate::databricks::catalog::Privilege;
use crate::databricks::catalog::types::{Field, Type};
use crate::databricks::sql::run::Session;
use crate::databricks::volumes;
use crate::databricks::world::World;

/// A file to read.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) path: String,
    pub(super) content: Bytes,
    pub(super) modified: DateTime<Utc>,
}

/// Which rows are wanted, and in which form.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) format: Format,
    pub(super) columns: Vec<Field>,
    /// The place of the column that takes what does not fit.
    pub(super) rescued: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Json,
}

impl Format {
    pub(super) fn parse(name: &str) -> Result<Self> {
        match name.to_lowercase().as_str() {
            "parquet" => Ok(Self::Parquet),
            "json" => Ok(Self::Json),
            _ => {
                Err(SqlError::new("DATA_SOURCE_NOT_FOUND", "42K02", format!("Failed to find the data source: {name}.")))
            }
        }
    }
}

/// The files of a path: one file, all files below a directory, or what a pattern matches.
pub(super) fn find(world: &World, session: &Session, path: &str) -> Result<Vec<Input>> {
    let missing = || SqlError::path_not_found(&format!("dbfs:{path}"));
    let (volume, resolved) = volumes::resolve(path).ok_or_else(missing)?;
    world.catalog().volume(&volume)?;
    session.privileges.for_sql(Privilege::ReadVolume, &volume)?;
    let files = world.files();
    let input = |path: &str, file: &volumes::File| Input {
        path: path.into(),
        content: file.content.clone(),
        modified: file.modified,
    };
    if let Some(file) = files.get(&resolved) {
        return Ok(vec![input(&resolved, file)]);
    }
    let is_pattern = resolved.contains(['*', '?', '{', '[']);
    let pattern: Vec<char> = resolved.chars().collect();
    let root = resolved.split('/').take(5).collect::<Vec<_>>().join("/");
    let all = files.below(&root);
    let found: Vec<Input> = all
        .filter(|(path, _)| !is_hidden(path))
        .filter(|(path, _)| {
            if !is_pattern {
                return path.strip_prefix(&resolved).is_some_and(|rest| rest.starts_with('/'));
            }
            // A pattern may name files or a directory above them.
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            ends.skip(4)
                .any(|end| path.get(..end).is_some_and(|path| matches(&path.chars().collect::<Vec<_>>(), &pattern)))
        })
        .map(|(path, file)| input(path, file))
        .collect();
    if found.is_empty() { Err(missing()) } else { Ok(found) }
}

/// Names that begin with `_` or `.` are no data.
fn is_hidden(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with(['_', '.']))
}

/// `*` and `?` within a name, `[ab]`, and `{a,b}`.
fn matches(path: &[char], pattern: &[char]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return path.is_empty();
    };
    match first {
        '*' => {
            let name = path.iter().position(|letter| *letter == '/').unwrap_or(path.len());
            (0..=name).any(|skip| path.get(skip..).is_some_and(|tail| matches(tail, rest)))
        }
        '?' => path.split_first().is_some_and(|(letter, tail)| *letter != '/' && matches(tail, rest)),
        '[' => {
            let Some(end) = rest.iter().position(|letter| *letter == ']') else { return false };
            let (letters, tail) = rest.split_at(end);
            path.split_first().is_some_and(|(letter, path)| {
                letters.contains(letter) && matches(path, tail.get(1..).unwrap_or_default())
            })
        }
        '{' => {
            let Some(end) = rest.iter().position(|letter| *letter == '}') else { return false };
            let (words, tail) = rest.split_at(end);
            let tail = tail.get(1..).unwrap_or_default();
            words.split(|letter| *letter == ',').any(|word| matches(path, &[word, tail].concat()))
        }
        literal => path.split_first().is_some_and(|(letter, tail)| letter == literal && matches(tail, rest)),
    }
}

/// The columns that the files themselves have, merged by name.
pub(super) fn infer(inputs: &[Input], format: Format) -> Result<Vec<Field>> {
    let mut columns: Vec<Field> = Vec::new();
    for input in inputs {
        let own = match format {
            Format::Parquet => parquet::columns(input)?,
            Format::Json => json::columns(input)?,
        };
        for field in own {
            match columns.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&field.name)) {
                None => columns.push(field),
                Some(known) if known.ty == field.ty => {}
                Some(known) => known.ty = merged(known, &field)?,
            }
        }
    }
    Ok(columns)
}

fn merged(known: &Field, other: &Field) -> Result<Type> {
    match (&known.ty, &other.ty) {
        (Type::Null, ty) | (ty, Type::Null) => Ok(ty.clone()),
        (Type::Int, Type::Long) | (Type::Long, Type::Int) => Ok(Type::Long),
        (Type::Long, Type::Double) | (Type::Double, Type::Long) => Ok(Type::Double),
        (a, b) if a.is_text() || b.is_text() => Ok(Type::String),
        (a, b) => {
            let message =
                format!("Failed to merge incompatible data types \"{a}\" and \"{b}\" of column `{}`.", known.name);
            Err(SqlError::new("CANNOT_MERGE_INCOMPATIBLE_DATA_TYPE", "42825", message))
        }
    }
}

/// Reads the files into a temporary table with the wanted columns and, behind them, the file's place among the inputs.
pub(super) fn load(storage: &mut Storage, inputs: &[Input], wanted: &Wanted) -> Result<String> {
    let mut types: Vec<Type> = wanted.columns.iter().map(|column| column.ty.clone()).collect();
    types.push(Type::Long);
    let table = storage.make_temporary(&types)?;
    let marks: Vec<String> = (1..=types.len()).map(|at| format!("?{at}")).collect();
    let mut statement = storage.connection.prepare(&format!("INSERT INTO {table} VALUES ({})", marks.join(", ")))?;
    for (place, input) in inputs.iter().enumerate() {
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        match wanted.format {
            Format::Parquet => parquet::load(input, wanted, place, &mut statement)?,
            Format::Json => json::load(input, wanted, place, &mut statement)?,
        }
    }
    drop(statement);
    Ok(table)
}

/// A path as the service shows it in `_metadata`.
pub(super) fn uri(path: &str) -> String {
    let encoded: Vec<String> = path.split('/').map(crate::http::encode).collect();
    format!("dbfs:{}", encoded.join("/"))
}

fn unreadable(input: &Input, why: impl std::fmt::Display) -> SqlError {
    let message = format!("Error while reading file {}. {why}", uri(&input.path));
    SqlError::new("FAILED_READ_FILE.NO_HINT", "KD001", message)
}

fn type_differs(input: &Input, column: &str, wanted: &Type, found: &str) -> SqlError {
    let message = format!(
        "Error while reading file {}. Data type mismatches when reading Parquet column [{column}]. Expected Spark type \
         {wanted}, actual Parquet type {found}.",
        uri(&input.path)
    );
    SqlError::new("FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH", "KD001", message)
}
