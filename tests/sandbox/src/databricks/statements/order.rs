//! What a call asks for, checked before anything runs.

use std::time::Duration;

use rusqlite::types::Value;
use serde::Deserialize;

use crate::databricks::answer::Refusal;
use crate::databricks::catalog::types::Type;
use crate::databricks::settings::{Principal, Settings};
use crate::databricks::sql::{Parameter, convert_text};

/// A statement as it was ordered.
#[derive(Clone, Debug)]
pub(in super::super) struct Order {
    pub(in super::super) text: String,
    pub(in super::super) warehouse: String,
    pub(super) principal: Principal,
    pub(super) catalog: String,
    pub(super) schema: String,
    pub(super) parameters: Vec<Parameter>,
    /// A parameter that is none of its type, which the statement fails with.
    pub(super) bad_parameter: Option<crate::databricks::sql::error::SqlError>,
    pub(super) row_limit: Option<u64>,
    pub(super) byte_limit: Option<u64>,
    pub(super) external: bool,
    pub(super) csv: bool,
    pub(super) wait: Duration,
    pub(super) cancel_after_wait: bool,
    pub(super) tags: Vec<(String, Option<String>)>,
}

#[derive(Deserialize)]
struct Body {
    statement: Option<String>,
    warehouse_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    parameters: Vec<Marker>,
    row_limit: Option<u64>,
    byte_limit: Option<u64>,
    disposition: Option<String>,
    format: Option<String>,
    wait_timeout: Option<String>,
    on_wait_timeout: Option<String>,
    #[serde(default)]
    query_tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Marker {
    name: String,
    value: Option<String>,
    #[serde(rename = "type")]
    ty: Option<String>,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    value: Option<String>,
}

impl Order {
    pub(super) fn read(body: &[u8], principal: &Principal, settings: &Settings) -> Result<Self, Refusal> {
        if body.len() > settings.largest_statement + 64 * 1024 {
            return Err(Refusal::invalid(too_long(settings)));
        }
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| Refusal::malformed(format!("Could not parse request object: {error}")))?;
        let text = body.statement.filter(|text| !text.trim().is_empty());
        let text = text.ok_or_else(|| Refusal::invalid("Missing required field: statement"))?;
        let markers: usize = body.parameters.iter().filter_map(|marker| marker.value.as_ref()).map(String::len).sum();
        if text.len() + markers > settings.largest_statement {
            return Err(Refusal::invalid(too_long(settings)));
        }
        let warehouse = body.warehouse_id.filter(|id| !id.is_empty());
        let warehouse = warehouse.ok_or_else(|| Refusal::invalid("Missing required field: warehouse_id"))?;
        if body.query_tags.len() > 20 {
            return Err(Refusal::invalid("At most 20 query tags are allowed."));
        }
        let (external, csv) = form(body.disposition.as_deref(), body.format.as_deref())?;
        let (wait, cancel_after_wait) = wait(body.wait_timeout.as_deref(), body.on_wait_timeout.as_deref())?;
        let mut bad_parameter = None;
        let mut parameters = Vec::new();
        for marker in body.parameters {
            let ty = parameter_type(marker.ty.as_deref())?;
            let value = match marker.value {
                None => Value::Null,
                Some(text) => convert_text(&text, &ty).unwrap_or_else(|error| {
                    bad_parameter = Some(error);
                    Value::Null
                }),
            };
            parameters.push(Parameter { name: marker.name, ty, value });
        }
        Ok(Self {
            text,
            warehouse,
            principal: principal.clone(),
            catalog: body.catalog.unwrap_or_else(|| settings.catalog.clone()),
            schema: body.schema.unwrap_or_else(|| settings.schema.clone()),
            parameters,
            bad_parameter,
            row_limit: body.row_limit,
            byte_limit: body.byte_limit,
            external,
            csv,
            wait,
            cancel_after_wait,
            tags: body.query_tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        })
    }
}

fn too_long(settings: &Settings) -> String {
    format!("The statement exceeds the maximum size of {} bytes.", settings.largest_statement)
}

fn parameter_type(ty: Option<&str>) -> Result<Type, Refusal> {
    let name = ty.unwrap_or("STRING");
    let parsed = Type::parse(name)
        .map_err(|error| Refusal::invalid(format!("Invalid parameter type '{name}': {}", error.message)))?;
    if parsed.is_nested() || parsed == Type::Variant {
        return Err(Refusal::invalid(format!(
            "Parameter type '{name}' is not supported: ARRAY, MAP and STRUCT cannot be given."
        )));
    }
    Ok(parsed)
}

/// Whether the result is fetched by external links, and whether it is CSV.
fn form(disposition: Option<&str>, format: Option<&str>) -> Result<(bool, bool), Refusal> {
    let external = match disposition {
        None | Some("INLINE") => false,
        Some("EXTERNAL_LINKS") => true,
        Some(other) => return Err(Refusal::invalid(format!("Unknown disposition: {other}"))),
    };
    match format {
        None | Some("JSON_ARRAY") => Ok((external, false)),
        Some("CSV") if external => Ok((true, true)),
        Some("ARROW_STREAM") if external => {
            Err(Refusal::new(501, "NOT_IMPLEMENTED", "The sandbox does not write ARROW_STREAM; ask for JSON_ARRAY."))
        }
        Some("CSV" | "ARROW_STREAM") => {
            Err(Refusal::invalid("The format is only supported with disposition EXTERNAL_LINKS."))
        }
        Some(other) => Err(Refusal::invalid(format!("Unknown format: {other}"))),
    }
}

fn wait(timeout: Option<&str>, on_timeout: Option<&str>) -> Result<(Duration, bool), Refusal> {
    let text = timeout.unwrap_or("10s");
    let seconds = text.strip_suffix('s').and_then(|digits| digits.parse::<u64>().ok());
    let seconds = seconds.filter(|seconds| *seconds == 0 || (5..=50).contains(seconds)).ok_or_else(|| {
        Refusal::invalid(format!("wait_timeout needs to be either 0s or between 5s and 50s, but was '{text}'."))
    })?;
    let cancel = match on_timeout {
        None | Some("CONTINUE") => false,
        Some("CANCEL") => seconds > 0,
        Some(other) => return Err(Refusal::invalid(format!("Unknown on_wait_timeout: {other}"))),
    };
    Ok((Duration::from_secs(seconds), cancel))
}
