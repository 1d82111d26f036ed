//! Counts and sums.

use engine::model::decimal::Decimal;
use engine::model::window::Window;
use engine::plan::{Condition, StreamSpec};
use engine::ports::Source;
use sandbox::jde::{JdeSandbox, Settings, Tables, Value};

use super::fixture::{at, clock, invoices, source, texts};
use crate::jde::refusal::Failure;
use crate::jde::totals::{count, sum};

#[test]
fn counts_and_sums_are_read_in_every_form() {
    for text in [
        r#"{"ds_F0411":{"count":1234}}"#,
        r#"{"ds_F0411":{"count":"1234"},"sysErrors":[]}"#,
        r#"{"ds_F0411":{"count":1234.0}}"#,
    ] {
        assert_eq!(count(text, "F0411").unwrap(), 1234);
    }
    let exact = Decimal::parse("98765432109876543210.10").unwrap();
    for text in [
        r#"{"ds_F0411":{"output":[{"F0411.AG_SUM":98765432109876543210.10}]}}"#,
        r#"{"ds_F0411":{"output":[{"F0411.AG_SUM":" 98765432109876543210.10 "}]}}"#,
        r#"{"ds_F0411":{"output":[{"groupBy":{"F0411.CRCD":"USD"},"F0411.AG_SUM":98765432109876543210},{"F0411.AG_SUM":0.10,"currencyCode":"JPY"}]}}"#,
    ] {
        assert_eq!(sum(text, "F0411", "AG").unwrap(), exact, "{text}");
    }
    for none in [r#"{"ds_F0411":{"output":[]}}"#, r#"{"ds_F0411":{"output":[{"F0411.AG_SUM":null}]}}"#] {
        assert_eq!(sum(none, "F0411", "AG").unwrap(), Decimal::default());
    }
}

#[test]
fn what_is_no_total_is_an_error() {
    for (text, later) in [
        (r#"{"ds_F0411":{"count":12"#, true),
        ("<html>", true),
        ("{}", false),
        (r#"{"ds_F0411":{}}"#, false),
        (r#"{"ds_F0411":{"count":-1}}"#, false),
        (r#"{"ds_F0411":{"output":[{"F0411.AAP_SUM":1}]}}"#, false),
    ] {
        for failure in [count(text, "F0411").unwrap_err(), sum(text, "F0411", "AG").unwrap_err()] {
            match failure {
                Failure::Failed(error) => assert_eq!(error.is_later(), later, "{text}: {error}"),
                other => panic!("{other:?}"),
            }
        }
    }
    for text in [
        r#"{"ds_F0411":{"error":{"message":"Column F0411.AG is unknown"}}}"#,
        r#"{"ds_F0411":{"error":"Column F0411.AG is unknown"}}"#,
        r#"{"sysErrors":[{"TITLE":"Column F0411.AG is unknown"}]}"#,
        r#"{"message":"Column F0411.AG is unknown"}"#,
    ] {
        match sum(text, "F0411", "AG").unwrap_err() {
            Failure::Reported(words) => assert!(words.contains("F0411.AG is unknown"), "{words}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn totals_of_a_window_agree_with_the_simulator() {
    let mut tables = Tables::standard();
    let table = tables.existing("F0411").unwrap();
    for doc in 0..100 {
        let cells = [
            ("DOC", Value::from(doc)),
            ("DCT", if doc % 2 == 0 { "PV" } else { "PM" }.into()),
            ("AG", sandbox::jde::Decimal::new(i64::from(doc) * 101 - 500, 2).into()),
            ("UPMJ", if doc < 50 { "20261101" } else { "20261119" }.into()),
        ];
        table.insert(&cells).unwrap();
    }
    for numbers_as_strings in [false, true] {
        let settings = Settings { numbers_as_strings, ..Settings::default() };
        let server = JdeSandbox::start(settings, clock().0, tables.clone()).await.unwrap();
        let source = source(&server.base_url(), |_| {});
        let pv = vec![Condition { column: "DCT".to_owned(), equals: texts(&["PV"]) }];
        let stream = StreamSpec { filter: pv, ..invoices() };
        let recent = Window { from: Some(at("2026-11-18T00:00:00Z")), to: None };
        let cents = |docs: std::ops::Range<i128>| docs.step_by(2).map(|doc| doc * 101 - 500).sum::<i128>();
        for (window, records, units) in [(Window::default(), 50, cents(0..100)), (recent, 25, cents(50..100))] {
            assert_eq!(source.count(&stream, window).await.unwrap(), records);
            let total = source.total(&stream, window, "AG").await.unwrap();
            assert_eq!(total.with_scale(2), Some(Decimal::new(units, 2)));
        }
        let none =
            StreamSpec { filter: vec![Condition { column: "DCT".to_owned(), equals: texts(&["XX"]) }], ..stream };
        assert_eq!(source.count(&none, recent).await.unwrap(), 0);
        assert_eq!(source.total(&none, recent, "AG").await.unwrap().normalized(), Decimal::default());
        let error = source.total(&none, recent, "NOPE").await.unwrap_err();
        assert_eq!(error.kind(), engine::Kind::Stop, "{error}");
        source.close().await;
        assert_eq!(server.open_sessions(), 0);
    }
}

#[tokio::test]
async fn groups_come_with_the_values_that_rows_have() {
    let mut tables = Tables::standard();
    let table = tables.existing("F0411").unwrap();
    for doc in 0..90_i32 {
        let cells = [
            ("DOC", Value::from(doc)),
            ("DCT", "PV".into()),
            ("AN8", Value::from(4_000 + doc % 3)),
            ("MCU", if doc % 2 == 0 { "         M30" } else { "" }.into()),
            ("DGJ", if doc < 50 { "20261101" } else { "20261119" }.into()),
            ("AG", sandbox::jde::Decimal::new(i64::from(doc), 2).into()),
        ];
        table.insert(&cells).unwrap();
    }
    let settings = Settings { db_fetch_limit: 40, ..Settings::default() };
    let server = JdeSandbox::start(settings, clock().0, tables).await.unwrap();
    let source = source(&server.base_url(), |_| {});
    let stream = invoices();
    let groups = async |by: &str, columns: &[&str]| {
        let groups = source.groups(&stream, Window::default(), by, columns).await.unwrap();
        groups.map(|groups| {
            let mut texts: Vec<_> = groups
                .iter()
                .map(|group| {
                    let sum = group.sums.first().copied().flatten().map(|sum| sum.normalized().to_string());
                    (group.cell.to_text().trim().to_owned(), group.records, sum.unwrap_or_default())
                })
                .collect();
            texts.sort();
            texts
        })
    };
    let expected = |rows: [(&str, u64, &str); 2]| Some(rows.map(|(a, b, c)| (a.to_owned(), b, c.to_owned())).to_vec());
    assert_eq!(groups("DGJ", &["AG"]).await, expected([("20261101", 50, "12.25"), ("20261119", 40, "27.8")]));
    assert_eq!(groups("MCU", &["AG"]).await, expected([("", 45, "20.25"), ("M30", 45, "19.8")]));
    assert_eq!(groups("AN8", &[]).await.unwrap()[2], ("4002".to_owned(), 30, String::new()));
    assert_eq!(groups("DOC", &["AG"]).await, None, "90 groups, of which the server gives 40");
    source.close().await;
}
