//! Poll: reads one window, or chosen records, of a sync, archives each batch and sends it to transform.
//!
//! Invoked by its queue; by hand with `{"check": {"tenant": "acme"}}`, which tries the tenant's connections from here.

use engine::model::message::Stage;
use lambda::serve;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(|function, event, deadline| function.stage(Stage::Poll, event, deadline)).await
}
