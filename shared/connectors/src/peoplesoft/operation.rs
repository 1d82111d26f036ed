//! Operations of the site's own, and Application Services, in place of a query: their addresses and bodies.
//!
//! Invariant: whatever is put into an address is encoded, and into a body quoted, so that no value changes their shape.

use engine::plan::StreamSpec;
use engine::{Error, Result};

use super::personal;
use super::queries::{SETID, bare};
use super::query::{Call, Given, Plan, Way, turns};
use super::query_settings::{Fill, Fineness, Next, OperationSettings};
use super::settings::PeopleSoftSettings;
use crate::http::percent_encode;

impl<'a> Plan<'a> {
    /// How a stream is read by an operation.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub(super) fn of_operation(
        stream: &'a StreamSpec,
        settings: &'a PeopleSoftSettings,
        operation: &'a OperationSettings,
    ) -> Result<Self> {
        let has = |name: &str| operation.holds(name);
        let has_window = stream.updated.is_some() && has("{from}");
        let treatments = personal::treatments(stream, None, operation.personal, &settings.personal)?;
        let after = match (&operation.next, &operation.after) {
            (Next::AfterKey, Some(columns)) => columns.clone(),
            (Next::AfterKey, None) => the_column_that_goes_on(stream, has("{setid}"))?,
            // Only to notice a page that comes again; what is hidden is not kept for that.
            (Next::Counted | Next::Token(_), _) if !stream.key.iter().any(|column| treatments.hides(column)) => {
                stream.key.clone()
            }
            _ => Vec::new(),
        };
        if !stream.filter.is_empty() {
            return Err(Error::stop(format!(
                "stream `{}` has a filter, which the operation {} cannot be given: write the values into its path",
                stream.name, stream.object
            )));
        }
        Ok(Self {
            stream,
            settings,
            entry: None,
            fineness: has_window.then_some(operation.updates.unwrap_or(Fineness::Second)),
            has_end: has("{to}"),
            slice_days: settings.slice_days,
            after,
            fields: &operation.fields,
            treatments,
            turns: turns(stream, settings, has("{setid}")),
            way: Way::Operation(operation),
        })
    }

    /// The call of an operation.
    ///
    /// # Errors
    /// Stops when a template has an unknown place.
    pub(super) fn operation(&self, operation: &OperationSettings, template: &str, given: &Given<'_>) -> Result<Call> {
        let object = &self.stream.object;
        let lookup = |name: &str| self.placeholder(operation, name, given);
        let address = filled(template, &lookup, &percent_encode)?;
        if let Some(unknown) = address.split_once('{') {
            return Err(Error::stop(format!("the path of operation {object} has an unknown place `{{{}`", unknown.1)));
        }
        let in_json = |text: &str| {
            let quoted = serde_json::Value::from(text).to_string();
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        };
        let body = operation.body.as_ref().map(|body| filled(body, &lookup, &in_json)).transpose()?;
        let (path, query) =
            address.split_once('?').map_or((address.as_str(), None), |(path, query)| (path, Some(query)));
        Ok(Call {
            path: path.to_owned(),
            query: query.map(str::to_owned),
            body,
            headers: operation.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            what: format!("operation {object}"),
        })
    }

    fn placeholder(&self, operation: &OperationSettings, name: &str, given: &Given<'_>) -> Option<Result<String>> {
        Some(match name {
            "setid" => self.value(&Fill::Setid, given),
            "from" => self.value(&Fill::From, given),
            "to" => self.value(&Fill::To, given),
            "after" => match given.after.filter(|_| operation.next == Next::AfterKey) {
                None => Ok(self.settings.first_key.clone()),
                Some(key) if key.iter().any(Option::is_none) => Err(self.keyless(key)),
                Some(key) => Ok(key.iter().flatten().map(String::as_str).collect::<Vec<_>>().join("|")),
            },
            "limit" => Ok(given.limit.to_string()),
            "page" => Ok((given.page + 1).to_string()),
            "offset" => Ok(given.rows.to_string()),
            "token" if matches!(operation.next, Next::Token(_)) => Ok(given.token.unwrap_or_default().to_owned()),
            column if given.key.is_some() && self.stream.key.iter().any(|key| key == column) => {
                self.value(&Fill::Key(column.to_owned()), given)
            }
            _ => return None,
        })
    }
}

/// The column of the key by which pages follow one another where `after` is not said: the one besides a SetID that the
/// call names.
///
/// # Errors
/// Stops when there are several: behind the last value of one of them rows of the others would be left out.
fn the_column_that_goes_on(stream: &StreamSpec, has_setid: bool) -> Result<Vec<String>> {
    let open = stream.key.iter().filter(|column| !(has_setid && bare(column) == SETID));
    let open: Vec<_> = open.cloned().collect();
    match open.as_slice() {
        [] => Ok(stream.key.last().cloned().into_iter().collect()),
        [_] => Ok(open),
        _ => Err(Error::stop(format!(
            "operation {} goes on by `next: after_key`, and the key of stream `{}` has several columns: name in \
             `operations.{}.after` those of {} that make {{after}}, in the order of the rows",
            stream.object,
            stream.name,
            stream.object,
            open.join(", ")
        ))),
    }
}

/// A template with its places filled. What is no known place stays.
fn filled(
    template: &str,
    lookup: &dyn Fn(&str) -> Option<Result<String>>,
    encode: &dyn Fn(&str) -> String,
) -> Result<String> {
    let mut text = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, place)) = rest.split_once('{') {
        text.push_str(before);
        rest = place;
        let found = place.split_once('}').and_then(|(name, after)| Some((lookup(name)?, after)));
        match found {
            Some((value, after)) => {
                text.push_str(&encode(&value?));
                rest = after;
            }
            None => text.push('{'),
        }
    }
    text.push_str(rest);
    Ok(text)
}
