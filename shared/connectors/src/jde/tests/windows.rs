//! Windows over the calendar, and the server's own time.

use chrono::TimeDelta;
use engine::model::window::{Granularity, Window};
use engine::plan::StreamSpec;
use engine::ports::{Source, What};
use sandbox::jde::{DateLiteral as Theirs, JdeSandbox, Settings, Tables, Value};

use super::fixture::{SharedClock, at, clock, invoices, keys_of, read_all, source, source_at, texts};
use super::stub::{Reply, Stub};
use crate::jde::DateLiteral as Ours;

fn one_per_day() -> Tables {
    let mut tables = Tables::standard();
    let table = tables.existing("F0411").unwrap();
    for day in 1..=30 {
        let cells = [("DOC", Value::from(day)), ("DCT", "PV".into()), ("UPMJ", format!("202611{day:02}").into())];
        table.insert(&cells).unwrap();
    }
    tables
}

async fn days(source: &impl Source2, from: Option<&str>, to: Option<&str>) -> engine::Result<Vec<i64>> {
    source.days(Window { from: from.map(at), to: to.map(at) }).await
}

trait Source2 {
    async fn days(&self, window: Window) -> engine::Result<Vec<i64>>;
}

impl Source2 for crate::jde::JdeSource {
    async fn days(&self, window: Window) -> engine::Result<Vec<i64>> {
        let stream = StreamSpec { page_size: Some(4), ..invoices() };
        let rows = read_all(self, &stream, What::Window(window)).await?;
        let days: Vec<_> = keys_of(&rows, 1).iter().map(|day| day.parse().unwrap()).collect();
        let count = self.count(&stream, window).await?;
        assert_eq!(usize::try_from(count).unwrap(), days.len());
        Ok(days)
    }
}

