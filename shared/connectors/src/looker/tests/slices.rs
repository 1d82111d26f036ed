//! More groups than fit into one answer, against a stub that filters and cuts as Looker does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use engine::model::decimal::Decimal;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::ports::Consumer;
use serde_json::{Map, Value as Json, json};

use super::fixture::{EXPLORE, QUERY, explore, invoices, looker};
use super::stub::{Asked, Reply, Stub};

/// One invoice: number, supplier, remark, date, cents.
#[derive(Clone)]
struct Invoice(i64, Option<i64>, String, Option<NaiveDate>, i64);

impl Invoice {
    fn cell(&self, field: &str) -> Json {
        match field.trim_start_matches("ap_invoices.") {
            "document" => json!(self.0),
            "supplier_number" => json!(self.1),
            "remark" => json!(self.2),
            "gl_date" => json!(self.3),
            "gl_month" => json!(self.3.map(|date| date.format("%Y-%m").to_string())),
            other => panic!("{other}"),
        }
    }

    fn passes(&self, field: &str, expression: &str) -> bool {
        let cell = self.cell(field);
        if expression == "NULL" || expression == "NOT NULL" {
            return cell.is_null() == (expression == "NULL");
        }
        if let Some((from, to)) = expression.split_once(" to ") {
            let parse = |text: &str| text.parse::<NaiveDate>().unwrap();
            return self.3.is_some_and(|date| parse(from) <= date && date < parse(to));
        }
        let range = expression.strip_prefix('[').and_then(|rest| rest.strip_suffix(')')).unwrap();
        let (from, to) = range.split_once(',').unwrap();
        cell.as_i64().is_some_and(|n| from.parse::<i64>().unwrap() <= n && n < to.parse::<i64>().unwrap())
    }
}

fn answer(ledger: &[Invoice], asked: &Asked) -> Reply {
    let query = asked.json();
    let fields: Vec<&str> = query["fields"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    let limit: usize = query["limit"].as_str().unwrap().parse().unwrap();
    let none = Map::new();
    let filters = query["filters"].as_object().unwrap_or(&none);
    let passing = ledger.iter().filter(|one| filters.iter().all(|(f, e)| one.passes(f, e.as_str().unwrap())));
    let mut groups: BTreeMap<(Option<i64>, String), (Json, i64, i64)> = BTreeMap::new();
    for one in passing {
        let cell = one.cell(fields[0]);
        let group = groups.entry((cell.as_i64(), cell.to_string())).or_insert((cell, 0, 0));
        *group = (group.0.clone(), group.1 + 1, group.2 + one.4);
    }
    let row = |(cell, count, cents): (Json, i64, i64)| {
        let mut row = Map::from_iter([(fields[0].to_owned(), cell)]);
        if fields.len() > 1 {
            row.insert("ap_invoices.count".to_owned(), json!(count));
            row.insert("ap_invoices.total_gross_amount".to_owned(), json!(Decimal::new(cents.into(), 2).to_string()));
        }
        Json::Object(row)
    };
    let mut rows: Vec<_> = groups.into_values().map(row).collect();
    if query["sorts"][0].as_str().is_some_and(|sort| sort.ends_with(" desc")) {
        rows.reverse();
    }
    rows.truncate(limit);
    Reply::ok(Json::Array(rows))
}

/// Some hundreds of invoices over decades, with and without supplier and date.
fn ledger() -> Vec<Invoice> {
    let first: NaiveDate = "1968-02-10".parse().unwrap();
    let date = |n: i64| (n % 11 != 0).then(|| first + chrono::Days::new(n.unsigned_abs() * 37));
    let supplier = |n: i64| (n % 13 != 0).then_some((n * n) % 211 - 40);
    (0..600).map(|n| Invoice(n + 1, supplier(n), format!("remark {}", n % 90), date(n), n * 7 - 900)).collect()
}

fn expected(ledger: &[Invoice], field: &str) -> Vec<GroupTotal> {
    let mut groups: BTreeMap<Option<String>, (u64, i64)> = BTreeMap::new();
    for one in ledger {
        let cell = one.cell(field);
        let text = cell.as_str().map(str::to_owned).or_else(|| cell.as_i64().map(|n| n.to_string()));
        let group = groups.entry(text).or_default();
        *group = (group.0 + 1, group.1 + one.4);
    }
    let total = |(group, (records, cents)): (Option<String>, (u64, i64))| GroupTotal {
        group,
        records,
        sums: vec![Some(Decimal::new(cents.into(), 2))],
    };
    groups.into_iter().map(total).collect()
}

#[tokio::test]
async fn whatever_the_groups_are_all_of_them_come_and_each_once() {
    for (by, field) in [
        (GroupBy::Month("gl_date".to_owned()), "gl_month"),
        (GroupBy::Value("gl_date".to_owned()), "gl_date"),
        (GroupBy::Value("supplier_number".to_owned()), "supplier_number"),
        (GroupBy::Value("remark".to_owned()), "remark"),
    ] {
        let ledger = ledger();
        let expected = expected(&ledger, field);
        let stub = Stub::answering(move |asked| answer(&ledger, asked)).await;
        stub.on(EXPLORE, [Reply::ok(explore())]);
        let looker = looker(&stub, json!({"row_limit": 40}));
        let totals = looker.totals(&invoices(), &by, &["gross_amount"]).await.unwrap().unwrap();
        assert!(expected.len() > 40);
        assert_eq!(totals, expected, "{by:?}");
        let asked: BTreeSet<String> = stub.asked(QUERY).iter().map(|asked| asked.body.clone()).collect();
        assert_eq!(asked.len(), stub.count(QUERY), "nothing is asked twice");
    }
}

#[tokio::test]
async fn an_answer_as_long_as_the_limit_counts_for_nothing() {
    let ledger: Vec<_> = ledger().into_iter().filter(|one| one.1.is_some()).collect();
    let suppliers = expected(&ledger, "supplier_number").len();
    for (limit, queries) in [(suppliers + 1, 1), (suppliers, 6)] {
        let ledger = ledger.clone();
        let expected = expected(&ledger, "supplier_number");
        let stub = Stub::answering(move |asked| answer(&ledger, asked)).await;
        stub.on(EXPLORE, [Reply::ok(explore())]);
        let looker = looker(&stub, json!({"row_limit": limit}));
        let by = GroupBy::Value("supplier_number".to_owned());
        let totals = looker.totals(&invoices(), &by, &["gross_amount"]).await.unwrap().unwrap();
        assert_eq!((totals, stub.count(QUERY)), (expected, queries));
    }
}

#[tokio::test]
async fn groups_that_nothing_can_cut_are_refused_in_words() {
    let ledger: Vec<_> = (0..50).map(|n| Invoice(1, None, format!("{n}"), None, 1)).collect();
    let stub = Stub::answering(move |asked| answer(&ledger, asked)).await;
    stub.on(EXPLORE, [Reply::ok(explore())]);
    let by = GroupBy::Value("remark".to_owned());
    let looker = looker(&stub, json!({"row_limit": 40}));
    let error = looker.totals(&invoices(), &by, &["gross_amount"]).await.unwrap_err();
    assert!(error.to_string().contains("compare by a column with fewer values"), "{error}");
}
