//! Counts and sums, by query and by walking.

use engine::model::window::Window;
use engine::ports::Source;
use serde_json::json;

use super::fixture::{Site, answer, at, source, suppliers, vouchers};
use super::stub::{Reply, Stub};

#[tokio::test]
async fn counts_and_sums_come_from_one_call_and_are_asked_for_again() {
    let site = Site::with(40, Some(3));
    let stub = site.serve().await;
    let source = source(&stub, json!({}));
    let window = Window::default();
    assert_eq!(source.count(&vouchers(), window).await.unwrap(), 40);
    assert_eq!(source.total(&vouchers(), window, "GROSS_AMT").await.unwrap().to_string(), "50020.50");
    assert_eq!(source.total(&vouchers(), window, "GROSS_AMT_BSE").await.unwrap().to_string(), "50020.50");
    assert_eq!(stub.asked().len(), 1);
    site.vouchers.lock().unwrap().pop_first();
    assert_eq!(source.count(&vouchers(), window).await.unwrap(), 39);
    let part = Window { from: Some(at("2026-11-20T00:00:00Z")), to: None };
    assert_eq!(source.count(&vouchers(), part).await.unwrap(), 2);
    assert_eq!(source.groups(&vouchers(), window, "BUSINESS_UNIT", &[]).await.unwrap(), None);
}

#[tokio::test]
async fn turns_are_added_up() {
    let stub = Stub::start(|asked, _| {
        let records = if asked.prompt("SETID").unwrap() == "SHARE" { 7 } else { 4 };
        Reply::json(200, answer(&[format!(r#""RECORDS":{records}"#)]))
    })
    .await;
    let source = source(&stub, json!({"setids": ["SHARE", "FED"]}));
    assert_eq!(source.count(&suppliers(), Window::default()).await.unwrap(), 11);
    assert_eq!(stub.asked()[0].parameter("maxrows"), Some("0"));
}

#[tokio::test]
async fn without_a_totals_query_records_are_counted_by_their_keys() {
    let site = Site::with(23, Some(5));
    let stub = site.serve().await;
    let source = source(&stub, json!({"totals": false, "filter_fields": true}));
    assert!(!source.capabilities(&vouchers()).counts);
    assert_eq!(source.count(&vouchers(), Window::default()).await.unwrap(), 23);
    let fields = stub.asked()[0].parameter("filterfields").unwrap().to_owned();
    assert_eq!(fields, "A.BUSINESS_UNIT,A.VOUCHER_ID,ROW_KEY");
    let error = source.total(&vouchers(), Window::default(), "GROSS_AMT").await.unwrap_err();
    assert!(error.to_string().contains("no query that sums GROSS_AMT"), "{error}");
}

#[tokio::test]
async fn the_sum_of_nothing_is_zero_and_a_sum_that_is_missing_is_named() {
    let stub = Stub::scripted(vec![Reply::json(
        200,
        answer(&[r#""RECORDS":0,"SUM_GROSS_AMT":"","SUM_GROSS_AMT_BSE":" ""#.to_owned()]),
    )])
    .await;
    let zero = source(&stub, json!({})).total(&vouchers(), Window::default(), "GROSS_AMT").await.unwrap();
    assert_eq!(zero.to_string(), "0");
    let error = source(&stub, json!({})).total(&vouchers(), Window::default(), "DSCNT_AMT").await.unwrap_err();
    assert!(error.to_string().contains("SUM_DSCNT_AMT is not in the answer"), "{error}");
}
