//! The same into Databricks: a month of both ERPs, what goes wrong on the way, and attributes that go back.

mod back;

use std::time::Duration;

use sandbox::databricks::{Calls, DatabricksSandbox, Fault, Job, Privilege, Starts};
use serde_json::{Value as Json, json};

use crate::first_sync::a_month_end;
use crate::peoplesoft::a_month;
use crate::world::lakehouse::Lakehouse;
use crate::world::peoplesoft::Site;
use crate::world::{Warehouse, World, seeded};

const STATEMENTS: &str = "POST /api/2.0/sql/statements";

/// A ledger big enough to be landed as files, and this workspace.
fn world(lakehouse: Lakehouse) -> World {
    let world = World::with_warehouse(seeded(120, 20, 15), Warehouse::Databricks(lakehouse.setting("small_batch: 0")));
    world.only(&["suppliers", "ap_invoices"]);
    world
}

fn lakehouse(world: &World) -> &Lakehouse {
    match &world.warehouse {
        Warehouse::Databricks(lakehouse) => lakehouse,
        _ => unreachable!("the world of these tests"),
    }
}

/// Every record of both syncs is there, once, as the source has it, and the run says so.
#[track_caller]
fn loads(world: &World) -> Json {
    let ran = world.cli(&["run", "--json"]).ok();
    for sync in ["suppliers", "ap_invoices"] {
        let row = ran.sync(sync);
        assert_eq!((&row["state"], &row["agrees"]), (&json!("complete"), &json!(true)), "{row}");
        world.agrees_except(sync, &[]);
    }
    ran.sync("ap_invoices")
}

#[test]
fn a_month_end_goes_the_same_way_into_databricks() {
    a_month_end(&World::into_warehouse(Warehouse::Databricks(Lakehouse::new())));
}

#[test]
fn a_month_end_that_lands_every_batch_goes_the_same_way() {
    a_month_end(&World::into_warehouse(Warehouse::Databricks(Lakehouse::new().setting("small_batch: 0"))));
}

#[test]
fn a_month_of_vouchers_goes_the_same_way_into_databricks() {
    a_month(&Site::into_warehouse(Warehouse::Databricks(Lakehouse::new())));
}

#[test]
fn the_lakehouse_gets_what_the_blueprint_for_analysts_has_and_more() {
    let site = Site::into_warehouse(Warehouse::Databricks(Lakehouse::new()));
    site.integration("peoplesoft-databricks");
    let ran = site.cli(&["run", "--json"]).ok().json();
    let syncs = ran["syncs"].as_array().unwrap();
    let names: Vec<_> = syncs.iter().map(|row| row["sync"].as_str().unwrap()).collect();
    for name in ["vouchers", "departments", "customers", "journals", "journal_lines", "voucher_distributions"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.contains(&"supplier_attributes") && !names.contains(&"pay_checks"), "off unless switched on");
    for row in syncs {
        assert_eq!((&row["agrees"], &row["rejected"]), (&json!(true), &json!(0)), "{row}");
        assert_ne!(row["inserted"], 0, "{row}");
    }
    site.agrees();
    let reconciled = site.cli(&["reconcile", "--json"]).ok().json();
    assert!(reconciled["syncs"].as_array().unwrap().iter().all(|row| row["differences"] == json!([])), "{reconciled}");
}

#[test]
fn tables_are_typed_described_and_few_statements_fill_them() {
    let world = world(Lakehouse::new());
    world.jde_setting("page_size", "10");
    let row = loads(&world);
    assert_eq!(row["inserted"], row["read"]);
    let there = lakehouse(&world);
    let columns = there.sandbox.columns("main.erp.ap_invoices").unwrap();
    let kind = |name: &str| columns.iter().find(|column| column.name == name).unwrap().ty.clone();
    assert_eq!(kind("gross_amount"), "DECIMAL(15,2)");
    assert_eq!((kind("invoice_date"), kind("is_voided")), ("DATE".to_owned(), "BOOLEAN".to_owned()));
    assert_eq!(kind("source_updated_at"), "TIMESTAMP");
    let gross = columns.iter().find(|column| column.name == "gross_amount").unwrap();
    assert!(gross.comment.as_deref().is_some_and(|comment| !comment.is_empty()), "{gross:?}");
    assert!(there.sandbox.table_comment("main.erp.ap_invoices").unwrap().contains("supplier invoices"));
    let merges = there.sandbox.count_statements("MERGE INTO `main`.`erp`.`ap_invoices`");
    assert_eq!(merges, 1, "one for the run, whatever its batches: {:?}", there.sandbox.statements());
}

