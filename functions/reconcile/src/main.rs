//! Reconcile: compares counts, totals and records of source and destination, names every difference with its cause, and
//! asks for the runs that mend it.
//!
//! Invoked by hand with a [`lambda::ReconcileRequest`], and by its schedule with `{"sweep": {}}`: how late is everything?

use lambda::{Function, serve};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    serve(Function::reconcile).await
}
