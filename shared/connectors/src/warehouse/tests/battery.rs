//! What every warehouse does with batches.

use engine::model::audit::Outcome::{Deleted, Inserted, Rejected, Superseded, Unchanged, Updated};
use engine::model::batch::Version;
use engine::model::decimal::Decimal;
use engine::model::id::RunId;
use engine::model::value::Value;
use engine::ports::Landed;

use super::sample::{batch, column, decimal, outcomes, row, sync, table, text};
use super::{Harness, for_every_warehouse};
use crate::warehouse::meta;

for_every_warehouse!(
    a_batch_that_comes_twice_is_written_once,
    an_older_read_never_overwrites_a_newer_one,
    within_one_read_stamp_then_mapping_decide,
    unchanged_records_are_touched_only_when_asked,
    deleted_records_stay_as_marked_rows,
    bad_rows_are_refused_alone_with_the_databases_words,
    values_that_do_not_fit_are_refused_before_they_are_sent,
    every_type_comes_back_as_it_went_in,
    text_of_every_script_and_keys_with_quotes_are_kept,
    five_thousand_rows_are_one_batch,
    an_empty_batch_is_a_batch,
    two_writers_at_once_end_in_the_newest_state,
    the_same_batch_from_two_writers_is_written_once,
    totals_are_exact,
    what_a_full_read_did_not_find_is_marked_deleted,
    records_that_a_later_read_brought_are_named,
    a_key_of_several_columns_is_one_key,
    another_number_of_rows_under_a_known_id_stops,
    a_batch_of_another_shape_stops,
    after_run_and_check_can_be_repeated,
);

#[cfg(feature = "databricks")]
super::for_databricks!(
    an_older_read_never_overwrites_a_newer_one,
    within_one_read_stamp_then_mapping_decide,
    unchanged_records_are_touched_only_when_asked,
    values_that_do_not_fit_are_refused_before_they_are_sent,
    every_type_comes_back_as_it_went_in,
    text_of_every_script_and_keys_with_quotes_are_kept,
    five_thousand_rows_are_one_batch,
    two_writers_at_once_end_in_the_newest_state,
    the_same_batch_from_two_writers_is_written_once,
    totals_are_exact,
    what_a_full_read_did_not_find_is_marked_deleted,
    records_that_a_later_read_brought_are_named,
    a_key_of_several_columns_is_one_key,
    a_batch_of_another_shape_stops,
    after_run_and_check_can_be_repeated,
);

async fn a_batch_that_comes_twice_is_written_once(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let rows = [row("1", "a", "1.50"), row("2", "b", "999999999999999.99"), row("3", "c", "-0.01")];
    let first = batch(&table, "run", 1, &rows);
    let written = destination.write(&table, &first).await.unwrap();
    assert_eq!(outcomes(&written), [Inserted, Rejected, Inserted]);
    let before = harness.rows(&table).await;
    assert_eq!(destination.write(&table, &first).await.unwrap(), written);
    assert_eq!(harness.another().write(&table, &first).await.unwrap(), written);
    assert_eq!(harness.rows(&table).await, before);
    assert_eq!(harness.ledger().await, [[3, 2, 0, 0, 0, 0, 1]]);
    let mut part = first.clone();
    part.part = 1;
    assert_eq!(outcomes(&destination.write(&table, &part).await.unwrap()), [Unchanged, Rejected, Unchanged]);
}

async fn an_older_read_never_overwrites_a_newer_one(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let newer = batch(&table, "b", 2, &[row("1", "new", "2").stamped(Some(5)), row("2", "same", "1")]);
    destination.write(&table, &newer).await.unwrap();
    let older =
        batch(&table, "a", 1, &[row("1", "old", "1").stamped(Some(9)), row("2", "same", "1"), row("3", "first", "1")]);
    let written = destination.write(&table, &older).await.unwrap();
    assert_eq!(outcomes(&written), [Superseded, Unchanged, Inserted]);
    let rows = harness.rows(&table).await;
    assert_eq!(rows["1"]["name"].as_deref(), Some("new"));
    assert_eq!(rows["1"][meta::VERSION].as_deref(), Some("2"));
    assert_eq!(harness.ledger().await[1], [3, 1, 0, 1, 1, 0, 0]);
}

