//! Runs of many batches: what is sent, what becomes of their rows, and what a repetition does.

use engine::model::audit::Outcome;
use engine::model::batch::Version;
use engine::ports::{AfterRun, Applied, Destination, Landed};
use sandbox::databricks::Job;
use serde_json::json;

use super::workspace::{Workspace, batch, close, land, step, told};
use crate::warehouse::tests::sample::{Sample, row, sync, table};

fn rows(range: std::ops::RangeInclusive<u32>, name: &str) -> Vec<Sample> {
    range.map(|i| row(&format!("{i:03}"), name, "1.25")).collect()
}

#[tokio::test]
async fn many_batches_of_a_run_are_one_merge_and_every_row_has_its_outcome() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({}));
    land(&destination, &table, &batch(&table, "r1", 0, 10, &rows(1..=100, "a"))).await;
    land(&destination, &table, &batch(&table, "r1", 1, 11, &rows(50..=150, "b"))).await;
    land(&destination, &table, &batch(&table, "r1", 2, 12, &rows(1..=10, "a"))).await;
    // It comes again, in parts of its own bytes.
    land(&destination, &table, &batch(&table, "r1", 1, 11, &rows(50..=150, "b"))).await;
    assert_eq!(workspace.value("SELECT count(*) FROM main.erp.t"), "0");
    let before = workspace.sandbox.statements().len();
    let (settled, counts) = close(&destination, &table, "r1").await.unwrap();
    // Rows 1 to 10 came twice with one content, 50 to 100 with two.
    assert_eq!(told(&counts), [150, 0, 0, 10, 51]);
    assert_eq!((settled.len(), workspace.merges()), (201, 1));
    assert_eq!(workspace.sandbox.statements().len() - before, 4, "merge, count, ledger, one page");
    let of = |seq: u32, row: u32| settled.iter().find(|one| (one.seq, one.row) == (seq, row)).unwrap();
    let (lost, won) = (of(0, 2 * 49 + 1), of(1, 1));
    assert_eq!((lost.key.as_str(), lost.outcome), ("050", Outcome::Superseded));
    assert_eq!((won.key.as_str(), won.outcome, won.version, won.mapping), ("050", Outcome::Inserted, Version(11), 1));
    assert_eq!(workspace.value("SELECT sum(amount) FROM main.erp.t"), "187.50");
    let ledger = "SELECT concat_ws(' ', sum(rows_in), sum(inserted), sum(unchanged), sum(superseded), count(*)) FROM \
                  main.erp.load_batches WHERE run_id = 'r1' AND entity = 'erp.t'";
    assert_eq!(workspace.value(ledger), "211 150 10 51 3");
    // What came more than once stands above what may be replayed of it.
    assert_eq!(workspace.value("SELECT _version FROM main.erp.t WHERE id = '005'"), "12");

    // The whole of it once more: the same answers, and nothing is written.
    let version = workspace.sandbox.version("main.erp.t");
    let (again, counts) = close(&destination, &table, "r1").await.unwrap();
    assert_eq!((again, told(&counts)), (settled, [150, 0, 0, 10, 51]));
    assert_eq!(workspace.sandbox.version("main.erp.t"), version);
    assert_eq!(workspace.value(ledger), "211 150 10 51 3");
}

#[tokio::test]
async fn every_step_answers_the_same_to_a_process_that_comes_later() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({"raw": {}}));
    land(&destination, &table, &batch(&table, "r0", 0, 1, &rows(1..=20, "a"))).await;
    close(&destination, &table, "r0").await.unwrap();
    land(&destination, &table, &batch(&table, "r1", 0, 2, &rows(11..=30, "b"))).await;
    let (mut progress, mut answers) = (None, Vec::new());
    loop {
        let answer = step(&destination, &table, "r1", progress.as_deref()).await.unwrap();
        answers.push((progress.clone(), answer.clone()));
        progress = match answer {
            Applied::UnderWay { progress, .. } | Applied::Settled { progress, .. } => Some(progress),
            Applied::Done => break,
        };
    }
    assert_eq!(answers.len(), 5, "copy, merge, count, one page, done");
    for (progress, answer) in answers.iter().rev().chain(&answers) {
        let another = workspace.destination(json!({"raw": {}}));
        assert_eq!(&step(&another, &table, "r1", progress.as_deref()).await.unwrap(), answer);
    }
    assert_eq!(workspace.value("SELECT count(*) FROM main.erp.t_raw"), "40", "files are copied once");
    let newer = step(&destination, &table, "r1", Some(r#"{"v":2,"step":"merge"}"#)).await.unwrap_err();
    assert!(newer.to_string().contains("another version of this program"), "{newer}");
}

#[tokio::test]
async fn nothing_that_landed_is_nothing_to_apply_and_a_prepared_table_costs_no_statement() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    workspace.destination(json!({})).prepare(&table).await.unwrap();
    let before = workspace.sandbox.statements().len();
    let another = workspace.destination(json!({}));
    another.prepare(&table).await.unwrap();
    assert_eq!(another.write(&table, &batch(&table, "r1", 0, 1, &[])).await.unwrap(), []);
    assert_eq!(step(&another, &table, "r1", None).await.unwrap(), Applied::Done);
    assert_eq!(workspace.sandbox.statements().len(), before);
    let columns = workspace.sandbox.columns("main.erp.t").unwrap();
    let id = columns.iter().find(|column| column.name == "id").unwrap();
    assert_eq!((id.nullable, id.comment.as_deref()), (false, Some("What `id` means; it's a 'test'.")));
    assert_eq!(workspace.sandbox.table_comment("main.erp.t").as_deref(), Some("Invoices of suppliers."));
}

