//! Every mistake is named with file, line, column, field and the next step.

use proptest::prelude::*;

use super::{BLUEPRINT, BlueprintFile, TENANT, plans, resolve_tenant};

proptest! {
    #[test]
    fn any_file_is_read_or_refused_with_its_mistakes(from in 0..TENANT.len(), to in 0..TENANT.len(), text in ".*") {
        let damaged = [&TENANT[..from.min(to)], &text, &TENANT[from.max(to)..]].concat();
        for tenant in [text.as_str(), &damaged] {
            if let Err(problems) = resolve_tenant(tenant, &[BLUEPRINT]) {
                prop_assert!(problems.to_string().starts_with("acme.yaml:"), "{}", problems);
            }
        }
    }
}

#[test]
fn nesting_without_end_is_refused() {
    for bracket in ["[", "{a: ", "- ", "a:\n  - "] {
        assert!(resolve_tenant(&bracket.repeat(20_000), &[BLUEPRINT]).is_err());
    }
}

/// The problems of [`TENANT`] with these lines added at the end, which begin in line 12.
fn problems(added: &str) -> String {
    plans(added).map(|_| panic!("{added} has no mistake")).unwrap_or_else(|problems| problems.to_string())
}

fn tenant_problems(tenant: &str) -> String {
    let resolved = resolve_tenant(tenant, &[BLUEPRINT]);
    resolved.map(|_| panic!("{tenant} has no mistake")).unwrap_or_else(|problems| problems.to_string())
}

