//! Queries and their results. Acceptance checks e and f.

use serde_json::{Value as Json, json};

use super::super::{BadQuery, Settings, UnknownMembers};
use super::fixture::{count, world_with};
use super::{Caller, FORM, invoices, raw, send, world};

#[test]
fn amounts_are_exact_and_keep_their_digits() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let fields = ["total", "paid_total", "average", "largest", "smallest", "count", "suppliers", "last_load"]
        .map(|name| format!("ap_invoices.{name}"));
    let query = json!({"model": "erp", "view": "ap_invoices", "fields": fields, "limit": "1"});
    let path = "/queries/run/json?cache=false&apply_formatting=false";
    let raw = caller.post(path, &query);
    assert_eq!(
        raw.body.replace('\n', ""),
        "[{\"ap_invoices.total\":100000000000000000039.24,\"ap_invoices.paid_total\":19.10,\
         \"ap_invoices.average\":20000000000000000007.84800000,\"ap_invoices.largest\":99999999999999999999.99,\
         \"ap_invoices.smallest\":-0.05,\"ap_invoices.count\":5,\"ap_invoices.suppliers\":3,\
         \"ap_invoices.last_load\":\"2026-11-20 03:04:05\"}]"
    );
    assert!(raw.head.contains("content-type: application/json"));
    let formatted = caller.post("/queries/run/json", &query).ok();
    assert_eq!(formatted[0]["ap_invoices.total"], "100,000,000,000,000,000,039.24");
    assert_eq!(formatted[0]["ap_invoices.count"], "5");
}

#[test]
fn filters_say_which_rows_count() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    for (field, expression, rows) in [
        ("ap_invoices.batch_id", "\"b-20261120-01\"", 3),
        ("ap_invoices.batch_id", "b-20261119-01,b-20261120-01", 5),
        ("ap_invoices.batch_id", "b-2026112%", 3),
        ("ap_invoices.status", "P", 2),
        ("ap_invoices.status", "-P", 3),
        ("ap_invoices.status", "NULL", 1),
        ("ap_invoices.status", "-NULL", 4),
        ("ap_invoices.status", "EMPTY", 2),
        ("ap_invoices.status", "-EMPTY", 3),
        ("ap_invoices.status", "", 5),
        ("ap_invoices.is_paid", "Yes", 2),
        ("ap_invoices.is_paid", "no", 3),
        ("ap_invoices.amount", "9", 1),
        ("ap_invoices.amount", ">=9.00", 4),
        ("ap_invoices.amount", "[9,20.2)", 2),
        ("ap_invoices.amount", "NOT 9", 4),
        ("ap_invoices.id", "1,2", 2),
        ("ap_invoices.invoiced_date", "2026-11", 2),
        ("ap_invoices.invoiced_date", "2026", 4),
        ("ap_invoices.invoiced_month", "2026-10-01 to 2026-11-20", 2),
        ("ap_invoices.invoiced_date", "after 2026-11-15", 2),
        ("ap_invoices.invoiced_date", "before 2026-10-01", 1),
        ("ap_invoices.invoiced_date", "7 days", 2),
        ("ap_invoices.invoiced_date", "NULL", 1),
        ("ap_invoices.loaded_time", "14 hours", 5),
        ("ap_invoices.loaded_time", "10 hours", 3),
        ("suppliers.name", "\"Acme, Inc.\"", 2),
        ("ap_invoices.total", ">0", 5),
    ] {
        let rows_found = &caller.rows(&invoices(&["ap_invoices.count"], &json!({field: expression})));
        assert_eq!(rows_found[0]["ap_invoices.count"], rows, "{field}: {expression}");
    }
    for (field, expression) in
        [("ap_invoices.amount", "cheap"), ("ap_invoices.invoiced_date", "soonish"), ("ap_invoices.is_paid", "maybe")]
    {
        let answer = caller.post("/queries/run/json", &invoices(&["ap_invoices.count"], &json!({field: expression})));
        assert_eq!(answer.invalid(), [format!("filters.{field}")], "{expression}");
    }
}

