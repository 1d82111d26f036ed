//! Which fields of the model are which columns of a table: the generated names, and what the settings say otherwise.

use engine::model::table::TableSpec;
use engine::{Error, Result};

use super::lookml::names::{count_of, field_of, view_of};
use super::settings::{ExploreSettings, LookerSettings};

/// A table as the model shows it.
pub(super) struct Bound<'a> {
    pub(super) table: &'a TableSpec,
    own: Option<&'a ExploreSettings>,
}

impl<'a> Bound<'a> {
    pub(super) fn new(settings: &'a LookerSettings, table: &'a TableSpec) -> Self {
        Self { table, own: settings.explores.get(&table.name) }
    }

    /// The explore.
    pub(super) fn explore(&self) -> String {
        self.own.and_then(|own| own.explore.clone()).unwrap_or_else(|| view_of(self.table))
    }

    /// Whether a person has named the explore, so that it has to be there.
    pub(super) fn is_named(&self) -> bool {
        self.own.is_some_and(|own| own.explore.is_some())
    }

    /// Whether the settings say that the explore does not show the column.
    pub(super) fn ignores(&self, column: &str) -> bool {
        self.own.is_some_and(|own| own.ignore.iter().any(|ignored| ignored == column))
    }

    /// Whether the settings name the measure that sums the column.
    pub(super) fn names_sum(&self, column: &str) -> bool {
        self.own.is_some_and(|own| own.sums.contains_key(column))
    }

    /// The measure that counts.
    pub(super) fn count(&self) -> String {
        let named = self.own.and_then(|own| own.count.as_deref());
        named.map_or_else(|| self.in_view(&count_of(self.table)), |field| self.full(field))
    }

    /// The field with the values of a column.
    ///
    /// # Errors
    /// Stops when the table has no such column.
    pub(super) fn dimension(&self, column: &str) -> Result<String> {
        if let Some(named) = self.own.and_then(|own| own.fields.get(column)) {
            return Ok(self.full(named));
        }
        let field = field_of(self.table, column).ok_or_else(|| self.unknown(column))?;
        Ok(self.in_view(&field.dimension))
    }

    /// The field with the months of a date column.
    ///
    /// # Errors
    /// Stops when the column is no date.
    pub(super) fn month(&self, column: &str) -> Result<String> {
        if let Some(named) = self.own.and_then(|own| own.month.get(column)) {
            return Ok(self.full(named));
        }
        let field = field_of(self.table, column).ok_or_else(|| self.unknown(column))?;
        let month = field.month.ok_or_else(|| {
            Error::stop(format!("`{}.{column}` is no date: it has no months to group by", self.table.name))
        })?;
        Ok(self.in_view(&month))
    }

    /// The measure that sums a column; `None` when it is no number.
    pub(super) fn sum(&self, column: &str) -> Option<String> {
        if let Some(named) = self.own.and_then(|own| own.sums.get(column)) {
            return Some(self.full(named));
        }
        field_of(self.table, column)?.total.map(|total| self.in_view(&total))
    }

    fn unknown(&self, column: &str) -> Error {
        Error::stop(format!("table `{}` has no column `{column}`", self.table.name))
    }

    fn view(&self) -> String {
        self.own.and_then(|own| own.view.clone()).unwrap_or_else(|| view_of(self.table))
    }

    fn full(&self, field: &str) -> String {
        if field.contains('.') { field.to_owned() } else { format!("{}.{field}", self.view()) }
    }

    /// A generated name, moved into the view that the settings name.
    fn in_view(&self, field: &str) -> String {
        self.full(field.split_once('.').map_or(field, |(_, name)| name))
    }
}
