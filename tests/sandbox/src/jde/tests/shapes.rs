//! Answers: the shape of each kind, byte for byte where the vendor's documentation shows bytes.

use serde_json::{Value as Json, json};

use super::super::{EmptyDate, Schema, Settings};
use super::{DATA, all, browse, condition, get, post, start, ten};

#[test]
fn grid_data_looks_like_the_vendors() {
    let sandbox = start(Settings::default(), ten());
    let members = json!({
        "returnControlIDs": "F0411.KCO|DOC|F0411.DCT|F0411.LNID|F0411.AG|F0411.DGJ|F0411.UPMJ|F0411.UPMT|F0411.MCU|F0411.VINV|F0411.RMK",
        "query": all(&[condition("F0411.DOC", "BETWEEN", &["9", "10"])]),
    });
    let answer = post(&sandbox, DATA, &browse(members));
    assert!(answer.head.contains("content-type: application/json"));
    let expected = concat!(
        r#"{"fs_DATABROWSE_F0411":{"title":"Data Browser - F0411 [Accounts Payable Ledger]","#,
        r#""data":{"gridData":{"id":54,"fullGridId":"54","columns":{"F0411_KCO":"Document Company","#,
        r#""F0411_DOC":"Document Number","F0411_DCT":"Document Type","F0411_LNID":"Line Number","#,
        r#""F0411_AG":"Gross Amount","F0411_DGJ":"G/L Date","F0411_UPMJ":"Date Updated","#,
        r#""F0411_UPMT":"Time Last Updated","F0411_MCU":"Business Unit","F0411_VINV":"Supplier Invoice Number","#,
        r#""F0411_RMK":"Remark"},"rowset":["#,
        r#"{"F0411_KCO":"00001","F0411_DOC":9,"F0411_DCT":"PV","F0411_LNID":1,"F0411_AG":900.09,"F0411_DGJ":"20261119","#,
        r#""F0411_UPMJ":"20261119","F0411_UPMT":91511,"F0411_MCU":"          30","F0411_VINV":"Ünï 4","F0411_RMK":" "},"#,
        r#"{"F0411_KCO":"00001","F0411_DOC":10,"F0411_DCT":"PV","F0411_LNID":1,"F0411_AG":1000.1,"F0411_DGJ":"","#,
        r#""F0411_UPMJ":"20261120","F0411_UPMT":91512,"F0411_MCU":"         M30","F0411_VINV":" ","F0411_RMK":" "}],"#,
        r#""summary":{"records":2,"moreRecords":false}}},"errors":[],"warnings":[]},"stackId":1,"stateId":1,"#,
    );
    assert!(answer.body.starts_with(expected), "{}", answer.body);
    assert!(
        answer.body.ends_with(r#""currentApp":"DATABROWSE_F0411","timeStamp":"2026-11-20:12.00.00","sysErrors":[]}"#)
    );
}

#[test]
fn releases_write_the_same_cells_differently() {
    let members = json!({
        "returnControlIDs": "F0411.DOC|F0411.LNID|F0411.DGJ",
        "query": all(&[condition("F0411.DOC", "EQUAL", &["10"])]),
    });
    let row = |settings: Settings| post(&start(settings, ten()), DATA, &browse(members.clone())).rows()[0].clone();
    let changed =
        Settings { empty_date: EmptyDate::Null, numbers_as_strings: true, full_decimals: true, ..Settings::default() };
    assert_eq!(row(changed), json!({"F0411_DOC": "10", "F0411_LNID": "1.000", "F0411_DGJ": null}));
    let changed = Settings { empty_date: EmptyDate::Blank, ..Settings::default() };
    assert_eq!(row(changed), json!({"F0411_DOC": 10, "F0411_LNID": 1, "F0411_DGJ": " "}));
    let settings = Settings { omit_empty_rowset: true, titles_key: true, ..Settings::default() };
    let sandbox = start(settings, ten());
    let none = all(&[condition("F0411.DOC", "EQUAL", &["999"])]);
    let grid = post(&sandbox, DATA, &browse(json!({"query": none}))).grid("F0411");
    assert!(grid.get("rowset").is_none() && grid.get("columns").is_none() && grid["titles"].is_object(), "{grid}");
    assert_eq!(grid["summary"], json!({"records": 0, "moreRecords": false}));
}

#[test]
fn version_1_is_what_v1_gives_unless_told_otherwise() {
    let sandbox = start(Settings::default(), ten());
    let one = json!({
        "outputType": null, "returnControlIDs": "F0411.DOC|F0411.RMK",
        "query": all(&[condition("F0411.DOC", "EQUAL", &["7"])]),
    });
    let row = post(&sandbox, "/jderest/dataservice", &browse(one.clone())).rows()[0].clone();
    let cell = &row["mnDocumentNumber_1"];
    assert_eq!(
        (row["rowIndex"].as_i64(), cell["value"].as_str(), cell["internalValue"].as_i64()),
        (Some(0), Some("7"), Some(7)),
        "{row}"
    );
    assert_eq!(
        (cell["title"].as_str(), cell["longName"].as_str(), cell["dataType"].as_i64()),
        (Some("Document Number"), Some("mnDocumentNumber_1"), Some(9))
    );
    assert_eq!(post(&sandbox, DATA, &browse(one.clone())).rows()[0], json!({"F0411_DOC": 7, "F0411_RMK": " "}));
    let mut told = one;
    told["outputType"] = "GRID_DATA".into();
    assert_eq!(post(&sandbox, "/jderest/dataservice", &browse(told)).documents(), [7]);
}

#[test]
fn count_and_aggregation_answer_in_their_own_shape() {
    let sandbox = start(Settings::default(), ten());
    let count = json!({"dataServiceType": "COUNT", "findOnEntry": null, "query": all(&[condition("F0411.DCT", "EQUAL", &["PV"])])});
    assert_eq!(post(&sandbox, DATA, &browse(count.clone())).body, r#"{"ds_F0411":{"count":8}}"#);
    let strings = start(Settings { numbers_as_strings: true, ..Settings::default() }, ten());
    assert_eq!(post(&strings, DATA, &browse(count)).body, r#"{"ds_F0411":{"count":"8"}}"#);
    let function = |column: &str, function: &str| json!({"column": column, "aggregation": function});
    let ask = |sandbox: &super::JdeSandbox, aggregation: Json| {
        post(sandbox, DATA, &browse(json!({"dataServiceType": "AGGREGATION", "aggregation": aggregation})))
    };
    let every = ["SUM", "MIN", "MAX", "AVG", "COUNT", "COUNT_DISTINCT", "SUM_DISTINCT", "AVG_DISTINCT"];
    let mut functions: Vec<_> = every.iter().map(|name| function("F0411.AG", name)).collect();
    functions.push(function("*", "COUNT"));
    assert_eq!(
        ask(&sandbox, json!({"aggregations": functions})).body,
        concat!(
            r#"{"ds_F0411":{"output":[{"F0411.AG_SUM":5500.55,"F0411.AG_MIN":100.01,"F0411.AG_MAX":1000.1,"#,
            r#""F0411.AG_AVG":550.055,"F0411.AG_COUNT":10,"F0411.AG_COUNT_DISTINCT":10,"F0411.AG_SUM_DISTINCT":5500.55,"#,
            r#""F0411.AG_AVG_DISTINCT":550.055,"COUNT":10}]}}"#
        )
    );
    let grouped = json!({
        "aggregations": [function("F0411.AG", "SUM"), function("F0411.UPMJ", "MAX")],
        "groupBy": [{"column": "F0411.DCT"}], "orderBy": [{"column": "F0411.DCT", "direction": "DESC"}],
    });
    assert_eq!(
        ask(&sandbox, grouped).body,
        concat!(
            r#"{"ds_F0411":{"output":[{"groupBy":{"F0411.DCT":"PV"},"F0411.AG_SUM":4300.43,"F0411.UPMJ_MAX":"20261120"},"#,
            r#"{"groupBy":{"F0411.DCT":"PD"},"F0411.AG_SUM":1200.12,"F0411.UPMJ_MAX":"20261118"}]}}"#
        )
    );
    let sum = json!({"aggregations": [function("F0411.AG", "SUM")]});
    let raw = start(Settings { aggregates_unscaled: true, ..Settings::default() }, ten());
    assert_eq!(ask(&raw, sum.clone()).body, r#"{"ds_F0411":{"output":[{"F0411.AG_SUM":550055}]}}"#);
    let mut processed = sum;
    processed["currencyProcessing"] = json!({});
    assert_eq!(ask(&raw, processed).body, r#"{"ds_F0411":{"output":[{"F0411.AG_SUM":5500.55}]}}"#);
    for bad in [
        json!({}),
        json!({"aggregations": [function("F0411.VINV", "SUM")]}),
        json!({"aggregations": [function("F0411.AG", "MEDIAN")]}),
    ] {
        assert_eq!(ask(&sandbox, bad.clone()).status, 500, "{bad}");
    }
}

#[test]
fn views_and_tables_of_ones_own_are_served() {
    let mut tables = ten();
    tables.add_view("V0411A", "F0411");
    let columns = ["DOC", "AG"].iter().map(|alias| super::super::look_up(alias).unwrap()).collect();
    let own = tables.add(Schema::new("F5504", "Site table", columns, &["DOC"]).unwrap());
    own.insert(&[("DOC", 5.into()), ("AG", "1.5".into())]).unwrap();
    let sandbox = start(Settings::default(), tables);
    let request = browse(
        json!({"targetName": "V0411A", "targetType": "view", "maxPageSize": "1", "returnControlIDs": "F0411.DOC"}),
    );
    assert_eq!(post(&sandbox, DATA, &request).grid("V0411A")["rowset"], json!([{"F0411_DOC": 1}]));
    let request = browse(json!({"targetName": "F5504", "aggregation": null}));
    assert_eq!(post(&sandbox, DATA, &request).grid("F5504")["rowset"], json!([{"F5504_DOC": 5, "F5504_AG": 1.5}]));
    let path = format!("{DATA}/view/V0411A?$username=SVCREAD&$password=secret");
    assert_eq!(get(&sandbox, &path).status, 200);
}
