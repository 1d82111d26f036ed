//! The bodies of requests, as they go over the wire.

use engine::model::window::Window;
use engine::plan::{Condition, StreamSpec};
use serde_json::{Value, json};

use super::fixture::{at, business_units, invoices, settings, texts};
use crate::jde::dates::DateWriter;
use crate::jde::query::{Key, Writer};
use crate::jde::{CurrencyProcessing, JdeSettings, Paging};

const URL: &str = "https://ais.example.com/jderest";

fn special(today: &str) -> DateWriter {
    DateWriter::Special { today: today.parse().unwrap() }
}

fn key(parts: &[&str]) -> Key {
    parts.iter().map(|part| Some((*part).to_owned())).collect()
}

fn small() -> StreamSpec {
    StreamSpec {
        key: texts(&["DOC", "DCT"]),
        columns: texts(&["DOC", "DCT", "AG", "UPMJ"]),
        filter: vec![Condition { column: "DCT".to_owned(), equals: texts(&["PV", "PM"]) }],
        ..invoices()
    }
}

fn condition(column: &str, operator: &str, values: &[(&str, &str)]) -> Value {
    let value: Vec<_> = values.iter().map(|(content, id)| json!({"content": content, "specialValueId": id})).collect();
    json!({"controlId": column, "operator": operator, "value": value})
}

fn literal(column: &str, operator: &str, content: &str) -> Value {
    condition(column, operator, &[(content, "LITERAL")])
}

#[test]
fn a_first_page_asks_for_the_window_in_key_order() {
    let (stream, settings) = (small(), settings(URL));
    let writer = Writer { stream: &stream, settings: &settings, dates: special("2026-11-20") };
    let window = Window { from: Some(at("2026-11-18T00:00:00Z")), to: Some(at("2026-11-20T00:00:00Z")) };
    let request = writer.window(window, None).unwrap();
    assert_eq!(request.asked, 500);
    assert_eq!(
        serde_json::to_value(&request.body).unwrap(),
        json!({
            "targetName": "F0411", "targetType": "table", "dataServiceType": "BROWSE", "findOnEntry": "TRUE",
            "outputType": "GRID_DATA", "aliasNaming": true, "maxPageSize": "500",
            "returnControlIDs": "F0411.DOC|F0411.DCT|F0411.AG|F0411.UPMJ",
            "query": {"autoFind": true, "matchType": "MATCH_ALL", "condition": [
                // A day wider at both ends; the window ends before the 20th, so the 19th is its last day.
                condition("F0411.UPMJ", "GREATER_EQUAL", &[("3", "TODAY_MINUS_DAY")]),
                condition("F0411.UPMJ", "LESS_EQUAL", &[("0", "TODAY")]),
                condition("F0411.DCT", "LIST", &[("PV", "LITERAL"), ("PM", "LITERAL")]),
            ]},
            "aggregation": {"orderBy": [
                {"column": "F0411.DOC", "direction": "ASC"}, {"column": "F0411.DCT", "direction": "ASC"},
            ]},
        })
    );
}

#[test]
fn a_window_is_of_the_servers_zone() {
    let stream = small();
    for (zone, from, to) in [
        ("UTC", "20261118", "20261119"),
        ("Pacific/Auckland", "20261119", "20261119"),
        ("America/Chicago", "20261118", "20261118"),
    ] {
        let settings = JdeSettings { zone: zone.parse().unwrap(), ..settings(URL) };
        let writer = Writer { stream: &stream, settings: &settings, dates: DateWriter::Iso };
        let window = Window { from: Some(at("2026-11-18T12:00:00Z")), to: Some(at("2026-11-19T02:00:00Z")) };
        let body = serde_json::to_value(writer.window(window, None).unwrap().body).unwrap();
        assert_eq!(body["query"]["condition"][0], literal("F0411.UPMJ", "GREATER_EQUAL", from), "{zone}");
        assert_eq!(body["query"]["condition"][1], literal("F0411.UPMJ", "LESS_EQUAL", to), "{zone}");
    }
}

#[test]
fn what_follows_a_key_is_asked_for_in_groups_that_each_stand_alone() {
    let (stream, settings) = (small(), settings(URL));
    let writer = Writer { stream: &stream, settings: &settings, dates: DateWriter::Iso };
    let window = Window { from: Some(at("2026-11-18T00:00:00Z")), to: None };
    let body = writer.window(window, Some(&key(&["70412", "PV"]))).unwrap().body;
    let body = serde_json::to_value(body).unwrap();
    let window = literal("F0411.UPMJ", "GREATER_EQUAL", "20261118");
    let filter = condition("F0411.DCT", "LIST", &[("PV", "LITERAL"), ("PM", "LITERAL")]);
    assert_eq!(
        body["query"],
        json!({"autoFind": true, "matchType": "MATCH_ALL", "complexQuery": [
            {"andOr": "OR", "query": {"matchType": "MATCH_ALL", "condition": [
                window, filter, literal("F0411.DOC", "GREATER", "70412"),
            ]}},
            {"andOr": "OR", "query": {"matchType": "MATCH_ALL", "condition": [
                window, filter, literal("F0411.DOC", "EQUAL", "70412"), literal("F0411.DCT", "GREATER", "PV"),
            ]}},
        ]})
    );
}

