//! `cost`: what a month of a deployment costs, from what its runs have counted and list prices.

use engine::config::ConfiguredSync;
use engine::plan::Plans;
use serde::Serialize;

use crate::args::Options;
use crate::cost::month::{Month, Standing, runs_in, standing};
use crate::cost::prices::{READ_ON, REGION, Usd};
use crate::cost::usage::{Cost, Shape, Usage};
use crate::exit::Exit;
use crate::infra::deployment::Deployed;
use crate::output::{Answer, Output};
use crate::setup::Setup;
use crate::words::{Columns, number};

/// What is not in the figures.
const NOT_COUNTED: [&str; 5] = [
    "storage of tables, their recovery and logs",
    "metrics that are written with the logs",
    "requests to keys and secrets, which functions keep for minutes",
    "gateways and endpoints of a network, where there is one",
    "data that leaves AWS",
];

/// `cost`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these syncs
    syncs: Vec<String>,
    /// The month, such as 2026-11 [default: this one]
    #[arg(long, value_name = "MONTH")]
    month: Option<Month>,
}

/// Adds it up.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let setup = Setup::look(options).await?;
    let month = args.month.unwrap_or_else(|| Month::of(setup.context.clock.now()));
    let mut syncs = Vec::new();
    for sync in setup.choose(&args.syncs)? {
        let configured = setup.config().plans.get(&sync)?;
        let shape = shape(&setup, configured)?;
        let mut row = SyncCost::new(&sync.stream, sync.integration.as_str());
        for run in runs_in(setup.context.store.as_ref(), &sync, month).await? {
            row.runs += 1;
            row.batches += u64::from(run.done);
            row.read += run.counts.polled;
            row.changed += run.counts.inserted + run.counts.updated + run.counts.deleted + run.swept;
            row.rejected += run.counts.rejected;
            row.waiting += run.counts.waiting;
            row.usage.add(Usage::of(&run, shape));
        }
        syncs.push(row.priced());
    }
    let total = syncs.iter().fold(SyncCost::new("all", ""), SyncCost::with).priced();
    let deployed = Deployed::new(std::path::PathBuf::new(), String::new(), setup.config());
    let scopes: Vec<_> = deployed.scopes.keys().map(ToString::to_string).collect();
    let dedicated = setup.config().file.tenant.dedicated;
    let answer = MonthCost {
        tenant: setup.tenant.to_string(),
        month,
        prices: format!("{REGION}, list prices of {READ_ON}, nothing taken off for free tiers"),
        syncs,
        total,
        monthly: standing(deployed.secrets.len() as u64, &scopes, dedicated),
        not_counted: NOT_COUNTED,
    };
    output.answer(&answer)?;
    if !setup.backend.is_deployed() {
        output.say("this is what the runs of this machine would have cost on AWS; --aws counts those of a deployment");
    }
    Ok(Exit::Ok)
}

fn shape(setup: &Setup, configured: &ConfiguredSync) -> engine::Result<Shape> {
    let sync = &configured.plan.id;
    let plans = &setup.config().plans;
    Ok(Shape {
        keeps_links: configured.plan.keeps_links,
        looks_up: !configured.references.is_empty(),
        is_told: plans.consumer(&sync.tenant, &sync.integration)?.is_some(),
        siblings: plans.syncs(&sync.tenant, &sync.integration)?.len() as u64,
    })
}

#[derive(Debug, Serialize)]
struct MonthCost {
    tenant: String,
    month: Month,
    prices: String,
    syncs: Vec<SyncCost>,
    total: SyncCost,
    /// What is paid for by the month, whether anything runs or not.
    monthly: Vec<Standing>,
    not_counted: [&'static str; 5],
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct SyncCost {
    sync: String,
    integration: String,
    runs: u64,
    batches: u64,
    read: u64,
    changed: u64,
    rejected: u64,
    waiting: u64,
    usage: Usage,
    usd: Cost,
    usd_total: Usd,
    usd_per_million_read: Option<Usd>,
}

impl SyncCost {
    fn new(sync: &str, integration: &str) -> Self {
        Self { sync: sync.to_owned(), integration: integration.to_owned(), ..Self::default() }
    }

    fn with(mut self, other: &Self) -> Self {
        self.runs += other.runs;
        self.batches += other.batches;
        self.read += other.read;
        self.changed += other.changed;
        self.rejected += other.rejected;
        self.waiting += other.waiting;
        self.usage.add(other.usage);
        self
    }

    fn priced(mut self) -> Self {
        self.usd = self.usage.cost();
        self.usd_total = self.usd.total();
        self.usd_per_million_read = self.usd_total.per_million_of(self.read);
        self
    }
}

impl Answer for MonthCost {
    fn text(&self) -> String {
        let mut columns = Columns::new(&[
            "sync",
            ">runs",
            ">read",
            ">changed",
            ">rejected",
            ">Lambda",
            ">SQS",
            ">DynamoDB",
            ">Scheduler",
            ">USD",
            ">USD per million read",
        ]);
        for row in self.syncs.iter().chain([&self.total]) {
            let mut cells = vec![row.sync.clone()];
            cells.extend([row.runs, row.read, row.changed, row.rejected].map(number));
            let Cost { lambda, sqs, dynamodb, scheduler } = row.usd;
            cells.extend([lambda, sqs, dynamodb, scheduler, row.usd_total].map(|usd| usd.to_string()));
            cells.push(row.usd_per_million_read.map_or_else(|| "-".to_owned(), |usd| usd.to_string()));
            columns.row(cells);
        }
        let mut text = format!("{} in {}; {}\n\n{}", self.tenant, self.month, self.prices, columns.text());
        let mut columns = Columns::new(&["every month", ">number", ">USD", "shared with other tenants"]);
        for line in &self.monthly {
            let shared = if line.shared { "yes" } else { "no" };
            columns.row([line.what.clone(), number(line.number), line.usd.to_string(), shared.to_owned()]);
        }
        text.push_str(&format!("\n{}", columns.text()));
        text.push_str(&format!("\nnot counted: {}\n", self.not_counted.join("; ")));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_a_row_per_sync_their_sum_and_what_stands() {
        let row = SyncCost {
            runs: 60,
            batches: 60,
            read: 240_000,
            changed: 12_000,
            usage: Usage { writes: 50_000, requests: 2_160, invocations: 240, ..Usage::default() },
            ..SyncCost::new("ap_invoices", "jde-looker")
        };
        let (row, all) = (row.clone().priced(), SyncCost::new("all", "").with(&row).priced());
        let month = MonthCost {
            tenant: "acme".to_owned(),
            month: "2026-11".parse().unwrap(),
            prices: "list prices".to_owned(),
            syncs: vec![row],
            total: all,
            monthly: standing(2, &[], false),
            not_counted: NOT_COUNTED,
        };
        let text = month.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "acme in 2026-11; list prices");
        let cells: Vec<_> = lines[3].split_whitespace().collect();
        let expected =
            ["ap_invoices", "60", "240,000", "12,000", "0", "0.0000", "0.0011", "0.0313", "0.0000", "0.0324", "0.13"];
        assert_eq!(cells, expected);
        assert!(lines[4].starts_with("all"), "{text}");
        assert!(text.contains("secrets                         2  0.80  no\n"), "{text}");
        let json = serde_json::to_value(&month).unwrap();
        assert_eq!(json["total"]["usd"]["dynamodb"], 0.03125);
    }
}
