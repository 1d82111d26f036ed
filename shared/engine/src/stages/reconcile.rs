//! Reconcile: proves that both sides of a sync agree, and names every record that does not with its cause.
//!
//! 1. All of the source is read, page by page, as a run reads it, and mapped; each record is compared with what stands at
//!    the destination under its key. What is not plainly the same is looked at again on both sides before it is judged, so
//!    that a record that changes meanwhile is not reported wrongly.
//! 2. The destination is searched for records that the source did not show, unless the counts prove that there are none.
//!    The source is then asked for exactly those.
//! 3. Counts and totals of both sides are compared last, and what does not add up is held against the differences by key.
//!
//! It writes nothing; [`repair`] does. Memory: a page of each side, 8 bytes per record of one partition of the keys, the
//! held records, and the differences, of which so many are listed at most.

mod examine;
mod held;
mod repair;
mod sheets;
mod sides;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;

pub(super) use held::visit as visit_held;
pub use repair::{Repair, repair, review};

use self::held::HeldRecord;
use self::sheets::Sheets;
pub(super) use self::sides::{There, each_ours, fields, there_by_key};
use self::sides::{is_same_content, there};
use self::verdict::{Reach, Verdict};
use super::Context;
use super::close::all_held;
use super::poll::window;
use super::session::Session;
use super::transform::{MappedRows, is_key_of_place, map};
use crate::error::{Error, Result};
use crate::model::audit::{Counts, Held};
use crate::model::batch::Version;
use crate::model::id::{BatchId, RecordKey, RunId, SyncId};
use crate::model::message::BatchTask;
use crate::model::reconcile::{Cause, Difference, Mend, Reconciliation};
use crate::model::rows::{Rows, RowsWriter};
use crate::model::window::{Position, Selection, Window};
use crate::plan::SyncPlan;
use crate::ports::{Destination, ReadRequest, SourceCapabilities, What, Which};

/// Differences that are listed at most: with more of them, everything has to be read again anyway.
const LISTED_AT_MOST: usize = 10_000;

/// Keys of the source that are remembered at once, 8 bytes each. With more the source is read several times.
const PARTITION: u64 = 8_000_000;

/// Records of the destination that are read back at once.
const PAGE: usize = 4_000;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReconcileOptions {
    /// Only records that changed from the first to the second day, both included, in the source's zone; without the second
    /// up to now. Totals are not compared then.
    pub window: Option<(NaiveDate, Option<NaiveDate>)>,
    /// Only counts and totals, without reading the records.
    pub totals_only: bool,
}

/// Compares both sides of a sync.
///
/// # Errors
/// As a poll and a load.
pub async fn reconcile(context: &Context, sync: &SyncId, options: ReconcileOptions) -> Result<Reconciliation> {
    let plan = context.plans.plan(sync)?;
    let session = Session::open(context, &sync.tenant, &plan.source, "reconcile").await?;
    let compared = async {
        let comparison = Comparison::new(context, &plan, &session).await?;
        comparison.permit().await?;
        comparison.run(options).await
    }
    .await;
    session.close(context, &compared).await;
    compared
}

/// A comparison under way.
struct Comparison<'c> {
    context: &'c Context,
    plan: &'c SyncPlan,
    session: &'c Session,
    capabilities: SourceCapabilities,
    destination: Arc<dyn Destination>,
    reach: Reach,
}

/// What was found so far.
struct Found<'p> {
    sheets: Sheets<'p>,
    differences: Vec<Difference>,
    /// Keys of these: a record that is held and stands there is met twice.
    reported: HashSet<RecordKey>,
    is_cut: bool,
    /// Records of the source that were read.
    read: u64,
    /// Of them, those that stand at the destination.
    standing: u64,
    /// Of these, those that are held as well.
    held_standing: u64,
    /// Held records that the source showed.
    held: HashSet<RecordKey>,
    /// What rows without a usable key are, in short.
    nameless: HashSet<u64>,
}

impl<'c> Comparison<'c> {
    async fn new(context: &'c Context, plan: &'c SyncPlan, session: &'c Session) -> Result<Self> {
        let state = context.store.sync(&plan.id).await?;
        let capabilities = session.source.capabilities(&plan.stream);
        let next = window(&Selection::Changes, &state, plan, capabilities.granularity);
        let in_force = state.mapping.hash == plan.mapping.hash();
        let reach = Reach {
            from: next.from.map(|from| from.timestamp_micros()),
            complete_up_to: state.watermark,
            mapping: i64::from(state.mapping.number) + i64::from(!in_force),
        };
        let destination = context.connectors.destination(&plan.id.tenant, &plan.destination).await?;
        destination.prepare(&plan.table).await?;
        Ok(Self { context, plan, session, capabilities, destination, reach })
    }

