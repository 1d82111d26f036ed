//! Which path means what.
//!
//! Invariant: a path outside the simulated part of the API is a 404 with `ENDPOINT_NOT_FOUND`, whoever calls.

use super::answer::Refusal;
use crate::http::{Request, decode};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Discovery,
    AuthorizationServer,
    Token,
    Execute,
    Statement(String),
    Chunk(String, String),
    Cancel(String),
    External(String, String),
    History,
    Warehouses,
    Warehouse(String),
    StartWarehouse(String),
    StopWarehouse(String),
    /// The path of a file as the volume knows it.
    File(String),
    Directory(String),
    PartUrls,
    Part(String, String),
    /// The parts of a path of Unity Catalog.
    Unity(Vec<String>),
    RunNow,
    JobRun,
    CancelRun,
    Job,
    Me,
}

/// The route of a request.
pub(super) fn find(request: &Request) -> Result<Route, Refusal> {
    let (method, path) = (request.method.as_str(), request.path.as_str());
    if let Some(path) = path.strip_prefix("/api/2.0/fs/files/") {
        return Ok(Route::File(format!("/{}", segment(path))));
    }
    if let Some(path) = path.strip_prefix("/api/2.0/fs/directories/") {
        return Ok(Route::Directory(format!("/{}", segment(path))));
    }
    if let Some(rest) = path.strip_prefix("/api/2.1/unity-catalog/") {
        return Ok(Route::Unity(rest.split('/').map(segment).collect()));
    }
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    plain(method, &parts).or_else(|| named(method, &parts)).ok_or_else(|| Refusal::no_endpoint(path))
}

/// A part of a path, in which `+` is a plus.
fn segment(part: &str) -> String {
    decode(&part.replace('+', "%2B"))
}

fn plain(method: &str, parts: &[&str]) -> Option<Route> {
    Some(match (method, parts) {
        ("GET", [".well-known", "databricks-config"]) => Route::Discovery,
        ("GET", ["oidc", ".well-known", "oauth-authorization-server"]) => Route::AuthorizationServer,
        ("POST", ["oidc", "v1", "token"]) => Route::Token,
        ("POST", ["api", "2.0", "sql", "statements"]) => Route::Execute,
        ("GET", ["api", "2.0", "sql", "history", "queries"]) => Route::History,
        ("GET", ["api", "2.0", "sql", "warehouses"]) => Route::Warehouses,
        ("POST", ["api", "2.0", "fs", "create-upload-part-urls"]) => Route::PartUrls,
        ("POST", ["api", "2.1" | "2.2", "jobs", "run-now"]) => Route::RunNow,
        ("GET", ["api", "2.1" | "2.2", "jobs", "runs", "get"]) => Route::JobRun,
        ("POST", ["api", "2.1" | "2.2", "jobs", "runs", "cancel"]) => Route::CancelRun,
        ("GET", ["api", "2.1" | "2.2", "jobs", "get"]) => Route::Job,
        ("GET", ["api", "2.0", "preview", "scim", "v2", "Me"]) => Route::Me,
        _ => return None,
    })
}

fn named(method: &str, parts: &[&str]) -> Option<Route> {
    let own = |text: &str| segment(text);
    Some(match (method, parts) {
        ("GET", ["api", "2.0", "sql", "statements", id]) => Route::Statement(own(id)),
        ("GET", ["api", "2.0", "sql", "statements", id, "result", "chunks", at]) => Route::Chunk(own(id), own(at)),
        ("POST", ["api", "2.0", "sql", "statements", id, "cancel"]) => Route::Cancel(own(id)),
        ("GET", ["api", "2.0", "sql", "warehouses", id]) => Route::Warehouse(own(id)),
        ("POST", ["api", "2.0", "sql", "warehouses", id, "start"]) => Route::StartWarehouse(own(id)),
        ("POST", ["api", "2.0", "sql", "warehouses", id, "stop"]) => Route::StopWarehouse(own(id)),
        ("GET", ["__external", id, at]) => Route::External(own(id), own(at)),
        ("PUT", ["__upload", session, number]) => Route::Part(own(session), own(number)),
        _ => return None,
    })
}
