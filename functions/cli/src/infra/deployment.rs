//! What is deployed: scopes, each with queues and functions of its own, and tenants, each with schedules and secrets.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use connectors::registry::ConnectionSettings;
use engine::config::{ConfiguredSync, ScheduleSpec, SecretsSpec};
use engine::model::id::TenantId;
use tenants::Tenant;

use super::names::logical;

/// An instance of an integration: for all tenants that use it, or for one that stands apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// The integration, such as `jde-looker`.
    pub integration: String,
    /// The tenant that has it for itself.
    pub tenant: Option<TenantId>,
}

impl Scope {
    /// Its logical id in the root template.
    pub fn logical(&self) -> String {
        let integration = logical(&self.integration);
        self.tenant.as_ref().map_or_else(|| integration.clone(), |t| format!("{integration}At{}", logical(t.as_str())))
    }

    /// A path of its own: for log groups, and for the folder of its tenant files.
    pub fn path(&self) -> String {
        let tenant = self.tenant.as_ref().map(|tenant| format!("/{tenant}"));
        format!("{}{}", self.integration, tenant.unwrap_or_default())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tenant {
            None => f.write_str(&self.integration),
            Some(tenant) => write!(f, "{}@{tenant}", self.integration),
        }
    }
}

/// A tenant as it is deployed.
#[derive(Debug)]
pub struct Deployed {
    /// Whose it is.
    pub id: TenantId,
    /// Where its file lies.
    pub file: PathBuf,
    /// What the file says, for the functions.
    pub text: String,
    /// How its schedules are understood.
    pub schedules: ScheduleSpec,
    /// Who makes its secrets.
    pub secrets_by: SecretsSpec,
    /// Its scopes, each with the syncs that are switched on, in the order in which they run.
    pub scopes: BTreeMap<Scope, Vec<ConfiguredSync>>,
    /// Its secrets by name, each with the scopes that read it.
    pub secrets: BTreeMap<String, BTreeSet<Scope>>,
}

impl Deployed {
    /// From a tenant file that was read.
    pub fn new(file: PathBuf, text: String, tenant: &Tenant) -> Self {
        let spec = &tenant.file.tenant;
        let id = tenant.file.id.clone();
        let scope = |integration: &str| Scope {
            integration: integration.to_owned(),
            tenant: spec.dedicated.then(|| id.clone()),
        };
        let scopes = spec.integrations.keys().map(|integration| {
            let is_on = |sync: &&ConfiguredSync| sync.enabled && sync.plan.id.integration.as_str() == integration;
            (scope(integration), tenant.plans.iter().filter(is_on).cloned().collect())
        });
        let mut secrets: BTreeMap<String, BTreeSet<Scope>> = BTreeMap::new();
        for (name, settings) in &spec.connections {
            let Some(secret) = ConnectionSettings::secret(settings) else { continue };
            let uses = spec.integrations.iter().filter(|(_, spec)| {
                [Some(&spec.source), Some(&spec.destination), spec.consumer.as_ref()].contains(&Some(name))
            });
            let readers = uses.map(|(integration, _)| scope(integration));
            secrets.entry(secret.to_owned()).or_default().extend(readers);
        }
        Self {
            file,
            text,
            schedules: spec.schedules.clone(),
            secrets_by: spec.secrets,
            scopes: scopes.collect(),
            secrets,
            id,
        }
    }

    /// The logical id of its stack.
    pub fn logical(&self) -> String {
        format!("Tenant{}", logical(self.id.as_str()))
    }
}

/// Everything that is deployed, in the order of names.
#[derive(Debug, Default)]
pub struct Deployment {
    /// The tenants.
    pub tenants: Vec<Deployed>,
}

impl Deployment {
    /// The scopes in use, each with the tenants that use it.
    pub fn scopes(&self) -> BTreeMap<&Scope, Vec<&Deployed>> {
        let mut scopes: BTreeMap<&Scope, Vec<&Deployed>> = BTreeMap::new();
        for tenant in &self.tenants {
            for scope in tenant.scopes.keys() {
                scopes.entry(scope).or_default().push(tenant);
            }
        }
        scopes
    }

    /// Names that cannot stand in a template: what is wrong with each, and what to do.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let tenants = self.tenants.iter().map(|tenant| (tenant.logical(), format!("tenant {}", tenant.id)));
        let scopes = self.scopes();
        let scopes = scopes.keys().map(|scope| (scope.logical(), format!("integration {scope}")));
        let fixed = [("Platform".to_owned(), "the platform".to_owned())];
        twins(&mut problems, fixed.into_iter().chain(tenants).chain(scopes));
        for tenant in &self.tenants {
            tenant_problems(&mut problems, tenant);
        }
        problems
    }
}

fn tenant_problems(problems: &mut Vec<String>, tenant: &Deployed) {
    let file = tenant.file.display();
    let syncs = tenant.scopes.values().flatten().map(|sync| &sync.plan.id);
    let schedules = syncs.map(|id| {
        (format!("{}{}", logical(id.integration.as_str()), logical(&id.stream)), format!("{file}: sync {id}"))
    });
    let secrets = tenant.secrets.keys();
    let secrets = secrets.map(|name| (format!("Secret{}", logical(name)), format!("{file}: secret {name}")));
    twins(problems, schedules.chain(secrets));
    for name in tenant.secrets.keys() {
        let is_known = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
        if !name.chars().all(is_known) || name.starts_with('/') {
            let allowed = "letters, digits and /_+=.@-";
            problems.push(format!("{file}: secret {name} cannot be one of Secrets Manager: rename it, with {allowed}"));
        }
    }
    if tenant.scopes.is_empty() {
        problems.push(format!("{file}: no integration is switched on: add one, or remove the file"));
    }
}

/// Two names that become one logical id.
fn twins(problems: &mut Vec<String>, named: impl Iterator<Item = (String, String)>) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (id, what) in named {
        match seen.entry(id) {
            Entry::Vacant(free) => _ = free.insert(what),
            Entry::Occupied(taken) => problems.push(format!(
                "{} and {what} are both {} in a template, where names have letters and digits only: rename one",
                taken.get(),
                taken.key()
            )),
        }
    }
}
