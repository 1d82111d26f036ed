//! What no emulator does on demand: throttling, items left unprocessed, answers that are lost.

mod stub;

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use engine::Kind;
use engine::model::audit::{AuditBatch, AuditEntry, Outcome};
use engine::model::id::{BatchId, RecordKey, RunId, SyncId};
use engine::model::link::Link;
use engine::model::message::{BatchTask, Message, Task};
use engine::ports::{Queue, Store};
use serde_json::{Value, json};

use crate::{Aws, Queues, Record, Settings, Tables, body, received};
use stub::{Answer, Stub};

fn settings() -> Settings {
    Settings::from_variables(|name| Some(name.trim_start_matches("ML_CONNECTOR_").to_lowercase())).unwrap()
}

fn at(stub: &Stub) -> Aws {
    let retries =
        RetryConfig::standard().with_max_attempts(3).with_initial_backoff(std::time::Duration::from_millis(1));
    Aws::new(&stub.config().into_builder().retry_config(retries).build(), settings())
}

fn sync() -> SyncId {
    "acme/jde-looker/orders".parse().unwrap()
}

#[tokio::test]
async fn what_dynamodb_leaves_unprocessed_is_asked_for_again_until_it_is_done() {
    let (written, calls) = (Mutex::new(Vec::new()), Mutex::new(0));
    let stub = Stub::start(move |action, request| {
        if action != "BatchWriteItem" {
            return Answer::ok(json!({}));
        }
        // Of each call the first half is done.
        let puts = request["RequestItems"]["table_audit"].as_array().unwrap().clone();
        let (done, left) = puts.split_at(puts.len().div_ceil(2));
        written.lock().unwrap().extend(done.iter().map(|put| put["PutRequest"]["Item"]["owner"]["S"].clone()));
        *calls.lock().unwrap() += 1;
        let all = written.lock().unwrap().len();
        assert!(all < 30 || *calls.lock().unwrap() > 2);
        match left.is_empty() {
            true => Answer::ok(json!({ "UnprocessedItems": {} })),
            false => Answer::ok(json!({ "UnprocessedItems": { "table_audit": left } })),
        }
    });
    let stub = stub.await;
    let entry = |i| AuditEntry { key: RecordKey::new(format!("key {i}")), outcome: Outcome::Inserted, detail: None };
    let audit = AuditBatch {
        sync: sync(),
        batch: BatchId { run: RunId::new("1"), seq: 0 },
        part: 0,
        at: Default::default(),
        mapping: 1,
        version: 1,
        entries: (0..30).map(entry).collect(),
    };
    at(&stub).write_audit(&audit).await.unwrap();
    let puts = stub.actions().into_iter().filter(|action| action == "BatchWriteItem").count();
    assert!(puts > 2, "30 lines take two calls when nothing is left: {puts}");
}

#[tokio::test]
async fn links_that_dynamodb_leaves_unread_are_asked_for_again_until_all_are_there() {
    let stub = Stub::start(|_, request| {
        // Of each call of at most a hundred the first half is answered.
        let keys = request["RequestItems"]["table_links"]["Keys"].as_array().unwrap();
        assert!(keys.len() <= 100);
        let (done, left) = keys.split_at(keys.len().div_ceil(2));
        let items: Vec<Value> = done
            .iter()
            .map(|key| {
                let value = json!({ "version": 7 }).to_string();
                json!({ "owner": key["owner"], "item": key["item"], "value": { "S": value }, "version": { "N": "1" } })
            })
            .collect();
        let left = match left.is_empty() {
            true => json!({}),
            false => json!({ "table_links": { "Keys": left, "ConsistentRead": true } }),
        };
        Answer::ok(json!({ "Responses": { "table_links": items }, "UnprocessedKeys": left }))
    });
    let stub = stub.await;
    let keys: Vec<RecordKey> = (0..130).map(|i| RecordKey::new(format!("key {i}"))).collect();
    let mut found = at(&stub).links(&sync(), &keys).await.unwrap();
    found.sort_by_key(|(key, _)| keys.iter().position(|asked| asked == key));
    let expected: Vec<_> = keys.into_iter().map(|key| (key, Link { version: 7, ..Link::default() })).collect();
    assert_eq!(found, expected);
    assert!(stub.actions().len() > 2, "130 links take two calls when nothing is left");
}

