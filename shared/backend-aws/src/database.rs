//! DynamoDB: reading, writing and listing items, several at once, in transactions.
//!
//! Reads are consistent. What is throttled, unprocessed or in the way of a transaction is tried again a few times, with
//! a pause of growing length; then the work is put off.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, DeleteRequest, KeysAndAttributes, PutRequest, TransactWriteItem, WriteRequest,
};
use engine::model::id::TenantId;
use engine::{Error, Result};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::failure::failed;
use crate::pause::pause;
use crate::settings::{SHARED, Tables};

/// An item of a table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The partition key of every table.
pub(crate) const OWNER: &str = "owner";
/// The sort key of every table.
pub(crate) const ITEM: &str = "item";
/// When an item may vanish by itself, in seconds.
pub(crate) const EXPIRES_AT: &str = "expires_at";
/// The whole text of what a key was shortened from.
pub(crate) const KEY: &str = "key";

/// What DynamoDB allows for keys, in bytes.
const OWNER_BYTES: usize = 2048;
const ITEM_BYTES: usize = 1024;

/// What DynamoDB allows in one call.
const READ_AT_ONCE: usize = 100;
const WRITTEN_AT_ONCE: usize = 25;

/// Calls at the same time, of those that belong to one piece of work.
pub(crate) const CALLS: usize = 8;

/// How often something is tried that others were in the way of.
const ATTEMPTS: u32 = 12;

/// Where an item lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) owner: String,
    pub(crate) item: String,
    /// Whether a part of it was too long for a key, so that the item has to carry the whole.
    pub(crate) is_shortened: bool,
}

impl Place {
    pub(crate) fn new(owner: impl Into<String>, item: impl Into<String>) -> Self {
        let (owner, item) = (owner.into(), item.into());
        let is_shortened = owner.len() > OWNER_BYTES || item.len() > ITEM_BYTES;
        Self { owner: bounded(owner, OWNER_BYTES), item: bounded(item, ITEM_BYTES), is_shortened }
    }

    /// The attributes of its key.
    pub(crate) fn key(&self) -> Item {
        HashMap::from([(OWNER.to_owned(), text(&self.owner)), (ITEM.to_owned(), text(&self.item))])
    }
}

/// The text, or as much of its beginning as there is room for and a hash of all of it: what follows one another keeps
/// doing so unless it differs only beyond that.
pub(crate) fn bounded(text: String, bytes: usize) -> String {
    if text.len() <= bytes {
        return text;
    }
    let hash = format!("~{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
    let mut cut = bytes - hash.len();
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{hash}", &text[..cut])
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

pub(crate) fn text_in<'a>(item: &'a Item, name: &str) -> Result<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or_else(|| unreadable(name))
}

pub(crate) fn number_in(item: &Item, name: &str) -> Result<i64> {
    let number = item.get(name).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    number.ok_or_else(|| unreadable(name))
}

fn unreadable(name: &str) -> Error {
    Error::stop(format!("an item has no readable `{name}`: another version or somebody else wrote it"))
}

/// A request that lacks something would be a mistake of this crate.
pub(crate) fn built<T>(request: std::result::Result<T, aws_sdk_dynamodb::error::BuildError>) -> Result<T> {
    request.map_err(|e| Error::stop(format!("a request cannot be built: {e}")))
}

/// Which items of an owner are listed, in the order of their sort keys.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) owner: String,
    pub(crate) span: Span,
    pub(crate) newest_first: bool,
    /// Only items with these attributes. Others are read and paid for all the same.
    pub(crate) with: Vec<(&'static str, AttributeValue)>,
}

/// Between which sort keys.
#[derive(Debug, Clone)]
pub(crate) enum Span {
    All,
    Above(String),
    Below(String),
    Between(String, String),
}

impl Query {
    pub(crate) fn of(owner: impl Into<String>) -> Self {
        let owner = bounded(owner.into(), OWNER_BYTES);
        Self { owner, span: Span::All, newest_first: false, with: Vec::new() }
    }

