//! Control totals: counts and exact sums of both sides, of all records and in groups.
//!
//! For every group: source = destination + rejected + waiting. What does not add up is compared with the differences by
//! key, so that a total that differs without one is told from one that is explained to the cent.

use std::collections::{BTreeMap, BTreeSet};

use super::Comparison;
use super::held;
use super::sides::{There, there};
use crate::error::Result;
use crate::model::audit::Held;
use crate::model::decimal::Decimal;
use crate::model::id::RecordKey;
use crate::model::reconcile::{ComparedTotals, TotalDifference};
use crate::model::rows::Rows;
use crate::model::totals::GroupBy;
use crate::model::value::Value;
use crate::model::window::Window;
use crate::plan::SyncPlan;
use crate::ports::Which;

/// Held records whose standing at the destination is asked for at once.
const KEYS_AT_ONCE: usize = 1_000;

/// Per group the number of records, then the sum of each column.
type Amounts = BTreeMap<Option<String>, Vec<Decimal>>;

/// A record's share in the totals.
#[derive(Debug, Clone)]
pub(super) struct Weight {
    sheet: usize,
    group: Option<String>,
    /// One record, or minus one where it is taken away.
    records: Decimal,
    /// Its amounts; `None` when not each of them can be told.
    sums: Option<Vec<Decimal>>,
}

impl Weight {
    /// The same, taken away.
    #[must_use]
    pub fn negated(self) -> Self {
        let sums = self.sums.map(|sums| sums.into_iter().map(Decimal::negated).collect());
        Self { records: self.records.negated(), sums, ..self }
    }
}

/// One way of grouping, and what both sides have in it.
#[derive(Debug, Default)]
struct Sheet {
    source: Option<Amounts>,
    /// What the rows add up to that were read to be compared.
    folded: Amounts,
    destination: Amounts,
    rejected: Amounts,
    waiting: Amounts,
    /// What the differences by key add up to.
    explained: Amounts,
    /// Groups with a record of which not every amount can be told.
    untold: BTreeSet<Option<String>>,
}

/// All ways of grouping.
#[derive(Debug)]
pub(super) struct Sheets<'p> {
    plan: &'p SyncPlan,
    by: Vec<GroupBy>,
    sheets: Vec<Sheet>,
    /// Rows that were too big to be read, and so are in no group.
    too_big: u64,
    /// Held records that are not in the archive, and so are in no group.
    unarchived: u64,
    /// Whether all rows of the source were read.
    pub is_folded: bool,
}

impl<'p> Sheets<'p> {
    /// Empty ones.
    pub fn new(plan: &'p SyncPlan) -> Self {
        let mut by = vec![GroupBy::All];
        by.extend(plan.control.by.iter().cloned().map(GroupBy::Value));
        by.extend(plan.control.month.iter().cloned().map(GroupBy::Month));
        let sheets = by.iter().map(|_| Sheet::default()).collect();
        Self { plan, by, sheets, too_big: 0, unarchived: 0, is_folded: false }
    }

