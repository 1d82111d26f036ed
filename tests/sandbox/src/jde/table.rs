//! Rows of one table: stored by column, found and listed by primary key.
//!
//! Invariant: `order` holds each living row exactly once, sorted by the primary key under the table's collation. The
//! place of a row (its slot) is never used again, so a result set that remembers slots cannot show a stranger.
//! What must not be here: anything of the wire format.

use std::cmp::Ordering;

use super::bulk::Bulk;
use super::cell::{Collation, Operand, Stored, Value, display, operand, text_form, whole_form};
use super::column::Column;
use super::row::Row;
use super::schema::{Kind, Schema};
use super::symbols::Symbols;
use super::table_error::TableError;

/// The place of a row for as long as the table lives.
pub(super) type Slot = u32;

/// One table with its rows.
#[derive(Clone, Debug)]
pub struct Table {
    schema: Schema,
    columns: Vec<Column>,
    symbols: Symbols,
    order: Vec<Slot>,
    slots: u32,
    collation: Collation,
}

impl Table {
    /// An empty table.
    pub fn new(schema: Schema) -> Self {
        let columns = schema.columns().iter().map(|column| Column::new(column.kind)).collect();
        Self { schema, columns, symbols: Symbols::new(), order: Vec::new(), slots: 0, collation: Collation::default() }
    }

