//! The table `syncs`: states, runs, done marks.
//!
//! Every item lies under an owner. What is under one owner:
//!
//! ```text
//! {scope}|sync|{tenant}          <integration>/<stream>   the sync's state
//! {scope}|runs|{sync}            <run>              that the sync has this run
//! {scope}|run|{run}              run                the run
//! {scope}|run|{run}              done/<seq>         that the batch is done, with its counts
//! {scope}|cycles|{tenant}/{integration}       <name>               what a delivery waits for
//! {scope}|deliveries|{tenant}/{integration}   <run>/<delivery>     that the integration has this delivery
//! {scope}|delivery|{delivery}    delivery           the delivery
//! shared|{tenant}|permits|{connection}        permits              who may use it until when
//! shared|{tenant}|stops|{connection}          <secret>             why nobody logs in with this secret
//! ```

use engine::Result;
use engine::model::audit::Counts;
use engine::model::id::{BatchId, RunId, SyncId, TenantId};
use engine::model::run::Run;
use engine::model::sync::SyncState;
use engine::ports::Change;

use crate::database::{Database, ITEM, Place, Query, Transacted, Verdict, overloaded, text, text_in};
use crate::document::{Document, Draft, new_item, to_json};
use crate::pause::pause;

const RUN: &str = "run";

/// How often a run is counted up anew that others count up at the same time.
const ATTEMPTS: u32 = 100;

pub(super) fn place_of_state(database: &Database, sync: &SyncId) -> Place {
    Place::new(database.owner("sync", &sync.tenant), format!("{}/{}", sync.integration, sync.stream))
}

fn place_of_run(database: &Database, run: &RunId) -> Place {
    Place::new(database.owner("run", run), RUN)
}

/// 1 RRU.
pub(super) async fn state(database: &Database, sync: &SyncId) -> Result<SyncState> {
    let state = database.value(&database.tables.syncs, &place_of_state(database, sync)).await?;
    Ok(state.unwrap_or_default())
}

/// 1 RRU and 1 WRU.
pub(super) async fn update_state(
    database: &Database,
    sync: &SyncId,
    change: Change<'_, SyncState>,
) -> Result<SyncState> {
    let place = place_of_state(database, sync);
    let state = database.update(&database.tables.syncs, &place, || Some(SyncState::default()), change).await?;
    Ok(state.unwrap_or_default())
}

/// 1 RRU per about eight syncs.
pub(super) async fn of_tenant(database: &Database, tenant: &TenantId) -> Result<Vec<SyncId>> {
    let query = Query::of(database.owner("sync", tenant));
    let items = database.list(&database.tables.syncs, &query, usize::MAX).await?;
    items.iter().map(|item| format!("{tenant}/{}", text_in(item, ITEM)?).parse()).collect()
}

/// 4 WRU, two more for a run of more than 1 KB; once per run.
pub(super) async fn create_run(database: &Database, run: &Run) -> Result<()> {
    let table = &database.tables.syncs;
    let draft = Draft::new(place_of_run(database, &run.id), run)?;
    let listed = Place::new(database.owner("runs", &run.sync), run.id.as_str());
    database.create(table, &draft, listed.key()).await
}

/// 1 RRU.
pub(super) async fn run(database: &Database, run: &RunId) -> Result<Option<Run>> {
    database.value(&database.tables.syncs, &place_of_run(database, run)).await
}

/// 1 RRU per run and one for the list.
pub(super) async fn runs(database: &Database, sync: &SyncId, limit: usize) -> Result<Vec<Run>> {
    let table = &database.tables.syncs;
    let query = Query::of(database.owner("runs", sync)).newest_first();
    let mut places = Vec::new();
    for listed in database.list(table, &query, limit).await? {
        places.push(place_of_run(database, &RunId::new(text_in(&listed, ITEM)?)));
    }
    let mut runs: Vec<Run> = Vec::new();
    for item in database.get_many(table, places).await? {
        runs.push(Document::of(&item)?.value()?);
    }
    runs.sort_by(|a, b| b.id.cmp(&a.id));
    Ok(runs)
}

/// 1 RRU and 1 to 2 WRU.
pub(super) async fn update_run(database: &Database, run: &RunId, change: Change<'_, Run>) -> Result<Option<Run>> {
    database.update(&database.tables.syncs, &place_of_run(database, run), || None, change).await
}

/// Mark and count are one transaction: 1 RRU and 4 WRU, two more for a run of more than 1 KB. The second time it is paid
/// for like the first, and 1 RRU more: that is rare enough that looking first would cost more. When others count at the
/// same time, each of them costs a try.
pub(super) async fn batch_done(database: &Database, batch: &BatchId, counts: &Counts) -> Result<Option<Run>> {
    let table = &database.tables.syncs;
    let place = place_of_run(database, &batch.run);
    let mut done = Place::new(place.owner.clone(), format!("done/{:010}", batch.seq)).key();
    done.insert("counts".to_owned(), text(to_json(counts)?));
    for attempt in 0..ATTEMPTS {
        let Some(document) = database.document(table, &place).await? else { return Ok(None) };
        let mut run: Run = document.value()?;
        run.batch_done(counts);
        let draft = Draft::after(&document, place.clone(), &run)?;
        let writes = vec![new_item(table, done.clone())?, draft.in_transaction(table)?];
        match database.transact(writes, draft.mark()).await? {
            Transacted::Done => return Ok(Some(run)),
            Transacted::Refused(verdicts) if matches!(verdicts.first(), Some(Verdict::NotMet)) => {
                return self::run(database, &batch.run).await;
            }
            Transacted::Refused(_) => pause(attempt).await,
        }
    }
    Err(overloaded(&format!("run {}", batch.run)))
}
