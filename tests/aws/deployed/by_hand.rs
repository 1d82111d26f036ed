//! The same records the same way once more, asked for by invoking the function.

use std::collections::BTreeMap;

use engine::model::delivery::DeliveryState;
use engine::model::id::{IntegrationId, RunId, TenantId};
use engine::ports::Store;
use sandbox::clock::Clock;
use sandbox::jde::changes::{Bad, Plan};
use sandbox::looker::Settings;
use serde_json::{Value as Json, json};

use crate::stack::stack;
use crate::tenant::{Tenant, world};
use crate::world::looker::Looking;
use crate::world::{record_key, streams};

#[test]
fn what_is_run_or_replayed_again_changes_nothing() {
    let Some(stack) = stack("replays by invoking the function") else { return };
    let _turn = stack.turn();
    let looking = Looking::all_of(world(), Settings::default(), Clock::system());
    let world = &looking.world;
    let names: Vec<String> = streams().into_iter().map(|stream| stream.name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let tenant = Tenant::add(stack, "globex", world, &names, "");
    tenant.secret("looker", &looking.secret());

    let first = tenant.run_all();
    tenant.settled(&BTreeMap::new());
    stack.emulator.wait("the first report arrives", || looking.arrived().pop());
    for (stream, run) in tenant.run_all() {
        assert_eq!((run.counts.inserted, run.counts.updated, run.counts.deleted), (0, 0, 0), "{stream}: {run:#?}");
    }
    tenant.settled(&BTreeMap::new());
    stack.emulator.wait("the second report arrives", || (looking.arrived().len() == 2).then_some(()));

    looking.receiver.fail(1);
    let plan = Plan { new: 3, paid: 2, voided: 1, late: true, early_line: true, bad: Some(Bad::Date) };
    let report = world.month_end(&plan);
    let second = tenant.run_all();
    let changed: BTreeMap<String, usize> =
        report.paid.iter().chain(&report.voided).map(|key| (format!("ap_invoices {}", record_key(key)), 1)).collect();
    tenant.settled(&changed);
    assert_eq!(tenant.held("ap_invoices"), [record_key(&report.bad.unwrap())]);
    assert_eq!(tenant.held("purchase_order_lines"), [record_key(&report.early_line.unwrap())]);

    let runs = [&first, &second].map(|runs| runs["ap_invoices"].id.to_string());
    replays_change_nothing(&tenant, &runs, &changed);
    a_failed_delivery_goes_once_more(&tenant, &looking);
}

/// Each kind of replay, twice.
fn replays_change_nothing(tenant: &Tenant<'_>, [first, second]: &[String; 2], changed: &BTreeMap<String, usize>) {
    let before = tenant.everything();
    let held = || tenant.streams.iter().map(|stream| tenant.held(stream)).collect::<Vec<_>>();
    let held_before = held();
    let key = record_key(&tenant.world.key("F0411", 0));
    let today = tenant.world.jde.clock().now().date_naive().to_string();
    let wishes = [
        // The older run first: its values must not come back.
        json!({"run": first}),
        json!({"run": second}),
        json!({"batch": format!("{first}/0")}),
        json!({"batch": format!("{second}/0")}),
        json!({"sync": "ap_invoices", "keys": [key]}),
        json!({"sync": "ap_invoices", "from": "2026-01-01", "to": today}),
        json!({"rejects": true}),
    ];
    for wish in wishes {
        for _ in 0..2 {
            let runs = replay(tenant, &wish);
            let invoices = runs.iter().find(|(sync, _)| sync.ends_with("/ap_invoices"));
            let counts = &tenant.completed(&invoices.unwrap().1).counts;
            assert!(counts.polled > 0, "{wish}: {counts:?}");
            assert_eq!((counts.inserted, counts.updated, counts.deleted), (0, 0, 0), "{wish}: {counts:?}");
            for (_, run) in &runs {
                tenant.completed(run);
            }
            tenant.scope.empty();
            tenant.unchanged_since(&before);
            assert_eq!(held(), held_before, "{wish}");
        }
    }
    tenant.settled(changed);
    let nothing = tenant.scope.invoke("replay", &json!({"tenant": "globex"})).unwrap_err();
    assert!(nothing.contains("nothing to replay"), "{nothing}");
    let stranger = tenant.scope.invoke("replay", &json!({"tenant": "nobody", "rejects": true})).unwrap_err();
    assert!(stranger.contains("tenant `nobody` is not configured here"), "{stranger}");
}

/// Invokes the function, and returns the runs it started, by sync.
#[track_caller]
fn replay(tenant: &Tenant<'_>, wish: &Json) -> Vec<(String, RunId)> {
    let mut payload = wish.clone();
    payload["tenant"] = json!("globex");
    let answer = tenant.scope.invoke("replay", &payload).unwrap_or_else(|e| panic!("{wish}: {e}"));
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let runs = answer["runs"].as_array().unwrap().iter();
    runs.map(|run| (text(&run["sync"]), RunId::new(text(&run["run"])))).collect()
}

/// The report of the month-end, which its receiver refused.
fn a_failed_delivery_goes_once_more(tenant: &Tenant<'_>, looking: &Looking) {
    let stack = tenant.scope.stack;
    let newest = || {
        let (globex, integration) = (TenantId::new("globex"), IntegrationId::new("jde-looker"));
        let all = stack.block_on(tenant.scope.aws.deliveries(&globex, &integration, 10)).unwrap();
        all.into_iter().find(|delivery| matches!(delivery.state, DeliveryState::Failed { .. }))
    };
    let failed = stack.emulator.wait("a report is refused", newest);
    let wish = json!({"tenant": "globex", "delivery": failed.id});
    tenant.scope.invoke("replay", &wish).unwrap();
    stack.emulator.wait("the report arrives", || {
        let delivery = stack.block_on(tenant.scope.aws.delivery(&failed.id)).unwrap().unwrap();
        matches!(delivery.state, DeliveryState::Delivered { .. }).then_some(())
    });
    let arrived = looking.arrived().len();
    let (shown, loaded) = (looking.arrived()[arrived - 1].0, looking.world.loaded("ap_invoices").len());
    assert_eq!(shown, loaded as u64, "the report shows what is loaded now");
    let again = tenant.scope.invoke("replay", &wish).unwrap_err();
    assert!(again.contains("was delivered"), "{again}");
    tenant.scope.empty();
    assert_eq!(looking.arrived().len(), arrived);
}
