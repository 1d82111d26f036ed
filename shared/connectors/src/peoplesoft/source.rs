//! Reads pages of queries and operations.
//!
//! Invariant: a slice ends on an empty page only, unless the site says that it has no limit of its own; a page that
//! repeats its predecessor is an error. Keys are compared for equality, never for order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::model::decimal::Decimal;
use engine::model::rows::RowsWriter;
use engine::model::window::{Granularity, Position, Window};
use engine::plan::StreamSpec;
use engine::ports::{Clock, Finding, Page, ReadRequest, Secret, Source, SourceCapabilities, SourceGroup, What};
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

use super::auth::Credentials;
use super::background::Progress;
use super::client::{Begun, Client};
use super::decode::{self, Layout, Shape, Taken};
use super::query::{Call, Given, Plan, Way};
use super::query_settings::{Fineness, Next};
use super::settings::{Auth, PeopleSoftSettings};
use super::slices::Place;
use super::{check, totals};
use crate::http::{Answer, Http, HttpSettings};
use crate::key_range::{At, Key, shown};

/// Keys that the engine hands over at once; each is a call of its own.
const KEYS_PER_READ: usize = 50;

/// More than one record with a key is a mistake, and two tell.
const ROWS_OF_A_KEY: usize = 2;

/// Reads one PeopleSoft database through its Integration Broker. One instance serves one poll.
pub struct PeopleSoftSource {
    pub(super) client: Arc<Client>,
    /// The call for the page that follows, made while the one before is being put away.
    ahead: Mutex<Option<Begun>>,
    /// What a totals query told besides what was asked for.
    pub(super) told: Mutex<Option<totals::Told>>,
}

/// How far a read of chosen records has come.
#[derive(Serialize, Deserialize)]
struct KeysAt {
    keys_read: usize,
}

impl PeopleSoftSource {
    /// A source. Nothing is called yet.
    ///
    /// # Errors
    /// Stops when the settings cannot work or the secret lacks a field.
    pub fn new(settings: PeopleSoftSettings, secret: &Secret, clock: Arc<dyn Clock>) -> Result<Self> {
        settings.validate()?;
        let credentials = Credentials::new(&settings, secret)?;
        let http = |url: &str, certificate| {
            let ca_file = settings.ca_file.as_deref();
            let (time_out, max_response_bytes) = (settings.time_out.0, settings.max_response_bytes);
            Http::with_certificate(&HttpSettings { url, ca_file, time_out, max_response_bytes }, certificate)
        };
        let provider = match &settings.auth {
            Auth::Basic => None,
            Auth::Oauth2(oauth) => {
                Some(http(&oauth.token_url, None).map_err(|error| error.at("`auth.oauth2.token_url`"))?)
            }
        };
        let node = http(&settings.url, settings.client_certificate.as_ref())?;
        let client = Client::new(node, provider, settings, credentials, clock);
        Ok(Self { client: Arc::new(client), ahead: Mutex::default(), told: Mutex::default() })
    }

    pub(super) fn plan<'a>(&'a self, stream: &'a StreamSpec) -> Result<Plan<'a>> {
        Plan::new(stream, &self.client.settings)
    }

    /// Asks for rows and appends them.
    pub(super) async fn rows(
        &self,
        plan: &Plan<'_>,
        call: &Call,
        layout: &Layout,
        rows: &mut RowsWriter,
    ) -> Result<Taken> {
        let begun = self.ahead().take().filter(|begun| begun.is(call));
        let shape = Shape::of(plan);
        let before = rows.len();
        let mut decode = |answer: &Answer| {
            if rows.len() != before {
                let what = &call.what;
                return Err(
                    Error::later(format!("the token ended within an answer of {what}: it is asked again")).into()
                );
            }
            decode::rows(answer.text()?, &shape, layout, rows)
        };
        self.client.ask_begun(call, begun, &mut decode).await
    }

