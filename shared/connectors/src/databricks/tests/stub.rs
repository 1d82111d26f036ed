//! A workspace that answers as it is told.

pub(super) use crate::http::stub::Reply;
use crate::http::stub::{self, Usual, token};

/// Where tokens are given.
pub(super) const TOKEN: &str = "POST /oidc/v1/token";

pub(super) type Stub = stub::Stub<Workspace>;

/// Tokens are given.
pub(super) struct Workspace;

impl Usual for Workspace {
    fn usual(route: &str, number: usize) -> Option<Reply> {
        (route == TOKEN).then(|| token(number))
    }
}