    /// Whether the destination is a system with records of its own, of which these are only some.
    fn is_one_by_one(&self) -> bool {
        self.destination.capabilities().one_by_one.is_some()
    }

    /// Takes or renews the right to a session.
    async fn permit(&self) -> Result<()> {
        self.session.permit(self.context, self.capabilities.sessions).await
    }

    async fn run(&self, options: ReconcileOptions) -> Result<Reconciliation> {
        let at = self.context.clock.now();
        let mut found = Found {
            sheets: Sheets::new(self.plan),
            differences: Vec::new(),
            reported: HashSet::new(),
            is_cut: false,
            read: 0,
            standing: 0,
            held_standing: 0,
            held: HashSet::new(),
            nameless: HashSet::new(),
        };
        if !options.totals_only {
            self.compare(options, &mut found).await?;
        }
        let mut result = Reconciliation {
            sync: self.plan.id.clone(),
            at,
            window: options.window,
            complete_up_to: self.reach.complete_up_to,
            source: Some(found.read),
            destination: found.standing - found.held_standing,
            rejected: 0,
            waiting: 0,
            compared: (!options.totals_only).then_some(found.read),
            agrees: true,
            totals: Vec::new(),
            total_differences: Vec::new(),
            differences: found.differences,
            is_cut: found.is_cut,
            notes: Vec::new(),
        };
        let mut held = all_held(self.context, &self.plan.id).await?;
        if self.is_one_by_one() {
            result.notes.push("only what the source holds is compared: the rest is the other system's own".to_owned());
        } else if options.window.is_some() {
            held.retain(|held| found.held.contains(&held.key));
            result.notes.push("totals are compared only without --from and --to".to_owned());
        } else {
            self.totals(&mut found.sheets, &held, &mut result).await?;
        }
        result.waiting = held.iter().filter(|held| held.is_waiting()).count() as u64;
        result.rejected = held.len() as u64 - result.waiting;
        result.differences.sort_by(|a, b| (a.cause, &a.key).cmp(&(b.cause, &b.key)));
        result.agrees = result.differences.is_empty() && !result.is_cut && result.total_differences.is_empty();
        Ok(result)
    }

    /// Compares the totals. What differs without a reason is asked for again: the source may have changed in between.
    async fn totals(&self, sheets: &mut Sheets<'_>, held: &[Held], result: &mut Reconciliation) -> Result<()> {
        for _ in 0..2 {
            result.notes = sheets.take(self, held).await?;
            result.total_differences = sheets.differences()?;
            if result.total_differences.iter().all(|difference| difference.explained) {
                break;
            }
        }
        result.totals = sheets.compared();
        result.source = sheets.source_records();
        result.destination = sheets.destination_records();
        Ok(())
    }

    async fn compare(&self, options: ReconcileOptions, found: &mut Found<'_>) -> Result<()> {
        let window =
            options.window.map(|(from, to)| Selection::Dates { from, to }).map_or_else(Window::default, |dates| {
                window(&dates, &crate::model::sync::SyncState::default(), self.plan, self.capabilities.granularity)
            });
        let expected = match self.capabilities.counts {
            _ if self.is_one_by_one() => 0,
            true => self.session.source.count(&self.plan.stream, window).await?,
            false => self.destination.count_standing(&self.plan.table, &self.plan.id).await?,
        };
        let partitions = expected.div_ceil(PARTITION).max(1);
        for partition in 0..partitions {
            let seen = self.read_source(window, (partition, partitions), found).await?;
            if partition == 0 {
                found.sheets.is_folded = !found.is_cut;
            }
            if found.is_cut {
                return Ok(());
            }
            if self.is_one_by_one() {
                return Ok(());
            }
            let all = window == Window::default();
            if all {
                self.look_for_held(&seen, (partition, partitions), found).await?;
            }
            // Every record of the source was found there, and the destination has no others.
            let none_left =
                all && found.standing == self.destination.count_standing(&self.plan.table, &self.plan.id).await?;
            if none_left {
                return Ok(());
            }
            self.look_for_others(&seen, (partition, partitions), window, found).await?;
        }
        Ok(())
    }

