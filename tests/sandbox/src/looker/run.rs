//! Running queries, from the cache or on the warehouse.
//!
//! Invariant: a cached result is used only while nothing has invalidated it: the datagroup's `stale_before` and
//! `triggered_at`, and its age.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::error::Refusal;
use super::lookml::{Explore, Model};
use super::query::Query;
use super::server::{Shared, State};
use super::settings::BadQuery;
use super::sql::{Column, Compiled, Problem, Question, compile};
use super::warehouse::{Dialect, Table, Warehouse};
use super::{activity, datagroups};

/// A result.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) columns: Vec<Column>,
    pub(super) table: Arc<Table>,
    pub(super) sql: String,
    pub(super) cached: bool,
    pub(super) cache_key: String,
    pub(super) at: DateTime<Utc>,
}

/// Why there is no result.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The request is refused.
    Refused(Refusal),
    /// The query failed, which is no HTTP error.
    Query { message: String, sql: Option<String> },
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// How a query is to be run.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// Instead of the query's own; -1 is unlimited.
    pub(super) limit: Option<i64>,
    pub(super) cache: bool,
    pub(super) cache_only: bool,
    /// Only the SQL is wanted.
    pub(super) dry: bool,
}

impl How {
    pub(super) fn cached() -> Self {
        Self { limit: None, cache: true, cache_only: false, dry: false }
    }
}

/// Stored results by connection and SQL.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<(String, String), (Arc<Table>, DateTime<Utc>)>);

/// Where a query runs.
enum Target {
    Warehouse(Warehouse),
    Activity,
}

impl Shared {
    /// Runs a query.
    pub(super) async fn run(&self, query: &Query, how: How) -> Result<Ran, Failure> {
        let now = self.clock.now();
        let (model, explore) = self.explore(query)?;
        let connection = model.connection.clone().unwrap_or_default();
        let target = self.target(model, &connection)?;
        let dialect = match &target {
            Target::Warehouse(warehouse) => warehouse.dialect(),
            Target::Activity => Dialect::Sqlite,
        };
        let limit = match how.limit.or(query.limit) {
            Some(-1) => None,
            asked => {
                let asked = asked.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(self.settings.default_limit);
                Some(asked.min(self.settings.row_ceiling))
            }
        };
        let question = Question {
            fields: &query.fields,
            filters: &query.filters,
            sorts: &query.sorts,
            limit,
            zone: query.zone,
            now,
        };
        let Compiled { sql, columns } = compile(explore, dialect, &question).map_err(|why| self.problem(why, query))?;
        let key = (connection, sql.clone());
        let ran = |table, cached, at| Ran { columns, table, sql, cached, cache_key: format!("{:x}", at_nanos(at)), at };
        if how.dry {
            return Ok(ran(Arc::default(), false, now));
        }
        if how.cache || how.cache_only {
            let state = self.state();
            if let Some((table, at)) = state.cache.0.get(&key)
                && is_fresh(&state, model, explore, *at, now)
            {
                return Ok(ran(Arc::clone(table), true, *at));
            }
        }
        if how.cache_only {
            let message = "No cached results, and only those were asked for".into();
            return Err(Failure::Query { message, sql: Some(key.1) });
        }
        let found = match &target {
            Target::Warehouse(warehouse) => warehouse.query(&key.1).await,
            Target::Activity => activity::query(&mut self.state(), &key.1),
        };
        let table = Arc::new(found.map_err(|message| Failure::Query { message, sql: Some(key.1.clone()) })?);
        self.state().cache.0.insert(key, (Arc::clone(&table), now));
        Ok(ran(table, false, now))
    }

    fn explore(&self, query: &Query) -> Result<(&Model, &Explore), Failure> {
        let missing = |what: &str, name: &str| {
            let message = format!("{what} \"{name}\" not found");
            match self.state().bad_query {
                BadQuery::Refuse => Failure::Refused(Refusal::NotFound),
                BadQuery::LookerError => Failure::Query { message, sql: None },
            }
        };
        let model = self.model(&query.model).ok_or_else(|| missing("Model", &query.model))?;
        let explore = model.explores.iter().find(|explore| explore.name == query.view);
        Ok((model, explore.ok_or_else(|| missing("Explore", &query.view))?))
    }

    fn target(&self, model: &Model, connection: &str) -> Result<Target, Failure> {
        if model.name == activity::MODEL {
            return Ok(Target::Activity);
        }
        let warehouse = self.state().warehouses.get(connection).cloned();
        warehouse.map(Target::Warehouse).ok_or_else(|| {
            let message = format!("Could not find connection \"{connection}\" of model \"{}\"", model.name);
            Failure::Query { message, sql: None }
        })
    }

    fn problem(&self, problem: Problem, query: &Query) -> Failure {
        match problem {
            Problem::UnknownField(name) => {
                let message = format!("Unknown field \"{name}\" in explore \"{}\"", query.view);
                match self.state().bad_query {
                    BadQuery::Refuse => Failure::Refused(Refusal::invalid("fields", message)),
                    BadQuery::LookerError => Failure::Query { message, sql: None },
                }
            }
            Problem::Invalid { field, message } => Failure::Refused(Refusal::invalid(field, message)),
            Problem::Broken(message) => Failure::Query { message, sql: None },
        }
    }
}

fn at_nanos(at: DateTime<Utc>) -> i64 {
    at.timestamp_nanos_opt().unwrap_or_default()
}

/// Whether a result of `at` still counts.
fn is_fresh(state: &State, model: &Model, explore: &Explore, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let Some(name) = &explore.persist_with else {
        // Without a datagroup a result is good for an hour.
        return now - at < TimeDelta::hours(1);
    };
    let age = model.datagroups.iter().find(|datagroup| datagroup.name == *name).and_then(|found| found.max_cache_age);
    if age.is_some_and(|age| now - at >= age) {
        return false;
    }
    !datagroups::is_stale(&state.datagroups, &model.name, name, at)
}
