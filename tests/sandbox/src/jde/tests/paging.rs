//! Pages: how large, how they go on, and how paging by key reaches every row.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value as Json, json};

use super::super::{Collation, Settings, Tables};
use super::{AS_JSON, Answer, DATA, JdeSandbox, all, browse, call, condition, get, post, start, ten, token};

/// `count` invoices, numbered from 1.
fn many(count: i64) -> Tables {
    let mut tables = Tables::standard();
    let ledger = tables.existing("F0411").unwrap();
    let [document, kind, company, item, invoice] =
        ledger.schema().positions_of(["DOC", "DCT", "KCO", "SFX", "VINV"]).unwrap();
    let mut rows = ledger.bulk();
    for number in 1..=count {
        rows.row();
        rows.int(document, number);
        rows.text(kind, "PV");
        rows.text(company, "00001");
        rows.text(item, "001");
        rows.text(invoice, &format!("INV-{number}"));
    }
    rows.finish().unwrap();
    tables
}

#[test]
fn a_page_has_its_size_and_says_whether_there_is_more() {
    let sandbox = start(Settings::default(), many(2500));
    let ask = |sandbox: &JdeSandbox, size: Json| {
        let answer = post(sandbox, DATA, &browse(json!({"maxPageSize": size, "returnControlIDs": "DOC"})));
        (answer.rows().len(), answer.more())
    };
    assert_eq!(ask(&sandbox, json!(null)), (100, true), "the default");
    assert_eq!(ask(&sandbox, json!("700")), (700, true));
    assert_eq!(ask(&sandbox, json!("No Max")), (2000, true), "the DB Fetch Limit");
    assert_eq!(ask(&sandbox, json!("2400")), (2000, true));
    let silent = start(Settings { fetch_limit_shows: false, ..Settings::default() }, many(2500));
    assert_eq!(ask(&silent, json!("No Max")), (2000, false), "cut off without a word");
    assert_eq!(ask(&silent, json!("2000")), (2000, true));
    let wide = start(Settings { db_fetch_limit: 10_000, ..Settings::default() }, many(2500));
    assert_eq!(ask(&wide, json!("No Max")), (2500, false));
    assert_eq!(ask(&wide, json!("2500")), (2500, false), "full, and nothing after it");
    let old = start(Settings { page_cap: Some(500), ..Settings::default() }, many(2500));
    assert_eq!(ask(&old, json!("700")), (500, true));
    assert_eq!(post(&old, DATA, &browse(json!({"maxPageSize": "No Max"}))).status, 500);
}

