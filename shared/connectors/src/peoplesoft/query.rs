//! What is asked for: which query or operation stands behind a stream, and the address of every call.
//!
//! Invariant: prompts are named and given in the order of the query; commas between them stay as they are and none is
//! inside of a value; everything else is encoded. Nothing here compares keys: only the database knows its order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use engine::plan::StreamSpec;
use engine::{Error, Result};

use super::catalog::{self, Entry};
use super::dates;
use super::personal::{self, Treatments};
use super::queries::{self, Kind, ROW_KEY};
use super::query_settings::{CompanionSettings, Fill, Fineness, OperationSettings, PromptSettings, QuerySettings};
use super::settings::{Format, PeopleSoftSettings, Tools};
use crate::http::percent_encode;
use crate::key_range::{Key, shown};

/// A query with its prompts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub(super) name: String,
    owner: &'static str,
    prompts: Vec<PromptSettings>,
}

/// What stands behind a stream.
pub(super) enum Way<'a> {
    /// Saved queries.
    Queries { rows: Query, by_key: Option<Query>, totals: Option<Query>, background: bool },
    /// An operation of the site, or an Application Service.
    Operation(&'a OperationSettings),
}

/// How a stream is read.
pub(super) struct Plan<'a> {
    pub(super) stream: &'a StreamSpec,
    pub(super) settings: &'a PeopleSoftSettings,
    pub(super) way: Way<'a>,
    /// The shipped definition, where there is one.
    pub(super) entry: Option<&'static Entry>,
    /// How finely windows are told; nothing where everything is read each time.
    pub(super) fineness: Option<Fineness>,
    /// Whether a window can be ended, and so be cut into slices.
    pub(super) has_end: bool,
    pub(super) slice_days: u32,
    /// The fields by which pages are told apart.
    pub(super) after: Vec<String>,
    /// Our names of fields, and those of the answers.
    pub(super) fields: &'a BTreeMap<String, String>,
    /// What happens to personal columns.
    pub(super) treatments: Treatments,
    /// What is read one after the other.
    pub(super) turns: Vec<Turn>,
}

/// The SetID and the filter's values of one part of a read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Turn {
    setid: String,
    filters: Vec<(String, String)>,
}

/// What a call is about.
#[derive(Default)]
pub(super) struct Given<'a> {
    pub(super) turn: Option<&'a Turn>,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
    pub(super) after: Option<&'a Key>,
    pub(super) key: Option<&'a [String]>,
    pub(super) token: Option<&'a str>,
    pub(super) rows: u64,
    pub(super) page: u32,
    pub(super) limit: usize,
}

/// A call, below the node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// Operation and what follows.
    pub(super) path: String,
    /// Encoded.
    pub(super) query: Option<String>,
    /// JSON to post; without it the call is a GET.
    pub(super) body: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    /// What is asked for, for messages.
    pub(super) what: String,
}

impl<'a> Plan<'a> {
    /// How this stream is read.
    ///
    /// # Errors
    /// Stops when its filter cannot be given to the query, and when it reads personal data that is not switched on.
    pub(super) fn new(stream: &'a StreamSpec, settings: &'a PeopleSoftSettings) -> Result<Self> {
        match settings.operations.get(&stream.object) {
            Some(operation) => Self::of_operation(stream, settings, operation),
            None => Self::of_query(stream, settings),
        }
    }

