//! A server that misbehaves: nothing is lost, nothing is made up, and the session is closed.

use std::time::Duration;

use engine::Kind;
use engine::model::rows::RowsWriter;
use engine::model::window::Window;
use engine::plan::StreamSpec;
use engine::ports::{ReadRequest, Source, What};
use sandbox::jde::{Calls, DeadToken, ErrorBody, Fault, Gate, JdeSandbox, LoginRefusal, Settings, Tables, Value};

use super::fixture::{clock, invoices, keys_of, read_all, rows, source};
use crate::http::TimeOut;

const ALL: What<'_> = What::Window(Window { from: None, to: None });

fn stream() -> StreamSpec {
    StreamSpec { page_size: Some(10), ..invoices() }
}

async fn server(settings: Settings) -> JdeSandbox {
    let mut tables = Tables::standard();
    let table = tables.existing("F0411").unwrap();
    for doc in 0..35 {
        let key = [("DOC", Value::from(doc)), ("DCT", "PV".into()), ("KCO", "00001".into()), ("SFX", "001".into())];
        table.insert(&key).unwrap();
    }
    JdeSandbox::start(settings, clock().0, tables).await.unwrap()
}

fn everything() -> Vec<String> {
    (0..35).map(|doc| format!("{doc}|PV|00001|001|0")).collect()
}