#[test]
fn rows_are_grouped_sorted_and_shown_in_their_timeframes() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let mut query = invoices(
        &["suppliers.name", "ap_invoices.invoiced_quarter", "ap_invoices.is_paid", "ap_invoices.count"],
        &json!({"ap_invoices.id": "<5"}),
    );
    query["sorts"] = json!(["suppliers.name desc", "ap_invoices.invoiced_quarter", "ap_invoices.is_paid"]);
    let row = |name: &str, quarter: &str, paid: &str| {
        json!({
            "suppliers.name": name, "ap_invoices.invoiced_quarter": quarter, "ap_invoices.is_paid": paid,
            "ap_invoices.count": 1,
        })
    };
    let acme = "Acme, Inc.";
    let rows = [
        row("Blümchen", "2026-10", "No"),
        row("Blümchen", "2026-10", "Yes"),
        row(acme, "2026-07", "Yes"),
        row(acme, "2026-10", "No"),
    ];
    assert_eq!(caller.rows(&query), json!(rows));
    query["sorts"] = json!(["ap_invoices.size desc"]);
    query["fields"] = json!(["ap_invoices.size", "ap_invoices.count"]);
    assert_eq!(
        caller.post("/queries/run/csv?apply_formatting=false", &query).body,
        "Ap Invoices Size,Ap Invoices Count\nBelow 0,1\nCommon,1\nLarge,2\n",
        "classes sort as they are declared"
    );
    query["sorts"] = json!(["ap_invoices.amount desc"]);
    query["fields"] = json!(["ap_invoices.amount"]);
    assert_eq!(
        caller.post("/queries/run/csv?apply_formatting=false", &query).body,
        "Ap Invoices Amount\n20.20\n10.10\n9.00\n-0.05\n"
    );
    query["fields"] = json!(["ap_invoices.loaded_date"]);
    query["sorts"] = json!(["ap_invoices.loaded_date"]);
    query["query_timezone"] = json!("America/New_York");
    assert_eq!(caller.rows(&query), json!([{"ap_invoices.loaded_date": "2026-11-19"}]));
}

#[test]
fn a_limit_is_a_text_and_minus_one_is_everything() {
    let settings = Settings { default_limit: 2, row_ceiling: 3, ..Settings::default() };
    let world = world_with(settings, |builder| builder);
    let caller = Caller::new(&world.sandbox);
    for (limit, parameter, rows) in
        [(None, "", 2), (Some("1"), "", 1), (Some("4"), "", 3), (Some("-1"), "", 5), (Some("1"), "&limit=-1", 5)]
    {
        let mut query = invoices(&["ap_invoices.id"], &json!({}));
        query["limit"] = limit.map_or(Json::Null, |limit| json!(limit));
        let found = caller.post(&format!("/queries/run/json?cache=false{parameter}"), &query).ok();
        assert_eq!(found.as_array().unwrap().len(), rows, "{limit:?} {parameter}");
    }
    let mut query = count();
    query["limit"] = json!(5);
    assert_eq!(caller.post("/queries/run/json", &query).invalid(), ["limit"]);
    query["limit"] = json!("all");
    assert_eq!(caller.post("/queries/run/json", &query).invalid(), ["limit"]);
}

#[test]
fn a_database_that_fails_is_no_http_error() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    // The LookML is fine, the column is gone: that shows only when the query runs.
    let query = invoices(&["ap_invoices.renamed"], &json!({}));
    let answer = caller.rows(&query);
    assert!(answer[0]["looker_error"].as_str().unwrap().contains("column_that_is_gone"), "{answer}");
    let detail = caller.post("/queries/run/json_detail", &query).ok();
    assert_eq!(detail["data"], json!([]));
    assert!(detail["errors"][0]["message"].as_str().unwrap().contains("column_that_is_gone"));
    let sql = caller.post("/queries/run/sql", &query);
    assert!(sql.status == 200 && sql.head.contains("text/plain") && sql.body.starts_with("SELECT"), "{sql:?}");
    let broken = "UPDATE ap_invoices SET amount = 'ten' WHERE id = 1";
    world.sql(broken);
    let answer = caller.rows(&invoices(&["ap_invoices.total"], &json!({})));
    assert!(answer[0]["looker_error"].as_str().unwrap().contains("\"ten\""), "{answer}");
}

#[test]
fn unknown_names_are_refused_or_reported_as_the_settings_say() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let field = invoices(&["ap_invoices.nothing"], &json!({}));
    let explore = json!({"model": "erp", "view": "nothing", "fields": ["a.b"]});
    let path = "/queries/run/json";
    assert_eq!(caller.post(path, &field).invalid(), ["fields"]);
    assert_eq!(caller.post(path, &explore).status, 404);
    world.sandbox.set_bad_query(BadQuery::LookerError);
    for query in [field, explore] {
        assert!(caller.post(path, &query).ok()[0]["looker_error"].is_string());
    }
}

