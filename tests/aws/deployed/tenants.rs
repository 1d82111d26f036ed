//! Tenants come and go; the others do not notice.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::stack::{Stack, stack};
use crate::tenant::{Tenant, world};

const STREAMS: [&str; 2] = ["suppliers", "ap_invoices"];

#[test]
fn a_tenant_that_leaves_and_comes_back_finds_everything_as_it_was() {
    let Some(stack) = stack("tenants that come and go") else { return };
    let _turn = stack.turn();
    let worlds = [world(), world()];
    worlds.iter().for_each(|world| world.only(&STREAMS));
    let initech = Tenant::add(stack, "initech", &worlds[0], &STREAMS, "");
    initech.run_all();
    initech.settled(&BTreeMap::new());

    let umbrella = Tenant::add(stack, "umbrella", &worlds[1], &STREAMS, "");
    umbrella.run_all();
    umbrella.settled(&BTreeMap::new());
    changes_nothing(&initech);

    assert_eq!(schedules(stack, "initech").len(), STREAMS.len());
    let secrets = ["jde", "warehouse"].map(|name| secret(stack, "initech", name));
    let (rows, runs) = (initech.everything(), initech.runs("suppliers"));
    stack.remove("initech");
    assert!(schedules(stack, "initech").is_empty());
    assert_eq!(schedules(stack, "umbrella").len(), STREAMS.len());
    assert_eq!(["jde", "warehouse"].map(|name| secret(stack, "initech", name)), secrets);
    initech.unchanged_since(&rows);
    assert_eq!(initech.runs("suppliers"), runs);
    changes_nothing(&umbrella);
    let gone = initech.scope.invoke("replay", &json!({"tenant": "initech", "rejects": true})).unwrap_err();
    assert!(gone.contains("tenant `initech` is not configured here"), "{gone}");

    initech.redeploy("secrets: existing\n");
    assert_eq!(["jde", "warehouse"].map(|name| secret(stack, "initech", name)), secrets);
    changes_nothing(&initech);
    changes_nothing(&umbrella);
}

/// Runs everything once more, which finds all of it as it is.
#[track_caller]
fn changes_nothing(tenant: &Tenant<'_>) {
    for (stream, run) in tenant.run_all() {
        assert_eq!((run.counts.inserted, run.counts.updated), (0, 0), "{stream}: {run:#?}");
    }
    tenant.settled(&BTreeMap::new());
}

#[track_caller]
fn schedules(stack: &Stack, tenant: &str) -> Vec<String> {
    let all = stack.emulator.call("scheduler", "list_schedules", json!({"NamePrefix": format!("{tenant}.")}));
    let names = all["Schedules"].as_array().unwrap().iter().map(|schedule| schedule["Name"].as_str().unwrap());
    names.filter(|name| name.starts_with(&format!("{tenant}."))).map(str::to_owned).collect()
}

#[track_caller]
fn secret(stack: &Stack, tenant: &str, name: &str) -> Json {
    let id = json!({"SecretId": format!("ml-connector/{tenant}/{name}")});
    stack.emulator.call("secretsmanager", "get_secret_value", id)["SecretString"].clone()
}
