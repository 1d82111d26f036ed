//! Transform: maps source rows to destination rows; what cannot be mapped is rejected with its reason.
//!
//! Invoked by its queue; by hand with `{"check": {"tenant": "acme"}}`, which tries the tenant's connections from here.

use engine::model::message::Stage;
use lambda::serve;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(|function, event, deadline| function.stage(Stage::Transform, event, deadline)).await
}
