//! Operations by which a site lets attributes of its records be written: one record per call, by its key, as JSON.
//!
//! Invariant: a call changes all that it names or nothing. Nothing is created and nothing is deleted, numbers are taken with
//! every digit, and what is refused is said in the site's own words.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;

use super::cell::{Cell, Kind};
use super::custom::fit;
use super::error::{Refusal, html, ib_response};
use super::http::Request;
use super::qas::Answer;
use super::record::{Record, Records};
use super::schema::{Field, RecordError};
use super::settings::{Answered, ErrorBody, Operator, Settings};

/// Fields by which a component tells when a record was changed, and by whom.
const STAMPS: &[&str] = &[
    "LAST_DTTM_UPDATE",
    "LAST_UPDATE_DTTM",
    "LAST_UPDATE_DT",
    "LASTUPDDTTM",
    "DATE_LAST_MAINT",
    "OPRID_LAST_UPDT",
    "LASTUPDOPRID",
    "LAST_MAINT_OPRID",
];

/// An operation that writes attributes of one record.
#[derive(Clone, Debug)]
pub struct WriteOperation {
    /// Alias and version, such as `ML_VENDOR_UPDATE.v1`.
    pub alias: String,
    /// The methods that it takes.
    pub methods: Vec<String>,
    /// What stands behind the alias, such as `suppliers/{SETID}/{VENDOR_ID}`; the values have to be those of the body.
    pub template: String,
    /// The record that it writes.
    pub record: String,
    /// The fields that it takes besides the key; empty for all of the record.
    pub takes: Vec<String>,
    /// How many characters fields hold.
    pub lengths: BTreeMap<String, usize>,
    /// The translate values of fields.
    pub valid: BTreeMap<String, Vec<String>>,
    /// What becomes of a text that is too long.
    pub too_long: TooLong,
    /// Whether texts are put in capitals, as fields with the format Upper are.
    pub upper_case: bool,
    /// How long after a call queries still show the record as it was.
    pub visible_after: TimeDelta,
    /// A member that the caller's own reference may stand in; it is kept with the journal.
    pub reference: Option<String>,
    /// How a refused record is answered; as the release does when absent.
    pub refused: Option<Answered>,
}

/// What becomes of a text that is longer than its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLong {
    /// The record is refused.
    Refused,
    /// It is cut, and nobody says so.
    Cut,
}

/// One accepted call, as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The operation.
    pub alias: String,
    /// Who called.
    pub operator: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The key, in the order of the key fields.
    pub key: Vec<String>,
    /// Field and value, as they stand in the record from then on, without stamps.
    pub values: Vec<(String, String)>,
    /// The caller's own reference, where the operation takes one.
    pub reference: Option<String>,
}

impl WriteOperation {
    /// An operation that takes a POST for any field of a record.
    pub fn new(alias: &str, record: &str) -> Self {
        Self {
            alias: alias.into(),
            methods: vec!["POST".into()],
            template: String::new(),
            record: record.into(),
            takes: Vec::new(),
            lengths: BTreeMap::new(),
            valid: BTreeMap::new(),
            too_long: TooLong::Refused,
            upper_case: false,
            visible_after: TimeDelta::zero(),
            reference: None,
            refused: None,
        }
    }

    /// One for suppliers, with the lengths and translate values of VENDOR.
    pub fn suppliers(alias: &str) -> Self {
        Self::new(alias, "VENDOR")
            .lengths(&[("VENDOR_NAME_SHORT", 14), ("NAME1", 40), ("NAME2", 40), ("DEFAULT_LOC", 10)])
            .lengths(&[("CORPORATE_SETID", 5), ("CORPORATE_VENDOR", 10), ("REMIT_SETID", 5), ("REMIT_VENDOR", 10)])
            .valid("VENDOR_STATUS", &["A", "E", "I", "D", "X"])
            .valid("VENDOR_CLASS", &["A", "E", "H", "R"])
            .valid("VENDOR_PERSISTENCE", &["O", "P", "R", "S"])
            .valid("WTHD_SW", &["Y", "N"])
    }

    /// One for customers, with the lengths and translate values of CUSTOMER.
    pub fn customers(alias: &str) -> Self {
        Self::new(alias, "CUSTOMER")
            .lengths(&[("NAME1", 40), ("NAME2", 40), ("NAMESHORT", 10), ("CUST_LEVEL", 1)])
            .lengths(&[("CORPORATE_SETID", 5), ("CORPORATE_CUST_ID", 15)])
            .valid("CUST_STATUS", &["A", "I"])
    }

    /// Adds lengths of fields.
    pub fn lengths(mut self, lengths: &[(&str, usize)]) -> Self {
        self.lengths.extend(lengths.iter().map(|(field, length)| ((*field).into(), *length)));
        self
    }