    fn columns(&self) -> Vec<&'p str> {
        self.plan.totals.iter().map(|(_, column)| column.as_str()).collect()
    }

    /// The weights of a record that has the columns of the table.
    pub fn of_mapped(&self, cells: &[Value<'_>]) -> Vec<Weight> {
        let cell = |column: &str| self.plan.table.column(column).and_then(|at| cells.get(at)).cloned();
        self.weights(|column| cell(column).unwrap_or(Value::Null), |column| amount(cell(column)))
    }

    /// The weights of a row of the source.
    pub fn of_row(&self, names: &[String], cells: &[Value<'_>]) -> Vec<Weight> {
        let convert = |column: &str| {
            let source = self.plan.mapping.cell_source(column)?;
            let cell = names.iter().position(|name| name == source).and_then(|at| cells.get(at))?;
            self.plan.mapping.convert(column, cell)
        };
        self.weights(|column| convert(column).unwrap_or(Value::Null), |column| amount(convert(column)))
    }

    fn weights<'v>(&self, group: impl Fn(&str) -> Value<'v>, amount: impl Fn(&str) -> Option<Decimal>) -> Vec<Weight> {
        let sums: Option<Vec<_>> = self.columns().into_iter().map(amount).collect();
        let by = self.by.iter().enumerate();
        by.map(|(sheet, by)| {
            let group = match by {
                GroupBy::All => None,
                GroupBy::Value(column) | GroupBy::Month(column) => text_of(by, &group(column)),
            };
            Weight { sheet, group, records: Decimal::new(1, 0), sums: sums.clone() }
        })
        .collect()
    }

    fn put(&mut self, weights: Vec<Weight>, of: impl Fn(&mut Sheet) -> &mut Amounts) -> Result<()> {
        let none = vec![Decimal::default(); self.plan.totals.len()];
        for Weight { sheet, group, records, sums } in weights {
            let Some(sheet) = self.sheets.get_mut(sheet) else { continue };
            if sums.is_none() {
                sheet.untold.insert(group.clone());
            }
            let mut row = vec![records];
            row.extend(sums.as_ref().unwrap_or(&none));
            add(of(sheet), group, &row)?;
        }
        Ok(())
    }

    /// A row was read that maps.
    pub fn read_mapped(&mut self, cells: &[Value<'_>]) -> Result<()> {
        self.put(self.of_mapped(cells), |sheet| &mut sheet.folded)
    }

    /// A row was read that does not map.
    pub fn read_row(&mut self, names: &[String], cells: &[Value<'_>]) -> Result<()> {
        self.put(self.of_row(names, cells), |sheet| &mut sheet.folded)
    }

    /// Rows were too big to be read.
    pub fn read_nothing_of(&mut self, rows: usize) {
        self.too_big += rows as u64;
    }

    /// A difference by key was found.
    pub fn explain(&mut self, weights: Vec<Weight>) -> Result<()> {
        self.put(weights, |sheet| &mut sheet.explained)
    }

    /// Asks both sides for their totals. Returns what could not be compared, in words.
    pub async fn take(&mut self, comparison: &Comparison<'_>, held: &[Held]) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for sheet in &mut self.sheets {
            *sheet = Sheet {
                folded: std::mem::take(&mut sheet.folded),
                explained: std::mem::take(&mut sheet.explained),
                untold: std::mem::take(&mut sheet.untold),
                ..Sheet::default()
            };
        }
        self.take_destination(comparison, held).await?;
        self.take_held(comparison, held, &mut notes).await?;
        self.take_source(comparison, &mut notes).await?;
        Ok(notes)
    }

    async fn take_destination(&mut self, comparison: &Comparison<'_>, held: &[Held]) -> Result<()> {
        let (plan, columns) = (self.plan, self.columns());
        for (sheet, by) in self.sheets.iter_mut().zip(&self.by) {
            let groups = comparison.destination.control_totals(&plan.table, &plan.id, by, &columns).await?;
            for group in groups {
                let sums = group.sums.into_iter().map(Option::unwrap_or_default);
                let amounts: Vec<_> = std::iter::once(Decimal::new(group.records.into(), 0)).chain(sums).collect();
                add(&mut sheet.destination, group.group, &amounts)?;
            }
        }
        // A record that is held may stand there as it was before; it counts once, as held.
        let keys: Vec<RecordKey> = held.iter().map(|held| held.key.clone()).collect();
        let keys: Vec<RecordKey> = keys.into_iter().filter(|key| key.parts().len() == plan.table.key.len()).collect();
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let rows = comparison.destination.standing(&plan.table, &plan.id, Which::Keys(keys)).await?;
            for (_, record) in there(&plan.table, &rows)? {
                if counts(&record) {
                    let weights = self.of_mapped(&record.cells).into_iter().map(Weight::negated).collect();
                    self.put(weights, |sheet| &mut sheet.destination)?;
                }
            }
        }
        Ok(())
    }

    async fn take_held(&mut self, comparison: &Comparison<'_>, held: &[Held], notes: &mut Vec<String>) -> Result<()> {
        let missing = held::visit(comparison.context, held, |held, rows, cells| {
            let weights = self.of_row(rows.columns(), cells);
            match held.is_waiting() {
                true => self.put(weights, |sheet| &mut sheet.waiting),
                false => self.put(weights, |sheet| &mut sheet.rejected),
            }
        })
        .await?;
        self.unarchived = missing;
        if missing > 0 {
            notes.push(format!("{missing} held records are not in the archive: their amounts cannot be told"));
        }
        Ok(())
    }

    async fn take_source(&mut self, comparison: &Comparison<'_>, notes: &mut Vec<String>) -> Result<()> {
        let (plan, capabilities) = (self.plan, &comparison.capabilities);
        let source = comparison.session.source.as_ref();
        let columns: Vec<&str> = plan.totals.iter().map(|(column, _)| column.as_str()).collect();
        let filtered = plan.mapping.leaves_rows_out();
        for (sheet, by) in self.sheets.iter_mut().zip(&self.by) {
            sheet.source = match by {
                _ if filtered => None,
                GroupBy::All if capabilities.counts && (capabilities.totals || columns.is_empty()) => {
                    let mut amounts =
                        vec![Decimal::new(source.count(&plan.stream, Window::default()).await?.into(), 0)];
                    for column in &columns {
                        amounts.push(source.total(&plan.stream, Window::default(), column).await?);
                    }
                    Some(BTreeMap::from([(None, amounts)]))
                }
                GroupBy::All => None,
                GroupBy::Value(column) | GroupBy::Month(column) => match plan.mapping.cell_source(column) {
                    Some(from) if capabilities.groups => {
                        let groups = source.groups(&plan.stream, Window::default(), from, &columns).await?;
                        groups.map(|groups| by_value(plan, by, column, groups)).transpose()?
                    }
                    _ => None,
                },
            };
            if sheet.source.is_none() && self.is_folded {
                let mut folded = sheet.folded.clone();
                if *by == GroupBy::All {
                    let mut row = vec![Decimal::default(); columns.len() + 1];
                    row[0] = Decimal::new(self.too_big.into(), 0);
                    add(&mut folded, None, &row)?;
                }
                sheet.source = Some(folded);
            } else if sheet.source.is_none() {
                notes.push(format!("the source does not tell its totals ({})", words(by)));
            }
        }
        Ok(())
    }

    /// What was compared.
    pub fn compared(&self) -> Vec<ComparedTotals> {
        let sheets = self.by.iter().zip(&self.sheets).filter(|(by, sheet)| self.is_comparable(by, sheet));
        sheets.map(|(by, sheet)| ComparedTotals { by: words(by), groups: sheet.groups().len() as u64 }).collect()
    }

    fn is_comparable(&self, by: &GroupBy, sheet: &Sheet) -> bool {
        sheet.source.is_some() && (self.too_big + self.unarchived == 0 || *by == GroupBy::All)
    }

    /// What does not add up.
    pub fn differences(&self) -> Result<Vec<TotalDifference>> {
        let mut found = Vec::new();
        for (by, sheet) in self.by.iter().zip(&self.sheets) {
            if !self.is_comparable(by, sheet) {
                continue;
            }
            let unarchived = Decimal::new(self.unarchived.into(), 0);
            for group in sheet.groups() {
                let sums_told = !sheet.untold.contains(&group) && self.too_big + self.unarchived == 0;
                let columns = self.plan.totals.iter().map(|(_, column)| column.as_str()).filter(|_| sums_told);
                for (at, what) in std::iter::once("records").chain(columns).enumerate() {
                    let of = |amounts: &Amounts| value(amounts, &group, at);
                    let source = sheet.source.as_ref().map(of).unwrap_or_default();
                    let (destination, waiting) = (of(&sheet.destination), of(&sheet.waiting));
                    // What is not in the archive is held all the same.
                    let rejected = if at == 0 { of(&sheet.rejected).plus(unarchived)? } else { of(&sheet.rejected) };
                    let accounted = destination.plus(rejected)?.plus(waiting)?;
                    let difference = source.plus(accounted.negated())?.normalized();
                    if difference == Decimal::default() {
                        continue;
                    }
                    found.push(TotalDifference {
                        by: words(by),
                        group: group.clone(),
                        what: what.to_owned(),
                        source: source.to_string(),
                        destination: destination.to_string(),
                        rejected: rejected.to_string(),
                        waiting: waiting.to_string(),
                        difference: difference.to_string(),
                        explained: of(&sheet.explained).normalized() == difference,
                    });
                }
            }
        }
        Ok(found)
    }

    /// How many records the source has, where it was told.
    pub fn source_records(&self) -> Option<u64> {
        let count = value(self.sheets.first()?.source.as_ref()?, &None, 0);
        u64::try_from(count.units()).ok()
    }

    /// How many records the destination has, those that are held left out.
    pub fn destination_records(&self) -> u64 {
        let all = self.sheets.first().map(|sheet| value(&sheet.destination, &None, 0));
        all.and_then(|count| u64::try_from(count.units()).ok()).unwrap_or(0)
    }
}

