//! What a site does differently where attributes are written back: by which operation, and what it takes and answers.

use std::collections::BTreeMap;

use engine::config::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dates;
use super::settings::is_segment;

/// How the records of one table are written, one at a time, by an operation of the site's own: PeopleSoft has no business
/// API for it. What is not written is as shipped, where the table is a shipped one; others need `operation` and `read`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WriteSettings {
    /// The operation: alias with version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"CX_VENDOR_UPDATE.v1")]
    pub operation: Option<String>,
    /// The HTTP method that it takes; `post` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = WriteMethod::Put)]
    pub method: Option<WriteMethod>,
    /// What its URI template wants behind the alias: PeopleSoft fields in braces. Nothing when absent: the key stands in the
    /// body in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"suppliers/{SETID}/{VENDOR_ID}")]
    pub path: Option<String>,
    /// Columns of the table whose PeopleSoft field has another name than shipped; a column that is listed nowhere is the
    /// field of its own name in capitals.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"risk_class": "CX_RISK_CLASS"}]))]
    pub fields: BTreeMap<String, String>,
    /// The member of the body that gets our reference of the call, by which it is found in PeopleSoft; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"CX_REFERENCE")]
    pub reference: Option<String>,
    /// How the answer says that the record was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = SuccessSettings::default())]
    pub success: Option<SuccessSettings>,
    /// Where the answer says why not, as a JSON pointer; `/message` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/data/message")]
    pub message: Option<String>,
    /// Where the answer tells PeopleSoft's id of the record, as a JSON pointer; `/id` when absent. Nothing need stand there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/data/id")]
    pub id: Option<String>,
    /// How long after a call queries may still show the record as it was; `0s` when absent. The longest of all tables of the
    /// connection counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"30s")]
    pub settles_after: Option<Period>,
    /// The query of rows by whose companion (`_K`) a record is read back by its key, or an entry of `operations` with a
    /// `key_path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ML_VENDOR")]
    pub read: Option<String>,
    /// How the operation wants dates, as in strftime; `%Y-%m-%d` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"%Y/%m/%d")]
    pub date_format: Option<String>,
    /// How it wants dates with a time, in `zone`, as in strftime; `%Y-%m-%d-%H.%M.%S.%6f` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"%Y-%m-%dT%H:%M:%S")]
    pub datetime_format: Option<String>,
    /// Other headers of the call.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"X-Api-Version": "2"}]))]
    pub headers: BTreeMap<String, String>,
}

/// The methods by which REST operations take a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteMethod {
    /// `POST`.
    #[default]
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`, in Application Services.
    Patch,
}

impl WriteMethod {
    /// As it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// How an answer says that a record was written. A component that refuses a record answers with 200 up to PeopleTools
/// 8.58, so the status does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuccessSettings {
    /// Where it says so, as a JSON pointer.
    #[serde(default = "status")]
    #[schemars(example = &"/status")]
    pub pointer: String,
    /// What stands there then, whatever its case. Without any, every answer with a good status that reports no error counts.
    #[schemars(example = ["success"])]
    pub values: Vec<String>,
}

impl Default for SuccessSettings {
    fn default() -> Self {
        Self { pointer: status(), values: vec!["success".to_owned()] }
    }
}

fn status() -> String {
    "/status".to_owned()
}

impl WriteSettings {
    /// What is wrong with it: the field, and why.
    pub(super) fn validate(&self) -> Result<(), (&'static str, String)> {
        if let Some(operation) = self.operation.as_ref().filter(|operation| !is_segment(operation)) {
            return Err(("operation", format!("is alias and version, such as CX_VENDOR_UPDATE.v1, not `{operation}`")));
        }
        if let Some(read) = self.read.as_ref().filter(|read| !is_segment(read)) {
            return Err(("read", format!("is the name of a query, such as ML_VENDOR, not `{read}`")));
        }
        let success = self.success.as_ref().map(|success| &success.pointer);
        for (field, pointer) in
            [("success.pointer", success), ("message", self.message.as_ref()), ("id", self.id.as_ref())]
        {
            if let Some(pointer) = pointer.filter(|pointer| !pointer.starts_with('/')) {
                return Err((field, format!("is a JSON pointer such as /status, not `{pointer}`")));
            }
        }
        if let Some(pattern) = self.date_format.as_ref().filter(|pattern| !dates::is_date_pattern(pattern)) {
            return Err(("date_format", format!("is a pattern of strftime such as %Y-%m-%d, not `{pattern}`")));
        }
        if let Some(pattern) = self.datetime_format.as_ref().filter(|pattern| !dates::is_datetime_pattern(pattern)) {
            let example = "%Y-%m-%d-%H.%M.%S";
            return Err(("datetime_format", format!("is a pattern of strftime such as {example}, not `{pattern}`")));
        }
        if let Some(path) = self.path.as_ref().filter(|path| path.starts_with('/') || !are_closed(path)) {
            let example = "suppliers/{SETID}/{VENDOR_ID}";
            return Err(("path", format!("is what follows the operation, such as {example}, not `{path}`")));
        }
        let empty = |name: &String| name.trim().is_empty();
        if self.fields.values().any(empty) || self.reference.as_ref().is_some_and(empty) {
            return Err((
                "fields",
                "and `reference` name fields of PeopleSoft, and one of them has no name".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Whether every brace is closed before the next one opens.
fn are_closed(path: &str) -> bool {
    let mut open = false;
    path.chars().all(|c| match c {
        '{' => !std::mem::replace(&mut open, true),
        '}' => std::mem::replace(&mut open, false),
        _ => true,
    }) && !open
}
