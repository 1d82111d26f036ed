//! What `check` tells an administrator: what works, what does not, and which switch to turn.

use engine::model::rows::RowsWriter;
use engine::model::window::Window;
use engine::plan::StreamSpec;
use engine::ports::{Finding, ReadRequest, Source, What};

use super::query::{Call, Plan, Way};
use super::settings::{Auth, PeopleSoftSettings, Tools};
use super::source::PeopleSoftSource;
use super::totals;

pub(super) const SETTINGS: &str = "settings";
pub(super) const REACH: &str = "reach the Integration Broker";

/// Tries everything, in the order in which things can be mended.
pub(super) async fn check(source: &PeopleSoftSource, streams: &[&StreamSpec]) -> Vec<Finding> {
    let client = &source.client;
    if let Err(error) = client.is_awake() {
        return vec![Finding::bad("quiet hours", error.to_string())];
    }
    let mut findings = Vec::new();
    if matches!(client.settings.auth, Auth::Oauth2(_)) {
        match client.log_in().await {
            Ok(()) => findings.push(Finding::good("identity provider", "it gives tokens")),
            Err(error) => {
                findings.push(Finding::bad("identity provider", error.to_string()));
                return findings;
            }
        }
    }
    for stream in streams {
        let (found, goes_on) = rows(source, stream).await;
        findings.extend(found);
        if !goes_on {
            return findings;
        }
    }
    findings.extend(page_size(&client.settings, streams));
    if client.settings.tools >= Tools::Pt861 {
        findings.extend(services(source).await);
    }
    findings
}

/// Tries the queries of a stream. Whether there is any sense in trying others.
async fn rows(source: &PeopleSoftSource, stream: &StreamSpec) -> (Vec<Finding>, bool) {
    let what = format!("read {}", stream.object);
    let plan = match source.plan(stream) {
        Ok(plan) => plan,
        Err(error) => return (vec![Finding::bad(what, error.to_string())], true),
    };
    if plan.treatments.hashes() && source.client.credentials.hash_key().is_none() {
        let secret = &source.client.settings.secret;
        let detail = format!("columns are to be hashed, and the secret {secret} has no `hash_key`");
        return (vec![Finding::bad(SETTINGS, detail)], true);
    }
    let key = match totals::first_row(source, &plan).await {
        Ok(key) => key,
        Err(error) => {
            let everywhere = error.is_refused_credentials() || !source.client.is_reached();
            let what = if everywhere { REACH.to_owned() } else { what };
            return (vec![Finding::bad(what, error.to_string())], !everywhere);
        }
    };
    let columns = stream.columns.len();
    let detail = match &key {
        Some(_) => format!("{columns} columns can be read"),
        None => "it can be read, but there is no row: is the record empty, is the SetID right, or does row-level security hide \
                 all? Its columns could not be looked at"
            .to_owned(),
    };
    let mut findings = vec![Finding::good(what, detail)];
    findings.extend(by_key(source, &plan, key.as_deref()).await);
    findings.extend(counted(source, &plan, stream).await);
    (findings, true)
}

async fn by_key(source: &PeopleSoftSource, plan: &Plan<'_>, key: Option<&[String]>) -> Option<Finding> {
    let what = format!("find a record of {} by its key", plan.stream.object);
    if !plan.finds_keys() {
        return None;
    }
    let keys = [key?.to_vec()];
    let mut rows = RowsWriter::new(&plan.stream.columns);
    let request = ReadRequest { stream: plan.stream, what: What::Keys(&keys), after: None };
    Some(match source.read(request, &mut rows).await {
        Ok(_) if rows.len() == 1 => Finding::good(what, "it is found"),
        Ok(_) => Finding::bad(
            what,
            format!("the record {} is not found: its prompts have to be compared for equality", keys[0].join("|")),
        ),
        Err(error) => Finding::bad(
            what,
            format!(
                "{error}. Without it waiting records are never read again and nothing is repaired; `by_key: false` says so"
            ),
        ),
    })
}

async fn counted(source: &PeopleSoftSource, plan: &Plan<'_>, stream: &StreamSpec) -> Option<Finding> {
    let Way::Queries { totals: Some(_), .. } = &plan.way else { return None };
    let what = format!("count {}", stream.object);
    Some(match source.count(stream, Window::default()).await {
        Ok(records) => Finding::good(what, format!("{records} records")),
        Err(error) => Finding::bad(
            what,
            format!("{error}. Without it no run is proven by counts and sums; `totals: false` says so"),
        ),
    })
}

fn page_size(settings: &PeopleSoftSettings, streams: &[&StreamSpec]) -> Option<Finding> {
    /// More than this in one call is a long statement on the live database.
    const LARGE: usize = 10_000;
    let largest = streams.iter().filter_map(|stream| stream.page_size).fold(settings.page_size, usize::max);
    (largest > LARGE).then(|| {
        let detail = format!(
            "pages of {largest} rows keep the application server busy and meet its limits: use {LARGE} or less"
        );
        Finding::bad("page size", detail)
    })
}

/// The list of Application Services shows whether node and rights are in order. It is not needed for reading.
async fn services(source: &PeopleSoftSource) -> Option<Finding> {
    let call = Call {
        path: source.client.settings.aliases.discovery.clone(),
        query: None,
        body: None,
        headers: Vec::new(),
        what: "the list of Application Services".to_owned(),
    };
    let mut decode = |_: &crate::http::Answer| Ok(());
    let listed = source.client.ask(&call, &mut decode).await;
    // Few sites grant it, and nothing depends on it.
    listed.ok().map(|()| Finding::good("Application Services", "their list can be read"))
}
