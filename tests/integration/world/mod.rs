//! A small world for a test: a simulated JD Edwards that the test can change and break, a warehouse, a tenant file, and
//! the real program.

// The modules of this binary share the world; not each of them uses all of it.
#![allow(dead_code, unused_imports, reason = "each test module uses the part of the world that it needs")]

#[cfg(feature = "databricks")]
pub mod lakehouse;
pub mod ledger;
pub mod looker;
pub mod machine;
pub mod peoplesoft;
pub mod program;
pub mod proxy;
pub mod warehouse;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono_tz::Tz;
use sandbox::clock::Clock;
use sandbox::jde::changes::{self, Plan, Report};
use sandbox::jde::seed::{SeedOptions, ledger};
use sandbox::jde::{JdeSandbox, Settings, Tables, Value};
use sandbox::random::Random;
use tempfile::TempDir;

pub use ledger::{difference, stream, streams};
pub use program::{Ran, Running, example};
pub use warehouse::{Rows, Warehouse};

/// A tenant called `acme` with its source, its warehouse and its state directory.
pub struct World {
    /// The simulated ERP.
    pub jde: JdeSandbox,
    /// What is loaded to.
    pub warehouse: Warehouse,
    dir: TempDir,
    zone: Tz,
    settings: RefCell<Tenant>,
    environment: RefCell<BTreeMap<String, String>>,
    random: RefCell<Random>,
}

/// The parts of the tenant file that tests change.
struct Tenant {
    url: String,
    password: String,
    jde: BTreeMap<String, String>,
    syncs: BTreeMap<String, Vec<String>>,
    /// The connection of who is told, and what the integration says about it.
    consumer: [String; 2],
}

impl World {
    /// A few hundred records and a SQLite warehouse.
    pub fn new() -> Self {
        Self::with(Settings::default(), small_ledger())
    }

