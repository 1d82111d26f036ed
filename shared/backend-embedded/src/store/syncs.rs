//! The table `syncs`: states, runs, done marks, permits, stopped connections.
//!
//! Every item lies under an owner. What is under one owner:
//!
//! ```text
//! sync:<sync>                    state              the sync's state
//! runs:<sync>                    <run>              that the sync has this run
//! run:<run>                      run                the run
//! run:<run>                      done/<seq>         that the batch is done, with its counts
//! connection:<tenant>/<name>     permit/<holder>    until when, in microseconds
//! connection:<tenant>/<name>     stop/<secret>      why nobody logs in with this secret
//! deliveries:<tenant>/<integration>   cycle/<name>  what a delivery waits for
//! deliveries:<tenant>/<integration>   sent/<run>/<delivery>   that the integration has this delivery
//! delivery:<delivery>            delivery           the delivery
//! ```

use chrono::{DateTime, Utc};
use engine::Result;
use engine::model::audit::Counts;
use engine::model::id::{BatchId, ConnectionId, RunId, SyncId, TenantId};
use engine::model::run::Run;
use engine::model::sync::SyncState;
use engine::ports::Change;
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{from_json, to_json};
use crate::database::{Database, Fault, all, execute, one};

const STATE: &str = "state";
const RUN: &str = "run";

fn owner_of_run(run: &RunId) -> String {
    format!("run:{run}")
}

fn owner_of_connection((tenant, connection): (&TenantId, &ConnectionId)) -> String {
    format!("connection:{tenant}/{connection}")
}

/// An item and its version; version 0 is an item that is not there.
pub(super) fn item<T: DeserializeOwned>(
    connection: &Connection,
    owner: &str,
    item: &str,
) -> Result<Option<(T, i64)>, Fault> {
    let found =
        one(connection, "SELECT value, version FROM syncs WHERE owner = ?1 AND item = ?2", (owner, item), |r| {
            Ok((r.get::<_, String>(0)?, r.get(1)?))
        })?;
    found.map(|(value, version)| Ok((from_json(&value)?, version))).transpose()
}

/// Writes an item whose version is still `version`, and says whether it was.
pub(super) fn put(connection: &Connection, owner: &str, item: &str, version: i64, value: &str) -> Result<bool, Fault> {
    let sql = if version == 0 {
        "INSERT INTO syncs (owner, item, version, value) VALUES (?1, ?2, ?3 + 1, ?4) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE syncs SET value = ?4, version = version + 1 WHERE owner = ?1 AND item = ?2 AND version = ?3"
    };
    Ok(execute(connection, sql, (owner, item, version, value))? == 1)
}

/// Reads an item, changes it, writes it if nobody was faster, and otherwise begins again. The change is the caller's and
/// cannot go to the writer's thread; some update always gets through, so this ends.
pub(super) async fn update<T: Serialize + DeserializeOwned + Send + 'static>(
    database: &Database,
    owner: String,
    name: impl Into<String>,
    absent: impl Fn() -> Option<T>,
    change: Change<'_, T>,
) -> Result<Option<T>> {
    let name = name.into();
    loop {
        let (whose, what) = (owner.clone(), name.clone());
        let found = database.read(move |c| item::<T>(c, &whose, &what)).await?;
        let Some((mut value, version)) = found.or_else(|| absent().map(|value| (value, 0))) else {
            return Ok(None);
        };
        change(&mut value);
        let (whose, what) = (owner.clone(), name.clone());
        let put = database.write(move |c| {
            let json = to_json(&value)?;
            Ok(put(c, &whose, &what, version, &json)?.then_some(value))
        });
        if let Some(value) = put.await? {
            return Ok(Some(value));
        }
    }
}

pub(super) fn state_in(connection: &Connection, sync: &SyncId) -> Result<(SyncState, i64), Fault> {
    Ok(item(connection, &format!("sync:{sync}"), STATE)?.unwrap_or_default())
}

pub(super) fn put_state_in(
    connection: &Connection,
    sync: &SyncId,
    version: i64,
    state: &SyncState,
) -> Result<(), Fault> {
    put(connection, &format!("sync:{sync}"), STATE, version, &to_json(state)?)?;
    Ok(())
}

pub(super) async fn state(database: &Database, sync: &SyncId) -> Result<SyncState> {
    let sync = sync.clone();
    database.read(move |c| Ok(state_in(c, &sync)?.0)).await
}

pub(super) async fn update_state(
    database: &Database,
    sync: &SyncId,
    change: Change<'_, SyncState>,
) -> Result<SyncState> {
    let owner = format!("sync:{sync}");
    let state = update(database, owner, STATE, || Some(SyncState::default()), change).await?;
    Ok(state.unwrap_or_default())
}

pub(super) async fn of_tenant(database: &Database, tenant: &TenantId) -> Result<Vec<SyncId>> {
    // `0` follows `/`: the range holds what begins with the tenant and a slash.
    let range = (format!("sync:{tenant}/"), format!("sync:{tenant}0"));
    database
        .read(move |c| {
            let sql = "SELECT substr(owner, 6) FROM syncs WHERE owner > ?1 AND owner < ?2 ORDER BY owner";
            let names: Vec<String> = all(c, sql, range, |r| r.get(0))?;
            names.iter().map(|name| Ok(name.parse()?)).collect()
        })
        .await
}

