//! Documents: items with a version, changed only by those who have seen it.
//!
//! A write carries a mark of its own. A write whose answer was lost is sent again by the SDK and then refused, because
//! the version has moved on: by the mark it is known that it was our own. Only when somebody else has changed the document
//! in between already, the change is made once more, as it is when work comes twice.

use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use engine::ports::Change;
use engine::{Error, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::database::{
    CALLS, Database, ITEM, Item, Place, Transacted, Verdict, built, in_the_way, is_conflict, number, number_in,
    overloaded, text, text_in,
};
use crate::failure::failed;
use crate::pause::{pause, unique_name};

pub(crate) const VALUE: &str = "value";
pub(crate) const VERSION: &str = "version";
const MARK: &str = "mark";

/// How often a document is changed anew that others change at the same time. Each time one of them gets through.
const ATTEMPTS: u32 = 100;

/// A document as it stands.
pub(crate) struct Document {
    json: String,
    version: i64,
}

impl Document {
    pub(crate) fn of(item: &Item) -> Result<Self> {
        Ok(Self { json: text_in(item, VALUE)?.to_owned(), version: number_in(item, VERSION)? })
    }

    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T> {
        from_json(&self.json)
    }
}

/// A write of a document.
pub(crate) struct Draft {
    place: Place,
    json: String,
    /// The version that it follows; 0 where none may be.
    after: i64,
    mark: String,
    /// Attributes that stand beside the value.
    beside: Item,
}

impl Draft {
    /// The first version of a document.
    pub(crate) fn new<T: Serialize>(place: Place, value: &T) -> Result<Self> {
        Self::following(0, place, value)
    }

    /// The version after `before`.
    pub(crate) fn after<T: Serialize>(before: &Document, place: Place, value: &T) -> Result<Self> {
        Self::following(before.version, place, value)
    }

    /// The version after that number, 0 for none.
    pub(crate) fn following<T: Serialize>(version: i64, place: Place, value: &T) -> Result<Self> {
        Ok(Self { place, json: to_json(value)?, after: version, mark: unique_name(), beside: Item::new() })
    }

    /// With attributes of its own beside the value.
    pub(crate) fn with(self, beside: Item) -> Self {
        Self { beside, ..self }
    }

    /// Names the change from one version to the next, for a transaction that must not be done twice.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    fn item(&self) -> Item {
        let mut item = self.place.key();
        item.insert(VALUE.to_owned(), text(&self.json));
        item.insert(VERSION.to_owned(), number(self.after + 1));
        item.insert(MARK.to_owned(), text(&self.mark));
        item.extend(self.beside.clone());
        item
    }

    fn condition(&self) -> &'static str {
        match self.after {
            0 => "attribute_not_exists(#seen)",
            _ => "#seen = :seen",
        }
    }

    /// The write as a part of a transaction.
    pub(crate) fn in_transaction(&self, table: &str) -> Result<TransactWriteItem> {
        let mut put = Put::builder()
            .table_name(table)
            .set_item(Some(self.item()))
            .condition_expression(self.condition())
            .expression_attribute_names("#seen", VERSION);
        if self.after > 0 {
            put = put.expression_attribute_values(":seen", number(self.after));
        }
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }
}

impl Database {
    /// A document, if it is there. 1 RRU per 4 KB.
    pub(crate) async fn document(&self, table: &str, place: &Place) -> Result<Option<Document>> {
        self.get(table, place).await?.as_ref().map(Document::of).transpose()
    }

    /// The value of a document, if it is there. 1 RRU per 4 KB.
    pub(crate) async fn value<T: DeserializeOwned>(&self, table: &str, place: &Place) -> Result<Option<T>> {
        self.document(table, place).await?.map(|document| document.value()).transpose()
    }

