//! Settings as people write them.

use serde_json::{Value as Json, json};

use super::fixture::settings;
use crate::looker::{LookerSettings, OnChange};

fn plan(change: Json) -> Json {
    let mut plan = json!({"look": "4", "crontab": "0 6 * * *", "destinations": [{"email": "a@b.c"}]});
    plan.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"plans": {"ap": plan}})
}

#[test]
fn little_has_to_be_said() {
    let settings = settings("https://acme.cloud.looker.com", json!({}));
    assert_eq!(settings.datagroup_name(), "erp_loads");
    assert_eq!(settings.datagroup.on_change, OnChange::Reset);
    assert_eq!((settings.api_path.as_str(), settings.row_limit, settings.all_users), ("api/4.0", 5000, false));
    assert!(settings.faults().is_empty());
    let enabled = self::settings("https://x", plan(json!({}))).plans["ap"].enabled;
    assert!(enabled);
}

#[test]
fn what_cannot_work_is_said_with_its_place() {
    for (change, place, words) in [
        (json!({"row_limit": 5001}), "row_limit", "at most 5000"),
        (json!({"model": " "}), "model", "must not be empty"),
        (json!({"tests": []}), "tests", "at least one"),
        (plan(json!({"dashboard": "5"})), "plans.ap", "one of `look`, `dashboard`"),
        (plan(json!({"crontab": null})), "plans.ap", "Looker keeps no plan without"),
        (plan(json!({"datagroup": "x"})), "plans.ap", "one of `crontab` and `datagroup`"),
        (plan(json!({"destinations": []})), "plans.ap.destinations", "at least one"),
        (plan(json!({"destinations": [{"email": "a", "s3": "b"}]})), "plans.ap.destinations", "each is one of"),
        (plan(json!({"format": "wysiwyg_pdf"})), "plans.ap.destinations", "dashboards only"),
        (
            plan(json!({"require_results": true, "require_no_results": true})),
            "plans.ap.require_no_results",
            "contradicts",
        ),
        (
            json!({"explores": {"ap": {"sums": {"amount": "x"}, "ignore": ["amount"]}}}),
            "explores.ap.ignore",
            "take it out of `ignore`",
        ),
    ] {
        let faults = settings("https://x", change.clone()).faults();
        assert!(!faults.is_empty(), "{change}");
        assert_eq!(faults[0].path.join("."), place, "{change}");
        assert!(faults[0].message.contains(words), "{}", faults[0].message);
    }
}

#[test]
fn a_word_that_is_not_known_is_refused_and_the_schema_describes_the_rest() {
    let misspelt = json!({"url": "u", "secret": "s", "model": "m", "datagroups": {}});
    assert!(serde_json::from_value::<LookerSettings>(misspelt).unwrap_err().to_string().contains("`datagroups`"));
    let schema = serde_json::to_string(&schemars::schema_for!(LookerSettings)).unwrap();
    assert!(schema.contains("19999") && schema.contains("secret_access_key"));
}
