//! Creates and updates the scheduled plans that the settings declare. What is already so is left alone.
//!
//! Looker never shows secret parameters. So a new secret alone changes nothing: destinations are sent again, with their
//! secrets, when the plan is new or anything else about it differs.

use std::collections::BTreeMap;

use engine::ports::Secret;
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

use super::client::{Ask, Client};
use super::plan_settings::{DestinationSettings, PlanSettings};
use super::plans::{self, Destination, Plan};
use crate::http::{Method, percent_decode, percent_encode};

const MAY_SCHEDULE: &str = "`see_schedules`, and for each kind of destination `schedule_look_emails`, \
                            `send_outgoing_webhook`, `send_to_s3` or `send_to_sftp`";
const MAY_SEE_CONTENT: &str = "`see_looks` and `see_user_dashboards`";

/// The body of a create or an update. Of an update only what differs is there; an inner `None` takes a value away.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    look_id: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dashboard_id: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lookml_dashboard_id: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crontab: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datagroup: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters_string: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_results: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_no_results: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_change: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_all_results: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as_recipient: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_links: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pdf_paper_size: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pdf_landscape: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long_tables: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_plan_destination: Option<Vec<DestinationBody<'a>>>,
}

/// One destination of a body. Looker takes both kinds of parameters as JSON in a text.
#[derive(PartialEq, Serialize)]
struct DestinationBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    address: &'a str,
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_parameters: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl std::fmt::Debug for DestinationBody<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.format)
    }
}

/// What of a Look or dashboard is of use here.
#[derive(Deserialize)]
struct Content {
    id: Option<String>,
    title: Option<String>,
}

/// What a plan sends, by its id.
#[derive(Default)]
pub(super) struct ContentIds {
    look: Option<String>,
    dashboard: Option<String>,
    lookml_dashboard: Option<String>,
}

/// Creates or updates all declared plans.
///
/// # Errors
/// Stops when a name or title is ambiguous or unknown; otherwise as every call.
pub(super) async fn prepare(client: &Client, secrets: &BTreeMap<String, Secret>) -> Result<()> {
    if client.settings.plans.is_empty() {
        return Ok(());
    }
    let shown = plans::list(client).await?;
    for (called, settings) in &client.settings.plans {
        let place = |error: Error| error.at(format!("plan `{called}`"));
        let name = plans::name_of(client, called);
        let plan = plans::only(client, &shown, name).map_err(place)?;
        one(client, secrets, name, settings, plan).await.map_err(place)?;
    }
    Ok(())
}

async fn one(
    client: &Client,
    secrets: &BTreeMap<String, Secret>,
    name: &str,
    settings: &PlanSettings,
    shown: Option<&Plan>,
) -> Result<()> {
    let content = content_of(client, settings).await?;
    let Some(shown) = shown else {
        let body = Body { name: Some(name), ..wanted(settings, content, secrets)? };
        let ask = Ask::new(Method::POST, &["scheduled_plans"], "a new scheduled plan", MAY_SCHEDULE).json(&body)?;
        let made: Plan = client.ask(&ask).await?;
        tracing::info!(plan = name, id = made.id(), "scheduled plan created");
        return Ok(());
    };
    let body = differing(wanted(settings, content, secrets)?, settings, shown);
    if body == Body::default() {
        return Ok(());
    }
    let what = format!("the scheduled plan {}", shown.id());
    let ask = Ask::new(Method::PATCH, &["scheduled_plans", shown.id()], &what, MAY_SCHEDULE).json(&body)?;
    let _: Plan = client.ask(&ask).await?;
    tracing::info!(plan = name, id = shown.id(), "scheduled plan updated");
    Ok(())
}

