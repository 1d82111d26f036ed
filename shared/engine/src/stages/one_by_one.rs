//! Writing to a system that takes records one at a time through its API: intent, call, receipt.
//!
//! Invariants: nothing is sent that both sides agreed on or that stands there already, so that what came from the other
//! side is never sent back. Every call is written down before it is made; whoever finds such a call without its receipt
//! reads the record back before anything is sent again. What the other side made of a record is read back, and only that
//! counts as agreed.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Context;
use super::reconcile::{There, each_ours, fields, there_by_key};
use super::session::BUSY;
use crate::error::{Error, Kind, Result};
use crate::model::audit::Outcome;
use crate::model::batch::MappedBatch;
use crate::model::id::RecordKey;
use crate::model::link::{Agreement, Claim, Link, Receipt};
use crate::model::rows::Rows;
use crate::model::value::Value;
use crate::plan::SyncPlan;
use crate::ports::{Destination, OneByOne, Outgoing, Which, Written};

/// A record on its way.
struct Record<'r> {
    key: RecordKey,
    hash: u128,
    row: u32,
    deleted: bool,
    cells: Vec<Value<'r>>,
}

/// Records that are sent before the task is put back: its lease, its permit and its function's time all end some day.
const SENT_AT_ONCE: usize = 200;

/// What became of a batch.
pub(super) enum Passed {
    /// One entry per record, in their order.
    All(Vec<Written>),
    /// Not all of it is written: the task goes on after so long, which is no failure and uses up no attempt.
    Part(Duration),
}

/// Writes the records of a batch, each on its own. A repetition sends nothing again that has arrived, and answers the
/// same.
pub(super) async fn write(
    context: &Context,
    plan: &SyncPlan,
    batch: &MappedBatch,
    destination: &dyn Destination,
    way: OneByOne,
    deadline: Option<DateTime<Utc>>,
) -> Result<Passed> {
    let (tenant, connection, holder) = (&plan.id.tenant, &plan.destination, batch.id.to_string());
    let (now, until) = (context.clock.now(), context.lease_until());
    if !context.store.permit(tenant, connection, &holder, way.sessions, now, until).await? {
        return Ok(Passed::Part(BUSY));
    }
    let owner = format!("{}/{}", batch.id, batch.part);
    let written = Writing { context, plan, batch, destination, way, owner, deadline }.write().await;
    if let Err(failure) = context.store.release_permit(tenant, connection, &holder).await {
        tracing::warn!(%connection, reason = %failure, "a permit was not given back; it will expire");
    }
    written
}

struct Writing<'w> {
    context: &'w Context,
    plan: &'w SyncPlan,
    batch: &'w MappedBatch,
    destination: &'w dyn Destination,
    way: OneByOne,
    owner: String,
    deadline: Option<DateTime<Utc>>,
}

/// A record that was sent in this pass: its place in the batch, the id that was told, how it stood before.
struct Sent {
    at: usize,
    id: Option<String>,
    before: Option<u128>,
    detail: Option<String>,
    /// Whether it was sent before already, and that call had its time to show.
    again: bool,
}

