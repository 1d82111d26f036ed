//! Reads back what stands in a table.

use engine::model::batch::Version;
use engine::model::decimal::Decimal;
use engine::model::id::SyncId;
use engine::model::rows::{Rows, RowsWriter};
use engine::model::table::{ColumnType, TableSpec};
use engine::model::totals::{GroupBy, GroupTotal};
use engine::model::value::Value;
use engine::ports::{Totals, Which};
use engine::{Error, Result};

use super::client::Client;
use super::merge;
use super::sql::{self, Place, given, key_of, list, listed, name, present, same_key, selected, type_of};
use super::statements::{Origin, Parameter, Statement, Table};
use crate::warehouse::present::{Groups, add, group_column, key_parts, standing_columns};
use crate::warehouse::summable;

/// Somebody who reads a table.
pub(super) struct Reader<'a> {
    pub(super) client: &'a Client,
    pub(super) place: &'a Place,
    pub(super) table: &'a TableSpec,
    pub(super) sync: &'a SyncId,
}

/// The records of this source, and those that nobody says whose they are.
const OURS: &str = "(t._source_system = :system OR t._source_system IS NULL)";

impl Reader<'_> {
    /// Runs a statement for `what`, such as `totals`.
    pub(super) async fn ask(&self, what: &str, sql: String, parameters: Vec<Parameter>) -> Result<Table> {
        let statement = Statement {
            what: format!("the {what} of {}", self.place.table),
            sql,
            parameters,
            origin: Origin { run: what.to_owned(), sync: self.sync.to_string(), step: what.to_owned() },
        };
        Ok(self.client.run(&statement).await?)
    }

    pub(super) fn system(&self) -> Parameter {
        Parameter::text("system", self.table.source_system.as_str())
    }

    /// As [`engine::ports::Destination::totals`].
    pub(super) async fn totals(&self, columns: &[&str], except: &[String]) -> Result<Totals> {
        let sums = self.sums(columns)?;
        let held = if except.is_empty() {
            String::new()
        } else {
            format!(" AND NOT EXISTS (SELECT 1 FROM {} AS held WHERE held.id = t._source_id)", listed("held"))
        };
        let sql = format!(
            "SELECT count(*){sums} FROM {} AS t WHERE NOT t._is_deleted AND t._source_system = :system{held}",
            self.place.table
        );
        let mut parameters = vec![self.system()];
        if !except.is_empty() {
            parameters.push(list("held", except)?);
        }
        let rows = self.ask("totals", sql, parameters).await?;
        let Some([Some(count), found @ ..]) = rows.first().map(Vec::as_slice) else {
            return Err(self.damaged("totals"));
        };
        let sums = found.iter().map(|sum| sum.as_deref().map(Decimal::parse).transpose()).collect::<Result<_>>()?;
        Ok(Totals { records: self.number(count)?, sums })
    }

    /// The sums of columns, each after a comma.
    fn sums(&self, columns: &[&str]) -> Result<String> {
        let mut sums = String::new();
        for column in columns {
            summable(self.table, column)?;
            let kind = self.table.column(column).and_then(|i| self.table.columns.get(i)).map(|column| column.kind);
            let column = format!("t.{}", name(column));
            // The sum of whole numbers would be one of 64 bits.
            sums.push_str(&match kind {
                Some(ColumnType::Integer) => format!(", sum(CAST({column} AS DECIMAL(28,0)))"),
                _ => format!(", sum({column})"),
            });
        }
        Ok(sums)
    }

    /// As [`engine::ports::Destination::control_totals`].
    pub(super) async fn control_totals(&self, by: &GroupBy, columns: &[&str]) -> Result<Vec<GroupTotal>> {
        let names: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        let group = group_column(self.table, by)?;
        let mut groups = Groups::new(self.table, by, &names)?;
        // Months are grouped here: there are few dates.
        let grouped = group.map(|(column, kind)| selected(kind, column));
        let (value, by) = match &grouped {
            Some(value) => (value.as_str(), format!(" GROUP BY {value}")),
            None => ("CAST(NULL AS STRING)", String::new()),
        };
        let sql = format!(
            "SELECT {value}, count(*){} FROM {} AS t WHERE NOT t._is_deleted AND t._source_system = :system{by}",
            self.sums(columns)?,
            self.place.table
        );
        for row in self.ask("control totals", sql, vec![self.system()]).await? {
            let [value, Some(count), sums @ ..] = row.as_slice() else { return Err(self.damaged("control totals")) };
            let total = match group {
                Some((_, kind)) => groups.of(&present(kind, value.as_deref())),
                None => groups.of(&Value::Null),
            };
            total.records += self.number::<u64>(count)?;
            for (sum, text) in total.sums.iter_mut().zip(sums) {
                if let Some(text) = text {
                    add(sum, Decimal::parse(text)?)?;
                }
            }
        }
        Ok(groups.finish())
    }

    /// As [`engine::ports::Destination::count_standing`].
    pub(super) async fn count_standing(&self) -> Result<u64> {
        let sql = format!(
            "SELECT count(*) FROM {} AS t WHERE NOT coalesce(t._is_deleted, false) AND {OURS}",
            self.place.table
        );
        self.count("records", sql, vec![self.system()]).await
    }

    /// As [`engine::ports::Destination::count_stale`].
    pub(super) async fn count_stale(&self, before: Version, except: &[String]) -> Result<u64> {
        let parameters = vec![Parameter::integer("before", before.0), self.system(), list("held", except)?];
        self.count("records that were not found", merge::count_stale(self.place), parameters).await
    }

    async fn count(&self, what: &str, sql: String, parameters: Vec<Parameter>) -> Result<u64> {
        let rows = self.ask(what, sql, parameters).await?;
        match rows.first().map(Vec::as_slice) {
            Some([Some(count)]) => self.number(count),
            _ => Err(self.damaged(what)),
        }
    }

    /// As [`engine::ports::Destination::newer_among`].
    pub(super) async fn newer_among(&self, keys: &[String], than: Version) -> Result<Vec<String>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT t._source_id FROM {} AS g JOIN {} AS t ON t._source_id = g.id WHERE t._version > :than AND \
             t._source_system = :system",
            listed("keys"),
            self.place.table
        );
        let parameters = vec![list("keys", keys)?, Parameter::integer("than", than.0), self.system()];
        let rows = self.ask("newer records", sql, parameters).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }

    /// As [`engine::ports::Destination::standing`].
    pub(super) async fn standing(&self, which: Which<'_>) -> Result<Rows> {
        let table = self.table;
        let columns: String = table.columns.iter().map(|c| format!(", {}", selected(c.kind, &c.name))).collect();
        let select = format!(
            "SELECT t._source_id, unix_micros(t._source_updated_at), t._row_hash, coalesce(t._is_deleted, false), t._version, \
             t._mapping{columns} FROM"
        );
        let mut found = RowsWriter::new(&standing_columns(table));
        let rows = match which {
            Which::Keys([]) => return found.into_rows(),
            Which::Keys(keys) => {
                let sql = format!(
                    "{select} {} AS g JOIN {} AS t ON {} WHERE {OURS}",
                    given(table),
                    self.place.table,
                    same_key(table, "t", "g")
                );
                self.ask("records", sql, vec![sql::keys(table, keys)?, self.system()]).await?
            }
            Which::After(after, limit) => {
                let mut parameters = vec![self.system()];
                let mut follows = String::new();
                if let Some(after) = after {
                    let parts = key_parts(table, after)?;
                    parameters
                        .extend(parts.iter().enumerate().map(|(i, part)| Parameter::text(&format!("k{i}"), part)));
                    follows = format!(" AND ({})", self.follows());
                }
                let sql = format!(
                    "{select} {} AS t WHERE {OURS}{follows} ORDER BY {} LIMIT {limit}",
                    self.place.table,
                    key_of(table, "t")
                );
                self.ask("records", sql, parameters).await?
            }
        };
        for row in &rows {
            found.push(&self.cells(row)?);
        }
        found.into_rows()
    }

    /// What tells that a row follows the key `:k0`, `:k1`, …
    fn follows(&self) -> String {
        let columns: Vec<(String, String)> = self
            .table
            .key_columns()
            .enumerate()
            .map(|(i, c)| (format!("t.{}", name(&c.name)), format!("CAST(:k{i} AS {})", type_of(c.kind))))
            .collect();
        let mut ways = Vec::with_capacity(columns.len());
        for (i, (column, value)) in columns.iter().enumerate() {
            let mut way: Vec<String> =
                columns[..i].iter().map(|(column, value)| format!("{column} = {value}")).collect();
            way.push(format!("{column} > {value}"));
            ways.push(format!("({})", way.join(" AND ")));
        }
        ways.join(" OR ")
    }

    fn cells<'r>(&self, row: &'r [Option<String>]) -> Result<Vec<Value<'r>>> {
        let [id, stamp, hash, deleted, version, mapping, own @ ..] = row else { return Err(self.damaged("records")) };
        let whole = |text: &'r Option<String>| {
            text.as_deref().map_or(Value::Null, |text| present(ColumnType::Integer, Some(text)))
        };
        let hash = hash.as_deref().filter(|hash| hash.len() == 32).and_then(|hash| u128::from_str_radix(hash, 16).ok());
        let mut cells = vec![
            id.as_deref().map_or(Value::Null, Value::text),
            present(ColumnType::Timestamp, stamp.as_deref()),
            hash.map_or(Value::Null, Value::Hash),
            Value::Bool(deleted.as_deref() == Some("true")),
            whole(version),
            whole(mapping),
        ];
        cells.extend(self.table.columns.iter().zip(own).map(|(column, text)| present(column.kind, text.as_deref())));
        match cells.len() == 6 + self.table.columns.len() {
            true => Ok(cells),
            false => Err(self.damaged("records")),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, text: &str) -> Result<T> {
        text.parse().map_err(|_| self.damaged("numbers"))
    }

    pub(super) fn damaged(&self, what: &str) -> Error {
        Error::later(format!("{} sent {what} of {} that cannot be read", self.client.http.host(), self.place.table))
    }
}
