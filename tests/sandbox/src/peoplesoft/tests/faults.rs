//! Misbehaviour on demand, and the log.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::super::{Calls, ErrorBody, Fault, Gate, Settings};
use super::{ALL, Answer, PeopleSoftSandbox, REST, basic, numbers, path, query, send, ten};

fn ask(sandbox: &PeopleSoftSandbox) -> Answer {
    query(sandbox, "CX_VOUCHERS", &ALL, 3)
}

fn request() -> String {
    let authorization = basic("CXUSER", "secret");
    let path = format!("{REST}/{}", path("CX_VOUCHERS", &ALL, 3));
    super::request("GET", &path, &[("Authorization", &authorization)], "")
}

#[test]
fn a_fault_hits_the_calls_it_was_told_to_hit() {
    let sandbox = ten(Settings::default());
    sandbox.fault(Calls::to("ExecuteQuery").nth(2), Fault::page(502));
    sandbox.fault(Calls::to("ExecuteQuery").about("SINCE").after(2).first(1), Fault::empty(500));
    let statuses: Vec<_> = (0..4).map(|_| ask(&sandbox).status).collect();
    assert_eq!((statuses, sandbox.faults_waiting()), (vec![200, 502, 500, 200], 0));
    sandbox.fault(Calls::to("").every(), Fault::status(504));
    let answer = ask(&sandbox);
    assert!(answer.status == 504 && answer.body.contains("<StatusCode>10</StatusCode>"), "{answer:?}");
    sandbox.clear_faults();
    let busy = Fault::Status { code: 503, retry_after: Some(7), body: ErrorBody::Html };
    sandbox.fault(Calls::to("/CX_VOUCHERS/"), busy);
    assert!(ask(&sandbox).head.contains("retry-after: 7"));
    sandbox.fault(Calls::to("/CX_VOUCHERS/"), Fault::ErrorWith200);
    assert_eq!((ask(&sandbox).json()["status"].as_str(), ask(&sandbox).status), (Some("error"), 200));
    assert_eq!(sandbox.count_calls("/CX_VOUCHERS/"), 8);
}

#[test]
fn connections_break_where_they_are_told_to() {
    let sandbox = ten(Settings::default());
    for fault in [Fault::DropConnection, Fault::LostReply] {
        sandbox.fault(Calls::to("ExecuteQuery"), fault);
        assert!(send(&sandbox, &request()).is_none());
        assert_eq!(sandbox.calls().last().unwrap().status, None);
    }
    sandbox.fault(Calls::to("ExecuteQuery"), Fault::TruncatedBody);
    let answer = send(&sandbox, &request()).unwrap();
    let promised = answer.head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
    assert!(answer.body.len() > 100 && answer.body.len() < promised.parse().unwrap());
    sandbox.fault(Calls::to("ExecuteQuery"), Fault::BadJson);
    let answer = send(&sandbox, &request()).unwrap();
    assert!(answer.status == 200 && serde_json::from_str::<serde_json::Value>(&answer.body).is_err());
}

#[test]
fn pages_lie_as_told() {
    let sandbox = ten(Settings::default());
    let with = |fault: Fault| {
        sandbox.fault(Calls::to("ExecuteQuery"), fault);
        ask(&sandbox)
    };
    assert!(with(Fault::ColumnGone("A.GROSS_AMT".into())).rows()[0].get("GROSS_AMT").is_none());
    let renamed = with(Fault::ColumnRenamed("GROSS_AMT".into(), "AMOUNT".into()));
    assert_eq!(renamed.column("AMOUNT")[0], "100.01");
    assert_eq!(numbers(&with(Fault::ShortPage(2))), [1, 2]);
    assert!(numbers(&with(Fault::NoRows)).is_empty());
    assert_eq!(numbers(&with(Fault::DuplicateRow)), [1, 2, 3, 1]);
    assert_eq!(with(Fault::BlankInFirstRow("VOUCHER_KEY".into())).column("VOUCHER_KEY")[0], "");
    assert_eq!(with(Fault::CountsOneMore).json()["data"]["query"]["numrows"], 4);

    let next = [ALL[0], ("AFTER_KEY", "00000003.US001")];
    sandbox.fault(Calls::to("ExecuteQuery"), Fault::IgnorePrompts);
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &next, 3)), [1, 2, 3]);
    sandbox.fault(Calls::to("ExecuteQuery").nth(2), Fault::RepeatPage);
    assert_eq!(numbers(&ask(&sandbox)), [1, 2, 3]);
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &next, 3)), [1, 2, 3], "the last page again");
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &next, 3)), [4, 5, 6]);
}

#[test]
fn the_data_changes_between_two_pages() {
    let sandbox = ten(Settings::default());
    sandbox.fault(
        Calls::to("ExecuteQuery").nth(2),
        Fault::before(|records| {
            let vouchers = records.change("VOUCHER").unwrap();
            // One moves from the page to come to the end, another is gone.
            assert_eq!(vouchers.update(&["US002", "00000004"], &[("VOUCHER_ID", "00000044")]), Ok(true));
            assert_eq!(vouchers.delete(&["US001", "00000005"]), Ok(true));
        }),
    );
    assert_eq!(numbers(&ask(&sandbox)), [1, 2, 3]);
    let next = [ALL[0], ("AFTER_KEY", "00000003.US001")];
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &next, 0)), [6, 7, 8, 9, 10, 44]);
}

#[test]
fn background_queries_fail() {
    let sandbox = ten(Settings::default());
    sandbox.fault(Calls::to("ExecuteQueryPoll"), Fault::AsyncFails);
    let started = super::get(&sandbox, &path("CX_VOUCHERS", &ALL, 0).replace("Query.v1", "QueryPoll.v1")).json();
    let instance = started["data"]["QueryInstance"].as_str().unwrap();
    let status = format!("QueryStatus.v1/getstatus?instanceid={instance}&json_resp=true");
    let seen: Vec<_> = (0..3).map(|_| super::get(&sandbox, &status).json()["status"].clone()).collect();
    assert_eq!(seen, ["queued", "running", "error"]);
}

#[test]
fn calls_at_once_are_counted_and_refused() {
    let sandbox = ten(Settings { max_at_once: Some(1), ..Settings::default() });
    let gate = Gate::new();
    sandbox.fault(Calls::to("ExecuteQuery"), Fault::Hold(gate.clone()));
    let mut first = TcpStream::connect(sandbox.address()).unwrap();
    first.write_all(request().as_bytes()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(gate.reached_by(1));
    assert_eq!((ask(&sandbox).status, sandbox.most_at_once()), (503, 2));
    gate.open();
    assert_eq!(super::read(&mut first).unwrap().status, 200);
    sandbox.fault(Calls::to("ExecuteQuery"), Fault::Slow(Duration::from_millis(1)));
    assert_eq!(numbers(&ask(&sandbox)), [1, 2, 3]);
}

#[test]
fn the_log_keeps_what_was_sent_and_prints_no_secret() {
    let sandbox = ten(Settings { calls_kept: 2, ..Settings::default() });
    (0..3).for_each(|_| drop(ask(&sandbox)));
    let calls = sandbox.calls();
    assert_eq!(calls.len(), 2, "the oldest is gone");
    assert!(calls[1].query.contains("prompt_fieldvalue=2026-01-01-00.00.00,&json"), "{}", calls[1].query);
    assert!(calls[1].header("authorization").unwrap().starts_with("Basic "));
    assert!(!format!("{calls:?}").contains("Basic"));
    let address = sandbox.address();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(sandbox.shutdown());
    assert!(TcpStream::connect(address).is_err());
}
