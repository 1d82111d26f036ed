//! What a tenant file resolves to.

use std::time::Duration;

use super::{BLUEPRINT, ConfiguredPlans, TENANT, blueprint, plans, resolve_tenant};
use crate::model::id::{IntegrationId, SyncId, TenantId};
use crate::plan::{Control, Plans};

fn id(stream: &str) -> SyncId {
    format!("acme/jde-looker/{stream}").parse().unwrap()
}

fn resolved(added: &str) -> ConfiguredPlans {
    plans(added).unwrap_or_else(|problems| panic!("{problems}"))
}

fn streams(plans: &ConfiguredPlans) -> Vec<String> {
    let syncs = plans.syncs(&TenantId::new("acme"), &IntegrationId::new("jde-looker")).unwrap();
    syncs.into_iter().map(|sync| sync.stream).collect()
}

#[test]
fn a_tenant_that_changes_nothing_gets_what_is_shipped() {
    let plans = resolved("");
    let lines = plans.plan(&id("lines")).unwrap();
    assert_eq!((lines.source.as_str(), lines.destination.as_str()), ("erp", "warehouse"));
    assert_eq!(lines.zone, chrono_tz::America::Denver);
    assert_eq!(lines.stream.columns, ["DOCO", "LNID", "UPMJ", "TDAY", "CO", "MCU", "AEXP", "RMK"]);
    assert_eq!(lines.stream.padded, [("MCU".to_owned(), 12)]);
    assert_eq!(lines.table.source_system, "jde");
    assert_eq!((lines.table.key.as_slice(), lines.table.company), ([0, 1].as_slice(), Some(2)));
    assert_eq!(lines.totals, [("AEXP".to_owned(), "amount".to_owned())]);
    assert_eq!(lines.lookback_days, 1);
    assert_eq!(lines.safety_lag, Duration::from_secs(300));
    assert_eq!(lines.wait_at_most, Duration::from_secs(7 * 86_400));
    assert_eq!(lines.keep_archive, Duration::from_secs(30 * 86_400));
    assert_eq!((lines.keeps_links, lines.after.as_slice()), (false, ["orders".to_owned()].as_slice()));
    let orders = plans.get(&id("orders")).unwrap();
    assert!(orders.plan.keeps_links && orders.enabled);
    assert_eq!(orders.schedule.as_str(), "rate(1 day)");
    assert_eq!(orders.plan.stream.page_size, Some(1000));
    assert_eq!(orders.plan.table.columns[0].description, "Its number");
    assert!(!orders.plan.table.columns[0].nullable && orders.plan.table.columns[1].nullable);
}

#[test]
fn records_are_grouped_for_comparison_as_declared() {
    assert_eq!(resolved("").plan(&id("lines")).unwrap().control, Control::default());
    let plans = resolved("    syncs: {lines: {control: {by: [business_unit, company]}}}\n");
    let control = &plans.plan(&id("lines")).unwrap().control;
    assert_eq!((control.by.join(" ").as_str(), &control.month), ("business_unit company", &None));
}

#[test]
fn syncs_run_after_those_they_name() {
    assert_eq!(streams(&resolved("")), ["buyers", "orders", "lines"]);
}

#[test]
fn a_tenant_changes_what_it_writes_and_nothing_else() {
    let plans = resolved(
        "    syncs:
      lines:
        schedule: rate(15 minutes)
        lookback_days: 2
        safety_lag: 10m
        wait_at_most: 2h
        keep_archive: 90d
        page_size: 250
        table: po_lines
        where: CO == '00001'
        columns:
          amount: {type: \"decimal(17,3)\"}
          business_unit: {expr: 'CO + MCU'}
          remark: null
          site_code: {from: URAB, type: text, default: none}
      orders:
        filter: [{column: DCTO, equals: [OP, OB]}]
      buyers: {enabled: true}
",
    );
    let changed = plans.get(&id("lines")).unwrap();
    assert_eq!(changed.schedule.every(), Some(Duration::from_secs(900)));
    let lines = &changed.plan;
    assert_eq!(lines.lookback_days, 2);
    assert_eq!(
        [lines.safety_lag, lines.wait_at_most, lines.keep_archive].map(|d| d.as_secs()),
        [600, 7_200, 7_776_000]
    );
    assert_eq!((lines.table.name.as_str(), lines.stream.page_size), ("po_lines", Some(250)));
    let columns: Vec<_> = lines.table.columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
    assert_eq!(
        columns,
        [
            "order_number integer",
            "line_number decimal(7,3)",
            "company text",
            "business_unit text",
            "amount decimal(17,3)",
            "site_code text",
        ]
    );
    assert_eq!(lines.stream.columns, ["DOCO", "LNID", "UPMJ", "TDAY", "CO", "MCU", "AEXP", "URAB"]);
    assert_eq!(plans.plan(&id("orders")).unwrap().stream.filter[0].equals, ["OP", "OB"]);
    assert_ne!(lines.mapping.hash(), resolved("").plan(&id("lines")).unwrap().mapping.hash());
}

#[test]
fn the_zone_is_the_connections_or_the_integrations() {
    let without = TENANT.replace(", zone: America/Denver", "");
    let plans = resolve_tenant(&format!("{without}    zone: Europe/Berlin\n"), &[BLUEPRINT]).unwrap();
    assert_eq!(plans.plan(&id("lines")).unwrap().zone, chrono_tz::Europe::Berlin);
}

#[test]
fn fields_can_be_shared_with_a_merge_key() {
    let plans = resolved(
        "    syncs:
      lines: &slow {schedule: rate(6 hours), page_size: 100}
      orders: {<<: *slow, page_size: 200}
",
    );
    let orders = plans.get(&id("orders")).unwrap();
    assert_eq!((orders.schedule.as_str(), orders.plan.stream.page_size), ("rate(6 hours)", Some(200)));
}

#[test]
fn a_sync_that_is_switched_off_is_known_but_does_not_run() {
    let plans = resolved("    syncs: {lines: {enabled: false}}\n");
    assert_eq!(streams(&plans), ["buyers", "orders"]);
    assert!(!plans.get(&id("lines")).unwrap().enabled);
    assert_eq!(plans.iter().count(), 3);
}

#[test]
fn what_is_not_configured_is_named_with_what_is() {
    let plans = resolved("");
    let error = plans.plan(&id("line")).unwrap_err();
    assert_eq!(error.to_string(), "sync acme/jde-looker/line is not configured; did you mean `acme/jde-looker/lines`?");
    let error = plans.syncs(&TenantId::new("other"), &IntegrationId::new("peoplesoft")).unwrap_err();
    assert_eq!(error.to_string(), "integration other/peoplesoft is not configured; configured are acme/jde-looker");
}

#[test]
fn a_blueprint_is_checked_by_itself() {
    blueprint(BLUEPRINT).check().unwrap_or_else(|problems| panic!("{problems}"));
    let problems = blueprint(&BLUEPRINT.replace("company: company", "company: co")).check().unwrap_err();
    assert_eq!(
        problems.to_string(),
        "jde-looker.yaml:12:14: syncs.lines.company: `co` is no column of this sync; did you mean `company`?"
    );
}
