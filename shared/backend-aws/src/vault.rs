//! Secrets, from AWS Secrets Manager: each is a JSON object of texts, such as
//! `{"username": "MLC", "password": "…"}`, under its name with a prefix.
//!
//! What was read is kept for some minutes: a call costs money and time, and a function asks for the same secret with every
//! message. The caching client that AWS offers is not used because it brings the SDK with all its default features, and so
//! a second stack of HTTP and TLS.
//!
//! No value of a secret is in any message, log or debug output of this module.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use engine::model::id::TenantId;
use engine::ports::{Secret, Vault};
use engine::{Error, Result};

use crate::failure::failed;

/// For how long a secret that was read is kept.
pub const VAULT_TTL: Duration = Duration::from_secs(300);

/// The field of a secret that was made with its stack and that nobody has set yet.
pub const NOT_SET_YET: &str = "not_set_yet";

type Fields = BTreeMap<String, String>;

/// Secrets in AWS Secrets Manager. Clones share what was read.
#[derive(Clone)]
pub struct SecretsVault {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    prefix: String,
    ttl: Duration,
    read: Mutex<HashMap<String, (Instant, Secret)>>,
}

impl SecretsVault {
    /// The secrets whose names begin with `prefix`. What was read is kept for `ttl`.
    pub fn new(config: &SdkConfig, prefix: &str, ttl: Duration) -> Self {
        let inner = Inner { client: Client::new(config), prefix: prefix.to_owned(), ttl, read: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// The secrets of a tenant, whose names go on with `{tenant}/`: where one stack serves several.
    #[must_use]
    pub fn of_tenant(&self, tenant: &TenantId) -> Self {
        let Inner { client, prefix, ttl, .. } = self.inner.as_ref();
        let prefix = format!("{prefix}{tenant}/");
        Self { inner: Arc::new(Inner { client: client.clone(), prefix, ttl: *ttl, read: Mutex::default() }) }
    }

    /// Forgets what was read of a secret, so that it is read again: after its credentials were refused there may be a new
    /// version.
    pub fn refresh(&self, name: &str) {
        self.inner.read.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Sets a field of a secret, which is created where it is missing. Two who set fields of one secret at the same time
    /// may undo each other.
    ///
    /// # Errors
    /// Stops when the secret is no object of texts, or may not be written.
    pub async fn set(&self, name: &str, field: &str, value: &str) -> Result<()> {
        if self.change(name, field, value).await? {
            return Ok(());
        }
        let json = written(name, &Fields::from([(field.to_owned(), value.to_owned())]))?;
        let created = self.inner.client.create_secret().name(self.id(name)).secret_string(json).send().await;
        created.map_err(|e| failed("secretsmanager:CreateSecret", &self.resource(name), &e))?;
        self.refresh(name);
        Ok(())
    }

    /// Sets a field of a secret that is there; says `false` when it is not. What stood in for fields that nobody had set
    /// goes. Two who set fields of one secret at the same time may undo each other.
    ///
    /// # Errors
    /// As [`SecretsVault::set`].
    pub async fn change(&self, name: &str, field: &str, value: &str) -> Result<bool> {
        let Some(mut fields) = self.fields(name).await? else { return Ok(false) };
        fields.remove(NOT_SET_YET);
        fields.insert(field.to_owned(), value.to_owned());
        let put = self.inner.client.put_secret_value().secret_id(self.id(name)).secret_string(written(name, &fields)?);
        put.send().await.map_err(|e| failed("secretsmanager:PutSecretValue", &self.resource(name), &e))?;
        self.refresh(name);
        Ok(true)
    }

    /// The names of the fields that a secret has and somebody has set; `None` without the secret.
    ///
    /// # Errors
    /// As [`SecretsVault::set`].
    pub async fn fields_of(&self, name: &str) -> Result<Option<Vec<String>>> {
        let fields = self.fields(name).await?;
        Ok(fields.map(|fields| fields.into_keys().filter(|field| field != NOT_SET_YET).collect()))
    }

    /// The names of the secrets, with the names of their fields. Reads each of them.
    ///
    /// # Errors
    /// Stops when they may not be listed or read.
    pub async fn list(&self) -> Result<Vec<(String, Vec<String>)>> {
        let filter = Filter::builder().key(FilterNameStringType::Name).values(&self.inner.prefix).build();
        let mut pages = self.inner.client.list_secrets().filters(filter).into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| failed("secretsmanager:ListSecrets", "the secrets of this account", &e))?;
            // The filter of Secrets Manager takes no account of upper and lower case.
            let found = page.secret_list().iter().filter_map(|secret| secret.name()?.strip_prefix(&self.inner.prefix));
            names.extend(found.map(str::to_owned));
        }
        names.sort();
        let mut list = Vec::with_capacity(names.len());
        for name in names {
            let fields = self.fields(&name).await?.unwrap_or_default();
            list.push((name, fields.into_keys().collect()));
        }
        Ok(list)
    }

    fn id(&self, name: &str) -> String {
        format!("{}{name}", self.inner.prefix)
    }

    fn resource(&self, name: &str) -> String {
        format!("secret `{name}` ({})", self.id(name))
    }

    fn kept(&self, name: &str) -> Option<Secret> {
        let read = self.inner.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(name).filter(|(at, _)| at.elapsed() < self.inner.ttl).map(|(_, secret)| secret.clone())
    }

    /// The fields of a secret as they are now; `None` without the secret.
    async fn fields(&self, name: &str) -> Result<Option<Fields>> {
        let answer = match self.inner.client.get_secret_value().secret_id(self.id(name)).send().await {
            Ok(answer) => answer,
            Err(e) if e.as_service_error().is_some_and(|refusal| refusal.is_resource_not_found_exception()) => {
                return Ok(None);
            }
            Err(e) => return Err(failed("secretsmanager:GetSecretValue", &self.resource(name), &e)),
        };
        // What exactly is wrong with it is not said: the words of the parser may show a part of it.
        let fields = serde_json::from_str(answer.secret_string().unwrap_or_default()).map_err(|_| {
            Error::stop(format!(
                "{} is not a JSON object of texts, such as {EXAMPLE}: put it right in AWS Secrets Manager",
                self.resource(name)
            ))
        })?;
        Ok(Some(fields))
    }
}

fn written(name: &str, fields: &Fields) -> Result<String> {
    serde_json::to_string(fields).map_err(|_| Error::stop(format!("secret `{name}` cannot be written down")))
}

const EXAMPLE: &str = r#"{"username": "…", "password": "…"}"#;

impl fmt::Debug for SecretsVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsVault").field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}

#[async_trait]
impl Vault for SecretsVault {
    fn forget(&self, name: &str) {
        self.refresh(name);
    }

    async fn secret(&self, name: &str) -> Result<Secret> {
        if let Some(secret) = self.kept(name) {
            return Ok(secret);
        }
        let fields = self.fields(name).await?.filter(|fields| !fields.is_empty()).ok_or_else(|| {
            Error::awaiting_secret(format!(
                "there is no secret `{name}`: set it with `ml-connector secrets set {name} <field>`, or create {} in AWS \
                 Secrets Manager as a JSON object such as {EXAMPLE}",
                self.id(name)
            ))
        })?;
        let secret = Secret::new(fields);
        let mut read = self.inner.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(name.to_owned(), (Instant::now(), secret.clone()));
        Ok(secret)
    }
}
