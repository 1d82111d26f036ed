//! A system in use: its permit and its session end with it, whatever happened.

use std::time::Duration;

use super::Context;
use crate::error::{Error, Result};
use crate::metrics::{self, Unit};
use crate::model::id::{ConnectionId, TenantId};
use crate::ports::{Consumer, Source};

/// How long a task waits before it asks again for a busy sync or a busy connection.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The right to use a connection: nobody logs in with credentials that were refused before.
struct Access {
    tenant: TenantId,
    connection: ConnectionId,
    holder: String,
    /// Of the secret that is worked with: meanwhile there may be a newer one, which nobody has refused.
    secret: String,
}

impl Access {
    async fn gain(context: &Context, tenant: &TenantId, connection: &ConnectionId, holder: &str) -> Result<Self> {
        let secret = context.connectors.secret_fingerprint(tenant, connection).await?;
        if let Some(why) = context.store.connection_stopped(tenant, connection, &secret).await? {
            return Err(Error::awaiting_secret(format!(
                "connection `{connection}` is stopped, because {why}; set the right secret, or let it try again with \
                 `ml-connector check --restart`"
            )));
        }
        Ok(Self { tenant: tenant.clone(), connection: connection.clone(), holder: holder.to_owned(), secret })
    }

    async fn has_permit(&self, context: &Context, sessions: u32) -> Result<bool> {
        let (now, until) = (context.clock.now(), context.lease_until());
        context.store.permit(&self.tenant, &self.connection, &self.holder, sessions, now, until).await
    }

    async fn release_permit(&self, context: &Context) {
        if let Err(failure) = context.store.release_permit(&self.tenant, &self.connection, &self.holder).await {
            tracing::warn!(connection = %self.connection, reason = %failure, "a permit was not given back; it will expire");
        }
    }

    /// Stops the connection when its credentials were refused. What fails here is logged.
    async fn note<T>(&self, context: &Context, result: &Result<T>) {
        if let Err(failure) = result
            && failure.is_refused_credentials()
        {
            let why = failure.to_string();
            let stopped = context.store.stop_connection(&self.tenant, &self.connection, &self.secret, &why).await;
            match stopped {
                Ok(()) => metrics::emit("ConnectionsStopped", 1, Unit::Count),
                Err(failure) => {
                    tracing::error!(connection = %self.connection, reason = %failure, "a connection could not be stopped");
                }
            }
        }
    }
}

/// A source in use.
pub(super) struct Session {
    pub(super) source: Box<dyn Source>,
    access: Access,
}

impl Session {
    pub(super) async fn open(
        context: &Context,
        tenant: &TenantId,
        connection: &ConnectionId,
        holder: &str,
    ) -> Result<Self> {
        let access = Access::gain(context, tenant, connection, holder).await?;
        Ok(Self { source: context.connectors.source(tenant, connection).await?, access })
    }

    pub(super) async fn has_permit(&self, context: &Context, sessions: u32) -> Result<bool> {
        self.access.has_permit(context, sessions).await
    }

    pub(super) async fn permit(&self, context: &Context, sessions: u32) -> Result<()> {
        if self.has_permit(context, sessions).await? {
            return Ok(());
        }
        let connection = &self.access.connection;
        Err(Error::later_after(BUSY, format!("all {sessions} sessions of connection `{connection}` are in use")))
    }

    /// Logs out and gives the permit back. What fails here is logged: the permit and the session expire by themselves.
    pub(super) async fn close<T>(self, context: &Context, result: &Result<T>) {
        self.source.close().await;
        self.access.release_permit(context).await;
        self.access.note(context, result).await;
    }
}

/// A consumer in use.
pub(super) struct Conversation {
    pub(super) consumer: Box<dyn Consumer>,
    access: Access,
}

impl Conversation {
    pub(super) async fn open(
        context: &Context,
        tenant: &TenantId,
        connection: &ConnectionId,
        holder: &str,
    ) -> Result<Self> {
        let access = Access::gain(context, tenant, connection, holder).await?;
        Ok(Self { consumer: context.connectors.consumer(tenant, connection).await?, access })
    }

    /// Takes the one permit for deliveries of this connection, or renews it: relays for mail and the like count what
    /// comes at once as spam.
    pub(super) async fn is_the_only_delivery(&self, context: &Context) -> Result<bool> {
        self.access.has_permit(context, 1).await
    }

    /// The delivery is not under way any more: the next may go.
    pub(super) async fn let_the_next_go(&self, context: &Context) {
        self.access.release_permit(context).await;
    }

    /// Logs out. What fails here is logged.
    pub(super) async fn close<T>(self, context: &Context, result: &Result<T>) {
        self.consumer.close().await;
        self.access.note(context, result).await;
    }
}
