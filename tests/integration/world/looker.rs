//! Looker in a world: simulated, over the world's warehouse, with the LookML that the program itself writes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use sandbox::clock::Clock;
use sandbox::looker::{self, Account, LookerSandbox, Project, Receiver, Settings};
use serde_json::{Value as Json, json};

use super::{Ran, Running, Warehouse, World, block_on, seeded};

/// The API user's key.
const CLIENT_ID: &str = "ApiUserOfAcme";

/// Its secret half, as it must never be read anywhere, and as it is sent.
const CLIENT_SECRET: [&str; 2] = ["l00ker+of/acme", "l00ker%2Bof%2Facme"];

/// The model that `lookml` writes.
pub const MODEL: &str = "jde_looker";

/// The id of the plan that is there, which is called `AP daily` and sends the Look 42 to the receiver.
pub const PLAN: u64 = 4711;

/// A world whose suppliers and invoices Looker shows. A report goes out when both are complete.
pub struct Looking {
    /// Where the records come from and go to.
    pub world: World,
    /// The simulated Looker; another one after LookML or the plan were changed.
    pub looker: LookerSandbox,
    /// Who gets the report.
    pub receiver: Receiver,
    served: Settings,
    clock: Clock,
    plan: Json,
    connection: BTreeMap<String, String>,
    delivery: String,
}

impl Looking {
    /// Over a SQLite warehouse.
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// A Looker of another kind.
    pub fn with(served: Settings) -> Self {
        Self::build(World::with(sandbox::jde::Settings::default(), seeded(60, 20, 15)), served, Clock::system())
    }

    /// A Looker whose clock is another one.
    pub fn at(clock: Clock) -> Self {
        let world = World::with(sandbox::jde::Settings::default(), seeded(60, 20, 15));
        Self::build(world, Settings::default(), clock)
    }

    /// Over this warehouse.
    pub fn into_warehouse(warehouse: Warehouse) -> Self {
        Self::build(World::with_warehouse(seeded(60, 20, 15), warehouse), Settings::default(), Clock::system())
    }

    fn build(world: World, served: Settings, clock: Clock) -> Self {
        world.only(&["suppliers", "ap_invoices"]);
        Self::all_of(world, served, clock)
    }

    /// A Looker that shows all that is switched on in this world.
    pub fn all_of(world: World, served: Settings, clock: Clock) -> Self {
        world.cli(&["lookml", "--out", "looker"]).ok();
        let receiver = block_on(Receiver::start()).unwrap();
        let plan = json!({
            "name": "AP daily",
            "look_id": "42",
            "crontab": "0 6 * * 1-5",
            "require_results": false,
            "require_no_results": false,
            "require_change": false,
            "scheduled_plan_destination": [
                {"type": "webhook", "address": receiver.url(), "format": "inline_json", "apply_formatting": false},
            ],
        });
        let looker = serve(&world, &served, &clock, &plan);
        let connection = BTreeMap::from([("secret".to_owned(), "looker".to_owned())]);
        let mut looking = Self { world, looker, receiver, served, clock, plan, connection, delivery: String::new() };
        looking.setting("model", MODEL);
        looking.client_secret(CLIENT_SECRET[0]);
        looking.world.env("ML_CONNECTOR_SECRET_LOOKER_CLIENT_ID", CLIENT_ID);
        looking.delivery("plan: AP daily");
        looking.at_its_address();
        looking
    }

    /// Changes a setting of the connection, such as `datagroup` to `{on_change: trigger}`.
    pub fn setting(&mut self, name: &str, value: &str) {
        self.connection.insert(name.to_owned(), value.to_owned());
        self.write();
    }

    /// The address where it really is.
    pub fn at_its_address(&mut self) {
        self.setting("url", &self.looker.url());
    }

    /// What the delivery `ap_daily` is besides what it waits for, such as `plan: AP daily`.
    pub fn delivery(&mut self, what: &str) {
        self.delivery = format!("ap_daily: {{{what}, after: [suppliers, ap_invoices]}}");
        self.write();
    }

    /// The secret half of the key that the program finds.
    pub fn client_secret(&self, secret: &str) {
        self.world.env("ML_CONNECTOR_SECRET_LOOKER_CLIENT_SECRET", secret);
    }