#[test]
fn other_peoples_parsers_read_the_statements_and_the_files() {
    let world = world(Lakehouse::new());
    loads(&world);
    let there = &lakehouse(&world).sandbox;
    let folder = world.dir().join("landed");
    std::fs::create_dir(&folder).unwrap();
    for path in there.files("/Volumes/main/erp/landing/ap_invoices") {
        let name = path.rsplit('/').next().unwrap().to_owned();
        std::fs::write(folder.join(name), there.file(&path).unwrap()).unwrap();
    }
    let rows = world.warehouse.rows("ap_invoices");
    std::fs::write(folder.join("rows.json"), serde_json::to_string(&rows).unwrap()).unwrap();
    std::fs::write(folder.join("statements.json"), serde_json::to_string(&there.statements()).unwrap()).unwrap();
    crate::fidelity::script("lakehouse.py", &[folder.as_os_str()]);
}

#[test]
fn what_goes_wrong_on_the_way_ends_in_the_same_rows() {
    let merge = || Calls::to(STATEMENTS).about("MERGE INTO `main`.`erp`.`ap_invoices`");
    let stopped = "The warehouse w1 was stopped while the statement ran.";
    let faults: [(&str, Calls, Fault); 9] = [
        ("the reply of the MERGE is lost", merge(), Fault::LostReply),
        ("the MERGE never arrives", merge(), Fault::LostRequest),
        ("the token ends between upload and MERGE", merge(), Fault::DeadToken),
        ("the warehouse stops in the middle", merge(), Fault::statement("TEMPORARILY_UNAVAILABLE", stopped)),
        ("it stops after the work was done", merge(), Fault::statement_after_work("TEMPORARILY_UNAVAILABLE", stopped)),
        ("it is long under way", merge(), Fault::Polls(3)),
        ("throttled", merge(), Fault::throttled(1)),
        ("the reply of an upload is lost", Calls::to("PUT /api/2.0/fs/files"), Fault::LostReply),
        ("an upload is answered by a proxy", Calls::to("PUT /api/2.0/fs/files"), Fault::status(503)),
    ];
    for (what, calls, fault) in faults {
        eprintln!("{what}");
        let world = world(Lakehouse::new().setting("ask_every: 1s"));
        lakehouse(&world).sandbox.fault(calls, fault);
        let row = loads(&world);
        assert_eq!(row["inserted"], row["read"], "{what}: {row}");
        assert_eq!(lakehouse(&world).sandbox.faults_waiting(), 0, "{what}");
    }
}

#[test]
fn a_landing_file_that_is_already_there_is_overwritten() {
    let world = world(Lakehouse::new());
    // A first run is killed between landing and applying: its files stay, and the next run has its own.
    let there = &lakehouse(&world).sandbox;
    there.fault(Calls::to(STATEMENTS).about("MERGE INTO `main`.`erp`").every(), Fault::statement("BAD_REQUEST", "no"));
    world.cli(&["run"]).exits(1).says(&["no"]);
    assert!(!there.files("/Volumes/main/erp/landing").is_empty(), "the files are there for whoever looks");
    there.clear_faults();
    world.cli(&["run", "suppliers", "--restart"]);
    world.cli(&["run", "ap_invoices", "--restart"]);
    loads(&world);
}

#[test]
fn a_warehouse_that_sleeps_is_waited_for() {
    let builder =
        DatabricksSandbox::builder().warehouse(sandbox::databricks::Warehouse::stopped("w1", Starts::AfterPolls(3)));
    let world = world(Lakehouse::built(builder).setting("ask_every: 1s"));
    loads(&world);
}

