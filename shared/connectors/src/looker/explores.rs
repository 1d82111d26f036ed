//! What an explore shows: its fields, its errors, and the connection that it queries.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::client::{Ask, Client};
use super::queries::MAY_QUERY;
use super::refusal::Failure;
use crate::http::Method;

/// An explore as Looker describes it, as far as it is of use here. A dimension group stands there as its timeframes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Explore {
    /// Looker's connection to the database.
    pub(super) connection_name: Option<String>,
    errors: Option<Vec<ExploreError>>,
    fields: Option<FieldSet>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExploreError {
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldSet {
    dimensions: Option<Vec<Field>>,
    measures: Option<Vec<Field>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Field {
    name: Option<String>,
}

impl Explore {
    /// The names of all its dimensions and measures.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let sets = self.fields.iter().flat_map(|set| [&set.dimensions, &set.measures]);
        sets.flatten().flatten().filter_map(|field| field.name.as_deref()).collect()
    }

    /// What is wrong with its LookML, in Looker's words.
    pub(super) fn errors(&self) -> Vec<&str> {
        self.errors.iter().flatten().map(|error| error.message.as_deref().unwrap_or("an error without words")).collect()
    }
}

/// The explores that this session has read.
#[derive(Default)]
pub(super) struct Explores(tokio::sync::Mutex<HashMap<String, Arc<Explore>>>);

impl Explores {
    /// An explore of the model, read once.
    ///
    /// # Errors
    /// Missing when there is none or it may not be seen; otherwise as every call.
    pub(super) async fn get(&self, client: &Client, explore: &str) -> Result<Arc<Explore>, Failure> {
        let mut known = self.0.lock().await;
        if let Some(found) = known.get(explore) {
            return Ok(Arc::clone(found));
        }
        let model = &client.settings.model;
        let what = format!("the explore `{model}::{explore}`");
        let path = ["lookml_models", model, "explores", explore];
        let ask = Ask::new(Method::GET, &path, &what, MAY_QUERY).with("fields", "name,connection_name,errors,fields");
        let read: Arc<Explore> = Arc::new(client.ask(&ask).await?);
        known.insert(explore.to_owned(), Arc::clone(&read));
        Ok(read)
    }
}
