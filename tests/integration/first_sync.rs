//! From nothing to a warehouse, and what a month-end at the source makes of it.

use sandbox::jde::changes::{Bad, Plan};
use serde_json::{Value as Json, json};

use crate::world::{Running, Warehouse, World, record_key, streams};

#[test]
fn a_month_end_goes_from_the_first_load_to_the_last_mended_record() {
    a_month_end(&World::new());
}

/// The flow of a first month, for any warehouse.
pub fn a_month_end(world: &World) {
    let first = world.cli(&["run", "--json"]).ok();
    world.agrees();
    for stream in streams() {
        let row = first.sync(&stream.name);
        let records = world.expected(&stream.name).len();
        assert_eq!(row["read"], records, "{row}");
        assert_eq!(row["inserted"], records, "{row}");
        assert_eq!((&row["agrees"], &row["state"]), (&json!(true), &json!("complete")), "{row}");
    }

    let report =
        world.month_end(&Plan { new: 5, paid: 4, voided: 2, late: true, early_line: true, bad: Some(Bad::Amount) });
    let (bad, line) = (report.bad.unwrap(), report.early_line.unwrap());
    let second = world.cli(&["run", "--json"]).ok();
    let invoices = second.sync("ap_invoices");
    let told = |row: &Json, what: &str| row[what].as_u64().unwrap();
    assert_eq!(told(&invoices, "inserted"), 6, "five new ones and a late one: {invoices}");
    assert_eq!(told(&invoices, "updated"), 6, "four paid and two void: {invoices}");
    assert_eq!(told(&invoices, "rejected"), 1, "{invoices}");
    assert!(told(&invoices, "read") < 60, "only what changed lately is read: {invoices}");
    assert_eq!(told(&second.sync("purchase_order_lines"), "waiting"), 1);
    world.agrees_except("ap_invoices", &[record_key(&bad)]);
    world.agrees_except("purchase_order_lines", &[record_key(&line)]);
    what_the_operator_sees(world, &bad, &line, &report.paid[0]);

    world.deliver_header(&line);
    world.mend(&bad);
    let third = world.cli(&["run", "--json"]).ok();
    let lines = third.sync("purchase_order_lines");
    assert_eq!((told(&lines, "inserted"), told(&lines, "open_waiting")), (1, 0), "its header woke it: {lines}");
    let invoices = third.sync("ap_invoices");
    assert_eq!((told(&invoices, "inserted"), told(&invoices, "open_rejects")), (1, 0), "{invoices}");
    world.agrees();

    let fourth = world.cli(&["run", "--json"]).ok();
    for stream in streams() {
        let row = fourth.sync(&stream.name);
        assert_eq!(told(&row, "inserted") + told(&row, "updated"), 0, "nothing happened meanwhile: {row}");
        assert_eq!(told(&row, "read"), told(&row, "unchanged"), "{row}");
    }
    assert_eq!(world.jde.open_sessions(), 0, "every session was logged out");
}

/// While a record is rejected and another waits: `status`, `rejects`, `audit` and `preview` tell the truth.
fn what_the_operator_sees(world: &World, bad: &[String], line: &[String], paid: &[String]) {
    let (bad, line, paid) = (record_key(bad), record_key(line), record_key(paid));

    let status = world.cli(&["status", "--json"]).ok().json();
    let sync = |name: &str| status["syncs"].as_array().unwrap().iter().find(|sync| sync["sync"] == name).unwrap();
    assert_eq!(sync("ap_invoices")["rejected"], 1);
    let waits = &sync("purchase_order_lines")["waits"][0];
    assert_eq!((&waits["for_stream"], &waits["records"]), (&json!("purchase_orders"), &json!(1)));
    assert!(line.starts_with(waits["example_waits_for"].as_str().unwrap()), "{waits} for {line}");
    world.cli(&["status"]).ok().says(&["1 record waits for purchase_orders", "look at what ap_invoices refused"]);

    let rejects = world.cli(&["rejects", "--json"]).ok().json();
    let reject = &rejects["rejects"][0];
    assert_eq!((&rejects["records"], &reject["key"]), (&json!(1), &json!(bad)));
    assert_eq!((&reject["sync"], &reject["field"]), (&json!("ap_invoices"), &json!("gross_amount")));
    assert_eq!(reject["value"], "12345678901234567.89");
    world.cli(&["rejects"]).ok().says(&["1 record is rejected", "gross_amount", "12345678901234567.89"]);

    let history = world.cli(&["audit", "ap_invoices", &paid, "--row", "--json"]).ok().json();
    let outcomes: Vec<_> = history["history"].as_array().unwrap().iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["inserted", "updated"]);
    assert_eq!(history["row"]["PST"], "P", "the archived row as the source sent it");
    let history = world.cli(&["audit", "ap_invoices", &bad, "--json"]).ok().json();
    assert_eq!(history["held"]["state"], "rejected");
    world.cli(&["audit", "ap_invoices", "4711|PV"]).exits(4).says(&["no record `4711|PV`"]);

    let preview = world.cli(&["preview", "ap_invoices", "--key", &bad, "--json"]).ok().json();
    let record = &preview["records"][0];
    assert_eq!((&record["key"], &record["mapped"]), (&json!(bad), &Json::Null));
    assert!(record["held"].as_str().unwrap().starts_with("gross_amount: "), "{record}");
}

