//! What goes over the wire: addresses, prompts, credentials; and what never does.

use std::sync::Arc;

use engine::Kind;
use engine::model::window::Window;
use engine::ports::What;
use serde_json::json;

use super::fixture::{
    NOW, Site, TestClock, answer, at, first_page, read_all, secret, settings, source, source_at, suppliers, vouchers,
};
use super::stub::{Reply, Stub};
use crate::peoplesoft::PeopleSoftSource;

#[tokio::test]
async fn a_page_is_asked_for_as_the_delivered_template_wants_it() {
    let stub = Stub::scripted(vec![Reply::json(200, answer(&[]))]).await;
    let source = source(&stub, json!({"zone": "America/New_York", "slice_days": 0}));
    let window = Window { from: Some(at("2026-11-19T05:00:00Z")), to: None };
    read_all(&source, &vouchers(), What::Window(window)).await.unwrap();
    let asked = &stub.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("GET", "/PSIGW/RESTListeningConnector/PSFT_EP/ExecuteQuery.v1/public/ML_VOUCHER/JSON/NONFILE")
    );
    assert_eq!(
        asked.query,
        "isconnectedquery=N&maxrows=1000&prompt_uniquepromptname=FROM_DTTM,TO_DTTM,AFTER_KEY\
         &prompt_fieldvalue=2026-11-19-00.00.00,2999-12-31-00.00.00,&json_resp=true"
    );
    assert_eq!(asked.header("authorization"), Some("Basic Q1hVU0VSOmdlaGVpbS1wdw=="));
}

#[tokio::test]
async fn what_a_site_wants_otherwise_is_a_setting() {
    let stub = Stub::scripted(vec![Reply::json(200, answer(&[]))]).await;
    let more = json!({"encode_prompt_commas": true, "filter_fields": true, "first_key": " ", "setids": ["A&B"], "owner": "private",
        "aliases": {"execute": "RunQuery.v2"}});
    first_page(&source(&stub, more), &suppliers()).await.unwrap();
    let asked = &stub.asked()[0];
    assert!(asked.path.ends_with("/PSFT_EP/RunQuery.v2/private/ML_VENDOR/JSON/NONFILE"), "{}", asked.path);
    assert_eq!(
        asked.query,
        "isconnectedquery=N&maxrows=1000&prompt_uniquepromptname=SETID%2CAFTER_KEY&prompt_fieldvalue=A%26B%2C%20\
         &filterfields=A.SETID%2CA.VENDOR_ID%2CA.NAME1&json_resp=true"
    );
}

#[tokio::test]
async fn a_key_of_blanks_is_asked_for_as_it_came() {
    let row = r#""SETID":"SHARE","VENDOR_ID":" ","NAME1":"x""#.to_owned();
    let stub = Stub::scripted(vec![Reply::json(200, answer(&[row])), Reply::json(200, answer(&[]))]).await;
    read_all(&source(&stub, json!({})), &suppliers(), super::fixture::ALL).await.unwrap();
    assert_eq!(stub.asked()[1].parameter("prompt_fieldvalue"), Some("SHARE,%20"));
}

#[tokio::test]
async fn records_are_found_by_their_keys() {
    let site = Site::with(10, None);
    let stub = site.serve().await;
    let keys: Vec<Vec<String>> = ["US001|00000004", "US001|00000099", "US002|00000003"]
        .map(|key| key.split('|').map(str::to_owned).collect())
        .into();
    let rows = read_all(&source(&stub, json!({})), &vouchers(), What::Keys(&keys)).await.unwrap();
    assert_eq!(super::fixture::keys_of(&rows, 2), ["US001|00000004", "US002|00000003"]);
    let asked = &stub.asked()[0];
    assert!(asked.query.contains("prompt_uniquepromptname=BUSINESS_UNIT,VOUCHER_ID&prompt_fieldvalue=US001,00000004"));

    let twice = answer(
        &[0, 1].map(|_| super::fixture::row("US001|1", &super::fixture::Voucher { stamp: String::new(), amount: "1" })),
    );
    let stub = Stub::scripted(vec![Reply::json(200, twice)]).await;
    let error = read_all(&source(&stub, json!({})), &vouchers(), What::Keys(&keys)).await.unwrap_err();
    assert!(error.to_string().contains("the key of stream `vouchers` is not unique"), "{error}");
}

