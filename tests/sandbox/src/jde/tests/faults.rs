//! Misbehaviour: each fault does what it says to the call it was meant for, and to no other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::super::{Calls, ErrorBody, Fault, Gate, Settings};
use super::{DATA, browse, call, post, send, start, ten, token};

fn ask(sandbox: &super::JdeSandbox) -> super::Answer {
    post(sandbox, DATA, &browse(json!({"returnControlIDs": "DOC|DCT|AG", "maxPageSize": "3"})))
}

fn request() -> String {
    let body = browse(json!({})).to_string();
    format!(
        "POST {DATA} HTTP/1.1\r\nHost: ais\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_fault_hits_the_calls_it_was_told_to_hit() {
    let sandbox = start(Settings::default(), ten());
    sandbox.fault(Calls::to("dataservice").nth(2), Fault::status(503));
    sandbox.fault(Calls::to("dataservice").about("F0101").first(2), Fault::status(500));
    assert_eq!(sandbox.faults_waiting(), 2);
    let statuses: Vec<_> = (0..3).map(|_| ask(&sandbox).status).collect();
    assert_eq!(statuses, [200, 503, 200]);
    let other = browse(json!({"targetName": "F0101", "aggregation": null}));
    let statuses: Vec<_> = (0..3).map(|_| post(&sandbox, DATA, &other).status).collect();
    assert_eq!(statuses, [500, 500, 200]);
    assert_eq!(sandbox.faults_waiting(), 0);
    sandbox.fault(Calls::to("POST /jderest").every(), Fault::HtmlInsteadOfJson);
    assert!(ask(&sandbox).body.starts_with("<HTML>") && ask(&sandbox).status == 200);
    sandbox.clear_faults();
    assert_eq!(ask(&sandbox).documents(), [1, 2, 3]);
    assert_eq!(sandbox.count_calls("/dataservice"), 9);
}

#[test]
fn a_status_comes_with_the_body_and_header_it_was_given() {
    let sandbox = start(Settings::default(), ten());
    let status = |code, retry_after, body| Fault::Status { code, retry_after, body };
    sandbox.fault(Calls::to("dataservice"), status(429, Some(7), ErrorBody::Json));
    let answer = ask(&sandbox);
    assert!(answer.status == 429 && answer.head.contains("retry-after: 7") && answer.json()["exception"].is_string());
    sandbox.fault(Calls::to("dataservice"), status(502, None, ErrorBody::Html));
    let answer = ask(&sandbox);
    assert!(answer.status == 502 && !answer.head.contains("retry-after") && answer.head.contains("text/html"));
    sandbox.fault(Calls::to("dataservice"), status(504, None, ErrorBody::Empty));
    assert_eq!((ask(&sandbox).status, ask(&sandbox).status), (504, 200));
}

#[test]
fn connections_break_where_they_are_told_to() {
    let sandbox = start(Settings::default(), ten());
    for fault in [Fault::DropConnection, Fault::LostReply] {
        sandbox.fault(Calls::to("dataservice"), fault);
        assert!(send(&sandbox, &request()).is_none());
        assert_eq!(sandbox.calls().last().unwrap().status, None);
    }
    sandbox.fault(Calls::to("dataservice"), Fault::TruncatedBody);
    let answer = send(&sandbox, &request()).unwrap();
    let promised: usize =
        answer.head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert!(answer.body.len() > 100 && answer.body.len() < promised, "{} of {promised}", answer.body.len());
    sandbox.fault(Calls::to("dataservice"), Fault::BadJson);
    let answer = send(&sandbox, &request()).unwrap();
    assert!(answer.status == 200 && serde_json::from_str::<serde_json::Value>(&answer.body).is_err());
}

#[test]
fn a_lost_login_leaves_its_session_open() {
    let sandbox = start(Settings::default(), ten());
    sandbox.fault(Calls::to("tokenrequest"), Fault::LostReply);
    let body = super::credentials().to_string();
    let login = format!(
        "POST /jderest/tokenrequest HTTP/1.1\r\nHost: ais\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(send(&sandbox, &login).is_none());
    assert_eq!(sandbox.open_sessions(), 1);
}

#[test]
fn a_session_dies_under_the_call() {
    let sandbox = start(Settings::default(), ten());
    let token = token(&sandbox);
    let request = browse(json!({"username": null, "password": null, "token": token, "deviceName": "test"}));
    assert_eq!(post(&sandbox, DATA, &request).status, 200);
    sandbox.fault(Calls::to("dataservice"), Fault::DeadToken);
    assert_eq!(post(&sandbox, DATA, &request).status, 444);
    assert_eq!(sandbox.open_sessions(), 0);
}

#[test]
fn pages_lie_as_told() {
    let sandbox = start(Settings::default(), ten());
    let with = |fault: Fault| {
        sandbox.fault(Calls::to("dataservice"), fault);
        ask(&sandbox)
    };
    let answer = with(Fault::SysErrors);
    assert!(answer.documents().is_empty() && !answer.json()["sysErrors"][0]["TITLE"].as_str().unwrap().is_empty());
    let answer = with(Fault::FormErrors);
    assert!(answer.documents() == [1, 2, 3] && answer.json()["fs_DATABROWSE_F0411"]["errors"][0]["TITLE"].is_string());
    let answer = with(Fault::ColumnGone("AG".into()));
    assert_eq!(answer.rows()[0], json!({"F0411_DOC": 1, "F0411_DCT": "PV"}));
    assert_eq!(with(Fault::DuplicateKeyInPage).documents(), [1, 2, 3, 1]);
    assert_eq!(with(Fault::NullKey).rows()[0], json!({"F0411_DOC": null, "F0411_DCT": null, "F0411_AG": 100.01}));
    let answer = with(Fault::EmptyButMore);
    assert!(answer.documents().is_empty() && answer.more());
    let answer = with(Fault::FewerRowsThanRecords);
    assert_eq!((answer.documents().len(), &answer.grid("F0411")["summary"]["records"]), (2, &json!(3)));
    let answer = with(Fault::hide_rows(|row| row.text("DCT") == "PV" && row.number("DOC").units < 3));
    assert_eq!(answer.documents(), [3, 4, 5]);
    sandbox.fault(Calls::to("dataservice").nth(2), Fault::RepeatPage);
    let next = browse(json!({"query": super::all(&[super::condition("DOC", "GREATER", &["3"])]), "maxPageSize": "3"}));
    assert_eq!(ask(&sandbox).documents(), [1, 2, 3]);
    assert_eq!(post(&sandbox, DATA, &next).documents(), [1, 2, 3]);
    assert_eq!(post(&sandbox, DATA, &next).documents(), [4, 5, 6]);
    let count = browse(json!({"dataServiceType": "COUNT"}));
    sandbox.fault(Calls::to("dataservice").first(2), Fault::SysErrors);
    assert!(post(&sandbox, DATA, &count).json()["sysErrors"][0]["CODE"].is_string());
}

#[test]
fn the_data_changes_between_two_calls() {
    let sandbox = start(Settings::default(), ten());
    sandbox.fault(
        Calls::to("dataservice").nth(2),
        Fault::before(|tables| {
            let key = [2.into(), "PV".into(), "00001".into(), "001".into(), 0.into()];
            let deleted = tables.existing("F0411").and_then(|ledger| ledger.delete(&key));
            assert_eq!(deleted, Ok(true));
        }),
    );
    assert_eq!(ask(&sandbox).documents(), [1, 2, 3]);
    assert_eq!(ask(&sandbox).documents(), [1, 3, 4]);
}

#[test]
fn a_second_call_on_a_token_fails_while_the_first_is_under_way() {
    let sandbox = start(Settings { one_call_per_token: true, ..Settings::default() }, ten());
    let token = token(&sandbox);
    let gate = Gate::new();
    sandbox.fault(Calls::to("dataservice"), Fault::Hold(gate.clone()));
    let body = browse(json!({"username": null, "password": null, "deviceName": "test"})).to_string();
    let headers = [super::AS_JSON, ("jde-AIS-Auth", token.as_str())];
    let mut first = TcpStream::connect(sandbox.address()).unwrap();
    let request = format!(
        "POST {DATA} HTTP/1.1\r\nHost: ais\r\nConnection: close\r\nContent-Type: application/json\r\n\
         jde-AIS-Auth: {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    first.write_all(request.as_bytes()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(gate.reached_by(1));
    let second = call(&sandbox, "POST", DATA, &headers, &body);
    assert_eq!((second.status, second.message().as_str()), (500, "The session is processing another request"));
    gate.open();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert_eq!(call(&sandbox, "POST", DATA, &headers, &body).status, 200);
}

#[test]
fn a_slow_call_is_answered_all_the_same_and_others_go_on() {
    let sandbox = start(Settings::default(), ten());
    sandbox.fault(Calls::to("dataservice"), Fault::Slow(Duration::from_millis(1)));
    assert_eq!(ask(&sandbox).documents(), [1, 2, 3]);
}

#[test]
fn the_log_keeps_what_was_sent_and_prints_no_secret() {
    let sandbox = start(Settings { calls_kept: 2, ..Settings::default() }, ten());
    token(&sandbox);
    ask(&sandbox);
    call(&sandbox, "GET", "/jderest/defaultconfig?x=1", &[("X-Probe", "Yes")], "");
    let calls = sandbox.calls();
    assert_eq!(calls.len(), 2, "the oldest is gone");
    assert!(calls[0].body.contains("\"password\":\"secret\"") && calls[0].status == Some(200));
    assert_eq!((calls[1].query.as_str(), calls[1].header("x-probe")), ("x=1", Some("Yes")));
    assert!(!format!("{calls:?}").contains("secret"));
}

#[test]
fn shutdown_closes_the_port() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sandbox = start(Settings::default(), ten());
    let address = sandbox.address();
    runtime.block_on(sandbox.shutdown());
    assert!(TcpStream::connect(address).is_err());
}