#[test]
fn check_and_preview_write_nothing() {
    let world = World::new();
    let check = world.cli(&["check", "--json"]).ok().json();
    let connections = check["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 2);
    assert!(connections.iter().all(|connection| connection["ok"] == true), "{check}");

    let preview = world.cli(&["preview", "suppliers", "--limit", "3", "--json"]).ok().json();
    let records = preview["records"].as_array().unwrap();
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| record["mapped"]["supplier_number"].is_u64()), "{preview}");
    assert_eq!(records[0]["source"]["AN8"], records[0]["mapped"]["supplier_number"]);
    world.cli(&["preview", "suppliers"]).ok().says(&["would be written to suppliers", "nothing was written"]);

    assert!(!world.state().exists(), "no state was made");
    assert!(world.warehouse.rows("suppliers").is_empty());
}

#[test]
fn one_sync_or_one_record_can_be_run_alone() {
    let world = World::new();
    let run = world.cli(&["run", "cost_centers", "--json"]).ok();
    assert_eq!(run.json()["syncs"].as_array().unwrap().len(), 1);
    world.agrees_except("cost_centers", &[]);
    assert!(world.warehouse.rows("suppliers").is_empty());

    let key = world.key("F0101", 3);
    world.cli(&["run", "suppliers", "--key", &key[0], "--json"]).ok();
    assert_eq!(world.warehouse.rows("suppliers").len(), 1, "chosen records say nothing about the rest");
    let run = world.cli(&["run", "suppliers", "--json"]).ok().sync("suppliers");
    assert_eq!((&run["unchanged"], &run["agrees"]), (&json!(1), &json!(true)), "{run}");
    world.agrees_except("suppliers", &[]);
}

#[test]
fn the_demo_agrees_with_its_source_and_its_reports_arrive() {
    let world = World::new();
    // The real demo, only smaller, so that it takes seconds in an unoptimised build.
    let demo = world.cli(&["demo", "--invoices", "1500", "--json"]).ok().json();
    let syncs = demo["syncs"].as_array().unwrap();
    let of_jde = syncs.iter().filter(|row| row["integration"] == "jde-looker").count();
    assert_eq!(of_jde, streams().len());
    assert!(syncs.len() > of_jde, "PeopleSoft's are there too");
    for row in syncs {
        // What goes back to PeopleSoft is read back record by record, and not counted.
        let goes_back = row["sync"] == "supplier_attributes";
        assert_eq!(row["agrees"], if goes_back { Json::Null } else { json!(true) }, "{row}");
        for figure in ["read", "inserted", "updated", "unchanged", "rejected", "waiting"] {
            assert!(row[figure].is_u64(), "{figure} in {row}");
        }
    }
    for sync in demo["reconciled"].as_array().unwrap() {
        assert_eq!((&sync["agrees"], &sync["differences"]), (&json!(true), &json!(0)), "{sync}");
    }
    // The report of each run arrived, the second one when it was sent again.
    let deliveries = demo["deliveries"].as_array().unwrap();
    let sent: Vec<_> = deliveries.iter().map(|row| (&row["state"], &row["attempts"])).collect();
    let arrived = json!("delivered");
    assert_eq!(sent, [(&arrived, &json!(1)), (&arrived, &json!(2))], "{demo}");
    world.cli(&["demo", "--invoices", "300"]).ok().says(&[
        "agrees",
        "complete up to",
        "The webhook receiver answered 500",
        "it is sent again, and nothing else is",
        "0 differences found",
        "warehouse.sqlite",
        "audit",
    ]);
}

#[test]
fn the_steps_of_the_readme_lead_from_an_empty_folder_to_a_first_run() {
    let world = World::new();
    let here = world.dir().join("project");
    std::fs::create_dir(&here).unwrap();
    let step = |words: &[&str], typed: &str| {
        let mut command = world.command(words);
        for set in ["CONFIG", "STATE", "SECRET_JDE_USERNAME", "SECRET_JDE_PASSWORD"] {
            command.env_remove(format!("ML_CONNECTOR_{set}"));
        }
        let input = world.dir().join("typed");
        std::fs::write(&input, typed).unwrap();
        Running::start({
            command.current_dir(&here).stdin(std::fs::File::open(input).unwrap());
            command
        })
        .end()
    };
    step(&["run"], "").exits(2).says(&["there is no tenant file in infra/tenants", "ml-connector init"]);
    step(&["init", "--tenant", "acme"], "").ok().says(&["secrets set acme-jde username", "ml-connector check"]);
    step(&["init", "--tenant", "acme"], "").exits(2).says(&["is there already"]);
    let tenant = here.join("infra/tenants/acme.yaml");
    let text = std::fs::read_to_string(&tenant).unwrap();
    let url = text.lines().find_map(|line| line.trim().strip_prefix("url: ")).unwrap();
    std::fs::write(&tenant, text.replace(url, &world.jde.base_url())).unwrap();
    step(&["check"], "").exits(1).says(&["there is no secret `acme-jde`", "secrets set acme-jde"]);
    step(&["secrets", "set", "acme-jde", "username"], "SVCREAD\n").ok();
    step(&["secrets", "set", "acme-jde", "password"], "secret").ok().never_says("secret\n");
    step(&["secrets", "list"], "").ok().says(&["acme-jde", "password"]).never_says("SVCREAD");
    step(&["check"], "").ok();
    step(&["preview", "ap_invoices"], "").ok().says(&["nothing was written"]);
    step(&["run"], "").ok();
    let loaded = Warehouse::Sqlite(here.join("acme-warehouse.sqlite")).records("ap_invoices");
    assert_eq!(loaded.len(), world.len("F0411"));
    step(&["status"], "").ok().says(&["ap_invoices", "complete"]);
}
