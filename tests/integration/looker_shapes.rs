//! Every call of the Looker connector, held against the description of API 4.0: methods, paths, parameters, bodies, and the
//! members of answers that the connector reads.
//!
//! The description that lies beside this file has the calls that are made and nothing else. Looker's own description, where
//! somebody has laid it, is used too: it is looked for in `../vendors/specs` of `ML_CONNECTOR_SHARED_DATA` and in
//! `../shared/vendors/specs` beside the project.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use connectors::looker::{Looker, LookerSettings};
use engine::model::delivery::What;
use engine::model::table::{ColumnType, TableColumn, TableSpec};
use engine::model::totals::GroupBy;
use engine::ports::{Clock, Consumer, Secret};
use serde_json::{Map, Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::left_out;

const SLICE: &str = include_str!("looker-4.0-slice.json");

#[tokio::test]
async fn every_call_has_the_shape_that_api_4_0_describes() {
    let calls = all_calls().await;
    let mut descriptions = vec![("looker-4.0-slice.json", Description(serde_json::from_str(SLICE).unwrap()))];
    match official() {
        Some(path) => descriptions.push(("Looker's description", Description::read(&path))),
        None => left_out("calls of Looker against its own description", "the file looker-4.0.oas.json is not there"),
    }
    for (name, description) in &descriptions {
        for call in &calls {
            description.judge(call).unwrap_or_else(|why| panic!("{name}: {why}\n{call:#?}"));
        }
        let made: BTreeSet<_> =
            calls.iter().filter_map(|call| description.operation(call)).map(|found| found.0).collect();
        assert_eq!(made, CALLS.into_iter().map(str::to_owned).collect(), "{name}");
    }
}

#[test]
fn a_call_of_another_shape_is_refused() {
    let description = Description(serde_json::from_str(SLICE).unwrap());
    let call = |method: &str, path: &str, query: &str, body: Json| Call {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        kind: "application/json".to_owned(),
        body: body.to_string(),
        reply: Json::Null,
    };
    let query = |change: Json| {
        let mut query = json!({"model": "erp", "view": "ap"});
        query.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        query
    };
    let run = "/queries/run/json";
    for (call, words) in [
        (call("POST", "/queries/runs/json", "", json!({})), "no such call"),
        (call("PUT", run, "", json!({})), "no such call"),
        (call("POST", run, "cached=false", query(json!({}))), "no parameter `cached`"),
        (call("POST", run, "cache=no", query(json!({}))), "`cache`"),
        (call("POST", run, "limit=many", query(json!({}))), "`limit`"),
        (call("POST", run, "", json!({"model": "erp"})), "lacks `view`"),
        (call("POST", run, "", query(json!({"explore": "x"}))), "body.explore"),
        (call("POST", run, "", query(json!({"fields": "a"}))), "fields"),
        (call("POST", run, "", query(json!({"limit": 5}))), "limit"),
        (call("POST", run, "", query(json!({"filters": {"a": 1}}))), "filters.a"),
        (call("POST", run, "", query(json!({"id": "7"}))), "only read"),
        (call("PATCH", "/datagroups/7", "", json!({"stale_before": "1"})), "stale_before"),
        (call("PATCH", "/datagroups/7", "", json!({"stale_before": 1.5})), "stale_before"),
    ] {
        let why = description.judge(&call).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}

/// All calls that the connector makes, each at least once.
const CALLS: [&str; 16] = [
    "DELETE /logout",
    "GET /dashboards/search",
    "GET /datagroups",
    "GET /datagroups/{datagroup_id}",
    "GET /lookml_models/{lookml_model_name}/explores/{explore_name}",
    "GET /looks/search",
    "GET /scheduled_plans",
    "GET /user",
    "GET /versions",
    "PATCH /datagroups/{datagroup_id}",
    "PATCH /scheduled_plans/{scheduled_plan_id}",
    "POST /login",
    "POST /queries/run/{result_format}",
    "POST /scheduled_plans",
    "POST /scheduled_plans/{scheduled_plan_id}/run_once",
    "PUT /connections/{connection_name}/test",
];

/// Makes the connector do everything it can.
async fn all_calls() -> Vec<Call> {
    let recorder = Recorder::start().await;
    let (table, since) = (invoices(), Noon.now());
    let (daily, nightly) = (What::Plan("daily".to_owned()), What::Trigger("nightly".to_owned()));
    let looker = recorder.looker("reset");
    looker.prepare().await.unwrap();
    let findings = looker.check(&[&table], &[&daily, &nightly]).await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:#?}");
    looker.changed(&table).await.unwrap();
    for by in [GroupBy::All, GroupBy::Value("document".to_owned()), GroupBy::Month("gl_date".to_owned())] {
        looker.totals(&table, &by, &["gross_amount"]).await.unwrap().unwrap();
    }
    for what in [&daily, &nightly] {
        let reference = looker.deliver(what, "run 01J").await.unwrap();
        looker.progress(what, &reference, since).await.unwrap();
        looker.find(what, "run 01J", since).await.unwrap().unwrap();
    }
    looker.close().await;
    recorder.looker("trigger").changed(&table).await.unwrap();
    recorder.calls.lock().unwrap().clone()
}

/// A plan of every kind: to be created, to be changed, unchanged; a Look, a dashboard and a LookML dashboard.
fn settings(url: &str, on_change: &str) -> LookerSettings {
    let everywhere = json!([
        {"email": "ap@example.com"},
        {"webhook": "https://example.com/hook", "format": "inline_json"},
        {"s3": "s3://acme/ap/", "parameters": {"access_key_id": "AK", "region": "us-east-1"}, "secret": "acme/s3"},
        {"sftp": "sftp://files.example.com/ap/", "parameters": {"username": "ap"}, "secret": "acme/s3", "format": "txt"},
    ]);
    let settings = json!({
        "url": url, "secret": "acme/looker", "model": "erp", "all_users": true, "row_limit": 3,
        "datagroup": {"name": "erp_loads", "on_change": on_change},
        "plans": {
            "daily": {"name": "AP daily", "look": "42", "crontab": "0 6 * * *", "destinations": [{"email": "ap@example.com"}]},
            "weekly": {
                "look": "Open invoices", "crontab": "0 6 * * 1", "timezone": "UTC", "destinations": everywhere, "message": "Hi",
                "filters": {"Company": "00001"}, "require_results": true, "send_all_results": true, "include_links": true,
            },
            "monthly": {
                "dashboard": "Payables", "datagroup": "monthly", "destinations": [{"email": "b@example.com"}],
                "pdf_paper_size": "a4", "pdf_landscape": true, "long_tables": true, "run_as_recipient": true,
            },
            "yearly": {"lookml_dashboard": "payables", "crontab": "0 6 1 1 *", "destinations": [{"email": "c@example.com"}]},
        },
    });
    serde_json::from_value(settings).unwrap()
}

fn invoices() -> TableSpec {
    let amount = ColumnType::Decimal { precision: 15, scale: 2 };
    let columns = [("document", ColumnType::Integer), ("gl_date", ColumnType::Date), ("gross_amount", amount)];
    let column = |(name, kind): (&str, ColumnType)| TableColumn {
        name: name.to_owned(),
        kind,
        nullable: false,
        description: String::new(),
    };
    TableSpec {
        name: "ap_invoices".to_owned(),
        description: String::new(),
        columns: columns.into_iter().map(column).collect(),
        key: vec![0],
        company: None,
        source_system: "jde".to_owned(),
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }
}

/// A call and its answer.
#[derive(Debug, Clone)]
struct Call {
    method: String,
    path: String,
    query: String,
    kind: String,
    body: String,
    reply: Json,
}

/// A server that keeps what it is asked and answers with little.
struct Recorder {
    url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Recorder {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log)));
            }
        });
        Self { url, calls }
    }

    fn looker(&self, on_change: &str) -> Looker {
        let secret = |fields: &[&str]| {
            Secret::new(fields.iter().map(|name| ((*name).to_owned(), "s3cret".to_owned())).collect())
        };
        let key = secret(&["client_id", "client_secret"]);
        let others = BTreeMap::from([("acme/s3".to_owned(), secret(&["secret_access_key"]))]);
        Looker::open(settings(&self.url, on_change), &key, others, Arc::new(Noon)).unwrap()
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Call>>>) {
    while let Some(mut call) = receive(&mut stream).await {
        let is_logout = call.method == "DELETE";
        call.reply = if is_logout { Json::Null } else { reply(&call) };
        let (status, body) = if is_logout { (204, String::new()) } else { (200, call.reply.to_string()) };
        log.lock().unwrap().push(call);
        let head =
            format!("HTTP/1.1 {status} Recorded\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
        if stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Call> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let header =
                |name: &str| head.lines().find_map(|line| line.to_lowercase().strip_prefix(name).map(str::to_owned));
            let length = header("content-length: ").map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let mut words = head.split(' ');
                let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap());
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                let path = path.strip_prefix("/api/4.0").expect("every path has the version in it").to_owned();
                let kind = header("content-type: ").unwrap_or_default();
                let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
                return Some(Call { method, path, query: query.to_owned(), kind, body, reply: Json::Null });
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}

const TRIGGERED: i64 = 1_795_262_399;

/// The least that a call is answered with, with no member that the connector does not read.
fn reply(call: &Call) -> Json {
    let datagroup = |id: &str, name: &str| json!({"id": id, "model_name": "erp", "name": name, "stale_before": TRIGGERED, "triggered_at": TRIGGERED});
    let named = |names: &[&str]| -> Vec<Json> {
        names.iter().map(|name| json!({"name": format!("ap_invoices.{name}")})).collect()
    };
    match format!("{} {}", call.method, call.path).as_str() {
        "POST /login" => json!({"access_token": "t", "expires_in": 3600}),
        "GET /versions" => json!({"looker_release_version": "26.12", "supported_versions": [{"version": "4.0"}]}),
        "GET /user" => json!({"id": "3"}),
        "GET /datagroups" => json!([datagroup("1", "erp_loads"), datagroup("2", "nightly")]),
        "PUT /connections/warehouse/test" => json!([{"name": "connect", "status": "success", "message": "ok"}]),
        "GET /looks/search" => json!([{"id": "5", "title": "Open invoices"}]),
        "GET /dashboards/search" => json!([{"id": "6", "title": "Payables"}]),
        "GET /scheduled_plans" => json!([
            {
                "id": "7", "name": "AP daily", "enabled": true, "user_id": "3", "run_once": false, "look_id": "42",
                "crontab": "0 6 * * *", "require_results": false, "require_no_results": false, "require_change": false,
                "run_as_recipient": false, "filters_string": null, "datagroup": null, "scheduled_plan_destination":
                [{"type": "email", "address": "ap@example.com", "format": "csv", "parameters": null, "message": null}],
            },
            {
                "id": "8", "name": "yearly", "enabled": false, "dashboard_id": "9", "lookml_dashboard_id": null, "timezone": null,
                "send_all_results": false, "include_links": false, "pdf_paper_size": null, "pdf_landscape": false,
                "long_tables": false,
            },
        ]),
        "GET /lookml_models/erp/explores/ap_invoices" => json!({
            "connection_name": "warehouse", "errors": [],
            "fields": {
                "dimensions": named(&["document", "gl_date", "gl_month", "gross_amount"]),
                "measures": named(&["count", "total_gross_amount"]),
            },
        }),
        "POST /queries/run/json" => rows(&serde_json::from_str(&call.body).unwrap()),
        "PATCH /datagroups/1" | "GET /datagroups/1" => datagroup("1", "erp_loads"),
        "PATCH /datagroups/2" | "GET /datagroups/2" => datagroup("2", "nightly"),
        "POST /scheduled_plans" | "PATCH /scheduled_plans/8" => json!({"id": "8"}),
        "POST /scheduled_plans/7/run_once" => json!({"id": "4711"}),
        other => panic!("nobody expected {other}"),
    }
}

/// Rows of a query: one, or three (which is the limit) when all records are asked for in groups.
fn rows(query: &Json) -> Json {
    let fields: Vec<_> = query["fields"].as_array().unwrap().iter().map(|field| field.as_str().unwrap()).collect();
    let cell = |field: &str, number: i64| match field.rsplit_once('.').unwrap().1 {
        "gl_date" => json!(format!("2026-11-0{number}")),
        "gl_month" => json!(format!("2026-0{number}")),
        "status" => json!("success"),
        "name" => json!("AP daily [run 01J]"),
        "created_time" | "finalized_time" => json!("2026-11-21 12:00:00"),
        "id" => json!("4711"),
        "type" | "address" | "format" | "status_detail" => json!("x"),
        _ => json!(number),
    };
    let all = query["filters"].is_null() && query["fields"].as_array().unwrap().len() == 3;
    let row = |number| fields.iter().map(|field| ((*field).to_owned(), cell(field, number))).collect::<Map<_, _>>();
    (1..=if all { 3 } else { 1 }).map(row).map(Json::Object).collect()
}

/// Where Looker's own description lies.
fn official() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vendors/specs");
    let named = std::env::var_os("ML_CONNECTOR_SHARED_DATA").map(|data| Path::new(&data).join("../vendors/specs"));
    let places = named.into_iter().chain([beside]);
    places.map(|folder| folder.join("looker-4.0.oas.json")).find(|path| path.exists())
}

