//! Records read back by their keys, as values of the table's own types: through the same queries and with the same rules
//! as everything else that is read of PeopleSoft.

use engine::mapping::{Blank, ColumnSpec, Declaration, Mapped, Mapping, SourceColumns};
use engine::model::id::RecordKey;
use engine::model::rows::{Rows, RowsWriter};
use engine::model::table::{ColumnType, TableSpec};
use engine::model::value::Value;
use engine::plan::StreamSpec;
use engine::ports::{ReadRequest, Source, What, standing};
use engine::{Error, Result};

use super::WriteDefinition;
use crate::peoplesoft::settings::PeopleSoftSettings;
use crate::peoplesoft::source::PeopleSoftSource;

/// How the records of a table are read back.
pub(in crate::peoplesoft) struct Reading {
    /// What is read, field by field.
    pub(in crate::peoplesoft) stream: StreamSpec,
    /// From fields to columns.
    mapping: Mapping,
    record: String,
}

impl Reading {
    /// How this table is read back.
    ///
    /// # Errors
    /// Stops when its key is not the one by which the query finds a record, and when two columns are the same field.
    pub(in crate::peoplesoft) fn new(
        write: &WriteDefinition,
        table: &TableSpec,
        settings: &PeopleSoftSettings,
    ) -> Result<Self> {
        let fields: Vec<String> = table.columns.iter().map(|column| write.field(&column.name)).collect();
        if let Some(twice) = fields.iter().enumerate().find(|(at, field)| fields[..*at].contains(field)) {
            return Err(Error::stop(format!(
                "the table `{}` has two columns that are {} in PeopleSoft: set `writes.{}.fields` right",
                table.name, twice.1, table.name
            )));
        }
        let mapping = mapping(table, &fields, &key(write, table)?, settings)?;
        let stream = StreamSpec {
            name: table.name.clone(),
            object: write.read.clone(),
            key: key(write, table)?,
            updated: None,
            filter: Vec::new(),
            columns: mapping.source_columns().to_vec(),
            padded: Vec::new(),
            page_size: None,
        };
        Ok(Self { stream, mapping, record: write.record.clone() })
    }

    /// Those of these records that are there: [`standing::COLUMNS`] and the columns of the table.
    ///
    /// # Errors
    /// As a read of the source; Stop also when a value is none of its column's type.
    pub(in crate::peoplesoft) async fn standing(
        &self,
        source: &PeopleSoftSource,
        table: &TableSpec,
        keys: &[RecordKey],
    ) -> Result<Rows> {
        let keys = keys.iter().map(|key| self.mapping.source_key(key)).collect::<Result<Vec<_>>>()?;
        let names = table.columns.iter().map(|column| column.name.as_str());
        let names: Vec<_> = standing::COLUMNS.into_iter().chain(names).collect();
        let mut found = RowsWriter::new(&names);
        if keys.is_empty() {
            return found.into_rows();
        }
        let mut read = RowsWriter::new(&self.stream.columns);
        let mut after = None;
        loop {
            let request = ReadRequest { stream: &self.stream, what: What::Keys(&keys), after: after.as_ref() };
            let page = source.read(request, &mut read).await?;
            if let Some(long) = page.too_big.first() {
                return Err(Error::stop(format!(
                    "{} {:?} cannot be read back: it is longer than `max_record_bytes`",
                    self.record, long.key
                )));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.convert(&read.into_rows()?, &mut found)?;
        found.into_rows()
    }

    fn convert(&self, read: &Rows, found: &mut RowsWriter) -> Result<()> {
        let mapper = self.mapping.bind(read.columns())?;
        // Nothing is kept there of what was written last, and nothing is marked deleted.
        let unknown = [Value::Null, Value::Null, Value::Null, Value::Bool(false), Value::Null, Value::Null];
        let (mut cells, mut mapped) = (Vec::new(), Vec::new());
        let mut reader = read.reader();
        while reader.next_into(&mut cells)? {
            match mapper.map(&cells, &mut mapped) {
                Mapped::Refused(refusal) => {
                    return Err(Error::stop(format!(
                        "the {} {} of PeopleSoft cannot be compared: `{}` is `{}` there, which {}",
                        self.record,
                        refusal.key.map(|key| key.parts().join("/")).unwrap_or_default(),
                        refusal.field,
                        refusal.value,
                        refusal.reason
                    )));
                }
                Mapped::Row { .. } | Mapped::Filtered => found.push(unknown.iter().chain(&mapped)),
            }
        }
        Ok(())
    }
}

/// The fields of the key, in the order in which the query asks for them.
fn key(write: &WriteDefinition, table: &TableSpec) -> Result<Vec<String>> {
    let mine: Vec<String> = table.key_columns().map(|column| write.field(&column.name)).collect();
    let theirs = write.key();
    if theirs.is_empty() {
        return Ok(mine);
    }
    let is_same = theirs.len() == mine.len() && theirs.iter().all(|field| mine.iter().any(|own| own == field));
    if !is_same {
        return Err(Error::stop(format!(
            "{} finds a {} by {}, and the key of the table `{}` is {} in PeopleSoft: let the sync have that key, or name the \
             fields of its columns in `writes.{}.fields`",
            write.read,
            write.record,
            theirs.join(", "),
            table.name,
            mine.join(", "),
            table.name
        )));
    }
    Ok(theirs.iter().map(|field| (*field).to_owned()).collect())
}

fn mapping(
    table: &TableSpec,
    fields: &[String],
    source_key: &[String],
    settings: &PeopleSoftSettings,
) -> Result<Mapping> {
    let is_key = |at: usize| table.key.contains(&at);
    let column = |(at, (column, field)): (usize, (&engine::model::table::TableColumn, &String))| {
        let is_dated = matches!(column.kind, ColumnType::Date | ColumnType::Timestamp);
        let spec = ColumnSpec {
            from: Some(SourceColumns(vec![field.clone()])),
            kind: Some(column.kind.to_string()),
            format: is_dated.then(|| "iso".to_owned()),
            // An empty text is one blank in the database, and means no value.
            blank: (!is_key(at)).then_some(Blank::Null),
            ..ColumnSpec::default()
        };
        (column.name.clone(), spec)
    };
    let columns = table.columns.iter().zip(fields).enumerate().map(column).collect();
    let key: Vec<String> = table.key_columns().map(|column| column.name.clone()).collect();
    let declaration = Declaration {
        columns: &columns,
        key: &key,
        source_key,
        updated: None,
        filter: None,
        needs: &[],
        zone: settings.zone,
    };
    Mapping::compile(&declaration).map_err(|faults| {
        let words: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.path.join("."), fault.message)).collect();
        Error::stop(format!("the table `{}` cannot be read back from PeopleSoft: {}", table.name, words.join("; ")))
    })
}
