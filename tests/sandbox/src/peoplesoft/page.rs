//! The answer of a query, as JSON or as XML.
//!
//! Invariant: the members, their order and their odd names are those of section 3.2 and 3.3 of the reference. A text where a
//! number should be is written as a text; nothing is left out or made up.

use std::borrow::Cow;

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeZone, Timelike};

use super::cell::{Cell, Decimal, Kind};
use super::error::character_data;
use super::settings::{DateTimeForm, Settings};

/// A column of an answer.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) kind: Kind,
}

impl Head {
    /// What stands before each value of the column.
    fn member(&self) -> Vec<u8> {
        let mut member = vec![b','];
        text(&mut member, &self.name, false);
        member.push(b':');
        member
    }
}

/// The rows of an answer, borrowed from the records where they can be.
#[derive(Clone, Debug)]
pub(super) struct Page<'a> {
    pub(super) query: String,
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Vec<Cow<'a, Cell>>>,
    /// `numrows`, where it is not the number of rows.
    pub(super) counted: Option<usize>,
}

/// Which XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Xml {
    /// Elements with names.
    Xmlp,
    /// Values by place.
    WebRowSet,
}

impl Page<'_> {
    /// The page, to be kept while the records change.
    pub(super) fn into_owned(self) -> Page<'static> {
        let own = |cell: Cow<'_, Cell>| Cow::Owned(cell.into_owned());
        let rows = self.rows.into_iter().map(|row| row.into_iter().map(own).collect()).collect();
        Page { query: self.query, heads: self.heads, rows, counted: self.counted }
    }

    fn numrows(&self) -> usize {
        self.counted.unwrap_or(self.rows.len())
    }

    /// `{"status":"success","data":{"query":{"numrows":…,"queryname=":…,"rows":[…]}}}`
    pub(super) fn json(&self, settings: &Settings) -> Vec<u8> {
        let mut out = Vec::with_capacity(200 + self.rows.len() * self.heads.len() * 24);
        out.extend_from_slice(br#"{"status":"success","data":{"query":{"numrows":"#);
        out.extend_from_slice(self.numrows().to_string().as_bytes());
        out.extend_from_slice(b",\"");
        out.extend_from_slice(settings.query_name_key.as_bytes());
        out.extend_from_slice(b"\":");
        text(&mut out, &self.query, false);
        if self.rows.is_empty() && settings.omit_empty_rows {
            out.extend_from_slice(b"}}}");
            return out;
        }
        let single = self.rows.len() == 1 && settings.single_row_as_object;
        out.extend_from_slice(if single { b",\"rows\":" } else { b",\"rows\":[" });
        let names: Vec<Vec<u8>> = self.heads.iter().map(Head::member).collect();
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"attr:rownumber\":");
            Decimal::new(at as i64 + 1, 0).write(&mut out);
            for ((head, name), cell) in self.heads.iter().zip(&names).zip(row) {
                out.extend_from_slice(name);
                json_cell(&mut out, head.kind, cell, settings);
            }
            out.push(b'}');
        }
        out.extend_from_slice(if single { b"}}}" } else { b"]}}}" });
        out
    }

    /// The XML of either form.
    pub(super) fn xml(&self, form: Xml, settings: &Settings) -> Vec<u8> {
        let mut out = String::from("<?xml version=\"1.0\"?><QAS_GETQUERYRESULTS_RESP_MSG>");
        match form {
            Xml::Xmlp => self.xmlp(&mut out, settings),
            Xml::WebRowSet => self.web_row_set(&mut out, settings),
        }
        out.push_str(
            "<QAS_QUERYRESULTS_STATUS_RESP><status>finalBlockRetrieved</status></QAS_QUERYRESULTS_STATUS_RESP>",
        );
        out.push_str("</QAS_GETQUERYRESULTS_RESP_MSG>");
        out.into_bytes()
    }

    fn xmlp(&self, out: &mut String, settings: &Settings) {
        out.push_str(&format!("<query numrows=\"{}\" queryname=\"{}\">", self.numrows(), self.query));
        for (at, row) in self.rows.iter().enumerate() {
            out.push_str(&format!("<row rownumber=\"{}\">", at + 1));
            for (head, cell) in self.heads.iter().zip(row) {
                element(out, &head.name, &plain(head.kind, cell, settings), head.kind);
            }
            out.push_str("</row>");
        }
        out.push_str("</query>");
    }

    fn web_row_set(&self, out: &mut String, settings: &Settings) {
        out.push_str("<webRowSet><data>");
        for row in &self.rows {
            out.push_str("<currentRow>");
            for (head, cell) in self.heads.iter().zip(row) {
                element(out, "columnValue", &plain(head.kind, cell, settings), head.kind);
            }
            out.push_str("</currentRow>");
        }
        out.push_str("</data></webRowSet>");
    }
}

