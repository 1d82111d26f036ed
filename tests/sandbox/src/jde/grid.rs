//! Writes an answer with rows: GRID_DATA, and the VERSION1 shape of v1 calls that did not ask for it.
//!
//! Invariant: JSON is written straight into bytes, only the asked columns, in the asked order; no value tree in between,
//! since a benchmark asks for a million rows. Blank text is `" "`, dates are `YYYYMMDD`, numbers carry their decimals.

use super::schema::{ColumnDef, Kind};
use super::settings::{EmptyDate, Settings};
use super::table::{Slot, Table};
use super::value::{Decimal, write_day};

/// The two shapes the simulator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    GridData,
    Version1,
}

/// The lies a page may be told to tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Twist {
    /// Columns that have vanished.
    pub(super) gone: Vec<String>,
    /// The first row comes again at the end.
    pub(super) duplicate: bool,
    /// The first row has null in its key columns.
    pub(super) null_key: bool,
    /// `records` counts one row more than there is.
    pub(super) short: bool,
    /// No rows, but `moreRecords` is true.
    pub(super) empty_but_more: bool,
    /// No rows, and `sysErrors` says something.
    pub(super) sys_errors: bool,
    /// Rows, but `errors` beside them says something.
    pub(super) form_errors: bool,
}

/// What `sysErrors` says when it is told to say something; upper-case keys are the vendor's.
pub(super) const SYS_ERRORS: &str = r#"[{"TITLE":"JAS_MSG346: JDBC error","DESC":"The database connection was lost while the query ran.","CODE":"JAS_MSG346","ERRORCONTROL":"","MOBILE":""}]"#;
const FORM_ERRORS: &str = r#"[{"TITLE":"Error: Record in use","DESC":"CAUSE . . . . The record is being changed.","CODE":"0242","ERRORCONTROL":"0","MOBILE":"Record in use"}]"#;

/// One page to write.
pub(super) struct Page<'a> {
    pub(super) table: &'a Table,
    /// Table or view as asked for; it names the top key.
    pub(super) target: &'a str,
    pub(super) columns: &'a [usize],
    pub(super) rows: &'a [Slot],
    pub(super) more: bool,
    pub(super) shape: Shape,
    pub(super) settings: &'a Settings,
    pub(super) twist: &'a Twist,
    pub(super) session: Envelope,
}

/// What stands around the grid.
pub(super) struct Envelope {
    pub(super) stack_id: u64,
    pub(super) state_id: u64,
    pub(super) rid: String,
    pub(super) time_stamp: String,
    /// Where the next page is.
    pub(super) next: Option<String>,
}

/// The grid's id, as in the vendor's samples.
pub(super) const GRID_ID: u32 = 54;

