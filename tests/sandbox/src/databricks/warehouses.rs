//! SQL warehouses: asleep, starting, running, stopping.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value as Json, json};

/// How long a warehouse takes to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// Until it, or a statement that waits for it, was asked for so many times.
    AfterPolls(usize),
    /// Until so much time has passed on the sandbox's clock.
    After(TimeDelta),
}

/// A SQL warehouse.
#[derive(Clone, Debug)]
pub struct Warehouse {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) starts: Starts,
}

/// The states of a warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Stopped,
    Starting {
        since: DateTime<Utc>,
        polls: usize,
    },
    Running,
    /// Until it is asked for once.
    Stopping,
}

impl Warehouse {
    /// One that runs.
    pub fn running(id: &str) -> Self {
        Self { id: id.into(), name: format!("Warehouse {id}"), state: State::Running, starts: Starts::AfterPolls(0) }
    }

    /// One that sleeps, and takes this long to start.
    pub fn stopped(id: &str, starts: Starts) -> Self {
        Self { state: State::Stopped, starts, ..Self::running(id) }
    }

    pub(super) fn start(&mut self, now: DateTime<Utc>) {
        if matches!(self.state, State::Stopped | State::Stopping) {
            self.state = State::Starting { since: now, polls: 0 };
        }
    }

    /// Time passes: it may be up by now.
    pub(super) fn tick(&mut self, now: DateTime<Utc>) {
        let State::Starting { since, polls } = self.state else {
            return;
        };
        let up = match self.starts {
            Starts::AfterPolls(wanted) => polls >= wanted,
            Starts::After(wanted) => now - since >= wanted,
        };
        if up {
            self.state = State::Running;
        }
    }

    /// Somebody asks how it stands.
    pub(super) fn polled(&mut self) {
        if let State::Starting { polls, .. } = &mut self.state {
            *polls += 1;
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self.state {
            State::Stopped => "STOPPED",
            State::Starting { .. } => "STARTING",
            State::Running => "RUNNING",
            State::Stopping => "STOPPING",
        }
    }

    pub(super) fn shown(&self, host: &str, sessions: usize) -> Json {
        let path = format!("/sql/1.0/warehouses/{}", self.id);
        json!({
            "id": self.id, "name": self.name, "cluster_size": "2X-Small", "min_num_clusters": 1, "max_num_clusters": 1,
            "num_clusters": u8::from(self.state == State::Running), "auto_stop_mins": 10, "creator_name": "admin@example.com",
            "enable_photon": true, "enable_serverless_compute": true, "warehouse_type": "PRO",
            "channel": {"name": "CHANNEL_NAME_CURRENT"}, "state": self.word(), "health": {"status": "HEALTHY"},
            "num_active_sessions": sessions, "jdbc_url": format!("jdbc:databricks://{host}:443/default;httpPath={path}"),
            "odbc_params": {"hostname": host, "path": path, "protocol": "https", "port": 443}, "tags": {},
        })
    }
}
