//! The data service: BROWSE, COUNT, AGGREGATION, the simple GET and the next page.
//!
//! Invariant: a request is checked in full before rows are read, so a refused request never comes with rows.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::aggregate::aggregate;
use super::error::{Refusal, time_stamp};
use super::faults::Effects;
use super::grid::{Envelope, Page, SYS_ERRORS, Shape};
use super::http::Request;
use super::login::Visit;
use super::next::{ResultSet, ResultSets, link};
use super::query::Reader;
use super::request::{Aggregation, DataRequest, Flag, Query, parse_filter, parse_sort};
use super::row::Row;
use super::select::{count, order, select};
use super::session::Sessions;
use super::settings::Settings;
use super::table::{Slot, Table};
use super::tables::Tables;
use super::value::stamp;

/// What a data call works with.
pub(super) struct Desk<'a> {
    pub(super) settings: &'a Settings,
    /// Scheme, host and port for links.
    pub(super) host: &'a str,
    pub(super) now: DateTime<Utc>,
    pub(super) tables: &'a Tables,
    pub(super) sessions: &'a mut Sessions,
    pub(super) results: &'a mut ResultSets,
    pub(super) effects: &'a Effects,
}

/// The page size without `maxPageSize`.
const DEFAULT_PAGE: usize = 100;

