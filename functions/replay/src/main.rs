//! Replay: sends a run, a batch, chosen records, a period, all rejects or a delivery the same way once more.
//!
//! Invoked by hand; the payload is [`engine::model::request::ReplayRequest`], described in `infra/README.md`.

use lambda::{Function, serve};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(Function::replay).await
}