async fn within_one_read_stamp_then_mapping_decide(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let write = async |run: &str, name: &str, stamp, mapping| {
        let mut batch = batch(&table, run, 1, &[row("1", name, "1").stamped(stamp)]);
        batch.mapping = mapping;
        outcomes(&destination.write(&table, &batch).await.unwrap())[0]
    };
    assert_eq!(write("a", "a", None, 2).await, Inserted);
    assert_eq!(write("b", "b", None, 1).await, Superseded);
    assert_eq!(write("c", "c", None, 2).await, Updated);
    assert_eq!(write("d", "d", Some(10), 1).await, Updated);
    assert_eq!(write("e", "e", None, 9).await, Superseded);
    assert_eq!(write("f", "f", Some(9), 9).await, Superseded);
    assert_eq!(write("g", "g", Some(10), 2).await, Updated);
    assert_eq!(harness.rows(&table).await["1"]["name"].as_deref(), Some("g"));
}

async fn unchanged_records_are_touched_only_when_asked(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let same = [row("1", "a", "1"), row("2", "b", "1")];
    destination.write(&table, &batch(&table, "a", 1, &same)).await.unwrap();
    let before = harness.rows(&table).await;
    let untouched = batch(&table, "b", 2, &same);
    assert_eq!(outcomes(&destination.write(&table, &untouched).await.unwrap()), [Unchanged, Unchanged]);
    assert_eq!(harness.rows(&table).await, before);

    let mut touched = batch(&table, "c", 3, &[row("1", "a", "1").stamped(Some(77)), row("2", "changed", "1")]);
    touched.touch = true;
    touched.mapping = 4;
    assert_eq!(outcomes(&destination.write(&table, &touched).await.unwrap()), [Unchanged, Updated]);
    let after = harness.rows(&table).await;
    assert_eq!(after["1"][meta::VERSION].as_deref(), Some("3"));
    assert_eq!(after["1"][meta::MAPPING].as_deref(), Some("4"));
    assert_eq!(after["1"][meta::SOURCE_UPDATED_AT].as_deref(), Some("1970-01-01T00:00:00.000077Z"));
    for column in [meta::BATCH_ID, meta::SEQ, meta::LOADED_AT, meta::FIRST_LOADED_AT, "name"] {
        assert_eq!(after["1"][column], before["1"][column], "{column}");
    }
    assert_ne!(after["2"][meta::BATCH_ID], before["2"][meta::BATCH_ID]);
    assert_eq!(after["2"][meta::SEQ].as_deref(), Some("3"));

    // The version that the touch gave now holds off what was read in between.
    let between = batch(&table, "b2", 2, &[row("1", "between", "1")]);
    assert_eq!(outcomes(&destination.write(&table, &between).await.unwrap()), [Superseded]);
}

async fn deleted_records_stay_as_marked_rows(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let write = async |run: &str, version, row| {
        outcomes(&destination.write(&table, &batch(&table, run, version, &[row])).await.unwrap())[0]
    };
    assert_eq!(write("a", 1, row("1", "a", "1")).await, Inserted);
    assert_eq!(write("b", 2, row("1", "a", "1").deleted()).await, Deleted);
    let rows = harness.rows(&table).await;
    assert_eq!(rows["1"][meta::IS_DELETED].as_deref(), Some("true"));
    assert_eq!(rows["1"][meta::OP].as_deref(), Some("D"));
    assert_eq!(write("c", 3, row("1", "a", "1").deleted()).await, Unchanged);
    assert_eq!(write("d", 4, row("1", "other", "1").deleted()).await, Updated);
    assert_eq!(write("e", 5, row("1", "other", "1")).await, Updated);
    let rows = harness.rows(&table).await;
    assert_eq!(rows["1"][meta::IS_DELETED].as_deref(), Some("false"));
    assert_eq!(rows["1"][meta::OP].as_deref(), Some("U"));
    // Never seen before, and gone: kept, so that a late older read does not bring it to life.
    assert_eq!(write("f", 6, row("2", "b", "1").deleted()).await, Deleted);
    assert_eq!(write("g", 5, row("2", "b", "1")).await, Superseded);
    // Gone with nothing but its key.
    let nothing = row("3", "c", "1").deleted();
    let nothing = (0..10).filter(|i| *i != 1).fold(nothing, |row, i| row.with(i, Value::Null));
    assert_eq!(write("h", 7, nothing).await, Deleted);
}

