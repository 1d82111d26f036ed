//! From the bytes of an answer straight into rows.
//!
//! Invariant: no value tree is built for rows; a cell goes from the answer to the block as PeopleSoft wrote it, numbers
//! with every digit. An answer that lacks a column, is cut short or has another shape is an error.

mod json;
mod xml;

use std::borrow::Cow;

use engine::model::rows::RowsWriter;
use engine::model::value::Value;
use engine::plan::StreamSpec;
use engine::ports::TooBig;
use engine::{Error, Result};

use super::personal::{HashKey, Treatments};
use super::query::{Plan, Way};
use super::query_settings::{Next, OperationSettings};
use super::refusal::Failure;
use crate::cells::Names;
use crate::key_range::Key;
pub(super) use xml::Notice;

/// The columns of a stream as answers name them.
pub(super) struct Layout {
    /// The query or operation, for messages.
    what: String,
    /// As answers name them.
    names: Vec<String>,
    /// How many of them are carried; the others only tell pages apart.
    carried: usize,
    /// Positions of the record's key.
    key: Vec<usize>,
    /// Positions of the fields that tell pages apart.
    after: Vec<usize>,
    treatments: Treatments,
    hash_key: Option<HashKey>,
    max_record_bytes: usize,
}

impl Layout {
    /// The layout of the rows of a stream.
    ///
    /// # Errors
    /// Stops when the stream does not read its own key, or columns are to be hashed without a key.
    pub(super) fn new(plan: &Plan<'_>, what: String, hash_key: Option<HashKey>) -> Result<Self> {
        Self::of(plan, plan.stream, &plan.columns(), &plan.after, what, hash_key)
    }

    /// The layout of rows of just these columns, none of which tells anything apart.
    ///
    /// # Errors
    /// None but those of [`Layout::new`].
    pub(super) fn plain(plan: &Plan<'_>, columns: &[String], what: String) -> Result<Self> {
        let bare = StreamSpec { key: Vec::new(), columns: columns.to_vec(), ..plan.stream.clone() };
        let mut layout = Self::of(plan, &bare, columns, &[], what, None)?;
        layout.treatments = Treatments::default();
        Ok(layout)
    }

    fn of(
        plan: &Plan<'_>,
        stream: &StreamSpec,
        columns: &[String],
        after: &[String],
        what: String,
        hash_key: Option<HashKey>,
    ) -> Result<Self> {
        let at = |column: &String| {
            let missing =
                || Error::stop(format!("stream `{}` does not read `{column}`, which is part of its key", stream.name));
            columns.iter().position(|known| known == column).ok_or_else(missing)
        };
        if plan.treatments.hashes() && hash_key.is_none() && !stream.key.is_empty() {
            return Err(Error::stop(format!(
                "stream `{}` has columns to be hashed, and the secret has no `hash_key`: set it with `ml-connector secrets set \
                 {} hash_key`, to a long random text that never changes",
                stream.name, plan.settings.secret
            )));
        }
        Ok(Self {
            what,
            names: columns.iter().map(|column| plan.fields.get(column).unwrap_or(column).clone()).collect(),
            carried: stream.columns.len(),
            key: stream.key.iter().map(at).collect::<Result<_>>()?,
            after: after.iter().map(at).collect::<Result<_>>()?,
            treatments: plan.treatments.clone(),
            hash_key,
            max_record_bytes: plan.settings.max_record_bytes,
        })
    }

    /// Makes of the cells of a row what is carried.
    fn treat(&self, cells: &mut [Value<'_>]) {
        self.treatments.apply(cells, self.hash_key.as_ref());
    }
}

impl Names for Layout {
    fn width(&self) -> usize {
        self.names.len()
    }

    /// Names come with the alias of their record or without, as the query was made.
    #[inline]
    fn is(&self, column: usize, name: &str) -> bool {
        let Some(wanted) = self.names.get(column).map(String::as_str) else { return false };
        if wanted == name {
            return true;
        }
        match (wanted.split_once('.'), name.split_once('.')) {
            (None, Some((_, field))) => field == wanted,
            (Some((_, field)), None) => field == name,
            _ => false,
        }
    }

