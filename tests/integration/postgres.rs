//! The same with PostgreSQL: one changed block of the tenant file.

use crate::first_sync::a_month_end;
use crate::world::{Warehouse, World, left_out, seeded};

/// A PostgreSQL server to test with; without one it is said what is left out.
pub fn postgres(what: &str) -> Option<Warehouse> {
    let warehouse = Warehouse::postgres();
    if warehouse.is_none() {
        left_out(what, "ML_CONNECTOR_TEST_POSTGRES names no server");
    }
    warehouse
}

#[test]
fn a_month_end_goes_the_same_way_into_postgres() {
    let Some(warehouse) = postgres("a month-end into PostgreSQL") else { return };
    let world = World::into_warehouse(warehouse);
    let (sqlite, postgres) = (World::new().tenant_text(), world.tenant_text());
    let block = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("url: http"));
        let outside = lines.scan(false, |inside, line| {
            *inside = line == "  warehouse:" || (*inside && line.starts_with("    "));
            Some((!*inside).then(|| line.to_owned()))
        });
        outside.flatten().collect()
    };
    assert_eq!(block(&sqlite), block(&postgres), "nothing but the warehouse's block differs");
    a_month_end(&world);
}

#[test]
fn tables_in_postgres_are_typed_and_described() {
    let Some(warehouse) = postgres("tables in PostgreSQL") else { return };
    let world = World::into_warehouse(warehouse);
    world.cli(&["run", "ap_invoices"]).ok();
    let Warehouse::Postgres(postgres) = &world.warehouse else { unreachable!() };
    let columns = postgres.query(&format!(
        "select column_name, data_type, numeric_precision, numeric_scale from information_schema.columns \
         where table_schema = '{}' and table_name = 'ap_invoices'",
        postgres.schema
    ));
    let kind = |name: &str| {
        let column = columns.iter().find(|column| column["column_name"] == name).unwrap();
        [Some(&column["data_type"]), column.get("numeric_precision"), column.get("numeric_scale")]
            .map(|part| part.cloned().unwrap_or_default())
    };
    assert_eq!(kind("gross_amount"), ["numeric", "15", "2"]);
    assert_eq!(kind("invoice_date")[0], "date");
    assert_eq!(kind("is_voided")[0], "boolean");
    assert_eq!(kind("source_updated_at")[0], "timestamp with time zone");
    let comment =
        postgres.query(&format!("select obj_description('\"{}\".ap_invoices'::regclass) as comment", postgres.schema));
    assert!(comment[0]["comment"].contains("supplier invoices"), "{comment:?}");
    let sum = postgres.query(&format!("select sum(gross_amount) from \"{}\".ap_invoices", postgres.schema));
    let exact: i128 = world.expected("ap_invoices").values().map(|row| cents(&row["gross_amount"])).sum();
    assert_eq!(cents(&sum[0]["sum"]), exact);
}

#[test]
fn a_user_without_rights_is_told_which_are_missing() {
    let Some(warehouse) = postgres("missing rights in PostgreSQL") else { return };
    let world = World::with_warehouse(seeded(20, 5, 5), warehouse);
    let Warehouse::Postgres(postgres) = &world.warehouse else { unreachable!() };
    let role = format!("reader_{}", postgres.schema);
    postgres.query(&format!("create role \"{role}\" login password 'reader'"));
    let reader = postgres.public_url.replace("//ml_test@", &format!("//{role}@"));
    assert_ne!(reader, postgres.public_url, "this test needs the server of tests/run");
    let text = world.tenant_text().replace(&postgres.public_url, &reader);
    std::fs::write(world.tenant_file(), text).unwrap();
    let mut command = world.command(&["run", "suppliers"]);
    command.env("ML_CONNECTOR_SECRET_WAREHOUSE_PASSWORD", "reader");
    crate::world::Running::start(command).end().exits(1).says(&["permission denied", "GRANT CREATE"]);
    postgres.query(&format!("drop role \"{role}\""));
}

fn cents(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}
