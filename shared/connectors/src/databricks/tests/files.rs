//! The files that land, read back by the library that others read them with.

use engine::model::audit::Outcome;
use engine::model::decimal::Decimal;
use engine::model::value::Value;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use crate::databricks::load::file;
use crate::warehouse::tests::sample::{Sample, batch, column, decimal, row, table};

/// Every value of a file as text, by column, row after row.
fn read(bytes: bytes::Bytes) -> Vec<Vec<(String, String)>> {
    let reader = SerializedFileReader::new(bytes).unwrap();
    let text = |field: &Field| match field {
        Field::Str(text) => text.clone(),
        // A decimal without a fraction is shown with its point.
        other => other.to_string().trim_end_matches('.').to_owned(),
    };
    let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap());
    rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), text(field))).collect()).collect()
}

fn value<'r>(row: &'r [(String, String)], name: &str) -> &'r str {
    &row.iter().find(|(column, _)| column == name).unwrap().1
}

#[test]
fn every_type_lands_exactly_and_what_does_not_fit_is_refused_before() {
    let mut table = table("t");
    table.columns[3] = column("lines", "integer");
    table.columns.push(column("small", "decimal(9,3)"));
    table.columns.push(column("wide", "decimal(18,0)"));
    let with = |row: Sample, small: &str, wide: &str| {
        let mut row = row;
        row.cells.extend([decimal(small, 3), decimal(wide, 0)]);
        row
    };
    let nines = format!("-{}.{}", "9".repeat(28), "9".repeat(10));
    let low = row("low", "Śląsk 'ñ'", "-0.01")
        .with(3, Value::Integer(i64::MIN))
        .with(5, decimal(&nines, 10))
        .with(7, Value::Date(-719_162))
        .with(8, Value::Timestamp(-62_135_596_800_000_000))
        .stamped(None);
    let nulls = (2..10).fold(row("nulls", "", "0"), |row, i| row.with(i, Value::Null)).with(0, Value::Null).deleted();
    let misfit = row("misfit", "n", "1").with(4, Value::Decimal(Decimal::new(1, 3)));
    let rows = [with(low, "-999999.999", "-999999999999999999"), with(misfit, "0", "0"), with(nulls, "0.001", "1")];
    let mut batch = batch(&table, "r1", 77, &rows);
    (batch.id.seq, batch.mapping, batch.touch) = (12, 3, true);
    let (landed, written) = file(&table, &batch).unwrap();
    let outcomes: Vec<Outcome> = written.iter().map(|w| w.outcome).collect();
    assert_eq!(outcomes, [Outcome::Landed, Outcome::Rejected, Outcome::Landed]);
    let bytes = landed.finish().unwrap();
    assert_eq!(bytes, file(&table, &batch).unwrap().0.finish().unwrap(), "the same batch is the same file");

    let found = read(bytes);
    assert_eq!(found.len(), 2);
    for (name, text) in [
        ("id", "low"),
        ("name", "Śląsk 'ñ'"),
        ("lines", "-9223372036854775808"),
        ("amount", "-0.01"),
        ("exact", nines.as_str()),
        ("small", "-999999.999"),
        ("wide", "-999999999999999999"),
        ("is_open", "true"),
        ("extra", r#"{"a": [1, 2.50]}"#),
        ("_source_id", "low"),
        ("_source_updated_at", "null"),
        ("_row_hash", &format!("{:032x}", rows[0].hash())),
        ("_is_deleted", "false"),
        ("_seq", "1"),
        ("_version", "77"),
        ("_mapping", "3"),
        ("_batch", "12"),
        ("_touch", "true"),
    ] {
        assert_eq!(value(&found[0], name), text, "{name}");
    }
    assert!(value(&found[0], "due").starts_with("0001-01-01"), "{}", value(&found[0], "due"));
    assert!(value(&found[0], "paid_at").starts_with("0001-01-01 00:00:00"), "{}", value(&found[0], "paid_at"));
    for name in ["company", "name", "lines", "amount", "exact", "is_open", "due", "paid_at", "extra"] {
        assert_eq!(value(&found[1], name), "null", "{name}");
    }
    assert_eq!((value(&found[1], "_is_deleted"), value(&found[1], "_seq")), ("true", "5"));
}
