//! Streams, sources and reads that many tests need, and vouchers that are asked for as Query Access Services are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use engine::Result;
use engine::model::rows::RowsWriter;
use engine::model::value::Value;
use engine::model::window::Window;
use engine::plan::{StreamSpec, UpdatedSpec};
use engine::ports::{Page, ReadRequest, Secret, Source, What};

use super::stub::{Asked, Reply, Stub};
use crate::peoplesoft::{PeopleSoftSettings, PeopleSoftSource};

pub(super) const NOW: &str = "2026-11-20T14:30:02Z";

pub(super) const ALL: What<'_> = What::Window(Window { from: None, to: None });

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A clock that tests move.
#[derive(Clone)]
pub(super) struct TestClock(Arc<Mutex<DateTime<Utc>>>);

impl TestClock {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(at(NOW))))
    }

    pub(super) fn set(&self, text: &str) {
        *self.0.lock().unwrap() = at(text);
    }
}

impl engine::ports::Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Vouchers: a stamp of change, and a key that has to be joined.
pub(super) fn vouchers() -> StreamSpec {
    StreamSpec {
        name: "vouchers".to_owned(),
        object: "ML_VOUCHER".to_owned(),
        key: texts(&["BUSINESS_UNIT", "VOUCHER_ID"]),
        updated: Some(UpdatedSpec { date: "LAST_UPDATE_DTTM".to_owned(), time: None }),
        filter: Vec::new(),
        columns: texts(&["BUSINESS_UNIT", "VOUCHER_ID", "INVOICE_ID", "GROSS_AMT", "LAST_UPDATE_DTTM"]),
        padded: Vec::new(),
        page_size: None,
    }
}

/// Suppliers: read SetID by SetID, and all of them each time.
pub(super) fn suppliers() -> StreamSpec {
    StreamSpec {
        name: "suppliers".to_owned(),
        object: "ML_VENDOR".to_owned(),
        key: texts(&["SETID", "VENDOR_ID"]),
        updated: None,
        columns: texts(&["SETID", "VENDOR_ID", "NAME1"]),
        ..vouchers()
    }
}

