//! `system__activity`: the product's own record of what it delivered, queried like any other model.
//!
//! Invariant: it is an ordinary model over ordinary tables (filled from the simulator's state for each query), so that
//! its queries obey the very rules of all others.

use rusqlite::{Connection, params};

use super::delivery::Job;
use super::lookml::Project;
use super::server::State;
use super::warehouse::{Table, sqlite};

/// The model's name.
pub(super) const MODEL: &str = "system__activity";

const LOOKML: &str = r#"
connection: "looker__internal__analytics"
explore: scheduled_plan {
  join: scheduled_job { relationship: one_to_many sql_on: ${scheduled_plan.id} = ${scheduled_job.scheduled_plan_id} ;; }
  join: scheduled_plan_destination {
    relationship: one_to_many
    sql_on: ${scheduled_plan.id} = ${scheduled_plan_destination.scheduled_plan_id} ;;
  }
}
view: scheduled_plan {
  dimension: id { primary_key: yes type: number }
  dimension: name {}
  dimension: run_once { type: yesno }
  dimension: enabled { type: yesno }
  dimension: user_id { type: number }
  dimension: look_id { type: number }
  dimension: dashboard_id { type: number }
  dimension_group: created { type: time timeframes: [raw, time, date, week, month, year] sql: ${TABLE}.created_at ;; }
  measure: count { type: count }
}
view: scheduled_job {
  dimension: id { primary_key: yes type: number }
  dimension: scheduled_plan_id { type: number hidden: yes }
  dimension: status {}
  dimension: status_detail {}
  dimension_group: created { type: time timeframes: [raw, time, date, week, month, year] sql: ${TABLE}.created_at ;; }
  dimension_group: finalized { type: time timeframes: [raw, time, date, week, month, year] sql: ${TABLE}.finalized_at ;; }
  measure: count { type: count }
}
view: scheduled_plan_destination {
  dimension: id { primary_key: yes type: number }
  dimension: scheduled_plan_id { type: number hidden: yes }
  dimension: type {}
  dimension: address {}
  dimension: format {}
  measure: count { type: count }
}
"#;

const TABLES: &str = "
CREATE TABLE scheduled_plan (id INTEGER, name TEXT, run_once INTEGER, enabled INTEGER, user_id INTEGER, look_id INTEGER,
    dashboard_id INTEGER, created_at TEXT);
CREATE TABLE scheduled_job (id INTEGER, scheduled_plan_id INTEGER, status TEXT, status_detail TEXT, created_at TEXT,
    finalized_at TEXT);
CREATE TABLE scheduled_plan_destination (id INTEGER, scheduled_plan_id INTEGER, type TEXT, address TEXT, format TEXT);
";

/// The project that holds the model.
pub(super) fn project() -> Project {
    Project::parse(MODEL, &[(format!("{MODEL}.model.lkml"), LOOKML)])
}

/// Runs a statement over plans and jobs; each such query brings jobs under way nearer to their end.
pub(super) fn query(state: &mut State, sql: &str) -> Result<Table, String> {
    let connection = fill(state).map_err(|error| error.to_string())?;
    let table = sqlite::query(&connection, sql)?;
    for job in &mut state.jobs {
        job.hidden = job.hidden.saturating_sub(1);
    }
    Ok(table)
}

fn fill(state: &State) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    sqlite::equip(&connection)?;
    connection.execute_batch(TABLES)?;
    for plan in &state.plans.all {
        connection.execute(
            "INSERT INTO scheduled_plan VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                plan.id.to_string(),
                plan.name(),
                plan.yes("run_once"),
                plan.members.get("enabled").is_none_or(|enabled| enabled == true),
                plan.user_id,
                plan.text("look_id"),
                plan.text("dashboard_id"),
                plan.created_at(),
            ],
        )?;
        for destination in plan.destinations() {
            let text = |name: &str| destination.get(name).and_then(|value| value.as_str());
            let row = params![text("id"), plan.id.to_string(), text("type"), text("address"), text("format")];
            connection.execute("INSERT INTO scheduled_plan_destination VALUES (?1, ?2, ?3, ?4, ?5)", row)?;
        }
    }
    for job in &state.jobs {
        let Job { id, plan_id, created, .. } = job;
        let (status, detail, finalized) = job.shown();
        let created = created.to_rfc3339();
        let row =
            params![id.to_string(), plan_id.to_string(), status, detail, created, finalized.map(|at| at.to_rfc3339())];
        connection.execute("INSERT INTO scheduled_job VALUES (?1, ?2, ?3, ?4, ?5, ?6)", row)?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_built_in_model_is_good_lookml() {
        assert_eq!(super::project().errors(), []);
    }
}
