//! Which path means what.
//!
//! Invariant: only the listeners of section 1 of the reference are there; everything else is the web server's 404.

use super::error::Refusal;
use super::http::{Request, decode};

/// Where the REST listener is.
pub(super) const REST: &str = "/PSIGW/RESTListeningConnector";

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A service operation: node, alias with version, and what is behind them, not decoded.
    Operation { node: String, alias: String, rest: String },
    /// The listener between PeopleSoft systems: a GET shows that the gateway is up.
    Gateway,
    /// The listener for XML, which answers everything with 200.
    Xml,
}

/// The route of a request.
pub(super) fn find(request: &Request) -> Result<Route, Refusal> {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/PSIGW/PeopleSoftListeningConnector") => return Ok(Route::Gateway),
        (_, "/PSIGW/HttpListeningConnector") => return Ok(Route::Xml),
        _ => {}
    }
    let rest = request.path.strip_prefix(REST).and_then(|rest| rest.strip_prefix('/')).ok_or(Refusal::NotFound)?;
    let mut parts = rest.splitn(3, '/');
    let mut part = || parts.next().unwrap_or("");
    let (node, alias, rest) = (decode(part()), decode(part()), part().to_owned());
    Ok(Route::Operation { node, alias, rest })
}
