//! The one deployment that all tests share: the project's templates, rendered for the tenants there are, with the real
//! functions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use backend_aws::{Aws, Queues, Settings, Tables};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use crate::emulator::Emulator;
use crate::world::{left_out, program};

/// The name of the stack.
const NAME: &str = "ml-connector";

/// The artifacts.
const FUNCTIONS: [&str; 5] = ["poll", "transform", "load", "replay", "reconcile"];

/// Short times, so that what dies comes again soon, and few environments at once, for a machine of two cores.
const PARAMETERS: [(&str, &str); 13] = [
    ("Architecture", "x86_64"),
    ("KeepData", "false"),
    ("MaximumReceives", "3"),
    ("SweepEvery", "rate(1 minute)"),
    ("PollTimeout", "5"),
    ("PollVisibility", "6"),
    ("PollConcurrency", "2"),
    ("TransformTimeout", "5"),
    ("TransformVisibility", "6"),
    ("TransformConcurrency", "2"),
    ("LoadTimeout", "5"),
    ("LoadVisibility", "6"),
    ("LoadConcurrency", "2"),
];

/// What is deployed.
pub struct Stack {
    /// Where to.
    pub emulator: Emulator,
    runtime: Runtime,
    config: SdkConfig,
    deploying: Mutex<()>,
    turn: Mutex<()>,
}

/// The right to disturb what tenants share.
pub struct Turn {
    _guard: MutexGuard<'static, ()>,
}

/// The deployment; nothing where something is missing, which is then said.
pub fn stack(what: &str) -> Option<&'static Stack> {
    static STACK: OnceLock<Option<Stack>> = OnceLock::new();
    let missing = ["ML_CONNECTOR_TEST_AWS_PYTHON", "ML_CONNECTOR_TEST_POSTGRES"];
    if let Some(missing) = missing.into_iter().find(|name| std::env::var_os(name).is_none()) {
        left_out(what, &format!("{missing} is not set (`tests/run` sets it)"));
        return None;
    }
    STACK.get_or_init(|| Some(Stack::deploy())).as_ref()
}

