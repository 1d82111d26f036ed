//! Databricks as a source: rows of a governed table that go back to the ERP.
//!
//! A page is the rows behind the last key, in the order of the key, that changed in the window; a record that changes
//! while it is read is met again by the next run, whose window begins before the end of this one. Rows that are deleted in
//! the table are not seen.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::model::decimal::Decimal;
use engine::model::rows::RowsWriter;
use engine::model::value::Value;
use engine::model::window::{Granularity, Position, Window};
use engine::plan::StreamSpec;
use engine::ports::{Finding, Page, ReadRequest, Secret, Source, SourceCapabilities, SourceGroup, What};
use engine::{Error, Result};

use super::client::Client;
use super::settings::DatabricksSettings;
use super::sql::name;
use super::statements::{Origin, Parameter, Statement, Table};

/// Rows of a page, unless the stream says otherwise: far below the 25 MiB that one answer may have.
const PAGE: usize = 5_000;

/// Records that are asked for by key at once.
const KEYS_AT_ONCE: usize = 500;

/// A table of a workspace as a source.
pub struct DatabricksSource {
    client: Client,
}

/// What a page is read for: its condition, and what stands for the names in it.
struct Asked {
    conditions: Vec<String>,
    parameters: Vec<Parameter>,
}

impl DatabricksSource {
    /// Reads the settings and the secret they name; calls nothing yet.
    ///
    /// # Errors
    /// Stops when a setting cannot be used or the secret lacks a field, and says what to write.
    pub fn open(
        settings: &DatabricksSettings,
        secret: &Secret,
        clock: std::sync::Arc<dyn engine::ports::Clock>,
    ) -> Result<Self> {
        Ok(Self { client: Client::new(settings.clone(), secret, clock)? })
    }

    /// The table, qualified and quoted: `table`, `schema.table` or `catalog.schema.table`.
    fn table(&self, stream: &StreamSpec) -> Result<String> {
        let settings = &self.client.settings;
        let parts: Vec<&str> = stream.object.split('.').map(str::trim).collect();
        let whole: [&str; 3] = match *parts.as_slice() {
            [table] => [&settings.catalog, &settings.schema, table],
            [schema, table] => [&settings.catalog, schema, table],
            [catalog, schema, table] => [catalog, schema, table],
            _ => [""; 3],
        };
        if whole.iter().any(|part| part.is_empty()) {
            return Err(Error::stop(format!(
                "`{}` names no table of Unity Catalog: write `catalog.schema.table`, or less where it is in the connection's own",
                stream.object
            )));
        }
        Ok(whole.map(name).join("."))
    }

    async fn run(&self, stream: &StreamSpec, what: &str, sql: String, parameters: Vec<Parameter>) -> Result<Table> {
        let statement = Statement {
            what: format!("{what} {}", stream.object),
            sql,
            parameters,
            origin: Origin { run: "read".to_owned(), sync: stream.name.clone(), step: what.replace(' ', "-") },
        };
        self.client.run(&statement).await.map_err(|failure| failure.into_error())
    }

    fn in_window(stream: &StreamSpec, window: Window) -> Asked {
        let mut asked = Asked { conditions: Vec::new(), parameters: Vec::new() };
        if let Some(updated) = &stream.updated {
            for (bound, operator, at) in [("from", ">=", window.from), ("to", "<", window.to)] {
                let Some(at) = at else { continue };
                asked.conditions.push(format!("t.{} {operator} timestamp_micros(:{bound})", name(&updated.date)));
                asked.parameters.push(Parameter::integer(bound, at.timestamp_micros()));
            }
        }
        for (i, condition) in stream.filter.iter().enumerate() {
            let names: Vec<String> = (0..condition.equals.len()).map(|j| format!("f{i}_{j}")).collect();
            let places: Vec<String> = names.iter().map(|name| format!(":{name}")).collect();
            asked.conditions.push(format!("t.{} IN ({})", name(&condition.column), places.join(", ")));
            let values = names.iter().zip(&condition.equals).map(|(name, value)| Parameter::text(name, value.as_str()));
            asked.parameters.extend(values);
        }
        asked
    }

