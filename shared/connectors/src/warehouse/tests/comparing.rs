//! What every warehouse tells of its content, and what it does when a comparison asks for it.

use engine::model::audit::Outcome::{Superseded, Unchanged, Updated};
use engine::model::batch::Version;
use engine::model::decimal::Decimal;
use engine::model::id::RecordKey;
use engine::model::rows::Rows;
use engine::model::totals::GroupBy;
use engine::model::value::Value;
use engine::ports::{Which, standing};

use super::sample::{batch, decimal, outcomes, row, sync, table, text};
use super::{Harness, for_every_warehouse};
use crate::warehouse::meta;

for_every_warehouse!(
    control_totals_are_told_by_value_and_by_month,
    records_are_read_back_as_they_were_mapped,
    pages_of_records_come_to_an_end_and_leave_none_out,
    what_others_put_into_the_table_is_read_too,
    forgotten_content_is_written_by_the_next_newer_read,
    chosen_records_are_marked_deleted,
);

#[cfg(feature = "databricks")]
super::for_databricks!(
    control_totals_are_told_by_value_and_by_month,
    records_are_read_back_as_they_were_mapped,
    pages_of_records_come_to_an_end_and_leave_none_out,
    what_others_put_into_the_table_is_read_too,
    forgotten_content_is_written_by_the_next_newer_read,
    chosen_records_are_marked_deleted,
);

async fn control_totals_are_told_by_value_and_by_month(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let day = |text: &str| Value::date(text.parse().unwrap());
    let rows = [
        row("1", "a", "0.10").with(7, day("2026-11-01")),
        row("2", "a", "0.20").with(7, day("2026-11-30")),
        row("3", "b", "9999999999999.99").with(7, day("2026-12-01")).with(3, Value::Null),
        row("4", "b", "5").deleted(),
        row("5", "", "-1").with(7, Value::Null).with(2, Value::Null),
    ];
    destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    let totals = async |by: GroupBy, columns: &[&str]| {
        let groups = destination.control_totals(&table, &sync(), &by, columns).await.unwrap();
        let text = |sum: &Option<Decimal>| sum.map_or("-".to_owned(), |sum| sum.to_string());
        let line = |sums: &[Option<Decimal>]| sums.iter().map(text).collect::<Vec<_>>().join(" ");
        groups.iter().map(|g| format!("{:?} {} {}", g.group, g.records, line(&g.sums))).collect::<Vec<_>>()
    };
    let value = |column: &str| GroupBy::Value(column.to_owned());
    assert_eq!(totals(GroupBy::All, &["amount"]).await, ["None 4 9999999999999.29"]);
    assert_eq!(
        totals(value("name"), &["amount", "lines"]).await,
        ["None 1 -1.00 3", "Some(\"a\") 2 0.30 6", "Some(\"b\") 1 9999999999999.99 -"]
    );
    assert_eq!(
        totals(GroupBy::Month("due".to_owned()), &["amount"]).await,
        ["None 1 -1.00", "Some(\"2026-11\") 2 0.30", "Some(\"2026-12\") 1 9999999999999.99"]
    );
    // The texts are those that the mapping makes, whatever the database would write.
    for (column, text) in [("exact", "0.5000000000"), ("is_open", "true"), ("paid_at", "2023-11-14T22:13:20.123456Z")] {
        assert_eq!(totals(value(column), &[]).await, [format!("Some({text:?}) 4 ")]);
    }
    assert_eq!(totals(value("due"), &[]).await[1], "Some(\"2026-11-01\") 1 ");
    let mut other = table.clone();
    other.source_system = "another".into();
    let none = destination.control_totals(&other, &sync(), &value("name"), &[]).await.unwrap();
    assert_eq!(none, []);
    let all = destination.control_totals(&other, &sync(), &GroupBy::All, &["amount"]).await.unwrap();
    assert_eq!((all[0].records, all[0].sums.as_slice()), (0, [None].as_slice()));
    let wrong = [(value("missing"), "amount"), (GroupBy::Month("name".to_owned()), "amount"), (value("name"), "name")];
    for (by, column) in wrong {
        assert!(destination.control_totals(&table, &sync(), &by, &[column]).await.is_err(), "{by:?} {column}");
    }
}

