//! PostgreSQL, through its simple query protocol, which shows every value as text.

use tokio_postgres::config::Host;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::Table;

/// Runs one statement in a read-only session in UTC.
pub(super) async fn query(url: &str, sql: &str) -> Result<Table, String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(|error| says(&error))?;
    let served = tokio::spawn(connection);
    let setup = "SET default_transaction_read_only = on; SET TIME ZONE 'UTC'";
    let answer = match client.batch_execute(setup).await {
        Ok(()) => client.simple_query(sql).await,
        Err(error) => Err(error),
    };
    drop(client);
    // The connection ends when its client is gone; how it ends is of no interest.
    let _ended = served.await.is_ok();
    let mut table = Table::default();
    for message in answer.map_err(|error| says(&error))? {
        if let SimpleQueryMessage::Row(row) = message {
            table.rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
        }
    }
    Ok(table)
}

/// The catalogue's columns of one schema.
pub(super) fn columns(schema: Option<&str>) -> String {
    let schema = schema.map_or_else(|| "current_schema()".into(), |name| format!("'{}'", name.replace('\'', "''")));
    format!(
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns \
         WHERE table_schema = {schema} ORDER BY table_name, ordinal_position"
    )
}

pub(super) fn address(url: &str) -> String {
    let Ok(config) = url.parse::<Config>() else {
        return "jdbc:postgresql://".into();
    };
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        _ => "localhost".into(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("jdbc:postgresql://{host}:{port}/{}", config.get_dbname().unwrap_or("postgres"))
}

fn says(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("ERROR: {}", db.message()),
        None => error.to_string(),
    }
}
