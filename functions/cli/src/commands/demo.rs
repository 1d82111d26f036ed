//! `demo`: the real thing against two simulated ERPs, twice: everything, then only what changed.

mod vouchers;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use backend_embedded::{Embedded, FileVault};
use chrono::TimeDelta;
use engine::model::id::{RecordKey, SyncId};
use engine::model::message::Reason;
use engine::model::window::Selection;
use engine::stages::{ReconcileOptions, reconcile};
use sandbox::clock::Clock;
use sandbox::jde::changes::{Bad, Plan, Report, month_end};
use sandbox::jde::{JdeSandbox, Settings};
use sandbox::looker::Receiver;
use sandbox::random::Random;
use serde::Serialize;

use crate::args::Options;
use crate::commands::sandbox::made_up;
use crate::config;
use crate::deliveries::DeliveryRow;
use crate::exit::{Exit, usage};
use crate::output::{Answer, Output};
use crate::rows::Rows;
use crate::setup::Setup;
use crate::simulated::{CLIENT_ID, CLIENT_SECRET, PeopleSoft, Simulated};
use crate::tenant_file::{LookerBlock, TenantFile};
use crate::words::count;
use crate::work::Work;

/// The tenant file, by which an earlier demo is known.
const CONFIG: &str = "demo.yaml";

/// The secret of the simulated JD Edwards.
const SECRET: &str = "demo-jde";

/// The secret of the simulated PeopleSoft.
const PEOPLESOFT_SECRET: &str = "demo-peoplesoft";

/// The secret of the simulated Looker.
const LOOKER_SECRET: &str = "demo-looker";

/// The secret of the simulated Databricks.
#[cfg(feature = "databricks")]
const DATABRICKS_SECRET: &str = "demo-databricks";

/// How long ago the first run takes place, as far as the simulated ERPs are concerned.
const DAYS_AGO: i64 = 3;

/// `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many invoices the simulated JD Edwards holds; the simulated PeopleSoft has a tenth as many vouchers
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    invoices: usize,
    /// Keep the simulated ERPs running until Ctrl-C, so that `run`, `check` and `preview` work as well
    #[arg(long)]
    keep: bool,
}

/// Runs the demo.
pub async fn run(options: &Options, args: Args, output: &Output) -> anyhow::Result<Exit> {
    let place = Place::fresh(&options.state.join("demo"))?;
    let clock = Clock::offset(TimeDelta::days(-DAYS_AGO));
    let erps = Erps::start(args.invoices, &clock).await?;
    place.prepare(&erps)?;
    let receiver = Receiver::start().await?;
    let looker = place.start_looker(&erps, receiver).await?;
    let (config, state) = (Some(place.config.clone()), place.dir.clone());
    let options = Options { config, state, aws: false, ..options.clone() };

    output.say(format!(
        "a simulated JD Edwards with {} and a simulated PeopleSoft with {}, as they were {DAYS_AGO} days ago: everything is \
         read into one warehouse, a simulated Looker is told of JD Edwards' part, and sends its report",
        count(args.invoices as u64, "invoice", "invoices"),
        count(erps.vouchers as u64, "voucher", "vouchers")
    ));
    output.say(match cfg!(feature = "databricks") {
        true => "a simulated Databricks gets PeopleSoft's part as well, and what is governed there goes back",
        false => "this program was built without Databricks: built with --features databricks, the demo shows it too",
    });
    let first = run_all(&options, output).await?;
    clock.advance(TimeDelta::days(DAYS_AGO));
    let changes = erps.month_end(&clock, output)?;
    looker.receiver.fail(1);
    let mut second = run_all(&options, output).await?;
    if cfg!(feature = "databricks") {
        read_what_came_back(&options, &mut second, output).await?;
    }
    second.deliveries = deliver_again(&options, second.deliveries, output).await?;
    let reconciled = reconcile_all(&options).await?;

    let key = example_key(&options, &changes).await?;
    let result = Shown::new(first, second, reconciled, &place);
    output.answer(&result)?;
    let compared: u64 = result.reconciled.iter().map(|sync| sync.compared).sum();
    let differences: u64 = result.reconciled.iter().map(|sync| sync.differences).sum();
    output.say(format!(
        "reconciled key by key and field by field: {} compared, {} found",
        count(compared, "record", "records"),
        count(differences, "difference", "differences")
    ));
    result.rows.words().iter().for_each(|words| output.say(words));
    place.next_steps(&key).iter().for_each(|line| output.say(line));
    if args.keep {
        let (jde, peoplesoft, looker) = (erps.jde.base_url(), &erps.peoplesoft.url, looker.looker.url());
        output.say(format!(
            "the simulated JD Edwards goes on at {jde}, PeopleSoft at {peoplesoft} and Looker at {looker} until Ctrl-C"
        ));
        tokio::signal::ctrl_c().await?;
    }
    looker.looker.shutdown().await;
    erps.shutdown().await;
    Ok(if result.is_ok() { Exit::Ok } else { Exit::NotOk })
}

