//! The answers of a request that is refused.
//!
//! Invariant: every refusal is one value made in one place, so that the same fault has the same status and the same words
//! everywhere. Shapes and the first three messages are the vendor's; the others are worded after them.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// Why a request is not answered with data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 400: the body is no JSON or a member has the wrong JSON type.
    BadJson(String),
    /// 400: a parameter is missing or the request line is not one.
    BadRequest(String),
    /// 403 with the words of the case.
    Forbidden(String),
    /// A token that is not (or no longer) valid: 444 or 403, as the site answers.
    DeadToken(u16),
    /// 404 as HTML: no such path under the context root.
    NotFound,
    /// 405: the path does not know the method, or the HTML server does not allow this AIS server.
    NotAllowed,
    /// 415: the body is not declared as JSON.
    MediaType,
    /// 446: single sign-on was asked for and is not enabled.
    NoSingleSignOn,
    /// 500 as a ServiceErrorResponse.
    Failed(String),
    /// 500 with `sysErrors`: the result set behind a next link is gone.
    ResultSetExpired,
}

/// Wrong user or password.
pub(super) const BAD_LOGIN: &str = "Authorization Failure: Incorrect User ID or Password.";
/// A token that is unknown, expired or logged out.
pub(super) const BAD_TOKEN: &str = "Token Invalid: Please Request a new Token";
/// The result set of a next link is gone.
pub(super) const EXPIRED: &str = "JAS_MSG347: The query results expired.  Refresh them by clicking Find again.";

const LOGIN_EXCEPTION: &str = "com.oracle.e1.rest.session.E1LoginException";
const SERVICE_EXCEPTION: &str = "com.oracle.e1.rest.ServiceException";

impl Refusal {
    pub(super) fn forbidden(message: &str) -> Self {
        Self::Forbidden(message.into())
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Status, content type and body.
    pub(super) fn render(&self, now: DateTime<Utc>, zone: Tz) -> (u16, &'static str, Vec<u8>) {
        const JSON: &str = "application/json";
        const HTML: &str = "text/html";
        let service = |message: &str, exception: &str| service_error(message, exception, &time_stamp(now, zone));
        match self {
            Self::BadJson(why) => (400, JSON, service(&format!("Invalid JSON input: {why}"), SERVICE_EXCEPTION)),
            Self::BadRequest(why) => (400, JSON, service(why, SERVICE_EXCEPTION)),
            Self::Forbidden(message) => (403, JSON, service(message, LOGIN_EXCEPTION)),
            // The bare class name is what one of the published bodies carries.
            Self::DeadToken(status) => (*status, JSON, service(BAD_TOKEN, "E1LoginException")),
            Self::NotFound => (404, HTML, html("Error 404--Not Found")),
            Self::NotAllowed => (405, HTML, html("Error 405--Method Not Allowed")),
            Self::MediaType => (415, HTML, html("Error 415--Unsupported Media Type")),
            Self::NoSingleSignOn => (446, JSON, service("Mobile SSO is not enabled.", LOGIN_EXCEPTION)),
            Self::Failed(message) => (500, JSON, service(message, SERVICE_EXCEPTION)),
            Self::ResultSetExpired => {
                let body = format!(r#"{{"sysErrors":[{{"TITLE":"{EXPIRED}","DESC":"{EXPIRED}"}}]}}"#);
                (500, JSON, body.into_bytes())
            }
        }
    }
}

/// The documented body of a failure; the members seen in published bodies plus `status`.
pub(super) fn service_error(message: &str, exception: &str, time_stamp: &str) -> Vec<u8> {
    let body = serde_json::json!({
        "message": message,
        "exception": exception,
        "status": "ERROR",
        "timeStamp": time_stamp,
    });
    body.to_string().into_bytes()
}

/// What an application server or proxy shows instead of JSON.
pub(super) fn html(title: &str) -> Vec<u8> {
    format!("<HTML><HEAD><TITLE>{title}</TITLE></HEAD>\n<BODY><H2>{title}</H2></BODY></HTML>\n").into_bytes()
}

/// The server's wall clock as AIS writes it: `2026-11-20:14.28.59`, no zone.
pub(super) fn time_stamp(now: DateTime<Utc>, zone: Tz) -> String {
    now.with_timezone(&zone).format("%Y-%m-%d:%H.%M.%S").to_string()
}