    pub(crate) fn span(self, span: Span) -> Self {
        Self { span, ..self }
    }

    pub(crate) fn newest_first(self) -> Self {
        Self { newest_first: true, ..self }
    }
}

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Transacted {
    Done,
    /// Nothing was written. Per write whether its condition was not met.
    Refused(Vec<Verdict>),
}

/// What a transaction that was refused says of one of its writes.
#[derive(Debug)]
pub(crate) enum Verdict {
    Fine,
    NotMet,
}

/// The tables of one scope.
pub(crate) struct Database {
    pub(crate) client: Client,
    pub(crate) tables: Tables,
    scope: String,
}

impl Database {
    pub(crate) fn new(client: Client, scope: String, tables: Tables) -> Self {
        Self { client, tables, scope }
    }

    /// The owner of things of this scope: `{scope}|{kind}|{of}`.
    pub(crate) fn owner(&self, kind: &str, of: impl std::fmt::Display) -> String {
        format!("{}|{kind}|{of}", self.scope)
    }

    /// The owner of things of this scope that belong to all of it: `{scope}|{kind}`.
    pub(crate) fn owner_of_all(&self, kind: &str) -> String {
        format!("{}|{kind}", self.scope)
    }

    /// The owner of things that a tenant's integrations share: `shared|{tenant}|{kind}|{of}`.
    pub(crate) fn shared(&self, tenant: &TenantId, kind: &str, of: impl std::fmt::Display) -> String {
        format!("{SHARED}|{tenant}|{kind}|{of}")
    }

    pub(crate) async fn get(&self, table: &str, place: &Place) -> Result<Option<Item>> {
        let request = self.client.get_item().table_name(table).set_key(Some(place.key())).consistent_read(true);
        let answer = request.send().await.map_err(|e| failed("dynamodb:GetItem", &named(table), &e))?;
        Ok(answer.item)
    }

    /// Writes an item over whatever is there.
    pub(crate) async fn put(&self, table: &str, item: Item) -> Result<()> {
        let request = self.client.put_item().table_name(table).set_item(Some(item));
        for attempt in 0.. {
            match request.clone().send().await {
                Ok(_) => break,
                Err(e) if is_conflict(&e) && attempt < ATTEMPTS => pause(attempt).await,
                Err(e) => return Err(failed("dynamodb:PutItem", &named(table), &e)),
            }
        }
        Ok(())
    }

    /// Writes an item where none is, and says what is there otherwise.
    pub(crate) async fn put_new(&self, table: &str, item: Item) -> Result<Option<Item>> {
        let request = self.client.put_item().table_name(table).set_item(Some(item));
        let request = request
            .condition_expression("attribute_not_exists(#owner)")
            .expression_attribute_names("#owner", OWNER)
            .return_values_on_condition_check_failure(
                aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
            );
        for attempt in 0.. {
            let Err(e) = request.clone().send().await else { break };
            if is_conflict(&e) && attempt < ATTEMPTS {
                pause(attempt).await;
                continue;
            }
            return match in_the_way(&e) {
                Some(there) => Ok(Some(there.unwrap_or_default())),
                None => Err(failed("dynamodb:PutItem", &named(table), &e)),
            };
        }
        Ok(None)
    }

    /// Deletes an item, if it is there.
    pub(crate) async fn delete(&self, table: &str, place: &Place) -> Result<()> {
        let request = self.client.delete_item().table_name(table).set_key(Some(place.key()));
        for attempt in 0.. {
            match request.clone().send().await {
                Ok(_) => break,
                Err(e) if is_conflict(&e) && attempt < ATTEMPTS => pause(attempt).await,
                Err(e) => return Err(failed("dynamodb:DeleteItem", &named(table), &e)),
            }
        }
        Ok(())
    }