pub(super) async fn create_run(database: &Database, run: &Run) -> Result<()> {
    let run = run.clone();
    database
        .write(move |c| {
            if put(c, &owner_of_run(&run.id), RUN, 0, &to_json(&run)?)? {
                put(c, &format!("runs:{}", run.sync), run.id.as_str(), 0, "")?;
            }
            Ok(())
        })
        .await
}

pub(super) async fn run(database: &Database, run: &RunId) -> Result<Option<Run>> {
    let owner = owner_of_run(run);
    database.read(move |c| Ok(item(c, &owner, RUN)?.map(|(run, _)| run))).await
}

pub(super) async fn runs(database: &Database, sync: &SyncId, limit: usize) -> Result<Vec<Run>> {
    let owner = format!("runs:{sync}");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    database
        .read(move |c| {
            let sql = "SELECT run.value FROM syncs AS known JOIN syncs AS run \
                       ON run.owner = 'run:' || known.item AND run.item = 'run' \
                       WHERE known.owner = ?1 ORDER BY known.item DESC LIMIT ?2";
            let runs: Vec<String> = all(c, sql, (owner, limit), |r| r.get(0))?;
            runs.iter().map(|run| from_json(run)).collect()
        })
        .await
}

pub(super) async fn update_run(database: &Database, run: &RunId, change: Change<'_, Run>) -> Result<Option<Run>> {
    update(database, owner_of_run(run), RUN, || None, change).await
}

pub(super) async fn batch_done(database: &Database, batch: &BatchId, counts: &Counts) -> Result<Option<Run>> {
    let (batch, counts) = (batch.clone(), *counts);
    database
        .write(move |c| {
            let owner = owner_of_run(&batch.run);
            let Some((mut run, version)) = item::<Run>(c, &owner, RUN)? else {
                return Ok(None);
            };
            if put(c, &owner, &format!("done/{}", batch.seq), 0, &to_json(&counts)?)? {
                run.batch_done(&counts);
                put(c, &owner, RUN, version, &to_json(&run)?)?;
            }
            Ok(Some(run))
        })
        .await
}

pub(super) async fn permit(
    database: &Database,
    connection: (&TenantId, &ConnectionId),
    holder: &str,
    limit: u32,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool> {
    let owner = owner_of_connection(connection);
    let permit = format!("permit/{holder}");
    let (now, until) = (now.timestamp_micros(), until.timestamp_micros());
    database
        .write(move |c| {
            execute(c, "DELETE FROM syncs WHERE owner = ?1 AND item GLOB 'permit/*' AND value <= ?2", (&owner, now))?;
            let sql = "SELECT count(*), count(*) FILTER (WHERE item = ?2) FROM syncs \
                       WHERE owner = ?1 AND item GLOB 'permit/*'";
            let taken = one(c, sql, (&owner, &permit), |r| Ok((r.get::<_, u32>(0)?, r.get::<_, u32>(1)?)))?;
            let free = taken.is_none_or(|(all, own)| own > 0 || all < limit);
            if free {
                let sql = "INSERT INTO syncs (owner, item, version, value) VALUES (?1, ?2, 1, ?3) \
                           ON CONFLICT DO UPDATE SET value = excluded.value, version = version + 1";
                execute(c, sql, (&owner, &permit, until))?;
            }
            Ok(free)
        })
        .await
}

pub(super) async fn release_permit(
    database: &Database,
    connection: (&TenantId, &ConnectionId),
    holder: &str,
) -> Result<()> {
    let owner = owner_of_connection(connection);
    let permit = format!("permit/{holder}");
    database
        .write(move |c| {
            execute(c, "DELETE FROM syncs WHERE owner = ?1 AND item = ?2", (owner, permit))?;
            Ok(())
        })
        .await
}

/// Each refused secret has a mark of its own, so that a slow process with an older secret never takes away the mark of
/// the newer one.
pub(super) async fn stop_connection(
    database: &Database,
    connection: (&TenantId, &ConnectionId),
    secret: &str,
    why: &str,
) -> Result<()> {
    let owner = owner_of_connection(connection);
    let (stop, why) = (format!("stop/{secret}"), why.to_owned());
    database
        .write(move |c| {
            put(c, &owner, &stop, 0, &why)?;
            Ok(())
        })
        .await
}

pub(super) async fn connection_stopped(
    database: &Database,
    connection: (&TenantId, &ConnectionId),
    secret: &str,
) -> Result<Option<String>> {
    let owner = owner_of_connection(connection);
    let stop = format!("stop/{secret}");
    database
        .read(move |c| one(c, "SELECT value FROM syncs WHERE owner = ?1 AND item = ?2", (owner, stop), |r| r.get(0)))
        .await
}

pub(super) async fn restart_connection(database: &Database, connection: (&TenantId, &ConnectionId)) -> Result<()> {
    let owner = owner_of_connection(connection);
    database
        .write(move |c| {
            execute(c, "DELETE FROM syncs WHERE owner = ?1 AND item GLOB 'stop/*'", (owner,))?;
            Ok(())
        })
        .await
}
