//! What people read: the labels of views and fields, made from their names where none is given.

use super::model::Source;
use super::view::{Field, Kind};

/// The view's label in its explore.
pub(crate) fn of_view(source: &Source) -> String {
    source.label.clone().or_else(|| source.view.label.clone()).unwrap_or_else(|| title(&source.alias))
}

/// The field's label without the view; a timeframe stands behind its group's.
pub(crate) fn of_field(field: &Field) -> String {
    let base = field.label.clone();
    match (&field.group, field.kind) {
        (Some(group), Kind::Time(frame)) => {
            format!("{} {}", base.unwrap_or_else(|| title(group)), title(frame.name()))
        }
        _ => base.unwrap_or_else(|| title(&field.name)),
    }
}

/// `ap_invoices` is shown as `Ap Invoices`.
pub(crate) fn title(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut signs = word.chars();
        signs.next().map(|first| first.to_uppercase().chain(signs).collect::<String>()).unwrap_or_default()
    });
    words.collect::<Vec<_>>().join(" ")
}
