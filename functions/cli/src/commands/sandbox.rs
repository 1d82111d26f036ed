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
use crate::simulated::{CLIENT_ID, CLIENT_SECRET, PeopleSoft, Simulated};
use crate::tenant_file::{LOOKER_PORT, LookerBlock, PEOPLESOFT_PORT, SANDBOX_PORT, TenantFile};

/// The secret's name in the tenant file that is printed.
const SECRET: &str = "acme-jde";

/// The name of Looker's.
const LOOKER_SECRET: &str = "acme-looker";

/// The name of PeopleSoft's.
const PEOPLESOFT_SECRET: &str = "acme-peoplesoft";

/// `sandbox`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the simulated JD Edwards listens; 0 takes a free port
    #[arg(long, value_name = "PORT", default_value_t = SANDBOX_PORT)]
    port: u16,
    /// Where the simulated Looker listens; 0 takes a free port
    #[arg(long, value_name = "PORT", default_value_t = LOOKER_PORT)]
    looker_port: u16,
    /// Where the simulated PeopleSoft listens; 0 takes a free port
    #[arg(long, value_name = "PORT", default_value_t = PEOPLESOFT_PORT)]
    peoplesoft_port: u16,
    /// How many invoices it holds
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    invoices: usize,
    /// How many vouchers the simulated PeopleSoft holds [default: a tenth of the invoices]
    #[arg(long, value_name = "N")]
    vouchers: Option<usize>,
    /// Serve the rows of this CSV file as JD Edwards tables instead of made-up ones, and no PeopleSoft
    #[arg(long, value_name = "FILE.csv", requires = "map", conflicts_with_all = ["invoices", "vouchers", "peoplesoft_port"])]
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
    let jde = JdeSandbox::start(settings, clock.clone(), tables).await.map_err(|e| {
        failure(Exit::NotOk, format!("port {} cannot be listened on ({e}): choose another with --port", args.port))
    })?;
    let peoplesoft = match &args.seed {
        Some(_) => None,
        None => Some(start_peoplesoft(&args, clock).await?),
    };
    let url = jde.base_url();
    let warehouse = Path::new("acme-warehouse.sqlite");
    let peoplesoft_block = peoplesoft.as_ref().map(|peoplesoft| peoplesoft.block(PEOPLESOFT_SECRET));
    let tenant = TenantFile {
        url: &url,
        secret: SECRET,
        warehouse,
        looker: None,
        peoplesoft: peoplesoft_block,
        databricks: None,
    };
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
        say_secret(output, SECRET, [("username", &user), ("password", &password)]);
    }
    if let Some(peoplesoft) = &peoplesoft {
        output.say(format!(
            "a simulated PeopleSoft with the queries of `peoplesoft queries` listens at {}:",
            peoplesoft.url
        ));
        say_secret(output, PEOPLESOFT_SECRET, [("username", &peoplesoft.user), ("password", &peoplesoft.password)]);
    }
    output.say(format!("a simulated Looker over {} listens at {looker}:", warehouse.display()));
    say_secret(output, LOOKER_SECRET, [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)]);
    output.say("Ctrl-C ends it");
    tokio::signal::ctrl_c().await?;
    simulated.looker.shutdown().await;
    jde.shutdown().await;
    if let Some(peoplesoft) = peoplesoft {
        peoplesoft.sandbox.shutdown().await;
    }
    Ok(Exit::Ok)
}

async fn start_peoplesoft(args: &Args, clock: Clock) -> anyhow::Result<PeopleSoft> {
    let vouchers = args.vouchers.unwrap_or_else(|| PeopleSoft::vouchers_beside(args.invoices));
    let started = PeopleSoft::start(args.peoplesoft_port, vouchers, clock).await;
    started.map_err(|e| failure(Exit::NotOk, format!("{e:#}: choose another with --peoplesoft-port")))
}

/// Says how the fields of a secret are set.
fn say_secret(output: &Output, secret: &str, fields: [(&str, &str); 2]) {
    for (field, value) in fields {
        output.say(format!("  printf %s {value} | ml-connector secrets set {secret} {field}"));
    }
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
