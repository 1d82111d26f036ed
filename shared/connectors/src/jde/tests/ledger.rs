//! Every table of the vendor that the simulator knows, filled like a real ledger, read whole.

use engine::model::window::Window;
use engine::plan::{StreamSpec, UpdatedSpec};
use engine::ports::{Source, What};
use sandbox::jde::seed::{SeedOptions, ledger};
use sandbox::jde::{Collation, EmptyDate, JdeSandbox, Settings, Tables};

use super::fixture::{at, clock, invoices, read_all, source};

fn filled() -> Tables {
    let mut options = SeedOptions::new("2026-11-20".parse().unwrap());
    (options.invoices, options.purchase_orders, options.suppliers) = (900, 120, 60);
    ledger(&options).unwrap()
}

/// A stream over a table, by the simulator's own schema.
fn stream(tables: &Tables, name: &str) -> StreamSpec {
    let schema = tables.get(name).unwrap().schema();
    let alias = |at: &usize| schema.columns()[*at].alias.clone();
    let key: Vec<_> = schema.key().iter().map(alias).collect();
    let (date, time) = schema.stamp().unwrap();
    let mut columns = key.clone();
    columns.extend([alias(&date), alias(&time)]);
    let padded = if key.iter().any(|column| column == "MCU") { vec![("MCU".to_owned(), 12)] } else { Vec::new() };
    let updated = Some(UpdatedSpec { date: alias(&date), time: Some(alias(&time)) });
    StreamSpec { name: name.to_lowercase(), object: name.to_owned(), key, columns, padded, updated, ..invoices() }
}

#[tokio::test]
async fn every_table_is_read_whole_on_every_kind_of_site() {
    let tables = filled();
    let sites = [
        Settings::default(),
        Settings {
            collation: Collation::DigitsLast,
            full_decimals: true,
            numbers_as_strings: true,
            titles_key: true,
            omit_empty_rowset: true,
            empty_date: EmptyDate::Null,
            padded_filters: true,
            fetch_limit_shows: false,
            db_fetch_limit: 100,
            zone: "America/Chicago".parse().unwrap(),
            ..Settings::default()
        },
    ];
    for site in sites {
        let zone = site.zone;
        let server = JdeSandbox::start(site, clock().0, tables.clone()).await.unwrap();
        let mut total = 0;
        for (name, _) in tables.iter() {
            let stream = stream(&tables, name);
            let width = stream.key.len();
            let source = source(&server.base_url(), |settings| settings.zone = zone);
            for (window, lookback) in [(Window::default(), None), (recent(), Some("20261117"))] {
                let rows =
                    read_all(&source, &stream, What::Window(window)).await.unwrap_or_else(|e| panic!("{name}: {e}"));
                let wanted: Vec<_> = server.with_tables(|tables| {
                    let rows = tables.get(name).unwrap().rows();
                    let inside = |date: &str| lookback.is_none_or(|from| date >= from);
                    let rows = rows.filter(|row| inside(&row.text(&stream.updated.as_ref().unwrap().date)));
                    rows.map(|row| row.key().iter().map(|part| plain(part)).collect::<Vec<_>>().join("|")).collect()
                });
                let read: Vec<_> = rows
                    .iter()
                    .map(|row| row[..width].iter().map(|c| plain(&c.to_text())).collect::<Vec<_>>().join("|"))
                    .collect();
                assert_eq!(read, wanted, "{name}");
                assert_eq!(source.count(&stream, window).await.unwrap(), wanted.len() as u64, "{name}");
                total += rows.len();
            }
            source.close().await;
        }
        assert!(total > 5_000, "{total}");
        assert_eq!(server.open_sessions(), 0);
    }
}

/// From the 18th on, which `special` widens by a day.
fn recent() -> Window {
    Window { from: Some(at("2026-11-18T12:00:00Z")), to: None }
}

/// A key part without blanks and without zeros behind the point.
fn plain(part: &str) -> String {
    let part = part.trim();
    match part.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => whole.to_owned(),
        _ => part.to_owned(),
    }
}
