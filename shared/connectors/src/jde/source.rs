//! Reads pages of a table or view.
//!
//! Invariant: a read ends only on an empty page, or on one that is shorter than asked and says that nothing follows; a
//! page that repeats its predecessor is an error. Keys are compared for equality, never for order.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use engine::model::decimal::Decimal;
use engine::model::rows::RowsWriter;
use engine::model::window::{Granularity, Position, Window};
use engine::plan::StreamSpec;
use engine::ports::{Clock, Finding, Page, ReadRequest, Secret, Source, SourceCapabilities, SourceGroup, What};
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

use super::auth::Credentials;
use super::client::{Ask, Client};
use super::dates::{time_stamp, to_utc};
use super::decode::{Grid, Layout, grid};
use super::query::{At, DataRequest, PageRequest, Writer};
use super::refusal::Failure;
use super::{JdeSettings, check, totals};
use crate::http::{Answer, Http, HttpSettings};
use crate::key_range::shown;

/// Chosen records per call: each is a group of conditions of its own.
const KEYS_PER_READ: usize = 50;

/// The JAS setting "DB Fetch Limit" unless the site changed it. It cuts answers without saying so.
pub(super) const DB_FETCH_LIMIT: usize = 2000;

/// Administrators set limits in round numbers: a page of such a size may have met one.
const ROUND: usize = 100;

/// Reads JD Edwards EnterpriseOne through its AIS Server. One instance serves one poll.
pub struct JdeSource {
    pub(super) client: Client,
    drain: Mutex<Option<Drain>>,
}

/// A result set that is being read by the server's links. It lives in this instance only.
#[derive(Clone)]
struct Drain {
    stream: String,
    window: Window,
    at: At,
    href: String,
}

/// How far a read of more keys than fit one call has come.
#[derive(Serialize, Deserialize)]
struct KeysAt {
    keys_read: usize,
}

impl JdeSource {
    /// A source. Nothing is called yet.
    ///
    /// # Errors
    /// Stops when the settings cannot work or the secret lacks a field.
    pub fn new(settings: JdeSettings, secret: &Secret, clock: Arc<dyn Clock>) -> Result<Self> {
        settings.validate()?;
        let credentials = Credentials::new(&settings.secret, secret)?;
        let http = Http::new(&HttpSettings {
            url: &settings.url,
            ca_file: settings.ca_file.as_deref(),
            time_out: settings.time_out.0,
            max_response_bytes: settings.max_response_bytes,
        })?;
        Ok(Self { client: Client::new(http, settings, credentials, clock), drain: Mutex::default() })
    }

    async fn writer<'a>(&'a self, stream: &'a StreamSpec) -> Result<Writer<'a>> {
        let dates = self.client.date_writer().await?;
        Ok(Writer { stream, settings: &self.client.settings, dates })
    }

    /// As [`JdeSource::writer`], for requests that name keys: days of keys have to be counted from the server's very own
    /// today, so it is asked for where it is not known yet.
    async fn key_writer<'a>(&'a self, stream: &'a StreamSpec) -> Result<Writer<'a>> {
        let writer = self.writer(stream).await?;
        if self.client.knows_time() || !writer.counts_key_days() {
            return Ok(writer);
        }
        self.probe(stream, &stream.key, true).await.map_err(|f| into_error(f, stream))?;
        self.writer(stream).await
    }

    fn layout(&self, stream: &StreamSpec) -> Result<Layout> {
        Layout::new(stream, &stream.columns, self.client.settings.max_record_bytes)
    }

    /// Asks for rows and appends them.
    async fn grid(&self, ask: Ask<'_>, stream: &StreamSpec, rows: &mut RowsWriter) -> Result<Grid, Failure> {
        let layout = self.layout(stream)?;
        let before = rows.len();
        let mut decode = |answer: &Answer| {
            if rows.len() != before {
                let object = &stream.object;
                return Err(Error::later(format!(
                    "the session ended within an answer for {object}: it is asked again"
                ))
                .into());
            }
            grid(answer.text()?, &layout, rows)
        };
        let grid = self.client.ask(&ask, &stream.object, &mut decode).await?;
        self.client.note_time(grid.time_stamp.as_deref());
        Ok(grid)
    }

