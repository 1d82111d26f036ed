//! Tries what loading needs and says in words what an administrator has to do.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::Result;
use engine::model::table::TableSpec;
use engine::ports::Finding;
use serde::Deserialize;

use super::client::{Ask, Client};
use super::merge::{self, Source};
use super::sql::Place;
use super::statements::{OnWait, Origin, Parameter, State, Statement};
use crate::http::Method;
use crate::warehouse::schema;

#[derive(Deserialize, Default)]
#[serde(default)]
struct WarehouseInfo {
    name: String,
    state: String,
}

/// Tries everything that loading these tables needs.
pub(super) async fn check(client: &Client, tables: &[&TableSpec]) -> Vec<Finding> {
    let host = client.http.host();
    let mut findings = Vec::new();
    let what = format!("log in to {host}");
    match client.log_in().await {
        Ok(()) => findings.push(Finding::good(what, "a token was given")),
        Err(error) => return vec![Finding::bad(what, error.to_string())],
    }
    let what = format!("use SQL warehouse {}", client.settings.warehouse);
    let awake = match warehouse(client).await {
        Ok((words, awake)) => {
            findings.push(Finding::good(what, words));
            awake
        }
        Err(error) => {
            findings.push(Finding::bad(what, error.to_string()));
            false
        }
    };
    let mut missing = BTreeSet::new();
    for table in tables {
        let place = Place::of(&client.settings, table);
        let what = format!("load table {}", place.table);
        findings.push(match try_table(client, &place, table, awake, &mut missing).await {
            Ok(words) => Finding::good(what, words),
            Err(error) => Finding::bad(what, error.to_string()),
        });
    }
    let volume = client.directory("");
    let what = format!("land files in {}", volume.trim_end_matches('/'));
    if missing.contains("volume") {
        findings.push(Finding::good(what, "the volume would be created"));
        return findings;
    }
    findings.push(match try_volume(client).await {
        Ok(()) => Finding::good(what, "a file was put there and removed"),
        Err(error) => Finding::bad(what, error.to_string()),
    });
    findings
}

/// Runs the smallest statement that there is. In words, and whether the warehouse is awake.
async fn warehouse(client: &Client) -> Result<(String, bool)> {
    let id = &client.settings.warehouse;
    let what = format!("SQL warehouse {id}");
    let info: WarehouseInfo = client.ask(&Ask::new(Method::GET, &["api/2.0/sql/warehouses", id], &what)).await?;
    let statement = statement("who this is", "SELECT current_user()".to_owned(), Vec::new());
    let name = info.name;
    Ok(match client.start(&statement, OnWait::Continue).await? {
        State::Finished(rows) => {
            let user = rows.into_iter().flatten().next().flatten().unwrap_or_default();
            (format!("`{name}` runs statements as `{user}`"), true)
        }
        _ => {
            (format!("`{name}` is starting ({}): check again in some minutes to try the tables too", info.state), false)
        }
    })
}

async fn try_table(
    client: &Client,
    place: &Place,
    table: &TableSpec,
    awake: bool,
    missing: &mut BTreeSet<&'static str>,
) -> Result<String> {
    let found = client.look_up(table, place).await?;
    if !found.volume {
        missing.insert("volume");
    }
    let words = schema::describe(&found.steps);
    if !found.steps.is_empty() || !awake {
        return Ok(words);
    }
    // A merge of no rows needs every right that a merge of rows needs, and changes nothing.
    let sql = merge::merge(table, place, Source::Rows);
    let parameters = vec![Parameter::text("rows", "[]"), Parameter::text("system", table.source_system.as_str())];
    client.run(&statement("a merge of no rows", sql, parameters)).await?;
    Ok(words)
}

async fn try_volume(client: &Client) -> Result<()> {
    let directory = client.directory("_check");
    let path = format!("{directory}/ml-connector");
    client.put(&path, Bytes::from_static(b"check")).await?;
    client.list(&directory, 1).await?;
    client.remove(&path).await?;
    Ok(client.remove_directory(&directory).await?)
}

fn statement(what: &str, sql: String, parameters: Vec<Parameter>) -> Statement {
    let origin = Origin { run: "check".to_owned(), sync: "check".to_owned(), step: "check".to_owned() };
    Statement { what: what.to_owned(), sql, parameters, origin }
}
