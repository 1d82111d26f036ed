//! Published rows of others, served as JD Edwards tables by `ml-connector sandbox --seed`, moved by the program, and compared
//! with the figures of another program (`figures.py`) to the cent.
//!
//! The files are not part of the project: they are looked for in `ML_CONNECTOR_SHARED_DATA` and in `../shared/data` beside
//! it. They name suppliers, some of them people, so nothing here prints a row.

mod peoplesoft;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use connectors::looker::Looker;
use connectors::registry::ConnectionSettings;
use engine::model::id::TenantId;
use engine::model::totals::GroupBy;
use engine::plan::Plans;
use engine::ports::{Consumer, Secret, SystemClock};
use sandbox::looker::{Account, LookerSandbox, Project};
use serde_json::{Value as Json, json};

use crate::world::looker::MODEL;
use crate::world::program::program;
use crate::world::{Ran, Rows, Running, Warehouse, block_on, left_out};

/// The API key of the Looker that `sandbox` starts.
const LOOKER_KEY: [&str; 2] = ["sandboxclient", "sandboxsecret"];

/// Invoice lines as the AP ledger, with the address book and the business units that they name.
const INVOICES: &str = "F0411.DOC=Document No.,F0411.DCT='PV',F0411.KCO='00001',F0411.SFX=seq():pad(3),F0411.CO='00001',\
    F0411.AN8=Address Book No.,F0411.VINV=Invoice No.,F0411.AG=Invoiced Value,F0411.AAP=Invoiced Value,\
    F0411.MCU=Business Unit No.,F0411.OBJ=Expense Code,F0411.DGJ=GL Date:date(%Y-%m-%d),\
    F0411.RMK=Thomson Classification Description,\
    F0101.AN8=Address Book No.,F0101.ALPH=Supplier Name,F0101.AT1='V',F0101.*=first,\
    F0006.MCU=Business Unit No.,F0006.DL01=Business Unit Description,F0006.CO='00001',F0006.*=first";

/// Order lines, each with the header that it needs. Some columns hold words where a number or a date belongs.
const ORDER_LINES: &str = "F4301.DOCO=PO / SO #:digits,F4301.DCTO=PO / SO #:first(2),F4301.KCOO='00001',F4301.SFXO='000',\
    F4301.OTOT='0',F4301.*=first,\
    F4311.DOCO=PO / SO #:digits,F4311.DCTO=PO / SO #:first(2),F4311.KCOO='00001',F4311.SFXO='000',F4311.LNID=seq(),\
    F4311.CO='00001',F4311.UORG=Line Item Quantity,F4311.PRRC=Unit Price,F4311.AEXP=Line Item Value,F4311.AOPN='0',\
    F4311.AREC=Freight Cost (USD),F4311.TRDJ=PO Sent to Vendor Date:date(%m/%d/%y),\
    F4311.PDDJ=Scheduled Delivery Date:date(%d-%b-%y),F4311.ADDJ=Delivered to Client Date:date(%d-%b-%y),\
    F4311.DSC1=Item Description:first(30),F4311.DSC2=Country,F4311.LOTN=Product Group,F4311.OMCU=Project Code";

/// A column whose values say which group a record belongs to, and how much of the value counts.
struct Group {
    name: &'static str,
    column: &'static str,
    length: usize,
}

const fn group(name: &'static str, column: &'static str, length: usize) -> Group {
    Group { name, column, length }
}

#[test]
fn invoices_of_a_city_agree_to_the_cent() {
    let groups = [
        group("business_unit", "business_unit", 20),
        group("supplier", "supplier_number", 20),
        group("month", "gl_date", 7),
    ];
    for warehouse in warehouses("real invoices into PostgreSQL") {
        let Some(served) = Served::start("sheffield_ap_invoices", INVOICES, warehouse) else { return };
        let ran = served.run(&["suppliers", "cost_centers", "ap_invoices"]).ok();
        looker_agreed(&ran);
        assert_eq!(ran.json()["deliveries"][0]["state"], "delivered", "the report arrived");
        let figures = figures("invoices", &served.csv);
        assert_eq!(figures["rows"], 44_109);
        served.agrees(&figures, "ap_invoices", "gross_amount", &groups);
        served.looker_agrees(&figures, "ap_invoices", "gross_amount", &groups, 5_000);
        // More groups than an answer may have: asked for in slices.
        assert!(figures["supplier"].as_object().unwrap().len() > 1_000);
        served.looker_agrees(&figures, "ap_invoices", "gross_amount", &groups, 1_000);
        let suppliers = figures["supplier"].as_object().unwrap().len();
        assert_eq!(served.warehouse.records("suppliers").len(), suppliers);
    }
}

#[test]
fn order_lines_of_an_agency_agree_and_what_does_not_fit_is_listed() {
    let groups = [
        group("project", "project", 20),
        group("country", "description_2", 40),
        group("product_group", "lot", 20),
        group("month", "received_date", 7),
    ];
    for warehouse in warehouses("real order lines into PostgreSQL") {
        let Some(served) = Served::start("usaid_scms_po_lines", ORDER_LINES, warehouse) else { return };
        looker_agreed(&served.run(&["purchase_orders", "purchase_order_lines"]).ok());
        let figures = figures("order_lines", &served.csv);
        assert_eq!(figures["rows"], 10_324);
        served.agrees(&figures, "purchase_order_lines", "extended_amount", &groups);
        served.looker_agrees(&figures, "purchase_order_lines", "extended_amount", &groups, 5_000);
    }
}

