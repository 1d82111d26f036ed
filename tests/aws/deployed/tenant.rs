//! A tenant of the deployment: a world of its own, whose records go through the deployed functions.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::model::audit::Outcome;
use engine::model::id::{RecordKey, RunId, SyncId, TenantId};
use engine::model::message::{Message, PollTask, Reason, Task};
use engine::model::run::{Run, RunState};
use engine::model::window::Selection;
use engine::ports::{HeldFilter, Ids, Queue, Store, SystemClock};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value as Json, json};

use crate::stack::{Scope, Stack};
use crate::world::{Rows, Warehouse, World, difference, seeded};

/// How many records' histories are read at once.
const AT_ONCE: usize = 8;

/// A tenant, and what it is made of.
pub struct Tenant<'w> {
    /// Its source and its warehouse.
    pub world: &'w World,
    /// Its queues and functions.
    pub scope: Scope,
    /// The streams that are switched on.
    pub streams: Vec<String>,
    id: TenantId,
    ids: SystemClock,
}

/// A world over PostgreSQL with some hundred records.
pub fn world() -> World {
    World::with_warehouse(seeded(60, 20, 15), Warehouse::postgres().unwrap())
}

impl<'w> Tenant<'w> {
    /// Deploys the tenant and sets its secrets. It shares queues and functions with others unless `more` says otherwise.
    #[track_caller]
    pub fn add(stack: &'static Stack, id: &str, world: &'w World, streams: &[&str], more: &str) -> Self {
        let tenant = Self::without_secrets(stack, id, world, streams, more);
        tenant.set_secrets();
        tenant
    }

    /// Deploys the tenant and leaves its secrets as they are then.
    #[track_caller]
    pub fn without_secrets(stack: &'static Stack, id: &str, world: &'w World, streams: &[&str], more: &str) -> Self {
        stack.tenant(id, &format!("{}{more}", world.tenant_text()));
        let scope = match more.contains("dedicated: true") {
            true => format!("jde-looker@{id}"),
            false => "jde-looker".to_owned(),
        };
        let streams = streams.iter().map(|&stream| stream.to_owned()).collect();
        Self { world, scope: stack.scope(&scope), streams, id: TenantId::new(id), ids: SystemClock::new() }
    }

    /// Sets the secrets of source and warehouse.
    #[track_caller]
    pub fn set_secrets(&self) {
        self.secret("jde", &json!({"username": "SVCREAD", "password": "secret"}));
        let Warehouse::Postgres(postgres) = &self.world.warehouse else { panic!("functions share no files") };
        self.secret("warehouse", &json!({"password": postgres.password}));
    }

    /// Deploys the tenant file as it is now.
    #[track_caller]
    pub fn redeploy(&self, more: &str) {
        self.scope.stack.tenant(self.id.as_str(), &format!("{}{more}", self.world.tenant_text()));
    }

    /// Sets a secret, as a person would.
    #[track_caller]
    pub fn secret(&self, name: &str, fields: &Json) {
        let id = format!("ml-connector/{}/{name}", self.id);
        let value = json!({"SecretId": id, "SecretString": fields.to_string()});
        self.scope.stack.emulator.call("secretsmanager", "put_secret_value", value);
    }

    /// The id of a sync.
    pub fn sync(&self, stream: &str) -> SyncId {
        format!("{}/jde-looker/{stream}", self.id).parse().unwrap()
    }

    /// Asks for a run, as `ml-connector run` does.
    #[track_caller]
    pub fn start(&self, stream: &str, reason: Reason, selection: Selection) -> RunId {
        let task = PollTask { sync: self.sync(stream), run: self.ids.run_id(), reason, selection, sequence: 0 };
        self.send(&task);
        task.run
    }

    /// Sends a poll task.
    #[track_caller]
    pub fn send(&self, task: &PollTask) {
        let message = Message::new(Task::Poll(task.clone()));
        self.scope.stack.block_on(self.scope.aws.send(&message, Duration::ZERO)).unwrap();
    }

    /// A run as it is now.
    #[track_caller]
    pub fn run(&self, run: &RunId) -> Option<Run> {
        self.scope.stack.block_on(self.scope.aws.run(run)).unwrap()
    }