    /// The rows behind a key: greater in its first column, or equal there and greater in the next, and so on.
    fn behind(stream: &StreamSpec, after: &Position, asked: &mut Asked) -> Result<()> {
        let last: Vec<String> = serde_json::from_value(after.0.clone()).unwrap_or_default();
        if last.len() != stream.key.len() {
            return Err(Error::stop(format!(
                "the place at which {} goes on is not one of this version: start the run again",
                stream.object
            )));
        }
        let step = |i: usize| {
            let equal = stream.key.iter().take(i).enumerate().map(|(j, column)| format!("t.{} = :k{j}", name(column)));
            let greater = stream.key.get(i).map(|column| format!("t.{} > :k{i}", name(column)));
            format!("({})", equal.chain(greater).collect::<Vec<_>>().join(" AND "))
        };
        let steps: Vec<String> = (0..stream.key.len()).map(step).collect();
        asked.conditions.push(format!("({})", steps.join(" OR ")));
        asked
            .parameters
            .extend(last.into_iter().enumerate().map(|(i, value)| Parameter::text(&format!("k{i}"), value)));
        Ok(())
    }

    async fn of_window(
        &self,
        stream: &StreamSpec,
        window: Window,
        after: Option<&Position>,
        rows: &mut RowsWriter,
    ) -> Result<Page> {
        let mut asked = Self::in_window(stream, window);
        if let Some(after) = after {
            Self::behind(stream, after, &mut asked)?;
        }
        let limit = stream.page_size.unwrap_or(PAGE);
        let key: Vec<String> = stream.key.iter().map(|column| format!("t.{}", name(column))).collect();
        let sql = format!(
            "SELECT {} FROM {} AS t{} ORDER BY {} LIMIT {limit}",
            listed(stream),
            self.table(stream)?,
            filtered(&asked),
            key.join(", ")
        );
        let found = self.run(stream, "a page of", sql, asked.parameters).await?;
        let next = match found.last() {
            Some(last) if found.len() >= limit => Some(position(stream, last)?),
            _ => None,
        };
        push(stream, found, rows)?;
        Ok(Page { next, too_big: Vec::new() })
    }

    async fn of_keys(&self, stream: &StreamSpec, keys: &[Vec<String>], rows: &mut RowsWriter) -> Result<Page> {
        let objects = keys.iter().map(|key| {
            let members = key.iter().enumerate().map(|(i, part)| (format!("k{i}"), part.as_str().into()));
            serde_json::Value::Object(members.collect())
        });
        let keys = Parameter::text("keys", serde_json::Value::Array(objects.collect()).to_string());
        let members: Vec<String> = (0..stream.key.len()).map(|i| format!("k{i}:STRING")).collect();
        let own = stream.key.iter().enumerate();
        let same = own.map(|(i, column)| format!("CAST(t.{} AS STRING) = s.g.k{i}", name(column)));
        let sql = format!(
            "SELECT {} FROM {} AS t JOIN (SELECT explode(from_json(:keys, 'array<struct<{}>>')) AS g) AS s ON {}",
            listed(stream),
            self.table(stream)?,
            members.join(","),
            same.collect::<Vec<_>>().join(" AND ")
        );
        let found = self.run(stream, "records of", sql, vec![keys]).await?;
        push(stream, found, rows)?;
        Ok(Page::default())
    }

    async fn one(&self, stream: &StreamSpec, window: Window, expression: &str) -> Result<Option<String>> {
        let asked = Self::in_window(stream, window);
        let sql = format!("SELECT {expression} FROM {} AS t{}", self.table(stream)?, filtered(&asked));
        let found = self.run(stream, "a figure of", sql, asked.parameters).await?;
        found.into_iter().next().and_then(|row| row.into_iter().next()).ok_or_else(|| damaged(stream))
    }
}

