use engine::model::id::RunId;
use engine::model::message::Reason;
use engine::model::run::Proof;
use engine::model::window::{Selection, Window};

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_262_400 + second, 0).unwrap()
}

fn run(epoch: u64, selection: Selection, state: RunState) -> Run {
    Run {
        id: RunId::new(format!("r{epoch}")),
        sync: sync(),
        epoch,
        reason: Reason::Manual,
        selection,
        window: Window::default(),
        complete_up_to: None,
        started_at: at(0),
        ended_at: Some(at(2)),
        sequence: 0,
        expected: Some(1),
        done: 1,
        counts: Counts { polled: 1_200, inserted: 1_199, rejected: 1, ..Counts::default() },
        mapping: 1,
        touch: false,
        state,
        swept: 0,
        progress: None,
        settled_pages: 0,
        notes: Vec::new(),
        proof: None,
        warnings: Vec::new(),
    }
}

fn sync() -> SyncId {
    "acme/jde-looker/ap_invoices".parse().unwrap()
}

fn proof(agrees: bool) -> Proof {
    let note = "1,200 at the source, 1,199 accounted for".to_owned();
    Proof { agrees, source: Some(1_200), destination: 1_199, rejected: 0, waiting: 0, note }
}

fn incomplete() -> RunState {
    RunState::Incomplete { why: "batch r1/3 could not be loaded: free some space, then run it again".to_owned() }
}

#[test]
fn a_table_shows_what_is_nearly_always_empty_only_when_it_is_not() {
    let green = Run { proof: Some(proof(true)), ..run(1, Selection::Changes, RunState::Complete) };
    let row = SyncRow::new(&sync(), &[green], Some(at(0)), (1, 0));
    let suppliers = SyncRow { sync: "suppliers".to_owned(), deleted: 3, agrees: Some(false), ..row.clone() };
    let rows = Rows { syncs: vec![row.clone(), suppliers], deliveries: Vec::new() };
    assert_eq!(
        rows.text(),
        "\
sync          read  inserted  updated  deleted  unchanged  rejected  waiting  seconds  complete up to (UTC)  agrees
ap_invoices  1,200     1,199        0        0          0         1        0      2.0  2026-11-21 12:00:00   yes
suppliers    1,200     1,199        0        3          0         1        0      2.0  2026-11-21 12:00:00   NO
"
    );
    assert!(!Rows { syncs: vec![row], deliveries: Vec::new() }.text().contains("deleted"));
    assert_eq!(
        rows.words(),
        [
            "suppliers: does not agree: 1,200 at the source, 1,199 accounted for",
            "2 records are rejected: `rejects` shows the field, the value and the reason",
        ]
    );
}

#[test]
fn a_later_complete_run_covers_an_earlier_failure_but_a_run_over_keys_does_not() {
    let failed = run(1, Selection::Changes, incomplete());
    let keys = run(2, Selection::Keys(Vec::new()), RunState::Complete);
    let row = SyncRow::new(&sync(), &[failed.clone(), keys], None, (0, 0));
    assert_eq!((row.state.as_str(), row.is_ok()), ("incomplete", false));
    assert!(row.note.starts_with("batch r1/3 could not be loaded"));
    let again = run(3, Selection::Changes, RunState::Complete);
    assert!(SyncRow::new(&sync(), &[failed, again], None, (0, 0)).is_ok());
}

#[test]
fn a_problem_of_many_syncs_is_said_once() {
    let row = SyncRow::new(&sync(), &[run(1, Selection::Changes, incomplete())], None, (0, 0));
    let suppliers = SyncRow { sync: "suppliers".to_owned(), ..row.clone() };
    let words = Rows { syncs: vec![row, suppliers], deliveries: Vec::new() }.words();
    assert_eq!(words.len(), 1);
    assert!(words[0].starts_with("ap_invoices, suppliers: incomplete: "), "{words:?}");
}

#[test]
fn two_commands_add_up_and_end_where_the_later_one_ended() {
    let green = Run { proof: Some(proof(true)), ..run(1, Selection::Changes, RunState::Complete) };
    let first = SyncRow::new(&sync(), &[green], Some(at(0)), (0, 2));
    let second = SyncRow { read: 5, open_waiting: 1, complete_up_to: Some(at(60)), ..first.clone() };
    let both = first.followed_by(&second);
    assert_eq!((both.read, both.open_waiting, both.complete_up_to), (1_205, 1, Some(at(60))));
    assert_eq!((both.agrees, both.runs.len()), (Some(true), 2));
}