    /// These tables, served with these settings, and a SQLite warehouse.
    pub fn with(settings: Settings, tables: Tables) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::Sqlite(dir.path().join("data").join("warehouse.sqlite"));
        Self::build(settings, tables, Clock::system(), warehouse, dir)
    }

    /// These tables by this clock, and a SQLite warehouse.
    pub fn at(settings: Settings, tables: Tables, clock: Clock) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::Sqlite(dir.path().join("data").join("warehouse.sqlite"));
        Self::build(settings, tables, clock, warehouse, dir)
    }

    /// A few hundred records and this warehouse.
    pub fn into_warehouse(warehouse: Warehouse) -> Self {
        Self::with_warehouse(small_ledger(), warehouse)
    }

    /// These tables and this warehouse.
    pub fn with_warehouse(tables: Tables, warehouse: Warehouse) -> Self {
        Self::build(Settings::default(), tables, Clock::system(), warehouse, tempfile::tempdir().unwrap())
    }

    /// These tables, served with these settings, and this warehouse.
    pub fn serving(settings: Settings, tables: Tables, warehouse: Warehouse) -> Self {
        Self::build(settings, tables, Clock::system(), warehouse, tempfile::tempdir().unwrap())
    }

    fn build(settings: Settings, tables: Tables, clock: Clock, warehouse: Warehouse, dir: TempDir) -> Self {
        let (zone, password) = (settings.zone, settings.users[0].1.clone());
        let jde = block_on(JdeSandbox::start(settings, clock, tables)).unwrap();
        let tenant = Tenant {
            url: jde.base_url(),
            password,
            jde: BTreeMap::new(),
            syncs: BTreeMap::new(),
            consumer: Default::default(),
        };
        let world = Self {
            jde,
            warehouse,
            dir,
            zone,
            settings: RefCell::new(tenant),
            environment: RefCell::default(),
            random: RefCell::new(Random::new(7)),
        };
        world.write_tenant();
        world
    }

    /// Where the world's files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.dir().join("state")
    }

    /// The tenant file.
    pub fn tenant_file(&self) -> PathBuf {
        self.dir().join("acme.yaml")
    }

    /// Adds or changes a setting of the JD Edwards connection.
    pub fn jde_setting(&self, name: &str, value: &str) {
        self.settings.borrow_mut().jde.insert(name.to_owned(), value.to_owned());
        self.write_tenant();
    }

    /// Reads from another address.
    pub fn jde_url(&self, url: &str) {
        url.clone_into(&mut self.settings.borrow_mut().url);
        self.write_tenant();
    }

    /// The password that the program finds in its environment; empty for none.
    pub fn password(&self, password: &str) {
        password.clone_into(&mut self.settings.borrow_mut().password);
    }

    /// A variable in the environment of every command from now on.
    pub fn env(&self, name: &str, value: &str) {
        self.environment.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// Adds a line to a sync of the tenant file, such as `page_size: 5`.
    pub fn sync_setting(&self, sync: &str, line: &str) {
        self.settings.borrow_mut().syncs.entry(sync.to_owned()).or_default().push(line.to_owned());
        self.write_tenant();
    }

    /// Names who is told: lines of `connections`, and of the integration.
    pub fn consumer(&self, connection: String, integration: String) {
        self.settings.borrow_mut().consumer = [connection, integration];
        self.write_tenant();
    }

    /// Switches every sync off but these.
    pub fn only(&self, wanted: &[&str]) {
        for stream in streams().iter().filter(|stream| !wanted.contains(&stream.name.as_str())) {
            self.sync_setting(&stream.name, "enabled: false");
        }
    }

    fn write_tenant(&self) {
        fs::write(self.tenant_file(), self.tenant_text()).unwrap();
    }

    /// The tenant file as it stands.
    pub fn tenant_text(&self) -> String {
        let tenant = self.settings.borrow();
        let mut jde = BTreeMap::from([("url", tenant.url.as_str()), ("secret", "jde"), ("zone", self.zone.name())]);
        jde.extend(tenant.jde.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let jde: String = jde.iter().map(|(name, value)| format!("      {name}: {value}\n")).collect();
        let mut text = format!(
            "connections:\n  erp:\n    jde:\n{jde}  warehouse:\n{}{}integrations:\n  jde-looker:\n    source: erp\n    \
             destination: warehouse\n{}",
            self.warehouse.settings(),
            tenant.consumer[0],
            tenant.consumer[1]
        );
        if !tenant.syncs.is_empty() {
            text.push_str("    syncs:\n");
        }
        for (sync, lines) in &tenant.syncs {
            text.push_str(&format!("      {sync}:\n"));
            text.extend(lines.iter().map(|line| format!("        {line}\n")));
        }
        text
    }

    /// The program with these words, ready to be started in this world.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program::program());
        command.args(words).current_dir(self.dir()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ML_CONNECTOR_") {
                command.env_remove(name);
            }
        }
        let tenant = self.settings.borrow();
        command
            .env("ML_CONNECTOR_CONFIG", self.tenant_file())
            .env("ML_CONNECTOR_STATE", self.state())
            .env("ML_CONNECTOR_SECRET_JDE_USERNAME", "SVCREAD")
            .env("ML_CONNECTOR_SECRET_JDE_PASSWORD", &tenant.password)
            .envs(self.warehouse.environment())
            .envs(self.environment.borrow().iter());
        command
    }

    /// Starts the program and does not wait for it.
    pub fn start(&self, words: &[&str]) -> Running {
        Running::start(self.command(words))
    }

    /// Runs the program to its end.
    pub fn cli(&self, words: &[&str]) -> Ran {
        self.start(words).end()
    }

    /// Changes a table of the simulator.
    pub fn table<T>(&self, name: &str, work: impl FnOnce(&mut sandbox::jde::Table) -> T) -> T {
        self.jde.with_tables(|tables| work(tables.get_mut(name).unwrap()))
    }

    /// Lets a month-end happen at the source.
    pub fn month_end(&self, plan: &Plan) -> Report {
        let mut random = self.random.borrow_mut();
        self.jde
            .with_tables(|tables| changes::month_end(tables, self.jde.clock(), self.zone, &mut random, plan))
            .unwrap()
    }

    /// Mends the bad invoice of a month-end at the source.
    pub fn mend(&self, bad: &changes::Key) {
        assert!(self.jde.with_tables(|tables| changes::mend(tables, self.jde.clock(), self.zone, bad)).unwrap());
    }

    /// Delivers the header that the early line of a month-end waits for.
    pub fn deliver_header(&self, line: &changes::Key) {
        self.jde.with_tables(|tables| changes::deliver_header(tables, self.jde.clock(), self.zone, line)).unwrap();
    }

    /// Changes columns of a record at the source, stamped now.
    pub fn touch(&self, table: &str, key: &[String], cells: &[(&str, Value)]) {
        let now = self.jde.clock().now();
        assert!(self.table(table, |table| changes::touch(table, key, now, self.zone, cells)).unwrap(), "{key:?}");
    }

    /// The key of the `n`-th row of a table.
    pub fn key(&self, table: &str, n: usize) -> changes::Key {
        self.table(table, |table| table.nth(n).unwrap().key())
    }

    /// How many rows a table of the simulator holds.
    pub fn len(&self, table: &str) -> usize {
        self.table(table, |table| table.len())
    }

    /// What the warehouse holds of a stream, in the form of [`World::expected`].
    pub fn loaded(&self, name: &str) -> Rows {
        stream(name).canonical(self.warehouse.records(name))
    }

    /// What it has to hold when nothing is rejected or waits.
    pub fn expected(&self, name: &str) -> Rows {
        self.jde.with_tables(|tables| stream(name).expected(tables, self.zone))
    }

    /// Fails the test unless the warehouse holds exactly what the source does, every column of every record, but for
    /// `except`: keys of the stream that are rejected or wait.
    #[track_caller]
    pub fn agrees_except(&self, name: &str, except: &[String]) {
        let mut expected = self.expected(name);
        for key in except {
            assert!(expected.remove(key).is_some(), "{key} is no record of {name}");
        }
        let difference = difference(&expected, &self.loaded(name));
        assert!(difference.is_empty(), "{name} differs:\n{difference}");
    }

    /// As [`World::agrees_except`] for every stream, with nothing excepted.
    #[track_caller]
    pub fn agrees(&self) {
        for stream in streams() {
            self.agrees_except(&stream.name, &[]);
        }
    }
}

/// A key of the source as the product writes it. The simulator's keys are written the same, but for blanks.
pub fn record_key(key: &[String]) -> String {
    key.iter().map(|part| part.trim()).collect::<Vec<_>>().join("|")
}

/// A ledger of a few hundred records as of today, the same every time.
pub fn small_ledger() -> Tables {
    seeded(200, 40, 30)
}

/// A ledger of this size as of today.
pub fn seeded(invoices: usize, purchase_orders: usize, suppliers: usize) -> Tables {
    let today = Clock::system().now().date_naive();
    let options = SeedOptions { invoices, purchase_orders, suppliers, details: false, ..SeedOptions::new(today) };
    ledger(&options).unwrap()
}

/// Waits for a future outside of any runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Says that a test, or a part of it, was left out and why.
pub fn left_out(what: &str, why: &str) {
    // Straight to stderr: the test runner swallows what passing tests print through the macros.
    let line = format!("LEFT OUT {what}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
