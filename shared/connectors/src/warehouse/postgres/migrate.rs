//! Creates and extends tables, and nothing else.

use engine::model::table::TableSpec;
use engine::{Error, Result};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::super::quoted;
use super::super::schema::{self, ExistingColumn, ExistingTable, Step};
use super::errors::Failure;
use super::sql::{self, Postgres15, Schemas};

/// An ALTER that waits behind a long query makes every later query wait behind itself, so it gives up soon.
const LOCK_TIMEOUT: &str = "5s";

/// What is there.
struct Found {
    data_schema: bool,
    ledger_schema: bool,
    ledger: bool,
    table: Option<ExistingTable>,
    /// The shape that was applied last.
    fingerprint: Option<String>,
}

impl Found {
    fn has_ledger(&self) -> bool {
        self.ledger_schema && self.ledger
    }
}

/// Makes the table what the blueprint declares, if it is not.
pub(super) async fn migrate(
    client: &Client,
    schemas: &Schemas,
    table: &TableSpec,
    fingerprint: &str,
) -> Result<(), Failure> {
    let found = find(client, schemas, table).await?;
    let steps = schema::diff(table, found.table.as_ref(), &Postgres15(schemas))?;
    if steps.is_empty() && found.has_ledger() && found.fingerprint.as_deref() == Some(fingerprint) {
        return Ok(());
    }
    client.batch_execute("BEGIN").await?;
    apply(client, schemas, table, fingerprint).await?;
    client.batch_execute("COMMIT").await?;
    Ok(())
}

/// Does what is missing within the caller's transaction and says what it was.
pub(super) async fn apply(
    client: &Client,
    schemas: &Schemas,
    table: &TableSpec,
    fingerprint: &str,
) -> Result<Vec<Step>, Failure> {
    // One migration at a time in the database: even CREATE … IF NOT EXISTS fails when two do it at once.
    client
        .batch_execute(&format!(
            "SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL standard_conforming_strings = on; SELECT \
             pg_advisory_xact_lock(hashtextextended('ml-connector migration', 0))"
        ))
        .await?;
    let found = find(client, schemas, table).await?;
    let steps = schema::diff(table, found.table.as_ref(), &Postgres15(schemas))?;
    let mut statements = Vec::new();
    // CREATE SCHEMA IF NOT EXISTS needs the permission to create even where there is nothing to do.
    for (exists, name) in [(found.data_schema, &schemas.data), (found.ledger_schema, &schemas.ledger)] {
        if !exists {
            statements.push(format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(name)));
        }
    }
    if !found.has_ledger() {
        statements.push(sql::ledger(schemas));
    }
    statements.extend(steps.iter().map(|step| sql::step(table, schemas, step)));
    for statement in statements {
        client.batch_execute(&statement).await.map_err(refused)?;
    }
    if found.fingerprint.as_deref() != Some(fingerprint) {
        comment(client, &sql::comments(table, schemas)).await?;
    }
    if found.fingerprint.as_deref() != Some(fingerprint) {
        let versions = schemas.versions();
        let entity = schemas.entity(&table.name);
        client
            .execute_typed(
                &format!(
                    "INSERT INTO {versions} (entity, version, fingerprint) SELECT $1, COALESCE(max(version), 0) + 1, $2 \
                     FROM {versions} WHERE entity = $1"
                ),
                &[(&entity, Type::TEXT), (&fingerprint, Type::TEXT)],
            )
            .await
            .map_err(refused)?;
    }
    Ok(steps)
}

/// Comments on the table, if the user may: that takes its owner, and nothing depends on it.
async fn comment(client: &Client, comments: &str) -> Result<(), Failure> {
    client.batch_execute("SAVEPOINT comments").await?;
    match client.batch_execute(comments).await {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            client.batch_execute("ROLLBACK TO SAVEPOINT comments").await?;
        }
        outcome => outcome?,
    }
    Ok(client.batch_execute("RELEASE SAVEPOINT comments").await?)
}

fn refused(error: tokio_postgres::Error) -> Failure {
    // What an ALTER says of a column that a view shows.
    let is_in_view = error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED);
    match error.into() {
        // A duplicate in the database's own catalogue: somebody did the same at the same time, without our lock.
        Failure::Data(words) => {
            Failure::Other(Error::later(format!("the tables are being changed by somebody: {words}")))
        }
        Failure::Other(error) if is_in_view => Failure::Other(Error::stop(format!(
            "{error}. Where a view stands on the column, drop it, run `ml-connector check`, load, and create it again"
        ))),
        failure => failure,
    }
}

async fn find(client: &Client, schemas: &Schemas, table: &TableSpec) -> Result<Found, Failure> {
    let target = schemas.table(&table.name);
    let row = client
        .query_typed_one(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), EXISTS (SELECT FROM pg_namespace WHERE nspname \
             = $2), to_regclass($3) IS NOT NULL AND to_regclass($4) IS NOT NULL, (SELECT relkind::text FROM pg_class WHERE \
             oid = to_regclass($5))",
            &[
                (&schemas.data, Type::TEXT),
                (&schemas.ledger, Type::TEXT),
                (&schemas.batches(), Type::TEXT),
                (&schemas.versions(), Type::TEXT),
                (&target, Type::TEXT),
            ],
        )
        .await?;
    let mut found = Found {
        data_schema: row.try_get(0)?,
        ledger_schema: row.try_get(1)?,
        ledger: row.try_get(2)?,
        table: None,
        fingerprint: None,
    };
    if let Some(kind) = row.try_get::<_, Option<String>>(3)? {
        // r is a plain table. One in partitions (p) does not tell which rows an upsert inserted.
        if kind != "r" {
            return Err(Error::stop(format!(
                "{target} is not a plain table but a view, a table in partitions or the like: rename it, or name another \
                 schema in the connection"
            ))
            .into());
        }
        found.table = Some(existing(client, &target).await?);
    }
    if found.ledger {
        let entity = schemas.entity(&table.name);
        let newest =
            format!("SELECT fingerprint FROM {} WHERE entity = $1 ORDER BY version DESC LIMIT 1", schemas.versions());
        let row = client.query_typed_opt(&newest, &[(&entity, Type::TEXT)]).await?;
        found.fingerprint = row.map(|row| row.try_get(0)).transpose()?;
    }
    Ok(found)
}

async fn existing(client: &Client, target: &str) -> Result<ExistingTable, Failure> {
    let columns = client
        .query_typed(
            "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef AND attidentity = '' FROM \
             pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            &[(&target, Type::TEXT)],
        )
        .await?;
    // Only what ON CONFLICT can rest on: valid, immediate, of whole columns and for all rows.
    let unique = client
        .query_typed(
            "SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY \
             (i.indkey[0:i.indnkeyatts - 1])) FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND \
             i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL",
            &[(&target, Type::TEXT)],
        )
        .await?;
    Ok(ExistingTable {
        columns: columns
            .iter()
            .map(|row| Ok(ExistingColumn { name: row.try_get(0)?, kind: row.try_get(1)?, required: row.try_get(2)? }))
            .collect::<Result<_, tokio_postgres::Error>>()?,
        unique: unique.iter().map(|row| row.try_get(0)).collect::<Result<_, tokio_postgres::Error>>()?,
    })
}
