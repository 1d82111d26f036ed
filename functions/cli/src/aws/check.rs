//! `check` by the functions themselves: through their network and with their roles.

use std::collections::BTreeMap;

use engine::model::id::ConnectionId;
use engine::ports::Finding;
use lambda::CheckRequest;
use serde::{Deserialize, Serialize};

use super::{Deployed, Function};
use crate::commands::check::{Checked, CheckedConnection, Said};
use crate::setup::Setup;

/// The payload.
#[derive(Debug, Serialize)]
struct Payload {
    check: CheckRequest,
}

/// What a function answers.
#[derive(Debug, Deserialize)]
struct Answer {
    connections: Vec<Connection>,
}

#[derive(Debug, Deserialize)]
struct Connection {
    connection: ConnectionId,
    findings: Vec<Found>,
}

/// A [`Finding`] that came by wire.
#[derive(Debug, Deserialize)]
struct Found {
    ok: bool,
    what: String,
    detail: String,
}

impl From<Found> for Finding {
    fn from(Found { ok, what, detail }: Found) -> Self {
        Self { ok, what, detail }
    }
}

/// Asks the functions that log in to something: each says what it found of every connection that its integration uses.
pub(crate) async fn by_functions(setup: &Setup, deployed: &Deployed) -> Checked {
    let mut found: BTreeMap<ConnectionId, Vec<Said>> = BTreeMap::new();
    let mut functions = Vec::new();
    for (_, instance) in deployed.instances() {
        for function in instance.checking() {
            let payload = Payload { check: CheckRequest { tenant: setup.tenant.clone() } };
            match deployed.functions.invoke::<Answer>(&function, &payload).await {
                Ok(answer) => {
                    for Connection { connection, findings } in answer.connections {
                        let said = findings.into_iter().map(|found| said(&function, found.into()));
                        found.entry(connection).or_default().extend(said);
                    }
                }
                Err(failure) => {
                    let why = failure.to_string();
                    let why = why.strip_prefix(&function.says()).unwrap_or(&why);
                    functions.push(said(&function, Finding::bad("nothing was tried", why)));
                }
            }
        }
    }
    let connections = setup.connections().into_iter().filter_map(|connection| {
        let said = found.remove(&connection)?;
        Some(CheckedConnection::new(setup, &connection, said))
    });
    let connections = connections.collect();
    Checked { tenant: setup.tenant.to_string(), connections, functions }
}

fn said(function: &Function<'_>, finding: Finding) -> Said {
    Said { function: Some(format!("{} of {}", function.stage, function.scope)), finding }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_payload_and_the_answer_are_those_of_the_functions() {
        let payload = Payload { check: CheckRequest { tenant: engine::model::id::TenantId::new("acme") } };
        let text = serde_json::to_string(&payload).unwrap();
        assert!(matches!(serde_json::from_str(&text).unwrap(), lambda::Event::Check { .. }));
        let checked = lambda::CheckedConnection {
            connection: ConnectionId::new("erp"),
            findings: vec![Finding::bad("log-in", "ask for the right")],
        };
        let answer = json!(lambda::Answer::Checked { connections: vec![checked] });
        let read: Answer = serde_json::from_value(answer).unwrap();
        assert_eq!(read.connections[0].findings[0].detail, "ask for the right");
    }
}