#[test]
fn blanks_paddings_and_dates_of_keys_are_written_so_that_they_compare() {
    let site = StreamSpec {
        object: "F0911".to_owned(),
        key: texts(&["EXTL", "DGJ", "MCU"]),
        updated: None,
        filter: Vec::new(),
        columns: texts(&["EXTL", "DGJ", "MCU"]),
        padded: vec![("MCU".to_owned(), 12)],
        ..invoices()
    };
    let last = |settings: &JdeSettings, dates: DateWriter, parts: &Key| {
        let request = Writer { stream: &site, settings, dates }.window(Window::default(), Some(parts)).unwrap();
        let body = serde_json::to_value(request.body).unwrap();
        let group = |i: usize| body["query"]["complexQuery"][i]["query"]["condition"].clone();
        (group(0)[0].clone(), group(2), request.counted_from)
    };
    let padded = settings(URL);
    let (greater, equal, counted) = last(&padded, DateWriter::Julian, &key(&[" ", "20261118", "         M30"]));
    assert_eq!(greater, condition("F0911.EXTL", "STR_NOT_BLANK", &[]));
    assert_eq!(equal[0], condition("F0911.EXTL", "STR_BLANK", &[]));
    assert_eq!(equal[1], literal("F0911.DGJ", "EQUAL", "126322"));
    assert_eq!(equal[2], literal("F0911.MCU", "GREATER", "         M30"));
    assert_eq!(counted, None);
    let bare = JdeSettings { pad_keys: false, ..settings(URL) };
    let (greater, equal, counted) = last(&bare, special("2026-11-20"), &key(&["A  ", "20261118", "         M30"]));
    assert_eq!(greater, literal("F0911.EXTL", "GREATER", "A"));
    assert_eq!(equal[1], condition("F0911.DGJ", "EQUAL", &[("2", "TODAY_MINUS_DAY")]));
    assert_eq!(equal[2], literal("F0911.MCU", "GREATER", "M30"));
    assert_eq!(counted, Some("2026-11-20".parse().unwrap()));
    let (_, none, counted) =
        last(&bare, special("2026-11-20"), &vec![Some(String::new()), None, Some("M30".to_owned())]);
    assert_eq!(none[1], condition("F0911.DGJ", "LESS", &[("45979", "TODAY_MINUS_DAY")]));
    assert_eq!(counted, None);
}

#[test]
fn a_key_that_the_server_left_out_cannot_be_paged_past() {
    let (stream, settings) = (small(), settings(URL));
    let writer = Writer { stream: &stream, settings: &settings, dates: DateWriter::Iso };
    let error = writer.window(Window::default(), Some(&vec![Some("1".to_owned()), None])).unwrap_err();
    assert!(error.is_later() && error.to_string().contains("DCT"), "{error}");
    assert_eq!(writer.window(Window::default(), Some(&key(&["1"]))).unwrap_err().kind(), engine::Kind::Stop);
}

#[test]
fn chosen_keys_are_groups_of_equalities_with_the_streams_filter() {
    let stream = StreamSpec {
        filter: vec![Condition { column: "STYL".to_owned(), equals: texts(&["BS"]) }],
        ..business_units()
    };
    let settings = settings(URL);
    let writer = Writer { stream: &stream, settings: &settings, dates: special("2026-11-20") };
    let body = writer.keys(&[texts(&["M30"]), texts(&[" 1 "])]).unwrap().body;
    let body = serde_json::to_value(body).unwrap();
    let group = |value: &str| {
        json!({"andOr": "OR", "query": {"matchType": "MATCH_ALL", "condition": [
            literal("F0006.STYL", "EQUAL", "BS"), literal("F0006.MCU", "EQUAL", value),
        ]}})
    };
    assert_eq!(body["query"]["complexQuery"], json!([group("         M30"), group("           1")]));
    assert_eq!(body.get("aggregation"), None);
    let one = serde_json::to_value(writer.keys(&[texts(&["M30"])]).unwrap().body).unwrap();
    assert_eq!(one["query"]["condition"][1], literal("F0006.MCU", "EQUAL", "         M30"));
    assert!(writer.keys(&[texts(&["M30", "x"])]).is_err());
}

#[test]
fn counts_and_sums_carry_the_same_window() {
    let (stream, mut settings) = (small(), settings(URL));
    settings.currency_processing =
        Some(CurrencyProcessing { kind: "CURRENCYCODE".to_owned(), key_columns: texts(&["CRCD"]) });
    let writer = Writer { stream: &stream, settings: &settings, dates: DateWriter::Iso };
    let window = Window { from: Some(at("2026-11-18T00:00:00Z")), to: None };
    let page = serde_json::to_value(writer.window(window, None).unwrap().body).unwrap();
    let count = serde_json::to_value(writer.count(window).unwrap()).unwrap();
    let total = serde_json::to_value(writer.total(window, "AG").unwrap()).unwrap();
    assert_eq!(count["query"], page["query"]);
    assert_eq!(total["query"], page["query"]);
    assert_eq!(count["dataServiceType"], "COUNT");
    assert_eq!(
        total["aggregation"],
        json!({
            "aggregations": [{"aggregation": "SUM", "column": "F0411.AG"}],
            "currencyProcessing": {"type": "CURRENCYCODE", "keyCols": ["F0411.CRCD"], "currencyCols": ["F0411.AG"]},
        })
    );
}

#[test]
fn views_and_links_say_so() {
    let stream = StreamSpec { object: "V0411A".to_owned(), page_size: Some(7), ..small() };
    let settings = JdeSettings { paging: Paging::NextLinks, ..settings(URL) };
    let writer = Writer { stream: &stream, settings: &settings, dates: DateWriter::Iso };
    let body = serde_json::to_value(writer.window(Window::default(), None).unwrap().body).unwrap();
    assert_eq!(body["targetType"], "view");
    assert_eq!(body["returnControlIDs"], "DOC|DCT|AG|UPMJ");
    assert_eq!(body["maxPageSize"], "7");
    assert_eq!(body["enableNextPageProcessing"], true);
    assert_eq!(body["nextPageTimeInterval"], "0");
}
