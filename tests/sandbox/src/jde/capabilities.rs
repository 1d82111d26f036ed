//! `defaultconfig`: what the server says about itself before anybody logs in.
//!
//! Invariant: the capabilities follow the settings, so a client that probes them learns the truth about this server.

use serde_json::json;

use super::settings::Settings;

const CAPABILITIES: &[(&str, &str, &str, &str)] = &[
    ("grid", "Grid Actions", "Ability to update, insert and delete grid records.", "9.1.4.4"),
    ("query", "Query", "Ability to use the query object for filtering.", "9.1.5"),
    ("aliasNaming", "Alias Naming", "Ability to name fields by data dictionary alias.", "9.1.5.3"),
    ("dataservice", "Data Service", "Queries over tables and business views.", "9.2.0.0"),
    ("dataServiceAggregation", "Data Aggregation", "Aggregation over tables and business views.", "9.2.0.2"),
    ("outputType", "Output Type", "Other shapes of grid output.", "9.2.0.2"),
    ("validate", "Validate Session", "Ability to validate a token.", "9.2.0.5"),
    ("version2services", "Version 2 Services", "Services under /v2.", "9.2.1.2"),
    ("nextPage", "Next Page", "Ability to fetch the next page of a result.", "9.2.1.2"),
    ("simpleGetServices", "Simple GET", "Data requests with GET.", "9.2.1.2"),
];

/// The answer, with `requiredCapabilityMissing` when the caller named what it needs.
pub(super) fn describe(settings: &Settings, required: Option<&str>) -> Vec<u8> {
    let offered = |name: &str| settings.next_links || name != "nextPage";
    let list: Vec<_> = CAPABILITIES
        .iter()
        .filter(|(name, ..)| offered(name))
        .map(|(name, short, long, release)| {
            json!({
                "name": name, "shortDescription": short, "longDescription": long, "asOfRelease": release,
                "sinceVersion": "1.0",
            })
        })
        .collect();
    let mut answer = json!({
        "aisVersion": "EnterpriseOne 9.2.8.3",
        "jasHost": "jas.example.com",
        "jasPort": "7001",
        "jasProtocol": "http",
        "defaultEnvironment": settings.environment,
        "defaultRole": settings.role,
        "capabilityList": list,
    });
    if let (Some(required), Some(members)) = (required, answer.as_object_mut()) {
        let known = |name: &str| CAPABILITIES.iter().any(|(known, ..)| *known == name) && offered(name);
        let missing = required.split(',').map(str::trim).any(|name| !name.is_empty() && !known(name));
        members.insert("requiredCapabilityMissing".into(), missing.into());
    }
    answer.to_string().into_bytes()
}