async fn bad_rows_are_refused_alone_with_the_databases_words(harness: &dyn Harness) {
    let (destination, mut table) = (harness.destination(), table("t"));
    table.columns[9] = column("extra", "text");
    destination.prepare(&table).await.unwrap();
    harness.run("CREATE UNIQUE INDEX one_amount ON {schema}t (amount)").await;
    let mut rows: Vec<_> = (0..40).map(|i| row(&format!("{i:02}"), "x", &format!("{i}")).with(9, text("x"))).collect();
    for (bad, same) in [(0, 1), (17, 16), (38, 37), (39, 37)] {
        rows[bad] = rows[bad].clone().with(4, decimal(&same.to_string(), 2));
    }
    rows[20] = rows[20].clone().with(3, text("not a number"));
    let batch = batch(&table, "a", 1, &rows);
    let written = destination.write(&table, &batch).await.unwrap();
    let rejected: Vec<_> = written.iter().enumerate().filter(|(_, w)| w.outcome == Rejected).collect();
    // Of two rows that collide one is refused, whichever came second.
    assert_eq!(rejected.len(), 5, "{rejected:?}");
    assert_eq!(written.iter().filter(|w| w.outcome == Inserted).count(), 35);
    for (i, written) in rejected {
        let reason = written.reason.clone().unwrap();
        let expected = if i == 20 { "declared integer" } else { "amount" };
        assert!(reason.to_lowercase().contains(expected) || reason.contains("one_amount"), "{reason}");
    }
    assert_eq!(harness.rows(&table).await.len(), 35);
    assert_eq!(harness.ledger().await, [[40, 35, 0, 0, 0, 0, 5]]);
    assert_eq!(destination.write(&table, &batch).await.unwrap(), written);
}

async fn values_that_do_not_fit_are_refused_before_they_are_sent(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let good = row("good", "n", "1");
    let rows = [
        good.clone(),
        row("long", &"x".repeat(61), "1"),
        row("nul", "a\0b", "1"),
        row("scale", "n", "1").with(4, Value::Decimal(Decimal::new(1_001, 3))),
        row("digits", "n", "1").with(4, Value::Decimal(Decimal::new(i128::MAX, 2))),
        row("year", "n", "1").with(7, Value::Date(i32::MAX)),
        row("kind", "n", "1").with(6, text("yes")),
        good.clone().with(1, Value::Null),
    ];
    let written = destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    assert_eq!(outcomes(&written)[0], Inserted);
    assert!(written[1..].iter().all(|w| w.outcome == Rejected && w.reason.is_some()), "{written:?}");
    assert_eq!(harness.rows(&table).await.len(), 1);
}