#[tokio::test]
async fn each_way_to_write_dates_reads_the_window_and_every_other_is_refused() {
    for (ours, theirs) in
        [(Ours::UserFormat, Theirs::UserFormat), (Ours::Julian, Theirs::Julian), (Ours::Iso, Theirs::Iso)]
    {
        let server =
            JdeSandbox::start(Settings { date_literal: theirs, ..Settings::default() }, clock().0, one_per_day());
        let server = server.await.unwrap();
        let source = |date_literal| source(&server.base_url(), |settings| settings.date_literal = date_literal);
        let exact: Vec<_> = (10..=14).collect();
        let (from, to) = (Some("2026-11-10T00:00:00Z"), Some("2026-11-15T00:00:00Z"));
        assert_eq!(days(&source(ours), from, to).await.unwrap(), exact, "{ours:?}");
        // Counted from today, a window is a day wider at both ends.
        assert_eq!(days(&source(Ours::Special), from, to).await.unwrap(), (9..=15).collect::<Vec<_>>());
        for wrong in [Ours::UserFormat, Ours::Julian, Ours::Iso] {
            if wrong != ours {
                let error = days(&source(wrong), from, to).await.unwrap_err();
                assert_eq!(error.kind(), engine::Kind::Stop, "{wrong:?} {error}");
                assert!(error.to_string().contains("date_literal"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn the_date_format_of_the_user_is_followed() {
    for simple_date_format in ["MM/dd/yyyy", "dd.MM.yy", "yyyy-MM-dd"] {
        let settings = Settings { simple_date_format: simple_date_format.to_owned(), ..Settings::default() };
        let server = JdeSandbox::start(settings, clock().0, one_per_day()).await.unwrap();
        let source = source(&server.base_url(), |settings| settings.date_literal = Ours::UserFormat);
        assert_eq!(days(&source, Some("2026-11-27T00:00:00Z"), None).await.unwrap(), [27, 28, 29, 30]);
    }
}

#[tokio::test]
async fn days_are_counted_from_the_servers_today_and_not_from_ours() {
    for zone in ["Pacific/Kiritimati", "Etc/GMT+12", "America/Chicago"] {
        let settings = Settings { zone: zone.parse().unwrap(), ..Settings::default() };
        let server = JdeSandbox::start(settings, clock().0, one_per_day()).await.unwrap();
        let source = source(&server.base_url(), |settings| settings.zone = zone.parse().unwrap());
        let days = days(&source, Some("2026-11-10T12:00:00Z"), None).await.unwrap();
        assert!(days.contains(&10) && days.contains(&30) && !days.contains(&7), "{zone} {days:?}");
        assert_eq!(source.now(&invoices()).await.unwrap(), Some(at(super::fixture::NOW)), "{zone}");
    }
}

#[tokio::test]
async fn a_midnight_within_a_read_loses_no_day() {
    let clock = SharedClock(sandbox::clock::Clock::fixed(at("2026-11-20T23:59:59Z")));
    let server = JdeSandbox::start(Settings::default(), clock.0.clone(), one_per_day()).await.unwrap();
    let moved = clock.0.clone();
    server.fault(
        sandbox::jde::Calls::to("/dataservice").nth(2),
        sandbox::jde::Fault::before(move |_| moved.advance(TimeDelta::seconds(2))),
    );
    let source = source_at(&server.base_url(), clock, |_| {});
    let stream = StreamSpec { page_size: Some(2), ..invoices() };
    let window = Window { from: Some(at("2026-11-15T00:00:00Z")), to: None };
    let rows = read_all(&source, &stream, What::Window(window)).await.unwrap();
    let days = keys_of(&rows, 1);
    assert!((15..=30).all(|day| days.contains(&day.to_string())), "{days:?}");
}

#[tokio::test]
async fn a_day_that_changes_under_a_date_in_a_key_is_noticed() {
    let page = |day: &str, time: &str| {
        let body = r#"{"fs_DATABROWSE_F0911":{"data":{"gridData":{"rowset":[{"F0911_DGJ":"DAY"}],"summary":{"records":1,"moreRecords":true}}}},"timeStamp":"TIME"}"#;
        Reply::json(200, body.replace("DAY", day).replace("TIME", time))
    };
    let stub = Stub::data(vec![page("20261101", "2026-11-20:23.59.59"), page("20261102", "2026-11-21:00.00.01")]).await;
    let stream = StreamSpec {
        object: "F0911".to_owned(),
        key: texts(&["DGJ"]),
        columns: texts(&["DGJ"]),
        updated: None,
        ..invoices()
    };
    let clock = SharedClock(sandbox::clock::Clock::fixed(at("2026-11-20T23:59:59Z")));
    let source = source_at(&stub.url, clock, |_| {});
    let error = read_all(&source, &stream, What::Window(Window::default())).await.unwrap_err();
    assert!(error.is_later() && error.to_string().contains("2026-11-21"), "{error}");
}

#[tokio::test]
async fn a_clock_of_ours_that_is_days_off_does_no_harm_to_dates_in_keys() {
    // Another instance goes on after a date; what day it is at the server is asked first.
    let answer = r#"{"fs_DATABROWSE_F0911":{"data":{"gridData":{"rowset":[],"summary":{"records":0,"moreRecords":false}}}},"timeStamp":"2026-11-20:10.00.00"}"#;
    let stub = Stub::data(vec![Reply::json(200, answer), Reply::json(200, answer)]).await;
    let stream =
        StreamSpec { object: "F0911".to_owned(), key: texts(&["DGJ"]), columns: texts(&["DGJ"]), ..invoices() };
    let clock = SharedClock(sandbox::clock::Clock::fixed(at("2026-12-24T00:00:00Z")));
    let source = source_at(&stub.url, clock, |_| {});
    let after = engine::model::window::Position(serde_json::json!({"key": ["20261118"], "page": 1}));
    let mut rows = engine::model::rows::RowsWriter::new(&stream.columns);
    let request =
        engine::ports::ReadRequest { stream: &stream, what: What::Window(Window::default()), after: Some(&after) };
    assert_eq!(source.read(request, &mut rows).await.unwrap().next, None);
    let asked = stub.asked();
    assert!(asked.last().unwrap().body.contains(r#"{"content":"2","specialValueId":"TODAY_MINUS_DAY"}"#), "{asked:?}");
}

#[tokio::test]
async fn the_time_is_of_the_answer_then_of_the_http_server_then_none() {
    let body = r#"{"fs_DATABROWSE_F0411":{"data":{"gridData":{"rowset":[]}}}}"#;
    let stamped = body.replacen('{', r#"{"timeStamp":"2026-11-01:01.30.00","#, 1);
    let date = "Fri, 20 Nov 2026 14:30:02 GMT";
    for (reply, now) in [
        (Reply::json(200, stamped).with("Date", date), Some("2026-11-01T06:30:00Z")),
        (Reply::json(200, body).with("Date", date), Some("2026-11-20T14:30:02Z")),
        (Reply::json(200, body), None),
    ] {
        let stub = Stub::data(vec![reply]).await;
        let source = source(&stub.url, |settings| settings.zone = "America/Chicago".parse().unwrap());
        assert_eq!(source.now(&invoices()).await.unwrap(), now.map(at));
        assert!(stub.asked()[1].body.contains(r#""maxPageSize":"1""#));
    }
}

#[tokio::test]
async fn a_stream_without_an_update_column_is_read_whole() {
    let server = JdeSandbox::start(Settings::default(), clock().0, one_per_day()).await.unwrap();
    let source = source(&server.base_url(), |settings| settings.sessions = 3);
    let stream = StreamSpec { updated: None, ..invoices() };
    let window = Window { from: Some(at("2026-11-20T00:00:00Z")), to: None };
    assert_eq!(read_all(&source, &stream, What::Window(window)).await.unwrap().len(), 30);
    let capabilities = source.capabilities(&stream);
    assert_eq!((capabilities.granularity, capabilities.sessions), (Granularity::None, 3));
    assert_eq!(source.capabilities(&invoices()).granularity, Granularity::Day);
}
