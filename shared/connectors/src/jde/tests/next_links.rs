//! Reading by the server's own links.

use std::time::Duration;

use chrono::TimeDelta;
use engine::model::rows::RowsWriter;
use engine::model::window::Window;
use engine::plan::StreamSpec;
use engine::ports::{ReadRequest, Source, What};
use sandbox::jde::{Calls, Fault, JdeSandbox, Settings, Tables, Value};

use super::fixture::{clock, invoices, keys_of, read_all, rows, source};
use crate::jde::{JdeSource, Paging};

const ALL: What<'_> = What::Window(Window { from: None, to: None });

fn stream() -> StreamSpec {
    StreamSpec { page_size: Some(10), ..invoices() }
}

async fn server(settings: Settings) -> JdeSandbox {
    let mut tables = Tables::standard();
    let table = tables.existing("F0411").unwrap();
    for doc in 0..45 {
        let key = [("DOC", Value::from(doc)), ("DCT", "PV".into()), ("KCO", "00001".into()), ("SFX", "001".into())];
        table.insert(&key).unwrap();
    }
    JdeSandbox::start(settings, clock().0, tables).await.unwrap()
}

fn links(server: &JdeSandbox) -> JdeSource {
    source(&server.base_url(), |settings| settings.paging = Paging::NextLinks)
}

fn everything() -> Vec<String> {
    (0..45).map(|doc| format!("{doc}|PV|00001|001|0")).collect()
}

#[tokio::test]
async fn links_are_followed_at_the_configured_address_and_encoded() {
    let server =
        server(Settings { href_host: Some("https://ais.internal:9302".to_owned()), ..Settings::default() }).await;
    let source = links(&server);
    assert_eq!(keys_of(&read_all(&source, &stream(), ALL).await.unwrap(), 5), everything());
    source.close().await;
    assert_eq!((server.count_calls("/dataservice/next"), server.open_sessions()), (4, 0));
    for call in server.calls().iter().filter(|call| call.path.ends_with("/next")) {
        assert!(call.query.contains("deviceName=ml-connector") && call.query.contains("F0411.DOC%7CF0411.DCT"));
    }
}

#[tokio::test]
async fn a_result_set_that_expired_is_replaced_by_what_follows_the_last_key() {
    let server = server(Settings { result_set_timeout: Duration::from_secs(60), ..Settings::default() }).await;
    let source = links(&server);
    let stream = stream();
    let mut writer = RowsWriter::new(&stream.columns);
    let mut after = None;
    loop {
        let page =
            source.read(ReadRequest { stream: &stream, what: ALL, after: after.as_ref() }, &mut writer).await.unwrap();
        let Some(next) = page.next else { break };
        after = Some(next);
        if writer.len() == 20 {
            server.clock().advance(TimeDelta::seconds(61));
        }
    }
    assert_eq!(keys_of(&rows(&writer), 5), everything());
}

#[tokio::test]
async fn a_position_of_another_instance_goes_on_by_key() {
    let server = server(Settings::default()).await;
    let stream = stream();
    let mut writer = RowsWriter::new(&stream.columns);
    let mut after = None;
    loop {
        let source = links(&server);
        let page =
            source.read(ReadRequest { stream: &stream, what: ALL, after: after.as_ref() }, &mut writer).await.unwrap();
        source.close().await;
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(keys_of(&rows(&writer), 5), everything());
    assert_eq!(server.count_calls("/dataservice/next"), 0);
}

#[tokio::test]
async fn a_dead_token_and_a_lost_page_lose_no_row() {
    for (fault, fails) in
        [(Fault::DeadToken, false), (Fault::LostReply, true), (Fault::TruncatedBody, true), (Fault::status(500), true)]
    {
        let server = server(Settings::default()).await;
        server.fault(Calls::to("/dataservice/next").nth(2), fault.clone());
        let source = links(&server);
        let stream = stream();
        let mut kept = Vec::new();
        let mut after = None;
        let mut failures = 0;
        loop {
            let mut writer = RowsWriter::new(&stream.columns);
            match source.read(ReadRequest { stream: &stream, what: ALL, after: after.as_ref() }, &mut writer).await {
                Ok(page) => {
                    kept.extend(rows(&writer));
                    let Some(next) = page.next else { break };
                    after = Some(next);
                }
                Err(error) => {
                    assert!(error.is_later(), "{fault:?}: {error}");
                    failures += 1;
                }
            }
        }
        source.close().await;
        assert_eq!(keys_of(&kept, 5), everything(), "{fault:?}");
        assert_eq!((failures, server.open_sessions()), (usize::from(fails), 0), "{fault:?}");
    }
}

#[tokio::test]
async fn links_that_lead_elsewhere_are_not_followed() {
    use super::stub::{Reply, Stub};
    for href in
        ["https://evil.example.com/other?token=044tok", "nonsense", "https://ais/jderest/v2/dataservice/next?rid=%zz"]
    {
        let answer = r#"{"fs_DATABROWSE_F0411":{"data":{"gridData":{"rowset":[{"F0411_DOC":1}],"summary":{"records":1,"moreRecords":true}}}},"links":[{"rel":"next","href":"HREF"}]}"#;
        let stub = Stub::data(vec![Reply::json(200, answer.replace("HREF", href))]).await;
        let source = source(&stub.url, |settings| settings.paging = Paging::NextLinks);
        let one = || vec!["DOC".to_owned()];
        let stream = StreamSpec { key: one(), columns: one(), ..invoices() };
        let error = read_all(&source, &stream, ALL).await.unwrap_err();
        assert!(error.is_later() && !error.to_string().contains("044tok"), "{error}");
        assert_eq!(stub.count("dataservice"), 1);
    }
}
