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
async fn a_page_that_comes_again_stops_however_pages_are_asked_for() {
    for (path, next) in [
        ("VENDOR_LIST.v1?page={page}", json!("counted")),
        ("VENDOR_LIST.v1?offset={offset}", json!("counted")),
        ("VENDOR_LIST.v1?cursor={token}", json!({"token": "/next"})),
    ] {
        let stub =
            Stub::start(|_, call| Reply::json(200, format!(r#"{{"next":"{call}","vendors":[{}]}}"#, list(0, 3)))).await;
        let operation = json!({"path": path, "rows": "/vendors", "next": next, "fields": {"VENDOR_ID": "vendorId"}});
        let source = source(&stub, json!({"operations": {"VENDORS": operation}}));
        let error = read_all(&source, &vendors(), ALL).await.unwrap_err();
        assert_eq!(error.kind(), engine::Kind::Stop, "{error}");
        assert!(error.to_string().contains("gave a page again that was read before"), "{error}");
        assert_eq!(stub.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_row_that_moves_to_the_next_page_is_no_page_that_comes_again() {
    // A row is added at the front while the first page is read.
    let pages = [list(0, 3), list(2, 3), String::new()];
    let replies = pages.map(|rows| Reply::json(200, format!(r#"{{"vendors":[{rows}]}}"#)));
    let stub = Stub::scripted(replies.to_vec()).await;
    let operation = json!({"path": "VENDOR_LIST.v1?page={page}", "rows": "/vendors", "next": "counted",
        "fields": {"VENDOR_ID": "vendorId"}});
    let rows = read_all(&source(&stub, json!({"operations": {"VENDORS": operation}})), &vendors(), ALL).await.unwrap();
    assert_eq!(keys_of(&rows, 1), ["000", "001", "002", "002", "003", "004"]);
}

#[tokio::test]
async fn a_key_of_several_columns_has_to_say_what_pages_go_on_by() {
    let stub = Stub::start(|asked, _| {
        let rows = if asked.parameter("after") == Some("") { list(0, 1) } else { String::new() };
        Reply::json(200, format!(r#"{{"vendors":[{}]}}"#, rows.replace("\"other\"", "\"SETID\":\"SHARE\",\"other\"")))
    })
    .await;
    let by_set =
        |key: &[&str]| StreamSpec { key: texts(key), columns: texts(&["SETID", "VENDOR_ID", "name"]), ..vendors() };
    for (path, key, after, good) in [
        ("VENDOR_LIST.v1/{setid}?after={after}", vec!["SETID", "VENDOR_ID"], None, true),
        ("VENDOR_LIST.v1/{setid}?after={after}", vec!["VENDOR_ID", "SETID"], None, true),
        ("VENDOR_LIST.v1?after={after}", vec!["SETID", "VENDOR_ID"], None, false),
        ("VENDOR_LIST.v1/{setid}?after={after}", vec!["SETID", "VENDOR_ID", "name"], None, false),
        ("VENDOR_LIST.v1?after={after}", vec!["SETID", "VENDOR_ID"], Some(["SETID", "VENDOR_ID"]), true),
    ] {
        let operation = json!({"path": path, "rows": "/vendors", "next": "after_key", "after": after,
            "fields": {"VENDOR_ID": "vendorId"}});
        let source = source(&stub, json!({"operations": {"VENDORS": operation}}));
        match read_all(&source, &by_set(&key), ALL).await {
            Ok(rows) => assert!(good && rows.len() == 1, "{path} {key:?}"),
            Err(error) => {
                assert!(!good && error.kind() == engine::Kind::Stop, "{path} {key:?}: {error}");
                assert!(error.to_string().contains("name in `operations.VENDORS.after` those of"), "{error}");
                continue;
            }
        }
        let expected = if after.is_some() { "SHARE%7C000" } else { "000" };
        assert_eq!(stub.asked().last().unwrap().parameter("after"), Some(expected), "{path}");
    }
}

#[tokio::test]
async fn a_full_answer_that_nothing_follows_stops_wherever_its_limit_is_said() {
    for (path, body) in [("VENDOR_LIST.v1?limit={limit}", None), ("VENDOR_LIST.v1", Some(r#"{"limit": {limit}}"#))] {
        let stub = Stub::scripted(vec![Reply::json(200, format!("[{}]", list(0, 3)))]).await;
        let operation = json!({"path": path, "body": body, "fields": {"VENDOR_ID": "vendorId"}});
        let source = source(&stub, json!({"operations": {"VENDORS": operation}}));
        let stream = StreamSpec { page_size: Some(3), ..vendors() };
        let error = read_all(&source, &stream, ALL).await.unwrap_err();
        assert!(error.to_string().contains("nothing asks for what follows"), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_key_that_is_hashed_or_dropped_finds_no_record() {
    let stub = Stub::scripted(vec![Reply::json(200, "[]")]).await;
    for (treatment, finds) in [("keep", true), ("hash", false), ("drop", false)] {
        let operation = json!({"path": "VENDOR_LIST.v1", "key_path": "VENDOR.v1/{VENDOR_ID}"});
        let personal = json!({"enabled": true, "columns": {"VENDOR_ID": treatment}});
        let source = source(&stub, json!({"operations": {"VENDORS": operation}, "personal": personal}));
        assert_eq!(source.capabilities(&vendors()).keys_per_read.is_some(), finds, "{treatment}");
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