#[tokio::test]
async fn nothing_but_the_listed_operations_of_the_node_is_called() {
    let stub = Stub::scripted(vec![Reply::json(200, answer(&[]))]).await;
    let source = source(&stub, json!({}));
    let call = |path: &str| crate::peoplesoft::query::Call {
        path: path.to_owned(),
        query: None,
        body: None,
        headers: Vec::new(),
        what: "query X".to_owned(),
    };
    assert!(source.client.address(&call("ExecuteQuery.v1/public/X/JSON/NONFILE")).is_ok());
    for path in [
        "VOUCHER_BUILD.v1",
        "ExecuteQuery.v2/public",
        "../PSFT_HR/ExecuteQuery.v1/public",
        "ExecuteQuery.v1/../../OTHER/ExecuteQuery.v1",
        "ExecuteQuery.v1/%2e%2e/%2e%2e/%2e%2e/HttpListeningConnector",
        "ExecuteQuery.v1/public%2F..%2F",
        "ExecuteQuery.v1//public",
        "",
    ] {
        let error = source.client.address(&call(path)).unwrap_err();
        assert!(error.kind() == Kind::Stop && error.to_string().contains("is not called"), "{path}: {error}");
    }
    assert!(stub.asked().is_empty());
}

fn with_tokens(stub: &Stub, basic: bool) -> serde_json::Value {
    let oauth = json!({"token_url": format!("{}/oauth2/v1/token", stub.origin), "scope": "read", "audience": "https://psft/",
        "fields": {"resource": "r"}, "basic": basic});
    json!({"auth": {"oauth2": oauth}})
}