impl Writing<'_> {
    async fn write(&self) -> Result<Passed> {
        let records = self.records()?;
        let keys: Vec<RecordKey> = records.iter().map(|record| record.key.clone()).collect();
        let links: HashMap<RecordKey, Link> =
            self.context.store.links(&self.plan.id, &keys).await?.into_iter().collect();
        let mut written: Vec<Option<Written>> =
            records.iter().map(|record| self.known(record, links.get(&record.key))).collect();
        let open = keys.iter().zip(&written).filter(|(_, one)| one.is_none()).map(|(key, _)| key.clone());
        let asked: Vec<RecordKey> = open.take(SENT_AT_ONCE).collect();
        let standing = self.standing(&asked).await?;
        let there = there_by_key(&self.plan.table, &standing)?;
        let mut sent = Vec::new();
        for (at, record) in records.iter().enumerate() {
            if asked.contains(&record.key) {
                if self.is_over() {
                    break;
                }
                let link = links.get(&record.key).cloned().unwrap_or_default();
                match self.one(record, &link, there.get(&record.key)).await? {
                    One::Settled(one) => written[at] = Some(one),
                    One::Sent { id, before, detail, again } => sent.push(Sent { at, id, before, detail, again }),
                }
            }
        }
        self.confirm(&records, sent, &mut written).await?;
        let all: Option<Vec<Written>> = written.into_iter().collect();
        Ok(all.map_or(Passed::Part(Duration::ZERO), Passed::All))
    }

    /// Whether the time of the function is nearly over.
    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|end| self.context.clock.now() + self.context.limits.reserve > end)
    }

    fn records(&self) -> Result<Vec<Record<'_>>> {
        let mut records = Vec::new();
        let mut reader = self.batch.rows.reader();
        let mut deleted = Vec::new();
        let mut cells = Vec::new();
        while reader.next_head_into(4, &mut cells)? {
            deleted.push(cells.get(3) == Some(&Value::Bool(true)));
        }
        each_ours(&self.batch.rows, |ours| {
            let hash = ours.hash.ok_or_else(|| Error::stop("a mapped row has no hash of its content"))?;
            let deleted = deleted.get(records.len()).copied().unwrap_or(false);
            records.push(Record { key: ours.key, hash, row: ours.row, deleted, cells: ours.cells });
            Ok(())
        })?;
        Ok(records)
    }

    /// What is known of a record without asking the other system.
    fn known(&self, record: &Record<'_>, link: Option<&Link>) -> Option<Written> {
        if record.deleted {
            // Nothing is deleted in the other system: a person decides that there.
            return Some(Outcome::Filtered.into());
        }
        let link = link?;
        let is_ours = |receipt: &&Receipt| receipt.owner == self.owner && link.version == self.batch.version.0;
        if let Some(receipt) = link.receipt.as_ref().filter(is_ours) {
            return Some(Written { outcome: receipt.outcome, reason: receipt.detail.clone() });
        }
        if link.version > self.batch.version.0 {
            return Some(Outcome::Superseded.into());
        }
        link.knows(record.hash).then(|| Outcome::Unchanged.into())
    }

    async fn standing(&self, keys: &[RecordKey]) -> Result<Rows> {
        self.destination.standing(&self.plan.table, &self.plan.id, Which::Keys(keys)).await
    }

    fn hash(&self, there: &There<'_>) -> u128 {
        self.plan.mapping.content_hash(&there.cells)
    }

    /// Sends one record, unless it stands there already.
    async fn one(&self, record: &Record<'_>, link: &Link, there: Option<&There<'_>>) -> Result<One> {
        let before = there.map(|there| self.hash(there));
        if before == Some(record.hash) {
            // Sent by somebody who died over it, or never sent at all because the other side had it first.
            let called = link.intent.as_ref().is_some_and(|intent| intent.called);
            let outcome = if called { Outcome::Updated } else { Outcome::Echoed };
            return self.agree(record, outcome, None, None, record.hash).await.map(One::Settled);
        }
        let again = self.claim(record).await?;
        let detail = link.agreed.filter(|agreed| before.is_some_and(|before| before != agreed.0));
        let detail = detail.map(|_| "what was changed there meanwhile is overwritten".to_owned());
        let reference = format!("{}-{}", self.batch.id, record.row);
        let outgoing = Outgoing {
            key: &record.key,
            cells: &record.cells,
            there: there.map(|there| there.cells.as_slice()),
            reference: &reference,
        };
        match self.destination.send(&self.plan.table, &outgoing).await {
            Ok(id) => Ok(One::Sent { id, before, detail, again }),
            Err(failure) if failure.kind() == Kind::Unknown => {
                Err(Error::later_after(self.way.settles_after, failure.to_string()))
            }
            Err(failure) => {
                self.change(&record.key, &mut |link| link.let_go(&self.owner)).await?;
                match failure.kind() {
                    Kind::Reject => {
                        Ok(One::Settled(Written { outcome: Outcome::Rejected, reason: Some(failure.to_string()) }))
                    }
                    _ => Err(failure),
                }
            }
        }
    }

    /// Writes down that the record is about to be sent. Whether it was sent before already.
    async fn claim(&self, record: &Record<'_>) -> Result<bool> {
        let (now, until) = (self.context.clock.now(), self.context.lease_until());
        let mut claim = Claim::Fresh;
        let claims = &mut |link: &mut Link| {
            claim = link.claim(&self.owner, now, until);
            let settled = match &claim {
                Claim::Fresh => true,
                Claim::Look(at) => (now - *at).to_std().is_ok_and(|passed| passed >= self.way.settles_after),
                Claim::Taken(_) => false,
            };
            if settled {
                link.calling(&self.owner, now);
            }
        };
        self.change(&record.key, claims).await?;
        let (until, what) = match claim {
            Claim::Fresh => return Ok(false),
            Claim::Look(at) => (at + self.way.settles_after, "may have been sent, and is not there yet"),
            Claim::Taken(until) => (until, "is being sent by another batch"),
        };
        match (until - now).to_std() {
            Ok(wait) if !wait.is_zero() => Err(Error::later_after(wait, format!("record {} {what}", record.key))),
            _ => Ok(true),
        }
    }

    /// Reads back what was sent.
    async fn confirm(&self, records: &[Record<'_>], sent: Vec<Sent>, written: &mut [Option<Written>]) -> Result<()> {
        if sent.is_empty() {
            return Ok(());
        }
        let keys: Vec<RecordKey> =
            sent.iter().filter_map(|one| records.get(one.at)).map(|record| record.key.clone()).collect();
        let standing = self.standing(&keys).await?;
        let there = there_by_key(&self.plan.table, &standing)?;
        let mut missing = None;
        for Sent { at, id, before, detail, again } in sent {
            let (Some(record), Some(place)) = (records.get(at), written.get_mut(at)) else { continue };
            // What was accepted and had its time may have been made into what stood there: that is agreed then.
            let had_its_time = again || self.way.settles_after.is_zero();
            let shows = |there: &&There<'_>| had_its_time || Some(self.hash(there)) != before;
            let Some(there) = there.get(&record.key).filter(shows) else {
                missing = Some(&record.key);
                continue;
            };
            let agreed = self.hash(there);
            let outcome = match before {
                None => Outcome::Inserted,
                Some(before) if before == agreed => Outcome::Unchanged,
                Some(_) => Outcome::Updated,
            };
            let detail = detail.or_else(|| self.made_of(record, there));
            *place = Some(self.agree(record, outcome, detail, id, agreed).await?);
        }
        match missing {
            None => Ok(()),
            Some(key) => Err(Error::later_after(
                self.way.settles_after,
                format!("record {key} was accepted and is not there yet when it is read back"),
            )),
        }
    }

    /// In words, what the other side made of a record; nothing when it is what was sent.
    fn made_of(&self, record: &Record<'_>, there: &There<'_>) -> Option<String> {
        let differing = fields(&self.plan.table, &record.cells, &there.cells);
        let text =
            |value: &Option<String>| value.as_ref().map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"));
        let words = differing.iter().map(|field| {
            format!("{}: {} was sent, {} is there", field.column, text(&field.source), text(&field.destination))
        });
        let words: Vec<_> = words.collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    async fn agree(
        &self,
        record: &Record<'_>,
        outcome: Outcome,
        detail: Option<String>,
        id: Option<String>,
        agreed: u128,
    ) -> Result<Written> {
        let receipt = Receipt { owner: self.owner.clone(), outcome, detail: detail.clone() };
        let on = Agreement { id, sent: record.hash, agreed, version: self.batch.version.0 };
        let agree = &mut |link: &mut Link| {
            link.agree(&receipt, &on);
            // Where the other system gives no id of its own, it knows the record by our key.
            link.id.get_or_insert_with(|| record.key.as_str().to_owned());
        };
        self.change(&record.key, agree).await?;
        Ok(Written { outcome, reason: detail })
    }

    async fn change(&self, key: &RecordKey, change: &mut (dyn FnMut(&mut Link) + Send)) -> Result<Link> {
        self.context.store.update_link(&self.plan.id, key, change).await
    }
}

/// What became of one record in this pass.
enum One {
    /// Its outcome is known.
    Settled(Written),
    /// It was sent and is to be read back.
    Sent { id: Option<String>, before: Option<u128>, detail: Option<String>, again: bool },
}