/// Everything that is declared.
fn wanted<'a>(settings: &'a PlanSettings, content: ContentIds, secrets: &BTreeMap<String, Secret>) -> Result<Body<'a>> {
    let destinations: Result<Vec<_>> =
        settings.destinations.iter().map(|destination| place(settings, destination, secrets)).collect();
    Ok(Body {
        name: None,
        enabled: Some(settings.enabled),
        look_id: content.look.map(Some),
        dashboard_id: content.dashboard.map(Some),
        lookml_dashboard_id: content.lookml_dashboard.map(Some),
        crontab: settings.crontab.as_deref().map(Some),
        datagroup: settings.datagroup.as_deref().map(Some),
        timezone: settings.timezone.as_deref(),
        filters_string: Some(filters(&settings.filters)).filter(|text| !text.is_empty()),
        // All three are required with a Look.
        require_results: Some(settings.require_results),
        require_no_results: Some(settings.require_no_results),
        require_change: Some(settings.require_change),
        send_all_results: settings.send_all_results,
        run_as_recipient: Some(settings.run_as_recipient),
        include_links: settings.include_links,
        pdf_paper_size: settings.pdf_paper_size.as_deref(),
        pdf_landscape: settings.pdf_landscape,
        long_tables: settings.long_tables,
        scheduled_plan_destination: Some(destinations?),
    })
}

/// What of it Looker does not show so already.
fn differing<'a>(wanted: Body<'a>, settings: &PlanSettings, shown: &Plan) -> Body<'a> {
    let flag = |wanted: Option<bool>, shown: Option<bool>| wanted.filter(|wanted| *wanted != shown.unwrap_or(false));
    let text =
        |wanted: Option<&'a str>, shown: &Option<String>| wanted.filter(|wanted| shown.as_deref() != Some(wanted));
    // What is declared as another kind of content or time takes the old one away.
    fn id(wanted: Option<Option<String>>, shown: &Option<String>) -> Option<Option<String>> {
        let wanted = wanted.flatten();
        let shown = shown.as_ref().filter(|shown| !shown.is_empty());
        (wanted.as_ref() != shown).then_some(wanted)
    }
    fn time<'a>(wanted: Option<Option<&'a str>>, shown: &Option<String>) -> Option<Option<&'a str>> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let wanted = wanted.flatten();
        let shown = shown.as_deref().filter(|shown| !shown.is_empty());
        (wanted.map(words) != shown.map(words)).then_some(wanted)
    }
    let mut body = Body {
        name: None,
        enabled: flag(wanted.enabled, shown.enabled.or(Some(true))),
        look_id: id(wanted.look_id, &shown.look_id),
        dashboard_id: id(wanted.dashboard_id, &shown.dashboard_id),
        lookml_dashboard_id: id(wanted.lookml_dashboard_id, &shown.lookml_dashboard_id),
        crontab: time(wanted.crontab, &shown.crontab),
        datagroup: time(wanted.datagroup, &shown.datagroup),
        timezone: text(wanted.timezone, &shown.timezone),
        filters_string: (settings.filters != filters_of(shown.filters_string.as_deref().unwrap_or_default()))
            .then(|| filters(&settings.filters)),
        require_results: flag(wanted.require_results, shown.require_results),
        require_no_results: flag(wanted.require_no_results, shown.require_no_results),
        require_change: flag(wanted.require_change, shown.require_change),
        send_all_results: flag(wanted.send_all_results, shown.send_all_results),
        run_as_recipient: flag(wanted.run_as_recipient, shown.run_as_recipient),
        include_links: flag(wanted.include_links, shown.include_links),
        pdf_paper_size: text(wanted.pdf_paper_size, &shown.pdf_paper_size),
        pdf_landscape: flag(wanted.pdf_landscape, shown.pdf_landscape),
        long_tables: flag(wanted.long_tables, shown.long_tables),
        scheduled_plan_destination: None,
    };
    let shown = shown.scheduled_plan_destination.as_deref().unwrap_or_default();
    let destinations = wanted.scheduled_plan_destination.unwrap_or_default();
    let has_secret = destinations.iter().any(|destination| destination.secret_parameters.is_some());
    if !are_same(&destinations, shown) || (has_secret && body != Body::default()) {
        body.scheduled_plan_destination = Some(destinations);
    }
    body
}

