//! Streams, sources and reads that many tests need.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::Result;
use engine::model::rows::RowsWriter;
use engine::model::value::Value;
use engine::model::window::Window;
use engine::plan::{StreamSpec, UpdatedSpec};
use engine::ports::{Page, ReadRequest, Secret, Source, What};

use crate::jde::{JdeSettings, JdeSource};

pub(super) const NOW: &str = "2026-11-20T14:30:02Z";

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A clock that the simulator and the source share.
#[derive(Clone)]
pub(super) struct SharedClock(pub(super) sandbox::clock::Clock);

impl engine::ports::Clock for SharedClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

pub(super) fn clock() -> SharedClock {
    SharedClock(sandbox::clock::Clock::fixed(at(NOW)))
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Accounts payable: a key of five columns, of which the first has ties.
pub(super) fn invoices() -> StreamSpec {
    StreamSpec {
        name: "ap_invoices".to_owned(),
        object: "F0411".to_owned(),
        key: texts(&["DOC", "DCT", "KCO", "SFX", "SFXE"]),
        updated: Some(UpdatedSpec { date: "UPMJ".to_owned(), time: Some("UPMT".to_owned()) }),
        filter: Vec::new(),
        columns: texts(&["DOC", "DCT", "KCO", "SFX", "SFXE", "AN8", "AG", "RMK", "UPMJ", "UPMT"]),
        padded: Vec::new(),
        page_size: None,
    }
}

/// Business units: a right-justified key.
pub(super) fn business_units() -> StreamSpec {
    StreamSpec {
        name: "cost_centres".to_owned(),
        object: "F0006".to_owned(),
        key: texts(&["MCU"]),
        updated: Some(UpdatedSpec { date: "UPMJ".to_owned(), time: Some("UPMT".to_owned()) }),
        columns: texts(&["MCU", "DL01", "CO", "UPMJ", "UPMT"]),
        padded: vec![("MCU".to_owned(), 12)],
        ..invoices()
    }
}

pub(super) fn settings(url: &str) -> JdeSettings {
    serde_json::from_value(serde_json::json!({ "url": url, "secret": "acme/jde" })).unwrap()
}

pub(super) fn secret(password: &str) -> Secret {
    Secret::new(BTreeMap::from([
        ("username".to_owned(), "SVCREAD".to_owned()),
        ("password".to_owned(), password.to_owned()),
    ]))
}

pub(super) fn source(url: &str, change: impl FnOnce(&mut JdeSettings)) -> JdeSource {
    source_at(url, clock(), change)
}

pub(super) fn source_at(url: &str, clock: SharedClock, change: impl FnOnce(&mut JdeSettings)) -> JdeSource {
    let mut settings = settings(url);
    change(&mut settings);
    JdeSource::new(settings, &secret("secret"), Arc::new(clock)).unwrap()
}

pub(super) type Row = Vec<Value<'static>>;

/// The rows of a block.
pub(super) fn rows(writer: &RowsWriter) -> Vec<Row> {
    let block = engine::model::rows::Rows::from_bytes(writer.as_bytes().to_vec()).unwrap();
    let mut reader = block.reader();
    let (mut cells, mut rows) = (Vec::new(), Vec::new());
    while reader.next_into(&mut cells).unwrap() {
        rows.push(cells.drain(..).map(owned).collect());
    }
    rows
}

fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Text(text) => Value::Text(text.into_owned().into()),
        Value::Number(number) => Value::Number(number.into_owned().into()),
        Value::Null => Value::Null,
        Value::Bool(b) => Value::Bool(b),
        other => panic!("{other:?} is not from a source"),
    }
}

/// The first page of everything.
pub(super) async fn first_page(source: &JdeSource, stream: &StreamSpec) -> Result<(Vec<Row>, Page)> {
    let mut writer = RowsWriter::new(&stream.columns);
    let request = ReadRequest { stream, what: What::Window(Window::default()), after: None };
    let page = source.read(request, &mut writer).await?;
    Ok((rows(&writer), page))
}

/// All pages, each row's first cells joined by `|`; the position goes through JSON as the engine keeps it.
pub(super) async fn read_all(source: &JdeSource, stream: &StreamSpec, what: What<'_>) -> Result<Vec<Row>> {
    let mut writer = RowsWriter::new(&stream.columns);
    let mut after = None;
    loop {
        let page = source.read(ReadRequest { stream, what, after: after.as_ref() }, &mut writer).await?;
        assert_eq!(page.too_big, []);
        match page.next {
            None => return Ok(rows(&writer)),
            Some(next) => after = Some(serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap()),
        }
    }
}

pub(super) fn key_of(row: &Row, width: usize) -> String {
    row[..width].iter().map(|cell| cell.to_text().trim().to_owned()).collect::<Vec<_>>().join("|")
}

pub(super) fn keys_of(rows: &[Row], width: usize) -> Vec<String> {
    rows.iter().map(|row| key_of(row, width)).collect()
}
