//! The service operations of the site: which there are, whether they are active and routed, and what they do.
//!
//! Invariant: an operation that is not active, has no routing or is not in the operator's permission lists answers nothing
//! else. A call that no operation knows is never answered with data.

use std::collections::BTreeMap;

use super::custom::CustomOperation;
use super::error::Refusal;
use super::settings::{Operator, Profile, Settings};
use super::writes::WriteOperation;

/// What an operation does.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Execute,
    ExecutePoll,
    Status,
    Results,
    Discovery,
    Custom(Box<CustomOperation>),
    /// Takes JSON documents that have at least these members.
    Receive(Vec<String>),
    /// Writes attributes of one record.
    Write(Box<WriteOperation>),
}

/// One operation, by its alias.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// The internal name, which permission lists and messages use.
    pub(super) name: String,
    pub(super) methods: Vec<String>,
    pub(super) active: bool,
    pub(super) routing: bool,
    pub(super) work: Work,
}

/// All operations.
pub(super) struct Operations(BTreeMap<String, Operation>);

impl Operations {
    /// Those that are delivered with the release.
    pub(super) fn delivered(settings: &Settings) -> Self {
        let aliases = &settings.aliases;
        let mut operations = Self(BTreeMap::new());
        operations.add(&aliases.execute, "QAS_EXECUTEQRY_REST_GET", &["GET", "POST"], Work::Execute);
        operations.add(&aliases.execute_poll, "QAS_EXECUTEQRYPOLL_REST_GET", &["GET"], Work::ExecutePoll);
        operations.add(&aliases.status, "QAS_QUERYSTATUS_REST_GET", &["GET"], Work::Status);
        operations.add(&aliases.results, "QAS_GETQUERYRESULTS_REST_GET", &["GET"], Work::Results);
        if settings.profile == Profile::Pt861 {
            operations.add("servicelist.v1", "PTIB_SERVICELIST_GET", &["GET"], Work::Discovery);
        }
        operations
    }

    pub(super) fn add(&mut self, alias: &str, name: &str, methods: &[&str], work: Work) {
        let methods = methods.iter().map(|method| (*method).into()).collect();
        self.0.insert(alias.into(), Operation { name: name.into(), methods, active: true, routing: true, work });
    }

    pub(super) fn change(&mut self, alias: &str) -> Option<&mut Operation> {
        self.0.get_mut(alias)
    }

    /// The operation of an alias, when it could be called by anybody.
    pub(super) fn find(&self, alias: &str) -> Result<&Operation, Refusal> {
        let operation = self.0.get(alias).ok_or_else(|| Refusal::UnknownOperation(alias.into()))?;
        if !operation.active {
            return Err(Refusal::Inactive(operation.name.clone()));
        }
        if !operation.routing {
            return Err(Refusal::NoRouting(operation.name.clone()));
        }
        Ok(operation)
    }

    /// The aliases that an operator may call.
    pub(super) fn visible(&self, operator: &Operator) -> impl Iterator<Item = (&str, &Operation)> {
        let may = |alias: &str| permitted(operator, alias);
        self.0
            .iter()
            .filter(move |(alias, operation)| operation.active && operation.routing && may(alias))
            .map(|(alias, operation)| (alias.as_str(), operation))
    }
}

/// Whether the operator's permission lists have the operation.
pub(super) fn permitted(operator: &Operator, alias: &str) -> bool {
    operator.operations.as_ref().is_none_or(|allowed| allowed.iter().any(|allowed| allowed == alias))
}