fn paged(token: &str, more: Json) -> Json {
    let mut request = browse(json!({
        "username": null, "password": null, "token": token, "deviceName": "test",
        "maxPageSize": "4", "enableNextPageProcessing": true, "returnControlIDs": "F0411.DOC|F0411.DCT",
    }));
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

fn href(answer: &Answer) -> Option<String> {
    let href = answer.json()["links"][0]["href"].as_str().map(str::to_owned)?;
    assert_eq!(answer.json()["links"][0]["rel"], "next");
    Some(href)
}

/// The path of a link with what a client has to add: the device, and `|` encoded.
fn path(href: &str) -> String {
    let (_, path) = href.split_once("/jderest").unwrap();
    format!("/jderest{}&deviceName=test", path.replace('|', "%7C"))
}

#[test]
fn next_links_give_every_row_once_and_then_end() {
    let settings = Settings { href_host: Some("https://ais.internal:9302".into()), ..Settings::default() };
    let sandbox = start(settings, ten());
    let token = token(&sandbox);
    let first = post(&sandbox, DATA, &paged(&token, json!({})));
    let link = href(&first).unwrap();
    assert!(link.starts_with("https://ais.internal:9302/jderest/v2/dataservice/next?stackId="), "{link}");
    assert!(link.ends_with("&outputType=GRID_DATA&returnControlIDs=F0411.DOC|F0411.DCT"), "{link}");
    assert!(link.contains("%2B") && link.contains("%3D") && !link.contains(&token), "the token is encoded: {link}");
    assert_eq!((first.documents(), first.more()), (vec![1, 2, 3, 4], true));
    let second = get(&sandbox, &path(&link));
    assert_eq!((second.documents(), second.more()), (vec![5, 6, 7, 8], true));
    let third = call(&sandbox, "POST", &path(&href(&second).unwrap()), &[AS_JSON], "null");
    assert_eq!((third.documents(), third.more(), href(&third)), (vec![9, 10], false, None));
    assert_eq!(get(&sandbox, &path(&link)).status, 500, "read to its end, the result set is gone");
}

#[test]
fn a_next_link_is_refused_when_it_is_late_altered_or_somebody_elses() {
    let settings = || Settings { result_set_timeout: Duration::from_secs(60), ..Settings::default() };
    let sandbox = start(settings(), ten());
    let token = token(&sandbox);
    let link = href(&post(&sandbox, DATA, &paged(&token, json!({})))).unwrap();
    let raw = path(&link).replace("%7C", "|");
    assert_eq!(get(&sandbox, &raw).status, 400, "a literal | is no valid request target");
    assert_eq!(get(&sandbox, &path(&link).replace("&deviceName=test", "")).status, 403);
    assert_eq!(get(&sandbox, &path(&link).replace("deviceName=test", "deviceName=x")).status, 403);
    for name in ["rid", "formOID", "stackId", "stateId", "fullGridId", "outputType", "returnControlIDs"] {
        let without = path(&link).replace(&format!("{name}="), &format!("no{name}="));
        let answer = get(&sandbox, &without);
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.message().contains(name));
    }
    let expired = "JAS_MSG347: The query results expired.  Refresh them by clicking Find again.";
    assert_eq!(get(&sandbox, &path(&link).replace("rid=", "rid=0")).json()["sysErrors"][0]["TITLE"], expired);
    sandbox.clock().advance(TimeDelta::seconds(60));
    let second = get(&sandbox, &path(&link));
    assert_eq!(second.status, 200, "just in time");
    sandbox.clock().advance(TimeDelta::seconds(61));
    let late = get(&sandbox, &path(&link));
    assert_eq!((late.status, &late.json()["sysErrors"][0]["DESC"]), (500, &json!(expired)));
    // A session of one call only: its link leads nowhere.
    let mut basic = paged("x", json!({"username": "SVCREAD", "password": "secret"}));
    basic.as_object_mut().unwrap().remove("token");
    let link = href(&post(&sandbox, DATA, &basic)).unwrap();
    assert_eq!(get(&sandbox, &path(&link)).status, 444);
    let lenient = start(Settings { refuse_raw_pipe: false, ..settings() }, ten());
    let token = super::token(&lenient);
    let link = href(&post(&lenient, DATA, &paged(&token, json!({})))).unwrap();
    assert_eq!(get(&lenient, &path(&link).replace("%7C", "|")).status, 200);
}

#[test]
fn next_links_come_only_from_v2_when_asked_for_and_offered() {
    let sandbox = start(Settings::default(), ten());
    let token = token(&sandbox);
    assert!(href(&post(&sandbox, DATA, &paged(&token, json!({"enableNextPageProcessing": "true"})))).is_some());
    assert!(href(&post(&sandbox, DATA, &paged(&token, json!({"enableNextPageProcessing": false})))).is_none());
    assert!(href(&post(&sandbox, "/jderest/dataservice", &paged(&token, json!({})))).is_none());
    assert!(href(&post(&sandbox, DATA, &paged(&token, json!({"maxPageSize": "10"})))).is_none());
    let old = start(Settings { next_links: false, ..Settings::default() }, ten());
    let token = super::token(&old);
    let answer = post(&old, DATA, &paged(&token, json!({})));
    assert!(href(&answer).is_none() && answer.more());
}