/// SQLite always, PostgreSQL where there is one.
fn warehouses(what: &str) -> Vec<Option<Warehouse>> {
    let postgres = Warehouse::postgres();
    if postgres.is_none() {
        left_out(what, "ML_CONNECTOR_TEST_POSTGRES names no server");
    }
    [None].into_iter().chain(postgres.map(Some)).collect()
}

/// A published file that `ml-connector sandbox` serves, a warehouse for it, and a Looker over that.
struct Served {
    dir: tempfile::TempDir,
    csv: PathBuf,
    warehouse: Warehouse,
    /// The one over PostgreSQL: that of `sandbox` shows its SQLite file.
    _looker: Option<LookerSandbox>,
    _sandbox: Running,
}

impl Served {
    /// Serves the file; nothing when it is not there.
    fn start(name: &str, map: &str, warehouse: Option<Warehouse>) -> Option<Self> {
        let Some(packed) = find(&format!("{name}.csv.gz")) else {
            left_out(name, "the file is neither in ML_CONNECTOR_SHARED_DATA nor in ../shared/data");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let csv = dir.path().join(format!("{name}.csv"));
        let unpacked = Command::new("gzip").arg("-dc").arg(packed).stdout(fs::File::create(&csv).unwrap()).status();
        assert!(unpacked.unwrap().success());

        let mut sandbox = Command::new(program());
        sandbox.current_dir(dir.path()).args(["sandbox", "--port", "0", "--looker-port", "0"]);
        sandbox.args(["--write-config", "acme.yaml", "--seed"]).arg(&csv).args(["--map", map]);
        let mut sandbox = Running::start(sandbox);
        sandbox.says("Ctrl-C ends it");

        let warehouse = warehouse.unwrap_or_else(|| Warehouse::Sqlite(dir.path().join("acme-warehouse.sqlite")));
        let tenant = dir.path().join("acme.yaml");
        let text = fs::read_to_string(&tenant).unwrap();
        fs::write(&tenant, with_warehouse(&text, &warehouse)).unwrap();
        let mut served = Self { dir, csv, warehouse, _looker: None, _sandbox: sandbox };
        if matches!(served.warehouse, Warehouse::Postgres(_)) {
            served.start_looker();
        }
        Some(served)
    }

    /// A Looker over the warehouse takes the place of the one in the tenant file.
    fn start_looker(&mut self) {
        self.cli(&["lookml", "--out", "looker"]).ok();
        let report = json!({
            "model": MODEL, "view": "ap_invoices", "fields": ["suppliers.name", "ap_invoices.count"], "limit": "20",
        });
        let looker = LookerSandbox::builder()
            .account(Account::admin(LOOKER_KEY[0], LOOKER_KEY[1]))
            .project(Project::read(&self.dir.path().join("looker")).unwrap())
            .connection("warehouse", self.warehouse.behind_looker())
            .look("1", "Open payables by supplier", report);
        let looker = block_on(looker.start()).unwrap();
        let (path, text) = self.tenant();
        let (before, rest) = text.split_once("    looker:\n      url: ").unwrap();
        let (_, after) = rest.split_once('\n').unwrap();
        fs::write(path, format!("{before}    looker:\n      url: {}\n{after}", looker.url())).unwrap();
        self._looker = Some(looker);
    }

    /// The tenant file and its text.
    fn tenant(&self) -> (PathBuf, String) {
        let path = self.dir.path().join("acme.yaml");
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    }

    fn cli(&self, words: &[&str]) -> Ran {
        let mut command = Command::new(program());
        command.args(words).args(["--config", "acme.yaml"]).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("ML_CONNECTOR_SECRET_ACME_JDE_USERNAME", "SVCREAD");
        command.env("ML_CONNECTOR_SECRET_ACME_JDE_PASSWORD", "secret");
        command.env("ML_CONNECTOR_SECRET_ACME_LOOKER_CLIENT_ID", LOOKER_KEY[0]);
        command.env("ML_CONNECTOR_SECRET_ACME_LOOKER_CLIENT_SECRET", LOOKER_KEY[1]);
        if let Warehouse::Postgres(postgres) = &self.warehouse {
            command.env("ML_CONNECTOR_SECRET_WAREHOUSE_PASSWORD", postgres.password.as_deref().unwrap_or_default());
        }
        Running::start(command).end()
    }

    fn run(&self, syncs: &[&str]) -> Ran {
        self.cli(&[&["run", "--json"], syncs].concat())
    }

    /// Fails the test unless every row of the file is in the table or among the rejects, and both are what the figures say.
    fn agrees(&self, figures: &Json, sync: &str, amount: &str, groups: &[Group]) {
        let records = self.warehouse.records(sync);
        assert_eq!(figures["fit"], records.len());
        for group in groups {
            same(&sums(&records, group, amount), figures, group);
        }
        let rejects = self.cli(&["rejects", sync, "--limit", "0", "--json"]).ok().json();
        let listed = rejects["rejects"].as_array().unwrap();
        assert!(listed.iter().all(|reject| !reject["reason"].as_str().unwrap().is_empty()));
        let ours: BTreeSet<String> = listed.iter().map(|reject| plain_key(reject["key"].as_str().unwrap())).collect();
        let theirs: BTreeSet<String> =
            figures["rejects"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
        let (missing, extra) = (theirs.difference(&ours).count(), ours.difference(&theirs).count());
        assert_eq!((missing, extra), (0, 0), "rejects: {missing} are missing, {extra} are too many");
        assert_eq!(rejects["records"], theirs.len());
    }

    /// Fails the test unless Looker itself counts and sums as the figures say, asked through the connector for at most
    /// `row_limit` rows at once.
    fn looker_agrees(&self, figures: &Json, sync: &str, amount: &str, groups: &[Group], row_limit: usize) {
        let config = ml_connector::config::read(TenantId::new("acme"), "acme.yaml", &self.tenant().1).unwrap();
        let ConnectionSettings::Looker(settings) = &config.file.tenant.connections["looker"] else { unreachable!() };
        let settings = connectors::looker::LookerSettings { row_limit, ..settings.clone() };
        let plan = config.plans.plan(&format!("acme/jde-looker/{sync}").parse().unwrap()).unwrap();
        let key = ["client_id", "client_secret"].map(str::to_owned).into_iter().zip(LOOKER_KEY.map(str::to_owned));
        let secret = Secret::new(key.collect());
        let looker = Looker::open(settings, &secret, BTreeMap::new(), Arc::new(SystemClock::new())).unwrap();
        block_on(async {
            for group in groups {
                let by = match group.length {
                    7 => GroupBy::Month(group.column.to_owned()),
                    _ => GroupBy::Value(group.column.to_owned()),
                };
                let totals = looker.totals(&plan.table, &by, &[amount]).await.unwrap().unwrap();
                let ours = totals.into_iter().map(|total| {
                    let sum = total.sums[0].map_or(0, |sum| exact(&sum.to_string()));
                    (total.group.unwrap_or_default(), (total.records, sum))
                });
                same(&ours.collect(), figures, group);
            }
            looker.close().await;
        });
    }
}

/// Fails the test unless Looker showed what was loaded: then no run has a warning.
fn looker_agreed(ran: &Ran) {
    let warned = ran.json()["syncs"].as_array().unwrap().iter().filter(|row| row["warnings"] != json!([])).count();
    assert_eq!(warned, 0, "{warned} syncs warn: {}", ran.stderr);
}

/// Fails the test unless these groups are the ones of the figures.
fn same(ours: &BTreeMap<String, (u64, i128)>, figures: &Json, group: &Group) {
    let theirs: BTreeMap<String, (u64, i128)> = figures[group.name]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, pair)| (name.clone(), (pair[0].as_u64().unwrap(), exact(pair[1].as_str().unwrap()))))
        .collect();
    let differ = theirs.keys().chain(ours.keys()).filter(|name| ours.get(*name) != theirs.get(*name)).count();
    assert_eq!(differ, 0, "{differ} of {} groups by {} differ", theirs.len(), group.name);
}