fn place<'a>(
    plan: &'a PlanSettings,
    destination: &'a DestinationSettings,
    secrets: &BTreeMap<String, Secret>,
) -> Result<DestinationBody<'a>> {
    let (kind, address) = destination.place();
    let json = |map: &BTreeMap<String, String>| {
        serde_json::to_string(map).map_err(|_| Error::stop(format!("the parameters of {kind} cannot be written")))
    };
    let secret_parameters = match &destination.secret {
        None => None,
        Some(name) => {
            let secret = secrets.get(name).ok_or_else(|| Error::stop(format!("the secret `{name}` was not opened")))?;
            Some(json(secret.fields())?)
        }
    };
    let parameters = if destination.parameters.is_empty() { None } else { Some(json(&destination.parameters)?) };
    Ok(DestinationBody {
        kind,
        address,
        format: plan.format_of(destination).word(),
        parameters,
        secret_parameters,
        message: plan.message.as_deref().filter(|_| kind == "email"),
    })
}

/// Whether Looker shows these destinations, in whatever order. Their secrets it does not show.
fn are_same(wanted: &[DestinationBody<'_>], shown: &[Destination]) -> bool {
    type Shape = (String, String, String, BTreeMap<String, String>, String);
    let plain = |text: &Option<String>| text.clone().unwrap_or_default();
    let map = |text: &str| serde_json::from_str::<BTreeMap<String, String>>(text).unwrap_or_default();
    let mut theirs: Vec<Shape> = shown
        .iter()
        .map(|one| {
            (
                plain(&one.kind),
                plain(&one.address),
                plain(&one.format),
                map(&plain(&one.parameters)),
                plain(&one.message),
            )
        })
        .collect();
    let mut ours: Vec<Shape> = wanted
        .iter()
        .map(|one| {
            let parameters = map(one.parameters.as_deref().unwrap_or_default());
            let message = one.message.unwrap_or_default().to_owned();
            (one.kind.to_owned(), one.address.to_owned(), one.format.to_owned(), parameters, message)
        })
        .collect();
    theirs.sort();
    ours.sort();
    theirs == ours
}

/// Filters as the address of a Look or dashboard carries them.
fn filters(filters: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> =
        filters.iter().map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// The filters of such an address, however it is encoded.
fn filters_of(text: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode(&text.replace('+', " ")).unwrap_or_else(|| text.to_owned());
    let pairs = text.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decode(n), decode(v))).collect()
}

/// Finds out the ids of what a plan sends.
///
/// # Errors
/// Stops when a title is unknown or not the only one; otherwise as every call.
pub(super) async fn content_of(client: &Client, settings: &PlanSettings) -> Result<ContentIds> {
    let mut ids = ContentIds::default();
    if let Some(look) = &settings.look {
        ids.look = Some(by_title(client, "looks", "Look", look).await?);
    }
    if let Some(dashboard) = &settings.dashboard {
        ids.dashboard = Some(by_title(client, "dashboards", "dashboard", dashboard).await?);
    }
    ids.lookml_dashboard = settings.lookml_dashboard.as_ref().map(|name| match name.contains("::") {
        true => name.clone(),
        false => format!("{}::{name}", client.settings.model),
    });
    Ok(ids)
}

async fn by_title(client: &Client, path: &str, kind: &str, called: &str) -> Result<String> {
    if called.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(called.to_owned());
    }
    let what = format!("the {kind} `{called}`");
    // The search takes `%` and `_` for wildcards and ignores case, so what it finds is looked through.
    let ask = Ask::new(Method::GET, &[path, "search"], &what, MAY_SEE_CONTENT)
        .with("title", called)
        .with("deleted", "false")
        .with("fields", "id,title");
    let found: Vec<Content> = client.ask(&ask).await?;
    let exact = found.into_iter().filter(|content| content.title.as_deref() == Some(called));
    let ids: Vec<_> = exact.filter_map(|content| content.id).collect();
    match ids.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(Error::stop(format!(
            "{} shows no {kind} titled `{called}`: write its title exactly, or its id, or give a role of the API user \
             {MAY_SEE_CONTENT} and access to its folder",
            client.http.host()
        ))),
        several => Err(Error::stop(format!(
            "{} has several of the title `{called}`, with the ids {}: name the right {kind} by its id",
            client.http.host(),
            several.join(" and ")
        ))),
    }
}
