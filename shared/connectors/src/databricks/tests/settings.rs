//! Settings as people write them.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::fixture::{Hand, secret, settings};
use crate::databricks::Databricks;

#[test]
fn little_has_to_be_said() {
    for url in [
        "https://dbc-a1b2c3d4-e5f6.cloud.databricks.com",
        "https://adb-1234567890123456.7.azuredatabricks.net/",
        "https://1234567890123456.7.gcp.databricks.com",
        "http://127.0.0.1:8443",
    ] {
        let settings: crate::databricks::DatabricksSettings =
            serde_json::from_value(json!({"url": url, "warehouse": "w1", "catalog": "main", "secret": "s"})).unwrap();
        settings.validate().unwrap();
        assert_eq!(
            (settings.schema.as_str(), settings.ledger_schema(), settings.volume.as_str()),
            ("erp", "erp", "landing")
        );
        assert_eq!((settings.keep_files.to_string().as_str(), settings.small_batch), ("7d", 1000));
        Databricks::open(&settings, &secret(&[("token", "dapi1")]), Arc::new(Hand::new())).unwrap();
    }
}

#[test]
fn what_cannot_work_is_said_in_words() {
    let open = |change: Json, fields: &[(&str, &str)]| {
        let url = change["url"].as_str().unwrap_or("https://x.cloud.databricks.com").to_owned();
        match Databricks::open(&settings(&url, change), &secret(fields), Arc::new(Hand::new())) {
            Ok(_) => panic!("it opens"),
            Err(error) => error.to_string(),
        }
    };
    for (change, words) in [
        (json!({"catalog": "ma'in"}), "`catalog` `ma'in` cannot be used"),
        (json!({"volume": "../x"}), "`volume` `../x` cannot be used"),
        (json!({"raw": {"suffix": ""}}), "name a suffix or another schema"),
        (json!({"warehouse": "/sql/1.0/warehouses/1"}), "the last part of the HTTP path"),
        (json!({"wait": "3s"}), "`wait` must be 5s to 50s"),
        (json!({"wait": "30s", "time_out": "30s"}), "longer than `wait`"),
        (json!({"small_batch": 1001}), "at most 1000"),
        (json!({"url": "http://dbc.example.com"}), "must begin with https"),
        (json!({"url": "https://dbc.example.com/sql"}), "up to the first slash"),
    ] {
        let error = open(change, &[("token", "dapi1")]);
        assert!(error.contains(words), "{words}: {error}");
    }
    let error = open(json!({}), &[("client_id", "x")]);
    assert!(error.contains("has no `client_secret`"), "{error}");
    let unknown = json!({"url": "https://x", "warehouse": "w", "catalog": "m", "secret": "s", "shema": "x"});
    assert!(serde_json::from_value::<crate::databricks::DatabricksSettings>(unknown).is_err());
}
