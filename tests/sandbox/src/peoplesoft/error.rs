//! The answers of a request that is refused.
//!
//! Invariant: every refusal is one value made in one place; which status and which body it comes with is a setting. The XML is
//! the vendor's, character for character; so are the texts of (158,45) and of the query that is not there. The other texts are
//! worded after them.

use super::settings::{Answered, ErrorBody, Settings};

/// Why a request is not answered with data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Wrong user or password; the name that came, or `ANONYMOUS`.
    BadCredentials(String),
    BadToken,
    NoPermission {
        operator: String,
        operation: String,
    },
    UnknownOperation(String),
    Inactive(String),
    NoRouting(String),
    WrongNode(String),
    NoTemplate(String),
    BadMethod {
        method: String,
        operation: String,
    },
    /// The query is unknown, or the operator may not see one of its records: both look the same.
    NoQuery(String),
    /// A prompt, a field or the SQL is wrong.
    QueryFailed(String),
    /// A component interface refused the document.
    Document(String),
    /// 404 as HTML: no such path on the web server.
    NotFound,
    /// 503 as HTML: too many calls at once.
    Busy,
}

impl Refusal {
    /// Status, content type and body.
    pub(super) fn render(&self, settings: &Settings) -> (u16, &'static str, Vec<u8>) {
        let Answered { status, body } = self.answered(settings);
        let (set, number, message, parameters) = self.words();
        match body {
            ErrorBody::IbResponse => {
                (status, "text/xml", ib_response(self.by_gateway(), set, number, &message, &parameters))
            }
            ErrorBody::Json => (status, settings.json_type, json_error(&message)),
            ErrorBody::Html => (status, "text/html", html(status)),
            ErrorBody::Empty => (status, "text/plain", Vec::new()),
        }
    }

    fn answered(&self, settings: &Settings) -> Answered {
        match self {
            Self::BadCredentials(_) => settings.bad_credentials,
            Self::BadToken => settings.bad_token,
            Self::NoPermission { .. } => settings.no_permission,
            Self::UnknownOperation(_) => settings.unknown_operation,
            Self::Inactive(_) => settings.inactive,
            Self::NoRouting(_) => settings.no_routing,
            Self::WrongNode(_) => settings.wrong_node,
            Self::NoTemplate(_) => settings.no_template,
            Self::BadMethod { .. } => settings.bad_method,
            Self::NoQuery(_) | Self::QueryFailed(_) => settings.query_failed,
            Self::Document(_) => settings.refused_document,
            Self::NotFound => Answered { status: 404, body: ErrorBody::Html },
            Self::Busy => Answered { status: 503, body: ErrorBody::Html },
        }
    }

    /// Whether the gateway says so before the application server has seen the request.
    fn by_gateway(&self) -> bool {
        matches!(self, Self::NoTemplate(_) | Self::BadMethod { .. })
    }

    /// Message set, message number, text without its code, parameters.
    fn words(&self) -> (u32, u32, String, Vec<String>) {
        let plain = |number, text: String| (158, number, text, Vec::new());
        match self {
            Self::BadCredentials(user) => (158, 45, "User password failed.".into(), vec![user.clone()]),
            Self::BadToken => plain(10532, "The access token is not valid.".into()),
            Self::NoPermission { operator, operation } => (
                158,
                10532,
                format!("User {operator} is not authorized for service operation {operation}."),
                vec![operator.clone(), operation.clone()],
            ),
            Self::UnknownOperation(name) => {
                (158, 10721, format!("Service operation {name} not found."), vec![name.clone()])
            }
            Self::Inactive(name) => {
                (158, 10721, format!("Service operation {name} is not active."), vec![name.clone()])
            }
            Self::NoRouting(name) => {
                (158, 10721, format!("No routing found for service operation {name}."), vec![name.clone()])
            }
            Self::WrongNode(node) => (158, 10904, format!("The node {node} was not found."), vec![node.clone()]),
            Self::NoTemplate(path) => {
                (158, 10403, "No matching URI template for the request.".into(), vec![path.clone()])
            }
            Self::BadMethod { method, operation } => {
                plain(10403, format!("Method {method} is not allowed for service operation {operation}."))
            }
            Self::NoQuery(name) => {
                (139, 123, format!("Query {name} does not exist or you do not have access."), vec![name.clone()])
            }
            Self::QueryFailed(text) | Self::Document(text) => (139, 290, text.clone(), Vec::new()),
            Self::NotFound => plain(0, "Not Found".into()),
            Self::Busy => plain(0, "Service Unavailable".into()),
        }
    }
}

/// The error of the integration broker. StatusCode 20 comes from the application server, 10 from the gateway.
pub(super) fn ib_response(by_gateway: bool, set: u32, number: u32, message: &str, parameters: &[String]) -> Vec<u8> {
    let status = if by_gateway { 10 } else { 20 };
    let mut xml = format!(
        "<?xml version=\"1.0\"?>\n<IBResponse type=\"error\"><DefaultTitle>Integration Broker Response</DefaultTitle>\n \
         <StatusCode>{status}</StatusCode><MessageSetID>{set}</MessageSetID><MessageID>{number}</MessageID>\n \
         <DefaultMessage>{}</DefaultMessage>\n ",
        character_data(&format!("{message} ({set},{number})"))
    );
    xml.push_str("<MessageParameters>");
    for parameter in parameters {
        xml.push_str(&format!("<Parameter>{}</Parameter>", character_data(parameter)));
    }
    xml.push_str("</MessageParameters></IBResponse>");
    xml.into_bytes()
}

/// The error in JSON.
pub(super) fn json_error(message: &str) -> Vec<u8> {
    // Written by hand to keep the order of the members.
    let message = serde_json::Value::from(message);
    format!(r#"{{"status":"error","data":{{"message":{message}}}}}"#).into_bytes()
}

/// The page of a web server or proxy.
pub(super) fn html(status: u16) -> Vec<u8> {
    let title = match status {
        200 => "PeopleSoft",
        404 => "Error 404--Not Found",
        502 => "502 Bad Gateway",
        503 => "503 Service Unavailable",
        504 => "504 Gateway Time-out",
        _ => "Error",
    };
    format!("<HTML><HEAD><TITLE>{title}</TITLE></HEAD>\n<BODY><H2>{title}</H2></BODY></HTML>\n").into_bytes()
}

/// A CDATA section; one that would end too early is cut in two.
pub(super) fn character_data(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}
