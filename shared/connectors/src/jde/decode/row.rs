//! What the members of a row are called, and which columns they are.

use engine::plan::StreamSpec;
use engine::{Error, Result};

use super::super::query::{control, is_view};
use crate::cells::Names;

/// The columns of a stream as answers name them.
#[derive(Debug)]
pub(in crate::jde) struct Layout {
    pub(super) object: String,
    /// `F0411.AG`, for messages.
    controls: Vec<String>,
    /// `F0411_AG`; for a bare column of a view `_AG`, which follows the name of whatever table it is from.
    names: Vec<String>,
    bare: bool,
    /// Positions of the key's columns.
    pub(super) key: Vec<usize>,
    pub(super) max_record_bytes: usize,
}

impl Layout {
    /// The layout of answers that were asked for these columns.
    pub(in crate::jde) fn new(stream: &StreamSpec, columns: &[String], max_record_bytes: usize) -> Result<Self> {
        let controls: Vec<_> = columns.iter().map(|column| control(stream, column)).collect();
        let bare = is_view(stream);
        let name = |c: &String| {
            if c.contains('.') { c.replacen('.', "_", 1) } else { format!("_{c}") }
        };
        let position = |k: &String| {
            let missing =
                || Error::stop(format!("stream `{}` does not read `{k}`, which is part of its key", stream.name));
            columns.iter().position(|column| column == k).ok_or_else(missing)
        };
        let key = stream.key.iter().map(position).collect::<Result<_>>()?;
        let names = controls.iter().map(name).collect();
        Ok(Self { object: stream.object.clone(), controls, names, bare, key, max_record_bytes })
    }

    /// The columns that are not among these names of an answer.
    pub(in crate::jde) fn absent(&self, names: &[String]) -> Vec<&str> {
        let absent = |(column, _): &(usize, &String)| !names.iter().any(|name| self.is(*column, name));
        self.controls.iter().enumerate().filter(absent).map(|(_, control)| control.as_str()).collect()
    }
}

impl Names for Layout {
    fn width(&self) -> usize {
        self.names.len()
    }

    #[inline]
    fn is(&self, column: usize, name: &str) -> bool {
        let Some(wanted) = self.names.get(column) else {
            return false;
        };
        if self.bare && wanted.starts_with('_') {
            return name.split_once('_').is_some_and(|(_, alias)| alias == &wanted[1..]);
        }
        wanted == name
    }

    fn missing(&self, columns: &[usize]) -> Error {
        let missing: Vec<_> = columns.iter().filter_map(|at| self.controls.get(*at)).map(String::as_str).collect();
        let (columns, are) = if missing.len() == 1 { ("column", "is") } else { ("columns", "are") };
        Error::stop(format!(
            "{columns} {} {are} not in the answer: has security or the table changed?",
            missing.join(", ")
        ))
    }

    fn other_shape(&self) -> Error {
        Error::stop(format!(
            "the answer for {} has another shape than the GRID_DATA that was asked for: the AIS Server is older than Tools \
             release 9.2.0.2, or something in between changes requests",
            self.object
        ))
    }
}