impl Stack {
    fn deploy() -> Self {
        let python = PathBuf::from(std::env::var_os("ML_CONNECTOR_TEST_AWS_PYTHON").unwrap());
        let emulator = Emulator::start(&python);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Not from the environment: it may name another emulator, for other tests.
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(backend_aws::https())
            .endpoint_url(&emulator.url)
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "tests")))
            .build();
        let stack = Self { emulator, runtime, config, deploying: Mutex::default(), turn: Mutex::default() };
        std::fs::create_dir(stack.tenants()).unwrap();
        stack.lay_out_functions();
        stack
    }

    fn tenants(&self) -> PathBuf {
        self.emulator.home().join("tenants")
    }

    /// The programs as they are deployed, without what only debuggers read.
    fn lay_out_functions(&self) {
        let test = std::env::current_exe().unwrap();
        let built = test.ancestors().nth(2).unwrap();
        for function in FUNCTIONS {
            let (from, folder) = (built.join(function), self.emulator.home().join("dist").join(function));
            assert!(from.exists(), "{} is not there: cargo build --workspace --bins", from.display());
            std::fs::create_dir_all(&folder).unwrap();
            let to = folder.join("bootstrap");
            let stripped = Command::new("strip").arg("-o").arg(&to).arg(&from).status();
            if !stripped.is_ok_and(|status| status.success()) {
                std::fs::copy(&from, &to).unwrap();
            }
        }
    }

    /// Waits for one's turn: what disturbs the functions of all tenants happens one after the other.
    pub fn turn(&'static self) -> Turn {
        Turn { _guard: self.turn.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Adds or changes a tenant, and deploys.
    #[track_caller]
    pub fn tenant(&self, id: &str, text: &str) {
        self.change(|tenants| std::fs::write(tenants.join(format!("{id}.yaml")), text).unwrap());
    }

    /// Takes a tenant away, and deploys.
    #[track_caller]
    pub fn remove(&self, id: &str) {
        self.change(|tenants| std::fs::remove_file(tenants.join(format!("{id}.yaml"))).unwrap());
    }

    #[track_caller]
    fn change(&self, change: impl FnOnce(&Path)) {
        let _one_at_a_time = self.deploying.lock().unwrap_or_else(PoisonError::into_inner);
        change(&self.tenants());
        let (home, rendered) = (self.emulator.home(), self.emulator.home().join("rendered"));
        for verb in ["render", "check"] {
            let mut command = Command::new(program::program());
            command.args(["infra", verb, "--tenants"]).arg(self.tenants()).arg("--out").arg(&rendered);
            command.arg("--infra").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra"));
            program::Running::start(command).end().ok();
        }
        let template = home.join("packaged/template.yaml");
        let packaged = json!({"dist_dir": home.join("dist"), "out_template": template, "template": rendered.join("template.yaml")});
        self.emulator.deploy("package", packaged);
        let parameters: BTreeMap<_, _> = PARAMETERS.into();
        let arguments = json!({"stack": NAME, "template": template, "parameters": parameters});
        self.emulator.deploy(self.way(), arguments);
    }

    /// The first time by the SAM CLI, as a person would; then by change sets of our own, which take a second.
    fn way(&self) -> &'static str {
        let is_new = self.emulator.call("cloudformation", "list_stacks", json!({}))["StackSummaries"] == json!([]);
        match is_new {
            true if std::env::var_os("ML_CONNECTOR_TEST_SAM").is_some() => "sam_deploy",
            _ => "deploy",
        }
    }

    /// What the stack prints about itself.
    #[track_caller]
    pub fn outputs(&self) -> Json {
        self.emulator.deploy("outputs", json!({"stack": NAME}))
    }

    /// The physical names of all resources, by their place in the stack.
    #[track_caller]
    pub fn resources(&self) -> BTreeMap<String, String> {
        let found = self.emulator.deploy("resources", json!({"stack": NAME}));
        let found = found.as_object().unwrap().iter();
        found.map(|(place, kind_and_id)| (place.clone(), kind_and_id[1].as_str().unwrap().to_owned())).collect()
    }

    /// Queues, functions and tables of a scope.
    #[track_caller]
    pub fn scope(&'static self, scope: &str) -> Scope {
        let outputs = self.outputs();
        let parts = outputs.as_object().unwrap().values().find(|parts| parts["scope"] == scope);
        let parts = parts.unwrap_or_else(|| panic!("{scope} is not deployed: {outputs}")).clone();
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let (table, queue) = (|name: &str| text(&outputs[name]), |name: &str| text(&parts["queues"][name]));
        let settings = Settings {
            scope: scope.to_owned(),
            tables: Tables {
                syncs: table("SyncsTable"),
                batches: table("BatchesTable"),
                audit: table("AuditTable"),
                links: table("LinksTable"),
            },
            queues: Queues {
                poll: queue("poll"),
                transform: queue("transform"),
                load: queue("load"),
                dead_letters: queue("dead_letters"),
            },
            secrets_prefix: "ml-connector/".to_owned(),
        };
        Scope { stack: self, aws: Aws::new(&self.config, settings), parts }
    }

    /// Waits for a future.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

/// A function that takes no messages while this lives.
pub struct HeldBack {
    stack: &'static Stack,
    mapping: Json,
}

impl HeldBack {
    fn takes(&self, takes: bool) {
        let change = json!({"UUID": self.mapping, "Enabled": takes});
        self.stack.emulator.call("lambda", "update_event_source_mapping", change);
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        self.takes(true);
    }
}

/// Queues, functions and tables that tenants share, or that one has for itself.
pub struct Scope {
    pub stack: &'static Stack,
    /// Its queues and tables, seen with the engine's own eyes.
    pub aws: Aws,
    parts: Json,
}

impl Scope {
    /// The name of a function, such as `poll` or `dead_letters`.
    pub fn function(&self, name: &str) -> &str {
        self.parts["functions"][name].as_str().unwrap_or_else(|| panic!("no function {name}"))
    }

    /// The address of a queue, such as `poll` or `dead_letters`.
    pub fn queue(&self, name: &str) -> &str {
        self.parts["queues"][name].as_str().unwrap_or_else(|| panic!("no queue {name}"))
    }

    /// The log group of a function, such as `Reconcile`.
    pub fn logs(&self, name: &str) -> String {
        format!("{}/{name}", self.parts["logs"].as_str().unwrap())
    }

    /// Invokes a function by hand. What it answers, or the words it failed with.
    #[track_caller]
    pub fn invoke(&self, function: &str, payload: &Json) -> Result<Json, String> {
        let parameters = json!({"FunctionName": self.function(function), "Payload": payload.to_string()});
        let answer = self.stack.emulator.call("lambda", "invoke", parameters);
        let said: Json = serde_json::from_str(answer["Payload"].as_str().unwrap()).unwrap();
        match answer["FunctionError"].is_null() {
            true => Ok(said),
            false => Err(said["errorMessage"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// How many messages a queue holds: seen, in somebody's hands, or delayed.
    #[track_caller]
    pub fn messages(&self, queue: &str) -> u64 {
        self.counted(queue, &["", "NotVisible", "Delayed"])
    }

    /// How many messages of a queue are being worked on, or were until somebody died.
    #[track_caller]
    pub fn in_hands(&self, queue: &str) -> u64 {
        self.counted(queue, &["NotVisible"])
    }

    #[track_caller]
    fn counted(&self, queue: &str, kinds: &[&str]) -> u64 {
        let names: Vec<_> = kinds.iter().map(|kind| format!("ApproximateNumberOfMessages{kind}")).collect();
        let asked = json!({"QueueUrl": self.queue(queue), "AttributeNames": names});
        let answer = self.stack.emulator.call("sqs", "get_queue_attributes", asked);
        names.iter().map(|name| answer["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Waits until nothing is under way any more.
    #[track_caller]
    pub fn empty(&self) {
        self.stack.emulator.wait("the queues are empty", || {
            let queues = ["poll", "transform", "load", "dead_letters"];
            queues.iter().all(|queue| self.messages(queue) == 0).then_some(())
        });
    }

    /// Keeps a function from taking messages until what is returned is dropped.
    #[track_caller]
    pub fn holds_back(&self, function: &str) -> HeldBack {
        let asked = json!({"FunctionName": self.function(function)});
        let mappings = self.stack.emulator.call("lambda", "list_event_source_mappings", asked);
        let held_back = HeldBack { stack: self.stack, mapping: mappings["EventSourceMappings"][0]["UUID"].clone() };
        held_back.takes(false);
        held_back
    }

    /// Changes settings of a function while `work` is done, then puts them back.
    #[track_caller]
    pub fn with<T>(&self, function: &str, change: impl FnOnce(&mut Json), work: impl FnOnce() -> T) -> T {
        let emulator = &self.stack.emulator;
        let mut settings = json!({"FunctionName": self.function(function)});
        let now = emulator.call("lambda", "get_function_configuration", settings.clone());
        for member in ["Timeout", "Environment"] {
            settings[member] = now[member].clone();
        }
        let _put_back = PutBack { stack: self.stack, settings: settings.clone() };
        change(&mut settings);
        emulator.call("lambda", "update_function_configuration", settings);
        work()
    }
}

/// Settings of a function that are in force again once this is dropped.
struct PutBack {
    stack: &'static Stack,
    settings: Json,
}

impl Drop for PutBack {
    fn drop(&mut self) {
        self.stack.emulator.call("lambda", "update_function_configuration", self.settings.clone());
    }
}