fn listed(stream: &StreamSpec) -> String {
    stream.columns.iter().map(|column| format!("t.{}", name(column))).collect::<Vec<_>>().join(", ")
}

fn filtered(asked: &Asked) -> String {
    match asked.conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", asked.conditions.join(" AND ")),
    }
}

/// Where the rows behind this one begin.
fn position(stream: &StreamSpec, row: &[Option<String>]) -> Result<Position> {
    let mut last = Vec::with_capacity(stream.key.len());
    for column in &stream.key {
        let at = stream.columns.iter().position(|known| known == column);
        let Some(value) = at.and_then(|at| row.get(at)).cloned().flatten() else {
            return Err(Error::stop(format!(
                "a row of {} has no value in `{column}`, which is part of its key: let the table have NOT NULL there",
                stream.object
            )));
        };
        last.push(serde_json::Value::String(value));
    }
    Ok(Position(serde_json::Value::Array(last)))
}

fn push(stream: &StreamSpec, found: Table, rows: &mut RowsWriter) -> Result<()> {
    for row in found {
        if row.len() != stream.columns.len() {
            return Err(damaged(stream));
        }
        let cells: Vec<Value<'_>> =
            row.into_iter().map(|cell| cell.map_or(Value::Null, |text| Value::Text(text.into()))).collect();
        rows.push(&cells);
    }
    Ok(())
}

fn damaged(stream: &StreamSpec) -> Error {
    Error::later(format!("the rows of {} came damaged", stream.object))
}

#[async_trait]
impl Source for DatabricksSource {
    fn capabilities(&self, stream: &StreamSpec) -> SourceCapabilities {
        SourceCapabilities {
            granularity: if stream.updated.is_some() { Granularity::Second } else { Granularity::None },
            keys_per_read: Some(KEYS_AT_ONCE),
            counts: true,
            totals: true,
            groups: false,
            sessions: self.client.settings.applies_at_once,
        }
    }

    async fn check(&self, streams: &[&StreamSpec]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for stream in streams {
            let what = format!("{} reads {}", stream.name, stream.object);
            let looked = async {
                let sql = format!("SELECT {} FROM {} AS t LIMIT 0", listed(stream), self.table(stream)?);
                self.run(stream, "the columns of", sql, Vec::new()).await
            };
            findings.push(match looked.await {
                Ok(_) => Finding::good(what, format!("its {} columns can be read", stream.columns.len())),
                Err(error) => Finding::bad(what, error.to_string()),
            });
        }
        findings
    }

    async fn now(&self, stream: &StreamSpec) -> Result<Option<DateTime<Utc>>> {
        let sql = "SELECT unix_micros(current_timestamp())".to_owned();
        let found = self.run(stream, "the time of", sql, Vec::new()).await?;
        let text = found.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
        let at = text.and_then(|text| text.parse().ok()).and_then(DateTime::from_timestamp_micros);
        at.map(Some).ok_or_else(|| damaged(stream))
    }

    async fn read(&self, request: ReadRequest<'_>, rows: &mut RowsWriter) -> Result<Page> {
        match request.what {
            What::Window(window) => self.of_window(request.stream, window, request.after, rows).await,
            What::Keys(keys) => self.of_keys(request.stream, keys, rows).await,
        }
    }

    async fn count(&self, stream: &StreamSpec, window: Window) -> Result<u64> {
        let count = self.one(stream, window, "count(*)").await?;
        count.and_then(|text| text.parse().ok()).ok_or_else(|| damaged(stream))
    }

    async fn total(&self, stream: &StreamSpec, window: Window, column: &str) -> Result<Decimal> {
        match self.one(stream, window, &format!("sum(t.{})", name(column))).await? {
            Some(sum) => Decimal::parse(&sum),
            None => Ok(Decimal::new(0, 0)),
        }
    }

    async fn groups(&self, _: &StreamSpec, _: Window, _: &str, _: &[&str]) -> Result<Option<Vec<SourceGroup>>> {
        Ok(None)
    }

    async fn close(&self) {}
}
