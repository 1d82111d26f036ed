//! From a tenant file and its blueprints to plans, with every mistake named by its place.

use chrono_tz::{TZ_VARIANTS, Tz};
use indexmap::IndexMap;

use super::blueprint::BlueprintFile;
use super::nearest;
use super::plans::{ConfiguredPlans, ConfiguredSync};
use super::problem::Problems;
use super::syncs::{self, Integration};
use super::tenant::{ConnectionSpec, IntegrationSpec, TenantFile};
use crate::model::id::{ConnectionId, IntegrationId, TenantId};
use crate::plan::{ConsumerPlan, DeliveryPlan};

/// Resolves a tenant file into plans.
///
/// # Errors
/// All mistakes of the tenant file, and of blueprints it uses.
pub fn resolve<C: ConnectionSpec>(
    file: &TenantFile<C>,
    blueprints: &[BlueprintFile],
) -> Result<ConfiguredPlans, Problems> {
    let mut resolver = Resolver { file, blueprints, problems: Problems::default() };
    resolver.connections();
    resolver.schedules();
    let mut resolved = Vec::new();
    for (name, spec) in &file.tenant.integrations {
        resolved.extend(resolver.integration(name, spec));
    }
    resolver.tables(&resolved);
    let consumers = resolver.consumers(&resolved);
    let mut plans = ConfiguredPlans::new(resolved);
    for (integration, consumer) in consumers {
        plans = plans.with_consumer(&file.id, integration, consumer);
    }
    for blueprint in blueprints.iter().map(|file| &file.blueprint) {
        if file.tenant.integrations.contains_key(&blueprint.integration) {
            plans = plans.with_dashboards(&file.id, &IntegrationId::new(&blueprint.integration), &blueprint.dashboards);
        }
    }
    resolver.problems.or(plans)
}

impl BlueprintFile {
    /// Checks the blueprint by itself, as if a tenant used it as shipped.
    ///
    /// # Errors
    /// All its mistakes.
    pub fn check(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let integration = Integration {
            tenant: TenantId::new("any"),
            integration: IntegrationId::new(&self.blueprint.integration),
            source: ConnectionId::new("source"),
            destination: ConnectionId::new("destination"),
            zone: Tz::UTC,
            blueprint: self,
            changes: &IndexMap::new(),
            tenant_document: None,
        };
        syncs::resolve(&integration, &mut problems);
        problems.or(())
    }
}

struct Resolver<'a, C> {
    file: &'a TenantFile<C>,
    blueprints: &'a [BlueprintFile],
    problems: Problems,
}

impl<'a, C: ConnectionSpec> Resolver<'a, C> {
    fn problem(&mut self, path: &[&str], message: impl Into<String>) {
        let path: Vec<_> = path.iter().map(|&part| part.to_owned()).collect();
        self.problems.push(self.file.document.problem(&path, message));
    }

    fn connections(&mut self) {
        for (name, connection) in &self.file.tenant.connections {
            for fault in connection.faults() {
                let path = ["connections", name, connection.system()].map(str::to_owned);
                let path: Vec<_> = path.into_iter().chain(fault.path).collect();
                self.problems.push(self.file.document.problem(&path, fault.message));
            }
        }
    }

    /// What EventBridge Scheduler takes: a zone it knows, and a window of 1 to 1440 whole minutes.
    fn schedules(&mut self) {
        let schedules = &self.file.tenant.schedules;
        if let Some(zone) = schedules.time_zone.as_deref().filter(|zone| zone.parse::<Tz>().is_err()) {
            let hint = nearest(zone, TZ_VARIANTS.iter().map(|known| known.name()));
            self.problem(&["schedules", "time_zone"], format!("`{zone}` is no time zone{hint}"));
        }
        let seconds = schedules.flexible_window.map_or(60, |window| window.0.as_secs());
        if !seconds.is_multiple_of(60) || !(60..=86_400).contains(&seconds) {
            let message = "a window is 1 minute to 1 day in whole minutes; leave it out to start on time";
            self.problem(&["schedules", "flexible_window"], message);
        }
    }

    fn integration(&mut self, name: &str, spec: &IntegrationSpec) -> Vec<ConfiguredSync> {
        let Some(blueprint) = self.blueprints.iter().find(|known| known.blueprint.integration == name) else {
            let known = self.blueprints.iter().map(|known| known.blueprint.integration.as_str());
            let hint = nearest(name, known.clone());
            let hint =
                if hint.is_empty() { format!("; there are {}", known.collect::<Vec<_>>().join(", ")) } else { hint };
            self.problem(&["integrations", name], format!("there is no blueprint `{name}`{hint}"));
            return Vec::new();
        };
        self.connection(name, "source", &spec.source, &blueprint.blueprint.source);
        self.connection(name, "destination", &spec.destination, &blueprint.blueprint.destination);
        let zone = self.zone(name, spec);
        for stream in spec.syncs.keys().filter(|stream| !blueprint.blueprint.syncs.contains_key(*stream)) {
            let hint = nearest(stream, blueprint.blueprint.syncs.keys().map(String::as_str));
            self.problem(&["integrations", name, "syncs", stream], format!("{name} has no sync `{stream}`{hint}"));
        }
        let integration = Integration {
            tenant: self.file.id.clone(),
            integration: IntegrationId::new(name),
            source: ConnectionId::new(&spec.source),
            destination: ConnectionId::new(&spec.destination),
            zone: zone.unwrap_or(Tz::UTC),
            blueprint,
            changes: &spec.syncs,
            tenant_document: Some(&self.file.document),
        };
        syncs::resolve(&integration, &mut self.problems)
    }