/// An OpenAPI 3.0 description, as much of it as Looker's uses. Two of its habits are none of OpenAPI: the media type `text`,
/// which no call of ours has, and the type `any`, which is taken as it is meant.
struct Description(Json);

impl Description {
    fn read(path: &Path) -> Self {
        Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    /// The name and the description of a call: of several that fit, the one with the fewest parts left open.
    fn operation(&self, call: &Call) -> Option<(String, &Json)> {
        let fits = |template: &str| {
            let (theirs, ours): (Vec<_>, Vec<_>) = (template.split('/').collect(), call.path.split('/').collect());
            theirs.len() == ours.len()
                && theirs.iter().zip(ours).all(|(their, our)| their.starts_with('{') || *their == our)
        };
        let method = call.method.to_lowercase();
        let found = self.0["paths"].as_object()?.iter().filter(|(template, _)| fits(template));
        let (template, item) = found.min_by_key(|(template, _)| template.matches('{').count())?;
        Some((format!("{} {template}", call.method), item.get(&method)?))
    }

    fn judge(&self, call: &Call) -> Result<(), String> {
        let (name, operation) = self.operation(call).ok_or("there is no such call")?;
        let at = |why: String| format!("{name}: {why}");
        self.parameters(operation, call).and_then(|()| self.body(operation, call)).map_err(at)?;
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        // Rows are described as one text.
        if call.reply.is_null() || schema.is_null() || call.path.starts_with("/queries/run/") {
            return Ok(());
        }
        self.value(schema, &call.reply, "answer", Way::In).map_err(at)
    }

    fn parameters(&self, operation: &Json, call: &Call) -> Result<(), String> {
        let none = Vec::new();
        let known = operation["parameters"].as_array().unwrap_or(&none);
        for pair in call.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is no parameter"))?;
            let parameter = known.iter().find(|one| one["name"] == name && one["in"] == "query");
            let schema = &parameter.ok_or_else(|| format!("there is no parameter `{name}`"))?["schema"];
            let fits = match schema["type"].as_str() {
                Some("boolean") => matches!(value, "true" | "false"),
                Some("integer") => value.parse::<i64>().is_ok(),
                Some("string" | "array") => true,
                _ => false,
            };
            if !fits {
                return Err(format!("`{name}` is `{value}` and should be {schema}"));
            }
        }
        let missing = known.iter().filter(|one| one["in"] == "query" && one["required"] == true).find(|one| {
            let name = one["name"].as_str().unwrap_or_default();
            !call.query.split('&').any(|pair| pair.starts_with(&format!("{name}=")))
        });
        missing.map_or(Ok(()), |one| Err(format!("it lacks the parameter {}", one["name"])))
    }