    /// Those of the items that are there, in no order. No place may be asked for twice.
    pub(crate) async fn get_many(&self, table: &str, places: Vec<Place>) -> Result<Vec<Item>> {
        let chunks: Vec<Vec<Item>> =
            places.chunks(READ_AT_ONCE).map(|chunk| chunk.iter().map(Place::key).collect()).collect();
        let reads = stream::iter(chunks.into_iter().map(|keys| self.get_chunk(table, keys))).buffer_unordered(CALLS);
        reads
            .try_fold(Vec::new(), async |mut all, items| {
                Ok({
                    all.extend(items);
                    all
                })
            })
            .await
    }

    async fn get_chunk(&self, table: &str, keys: Vec<Item>) -> Result<Vec<Item>> {
        let mut asked = built(KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build())?;
        let mut found = Vec::new();
        for attempt in 0..ATTEMPTS {
            let request = self.client.batch_get_item().request_items(table, asked);
            let answer = request.send().await.map_err(|e| failed("dynamodb:BatchGetItem", &named(table), &e))?;
            found.extend(answer.responses.into_iter().flat_map(|mut tables| tables.remove(table)).flatten());
            match answer.unprocessed_keys.and_then(|mut tables| tables.remove(table)) {
                Some(left) if !left.keys().is_empty() => asked = left,
                _ => return Ok(found),
            }
            pause(attempt).await;
        }
        Err(overloaded(table))
    }

    /// Writes items over whatever is there. No place may be written twice.
    pub(crate) async fn put_many(&self, table: &str, items: Vec<Item>) -> Result<()> {
        let put = |item| Ok(write().put_request(built(PutRequest::builder().set_item(Some(item)).build())?).build());
        self.write_many(table, items.into_iter().map(put).collect::<Result<_>>()?).await
    }

    /// Deletes those of the items that are there. No place may be named twice.
    pub(crate) async fn delete_many(&self, table: &str, places: &[Place]) -> Result<()> {
        let delete = |place: &Place| {
            Ok(write().delete_request(built(DeleteRequest::builder().set_key(Some(place.key())).build())?).build())
        };
        self.write_many(table, places.iter().map(delete).collect::<Result<_>>()?).await
    }

    async fn write_many(&self, table: &str, writes: Vec<WriteRequest>) -> Result<()> {
        let chunks: Vec<Vec<WriteRequest>> = writes.chunks(WRITTEN_AT_ONCE).map(<[_]>::to_vec).collect();
        let writes = stream::iter(chunks.into_iter().map(|chunk| self.write_chunk(table, chunk)));
        writes.buffer_unordered(CALLS).try_collect().await
    }

    async fn write_chunk(&self, table: &str, mut writes: Vec<WriteRequest>) -> Result<()> {
        for attempt in 0..ATTEMPTS {
            let request = self.client.batch_write_item().request_items(table, writes);
            let answer = request.send().await.map_err(|e| failed("dynamodb:BatchWriteItem", &named(table), &e))?;
            match answer.unprocessed_items.and_then(|mut tables| tables.remove(table)) {
                Some(left) if !left.is_empty() => writes = left,
                _ => return Ok(()),
            }
            pause(attempt).await;
        }
        Err(overloaded(table))
    }

