//! SQLite files, with the exact decimal and time functions that a warehouse has and SQLite lacks.
//!
//! Invariant: an amount that is no number and a time that is no time fail the query, as they would in a typed column.

use std::cmp::Ordering;
use std::path::Path;
use std::time::Duration;

use chrono_tz::Tz;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::Table;
use super::decimal::Decimal;
use super::time::Moment;

/// All columns of all tables and views of the file.
pub(super) const COLUMNS: &str = "SELECT 'main', m.name, c.name, c.type FROM sqlite_schema m \
    JOIN pragma_table_info(m.name) c WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid";

/// Opens a file that is there, for reading.
pub(super) fn open(path: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| error.to_string())?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(|error| error.to_string())?;
    equip(&connection).map_err(|error| error.to_string())?;
    Ok(connection)
}

/// Runs one statement.
pub(in super::super) fn query(connection: &Connection, sql: &str) -> Result<Table, String> {
    let run = || {
        let mut statement = connection.prepare(sql)?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        let mut table = Table::default();
        while let Some(row) = rows.next()? {
            let cells = (0..width).map(|at| row.get_ref(at).map(text));
            table.rows.push(cells.collect::<rusqlite::Result<_>>()?);
        }
        Ok(table)
    };
    run().map_err(|error: rusqlite::Error| error.to_string())
}

/// Adds the functions that the generated SQL calls.
pub(in super::super) fn equip(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_aggregate_function("looker_sum", 1, flags, Fold(Total::Sum))?;
    connection.create_aggregate_function("looker_average", 1, flags, Fold(Total::Average))?;
    connection.create_aggregate_function("looker_min", 1, flags, Fold(Total::Least))?;
    connection.create_aggregate_function("looker_max", 1, flags, Fold(Total::Most))?;
    connection.create_scalar_function("looker_compare", 2, flags, |context| {
        let pair = decimal(context, 0)?.zip(decimal(context, 1)?);
        Ok(pair.map(|(a, b)| match a.compare(b) {
            Ordering::Less => -1_i64,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }))
    })?;
    connection
        .create_scalar_function("looker_order", 1, flags, |context| Ok(decimal(context, 0)?.map(Decimal::sort_key)))?;
    connection.create_scalar_function("looker_moment", 1, flags, |context| Ok(moment(context)?.map(Moment::key)))?;
    connection.create_scalar_function("looker_frame", 3, flags, |context| {
        let frame: String = context.get(1)?;
        let zone: String = context.get(2)?;
        let zone: Tz = zone.parse().map_err(|_| fail(format!("unknown time zone {zone}")))?;
        Ok(moment(context)?.and_then(|moment| moment.shown(&frame, zone)))
    })?;
    Ok(())
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        // The shortest text that reads back as the same number.
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

fn fail(message: String) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(message.into())
}

fn decimal(context: &Context<'_>, at: usize) -> rusqlite::Result<Option<Decimal>> {
    let Some(text) = text(context.get_raw(at)) else {
        return Ok(None);
    };
    Decimal::parse(&text).map(Some).ok_or_else(|| fail(format!("invalid input syntax for type numeric: \"{text}\"")))
}

fn moment(context: &Context<'_>) -> rusqlite::Result<Option<Moment>> {
    let Some(text) = text(context.get_raw(0)) else {
        return Ok(None);
    };
    Moment::parse(&text).map(Some).ok_or_else(|| fail(format!("invalid input syntax for type timestamp: \"{text}\"")))
}

#[derive(Clone, Copy)]
enum Total {
    Sum,
    Average,
    Least,
    Most,
}

/// One of the aggregates over exact decimals.
struct Fold(Total);

#[derive(Default)]
struct Running {
    value: Option<Decimal>,
    count: u64,
}

impl Aggregate<Running, Option<String>> for Fold {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Running> {
        Ok(Running::default())
    }

    fn step(&self, context: &mut Context<'_>, running: &mut Running) -> rusqlite::Result<()> {
        let Some(next) = decimal(context, 0)? else {
            return Ok(());
        };
        running.count += 1;
        let Some(value) = running.value else {
            running.value = Some(next);
            return Ok(());
        };
        running.value = Some(match self.0 {
            Total::Sum | Total::Average => value.plus(next).ok_or_else(|| fail("numeric field overflow".into()))?,
            Total::Least if next.compare(value) == Ordering::Less => next,
            Total::Most if next.compare(value) == Ordering::Greater => next,
            Total::Least | Total::Most => value,
        });
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, running: Option<Running>) -> rusqlite::Result<Option<String>> {
        let Some(Running { value: Some(value), count }) = running else {
            return Ok(None);
        };
        let value = match self.0 {
            Total::Average => value.over(count).ok_or_else(|| fail("numeric field overflow".into()))?,
            Total::Sum | Total::Least | Total::Most => value,
        };
        Ok(Some(value.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_are_exact_and_refuse_what_is_no_number() {
        let connection = Connection::open_in_memory().unwrap();
        equip(&connection).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (a TEXT, n INTEGER); INSERT INTO t VALUES ('0.10', 1), ('0.20', 2), (NULL, 3)",
            )
            .unwrap();
        let one = |sql: &str| query(&connection, sql).map(|table| table.rows[0][0].clone());
        assert_eq!(one("SELECT looker_sum(a) FROM t"), Ok(Some("0.30".into())));
        assert_eq!(one("SELECT looker_average(a) FROM t"), Ok(Some("0.15000000".into())));
        assert_eq!(one("SELECT looker_max(n) FROM t"), Ok(Some("3".into())));
        assert_eq!(one("SELECT looker_sum(a) FROM t WHERE n > 9"), Ok(None));
        assert_eq!(one("SELECT looker_compare('9.0', '12.5')"), Ok(Some("-1".into())));
        assert!(one("SELECT looker_sum('x')").unwrap_err().contains("invalid input syntax for type numeric: \"x\""));
        assert!(one("SELECT t.b FROM t").unwrap_err().contains("no such column: t.b"));
    }
}