pub(super) fn settings(url: &str, more: serde_json::Value) -> PeopleSoftSettings {
    let mut settings = serde_json::json!({"url": url, "node": "PSFT_EP", "secret": "acme/peoplesoft"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(settings).unwrap()
}

pub(super) fn secret() -> Secret {
    let fields = [
        ("username", "CXUSER"),
        ("password", "geheim-pw"),
        ("client_id", "connector"),
        ("client_secret", "geheim-cs"),
        ("hash_key", "geheim-hk"),
    ];
    Secret::new(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

pub(super) fn source(stub: &Stub, more: serde_json::Value) -> PeopleSoftSource {
    source_at(stub, more, TestClock::new())
}

pub(super) fn source_at(stub: &Stub, more: serde_json::Value, clock: TestClock) -> PeopleSoftSource {
    PeopleSoftSource::new(settings(&stub.url(), more), &secret(), Arc::new(clock)).unwrap()
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
        Value::Json(json) => Value::Json(json.into_owned().into()),
        Value::Null => Value::Null,
        Value::Bool(b) => Value::Bool(b),
        other => panic!("{other:?} is not from a source"),
    }
}

/// The first page of everything.
pub(super) async fn first_page(source: &PeopleSoftSource, stream: &StreamSpec) -> Result<(Vec<Row>, Page)> {
    let mut writer = RowsWriter::new(&stream.columns);
    let page = source.read(ReadRequest { stream, what: ALL, after: None }, &mut writer).await?;
    Ok((rows(&writer), page))
}

/// All pages; the position goes through JSON as the engine keeps it.
pub(super) async fn read_all(source: &PeopleSoftSource, stream: &StreamSpec, what: What<'_>) -> Result<Vec<Row>> {
    let mut writer = RowsWriter::new(&stream.columns);
    let mut after = None;
    loop {
        let page = source.read(ReadRequest { stream, what, after: after.as_ref() }, &mut writer).await?;
        match page.next {
            None => return Ok(rows(&writer)),
            Some(next) => {
                assert_ne!(Some(&next), after.as_ref(), "the engine refuses a position that comes twice");
                after = Some(serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap());
            }
        }
    }
}

/// The first cells of each row joined by `|`.
pub(super) fn keys_of(rows: &[Row], width: usize) -> Vec<String> {
    let key = |row: &Row| row[..width].iter().map(|cell| cell.to_text().into_owned()).collect::<Vec<_>>().join("|");
    rows.iter().map(key).collect()
}

/// An answer of Query Access Services with these rows.
pub(super) fn answer(rows: &[String]) -> String {
    let rows: Vec<_> =
        rows.iter().enumerate().map(|(at, row)| format!(r#"{{"attr:rownumber":{},{row}}}"#, at + 1)).collect();
    format!(
        r#"{{"status":"success","data":{{"query":{{"numrows":{},"queryname=":"Q","rows":[{}]}}}}}}"#,
        rows.len(),
        rows.join(",")
    )
}

/// One voucher: when it changed last, and its amount.
#[derive(Clone, Debug)]
pub(super) struct Voucher {
    pub(super) stamp: String,
    pub(super) amount: &'static str,
}

/// Vouchers by their key, and a limit of the server that cuts pages without saying so.
#[derive(Clone, Default)]
pub(super) struct Site {
    pub(super) vouchers: Arc<Mutex<BTreeMap<String, Voucher>>>,
    pub(super) cap: Option<usize>,
}

impl Site {
    /// So many vouchers, changed on days of November.
    pub(super) fn with(vouchers: u32, cap: Option<usize>) -> Self {
        let voucher = |number: u32| {
            let unit = ["US001", "US002"][number as usize % 2];
            let stamp = format!("2026-11-{:02}-09.15.02.000000", number % 20 + 1);
            (format!("{unit}|{number:08}"), Voucher { stamp, amount: "1250.50" })
        };
        Self { vouchers: Arc::new(Mutex::new((0..vouchers).map(voucher).collect())), cap }
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.vouchers.lock().unwrap().keys().cloned().collect()
    }

    pub(super) fn change(&self, key: &str, stamp: &str) {
        self.vouchers.lock().unwrap().get_mut(key).unwrap().stamp = stamp.to_owned();
    }

    /// The answer to a call.
    pub(super) fn answer(&self, asked: &Asked) -> Reply {
        let vouchers = self.vouchers.lock().unwrap();
        if asked.path.contains("/ML_VOUCHER_K/") {
            let key = format!("{}|{}", asked.prompt("BUSINESS_UNIT").unwrap(), asked.prompt("VOUCHER_ID").unwrap());
            let found: Vec<_> = vouchers.get(&key).map(|voucher| row(&key, voucher)).into_iter().collect();
            return Reply::json(200, answer(&found));
        }
        let (from, to) = (asked.prompt("FROM_DTTM").unwrap(), asked.prompt("TO_DTTM").unwrap());
        let in_window = |voucher: &Voucher| from <= voucher.stamp && voucher.stamp < to;
        if asked.path.contains("/ML_VOUCHER_T/") {
            let records = vouchers.values().filter(|voucher| in_window(voucher)).count();
            let sum = format!("{}.50", records * 1250 + records / 2);
            let row = format!(r#""RECORDS":{records},"SUM_GROSS_AMT":{sum},"SUM_GROSS_AMT_BSE":"{sum}""#);
            return Reply::json(200, answer(&[row]));
        }
        let asked_for: usize = asked.parameter("maxrows").unwrap().parse().unwrap();
        let at_most = asked_for.min(self.cap.unwrap_or(usize::MAX));
        let after = asked.prompt("AFTER_KEY").unwrap();
        let found = vouchers.iter().filter(|(key, voucher)| **key > after && in_window(voucher)).take(at_most);
        Reply::json(200, answer(&found.map(|(key, voucher)| row(key, voucher)).collect::<Vec<_>>()))
    }

    pub(super) async fn serve(&self) -> Stub {
        let site = self.clone();
        Stub::start(move |asked, _| site.answer(asked)).await
    }
}

pub(super) fn row(key: &str, voucher: &Voucher) -> String {
    let (unit, id) = key.split_once('|').unwrap();
    let Voucher { stamp, amount } = voucher;
    format!(
        r#""A.BUSINESS_UNIT":"{unit}","A.VOUCHER_ID":"{id}","A.INVOICE_ID":"INV-{id}","A.GROSS_AMT":{amount},"A.LAST_UPDATE_DTTM":"{stamp}","ROW_KEY":"{key}""#
    )
}
