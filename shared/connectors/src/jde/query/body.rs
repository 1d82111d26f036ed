//! The JSON of a data request.

use serde::Serialize;

/// A data request, as `POST …/dataservice` takes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::jde) struct DataRequest {
    pub(super) target_name: String,
    pub(super) target_type: &'static str,
    pub(super) data_service_type: &'static str,
    /// Without it no find is pressed and no rows come.
    pub(super) find_on_entry: &'static str,
    /// The default of v1 is VERSION1, so it is always sent.
    pub(super) output_type: &'static str,
    pub(super) alias_naming: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_page_size: Option<String>,
    #[serde(rename = "returnControlIDs", skip_serializing_if = "Option::is_none")]
    pub(super) return_control_ids: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enable_next_page_processing: Option<bool>,
    /// At most 1000 ms switches off that the server fetches ahead by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_page_time_interval: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) query: Option<Query>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aggregation: Option<Aggregation>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Query {
    pub(super) auto_find: bool,
    pub(super) match_type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) condition: Vec<Condition>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) complex_query: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) and_or: &'static str,
    pub(super) query: GroupQuery,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupQuery {
    pub(super) match_type: &'static str,
    pub(super) condition: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    pub(super) control_id: String,
    pub(super) operator: &'static str,
    pub(super) value: Vec<Literal>,
}

/// A value of a condition. All contents are strings, numbers included.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::jde) struct Literal {
    pub(super) content: String,
    pub(super) special_value_id: &'static str,
}

impl Literal {
    /// A value as it stands.
    pub(in crate::jde) fn text(content: &str) -> Self {
        Self::special(content, "LITERAL")
    }

    /// A value that the server works out, such as `TODAY_MINUS_DAY`.
    pub(in crate::jde) fn special(content: &str, id: &'static str) -> Self {
        Self { content: content.to_owned(), special_value_id: id }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Aggregation {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) aggregations: Vec<Function>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) group_by: Vec<GroupBy>,
    /// Ordering stands here for BROWSE too; a key of the same name at the top is ignored by the server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) order_by: Vec<OrderBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency_processing: Option<CurrencyProcessing>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Function {
    pub(super) aggregation: &'static str,
    pub(super) column: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct GroupBy {
    pub(super) column: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct OrderBy {
    pub(super) column: String,
    pub(super) direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CurrencyProcessing {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) key_cols: Vec<String>,
    pub(super) currency_cols: Vec<String>,
}