    fn of_query(stream: &'a StreamSpec, settings: &'a PeopleSoftSettings) -> Result<Self> {
        static AS_SHIPPED: QuerySettings = QuerySettings {
            name: None,
            owner: None,
            prompts: None,
            fields: BTreeMap::new(),
            updates: None,
            by_key: None,
            totals: None,
            background: false,
            slice_days: None,
            personal: None,
        };
        let change = settings.queries.get(&stream.object).unwrap_or(&AS_SHIPPED);
        let entry = catalog::find(&stream.object);
        let fineness = change.updates.unwrap_or(match entry.and_then(Entry::stamp_kind) {
            Some(Kind::Date) => Fineness::Day,
            _ => Fineness::Second,
        });
        let owner = change.owner.unwrap_or(settings.owner).as_str();
        let name = change.name.clone().unwrap_or_else(|| stream.object.clone());
        let common = common_prompts(stream, entry, fineness);
        let after = entry.map_or(ROW_KEY, Entry::page_key).to_owned();
        let shipped = || {
            let after = PromptSettings { name: queries::AFTER_KEY.to_owned(), value: Fill::After(after.clone()) };
            common.iter().cloned().chain([after]).collect()
        };
        let rows = Query { name, owner, prompts: change.prompts.clone().unwrap_or_else(shipped) };
        let companion = |settings: &Option<CompanionSettings>, on: bool, name: String, shipped: &dyn Fn() -> Vec<_>| {
            let none = CompanionSettings::default();
            let change = settings.as_ref().unwrap_or(&none);
            change.enabled.unwrap_or(on).then(|| Query {
                name: change.name.clone().unwrap_or(name),
                owner,
                prompts: change.prompts.clone().unwrap_or_else(shipped),
            })
        };
        let key_prompts = || {
            let prompt = |column: &String| {
                let name = queries::bare(column).to_owned();
                PromptSettings { name, value: Fill::Key(column.clone()) }
            };
            stream.key.iter().map(prompt).collect()
        };
        let by_key = companion(&change.by_key, settings.by_key, queries::by_key_name(&rows.name), &key_prompts);
        let totals = companion(&change.totals, settings.totals, queries::totals_name(&rows.name), &|| common.clone());
        let is_personal = change.personal.unwrap_or(entry.is_some_and(|entry| entry.personal));
        let treatments = personal::treatments(stream, entry, is_personal, &settings.personal)?;
        // What was hashed or dropped does not find its record again.
        let by_key = by_key.filter(|_| !stream.key.iter().any(|column| treatments.hides(column)));
        let prompts = &rows.prompts;
        let fills = |fill: &Fill| prompts.iter().any(|prompt| prompt.value == *fill);
        let has_window = stream.updated.is_some() && fills(&Fill::From);
        let after = prompts.iter().filter_map(|prompt| match &prompt.value {
            Fill::After(field) => Some(field.clone()),
            _ => None,
        });
        let plan = Self {
            stream,
            settings,
            entry,
            fineness: has_window.then_some(fineness),
            has_end: fills(&Fill::To),
            slice_days: change.slice_days.unwrap_or(settings.slice_days),
            after: after.collect(),
            fields: &change.fields,
            treatments,
            turns: turns(stream, settings, fills(&Fill::Setid)),
            way: Way::Queries { rows, by_key, totals, background: change.background },
        };
        plan.check_filter()?;
        Ok(plan)
    }

    /// Whether records are found by their keys.
    pub(super) fn finds_keys(&self) -> bool {
        match &self.way {
            Way::Queries { by_key, .. } => by_key.is_some(),
            // What was hashed or dropped does not find its record again.
            Way::Operation(operation) => {
                operation.key_path.is_some() && !self.stream.key.iter().any(|column| self.treatments.hides(column))
            }
        }
    }

    /// Rows that a page is asked for.
    pub(super) fn page_size(&self) -> usize {
        self.stream.page_size.unwrap_or(self.settings.page_size).max(1)
    }

    /// The columns that answers must hold: those of the stream, and those by which pages are told apart.
    pub(super) fn columns(&self) -> Vec<String> {
        let mut columns = self.stream.columns.clone();
        columns.extend(self.after.iter().filter(|field| !self.stream.columns.contains(field)).cloned());
        columns
    }

    /// The call for a page.
    ///
    /// # Errors
    /// Stops when a value cannot be carried by a prompt.
    pub(super) fn page(&self, given: &Given<'_>, columns: &[String]) -> Result<Call> {
        match &self.way {
            Way::Queries { rows, .. } => self.query(rows, &self.settings.aliases.execute, given, columns),
            Way::Operation(operation) => self.operation(operation, &operation.path, given),
        }
    }