    fn ahead(&self) -> MutexGuard<'_, Option<Begun>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the page at a place before it is wanted. Whoever has read two pages of a slice reads them all; who wants one,
    /// to look at it, costs the database no second one.
    fn read_ahead(&self, plan: &Plan<'_>, place: &Place) {
        if place.pages < 2 || !matches!(plan.way, Way::Queries { background: false, .. }) {
            return;
        }
        // What is wrong with the call is said when it is wanted.
        if let Ok(call) = plan.page(&given(plan, place), &plan.columns()) {
            *self.ahead() = Some(self.client.begin(call));
        }
    }

    fn layout(&self, plan: &Plan<'_>) -> Result<Layout> {
        Layout::new(plan, plan.stream.object.clone(), self.client.credentials.hash_key())
    }

    /// Reads a page and says where the read goes on.
    async fn read_window(&self, plan: &Plan<'_>, window: Window, place: Place, rows: &mut RowsWriter) -> Result<Page> {
        let layout = self.layout(plan)?;
        let Some(taken) = self.take(plan, &place, &layout, rows).await? else {
            let next = self.waiting(plan, &place, &layout, rows).await?;
            return match next {
                Waited::Still(place) => Ok(Page { next: Some(position(&place)?), too_big: Vec::new() }),
                Waited::For(taken) => self.after(plan, window, &place, taken),
            };
        };
        self.after(plan, window, &place, taken)
    }

    /// The rows of a page; nothing where they have to be waited for.
    async fn take(
        &self,
        plan: &Plan<'_>,
        place: &Place,
        layout: &Layout,
        rows: &mut RowsWriter,
    ) -> Result<Option<Taken>> {
        if matches!(plan.way, Way::Queries { background: true, .. }) {
            return Ok(None);
        }
        let call = plan.page(&given(plan, place), &plan.columns())?;
        self.rows(plan, &call, layout, rows).await.map(Some)
    }

    async fn waiting(&self, plan: &Plan<'_>, place: &Place, layout: &Layout, rows: &mut RowsWriter) -> Result<Waited> {
        let Way::Queries { rows: query, .. } = &plan.way else {
            return Err(Error::stop(format!("{} does not run in the background", plan.stream.object)));
        };
        let progress = match &place.pending {
            Some(pending) => self.proceed(plan, pending, layout, rows).await?,
            None => Progress::Lost,
        };
        Ok(match progress {
            Progress::Done(taken) => Waited::For(taken),
            Progress::Waiting(pending) => Waited::Still(Place { pending: Some(pending), ..place.clone() }),
            Progress::Lost => {
                let given = given(plan, place);
                let pending = match &place.pending {
                    Some(lost) => self.start_again(plan, query, &given, lost).await?,
                    None => self.start(plan, query, &given).await?,
                };
                Waited::Still(Place { pending: Some(pending), ..place.clone() })
            }
        })
    }

    /// Where a read goes on after a page.
    fn after(&self, plan: &Plan<'_>, window: Window, place: &Place, taken: Taken) -> Result<Page> {
        let Taken { rows, first, last, too_big, token, .. } = taken;
        let page = page_key(first.as_ref(), last.as_ref());
        refuse_again(plan, place, [first.as_ref(), last.as_ref(), page.as_ref()])?;
        let short = self.client.settings.stop_on_short_page && rows < plan.page_size();
        let pages = place.pages.saturating_add(1);
        let on = Place { pages, rows: place.rows + rows as u64, pending: None, ..place.clone() };
        let (ends_here, asked) = match &plan.way {
            Way::Queries { .. } => (plan.after.is_empty(), true),
            Way::Operation(operation) => (operation.next == Next::None, operation.holds("{limit}")),
        };
        if ends_here && asked && rows >= plan.page_size() {
            return Err(Error::stop(format!(
                "{} gave {rows} rows, as many as were asked for, and nothing asks for what follows: give it a prompt for the \
                 last key, or raise `page_size` above the number of its rows",
                plan.stream.object
            )));
        }
        let on = match &plan.way {
            Way::Operation(operation) => match operation.next {
                Next::None => None,
                Next::AfterKey => behind(place, last, on),
                Next::Counted => Some(past(place, page, on)).filter(|_| rows > 0),
                Next::Token(_) if token.is_some() && token == place.token => {
                    return Err(Error::stop(format!("{} gave the same token for two pages", plan.stream.object)));
                }
                Next::Token(_) => token.map(|token| Place { token: Some(token), ..past(place, page, on) }),
            },
            // A query that nothing goes on behind holds all its rows in one answer.
            Way::Queries { .. } if plan.after.is_empty() => None,
            Way::Queries { .. } => behind(place, last, on).filter(|_| !short),
        };
        let next = on.or_else(|| place.next_slice(plan, window, self.client.clock.now()));
        if let Some(next) = &next {
            self.read_ahead(plan, next);
        }
        Ok(Page { next: next.as_ref().map(position).transpose()?, too_big })
    }