    /// Reads the source to its end. The first time its records are compared; every time the keys of the partition are
    /// remembered by their hashes, which are returned in order.
    async fn read_source(&self, window: Window, partition: (u64, u64), found: &mut Found<'_>) -> Result<Vec<u64>> {
        let mut seen = Vec::new();
        let mut rows = RowsWriter::new(&self.plan.stream.columns);
        let mut after: Option<Position> = None;
        loop {
            let what = What::Window(window);
            let request = ReadRequest { stream: &self.plan.stream, what, after: after.as_ref() };
            let page = self.session.source.read(request, &mut rows).await?;
            if page.next.is_some() && page.next == after {
                return Err(Error::later(format!(
                    "{} gave the same position twice: its pages do not advance",
                    self.plan.stream.object
                )));
            }
            if partition.0 == 0 {
                found.read += page.too_big.len() as u64;
                found.sheets.read_nothing_of(page.too_big.len());
            }
            for record in &page.too_big {
                let key = RecordKey::join(record.key.iter().map(|part| part.trim()));
                remember(&mut seen, &key, partition);
            }
            after = page.next;
            let limits = &self.context.limits;
            if after.is_none() || rows.size() >= limits.batch_bytes || rows.len() >= limits.batch_rows {
                self.permit().await?;
                let columns = self.plan.stream.columns.as_slice();
                let block = std::mem::replace(&mut rows, RowsWriter::new(columns)).into_rows()?;
                self.compare_block(&block, partition, &mut seen, found).await?;
            }
            if after.is_none() || found.is_cut {
                seen.sort_unstable();
                return Ok(seen);
            }
        }
    }

    async fn compare_block(
        &self,
        block: &Rows,
        partition: (u64, u64),
        seen: &mut Vec<u64>,
        found: &mut Found<'_>,
    ) -> Result<()> {
        let MappedRows { rows: ours, held: refused, .. } = self.map(block).await?;
        let ours = ours.into_rows()?;
        let mut keys = Vec::new();
        each_ours(&ours, |record| {
            remember(seen, &record.key, partition);
            keys.push(record.key);
            Ok(())
        })?;
        let named: Vec<_> = refused.iter().filter(|held| !is_key_of_place(&held.key)).collect();
        for held in &named {
            remember(seen, &held.key, partition);
            keys.push(held.key.clone());
        }
        if partition.0 > 0 {
            return Ok(());
        }
        found.read += (keys.len() + refused.len() - named.len()) as u64;
        let held: HashSet<RecordKey> = self.context.store.held_among(&self.plan.id, &keys).await?.into_iter().collect();
        let standing = self.destination.standing(&self.plan.table, &self.plan.id, Which::Keys(&keys)).await?;
        let there = there_by_key(&self.plan.table, &standing)?;
        let live = |key: &RecordKey| there.get(key).filter(|record| !record.is_deleted);
        let mut doubtful = Vec::new();
        each_ours(&ours, |record| {
            found.sheets.read_mapped(&record.cells)?;
            let there = live(&record.key);
            let is_same = there.is_some_and(|there| is_same_content(&self.plan.table, &record.cells, &there.cells));
            if held.contains(&record.key) || !is_same {
                doubtful.push(record.key);
            }
            Ok(())
        })?;
        self.fold_refused(block, &refused, found)?;
        doubtful.extend(named.iter().map(|refused| &refused.key).filter(|key| !held.contains(*key)).cloned());
        for key in &keys {
            found.standing += u64::from(live(key).is_some());
            found.held_standing += u64::from(live(key).is_some() && held.contains(key));
        }
        found.held.extend(held);
        self.take_in(&doubtful, Some(block), found).await
    }

    /// Adds the rows that do not map to the totals, and remembers those that have no usable key.
    fn fold_refused(&self, block: &Rows, refused: &[Held], found: &mut Found<'_>) -> Result<()> {
        let by_row: HashMap<u32, &Held> = refused.iter().map(|held| (held.row, held)).collect();
        if by_row.is_empty() {
            return Ok(());
        }
        let mut cells = Vec::new();
        let mut reader = block.reader();
        let mut row = 0;
        while reader.next_into(&mut cells)? {
            if let Some(held) = by_row.get(&row) {
                found.sheets.read_row(block.columns(), &cells)?;
                if is_key_of_place(&held.key) {
                    found.nameless.insert(held::print(&self.plan.stream.columns, block.columns(), &cells));
                }
            }
            row += 1;
        }
        Ok(())
    }

    /// Looks at records again, both sides, and takes in what was found.
    async fn take_in(&self, keys: &[RecordKey], seen: Option<&Rows>, found: &mut Found<'_>) -> Result<()> {
        for examined in self.examine(keys, seen).await? {
            match examined.verdict {
                Verdict::Agrees => {}
                Verdict::Held => _ = found.held.insert(examined.key),
                Verdict::Differs(_) if found.reported.contains(&examined.key) => {}
                Verdict::Differs(_) if found.differences.len() >= LISTED_AT_MOST => found.is_cut = true,
                Verdict::Differs(difference) => {
                    found.reported.insert(examined.key);
                    found.sheets.explain(examined.weights)?;
                    found.differences.push(difference);
                }
            }
        }
        Ok(())
    }