    /// The call for a record by its key.
    ///
    /// # Errors
    /// As [`Plan::page`]; Stops also when records are not found by their keys.
    pub(super) fn key(&self, given: &Given<'_>) -> Result<Call> {
        let (stream, object) = (&self.stream.name, &self.stream.object);
        let (given_key, wanted) = (given.key.map_or(0, <[String]>::len), self.stream.key.len());
        if given_key != wanted {
            return Err(Error::stop(format!("stream `{stream}` has a key of {wanted} columns, not {given_key}")));
        }
        let missing = || Error::stop(format!("stream `{stream}` cannot be read by key: {object} has no query for it"));
        match &self.way {
            Way::Queries { by_key, .. } => {
                let query = by_key.as_ref().ok_or_else(missing)?;
                self.query(query, &self.settings.aliases.execute, given, &self.stream.columns)
            }
            Way::Operation(operation) => {
                self.operation(operation, operation.key_path.as_deref().ok_or_else(missing)?, given)
            }
        }
    }

    /// The call that runs a query.
    pub(super) fn query(&self, query: &Query, alias: &str, given: &Given<'_>, columns: &[String]) -> Result<Call> {
        let separator = if self.settings.encode_prompt_commas { "%2C" } else { "," };
        let mut names = Vec::with_capacity(query.prompts.len());
        let mut values = Vec::with_capacity(query.prompts.len());
        for prompt in &query.prompts {
            let value = self.value(&prompt.value, given)?;
            if value.contains(',') {
                return Err(Error::stop(format!(
                    "the prompt {} of query {} would be given `{value}`, and no prompt can carry a comma: let the query \
                     be ordered and asked by another field",
                    prompt.name, query.name
                )));
            }
            names.push(percent_encode(&prompt.name));
            // A key of blanks is a key: what goes on behind it goes on behind just that.
            let is_after = matches!(prompt.value, Fill::After(_));
            values.push(percent_encode(if is_after { &value } else { value.trim_end() }));
        }
        let format = match self.settings.format {
            Format::Json => "JSON",
            Format::Xml => "XMLP",
        };
        let mut parameters = format!("isconnectedquery=N&maxrows={}", given.limit);
        if !names.is_empty() {
            let (names, values) = (names.join(separator), values.join(separator));
            parameters.push_str(&format!("&prompt_uniquepromptname={names}&prompt_fieldvalue={values}"));
        }
        if self.settings.filter_fields && !columns.is_empty() {
            let fields: Vec<_> = columns.iter().map(|column| percent_encode(&self.wire_name(column))).collect();
            parameters.push_str(&format!("&filterfields={}", fields.join(separator)));
        }
        // Templates are literal, and those of releases that answer in XML only do not have it.
        match (self.settings.format, self.settings.tools) {
            (Format::Json, _) => parameters.push_str("&json_resp=true"),
            (Format::Xml, Tools::Pt854) => {}
            (Format::Xml, _) => parameters.push_str("&json_resp=false"),
        }
        Ok(Call {
            path: format!("{alias}/{}/{}/{format}/NONFILE", query.owner, percent_encode(&query.name)),
            query: Some(parameters),
            body: None,
            headers: Vec::new(),
            what: format!("query {}", query.name),
        })
    }