impl Sheet {
    fn groups(&self) -> BTreeSet<Option<String>> {
        let source = self.source.iter().flat_map(BTreeMap::keys);
        let others = [&self.destination, &self.rejected, &self.waiting].into_iter().flat_map(BTreeMap::keys);
        source.chain(others).cloned().collect()
    }
}

/// Whether a record is among the destination's own totals.
pub(super) fn counts(record: &There<'_>) -> bool {
    !record.is_deleted && record.is_ours()
}

/// How a way of grouping is called.
fn words(by: &GroupBy) -> String {
    match by {
        GroupBy::All => "all".to_owned(),
        GroupBy::Value(column) => column.clone(),
        GroupBy::Month(column) => format!("month of {column}"),
    }
}

/// The source's groups as the destination has them: its values are mapped, days become months.
fn by_value(plan: &SyncPlan, by: &GroupBy, column: &str, groups: Vec<crate::ports::SourceGroup>) -> Result<Amounts> {
    let mut amounts = Amounts::new();
    for group in groups {
        let value = plan.mapping.convert(column, &group.cell).unwrap_or(Value::Null);
        let sums = group.sums.into_iter().map(Option::unwrap_or_default);
        let row: Vec<_> = std::iter::once(Decimal::new(group.records.into(), 0)).chain(sums).collect();
        add(&mut amounts, text_of(by, &value), &row)?;
    }
    Ok(amounts)
}

