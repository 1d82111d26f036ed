//! Numbers, times and tables as people read them.

use chrono::{DateTime, TimeDelta, Utc};
use comfy_table::{CellAlignment, ContentArrangement, Table};

/// `20000` as `20,000`.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 record`, `2,000 records`.
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// A point in time, in UTC, to the second.
pub fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A point in time that may not be there.
pub fn time_or_dash(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

/// How long something lasts, in its two greatest units: `3 d 4 h`.
pub fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, m) => format!("{m} min"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

/// Text of any length on one line of at most `max` characters.
pub fn shortened(text: &str, max: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= max {
        return line;
    }
    let cut: String = line.chars().take(max.saturating_sub(1)).collect();
    format!("{cut}…")
}

/// A table in columns, without lines: what pipes into other programs and reads well in a terminal.
#[derive(Debug)]
pub struct Columns {
    table: Table,
}

impl Columns {
    /// A table with these headings. Those that begin with `>` stand over numbers, on the right.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
        for (i, heading) in headings.iter().enumerate() {
            if let Some(column) = table.column_mut(i) {
                column.set_padding((0, 2));
                if heading.starts_with('>') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Self { table }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.table.add_row(cells.into_iter().map(Into::into));
    }

    /// The table as text, one line per row.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.table.to_string().lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// What a sync is called among others: its stream, and its integration before that where another one has such a stream.
/// Either is a name that can be typed.
pub fn told_apart<'a>(mut others: impl Iterator<Item = (&'a str, &'a str)>, integration: &str, stream: &str) -> String {
    match others.any(|(other, name)| name == stream && other != integration) {
        true => format!("{integration}/{stream}"),
        false => stream.to_owned(),
    }
}

/// Indents every line.
pub fn indented(text: &str, by: usize) -> String {
    let margin = " ".repeat(by);
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_name_are_told_apart() {
        let others = || [("jde-looker", "suppliers"), ("peoplesoft-looker", "suppliers")].into_iter();
        assert_eq!(told_apart(others(), "jde-looker", "suppliers"), "jde-looker/suppliers");
        assert_eq!(told_apart(others(), "jde-looker", "ap_invoices"), "ap_invoices");
        assert_eq!(told_apart(others().take(1), "jde-looker", "suppliers"), "suppliers");
    }

    #[test]
    fn thousands_are_set_apart() {
        let texts: Vec<_> = [0, 999, 1_000, 1_234_567].into_iter().map(number).collect();
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_span_is_told_in_its_greatest_units() {
        let texts: Vec<_> = [-5, 42, 61, 3_661, 100_000].into_iter().map(|s| span(TimeDelta::seconds(s))).collect();
        assert_eq!(texts, ["0 s", "42 s", "1 min", "1 h 1 min", "1 d 3 h"]);
    }

    #[test]
    fn columns_align_numbers_on_the_right() {
        let mut columns = Columns::new(&["sync", ">read", "state"]);
        columns.row(["suppliers", "1,200", "complete"]);
        columns.row(["ap_invoices", "7", "failed"]);
        assert_eq!(
            columns.text(),
            "sync          read  state\nsuppliers    1,200  complete\nap_invoices      7  failed\n"
        );
    }

    #[test]
    fn long_text_is_shortened_to_one_line() {
        assert_eq!(shortened("one\ntwo", 10), "one two");
        assert_eq!(shortened("abcdef", 4), "abc…");
    }
}
