//! Counts and sums that fit into one answer.

use engine::Kind;
use engine::model::totals::GroupBy;
use engine::ports::Consumer;
use serde_json::json;

use super::fixture::{EXPLORE, QUERY, explore, group, invoices, looker, with_explore};
use super::stub::{Reply, Stub};

#[tokio::test]
async fn the_query_goes_past_the_caches_and_names_its_limit() {
    let stub = with_explore().await;
    stub.on(QUERY, [Reply::ok(r#"[{"ap_invoices.count":42,"ap_invoices.total_gross_amount":9100.5}]"#)]);
    let looker = looker(&stub, json!({}));
    let totals = looker.totals(&invoices(), &GroupBy::All, &["gross_amount"]).await.unwrap().unwrap();
    assert_eq!(totals, [group(None, 42, Some("9100.50"))]);
    let asked = &stub.asked(QUERY)[0];
    assert_eq!(asked.query, "cache=false&apply_formatting=false&force_production=true");
    let body = json!({
        "model": "erp", "view": "ap_invoices", "fields": ["ap_invoices.count", "ap_invoices.total_gross_amount"],
        "limit": "5000", "query_timezone": "UTC",
    });
    assert_eq!(asked.json(), body);
}

#[tokio::test]
async fn amounts_keep_every_digit() {
    for (written, read) in [
        ("90071992547409931234.57", "90071992547409931234.57"),
        ("\"-0.10\"", "-0.10"),
        ("1.2345e+22", "12345000000000000000000.00"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("1.5e2", "150.00"),
    ] {
        let stub = with_explore().await;
        stub.on(
            QUERY,
            [Reply::ok(format!(r#"[{{"ap_invoices.count":"1","ap_invoices.total_gross_amount":{written}}}]"#))],
        );
        let totals =
            looker(&stub, json!({})).totals(&invoices(), &GroupBy::All, &["gross_amount"]).await.unwrap().unwrap();
        assert_eq!(totals, [group(None, 1, Some(read))], "{written}");
    }
}

#[tokio::test]
async fn groups_read_as_the_warehouse_writes_them() {
    let month = r#"[{"ap_invoices.gl_month":"2026-11","ap_invoices.count":2,"ap_invoices.total_gross_amount":1},
        {"ap_invoices.gl_month":"2026-10-01","ap_invoices.count":3,"ap_invoices.total_gross_amount":null},
        {"ap_invoices.gl_month":null,"ap_invoices.count":1,"ap_invoices.total_gross_amount":0.5},
        {"ap_invoices.gl_month":"2019-01","ap_invoices.count":0,"ap_invoices.total_gross_amount":null}]"#;
    let supplier = r#"[{"ap_invoices.supplier_number":4242,"ap_invoices.count":2,"ap_invoices.total_gross_amount":1},
        {"ap_invoices.supplier_number":"7.0","ap_invoices.count":1,"ap_invoices.total_gross_amount":2}]"#;
    let paid = r#"[{"ap_invoices.is_paid":"Yes","ap_invoices.count":2,"ap_invoices.total_gross_amount":1},
        {"ap_invoices.is_paid":"No","ap_invoices.count":1,"ap_invoices.total_gross_amount":1}]"#;
    let remark = r#"[{"ap_invoices.remark":"","ap_invoices.count":2,"ap_invoices.total_gross_amount":1},
        {"ap_invoices.remark":" 007 ","ap_invoices.count":1,"ap_invoices.total_gross_amount":1}]"#;
    for (by, rows, expected) in [
        (
            GroupBy::Month("gl_date".to_owned()),
            month,
            vec![
                group(None, 1, Some("0.50")),
                group(Some("2026-10"), 3, None),
                group(Some("2026-11"), 2, Some("1.00")),
            ],
        ),
        (
            GroupBy::Value("supplier_number".to_owned()),
            supplier,
            vec![group(Some("4242"), 2, Some("1.00")), group(Some("7"), 1, Some("2.00"))],
        ),
        (
            GroupBy::Value("is_paid".to_owned()),
            paid,
            vec![group(Some("false"), 1, Some("1.00")), group(Some("true"), 2, Some("1.00"))],
        ),
        (
            GroupBy::Value("remark".to_owned()),
            remark,
            vec![group(Some(""), 2, Some("1.00")), group(Some(" 007 "), 1, Some("1.00"))],
        ),
    ] {
        let stub = with_explore().await;
        stub.on(QUERY, [Reply::ok(rows)]);
        let totals = looker(&stub, json!({})).totals(&invoices(), &by, &["gross_amount"]).await.unwrap().unwrap();
        assert_eq!(totals, expected, "{by:?}");
    }
}

#[tokio::test]
async fn a_table_that_is_not_modelled_has_no_totals_unless_its_explore_is_named() {
    let stub = Stub::start().await;
    stub.on(EXPLORE, [Reply::new(404, r#"{"message":"Not found"}"#)]);
    let none = looker(&stub, json!({})).totals(&invoices(), &GroupBy::All, &[]).await.unwrap();
    assert_eq!(none, None);
    let named = json!({"explores": {"ap_invoices": {"explore": "ap_invoices"}}});
    let error = looker(&stub, named).totals(&invoices(), &GroupBy::All, &[]).await.unwrap_err();
    assert!(error.kind() == Kind::Stop && error.to_string().contains("`erp::ap_invoices`"), "{error}");
}

#[tokio::test]
async fn fields_that_are_missing_are_all_named_and_nothing_is_queried() {
    let stub = Stub::start().await;
    let mut bare = explore();
    bare["fields"]["measures"] = json!([]);
    stub.on(EXPLORE, [Reply::ok(bare)]);
    let error = looker(&stub, json!({})).totals(&invoices(), &GroupBy::All, &["gross_amount"]).await.unwrap_err();
    let words = error.to_string();
    assert!(words.contains("`ap_invoices.count`, `ap_invoices.total_gross_amount`"), "{words}");
    assert!(words.contains("`explores.ap_invoices`") && error.kind() == Kind::Stop, "{words}");
    let error = looker(&stub, json!({})).totals(&invoices(), &GroupBy::All, &["remark"]).await.unwrap_err();
    assert!(error.to_string().contains("`ap_invoices.remark` is no number"), "{error}");
    assert_eq!(stub.count(QUERY), 0);
}

#[tokio::test]
async fn a_model_of_ones_own_is_asked_by_its_own_names() {
    let stub = Stub::start().await;
    let field = |name: &str| json!({"name": name});
    let own = json!({"fields": {
        "dimensions": [field("invoice.posted_month"), field("vendor.number")],
        "measures": [field("invoice.count"), field("invoice.sum_gross")],
    }});
    stub.on("GET /lookml_models/erp/explores/payables", [Reply::ok(own)]);
    stub.on(
        QUERY,
        [Reply::ok(json!([{"invoice.posted_month": "2026-11", "invoice.count": 1, "invoice.sum_gross": 2}]))],
    );
    let settings = json!({"explores": {"ap_invoices": {
        "explore": "payables", "view": "invoice", "sums": {"gross_amount": "sum_gross"},
        "month": {"gl_date": "posted_month"}, "fields": {"supplier_number": "vendor.number"},
    }}});
    let looker = looker(&stub, settings);
    let month = GroupBy::Month("gl_date".to_owned());
    let totals = looker.totals(&invoices(), &month, &["gross_amount"]).await.unwrap().unwrap();
    assert_eq!(totals, [group(Some("2026-11"), 1, Some("2.00"))]);
    let asked = stub.asked(QUERY)[0].json();
    assert_eq!(asked["view"], "payables");
    assert_eq!(asked["fields"], json!(["invoice.posted_month", "invoice.count", "invoice.sum_gross"]));
    stub.on(QUERY, [Reply::ok(json!([{"vendor.number": 9, "invoice.count": 1}]))]);
    let supplier = GroupBy::Value("supplier_number".to_owned());
    assert_eq!(looker.totals(&invoices(), &supplier, &[]).await.unwrap().unwrap()[0].group.as_deref(), Some("9"));
}