/// The canonical text of a group; none for records without a value.
fn text_of(by: &GroupBy, value: &Value<'_>) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let text = value.to_text();
    match by {
        // `2026-11-20`.
        GroupBy::Month(_) => Some(text.get(..7).unwrap_or(&text).to_owned()),
        GroupBy::All | GroupBy::Value(_) => Some(text.into_owned()),
    }
}

/// An amount; a column without a value adds nothing, one that is no number cannot be told.
fn amount(value: Option<Value<'_>>) -> Option<Decimal> {
    match value? {
        Value::Null => Some(Decimal::default()),
        Value::Decimal(decimal) => Some(decimal),
        Value::Integer(whole) => Some(Decimal::new(whole.into(), 0)),
        _ => None,
    }
}

fn add(amounts: &mut Amounts, group: Option<String>, row: &[Decimal]) -> Result<()> {
    let sums = amounts.entry(group).or_insert_with(|| vec![Decimal::default(); row.len()]);
    for (sum, amount) in sums.iter_mut().zip(row) {
        *sum = sum.plus(*amount)?;
    }
    Ok(())
}

fn value(amounts: &Amounts, group: &Option<String>, at: usize) -> Decimal {
    amounts.get(group).and_then(|sums| sums.get(at)).copied().unwrap_or_default()
}

impl Comparison<'_> {
    /// By how much a record that differs makes the totals differ: what the source has of it, less what is accounted for.
    pub(super) async fn weights(
        &self,
        source: &super::verdict::Source<'_>,
        row: Option<u32>,
        rows: &Rows,
        there: Option<&There<'_>>,
        held: Option<&held::HeldRecord>,
    ) -> Result<Vec<Weight>> {
        use super::verdict::Source;

        let sheets = Sheets::new(self.plan);
        let mut weights = match source {
            Source::Mapped(ours) => sheets.of_mapped(&ours.cells),
            Source::Refused { .. } => row_weights(&sheets, rows, row)?,
            Source::Gone | Source::Filtered | Source::NotAsked(_) => Vec::new(),
        };
        let taken = match (held, there) {
            // A held record counts as held, wherever it stands.
            (Some(record), _) => {
                let mut found = Vec::new();
                held::visit(self.context, std::slice::from_ref(&record.held), |_, rows, cells| {
                    found = sheets.of_row(rows.columns(), cells);
                    Ok(())
                })
                .await?;
                found
            }
            (None, Some(there)) if counts(there) => sheets.of_mapped(&there.cells),
            _ => Vec::new(),
        };
        weights.extend(taken.into_iter().map(Weight::negated));
        Ok(weights)
    }
}

/// The weights of one row of a block.
fn row_weights(sheets: &Sheets<'_>, rows: &Rows, wanted: Option<u32>) -> Result<Vec<Weight>> {
    let mut cells = Vec::new();
    let mut reader = rows.reader();
    let mut row = 0;
    while reader.next_into(&mut cells)? {
        if Some(row) == wanted {
            return Ok(sheets.of_row(rows.columns(), &cells));
        }
        row += 1;
    }
    Ok(Vec::new())
}