    /// Held records that the source did not show.
    async fn look_for_held(&self, seen: &[u64], partition: (u64, u64), found: &mut Found<'_>) -> Result<()> {
        let held = all_held(self.context, &self.plan.id).await?;
        let held = held::by_key(self.context, &self.plan.stream.columns, held).await?;
        let (nameless, named): (Vec<_>, Vec<_>) =
            held.into_values().partition(|record| is_key_of_place(&record.held.key));
        let named: Vec<RecordKey> = named.into_iter().map(|record| record.held.key).collect();
        let missing: Vec<_> = named.into_iter().filter(|key| is_missing(seen, key, partition)).collect();
        self.take_in(&missing, None, found).await?;
        if partition.0 == 0 {
            self.judge_nameless(nameless, found).await?;
        }
        Ok(())
    }

    /// Rows without a usable key are told from each other by what they hold.
    async fn judge_nameless(&self, held: Vec<HeldRecord>, found: &mut Found<'_>) -> Result<()> {
        let differs = |key: RecordKey, cause, mend, detail: String| Difference {
            key,
            cause,
            detail,
            fields: Vec::new(),
            mend,
            repaired: None,
            not_repaired: None,
        };
        let mut known = HashSet::new();
        for record in held {
            match record.print {
                Some(print) if !found.nameless.contains(&print) => {
                    let detail = format!(
                        "a row without a usable key is held ({}), and the source does not show it so any more: a run \
                         over everything (`run --full`) releases it",
                        record.held.reason
                    );
                    let none = RowsWriter::new(&self.plan.stream.columns).into_rows()?;
                    let weights = self.weights(&verdict::Source::Gone, None, &none, None, Some(&record)).await?;
                    found.sheets.explain(weights)?;
                    found.differences.push(differs(record.held.key.clone(), Cause::Deleted, Mend::Nobody, detail));
                }
                Some(print) => _ = known.insert(print),
                None => {}
            }
            found.held.insert(record.held.key);
        }
        let new = found.nameless.difference(&known).count();
        if new > 0 {
            let detail = format!(
                "the source has {new} rows without a usable key that no run has read so: the next run over their period \
                 makes rejects of them"
            );
            found.differences.push(differs(RecordKey::new("?"), Cause::Unknown, Mend::Nobody, detail));
        }
        Ok(())
    }

    /// Records of the destination that the source did not show.
    async fn look_for_others(
        &self,
        seen: &[u64],
        partition: (u64, u64),
        window: Window,
        found: &mut Found<'_>,
    ) -> Result<()> {
        let table = &self.plan.table;
        let is_within = |stamp: Option<i64>| {
            let (from, to) = (window.from.map(|t| t.timestamp_micros()), window.to.map(|t| t.timestamp_micros()));
            window == Window::default()
                || stamp.is_some_and(|at| from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to))
        };
        let mut after: Option<RecordKey> = None;
        loop {
            let page = self.destination.standing(table, &self.plan.id, Which::After(after.as_ref(), PAGE)).await?;
            let page = there(table, &page)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let others: Vec<RecordKey> = page
                .into_iter()
                .filter(|(_, record)| !record.is_deleted && is_within(record.stamp))
                .map(|(key, _)| key)
                .filter(|key| is_missing(seen, key, partition))
                .collect();
            if !others.is_empty() {
                self.permit().await?;
            }
            self.take_in(&others, None, found).await?;
            if found.is_cut {
                return Ok(());
            }
        }
    }

    /// Maps rows of the source as a run does.
    async fn map(&self, rows: &Rows) -> Result<MappedRows> {
        let task = BatchTask {
            sync: self.plan.id.clone(),
            batch: BatchId { run: RunId::new("reconcile"), seq: 0 },
            part: 0,
            version: Version::new(0, 0),
            mapping: 0,
            touch: false,
            counts: Counts::default(),
        };
        map(self.context, self.plan, &task, rows).await
    }
}

fn hash_of(key: &RecordKey) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key.as_str().as_bytes())
}

fn remember(seen: &mut Vec<u64>, key: &RecordKey, (partition, partitions): (u64, u64)) {
    let hash = hash_of(key);
    if hash % partitions == partition {
        seen.push(hash);
    }
}

/// Whether a key of this partition is not among those that were seen.
fn is_missing(seen: &[u64], key: &RecordKey, (partition, partitions): (u64, u64)) -> bool {
    let hash = hash_of(key);
    hash % partitions == partition && seen.binary_search(&hash).is_err()
}