    /// Adds the translate values of a field; nothing always is one.
    pub fn valid(mut self, field: &str, values: &[&str]) -> Self {
        self.valid.insert(field.into(), values.iter().map(|value| (*value).into()).collect());
        self
    }

    /// Whether the record has the fields that the operation names.
    pub(super) fn check(&self, records: &Records) -> Result<(), RecordError> {
        let schema = records.get(&self.record)?.schema();
        let named = self.takes.iter().chain(self.lengths.keys()).chain(self.valid.keys());
        named.map(|field| schema.existing(field)).find(Result::is_err).map_or(Ok(()), |missing| missing.map(|_| ()))
    }

    /// How a record is refused: status, content type and body.
    fn answer_refused(&self, words: &str, settings: &Settings) -> (u16, Answer) {
        let Answered { status, body } = self.refused.unwrap_or(settings.refused_document);
        let answer = match body {
            ErrorBody::IbResponse => ("text/xml", ib_response(false, 139, 290, words, &[])),
            ErrorBody::Json => {
                let words = serde_json::Value::from(words);
                (settings.json_type, format!(r#"{{"status":"error","message":{words}}}"#).into_bytes())
            }
            ErrorBody::Html => ("text/html", html(status)),
            ErrorBody::Empty => ("text/plain", Vec::new()),
        };
        (status, answer)
    }

    /// What a document asks for; the error is in the site's words.
    fn read(&self, request: &Request, rest: &str, records: &Records) -> Result<Result<Document, String>, Refusal> {
        let fitted = fit(&self.template, rest, request).ok_or_else(|| Refusal::NoTemplate(request.path.clone()))?;
        Ok(self.document(request, records).and_then(|document| {
            let key = document.key.iter().find(|(field, value)| fitted.text(field).is_some_and(|text| text != value));
            match key {
                Some((field, _)) => Err(format!("{field} differs between address and document.")),
                None => Ok(document),
            }
        }))
    }

    fn document(&self, request: &Request, records: &Records) -> Result<Document, String> {
        if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            return Err("The document must be application/json.".into());
        }
        let members: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(&request.body).map_err(|error| format!("Invalid JSON: {error}"))?;
        let schema = records.get(&self.record).map_err(|error| error.to_string())?.schema();
        let mut document = Document::default();
        for at in schema.key() {
            let field = &schema.fields()[*at].name;
            let value = members.get(field).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            let value = value.filter(|value| !value.trim().is_empty());
            let value = value.ok_or_else(|| format!("Required field {field} is missing."))?;
            document.key.push((field.clone(), value));
        }
        for (name, raw) in members {
            if document.key.iter().any(|(key, _)| *key == name) {
                continue;
            }
            if self.reference.as_ref() == Some(&name) {
                document.reference = serde_json::from_str(raw.get()).ok();
                continue;
            }
            let field = schema.position(&name).and_then(|at| schema.fields().get(at));
            let field = field.filter(|_| self.takes.is_empty() || self.takes.contains(&name));
            let field = field.ok_or_else(|| format!("Field {name} is not known to this operation."))?;
            document.values.push((name.clone(), self.value(&name, field.kind, raw.get())?));
        }
        Ok(document)
    }

    /// A member as the record would hold it.
    fn value(&self, name: &str, kind: Kind, raw: &str) -> Result<String, String> {
        let text = match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(raw).map_err(|error| format!("Invalid JSON: {error}"))?,
            Some(b'-' | b'0'..=b'9') if matches!(kind, Kind::Number { .. }) => raw.to_owned(),
            _ => return Err(format!("{name} must be a {}.", wanted(kind))),
        };
        if text.trim().is_empty() {
            return Ok(String::new());
        }
        let quoted = raw.starts_with('"');
        match (kind, Cell::parse(kind, &text)) {
            (Kind::Text, _) => self.text(name, text),
            (Kind::Number { decimals }, Cell::Number(number)) if !quoted => {
                let behind = number.to_string().split_once('.').map_or(0, |(_, part)| part.len());
                match behind <= usize::from(decimals) {
                    true => Ok(number.to_string()),
                    false => Err(format!("{name} has more than {decimals} decimals.")),
                }
            }
            (Kind::Date | Kind::DateTime, Cell::Text(_)) | (Kind::Number { .. }, _) => {
                Err(format!("{name} must be a {}.", wanted(kind)))
            }
            (_, cell) => Ok(cell.to_string()),
        }
    }

    fn text(&self, name: &str, text: String) -> Result<String, String> {
        let mut text = if self.upper_case { text.to_uppercase() } else { text };
        if let Some(length) = self.lengths.get(name).filter(|length| text.chars().count() > **length) {
            match self.too_long {
                TooLong::Refused => return Err(format!("{name} is longer than {length} characters.")),
                TooLong::Cut => text = text.chars().take(*length).collect(),
            }
        }
        if self.valid.get(name).is_some_and(|values| !values.iter().any(|value| value == text.trim_end())) {
            return Err(format!("{text} is not a valid value for {name}."));
        }
        Ok(text)
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Number { .. } => "number",
        Kind::Date => "date YYYY-MM-DD",
        Kind::DateTime => "date and time YYYY-MM-DD-HH.MM.SS",
    }
}