    async fn read_window(
        &self,
        stream: &StreamSpec,
        window: Window,
        after: Option<At>,
        rows: &mut RowsWriter,
    ) -> Result<Page> {
        if let Some(href) = self.link(stream, window, after.as_ref()) {
            match self.grid(Ask::Next(&href), stream, rows).await {
                Ok(grid) => {
                    let asked = stream.page_size.unwrap_or(self.client.settings.page_size);
                    return self.page(stream, window, after, grid, asked);
                }
                // The result set is gone: what follows the last key is asked for anew.
                Err(Failure::Expired | Failure::DeadToken(_)) => {}
                Err(failure) => return Err(into_error(failure, stream)),
            }
        }
        let request = match &after {
            None => self.writer(stream).await?.window(window, None)?,
            Some(at) => self.key_writer(stream).await?.window(window, Some(&at.key))?,
        };
        let asked = request.asked;
        let grid = self.rows(stream, &request, rows).await?;
        self.page(stream, window, after, grid, asked)
    }

    async fn rows(&self, stream: &StreamSpec, request: &PageRequest, rows: &mut RowsWriter) -> Result<Grid> {
        let grid = self.grid(Ask::Data(&request.body), stream, rows).await.map_err(|f| into_error(f, stream))?;
        self.on_the_day(stream, request.counted_from, &grid)?;
        Ok(grid)
    }

    /// Dates of keys that were counted from the server's today are right only on that day.
    fn on_the_day(&self, stream: &StreamSpec, counted_from: Option<NaiveDate>, grid: &Grid) -> Result<()> {
        let answered = grid.time_stamp.as_deref().and_then(time_stamp);
        match (counted_from, answered) {
            (Some(day), Some(answered)) if answered.date() != day => Err(Error::later(format!(
                "the server's day changed from {day} to {} while a page of {} was read: it is asked again",
                answered.date(),
                stream.object
            ))),
            _ => Ok(()),
        }
    }

    fn page(&self, stream: &StreamSpec, window: Window, after: Option<At>, grid: Grid, asked: usize) -> Result<Page> {
        let again = |at: &&At| at.is_met_by(grid.first.as_ref()) || at.is_met_by(grid.last.as_ref());
        if let Some(at) = after.as_ref().filter(again) {
            return Err(Error::later(format!(
                "{} gave a page again that was read before the record {}: its filter or order does not work",
                stream.object,
                shown(&at.key)
            )));
        }
        let next = grid.last.filter(|_| goes_on(grid.rows, grid.more, asked));
        let next = next.map(|key| At::next(after.as_ref(), key));
        let drain =
            next.clone().zip(grid.next).map(|(at, href)| Drain { stream: stream.name.clone(), window, at, href });
        if let Ok(mut current) = self.drain.lock() {
            *current = drain;
        }
        Ok(Page { next: next.as_ref().map(position).transpose()?, too_big: grid.too_big })
    }

    /// The link that goes on from exactly here, if this instance holds it.
    fn link(&self, stream: &StreamSpec, window: Window, after: Option<&At>) -> Option<String> {
        let drain = self.drain.lock().ok()?.take()?;
        (drain.stream == stream.name && drain.window == window && Some(&drain.at) == after).then_some(drain.href)
    }

    async fn read_keys(
        &self,
        stream: &StreamSpec,
        keys: &[Vec<String>],
        after: Option<&Position>,
        rows: &mut RowsWriter,
    ) -> Result<Page> {
        let start = after.map(|p| read_position::<KeysAt>(p, stream)).transpose()?.map_or(0, |at| at.keys_read);
        let left = keys.get(start..).unwrap_or_default();
        let chunk = left.get(..KEYS_PER_READ).unwrap_or(left);
        if chunk.is_empty() {
            return Ok(Page::default());
        }
        let request = self.key_writer(stream).await?.keys(chunk)?;
        let grid = self.rows(stream, &request, rows).await?;
        if grid.more == Some(true) {
            return Err(Error::stop(format!(
                "{} has more than {} records for {} keys: the key of stream `{}` is not unique",
                stream.object,
                grid.rows,
                chunk.len(),
                stream.name
            )));
        }
        let read = start + chunk.len();
        let next = (read < keys.len()).then(|| position(&KeysAt { keys_read: read })).transpose()?;
        Ok(Page { next, too_big: grid.too_big })
    }

    async fn ask<T: Send>(
        &self,
        stream: &StreamSpec,
        request: &DataRequest,
        decode: impl Fn(&str) -> Result<T, Failure> + Send + Sync,
    ) -> Result<T> {
        let mut decode = |answer: &Answer| decode(answer.text()?);
        let answered = self.client.ask(&Ask::Data(request), &stream.object, &mut decode).await;
        answered.map_err(|f| into_error(f, stream))
    }