async fn every_type_comes_back_as_it_went_in(harness: &dyn Harness) {
    let (destination, mut table) = (harness.destination(), table("t"));
    table.columns[4] = column("amount", "decimal(38,0)");
    let nines = "9".repeat(38);
    let whole = format!("{}.{}", "9".repeat(28), "9".repeat(10));
    let base = row("low", "", "0");
    let low = base
        .clone()
        .with(3, Value::Integer(i64::MIN))
        .with(4, decimal(&format!("-{nines}"), 0))
        .with(5, decimal(&format!("-{whole}"), 10))
        .with(6, Value::Bool(false))
        .with(7, Value::Date(-719_162))
        .with(8, Value::Timestamp(-62_135_596_800_000_000))
        .with(9, Value::Json("[]".into()));
    let high = row("high", &"ä".repeat(60), "0")
        .with(3, Value::Integer(i64::MAX))
        .with(4, decimal(&nines, 0))
        .with(5, decimal("0.0000000001", 10))
        .with(7, Value::Date(2_932_896))
        .with(8, Value::Timestamp(253_402_300_799_999_999))
        .with(9, Value::Json(r#"{"k": "v"}"#.into()))
        .stamped(None);
    let nulls = (2..10).fold(row("nulls", "", "0"), |row, i| row.with(i, Value::Null)).with(0, Value::Null);
    let rows = [low, high, nulls, base.with(1, text("zero")).with(4, decimal("0", 0))];
    let written = destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    assert_eq!(outcomes(&written), [Inserted; 4], "{written:?}");
    let found = harness.rows(&table).await;
    let expect = |key: &str, column: &str, text: &str| assert_eq!(found[key][column].as_deref(), Some(text), "{key}");
    expect("low", "name", "");
    expect("low", "lines", "-9223372036854775808");
    expect("low", "amount", &format!("-{nines}"));
    expect("low", "exact", &format!("-{whole}"));
    expect("low", "is_open", "false");
    expect("low", "due", "0001-01-01");
    expect("low", "paid_at", "0001-01-01T00:00:00.000000Z");
    expect("low", "extra", "[]");
    expect("high", "name", &"ä".repeat(60));
    expect("high", "lines", "9223372036854775807");
    expect("high", "amount", &nines);
    expect("high", "exact", "0.0000000001");
    expect("high", "is_open", "true");
    expect("high", "due", "9999-12-31");
    expect("high", "paid_at", "9999-12-31T23:59:59.999999Z");
    expect("high", "extra", r#"{"k": "v"}"#);
    assert_eq!(found["high"][meta::SOURCE_UPDATED_AT], None);
    expect("zero", "amount", "0");
    expect("zero", "exact", "0.5000000000");
    for column in ["company", "name", "lines", "amount", "exact", "is_open", "due", "paid_at", "extra"] {
        assert_eq!(found["nulls"][column], None, "{column}");
    }
    assert_eq!(found["nulls"][meta::SOURCE_COMPANY], None);
    expect("low", meta::SOURCE_COMPANY, "00001");
    expect("low", meta::SOURCE_SYSTEM, "jde");
    expect("low", meta::SOURCE_UPDATED_AT, "2023-11-14T22:13:20.000000Z");
    expect("low", meta::FIRST_LOADED_AT, "2026-09-21T14:13:20.000000Z");
    expect("low", meta::LOADED_AT, "2026-09-21T14:13:20.000000Z");
    expect("low", meta::ROW_HASH, &format!("{:032x}", rows[0].hash()));
    let id = batch(&table, "a", 1, &[]).id.as_bytes();
    expect("low", meta::BATCH_ID, &id.iter().map(|b| format!("{b:02x}")).collect::<String>());
}

async fn text_of_every_script_and_keys_with_quotes_are_kept(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let texts = [
        "O'Brien \"& Co\"",
        "Śląsk ñ",
        "株式会社",
        "شركة",
        "חברה",
        "🏭👩‍👩‍👧",
        "a\tb\nc\\.",
        "e\u{301}",
        "$1 ; DROP TABLE t",
        " ",
    ];
    let rows: Vec<_> = texts.iter().map(|text| row(text, text, "1")).collect();
    let written = destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    assert!(written.iter().all(|w| w.outcome == Inserted));
    let again = destination.write(&table, &batch(&table, "b", 2, &rows)).await.unwrap();
    assert!(again.iter().all(|w| w.outcome == Unchanged));
    let found = harness.rows(&table).await;
    for text in texts {
        let key = engine::model::id::RecordKey::join([text]);
        assert_eq!(found[key.as_str()]["name"].as_deref(), Some(text));
        assert_eq!(found[key.as_str()]["id"].as_deref(), Some(text));
    }
}

async fn five_thousand_rows_are_one_batch(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let mut rows: Vec<_> = (0..5_000).map(|i| row(&format!("{i}"), "name", "12.34")).collect();
    let first = destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    assert!(first.iter().all(|w| w.outcome == Inserted) && first.len() == 5_000);
    for row in rows.iter_mut().step_by(10) {
        row.cells[2] = text("changed");
    }
    rows.reverse();
    let second = destination.write(&table, &batch(&table, "b", 2, &rows)).await.unwrap();
    for (i, written) in second.iter().enumerate() {
        assert_eq!(written.outcome, if (4_999 - i) % 10 == 0 { Updated } else { Unchanged }, "{i}");
    }
    assert_eq!(harness.rows(&table).await.len(), 5_000);
}

async fn an_empty_batch_is_a_batch(harness: &dyn Harness) {
    let table = table("t");
    let empty = batch(&table, "a", 1, &[]);
    assert_eq!(harness.destination().write(&table, &empty).await.unwrap(), []);
    assert_eq!(harness.destination().write(&table, &empty).await.unwrap(), []);
    assert_eq!(harness.ledger().await, [[0; 7]]);
}

async fn two_writers_at_once_end_in_the_newest_state(harness: &dyn Harness) {
    let table = table("t");
    let (one, two) = (harness.another(), harness.another());
    let rows = |name: &str| (0..300).map(|i| row(&format!("{i}"), name, "1")).collect::<Vec<_>>();
    for round in 0..5 {
        let versions = (round * 2 + 1, round * 2 + 2);
        let older = batch(&table, &format!("o{round}"), versions.0, &rows(&format!("old{round}")));
        let mut reversed = rows(&format!("new{round}"));
        reversed.reverse();
        let newer = batch(&table, &format!("n{round}"), versions.1, &reversed);
        let write = async |destination: &dyn engine::ports::Destination, batch| {
            // Two writers that lock the same rows in other orders may be told to try again.
            loop {
                match destination.write(&table, batch).await {
                    Ok(written) => return written,
                    Err(error) => assert!(error.is_later(), "{error}"),
                }
            }
        };
        let (first, second) = tokio::join!(write(&*one, &older), write(&*two, &newer));
        assert_eq!((first.len(), second.len()), (300, 300));
        let found = harness.rows(&table).await;
        assert_eq!(found.len(), 300);
        assert!(found.values().all(|row| row["name"] == Some(format!("new{round}"))));
    }
}

async fn the_same_batch_from_two_writers_is_written_once(harness: &dyn Harness) {
    let table = table("t");
    let (one, two) = (harness.another(), harness.another());
    let same = batch(&table, "a", 1, &(0..500).map(|i| row(&format!("{i}"), "n", "1")).collect::<Vec<_>>());
    let (first, second) = tokio::join!(one.write(&table, &same), two.write(&table, &same));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(harness.ledger().await, [[500, 500, 0, 0, 0, 0, 0]]);
}

async fn totals_are_exact(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let columns = ["amount", "lines", "exact"];
    let none = destination.totals(&table, &sync(), &columns, &[]).await.unwrap();
    assert_eq!((none.records, none.sums), (0, vec![None; 3]));
    let mut rows: Vec<_> = (0..1_000).map(|i| row(&format!("{i}"), "n", "0.10")).collect();
    rows[7] = row("7", "n", "9999999999999.99");
    rows[8] = row("8", "n", "5").deleted();
    rows[9] = row("9", "n", "0.10").with(4, Value::Null);
    destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    let totals = destination.totals(&table, &sync(), &columns, &[]).await.unwrap();
    assert_eq!(totals.records, 999);
    let sums: Vec<_> = totals.sums.iter().map(|sum| sum.unwrap().to_string()).collect();
    assert_eq!(sums, ["10000000000099.69", "2997", "499.5000000000"]);
    let held = ["7".to_owned(), "nobody".to_owned()];
    let totals = destination.totals(&table, &sync(), &["amount"], &held).await.unwrap();
    assert_eq!((totals.records, totals.sums), (998, vec![Some(Decimal::new(9_970, 2))]));
    let mut other = table.clone();
    other.source_system = "another".into();
    assert_eq!(destination.totals(&other, &sync(), &[], &[]).await.unwrap().records, 0);
    assert!(destination.totals(&table, &sync(), &["name"], &[]).await.is_err());
    assert!(destination.totals(&table, &sync(), &["missing"], &[]).await.is_err());
}

async fn what_a_full_read_did_not_find_is_marked_deleted(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let rows: Vec<_> = ["1", "2", "3", "4"].map(|id| row(id, "n", "1")).to_vec();
    destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    let mut full = batch(&table, "b", 10, &rows[..1]);
    full.touch = true;
    destination.write(&table, &full).await.unwrap();
    let held = ["3".to_owned()];
    let before = Version(10);
    assert_eq!(destination.count_stale(&table, &sync(), before, &[]).await.unwrap(), 3);
    assert_eq!(destination.count_stale(&table, &sync(), before, &held).await.unwrap(), 2);
    let mut other = table.clone();
    other.source_system = "another".into();
    assert_eq!(destination.count_stale(&other, &sync(), before, &[]).await.unwrap(), 0);
    // Who asks again, because the first answer was lost, gets the same answer.
    for _ in 0..2 {
        let mut gone = destination.delete_stale(&table, &sync(), before, &held).await.unwrap();
        gone.sort();
        assert_eq!(gone, ["2", "4"]);
    }
    assert_eq!(harness.ledger().await[2], [2, 0, 0, 0, 0, 2, 0]);
    assert_eq!(harness.rows(&table).await["2"][meta::VERSION].as_deref(), Some("10"));
    assert_eq!(destination.delete_stale(&table, &sync(), Version(11), &[]).await.unwrap().len(), 2);
    let found = harness.rows(&table).await;
    assert_eq!(found["2"][meta::IS_DELETED].as_deref(), Some("true"));
    assert_eq!(found["3"][meta::VERSION].as_deref(), Some("11"));
    // An older read does not bring it back, a newer one does.
    let late = batch(&table, "c", 9, &[row("2", "n", "1")]);
    assert_eq!(outcomes(&destination.write(&table, &late).await.unwrap()), [Superseded]);
    let back = batch(&table, "d", 12, &[row("2", "n", "1")]);
    assert_eq!(outcomes(&destination.write(&table, &back).await.unwrap()), [Updated]);
}

async fn records_that_a_later_read_brought_are_named(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let newer = batch(&table, "a", 5, &[row("1", "n", "1"), row("2", "n", "1")]);
    destination.write(&table, &newer).await.unwrap();
    destination.write(&table, &batch(&table, "b", 3, &[row("3", "n", "1")])).await.unwrap();
    let keys = ["2", "3", "nobody"].map(str::to_owned);
    assert_eq!(destination.newer_among(&table, &sync(), &keys, Version(4)).await.unwrap(), ["2"]);
    assert_eq!(destination.newer_among(&table, &sync(), &keys, Version(5)).await.unwrap(), [""; 0]);
    assert_eq!(destination.newer_among(&table, &sync(), &[], Version(0)).await.unwrap(), [""; 0]);
}

async fn a_key_of_several_columns_is_one_key(harness: &dyn Harness) {
    let (destination, mut table) = (harness.destination(), table("t"));
    table.columns[5] = column("exact", "decimal(9,1)");
    // Of several types, and in another order than the columns.
    table.key = vec![7, 1, 5, 3, 0];
    let base = row("1", "n", "1").with(5, decimal("2.5", 1));
    let rows = [
        base.clone(),
        base.clone().with(3, Value::Integer(4)),
        base.clone().with(7, Value::Date(0)),
        base.clone().with(5, decimal("2.6", 1)),
        base.clone().with(0, text("0|1")),
    ];
    let first = destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    assert_eq!(outcomes(&first), [Inserted; 5]);
    let changed: Vec<_> = rows.iter().map(|row| row.clone().with(2, text("changed"))).collect();
    let second = destination.write(&table, &batch(&table, "b", 2, &changed)).await.unwrap();
    assert_eq!(outcomes(&second), [Updated; 5]);
    let third = destination.write(&table, &batch(&table, "c", 1, &rows)).await.unwrap();
    assert_eq!(outcomes(&third), [Superseded; 5]);
    assert!(harness.rows(&table).await.contains_key("2024-10-04|1|2.5|3|0\\|1"));
}

async fn another_number_of_rows_under_a_known_id_stops(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    destination.write(&table, &batch(&table, "a", 1, &[row("1", "n", "1")])).await.unwrap();
    let other = batch(&table, "a", 1, &[row("1", "n", "1"), row("2", "n", "1")]);
    let error = destination.write(&table, &other).await.unwrap_err();
    assert!(error.to_string().contains("another number of rows"), "{error}");
    // The connection is fit for use afterwards.
    destination.write(&table, &batch(&table, "b", 1, &[row("1", "n", "1")])).await.unwrap();
}

async fn a_batch_of_another_shape_stops(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let batch = batch(&table, "a", 1, &[row("1", "n", "1")]);
    let mut other = table.clone();
    other.columns.push(column("more", "text"));
    let error = destination.write(&other, &batch).await.unwrap_err();
    assert!(error.to_string().contains("mapped for another shape"), "{error}");
    assert!(harness.ledger().await.is_empty());
}

async fn after_run_and_check_can_be_repeated(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let findings = destination.check(&[&table]).await;
    assert!(findings.iter().all(|f| f.ok), "{findings:?}");
    assert!(findings.iter().any(|f| f.detail == "would be created"), "{findings:?}");
    destination.write(&table, &batch(&table, "a", 1, &[row("1", "n", "1")])).await.unwrap();
    let (run, sync) = (RunId::new("a"), sync());
    let landed = Landed { run: &run, sync: &sync, every_row: false };
    destination.after_run(&table, &landed, None).await.unwrap();
    destination.after_run(&table, &landed, None).await.unwrap();
    let findings = destination.check(&[&table]).await;
    assert!(findings.iter().all(|f| f.ok), "{findings:?}");
    assert!(findings.iter().any(|f| f.detail == "as declared"), "{findings:?}");
    assert_eq!(harness.ledger().await.len(), 1);
}
