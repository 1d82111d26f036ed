//! How one thing is said in each database.

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::super::lookml::Frame;
use super::super::warehouse::{Dialect, time};

/// A text as a literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in quotes.
pub(super) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// The place of a value among labels.
pub(super) fn rank<'a>(sql: &str, labels: impl Iterator<Item = &'a str>) -> String {
    let whens: Vec<String> =
        labels.enumerate().map(|(at, label)| format!("WHEN {} THEN {at}", literal(label))).collect();
    format!("CASE {sql} {} END", whens.join(" "))
}

impl Dialect {
    /// The timeframe of a date or time; `zone` is the one it is shown in.
    pub(super) fn frame(self, sql: &str, frame: Frame, zone: Tz) -> String {
        if frame == Frame::Raw {
            return sql.to_owned();
        }
        if self == Self::Sqlite {
            return format!("looker_frame({sql}, '{}', '{}')", frame.name(), zone.name());
        }
        let local = format!("(({sql})::timestamptz AT TIME ZONE '{}')", zone.name());
        match frame {
            Frame::Raw | Frame::Time => format!("to_char({local}, 'YYYY-MM-DD HH24:MI:SS')"),
            Frame::Date => format!("to_char({local}, 'YYYY-MM-DD')"),
            Frame::Week => format!("to_char(date_trunc('week', {local}), 'YYYY-MM-DD')"),
            Frame::Month => format!("to_char({local}, 'YYYY-MM')"),
            Frame::Quarter => format!("to_char(date_trunc('quarter', {local}), 'YYYY-MM')"),
            Frame::Year => format!("EXTRACT(YEAR FROM {local})::int"),
        }
    }

    /// A date or time in a form that can be compared with [`Dialect::moment`].
    pub(super) fn instant(self, sql: &str) -> String {
        match self {
            Self::Sqlite => format!("looker_moment({sql})"),
            Self::Postgres => format!("({sql})::timestamptz"),
        }
    }

    /// A point in time, in UTC, as a literal.
    pub(super) fn moment(self, at: NaiveDateTime) -> String {
        match self {
            Self::Sqlite => literal(&time::key(at)),
            Self::Postgres => format!("'{}+00'::timestamptz", time::key(at)),
        }
    }

    /// `sql` compared with a number; `operator` is SQL's.
    pub(super) fn compare(self, sql: &str, operator: &str, number: &str) -> String {
        match self {
            Self::Sqlite => format!("looker_compare({sql}, '{number}') {operator} 0"),
            Self::Postgres => format!("({sql}) {operator} {number}"),
        }
    }

    /// An aggregate over numbers.
    pub(super) fn aggregate(self, name: &str, sql: &str) -> String {
        match self {
            Self::Sqlite => format!("looker_{name}({sql})"),
            Self::Postgres => {
                let function = if name == "average" { "AVG" } else { &name.to_ascii_uppercase() };
                format!("{function}({sql})")
            }
        }
    }

    /// What a column of the answer is sorted by.
    pub(super) fn order(self, at: usize, column: &str, numeric: bool) -> String {
        match self {
            Self::Sqlite if numeric => format!("looker_order({})", name(column)),
            _ => (at + 1).to_string(),
        }
    }
}
