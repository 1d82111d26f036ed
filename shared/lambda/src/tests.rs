//! Every payload that the guide shows is one that the functions take.

use serde_json::Value;

use crate::{Event, Replay, Request};

const GUIDE: &str = include_str!("../../../infra/README.md");

/// The payloads in the guide, each with the function that it is for.
fn payloads() -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for command in GUIDE.split("aws lambda invoke").skip(1) {
        let function = command.split('"').nth(1).unwrap_or_default().trim_start_matches('$');
        let (_, rest) = command.split_once("--payload '").unwrap();
        found.push((function, rest.split_once('\'').unwrap().0));
    }
    found
}

#[test]
fn every_payload_of_the_guide_is_what_its_function_takes() {
    let mut things = Vec::new();
    for (function, payload) in payloads() {
        let read = match function {
            "replay" => serde_json::from_str(payload).map(|Replay { .. }| ()),
            "reconcile" => serde_json::from_str(payload).map(|request| match request {
                Request::Compare(_) | Request::Sweep { .. } => (),
            }),
            "poll" | "load" => serde_json::from_str(payload).map(|event| {
                assert!(matches!(event, Event::Check { .. }), "{payload}");
            }),
            other => panic!("there is no function {other}"),
        };
        if let Err(wrong) = read {
            panic!("{function} does not take {payload}: {wrong}");
        }
        let value: Value = serde_json::from_str(payload).unwrap();
        things.extend(value.as_object().unwrap().keys().map(|key| format!("{function} {key}")));
    }
    for thing in [
        "replay run",
        "replay batch",
        "replay keys",
        "replay from",
        "replay rejects",
        "replay delivery",
        "replay dry_run",
        "reconcile sync",
        "reconcile repair",
        "reconcile sweep",
        "poll check",
        "load check",
    ] {
        assert!(things.iter().any(|known| known == thing), "the guide does not show {thing}");
    }
}

#[test]
fn what_nobody_knows_is_refused() {
    assert!(serde_json::from_str::<Request>(r#"{"tenant": "acme", "syncs": ["x"]}"#).is_err());
    assert!(serde_json::from_str::<Replay>(r#"{"tenant": "acme", "record": "1"}"#).is_err());
}