    async fn read_key(
        &self,
        plan: &Plan<'_>,
        keys: &[Vec<String>],
        after: Option<&Position>,
        rows: &mut RowsWriter,
    ) -> Result<Page> {
        let stream = plan.stream;
        let start = after.map(|p| read_position::<KeysAt>(p, stream)).transpose()?.map_or(0, |at| at.keys_read);
        let Some(key) = keys.get(start) else { return Ok(Page::default()) };
        let given = Given { key: Some(key), turn: plan.turns.first(), limit: ROWS_OF_A_KEY, ..Given::default() };
        let call = plan.key(&given)?;
        let layout = Layout::new(
            &Plan { after: Vec::new(), ..self.plan(stream)? },
            call.what.clone(),
            self.client.credentials.hash_key(),
        )?;
        let taken = self.rows(plan, &call, &layout, rows).await?;
        if taken.rows > 1 {
            return Err(Error::stop(format!(
                "{} gave {} records for the key {}: the key of stream `{}` is not unique",
                call.what,
                taken.rows,
                key.join("|"),
                stream.name
            )));
        }
        let read = start + 1;
        let next = (read < keys.len()).then(|| position(&KeysAt { keys_read: read })).transpose()?;
        Ok(Page { next, too_big: taken.too_big })
    }
}

/// What became of a query in the background.
enum Waited {
    Still(Place),
    For(Taken),
}

/// What the call for the page at this place is given.
pub(super) fn given<'a>(plan: &'a Plan<'_>, place: &'a Place) -> Given<'a> {
    Given {
        turn: plan.turns.get(place.turn),
        from: place.from,
        to: place.to,
        after: place.at.as_ref().map(|at| &at.key),
        token: place.token.as_deref(),
        rows: place.rows,
        page: place.pages,
        limit: plan.page_size(),
        key: None,
    }
}

/// On behind the last key; nothing behind an empty page.
fn behind(place: &Place, last: Option<Key>, on: Place) -> Option<Place> {
    last.map(|key| Place { at: Some(At::next(place.at.as_ref(), key)), ..on })
}

/// Refuses a page that was read before, told by its first row, its last one, and both.
///
/// # Errors
/// Stops and says what the query or operation lacks.
fn refuse_again(plan: &Plan<'_>, place: &Place, [first, last, page]: [Option<&Key>; 3]) -> Result<()> {
    let Some(at) = &place.at else { return Ok(()) };
    let object = &plan.stream.object;
    let is_by_key = match &plan.way {
        Way::Queries { .. } => true,
        Way::Operation(operation) => operation.next == Next::AfterKey,
    };
    if is_by_key && (at.is_met_by(first) || at.is_met_by(last)) {
        let fields = plan.after.join(", ");
        return Err(Error::stop(format!(
            "{object} gave a page again that was read before the record {}: it has to be ordered by {fields}, which has to be \
             unique, and to hold only rows whose {fields} is greater than the prompt for it",
            shown(&at.key)
        )));
    }
    if !is_by_key && at.is_met_by(page) {
        return Err(Error::stop(format!(
            "{object} gave a page again that was read before, with the first record {}: does it heed `{{page}}`, `{{offset}}` \
             or `{{token}}` of the call?",
            first.map(shown).unwrap_or_default()
        )));
    }
    Ok(())
}

