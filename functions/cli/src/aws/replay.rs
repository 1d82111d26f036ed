//! `replay` by the function of that name.

use engine::model::id::{DeliveryId, IntegrationId, RunId, SyncId};
use engine::model::request::ReplayRequest;
use lambda::ReplayAnswer;

use super::Deployed;
use crate::setup::Setup;

/// What functions have started.
#[derive(Debug, Default)]
pub(crate) struct Started {
    pub(crate) runs: Vec<(SyncId, RunId)>,
    pub(crate) delivery: Option<DeliveryId>,
}

/// Invokes the function of the integration that the request is for, or those of all when it is for all.
///
/// # Errors
/// When a function refuses it, or may not be invoked.
pub(crate) async fn start(setup: &Setup, deployed: &Deployed, request: &ReplayRequest) -> engine::Result<Started> {
    let mut started = Started::default();
    for integration in integrations(setup, request).await? {
        let function = deployed.instance(&integration)?.replay();
        let answer: ReplayAnswer = deployed.functions.invoke(&function, request).await?;
        for replayed in answer.replayed.runs {
            started.runs.push((replayed.sync.parse()?, replayed.run));
        }
        started.delivery = started.delivery.or(answer.replayed.delivery);
    }
    Ok(started)
}

/// The integrations that a request is for.
async fn integrations(setup: &Setup, request: &ReplayRequest) -> engine::Result<Vec<IntegrationId>> {
    let store = &setup.context.store;
    let batch = request.batch.as_ref().and_then(|batch| batch.rsplit_once('/')).map(|(run, _)| RunId::new(run));
    let one = match (&request.sync, request.run.as_ref().or(batch.as_ref()), &request.delivery) {
        (_, Some(run), _) => store.run(run).await?.map(|run| run.sync.integration),
        (_, _, Some(delivery)) => store.delivery(delivery).await?.map(|delivery| delivery.integration),
        (Some(sync), _, _) => sync.split_once('/').map(|(integration, _)| IntegrationId::new(integration)),
        _ => None,
    };
    match one {
        Some(one) => Ok(vec![one]),
        None => setup.integrations(),
    }
}
