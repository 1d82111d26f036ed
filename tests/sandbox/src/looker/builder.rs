//! Setting a server up.

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value as Json};
use tokio::sync::oneshot;

use super::content::{Dashboard, Look};
use super::delivery::Delivery;
use super::error::Refusal;
use super::lookml::Project;
use super::members::{self, PLAN, QUERY};
use super::plans::{self, Plans};
use super::query::{Queries, Query, Stored};
use super::run::Cache;
use super::server::{Front, LookerSandbox, Shared, State};
use super::session::Sessions;
use super::settings::{Account, Settings, UnknownMembers};
use super::warehouse::Warehouse;
use super::{activity, datagroups};
use crate::clock::Clock;
use crate::faults::Rules;
use crate::http;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("the sandbox cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// A look, dashboard or plan that the server itself would refuse.
    #[error("{what} is refused: {why}")]
    Seed {
        /// `look 12`
        what: String,
        /// The body of the refusal.
        why: String,
    },
}

/// The title and query of each element of a dashboard.
type Elements = Vec<(String, Json)>;

/// Collects what a server is to have.
#[derive(Debug)]
pub struct Builder {
    settings: Settings,
    clock: Clock,
    project: Project,
    connections: BTreeMap<String, Warehouse>,
    looks: Vec<(String, String, Json)>,
    dashboards: Vec<(String, String, Elements)>,
    plans: Vec<(u64, Json)>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            clock: Clock::system(),
            project: Project::parse("empty", &[] as &[(&str, &str)]),
            connections: BTreeMap::new(),
            looks: Vec::new(),
            dashboards: Vec::new(),
            plans: Vec::new(),
        }
    }
}

impl Builder {
    /// Replaces all settings; call it before the methods that change one.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The clock to run by; the machine's unless given.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The LookML to serve.
    pub fn project(mut self, project: Project) -> Self {
        self.project = project;
        self
    }

    /// Where a connection that LookML names leads.
    pub fn connection(mut self, name: &str, warehouse: Warehouse) -> Self {
        self.connections.insert(name.into(), warehouse);
        self
    }

    /// An account instead of the default one; the first is user 1, an administrator.
    pub fn account(mut self, account: Account) -> Self {
        if self.settings.accounts.iter().any(|known| known.client_id == "sandbox" && known.client_secret == "secret") {
            self.settings.accounts.clear();
        }
        self.settings.accounts.push(account);
        self
    }

    /// Where to listen.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.settings.listen = address;
        self
    }

    /// A look: id, title and query, the latter as a body of `POST /queries`.
    pub fn look(mut self, id: &str, title: &str, query: Json) -> Self {
        self.looks.push((id.into(), title.into(), query));
        self
    }

    /// A dashboard: id, title, and the title and query of each element.
    pub fn dashboard(mut self, id: &str, title: &str, elements: Vec<(&str, Json)>) -> Self {
        let elements = elements.into_iter().map(|(title, query)| (title.to_owned(), query)).collect();
        self.dashboards.push((id.into(), title.into(), elements));
        self
    }

    /// A scheduled plan: its id, and the rest as a body of `POST /scheduled_plans`. It belongs to its `user_id`, or to
    /// the first account.
    pub fn plan(mut self, id: u64, plan: Json) -> Self {
        self.plans.push((id, plan));
        self
    }

    /// Binds the address and serves from then on, on a thread of its own.
    ///
    /// # Errors
    /// Fails when the address cannot be had, or when the server would itself refuse a look, dashboard or plan.
    pub async fn start(self) -> Result<LookerSandbox, StartError> {
        let listener = TcpListener::bind(self.settings.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let mut state = self.empty_state(u64::from(address.port()));
        self.seed(&mut state)?;
        let shared = Arc::new(Shared {
            settings: self.settings,
            clock: self.clock,
            base: format!("http://{address}"),
            projects: [self.project, activity::project()],
            state: Mutex::new(state),
        });
        let (stop, stop_asked) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        http::run_on_thread("looker-sandbox", listener, Arc::new(Front(Arc::clone(&shared))), stop_asked, ended)?;
        Ok(LookerSandbox { shared, address, stop: Some(stop), stopped: Some(stopped) })
    }

    fn empty_state(&self, seed: u64) -> State {
        State {
            sessions: Sessions::new(seed),
            rules: Rules::default(),
            calls: VecDeque::new(),
            bad_query: self.settings.bad_query,
            warehouses: self.connections.clone(),
            queries: Queries::new(),
            tasks: Vec::new(),
            cache: Cache::default(),
            datagroups: datagroups::of(&self.project, self.clock.now()),
            looks: Vec::new(),
            dashboards: Vec::new(),
            plans: Plans::default(),
            jobs: Vec::new(),
            deliveries: Vec::<Delivery>::new(),
            run_once_calls: Vec::new(),
        }
    }

    fn seed(&self, state: &mut State) -> Result<(), StartError> {
        for (id, title, query) in &self.looks {
            let query = stored(state, query).map_err(|why| seed_error(format!("look {id}"), &why))?;
            state.looks.push(Look { id: id.clone(), title: title.clone(), query });
        }
        for (id, title, elements) in &self.dashboards {
            let elements = elements.iter().map(|(title, query)| Ok((title.clone(), stored(state, query)?)));
            let elements = elements.collect::<Result<Vec<_>, Refusal>>();
            let elements = elements.map_err(|why| seed_error(format!("dashboard {id}"), &why))?;
            state.dashboards.push(Dashboard { id: id.clone(), title: title.clone(), elements });
        }
        let owner = self.settings.accounts.first().map_or("1", |account| account.user_id.as_str());
        for (id, plan) in &self.plans {
            let read = members::check(plan.clone(), PLAN, UnknownMembers::Refuse);
            let checked = read.and_then(|members| {
                let members = plans::merge(&Map::new(), members);
                Refusal::check(plans::check(&members, state, false))?;
                Ok(members)
            });
            let members = checked.map_err(|why| seed_error(format!("plan {id}"), &why))?;
            let user = members.get("user_id").and_then(Json::as_str).unwrap_or(owner).to_owned();
            state.plans.add(Some(*id), &user, members, self.clock.now());
        }
        Ok(())
    }
}

fn stored(state: &mut State, query: &Json) -> Result<Stored, Refusal> {
    let members = members::check(query.clone(), QUERY, UnknownMembers::Refuse)?;
    state.queries.create(Query::read(members)?)
}

fn seed_error(what: String, why: &Refusal) -> StartError {
    StartError::Seed { what, why: why.render().2.to_string() }
}
