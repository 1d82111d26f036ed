//! What only a real PostgreSQL server can show.

use std::time::Duration;

use engine::Kind;
use engine::model::audit::Outcome::{Inserted, Rejected, Updated};
use engine::model::value::Value;
use engine::ports::Destination;

use super::Harness;
use super::postgres::PostgresServer;
use super::sample::{batch, column, outcomes, row, table};
use crate::http::TimeOut;

#[tokio::test]
async fn a_connection_that_died_idle_is_replaced() {
    let Some(server) = PostgresServer::new("died_idle").await else { return };
    let table = table("t");
    let write = async |run: &str, version| {
        let rows = [row("1", run, "1")];
        server.destination().write(&table, &batch(&table, run, version, &rows)).await
    };
    assert_eq!(outcomes(&write("a", 1).await.unwrap()), [Inserted]);
    server.end_sessions("application_name = 'ml-connector'").await;
    assert_eq!(outcomes(&write("b", 2).await.unwrap()), [Updated]);
    server.clean_up().await;
}

#[tokio::test]
async fn a_connection_lost_in_a_batch_is_later_and_leaves_nothing() {
    let Some(server) = PostgresServer::new("lost_in_batch").await else { return };
    let table = table("t");
    server.destination().prepare(&table).await.unwrap();
    let first = batch(&table, "a", 1, &[row("1", "a", "1")]);
    server.run("BEGIN; LOCK TABLE {schema}t IN ACCESS EXCLUSIVE MODE").await;
    // The one more try, on a new connection, waits for the lock too and is ended too.
    let ends = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            server.end_sessions("application_name = 'ml-connector' AND wait_event_type = 'Lock'").await;
        }
    };
    let written = tokio::select! {
        written = server.destination().write(&table, &first) => written,
        () = ends => unreachable!(),
    };
    let error = written.unwrap_err();
    assert!(error.is_later(), "{error}");
    assert!(error.to_string().contains("batch a/0") && error.to_string().contains("57P01"), "{error}");
    server.run("ROLLBACK").await;
    assert!(server.ledger().await.is_empty());
    assert_eq!(outcomes(&server.destination().write(&table, &first).await.unwrap()), [Inserted]);
    server.clean_up().await;
}

#[tokio::test]
async fn a_locked_table_and_a_slow_statement_are_later() {
    let Some(server) = PostgresServer::new("locked").await else { return };
    let table = table("t");
    server.destination().prepare(&table).await.unwrap();
    let mut settings = server.settings().clone();
    settings.lock_timeout = TimeOut(Duration::from_millis(200));
    let impatient = server.open(&settings);
    settings.lock_timeout = TimeOut(Duration::from_secs(10));
    settings.statement_timeout = TimeOut(Duration::from_millis(200));
    let hurried = server.open(&settings);
    let first = batch(&table, "a", 1, &[row("1", "a", "1")]);
    impatient.prepare(&table).await.unwrap();
    hurried.prepare(&table).await.unwrap();
    server.run("BEGIN; LOCK TABLE {schema}t IN ACCESS EXCLUSIVE MODE").await;
    for (destination, words) in [(&impatient, "locked"), (&hurried, "`statement_timeout`")] {
        let error = destination.write(&table, &first).await.unwrap_err();
        assert!(error.is_later() && error.to_string().contains(words), "{error}");
    }
    server.run("ROLLBACK").await;
    assert_eq!(outcomes(&impatient.write(&table, &first).await.unwrap()), [Inserted]);
    server.clean_up().await;
}