/// What is empty closes itself; only numbers stand without CDATA.
fn element(out: &mut String, name: &str, value: &str, kind: Kind) {
    match (value.is_empty(), kind) {
        (true, _) => out.push_str(&format!("<{name}/>")),
        (false, Kind::Number { .. }) if super::cell::Decimal::parse(value).is_some() => {
            out.push_str(&format!("<{name}>{value}</{name}>"));
        }
        _ => out.push_str(&format!("<{name}>{}</{name}>", character_data(value))),
    }
}

/// A cell in XML: numbers with all decimals of their column.
fn plain(kind: Kind, cell: &Cell, settings: &Settings) -> String {
    match (kind, cell) {
        (Kind::Number { decimals }, Cell::Number(number)) => number.padded(decimals),
        (_, Cell::DateTime(at)) => date_time(*at, settings),
        _ => cell.to_string(),
    }
}

/// A cell in JSON: numbers as numbers, everything else as texts, null as an empty one.
pub(super) fn json_cell(out: &mut Vec<u8>, kind: Kind, cell: &Cell, settings: &Settings) {
    match cell {
        Cell::Number(number) if !settings.numbers_as_strings => number.write(out),
        Cell::Text(value) if value.is_empty() && kind == Kind::Text => text(out, settings.blank, false),
        Cell::Text(value) => text(out, value, settings.raw_control_characters),
        Cell::DateTime(at) if settings.date_time == DateTimeForm::Dotted && (0..=9999).contains(&at.year()) => {
            out.extend_from_slice(&dotted(*at));
        }
        Cell::DateTime(at) => text(out, &date_time(*at, settings), false),
        Cell::Date(date) if (0..=9999).contains(&date.year()) => {
            let mut quoted = *b"\"0000-00-00\"";
            day(&mut quoted, *date);
            out.extend_from_slice(&quoted);
        }
        other => text(out, &other.to_string(), false),
    }
}

/// `"YYYY-MM-DD-HH.MM.SS.ffffff"`. The patterns of strftime take longer than all the rest of a row.
fn dotted(at: NaiveDateTime) -> [u8; 28] {
    let mut quoted = *b"\"0000-00-00-00.00.00.000000\"";
    day(&mut quoted, at.date());
    digits(&mut quoted[12..14], at.hour());
    digits(&mut quoted[15..17], at.minute());
    // A leap second counts on in its fraction.
    digits(&mut quoted[18..20], at.second() + at.nanosecond() / 1_000_000_000);
    digits(&mut quoted[21..27], at.nanosecond() % 1_000_000_000 / 1_000);
    quoted
}

/// Writes a day behind the quotation mark.
fn day(quoted: &mut [u8], date: NaiveDate) {
    digits(&mut quoted[1..5], date.year().unsigned_abs());
    digits(&mut quoted[6..8], date.month());
    digits(&mut quoted[9..11], date.day());
}

/// Fills a place with the digits of a number.
fn digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn date_time(at: NaiveDateTime, settings: &Settings) -> String {
    match settings.date_time {
        DateTimeForm::Dotted => at.format("%Y-%m-%d-%H.%M.%S%.6f").to_string(),
        DateTimeForm::Iso => at.format("%Y-%m-%dT%H:%M:%S").to_string(),
        DateTimeForm::IsoWithOffset => {
            // The hour that is skipped in spring has no offset; nothing was stamped in it.
            let zoned = settings.zone.from_local_datetime(&at).earliest();
            zoned.map_or_else(String::new, |at| at.format("%Y-%m-%dT%H:%M:%S%z").to_string())
        }
    }
}

fn text(out: &mut Vec<u8>, value: &str, raw_control_characters: bool) {
    if value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
        return;
    }
    if !raw_control_characters {
        out.extend_from_slice(serde_json::Value::from(value).to_string().as_bytes());
        return;
    }
    out.push(b'"');
    for byte in value.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_written_as_their_patterns_say() {
        let settings = Settings { date_time: DateTimeForm::Dotted, ..Settings::default() };
        let written = |kind, cell: Cell| {
            let mut out = Vec::new();
            json_cell(&mut out, kind, &cell, &settings);
            String::from_utf8(out).unwrap()
        };
        for year in [-4, 0, 1, 987, 2026, 9999, 12_345] {
            let day = NaiveDate::from_ymd_opt(year, 2, 3).unwrap();
            assert_eq!(written(Kind::Date, day.into()), format!("\"{}\"", day.format("%Y-%m-%d")));
            // The last is in a leap second.
            for micros in [0, 1, 999_999, 1_500_000] {
                let at = day.and_hms_micro_opt(9, 5, 59, micros).unwrap();
                let shown = at.format("%Y-%m-%d-%H.%M.%S%.6f");
                assert_eq!(written(Kind::DateTime, at.into()), format!("\"{shown}\""));
            }
        }
    }
}
