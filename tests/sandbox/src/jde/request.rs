//! What a data request says, as it stands in the body or in the parameters of the simple GET.
//!
//! Invariant: a member has exactly the JSON type of the documentation; anything else does not decode and is a 400.
//! `maxPageSize`, `findOnEntry` and `content` are strings there, so a number is refused. Unknown members are ignored,
//! among them a top-level `orderBy`.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// Who calls: the members that any body may carry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Caller {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) device_name: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) role: Option<String>,
    pub(super) jasserver: Option<String>,
    pub(super) token: Option<String>,
    pub(super) ps_token: Option<String>,
    #[serde(default)]
    pub(super) touch: Option<Flag>,
}

/// A data request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataRequest {
    pub(super) target_name: Option<String>,
    pub(super) target_type: Option<String>,
    pub(super) data_service_type: Option<String>,
    pub(super) find_on_entry: Option<String>,
    #[serde(rename = "returnControlIDs")]
    pub(super) return_control_ids: Option<String>,
    pub(super) max_page_size: Option<String>,
    pub(super) enable_next_page_processing: Option<Flag>,
    pub(super) output_type: Option<String>,
    pub(super) query: Option<Query>,
    pub(super) aggregation: Option<Aggregation>,
    pub(super) batch_data_request: Option<bool>,
    #[serde(flatten)]
    pub(super) caller: Caller,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Query {
    #[serde(rename = "autoFind")]
    _auto_find: Option<bool>,
    pub(super) match_type: Option<String>,
    #[serde(default)]
    pub(super) condition: Vec<Condition>,
    #[serde(default)]
    pub(super) complex_query: Vec<Group>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) query: Query,
    pub(super) and_or: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    pub(super) control_id: String,
    pub(super) operator: String,
    #[serde(default)]
    pub(super) value: Vec<Literal>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Literal {
    pub(super) content: Option<String>,
    pub(super) special_value_id: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Aggregation {
    #[serde(default)]
    pub(super) aggregations: Vec<Function>,
    #[serde(default)]
    pub(super) group_by: Vec<GroupBy>,
    #[serde(default)]
    pub(super) order_by: Vec<OrderBy>,
    pub(super) having: Option<serde_json::Value>,
    pub(super) currency_processing: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Function {
    pub(super) column: String,
    pub(super) aggregation: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupBy {
    pub(super) column: String,
    pub(super) special_handling: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct OrderBy {
    pub(super) column: String,
    pub(super) direction: Option<String>,
}

/// A boolean that is also accepted as the string `"true"` or `"false"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Bool(bool),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Bool(value) => Ok(Self(value)),
            Either::Text(text) if text.eq_ignore_ascii_case("true") => Ok(Self(true)),
            Either::Text(text) if text.eq_ignore_ascii_case("false") => Ok(Self(false)),
            Either::Text(text) => Err(D::Error::custom(format!("{text:?} is no boolean"))),
        }
    }
}

/// The operators of a GET `$filter` and what they are called in a body.
const SHORT_OPERATORS: [(&str, &str); 9] = [
    ("EQ", "EQUAL"),
    ("NE", "NOT_EQUAL"),
    ("STARTSWITH", "STR_START_WITH"),
    ("ENDSWITH", "STR_END_WITH"),
    ("CONTAINS", "STR_CONTAIN"),
    ("LT", "LESS"),
    ("LE", "LESS_EQUAL"),
    ("GT", "GREATER"),
    ("GE", "GREATER_EQUAL"),
];

/// Reads `F0101.AT1 EQ V`, and with `special` also `F0101.UPMJ GE 5 TODAY_MINUS_DAY`. The value may hold blanks.
pub(super) fn parse_filter(filter: &str, special: bool) -> Result<Condition, String> {
    let mut parts = filter.splitn(3, ' ');
    let (Some(column), Some(short), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("{filter:?} is not TABLE.ALIAS OP value"));
    };
    let Some((_, operator)) = SHORT_OPERATORS.iter().find(|(known, _)| *known == short) else {
        return Err(format!("unknown operator {short:?} in $filter"));
    };
    let literal = match value.rsplit_once(' ') {
        Some((count, id)) if special && id.starts_with("TODAY") => (count, id),
        None if special && value == "TODAY" => ("0", "TODAY"),
        _ => (value, "LITERAL"),
    };
    Ok(Condition {
        control_id: column.into(),
        operator: (*operator).into(),
        value: vec![Literal { content: Some(literal.0.into()), special_value_id: Some(literal.1.into()) }],
    })
}

/// Reads a GET `$sort`: a column, and `DESC` after a blank for the other direction.
pub(super) fn parse_sort(sort: &str) -> OrderBy {
    let (column, direction) = sort.split_once(' ').unwrap_or((sort, "ASC"));
    OrderBy { column: column.into(), direction: Some(direction.into()) }
}
