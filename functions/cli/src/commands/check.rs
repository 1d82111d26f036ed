//! `check`: try every connection and say what an administrator must do.

use engine::model::id::ConnectionId;
use engine::ports::Finding;
use engine::stages::check;
use serde::Serialize;

use crate::args::Options;
use crate::backend::Backend;
use crate::exit::Exit;
use crate::output::{Answer, Output};
use crate::setup::Setup;

/// `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// First let connections try again that were stopped because their credentials were refused
    #[arg(long)]
    restart: bool,
}

/// Checks all connections of the tenant.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let setup = if args.restart { Setup::open(options).await? } else { Setup::look(options).await? };
    if args.restart {
        for connection in setup.connections() {
            setup.context.store.restart_connection(&setup.tenant, &connection).await?;
        }
    }
    let checked = match &setup.backend {
        Backend::Here(_) => from_here(&setup).await?,
        #[cfg(feature = "aws")]
        Backend::Deployed(deployed) => crate::aws::check::by_functions(&setup, deployed).await,
    };
    let ok = checked.is_ok();
    output.answer(&checked)?;
    Ok(if ok { Exit::Ok } else { Exit::NotOk })
}

async fn from_here(setup: &Setup) -> anyhow::Result<Checked> {
    let syncs = setup.all_syncs()?;
    let mut connections = Vec::new();
    for connection in setup.connections() {
        let findings = check(&setup.context, &setup.tenant, &connection, &syncs).await?;
        let said = findings.into_iter().map(|finding| Said { function: None, finding }).collect();
        connections.push(CheckedConnection::new(setup, &connection, said));
    }
    Ok(Checked { tenant: setup.tenant.to_string(), connections, functions: Vec::new() })
}

/// What was found of a tenant.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    pub(crate) tenant: String,
    pub(crate) connections: Vec<CheckedConnection>,
    /// Functions of a stack that could not even try.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) functions: Vec<Said>,
}

/// What was found of a connection.
#[derive(Debug, Serialize)]
pub(crate) struct CheckedConnection {
    connection: String,
    system: String,
    ok: bool,
    findings: Vec<Said>,
}

/// A finding, and who found it where that is not this process.
#[derive(Debug, Serialize)]
pub(crate) struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<String>,
    #[serde(flatten)]
    pub(crate) finding: Finding,
}

impl Said {
    fn line(&self) -> String {
        let Finding { ok, what, detail } = &self.finding;
        let mark = if *ok { '✓' } else { '✗' };
        let function = self.function.as_ref().map(|function| format!("{function}: ")).unwrap_or_default();
        format!("  {mark} {function}{what}: {detail}\n")
    }
}

impl CheckedConnection {
    pub(crate) fn new(setup: &Setup, connection: &ConnectionId, findings: Vec<Said>) -> Self {
        Self {
            connection: connection.to_string(),
            system: setup.system(connection),
            ok: findings.iter().all(|said| said.finding.ok),
            findings,
        }
    }
}

impl Checked {
    fn is_ok(&self) -> bool {
        self.functions.is_empty() && self.connections.iter().all(|connection| connection.ok)
    }
}

impl Answer for Checked {
    fn text(&self) -> String {
        let mut text = String::new();
        for connection in &self.connections {
            text.push_str(&format!("{} ({})\n", connection.connection, connection.system));
            text.extend(connection.findings.iter().map(Said::line));
        }
        if !self.functions.is_empty() {
            text.push_str("functions that could not try\n");
            text.extend(self.functions.iter().map(Said::line));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_marked_and_say_what_to_do() {
        let said = |function: Option<&str>, finding| Said { function: function.map(str::to_owned), finding };
        let findings = vec![
            said(None, Finding::good("log-in", "as SVCREAD")),
            said(Some("poll"), Finding::bad("F0411", "give the role the right to read it")),
        ];
        let checked = Checked {
            tenant: "acme".to_owned(),
            connections: vec![CheckedConnection {
                connection: "jde".to_owned(),
                system: "jde".to_owned(),
                ok: false,
                findings,
            }],
            functions: Vec::new(),
        };
        assert!(!checked.is_ok());
        assert_eq!(
            checked.text(),
            "jde (jde)\n  ✓ log-in: as SVCREAD\n  ✗ poll: F0411: give the role the right to read it\n"
        );
    }
}