#[test]
fn a_column_that_is_new_at_the_source_is_added_and_an_amount_that_does_not_fit_is_named() {
    let world = world(Lakehouse::new());
    loads(&world);
    let big = world.key("F0411", 3);
    world.touch("F0411", &big, &[("AG", sandbox::jde::Decimal::new(99_999_999_999_999_999, 2).into())]);
    world.sync_setting("ap_invoices", "columns: {remark_2: {from: RMK, type: text}}");
    let ran = world.cli(&["run", "--json"]).ok();
    assert_eq!(ran.sync("ap_invoices")["rejected"], 1, "{ran}");
    world.cli(&["rejects"]).ok().says(&["gross_amount", "999999999999999.99"]);
    let columns = lakehouse(&world).sandbox.columns("main.erp.ap_invoices").unwrap();
    assert!(columns.iter().any(|column| column.name == "remark_2"));
}

#[test]
fn an_administrator_is_told_which_grant_is_missing() {
    for (privilege, on, grant) in [
        (Privilege::UseCatalog, "main", "GRANT USE CATALOG ON CATALOG `main` TO"),
        (Privilege::CreateTable, "main.erp", "CREATE TABLE"),
        (Privilege::WriteVolume, "main.erp.landing", "GRANT WRITE VOLUME"),
        (Privilege::CanUse, "w1", "CAN USE"),
    ] {
        let there = Lakehouse::with_loader(|loader| loader.without(privilege, on));
        there.sql("CREATE SCHEMA IF NOT EXISTS main.erp");
        there.sql("CREATE VOLUME IF NOT EXISTS main.erp.landing");
        let world = world(there);
        world.cli(&["run", "suppliers"]).exits(1).says(&[grant]);
    }
}

#[test]
fn a_wrong_secret_is_tried_once_and_says_so() {
    let world = world(Lakehouse::new());
    world.env("ML_CONNECTOR_SECRET_LAKEHOUSE_CLIENT_SECRET", "not-the-right-one");
    let ran = world.cli(&["run", "suppliers"]).exits(1).never_says("not-the-right-one");
    ran.says(&["refused", "client_id", "client_secret"]);
    assert_eq!(lakehouse(&world).sandbox.count_calls("POST /oidc"), 1);
}

#[test]
fn a_job_is_run_after_the_load_and_its_outcome_is_in_the_run() {
    for (job, state) in [(Job::new(5).taking(2), "ok"), (Job::new(5).failing("The notebook raised."), "failed")] {
        let builder = DatabricksSandbox::builder().job(job);
        let there = Lakehouse::built(builder).setting("job: {id: 5}").setting("ask_every: 1s");
        let world = world(there);
        let row = loads(&world);
        let runs = lakehouse(&world).sandbox.job_runs();
        assert_eq!(runs.len(), 2, "one per load");
        match state {
            "ok" => assert!(row["notes"][0].as_str().unwrap().contains("job 5"), "{row}"),
            _ => assert!(row["warnings"][0].as_str().unwrap().contains("The notebook raised."), "{row}"),
        }
    }
}

#[test]
fn everything_that_came_is_kept_in_a_raw_table_where_that_is_wanted() {
    let world = world(Lakehouse::new().setting("raw: {}"));
    loads(&world);
    let key = world.key("F0411", 3);
    world.touch("F0411", &key, &[("RMK", "changed".into())]);
    world.cli(&["run"]).ok();
    let (there, id) = (lakehouse(&world), crate::world::record_key(&key));
    let tables = there.sql("SHOW TABLES IN main.erp");
    let raw =
        tables.iter().flatten().find(|name| name.starts_with("ap_invoices_")).unwrap_or_else(|| panic!("{tables:?}"));
    let kept = there.sql(&format!("SELECT count(DISTINCT _row_hash) FROM main.erp.{raw} WHERE _source_id = '{id}'"));
    assert_eq!(kept, [["2"]], "both contents");
}

#[test]
fn a_run_that_is_killed_is_finished_by_the_next_one() {
    let calls = ["PUT /api/2.0/fs/files", STATEMENTS, "GET /api/2.1/unity-catalog"];
    for (round, calls) in calls.iter().cycle().take(9).enumerate() {
        let world = world(Lakehouse::new());
        world.jde_setting("page_size", "10");
        let there = &lakehouse(&world).sandbox;
        there.fault(Calls::to(calls).nth(1 + round / 3), Fault::Slow(Duration::from_secs(3_600)));
        let mut running = world.start(&["run"]);
        while there.faults_waiting() > 0 && !running.has_ended() {
            std::thread::yield_now();
        }
        running.kill();
        running.end();
        there.clear_faults();
        loads(&world);
    }
}
