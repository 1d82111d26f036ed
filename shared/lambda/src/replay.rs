//! Replay by hand.

use chrono::{DateTime, Utc};
use engine::Result;
use engine::model::request::{ReplayRequest, Replayed};
use engine::stages::replay;

use super::Function;

impl Function {
    /// Starts what the request asks for, and says which runs that are.
    ///
    /// # Errors
    /// Stops for a request that asks for nothing, for several things, or for what is not known.
    pub async fn replay(self, request: ReplayRequest, _deadline: DateTime<Utc>) -> Result<Replayed> {
        let integrations = self.integrations(&request.tenant)?;
        replay(&self.context, &request, &integrations).await
    }
}