    /// One row at most of these columns, with the time of the HTTP server.
    pub(super) async fn probe(
        &self,
        stream: &StreamSpec,
        columns: &[String],
        today_only: bool,
    ) -> Result<(Grid, Option<DateTime<Utc>>), Failure> {
        let settings = &self.client.settings;
        let writer = Writer { stream, settings, dates: self.client.date_writer().await? };
        let request = writer.probe(columns, today_only);
        let bare = StreamSpec { key: Vec::new(), ..stream.clone() };
        let layout = Layout::new(&bare, columns, settings.max_record_bytes)?;
        let mut decode =
            |answer: &Answer| Ok((grid(answer.text()?, &layout, &mut RowsWriter::new(columns))?, answer.date));
        let answered = self.client.ask(&Ask::Data(&request), &stream.object, &mut decode).await?;
        self.client.note_time(answered.0.time_stamp.as_deref());
        Ok(answered)
    }
}

#[async_trait]
impl Source for JdeSource {
    fn capabilities(&self, stream: &StreamSpec) -> SourceCapabilities {
        SourceCapabilities {
            granularity: if stream.updated.is_some() { Granularity::Day } else { Granularity::None },
            keys_per_read: Some(KEYS_PER_READ),
            counts: true,
            totals: true,
            groups: true,
            sessions: self.client.settings.sessions,
        }
    }

    async fn check(&self, streams: &[&StreamSpec]) -> Vec<Finding> {
        check::check(self, streams).await
    }

    async fn now(&self, stream: &StreamSpec) -> Result<Option<DateTime<Utc>>> {
        let (grid, date) = self.probe(stream, &stream.key, true).await.map_err(|f| into_error(f, stream))?;
        let local = grid.time_stamp.as_deref().and_then(time_stamp);
        Ok(local.map(|local| to_utc(self.client.settings.zone, local)).or(date))
    }

    async fn read(&self, request: ReadRequest<'_>, rows: &mut RowsWriter) -> Result<Page> {
        let ReadRequest { stream, what, after } = request;
        match what {
            What::Keys(keys) => self.read_keys(stream, keys, after, rows).await,
            What::Window(window) => {
                let after = after.map(|position| read_position(position, stream)).transpose()?;
                self.read_window(stream, window, after, rows).await
            }
        }
    }

    async fn count(&self, stream: &StreamSpec, window: Window) -> Result<u64> {
        let request = self.writer(stream).await?.count(window)?;
        self.ask(stream, &request, |text| totals::count(text, &stream.object)).await
    }

    async fn total(&self, stream: &StreamSpec, window: Window, column: &str) -> Result<Decimal> {
        let request = self.writer(stream).await?.total(window, column)?;
        self.ask(stream, &request, |text| totals::sum(text, &stream.object, column)).await
    }

    async fn groups(
        &self,
        stream: &StreamSpec,
        window: Window,
        by: &str,
        columns: &[&str],
    ) -> Result<Option<Vec<SourceGroup>>> {
        let request = self.writer(stream).await?.groups(window, by, columns)?;
        let groups = self.ask(stream, &request, |text| totals::groups(text, &stream.object, by, columns)).await?;
        // Limits cut these answers as they cut pages, without saying so.
        let told: u64 = groups.iter().map(|group| group.records).sum();
        let counted = self.count(stream, window).await?;
        Ok((told == counted).then_some(groups))
    }

    async fn close(&self) {
        self.client.close().await;
    }
}

/// Whether a page can have a successor. `moreRecords` is believed when it says yes. When it says no it is believed only
/// of a page that is shorter than asked and cannot have met a limit of the server.
fn goes_on(rows: usize, more: Option<bool>, asked: usize) -> bool {
    let may_be_cut = rows >= asked || asked > DB_FETCH_LIMIT || rows.is_multiple_of(ROUND);
    rows > 0 && (more != Some(false) || may_be_cut)
}

fn position(at: &impl Serialize) -> Result<Position> {
    serde_json::to_value(at).map(Position).map_err(|e| Error::stop(format!("a position cannot be written: {e}")))
}

fn read_position<T: serde::de::DeserializeOwned>(position: &Position, stream: &StreamSpec) -> Result<T> {
    T::deserialize(&position.0).map_err(|e| {
        Error::stop(format!("the stored position of stream `{}` cannot be read ({e}): start a new run", stream.name))
    })
}

pub(super) fn into_error(failure: Failure, stream: &StreamSpec) -> Error {
    match failure {
        Failure::Failed(error) => error,
        Failure::Expired => {
            Error::later(format!("the server gave up the result set of {}: it is asked again", stream.object))
        }
        Failure::DeadToken(said) => Error::later(format!("the session ended while {} was read{said}", stream.object)),
        Failure::Reported(_) => Error::later(format!("the answer for {} reports errors", stream.object)),
    }
}
