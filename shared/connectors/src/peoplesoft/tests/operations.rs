//! Operations of a site and Application Services in place of queries.

use engine::plan::StreamSpec;
use engine::ports::{Source, What};
use serde_json::json;

use super::fixture::{ALL, keys_of, read_all, source, texts, vouchers};
use super::stub::{Reply, Stub};

fn vendors() -> StreamSpec {
    StreamSpec {
        name: "vendors".to_owned(),
        object: "VENDORS".to_owned(),
        key: texts(&["VENDOR_ID"]),
        updated: None,
        columns: texts(&["VENDOR_ID", "name", "tags"]),
        ..vouchers()
    }
}

fn list(from: usize, count: usize) -> String {
    let row =
        |number: usize| format!(r#"{{"vendorId":"{number:03}","name":"N{number}","tags":["a"],"other":{{"x":1}}}}"#);
    (from..10.min(from + count)).map(row).collect::<Vec<_>>().join(",")
}

fn number(text: Option<&str>) -> usize {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn every_way_to_go_on_reads_every_row() {
    for (path, next, body) in [
        ("VENDOR_LIST.v1/{setid}?after={after}&limit={limit}", json!("after_key"), None),
        ("VENDOR_LIST.v1/{setid}?page={page}&limit={limit}", json!("counted"), None),
        ("VENDOR_LIST.v1/{setid}?offset={offset}&limit={limit}", json!("counted"), None),
        ("VENDOR_LIST.v1/{setid}?cursor={token}&limit={limit}", json!({"token": "/paging/next"}), None),
        (
            "VENDOR_LIST.v1?limit={limit}",
            json!("after_key"),
            Some(r#"{"iAfter": "{after}", "iSet": {"id": "{setid}"}}"#),
        ),
    ] {
        let stub = Stub::start(|asked, _| {
            let from = match asked.parameter("page") {
                Some(page) => (number(Some(page)) - 1) * 3,
                None => number(asked.parameter("offset").or(asked.parameter("cursor"))),
            };
            let after = serde_json::from_str::<serde_json::Value>(&asked.body).ok();
            let after = after.and_then(|body| body["iAfter"].as_str().map(str::to_owned));
            let after = after.or(asked.parameter("after").map(str::to_owned)).filter(|after| !after.is_empty());
            let from = after.map_or(from, |after| number(Some(after.trim_start_matches('0'))) + 1);
            let next = if from + 3 < 10 { format!(r#""{}""#, from + 3) } else { "null".to_owned() };
            Reply::json(200, format!(r#"{{"paging":{{"next":{next}}},"data":{{"vendors":[{}]}}}}"#, list(from, 3)))
        })
        .await;
        let mut operation = json!({"path": path, "rows": "/data/vendors", "next": next, "fields": {"VENDOR_ID": "vendorId"},
            "headers": {"X-Api": "2"}});
        operation.as_object_mut().unwrap().extend(body.map(|body| ("body".to_owned(), json!(body))));
        let stream = StreamSpec { page_size: Some(3), ..vendors() };
        let rows = read_all(&source(&stub, json!({"operations": {"VENDORS": operation}})), &stream, ALL).await.unwrap();
        let expected: Vec<_> = (0..10).map(|number| format!("{number:03}|N{number}|[\"a\"]")).collect();
        assert_eq!(keys_of(&rows, 3), expected, "{path}");
        let asked = &stub.asked()[0];
        assert!(asked.path.starts_with("/PSIGW/RESTListeningConnector/PSFT_EP/VENDOR_LIST.v1"), "{}", asked.path);
        assert_eq!(
            (asked.method.as_str(), asked.header("x-api")),
            (if body.is_some() { "POST" } else { "GET" }, Some("2"))
        );
    }
}

#[tokio::test]
async fn one_answer_may_hold_all_and_be_nothing_but_rows() {
    let stub = Stub::scripted(vec![Reply::json(200, format!("[{}]", list(0, 10)))]).await;
    let operation = json!({"path": "VENDOR_LIST.v1", "fields": {"VENDOR_ID": "vendorId"}});
    let source = source(&stub, json!({"operations": {"VENDORS": operation}}));
    assert_eq!(read_all(&source, &vendors(), ALL).await.unwrap().len(), 10);
    assert_eq!(stub.asked().len(), 1);
    assert_eq!(source.capabilities(&vendors()).keys_per_read, None);
}

#[tokio::test]
async fn a_failure_inside_of_a_200_is_one_where_the_site_says_where_it_stands() {
    let stub = Stub::scripted(vec![Reply::json(200, r#"{"vendors":[],"error":{"text":"CI failed"}}"#)]).await;
    let operation = json!({"path": "VENDOR_LIST.v1", "rows": "/vendors", "error": "/error"});
    let error =
        read_all(&source(&stub, json!({"operations": {"VENDORS": operation}})), &vendors(), ALL).await.unwrap_err();
    assert!(error.to_string().contains("CI failed"), "{error}");
}

#[tokio::test]
async fn records_of_an_operation_are_found_by_its_own_path() {
    let stub = Stub::start(|asked, _| {
        let number = number(asked.path.rsplit('/').next().map(|id| id.trim_start_matches('0')));
        Reply::json(200, format!(r#"{{"vendors":[{}]}}"#, list(number, 1)))
    })
    .await;
    let operation = json!({"path": "VENDOR_LIST.v1", "key_path": "VENDOR.v1/{VENDOR_ID}", "rows": "/vendors",
        "fields": {"VENDOR_ID": "vendorId"}});
    let keys = vec![texts(&["004"]), texts(&["007"])];
    let source = source(&stub, json!({"operations": {"VENDORS": operation}}));
    let rows = read_all(&source, &vendors(), What::Keys(&keys)).await.unwrap();
    assert_eq!(keys_of(&rows, 2), ["004|N4", "007|N7"]);
    let unlisted = json!({"path": "VENDOR_LIST.v1/{nothing}", "rows": "/vendors"});
    let source = super::fixture::source(&stub, json!({"operations": {"VENDORS": unlisted}}));
    let error = read_all(&source, &vendors(), ALL).await.unwrap_err();
    assert!(error.to_string().contains("unknown place `{nothing}`"), "{error}");
}
