//! The secrets of a tenant in AWS Secrets Manager.

use backend_aws::SecretsVault;
use connectors::registry::ConnectionSettings;
use engine::config::SecretsSpec;
use tenants::Tenant;

use super::stack::configuration;
use crate::args::Options;
use crate::config;
use crate::exit::{not_found, usage};
use crate::infra::deployment::Deployed;
use crate::infra::render::{PREFIX, SCOPES_TAG};

/// A secret by its name, with the names of its fields.
pub(crate) type Named = (String, Vec<String>);

/// The secrets that a tenant file names.
pub(crate) struct Secrets {
    tenant: Tenant,
    /// The secrets with the scopes that read them.
    deployed: Deployed,
    vault: SecretsVault,
}

impl Secrets {
    /// Reads the tenant file; asks AWS for nothing yet, also not for the stack: secrets are found by their names alone.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Usage`] for a wrong tenant file, and without a region.
    pub(crate) async fn of(options: &Options) -> anyhow::Result<Self> {
        let tenant = config::load(options.config.as_deref())?;
        let deployed = Deployed::new(options.config.clone().unwrap_or_default(), String::new(), &tenant);
        let vault = SecretsVault::new(&configuration().await?, PREFIX, backend_aws::VAULT_TTL);
        let vault = vault.of_tenant(&tenant.file.id);
        Ok(Self { tenant, deployed, vault })
    }

    /// The secret of this name, or of the connection of this name.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Usage`] when the tenant file has neither.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> anyhow::Result<&'a str> {
        if self.deployed.secrets.contains_key(name) {
            return Ok(name);
        }
        match self.tenant.file.tenant.connections.get(name) {
            Some(settings) => ConnectionSettings::secret(settings)
                .ok_or_else(|| usage(format!("connection `{name}` has no secret: name one in the tenant file first"))),
            None => {
                let known: Vec<_> = self.deployed.secrets.keys().map(String::as_str).collect();
                Err(usage(format!(
                    "the file of tenant `{}` names no secret `{name}`: use one of {}",
                    self.tenant.file.id,
                    known.join(", ")
                )))
            }
        }
    }

    /// Sets a field.
    ///
    /// # Errors
    /// [`crate::exit::Exit::NotFound`] when nobody has made the secret yet; otherwise when it may not be read and written.
    pub(crate) async fn set(&self, name: &str, field: &str, value: &str) -> anyhow::Result<()> {
        match self.vault.change(name, field, value).await? {
            true => Ok(()),
            false => Err(not_found(self.missing(name))),
        }
    }

    /// The secrets that are there, and what to do about each that is not.
    ///
    /// # Errors
    /// When they may not be read.
    pub(crate) async fn list(&self) -> anyhow::Result<(Vec<Named>, Vec<String>)> {
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for name in self.deployed.secrets.keys() {
            match self.vault.fields_of(name).await? {
                Some(fields) => there.push((name.clone(), fields)),
                None => missing.push(self.missing(name)),
            }
        }
        Ok((there, missing))
    }

    /// Why a secret is not removed from here.
    pub(crate) fn not_removed(&self, name: &str) -> anyhow::Error {
        usage(format!(
            "secrets in AWS outlive what uses them, and go only by a decision of their own: run `aws secretsmanager \
             delete-secret --secret-id {}`, which leaves time to think again",
            self.id(name)
        ))
    }

    fn id(&self, name: &str) -> String {
        format!("{PREFIX}{}/{name}", self.tenant.file.id)
    }

    /// Who makes a secret that is not there.
    fn missing(&self, name: &str) -> String {
        let id = self.id(name);
        match self.tenant.file.tenant.secrets {
            SecretsSpec::Created => format!(
                "there is no secret {id}: render the templates and deploy them, which makes it, or look at the profile and \
                 the region"
            ),
            SecretsSpec::Existing => {
                let scopes = self.deployed.secrets.get(name).into_iter().flatten();
                let tag: String = scopes.map(|scope| format!("{scope}/")).collect();
                format!(
                    "there is no secret {id}, and the tenant file says that you make it: run `aws secretsmanager \
                     create-secret --name {id} --tags Key={SCOPES_TAG},Value=/{tag} --secret-string '{{}}'`"
                )
            }
        }
    }
}
