//! Serves the rows of any CSV file as JDE tables, so that somebody's own data can be tried without their ERP.
//!
//! Invariant: nothing is repaired. A value that its column cannot hold stays as it came, and whoever reads the table has
//! to deal with it; only a key that is no key refuses the file, with its line.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use chrono::NaiveDate;
use csv::StringRecord;

use super::cell::{Operand, Value, display, operand};
use super::mapping::{Column, Convert, Mapping, Repeats, Source};
use super::schema::Schema;
use super::table::Table;
use super::table_error::TableError;
use super::tables::Tables;

/// Why a file cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// It cannot be opened.
    #[error("cannot open {path}: {source}")]
    Open {
        /// The path as given.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not CSV; the message has the line.
    #[error("not readable as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// The mapping names a heading that the file does not have.
    #[error("the file has no column {heading:?} (for {table}.{alias}); it has: {has}")]
    NoSuchHeading {
        /// The heading asked for.
        heading: String,
        /// The table it was for.
        table: String,
        /// The column it was for.
        alias: String,
        /// The headings there are.
        has: String,
    },
    /// A row cannot be a row of the table.
    #[error("line {line}: {error}")]
    Row {
        /// The line of the file on which the row begins.
        line: u64,
        /// What is wrong with it.
        error: TableError,
    },
}

/// Reads a file into every table that is mapped. Rows without a mapped update stamp get `stamp` (a day, and `HHMMSS`).
pub fn tables_from_csv(path: &Path, mappings: &[Mapping], stamp: (NaiveDate, i32)) -> Result<Tables, ExtractError> {
    let mut tables = Tables::standard();
    for mapping in mappings {
        let file =
            File::open(path).map_err(|source| ExtractError::Open { path: path.display().to_string(), source })?;
        tables.add_table(table_from_csv(file, mapping, stamp)?);
    }
    Ok(tables)
}

/// Reads CSV with a line of headings into one table. Rows without a mapped update stamp get `stamp`.
pub fn table_from_csv(reader: impl Read, mapping: &Mapping, stamp: (NaiveDate, i32)) -> Result<Table, ExtractError> {
    let mut csv = csv::Reader::from_reader(reader);
    let headings = csv.headers()?.clone();
    let columns: Vec<Resolved<'_>> =
        mapping.columns.iter().map(|column| resolve(column, mapping, &headings)).collect::<Result<_, _>>()?;
    let mut table = Table::new(mapping.schema.clone());
    let mut rows = table.bulk();
    let mut counts = HashMap::new();
    let mut keys = HashSet::new();
    let mut record = StringRecord::new();
    let mut number = 0;
    while csv.read_record(&mut record)? {
        number += 1;
        let refused = |error| ExtractError::Row { line: record.position().map_or(0, csv::Position::line), error };
        let cells = cells(mapping, &columns, &record, number, &mut counts, stamp);
        let key = key(&mapping.schema, &cells).map_err(refused)?;
        if keys.contains(&key) {
            match mapping.repeats {
                Repeats::KeepFirst => continue,
                Repeats::Refuse => {
                    return Err(refused(TableError::DuplicateKey { table: mapping.schema.name().into(), key }));
                }
            }
        }
        keys.insert(key);
        rows.row();
        for (position, value) in &cells {
            rows.value(*position, value);
        }
    }
    rows.finish().map_err(|error| ExtractError::Row { line: 0, error })?;
    Ok(table)
}

struct Resolved<'a> {
    column: &'a Column,
    position: usize,
    /// Where the heading stands in a record.
    field: usize,
}

fn resolve<'a>(column: &'a Column, mapping: &Mapping, headings: &StringRecord) -> Result<Resolved<'a>, ExtractError> {
    let table = mapping.schema.name();
    let position = mapping.schema.position(&column.alias).ok_or_else(|| ExtractError::Row {
        line: 1,
        error: TableError::UnknownColumn { table: table.into(), alias: column.alias.clone() },
    })?;
    let field = match &column.source {
        Source::Field(heading) => {
            // A byte order mark belongs to the file and not to its first heading.
            let found = headings.iter().position(|known| known.trim_start_matches('\u{feff}').trim() == heading.trim());
            found.ok_or_else(|| ExtractError::NoSuchHeading {
                heading: heading.clone(),
                table: table.into(),
                alias: column.alias.clone(),
                has: headings.iter().collect::<Vec<_>>().join(", "),
            })?
        }
        Source::Constant(_) | Source::Row | Source::Sequence => 0,
    };
    Ok(Resolved { column, position, field })
}

type Cells = Vec<(usize, Value)>;