    fn missing(&self, columns: &[usize]) -> Error {
        let missing: Vec<_> = columns.iter().filter_map(|at| self.names.get(*at)).map(String::as_str).collect();
        let (columns, are) = if missing.len() == 1 { ("column", "is") } else { ("columns", "are") };
        Error::stop(format!(
            "{columns} {} {are} not in the answer of {}: has somebody changed it? Put them back as `ml-connector peoplesoft \
             queries` prints it, name the site's own in `fields` of the connection, or leave them out of the mapping",
            missing.join(", "),
            self.what
        ))
    }

    fn other_shape(&self) -> Error {
        Error::stop(format!("the rows of {} are no plain rows", self.what))
    }

    fn nested<'de>(&self, raw: &'de str) -> Option<Value<'de>> {
        Some(Value::Json(Cow::Borrowed(raw)))
    }

    fn twice(&self, column: usize) -> Option<Error> {
        let name = self.names.get(column).map_or("", String::as_str);
        Some(Error::stop(format!(
            "the answer of {} has two fields called {name}: name the one that is meant in `fields` of the connection, such as \
             {name}: A.{name}",
            self.what
        )))
    }
}

/// Where things are in a JSON answer.
pub(super) struct Shape {
    rows: Vec<String>,
    status: Option<Vec<String>>,
    count: Option<Vec<String>>,
    error: Vec<Vec<String>>,
    token: Option<Vec<String>>,
}

impl Shape {
    /// The shape of the answers of a stream.
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        match &plan.way {
            Way::Queries { .. } => Self::query(),
            Way::Operation(operation) => Self::operation(operation),
        }
    }

    /// `{"status":"success","data":{"query":{"numrows":2,"rows":[…]}}}`.
    pub(super) fn query() -> Self {
        Self {
            rows: pointer("/data/query/rows"),
            status: Some(pointer("/status")),
            count: Some(pointer("/data/query/numrows")),
            error: vec![pointer("/data/message"), pointer("/message"), pointer("/error")],
            token: None,
        }
    }

    fn operation(operation: &OperationSettings) -> Self {
        let token = match &operation.next {
            Next::Token(at) => Some(pointer(at)),
            _ => None,
        };
        let error = operation.error.iter().map(|at| pointer(at)).collect();
        Self { rows: pointer(&operation.rows), status: None, count: None, error, token }
    }
}

/// The parts of a JSON pointer.
fn pointer(text: &str) -> Vec<String> {
    let part = |part: &str| part.replace("~1", "/").replace("~0", "~");
    text.split('/').skip(1).map(part).collect()
}

/// What an answer says besides its rows.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Rows in it.
    pub(super) rows: usize,
    /// What tells the first row apart.
    pub(super) first: Option<Key>,
    /// What tells the last row apart.
    pub(super) last: Option<Key>,
    /// Rows left out for their size.
    pub(super) too_big: Vec<TooBig>,
    /// What the next page is asked for by.
    pub(super) token: Option<String>,
    status: Option<String>,
    count: Option<String>,
    /// The failures it reports, in PeopleSoft's words.
    errors: Vec<String>,
    /// Whether there was a place for rows, be it empty.
    found: bool,
}

/// Decodes an answer and appends its rows.
///
/// # Errors
/// Later when it is cut short, Stop when a column is missing, and what its own failure means.
pub(super) fn rows(text: &str, shape: &Shape, layout: &Layout, rows: &mut RowsWriter) -> Result<Taken, Failure> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('<') {
        return xml::rows(text, layout, rows);
    }
    let text = json::clean(text);
    let taken = json::rows(&text, shape, layout, rows)?;
    if taken.status.as_deref().is_some_and(|status| !status.eq_ignore_ascii_case("success")) || !taken.errors.is_empty()
    {
        let status = taken.status.iter().filter(|_| taken.errors.is_empty()).cloned();
        let words: Vec<_> = taken.errors.iter().cloned().chain(status).collect();
        return Err(Failure::Reported(words.join("; ")));
    }
    let told = taken.count.as_deref().and_then(|count| count.trim().parse::<usize>().ok());
    match told {
        Some(told) if told != taken.rows => Err(Error::later(format!(
            "the answer of {} was cut short: it says {told} rows and holds {}",
            layout.what, taken.rows
        ))
        .into()),
        None if !taken.found => Err(Failure::NoRows(Error::later(format!(
            "the answer of {} holds no rows and does not say that there are none: «{}»",
            layout.what,
            crate::http::quote(&text, &[])
        )))),
        _ => Ok(taken),
    }
}