    /// Reads a document, changes it, and writes it if nobody was faster; otherwise it begins again. Without a document it
    /// begins with what `absent` gives, or does nothing. What stays as it is is not written.
    ///
    /// 1 RRU per 4 KB and 1 WRU per KB, each time that somebody was faster the same once more.
    pub(crate) async fn update<T: Serialize + DeserializeOwned + Send>(
        &self,
        table: &str,
        place: &Place,
        absent: impl Fn() -> Option<T> + Send,
        change: Change<'_, T>,
    ) -> Result<Option<T>> {
        for attempt in 0..ATTEMPTS {
            let found = self.document(table, place).await?;
            let value = match &found {
                Some(document) => Some(document.value()?),
                None => absent(),
            };
            let Some(mut value) = value else { return Ok(None) };
            let before = to_json(&value)?;
            change(&mut value);
            let draft = match &found {
                Some(document) => Draft::after(document, place.clone(), &value)?,
                None => Draft::new(place.clone(), &value)?,
            };
            if draft.json == before || self.write(table, &draft).await? {
                return Ok(Some(value));
            }
            // What stands there now is read after the pause: before, it would be old again by its end.
            pause(attempt).await;
        }
        Err(overloaded(&format!("{} in table {table}", place.item)))
    }

    /// Creates a document together with an item that lists it; does nothing when it is there.
    pub(crate) async fn create(&self, table: &str, draft: &Draft, listed: Item) -> Result<()> {
        let writes = vec![draft.in_transaction(table)?, new_item(table, listed)?];
        for attempt in 0..ATTEMPTS {
            match self.transact(writes.clone(), draft.mark()).await? {
                Transacted::Refused(verdicts) if verdicts.iter().all(|v| matches!(v, Verdict::Fine)) => {
                    pause(attempt).await;
                }
                _ => return Ok(()),
            }
        }
        Err(overloaded(&format!("table {table}")))
    }

    /// Sets attributes beside the values of documents, which may be missing, and counts their versions up: whoever changes
    /// one of the values at the same time looks again. Many items in one call are written whole, so each takes a call.
    ///
    /// 1 WRU per KB. No place may be named twice.
    pub(crate) async fn amend_many(&self, table: &str, amended: Vec<(Place, Item)>) -> Result<()> {
        let writes = stream::iter(amended.into_iter().map(|(place, beside)| self.amend(table, place, beside)));
        writes.buffer_unordered(CALLS).try_collect().await
    }

    async fn amend(&self, table: &str, place: Place, beside: Item) -> Result<()> {
        let mut request = self
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(place.key()))
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":one", number(1));
        let mut sets = Vec::new();
        for (i, (name, value)) in beside.into_iter().enumerate() {
            sets.push(format!("#set{i} = :set{i}"));
            request = request
                .expression_attribute_names(format!("#set{i}"), name)
                .expression_attribute_values(format!(":set{i}"), value);
        }
        let request = request.update_expression(format!("SET {} ADD #version :one", sets.join(", ")));
        let sent = request.send().await;
        sent.map(|_| ()).map_err(|e| failed("dynamodb:UpdateItem", &format!("table {table}"), &e))
    }

    /// Says whether it was written, now or by a call whose answer was lost.
    pub(crate) async fn write(&self, table: &str, draft: &Draft) -> Result<bool> {
        let mut request = self
            .client
            .put_item()
            .table_name(table)
            .set_item(Some(draft.item()))
            .condition_expression(draft.condition())
            .expression_attribute_names("#seen", VERSION)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if draft.after > 0 {
            request = request.expression_attribute_values(":seen", number(draft.after));
        }
        let Err(error) = request.send().await else { return Ok(true) };
        if is_conflict(&error) {
            return Ok(false);
        }
        match in_the_way(&error) {
            Some(newer) => Ok(newer.is_some_and(|newer| newer.get(MARK) == Some(&text(&draft.mark)))),
            None => Err(failed("dynamodb:PutItem", &format!("table {table}"), &error)),
        }
    }
}

/// A write of an item where none may be, as a part of a transaction.
pub(crate) fn new_item(table: &str, item: Item) -> Result<TransactWriteItem> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(#item)")
        .expression_attribute_names("#item", ITEM);
    Ok(TransactWriteItem::builder().put(built(put.build())?).build())
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::stop(format!("this cannot be written down: {e}")))
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Error::stop(format!("an item cannot be read, another version wrote it: {e}")))
}