/// The rows by key: what precedes the columns as text, and the columns.
fn read_back(rows: &Rows) -> Vec<(Vec<String>, Vec<Value<'_>>)> {
    let head = standing::COLUMNS.len();
    let (mut cells, mut all) = (Vec::new(), Vec::new());
    let mut reader = rows.reader();
    while reader.next_into(&mut cells).unwrap() {
        let texts = cells[..head].iter().map(|cell| cell.to_text().into_owned()).collect();
        all.push((texts, cells[head..].to_vec()));
    }
    all
}

async fn records_are_read_back_as_they_were_mapped(harness: &dyn Harness) {
    let (destination, mut table) = (harness.destination(), table("t"));
    // A key of every type that keys have.
    table.key = vec![1, 3, 5, 6, 7, 8];
    let extreme = row("O'Brien|\\ \"株\"", "é\n", "-0.01")
        .with(3, Value::Integer(i64::MIN))
        .with(5, decimal(&format!("-{}.{}", "9".repeat(28), "9".repeat(10)), 10))
        .with(6, Value::Bool(false))
        .with(7, Value::Date(-719_162))
        .with(8, Value::Timestamp(253_402_300_799_999_999))
        .with(9, Value::Json("[1,{}]".into()))
        .stamped(None);
    let nulls = row("nulls", "n", "1").with(0, Value::Null).with(2, Value::Null).with(4, Value::Null);
    let rows = [row("plain", "n", "1250.75"), extreme, nulls.with(9, Value::Null).deleted()];
    let first = batch(&table, "a", 7, &rows);
    destination.write(&table, &first).await.unwrap();
    let keys: Vec<RecordKey> = rows
        .iter()
        .map(|row| {
            let parts: Vec<_> = table.key.iter().map(|at| row.cells[*at].to_text().into_owned()).collect();
            RecordKey::join(parts.iter().map(String::as_str))
        })
        .collect();
    for (row, key) in rows.iter().zip(&keys) {
        let asked = [RecordKey::new("nobody|1|2.5|true|2020-01-01|1970-01-01T00:00:00Z"), key.clone()];
        let found = destination.standing(&table, &sync(), Which::Keys(&asked)).await.unwrap();
        assert_eq!(found.columns()[standing::COLUMNS.len()..].len(), table.columns.len());
        let [(head, cells)] = &read_back(&found)[..] else { panic!("{key} is there once") };
        let stamp = row.stamp.map_or(String::new(), |stamp| Value::Timestamp(stamp).to_text().into_owned());
        assert_eq!(*head, [key.as_str(), &stamp, &format!("{:032x}", row.hash()), &row.deleted.to_string(), "7", "1"]);
        assert_eq!(cells[..9], row.cells[..9]);
        // A database may write JSON its own way.
        assert_eq!(cells[9].to_json(), row.cells[9].to_json());
    }
    let all = destination.standing(&table, &sync(), Which::Keys(&keys)).await.unwrap();
    assert_eq!(all.count().unwrap(), 3);
    assert_eq!(destination.standing(&table, &sync(), Which::Keys(&[])).await.unwrap().count().unwrap(), 0);
    assert!(destination.standing(&table, &sync(), Which::Keys(&[RecordKey::new("a|b")])).await.is_err());
}

async fn pages_of_records_come_to_an_end_and_leave_none_out(harness: &dyn Harness) {
    let (destination, mut table) = (harness.destination(), table("t"));
    table.key = vec![7, 1];
    let rows: Vec<_> = (0..250).map(|i| row(&format!("k{i}"), "n", "1").with(7, Value::Date(i % 7))).collect();
    destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    let mut found = Vec::new();
    let mut after: Option<RecordKey> = None;
    loop {
        let page = destination.standing(&table, &sync(), Which::After(after.as_ref(), 99)).await.unwrap();
        let page = read_back(&page);
        assert!(page.len() <= 99);
        let Some((head, _)) = page.last() else { break };
        after = Some(RecordKey::new(head[0].clone()));
        found.extend(page.into_iter().map(|(head, _)| head[0].clone()));
    }
    assert_eq!(found.len(), 250);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 250);
}