    fn body(&self, operation: &Json, call: &Call) -> Result<(), String> {
        let body = &operation["requestBody"];
        if call.body.is_empty() {
            return if body["required"] == true { Err("it needs a body".to_owned()) } else { Ok(()) };
        }
        let content =
            body["content"].get(&call.kind).ok_or_else(|| format!("it takes no body of type `{}`", call.kind))?;
        if call.kind != "application/json" {
            return Ok(());
        }
        let value = serde_json::from_str(&call.body).map_err(|e| format!("the body is no JSON: {e}"))?;
        self.value(&content["schema"], &value, "body", Way::Out)
    }

    fn value(&self, schema: &Json, value: &Json, place: &str, way: Way) -> Result<(), String> {
        if let Some(target) = schema["$ref"].as_str() {
            let name = target.rsplit('/').next().unwrap_or_default();
            let schema =
                self.0["components"]["schemas"].get(name).ok_or_else(|| format!("{place}: no schema `{name}`"))?;
            return self.value(schema, value, place, way);
        }
        if value.is_null() {
            return if schema["nullable"] == true { Ok(()) } else { Err(format!("{place} must not be null")) };
        }
        let fits = match schema["type"].as_str() {
            None | Some("any") => return Ok(()),
            Some("object") => return self.object(schema, value, place, way),
            Some("array") => {
                let items = value.as_array().ok_or_else(|| format!("{place} is no list"))?;
                return items.iter().try_for_each(|item| self.value(&schema["items"], item, place, way));
            }
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64(),
            Some("number") => value.is_number(),
            Some(_) => false,
        };
        let allowed = schema["enum"].as_array().is_none_or(|allowed| allowed.contains(value));
        if fits && allowed { Ok(()) } else { Err(format!("{place} is {value} and should be {schema}")) }
    }

    fn object(&self, schema: &Json, value: &Json, place: &str, way: Way) -> Result<(), String> {
        let members = value.as_object().ok_or_else(|| format!("{place} is no object"))?;
        for (name, value) in members {
            let place = format!("{place}.{name}");
            let more = Some(&schema["additionalProperties"]).filter(|more| more.is_object());
            let known = schema["properties"].get(name).or(more);
            let known = known.ok_or_else(|| format!("there is no member `{place}`"))?;
            if way == Way::Out && known["readOnly"] == true {
                return Err(format!("{place} can be only read"));
            }
            self.value(known, value, &place, way)?;
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let mut missing = required.filter(|name| way == Way::Out && !members.contains_key(*name));
        missing.next().map_or(Ok(()), |name| Err(format!("{place} lacks `{name}`")))
    }
}

/// Whether a value is sent or received.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
}