    /// The secret as a vault holds it.
    pub fn secret(&self) -> Json {
        json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET[0]})
    }

    /// The right one.
    pub fn right_client_secret(&self) {
        self.client_secret(CLIENT_SECRET[0]);
    }

    /// Changes a file of the LookML and deploys it.
    #[track_caller]
    pub fn edit(&mut self, file: &str, from: &str, to: &str) {
        let path = self.world.dir().join("looker").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(&path, text.replace(from, to)).unwrap();
        self.deploy();
    }

    /// Deploys the LookML as the program writes it.
    pub fn mend_lookml(&mut self) {
        self.world.cli(&["lookml", "--out", "looker"]).ok();
        self.deploy();
    }

    /// Gives the plan other members; null takes one away.
    pub fn plan(&mut self, members: Json) {
        for (member, value) in members.as_object().unwrap() {
            self.plan[member] = value.clone();
        }
        self.deploy();
    }

    /// Another Looker takes the place of this one, with the LookML and the plan as they are now.
    fn deploy(&mut self) {
        self.looker = serve(&self.world, &self.served, &self.clock, &self.plan);
        self.at_its_address();
    }

    fn write(&self) {
        let connection: String =
            self.connection.iter().map(|(name, value)| format!("      {name}: {value}\n")).collect();
        self.world.consumer(
            format!("  looker:\n    looker:\n{connection}"),
            format!("    consumer: looker\n    deliveries:\n      {}\n", self.delivery),
        );
    }

    /// Runs the program to its end. No secret may be in what it says.
    #[track_caller]
    pub fn cli(&self, words: &[&str]) -> Ran {
        kept_secret(self.world.cli(words))
    }

    /// Starts the program and does not wait for it.
    pub fn start(&self, words: &[&str]) -> Running {
        self.world.start(words)
    }

    /// Asks Looker itself, as an analyst's browser does.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &Json) -> Json {
        let form = format!("client_id={CLIENT_ID}&client_secret={}", CLIENT_SECRET[1]);
        let login = self.call("POST", "/login", "application/x-www-form-urlencoded", "", &form);
        let token = login["access_token"].as_str().unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.call(method, path, "application/json", token, &body);
        self.call("DELETE", "/logout", "application/json", token, "");
        answer
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, kind: &str, token: &str, body: &str) -> Json {
        let mut stream = TcpStream::connect(self.looker.address()).unwrap();
        write!(
            stream,
            "{method} /api/4.0{path} HTTP/1.1\r\nHost: looker\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        assert!(status.starts_with('2'), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap_or_default()
    }

    /// What a report shows now: how many invoices, and the sum of their amounts. Results that are cached count.
    #[track_caller]
    pub fn shown(&self) -> (u64, String) {
        figures(&self.ask("POST", "/queries/run/json?apply_formatting=false", &look())[0])
    }

    /// What the reports that arrived show, oldest first.
    #[track_caller]
    pub fn arrived(&self) -> Vec<(u64, String)> {
        let arrived = self.receiver.received().into_iter().filter(|report| report.status < 300);
        let figures = arrived.map(|report| {
            let rows: Json = serde_json::from_str(report.body["data"].as_str().unwrap()).unwrap();
            figures(&rows[0])
        });
        figures.collect()
    }

    /// What a report has to show.
    pub fn due(&self) -> (u64, String) {
        let expected = self.world.expected("ap_invoices");
        let cents: i128 = expected.values().map(|row| cents(&row["gross_amount"])).sum();
        (expected.len() as u64, in_cents(cents))
    }
}

/// Fails the test if the secret stands in what a command said or answered.
#[track_caller]
fn kept_secret(ran: Ran) -> Ran {
    CLIENT_SECRET.into_iter().fold(ran, Ran::never_says)
}

fn serve(world: &World, settings: &Settings, clock: &Clock, plan: &Json) -> LookerSandbox {
    let project = Project::read(&world.dir().join("looker")).unwrap();
    let looker = LookerSandbox::builder()
        .settings(settings.clone())
        .clock(clock.clone())
        .account(Account::user(CLIENT_ID, CLIENT_SECRET[0], "7"))
        .project(project)
        .connection("warehouse", world.warehouse.behind_looker())
        .look("42", "Payables", look())
        .plan(PLAN, plan.clone());
    block_on(looker.start()).unwrap()
}

impl Warehouse {
    /// Where Looker's connection leads.
    pub fn behind_looker(&self) -> looker::Warehouse {
        match self {
            Self::Sqlite(path) => looker::Warehouse::Sqlite(path.clone()),
            Self::Postgres(postgres) => looker::Warehouse::Postgres(postgres.url.clone()),
            #[cfg(feature = "databricks")]
            Self::Databricks(_) => unreachable!("the simulated Looker has no dialect for Databricks"),
        }
    }
}

fn look() -> Json {
    let fields = ["ap_invoices.count", "ap_invoices.total_gross_amount"];
    json!({"model": MODEL, "view": "ap_invoices", "fields": fields, "limit": "10"})
}

fn figures(row: &Json) -> (u64, String) {
    let text = |field: &str| match &row[field] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    (text("ap_invoices.count").parse().unwrap(), in_cents(cents(&text("ap_invoices.total_gross_amount"))))
}

/// An amount in cents.
pub fn cents(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 2, "{text}");
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

fn in_cents(cents: i128) -> String {
    format!("{cents} cents")
}
