//! What the API says about models, explores and connections. Acceptance check d.

use serde_json::{Value as Json, json};

use super::super::Warehouse;
use super::{Caller, world};

fn names(fields: &Json) -> Vec<String> {
    fields.as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_explore_lists_the_fields_of_its_views_with_timeframes_spelt_out() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let path = "/lookml_models/erp/explores/ap_invoices";
    let explore = caller.get(path).ok();
    let dimensions = names(&explore["fields"]["dimensions"]);
    let wanted = [
        "id",
        "supplier_id",
        "batch_id",
        "status",
        "amount",
        "is_deleted",
        "is_paid",
        "size",
        "renamed",
        "invoiced_raw",
        "invoiced_date",
        "invoiced_week",
        "invoiced_month",
        "invoiced_quarter",
        "invoiced_year",
        "loaded_raw",
        "loaded_time",
        "loaded_date",
    ];
    let mut wanted: Vec<String> = wanted.iter().map(|name| format!("ap_invoices.{name}")).collect();
    wanted.extend(["suppliers.id".into(), "suppliers.name".into()]);
    assert_eq!(dimensions, wanted);
    assert_eq!(names(&explore["fields"]["measures"]).len(), 9);
    let field = |name: &str| {
        let fields = explore["fields"]["dimensions"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap().clone()
    };
    let week = field("ap_invoices.invoiced_week");
    assert_eq!((&week["type"], &week["category"]), (&json!("date_week"), &json!("dimension")));
    assert_eq!((&week["dimension_group"], &week["is_timeframe"]), (&json!("ap_invoices.invoiced"), &json!(true)));
    assert_eq!((&week["datatype"], &week["convert_tz"]), (&json!("date"), &json!(false)));
    assert_eq!(field("ap_invoices.is_deleted")["hidden"], true);
    assert_eq!(field("suppliers.name")["label"], "Suppliers Supplier");
    assert_eq!((&explore["connection_name"], &explore["errors"]), (&json!("erp_warehouse"), &json!([])));
    assert_eq!(explore["joins"][0]["name"], "suppliers");

    let trimmed = caller.get(&format!("{path}?fields=id,name,errors,fields(measures(name,type))")).ok();
    assert_eq!(trimmed["id"], "erp::ap_invoices");
    assert_eq!(trimmed.as_object().unwrap().len(), 4);
    assert_eq!(trimmed["fields"]["measures"][1], json!({"name": "ap_invoices.total", "type": "sum"}));
    assert!(trimmed["fields"].get("dimensions").is_none());
    for path in ["/lookml_models/erp/explores/nothing", "/lookml_models/no/explores/ap_invoices", "/lookml_models/no"] {
        assert_eq!(caller.get(path).status, 404, "{path}");
    }
}

#[test]
fn a_broken_explore_is_listed_with_its_errors() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let wrong = caller.get("/lookml_models/erp/explores/wrong").ok();
    assert_eq!(wrong["errors"][0]["message"], "Unknown view \"ghosts\" in explore: wrong");
    assert_eq!(wrong["errors"][0]["error_pos"], "erp.model.lkml:15");
    let query = json!({"model": "erp", "view": "wrong", "fields": ["ghosts.count"]});
    let answer = caller.rows(&query);
    assert_eq!(answer[0]["looker_error"], "Unknown view \"ghosts\" in explore: wrong");
}

#[test]
fn models_are_listed_and_the_internal_one_only_on_request() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let models = caller.get("/lookml_models?fields=name,project_name,explores(name),allowed_db_connection_names").ok();
    assert_eq!(
        models,
        json!([{
            "name": "erp", "project_name": "finance", "explores": [{"name": "ap_invoices"}, {"name": "wrong"}],
            "allowed_db_connection_names": ["erp_warehouse"],
        }])
    );
    assert_eq!(caller.get("/lookml_models?include_internal=true").ok().as_array().unwrap().len(), 2);
    let activity = caller.get("/lookml_models/system__activity/explores/scheduled_plan").ok();
    assert!(names(&activity["fields"]["dimensions"]).contains(&"scheduled_job.created_time".into()));
    assert_eq!(caller.get("/lookml_models?exclude_empty=1").invalid(), ["exclude_empty"]);
    assert_eq!(caller.get("/lookml_models?limit=few").invalid(), ["limit"]);
    assert_eq!(caller.get("/lookml_models?feilds=name").invalid(), ["feilds"]);
}

#[test]
fn a_connection_test_is_200_whatever_it_finds() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let test =
        || caller.call("PUT", "/connections/erp_warehouse/test?tests=connect%2Cquery%2Ctelepathy", "").unwrap().ok();
    let good = test();
    assert_eq!(good.as_array().unwrap().len(), 2);
    assert_eq!((&good[0]["name"], &good[0]["status"]), (&json!("connect"), &json!("success")));
    assert!(good[0]["connection_string"].is_string() && good[1].get("connection_string").is_none());
    world.sandbox.set_connection("erp_warehouse", Warehouse::Sqlite("/nowhere/at/all.db".into()));
    let bad = test();
    assert_eq!((&bad[0]["status"], &bad[1]["status"]), (&json!("error"), &json!("error")));
    assert_eq!(caller.call("PUT", "/connections/none/test", "").unwrap().status, 404);
    assert_eq!(
        caller.get("/connections/erp_warehouse").ok()["dialect"]["connection_tests"],
        json!(["connect", "kill", "query"])
    );
}

#[test]
fn the_catalogue_shows_the_columns_that_are_there() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let path = "/connections/erp_warehouse/columns?schema_name=main&table_names=suppliers&cache=false&fields=name,columns(name,data_type_looker)";
    let columns = json!([{"name": "id", "data_type_looker": "number"}, {"name": "name", "data_type_looker": "string"}]);
    assert_eq!(caller.get(path).ok(), json!([{"name": "suppliers", "columns": columns}]));
    world.sql("ALTER TABLE suppliers ADD COLUMN country TEXT");
    assert_eq!(caller.get(path).ok()[0]["columns"].as_array().unwrap().len(), 3);
}