/// A file of published rows, where somebody has laid it.
fn find(file: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let named = std::env::var_os("ML_CONNECTOR_SHARED_DATA").map(PathBuf::from);
    named.into_iter().chain([beside]).map(|dir| dir.join(file)).find(|path| path.exists())
}

/// What the other program says about the file.
fn figures(kind: &str, csv: &Path) -> Json {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("real_rows/figures.py");
    let ran = Command::new("python3").arg(script).arg(kind).arg(csv).output().expect("these tests need python3");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// The tenant file with another warehouse: one changed block.
fn with_warehouse(tenant: &str, warehouse: &Warehouse) -> String {
    let mut text = String::new();
    let mut skip = false;
    for line in tenant.lines() {
        if line.trim_end() == "  warehouse:" {
            text.push_str(&format!("{line}\n{}", warehouse.settings()));
            skip = true;
        } else if !skip || !line.starts_with("    ") {
            skip = false;
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

fn sums(records: &Rows, group: &Group, amount: &str) -> BTreeMap<String, (u64, i128)> {
    let mut sums = BTreeMap::<String, (u64, i128)>::new();
    for record in records.values() {
        let name: String = record[group.column].chars().take(group.length).collect();
        let sum = sums.entry(name).or_default();
        sum.0 += 1;
        sum.1 += exact(&record[amount]);
    }
    sums
}

/// An amount in units of its sixth decimal.
fn exact(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 6, "{text}");
    format!("{whole}{fraction:0<6}").parse().unwrap()
}

/// A key without the scale of its decimals: `7|SO|00001|000|1` for `7|SO|00001|000|1.000`.
fn plain_key(key: &str) -> String {
    key.strip_suffix(".000").unwrap_or(key).to_owned()
}