#[test]
fn bodies_are_checked_member_by_member() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let path = "/queries/run/json";
    for (change, field) in [
        (json!({"view": null}), "view"),
        (json!({"fields": "ap_invoices.count"}), "fields"),
        (json!({"fields": [1]}), "fields"),
        (json!({"filters": {"ap_invoices.id": 5}}), "filters"),
        (json!({"feilds": []}), "feilds"),
        (json!({"id": "5"}), "id"),
        (json!({"pivots": ["ap_invoices.status"]}), "pivots"),
        (json!({"total": true}), "total"),
        (json!({"query_timezone": "Mars/Olympus"}), "query_timezone"),
        (json!({"client_id": "short"}), "client_id"),
        (json!({"sorts": ["ap_invoices.count sideways"]}), "sorts"),
        (json!({"fields": []}), "fields"),
    ] {
        let mut query = count();
        query.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(caller.post(path, &query).invalid(), [field], "{change}");
    }
    assert_eq!(caller.post("/queries/run/json?cache=1", &count()).invalid(), ["cache"]);
    assert_eq!(caller.post("/queries/run/png", &count()).invalid(), ["result_format"]);
    assert_eq!(caller.call("POST", path, "{\"model\":").unwrap().status, 400);
    assert_eq!(caller.call("POST", path, "[]").unwrap().status, 400);
    let lenient = Settings { unknown_members: UnknownMembers::Accept, ..Settings::default() };
    let lenient = world_with(lenient, |builder| builder);
    let mut query = count();
    query["feilds"] = json!([]);
    assert_eq!(Caller::new(&lenient.sandbox).post("/queries/run/json?speed=warp", &query).status, 200);
}

#[test]
fn json_counts_as_json_whatever_the_header_says() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let authorization = format!("Bearer {}", caller.token);
    let request =
        raw("POST", "/api/4.0/queries/run/json", &[FORM, ("Authorization", &authorization)], &count().to_string());
    assert_eq!(send(&world.sandbox, &request).unwrap().ok()[0]["ap_invoices.count"], "5");
}

#[test]
fn a_query_is_stored_once_and_run_by_id() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    let created = caller.post("/queries", &count()).ok();
    let mut same = count();
    same["limit"] = Json::Null;
    assert_eq!(caller.post("/queries", &same).ok()["id"], created["id"]);
    same["limit"] = json!("10");
    assert_ne!(caller.post("/queries", &same).ok()["id"], created["id"]);
    let id = created["id"].as_str().unwrap();
    assert_eq!(caller.get(&format!("/queries/{id}?fields=id,view")).ok(), json!({"id": id, "view": "ap_invoices"}));
    let rows = caller.get(&format!("/queries/{id}/run/json?apply_formatting=false")).ok();
    assert_eq!(rows, json!([{"ap_invoices.count": 5}]));
    assert_eq!(caller.get("/queries/999/run/json").status, 404);
    let detail = caller.get(&format!("/queries/{id}/run/json_detail")).ok();
    assert_eq!(detail["data"][0]["ap_invoices.count"], json!({"value": 5, "rendered": "5"}));
    assert_eq!(detail["from_cache"], true);
    assert_eq!(caller.get("/looks/12/run/json?apply_formatting=false").ok().as_array().unwrap().len(), 2);
    assert_eq!(caller.get("/looks/12").ok()["title"], "AP daily");
    assert_eq!(caller.get("/dashboards/7").ok()["dashboard_elements"][0]["query"]["view"], "ap_invoices");
    assert_eq!(caller.get("/looks/13").status, 404);
}

#[test]
fn a_query_task_is_polled_until_it_is_there() {
    let world = world_with(Settings { task_polls: 2, ..Settings::default() }, |builder| builder);
    let caller = Caller::new(&world.sandbox);
    let create = |query: &Json, format: &str| {
        let id = caller.post("/queries", query).ok()["id"].clone();
        let body = json!({"query_id": id, "result_format": format});
        let task = caller.post("/query_tasks?cache=false&apply_formatting=false", &body).ok();
        assert_eq!(task["status"], "running");
        task["id"].as_str().unwrap().to_owned()
    };
    let task = create(&count(), "json");
    let results = format!("/query_tasks/{task}/results");
    assert_eq!(caller.get(&results).status, 202);
    assert_eq!(caller.get(&format!("/query_tasks/{task}")).ok()["status"], "running");
    assert_eq!(caller.get(&format!("/query_tasks/{task}")).ok()["status"], "complete");
    assert_eq!(caller.get(&results).ok(), json!([{"ap_invoices.count": 5}]));
    // Formats without a place for errors answer 400 here, unlike the calls that run at once.
    let broken = invoices(&["ap_invoices.renamed"], &json!({}));
    for (format, status) in [("json", 400), ("json_detail", 200)] {
        let path = format!("/query_tasks/{}/results", create(&broken, format));
        caller.get(&path);
        caller.get(&path);
        let answer = caller.get(&path);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains("column_that_is_gone"));
    }
    assert_eq!(caller.get("/query_tasks/none/results").status, 404);
    assert_eq!(caller.post("/query_tasks", &json!({})).invalid(), ["query_id", "result_format"]);
}
