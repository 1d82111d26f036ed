//! `check`: try every connection and say what an administrator must do.

use engine::model::id::ConnectionId;
use engine::ports::Finding;
use engine::stages::check;
use serde::Serialize;

use crate::args::Options;
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
    let setup = if args.restart { Setup::open(options)? } else { Setup::look(options)? };
    let syncs = setup.all_syncs()?;
    let mut connections = Vec::new();
    for connection in setup.connections() {
        if args.restart {
            setup.context.store.restart_connection(&setup.tenant, &connection).await?;
        }
        let findings = check(&setup.context, &setup.tenant, &connection, &syncs).await?;
        connections.push(CheckedConnection::new(&setup, &connection, findings));
    }
    let checked = Checked { tenant: setup.tenant.to_string(), connections };
    let ok = checked.is_ok();
    output.answer(&checked)?;
    Ok(if ok { Exit::Ok } else { Exit::NotOk })
}

#[derive(Debug, Serialize)]
struct Checked {
    tenant: String,
    connections: Vec<CheckedConnection>,
}

#[derive(Debug, Serialize)]
struct CheckedConnection {
    connection: String,
    system: String,
    ok: bool,
    findings: Vec<Finding>,
}

impl CheckedConnection {
    fn new(setup: &Setup, connection: &ConnectionId, findings: Vec<Finding>) -> Self {
        Self {
            connection: connection.to_string(),
            system: setup.system(connection),
            ok: findings.iter().all(|finding| finding.ok),
            findings,
        }
    }
}

impl Checked {
    fn is_ok(&self) -> bool {
        self.connections.iter().all(|connection| connection.ok)
    }
}

impl Answer for Checked {
    fn text(&self) -> String {
        let mut text = String::new();
        for connection in &self.connections {
            text.push_str(&format!("{} ({})\n", connection.connection, connection.system));
            for finding in &connection.findings {
                let mark = if finding.ok { '✓' } else { '✗' };
                text.push_str(&format!("  {mark} {}: {}\n", finding.what, finding.detail));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_marked_and_say_what_to_do() {
        let findings =
            vec![Finding::good("log-in", "as SVCREAD"), Finding::bad("F0411", "give the role the right to read it")];
        let checked = Checked {
            tenant: "acme".to_owned(),
            connections: vec![CheckedConnection {
                connection: "jde".to_owned(),
                system: "jde".to_owned(),
                ok: false,
                findings,
            }],
        };
        assert!(!checked.is_ok());
        assert_eq!(
            checked.text(),
            "jde (jde)\n  ✓ log-in: as SVCREAD\n  ✗ F0411: give the role the right to read it\n"
        );
    }
}