impl Page<'_> {
    /// The whole body.
    pub(super) fn write(&self) -> Vec<u8> {
        let schema = self.table.schema();
        let columns: Vec<usize> = self
            .columns
            .iter()
            .copied()
            .filter(|at| !self.twist.gone.iter().any(|gone| *gone == schema.columns()[*at].alias))
            .collect();
        let mut rows = if self.twist.empty_but_more || self.twist.sys_errors { Vec::new() } else { self.rows.to_vec() };
        if let (true, Some(first)) = (self.twist.duplicate, rows.first().copied()) {
            rows.push(first);
        }
        let records = rows.len();
        if self.twist.short {
            rows.pop();
        }
        let mut out = Vec::with_capacity(1024 + rows.len() * columns.len() * 24);
        self.write_head(&columns, &mut out);
        if !(rows.is_empty() && self.settings.omit_empty_rowset) {
            out.extend_from_slice(b"\"rowset\":[");
            match self.shape {
                Shape::GridData => self.write_rows(&columns, &rows, &mut out),
                Shape::Version1 => self.write_cell_objects(&columns, &rows, &mut out),
            }
            out.extend_from_slice(b"],");
        }
        let more = (self.more && !self.twist.sys_errors) || self.twist.empty_but_more;
        let errors = if self.twist.form_errors { FORM_ERRORS } else { "[]" };
        push(&mut out, &format!(r#""summary":{{"records":{records},"moreRecords":{more}}}}}}},"#));
        push(&mut out, &format!(r#""errors":{errors},"warnings":[]}},"#));
        self.write_envelope(&mut out);
        out
    }

    fn write_head(&self, columns: &[usize], out: &mut Vec<u8>) {
        let schema = self.table.schema();
        push(out, &format!(r#"{{"fs_DATABROWSE_{}":{{"title":"#, self.target));
        write_text(&format!("Data Browser - {} [{}]", self.target, schema.title()), out);
        push(out, &format!(r#","data":{{"gridData":{{"id":{GRID_ID},"fullGridId":"{GRID_ID}","#));
        push(out, if self.settings.titles_key { r#""titles":{"# } else { r#""columns":{"# });
        for (index, at) in columns.iter().enumerate() {
            let column = &schema.columns()[*at];
            if index > 0 {
                out.push(b',');
            }
            match self.shape {
                Shape::GridData => push(out, &format!(r#""{}_{}":"#, schema.name(), column.alias)),
                Shape::Version1 => push(out, &format!(r#""{}":"#, long_name(column, *at))),
            }
            write_text(&column.title, out);
        }
        out.extend_from_slice(b"},");
    }

    fn write_envelope(&self, out: &mut Vec<u8>) {
        let Envelope { stack_id, state_id, rid, time_stamp, next } = &self.session;
        push(out, &format!(r#""stackId":{stack_id},"stateId":{state_id},"rid":"{rid}","#));
        push(out, &format!(r#""currentApp":"DATABROWSE_{}","timeStamp":"{time_stamp}","#, self.target));
        push(out, &format!(r#""sysErrors":{}"#, if self.twist.sys_errors { SYS_ERRORS } else { "[]" }));
        if let Some(href) = next {
            out.extend_from_slice(br#","links":[{"rel":"next","href":"#);
            write_text(href, out);
            out.extend_from_slice(b"}]");
        }
        out.push(b'}');
    }

    fn write_rows(&self, columns: &[usize], rows: &[Slot], out: &mut Vec<u8>) {
        let schema = self.table.schema();
        let names: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, at)| {
                let opening = if index == 0 { "{" } else { "," };
                format!("{opening}\"{}_{}\":", schema.name(), schema.columns()[*at].alias)
            })
            .collect();
        for (index, slot) in rows.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if columns.is_empty() {
                out.push(b'{');
            }
            for (name, at) in names.iter().zip(columns) {
                out.extend_from_slice(name.as_bytes());
                if index == 0 && self.twist.null_key && schema.key().contains(at) {
                    out.extend_from_slice(b"null");
                } else {
                    self.write_cell(*slot, *at, schema.columns()[*at].kind, out);
                }
            }
            out.push(b'}');
        }
    }

    fn write_cell(&self, slot: Slot, at: usize, kind: Kind, out: &mut Vec<u8>) {
        if let Some(raw) = self.table.raw(slot, at) {
            return write_raw(raw, kind, self.settings.numbers_as_strings, out);
        }
        match kind {
            Kind::Text { .. } => match self.table.symbol(slot, at) {
                0 => out.extend_from_slice(b"\" \""),
                symbol => write_text(self.table.symbols().text(symbol), out),
            },
            Kind::Number { decimals } => self.write_number(Decimal::new(self.table.int(slot, at), decimals), out),
            Kind::Time => self.write_number(Decimal::new(self.table.int(slot, at), 0), out),
            Kind::Date => {
                let start = out.len();
                out.push(b'"');
                if write_day(self.table.int(slot, at) as i32, out) {
                    out.push(b'"');
                } else {
                    out.truncate(start);
                    out.extend_from_slice(match self.settings.empty_date {
                        EmptyDate::Empty => b"\"\"".as_slice(),
                        EmptyDate::Blank => b"\" \"",
                        EmptyDate::Null => b"null",
                    });
                }
            }
        }
    }

    fn write_number(&self, number: Decimal, out: &mut Vec<u8>) {
        if self.settings.numbers_as_strings {
            out.push(b'"');
        }
        number.write(self.settings.full_decimals, out);
        if self.settings.numbers_as_strings {
            out.push(b'"');
        }
    }

    /// VERSION1: a cell is an object, a row also has its index.
    fn write_cell_objects(&self, columns: &[usize], rows: &[Slot], out: &mut Vec<u8>) {
        for (index, slot) in rows.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push(out, &format!(r#"{{"rowIndex":{index},"MOExist":false"#));
            for at in columns {
                let column = &self.table.schema().columns()[*at];
                let name = long_name(column, *at);
                push(out, &format!(r#","{name}":{{"id":{at},"title":"#));
                write_text(&column.title, out);
                out.extend_from_slice(br#","value":"#);
                let mut value = Vec::new();
                self.write_cell(*slot, *at, column.kind, &mut value);
                if value.first() == Some(&b'"') {
                    out.extend_from_slice(&value);
                } else {
                    out.push(b'"');
                    out.extend_from_slice(&value);
                    out.push(b'"');
                }
                out.extend_from_slice(br#","internalValue":"#);
                out.extend_from_slice(&value);
                let kind = match column.kind {
                    Kind::Number { .. } | Kind::Time => 9,
                    Kind::Date => 11,
                    Kind::Text { width: 1, .. } => 1,
                    Kind::Text { .. } => 2,
                };
                push(
                    out,
                    &format!(r#","dataType":{kind},"bsvw":true,"visible":true,"editable":false,"longName":"{name}"}}"#),
                );
            }
            out.push(b'}');
        }
    }
}

/// `mnAddressNumber_51`: a letter or two for the type, the title, the number of the column.
fn long_name(column: &ColumnDef, at: usize) -> String {
    let prefix = match column.kind {
        Kind::Number { .. } | Kind::Time => "mn",
        Kind::Date => "jd",
        Kind::Text { width: 1, .. } => "c",
        Kind::Text { .. } => "sz",
    };
    let title: String = column.title.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{prefix}{title}_{at}")
}

/// What does not fit its column: a number JSON can write stays a number, anything else is a string as it came.
fn write_raw(raw: &str, kind: Kind, as_strings: bool, out: &mut Vec<u8>) {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = all_digits(whole) && all_digits(fraction) && (whole == "0" || !whole.starts_with('0'));
    if plain && matches!(kind, Kind::Number { .. } | Kind::Time) && !as_strings {
        push(out, raw);
    } else {
        write_text(raw, out);
    }
}

/// A JSON string.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        push(out, text);
    } else {
        for byte in text.bytes() {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                0..0x20 => push(out, &format!("\\u{byte:04x}")),
                other => out.push(other),
            }
        }
    }
    out.push(b'"');
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
