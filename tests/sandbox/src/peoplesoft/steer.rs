//! What a test, or an administrator, does to the server while it runs.

use std::fmt;
use std::net::SocketAddr;

use chrono::{DateTime, Utc};

use super::call::Call;
use super::custom::CustomOperation;
use super::definition::QueryDefinition;
use super::faults::Fault;
use super::operations::Work;
use super::queries::DefinitionError;
use super::record::Records;
use super::routes::REST;
use super::schema::RecordError;
use super::server::PeopleSoftSandbox;
use super::settings::{Answered, Operator};
use super::writes::{WriteOperation, Written};
use crate::clock::Clock;
use crate::faults::Calls;

impl PeopleSoftSandbox {
    /// The base that clients are given: `http://127.0.0.1:PORT/PSIGW/RESTListeningConnector`, or `https://localhost:PORT/…`,
    /// without the node.
    pub fn base_url(&self) -> String {
        match self.shared.settings.tls {
            Some(_) => format!("https://localhost:{}{REST}", self.address.port()),
            None => format!("http://{}{REST}", self.address),
        }
    }

    /// The token endpoint of the identity provider, when there is one. It has an address of its own.
    pub fn token_url(&self) -> Option<String> {
        self.token_address.map(|address| format!("http://{address}/oauth2/v1/token"))
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The clock it runs by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Looks at or changes the data, between calls.
    pub fn with_records<T>(&self, work: impl FnOnce(&mut Records) -> T) -> T {
        let now = self.shared.clock.now();
        let mut state = self.shared.state();
        let state = &mut *state;
        state.writes.settle(&mut state.records, now);
        work(&mut state.records)
    }

    /// Saves a query, or saves it anew. Fails when a record, a field or a prompt that it names is not there.
    pub fn define_query(&self, query: QueryDefinition) -> Result<(), DefinitionError> {
        let mut state = self.shared.state();
        let state = &mut *state;
        state.queries.define(query, &state.records)
    }

    /// Changes a saved query without checking it, as somebody with the rights may do at any time. False when there is none.
    pub fn change_query(&self, name: &str, change: impl FnOnce(&mut QueryDefinition)) -> bool {
        let mut state = self.shared.state();
        let Some(mut query) = state.queries.remove(name) else {
            return false;
        };
        change(&mut query);
        state.queries.put(query);
        true
    }

    /// Takes a column out of a saved query. False when it has none of this name.
    pub fn drop_column(&self, query: &str, column: &str) -> bool {
        let mut dropped = false;
        self.change_query(query, |query| {
            let before = query.columns.len();
            query.columns.retain(|known| known.name != column);
            dropped = query.columns.len() < before;
        });
        dropped
    }

    /// Deletes a saved query. False when there is none.
    pub fn drop_query(&self, name: &str) -> bool {
        self.shared.state().queries.remove(name).is_some()
    }

    /// Adds an operation that answers with rows, or replaces it. Fails as [`PeopleSoftSandbox::define_query`] does.
    pub fn define_operation(&self, operation: CustomOperation) -> Result<(), DefinitionError> {
        let mut state = self.shared.state();
        let state = &mut *state;
        super::queries::check(&operation.query, &state.records)?;
        let alias = operation.alias.clone();
        state.operations.add(&alias, &internal_name(&alias, "GET"), &["GET"], Work::Custom(Box::new(operation)));
        Ok(())
    }

    /// Adds an operation that takes JSON documents which must have these members.
    pub fn define_receiver(&self, alias: &str, required: &[&str]) {
        let required = required.iter().map(|name| (*name).into()).collect();
        self.shared.state().operations.add(alias, &internal_name(alias, "POST"), &["POST"], Work::Receive(required));
    }

    /// The documents that an operation of [`PeopleSoftSandbox::define_receiver`] has taken.
    pub fn received(&self, alias: &str) -> Vec<serde_json::Value> {
        self.shared.state().received.get(alias).cloned().unwrap_or_default()
    }

    /// Adds an operation that writes attributes of one record, or replaces it. Fails when the record lacks a field that it
    /// names.
    pub fn define_write(&self, operation: WriteOperation) -> Result<(), RecordError> {
        let mut state = self.shared.state();
        operation.check(&state.records)?;
        let (alias, methods) = (operation.alias.clone(), operation.methods.clone());
        let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
        let name = internal_name(&alias, methods.first().unwrap_or(&"POST"));
        state.operations.add(&alias, &name, &methods, Work::Write(Box::new(operation)));
        Ok(())
    }

    /// What operations of [`PeopleSoftSandbox::define_write`] have written, oldest first, also what queries do not show yet.
    pub fn writes(&self) -> Vec<Written> {
        self.shared.state().writes.journal.clone()
    }

    /// Switches an operation on or off. False when there is none.
    pub fn set_active(&self, alias: &str, active: bool) -> bool {
        self.shared.state().operations.change(alias).map(|operation| operation.active = active).is_some()
    }

    /// Adds or takes away the any-to-local routing of an operation. False when there is none.
    pub fn set_routing(&self, alias: &str, routing: bool) -> bool {
        self.shared.state().operations.change(alias).map(|operation| operation.routing = routing).is_some()
    }

    /// Changes an operator's password, permission lists, query access groups or row security. False when there is none.
    pub fn change_operator(&self, id: &str, change: impl FnOnce(&mut Operator)) -> bool {
        let mut state = self.shared.state();
        let operator = state.accounts.operators.iter_mut().find(|operator| operator.id == id);
        operator.map(change).is_some()
    }

    /// Lets a locked account log in again.
    pub fn unlock(&self, operator: &str) {
        self.shared.state().accounts.unlock(operator);
    }

    /// Revokes all access tokens.
    pub fn revoke_tokens(&self) {
        self.shared.state().tokens.revoke_all();
    }

    /// Answers every call like this until the clock shows `until`: a domain that is down. The identity provider stays up.
    pub fn go_down(&self, until: DateTime<Utc>, answered: Answered) {
        self.shared.state().down = Some((until, answered));
    }

    /// Adds a fault for calls to come.
    pub fn fault(&self, calls: Calls, fault: Fault) {
        self.shared.state().rules.add(calls, fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.state().rules.clear();
    }

    /// How many faults still wait for a call: a test that ends with some has not tested what it says.
    pub fn faults_waiting(&self) -> usize {
        self.shared.state().rules.waiting()
    }

    /// The calls so far, oldest first; the oldest are dropped beyond `Settings::calls_kept`.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.iter().cloned().collect()
    }

    /// How many calls there were whose path contains this.
    pub fn count_calls(&self, path: &str) -> usize {
        self.shared.state().calls.iter().filter(|call| call.path.contains(path)).count()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        let mut state = self.shared.state();
        state.calls.clear();
        state.most_at_once = 0;
    }

    /// How many calls were under way at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        self.shared.state().most_at_once
    }
}

/// `CX_VOUCHER_LIST.v1` is the alias of `CX_VOUCHER_LIST_REST_GET`.
fn internal_name(alias: &str, method: &str) -> String {
    format!("{}_REST_{method}", alias.split('.').next().unwrap_or(alias).to_uppercase())
}

impl fmt::Debug for PeopleSoftSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeopleSoftSandbox({})", self.base_url())
    }
}
