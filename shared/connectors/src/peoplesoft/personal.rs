//! Data about persons: hashed or dropped before anything is stored.

use engine::model::value::Value;
use engine::plan::StreamSpec;
use engine::{Error, Result};
use ring::hmac;

use super::catalog::Entry;
use super::settings::{PersonalSettings, Treatment};

/// What happens to the columns of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Treatments {
    /// Position among the stream's columns, name, and what happens.
    columns: Vec<(usize, String, Treatment)>,
}

/// What happens to the columns of this stream.
///
/// # Errors
/// Stops when it reads personal data that is not switched on.
pub(super) fn treatments(
    stream: &StreamSpec,
    entry: Option<&Entry>,
    is_personal: bool,
    settings: &PersonalSettings,
) -> Result<Treatments> {
    if is_personal && !settings.enabled {
        return Err(Error::stop(format!(
            "stream `{}` reads personal data, which is off: switch it on with `personal: {{enabled: true}}` of the connection, \
             and say in `personal.columns` what is hashed and what is dropped",
            stream.name
        )));
    }
    let treatment = |column: &String| {
        let shipped = entry.and_then(|entry| entry.field(column)).filter(|field| field.personal);
        settings.columns.get(column).copied().or(shipped.map(|_| Treatment::Hash))
    };
    let columns = stream.columns.iter().enumerate();
    let columns = columns.filter_map(|(at, column)| Some((at, column.clone(), treatment(column)?)));
    Ok(Treatments { columns: columns.filter(|(_, _, treatment)| *treatment != Treatment::Keep).collect() })
}

impl Treatments {
    /// Whether the values of a column do not come as they are.
    pub(super) fn hides(&self, column: &str) -> bool {
        self.columns.iter().any(|(_, known, _)| known == column)
    }

    /// Whether a key for hashes is needed.
    pub(super) fn hashes(&self) -> bool {
        self.columns.iter().any(|(_, _, treatment)| *treatment == Treatment::Hash)
    }

    /// Applies them to the cells of a row.
    pub(super) fn apply(&self, cells: &mut [Value<'_>], key: Option<&HashKey>) {
        for (at, _, treatment) in &self.columns {
            let Some(cell) = cells.get_mut(*at) else { continue };
            *cell = match (treatment, key) {
                (Treatment::Keep, _) => continue,
                (Treatment::Hash, Some(key)) if !is_blank(cell) => Value::Text(key.hash(&cell.to_text()).into()),
                _ => Value::Null,
            };
        }
    }
}

fn is_blank(cell: &Value<'_>) -> bool {
    cell.to_text().trim().is_empty()
}

/// What hashes are made with. Never printed.
#[derive(Clone)]
pub(super) struct HashKey(hmac::Key);

impl HashKey {
    /// A key from the text of a secret.
    pub(super) fn new(text: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))
    }

    /// 128 bits of the keyed hash: values differ by more than chance allows, and cannot be tried without the key.
    fn hash(&self, text: &str) -> String {
        let tag = hmac::sign(&self.0, text.trim().as_bytes());
        tag.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}