/// The simulated ERPs.
struct Erps {
    jde: JdeSandbox,
    settings: Settings,
    user: String,
    password: String,
    peoplesoft: PeopleSoft,
    #[cfg(feature = "databricks")]
    databricks: crate::simulated::databricks::Databricks,
    vouchers: usize,
}

impl Erps {
    async fn start(invoices: usize, clock: &Clock) -> anyhow::Result<Self> {
        let settings = Settings::default();
        let (user, password) = settings.users.first().cloned().context("the simulated JD Edwards has no user")?;
        let vouchers = PeopleSoft::vouchers_beside(invoices);
        let jde = JdeSandbox::start(settings.clone(), clock.clone(), made_up(invoices, clock)?).await?;
        let peoplesoft = PeopleSoft::start(0, vouchers, clock.clone()).await?;
        #[cfg(feature = "databricks")]
        let databricks = {
            let databricks = crate::simulated::databricks::Databricks::start(clock.clone()).await?;
            databricks.govern(&vouchers::classes(&peoplesoft)?)?;
            databricks
        };
        Ok(Self {
            jde,
            settings,
            user,
            password,
            peoplesoft,
            #[cfg(feature = "databricks")]
            databricks,
            vouchers,
        })
    }

    /// What happens in both, and what of it there is to see.
    fn month_end(&self, clock: &Clock, output: &Output) -> anyhow::Result<Report> {
        let plan = Plan { new: 240, paid: 120, voided: 12, late: true, early_line: true, bad: Some(Bad::Date) };
        let (zone, random) = (self.settings.zone, &mut Random::new(7));
        let report = self.jde.with_tables(|tables| month_end(tables, clock, zone, random, &plan))?;
        output.say(format!(
            "{DAYS_AGO} days later, at the month's end: {} new invoices, {} paid, {} voided, one that came late, one with a \
             date that is none, and an order line without its header: only what changed is read",
            report.new.len(),
            report.paid.len(),
            report.voided.len()
        ));
        let changes = vouchers::some_days(&self.peoplesoft, clock)?;
        output.say(format!(
            "in PeopleSoft: {} new vouchers, {} voided, one that came late and one with a date that is none; {} payments were \
             made and a supplier is gone, which no stamp tells: suppliers and payments are read whole and compared",
            changes.new, changes.voided, changes.paid
        ));
        #[cfg(feature = "databricks")]
        {
            self.databricks.reclassify('H')?;
            output.say(
                "in Databricks: somebody gives every governed supplier another class, which PeopleSoft is to have too",
            );
        }
        Ok(report)
    }

    async fn shutdown(self) {
        self.jde.shutdown().await;
        self.peoplesoft.sandbox.shutdown().await;
        #[cfg(feature = "databricks")]
        self.databricks.sandbox.shutdown().await;
    }
}

async fn run_all(options: &Options, output: &Output) -> anyhow::Result<Rows> {
    let setup = Setup::open(options).await?;
    let syncs = setup.all_syncs()?;
    let mut work = Work::begin(&setup, output).await?;
    for sync in &syncs {
        work.run(sync, Reason::Manual, Selection::Changes).await?;
    }
    work.rows(&syncs).await
}

/// Suppliers were changed in PeopleSoft by what came back from Databricks, after they had been read.
async fn read_what_came_back(options: &Options, rows: &mut Rows, output: &Output) -> anyhow::Result<()> {
    let setup = Setup::open(options).await?;
    let syncs = setup.all_syncs()?;
    let is_changed = |sync: &&SyncId| sync.stream == "suppliers" && sync.integration.as_str().starts_with("peoplesoft");
    let syncs: Vec<SyncId> = syncs.iter().filter(is_changed).cloned().collect();
    let mut work = Work::begin(&setup, output).await?;
    for sync in &syncs {
        work.run(sync, Reason::Manual, Selection::Changes).await?;
    }
    for again in work.rows(&syncs).await?.syncs {
        let same = rows.syncs.iter_mut().find(|row| row.sync == again.sync && row.integration == again.integration);
        if let Some(row) = same {
            *row = row.clone().followed_by(&again);
        }
    }
    Ok(())
}