#[test]
fn unknown_fields_are_named_all_at_once_with_the_nearest_name() {
    let text = problems(
        "    zoen: UTC
    syncs:
      lines:
        enabeld: false
        columns:
          amount: {type: \"decimal(17,3)\", requierd: true}
          remark: {lookup: {steam: orders, key: [order_number]}}
",
    );
    assert_eq!(
        text,
        "acme.yaml:11:5: integrations.jde-looker.zoen: `zoen` is unknown here; did you mean `zone`?
acme.yaml:14:9: integrations.jde-looker.syncs.lines.enabeld: `enabeld` is unknown here; did you mean `enabled`?
acme.yaml:16:43: integrations.jde-looker.syncs.lines.columns.amount.requierd: `requierd` is unknown here; did you mean `required`?
acme.yaml:17:29: integrations.jde-looker.syncs.lines.columns.remark.lookup.steam: `steam` is unknown here; did you mean `stream`?"
    );
    let text = tenant_problems(&TENANT.replace("sqlite: {path", "sqlite: {file"));
    assert_eq!(text, "acme.yaml:6:14: connections.warehouse.sqlite.file: `file` is unknown here; known are path");
    let text = tenant_problems(&TENANT.replace("jde: {", "jed: {"));
    assert_eq!(text, "acme.yaml:4:5: connections.erp.jed: `jed` is unknown here; did you mean `jde`?");
}

#[test]
fn values_of_a_wrong_type_are_named_with_what_is_needed() {
    for (added, expected) in [
        (
            "    syncs: {lines: {lookback_days: two}}\n",
            "acme.yaml:11:36: integrations.jde-looker.syncs.lines.lookback_days: a whole number is needed here",
        ),
        (
            "    syncs: {lines: {wait_at_most: 5 weeks}}\n",
            "acme.yaml:11:35: integrations.jde-looker.syncs.lines.wait_at_most: string \"5 weeks\" stands here, and a length of time such as 30s, 5m, 2h or 7d is needed",
        ),
        (
            "    syncs: {lines: {schedule: hourly}}\n",
            "acme.yaml:11:31: integrations.jde-looker.syncs.lines.schedule: string \"hourly\" stands here, and a schedule such as rate(1 hour), rate(15 minutes) or cron(0 6 * * ? *) is needed",
        ),
        (
            "    syncs: {lines: {columns: {remark: {blank: nul}}}}\n",
            "acme.yaml:11:47: integrations.jde-looker.syncs.lines.columns.remark.blank: `nul` is none of empty, null, reject; did you mean `null`?",
        ),
        ("    syncs: [lines]\n", "acme.yaml:11:12: integrations.jde-looker.syncs: a group of fields is needed here"),
        (
            "    source: warehouse\n",
            "acme.yaml:11:5: integrations.jde-looker.source: `source` stands here twice: keep one",
        ),
    ] {
        assert_eq!(problems(added), expected);
    }
    let text = tenant_problems(&TENANT.replace("    destination: warehouse\n", ""));
    assert_eq!(text, "acme.yaml:8:3: integrations.jde-looker.destination: `destination` is missing: add it");
    let text = tenant_problems("connections: {\n");
    assert!(text.starts_with("acme.yaml:"), "{text}");
    assert_eq!(tenant_problems(""), "acme.yaml:1:1: unexpected end of file");
}

#[test]
fn names_that_lead_nowhere_are_found_together() {
    let tenant = TENANT
        .replace("source: erp", "source: epr")
        .replace("destination: warehouse", "destination: erp")
        .replace("https://", "http://");
    let text = tenant_problems(&format!(
        "{tenant}    zone: America/Dever
    syncs:
      linse: {{enabled: false}}
      lines:
        where: CO ==
        needs: [{{stream: order, key: [order_number]}}]
        totals: [amuont, remark]
        columns:
          remrak: null
"
    ));
    assert_eq!(
        text,
        "acme.yaml:4:16: connections.erp.jde.url: begins with https://
acme.yaml:9:13: integrations.jde-looker.source: there is no connection `epr`; did you mean `erp`?
acme.yaml:10:18: integrations.jde-looker.destination: `erp` is a connection to jde, and jde-looker needs warehouse here
acme.yaml:11:11: integrations.jde-looker.zone: `America/Dever` is no time zone; did you mean `America/Denver`?
acme.yaml:13:7: integrations.jde-looker.syncs.linse: jde-looker has no sync `linse`; did you mean `lines`?
acme.yaml:16:9: integrations.jde-looker.syncs.lines.needs: there is no sync `order`; did you mean `orders`?
acme.yaml:19:19: integrations.jde-looker.syncs.lines.columns.remrak: there is no column `remrak` to leave out; did you mean `remark`?"
    );
}

#[test]
fn a_change_that_breaks_a_sync_is_named_where_it_was_written() {
    for (change, expected) in [
        (
            "lines: {columns: {amount: {type: money}}}",
            "acme.yaml:12:40: integrations.jde-looker.syncs.lines.columns.amount.type: `money` is not a column type: use text, text(n), integer, decimal(p,s), boolean, date, timestamp or json",
        ),
        (
            "lines: {columns: {line_number: null}}",
            "acme.yaml:12:38: integrations.jde-looker.syncs.lines.columns.line_number: `line_number` is part of the key and cannot be left out",
        ),
        (
            "lines: {columns: {amount: null}}",
            "acme.yaml:12:33: integrations.jde-looker.syncs.lines.columns.amount: `amount` is summed as proof and cannot be left out",
        ),
        (
            "lines: {columns: {amount: {expr: 'dec_neg(AEXP)'}}}",
            "jde-looker.yaml:14:5: syncs.lines.totals: `amount` is not a number taken as it is from one source column, so no sum proves it",
        ),
        (
            "lines: {control: {by: [compny]}}",
            "acme.yaml:12:25: integrations.jde-looker.syncs.lines.control.by: `compny` is no column of this sync; did you mean `company`?",
        ),
        (
            "lines: {control: {month: amount}}",
            "acme.yaml:12:32: integrations.jde-looker.syncs.lines.control.month: `amount` is of type decimal(15,2) and has no months: name a column of type date",
        ),
        (
            "lines: {where: 'CO =='}",
            "acme.yaml:12:22: integrations.jde-looker.syncs.lines.where: line 1, column 6 of the expression: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
        ),
        (
            "lines: {columns: {site-code: {from: URAB, type: text}}}",
            "acme.yaml:12:25: integrations.jde-looker.syncs.lines.columns.site-code: `site-code` is no name for a column: use lower-case letters, digits and _, beginning with a letter, at most 63 characters",
        ),
        (
            "lines: {table: Orders}",
            "acme.yaml:12:22: integrations.jde-looker.syncs.lines.table: `Orders` is no name for a table: use lower-case letters, digits and _, beginning with a letter, at most 63 characters",
        ),
        (
            "lines: {table: orders}",
            "acme.yaml:12:22: integrations.jde-looker.syncs.lines.table: `orders` is the table of acme/jde-looker/orders already: name another",
        ),
        (
            "lines: {page_size: 0}",
            "acme.yaml:12:26: integrations.jde-looker.syncs.lines.page_size: a page holds at least one record",
        ),
        (
            "orders: {enabled: false}",
            "acme.yaml:12:25: integrations.jde-looker.syncs.orders.enabled: lines waits for records of orders, which is switched off: switch it on, or lines off",
        ),
        (
            "orders: {columns: {order_number: {type: text}}}",
            "jde-looker.yaml:13:5: syncs.lines.needs: `order_number` is of type integer, and order_number of orders is of type text: give both the same",
        ),
        (
            "buyers: {needs: [{stream: lines, key: [number]}]}",
            "acme.yaml:12:16: integrations.jde-looker.syncs.buyers.needs: the key of lines has 2 columns (order_number, line_number), not 1
jde-looker.yaml:7:3: syncs.lines.after: lines, orders, buyers run before each other: remove one from `after`, `needs` or `lookup`",
        ),
    ] {
        assert_eq!(problems(&format!("    syncs:\n      {change}\n")), expected, "{change}");
    }
}

#[test]
fn a_zone_is_asked_for_and_never_guessed() {
    let text = tenant_problems(&TENANT.replace(", zone: America/Denver", ""));
    assert_eq!(
        text,
        "acme.yaml:8:3: integrations.jde-looker: has no `zone`: say in which zone the source stamps its changes, such as America/Denver"
    );
    let text = tenant_problems(&TENANT.replace("America/Denver", "MST7MTD"));
    assert_eq!(text, "acme.yaml:4:73: connections.erp.jde.zone: `MST7MTD` is no time zone; did you mean `MST7MDT`?");
}

#[test]
fn two_zones_for_one_source_are_a_mistake() {
    assert_eq!(
        problems("    zone: Europe/Berlin\n"),
        "acme.yaml:11:11: integrations.jde-looker.zone: `Europe/Berlin` is not the zone of connection `erp`, which is `America/Denver`: write it there"
    );
}

#[test]
fn a_blueprint_that_does_not_exist_is_named_with_those_that_do() {
    let text = tenant_problems(&TENANT.replace("jde-looker", "jde-loker"));
    assert_eq!(
        text,
        "acme.yaml:8:3: integrations.jde-loker: there is no blueprint `jde-loker`; did you mean `jde-looker`?"
    );
    let text = tenant_problems(&TENANT.replace("jde-looker", "sap"));
    assert_eq!(text, "acme.yaml:8:3: integrations.sap: there is no blueprint `sap`; there are jde-looker");
}

#[test]
fn mistakes_of_a_blueprint_are_named_in_the_blueprint() {
    let text = BLUEPRINT.replace("table: orders", "tabel: orders");
    let problems = BlueprintFile::parse("jde-looker.yaml", &text).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "jde-looker.yaml:25:5: syncs.orders.tabel: `tabel` is unknown here; did you mean `table`?"
    );
    let text = BLUEPRINT.replace("padded: {MCU: 12}", "padded: {MCUS: 12}");
    let problems = BlueprintFile::parse("jde-looker.yaml", &text).unwrap().check().unwrap_err();
    assert_eq!(
        problems.to_string(),
        "jde-looker.yaml:9:96: syncs.lines.read.padded.MCUS: `MCUS` is not read; did you mean `MCU`?"
    );
}