#[tokio::test]
async fn a_link_that_somebody_else_has_changed_meanwhile_is_changed_as_it_is_then() {
    let item = |version: &str, value: Value| {
        json!({ "owner": { "S": "o" }, "item": { "S": "link" }, "version": { "N": version }, "mark": { "S": "theirs" },
                "value": { "S": value.to_string() }, "there": { "S": "7" } })
    };
    let (written, reads) = (Arc::new(Mutex::new(Value::Null)), Mutex::new(0));
    let seen = written.clone();
    let stub = Stub::start(move |action, request| {
        let mut reads = reads.lock().unwrap();
        match action {
            "GetItem" => {
                *reads += 1;
                match *reads {
                    1 => Answer::ok(json!({})),
                    _ => Answer::ok(json!({ "Item": item("4", json!({ "version": 5 })) })),
                }
            }
            _ if *reads == 1 => {
                let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
                let there = item("4", json!({ "version": 5 }));
                Answer::Status(400, json!({ "__type": kind, "message": "refused", "Item": there }))
            }
            _ => {
                assert_eq!(request["ExpressionAttributeValues"][":seen"]["N"], "4");
                *seen.lock().unwrap() = request["Item"].clone();
                Answer::ok(json!({}))
            }
        }
    });
    let stub = stub.await;
    let link = at(&stub).update_link(&sync(), &RecordKey::new("a"), &mut |link| link.version += 1).await.unwrap();
    assert_eq!(link, Link { id: Some("7".to_owned()), version: 6, ..Link::default() });
    assert_eq!(stub.actions(), ["GetItem", "PutItem", "GetItem", "PutItem"]);
    let written = written.lock().unwrap();
    assert_eq!((&written["there"]["S"], &written["version"]["N"]), (&json!("7"), &json!("5")));
}

#[tokio::test]
async fn what_stays_unprocessed_is_put_off() {
    let stub = Stub::start(|action, request| match action {
        "BatchGetItem" => Answer::ok(json!({ "UnprocessedKeys": request["RequestItems"] })),
        _ => Answer::ok(json!({})),
    });
    let error = at(&stub.await).linked(&sync(), &[RecordKey::new("a")]).await.unwrap_err();
    assert!(error.is_later(), "{error}");
}

#[tokio::test]
async fn throttling_is_tried_a_few_times_and_then_put_off() {
    let code = "ProvisionedThroughputExceededException";
    let stub = Stub::start(move |_, _| Answer::refused(400, code, "slow down")).await;
    let error = at(&stub).sync(&sync()).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::Later { after: Some(_) }), "{error}");
    assert_eq!(stub.actions().len(), 3);
}

