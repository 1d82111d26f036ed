//! Rows of a CSV file as rows of a record: published data of others instead of seeded ones.

use std::path::Path;

use super::record::Record;
use super::schema::RecordError;

/// Where the value of a field comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The column with this heading.
    Column(&'static str),
    /// Always this.
    Fixed(&'static str),
    /// The number of the row, counted from 1, with so many digits.
    Number(usize),
}

/// Why a CSV file cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    File(#[from] csv::Error),
    /// A column that is asked for is not there.
    #[error("the file has no column {0:?}")]
    NoColumn(&'static str),
    /// A row is none of the record.
    #[error("line {line}: {error}")]
    Row {
        /// The line of the file.
        line: u64,
        /// What is wrong with it.
        error: RecordError,
    },
}

impl Record {
    /// Adds the rows of a file and says how many it has. Where `first_only` is set, of several rows with one key the first
    /// counts; where it is not, the second is an error. A value that its field cannot hold stays as it came.
    pub fn load_csv(&mut self, path: &Path, fields: &[(&str, From)], first_only: bool) -> Result<usize, CsvError> {
        let mut csv = csv::Reader::from_path(path)?;
        let headings = csv.headers()?.clone();
        let place = |(field, from): &(&str, From)| {
            let at = match from {
                From::Column(name) => {
                    let at = headings.iter().position(|heading| heading == *name);
                    Some(at.ok_or(CsvError::NoColumn(name))?)
                }
                _ => None,
            };
            Ok(((*field).to_owned(), *from, at))
        };
        let places = fields.iter().map(place).collect::<Result<Vec<_>, CsvError>>()?;
        let (mut row, mut count) = (csv::StringRecord::new(), 0);
        while csv.read_record(&mut row)? {
            count += 1;
            let value = |from: From, at: Option<usize>| match from {
                From::Fixed(text) => text.to_owned(),
                From::Number(digits) => format!("{count:0digits$}"),
                From::Column(_) => at.and_then(|at| row.get(at)).unwrap_or_default().trim().to_owned(),
            };
            let values: Vec<(&str, String)> =
                places.iter().map(|(field, from, at)| (field.as_str(), value(*from, *at))).collect();
            let values: Vec<(&str, &str)> = values.iter().map(|(field, value)| (*field, value.as_str())).collect();
            match self.insert(&values) {
                Err(RecordError::DuplicateKey { .. }) if first_only => {}
                Err(error) => return Err(CsvError::Row { line: row.position().map_or(0, csv::Position::line), error }),
                Ok(()) => {}
            }
        }
        Ok(count)
    }
}
