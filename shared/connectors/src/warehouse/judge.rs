//! Which row wins, and what became of the other.

use std::cmp::Ordering;

use engine::model::audit::Outcome;

/// What decides between two rows of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Which read brought it.
    pub version: i64,
    /// The source's own stamp; none is older than any.
    pub stamp: Option<i64>,
    /// The version of the mapping.
    pub mapping: i64,
    /// Hash of the content; `None` when it is not known, which equals no other.
    pub hash: Option<u128>,
    /// Whether it is marked deleted.
    pub deleted: bool,
}

/// What to do with a row that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Write all of it, with this outcome.
    Write(Outcome),
    /// Only its version, mapping and stamp: the content is the same.
    Touch,
    /// Leave what is there, with this outcome.
    Leave(Outcome),
}

/// Judges a row that came against the row that is there.
///
/// A later read wins whatever the stamps say; within one read the greater stamp wins; at an equal stamp the newer
/// mapping, and the same mapping too, so that a repaired batch can be loaded again.
pub(super) fn judge(there: Option<&Standing>, came: &Standing, touch: bool) -> Verdict {
    let Some(there) = there else {
        return Verdict::Write(if came.deleted { Outcome::Deleted } else { Outcome::Inserted });
    };
    let rank = |s: &Standing| (s.version, s.stamp, s.mapping);
    let order = rank(came).cmp(&rank(there));
    let changed = came.hash != there.hash || came.deleted != there.deleted;
    match (changed, order) {
        (true, Ordering::Less) => Verdict::Leave(Outcome::Superseded),
        (true, _) if came.deleted && !there.deleted => Verdict::Write(Outcome::Deleted),
        (true, _) => Verdict::Write(Outcome::Updated),
        (false, Ordering::Greater) if touch => Verdict::Touch,
        (false, _) => Verdict::Leave(Outcome::Unchanged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THERE: Standing = Standing { version: 5, stamp: Some(50), mapping: 2, hash: Some(1), deleted: false };

    #[test]
    fn a_later_read_wins_whatever_its_stamp() {
        let came = Standing { version: 6, stamp: None, mapping: 1, hash: Some(2), deleted: false };
        assert_eq!(judge(Some(&THERE), &came, false), Verdict::Write(Outcome::Updated));
        let came = Standing { version: 4, stamp: Some(90), mapping: 9, hash: Some(2), deleted: false };
        assert_eq!(judge(Some(&THERE), &came, false), Verdict::Leave(Outcome::Superseded));
    }

    #[test]
    fn within_one_read_the_greater_stamp_wins_then_the_mapping_that_is_not_older() {
        let came = |stamp, mapping| Standing { stamp, mapping, hash: Some(2), ..THERE };
        assert_eq!(judge(Some(&THERE), &came(Some(49), 9), false), Verdict::Leave(Outcome::Superseded));
        assert_eq!(judge(Some(&THERE), &came(Some(51), 1), false), Verdict::Write(Outcome::Updated));
        assert_eq!(judge(Some(&THERE), &came(Some(50), 1), false), Verdict::Leave(Outcome::Superseded));
        assert_eq!(judge(Some(&THERE), &came(Some(50), 2), false), Verdict::Write(Outcome::Updated));
        assert_eq!(judge(Some(&THERE), &came(None, 3), false), Verdict::Leave(Outcome::Superseded));
    }

    #[test]
    fn the_deleted_mark_is_a_change_whatever_the_hash() {
        let gone = Standing { version: 6, deleted: true, ..THERE };
        assert_eq!(judge(Some(&THERE), &gone, false), Verdict::Write(Outcome::Deleted));
        let back = Standing { version: 7, ..THERE };
        assert_eq!(judge(Some(&gone), &back, false), Verdict::Write(Outcome::Updated));
        assert_eq!(judge(None, &gone, false), Verdict::Write(Outcome::Deleted));
    }

    #[test]
    fn content_that_is_not_known_is_written_anew_by_a_later_read_only() {
        let forgotten = Standing { hash: None, ..THERE };
        let same = Standing { version: 6, ..THERE };
        assert_eq!(judge(Some(&forgotten), &same, false), Verdict::Write(Outcome::Updated));
        let older = Standing { version: 4, ..THERE };
        assert_eq!(judge(Some(&forgotten), &older, false), Verdict::Leave(Outcome::Superseded));
    }

    #[test]
    fn the_same_content_is_touched_only_when_asked_and_newer() {
        let came = Standing { version: 6, ..THERE };
        assert_eq!(judge(Some(&THERE), &came, true), Verdict::Touch);
        assert_eq!(judge(Some(&THERE), &came, false), Verdict::Leave(Outcome::Unchanged));
        assert_eq!(judge(Some(&came), &THERE, true), Verdict::Leave(Outcome::Unchanged));
    }
}
