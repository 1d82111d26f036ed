//! The settings, as people write them.

use schemars::schema_for;
use serde_json::{Value, json};

use super::fixture::{clock, secret, settings};
use crate::jde::{Auth, DateLiteral, JdeSettings, JdeSource, Paging};

#[test]
fn two_fields_are_enough_and_the_rest_has_the_references_defaults() {
    let settings = settings("https://ais.example.com/jderest");
    let written = serde_json::to_value(&settings).unwrap();
    assert_eq!(
        written,
        json!({
            "url": "https://ais.example.com/jderest", "secret": "acme/jde", "auth": "token",
            "device_name": "ml-connector", "api": "v2", "zone": "UTC", "date_literal": "special",
            "paging": "key_range", "page_size": 500, "time_out": "120s", "sessions": 1, "pad_keys": true,
            "max_response_bytes": 67_108_864, "max_record_bytes": 16_777_216,
        })
    );
    assert_eq!(serde_json::from_value::<JdeSettings>(written).unwrap(), settings);
}

#[test]
fn unknown_fields_and_values_are_errors_that_name_the_right_ones() {
    let with = |name: &str, value: Value| {
        let mut settings = json!({"url": "https://ais.example.com/jderest", "secret": "acme/jde"});
        settings[name] = value;
        serde_json::from_value::<JdeSettings>(settings).unwrap_err().to_string()
    };
    assert!(with("pagesize", json!(1)).contains("`page_size`"));
    assert!(with("auth", json!("jwt")).contains("`basic`"));
    assert!(with("time_out", json!("120")).contains("such as 120s"));
    assert!(with("zone", json!("Chicago")).contains("Chicago"));
}

#[test]
fn every_field_has_a_description_and_an_example() {
    let schema = schema_for!(JdeSettings);
    let properties = schema.as_value()["properties"].as_object().unwrap();
    assert!(properties.len() >= 20);
    for (name, property) in properties {
        assert!(property["description"].as_str().is_some_and(|text| text.len() > 20), "{name}: {property}");
        let example = property["examples"].get(0).unwrap_or_else(|| panic!("{name} has no example"));
        let mut settings = json!({"url": "https://ais.example.com/jderest", "secret": "acme/jde"});
        settings[name] = example.clone();
        serde_json::from_value::<JdeSettings>(settings).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn settings_that_cannot_work_together_are_refused() {
    type Change = fn(&mut JdeSettings);
    let changes: [(Change, &str); 8] = [
        (|s| s.page_size = 0, "page_size"),
        (|s| s.sessions = 0, "sessions"),
        (|s| s.device_name = " ".to_owned(), "device_name"),
        (|s| (s.paging, s.auth) = (Paging::NextLinks, Auth::Basic), "next_links"),
        (|s| (s.paging, s.api) = (Paging::NextLinks, crate::jde::Api::V1), "next_links"),
        (|s| (s.date_literal, s.auth) = (DateLiteral::UserFormat, Auth::Basic), "date_format"),
        (|s| s.date_format = Some("dd MMM yyyy".to_owned()), "date format"),
        (|s| s.url = "http://ais.example.com/jderest".to_owned(), "https"),
    ];
    for (change, words) in changes {
        let mut settings = settings("https://ais.example.com/jderest");
        change(&mut settings);
        let made = JdeSource::new(settings, &secret("x"), std::sync::Arc::new(clock()));
        let error = made.err().unwrap();
        assert_eq!(error.kind(), engine::Kind::Stop);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_secret_without_its_fields_is_refused() {
    let settings = settings("https://ais.example.com/jderest");
    for password in ["", "null"] {
        let made = JdeSource::new(settings.clone(), &secret(password), std::sync::Arc::new(clock()));
        assert!(made.err().unwrap().to_string().contains("secrets set"));
    }
}
