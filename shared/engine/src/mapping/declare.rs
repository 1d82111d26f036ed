//! What people write about a column.

use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How one destination column is filled. In a tenant file only what differs from the blueprint is written: every field
/// that is written replaces the blueprint's, the others stay as shipped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnSpec {
    /// The source column whose value it takes; for a timestamp also two of them, date and time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"AG", example = ["UPMJ", "UPMT"])]
    pub from: Option<SourceColumns>,
    /// Its type in the destination: `text`, `text(n)`, `integer`, `decimal(p,s)`, `boolean`, `date`, `timestamp`, `json`.
    /// What does not fit refuses the record; nothing is cut or rounded.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"decimal(15,2)", example = &"text(30)")]
    pub kind: Option<String>,
    /// How the source writes it. Text: `trim` (blanks at both ends go; without a format only those at the end),
    /// `as_is`, `pad_left(8,0)`. Numbers: `implied(2)` for amounts delivered as whole cents. Dates: `yyyymmdd` (taken
    /// when nothing is written), `cyyddd`, `iso`, or a pattern such as `%m/%d/%y`. Timestamps: `yyyymmdd hhmmss` and
    /// `cyyddd hhmmss` over two columns, `iso`, `epoch_millis`, or a pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"cyyddd", example = &"implied(2)")]
    pub format: Option<String>,
    /// Taken when the source has no value or a blank. Dates are written `2026-11-20`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"USD")]
    pub default: Option<String>,
    /// Whether a record without a value here is refused. Key columns always are required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub required: Option<bool>,
    /// What a blank means: `empty` (text only, and what happens when nothing is written), `null` (what happens for all
    /// other types), or `reject`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "null_is_a_word")]
    #[schemars(with = "Option<Blank>", example = Blank::Null)]
    pub blank: Option<Blank>,
    /// Values of the source that mean "no value".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["0", "00000000"])]
    pub nulls: Option<Vec<String>>,
    /// Codes of the source and what they become; `null` makes a code no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = IndexMap::from([("P", "paid"), ("A", "approved")]))]
    pub values: Option<IndexMap<String, Option<String>>>,
    /// What happens to a code that `values` does not list: `reject` (taken when nothing is written), `keep` or `null`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "null_is_a_word")]
    #[schemars(with = "Option<Other>", example = Other::Keep)]
    pub other: Option<Other>,
    /// A CEL expression over source columns, instead of `from`. Whole numbers are ints; numbers with a fraction are text,
    /// for `dec_add`, `dec_sub`, `dec_mul`, `dec_neg` and `dec_cmp`, so that amounts stay exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"dec_sub(AG, AAP)")]
    pub expr: Option<String>,
    /// Fills the column with the id that a record of another stream has in the destination, instead of `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = LookupSpec::example())]
    pub lookup: Option<LookupSpec>,
    /// What it means, for the comment in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Amount of the pay item in the currency of the company")]
    pub description: Option<String>,
}

impl ColumnSpec {
    /// This column with the fields that `change` writes. A new origin (`from`, `expr`, `lookup`) replaces the old one.
    #[must_use]
    pub fn changed_by(&self, change: &Self) -> Self {
        let mut merged = self.clone();
        if change.from.is_some() || change.expr.is_some() || change.lookup.is_some() {
            merged.from.clone_from(&change.from);
            merged.expr.clone_from(&change.expr);
            merged.lookup.clone_from(&change.lookup);
        }
        replace(&mut merged.kind, &change.kind);
        replace(&mut merged.format, &change.format);
        replace(&mut merged.default, &change.default);
        replace(&mut merged.required, &change.required);
        replace(&mut merged.blank, &change.blank);
        replace(&mut merged.nulls, &change.nulls);
        replace(&mut merged.values, &change.values);
        replace(&mut merged.other, &change.other);
        replace(&mut merged.description, &change.description);
        merged
    }
}

/// Reads `blank: null` as the word `null`. YAML reads it as nothing at all, and nobody who writes it means that.
fn null_is_a_word<'de, D: Deserializer<'de>, T: Deserialize<'de> + NamedNull>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or(T::NULL)))
}

/// What has a variant that is written `null`.
trait NamedNull {
    const NULL: Self;
}

impl NamedNull for Blank {
    const NULL: Self = Self::Null;
}

impl NamedNull for Other {
    const NULL: Self = Self::Null;
}

fn replace<T: Clone>(field: &mut Option<T>, change: &Option<T>) {
    if change.is_some() {
        field.clone_from(change);
    }
}

/// What a blank of the source means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blank {
    /// Empty text: nothing is made up.
    Empty,
    /// No value.
    Null,
    /// A mistake: the record is refused.
    Reject,
}

/// What happens to a code that is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Other {
    /// It stays as it is.
    Keep,
    /// The record is refused.
    Reject,
    /// It becomes no value.
    Null,
}

/// A record of another stream whose id in the destination fills a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupSpec {
    /// The stream, of the same integration.
    #[schemars(example = &"suppliers")]
    pub stream: String,
    /// Columns of this table that make the other record's key, in the order of its key.
    #[schemars(example = ["supplier_number"])]
    pub key: Vec<String>,
    /// Whether a record waits until the other one is there; otherwise the column stays without a value.
    #[serde(default)]
    #[schemars(example = true)]
    pub required: bool,
}

impl LookupSpec {
    fn example() -> Self {
        Self { stream: "suppliers".to_owned(), key: vec!["supplier_number".to_owned()], required: true }
    }
}

/// A record of another stream that has to be there first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NeedSpec {
    /// The stream, of the same integration.
    #[schemars(example = &"purchase_orders")]
    pub stream: String,
    /// Columns of this table that make the other record's key, in the order of its key. Where one of them is without a
    /// value the record needs nothing.
    #[schemars(example = ["order_number", "order_type"])]
    pub key: Vec<String>,
}

/// One source column, or two: a date and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceColumns(pub Vec<String>);

impl Serialize for SourceColumns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SourceColumns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = SourceColumns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a source column, or a list of two: date and time")
            }

            fn visit_str<E>(self, text: &str) -> Result<SourceColumns, E> {
                Ok(SourceColumns(vec![text.to_owned()]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<SourceColumns, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = seq.next_element()? {
                    columns.push(column);
                }
                Ok(SourceColumns(columns))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for SourceColumns {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SourceColumns".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}
            ]
        })
    }
}
