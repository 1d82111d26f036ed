//! A PeopleSoft in a world of its own: simulated, with the queries that the program prints, a warehouse, a tenant file. What
//! the warehouse has to hold is worked out from the records and the shipped blueprint alone, without query and mapping.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::{NaiveDateTime, SecondsFormat, SubsecRound, TimeZone, Utc};
use chrono_tz::Tz;
use ml_connector::simulated::peoplesoft::serve;
use sandbox::clock::Clock;
use sandbox::peoplesoft::changes::Clerk;
use sandbox::peoplesoft::seed::{SeedOptions, site};
use sandbox::peoplesoft::{Calls, PeopleSoftSandbox, Record, Records, Row, Settings};
use sandbox::random::Random;
use tempfile::TempDir;

use super::ledger::{self, Column, Stream, decimal};
use super::program;
use super::{Ran, Rows, Running, Warehouse, block_on, difference};

const BLUEPRINT: &str = include_str!("../../../shared/integrations/peoplesoft-looker.yaml");

/// The record behind a query; where it takes its stamp from a header, that; and whether only what is in effect counts.
const QUERIES: [(&str, &str, Option<&str>, bool); 11] = [
    ("ML_GL_ACCOUNT", "GL_ACCOUNT_TBL", None, true),
    ("ML_VENDOR", "VENDOR", None, false),
    ("ML_VENDOR_ADDR", "VENDOR_ADDR", None, true),
    ("ML_PO_HDR", "PO_HDR", None, false),
    ("ML_PO_LINE", "PO_LINE", Some("PO_HDR"), false),
    ("ML_PO_SHIP", "PO_LINE_SHIP", Some("PO_HDR"), false),
    ("ML_VOUCHER", "VOUCHER", None, false),
    ("ML_VOUCHER_LINE", "VOUCHER_LINE", Some("VOUCHER"), false),
    ("ML_VCHR_PYMNT", "PYMNT_VCHR_XREF", None, false),
    ("ML_PAYMENT", "PAYMENT_TBL", None, false),
    ("ML_PAY_CHECK", "PAY_CHECK", None, false),
];

/// The streams that run unless they are switched on.
pub fn streams() -> Vec<Stream> {
    ledger::read(BLUEPRINT).into_iter().filter(|stream| stream.name != "pay_checks").collect()
}

/// The stream of that name.
pub fn stream(name: &str) -> Stream {
    ledger::read(BLUEPRINT).into_iter().find(|stream| stream.name == name).unwrap()
}

/// Calls that run a query.
pub fn pages(query: &str) -> Calls {
    Calls::to(&format!("/{query}/"))
}

/// A tenant called `acme` with a simulated PeopleSoft, its warehouse and its state directory.
pub struct Site {
    /// The simulated ERP.
    pub erp: PeopleSoftSandbox,
    /// What is loaded to.
    pub warehouse: Warehouse,
    dir: TempDir,
    zone: Tz,
    connection: RefCell<BTreeMap<String, String>>,
    syncs: RefCell<BTreeMap<String, Vec<String>>>,
    /// The connection of who is told, and what the integration says about it.
    consumer: RefCell<[String; 2]>,
    integration: RefCell<String>,
    environment: RefCell<BTreeMap<String, String>>,
    random: RefCell<Random>,
}

impl Site {
    /// A few hundred records in Chicago and a SQLite warehouse.
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// The same, served with these settings but for the zone.
    pub fn with(settings: Settings) -> Self {
        Self::seeded(settings, 120)
    }

    /// So many vouchers and the rest in proportion.
    pub fn seeded(settings: Settings, vouchers: usize) -> Self {
        let settings = Settings { zone: Tz::America__Chicago, ..settings };
        let records = small(settings.zone, vouchers);
        Self::build(settings, records, None)
    }

    /// A few hundred records and this warehouse.
    pub fn into_warehouse(warehouse: Warehouse) -> Self {
        let settings = Settings { zone: Tz::America__Chicago, ..Settings::default() };
        let records = small(settings.zone, 120);
        Self::build(settings, records, Some(warehouse))
    }