async fn what_others_put_into_the_table_is_read_too(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let rows = [row("1", "a", "1"), row("2", "b", "1").deleted(), row("3", "c", "1")];
    destination.write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    harness.run("INSERT INTO {schema}t (id, amount) VALUES ('theirs', '5.50')").await;
    harness.run("UPDATE {schema}t SET amount = '7.00', name = NULL WHERE id = '3'").await;
    harness.run("UPDATE {schema}t SET _source_system = 'another' WHERE id = '1'").await;
    assert_eq!(destination.count_standing(&table, &sync()).await.unwrap(), 2);
    let found = destination.standing(&table, &sync(), Which::After(None, 10)).await.unwrap();
    let mut found = read_back(&found);
    found.sort_by_key(|(head, _)| head[0].clone());
    assert_eq!(found.iter().map(|(head, _)| head[0].as_str()).collect::<Vec<_>>(), ["", "2", "3"]);
    assert_eq!(found[0].0, ["", "", "", "false", "", ""]);
    assert_eq!((&found[0].1[1], &found[0].1[4]), (&text("theirs"), &decimal("5.50", 2)));
    assert_eq!((&found[2].1[2], &found[2].1[4]), (&Value::Null, &decimal("7.00", 2)));
    assert_eq!(found[2].0[2], format!("{:032x}", rows[2].hash()), "the hash is of what was loaded");
}

async fn forgotten_content_is_written_by_the_next_newer_read(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let rows = [row("1", "a", "1"), row("2", "b", "1")];
    destination.write(&table, &batch(&table, "a", 5, &rows)).await.unwrap();
    harness.run("UPDATE {schema}t SET amount = '7.00'").await;
    let same = |run, version| batch(&table, run, version, &rows);
    let [unchanged, first] = [Unchanged, Updated];
    assert_eq!(outcomes(&destination.write(&table, &same("b", 6)).await.unwrap()), [unchanged; 2]);
    destination.forget(&table, &sync(), &[RecordKey::new("1"), RecordKey::new("nobody")]).await.unwrap();
    assert_eq!(harness.rows(&table).await["1"][meta::ROW_HASH], None);
    assert_eq!(outcomes(&destination.write(&table, &same("c", 4)).await.unwrap()), [Superseded, unchanged]);
    assert_eq!(outcomes(&destination.write(&table, &same("d", 7)).await.unwrap()), [first, unchanged]);
    let found = harness.rows(&table).await;
    assert_eq!((found["1"]["amount"].as_deref(), found["2"]["amount"].as_deref()), (Some("1.00"), Some("7.00")));
    assert_eq!(outcomes(&destination.write(&table, &same("e", 8)).await.unwrap()), [unchanged; 2]);
}

async fn chosen_records_are_marked_deleted(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    let rows: Vec<_> = ["1", "2", "3"].map(|id| row(id, "n", "1")).to_vec();
    destination.write(&table, &batch(&table, "a", 5, &rows)).await.unwrap();
    destination.write(&table, &batch(&table, "b", 9, &[row("3", "newer", "1")])).await.unwrap();
    let keys = ["2", "3", "nobody"].map(RecordKey::new);
    for _ in 0..2 {
        let marked = destination.mark_deleted(&table, &sync(), Version(8), &keys).await.unwrap();
        assert_eq!(marked, [RecordKey::new("2")], "what was read later stays, and who asks again is told the same");
    }
    assert_eq!(harness.ledger().await.last(), Some(&[1, 0, 0, 0, 0, 1, 0]));
    let found = harness.rows(&table).await;
    let row = &found["2"];
    assert_eq!(
        (row[meta::IS_DELETED].as_deref(), row[meta::OP].as_deref(), row[meta::VERSION].as_deref()),
        (Some("true"), Some("D"), Some("8"))
    );
    assert_eq!((row[meta::SEQ].clone(), found["1"][meta::IS_DELETED].as_deref()), (None, Some("false")));
    let back = batch(&table, "c", 9, &rows[1..2]);
    assert_eq!(outcomes(&destination.write(&table, &back).await.unwrap()), [Updated]);
}