/// What tells a page apart that is not asked for by a key: its first row and its last. The last one alone would not do:
/// a row that is added meanwhile moves it to the next page.
fn page_key(first: Option<&Key>, last: Option<&Key>) -> Option<Key> {
    Some(first?.iter().chain(last?).cloned().collect())
}

/// On past a page that is told apart so; an empty page tells nothing.
fn past(place: &Place, page: Option<Key>, on: Place) -> Place {
    match page.filter(|page| !page.is_empty()) {
        Some(page) => Place { at: Some(At::next(place.at.as_ref(), page)), ..on },
        None => on,
    }
}

pub(super) fn position(at: &impl Serialize) -> Result<Position> {
    serde_json::to_value(at).map(Position).map_err(|e| Error::stop(format!("a position cannot be written: {e}")))
}

pub(super) fn read_position<T: serde::de::DeserializeOwned>(position: &Position, stream: &StreamSpec) -> Result<T> {
    T::deserialize(&position.0).map_err(|e| {
        Error::stop(format!("the stored position of stream `{}` cannot be read ({e}): start a new run", stream.name))
    })
}

#[async_trait]
impl Source for PeopleSoftSource {
    fn capabilities(&self, stream: &StreamSpec) -> SourceCapabilities {
        let plan = self.plan(stream).ok();
        let fineness = plan.as_ref().and_then(|plan| plan.fineness);
        let finds_keys = plan.as_ref().is_some_and(Plan::finds_keys);
        let tells_totals = plan.as_ref().is_some_and(|plan| matches!(plan.way, Way::Queries { totals: Some(_), .. }));
        SourceCapabilities {
            granularity: match fineness {
                Some(Fineness::Second) => Granularity::Second,
                Some(Fineness::Day) => Granularity::Day,
                None => Granularity::None,
            },
            keys_per_read: finds_keys.then_some(KEYS_PER_READ),
            counts: tells_totals,
            totals: tells_totals,
            groups: false,
            sessions: self.client.settings.sessions,
        }
    }

    async fn check(&self, streams: &[&StreamSpec]) -> Vec<Finding> {
        check::check(self, streams).await
    }

    /// PeopleSoft tells no time.
    async fn now(&self, _stream: &StreamSpec) -> Result<Option<DateTime<Utc>>> {
        Ok(None)
    }

    async fn read(&self, request: ReadRequest<'_>, rows: &mut RowsWriter) -> Result<Page> {
        let ReadRequest { stream, what, after } = request;
        let plan = self.plan(stream)?;
        match what {
            What::Keys(keys) => self.read_key(&plan, keys, after, rows).await,
            What::Window(window) => {
                let place = after.map(|position| read_position(position, stream)).transpose()?;
                let place = place.unwrap_or_else(|| Place::first(&plan, window, self.client.clock.now()));
                self.read_window(&plan, window, place, rows).await
            }
        }
    }

    async fn count(&self, stream: &StreamSpec, window: Window) -> Result<u64> {
        totals::count(self, stream, window).await
    }

    async fn total(&self, stream: &StreamSpec, window: Window, column: &str) -> Result<Decimal> {
        totals::total(self, stream, window, column).await
    }

    async fn groups(
        &self,
        _stream: &StreamSpec,
        _window: Window,
        _by: &str,
        _columns: &[&str],
    ) -> Result<Option<Vec<SourceGroup>>> {
        Ok(None)
    }

    /// Every call stands for itself: there is no session to end, only a call that nobody waits for any more.
    async fn close(&self) {
        drop(self.ahead().take());
    }
}