    /// One page of a listing, of at most `look_at` items, and where the next one begins.
    pub(crate) async fn page(
        &self,
        table: &str,
        query: &Query,
        look_at: Option<usize>,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>)> {
        let mut request = self
            .client
            .query()
            .table_name(table)
            .consistent_read(true)
            .scan_index_forward(!query.newest_first)
            .set_exclusive_start_key(start)
            .set_limit(look_at.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_values(":owner", text(&query.owner));
        let (condition, values) = match &query.span {
            Span::All => ("", Vec::new()),
            Span::Above(item) => (" AND #item > :first", vec![(":first", item)]),
            Span::Below(item) => (" AND #item < :last", vec![(":last", item)]),
            Span::Between(a, b) => (" AND #item BETWEEN :first AND :last", vec![(":first", a), (":last", b)]),
        };
        request = request.key_condition_expression(format!("#owner = :owner{condition}"));
        if !values.is_empty() {
            request = request.expression_attribute_names("#item", ITEM);
        }
        for (name, item) in values {
            request = request.expression_attribute_values(name, text(bounded(item.clone(), ITEM_BYTES)));
        }
        let mut filters = Vec::new();
        for (i, (name, value)) in query.with.iter().enumerate() {
            filters.push(format!("#with{i} = :with{i}"));
            request = request
                .expression_attribute_names(format!("#with{i}"), *name)
                .expression_attribute_values(format!(":with{i}"), value.clone());
        }
        if !filters.is_empty() {
            request = request.filter_expression(filters.join(" AND "));
        }
        let answer = request.send().await.map_err(|e| failed("dynamodb:Query", &named(table), &e))?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((answer.items.unwrap_or_default(), next))
    }

    /// The first `limit` items of a listing.
    pub(crate) async fn list(&self, table: &str, query: &Query, limit: usize) -> Result<Vec<Item>> {
        let (mut all, mut start) = (Vec::new(), None);
        while all.len() < limit {
            // What a filter leaves out counts as looked at.
            let look_at = query.with.is_empty().then_some(limit - all.len()).filter(|_| limit < usize::MAX);
            let (items, next) = self.page(table, query, look_at, start).await?;
            all.extend(items);
            if next.is_none() {
                break;
            }
            start = next;
        }
        all.truncate(limit);
        Ok(all)
    }

    /// Does all of these writes or none. `token` names this very transaction: sent again within ten minutes it is not
    /// done again. One that others were in the way of is refused though all conditions are fine: what it rests on has
    /// probably changed, so that it is worth looking anew.
    pub(crate) async fn transact(&self, writes: Vec<TransactWriteItem>, token: &str) -> Result<Transacted> {
        let request = self.client.transact_write_items().set_transact_items(Some(writes)).client_request_token(token);
        let Err(error) = request.send().await else { return Ok(Transacted::Done) };
        let reasons = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(e)) => e.cancellation_reasons().to_vec(),
            _ => return Err(failed("dynamodb:TransactWriteItems", "a table of this scope", &error)),
        };
        let is_worth_another_look = |reason: &CancellationReason| {
            matches!(
                reason.code().unwrap_or("None"),
                "None"
                    | "ConditionalCheckFailed"
                    | "TransactionConflict"
                    | "ThrottlingError"
                    | "ProvisionedThroughputExceeded"
            )
        };
        if reasons.iter().all(is_worth_another_look) {
            return Ok(Transacted::Refused(reasons.into_iter().map(verdict).collect()));
        }
        let told: Vec<_> = reasons.iter().filter_map(CancellationReason::message).collect();
        Err(Error::stop(format!("DynamoDB refused a transaction: {}", told.join("; "))))
    }
}

fn verdict(reason: CancellationReason) -> Verdict {
    match reason.code() {
        Some("ConditionalCheckFailed") => Verdict::NotMet,
        _ => Verdict::Fine,
    }
}

fn write() -> aws_sdk_dynamodb::types::builders::WriteRequestBuilder {
    WriteRequest::builder()
}

/// Whether a condition was not met, and the item that was in its way, if there is one.
pub(crate) fn in_the_way(error: &SdkError<PutItemError>) -> Option<Option<Item>> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(refusal)) => Some(refusal.item().cloned()),
        _ => None,
    }
}

/// Whether a transaction holds the item at this moment.
pub(crate) fn is_conflict(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("TransactionConflictException")
}

fn named(table: &str) -> String {
    format!("table {table}")
}

pub(crate) fn overloaded(what: &str) -> Error {
    Error::later(format!("DynamoDB could not do all of it, too much is asked of {what} at once: try again"))
}
