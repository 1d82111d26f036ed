//! A tenant in a stack: its integrations, each in the scope it is deployed in.

use std::collections::BTreeMap;

use backend_aws::{Aws, SecretsVault, VAULT_TTL};
use engine::model::id::{IntegrationId, TenantId};
use engine::model::message::Stage;
use engine::{Error, Result};
use tenants::Tenant;

use super::functions::{Function, Functions};
use super::stack::{Parts, Stack};
use crate::infra::deployment::Scope;
use crate::infra::render::PREFIX;

/// An integration of a tenant as it is deployed.
pub struct Instance {
    /// Its functions and logs.
    pub parts: Parts,
    /// Its queues, and its items in the tables.
    pub aws: Aws,
}

impl Instance {
    /// A function, as `stage` names it.
    fn function<'a>(&'a self, stage: &'static str, name: &'a str) -> Function<'a> {
        Function { stage, name, scope: &self.parts.scope, logs: &self.parts.logs }
    }

    /// The functions that try connections.
    pub fn checking(&self) -> [Function<'_>; 2] {
        let names = &self.parts.functions;
        [self.function("poll", &names.poll), self.function("load", &names.load)]
    }

    /// The function `replay`.
    pub fn replay(&self) -> Function<'_> {
        self.function("replay", &self.parts.functions.replay)
    }

    /// The function `reconcile`.
    pub fn reconcile(&self) -> Function<'_> {
        self.function("reconcile", &self.parts.functions.reconcile)
    }
}

/// Queue and store of a tenant in a stack.
pub struct Deployed {
    /// Invokes functions.
    pub functions: Functions,
    tenant: TenantId,
    stack: Stack,
    instances: BTreeMap<IntegrationId, Instance>,
}

impl Deployed {
    /// Finds the stack, and in it what this tenant file switches on.
    ///
    /// # Errors
    /// As [`Stack::find`]; [`crate::exit::Exit::Usage`] when an integration of the tenant is not deployed.
    pub async fn find(stack: &str, tenant: &Tenant) -> anyhow::Result<Self> {
        let stack = Stack::find(stack).await?;
        let (spec, id) = (&tenant.file.tenant, tenant.file.id.clone());
        let mut instances = BTreeMap::new();
        for integration in spec.integrations.keys() {
            let scope = Scope { integration: integration.clone(), tenant: spec.dedicated.then(|| id.clone()) };
            let parts = stack.parts(&scope.to_string())?.clone();
            let aws = stack.aws(&parts);
            instances.insert(IntegrationId::new(integration), Instance { parts, aws });
        }
        Ok(Self { functions: Functions::new(&stack.sdk), tenant: id, stack, instances })
    }

    /// The integrations of the tenant.
    pub fn instances(&self) -> impl Iterator<Item = (&IntegrationId, &Instance)> {
        self.instances.iter()
    }

    /// An integration of the tenant.
    ///
    /// # Errors
    /// Stops when the tenant file does not switch it on.
    pub fn instance(&self, integration: &IntegrationId) -> Result<&Instance> {
        self.instances
            .get(integration)
            .ok_or_else(|| Error::stop(format!("{} does not use integration {integration}", self.tenant)))
    }

    /// Any of the scopes: for what they share.
    ///
    /// # Errors
    /// Stops when the tenant file switches nothing on.
    pub(super) fn any(&self) -> Result<&Aws> {
        let first = self.instances.values().next();
        first.map(|instance| &instance.aws).ok_or_else(|| {
            Error::stop(format!("{} uses no integration: add one to the tenant file and deploy it", self.tenant))
        })
    }

    /// All scopes.
    pub(super) fn all(&self) -> impl Iterator<Item = &Aws> {
        self.instances.values().map(|instance| &instance.aws)
    }

    /// The tenant's secrets.
    pub fn vault(&self) -> SecretsVault {
        SecretsVault::new(&self.stack.sdk, PREFIX, VAULT_TTL).of_tenant(&self.tenant)
    }

    /// Messages in the queues of the tenant's integrations, of all tenants that share them.
    ///
    /// # Errors
    /// As [`Aws::pending`].
    pub async fn pending(&self) -> Result<u64> {
        let mut pending = 0;
        for aws in self.all() {
            for stage in Stage::ALL {
                pending += aws.pending(stage).await?;
            }
        }
        Ok(pending)
    }
}
