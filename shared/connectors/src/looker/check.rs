//! What `check` tells an administrator: what works, what does not, and what to do about it.

use std::collections::BTreeSet;

use engine::Error;
use engine::model::delivery::What;
use engine::model::table::{ColumnType, TableSpec};
use engine::ports::Finding;
use serde::Deserialize;

use super::client::{Ask, Client};
use super::consumer::Looker;
use super::explores::Explore;
use super::model::Bound;
use super::plans::{self, Plan};
use super::refusal::{Failure, damaged};
use super::settings::OnChange;
use super::{datagroups, declare, deliveries};
use crate::http::Method;

const REACH: &str = "reach Looker";
const LOG_IN: &str = "log in";

/// What `versions` tells; nothing is required.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Versions {
    looker_release_version: Option<String>,
    supported_versions: Option<Vec<Version>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Version {
    version: Option<String>,
}

/// One connection test. A 200 does not mean that it went well.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tested {
    name: Option<String>,
    status: Option<String>,
    message: Option<String>,
}

/// The API user.
#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    id: Option<String>,
}

/// Tries everything, in the order in which things can be mended.
pub(super) async fn check(looker: &Looker, tables: &[&TableSpec], wanted: &[&What]) -> Vec<Finding> {
    let client = &looker.client;
    let mut findings = vec![reach(client).await];
    if findings.iter().any(|finding| !finding.ok) {
        return findings;
    }
    if let Err(error) = client.log_in().await {
        findings.push(Finding::bad(LOG_IN, error.to_string()));
        return findings;
    }
    findings.push(Finding::good(LOG_IN, "the API user is let in"));
    let mut connections: BTreeSet<String> = client.settings.connection.iter().cloned().collect();
    let mut shown = Vec::new();
    for table in tables {
        shown.push(explore(looker, table, &mut connections).await);
    }
    for connection in &connections {
        findings.push(test(client, connection).await);
    }
    findings.extend(shown);
    if client.settings.datagroup.on_change != OnChange::Nothing {
        findings.push(datagroup(looker, &client.settings.datagroup_name()).await);
    }
    findings.extend(plans_and_triggers(looker, wanted).await);
    if wanted.iter().any(|what| matches!(what, What::Plan(_))) {
        let tried = deliveries::try_outcomes(client).await;
        findings.push(finding("outcomes of deliveries", tried, "can be read"));
    }
    findings
}

fn finding(what: impl Into<String>, tried: Result<(), Error>, good: &str) -> Finding {
    match tried {
        Ok(()) => Finding::good(what, good),
        Err(error) => Finding::bad(what, error.to_string()),
    }
}

async fn reach(client: &Client) -> Finding {
    let host = client.http.host();
    let ask = Ask::new(Method::GET, &["versions"], "its versions", "");
    let answer = match client.answer_to_anyone(&ask).await {
        Ok(answer) => answer,
        Err(error) => return Finding::bad(REACH, error.to_string()),
    };
    if matches!(answer.status, 401 | 403) && !answer.is_html() {
        // The page may be closed to the unknown; logging in will tell.
        return Finding::good(REACH, format!("{host} answers, but does not show its versions ({})", answer.status));
    }
    let read = client.within(&ask, "", |call| {
        call.inspect(&answer).map_err(Failure::into_error)?;
        serde_json::from_slice::<Versions>(&answer.body).map_err(|e| damaged(call, &e))
    });
    let versions = match read {
        Ok(versions) => versions,
        Err(error) => return Finding::bad(REACH, error.to_string()),
    };
    let release = versions.looker_release_version.map(|release| format!(", release {release}")).unwrap_or_default();
    let supported: Vec<_> = versions.supported_versions.into_iter().flatten().filter_map(|one| one.version).collect();
    if !supported.is_empty() && !supported.iter().any(|version| version == "4.0") {
        let known = supported.join(", ");
        return Finding::bad(
            REACH,
            format!("{host}{release} knows the API versions {known} and not 4.0: it is too old or too new"),
        );
    }
    Finding::good(REACH, format!("{host} answers{release}"))
}

async fn test(client: &Client, connection: &str) -> Finding {
    let what = format!("Looker's connection `{connection}`");
    let tests = client.settings.tests.join(",");
    let path = ["connections", connection, "test"];
    let ask = Ask::new(Method::PUT, &path, &what, "`see_connections` and `test_connections`").with("tests", &tests);
    let results: Vec<Tested> = match client.ask(&ask).await {
        Ok(results) => results,
        Err(failure) => return Finding::bad(what, failure.into_error().to_string()),
    };
    let name = |one: &Tested| one.name.clone().unwrap_or_else(|| "a test".to_owned());
    let failed: Vec<_> = results
        .iter()
        .filter(|one| one.status.as_deref() != Some("success"))
        .map(|one| {
            let said = one.message.as_deref().or(one.status.as_deref()).unwrap_or("no status");
            format!("{}: «{}»", name(one), client.quote(said))
        })
        .collect();
    if results.is_empty() {
        return Finding::bad(what, format!("Looker ran none of the tests {tests}: name others as `tests`"));
    }
    if !failed.is_empty() {
        return Finding::bad(what, format!("{}: mend the connection in Looker's admin pages", failed.join("; ")));
    }
    Finding::good(what, format!("passed {}", results.iter().map(name).collect::<Vec<_>>().join(", ")))
}

