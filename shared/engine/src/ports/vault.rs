//! Secrets, by name.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::error::{Error, Result};

/// The fields of one secret, such as `username` and `password`. Never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret {
    fields: BTreeMap<String, String>,
}

impl Secret {
    /// A secret with these fields.
    pub fn new(fields: BTreeMap<String, String>) -> Self {
        Self { fields }
    }

    /// A field.
    ///
    /// # Errors
    /// Stops when it is missing, empty, or the literal text `null` that template engines leave behind.
    pub fn field(&self, secret: &str, name: &str) -> Result<&str> {
        match self.fields.get(name).map(String::as_str) {
            Some("") | None => Err(Error::awaiting_secret(format!(
                "secret `{secret}` has no `{name}`: set it with `ml-connector secrets set {secret} {name}`"
            ))),
            Some("null") => Err(Error::awaiting_secret(format!(
                "secret `{secret}` has the text `null` as `{name}`, which no real secret has: set it with \
                 `ml-connector secrets set {secret} {name}`"
            ))),
            Some(value) => Ok(value),
        }
    }

    /// The names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// The fields, for the vault that stores them.
    pub fn fields(&self) -> &BTreeMap<String, String> {
        &self.fields
    }

    /// Tells one version of a secret from another without telling anything about its content.
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.fields {
            text.push_str(&format!("{}:{name}{}:{value}", name.len(), value.len()));
        }
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fields.keys()).finish()
    }
}

/// Where secrets are kept.
#[async_trait]
pub trait Vault: Send + Sync {
    /// The secret with this name.
    ///
    /// # Errors
    /// Stops when there is none or it cannot be opened, and says how to set it.
    async fn secret(&self, name: &str) -> Result<Secret>;

    /// Forgets what was read of a secret, where that is kept: it is read anew the next time.
    fn forget(&self, _name: &str) {}
}
