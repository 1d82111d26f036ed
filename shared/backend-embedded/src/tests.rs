//! What only this backend promises: files, processes, recovery.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use engine::Kind;
use engine::model::id::{ConnectionId, RecordKey, RunId, SyncId, TenantId};
use engine::model::link::Link;
use engine::model::message::{Message, Stage, Task};
use engine::ports::{Clock, Queue, Store};

use crate::Embedded;
use crate::database::FILE;

fn sync() -> SyncId {
    "acme/jde-looker/orders".parse().unwrap()
}

fn message(run: &str) -> Message {
    Message::new(Task::Close { sync: sync(), run: RunId::new(run) })
}

struct FixedClock(Mutex<DateTime<Utc>>);

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

fn fixed_clock() -> Arc<FixedClock> {
    Arc::new(FixedClock(Mutex::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap())))
}

const HOUR: Duration = Duration::from_secs(3600);

/// Set for the process that is killed, to the directory it works in.
const CRASH_DIR: &str = "BACKEND_EMBEDDED_CRASH_DIR";

#[tokio::test]
async fn what_a_killed_process_was_told_to_be_done_is_done() {
    if let Some(dir) = std::env::var_os(CRASH_DIR) {
        let embedded = Embedded::open(Path::new(&dir)).unwrap();
        let _lock = embedded.lock().unwrap();
        embedded.update_sync(&sync(), &mut |state| state.epoch = 7).await.unwrap();
        embedded.send(&message("1"), Duration::ZERO).await.unwrap();
        embedded.receive(Stage::Load, 1, HOUR).await.unwrap();
        // Ends without closing anything.
        std::process::abort();
    }
    let dir = tempfile::tempdir().unwrap();
    let test = "tests::what_a_killed_process_was_told_to_be_done_is_done";
    let mut child = Command::new(std::env::current_exe().unwrap());
    let ended = child.args(["--exact", test]).env(CRASH_DIR, dir.path()).output().unwrap();
    assert!(!ended.status.success());

    let embedded = Embedded::open(dir.path()).unwrap();
    assert_eq!(embedded.sync(&sync()).await.unwrap().epoch, 7);
    let lock = embedded.lock().unwrap();
    assert!(embedded.receive(Stage::Load, 1, HOUR).await.unwrap().is_empty());
    assert_eq!(embedded.recover(&lock).await.unwrap(), 1);
    let received = embedded.receive(Stage::Load, 1, HOUR).await.unwrap();
    assert_eq!(received[0].message, message("1"));
}

#[tokio::test]
async fn every_commit_is_flushed_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(dir.path()).unwrap();
    let settings = embedded.database().write(|c| {
        let journal: String = c.pragma_query_value(None, "journal_mode", |r| r.get(0))?;
        let synchronous: u8 = c.pragma_query_value(None, "synchronous", |r| r.get(0))?;
        Ok((journal, synchronous))
    });
    let full = 2;
    assert_eq!(settings.await.unwrap(), ("wal".to_owned(), full));
}

#[tokio::test]
async fn recovery_leaves_delayed_messages_alone() {
    let embedded = Embedded::in_memory_with(fixed_clock()).unwrap();
    let lock = embedded.lock().unwrap();
    embedded.send(&message("1"), HOUR).await.unwrap();
    assert_eq!(embedded.recover(&lock).await.unwrap(), 0);
    assert!(embedded.receive(Stage::Load, 1, HOUR).await.unwrap().is_empty());
}

#[tokio::test]
async fn recovery_frees_the_sessions_of_who_is_gone() {
    let embedded = Embedded::in_memory_with(fixed_clock()).unwrap();
    let lock = embedded.lock().unwrap();
    let (tenant, connection) = (TenantId::new("acme"), ConnectionId::new("erp"));
    let now = fixed_clock().now();
    let permit =
        async |holder| embedded.permit(&tenant, &connection, holder, 1, now, now + TimeDelta::hours(1)).await.unwrap();
    assert!(permit("the one that died").await);
    assert!(!permit("the next").await);
    embedded.recover(&lock).await.unwrap();
    assert!(permit("the next").await);
}

#[tokio::test]
async fn a_stage_tells_what_it_has_and_when() {
    let clock = fixed_clock();
    let embedded = Embedded::in_memory_with(clock.clone()).unwrap();
    assert_eq!((embedded.pending(Stage::Load).await, embedded.next_due(Stage::Load).await).0.unwrap(), 0);
    assert_eq!(embedded.next_due(Stage::Load).await.unwrap(), None);
    let mut late = message("1");
    late.not_before = Some(clock.now() + TimeDelta::hours(2));
    embedded.send(&late, HOUR).await.unwrap();
    embedded.send(&message("2"), HOUR * 3).await.unwrap();
    assert_eq!(embedded.pending(Stage::Load).await.unwrap(), 2);
    assert_eq!(embedded.pending(Stage::Poll).await.unwrap(), 0);
    assert_eq!(embedded.next_due(Stage::Load).await.unwrap(), late.not_before);
    *clock.0.lock().unwrap() += TimeDelta::hours(2);
    assert_eq!(embedded.receive(Stage::Load, 9, HOUR).await.unwrap().len(), 1);
    assert_eq!(embedded.pending(Stage::Load).await.unwrap(), 2);
}

#[tokio::test]
async fn who_waits_wakes_when_a_message_is_sent_or_there_already() {
    let embedded = Embedded::in_memory().unwrap();
    let waiting = tokio::spawn({
        let embedded = embedded.clone();
        async move { embedded.wait(Stage::Load).await }
    });
    tokio::task::yield_now().await;
    embedded.send(&message("1"), Duration::ZERO).await.unwrap();
    waiting.await.unwrap().unwrap();
    embedded.wait(Stage::Load).await.unwrap();
}