async fn explore(looker: &Looker, table: &TableSpec, connections: &mut BTreeSet<String>) -> Finding {
    let settings = &looker.client.settings;
    let bound = Bound::new(settings, table);
    let what = format!("explore `{}::{}` of table `{}`", settings.model, bound.explore(), table.name);
    let read = match looker.explores.get(&looker.client, &bound.explore()).await {
        Ok(read) => read,
        Err(Failure::Missing(error)) => {
            let then = "import the generated LookML, or name the explore under `explores`";
            return Finding::bad(what, format!("{error}; {then}"));
        }
        Err(other) => return Finding::bad(what, other.into_error().to_string()),
    };
    if settings.connection.is_none() {
        connections.extend(read.connection_name.clone());
    }
    let errors = read.errors();
    if !errors.is_empty() {
        let errors: Vec<_> = errors.into_iter().map(|error| format!("«{}»", looker.client.quote(error))).collect();
        return Finding::bad(what, format!("its LookML has errors: {}: mend and deploy it", errors.join(", ")));
    }
    let missing = missing(&bound, &read);
    if missing.is_empty() {
        return Finding::good(what, format!("shows all {} columns, their sums and the count", table.columns.len()));
    }
    Finding::bad(
        what,
        format!(
            "has no {}: import the generated LookML again, name the fields under `explores.{}`, or put columns that are not to \
             be shown into its `ignore`",
            missing.join(", "),
            table.name
        ),
    )
}

/// All fields that the explore should have and has not, with the columns that they are for.
fn missing(bound: &Bound<'_>, explore: &Explore) -> Vec<String> {
    let names = explore.names();
    let mut missing = Vec::new();
    let mut look = |field: String, of: &str| {
        if !names.contains(field.as_str()) {
            missing.push(format!("`{field}` ({of})"));
        }
    };
    look(bound.count(), "the count");
    for column in &bound.table.columns {
        if bound.ignores(&column.name) {
            continue;
        }
        // A column of the table always has a dimension.
        if let Ok(field) = bound.dimension(&column.name) {
            look(field, &column.name);
        }
        let needed = bound.names_sum(&column.name) || is_amount(&column.name, column.kind);
        if let Some(sum) = bound.sum(&column.name).filter(|_| needed) {
            look(sum, &format!("the sum of {}", column.name));
        }
    }
    missing
}

/// Whether a sum of the column means something, as its name says.
fn is_amount(column: &str, kind: ColumnType) -> bool {
    let word = column.rsplit('_').next().unwrap_or(column);
    matches!(kind, ColumnType::Decimal { .. }) && matches!(word, "amount" | "quantity")
}

async fn datagroup(looker: &Looker, name: &str) -> Finding {
    let found = looker.datagroups.id_of(&looker.client, name).await;
    let good = "is there; whether it may be changed (`update_datagroups`) shows with the first change";
    finding(format!("datagroup `{name}`"), found.map(|_| ()), good)
}

async fn plans_and_triggers(looker: &Looker, wanted: &[&What]) -> Vec<Finding> {
    let client = &looker.client;
    let mut findings = Vec::new();
    let mut triggered: Vec<String> = datagroups::triggered(client).into_iter().collect();
    let mut called = Vec::new();
    for what in wanted {
        match what {
            What::Plan(plan) => called.push(plan.as_str()),
            What::Trigger(name) => {
                findings.push(datagroup(looker, name).await);
                triggered.push(name.clone());
            }
        }
    }
    if called.is_empty() && client.settings.plans.is_empty() {
        return findings;
    }
    let shown = match plans::list(client).await {
        Ok(shown) => shown,
        Err(error) => {
            findings.push(Finding::bad("scheduled plans", error.to_string()));
            return findings;
        }
    };
    let owner = owner(client).await;
    for plan in called {
        findings.push(delivery(client, &shown, plan, &triggered, owner.as_deref()));
    }
    for (name, plan) in &client.settings.plans {
        let found = declare::content_of(client, plan).await.map(|_| ());
        findings.push(finding(format!("declared plan `{name}`"), found, "what it sends is there"));
    }
    findings
}

/// The API user's id, where plans of others are looked at too.
async fn owner(client: &Client) -> Option<String> {
    if !client.settings.all_users {
        return None;
    }
    let ask = Ask::new(Method::GET, &["user"], "the API user", "").with("fields", "id");
    let user: User = client.ask(&ask).await.ok()?;
    user.id
}

fn delivery(client: &Client, shown: &[Plan], called: &str, triggered: &[String], owner: Option<&str>) -> Finding {
    let what = format!("delivery of plan `{called}`");
    let is_declared = client.settings.plans.contains_key(called);
    if is_declared && matches!(plans::only(client, shown, plans::name_of(client, called)), Ok(None)) {
        return Finding::good(what, "it is declared here and not in Looker yet, where it will be created");
    }
    let plan = match plans::find(client, shown, called) {
        Ok(plan) => plan,
        Err(error) => return Finding::bad(what, error.to_string()),
    };
    if plan.enabled == Some(false) {
        return Finding::bad(what, format!("the plan {} is switched off: enable it in Looker", plan.id()));
    }
    if let Some(why) = triggered.iter().find_map(|datagroup| plans::runs_anyway(client, plan, datagroup)) {
        return Finding::bad(what, why);
    }
    match (owner, &plan.user_id) {
        (Some(owner), Some(user)) if owner != user => Finding::good(
            what,
            format!(
                "the plan {} is there and belongs to user {user}, not to the API user ({owner}): only an administrator's API \
                 user can run it",
                plan.id()
            ),
        ),
        _ => Finding::good(what, format!("the plan {} is there, switched on, and may be run", plan.id())),
    }
}
