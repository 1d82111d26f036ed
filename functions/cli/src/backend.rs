//! Where queues and store are: in a directory of this machine, where this process does the work, or in a deployed stack,
//! whose functions do it.

use std::sync::Arc;

use backend_embedded::{DeadLetter, Embedded};
use engine::model::message::Stage;
use engine::ports::{Queue, Store};

#[cfg(feature = "aws")]
use crate::aws::Deployed;

/// Queues and store of a tenant.
#[derive(Clone)]
pub enum Backend {
    /// In a state directory.
    Here(Arc<Embedded>),
    /// In a stack.
    #[cfg(feature = "aws")]
    Deployed(Arc<Deployed>),
}

impl Backend {
    /// The queues.
    pub fn queue(&self) -> Arc<dyn Queue> {
        match self {
            Self::Here(embedded) => embedded.clone(),
            #[cfg(feature = "aws")]
            Self::Deployed(deployed) => deployed.clone(),
        }
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Here(embedded) => embedded.clone(),
            #[cfg(feature = "aws")]
            Self::Deployed(deployed) => deployed.clone(),
        }
    }

    /// Whether functions do the work, and not this process.
    pub fn is_deployed(&self) -> bool {
        !matches!(self, Self::Here(_))
    }

    /// Messages in the queues, those in somebody's hands included. Of a stack they are of all its tenants, and AWS tells
    /// their number only roughly.
    ///
    /// # Errors
    /// When the queues cannot be reached.
    pub async fn pending(&self) -> engine::Result<u64> {
        let mut pending = 0;
        match self {
            Self::Here(embedded) => {
                for stage in Stage::ALL {
                    pending += embedded.pending(stage).await?;
                }
            }
            #[cfg(feature = "aws")]
            Self::Deployed(deployed) => pending += deployed.pending().await?,
        }
        Ok(pending)
    }

    /// What was put aside. In a stack a function takes it and ends the runs, so that the store tells all there is.
    ///
    /// # Errors
    /// When the queues cannot be reached.
    pub async fn dead_letters(&self) -> engine::Result<Vec<DeadLetter>> {
        match self {
            Self::Here(embedded) => embedded.dead_letters().await,
            #[cfg(feature = "aws")]
            Self::Deployed(_) => Ok(Vec::new()),
        }
    }
}
