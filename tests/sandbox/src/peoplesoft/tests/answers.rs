//! What is refused, and how: nodes, operations, methods, queries, other listeners, a domain that is down.

use chrono::TimeDelta;

use super::super::{Answered, ErrorBody, Profile, QueryDefinition, Settings};
use super::{ALL, REST, basic, call, get, numbers, path, query, settings, ten};

/// The JSON error of section 3.5 of the reference.
const NO_QUERY: &str =
    r#"{"status":"error","data":{"message":"Query CX_NOPE does not exist or you do not have access."}}"#;

#[test]
fn an_unknown_query_is_answered_as_each_release_does() {
    let asked = |profile| query(&ten(settings(profile)), "CX_NOPE", &[], 5);
    let answer = asked(Profile::Pt859);
    assert_eq!((answer.status, answer.body.as_str()), (200, NO_QUERY));
    let answer = asked(Profile::Pt861);
    assert_eq!((answer.status, answer.body.as_str()), (500, NO_QUERY));
    let answer = asked(Profile::Pt856);
    assert_eq!(answer.status, 500);
    assert!(answer.body.starts_with("<?xml version=\"1.0\"?>\n<IBResponse type=\"error\">"), "{answer:?}");
    assert!(answer.body.contains("Query CX_NOPE does not exist or you do not have access. (139,123)"), "{answer:?}");
    let site = Answered { status: 200, body: ErrorBody::IbResponse };
    let answer = query(&ten(Settings { query_failed: site, ..Settings::default() }), "CX_NOPE", &[], 5);
    assert!(answer.status == 200 && answer.body.contains("<IBResponse type=\"error\">"), "{answer:?}");
}

#[test]
fn each_missing_step_of_an_administrator_has_its_answer() {
    let sandbox = ten(Settings::default());
    let good = path("CX_VOUCHERS", &ALL, 1);
    let said = |status: u16, words: &str| {
        let answer = get(&sandbox, &good);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains("<StatusCode>20</StatusCode>") && answer.body.contains(words), "{answer:?}");
    };
    assert!(sandbox.set_active("ExecuteQuery.v1", false));
    said(404, "Service operation QAS_EXECUTEQRY_REST_GET is not active. (158,10721)");
    sandbox.set_active("ExecuteQuery.v1", true);
    sandbox.set_routing("ExecuteQuery.v1", false);
    said(500, "No routing found for service operation QAS_EXECUTEQRY_REST_GET. (158,10721)");
    sandbox.set_routing("ExecuteQuery.v1", true);
    assert_eq!(numbers(&get(&sandbox, &good)), [1]);

    let unknown = get(&sandbox, &good.replace("ExecuteQuery.v1", "ExecuteQuery.v2"));
    assert!(
        unknown.status == 404 && unknown.body.contains("Service operation ExecuteQuery.v2 not found."),
        "{unknown:?}"
    );
    let authorization = basic("CXUSER", "secret");
    let headers = [("Authorization", authorization.as_str())];
    let node = call(&sandbox, "GET", &format!("{}/{good}", REST.replace("_EP", "_HR")), &headers, "");
    assert!(node.status == 404 && node.body.contains("The node PSFT_HR was not found. (158,10904)"), "{node:?}");
    let method = call(&sandbox, "DELETE", &format!("{REST}/{good}"), &headers, "");
    assert_eq!(method.status, 405, "{method:?}");
    let outside = call(&sandbox, "GET", "/psp/ps/EMPLOYEE", &headers, "");
    assert!(outside.status == 404 && outside.body.contains("<HTML>"), "{outside:?}");
}

#[test]
fn other_listeners_are_not_this_one() {
    let sandbox = ten(Settings::default());
    let status = call(&sandbox, "GET", "/PSIGW/PeopleSoftListeningConnector", &[], "");
    assert!(status.status == 200 && status.body.contains("Status: ACTIVE"), "{status:?}");
    let headers = [("OperationName", "VOUCHER_BUILD.v1")];
    let xml = call(&sandbox, "POST", "/PSIGW/HttpListeningConnector", &headers, "<x/>");
    assert!(xml.status == 200 && xml.body.contains("<IBResponse type=\"error\">"), "an error with 200: {xml:?}");
}

#[test]
fn a_definition_that_changed_shows_at_the_next_call() {
    let sandbox = ten(Settings::default());
    assert!(sandbox.drop_column("CX_VOUCHERS", "A.GROSS_AMT"));
    let row = query(&sandbox, "CX_VOUCHERS", &ALL, 1).rows()[0].clone();
    assert!(row.get("GROSS_AMT").is_none() && row["VOUCHER_KEY"] == "00000001.US001", "{row}");
    sandbox.with_records(|records| records.change("VOUCHER").unwrap().drop_field("DUE_DT")).unwrap();
    let words = query(&sandbox, "CX_VOUCHERS", &ALL, 1).message();
    assert!(words.ends_with("ORA-00904: \"A\".\"DUE_DT\": invalid identifier"), "{words}");
    assert!(sandbox.drop_query("CX_VOUCHERS"));
    assert!(query(&sandbox, "CX_VOUCHERS", &ALL, 1).message().contains("CX_VOUCHERS does not exist"));
    let filtered =
        "ExecuteQuery.v1/public/CX_A/JSON/NONFILE?isconnectedquery=N&maxrows=1&filterfields=A.X&json_resp=true";
    sandbox.define_query(QueryDefinition::new("CX_A").record("A", "VOUCHER").field("A.VOUCHER_ID")).unwrap();
    assert_eq!(get(&sandbox, filtered).message(), "Field A.X does not exist in query CX_A.");
}

#[test]
fn a_definition_that_names_nothing_real_is_not_saved() {
    let sandbox = ten(Settings::default());
    let refused = |query: QueryDefinition| sandbox.define_query(query).unwrap_err().to_string();
    let query = || QueryDefinition::new("CX_BAD").record("A", "VOUCHER").field("A.VOUCHER_ID");
    assert_eq!(refused(query().join("B", "NO_SUCH", &[])), "query CX_BAD: there is no record NO_SUCH");
    assert!(refused(query().field("A.NO_SUCH")).contains("\"A\".\"NO_SUCH\": invalid identifier"));
    assert!(refused(query().field("A.VOUCHER_ID")).contains("A.VOUCHER_ID is there twice"));
    let prompt = query().where_prompt("A.VOUCHER_ID", super::Comparison::Equal, "P");
    assert_eq!(refused(prompt), "query CX_BAD: There is no prompt P.");
}

#[test]
fn a_domain_that_is_down_comes_back_by_the_clock() {
    let sandbox = ten(Settings::default());
    let until = sandbox.clock().now() + TimeDelta::minutes(10);
    sandbox.go_down(until, Answered { status: 503, body: ErrorBody::Html });
    let down = query(&sandbox, "CX_VOUCHERS", &ALL, 1);
    assert!(down.status == 503 && down.body.contains("503 Service Unavailable"), "{down:?}");
    sandbox.clock().advance(TimeDelta::minutes(9));
    assert_eq!(query(&sandbox, "CX_VOUCHERS", &ALL, 1).status, 503);
    sandbox.go_down(until, Answered { status: 502, body: ErrorBody::Empty });
    let empty = query(&sandbox, "CX_VOUCHERS", &ALL, 1);
    assert_eq!((empty.status, empty.body.as_str()), (502, ""));
    sandbox.clock().advance(TimeDelta::minutes(1));
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &ALL, 1)), [1]);
}
