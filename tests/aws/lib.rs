//! Tests of a deployment live in `deployed/`; this library is empty.