#[tokio::test]
async fn a_user_without_permissions_is_told_what_to_grant() {
    let Some(server) = PostgresServer::new("weak_user").await else { return };
    let table = table("t");
    server.destination().prepare(&table).await.unwrap();
    let role = format!("weak_{}", std::process::id());
    server.create_role(&role).await;
    let weak = server.open(&server.settings_as(&role));
    let error = weak.prepare(&table).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("GRANT"), "{error}");
    let findings = weak.check(&[&table]).await;
    assert!(findings[0].ok && !findings[1].ok && findings[1].detail.contains("GRANT"), "{findings:?}");
    // With what the message says it works, without owning anything.
    let (data, ledger) = (&server.settings().schema, &server.settings().ledger_schema);
    server
        .run(&format!(
            "GRANT USAGE ON SCHEMA {data}, {ledger} TO {role}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {data}, \
             {ledger} TO {role}"
        ))
        .await;
    let findings = weak.check(&[&table]).await;
    assert!(findings.iter().all(|f| f.ok), "{findings:?}");
    let written = weak.write(&table, &batch(&table, "a", 1, &[row("1", "a", "1")])).await.unwrap();
    assert_eq!(outcomes(&written), [Inserted]);
    // Comments take the table's owner; a new description is no reason to stop.
    let mut described = table.clone();
    described.description = "Described anew.".to_owned();
    weak.prepare(&described).await.unwrap();
    described.columns.push(column("more", "text"));
    let error = weak.prepare(&described).await.unwrap_err();
    assert!(error.to_string().contains("takes the owner of the table"), "{error}");
    // With one grant on the database it makes everything itself.
    server
        .run(&format!(
            "DO $$BEGIN EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO {role}', current_database()); END$$"
        ))
        .await;
    let mut own = server.settings_as(&role);
    own.schema.push_str("_own");
    own.ledger_schema.push_str("_own");
    let owner = server.open(&own);
    assert!(owner.check(&[&table]).await.iter().all(|f| f.ok));
    let written = owner.write(&table, &batch(&table, "a", 1, &[row("1", "a", "1")])).await.unwrap();
    assert_eq!(outcomes(&written), [Inserted]);
    server.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    server.clean_up().await;
}

#[tokio::test]
async fn a_table_changed_behind_our_back_stops_and_is_prepared_anew() {
    let Some(server) = PostgresServer::new("behind").await else { return };
    let table = table("t");
    server.destination().write(&table, &batch(&table, "a", 1, &[row("1", "a", "1")])).await.unwrap();
    server.run("ALTER TABLE {schema}t DROP COLUMN name").await;
    let second = batch(&table, "b", 2, &[row("1", "b", "1")]);
    let error = server.destination().write(&table, &second).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("not as it was prepared"), "{error}");
    assert_eq!(outcomes(&server.destination().write(&table, &second).await.unwrap()), [Updated]);
    server.clean_up().await;
}

#[tokio::test]
async fn a_trigger_or_a_narrower_column_refuses_single_rows() {
    let Some(server) = PostgresServer::new("narrower").await else { return };
    let table = table("t");
    server.destination().prepare(&table).await.unwrap();
    server
        .run(
            "ALTER TABLE {schema}t ALTER COLUMN amount TYPE numeric(5,2); CREATE FUNCTION {schema}no() RETURNS trigger \
             LANGUAGE plpgsql AS $$BEGIN IF NEW.name = 'no' THEN RAISE 'not this one'; END IF; RETURN NEW; END$$; CREATE \
             TRIGGER no BEFORE INSERT OR UPDATE ON {schema}t FOR EACH ROW EXECUTE FUNCTION {schema}no()",
        )
        .await;
    let rows = [row("1", "a", "1"), row("2", "a", "1000"), row("3", "no", "1"), row("4", "b", "999.99")];
    let written = server.destination().write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    assert_eq!(outcomes(&written), [Inserted, Rejected, Rejected, Inserted]);
    assert!(written[1].reason.as_deref().unwrap().contains("22003"), "{written:?}");
    assert!(written[2].reason.as_deref().unwrap().contains("not this one"), "{written:?}");
    server.clean_up().await;
}

#[tokio::test]
async fn limits_of_the_database_refuse_single_rows_without_repeating_them() {
    let Some(server) = PostgresServer::new("limits").await else { return };
    let mut table = table("t");
    table.columns[1] = column("id", "text");
    server.destination().prepare(&table).await.unwrap();
    server.run("ALTER TABLE {schema}t ADD CHECK (lines < 100)").await;
    // A key's text must fit a third of a page, however well it packs.
    let noise: String =
        (0..20_000_u64).map(|i| format!("{:x}", xxhash_rust::xxh3::xxh3_64(&i.to_be_bytes()))).collect();
    let rows = [
        row("1", "a", "1"),
        row(&noise, "b", "1"),
        row("3", "secret salary", "1").with(3, Value::Integer(100)),
        row("4", "c", "1").with(9, Value::Json("{broken".into())),
        row("5", "d", "1").with(9, Value::Json(format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)).into())),
        row("6", "e", "1"),
    ];
    let written = server.destination().write(&table, &batch(&table, "a", 1, &rows)).await.unwrap();
    assert_eq!(outcomes(&written), [Inserted, Rejected, Rejected, Rejected, Rejected, Inserted], "{written:?}");
    let reason = |i: usize| written[i].reason.as_deref().unwrap();
    assert!(reason(1).contains("(54000)"), "{}", reason(1));
    assert!(reason(2).contains("t_lines_check") && !reason(2).contains("salary"), "{}", reason(2));
    assert!(reason(3).contains("(22P02)"), "{}", reason(3));
    assert!(reason(4).contains("(54001)"), "{}", reason(4));
    server.clean_up().await;
}