    /// A column by its unique field name.
    pub(super) fn wire_name<'c>(&self, column: &'c str) -> Cow<'c, str> {
        if let Some(theirs) = self.fields.get(column) {
            return Cow::Owned(theirs.clone());
        }
        match self.entry.and_then(|entry| entry.field(column)) {
            Some(field) => Cow::Borrowed(field.name),
            None => Cow::Borrowed(column),
        }
    }

    pub(super) fn value(&self, fill: &Fill, given: &Given<'_>) -> Result<String> {
        let settings = self.settings;
        let nothing = |what: &str| Error::stop(format!("stream `{}` is read without {what}", self.stream.name));
        Ok(match fill {
            Fill::Constant(value) => value.clone(),
            Fill::Setid => given.turn.ok_or_else(|| nothing("a SetID"))?.setid.clone(),
            Fill::From => self.moment(given.from, settings.first_day, dates::day_from, dates::second_from),
            Fill::To => self.moment(given.to, settings.last_day, dates::day_to, dates::second_to),
            Fill::After(field) => {
                let at = self.after.iter().position(|known| known == field);
                match (given.after, at) {
                    (Some(key), Some(at)) => key.get(at).cloned().flatten().ok_or_else(|| self.keyless(key))?,
                    _ => settings.first_key.clone(),
                }
            }
            Fill::Key(column) => {
                let at = self.stream.key.iter().position(|key| key == column);
                let value =
                    at.and_then(|at| given.key?.get(at)).ok_or_else(|| nothing(&format!("a key with {column}")))?;
                self.key_value(column, value)
            }
            Fill::Filter(column) => {
                let filters = given.turn.map(|turn| turn.filters.as_slice()).unwrap_or_default();
                let found = filters.iter().find(|(known, _)| known == column);
                found.map(|(_, value)| value.clone()).ok_or_else(|| nothing(&format!("a filter of {column}")))?
            }
        })
    }

    pub(super) fn keyless(&self, key: &Key) -> Error {
        Error::stop(format!(
            "the last row of a page of {} has no value in {}: {}; nothing can follow it",
            self.stream.object,
            self.after.join(", "),
            shown(key)
        ))
    }

    /// Keys hold dates as rows do; prompts may want them otherwise.
    fn key_value(&self, column: &str, value: &str) -> String {
        let is_date = self.entry.and_then(|entry| entry.field(column)).is_some_and(|field| field.kind == Kind::Date);
        match value.parse::<NaiveDate>() {
            Ok(day) if is_date => day.format(&self.settings.date_prompt).to_string(),
            _ => value.to_owned(),
        }
    }

    fn moment(
        &self,
        at: Option<DateTime<Utc>>,
        open: NaiveDate,
        day: fn(chrono_tz::Tz, DateTime<Utc>) -> NaiveDate,
        second: fn(chrono_tz::Tz, DateTime<Utc>) -> chrono::NaiveDateTime,
    ) -> String {
        let zone = self.settings.zone;
        match self.fineness.unwrap_or(Fineness::Second) {
            Fineness::Day => at.map_or(open, |at| day(zone, at)).format(&self.settings.date_prompt).to_string(),
            Fineness::Second => {
                let local = at.map_or_else(|| open.and_time(NaiveTime::MIN), |at| second(zone, at));
                local.format(&self.settings.datetime_prompt).to_string()
            }
        }
    }

    fn check_filter(&self) -> Result<()> {
        let Way::Queries { rows, totals, .. } = &self.way else { return Ok(()) };
        for condition in &self.stream.filter {
            for query in [Some(rows), totals.as_ref()].into_iter().flatten() {
                let fill = Fill::Filter(condition.column.clone());
                if !query.prompts.iter().any(|prompt| prompt.value == fill) {
                    return Err(Error::stop(format!(
                        "query {} has no prompt for the filter of stream `{}` on {}: list its prompts under `queries.{}`, or \
                         write the condition into the query",
                        query.name, self.stream.name, condition.column, self.stream.object
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The prompts for SetID, filter and window, in the order of the shipped queries.
fn common_prompts(stream: &StreamSpec, entry: Option<&Entry>, fineness: Fineness) -> Vec<PromptSettings> {
    let mut prompts = Vec::new();
    let mut push = |name: &str, value| prompts.push(PromptSettings { name: name.to_owned(), value });
    if entry.is_some_and(Entry::has_setid) {
        push(queries::SETID, Fill::Setid);
    }
    for condition in stream.filter.iter().filter(|_| entry.is_none()) {
        push(&condition.column, Fill::Filter(condition.column.clone()));
    }
    let has_window = entry.map_or(stream.updated.is_some(), |entry| entry.stamp.is_some());
    if has_window {
        let kind = if fineness == Fineness::Day { Kind::Date } else { Kind::DateTime };
        let (from, to) = queries::window_prompts(kind);
        push(from, Fill::From);
        push(to, Fill::To);
    }
    prompts
}

/// Every combination of a SetID and the filter's values.
pub(super) fn turns(stream: &StreamSpec, settings: &PeopleSoftSettings, has_setid: bool) -> Vec<Turn> {
    let setids = if has_setid { settings.setids.as_slice() } else { &[] };
    let mut turns: Vec<_> = setids.iter().map(|setid| Turn { setid: setid.clone(), filters: Vec::new() }).collect();
    if turns.is_empty() {
        turns.push(Turn::default());
    }
    for condition in &stream.filter {
        let with = |turn: &Turn, value: &String| {
            let mut turn = turn.clone();
            turn.filters.push((condition.column.clone(), value.clone()));
            turn
        };
        turns = turns.iter().flat_map(|turn| condition.equals.iter().map(move |value| with(turn, value))).collect();
    }
    turns
}