    /// These records, served with these settings.
    pub fn build(settings: Settings, records: Records, warehouse: Option<Warehouse>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let warehouse = warehouse.unwrap_or_else(|| Warehouse::Sqlite(dir.path().join("warehouse.sqlite")));
        let zone = settings.zone;
        let erp = block_on(serve(settings, Clock::system(), records)).unwrap();
        let connection = [
            ("url", erp.base_url()),
            ("node", "PSFT_EP".to_owned()),
            ("secret", "peoplesoft".to_owned()),
            ("zone", zone.name().to_owned()),
            ("setids", "[EURO1, SHARE]".to_owned()),
        ];
        let connection = connection.map(|(name, value)| (name.to_owned(), value));
        let environment =
            [("USERNAME", "CXUSER"), ("PASSWORD", "secret")].map(|(name, value)| (secret(name), value.to_owned()));
        let site = Self {
            erp,
            warehouse,
            dir,
            zone,
            connection: RefCell::new(connection.into()),
            syncs: RefCell::default(),
            consumer: RefCell::default(),
            integration: RefCell::new("peoplesoft-looker".to_owned()),
            environment: RefCell::new(environment.into()),
            random: RefCell::new(Random::new(7)),
        };
        site.write_tenant();
        site
    }

    /// Where the world's files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The tenant file.
    pub fn tenant_file(&self) -> PathBuf {
        self.dir().join("acme.yaml")
    }

    /// Adds or changes a setting of the connection.
    pub fn setting(&self, name: &str, value: &str) {
        self.connection.borrow_mut().insert(name.to_owned(), value.to_owned());
        self.write_tenant();
    }

    /// Adds a line to a sync of the tenant file.
    pub fn sync_setting(&self, sync: &str, line: &str) {
        self.syncs.borrow_mut().entry(sync.to_owned()).or_default().push(line.to_owned());
        self.write_tenant();
    }

    /// Switches every sync off but these.
    pub fn only(&self, wanted: &[&str]) {
        for stream in streams().iter().filter(|stream| !wanted.contains(&stream.name.as_str())) {
            self.sync_setting(&stream.name, "enabled: false");
        }
    }

    /// A field of the connection's secret, as the program finds it in its environment.
    pub fn secret(&self, field: &str, value: &str) {
        self.env(&secret(&field.to_uppercase()), value);
    }

    /// Another integration than `peoplesoft-looker`.
    pub fn integration(&self, name: &str) {
        name.clone_into(&mut self.integration.borrow_mut());
        self.write_tenant();
    }

    /// Names who is told: lines of `connections`, and of the integration.
    pub fn consumer(&self, connection: String, integration: String) {
        *self.consumer.borrow_mut() = [connection, integration];
        self.write_tenant();
    }

