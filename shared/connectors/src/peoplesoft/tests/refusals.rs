//! Refused calls: status and body of every kind, and what each means.

use engine::Kind;
use serde_json::json;

use super::fixture::{answer, first_page, source, vouchers};
use super::stub::{Reply, Stub};

const PASSES: Kind = Kind::Later { after: None };

fn notice(words: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><IBResponse type=\"error\"><DefaultTitle>Integration Broker Response</DefaultTitle>\
         <StatusCode>20</StatusCode><MessageSetID>158</MessageSetID><MessageID>10721</MessageID>\
         <DefaultMessage><![CDATA[{words}]]></DefaultMessage></IBResponse>"
    )
}

fn failed(words: &str) -> String {
    format!(r#"{{"status":"error","data":{{"message":"{words}"}}}}"#)
}

#[tokio::test]
async fn every_refusal_says_what_to_do_next() {
    let fault = "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"x\"><SOAP-ENV:Body><SOAP-ENV:Fault><faultstring>Out of rows</faultstring>\
                 </SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>";
    for (reply, kind, words) in [
        (
            Reply::xml(500, notice("Service Operation is not active.")),
            Kind::Stop,
            "activate the service operation behind ExecuteQuery.v1",
        ),
        (Reply::xml(404, notice("No routing found")), Kind::Stop, "any-to-local routing"),
        (
            Reply::xml(500, notice("Node PSFT_EP not found")),
            Kind::Stop,
            "`node: PSFT_EP` has to be the default local node",
        ),
        (Reply::json(404, ""), Kind::Stop, "does not end with /PSIGW/RESTListeningConnector"),
        (Reply::html(404, "Not Found"), Kind::Stop, "ExecuteQuery.v1 is not active or has no routing"),
        (Reply::json(403, ""), Kind::Stop, "a permission list of the user has to grant"),
        (Reply::xml(500, notice("Not authorized to run it")), Kind::Stop, "a permission list"),
        (Reply::json(400, ""), Kind::Stop, "no URI template of ExecuteQuery.v1 fits"),
        (Reply::json(405, ""), Kind::Stop, "no URI template"),
        (
            Reply::json(200, failed("Query ML_VOUCHER does not exist or you do not have access.")),
            Kind::Stop,
            "query access groups",
        ),
        (Reply::json(500, failed("Invalid prompt FROM")), Kind::Stop, "with all its prompts"),
        (Reply::json(200, failed("SQL error 1")), PASSES, "«SQL error 1»"),
        (Reply::xml(200, notice("Something odd")), PASSES, "Something odd (158,10721)"),
        (Reply::xml(500, notice("Something odd")), PASSES, "Something odd"),
        (Reply::xml(500, fault), PASSES, "Out of rows"),
        (Reply::xml(200, "<X_FAULT><message>Broken</message></X_FAULT>"), PASSES, "Broken"),
        (Reply::html(500, "Bea Error"), PASSES, "web page «Bea Error»"),
        (Reply::html(200, "Sign in"), PASSES, "log-in page in between"),
        (Reply::html(503, "Busy"), PASSES, "cannot answer query ML_VOUCHER now"),
        (Reply::json(504, ""), PASSES, "(504)"),
        (Reply::json(500, ""), PASSES, "is the domain being started"),
        (Reply::json(200, ""), PASSES, "with nothing at all"),
        (Reply::json(200, "PeopleSoft Integration Gateway"), PASSES, "in place of rows"),
        (Reply::json(302, ""), Kind::Stop, "name the final address"),
        (Reply::json(418, ""), Kind::Stop, "(418)"),
    ] {
        let stub = Stub::scripted(vec![reply]).await;
        let error = first_page(&source(&stub, json!({})), &vouchers()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(!error.is_refused_credentials());
        assert_eq!(stub.asked().len(), 1, "it is the engine that tries again: {error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_in_every_form() {
    for reply in [
        Reply::json(401, "").with("WWW-Authenticate", "Basic"),
        Reply::xml(500, notice("User password failed. (158,45)")),
        Reply::xml(403, notice("User password failed.")),
        Reply::json(500, "Integration Gateway: User password failed."),
        Reply::json(200, "(158,45)"),
        Reply::xml(500, "<html><head><title>Error</title></head><body>User Password Failed</body></html>"),
        Reply::xml(200, "<html><body>User password failed. (158,45)</body></html>"),
        Reply::json(200, r#"{"answer":{"text":"User password failed."}}"#),
        Reply::json(200, r#"{"status":"error","data":{"text":"User password failed."}}"#),
        Reply::json(200, r#"{"status":"success","data":{"query":{"rows":"User password failed."}}}"#),
        Reply::xml(200, "<R><text>User password failed.</text></R>"),
    ] {
        let stub = Stub::scripted(vec![reply]).await;
        let source = source(&stub, json!({}));
        for _ in 0..2 {
            let error = first_page(&source, &vouchers()).await.unwrap_err();
            assert!(error.is_refused_credentials() && error.to_string().contains("accounts lock"), "{error}");
        }
        assert_eq!(stub.asked().len(), 1);
    }
}

#[tokio::test]
async fn who_was_let_in_before_lacks_rights_unless_the_words_name_the_password() {
    for (reply, is_password, words) in [
        (Reply::json(401, ""), false, "this is about rights"),
        (Reply::xml(401, notice("User password failed. (158,45)")), true, "accounts lock"),
        (Reply::xml(500, notice("Not authorized. (158,45)")), true, "accounts lock"),
    ] {
        let stub = Stub::scripted(vec![Reply::json(200, answer(&[])), reply]).await;
        let source = source(&stub, json!({}));
        first_page(&source, &vouchers()).await.unwrap();
        let error = first_page(&source, &vouchers()).await.unwrap_err();
        assert!(!error.is_later() && error.is_refused_credentials() == is_password, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_row_may_speak_of_passwords() {
    let voucher = super::fixture::Voucher { stamp: String::new(), amount: "1" };
    let row = super::fixture::row("US001|1", &voucher).replace("INV-1", "password failed (158,45)");
    let stub = Stub::scripted(vec![Reply::json(200, answer(&[row]))]).await;
    let (rows, _) = first_page(&source(&stub, json!({})), &vouchers()).await.unwrap();
    assert_eq!(rows[0][2].to_text(), "password failed (158,45)");
}

#[tokio::test]
async fn what_is_quoted_is_short_and_without_secrets() {
    let words = format!("geheim-pw {}", "x".repeat(5_000));
    for reply in [Reply::xml(500, notice(&words)), Reply::json(200, failed(&words)), Reply::json(500, words.clone())] {
        let stub = Stub::scripted(vec![reply]).await;
        let error = first_page(&source(&stub, json!({})), &vouchers()).await.unwrap_err().to_string();
        assert!(!error.contains("geheim") && error.len() < 1_000, "{error}");
    }
}

#[tokio::test]
async fn the_words_that_tell_are_the_sites_to_change() {
    let refusals = json!({"refusals": {"passing": ["Something odd"], "lasting": ["500"]}});
    let stub = Stub::scripted(vec![Reply::xml(500, notice("something odd")), Reply::html(500, "x")]).await;
    let source = source(&stub, refusals);
    assert!(first_page(&source, &vouchers()).await.unwrap_err().is_later());
    assert_eq!(first_page(&source, &vouchers()).await.unwrap_err().kind(), Kind::Stop);
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept() {
    let stub = Stub::scripted(vec![Reply::json(429, "").with("Retry-After", "77")]).await;
    let error = first_page(&source(&stub, json!({})), &vouchers()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Later { after: Some(std::time::Duration::from_secs(77)) });
}

#[tokio::test]
async fn a_domain_that_is_down_for_a_while_costs_no_row() {
    let site = super::fixture::Site::with(10, Some(3));
    let serving = site.clone();
    let stub = Stub::start(move |asked, call| match call {
        2..5 => Reply::html(503, "Domain is being started"),
        _ => serving.answer(asked),
    })
    .await;
    let source = source(&stub, json!({}));
    let stream = vouchers();
    let mut rows = engine::model::rows::RowsWriter::new(&stream.columns);
    let (mut after, mut failures) = (None, 0);
    loop {
        use engine::ports::{ReadRequest, Source};
        let request = ReadRequest { stream: &stream, what: super::fixture::ALL, after: after.as_ref() };
        match source.read(request, &mut rows).await {
            Ok(page) => match page.next {
                Some(next) => after = Some(next),
                None => break,
            },
            Err(error) => {
                assert!(error.is_later(), "{error}");
                failures += 1;
            }
        }
    }
    assert_eq!((failures, super::fixture::keys_of(&super::fixture::rows(&rows), 2)), (3, site.keys()));
}
