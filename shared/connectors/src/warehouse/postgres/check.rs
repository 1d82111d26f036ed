//! Tries what loading needs, the way loading does it, and takes it all back.

use engine::Result;
use engine::model::table::TableSpec;
use engine::ports::Finding;
use tokio_postgres::types::{ToSql, Type};

use super::super::{check_table, fingerprint, schema};
use super::Postgres;
use super::errors::Failure;
use super::migrate;
use super::sql::LoadSql;
use super::types::{Timestamp, Uuid};

/// The oldest release whose functions are all there.
const OLDEST_VERSION: i32 = 120_000;

pub(super) async fn check(destination: &Postgres, tables: &[&TableSpec]) -> Vec<Finding> {
    let what = format!("log in to {}", destination.place());
    let lent = match destination.pool.lend().await {
        Ok(lent) => lent,
        Err(failure) => return vec![Finding::bad(what, destination.explained(failure).to_string())],
    };
    let mut findings = Vec::new();
    match server(destination, &lent.session.client).await {
        Ok(found) => findings.extend(found),
        Err(failure) => findings.push(Finding::bad(what, destination.explained(failure).to_string())),
    }
    for table in tables {
        let what = format!("load table {}", destination.schemas.table(&table.name));
        let tried = try_table(destination, &lent.session.client, table).await;
        let rolled_back = lent.session.client.batch_execute("ROLLBACK").await;
        findings.push(match tried {
            Ok(words) => Finding::good(what, words),
            Err(failure) => Finding::bad(what, destination.explained(failure).to_string()),
        });
        if rolled_back.is_err() {
            return findings;
        }
    }
    lent.give_back();
    findings
}

async fn server(destination: &Postgres, client: &tokio_postgres::Client) -> Result<Vec<Finding>, Failure> {
    let row = client
        .query_typed_one(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::integer, \
             pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean",
            &[],
        )
        .await?;
    let (version, number): (&str, i32) = (row.try_get(0)?, row.try_get(1)?);
    let is_read_only: bool = row.try_get(2)?;
    let what = format!("log in to {}", destination.place());
    let encrypted = if destination.pool.is_encrypted() { "encrypted" } else { "plain, which loopback may be" };
    let mut findings = vec![if number < OLDEST_VERSION {
        Finding::bad(what, format!("PostgreSQL {version} is too old: 12 or later is needed"))
    } else {
        Finding::good(what, format!("PostgreSQL {version} as `{}`, {encrypted}", destination.pool.user()))
    }];
    if is_read_only {
        findings.push(Finding::bad(
            "write",
            "the database takes no writes: it is a standby or set to read only; name the primary in `url`",
        ));
    }
    Ok(findings)
}

/// Does everything that loading a batch of no rows does, and leaves it to the caller to roll back.
async fn try_table(
    destination: &Postgres,
    client: &tokio_postgres::Client,
    table: &TableSpec,
) -> Result<String, Failure> {
    check_table(table)?;
    client.batch_execute(&destination.begin).await?;
    let shape = format!("{:032x}", fingerprint(table));
    let steps = migrate::apply(client, &destination.schemas, table, &shape).await?;
    let sql = LoadSql::new(table, &destination.schemas);
    let nothing = Uuid([0; 16]);
    client
        .execute_typed(
            &sql.begin_ledger,
            &[
                (&nothing as &(dyn ToSql + Sync), Type::UUID),
                (&-1_i32, Type::INT4),
                (&"check", Type::TEXT),
                (&"check", Type::TEXT),
                (&0_i32, Type::INT4),
                (&sql.entity, Type::TEXT),
                (&0_i64, Type::INT8),
                (&Timestamp(0), Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    client.batch_execute(&sql.stage).await?;
    client
        .query_typed_one(
            &sql.merge,
            &[
                (&nothing as &(dyn ToSql + Sync), Type::UUID),
                (&0_i64, Type::INT8),
                (&0_i32, Type::INT4),
                (&Timestamp(0), Type::TIMESTAMPTZ),
                (&false, Type::BOOL),
                (&None::<&[i32]>, Type::INT4_ARRAY),
                (&table.source_system, Type::TEXT),
            ],
        )
        .await?;
    Ok(schema::describe(&steps))
}
