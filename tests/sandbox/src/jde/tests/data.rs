//! Data requests: what is asked, what comes, and what is refused.

use serde_json::{Value as Json, json};

use super::super::{AndOr, Collation, DateLiteral, Settings, Tables, Unordered};
use super::{AS_JSON, DATA, all, browse, call, condition, get, post, special, start, ten};

fn found(sandbox: &super::JdeSandbox, query: Json) -> Vec<i64> {
    post(sandbox, DATA, &browse(json!({"query": query}))).documents()
}

#[test]
fn operators_tell_rows_apart() {
    let sandbox = start(Settings { date_literal: DateLiteral::Iso, ..Settings::default() }, ten());
    for (column, operator, contents, expected) in [
        ("F0411.DOC", "EQUAL", vec!["3"], vec![3]),
        ("DOC", "EQUAL", vec!["3.00"], vec![3]),
        ("F0411.DOC", "NOT_EQUAL", vec!["3"], vec![1, 2, 4, 5, 6, 7, 8, 9, 10]),
        ("F0411.DOC", "LESS", vec!["3"], vec![1, 2]),
        ("F0411.DOC", "LESS_EQUAL", vec!["3"], vec![1, 2, 3]),
        ("F0411.DOC", "GREATER", vec!["8"], vec![9, 10]),
        ("F0411.DOC", "GREATER_EQUAL", vec!["8"], vec![8, 9, 10]),
        ("F0411.DOC", "BETWEEN", vec!["4", "6"], vec![4, 5, 6]),
        ("F0411.DOC", "LIST", vec!["2", "9", "77"], vec![2, 9]),
        ("F0411.AG", "GREATER", vec!["900.085"], vec![9, 10]),
        ("F0411.AG", "LESS_EQUAL", vec!["200.025"], vec![1, 2]),
        ("F0411.AG", "EQUAL", vec!["200.025"], vec![]),
        ("F0411.LNID", "EQUAL", vec!["1.000"], vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("F0411.DCT", "EQUAL", vec!["PD"], vec![4, 8]),
        ("F0411.DCT", "NOT_EQUAL", vec!["PV"], vec![4, 8]),
        ("F0411.DCT", "LIST", vec!["PD", "XX"], vec![4, 8]),
        ("F0411.DCT", "LIST", vec!["XX"], vec![]),
        ("F0411.DCT", "LESS", vec!["PE"], vec![4, 8]),
        ("F0411.DCT", "BETWEEN", vec!["PA", "PE"], vec![4, 8]),
        ("F0411.VINV", "STR_START_WITH", vec!["INV"], vec![1, 6]),
        ("F0411.VINV", "STR_END_WITH", vec!["2"], vec![2, 7]),
        ("F0411.VINV", "STR_CONTAIN", vec!["\""], vec![3, 8]),
        ("F0411.VINV", "STR_BLANK", vec![], vec![5, 10]),
        ("F0411.VINV", "STR_NOT_BLANK", vec![], vec![1, 2, 3, 4, 6, 7, 8, 9]),
        ("F0411.VINV", "EQUAL", vec![" "], vec![5, 10]),
        ("F0411.MCU", "EQUAL", vec!["30"], vec![3, 6, 9]),
        ("F0411.MCU", "EQUAL", vec!["          30"], vec![3, 6, 9]),
        ("F0411.DGJ", "GREATER_EQUAL", vec!["20261118"], vec![8, 9]),
        ("F0411.DGJ", "EQUAL", vec!["2026-11-18"], vec![8]),
        ("F0411.UPMT", "LESS", vec!["91505"], vec![1, 2]),
    ] {
        let query = all(&[condition(column, operator, &contents)]);
        assert_eq!(found(&sandbox, query), expected, "{column} {operator} {contents:?}");
    }
    let padded = start(Settings { padded_filters: true, ..Settings::default() }, ten());
    assert_eq!(found(&padded, all(&[condition("F0411.MCU", "EQUAL", &["30"])])), Vec::<i64>::new());
    assert_eq!(found(&padded, all(&[condition("F0411.MCU", "EQUAL", &["          30"])])), [3, 6, 9]);
}

#[test]
fn conditions_and_groups_are_joined_as_they_say() {
    let sandbox = start(Settings::default(), ten());
    let is = |document: &str| condition("F0411.DOC", "EQUAL", &[document]);
    let voucher = condition("F0411.DCT", "EQUAL", &["PV"]);
    assert_eq!(found(&sandbox, all(&[])), (1..=10).collect::<Vec<_>>());
    assert_eq!(found(&sandbox, json!({"matchType": "MATCH_ANY", "condition": [is("2"), is("4")]})), [2, 4]);
    assert_eq!(found(&sandbox, all(&[is("4"), voucher.clone()])), Vec::<i64>::new());
    let group = |query: Json, and_or: &str| json!({"query": query, "andOr": and_or});
    // Left to right: (2 or 4) and PV, not 2 or (4 and PV).
    let groups = json!([
        group(all(&[is("2")]), "AND"),
        group(all(&[is("4")]), "OR"),
        group(all(std::slice::from_ref(&voucher)), "AND")
    ]);
    assert_eq!(found(&sandbox, json!({"condition": [], "complexQuery": groups})), [2]);
    // The query's own conditions come first.
    let groups = json!([group(all(&[is("8")]), "OR")]);
    assert_eq!(
        found(&sandbox, json!({"matchType": "MATCH_ALL", "condition": [is("1")], "complexQuery": groups})),
        [1, 8]
    );
    let nested =
        json!([group(json!({"complexQuery": [group(all(&[is("3")]), "OR"), group(all(&[is("5")]), "OR")]}), "AND")]);
    assert_eq!(found(&sandbox, json!({"condition": [voucher.clone()], "complexQuery": nested})), [3, 5]);
    // The other reading: 2 and 4 are joined by the andOr of 2.
    let other = start(Settings { and_or: AndOr::WithNext, ..Settings::default() }, ten());
    let groups = json!([group(all(&[is("2")]), "OR"), group(all(&[is("4")]), "AND"), group(all(&[voucher]), "OR")]);
    assert_eq!(found(&other, json!({"complexQuery": groups})), [2]);
}

#[test]
fn special_values_follow_the_servers_clock_and_zone() {
    let settings = || Settings::default();
    let sandbox = start(settings(), ten());
    let ask = |sandbox: &super::JdeSandbox, operator: &str, content: &str, id: &str| {
        found(sandbox, all(&[special("F0411.UPMJ", operator, &[(content, id)])]))
    };
    assert_eq!(ask(&sandbox, "EQUAL", "0", "TODAY"), [10]);
    assert_eq!(ask(&sandbox, "GREATER_EQUAL", "2", "TODAY_MINUS_DAY"), [8, 9, 10]);
    assert_eq!(ask(&sandbox, "LESS", "0", "TODAY_PLUS_DAY"), (1..=9).collect::<Vec<_>>());
    assert_eq!(ask(&sandbox, "GREATER", "1", "TODAY_MINUS_MONTH").len(), 10);
    assert_eq!(ask(&sandbox, "GREATER", "1", "TODAY_PLUS_MONTH").len(), 0);
    assert_eq!(ask(&sandbox, "LESS", "1", "TODAY_PLUS_YEAR").len(), 10);
    assert_eq!(ask(&sandbox, "LESS", "1", "TODAY_MINUS_YEAR").len(), 0);
    let user = all(&[special("F0411.USER", "EQUAL", &[("", "LOGIN_USER")])]);
    assert_eq!(found(&sandbox, user), [3]);
    // At noon UTC it is tomorrow already on the other side of the date line.
    let east = start(Settings { zone: chrono_tz::Pacific::Kiritimati, ..settings() }, ten());
    assert_eq!(ask(&east, "EQUAL", "1", "TODAY_MINUS_DAY"), [10]);
    assert!(post(&east, DATA, &browse(json!({}))).body.contains(r#""timeStamp":"2026-11-21:02.00.00""#));
}

#[test]
fn a_date_literal_is_taken_in_the_sites_form_only() {
    let forms =
        [(DateLiteral::UserFormat, "11/18/2026"), (DateLiteral::Julian, "126322"), (DateLiteral::Iso, "20261118")];
    for (form, _) in forms {
        let sandbox = start(Settings { date_literal: form, ..Settings::default() }, ten());
        for (other, literal) in forms {
            let query = all(&[condition("F0411.UPMJ", "EQUAL", &[literal])]);
            let answer = post(&sandbox, DATA, &browse(json!({"query": query})));
            if form == other {
                assert_eq!(answer.documents(), [8]);
            } else {
                assert_eq!(answer.status, 500, "{form:?} took {literal}");
                assert!(answer.message().contains("Invalid date"));
            }
        }
    }
}

#[test]
fn a_request_that_is_wrong_is_refused() {
    let sandbox = start(Settings::default(), ten());
    let with = |query: Json| json!({"query": query});
    let on = |column: &str, operator: &str, contents: &[&str]| with(all(&[condition(column, operator, contents)]));
    for (members, status, says) in [
        (json!({"targetName": "F9999"}), 500, "F9999 does not exist"),
        (json!({"targetName": null}), 500, "targetName is required"),
        (json!({"targetType": "TABLE"}), 500, "targetType must be"),
        (json!({"targetType": null}), 500, "targetType must be"),
        (json!({"targetType": "view"}), 500, "does not exist"),
        (json!({"dataServiceType": "DELETE"}), 500, "Unknown dataServiceType"),
        (json!({"returnControlIDs": "F0411.NOPE"}), 500, "F0411.NOPE does not exist"),
        (json!({"returnControlIDs": "F0101.AN8"}), 500, "not part of the requested"),
        (json!({"outputType": "ORACLE"}), 500, "not supported"),
        (json!({"outputType": "VERSION2"}), 500, "not supported"),
        (json!({"batchDataRequest": true}), 500, "Batch"),
        (json!({"maxPageSize": 100}), 400, "Invalid JSON"),
        (json!({"maxPageSize": "many"}), 500, "Invalid maxPageSize"),
        (json!({"maxPageSize": "0"}), 500, "Invalid maxPageSize"),
        (json!({"findOnEntry": true}), 400, "Invalid JSON"),
        (json!({"aggregation": {"orderBy": [{"column": "F0411.DOC", "direction": "UP"}]}}), 500, "Unknown direction"),
        (json!({"aggregation": {"orderBy": [{"column": "F0411.NOPE", "direction": "ASC"}]}}), 500, "NOPE"),
        (on("F0411.DOC", "LIKE", &["1"]), 500, "Unknown operator"),
        (on("F0411.DOC", "EQUAL", &["one"]), 500, "is no number"),
        (on("F0411.DOC", "EQUAL", &["1", "2"]), 500, "takes 1 value"),
        (on("F0411.DOC", "BETWEEN", &["1"]), 500, "takes 2 value"),
        (on("F0411.DOC", "LIST", &[]), 500, "needs a value"),
        (on("F0411.DOC", "STR_CONTAIN", &["1"]), 500, "only for character"),
        (on("F0411.UPMJ", "STR_BLANK", &[]), 500, "only for character"),
        (with(all(&[special("F0411.DOC", "EQUAL", &[("1", "TODAY")])])), 500, "does not fit"),
        (with(all(&[special("F0411.VINV", "EQUAL", &[("1", "TODAY_MINUS_DAY")])])), 500, "does not fit"),
        (with(all(&[special("F0411.UPMJ", "EQUAL", &[("x", "TODAY_MINUS_DAY")])])), 500, "needs a count"),
        (with(all(&[special("F0411.UPMJ", "EQUAL", &[("1", "YESTERDAY")])])), 500, "does not fit"),
        (with(json!({"matchType": "MATCH_SOME", "condition": []})), 500, "Unknown matchType"),
        (with(json!({"complexQuery": [{"query": {}}]})), 500, "andOr"),
        (
            with(
                json!({"condition": [{"controlId": "F0411.DOC", "operator": "EQUAL", "value": [{"content": 1, "specialValueId": "LITERAL"}]}]}),
            ),
            400,
            "Invalid JSON",
        ),
        (
            with(json!({"condition": [{"controlId": "F0411.DOC", "operator": "EQUAL", "value": [{"content": "1"}]}]})),
            500,
            "specialValueId",
        ),
    ] {
        let answer = post(&sandbox, DATA, &browse(members.clone()));
        assert_eq!(answer.status, status, "{members}: {answer:?}");
        assert!(answer.message().contains(says), "{members}: {answer:?}");
        assert!(answer.json()["exception"].is_string() && answer.json()["timeStamp"].is_string());
    }
    assert_eq!(call(&sandbox, "POST", DATA, &[AS_JSON], "").status, 400);
    assert_eq!(call(&sandbox, "POST", DATA, &[AS_JSON], "{\"targetName\"").status, 400);
    assert_eq!(call(&sandbox, "POST", DATA, &[("Content-Type", "text/json")], "{}").status, 415);
    for path in
        ["/jderest/v2/nowhere", "/jde/v2/dataservice", "/jderest/v3/dataservice", "/jderest/dataservice/table/F0411"]
    {
        let answer = post(&sandbox, path, &json!({}));
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.head.contains("text/html") && answer.body.starts_with("<HTML>"));
    }
    assert_eq!(get(&sandbox, DATA).status, 405);
    let orchestration = post(&sandbox, "/jderest/v3/orchestrator/OPEN_AP", &browse(json!({})));
    assert!(orchestration.message().contains("Orchestration OPEN_AP does not exist"));
}

#[test]
fn find_must_be_pressed_and_only_the_nested_order_counts() {
    let sandbox = start(Settings::default(), ten());
    for find in [json!(null), json!("FALSE")] {
        assert_eq!(post(&sandbox, DATA, &browse(json!({"findOnEntry": find}))).documents(), Vec::<i64>::new());
    }
    let order = |column: &str, direction: &str| json!([{"column": column, "direction": direction}]);
    let top_level = json!({"orderBy": order("F0411.DOC", "DESC"), "aggregation": null});
    assert_eq!(post(&sandbox, DATA, &browse(top_level)).documents(), (1..=10).collect::<Vec<_>>());
    let nested = |by: Json| browse(json!({"aggregation": {"orderBy": by}}));
    let down = post(&sandbox, DATA, &nested(order("F0411.DOC", "DESC"))).documents();
    assert_eq!(down, (1..=10).rev().collect::<Vec<_>>());
    let two = json!([{"column": "F0411.DCT", "direction": "ASC"}, {"column": "F0411.AG", "direction": "DESC"}]);
    assert_eq!(post(&sandbox, DATA, &nested(two)).documents(), [8, 4, 10, 9, 7, 6, 5, 3, 2, 1]);
}

#[test]
fn rows_without_an_order_may_come_as_they_arrived() {
    let mut tables = ten();
    let first = [1.into(), "PV".into(), "00001".into(), "001".into(), 0.into()];
    let ledger = tables.existing("F0411").unwrap();
    assert!(ledger.delete(&first).unwrap());
    ledger.insert(&[("DOC", 1.into()), ("DCT", "PV".into()), ("KCO", "00001".into()), ("SFX", "001".into())]).unwrap();
    let sandbox = start(Settings { unordered: Unordered::Arrival, ..Settings::default() }, tables);
    let unordered = post(&sandbox, DATA, &browse(json!({"aggregation": null}))).documents();
    assert_eq!(unordered, [2, 3, 4, 5, 6, 7, 8, 9, 10, 1]);
    assert_eq!(post(&sandbox, DATA, &browse(json!({}))).documents(), (1..=10).collect::<Vec<_>>());
}

#[test]
fn another_collation_orders_and_compares_otherwise() {
    let mut tables = Tables::standard();
    for company in ["00010", "A1", "AA", "b"] {
        tables.existing("F0010").unwrap().insert(&[("CO", company.into())]).unwrap();
    }
    let sandbox = start(Settings { collation: Collation::DigitsLast, ..Settings::default() }, tables);
    let query = all(&[condition("F0010.CO", "GREATER", &["AA"])]);
    let by = json!({"orderBy": [{"column": "F0010.CO", "direction": "ASC"}]});
    let request = browse(json!({"targetName": "F0010", "query": query, "aggregation": by, "returnControlIDs": "CO"}));
    let rows = post(&sandbox, DATA, &request).grid("F0010")["rowset"].clone();
    assert_eq!(rows, json!([{"F0010_CO": "A1"}, {"F0010_CO": "00010"}]));
}

#[test]
fn the_simple_get_reads_its_parameters() {
    let sandbox = start(Settings::default(), ten());
    let ask = |parameters: &str| {
        get(&sandbox, &format!("{DATA}/table/F0411?$username=SVCREAD&$password=secret&{parameters}"))
    };
    for (parameters, expected) in [
        ("$filter=F0411.DCT%20EQ%20PD", vec![4, 8]),
        ("$filter=F0411.DCT+NE+PV&$sort=F0411.DOC%20DESC", vec![8, 4]),
        ("$filter=F0411.DOC%20GE%209&$filter=F0411.DOC%20LT%2010", vec![9]),
        ("$filter=F0411.DOC%20LE%201&$filter=F0411.DOC%20GT%209&$filterType=MATCH_ANY", vec![1, 10]),
        ("$filter=F0411.VINV%20CONTAINS%20N%20%223", vec![3, 8]),
        ("$filter=F0411.VINV%20STARTSWITH%20INV", vec![1, 6]),
        ("$filter=F0411.VINV%20ENDSWITH%202", vec![2, 7]),
        ("$filter=F0411.UPMJ%20GE%201%20TODAY_MINUS_DAY", vec![9, 10]),
        ("$filter=F0411.UPMJ%20EQ%20TODAY", vec![10]),
        ("$filter=F0411.UPMJ%20EQ%2011/18/2026", vec![8]),
    ] {
        assert_eq!(ask(parameters).documents(), expected, "{parameters}");
    }
    let limited = ask("$field=F0411.DOC&$field=F0411.DCT&$limit=3");
    assert_eq!(
        (limited.rows()[0].clone(), limited.documents().len(), limited.more()),
        (json!({"F0411_DOC": 1, "F0411_DCT": "PV"}), 3, true)
    );
    assert!(limited.json().get("links").is_none(), "no paging on GET");
    for bad in ["$filter=F0411.DOC%20LIKE%201", "$filter=F0411.DOC", "$outputType=XML", "$field=F0411.NOPE"] {
        assert_eq!(ask(bad).status, 500, "{bad}");
    }
    let old = start(Settings { special_dates_in_get: false, ..Settings::default() }, ten());
    let path =
        format!("{DATA}/table/F0411?$username=SVCREAD&$password=secret&$filter=F0411.UPMJ%20GE%201%20TODAY_MINUS_DAY");
    assert_eq!(get(&old, &path).status, 500);
}
