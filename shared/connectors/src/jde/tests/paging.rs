//! Reading page by page from the strict simulator.

use engine::model::window::Window;
use engine::plan::{Condition, StreamSpec};
use engine::ports::{Source, What};
use sandbox::jde::{
    AndOr, Calls, Collation, ColumnDef, Fault, JdeSandbox, Kind, Schema, Settings, Tables, Unordered, Value,
};

use super::fixture::{business_units, clock, invoices, key_of, keys_of, read_all, source, texts};
use crate::jde::Auth;

const ALL: What<'_> = What::Window(Window { from: None, to: None });

/// Vouchers with up to four pay items: ties in every leading part of the key.
fn ledger(vouchers: i64) -> Tables {
    let mut tables = Tables::standard();
    let table = tables.existing("F0411").unwrap();
    for voucher in 0..vouchers {
        for item in 0..=voucher % 4 {
            let cells = [
                ("DOC", Value::from(1000 + voucher / 3)),
                ("DCT", ["PV", "PM", "PD"][usize::try_from(voucher % 3).unwrap()].into()),
                ("KCO", ["00001", "00200", "0000A"][usize::try_from(voucher / 7 % 3).unwrap()].into()),
                ("SFX", format!("{:03}", item + 1).into()),
                ("SFXE", Value::from(voucher % 2)),
                ("AG", sandbox::jde::Decimal::new(125_010 + voucher, 2).into()),
                ("UPMJ", "20261119".into()),
                ("UPMT", Value::from(91_502)),
            ];
            table.upsert(&cells).unwrap();
        }
    }
    tables
}

async fn serve(settings: Settings, tables: Tables) -> JdeSandbox {
    JdeSandbox::start(settings, clock().0, tables).await.unwrap()
}

fn expected(server: &JdeSandbox, table: &str) -> Vec<String> {
    server.with_tables(|tables| {
        tables.get(table).unwrap().rows().map(|row| row.key().join("|").trim().to_owned()).collect()
    })
}

#[tokio::test]
async fn every_row_comes_once_whatever_the_page_size_and_the_servers_order() {
    for collation in [Collation::Binary, Collation::DigitsLast] {
        for and_or in [AndOr::WithPrevious, AndOr::WithNext] {
            let settings = Settings { collation, and_or, unordered: Unordered::Arrival, ..Settings::default() };
            let server = serve(settings, ledger(90)).await;
            for size in [1, 2, 7, 100, 224, 225, 226, 500] {
                let stream = StreamSpec { page_size: Some(size), ..invoices() };
                let source = source(&server.base_url(), |_| {});
                let rows = read_all(&source, &stream, ALL).await.unwrap();
                source.close().await;
                assert_eq!(keys_of(&rows, 5), expected(&server, "F0411"), "{collation:?} {and_or:?} {size}");
            }
            assert_eq!(server.open_sessions(), 0);
        }
    }
}

#[tokio::test]
async fn a_window_and_a_filter_hold_on_every_page() {
    let server = serve(Settings::default(), ledger(60)).await;
    server.with_tables(|tables| {
        let table = tables.existing("F0411").unwrap();
        let keys: Vec<_> = table.rows().map(|row| row.key_values()).collect();
        for key in keys.iter().step_by(3) {
            table.update(key, &[("UPMJ", "20260101".into())]).unwrap();
        }
    });
    let stream = StreamSpec {
        page_size: Some(4),
        filter: vec![Condition { column: "DCT".to_owned(), equals: texts(&["PV", "PD"]) }],
        ..invoices()
    };
    let source = source(&server.base_url(), |_| {});
    let window = Window { from: Some("2026-11-18T00:00:00Z".parse().unwrap()), to: None };
    let rows = read_all(&source, &stream, What::Window(window)).await.unwrap();
    let wanted: Vec<_> = server.with_tables(|tables| {
        let rows = tables.get("F0411").unwrap().rows();
        rows.filter(|row| row.text("UPMJ") == "20261119" && row.text("DCT") != "PM")
            .map(|row| row.key().join("|"))
            .collect()
    });
    assert!(wanted.len() > 20);
    assert_eq!(keys_of(&rows, 5), wanted);
}

