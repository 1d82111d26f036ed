//! Operations of a site's own, Application Services, the background variant, the list of services.

use super::super::{CustomOperation, MemberNames, Next, Profile, Settings};
use super::{ALL, REST, basic, by_key, call, get, path, settings, ten};

fn vouchers(alias: &str, names: MemberNames, next: Next) -> CustomOperation {
    CustomOperation {
        alias: alias.into(),
        templates: vec![
            "vouchers/{since}?after={after_key}&limit={limit}".into(),
            "vouchers/{since}?after={after_key}&limit={limit}&offset={offset}".into(),
        ],
        query: by_key(),
        rows: "/data/vouchers".into(),
        names,
        page: 4,
        next,
    }
}

#[test]
fn a_custom_operation_pages_by_link_key_or_flag() {
    let sandbox = ten(Settings::default());
    let link = Next::Link { pointer: "/data/next".into(), variable: "after".into(), column: "VOUCHER_KEY".into() };
    sandbox.define_operation(vouchers("CX_VOUCHER_LIST.v1", MemberNames::Bare, link)).unwrap();
    let first = get(&sandbox, "CX_VOUCHER_LIST.v1/vouchers/2026-01-01-00.00.00?after=&limit=8").json();
    assert_eq!(first["data"]["vouchers"].as_array().unwrap().len(), 8);
    let next = first["data"]["next"].as_str().unwrap();
    let prefix = "http://psft.example.com:8000/PSIGW/RESTListeningConnector/PSFT_EP/";
    let second = get(&sandbox, next.strip_prefix(prefix).unwrap()).json();
    assert_eq!(second["data"]["vouchers"][0]["VOUCHER_ID"], "00000009");
    assert!(second["data"]["next"].is_null(), "{second}");

    let flag = Next::Flag { pointer: "/hasMore".into() };
    sandbox.define_operation(vouchers("ap.v1", MemberNames::Camel, flag)).unwrap();
    let page = get(&sandbox, "ap.v1/vouchers/2026-01-01-00.00.00?after=&limit=3&offset=7").json();
    assert_eq!(page["data"]["vouchers"][2]["voucherId"], "00000010");
    assert_eq!((&page["data"]["vouchers"][2]["dueDt"], &page["hasMore"]), (&serde_json::Value::Null, &false.into()));
    assert_eq!(get(&sandbox, "ap.v1/vouchers/2026-01-01-00.00.00?limit=3").status, 400, "no such template");
    assert_eq!(get(&sandbox, "ap.v1/vouchers/yesterday?after=&limit=3").status, 400);
}

#[test]
fn documents_are_taken_and_refused_as_the_release_does() {
    let posted = |profile, body: &str| {
        let sandbox = ten(settings(profile));
        sandbox.define_receiver("CX_VOUCHER_LOAD.v1", &["businessUnit", "invoiceId"]);
        let authorization = basic("CXUSER", "secret");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let answer = call(&sandbox, "POST", &format!("{REST}/CX_VOUCHER_LOAD.v1"), &headers, body);
        (answer, sandbox.received("CX_VOUCHER_LOAD.v1").len())
    };
    let (taken, received) = posted(Profile::Pt859, r#"{"businessUnit":"US001","invoiceId":"INV-7"}"#);
    assert_eq!((taken.status, received), (201, 1));
    assert_eq!(taken.json()["data"]["id"], "1");
    let (refused, received) = posted(Profile::Pt859, r#"{"businessUnit":"US001"}"#);
    assert_eq!((refused.status, received), (400, 0));
    let (refused, _) = posted(Profile::Pt856, r#"{"businessUnit":"US001"}"#);
    assert_eq!((refused.status, refused.message().as_str()), (200, "Required field invoiceId is missing."));
}

#[test]
fn a_long_query_runs_in_the_background() {
    let sandbox = ten(Settings::default());
    let started = get(&sandbox, &path("CX_VOUCHERS", &ALL, 0).replace("ExecuteQuery.v1", "ExecuteQueryPoll.v1")).json();
    let instance = started["data"]["QueryInstance"].as_str().unwrap().to_owned();
    assert_eq!(instance.len(), "7d40d78f-2fae-11e3-95a9-8782b6a978ba".len());
    let status = || get(&sandbox, &format!("QueryStatus.v1/getstatus?instanceid={instance}&json_resp=true")).json();
    let results = || get(&sandbox, &format!("GetQueryResults.v1/getqueryresults?instanceid={instance}&json_resp=true"));
    assert_eq!(status()["status"], "queued");
    assert_eq!(status()["status"], "running");
    assert_eq!(results().json()["status"], "error", "not yet");
    let done = status();
    assert_eq!((&done["status"], &done["NumCols"], &done["TotalRows"]), (&"success".into(), &7.into(), &10.into()));
    assert_eq!(super::numbers(&results()).len(), 10);
    let unknown = get(&sandbox, "QueryStatus.v1/getstatus?instanceid=7d40d78f&json_resp=true").json();
    assert_eq!(unknown["status"], "idNotFound");
}

#[test]
fn newer_releases_list_what_the_caller_may_call() {
    let sandbox = ten(settings(Profile::Pt861));
    sandbox.set_active("QueryStatus.v1", false);
    let services = get(&sandbox, "servicelist.v1/discovery").json();
    let names: Vec<_> = services["services"].as_array().unwrap().iter().map(|one| one["service"].clone()).collect();
    assert_eq!(names, ["ExecuteQuery.v1", "ExecuteQueryPoll.v1", "GetQueryResults.v1", "servicelist.v1"]);
    assert_eq!(get(&ten(settings(Profile::Pt859)), "servicelist.v1/discovery").status, 404);
}