    /// The table's schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The rows in the order of the primary key.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row<'_>> + '_ {
        self.order.iter().map(|slot| Row::new(self, *slot))
    }

    /// The `index`-th row in the order of the primary key.
    pub fn nth(&self, index: usize) -> Option<Row<'_>> {
        self.order.get(index).map(|slot| Row::new(self, *slot))
    }

    /// The row of a key.
    pub fn get(&self, key: &[Value]) -> Result<Option<Row<'_>>, TableError> {
        let key = self.key_operands(key)?;
        Ok(self.locate(&key).ok().and_then(|at| self.nth(at)))
    }

    /// Adds a row; columns that are not named stay blank. Text that does not fit a number or date column is kept as it
    /// came and shown so, because real ledgers reach a connector with such values through conversions and imports.
    pub fn insert(&mut self, cells: &[(&str, Value)]) -> Result<(), TableError> {
        self.put(cells, false).map(drop)
    }

    /// Adds a row, or changes the named columns of the row that has its key. True when the row is new.
    pub fn upsert(&mut self, cells: &[(&str, Value)]) -> Result<bool, TableError> {
        self.put(cells, true)
    }

    /// Changes the named columns of a row; false when there is no such row. Does not touch the update stamp.
    pub fn update(&mut self, key: &[Value], cells: &[(&str, Value)]) -> Result<bool, TableError> {
        let positions = self.positions(cells)?;
        let in_key = positions.iter().zip(cells).find(|(at, _)| self.schema.key().contains(at));
        if let Some((at, (_, value))) = in_key {
            return Err(self.bad_key(*at, &display(value)));
        }
        let key = self.key_operands(key)?;
        let Ok(found) = self.locate(&key) else { return Ok(false) };
        let slot = self.order[found];
        for (position, (_, value)) in positions.into_iter().zip(cells) {
            self.set(slot, position, value);
        }
        Ok(true)
    }

    /// Removes a row, as a hard delete in the database; false when there is no such row.
    pub fn delete(&mut self, key: &[Value]) -> Result<bool, TableError> {
        let key = self.key_operands(key)?;
        Ok(self.locate(&key).map(|at| self.order.remove(at)).is_ok())
    }

    /// Adds many rows at once, sorting once at the end.
    pub fn bulk(&mut self) -> Bulk<'_> {
        Bulk::new(self)
    }

    pub(super) fn next_slot(&self) -> Slot {
        self.slots
    }

    /// A row that is not in order yet: [`Table::take_in`] has to follow.
    pub(super) fn new_row(&mut self) -> Slot {
        let slot = self.slots;
        self.slots += 1;
        self.order.push(slot);
        slot
    }

    /// Brings all rows into order, or drops those from `first` on when their keys are not fit.
    pub(super) fn take_in(&mut self, first: Slot) -> Result<(), TableError> {
        let trouble = self.key_trouble(first);
        if trouble.is_err() {
            self.discard(first);
        }
        trouble
    }

    /// Drops the rows from `first` on.
    pub(super) fn discard(&mut self, first: Slot) {
        self.order.retain(|slot| *slot < first);
    }

    fn key_trouble(&mut self, first: Slot) -> Result<(), TableError> {
        for column in self.schema.key() {
            if let Some(raw) = self.columns[*column].first_raw(first) {
                return Err(self.bad_key(*column, raw));
            }
        }
        self.sort();
        let twice = self.order.windows(2).find(|pair| self.compare_slots(pair[0], pair[1]).is_eq());
        let Some(twice) = twice else { return Ok(()) };
        let key = Row::new(self, twice[0]).key().join("|");
        Err(TableError::DuplicateKey { table: self.schema.name().into(), key })
    }

    /// Sorts and compares texts another way from now on.
    pub fn set_collation(&mut self, collation: Collation) {
        if self.collation != collation {
            self.collation = collation;
            self.sort();
        }
    }

    pub(super) fn collation(&self) -> Collation {
        self.collation
    }

    pub(super) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// All living rows in key order.
    pub(super) fn order(&self) -> &[Slot] {
        &self.order
    }

    pub(super) fn is_alive(&self, slot: Slot) -> bool {
        self.order.binary_search_by(|other| self.compare_slots(*other, slot)).is_ok_and(|at| self.order[at] == slot)
    }

    /// The symbol of a text cell.
    pub(super) fn symbol(&self, slot: Slot, column: usize) -> u32 {
        self.columns[column].symbol(slot)
    }

    /// The number, Julian date or time of a cell.
    pub(super) fn int(&self, slot: Slot, column: usize) -> i64 {
        self.columns[column].int(slot)
    }

    /// What a cell holds that does not fit its column.
    pub(super) fn raw(&self, slot: Slot, column: usize) -> Option<&str> {
        self.columns[column].raw(slot)
    }

    /// Compares a cell with an operand of the same column.
    pub(super) fn compare(&self, slot: Slot, column: usize, operand: &Operand) -> Ordering {
        match operand {
            Operand::Int(value) => self.int(slot, column).cmp(value),
            Operand::Text(text) => self.collation.compare(self.symbols.text(self.symbol(slot, column)), text),
        }
    }

    /// Compares two rows by one column.
    pub(super) fn compare_cells(&self, a: Slot, b: Slot, column: usize) -> Ordering {
        match self.schema.columns()[column].kind {
            Kind::Text { .. } => {
                let (a, b) = (self.symbol(a, column), self.symbol(b, column));
                if a == b {
                    return Ordering::Equal;
                }
                self.collation.compare(self.symbols.text(a), self.symbols.text(b))
            }
            Kind::Number { .. } | Kind::Date | Kind::Time => self.int(a, column).cmp(&self.int(b, column)),
        }
    }

    fn compare_slots(&self, a: Slot, b: Slot) -> Ordering {
        self.schema
            .key()
            .iter()
            .map(|column| self.compare_cells(a, b, *column))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// How the leading key columns of a row compare with a (partial) key.
    pub(super) fn compare_key(&self, slot: Slot, key: &[Operand]) -> Ordering {
        let columns = self.schema.key().iter().zip(key);
        columns
            .map(|(column, operand)| self.compare(slot, *column, operand))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    fn locate(&self, key: &[Operand]) -> Result<usize, usize> {
        self.order.binary_search_by(|slot| self.compare_key(*slot, key))
    }

    fn key_operands(&self, key: &[Value]) -> Result<Vec<Operand>, TableError> {
        let columns = self.schema.key();
        if columns.len() != key.len() {
            return Err(TableError::KeyLength {
                table: self.schema.name().into(),
                expected: columns.len(),
                given: key.len(),
            });
        }
        let operands = columns.iter().zip(key);
        operands
            .map(|(at, value)| {
                operand(self.schema.columns()[*at].kind, value).ok_or_else(|| self.bad_key(*at, &display(value)))
            })
            .collect()
    }

    fn bad_key(&self, column: usize, value: &str) -> TableError {
        TableError::BadKey {
            table: self.schema.name().into(),
            alias: self.schema.columns()[column].alias.clone(),
            value: value.into(),
        }
    }

    fn positions(&self, cells: &[(&str, Value)]) -> Result<Vec<usize>, TableError> {
        cells
            .iter()
            .map(|(alias, _)| {
                self.schema.position(alias).ok_or_else(|| TableError::UnknownColumn {
                    table: self.schema.name().into(),
                    alias: (*alias).into(),
                })
            })
            .collect()
    }

    fn put(&mut self, cells: &[(&str, Value)], replace: bool) -> Result<bool, TableError> {
        let positions = self.positions(cells)?;
        let key: Vec<Value> = self
            .schema
            .key()
            .iter()
            .map(|column| {
                let given = positions.iter().position(|position| position == column);
                given.map_or(Value::Text(String::new()), |given| cells[given].1.clone())
            })
            .collect();
        let operands = self.key_operands(&key)?;
        let (slot, fresh) = match self.locate(&operands) {
            Ok(found) if replace => (self.order[found], false),
            Ok(_) => {
                let key = key.iter().map(display).collect::<Vec<_>>().join("|");
                return Err(TableError::DuplicateKey { table: self.schema.name().into(), key });
            }
            Err(gap) => {
                let slot = self.slots;
                self.slots += 1;
                self.order.insert(gap, slot);
                (slot, true)
            }
        };
        for (position, (_, value)) in positions.into_iter().zip(cells) {
            self.set(slot, position, value);
        }
        Ok(fresh)
    }

    pub(super) fn set(&mut self, slot: Slot, column: usize, value: &Value) {
        match (self.schema.columns()[column].kind, value) {
            (Kind::Text { .. }, Value::Text(text)) => self.set_text(slot, column, text),
            (Kind::Text { .. }, other) => self.set_text(slot, column, &display(other)),
            (kind, value) => {
                let stored = whole_form(kind, value).map_or_else(|| Stored::Raw(display(value)), Stored::Int);
                self.columns[column].store(slot, stored);
            }
        }
    }

    pub(super) fn set_text(&mut self, slot: Slot, column: usize, text: &str) {
        let Kind::Text { width, right } = self.schema.columns()[column].kind else {
            return;
        };
        // The row before often holds the same text; a seeded million shows the difference.
        let last = self.columns[column].last();
        let known = self.symbols.text(last);
        let same = known == text || (right && known.trim_start_matches(' ') == text);
        let symbol = if same { last } else { self.symbols.intern(&text_form(text, width, right)) };
        self.columns[column].store(slot, Stored::Text(symbol));
    }

    pub(super) fn set_int(&mut self, slot: Slot, column: usize, whole: i64) {
        self.columns[column].store(slot, Stored::Int(whole));
    }

    fn sort(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        if !order.is_sorted_by(|a, b| self.compare_slots(*a, *b).is_le()) {
            order.sort_by(|a, b| self.compare_slots(*a, *b));
        }
        self.order = order;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Table {
        let mut table = Table::new(Schema::standard("F0411").unwrap());
        for (document, item) in [(70_002, "001"), (70_001, "002"), (70_001, "001")] {
            table
                .insert(&[
                    ("DOC", document.into()),
                    ("DCT", "PV".into()),
                    ("KCO", "00001".into()),
                    ("SFX", item.into()),
                ])
                .unwrap();
        }
        table
    }

    fn key(document: i32, item: &str) -> Vec<Value> {
        vec![document.into(), "PV".into(), "00001".into(), item.into(), 0.into()]
    }

    #[test]
    fn rows_are_listed_by_key_and_found_changed_and_deleted_by_it() {
        let mut table = ledger();
        let keys: Vec<_> = table.rows().map(|row| format!("{}-{}", row.text("DOC"), row.text("SFX"))).collect();
        assert_eq!(keys, ["70001-001", "70001-002", "70002-001"]);
        assert!(table.update(&key(70_001, "002"), &[("AG", "12.50".into()), ("MCU", "30".into())]).unwrap());
        let row = table.get(&key(70_001, "002")).unwrap().unwrap();
        assert_eq!((row.number("AG").units, row.text("MCU").as_str()), (1250, "          30"));
        assert!(
            !table
                .upsert(&[("DOC", 70_001.into()), ("DCT", "PV".into()), ("KCO", "00001".into()), ("SFX", "002".into())])
                .unwrap()
        );
        assert_eq!(table.len(), 3);
        assert!(table.delete(&key(70_001, "002")).unwrap());
        assert!(!table.delete(&key(70_001, "002")).unwrap());
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn the_key_is_unique_fits_its_columns_and_never_changes() {
        let mut table = ledger();
        let again = [("DOC", 70_002.into()), ("DCT", "PV".into()), ("KCO", "00001".into()), ("SFX", "001".into())];
        assert!(matches!(table.insert(&again), Err(TableError::DuplicateKey { .. })));
        assert!(matches!(table.insert(&[("DOC", "twelve".into())]), Err(TableError::BadKey { .. })));
        assert!(matches!(table.update(&key(70_002, "001"), &[("SFX", "009".into())]), Err(TableError::BadKey { .. })));
        assert!(matches!(table.insert(&[("NOPE", 1.into())]), Err(TableError::UnknownColumn { .. })));
        assert!(matches!(table.get(&[1.into()]), Err(TableError::KeyLength { .. })));
    }

    #[test]
    fn what_does_not_fit_a_column_is_kept_as_it_came_until_it_is_mended() {
        let mut table = ledger();
        let cells = [("AG", "12.345".into()), ("DGJ", "31/02/2026".into()), ("UPMT", "996100".into())];
        table.update(&key(70_002, "001"), &cells).unwrap();
        let row = table.get(&key(70_002, "001")).unwrap().unwrap();
        assert_eq!([row.text("AG"), row.text("DGJ"), row.text("UPMT")], ["12.345", "31/02/2026", "996100"]);
        table.update(&key(70_002, "001"), &[("AG", "12.35".into())]).unwrap();
        assert_eq!(table.get(&key(70_002, "001")).unwrap().unwrap().text("AG"), "12.35");
    }

    #[test]
    fn bulk_rows_are_sorted_in_and_refused_as_a_whole() {
        let mut table = ledger();
        let [document, kind, company] = ["DOC", "DCT", "KCO"].map(|alias| table.schema().position(alias).unwrap());
        let mut bulk = table.bulk();
        for number in [5, 90_000, 71_000] {
            bulk.row();
            bulk.int(document, number);
            bulk.text(kind, "PV");
            bulk.text(company, "00001");
        }
        bulk.finish().unwrap();
        let documents: Vec<_> = table.rows().map(|row| row.number("DOC").units).collect();
        assert_eq!(documents, [5, 70_001, 70_001, 70_002, 71_000, 90_000]);
        let mut bulk = table.bulk();
        for number in [6, 71_000] {
            bulk.row();
            bulk.int(document, number);
            bulk.text(kind, "PV");
            bulk.text(company, "00001");
        }
        assert!(matches!(bulk.finish(), Err(TableError::DuplicateKey { .. })));
        assert_eq!(table.len(), 6);
    }

    #[test]
    fn another_collation_sorts_digits_after_letters() {
        let mut table = Table::new(Schema::standard("F0010").unwrap());
        for company in ["00010", "AB", "ab", "Z1", "ZA"] {
            table.insert(&[("CO", company.into())]).unwrap();
        }
        let companies = |table: &Table| table.rows().map(|row| row.text("CO")).collect::<Vec<_>>();
        assert_eq!(companies(&table), ["00010", "AB", "Z1", "ZA", "ab"]);
        table.set_collation(Collation::DigitsLast);
        assert_eq!(companies(&table), ["ab", "AB", "ZA", "Z1", "00010"]);
    }
}
