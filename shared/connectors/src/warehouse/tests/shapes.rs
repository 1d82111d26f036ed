//! How tables come to be and grow.

use engine::model::audit::Outcome::{Inserted, Updated};

use super::sample::{batch, column, decimal, outcomes, row, table, text};
use super::{Harness, for_every_warehouse};

for_every_warehouse!(
    a_table_grows_by_columns_and_never_shrinks,
    columns_are_widened_and_never_narrowed,
    what_no_addition_mends_is_refused_in_words,
    a_table_without_the_key_is_refused,
    names_are_checked,
    two_prepare_at_once,
);

#[cfg(feature = "databricks")]
super::for_databricks!(
    a_table_grows_by_columns_and_never_shrinks,
    columns_are_widened_and_never_narrowed,
    what_no_addition_mends_is_refused_in_words,
    a_table_without_the_key_is_refused,
    names_are_checked,
    two_prepare_at_once,
);

async fn a_table_grows_by_columns_and_never_shrinks(harness: &dyn Harness) {
    let (destination, small) = (harness.destination(), table("t"));
    destination.write(&small, &batch(&small, "a", 1, &[row("1", "n", "1")])).await.unwrap();
    let mut large = small.clone();
    large.columns.push(column("note", "text(10)"));
    large.columns.push(column("rate", "decimal(9,4)"));
    let with_note = |id: &str| {
        let mut row = row(id, "n", "1");
        row.cells.extend([text("hello"), decimal("1.25", 4)]);
        row
    };
    let written = destination.write(&large, &batch(&large, "b", 2, &[with_note("1"), with_note("2")])).await.unwrap();
    assert_eq!(outcomes(&written), [Updated, Inserted]);
    assert_eq!(harness.rows(&large).await["1"]["note"].as_deref(), Some("hello"));
    // An older blueprint goes on beside the newer one, and what it does not know stays.
    let written = harness.another().write(&small, &batch(&small, "c", 3, &[row("1", "n2", "1")])).await.unwrap();
    assert_eq!(outcomes(&written), [Updated]);
    let rows = harness.rows(&large).await;
    assert_eq!(rows["1"]["note"].as_deref(), Some("hello"));
    assert_eq!(rows["1"]["name"].as_deref(), Some("n2"));
}

async fn columns_are_widened_and_never_narrowed(harness: &dyn Harness) {
    let (destination, narrow) = (harness.destination(), table("t"));
    destination.write(&narrow, &batch(&narrow, "a", 1, &[row("1", "n", "1")])).await.unwrap();
    let mut wide = narrow.clone();
    wide.columns[2] = column("name", "text");
    wide.columns[4] = column("amount", "decimal(20,2)");
    let long = "x".repeat(100);
    let rows = [row("2", &long, "123456789012345678.25")];
    assert_eq!(outcomes(&destination.write(&wide, &batch(&wide, "b", 2, &rows)).await.unwrap()), [Inserted]);
    harness.another().prepare(&narrow).await.unwrap();
    let found = harness.rows(&wide).await;
    assert_eq!(found["2"]["name"].as_deref(), Some(long.as_str()));
    assert_eq!(found["2"]["amount"].as_deref(), Some("123456789012345678.25"));
}

async fn what_no_addition_mends_is_refused_in_words(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    destination.prepare(&table).await.unwrap();
    let mut other = table.clone();
    other.columns[2] = column("name", "date");
    other.columns[3] = column("lines", "text");
    let error = destination.prepare(&other).await.unwrap_err().to_string();
    for words in ["`t`", "`name`", "date", "`lines`", "another name in the blueprint"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    let findings = destination.check(&[&other]).await;
    assert!(findings.iter().any(|f| !f.ok && f.detail.contains("`lines`")), "{findings:?}");
    let mut finer = table.clone();
    finer.columns[4] = column("amount", "decimal(15,4)");
    let error = destination.prepare(&finer).await.unwrap_err().to_string();
    assert!(error.contains("maintenance window") && error.contains("ALTER TABLE"), "{error}");
    // Nothing of it was done.
    destination.write(&table, &batch(&table, "a", 1, &[row("1", "n", "1")])).await.unwrap();
}

async fn a_table_without_the_key_is_refused(harness: &dyn Harness) {
    let (destination, table) = (harness.destination(), table("t"));
    destination.prepare(&table).await.unwrap();
    let mut other = table.clone();
    other.key = vec![0, 1];
    let error = destination.prepare(&other).await.unwrap_err().to_string();
    assert!(error.contains("no unique key on (company, id)"), "{error}");
    harness.run("CREATE TABLE {schema}foreign_table (id text, must text NOT NULL)").await;
    let mut foreign = table.clone();
    foreign.name = "foreign_table".into();
    let error = destination.prepare(&foreign).await.unwrap_err().to_string();
    assert!(error.contains("no unique key on (id)") && error.contains("`must` must have a value"), "{error}");
}

async fn names_are_checked(harness: &dyn Harness) {
    let destination = harness.destination();
    for name in ["", "a b", "a\"b", "1a", "ä", &"x".repeat(64), "_row_hash", "ID"] {
        let mut table = table("t");
        table.columns.push(column(name, "text"));
        assert!(destination.prepare(&table).await.is_err(), "{name}");
    }
    for name in ["", "t\"; DROP TABLE x; --", "a.b"] {
        assert!(destination.prepare(&table(name)).await.is_err(), "{name}");
    }
    let mut keyed = table("t");
    keyed.key = vec![9];
    assert!(destination.prepare(&keyed).await.unwrap_err().to_string().contains("cannot be a key"));
    let mut reserved = table("order");
    reserved.columns[2] = column("select", "text(60)");
    let written = destination.write(&reserved, &batch(&reserved, "a", 1, &[row("1", "n", "1")])).await.unwrap();
    assert_eq!(outcomes(&written), [Inserted]);
}

async fn two_prepare_at_once(harness: &dyn Harness) {
    let table = table("t");
    let (one, two, three) = (harness.another(), harness.another(), harness.another());
    let done = tokio::join!(one.prepare(&table), two.prepare(&table), three.prepare(&table));
    done.0.unwrap();
    done.1.unwrap();
    done.2.unwrap();
    let findings = harness.destination().check(&[&table]).await;
    assert!(findings.iter().any(|f| f.detail == "as declared"), "{findings:?}");
}
