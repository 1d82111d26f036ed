use super::*;
use crate::output::Answer;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_262_400 + minute * 60, 0).unwrap()
}

fn sync(name: &str) -> SyncStatus {
    SyncStatus {
        sync: name.to_owned(),
        integration: "jde-looker".to_owned(),
        complete_up_to: Some(at(0)),
        lag_seconds: Some(300),
        last_run: Some(LastRun {
            run: "r1".to_owned(),
            reason: Reason::Manual,
            state: "complete".to_owned(),
            why: None,
            started_at: at(1),
            ended_at: Some(at(2)),
            counts: Counts { polled: 1_200, inserted: 1_200, ..Counts::default() },
            warnings: Vec::new(),
            notes: Vec::new(),
        }),
        not_begun: None,
        rejected: 0,
        waiting: 0,
        waits: Vec::new(),
        agrees: Some(true),
        note: None,
        paused: None,
    }
}

fn status(syncs: Vec<SyncStatus>, stopped: Option<&str>) -> Status {
    let stopped = stopped.map(ToOwned::to_owned);
    let connections = vec![ConnectionStatus { connection: "jde".to_owned(), stopped, secret: None }];
    let mut status = Status {
        tenant: "acme".to_owned(),
        queued: 0,
        syncs,
        deliveries: Vec::new(),
        connections,
        next: Vec::new(),
        is_deployed: false,
    };
    status.next = status.next_steps();
    status
}

#[test]
fn a_status_without_problems_is_a_table_and_one_line() {
    assert_eq!(
        status(vec![sync("suppliers")], None).text(),
        "\
sync       complete up to (UTC)  behind  last run (UTC)       state      read  rejected  waiting  agrees
suppliers  2026-11-21 12:00:00   5 min   2026-11-21 12:01:00  complete  1,200         0        0  yes

next:
  nothing; `run` moves what has changed since
"
    );
}

#[test]
fn problems_say_what_to_do_next() {
    let mut invoices = sync("ap_invoices");
    invoices.rejected = 2;
    invoices.waiting = 1;
    invoices.waits = vec![Waiters {
        for_stream: "suppliers".to_owned(),
        records: 1,
        since: at(1),
        example: "7|PV|00001|001".to_owned(),
        example_waits_for: "4711".to_owned(),
    }];
    let text = status(vec![invoices], Some("the password was refused")).text();
    let (_, below) = text.split_once("\n\n").unwrap();
    assert_eq!(
        below,
        "\
problems:
  connection `jde` is stopped: the password was refused

waiting:
  ap_invoices: 1 record waits for suppliers since 2026-11-21 12:01:00, such as 7|PV|00001|001 for 4711

next:
  set the right secret for connection `jde`; was it right, `check --restart`
  look at what ap_invoices refused: `rejects ap_invoices`
"
    );
}

#[test]
fn what_stops_a_connection_is_said_once() {
    let why = "the password was refused: set it right";
    let mut invoices = sync("ap_invoices");
    invoices.paused = Some(format!("connection `jde` is stopped, because {why}"));
    let mut suppliers = sync("suppliers");
    suppliers.paused = Some(why.to_owned());
    let text = status(vec![suppliers, invoices], Some(why)).text();
    assert_eq!(text.matches("refused").count(), 1, "{text}");
    assert!(text.ends_with("when that is mended, `run`\n"), "{text}");
}

#[test]
fn a_run_that_could_not_begin_is_told() {
    let mut invoices = sync("ap_invoices");
    invoices.not_begun = Some(NotBegun { at: at(3), why: "the server refuses connections".to_owned() });
    let text = status(vec![sync("suppliers"), invoices], None).text();
    assert!(text.contains("\n  ap_invoices: failed: the server refuses connections\n"), "{text}");
    assert!(text.ends_with("when that is mended, `run ap_invoices`\n"), "{text}");
}