impl<'a> Desk<'a> {
    /// A data request, from a body or put together from GET parameters.
    pub(super) fn serve(&mut self, asked: &DataRequest, visit: &Visit, v2: bool) -> Result<Vec<u8>, Refusal> {
        if asked.batch_data_request == Some(true) {
            return Err(Refusal::failed("Batch data requests are not supported"));
        }
        let (table, target) = self.target(asked)?;
        let shape = shape(asked.output_type.as_deref(), v2)?;
        let page = self.page_size(asked.max_page_size.as_deref())?;
        let reader =
            Reader { table, settings: self.settings, user: &visit.user, today: stamp(self.now, self.settings.zone).0 };
        let columns = columns(&reader, asked.return_control_ids.as_deref())?;
        let predicate = reader.predicate(asked.query.as_ref())?;
        let none = Aggregation::default();
        let aggregation = asked.aggregation.as_ref().unwrap_or(&none);
        let hidden = |slot: Slot| {
            let row = Row::new(table, slot);
            self.effects.hidden.iter().any(|test| test.holds(&row))
        };
        match asked.data_service_type.as_deref() {
            Some("BROWSE") => {}
            Some("COUNT") => return Ok(self.count(target, count(table, &predicate, &hidden))),
            Some("AGGREGATION") => {
                let rows = select(table, &predicate, &Vec::new(), self.settings.unordered, &hidden, usize::MAX);
                let output = aggregate(&reader, aggregation, &rows, page.rows)?;
                return Ok(self.sys_errors().unwrap_or_else(|| {
                    format!(r#"{{"ds_{target}":{{"output":[{}]}}}}"#, output.join(",")).into_bytes()
                }));
            }
            other => return Err(Refusal::failed(format!("Unknown dataServiceType {other:?}"))),
        }
        let order = order(&reader, &aggregation.order_by)?;
        let pressed = asked.find_on_entry.as_deref().is_some_and(|find| find.eq_ignore_ascii_case("true"));
        let paged = v2 && self.settings.next_links && asked.enable_next_page_processing == Some(Flag(true));
        let mut rows = Vec::new();
        if pressed {
            let most = if paged { usize::MAX } else { page.rows + 1 };
            rows = select(table, &predicate, &order, self.settings.unordered, &hidden, most);
        }
        let beyond = rows.len() > page.rows;
        let mut envelope = self.envelope(visit);
        if paged && beyond {
            let set = ResultSet {
                token: visit.token.clone(),
                table: table.schema().name().into(),
                target: target.into(),
                names: columns.iter().map(|at| dotted(table, *at)).collect::<Vec<_>>().join("|"),
                columns: columns.clone(),
                rows: rows.clone(),
                given: page.rows,
                page: page.rows,
                stack_id: envelope.stack_id,
                used: self.now,
            };
            envelope.next = Some(link(self.host, &envelope.rid, &set));
            self.results.keep(envelope.rid.clone(), set);
        }
        rows.truncate(page.rows);
        let more = beyond && (paged || !page.by_fetch_limit || self.settings.fetch_limit_shows);
        Ok(self.write(table, target, &columns, &rows, more, shape, envelope))
    }

    /// The next page of a result set.
    pub(super) fn next(&mut self, request: &Request, visit: &Visit) -> Result<Vec<u8>, Refusal> {
        if !self.settings.next_links {
            return Err(Refusal::NotFound);
        }
        let parameters = request.parameters();
        for name in ["formOID", "fullGridId", "outputType", "returnControlIDs", "rid", "stackId", "stateId"] {
            if !parameters.iter().any(|(known, _)| known == name) {
                return Err(Refusal::BadRequest(format!("Parameter {name} is required")));
            }
        }
        let parameter =
            |name: &str| parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        let rid = parameter("rid").to_owned();
        let set = self.results.find(&rid, &visit.token, self.settings, self.now)?;
        let (asked, kept) = (parameter("stackId"), set.stack_id.to_string());
        if asked != kept || parameter("formOID") != set.target {
            return Err(Refusal::ResultSetExpired);
        }
        let Some(table) = self.tables.get(&set.table) else {
            return Err(Refusal::ResultSetExpired);
        };
        let rows: Vec<Slot> = set.rows.iter().skip(set.given).take(set.page).copied().collect();
        set.given += rows.len();
        set.used = self.now;
        let more = set.given < set.rows.len();
        let next = more.then(|| link(self.host, &rid, set));
        let (target, columns, stack_id) = (set.target.clone(), set.columns.clone(), set.stack_id);
        if !more {
            self.results.forget(&rid);
        }
        let alive: Vec<Slot> = rows.into_iter().filter(|slot| table.is_alive(*slot)).collect();
        let envelope =
            Envelope { stack_id, state_id: 1, rid, time_stamp: time_stamp(self.now, self.settings.zone), next };
        Ok(self.write(table, &target, &columns, &alive, more, Shape::GridData, envelope))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one page, in the order they appear in it")]
    fn write(
        &self,
        table: &Table,
        target: &str,
        columns: &[usize],
        rows: &[Slot],
        more: bool,
        shape: Shape,
        session: Envelope,
    ) -> Vec<u8> {
        let page = Page {
            table,
            target,
            columns,
            rows,
            more,
            shape,
            settings: self.settings,
            twist: &self.effects.twist,
            session,
        };
        page.write()
    }

    fn envelope(&mut self, visit: &Visit) -> Envelope {
        let stack_id = self.sessions.get_mut(&visit.token).map_or(1, |session| {
            session.stack += 1;
            session.stack
        });
        let rid = self.sessions.new_rid();
        Envelope { stack_id, state_id: 1, rid, time_stamp: time_stamp(self.now, self.settings.zone), next: None }
    }

    fn count(&self, target: &str, rows: usize) -> Vec<u8> {
        let quote = if self.settings.numbers_as_strings { "\"" } else { "" };
        let answer = || format!(r#"{{"ds_{target}":{{"count":{quote}{rows}{quote}}}}}"#).into_bytes();
        self.sys_errors().unwrap_or_else(answer)
    }

    fn sys_errors(&self) -> Option<Vec<u8>> {
        self.effects.twist.sys_errors.then(|| format!(r#"{{"sysErrors":{SYS_ERRORS}}}"#).into_bytes())
    }

    /// The table asked for, directly or through a view, and the name it was asked by.
    fn target<'b>(&self, asked: &'b DataRequest) -> Result<(&'a Table, &'b str), Refusal> {
        let Some(name) = asked.target_name.as_deref() else {
            return Err(Refusal::failed("targetName is required"));
        };
        let table = match asked.target_type.as_deref() {
            Some("table") => self.tables.get(name),
            Some("view") => self.tables.behind(name),
            other => {
                return Err(Refusal::failed(format!("targetType must be table or view, not {other:?}")));
            }
        };
        let unknown = || Refusal::failed(format!("Table or view {name} does not exist or has no specification"));
        Ok((table.ok_or_else(unknown)?, name))
    }

    fn page_size(&self, asked: Option<&str>) -> Result<PageSize, Refusal> {
        let settings = self.settings;
        let wanted = match asked.map(str::trim) {
            None | Some("") => DEFAULT_PAGE,
            Some("No Max") if settings.page_cap.is_none() => usize::MAX,
            Some(text) => match text.parse() {
                Ok(size) if size > 0 => size,
                _ => return Err(Refusal::failed(format!("Invalid maxPageSize {text:?}"))),
            },
        };
        let wanted = settings.page_cap.map_or(wanted, |cap| wanted.min(cap));
        Ok(PageSize { rows: wanted.min(settings.db_fetch_limit), by_fetch_limit: settings.db_fetch_limit < wanted })
    }
}

struct PageSize {
    rows: usize,
    /// The DB Fetch Limit, not the page size, sets the end.
    by_fetch_limit: bool,
}

/// The data request that a simple GET stands for: no paging, always pressed find.
pub(super) fn from_get(
    request: &Request,
    target_type: &str,
    target_name: &str,
    settings: &Settings,
) -> Result<DataRequest, Refusal> {
    let mut asked = DataRequest {
        target_name: Some(target_name.into()),
        target_type: Some(target_type.into()),
        data_service_type: Some("BROWSE".into()),
        find_on_entry: Some("TRUE".into()),
        ..DataRequest::default()
    };
    let mut query = Query::default();
    let mut fields = Vec::new();
    let mut aggregation = Aggregation::default();
    for (name, value) in request.parameters() {
        match name.as_str() {
            "$field" => fields.push(value),
            "$filter" => {
                query.condition.push(parse_filter(&value, settings.special_dates_in_get).map_err(Refusal::failed)?);
            }
            "$filterType" => query.match_type = Some(value),
            "$sort" => aggregation.order_by.push(parse_sort(&value)),
            "$limit" => asked.max_page_size = Some(value),
            "$outputType" => asked.output_type = Some(value),
            // Caller and cache parameters are read elsewhere or mean nothing here; unknown ones are ignored.
            _ => {}
        }
    }
    asked.return_control_ids = (!fields.is_empty()).then(|| fields.join("|"));
    asked.query = Some(query);
    asked.aggregation = Some(aggregation);
    Ok(asked)
}

/// v2 gives GRID_DATA unless told otherwise, v1 VERSION1. Other shapes exist at the vendor and not here.
fn shape(asked: Option<&str>, v2: bool) -> Result<Shape, Refusal> {
    match asked.map(str::trim) {
        None | Some("") => Ok(if v2 { Shape::GridData } else { Shape::Version1 }),
        Some("GRID_DATA") => Ok(Shape::GridData),
        Some("VERSION1") => Ok(Shape::Version1),
        Some(other) => Err(Refusal::failed(format!("Output type {other:?} is not supported by this server"))),
    }
}

/// The asked columns, each once, in their order; all when none were named.
fn columns(reader: &Reader<'_>, asked: Option<&str>) -> Result<Vec<usize>, Refusal> {
    let Some(asked) = asked.filter(|asked| !asked.trim().is_empty()) else {
        return Ok((0..reader.table.schema().columns().len()).collect());
    };
    let mut seen = HashSet::new();
    let mut columns = Vec::new();
    for name in asked.split('|') {
        let column = reader.column(name.trim())?;
        if seen.insert(column) {
            columns.push(column);
        }
    }
    Ok(columns)
}

fn dotted(table: &Table, column: usize) -> String {
    format!("{}.{}", table.schema().name(), table.schema().columns()[column].alias)
}
