//! Dashboards of a blueprint: every column that one names is there, or the mistake is named with its place.

use super::{BLUEPRINT, TENANT, blueprint, resolve_tenant};
use crate::config::DashboardKind;

/// [`BLUEPRINT`] with one dashboard at its end.
fn with_dashboard(change: &str) -> String {
    let text = BLUEPRINT.replace(
        "      remark: {from: RMK, type: text}\n",
        "      remark: {from: RMK, type: text}\n      due_date: {from: DDJ, type: date}\n",
    );
    let dashboard = "dashboards:
  ages:
    kind: aging
    title: Open lines by age
    description: What is late
    sync: lines
    amount: amount
    currency: company
    date: due_date
    days: [30, 60]
    by: [[remark, orders.buyer_number]]
";
    let (was, is) = change.split_once(" => ").unwrap_or((" ", " "));
    assert!(dashboard.contains(was), "{was}");
    text + &dashboard.replace(was, is)
}

/// The one problem of [`BLUEPRINT`] with a changed dashboard; its line is counted from that of `dashboards:`.
fn problem(change: &str) -> String {
    let text = with_dashboard(change);
    let first = text.lines().position(|line| line == "dashboards:").unwrap() + 1;
    let problems = blueprint(&text).check().map(|()| panic!("{change} is no mistake")).unwrap_err();
    let found: Vec<_> = problems.iter().collect();
    let [only] = found.as_slice() else { panic!("{change}: {problems}") };
    format!("{}:{}: {}: {}", only.place.line - first, only.place.column, only.path, only.message)
}

#[test]
fn a_tenant_has_the_dashboards_of_its_integrations() {
    let text = with_dashboard("");
    blueprint(&text).check().unwrap_or_else(|problems| panic!("{problems}"));
    let plans = resolve_tenant(TENANT, &[&text]).unwrap_or_else(|problems| panic!("{problems}"));
    let sync = plans.iter().next().unwrap().plan.id.clone();
    let found: Vec<_> = plans.dashboards(&sync.tenant, &sync.integration).collect();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1.kind, found[0].1.buckets()), ("ages", DashboardKind::Aging, &[30, 60][..]));
}

#[test]
fn every_column_of_a_dashboard_is_checked() {
    for (change, expected) in [
        ("sync: lines => sync: line", "5:11: dashboards.ages.sync: there is no sync `line`; did you mean `lines`?"),
        (
            "amount: amount => amount: amuont",
            "6:13: dashboards.ages.amount: `amuont` is no column of lines; did you mean `amount`?",
        ),
        (
            "amount: amount => amount: remark",
            "6:13: dashboards.ages.amount: `remark` is of type text, and a number is needed here",
        ),
        (
            "date: due_date => date: amount",
            "8:11: dashboards.ages.date: `amount` is of type decimal(15,2), and a date or timestamp is needed here",
        ),
        (
            "[30, 60] => [60, 30]",
            "9:5: dashboards.ages.days: each bucket ends later than the one before it, and the first after 1 day or more",
        ),
        ("kind: aging => kind: spend", "9:5: dashboards.ages.days: only an aging has buckets: leave them out"),
        (
            "[remark, => [remrak,",
            "10:11: dashboards.ages.by.0.0: `remrak` is no column of lines; did you mean `remark`?",
        ),
        (
            "orders.buyer_number => orders.buyer",
            "10:19: dashboards.ages.by.0.1: `buyer` is no column of orders; did you mean `buyer_id`?",
        ),
        (
            "orders.buyer_number => buyers.number",
            "10:19: dashboards.ages.by.0.1: records of lines name no record of `buyers`; did you mean `orders`?",
        ),
        ("[[remark, orders.buyer_number]] => [[]]", "10:10: dashboards.ages.by.0: names no column: name at least one"),
    ] {
        assert_eq!(problem(change), expected, "{change}");
    }
}