/// What a call asks for.
#[derive(Default)]
struct Document {
    key: Vec<(String, String)>,
    values: Vec<(String, String)>,
    reference: Option<String>,
}

/// A change that queries do not show yet.
struct Pending {
    from: DateTime<Utc>,
    record: String,
    key: Vec<String>,
    values: Vec<(String, String)>,
}

/// What was written, and what of it is yet to be seen.
#[derive(Default)]
pub(super) struct Writes {
    pending: Vec<Pending>,
    pub(super) journal: Vec<Written>,
}

impl Writes {
    /// Shows what has become visible by now.
    pub(super) fn settle(&mut self, records: &mut Records, now: DateTime<Utc>) {
        while let Some(at) = self.pending.iter().position(|pending| pending.from <= now) {
            let Pending { record, key, values, .. } = self.pending.remove(at);
            // Whatever was deleted meanwhile stays deleted.
            let _shown = change(records, &record, &key, &values).is_ok();
        }
    }

    /// Writes one record.
    pub(super) fn write(
        &mut self,
        operation: &WriteOperation,
        records: &mut Records,
        call: &Caller<'_>,
    ) -> Result<(u16, Answer), Refusal> {
        let document = match operation.read(call.request, call.rest, records)? {
            Ok(document) => document,
            Err(words) => return Ok(operation.answer_refused(&words, call.settings)),
        };
        let key: Vec<String> = document.key.iter().map(|(_, value)| value.clone()).collect();
        let parts: Vec<&str> = key.iter().map(String::as_str).collect();
        let found = records.get(&operation.record).ok().and_then(|record| record.get(&parts).ok().flatten());
        let Some(row) = found.filter(|row| sees(call.operator, &operation.record, |field| row.text(field))) else {
            let names: Vec<_> = document.key.iter().map(|(field, value)| format!("{field} {value}")).collect();
            return Ok(operation.answer_refused(&format!("{} does not exist.", names.join(", ")), call.settings));
        };
        let waits = self.pending.iter().any(|pending| pending.record == operation.record && pending.key == key);
        let mut values = document.values.clone();
        if waits || values.iter().any(|(field, value)| row.text(field) != *value) {
            values.extend(stamps(records.get(&operation.record).ok(), &document.values, call));
        }
        let id = key.join("/");
        self.journal.push(Written {
            alias: operation.alias.clone(),
            operator: call.operator.id.clone(),
            at: call.now,
            key: key.clone(),
            values: document.values,
            reference: document.reference,
        });
        let from = call.now + operation.visible_after;
        self.pending.push(Pending { from, record: operation.record.clone(), key, values });
        self.settle(records, call.now);
        let id = serde_json::Value::from(id);
        Ok((200, (call.settings.json_type, format!(r#"{{"status":"success","id":{id}}}"#).into_bytes())))
    }
}

/// What a changed record is stamped with, besides what was written.
fn stamps(record: Option<&Record>, written: &[(String, String)], call: &Caller<'_>) -> Vec<(String, String)> {
    let local = call.now.with_timezone(&call.settings.zone).naive_local();
    let fields = record.into_iter().flat_map(|record| record.schema().fields());
    let stamped = fields
        .filter(|field| STAMPS.contains(&field.name.as_str()) && !written.iter().any(|(name, _)| *name == field.name));
    let stamp = |field: &Field| match field.kind {
        Kind::DateTime => local.format("%Y-%m-%d-%H.%M.%S.%6f").to_string(),
        Kind::Date => local.format("%Y-%m-%d").to_string(),
        Kind::Text | Kind::Number { .. } => call.operator.id.clone(),
    };
    stamped.map(|field| (field.name.clone(), stamp(field))).collect()
}

/// Who calls, with what, and when.
pub(super) struct Caller<'c> {
    pub(super) settings: &'c Settings,
    pub(super) operator: &'c Operator,
    pub(super) request: &'c Request,
    pub(super) rest: &'c str,
    pub(super) now: DateTime<Utc>,
}

/// Whether row-level security shows a row.
fn sees(operator: &Operator, record: &str, text: impl Fn(&str) -> String) -> bool {
    let mut filters = operator.rows.iter().filter(|filter| filter.record == record);
    filters.all(|filter| filter.values.contains(&text(&filter.field)))
}

fn change(
    records: &mut Records,
    record: &str,
    key: &[String],
    values: &[(String, String)],
) -> Result<bool, RecordError> {
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    let values: Vec<(&str, &str)> = values.iter().map(|(field, value)| (field.as_str(), value.as_str())).collect();
    records.change(record)?.update(&key, &values)
}
