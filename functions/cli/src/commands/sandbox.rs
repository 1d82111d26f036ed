//! `sandbox`: the simulated systems, to try the real commands against.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use engine::model::id::TenantId;
use sandbox::clock::Clock;
use sandbox::jde::seed::{SeedOptions, ledger};
use sandbox::jde::{JdeSandbox, Settings, Tables, extract, mapping, stamp};
use sandbox::looker::Receiver;

use crate::commands::init::write_new;
use crate::config;
use crate::exit::{Exit, failure, usage};
use crate::output::Output;
use crate::simulated::{CLIENT_ID, CLIENT_SECRET, Simulated};
use crate::tenant_file::{LOOKER_PORT, LookerBlock, SANDBOX_PORT, TenantFile};

/// The secret's name in the tenant file that is printed.
const SECRET: &str = "acme-jde";

/// The name of Looker's.
const LOOKER_SECRET: &str = "acme-looker";

/// `sandbox`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the simulated JD Edwards listens; 0 takes a free port
    #[arg(long, value_name = "PORT", default_value_t = SANDBOX_PORT)]
    port: u16,
    /// Where the simulated Looker listens; 0 takes a free port
    #[arg(long, value_name = "PORT", default_value_t = LOOKER_PORT)]
    looker_port: u16,
    /// How many invoices it holds
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    invoices: usize,
    /// Serve the rows of this CSV file instead of made-up ones
    #[arg(long, value_name = "FILE.csv", requires = "map", conflicts_with = "invoices")]
    seed: Option<PathBuf>,
    /// Which columns of the CSV file become which of JD Edwards: TABLE.ALIAS=column[:convert],…
    #[arg(long, value_name = "MAP", requires = "seed")]
    map: Option<String>,
    /// Write the tenant file here instead of printing it
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,
}

/// Serves until Ctrl-C.
pub async fn run(args: Args, output: &Output) -> anyhow::Result<Exit> {
    let clock = Clock::system();
    let settings = Settings { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)), ..Settings::default() };
    let tables = match (&args.seed, &args.map) {
        (Some(csv), Some(map)) => rows_of(csv, map, &clock, &settings)?,
        _ => made_up(args.invoices, &clock)?,
    };
    let users = settings.users.clone();
    let jde = JdeSandbox::start(settings, clock, tables).await.map_err(|e| {
        failure(Exit::NotOk, format!("port {} cannot be listened on ({e}): choose another with --port", args.port))
    })?;
    let url = jde.base_url();
    let warehouse = Path::new("acme-warehouse.sqlite");
    let tenant = TenantFile { url: &url, secret: SECRET, warehouse, looker: None };
    let config = config::read(TenantId::new("acme"), "acme.yaml", &tenant.text())?;
    let simulated = Simulated::start(&config, warehouse, args.looker_port, Receiver::start().await?).await?;
    let (looker, receiver) = (simulated.looker.url(), simulated.receiver.url());
    let block = LookerBlock { url: &looker, secret: LOOKER_SECRET, receiver: &receiver };
    let text = TenantFile { looker: Some(block), ..tenant }.text();
    match &args.write_config {
        Some(path) => {
            write_new(path, &text)?;
            output.say(format!("the tenant file is {}", path.display()));
        }
        None => output.data(&text)?,
    }
    output.say(format!("a simulated JD Edwards listens at {url}"));
    for (user, password) in users {
        output.say(format!("log in as {user} with password {password}:"));
        output.say(format!("  printf %s {user} | ml-connector secrets set {SECRET} username"));
        output.say(format!("  printf %s {password} | ml-connector secrets set {SECRET} password"));
    }
    output.say(format!("a simulated Looker over {} listens at {looker}:", warehouse.display()));
    output.say(format!("  printf %s {CLIENT_ID} | ml-connector secrets set {LOOKER_SECRET} client_id"));
    output.say(format!("  printf %s {CLIENT_SECRET} | ml-connector secrets set {LOOKER_SECRET} client_secret"));
    output.say("Ctrl-C ends it");
    tokio::signal::ctrl_c().await?;
    simulated.looker.shutdown().await;
    jde.shutdown().await;
    Ok(Exit::Ok)
}

/// A ledger that looks real.
pub fn made_up(invoices: usize, clock: &Clock) -> anyhow::Result<Tables> {
    let options = SeedOptions {
        invoices,
        // As many of the rest as go with them, and never none.
        purchase_orders: (invoices / 5).max(20),
        suppliers: (invoices / 16).clamp(20, 1_200),
        details: false,
        ..SeedOptions::new(clock.now().date_naive())
    };
    ledger(&options).context("the simulated ledger cannot be made up")
}

fn rows_of(csv: &Path, map: &str, clock: &Clock, settings: &Settings) -> anyhow::Result<Tables> {
    let mappings = mapping::parse(map).map_err(|e| usage(format!("--map: {e}")))?;
    let now = stamp(clock.now(), settings.zone);
    let read = extract::tables_from_csv(csv, &mappings, now).map_err(|e| usage(format!("{}: {e}", csv.display())))?;
    // The tables that the file says nothing about are there, and empty.
    let mut tables = Tables::standard();
    for (_, table) in read.iter() {
        tables.add_table(table.clone());
    }
    Ok(tables)
}