#[tokio::test]
async fn what_a_role_may_not_do_is_named() {
    let what = "User: arn:aws:sts::1:assumed-role/load is not authorized to perform: dynamodb:GetItem";
    let stub = Stub::start(move |_, _| Answer::refused(400, "AccessDeniedException", what)).await;
    let error = at(&stub).sync(&sync()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    let message = error.to_string();
    assert!(message.contains("dynamodb:GetItem on table table_syncs") && message.contains("policy"), "{message}");
    assert_eq!(stub.actions().len(), 1, "it is not tried again");
}

#[tokio::test]
async fn who_does_not_answer_is_asked_later() {
    let stub = Stub::start(|_, _| Answer::HangUp).await;
    let error = at(&stub).sync(&sync()).await.unwrap_err();
    assert!(error.is_later(), "{error}");
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_made_once() {
    let stored: Mutex<Option<Value>> = Mutex::new(None);
    let stub = Stub::start(move |action, request| {
        let mut stored = stored.lock().unwrap();
        match (action, stored.as_ref()) {
            ("GetItem", _) => Answer::ok(json!({})),
            // It is written, but nobody hears of it.
            (_, None) => {
                *stored = Some(request["Item"].clone());
                Answer::HangUp
            }
            (_, Some(item)) => {
                let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
                Answer::Status(
                    400,
                    json!({ "__type": kind, "message": "The conditional request failed", "Item": item }),
                )
            }
        }
    });
    let stub = stub.await;
    let state = at(&stub).update_sync(&sync(), &mut |state| state.epoch += 1).await.unwrap();
    assert_eq!(state.epoch, 1);
    assert_eq!(stub.actions(), ["GetItem", "PutItem", "PutItem"]);
}

#[tokio::test]
async fn a_transaction_that_met_another_is_tried_again_under_the_same_token() {
    let tokens = Mutex::new(Vec::new());
    let stub = Stub::start(move |action, request| {
        if action != "TransactWriteItems" {
            return Answer::ok(json!({}));
        }
        let mut tokens = tokens.lock().unwrap();
        tokens.push(request["ClientRequestToken"].clone());
        assert!(tokens.iter().all(|token| token.is_string() && *token == tokens[0]));
        match tokens.len() {
            1 => Answer::Status(
                400,
                json!({ "__type": "TransactionCanceledException", "message": "cancelled",
                        "CancellationReasons": [{ "Code": "None" }, { "Code": "TransactionConflict" }] }),
            ),
            _ => Answer::ok(json!({})),
        }
    });
    let stub = stub.await;
    let delivery = engine::model::delivery::Delivery {
        id: engine::model::id::DeliveryId::new("daily@1"),
        tenant: sync().tenant,
        integration: sync().integration,
        name: "daily".to_owned(),
        what: engine::model::delivery::What::Plan("AP".to_owned()),
        runs: Default::default(),
        late: Vec::new(),
        planned_at: Default::default(),
        attempts: 0,
        ended_at: None,
        state: engine::model::delivery::DeliveryState::Planned,
    };
    at(&stub).create_delivery(&delivery).await.unwrap();
    assert_eq!(stub.actions(), ["TransactWriteItems", "TransactWriteItems"]);
}

fn load(rows: usize) -> Message {
    let task = json!({
        "sync": sync().to_string(), "batch": { "run": "1", "seq": 0 }, "version": 1, "mapping": 1,
    });
    let task: BatchTask = serde_json::from_value(task).unwrap();
    Message::with_rows(Task::Load(task), vec![0xab; rows])
}

fn record<'a>(text: &'a str, attributes: &'a std::collections::HashMap<String, String>) -> Record<'a> {
    Record { message_id: "m-1", receipt_handle: "h", body: text, attributes }
}

#[tokio::test]
async fn a_message_that_no_queue_takes_is_refused_before_it_is_sent() {
    let stub = Stub::start(|_, _| Answer::ok(json!({}))).await;
    let error = at(&stub).send(&load(800 << 10), std::time::Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("acme/jde-looker/orders") && error.to_string().contains("message_bytes"));
    assert!(stub.actions().is_empty());
}

#[test]
fn a_message_reads_back_from_its_text_and_what_is_none_is_named() {
    let message = Message { attempt: 2, ..load(1000) };
    let attributes = Default::default();
    let text = body(&message).unwrap();
    assert_eq!(received(&record(&text, &attributes)).unwrap().message, message);
    for odd in ["", "{}", "no message", &text.replace("\"rows\":\"", "\"rows\":\"%")] {
        let error = received(&record(odd, &attributes)).unwrap_err();
        assert_eq!(error.kind(), Kind::Stop);
        assert!(error.to_string().contains("message m-1"), "{error}");
    }
}

#[test]
fn settings_that_are_missing_are_all_named() {
    let error = Settings::from_variables(|name| {
        (!name.contains("TABLE_LINKS") && !name.ends_with("LOAD")).then(|| "x".to_owned())
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("ML_CONNECTOR_TABLE_LINKS, ML_CONNECTOR_QUEUE_LOAD:"), "{error}");
    let expected = Settings {
        scope: "scope".to_owned(),
        tables: Tables {
            syncs: "table_syncs".to_owned(),
            batches: "table_batches".to_owned(),
            audit: "table_audit".to_owned(),
            links: "table_links".to_owned(),
        },
        queues: Queues {
            poll: "queue_poll".to_owned(),
            transform: "queue_transform".to_owned(),
            load: "queue_load".to_owned(),
            dead_letters: "queue_dead_letters".to_owned(),
        },
        secrets_prefix: "secrets_prefix".to_owned(),
    };
    assert_eq!(settings(), expected);
    assert!(Settings::from_variables(|_| Some("shared".to_owned())).is_err(), "what is shared is no scope");
}

#[test]
fn long_keys_keep_their_order_and_stay_apart() {
    let long = |end: &str| crate::database::bounded("ü".repeat(1000) + end, 1024);
    assert!(long("a").len() <= 1024 && long("a") != long("b"));
    assert!(crate::database::bounded("a".repeat(2000), 1024) < crate::database::bounded("b".repeat(2000), 1024));
    assert_eq!(crate::database::bounded("short".to_owned(), 1024), "short");
}