#[tokio::test]
async fn deleted_records_stay_as_marked_rows() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({}));
    let mut version = 0;
    let mut load = async |row: Sample| {
        version += 1;
        let run = format!("r{version}");
        land(&destination, &table, &batch(&table, &run, 0, version, &[row])).await;
        told(&close(&destination, &table, &run).await.unwrap().1)
    };
    assert_eq!(load(row("1", "a", "1")).await, [1, 0, 0, 0, 0]);
    assert_eq!(load(row("1", "a", "1").deleted()).await, [0, 0, 1, 0, 0]);
    assert_eq!(load(row("1", "a", "1").deleted()).await, [0, 0, 0, 1, 0]);
    assert_eq!(load(row("1", "b", "1").deleted()).await, [0, 0, 1, 0, 0], "it cannot be told from a first time");
    assert_eq!(workspace.value("SELECT concat(_op, _is_deleted, name) FROM main.erp.t"), "Dtrueb");
    assert_eq!(load(row("1", "b", "1")).await, [0, 1, 0, 0, 0]);
    assert_eq!(workspace.value("SELECT concat(_op, _is_deleted, name) FROM main.erp.t"), "Ufalseb");
}

#[tokio::test]
async fn a_small_batch_is_written_at_once_where_nothing_else_of_its_run_has_landed() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let small = workspace.destination(json!({"small_batch": 50}));
    let outcomes = async |run: &str, seq: u32, rows: &[Sample]| {
        let written = small.write(&table, &batch(&table, run, seq, 5, rows)).await.unwrap();
        written.iter().map(|row| row.outcome).collect::<Vec<_>>()
    };
    assert_eq!(outcomes("r1", 0, &rows(1..=2, "a")).await, [Outcome::Inserted; 2]);
    assert_eq!(outcomes("r1", 0, &rows(1..=2, "a")).await, [Outcome::Inserted; 2], "it comes again");
    assert_eq!(workspace.value("SELECT count(*) FROM main.erp.load_batches"), "1");
    assert!(workspace.sandbox.files("/Volumes/main/erp/landing").is_empty());
    assert_eq!(outcomes("r1", 1, &rows(3..=3, "a")).await, [Outcome::Landed], "only the first batch of a run");
    assert_eq!(outcomes("r1", 0, &rows(1..=2, "a")).await, [Outcome::Landed; 2], "beside what has landed");
    assert_eq!(outcomes("r2", 0, &rows(1..=51, "a")).await, [Outcome::Landed; 51]);
}

#[tokio::test]
async fn a_run_ends_with_the_job_of_the_tenant() {
    let table = table("t");
    let builder = sandbox::databricks::DatabricksSandbox::builder()
        .job(Job::new(5).taking(2))
        .job(Job::new(6).failing("no rows"));
    let workspace = Workspace::of(builder).await;
    let (run, sync) = ("r1".to_owned(), sync());
    let run = engine::model::id::RunId::new(run);
    let landed = Landed { run: &run, sync: &sync, every_row: false };
    let ended = async |job: i64| {
        let destination = workspace.destination(json!({"job": {"id": job, "parameters": {"load": "{run}"}}}));
        let mut progress = None;
        loop {
            match destination.after_run(&table, &landed, progress.as_deref()).await {
                Ok(AfterRun::UnderWay { progress: next, .. }) => progress = Some(next),
                Ok(AfterRun::Done { note }) => return Ok(note.unwrap_or_default()),
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    for _ in 0..2 {
        assert!(ended(5).await.unwrap().ends_with("of job 5 succeeded"));
        assert!(ended(6).await.unwrap_err().contains("no rows"));
    }
    assert_eq!(workspace.sandbox.job_runs().len(), 2, "once per job and run");
}

#[tokio::test]
async fn landed_files_are_removed_when_they_were_kept_long_enough() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({}));
    for run in ["20260901T000000-a", "20260902T000000-b"] {
        land(&destination, &table, &batch(&table, run, 0, 1, &rows(1..=2, "a"))).await;
        close(&destination, &table, run).await.unwrap();
        workspace.forward(4 * 86_400);
    }
    let (run, sync) = (engine::model::id::RunId::new("20260909T000000-c"), sync());
    let landed = Landed { run: &run, sync: &sync, every_row: false };
    destination.after_run(&table, &landed, None).await.unwrap();
    let left = workspace.sandbox.files("/Volumes/main/erp/landing");
    assert!(left.len() == 1 && left[0].ends_with("20260902T000000-b/000000-0.parquet"), "{left:?}");
}
