//! Secrets that change under way, and roles that lack something.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::model::message::Reason;
use engine::model::run::{Run, RunState};
use engine::model::window::Selection;
use sandbox::jde::{Calls, Fault, Settings};
use serde_json::json;

use crate::processes;
use crate::stack::stack;
use crate::tenant::Tenant;
use crate::world::{Warehouse, World, seeded};

/// A world whose ERP takes an old and a new password.
fn world() -> World {
    let users = ["secret", "rotated"].map(|password| ("SVCREAD".to_owned(), password.to_owned()));
    let settings = Settings { users: users.into(), ..Settings::default() };
    World::serving(settings, seeded(60, 20, 15), Warehouse::postgres().unwrap())
}

#[test]
fn a_secret_that_is_rotated_while_a_run_reads_is_used_from_then_on() {
    let Some(stack) = stack("a secret that is rotated") else { return };
    let _turn = stack.turn();
    let world = world();
    world.only(&["ap_invoices"]);
    world.jde_setting("page_size", "5");
    let tenant = Tenant::add(stack, "wayne", &world, &["ap_invoices"], "");
    let scope = &tenant.scope;
    world.jde.fault(Calls::to("dataservice").about("F0411").every(), Fault::Slow(Duration::from_millis(500)));
    let run = scope.with(
        "poll",
        |settings| settings["Timeout"] = json!(2),
        || {
            let run = tenant.start("ap_invoices", Reason::Schedule, Selection::Changes);
            let continued = || tenant.run(&run).filter(|run| run.sequence >= 1);
            stack.emulator.wait("the run goes on in another invocation", continued);
            tenant.secret("jde", &json!({"username": "SVCREAD", "password": "rotated"}));
            world.jde.fault(Calls::to("tokenrequest").about("\"secret\"").every(), Fault::status(403));
            tenant.completed(&run)
        },
    );
    assert!(run.sequence >= 1 && world.jde.count_calls("tokenrequest") >= 3, "{run:#?}");
    world.jde.clear_faults();
    tenant.settled(&BTreeMap::new());
}

#[test]
fn a_sync_that_finds_no_secret_goes_on_by_itself_once_it_is_set() {
    let Some(stack) = stack("secrets that are not set yet") else { return };
    let _turn = stack.turn();
    let world = world();
    world.only(&["suppliers"]);
    let tenant = Tenant::without_secrets(stack, "cyberdyne", &world, &["suppliers"], "");
    let early = tenant.ended(&tenant.start("suppliers", Reason::Schedule, Selection::Changes));
    assert!(failure(&early).contains("secret `jde` has no `username`"), "{early:#?}");

    tenant.secret("jde", &json!({"username": "SVCREAD", "password": "wrong"}));
    let refused = tenant.ended(&tenant.start("suppliers", Reason::Schedule, Selection::Changes));
    assert!(failure(&refused).contains("refused"), "{refused:#?}");
    let logins = world.jde.count_calls("tokenrequest");
    let stopped = tenant.ended(&tenant.start("suppliers", Reason::Schedule, Selection::Changes));
    assert!(failure(&stopped).contains("connection `erp` is stopped"), "{stopped:#?}");
    assert_eq!(world.jde.count_calls("tokenrequest"), logins, "accounts are locked by whoever tries again");

    tenant.set_secrets();
    tenant.completed(&tenant.start("suppliers", Reason::Schedule, Selection::Changes));
    tenant.settled(&BTreeMap::new());
}

#[track_caller]
fn failure(run: &Run) -> &str {
    let RunState::Failed { why } = &run.state else { panic!("{run:#?}") };
    why
}

#[test]
fn a_role_that_lacks_a_permission_is_told_which() {
    let Some(stack) = stack("a role that lacks a permission") else { return };
    let _turn = stack.turn();
    let world = world();
    world.only(&["suppliers"]);
    let tenant = Tenant::add(stack, "tyrell", &world, &["suppliers"], "");
    let resources = stack.resources();
    let policy =
        json!({"RoleName": resources["JdeLooker/PollRole"], "PolicyArn": resources["JdeLooker/SecretsPolicy"]});
    stack.emulator.call("iam", "detach_role_policy", policy.clone());
    // Whoever has read the secret already knows it for some minutes.
    processes::kill(&processes::of(&tenant.scope, "poll"));
    let run = tenant.ended(&tenant.start("suppliers", Reason::Manual, Selection::Changes));
    let why = failure(&run);
    for words in ["this role may not call secretsmanager:GetSecretValue", "ml-connector/tyrell/jde", "allow it"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    tenant.scope.empty();

    stack.emulator.call("iam", "attach_role_policy", policy);
    tenant.run_all();
    tenant.settled(&BTreeMap::new());
}