/// Compares source and destination once more, key by key.
async fn reconcile_all(options: &Options) -> anyhow::Result<Vec<Reconciled>> {
    let setup = Setup::look(options).await?;
    let mut reconciled = Vec::new();
    for sync in setup.all_syncs()? {
        let found = reconcile(&setup.context, &sync, ReconcileOptions::default()).await?;
        reconciled.push(Reconciled {
            sync: sync.stream,
            integration: sync.integration.to_string(),
            compared: found.compared.unwrap_or(0),
            differences: found.differences.len() as u64,
            agrees: found.agrees,
        });
    }
    Ok(reconciled)
}

/// The deliveries that failed are sent again; all of them as they are then.
async fn deliver_again(
    options: &Options,
    mut rows: Vec<DeliveryRow>,
    output: &Output,
) -> anyhow::Result<Vec<DeliveryRow>> {
    let setup = Setup::open(options).await?;
    for row in rows.iter_mut().filter(|row| !row.is_ok()) {
        output.say(format!("{} failed ({}): it is sent again, and nothing else is", row.delivery, row.detail));
        let mut work = Work::begin(&setup, output).await?;
        work.deliver(&row.delivery.parse()?, false).await?;
        if let Some(again) = work.rows(&[]).await?.deliveries.pop() {
            *row = again;
        }
    }
    Ok(rows)
}

/// A voided invoice that has a history by now.
async fn example_key(options: &Options, changes: &Report) -> anyhow::Result<String> {
    let setup = Setup::look(options).await?;
    let sync: SyncId = setup.find("ap_invoices")?;
    for key in changes.voided.iter().chain(&changes.paid).chain(&changes.new) {
        let key = RecordKey::join(key.iter().map(String::as_str));
        if !setup.context.store.audit_of(&sync, &key).await?.is_empty() {
            return Ok(key.to_string());
        }
    }
    Ok(String::new())
}

/// Where a demo lies.
struct Place {
    dir: PathBuf,
    config: PathBuf,
    warehouse: PathBuf,
}

impl Place {
    /// The directory, empty. An earlier demo in it is removed; anything else is left alone.
    fn fresh(dir: &Path) -> anyhow::Result<Self> {
        let place = Self { dir: dir.to_owned(), config: dir.join(CONFIG), warehouse: dir.join("warehouse.sqlite") };
        if !place.is_empty()? {
            if !place.config.is_file() {
                let dir = dir.display();
                return Err(usage(format!("{dir} holds something that is no earlier demo: use another --state")));
            }
            // Somebody may be looking at the earlier demo, but nobody may be working on it.
            drop(Embedded::open(dir)?.lock().map_err(crate::work::refused)?);
            fs::remove_dir_all(dir)
                .with_context(|| format!("the earlier demo in {} cannot be removed", dir.display()))?;
        }
        Ok(place)
    }

