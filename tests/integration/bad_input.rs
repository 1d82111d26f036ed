//! What is wrong with what people write, with connections and with records: each ends in words that say what, which and
//! what to do, or in a reject with its reason. Mended, everything is there, once.

use sandbox::jde::{Calls, ErrorBody, Fault};
use serde_json::json;

use crate::postgres::postgres;
use crate::world::proxy::HttpsFront;
use crate::world::{Running, World, machine, record_key, seeded};

/// A small world that gives up at once instead of trying again for minutes.
fn impatient() -> World {
    let world = World::with(sandbox::jde::Settings::default(), seeded(60, 10, 10));
    world.env("ML_CONNECTOR_ATTEMPTS", "1");
    world
}

#[test]
fn mistakes_in_the_tenant_file_are_named_with_their_place() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("secret: jde", "secrett: jde", &["acme.yaml:5:7", "`secrett` is unknown here", "did you mean `secret`?"]),
        ("zone: UTC", "zone: Mars/Olympus", &["acme.yaml:7:13", "zone", "Mars/Olympus"]),
        ("page_size: 10", "page_size: ten", &["acme.yaml:4:18", "page_size"]),
        ("source: erp", "source: erb", &["acme.yaml:13:13", "did you mean `erp`?"]),
        ("jde-looker:", "jde-lookr:", &["acme.yaml:12:3", "did you mean `jde-looker`?"]),
        ("ap_invoices:", "ap_invoises:", &["acme.yaml:16:7", "did you mean `ap_invoices`?"]),
        ("from: RMK", "form: RMK", &["acme.yaml:17:35", "did you mean `from`?"]),
        ("type: text", "type: \"decimal(99,2)\"", &["acme.yaml:17:52", "decimal"]),
        ("connections:", "connections: [", &["acme.yaml:"]),
    ];
    let world = World::new();
    world.jde_setting("page_size", "10");
    world.sync_setting("ap_invoices", "columns: {second_remark: {from: RMK, type: text}}");
    let right = world.tenant_text();
    for (from, to, says) in cases {
        assert!(right.contains(from), "{from} in\n{right}");
        std::fs::write(world.tenant_file(), right.replacen(from, to, 1)).unwrap();
        for command in [["run"].as_slice(), &["check"], &["status"]] {
            world.cli(command).exits(2).says(says);
        }
    }
    assert!(!world.state().exists(), "nothing was done");
    std::fs::write(world.tenant_file(), right).unwrap();
    world
        .cli(&["run", "app_invoices"])
        .exits(2)
        .says(&["there is no sync `app_invoices`", "did you mean `ap_invoices`?"]);
    world.cli(&["run", "--config", "acme.yml"]).exits(2).says(&["there is no tenant file acme.yml"]);
    world.cli(&["run", "--from", "2026-13-01"]).exits(2).says(&["2026-13-01"]);
    world.cli(&["runn"]).exits(2);
}

#[test]
fn secrets_that_are_missing_or_none_are_asked_for() {
    let world = impatient();
    for (password, says) in [("", "has no `password`"), ("null", "has the text `null` as `password`")] {
        world.password(password);
        let ran = world.cli(&["run"]).exits(1);
        ran.says(&[says, "secrets set jde password"]);
    }
    assert_eq!(world.jde.calls().len(), 0, "nobody was asked with it");
    world.password("secret");
    world.cli(&["run"]).ok();
    world.agrees();
}

#[test]
fn a_wrong_password_is_tried_once_and_never_again() {
    let world = impatient();
    world.password("wrong");
    // Six syncs, one log-in: accounts lock.
    world.cli(&["run"]).exits(1).says(&["refused user or password", "it is not tried again"]).never_says("wrong\"");
    assert_eq!(world.jde.count_calls("tokenrequest"), 1);
    world.cli(&["run"]).exits(1).says(&["connection `erp` is stopped"]);
    world.cli(&["status"]).ok().says(&["connection `erp` is stopped", "check --restart"]);
    world.cli(&["check"]).exits(1).says(&["stopped"]);
    assert_eq!(world.jde.count_calls("tokenrequest"), 1);

    world.password("secret");
    world.cli(&["run"]).ok();
    world.agrees();
}

