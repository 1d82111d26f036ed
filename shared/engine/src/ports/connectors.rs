//! Finds the connector of a sync's connection.

use async_trait::async_trait;

use super::{Consumer, Destination, Source};
use crate::error::Result;
use crate::model::id::{ConnectionId, TenantId};

/// Opens connectors by connection. Opening reads configuration and the vault; it does not call the system yet.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// A source, for one poll. The caller closes it.
    ///
    /// # Errors
    /// Stops when the connection is not configured, is no source, or its secret is missing.
    async fn source(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<Box<dyn Source>>;

    /// Tells one version of a connection's secret from another without telling anything about its content.
    ///
    /// # Errors
    /// As [`Connectors::source`].
    async fn secret_fingerprint(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<String>;

    /// After credentials were refused: whether a secret of the tenant is another one than those that were worked with. The
    /// new ones are used from now on.
    ///
    /// # Errors
    /// As [`Connectors::source`].
    async fn has_new_secrets(&self, _tenant: &TenantId) -> Result<bool> {
        Ok(false)
    }

    /// A destination, to be used for many batches, by several at once.
    ///
    /// # Errors
    /// As [`Connectors::source`].
    async fn destination(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<std::sync::Arc<dyn Destination>>;

    /// A consumer, for one piece of work. The caller closes it.
    ///
    /// # Errors
    /// As [`Connectors::source`].
    async fn consumer(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<Box<dyn Consumer>>;
}
