//! The rows of one record, in memory.
//!
//! Invariant: a key is unique; rows come in the order of the key. Where a row lies does not change while it lives, so a
//! selection may remember places.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::cell::{Cell, Kind};
use super::schema::{RecordError, Schema};

/// Where a row lies.
pub(super) type Slot = u32;

/// The place of a row that an outer join did not find.
pub(super) const NO_ROW: Slot = Slot::MAX;

type Key = Box<[Cell]>;

/// One record with its rows.
#[derive(Clone, Debug)]
pub struct Record {
    schema: Schema,
    slots: Vec<Option<Box<[Cell]>>>,
    index: BTreeMap<Key, Slot>,
    /// Texts that occur often are kept once.
    words: HashSet<Arc<str>>,
}

impl Record {
    /// An empty record.
    pub fn new(schema: Schema) -> Self {
        Self { schema, slots: Vec::new(), index: BTreeMap::new(), words: HashSet::new() }
    }

    /// Its definition.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// All rows in the order of the key.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row<'_>> {
        self.index.values().filter_map(|slot| self.row_at(*slot))
    }

    /// The row with this key, given as text in the order of the key fields.
    pub fn get(&self, key: &[&str]) -> Result<Option<Row<'_>>, RecordError> {
        Ok(self.index.get(&self.key_of(key)?).and_then(|slot| self.row_at(*slot)))
    }

    /// Adds a row; fields that are not named are empty. A value that its field cannot hold stays as it came.
    pub fn insert(&mut self, values: &[(&str, &str)]) -> Result<(), RecordError> {
        let mut cells = self.blank();
        for (field, value) in values {
            let at = self.schema.existing(field)?;
            cells[at] = Cell::parse(self.schema.fields()[at].kind, value);
        }
        self.push(cells)
    }

    /// Adds rows that come from outside, each as field → text, in their order. Stops at the first that is none.
    pub fn load<R>(&mut self, rows: impl IntoIterator<Item = R>) -> Result<usize, RecordError>
    where
        R: IntoIterator<Item = (String, String)>,
    {
        let mut loaded = 0;
        for row in rows {
            let values: Vec<(String, String)> = row.into_iter().collect();
            let values: Vec<(&str, &str)> =
                values.iter().map(|(field, value)| (field.as_str(), value.as_str())).collect();
            let row = loaded + 1;
            self.insert(&values).map_err(|error| RecordError::Row { row, error: Box::new(error) })?;
            loaded = row;
        }
        Ok(loaded)
    }

    /// Changes the named fields of a row, key fields too: that is how a row moves to another page. False when there is none.
    pub fn update(&mut self, key: &[&str], values: &[(&str, &str)]) -> Result<bool, RecordError> {
        let key = self.key_of(key)?;
        let Some(slot) = self.index.get(&key).copied() else {
            return Ok(false);
        };
        let Some(mut cells) = self.slots.get(slot as usize).cloned().flatten() else {
            return Ok(false);
        };
        for (field, value) in values {
            let at = self.schema.existing(field)?;
            cells[at] = Cell::parse(self.schema.fields()[at].kind, value);
        }
        let moved = self.key(&cells);
        if moved != key {
            if self.index.contains_key(&moved) {
                return Err(self.duplicate(&moved));
            }
            self.index.remove(&key);
            self.index.insert(moved, slot);
        }
        self.slots[slot as usize] = Some(cells);
        Ok(true)
    }

    /// Takes a row away. False when there is none.
    pub fn delete(&mut self, key: &[&str]) -> Result<bool, RecordError> {
        let key = self.key_of(key)?;
        let Some(slot) = self.index.remove(&key) else {
            return Ok(false);
        };
        self.slots[slot as usize] = None;
        Ok(true)
    }

    /// Adds a field, written as in [`Schema::parse`]; it is empty in the rows that are there.
    pub fn add_field(&mut self, field: &str) -> Result<(), RecordError> {
        self.schema.add(field)?;
        let kind = self.schema.fields().last().map_or(Kind::Text, |field| field.kind);
        for cells in self.slots.iter_mut().flatten() {
            let mut wider = std::mem::take(cells).into_vec();
            wider.push(Cell::empty(kind));
            *cells = wider.into();
        }
        Ok(())
    }

    /// Takes a field away, as an upgrade does. A key field stays.
    pub fn drop_field(&mut self, field: &str) -> Result<(), RecordError> {
        let at = self.schema.existing(field)?;
        if self.schema.key().contains(&at) {
            return Err(RecordError::KeyLength { record: self.schema.name().into(), fields: self.schema.key_names() });
        }
        self.schema.remove(at);
        for cells in self.slots.iter_mut().flatten() {
            let mut narrower = std::mem::take(cells).into_vec();
            narrower.remove(at);
            *cells = narrower.into();
        }
        Ok(())
    }

    /// Adds many rows with the same `N` fields, named once with blanks between them.
    pub(super) fn fill<const N: usize>(&mut self, fields: &str) -> Result<Fill<'_, N>, RecordError> {
        let at: Vec<usize> =
            fields.split_whitespace().map(|field| self.schema.existing(field)).collect::<Result<_, _>>()?;
        let count = at.len();
        let miscounted = |_| RecordError::Miscounted { record: self.schema.name().into(), fields: count, values: N };
        let at: [usize; N] = at.try_into().map_err(miscounted)?;
        Ok(Fill { blank: self.blank(), record: self, at })
    }

    pub(super) fn row_at(&self, slot: Slot) -> Option<Row<'_>> {
        let cells = self.slots.get(slot as usize)?.as_deref()?;
        Some(Row { schema: &self.schema, cells })
    }

    pub(super) fn cell(&self, slot: Slot, field: usize) -> Option<&Cell> {
        self.slots.get(slot as usize)?.as_deref()?.get(field)
    }

    /// Places in the order of the key, or in the order in which the rows came.
    pub(super) fn places(&self, by_key: bool) -> Vec<Slot> {
        if by_key {
            return self.index.values().copied().collect();
        }
        let alive = self.slots.iter().enumerate().filter(|(_, cells)| cells.is_some());
        alive.map(|(slot, _)| slot as Slot).collect()
    }

    fn blank(&self) -> Box<[Cell]> {
        self.schema.fields().iter().map(|field| Cell::empty(field.kind)).collect()
    }

    fn push(&mut self, mut cells: Box<[Cell]>) -> Result<(), RecordError> {
        let key = self.key(&cells);
        if self.index.contains_key(&key) {
            return Err(self.duplicate(&key));
        }
        for cell in &mut cells {
            if let Cell::Text(text) = cell {
                match self.words.get(text.as_ref()) {
                    Some(known) => *text = Arc::clone(known),
                    // Long or rare texts would only fill the list.
                    None if text.len() <= 12 => {
                        self.words.insert(Arc::clone(text));
                    }
                    None => {}
                }
            }
        }
        self.index.insert(key, self.slots.len() as Slot);
        self.slots.push(Some(cells));
        Ok(())
    }

    fn key(&self, cells: &[Cell]) -> Key {
        self.schema.key().iter().map(|at| cells[*at].clone()).collect()
    }

    fn key_of(&self, parts: &[&str]) -> Result<Key, RecordError> {
        if parts.len() != self.schema.key().len() {
            return Err(RecordError::KeyLength { record: self.schema.name().into(), fields: self.schema.key_names() });
        }
        let kinds = self.schema.key().iter().map(|at| self.schema.fields()[*at].kind);
        Ok(kinds.zip(parts).map(|(kind, part)| Cell::parse(kind, part)).collect())
    }

    fn duplicate(&self, key: &[Cell]) -> RecordError {
        let key = key.iter().map(Cell::to_string).collect::<Vec<_>>().join("|");
        RecordError::DuplicateKey { record: self.schema.name().into(), key }
    }
}