#[tokio::test]
async fn the_servers_own_limit_loses_no_row_whether_it_shows_or_not() {
    for fetch_limit_shows in [true, false] {
        for limit in [200, 2000] {
            let settings = Settings { db_fetch_limit: limit, fetch_limit_shows, ..Settings::default() };
            let server = serve(settings, ledger(2000)).await;
            for size in [500, 2000, 5000] {
                let stream = StreamSpec { page_size: Some(size), ..invoices() };
                let source = source(&server.base_url(), |_| {});
                let rows = read_all(&source, &stream, ALL).await.unwrap();
                assert_eq!(keys_of(&rows, 5), expected(&server, "F0411"), "{fetch_limit_shows} {limit} {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_limit_that_is_not_round_and_does_not_show_is_met_by_pages_above_the_usual_limit() {
    let settings = Settings { db_fetch_limit: 333, fetch_limit_shows: false, ..Settings::default() };
    let server = serve(settings, ledger(800)).await;
    let stream = StreamSpec { page_size: Some(5000), ..invoices() };
    let rows = read_all(&source(&server.base_url(), |_| {}), &stream, ALL).await.unwrap();
    assert_eq!(keys_of(&rows, 5), expected(&server, "F0411"));
}

#[tokio::test]
async fn rows_that_appear_and_vanish_between_pages_disturb_no_other() {
    let server = serve(Settings::default(), ledger(40)).await;
    let before = expected(&server, "F0411");
    server.fault(
        Calls::to("/dataservice").nth(2),
        Fault::before(|tables| {
            let table = tables.existing("F0411").unwrap();
            // One before the place of the reader, one after it, and the row the reader stands on is gone.
            for doc in [1, 9000] {
                let key = [("DOC", Value::from(doc)), ("DCT", "PV".into()), ("KCO", "00001".into())];
                table.insert(&[&key[..], &[("SFX", "001".into()), ("SFXE", Value::from(0))]].concat()).unwrap();
            }
            let stands_on = table.nth(9).unwrap().key_values();
            assert!(table.delete(&stands_on).unwrap());
        }),
    );
    let stream = StreamSpec { page_size: Some(10), ..invoices() };
    let rows = read_all(&source(&server.base_url(), |_| {}), &stream, ALL).await.unwrap();
    let keys = keys_of(&rows, 5);
    assert_eq!(keys[..before.len()], before);
    assert_eq!(keys[before.len()..], ["9000|PV|00001|001|0"]);
    assert_eq!(server.faults_waiting(), 0);
}

#[tokio::test]
async fn a_page_that_comes_again_is_an_error_and_not_an_endless_read() {
    let server = serve(Settings::default(), ledger(40)).await;
    server.fault(Calls::to("/dataservice").nth(3), Fault::RepeatPage);
    let stream = StreamSpec { page_size: Some(10), ..invoices() };
    let source = source(&server.base_url(), |_| {});
    let error = read_all(&source, &stream, ALL).await.unwrap_err();
    assert!(error.is_later() && error.to_string().contains("again"), "{error}");
    source.close().await;
    assert_eq!(server.open_sessions(), 0);
}

#[tokio::test]
async fn right_justified_keys_are_paged_and_found_on_both_kinds_of_site() {
    for padded_filters in [false, true] {
        let server = serve(Settings { padded_filters, ..Settings::default() }, Tables::standard()).await;
        server.with_tables(|tables| {
            let table = tables.existing("F0006").unwrap();
            for unit in ["1", "30", "M30", "M310", "ABCDEFGHIJKL", "5", "90"] {
                table.insert(&[("MCU", unit.into()), ("UPMJ", "20261119".into())]).unwrap();
            }
        });
        let stream = StreamSpec { page_size: Some(2), ..business_units() };
        let source = source(&server.base_url(), |_| {});
        let rows = read_all(&source, &stream, ALL).await.unwrap();
        assert_eq!(keys_of(&rows, 1).len(), 7, "{padded_filters}");
        let mut found = rows.iter().map(|row| key_of(row, 1)).collect::<Vec<_>>();
        found.sort();
        assert_eq!(found, ["1", "30", "5", "90", "ABCDEFGHIJKL", "M30", "M310"]);
        let keys = [texts(&["M30"]), texts(&["         M310"]), texts(&["nope"])];
        let rows = read_all(&source, &stream, What::Keys(&keys)).await.unwrap();
        assert_eq!(keys_of(&rows, 1), ["M30", "M310"], "{padded_filters}");
    }
}

/// A site's own table whose key has blanks, text that looks like a date, and a date.
fn site_table() -> (Schema, StreamSpec) {
    let text = |alias: &str, width| ColumnDef {
        alias: alias.to_owned(),
        title: alias.to_owned(),
        kind: Kind::Text { width, right: false },
    };
    let date = ColumnDef { alias: "DGJ".to_owned(), title: "Date".to_owned(), kind: Kind::Date };
    let stamp = ["UPMJ", "UPMT"].map(|alias| sandbox::jde::look_up(alias).unwrap());
    let mut columns = vec![text("AID", 8), text("EXTL", 2), date, text("LT", 2)];
    columns.extend(stamp);
    let schema = Schema::new("F5509", "Site table", columns, &["AID", "EXTL", "DGJ", "LT"]).unwrap();
    let stream = StreamSpec {
        name: "site".to_owned(),
        object: "F5509".to_owned(),
        key: texts(&["AID", "EXTL", "DGJ", "LT"]),
        columns: texts(&["AID", "EXTL", "DGJ", "LT", "UPMJ"]),
        ..invoices()
    };
    (schema, stream)
}

#[tokio::test]
async fn keys_of_blanks_and_dates_are_paged_under_every_way_to_write_dates() {
    use crate::jde::DateLiteral as Ours;
    use sandbox::jde::{DateLiteral as Theirs, EmptyDate};
    for (ours, theirs) in [
        (Ours::Special, Theirs::Iso),
        (Ours::UserFormat, Theirs::UserFormat),
        (Ours::Julian, Theirs::Julian),
        (Ours::Iso, Theirs::Iso),
    ] {
        for empty_date in [EmptyDate::Empty, EmptyDate::Blank, EmptyDate::Null] {
            let (schema, stream) = site_table();
            let mut tables = Tables::standard();
            let table = tables.add(schema);
            for aid in ["20261118", "00012345"] {
                for extl in ["", "A"] {
                    for dgj in ["", "20251231", "20261120", "20270105"] {
                        for lt in ["", "AA", "CA"] {
                            let cells = [("AID", aid), ("EXTL", extl), ("DGJ", dgj), ("LT", lt), ("UPMJ", "20261119")];
                            table.insert(&cells.map(|(alias, text)| (alias, text.into()))).unwrap();
                        }
                    }
                }
            }
            let server = serve(Settings { date_literal: theirs, empty_date, ..Settings::default() }, tables).await;
            let wanted = expected(&server, "F5509");
            for size in [1, 5] {
                let stream = StreamSpec { page_size: Some(size), ..stream.clone() };
                let source = source(&server.base_url(), |settings| settings.date_literal = ours);
                let rows = read_all(&source, &stream, ALL).await.unwrap();
                assert_eq!(keys_of(&rows, 4), wanted, "{ours:?} {empty_date:?} {size}");
                let keys: Vec<_> =
                    rows.iter().map(|row| row[..4].iter().map(|c| c.to_text().into_owned()).collect()).collect();
                let found = read_all(&source, &stream, What::Keys(&keys)).await.unwrap();
                assert_eq!(keys_of(&found, 4), wanted, "{ours:?} {empty_date:?} {size}");
            }
        }
    }
}

#[tokio::test]
async fn chosen_records_come_in_calls_of_fifty() {
    let server = serve(Settings::default(), ledger(200)).await;
    let all = expected(&server, "F0411");
    let keys: Vec<_> = all.iter().step_by(3).map(|key| key.split('|').map(str::to_owned).collect()).collect();
    let source = source(&server.base_url(), |settings| settings.page_size = 10);
    let rows = read_all(&source, &invoices(), What::Keys(&keys)).await.unwrap();
    let mut found = keys_of(&rows, 5);
    let mut wanted: Vec<_> = all.iter().step_by(3).cloned().collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(server.count_calls("dataservice"), keys.len().div_ceil(50));
    assert_eq!(read_all(&source, &invoices(), What::Keys(&[])).await.unwrap(), Vec::<super::fixture::Row>::new());
}

#[tokio::test]
async fn basic_pages_like_a_token_and_leaves_no_session() {
    let server = serve(Settings::default(), ledger(40)).await;
    let stream = StreamSpec { page_size: Some(7), ..invoices() };
    let source = source(&server.base_url(), |settings| settings.auth = Auth::Basic);
    let rows = read_all(&source, &stream, ALL).await.unwrap();
    assert_eq!(keys_of(&rows, 5), expected(&server, "F0411"));
    assert_eq!(server.open_sessions(), 0);
}

#[tokio::test]
async fn a_view_is_read_by_its_own_name() {
    let mut tables = ledger(20);
    tables.add_view("V0411A", "F0411");
    let server = serve(Settings::default(), tables).await;
    let stream = StreamSpec { object: "V0411A".to_owned(), page_size: Some(6), ..invoices() };
    let rows = read_all(&source(&server.base_url(), |_| {}), &stream, ALL).await.unwrap();
    assert_eq!(keys_of(&rows, 5), expected(&server, "F0411"));
}

#[tokio::test]
async fn values_come_as_the_release_writes_them() {
    for (numbers_as_strings, full_decimals, amount) in
        [(false, false, "1250.1"), (false, true, "1250.10"), (true, true, "1250.10")]
    {
        let settings = Settings { numbers_as_strings, full_decimals, titles_key: true, ..Settings::default() };
        let server = serve(settings, ledger(12)).await;
        let stream = StreamSpec { page_size: Some(5), ..invoices() };
        let rows = read_all(&source(&server.base_url(), |_| {}), &stream, ALL).await.unwrap();
        assert_eq!(keys_of(&rows, 5), expected(&server, "F0411"));
        let cell = &rows.iter().find(|row| key_of(row, 4) == "1000|PV|00001|001").unwrap()[6];
        assert_eq!(cell.to_text(), amount);
        assert_eq!(matches!(cell, engine::model::value::Value::Text(_)), numbers_as_strings);
        assert_eq!(rows[0][7].to_text(), " ");
    }
}

#[tokio::test]
async fn a_read_that_goes_in_circles_ends() {
    use super::stub::{Reply, Stub};
    let page = |doc: usize| {
        let body = r#"{"fs_DATABROWSE_F0411":{"data":{"gridData":{"rowset":[{"F0411_DOC":"#;
        Reply::json(200, format!(r#"{body}{doc}}}],"summary":{{"records":1,"moreRecords":true}}}}}}}}}}"#))
    };
    for circle in [1, 2, 3, 7, 10] {
        let pages = (0..40).map(|n| page(if n < 5 { 100 + n } else { n % circle }));
        let stub = Stub::data(pages.collect()).await;
        let stream = StreamSpec { key: texts(&["DOC"]), columns: texts(&["DOC"]), ..invoices() };
        let error = read_all(&source(&stub.url, |_| {}), &stream, ALL).await.unwrap_err();
        assert!(error.is_later() && error.to_string().contains("again"), "{circle}: {error}");
    }
}