    /// A variable in the environment of every command from now on.
    pub fn env(&self, name: &str, value: &str) {
        self.environment.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    fn write_tenant(&self) {
        let connection: String =
            self.connection.borrow().iter().map(|(name, value)| format!("      {name}: {value}\n")).collect();
        let consumer = self.consumer.borrow();
        let mut text = format!(
            "connections:\n  erp:\n    peoplesoft:\n{connection}  warehouse:\n{}{}integrations:\n  {}:\n    \
             source: erp\n    destination: warehouse\n{}",
            self.warehouse.settings(),
            consumer[0],
            self.integration.borrow(),
            consumer[1]
        );
        let syncs = self.syncs.borrow();
        if !syncs.is_empty() {
            text.push_str("    syncs:\n");
        }
        for (sync, lines) in &*syncs {
            text.push_str(&format!("      {sync}:\n"));
            text.extend(lines.iter().map(|line| format!("        {line}\n")));
        }
        fs::write(self.tenant_file(), text).unwrap();
    }

    /// Starts the program and does not wait for it.
    pub fn start(&self, words: &[&str]) -> Running {
        let mut command = Command::new(program::program());
        command.args(words).current_dir(self.dir()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ML_CONNECTOR_")) {
            command.env_remove(name);
        }
        command
            .env("ML_CONNECTOR_CONFIG", self.tenant_file())
            .env("ML_CONNECTOR_STATE", self.dir().join("state"))
            .envs(self.warehouse.environment())
            .envs(self.environment.borrow().iter());
        Running::start(command)
    }

    /// Runs the program to its end.
    pub fn cli(&self, words: &[&str]) -> Ran {
        self.start(words).end()
    }

    /// Lets somebody change vouchers at the source, now. Stamps have whole seconds, as some answers show no others.
    pub fn clerk<T>(&self, work: impl FnOnce(&mut Clerk<'_>) -> T) -> T {
        let mut random = self.random.borrow_mut();
        let now = self.erp.clock().now().trunc_subsecs(0);
        self.erp.with_records(|records| work(&mut Clerk::new(records, now, self.zone, &mut random)))
    }

    /// Looks at or changes a record of the simulator.
    pub fn record<T>(&self, name: &str, work: impl FnOnce(&mut Record) -> T) -> T {
        self.erp.with_records(|records| work(records.change(name).unwrap()))
    }

    /// The key of the `n`-th row of a record.
    pub fn key(&self, record: &str, n: usize) -> Vec<String> {
        self.record(record, |record| record.rows().nth(n).unwrap().key())
    }

    /// How often a query was run.
    pub fn count_calls(&self, query: &str) -> usize {
        self.erp.count_calls(&format!("/{query}/"))
    }

    /// What the warehouse holds of a stream, in the form of [`Site::expected`].
    pub fn loaded(&self, name: &str) -> Rows {
        stream(name).canonical(self.warehouse.records(name))
    }

    /// What it has to hold when nothing is rejected or waits.
    pub fn expected(&self, name: &str) -> Rows {
        let stream = stream(name);
        let (_, record, header, dated) = *QUERIES.iter().find(|(query, ..)| *query == stream.object).unwrap();
        self.erp.with_records(|records| {
            let rows = records.get(record).unwrap();
            let header = header.map(|header| records.get(header).unwrap());
            let rows = rows.rows().map(|row| join(header, row)).filter(|row| row.text("VOUCHER_STYLE") != "TMPL");
            let now = self.erp.clock().now();
            let today = now.with_timezone(&self.zone).date_naive().to_string();
            // A later row of the same key takes the place of the one before it.
            let in_effect = rows.filter(|row| !dated || row.text("EFFDT") <= today);
            in_effect
                .map(|row| (stream.columns.iter().filter_map(|column| self.cell(column, &row))).collect())
                .map(|record: BTreeMap<String, String>| (stream.key(&record), record))
                .collect()
        })
    }

    fn cell(&self, column: &Column, row: &Joined<'_>) -> Option<(String, String)> {
        let text = match column.from.first() {
            Some(field) => row.text(field),
            None if matches!(row.text("PYMNT_SELCT_STATUS").as_str(), "N" | "R" | "I") => row.text("PYMNT_GROSS_AMT"),
            None => "0".to_owned(),
        };
        let value = match column.kind.as_str() {
            "date" | "boolean" if text.is_empty() => None,
            "boolean" => Some((text == "Y").to_string()),
            "timestamp" => instant(&text, self.zone),
            kind if kind.starts_with("decimal") => Some(decimal(&text)),
            _ if column.blank_is_null && text.is_empty() => None,
            _ => Some(text),
        };
        Some((column.name.clone(), value?))
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

    /// As [`Site::agrees_except`] for every stream, with nothing excepted.
    #[track_caller]
    pub fn agrees(&self) {
        for stream in streams() {
            self.agrees_except(&stream.name, &[]);
        }
    }
}

/// A row, and the row of its header.
struct Joined<'a> {
    row: Row<'a>,
    header: Option<Row<'a>>,
}

impl Joined<'_> {
    fn text(&self, field: &str) -> String {
        match (self.row.cell(field), &self.header) {
            (None, Some(header)) => header.text(field),
            _ => self.row.text(field),
        }
    }
}

fn join<'a>(header: Option<&'a Record>, row: Row<'a>) -> Joined<'a> {
    Joined { header: header.and_then(|header| parent(header, &row)), row }
}

/// The header of a line: its key is what the line's begins with.
fn parent<'a>(header: &'a Record, row: &Row<'_>) -> Option<Row<'a>> {
    let key = row.key();
    let key: Vec<&str> = key.iter().take(header.schema().key().len()).map(String::as_str).collect();
    header.get(&key).unwrap()
}

/// The records of a site with so many vouchers, as of today in its zone.
pub fn small(zone: Tz, vouchers: usize) -> Records {
    let today = Clock::system().now().with_timezone(&zone).date_naive();
    site(&SeedOptions::sized(vouchers, today)).unwrap()
}

fn secret(field: &str) -> String {
    format!("ML_CONNECTOR_SECRET_PEOPLESOFT_{field}")
}

/// The instant of a stamp by the wall clock of `zone`.
fn instant(text: &str, zone: Tz) -> Option<String> {
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d-%H.%M.%S%.f").ok()?;
    let at = zone.from_local_datetime(&local).earliest()?;
    Some(at.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