#[test]
fn a_password_that_was_right_all_along_is_let_in_again_by_a_person() {
    let world = impatient();
    let refused = Fault::Status { code: 403, retry_after: None, body: ErrorBody::Json };
    world.jde.fault(Calls::to("tokenrequest"), refused);
    world.cli(&["run", "suppliers"]).exits(1);
    world.cli(&["run", "suppliers"]).exits(1).says(&["check --restart"]);
    world.cli(&["check", "--restart"]).ok();
    world.cli(&["run"]).ok();
    world.agrees();
}

/// What is between the program and the ERP, or in the ERP's answers: how it is made, and what is said.
type BadConnection = (&'static str, fn(&World), &'static [&'static str]);

const BAD_CONNECTIONS: &[BadConnection] = &[
    (
        "unreachable host",
        |world| world.jde_url("http://127.0.0.1:9/jderest"),
        &["http://127.0.0.1:9", "refuses connections"],
    ),
    ("an address in the clear", |world| world.jde_url("http://erp.invalid/jderest"), &["must begin with https://"]),
    ("unknown host", |world| world.jde_url("https://erp.invalid/jderest"), &["erp.invalid"]),
    ("wrong path", |world| world.jde_url(&world.jde.base_url().replace("jderest", "other")), &["context root"]),
    ("HTML instead of JSON", |world| always(world, Fault::HtmlInsteadOfJson), &["in place of JSON", "log-in page"]),
    ("truncated body", |world| always(world, Fault::TruncatedBody), &["127.0.0.1"]),
    ("JSON that ends in the middle", |world| always(world, Fault::BadJson), &["F0101"]),
    ("errors in a 200", |world| always(world, Fault::SysErrors), &["F0101", "reports errors"]),
    ("a server that is busy", |world| always(world, Fault::status(503)), &["busy", "503"]),
    ("a connection that breaks", |world| always(world, Fault::DropConnection), &["127.0.0.1"]),
    ("a token that always dies", |world| always(world, Fault::DeadToken), &["session"]),
    ("no rights", |world| always(world, Fault::status(403)), &["refuses F0101 also with a new token", "lack rights"]),
    (
        "unknown column",
        |world| world.sync_setting("suppliers", "columns: {site_code: {from: URAB, type: text}}"),
        &["F0101", "check that table, columns"],
    ),
];

fn always(world: &World, fault: Fault) {
    world.jde.fault(Calls::to("dataservice").every(), fault);
}

#[test]
fn a_bad_connection_ends_in_words_and_loses_nothing() {
    for (name, spoil, says) in BAD_CONNECTIONS {
        let world = impatient();
        let right = world.tenant_text();
        spoil(&world);
        let ran = world.cli(&["run", "suppliers", "--json"]).exits(1);
        let row = ran.sync("suppliers");
        assert_ne!(row["state"], "complete", "{name}: {ran}");
        assert!(world.warehouse.records("suppliers").is_empty(), "{name}: nothing is made up");
        for text in *says {
            assert!(row["note"].as_str().unwrap().contains(text), "{name} does not say {text:?}: {ran}");
        }
        world.cli(&["check"]).exits(1);

        world.jde.clear_faults();
        std::fs::write(world.tenant_file(), right).unwrap();
        world.cli(&["check", "--restart"]).ok();
        world.cli(&["run"]).ok();
        world.agrees();
        assert_eq!(world.jde.open_sessions(), 0, "{name}: every session was logged out");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_or_of_another_host_stops_the_connection() {
    let world = impatient();
    let front = HttpsFront::start("localhost", world.jde.address());
    let url = format!("https://localhost:{}/jderest", front.port);
    world.jde_url(&url);
    world.cli(&["run", "suppliers"]).exits(1).says(&["the certificate of", "is not trusted", "ca_file"]);
    assert_eq!(world.jde.calls().len(), 0, "no password went to a stranger");

    let authority = world.dir().join("authority.pem");
    std::fs::write(&authority, &front.authority).unwrap();
    world.jde_setting("ca_file", &format!("\"{}\"", authority.display()));
    world.cli(&["run"]).ok();
    world.agrees();

    let other = HttpsFront::start("erp.example.com", world.jde.address());
    std::fs::write(&authority, &other.authority).unwrap();
    world.jde_url(&format!("https://localhost:{}/jderest", other.port));
    world.cli(&["run", "suppliers"]).exits(1).says(&["certificate"]);
}

/// A column of an invoice, what it is set to, and the field and reason of the reject.
const BAD_VALUES: &[(&str, &str, &str, &str)] = &[
    ("AG", "12345678901234567.89", "gross_amount", "17 digits before the point"),
    ("AG", "1250.755", "gross_amount", "digits behind the point"),
    ("AAP", "12x", "open_amount", "is not a number"),
    ("AAP", "1e400", "open_amount", "more than 38 digits"),
    ("DGJ", "00000000", "gl_date", "is not a date"),
    ("DGJ", "20261345", "gl_date", "is not a date"),
    ("UPMT", "256199", "source_updated_at", "not a number HHMMSS"),
    ("VOD", "?", "is_voided", "values"),
    ("RMK", "before\0after", "remark", "U+0000"),
];

fn records_that_cannot_be_loaded(world: &World) {
    world.only(&["ap_invoices"]);
    world.cli(&["run"]).ok();
    let mut bad = Vec::new();
    for (n, (column, value, ..)) in BAD_VALUES.iter().enumerate() {
        let key = world.key("F0411", n * 3);
        let right = world.table("F0411", |table| table.nth(n * 3).unwrap().text(column));
        world.touch("F0411", &key, &[]);
        let cells: Vec<_> = key.iter().map(|part| part.as_str().into()).collect();
        world.table("F0411", |table| table.update(&cells, &[(column, (*value).into())])).unwrap();
        bad.push((key, *column, right));
    }
    let others = world.key("F0411", 1);
    world.touch("F0411", &others, &[("RMK", "a neighbour".into())]);

    let run = world.cli(&["run", "--json"]).ok().sync("ap_invoices");
    let rejects = world.cli(&["rejects", "--json"]).ok().json();
    for ((key, ..), (column, value, field, reason)) in bad.iter().zip(BAD_VALUES) {
        let key = record_key(key);
        let reject = rejects["rejects"].as_array().unwrap().iter().find(|reject| reject["key"] == key);
        let reject = reject.unwrap_or_else(|| panic!("{column} {value:?} is not rejected: {rejects}"));
        assert_eq!(reject["field"], *field, "{reject}");
        assert!(reject["reason"].as_str().unwrap().contains(reason), "{reason} in {reject}");
    }
    assert_eq!((&run["rejected"], &run["updated"]), (&json!(BAD_VALUES.len()), &json!(1)), "{run}");

    for (key, column, right) in &bad {
        world.touch("F0411", key, &[(column, right.as_str().into())]);
    }
    let run = world.cli(&["run", "--json"]).ok().sync("ap_invoices");
    assert_eq!((&run["open_rejects"], &run["agrees"]), (&json!(0), &json!(true)), "{run}");
    world.agrees_except("ap_invoices", &[]);
}

#[test]
fn values_that_do_not_fit_are_rejected_with_field_value_and_reason() {
    records_that_cannot_be_loaded(&World::new());
}

#[test]
fn values_that_do_not_fit_are_rejected_before_postgres_sees_them() {
    let Some(warehouse) = postgres("bad values into PostgreSQL") else { return };
    records_that_cannot_be_loaded(&World::into_warehouse(warehouse));
}

#[test]
fn a_record_of_20_mib_is_rejected_and_its_neighbours_are_loaded() {
    let world = impatient();
    world.only(&["suppliers"]);
    let key = world.key("F0101", 4);
    let remark = world.table("F0101", |table| table.nth(4).unwrap().text("RMK"));
    world.touch("F0101", &key, &[("RMK", "x".repeat(20 << 20).into())]);
    let run = world.cli(&["run", "--json"]).ok().sync("suppliers");
    assert_eq!((&run["rejected"], &run["agrees"]), (&json!(1), &json!(true)), "{run}");
    world.agrees_except("suppliers", &[record_key(&key)]);
    world.cli(&["rejects"]).ok().says(&[&record_key(&key), "more than can be carried"]);
    world.touch("F0101", &key, &[("RMK", remark.into())]);
    world.cli(&["run"]).ok();
    world.agrees_except("suppliers", &[]);
}

#[test]
fn a_row_without_a_key_is_rejected_and_one_that_comes_twice_is_loaded_once() {
    let world = impatient();
    world.only(&["suppliers"]);
    // The first call asks for one row only, to learn the server's time.
    let page = || Calls::to("POST").about("F0101\",\"targetType\":\"table\",\"dataServiceType\":\"BROWSE").nth(2);
    world.jde.fault(page(), Fault::DuplicateKeyInPage);
    let run = world.cli(&["run", "--json"]).ok().sync("suppliers");
    assert_eq!((&run["superseded"], &run["agrees"]), (&json!(1), &json!(true)), "{run}");
    world.agrees_except("suppliers", &[]);

    world.jde.fault(page(), Fault::NullKey);
    let run = world.cli(&["run", "--full", "--json"]);
    let row = run.sync("suppliers");
    assert_eq!((&row["rejected"], &row["deleted"]), (&json!(1), &json!(0)), "nobody knows which record it was: {run}");
    world.cli(&["rejects"]).ok().says(&["supplier_number"]);
    world.agrees_except("suppliers", &[]);

    // The next full read brings the row with its key, and the reject that nobody could name is over.
    let row = world.cli(&["run", "--full", "--json"]).ok().sync("suppliers");
    assert_eq!((&row["open_rejects"], &row["agrees"]), (&json!(0), &json!(true)), "{row}");
    assert_eq!(world.jde.faults_waiting(), 0);
}

#[test]
fn a_full_disk_stops_the_work_and_room_lets_it_go_on() {
    let Some(library) = machine::library("a full disk") else { return };
    // The first megabyte goes well; the folder is that of the state, then that of the warehouse.
    for (folder, bytes) in [("state", 300_000), ("state", 700_000), ("data", 60_000)] {
        let world = World::new();
        world.env("ML_CONNECTOR_ATTEMPTS", "1");
        let mut full = world.command(&["run"]);
        full.env("LD_PRELOAD", library)
            .env("MACHINE_FULL_DISK", world.dir().canonicalize().unwrap().join(folder))
            .env("MACHINE_DISK_BYTES", bytes.to_string());
        let ran = Running::start(full).end().exits(1);
        assert!(ran.stderr.contains("disk") && ran.stderr.contains("full"), "{folder} {bytes}: {ran}");
        let run = world.cli(&["run", "--json"]).ok();
        assert_eq!(run.sync("ap_invoices")["agrees"], true, "{run}");
        world.agrees();
    }
}

#[test]
fn a_clock_that_goes_back_loses_nothing() {
    let Some(library) = machine::library("a clock that goes back") else { return };
    let world = World::new();
    world.cli(&["run"]).ok();
    let mark = world.cli(&["run", "ap_invoices", "--json"]).ok().sync("ap_invoices")["complete_up_to"].clone();
    for (days, supplier) in [(-2, "Two days ago"), (-400, "Long ago"), (3, "In the future"), (0, "Today")] {
        let key = world.key("F0101", 1);
        world.touch("F0101", &key, &[("ALPH", supplier.into())]);
        let mut run = world.command(&["run", "--json"]);
        run.env("LD_PRELOAD", library).env("MACHINE_CLOCK_SECONDS", (days * 86_400).to_string());
        let run = Running::start(run).end().ok();
        assert_eq!(run.sync("suppliers")["updated"], 1, "{days} days: {run}");
        let up_to = &run.sync("ap_invoices")["complete_up_to"];
        assert!(up_to.as_str() >= mark.as_str(), "the mark went from {mark} to {up_to}");
        world.agrees();
    }
    // The ERP's own clock goes back, as it does once a year by the wall.
    world.jde.clock().advance(-chrono::TimeDelta::hours(5));
    let key = world.key("F0101", 2);
    world.touch("F0101", &key, &[("ALPH", "Stamped before".into())]);
    let run = world.cli(&["run", "--json"]).ok();
    assert!(run.sync("ap_invoices")["complete_up_to"].as_str() >= mark.as_str(), "{run}");
    world.agrees();
}
