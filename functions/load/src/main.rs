//! Load: writes a batch so that doing it twice changes nothing, closes runs, tells whoever reads, and follows deliveries. The
//! same program, on the queue of dead letters, ends the runs of messages that killed every function that took them.
//!
//! Invoked by its queue; by hand with `{"check": {"tenant": "acme"}}`, which tries the tenant's connections from here.

use engine::model::message::Stage;
use lambda::serve;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(|function, event, deadline| function.stage(Stage::Load, event, deadline)).await
}
