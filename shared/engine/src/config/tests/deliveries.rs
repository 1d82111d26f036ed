//! Who is told, and what is delivered.

use std::time::Duration;

use super::{BLUEPRINT, TENANT, resolve_tenant};
use crate::model::delivery::What;
use crate::model::id::{IntegrationId, TenantId};
use crate::plan::Plans;

fn blueprint() -> String {
    BLUEPRINT.replace("destination: warehouse\n", "destination: warehouse\nconsumer: looker\n")
}

fn tenant(integration: &str) -> String {
    let bi = "  bi:\n    looker: {url: \"https://acme.example.com\", secret: acme-looker}\nintegrations:";
    TENANT.replace("integrations:", bi) + integration
}

#[test]
fn a_delivery_waits_for_the_syncs_it_names_or_for_all() {
    let file = tenant(
        "    consumer: bi
    deliveries:
      daily: {plan: AP daily, after: [orders], deadline: 30m, when_late: hold}
      rebuild: {trigger: nightly}
",
    );
    let plans = resolve_tenant(&file, &[&blueprint()]).unwrap();
    let told = plans.consumer(&TenantId::new("acme"), &IntegrationId::new("jde-looker")).unwrap().unwrap();
    assert_eq!(told.connection.as_str(), "bi");
    let [daily, rebuild] = told.deliveries.as_slice() else { panic!("{told:?}") };
    assert_eq!(daily.what, What::Plan("AP daily".to_owned()));
    assert_eq!(daily.after, ["orders"]);
    assert_eq!((daily.deadline, daily.without_late), (Duration::from_secs(1_800), false));
    assert_eq!(rebuild.after, ["buyers", "orders", "lines"]);
    assert!(rebuild.without_late);
}

#[test]
fn mistakes_in_deliveries_are_named_with_their_places() {
    let problems = |integration: &str| match resolve_tenant(&tenant(integration), &[&blueprint()]) {
        Ok(_) => panic!("{integration} has no mistake"),
        Err(problems) => problems.to_string(),
    };
    for (integration, words) in [
        ("    deliveries: {daily: {plan: a}}\n", "names no connection that delivers: add `consumer`"),
        ("    consumer: erp\n", "`erp` is a connection to jde, and jde-looker needs looker here"),
        ("    consumer: bo\n", "there is no connection `bo`; did you mean `bi`?"),
        ("    consumer: bi\n    deliveries: {daily: {}}\n", "name a `plan` or a datagroup to `trigger`"),
        ("    consumer: bi\n    deliveries: {daily: {plan: a, trigger: b}}\n", "make two of it"),
        ("    consumer: bi\n    deliveries: {a b: {plan: a}}\n", "`a b` is no name for a delivery"),
        ("    consumer: bi\n    deliveries: {x: {plan: a}, y: {plan: a}}\n", "`a` is delivered already"),
        ("    consumer: bi\n    deliveries: {x: {plan: a, after: [ordres]}}\n", "did you mean `orders`?"),
    ] {
        let told = problems(integration);
        assert!(told.contains(words), "{told}");
        assert!(told.starts_with("acme.yaml:1"), "{told}");
    }
}
