//! What people write: tenant files and blueprints, read, checked and resolved into plans.

/// The known name nearest to an unknown one, as `; did you mean …?`, or nothing.
pub(crate) fn nearest<'n>(unknown: &str, known: impl Iterator<Item = &'n str>) -> String {
    let best = known.map(|name| (strsim::normalized_damerau_levenshtein(unknown, name), name));
    match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, name)) if likeness >= 0.5 => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}
