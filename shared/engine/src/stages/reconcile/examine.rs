//! Looks at chosen records on both sides and says of each what became of it.

use std::collections::{HashMap, HashSet};

use super::Comparison;
use super::held::{self, HeldRecord};
use super::sides::{each_ours, there_by_key};
use super::verdict::{Case, Source, Verdict};
use crate::error::Result;
use crate::model::id::RecordKey;
use crate::model::rows::{Rows, RowsWriter};
use crate::ports::{ReadRequest, What, Which};
use crate::stages::transform::MappedRows;

/// Keys that are asked for in one call where the source has no opinion.
const KEYS_AT_ONCE: usize = 50;

/// A record that was looked at.
pub(super) struct Examined {
    pub key: RecordKey,
    pub verdict: Verdict,
    /// By how much it makes the totals differ, per sheet.
    pub weights: Vec<super::sheets::Weight>,
}

/// The rows of the source for some keys.
struct Asked {
    rows: Rows,
    /// Keys that the source cannot be asked for, and why.
    not_asked: HashMap<RecordKey, String>,
}

impl Comparison<'_> {
    /// Looks at these records. The source is asked for exactly them; where it cannot be, `seen` stands for its answer.
    pub(super) async fn examine(&self, keys: &[RecordKey], seen: Option<&Rows>) -> Result<Vec<Examined>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let asked = match (self.capabilities.keys_per_read, seen) {
            (None, Some(seen)) => Asked { rows: seen.clone(), not_asked: HashMap::new() },
            _ => self.ask(keys).await?,
        };
        // In this order a record that is loaded just now is not taken for one that was never read.
        let mapped = self.map(&asked.rows).await?;
        let MappedRows { rows: ours, held: refused, .. } = mapped;
        let ours = ours.into_rows()?;
        let standing = self.destination.standing(&self.plan.table, &self.plan.id, Which::Keys(keys)).await?;
        let there = there_by_key(&self.plan.table, &standing)?;
        let held = self.held_among(keys).await?;
        let mut by_key = HashMap::new();
        each_ours(&ours, |record| {
            by_key.insert(record.key.clone(), record);
            Ok(())
        })?;
        let raw = RawRows::new(self, &asked.rows)?;
        let refused: HashMap<&RecordKey, _> = refused.iter().map(|held| (&held.key, held)).collect();

        let mut examined = Vec::with_capacity(keys.len());
        for key in keys {
            let audit = self.context.store.audit_of(&self.plan.id, key).await?;
            let source = match (by_key.get(key), refused.get(key), asked.not_asked.get(key)) {
                (Some(ours), _, _) => Source::Mapped(ours),
                (None, Some(held), _) => {
                    Source::Refused { stamp: raw.stamps.get(held.row as usize).copied().flatten(), why: &held.reason }
                }
                (None, None, Some(why)) => Source::NotAsked(why),
                (None, None, None) if raw.has_filtered(self, key) => Source::Filtered,
                (None, None, None) => Source::Gone,
            };
            let row = match &source {
                Source::Mapped(ours) => Some(ours.row),
                Source::Refused { .. } => refused.get(key).map(|held| held.row),
                _ => None,
            };
            let case = Case {
                plan: self.plan,
                key,
                source: source.clone(),
                there: there.get(key),
                held: held.get(key),
                print: row.and_then(|row| raw.prints.get(row as usize)).copied(),
                audit: &audit,
                reach: self.reach,
            };
            let verdict = case.judge();
            let weights = match &verdict {
                Verdict::Differs(_) => self.weights(&source, row, &asked.rows, there.get(key), held.get(key)).await?,
                _ => Vec::new(),
            };
            examined.push(Examined { key: key.clone(), verdict, weights });
        }
        Ok(examined)
    }

    /// Reads exactly these records.
    async fn ask(&self, keys: &[RecordKey]) -> Result<Asked> {
        let mut rows = RowsWriter::new(&self.plan.stream.columns);
        let mut not_asked = HashMap::new();
        let mut source_keys = Vec::with_capacity(keys.len());
        let Some(at_once) = self.capabilities.keys_per_read else {
            let why = "it reads no chosen records";
            return Ok(Asked {
                rows: rows.into_rows()?,
                not_asked: keys.iter().map(|key| (key.clone(), why.to_owned())).collect(),
            });
        };
        for key in keys {
            match self.plan.mapping.source_key(key) {
                Ok(source_key) => source_keys.push(source_key),
                Err(why) => _ = not_asked.insert(key.clone(), why.to_string()),
            }
        }
        for chunk in source_keys.chunks(at_once.clamp(1, KEYS_AT_ONCE)) {
            let mut after = None;
            loop {
                let what = What::Keys(chunk);
                let request = ReadRequest { stream: &self.plan.stream, what, after: after.as_ref() };
                let page = self.session.source.read(request, &mut rows).await?;
                for record in page.too_big {
                    let key = RecordKey::join(record.key.iter().map(|part| part.trim()));
                    not_asked.insert(key, format!("it has {} bytes, more than can be carried", record.bytes));
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(Asked { rows: rows.into_rows()?, not_asked })
    }

    /// Those of these records that are held just now.
    pub(super) async fn held_among(&self, keys: &[RecordKey]) -> Result<HashMap<RecordKey, HeldRecord>> {
        let among: HashSet<RecordKey> = self.context.store.held_among(&self.plan.id, keys).await?.into_iter().collect();
        if among.is_empty() {
            return Ok(HashMap::new());
        }
        let mut all = crate::stages::close::all_held(self.context, &self.plan.id).await?;
        all.retain(|held| among.contains(&held.key));
        held::by_key(self.context, &self.plan.stream.columns, all).await
    }
}

/// What is needed of source rows besides what they map to.
struct RawRows {
    stamps: Vec<Option<i64>>,
    prints: Vec<u64>,
    /// The source's own keys, where the sync leaves rows out by its own condition.
    keys: HashSet<Vec<String>>,
}

impl RawRows {
    fn new(comparison: &Comparison<'_>, rows: &Rows) -> Result<Self> {
        let plan = comparison.plan;
        let mapper = plan.mapping.bind(rows.columns())?;
        let mut raw = Self { stamps: Vec::new(), prints: Vec::new(), keys: HashSet::new() };
        let at: Vec<_> = plan.stream.key.iter().map(|column| rows.column(column)).collect();
        let mut cells = Vec::new();
        let mut reader = rows.reader();
        while reader.next_into(&mut cells)? {
            raw.stamps.push(mapper.stamp(&cells));
            raw.prints.push(held::print(&plan.stream.columns, rows.columns(), &cells));
            if plan.mapping.leaves_rows_out() {
                let part = |at: &Option<usize>| at.and_then(|at| cells.get(at)).map(|c| c.to_text().trim().to_owned());
                raw.keys.insert(at.iter().map(|at| part(at).unwrap_or_default()).collect());
            }
        }
        Ok(raw)
    }

    /// Whether the source gave a row of this key, which then is one that the sync's own condition leaves out.
    fn has_filtered(&self, comparison: &Comparison<'_>, key: &RecordKey) -> bool {
        let source_key = comparison.plan.mapping.source_key(key).ok();
        source_key
            .is_some_and(|key| self.keys.contains(&key.iter().map(|part| part.trim().to_owned()).collect::<Vec<_>>()))
    }
}