#[tokio::test]
async fn dead_letters_keep_their_reason_and_their_rows() {
    let embedded = Embedded::in_memory_with(fixed_clock()).unwrap();
    let sent = Message { payload: vec![7; 100], ..message("1") };
    embedded.send(&sent, Duration::ZERO).await.unwrap();
    let received = embedded.receive(Stage::Load, 1, HOUR).await.unwrap();
    embedded.dead_letter(Stage::Load, &received[0], "it panicked").await.unwrap();
    let letters = embedded.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].message.as_ref(), Some(&sent));
    assert_eq!((letters[0].reason.as_str(), letters[0].receive_count), ("it panicked", 1));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_put_aside_and_stops_nobody() {
    let embedded = Embedded::in_memory().unwrap();
    embedded.send(&message("1"), Duration::ZERO).await.unwrap();
    let spoil = "UPDATE messages SET envelope = '{\"v\":9,\"task\":\"dance\"}'";
    embedded.database().write(|c| Ok(c.execute_batch(spoil)?)).await.unwrap();
    embedded.send(&message("2"), Duration::ZERO).await.unwrap();
    let received = embedded.receive(Stage::Load, 9, HOUR).await.unwrap();
    assert_eq!(received.len(), 1);
    assert!(embedded.dead_letters().await.unwrap()[0].reason.contains("another version"));
}

#[tokio::test]
async fn a_full_disk_is_told_in_words_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(dir.path()).unwrap();
    embedded.send(&message("1"), Duration::ZERO).await.unwrap();
    let limit = |pages: i64| {
        embedded
            .database()
            .write(move |c| Ok(c.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(()))?))
    };
    limit(40).await.unwrap();
    let big = Message { payload: vec![7; 1 << 20], ..message("2") };
    let small = message("3");
    let sends = tokio::join!(embedded.send(&big, Duration::ZERO), embedded.send(&small, Duration::ZERO));
    let error = sends.0.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("nothing is lost") && error.to_string().contains(dir.path().to_str().unwrap()));
    limit(i64::from(u32::MAX)).await.unwrap();
    let kept = 1 + u64::from(sends.1.is_ok());
    assert_eq!(embedded.pending(Stage::Load).await.unwrap(), kept);
    embedded.send(&big, Duration::ZERO).await.unwrap();
    assert_eq!(embedded.pending(Stage::Load).await.unwrap(), kept + 1);
}

#[tokio::test]
async fn one_failing_request_takes_no_other_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(dir.path()).unwrap();
    let insert = "INSERT INTO links (sync, key, there) VALUES ('s', 'k', 't')";
    let twice =
        |times: usize| embedded.database().write(move |c| (0..times).try_for_each(|_| Ok(c.execute_batch(insert)?)));
    let (failed, kept) = tokio::join!(twice(2), twice(1));
    assert!(failed.is_err());
    kept.unwrap();
}

#[tokio::test]
async fn links_from_before_they_said_where_a_write_stands_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let old = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    old.execute_batch(include_str!("schema.sql")).unwrap();
    old.execute("INSERT INTO links VALUES (?1, 'a', '7')", (sync().to_string(),)).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);

    let embedded = Embedded::open(dir.path()).unwrap();
    let key = RecordKey::new("a");
    let of_old = Link { id: Some("7".to_owned()), ..Link::default() };
    let links = embedded.links(&sync(), std::slice::from_ref(&key)).await.unwrap();
    assert_eq!(links, [(key.clone(), of_old.clone())]);
    let changed = embedded.update_link(&sync(), &key, &mut |link| link.version = 3).await.unwrap();
    assert_eq!(changed, Link { version: 3, ..of_old });
    assert_eq!(embedded.linked(&sync(), std::slice::from_ref(&key)).await.unwrap(), [(key, "7".to_owned())]);
}

#[tokio::test]
async fn programs_that_change_one_link_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let programs = [Embedded::open(dir.path()).unwrap(), Embedded::open(dir.path()).unwrap()];
    let (sync, key) = (sync(), RecordKey::new("a"));
    let count = async |program: &Embedded| {
        for _ in 0..32 {
            program.update_link(&sync, &key, &mut |link| link.version += 1).await.unwrap();
        }
    };
    let relink = async |program: &Embedded| {
        for id in 0..32 {
            let link = [(key.clone(), id.to_string())];
            program.link(&sync, &link).await.unwrap();
            assert_eq!(program.linked(&sync, std::slice::from_ref(&key)).await.unwrap(), link);
        }
    };
    tokio::join!(count(&programs[0]), count(&programs[1]), relink(&programs[1]));
    let (_, link) = programs[0].links(&sync, std::slice::from_ref(&key)).await.unwrap().pop().unwrap();
    assert_eq!(link, Link { id: Some("31".to_owned()), version: 64, ..Link::default() });
}

#[test]
fn a_directory_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Embedded::open(dir.path()).unwrap());
    let raw = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let error = Embedded::open(dir.path()).err().unwrap().to_string();
    assert!(error.contains("newer ml-connector"), "{error}");
}

#[test]
fn a_damaged_file_is_told_in_words() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), vec![7; 100_000]).unwrap();
    let error = Embedded::open(dir.path()).err().unwrap();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("is damaged"), "{error}");
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_state() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap().path().join("deep/state");
    drop(Embedded::open(&dir).unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join(FILE))), (0o700, 0o600));
}