#[test]
fn a_result_set_keeps_to_what_was_found_first() {
    let sandbox = start(Settings::default(), ten());
    let token = token(&sandbox);
    let link = href(&post(&sandbox, DATA, &paged(&token, json!({})))).unwrap();
    sandbox.with_tables(|tables| {
        let ledger = tables.existing("F0411").unwrap();
        let key = |number: i32| [number.into(), "PV".into(), "00001".into(), "001".into(), 0.into()];
        assert!(ledger.delete(&key(6)).unwrap());
        ledger
            .insert(&[("DOC", 5.into()), ("DCT", "PX".into()), ("KCO", "00001".into()), ("SFX", "001".into())])
            .unwrap();
    });
    assert_eq!(get(&sandbox, &path(&link)).documents(), [5, 7, 8]);
}

/// Pages through F0411 by its key, the way a stateless client has to, and returns document and pay item of each row.
fn walk(sandbox: &JdeSandbox, base: Option<&Json>, size: usize) -> Vec<(i64, String)> {
    const KEY: [&str; 5] = ["DOC", "DCT", "KCO", "SFX", "SFXE"];
    let order: Vec<_> =
        KEY.iter().map(|alias| json!({"column": format!("F0411.{alias}"), "direction": "ASC"})).collect();
    let mut seen = Vec::new();
    let mut last: Option<Vec<String>> = None;
    loop {
        let groups: Vec<_> = match &last {
            None => base.iter().map(|base| json!({"query": all(&[(*base).clone()]), "andOr": "AND"})).collect(),
            Some(last) => (0..KEY.len())
                .map(|length| {
                    let mut conditions: Vec<_> = base.into_iter().cloned().collect();
                    for (at, alias) in KEY.iter().enumerate().take(length + 1) {
                        let operator = if at < length { "EQUAL" } else { "GREATER" };
                        conditions.push(condition(&format!("F0411.{alias}"), operator, &[&last[at]]));
                    }
                    json!({"query": all(&conditions), "andOr": "OR"})
                })
                .collect(),
        };
        let answer = post(
            sandbox,
            DATA,
            &browse(json!({
                "maxPageSize": size.to_string(), "query": {"complexQuery": groups}, "aggregation": {"orderBy": order},
            })),
        );
        let rows = answer.rows();
        for row in &rows {
            seen.push((row["F0411_DOC"].as_i64().unwrap(), row["F0411_SFX"].as_str().unwrap().to_owned()));
        }
        let Some(row) = rows.last() else { return seen };
        last = Some(
            KEY.iter()
                .map(|alias| match &row[format!("F0411_{alias}")] {
                    Json::String(text) => text.clone(),
                    number => number.to_string(),
                })
                .collect(),
        );
        if !answer.more() {
            return seen;
        }
    }
}

#[test]
fn paging_by_key_reaches_every_row_once_under_any_collation() {
    for collation in [Collation::Binary, Collation::DigitsLast] {
        let mut tables = Tables::standard();
        let ledger = tables.existing("F0411").unwrap();
        let mut expected = 0;
        for document in 1..=7_i64 {
            for kind in ["PV", "P1", "pv", "PD"] {
                for item in ["001", "00A", "0a1"] {
                    expected += 1;
                    ledger
                        .insert(&[
                            ("DOC", document.into()),
                            ("DCT", kind.into()),
                            ("KCO", "00001".into()),
                            ("SFX", item.into()),
                            ("PST", if document == 4 { "H" } else { "A" }.into()),
                        ])
                        .unwrap();
                }
            }
        }
        let sandbox = start(Settings { collation, ..Settings::default() }, tables);
        for size in [1, 5, 7, 500] {
            assert_eq!(walk(&sandbox, None, size).len(), expected, "{collation:?} {size}");
            let open = condition("F0411.PST", "EQUAL", &["A"]);
            assert_eq!(walk(&sandbox, Some(&open), size).len(), expected - 12, "{collation:?} {size}");
        }
    }
}