/// The cells of one record: everything but `seq()` first, since that counts by the rest of the key.
fn cells(
    mapping: &Mapping,
    columns: &[Resolved<'_>],
    record: &StringRecord,
    number: usize,
    counts: &mut HashMap<String, usize>,
    stamp: (NaiveDate, i32),
) -> Cells {
    let mut cells = Cells::with_capacity(columns.len() + 2);
    for resolved in columns {
        let text = match &resolved.column.source {
            Source::Field(_) => record.get(resolved.field).unwrap_or("").to_owned(),
            Source::Constant(text) => text.clone(),
            Source::Row => number.to_string(),
            Source::Sequence => continue,
        };
        cells.push((resolved.position, converted(text, &resolved.column.converts)));
    }
    for resolved in columns.iter().filter(|resolved| resolved.column.source == Source::Sequence) {
        // A key that is none refuses the row later; what it counts as does not matter.
        let count = counts.entry(key(&mapping.schema, &cells).unwrap_or_default()).or_insert(0);
        *count += 1;
        cells.push((resolved.position, converted(count.to_string(), &resolved.column.converts)));
    }
    if let Some((day, time)) = mapping.schema.stamp() {
        for (position, value) in [(day, Value::from(stamp.0)), (time, Value::from(stamp.1))] {
            if !cells.iter().any(|(known, _)| *known == position) {
                cells.push((position, value));
            }
        }
    }
    cells
}

fn converted(mut text: String, converts: &[Convert]) -> Value {
    for convert in converts {
        match convert {
            Convert::Date(format) => {
                return NaiveDate::parse_from_str(text.trim(), format).map_or(Value::Text(text), Value::Date);
            }
            Convert::Number => text.retain(|letter| letter != ',' && !letter.is_whitespace()),
            Convert::Digits => text.retain(|letter| letter.is_ascii_digit()),
            Convert::Upper => text = text.to_uppercase(),
            Convert::First(count) => text = text.chars().take(*count).collect(),
            Convert::Pad(width) => text = format!("{text:0>width$}"),
        }
    }
    Value::Text(text)
}

/// The key as the table will see it, its parts joined by `|`.
fn key(schema: &Schema, cells: &Cells) -> Result<String, TableError> {
    let blank = Value::Text(String::new());
    let parts = schema.key().iter().map(|position| {
        let column = &schema.columns()[*position];
        let value = cells.iter().find(|(known, _)| known == position).map_or(&blank, |(_, value)| value);
        match operand(column.kind, value) {
            Some(Operand::Int(whole)) => Ok(whole.to_string()),
            Some(Operand::Text(text)) => Ok(text.into()),
            None => Err(TableError::BadKey {
                table: schema.name().into(),
                alias: column.alias.clone(),
                value: display(value),
            }),
        }
    });
    Ok(parts.collect::<Result<Vec<String>, _>>()?.join("|"))
}

#[cfg(test)]
mod tests {
    use super::super::mapping::parse;
    use super::*;

    const STAMP: (i32, u32, u32) = (2026, 11, 20);

    fn read(csv: &str, mapping: &str) -> Result<Table, ExtractError> {
        let day = NaiveDate::from_ymd_opt(STAMP.0, STAMP.1, STAMP.2).unwrap();
        table_from_csv(csv.as_bytes(), &parse(mapping).unwrap()[0], (day, 91_502))
    }

    const LEDGER: &str = "F0411.DOC=No.,F0411.DCT='PV',F0411.KCO='00001',F0411.SFX=seq():pad(3),F0411.AG=Value,\
                          F0411.DGJ=Day:date(%d-%b-%y),F0411.MCU=Unit,F0411.VINV=Invoice:first(5)";

    #[test]
    fn rows_become_cells_and_what_does_not_fit_stays_as_it_came() {
        let csv = "\u{feff}No.,Value,Day,Unit,Invoice\n12,10.50,2-Jun-06,30,ABCDEFG\n12,n/a,not captured,M40,é\n7,1.234,,1,\n";
        let table = read(csv, LEDGER).unwrap();
        let rows: Vec<_> = table
            .rows()
            .map(|row| {
                ["DOC", "SFX", "AG", "DGJ", "MCU", "VINV", "UPMJ", "UPMT"].map(|alias| row.text(alias)).join("/")
            })
            .collect();
        assert_eq!(
            rows,
            [
                "7/001/1.234//           1//20261120/91502",
                "12/001/10.5/20060602/          30/ABCDE/20261120/91502",
                "12/002/n/a/not captured/         M40/é/20261120/91502",
            ]
        );
    }

    #[test]
    fn a_mapped_stamp_is_kept_and_master_data_keeps_its_first_row() {
        let csv = "Id,Name,Changed\n5,First,2025-01-31\n5,Second,2026-01-31\n";
        let mapping = "F0101.AN8=Id,F0101.ALPH=Name:upper,F0101.UPMJ=Changed:date(%Y-%m-%d),F0101.*=first";
        let table = read(csv, mapping).unwrap();
        let row = table.nth(0).unwrap();
        assert_eq!((table.len(), row.text("ALPH"), row.text("UPMJ")), (1, "FIRST".into(), "20250131".into()));
    }

    #[test]
    fn a_file_is_refused_with_its_line() {
        let refused = |csv: &str, mapping: &str| read(csv, mapping).unwrap_err().to_string();
        let twice = "F0101.AN8=Id";
        assert_eq!(refused("Id\n5\n6\n5.00\n", twice), "line 4: F0101 already holds a row with key 5");
        assert_eq!(refused("Id\n5\nfive\n", twice), "line 3: F0101: \"five\" cannot be the key column AN8");
        assert!(refused("Id\n5\n", "F0101.AN8=Number").contains("no column \"Number\" (for F0101.AN8); it has: Id"));
        assert!(refused("Id,Name\n5\n", twice).starts_with("not readable as CSV"));
    }
}