#[tokio::test]
async fn a_token_that_dies_in_mid_run_is_replaced_once_and_no_row_is_lost() {
    let site = Site::with(12, Some(3));
    let serving = site.clone();
    let tokens = std::sync::atomic::AtomicUsize::new(0);
    let stub = Stub::start(move |asked, call| {
        if asked.path == "/oauth2/v1/token" {
            let number = tokens.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            return Reply::json(200, format!(r#"{{"access_token":"tok{number}","expires_in":"3600"}}"#));
        }
        let token = asked.header("authorization").unwrap().to_owned();
        match call {
            3.. if token == "Bearer tok0" => Reply::json(401, ""),
            _ => serving.answer(asked),
        }
    })
    .await;
    let rows = read_all(&source(&stub, with_tokens(&stub, false)), &vouchers(), super::fixture::ALL).await.unwrap();
    assert_eq!(super::fixture::keys_of(&rows, 2), site.keys());
    let logins: Vec<_> = stub.asked().into_iter().filter(|asked| asked.path == "/oauth2/v1/token").collect();
    assert_eq!(logins.len(), 2);
    let form = "grant_type=client_credentials&client_id=connector&client_secret=geheim-cs&scope=read&audience=https%3A%2F%2Fpsft%2F&resource=r";
    assert_eq!(logins[0].body, form);
}

#[tokio::test]
async fn tokens_are_renewed_before_they_end() {
    let site = Site::with(4, None);
    let serving = site.clone();
    let stub = Stub::start(move |asked, _| match asked.path.as_str() {
        "/oauth2/v1/token" => Reply::json(200, r#"{"access_token":"tok","expires_in":600}"#),
        _ => serving.answer(asked),
    })
    .await;
    let clock = TestClock::new();
    let source = source_at(&stub, with_tokens(&stub, true), clock.clone());
    first_page(&source, &vouchers()).await.unwrap();
    clock.set("2026-11-20T14:38:00Z");
    first_page(&source, &vouchers()).await.unwrap();
    clock.set("2026-11-20T14:39:03Z");
    first_page(&source, &vouchers()).await.unwrap();
    let logins: Vec<_> = stub.asked().into_iter().filter(|asked| asked.path == "/oauth2/v1/token").collect();
    assert_eq!(logins.len(), 2);
    assert!(
        !logins[0].body.contains("client_secret") && logins[0].header("authorization").unwrap().starts_with("Basic ")
    );
}

#[tokio::test]
async fn a_token_that_is_refused_again_and_a_client_that_is_refused_stop() {
    let stub = Stub::start(|asked, _| match asked.path.as_str() {
        "/oauth2/v1/token" => Reply::json(200, r#"{"access_token":"tok"}"#),
        _ => Reply::json(401, ""),
    })
    .await;
    let error = first_page(&source(&stub, with_tokens(&stub, false)), &vouchers()).await.unwrap_err();
    assert!(error.kind() == Kind::Stop && error.to_string().contains("audience"), "{error}");
    assert_eq!(stub.asked().len(), 4);

    let refused = r#"{"error":"invalid_client","error_description":"geheim-cs is wrong"}"#;
    let stub = Stub::scripted(vec![Reply::json(401, refused)]).await;
    let source = source(&stub, with_tokens(&stub, false));
    for _ in 0..2 {
        let error = first_page(&source, &vouchers()).await.unwrap_err();
        assert!(error.is_refused_credentials() && !error.to_string().contains("geheim"), "{error}");
        assert!(error.to_string().contains("invalid_client"), "{error}");
    }
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn nothing_is_called_in_quiet_hours() {
    let stub = Site::default().serve().await;
    let clock = TestClock::new();
    let source = source_at(&stub, json!({"quiet_hours": [{"from": "14:00", "to": "15:00"}]}), clock.clone());
    let error = first_page(&source, &vouchers()).await.unwrap_err();
    assert!(NOW.contains("14:30:02"));
    assert_eq!(error.kind(), Kind::Later { after: Some(std::time::Duration::from_secs(29 * 60 + 58)) });
    assert!(stub.asked().is_empty());
    clock.set("2026-11-20T15:00:00Z");
    first_page(&source, &vouchers()).await.unwrap();
}

#[test]
fn settings_that_cannot_work_name_the_field() {
    for (more, words) in [
        (json!({"node": "PSFT/EP"}), "`node`"),
        (json!({"setids": []}), "`setids`"),
        (json!({"setids": ["A,B"]}), "holds a comma"),
        (json!({"page_size": 0}), "`page_size`"),
        (json!({"tools": "pt856", "auth": {"oauth2": {"token_url": "https://x"}}}), "needs PeopleTools 8.58"),
        (json!({"tools": "pt854"}), "use `format: xml`"),
        (json!({"date_prompt": "YYYY-MM-DD"}), "`date_prompt: YYYY-MM-DD`"),
        (json!({"date_prompt": "%Y-%m-%d-%H.%M.%S"}), "`date_prompt: %Y-%m-%d-%H.%M.%S`"),
        (json!({"datetime_prompt": "%Y-%m-%dT%H:%M:%S%z"}), "`datetime_prompt: %Y-%m-%dT%H:%M:%S%z`"),
        (json!({"quiet_hours": [{"from": "25:00", "to": "01:00"}]}), "`quiet_hours`"),
        (json!({"aliases": {"execute": "/x"}}), "no name of an operation"),
        (json!({"operations": {"X": {"path": "X.v1", "next": "after_key"}}}), "`operations.X` goes on by"),
        (json!({"operations": {"X": {"path": "X.v1", "rows": "items"}}}), "no JSON pointer"),
        (json!({"url": "http://psft.example.com/PSIGW/RESTListeningConnector"}), "must begin with https"),
        (json!({"ca_file": "/none.pem"}), "`ca_file`"),
        (
            json!({"client_certificate": {"certificate_file": "/none.pem", "key_file": "/none.key"}}),
            "`client_certificate.certificate_file`",
        ),
    ] {
        let opened =
            PeopleSoftSource::new(settings("https://psft.example.com/x", more), &secret(), Arc::new(TestClock::new()));
        let error = opened.err().unwrap();
        assert!(error.kind() == Kind::Stop && error.to_string().contains(words), "{words}: {error}");
    }
    let unknown = serde_json::from_value::<crate::peoplesoft::PeopleSoftSettings>(
        json!({"url": "", "node": "", "secret": "", "x": 1}),
    );
    assert!(unknown.is_err());
}