    fn is_empty(&self) -> anyhow::Result<bool> {
        match fs::read_dir(&self.dir) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
            Err(e) => Err(e).with_context(|| format!("{} cannot be used", self.dir.display())),
        }
    }

    fn prepare(&self, erps: &Erps) -> anyhow::Result<()> {
        let vault = FileVault::new(&self.dir, passphrase());
        let fields = [
            (SECRET, ["username", "password"], [erps.user.as_str(), &erps.password]),
            (PEOPLESOFT_SECRET, ["username", "password"], [&erps.peoplesoft.user, &erps.peoplesoft.password]),
            (LOOKER_SECRET, ["client_id", "client_secret"], [CLIENT_ID, CLIENT_SECRET]),
        ];
        #[cfg(feature = "databricks")]
        let fields = {
            use crate::simulated::databricks::{CLIENT_ID, CLIENT_SECRET};
            let databricks = (DATABRICKS_SECRET, ["client_id", "client_secret"], [CLIENT_ID, CLIENT_SECRET]);
            fields.into_iter().chain([databricks])
        };
        for (secret, names, values) in fields {
            for (name, value) in names.into_iter().zip(values) {
                vault.set(secret, name, value)?;
            }
        }
        self.write(erps, None)
    }

    /// Starts the simulated Looker over the warehouse, and names it in the tenant file.
    async fn start_looker(&self, erps: &Erps, receiver: Receiver) -> anyhow::Result<Simulated> {
        let config = config::load(Some(&self.config))?;
        let simulated = Simulated::start(&config, &self.warehouse, 0, receiver).await?;
        let (url, receiver) = (simulated.looker.url(), simulated.receiver.url());
        self.write(erps, Some(LookerBlock { url: &url, secret: LOOKER_SECRET, receiver: &receiver }))?;
        Ok(simulated)
    }

    fn write(&self, erps: &Erps, looker: Option<LookerBlock<'_>>) -> anyhow::Result<()> {
        let (url, peoplesoft) = (erps.jde.base_url(), Some(erps.peoplesoft.block(PEOPLESOFT_SECRET)));
        #[cfg(feature = "databricks")]
        let databricks = Some(erps.databricks.block(DATABRICKS_SECRET));
        #[cfg(not(feature = "databricks"))]
        let databricks = None;
        let tenant =
            TenantFile { url: &url, secret: SECRET, warehouse: &self.warehouse, looker, peoplesoft, databricks };
        fs::write(&self.config, tenant.text()).with_context(|| format!("{} cannot be written", self.config.display()))
    }

    /// Commands that work once the demo has ended, as they can be typed.
    fn next_steps(&self, key: &str) -> Vec<String> {
        let program =
            std::env::args_os().next().map_or_else(|| "ml-connector".into(), |p| p.to_string_lossy().into_owned());
        let (program, config) = (quoted(&program), quoted(&self.config.display().to_string()));
        let prefix = format!("{program} --state {} --config {config}", quoted(&self.dir.display().to_string()));
        vec![
            String::new(),
            format!("the warehouse is the SQLite file {}", self.warehouse.display()),
            "look at what happened to a voided invoice, at what was refused, and at how far everything is:".to_owned(),
            format!("  {prefix} audit ap_invoices {}", quoted(key)),
            format!("  {prefix} rejects"),
            format!("  {prefix} status"),
        ]
    }
}

fn passphrase() -> Option<String> {
    let name = backend_embedded::PASSPHRASE_VARIABLE;
    backend_embedded::environment().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What comparing a sync key by key found.
#[derive(Debug, Serialize)]
struct Reconciled {
    sync: String,
    integration: String,
    compared: u64,
    differences: u64,
    agrees: bool,
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    rows: Rows,
    reconciled: Vec<Reconciled>,
    warehouse: PathBuf,
    state: PathBuf,
    config: PathBuf,
}

impl Shown {
    fn new(first: Rows, second: Rows, reconciled: Vec<Reconciled>, place: &Place) -> Self {
        let first_deliveries = first.deliveries;
        let syncs = first
            .syncs
            .into_iter()
            .map(|first| {
                let again =
                    second.syncs.iter().find(|row| row.sync == first.sync && row.integration == first.integration);
                match again {
                    Some(again) => first.followed_by(again),
                    None => first,
                }
            })
            .collect();
        Self {
            rows: Rows { syncs, deliveries: [first_deliveries, second.deliveries].concat() },
            reconciled,
            warehouse: place.warehouse.clone(),
            state: place.dir.clone(),
            config: place.config.clone(),
        }
    }

    /// Both runs of every sync succeeded, both sides agreed each time, and everything was delivered in the end.
    fn is_ok(&self) -> bool {
        // What goes back is read back record by record, and not counted.
        self.rows.syncs.iter().all(|row| row.is_ok() && row.agrees != Some(false))
            && self.rows.deliveries.iter().all(|delivery| delivery.state == "delivered")
            && self.reconciled.iter().all(|sync| sync.agrees)
    }
}

impl Answer for Shown {
    fn text(&self) -> String {
        self.rows.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_only_where_they_must_be() {
        assert_eq!(quoted("./target/release/ml-connector"), "./target/release/ml-connector");
        assert_eq!(quoted("7|PV"), "'7|PV'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn only_an_earlier_demo_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let demo = dir.path().join("demo");
        fs::create_dir(&demo).unwrap();
        fs::write(demo.join("thesis.txt"), "years of work").unwrap();
        assert!(Place::fresh(&demo).is_err());
        assert!(demo.join("thesis.txt").is_file());
        fs::write(demo.join(CONFIG), "").unwrap();
        Place::fresh(&demo).unwrap();
        assert!(!demo.exists());
    }
}