    /// The runs of a stream, newest first.
    #[track_caller]
    pub fn runs(&self, stream: &str) -> Vec<Run> {
        self.scope.stack.block_on(self.scope.aws.runs(&self.sync(stream), 100)).unwrap()
    }

    /// Waits for the end of a run.
    #[track_caller]
    pub fn ended(&self, run: &RunId) -> Run {
        self.scope.stack.emulator.wait(&format!("run {run} ends"), || self.run(run).filter(Run::has_ended))
    }

    /// Waits for the end of a run, which has to be a good one.
    #[track_caller]
    pub fn completed(&self, run: &RunId) -> Run {
        let run = self.ended(run);
        assert!(run.state == RunState::Complete && run.counts.balanced(), "{run:#?}");
        run
    }

    /// Runs every stream, all of them at once.
    #[track_caller]
    pub fn run_all(&self) -> BTreeMap<String, Run> {
        let start = |stream: &String| (stream.clone(), self.start(stream, Reason::Manual, Selection::Changes));
        let started: Vec<_> = self.streams.iter().map(start).collect();
        started.into_iter().map(|(stream, run)| (stream, self.completed(&run))).collect()
    }

    /// Everything in the warehouse, metadata included.
    pub fn everything(&self) -> BTreeMap<String, Rows> {
        self.streams.iter().map(|stream| (stream.clone(), self.world.warehouse.rows(stream))).collect()
    }

    /// Fails the test unless everything in the warehouse is as it was, metadata included.
    #[track_caller]
    pub fn unchanged_since(&self, before: &BTreeMap<String, Rows>) {
        for (stream, rows) in self.everything() {
            let difference = difference(&before[&stream], &rows);
            assert!(difference.is_empty(), "{stream} has changed:\n{difference}");
        }
    }

    /// Keys of the records that are held, in the form of [`World::expected`].
    #[track_caller]
    pub fn held(&self, stream: &str) -> Vec<String> {
        let filter = HeldFilter { limit: 1_000, ..HeldFilter::default() };
        let held = self.scope.stack.block_on(self.scope.aws.held(&self.sync(stream), &filter)).unwrap();
        held.iter().map(|held| in_short(held.key.as_str())).collect()
    }

    /// Waits until all work is done; then the destination holds what the source does, but for what is held, and the audit
    /// tells every change once: each record was inserted, and updated as often as `updates` says.
    #[track_caller]
    pub fn settled(&self, updates: &BTreeMap<String, usize>) {
        self.scope.empty();
        for stream in &self.streams {
            self.world.agrees_except(stream, &self.held(stream));
            for (key, outcomes) in self.audit(stream) {
                let changed = updates.get(&format!("{stream} {key}")).copied().unwrap_or(0);
                let mut expected = vec![Outcome::Updated; changed + 1];
                expected[0] = Outcome::Inserted;
                assert_eq!(outcomes, expected, "{stream} {key}");
            }
        }
    }

    /// What happened to every record that is in the warehouse, without how often it waited or was refused before.
    #[track_caller]
    pub fn audit(&self, stream: &str) -> Vec<(String, Vec<Outcome>)> {
        let (sync, aws) = (self.sync(stream), &self.scope.aws);
        let keys = self.world.warehouse.rows(stream).into_keys();
        let histories = stream::iter(keys.map(|key| async {
            let lines = aws.audit_of(&sync, &RecordKey::new(&key)).await?;
            let outcomes = lines.iter().map(|line| line.outcome);
            let brought =
                |outcome: &Outcome| !matches!(outcome, Outcome::Waiting | Outcome::Rejected | Outcome::Superseded);
            Ok::<_, engine::Error>((key, outcomes.filter(brought).collect()))
        }));
        self.scope.stack.block_on(histories.buffer_unordered(AT_ONCE).try_collect()).unwrap()
    }
}

/// A key whose numbers are without zeros at their end.
fn in_short(key: &str) -> String {
    let short = |part: &str| match part.contains('.') {
        true => part.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => part.to_owned(),
    };
    key.split('|').map(short).collect::<Vec<_>>().join("|")
}