    /// The connection has to exist and to be what the blueprint asks for.
    fn connection(&mut self, integration: &str, field: &str, name: &str, wanted: &str) {
        let file = self.file;
        let path = ["integrations", integration, field];
        let Some(connection) = file.tenant.connections.get(name) else {
            let hint = nearest(name, file.tenant.connections.keys().map(String::as_str));
            self.problem(&path, format!("there is no connection `{name}`{hint}"));
            return;
        };
        if connection.system() != wanted && connection.kind() != wanted {
            let system = connection.system();
            self.problem(&path, format!("`{name}` is a connection to {system}, and {integration} needs {wanted} here"));
        }
    }

    /// The zone in which the source stamps its changes. A wrong one shifts every change, so none is guessed.
    fn zone(&mut self, name: &str, spec: &IntegrationSpec) -> Option<Tz> {
        let file = self.file;
        let connection = file.tenant.connections.get(&spec.source);
        let (path, zone) = match (&spec.zone, connection.and_then(|c| Some((c.system(), c.zone()?)))) {
            (Some(zone), Some((_, other))) if zone != other => {
                let source = &spec.source;
                let message =
                    format!("`{zone}` is not the zone of connection `{source}`, which is `{other}`: write it there");
                self.problem(&["integrations", name, "zone"], message);
                return None;
            }
            (Some(zone), _) => (vec!["integrations", name, "zone"], zone.as_str()),
            (None, Some((system, zone))) => (vec!["connections", &spec.source, system, "zone"], zone),
            (None, None) => {
                let message = "has no `zone`: say in which zone the source stamps its changes, such as America/Denver";
                self.problem(&["integrations", name], message);
                return None;
            }
        };
        let parsed = zone.parse();
        if parsed.is_err() {
            let hint = nearest(zone, TZ_VARIANTS.iter().map(|known| known.name()));
            self.problem(&path, format!("`{zone}` is no time zone{hint}"));
        }
        parsed.ok()
    }

    /// Who is told of each integration, and what is delivered.
    fn consumers(&mut self, resolved: &[ConfiguredSync]) -> Vec<(&'a str, ConsumerPlan)> {
        let (file, blueprints) = (self.file, self.blueprints);
        let mut consumers = Vec::new();
        for (name, spec) in &file.tenant.integrations {
            let blueprint = blueprints.iter().find(|known| known.blueprint.integration == *name);
            let wanted = blueprint.and_then(|known| known.blueprint.consumer.as_deref());
            match (&spec.consumer, wanted) {
                (Some(connection), Some(wanted)) => self.connection(name, "consumer", connection, wanted),
                (Some(_), None) => {
                    self.problem(&["integrations", name, "consumer"], format!("{name} tells nobody: leave it out"));
                }
                (None, _) if !spec.deliveries.is_empty() => {
                    let message = "names no connection that delivers: add `consumer`";
                    self.problem(&["integrations", name, "deliveries"], message);
                }
                (None, _) => {}
            }
            let on = resolved.iter().filter(|sync| sync.enabled && sync.plan.id.integration.as_str() == name);
            let streams: Vec<_> = on.map(|sync| sync.plan.id.stream.as_str()).collect();
            let deliveries = self.deliveries(name, spec, &streams);
            let connection = spec.consumer.as_ref().map(ConnectionId::new);
            consumers.extend(connection.map(|connection| (name.as_str(), ConsumerPlan { connection, deliveries })));
        }
        consumers
    }

    fn deliveries(&mut self, integration: &str, spec: &IntegrationSpec, streams: &[&str]) -> Vec<DeliveryPlan> {
        let mut plans: Vec<DeliveryPlan> = Vec::new();
        for (name, delivery) in &spec.deliveries {
            let path = ["integrations", integration, "deliveries", name.as_str()];
            match delivery.resolve(name, streams) {
                // Two deliveries of one plan would bear one name, by which each is found again.
                Ok(plan) if plans.iter().any(|other| other.what == plan.what) => {
                    let message = format!("`{}` is delivered already: leave one out", plan.what.name());
                    self.problem(&path, message);
                }
                Ok(plan) => plans.push(plan),
                Err((field, message)) => {
                    let path: Vec<_> = path.into_iter().chain(field).collect();
                    self.problem(&path, message);
                }
            }
        }
        plans
    }

    /// No two syncs may write one table: each would take the other's records for its own.
    fn tables(&mut self, resolved: &[ConfiguredSync]) {
        for (i, one) in resolved.iter().enumerate() {
            let (plan, table) = (&one.plan, &one.plan.table.name);
            let twin = resolved[..i]
                .iter()
                .find(|other| other.plan.table.name == *table && other.plan.destination == plan.destination);
            if let Some(twin) = twin {
                let path = ["integrations", plan.id.integration.as_str(), "syncs", &plan.id.stream, "table"];
                let message = format!("`{table}` is the table of {} already: name another", twin.plan.id);
                self.problem(&path, message);
            }
        }
    }
}