/// Adds rows with the same fields.
pub(super) struct Fill<'a, const N: usize> {
    record: &'a mut Record,
    at: [usize; N],
    blank: Box<[Cell]>,
}

impl<const N: usize> Fill<'_, N> {
    pub(super) fn row(&mut self, values: [Cell; N]) -> Result<(), RecordError> {
        let mut cells = self.blank.clone();
        for (at, value) in self.at.iter().zip(values) {
            cells[*at] = value;
        }
        self.record.push(cells)
    }
}

/// One row, to look at.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    schema: &'a Schema,
    cells: &'a [Cell],
}

impl Row<'_> {
    /// A field as text; empty, too, for a field that is not there.
    pub fn text(&self, field: &str) -> String {
        self.cell(field).map_or_else(String::new, Cell::to_string)
    }

    /// A field as it is.
    pub fn cell(&self, field: &str) -> Option<&Cell> {
        self.cells.get(self.schema.position(field)?)
    }

    /// The values of the key fields, as text.
    pub fn key(&self) -> Vec<String> {
        self.schema.key().iter().map(|at| self.cells[*at].to_string()).collect()
    }
}

/// All records of the database.
#[derive(Clone, Debug, Default)]
pub struct Records {
    records: BTreeMap<String, Record>,
    version: u64,
}

impl Records {
    /// Without any record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a record.
    pub fn add(&mut self, record: Record) {
        self.version += 1;
        self.records.insert(record.schema().name().into(), record);
    }

    /// A record to look at.
    pub fn get(&self, name: &str) -> Result<&Record, RecordError> {
        self.records.get(name).ok_or_else(|| RecordError::NoSuchRecord(name.into()))
    }

    /// A record to change.
    pub fn change(&mut self, name: &str) -> Result<&mut Record, RecordError> {
        self.version += 1;
        self.records.get_mut(name).ok_or_else(|| RecordError::NoSuchRecord(name.into()))
    }

    /// All records by name.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Grows with each change, so that nobody shows what was before it.
    pub(super) fn version(&self) -> u64 {
        self.version
    }
}
