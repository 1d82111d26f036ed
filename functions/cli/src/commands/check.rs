//! `check`: try every connection and say what an administrator must do.

use engine::model::id::ConnectionId;
use engine::plan::SyncPlan;
use engine::ports::Finding;
use serde::Serialize;

use std::sync::Arc;

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
    let plans =
        setup.all_syncs()?.iter().map(|sync| setup.context.plans.plan(sync)).collect::<engine::Result<Vec<_>>>()?;
    let mut connections = Vec::new();
    for connection in setup.connections() {
        if args.restart {
            setup.context.store.restart_connection(&setup.tenant, &connection).await?;
        }
        connections.push(check(&setup, &connection, &plans).await);
    }
    let checked = Checked { tenant: setup.tenant.to_string(), connections };
    let ok = checked.is_ok();
    output.answer(&checked)?;
    Ok(if ok { Exit::Ok } else { Exit::NotOk })
}

async fn check(setup: &Setup, connection: &ConnectionId, plans: &[Arc<SyncPlan>]) -> CheckedConnection {
    let mut findings = Vec::new();
    if let Some(why) = setup.stopped(connection).await {
        findings.push(Finding::bad(
            "stopped",
            format!("{why}; set the right secret, then let it try again with `ml-connector check --restart`"),
        ));
        return CheckedConnection::new(setup, connection, findings);
    }
    let streams: Vec<_> = plans.iter().filter(|plan| plan.source == *connection).map(|plan| &plan.stream).collect();
    let tables: Vec<_> = plans.iter().filter(|plan| plan.destination == *connection).map(|plan| &plan.table).collect();
    if !streams.is_empty() {
        match setup.context.connectors.source(&setup.tenant, connection).await {
            Ok(source) => {
                findings.extend(source.check(&streams).await);
                source.close().await;
            }
            Err(failure) => findings.push(Finding::bad("settings", failure.to_string())),
        }
    }
    if !tables.is_empty() {
        match setup.context.connectors.destination(&setup.tenant, connection).await {
            Ok(destination) => findings.extend(destination.check(&tables).await),
            Err(failure) => findings.push(Finding::bad("settings", failure.to_string())),
        }
    }
    if streams.is_empty() && tables.is_empty() {
        findings.push(Finding::good("unused", "no sync that is switched on reads or writes it"));
    }
    CheckedConnection::new(setup, connection, findings)
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
