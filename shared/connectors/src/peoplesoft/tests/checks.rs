//! What `check` tells.

use engine::ports::{Finding, Source};
use serde_json::json;

use super::fixture::{Site, answer, source, suppliers, vouchers};
use super::stub::{Reply, Stub};

fn bad(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| !finding.ok).collect()
}

#[tokio::test]
async fn a_site_in_order_has_nothing_to_mend() {
    let stub = Site::with(5, None).serve().await;
    let findings = source(&stub, json!({})).check(&[&vouchers()]).await;
    assert_eq!(bad(&findings), Vec::<&Finding>::new());
    let whats: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(whats, ["read ML_VOUCHER", "find a record of ML_VOUCHER by its key", "count ML_VOUCHER"]);
    assert!(findings[2].detail.contains("5 records"), "{findings:?}");
    assert_eq!(stub.asked()[0].parameter("maxrows"), Some("1"));
}

#[tokio::test]
async fn queries_that_are_missing_are_named_with_what_they_are_for() {
    let site = Site::with(5, None);
    let stub = Stub::start(move |asked, _| match asked.path.contains("_K/") || asked.path.contains("_T/") {
        true => Reply::json(
            200,
            r#"{"status":"error","data":{"message":"Query does not exist or you do not have access."}}"#,
        ),
        false if asked.path.contains("/ML_VENDOR/") => Reply::json(200, answer(&[])),
        false => site.answer(asked),
    })
    .await;
    let findings = source(&stub, json!({})).check(&[&vouchers(), &suppliers()]).await;
    let bad = bad(&findings);
    assert_eq!(bad.len(), 3, "{bad:?}");
    assert!(bad[0].detail.contains("query access groups") && bad[0].detail.contains("`by_key: false`"), "{bad:?}");
    assert!(bad[1].detail.contains("`totals: false`"), "{bad:?}");
    assert!(findings.iter().any(|f| f.ok && f.what == "read ML_VENDOR" && f.detail.contains("there is no row")));
}

#[tokio::test]
async fn what_is_wrong_everywhere_is_told_once() {
    let stub = Stub::scripted(vec![Reply::json(401, "")]).await;
    let findings = source(&stub, json!({})).check(&[&vouchers(), &suppliers()]).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].detail.contains("Req Verification") && stub.asked().len() == 1, "{findings:?}");
    let quiet = json!({"quiet_hours": [{"from": "00:00", "to": "23:59"}]});
    let findings = source(&stub, quiet).check(&[&vouchers()]).await;
    assert_eq!((findings.len(), findings[0].what.as_str()), (1, "quiet hours"));
}

#[tokio::test]
async fn an_operation_that_is_not_active_names_the_steps() {
    let stub = Stub::scripted(vec![Reply::html(404, "Not Found")]).await;
    let findings = source(&stub, json!({"tools": "pt861"})).check(&[&vouchers()]).await;
    let detail = &bad(&findings)[0].detail;
    assert!(["not active", "routing", "`node: PSFT_EP`"].iter().all(|step| detail.contains(step)), "{detail}");
}