#[tokio::test]
async fn a_limit_on_text_that_was_there_is_lifted() {
    let Some(server) = PostgresServer::new("varchar").await else { return };
    let table = table("t");
    server.destination().prepare(&table).await.unwrap();
    server.run("ALTER TABLE {schema}t ALTER COLUMN name TYPE varchar(10)").await;
    let long = [row("1", "longer than ten", "1")];
    let written = server.another().write(&table, &batch(&table, "a", 1, &long)).await.unwrap();
    assert_eq!(outcomes(&written), [Inserted]);
    // A view on the column is in the way of a change, and the message says so.
    server
        .run(
            "ALTER TABLE {schema}t ALTER COLUMN amount TYPE numeric(10,2); CREATE VIEW {schema}v AS SELECT amount FROM \
             {schema}t",
        )
        .await;
    let error = server.another().prepare(&table).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("Where a view stands on the column"), "{error}");
    server.clean_up().await;
}

#[tokio::test]
async fn only_plain_tables_are_loaded() {
    let Some(server) = PostgresServer::new("plain").await else { return };
    server.destination().prepare(&table("t")).await.unwrap();
    server.run("CREATE VIEW {schema}v AS SELECT * FROM {schema}t").await;
    server.run("CREATE TABLE {schema}p (id text PRIMARY KEY) PARTITION BY HASH (id)").await;
    for name in ["v", "p"] {
        let error = server.destination().prepare(&table(name)).await.unwrap_err();
        assert!(error.to_string().contains("is not a plain table"), "{error}");
    }
    server.clean_up().await;
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused() {
    let Some(server) = PostgresServer::new("encoding").await else { return };
    let database = format!("latin_{}", std::process::id());
    server
        .run(&format!("CREATE DATABASE {database} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"))
        .await;
    let mut settings = server.settings().clone();
    let (base, _) = settings.url.rsplit_once('/').unwrap();
    settings.url = format!("{base}/{database}");
    let latin = server.open(&settings);
    let error = latin.prepare(&table("t")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("LATIN1"), "{error}");
    drop(latin);
    server.run(&format!("DROP DATABASE {database} WITH (FORCE)")).await;
}

#[tokio::test]
async fn tables_explain_themselves() {
    let Some(server) = PostgresServer::new("explain").await else { return };
    let mut table = table("t");
    server.destination().prepare(&table).await.unwrap();
    assert_eq!(server.comment("t", "name").await.as_deref(), Some("What `name` means; it's a 'test'."));
    table.columns[2].description = "Anew.".to_owned();
    table.columns.push(column("more", "text"));
    server.destination().prepare(&table).await.unwrap();
    assert_eq!(server.comment("t", "name").await.as_deref(), Some("Anew."));
    assert_eq!(server.versions().await, 2);
    server.another().prepare(&table).await.unwrap();
    assert_eq!(server.versions().await, 2);
    server.clean_up().await;
}

#[tokio::test]
async fn an_unchanged_batch_locks_no_rows_once_that_is_known() {
    let Some(server) = PostgresServer::new("no_locks").await else { return };
    let table = table("t");
    let rows: Vec<_> = (0..10).map(|i| row(&i.to_string(), "a", "1")).collect();
    for (run, version) in [("a", 1), ("b", 2)] {
        server.destination().write(&table, &batch(&table, run, version, &rows)).await.unwrap();
    }
    server.run("BEGIN; SELECT * FROM {schema}t FOR UPDATE").await;
    let written = server.destination().write(&table, &batch(&table, "c", 3, &rows)).await;
    server.run("ROLLBACK").await;
    assert_eq!(written.unwrap().len(), 10);
    server.clean_up().await;
}