/// Each fault hits the second page. The read is repeated from the last good position, as the engine does it.
#[tokio::test]
async fn after_every_fault_that_passes_the_read_goes_on_where_it_stood() {
    for fault in [
        Fault::status(500),
        Fault::status(502),
        Fault::Status { code: 503, retry_after: Some(9), body: ErrorBody::Html },
        Fault::Status { code: 429, retry_after: Some(9), body: ErrorBody::Empty },
        Fault::Status { code: 504, retry_after: None, body: ErrorBody::Html },
        Fault::HtmlInsteadOfJson,
        Fault::TruncatedBody,
        Fault::BadJson,
        Fault::DropConnection,
        Fault::LostReply,
        Fault::EmptyButMore,
        Fault::FewerRowsThanRecords,
        Fault::RepeatPage,
    ] {
        let server = server(Settings::default()).await;
        server.fault(Calls::to("/dataservice").nth(2), fault.clone());
        let source = source(&server.base_url(), |_| {});
        let stream = stream();
        let (mut kept, mut after, mut failures) = (Vec::new(), None, Vec::new());
        loop {
            let mut writer = RowsWriter::new(&stream.columns);
            match source.read(ReadRequest { stream: &stream, what: ALL, after: after.as_ref() }, &mut writer).await {
                Ok(page) => {
                    kept.extend(rows(&writer));
                    let Some(next) = page.next else { break };
                    after = Some(next);
                }
                Err(error) => failures.push(error),
            }
        }
        source.close().await;
        assert_eq!(keys_of(&kept, 5), everything(), "{fault:?}");
        let [failure] = failures.as_slice() else { panic!("{fault:?}: {failures:?}") };
        match &fault {
            Fault::Status { retry_after: Some(9), .. } => {
                assert_eq!(failure.kind(), Kind::Later { after: Some(Duration::from_secs(9)) }, "{failure}");
            }
            _ => assert_eq!(failure.kind(), Kind::Later { after: None }, "{fault:?}: {failure}"),
        }
        assert_eq!((server.faults_waiting(), server.open_sessions()), (0, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn errors_inside_answers_and_vanished_columns_are_never_rows() {
    for (fault, kind) in [
        (Fault::SysErrors, None),
        (Fault::FormErrors, None),
        (Fault::ColumnGone("RMK".to_owned()), Some("F0411.RMK")),
        (Fault::ColumnGone("DOC".to_owned()), Some("F0411.DOC")),
    ] {
        let server = server(Settings::default()).await;
        server.fault(Calls::to("/dataservice").nth(2), fault.clone());
        let source = source(&server.base_url(), |_| {});
        let error = read_all(&source, &stream(), ALL).await.unwrap_err();
        source.close().await;
        if let Some(column) = kind {
            assert_eq!(error.kind(), Kind::Stop, "{error}");
            assert!(error.to_string().contains(column), "{error}");
        }
        assert_eq!(server.open_sessions(), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn a_row_twice_in_a_page_comes_twice_and_ends_nothing() {
    let server = server(Settings::default()).await;
    server.fault(Calls::to("/dataservice").nth(4), Fault::DuplicateKeyInPage);
    let rows = read_all(&source(&server.base_url(), |_| {}), &stream(), ALL).await.unwrap();
    assert_eq!(rows.len(), 36);
}

#[tokio::test]
async fn a_row_without_a_key_comes_as_it_is() {
    let server = server(Settings::default()).await;
    server.fault(Calls::to("/dataservice").nth(2), Fault::NullKey);
    let rows = read_all(&source(&server.base_url(), |_| {}), &stream(), ALL).await.unwrap();
    assert_eq!(rows.len(), 35);
    assert!(rows[10][0].is_null());
}

#[tokio::test]
async fn a_session_that_dies_in_mid_read_is_replaced_and_loses_nothing() {
    for dead_token in [DeadToken::Status444, DeadToken::Status403] {
        let server = server(Settings { dead_token, ..Settings::default() }).await;
        for call in [1, 3] {
            server.fault(Calls::to("/dataservice").nth(call), Fault::DeadToken);
        }
        let source = source(&server.base_url(), |_| {});
        let rows = read_all(&source, &stream(), ALL).await.unwrap();
        source.close().await;
        assert_eq!(keys_of(&rows, 5), everything());
        assert_eq!((server.faults_waiting(), server.open_sessions()), (0, 0));
    }
}

#[tokio::test]
async fn a_session_that_dies_twice_in_a_row_stops() {
    let server = server(Settings::default()).await;
    server.fault(Calls::to("/dataservice").every(), Fault::DeadToken);
    let source = source(&server.base_url(), |_| {});
    let error = read_all(&source, &stream(), ALL).await.unwrap_err();
    source.close().await;
    assert_eq!(error.kind(), Kind::Stop, "{error}");
    assert_eq!((server.count_calls("/dataservice"), server.open_sessions()), (2, 0));
}

#[tokio::test]
async fn an_account_is_never_locked_by_a_wrong_password() {
    for login_refusal in [LoginRefusal::Status403, LoginRefusal::EmptyToken] {
        let users = vec![("SVCREAD".to_owned(), "another".to_owned())];
        let server = server(Settings { users, login_refusal, ..Settings::default() }).await;
        let source = source(&server.base_url(), |_| {});
        for _ in 0..5 {
            let error = read_all(&source, &stream(), ALL).await.unwrap_err();
            assert!(error.is_refused_credentials(), "{error}");
        }
        assert_eq!(server.count_calls("/tokenrequest"), 1);
    }
}

#[tokio::test]
async fn calls_of_one_session_wait_for_each_other() {
    let server = server(Settings { one_call_per_token: true, ..Settings::default() }).await;
    let gate = Gate::new();
    server.fault(Calls::to("/dataservice").nth(1), Fault::Hold(gate.clone()));
    let source = source(&server.base_url(), |_| {});
    let stream = stream();
    let open = async {
        gate.reached_by(1).await;
        gate.open();
    };
    let (first, second, ()) = tokio::join!(source.count(&stream, Window::default()), source.now(&stream), open);
    assert_eq!(first.unwrap(), 35);
    assert!(second.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left_after_the_time_out() {
    let server = server(Settings::default()).await;
    let gate = Gate::new();
    server.fault(Calls::to("/dataservice"), Fault::Hold(gate.clone()));
    let source = source(&server.base_url(), |settings| settings.time_out = TimeOut(Duration::from_millis(200)));
    let error = read_all(&source, &stream(), ALL).await.unwrap_err();
    gate.open();
    assert!(error.is_later() && error.to_string().contains("200ms"), "{error}");
    source.close().await;
    assert_eq!(server.open_sessions(), 0);
}
