//! What a site does differently for one query, and operations that stand in for a query.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::{first_part, is_segment};

/// Whose a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Everybody's.
    #[default]
    Public,
    /// The service user's own.
    Private,
}

impl Owner {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// What differs for one query. What is not written is as shipped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuerySettings {
    /// The site's own name of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"CX_VOUCHER")]
    pub name: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = Owner::Private)]
    pub owner: Option<Owner>,
    /// Its prompts by their unique names, in the order of the query; `BIND1` and so on for those without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [[{"name": "BIND1", "value": "from"}, {"name": "BIND2", "value": {"after": "ROW_KEY"}}]]))]
    pub prompts: Option<Vec<PromptSettings>>,
    /// Fields that answers name in another way: our name, and theirs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"ROW_KEY": "KEY_ALL"}]))]
    pub fields: BTreeMap<String, String>,
    /// How finely its prompts tell what changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = Fineness::Second)]
    pub updates: Option<Fineness>,
    /// The query that finds a record by its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"name": "CX_VOUCHER_KEY"}]))]
    pub by_key: Option<CompanionSettings>,
    /// The query that counts and sums.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"enabled": false}]))]
    pub totals: Option<CompanionSettings>,
    /// Whether it runs in the background of the Process Scheduler, because it takes longer than a call may.
    #[schemars(example = true)]
    pub background: bool,
    /// Days per slice of a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 7)]
    pub slice_days: Option<u32>,
    /// Whether it reads data about persons, which has to be switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub personal: Option<bool>,
}

/// A query beside the one that reads rows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompanionSettings {
    /// Whether it is there; as the connection says when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub enabled: Option<bool>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"CX_VOUCHER_KEY")]
    pub name: Option<String>,
    /// Its prompts, in the order of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [[{"name": "BIND1", "value": {"key": "VOUCHER_ID"}}]]))]
    pub prompts: Option<Vec<PromptSettings>>,
}

/// A prompt and what it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptSettings {
    /// Its unique name, in its very case.
    #[schemars(example = &"AFTER_KEY")]
    pub name: String,
    /// What it is given.
    #[schemars(example = Fill::From)]
    pub value: Fill,
}

/// What a prompt is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// The SetID whose turn it is.
    Setid,
    /// The first moment of the window.
    From,
    /// The first moment after the window.
    To,
    /// The last value of this field on the page before: the query holds rows with a greater one, ordered by it.
    After(String),
    /// The value of this column of the key that is looked for.
    Key(String),
    /// The value that the stream's filter has for this column.
    Filter(String),
    /// Always the same.
    Constant(String),
}

/// How finely a query tells what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fineness {
    /// Its prompts are dates.
    Day,
    /// Its prompts are dates with a time.
    Second,
}

/// An operation of the site, or an Application Service, that is read in place of a query.
///
/// In `path` and `body` stand `{setid}`, `{from}`, `{to}`, `{after}`, `{limit}`, `{page}` (from 1), `{offset}` and
/// `{token}`, in `key_path` the columns of the key, such as `{VENDOR_ID}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationSettings {
    /// The address behind the node: alias with version, then what its template wants.
    #[schemars(example = &"SCX_VENDOR_LIST.v1/{setid}?after={after}&limit={limit}")]
    pub path: String,
    /// The same for one record by its key; without it records are not read by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"SCX_VENDOR.v1/{SETID}/{VENDOR_ID}")]
    pub key_path: Option<String>,
    /// The body of a POST, as JSON; without it the call is a GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &r#"{"iStartDate": "{from}", "iEndDate": "{to}"}"#)]
    pub body: Option<String>,
    /// Where the rows are, as a JSON pointer; empty for the answer itself.
    #[serde(default)]
    #[schemars(example = &"/vendors")]
    pub rows: String,
    /// How a read goes on after a page.
    #[serde(default)]
    #[schemars(example = Next::AfterKey)]
    pub next: Next,
    /// The columns of the last row that make `{after}`, joined by `|`. Absent where the key has one column besides a
    /// SETID that `{setid}` fixes: that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["VENDOR_ID"])]
    pub after: Option<Vec<String>>,
    /// Where the answer says that it failed although its status is 200, as a JSON pointer; any value but null, false and
    /// an empty one is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/error")]
    pub error: Option<String>,
    /// Other headers of the call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"X-Api-Version": "2"}]))]
    pub headers: BTreeMap<String, String>,
    /// Fields that answers name in another way: our name, and theirs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"VENDOR_ID": "vendorId"}]))]
    pub fields: BTreeMap<String, String>,
    /// How finely `{from}` and `{to}` tell what changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = Fineness::Day)]
    pub updates: Option<Fineness>,
    /// Whether it reads data about persons, which has to be switched on.
    #[serde(default)]
    #[schemars(example = false)]
    pub personal: bool,
}

/// How a read of an operation goes on after a page.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// One answer holds all.
    #[default]
    None,
    /// `{after}`: by the last key, until a page is empty.
    AfterKey,
    /// `{page}` or `{offset}`: by counting, until a page is empty. Rows that come and go meanwhile may be missed.
    Counted,
    /// `{token}`: by what stands at this JSON pointer, until nothing stands there.
    Token(String),
}

impl OperationSettings {
    /// The paths that are called.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        [Some(self.path.as_str()), self.key_path.as_deref()].into_iter().flatten()
    }

    /// Whether path or body have this place.
    pub(super) fn holds(&self, place: &str) -> bool {
        self.path.contains(place) || self.body.as_ref().is_some_and(|body| body.contains(place))
    }

    /// What is wrong with it.
    pub(super) fn validate(&self) -> Result<(), String> {
        if let Some(path) = self.paths().find(|path| !is_segment(first_part(path))) {
            return Err(format!("must begin with alias and version, such as SCX_VENDOR_LIST.v1, not `{path}`"));
        }
        let pointers = [Some(&self.rows), self.error.as_ref()].into_iter().flatten();
        if let Some(pointer) = pointers.into_iter().find(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
            return Err(format!("has `{pointer}`, which is no JSON pointer such as /vendors"));
        }
        let (needed, rule) = match &self.next {
            Next::None => return Ok(()),
            Next::AfterKey => (vec!["{after}"], "after_key"),
            Next::Counted => (vec!["{page}", "{offset}"], "counted"),
            Next::Token(_) => (vec!["{token}"], "token"),
        };
        if needed.iter().any(|name| self.holds(name)) {
            return Ok(());
        }
        Err(format!("goes on by `next: {rule}`, but neither path nor body hold {}", needed.join(" or ")))
    }
}
