//! Records that are refused, calls whose outcome nobody knows, and what an administrator has to do.

use engine::Kind;
use engine::ports::{Destination, Which};
use sandbox::peoplesoft::{
    Answered, Calls, ErrorBody, Fault, OAuth, PeopleSoftSandbox, Profile, Settings, WriteOperation,
};
use serde_json::json;

use super::writes::{SUPPLIERS, destination, send, site, stand, supplier, suppliers, table};

fn posts(sandbox: &PeopleSoftSandbox) -> usize {
    sandbox.calls().iter().filter(|call| call.method == "POST" && call.path.contains(SUPPLIERS)).count()
}

#[tokio::test]
async fn a_record_that_is_not_there_is_refused_without_a_call() {
    let sandbox = site(Settings::default()).await;
    let destination = destination(&sandbox, json!({}));
    let mut unknown = supplier("Zenith", "A");
    unknown[0] = engine::model::value::Value::text("0000000099");
    let error = send(&destination, &suppliers(), &unknown).await.unwrap_err();
    assert_eq!((error.kind(), posts(&sandbox)), (Kind::Reject, 0));
    assert!(
        error.to_string().starts_with("PeopleSoft has no supplier 0000000099/SHARE: it is created there"),
        "{error}"
    );
}

#[tokio::test]
async fn a_record_that_peoplesoft_refuses_is_a_reject_in_its_words_however_they_come() {
    let as_released = |profile| (Settings::of(profile), None);
    let xml = |status| (Settings::default(), Some(Answered { status, body: ErrorBody::IbResponse }));
    let empty = (Settings::default(), Some(Answered { status: 422, body: ErrorBody::Empty }));
    let answers = [as_released(Profile::Pt856), as_released(Profile::Pt859), xml(200), xml(400)];
    for (settings, refused) in answers {
        let sandbox = site(settings).await;
        sandbox.define_write(WriteOperation { refused, ..WriteOperation::suppliers(SUPPLIERS) }).unwrap();
        let error = send(&destination(&sandbox, json!({})), &suppliers(), &supplier("Zenith", "Q")).await.unwrap_err();
        assert_eq!((error.kind(), posts(&sandbox)), (Kind::Reject, 1), "{error}");
        assert!(error.to_string().contains("Q is not a valid value for VENDOR_STATUS."), "{error}");
        assert!(error.to_string().contains("supplier 0000000042/SHARE"), "{error}");
    }
    let sandbox = site(empty.0).await;
    sandbox.define_write(WriteOperation { refused: empty.1, ..WriteOperation::suppliers(SUPPLIERS) }).unwrap();
    let error = send(&destination(&sandbox, json!({})), &suppliers(), &supplier("Zenith", "Q")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Reject, "{error}");
}

#[tokio::test]
async fn what_may_have_been_written_is_unknown_and_what_was_turned_away_is_not() {
    let later = |after: Option<u64>| Kind::Later { after: after.map(std::time::Duration::from_secs) };
    let busy = Fault::Status { code: 503, retry_after: Some(7), body: ErrorBody::Html };
    for (fault, kind, is_written) in [
        (Fault::LostReply, Kind::Unknown, true),
        (Fault::TruncatedBody, Kind::Unknown, true),
        (Fault::BadJson, Kind::Unknown, true),
        (Fault::DropConnection, Kind::Unknown, false),
        (Fault::status(500), Kind::Unknown, false),
        (Fault::page(502), Kind::Unknown, false),
        (Fault::page(504), Kind::Unknown, false),
        (Fault::page(200), Kind::Unknown, false),
        (Fault::empty(200), Kind::Unknown, false),
        (Fault::empty(429), later(None), false),
        (busy, later(Some(7)), false),
    ] {
        let sandbox = site(Settings::default()).await;
        let destination = destination(&sandbox, json!({}));
        let what = format!("{fault:?}");
        sandbox.fault(Calls::to(SUPPLIERS), fault);
        let error = send(&destination, &suppliers(), &supplier("Zenith", "I")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        let name = stand(&destination, &suppliers(), &["0000000042|SHARE"]).await[0][2].to_text().into_owned();
        assert_eq!((name == "Zenith", posts(&sandbox)), (is_written, 1), "{what}: it is called once");
    }
}

#[tokio::test]
async fn nobody_listening_is_no_unknown() {
    let sandbox = site(Settings::default()).await;
    let destination = destination(&sandbox, json!({}));
    let cells = supplier("Zenith", "I");
    let there = stand(&destination, &suppliers(), &["0000000042|SHARE"]).await;
    let key = engine::model::id::RecordKey::new("0000000042|SHARE");
    // Of a connection that was open before nobody can say how far a call came.
    let fresh = self::destination(&sandbox, json!({}));
    sandbox.shutdown().await;
    let record = engine::ports::Outgoing { key: &key, cells: &cells, there: Some(&there[0]), reference: "r" };
    let error = fresh.send(&suppliers(), &record).await.unwrap_err();
    assert!(error.is_later(), "{:?} {error}", error.kind());
}

#[tokio::test]
async fn what_is_not_switched_on_stops_with_the_administrators_step() {
    type Change = fn(&PeopleSoftSandbox);
    let inactive: Change = |sandbox| assert!(sandbox.set_active(SUPPLIERS, false));
    let unrouted: Change = |sandbox| assert!(sandbox.set_routing(SUPPLIERS, false));
    let forbidden: Change = |sandbox| {
        sandbox.change_operator("CXUSER", |operator| operator.operations = Some(vec!["ExecuteQuery.v1".into()]));
    };
    for profile in [Profile::Pt856, Profile::Pt859, Profile::Pt861] {
        for (change, step) in
            [(inactive, "activate"), (unrouted, "any-to-local routing"), (forbidden, "permission list")]
        {
            let sandbox = site(Settings::of(profile)).await;
            change(&sandbox);
            let destination = destination(&sandbox, json!({}));
            let error = send(&destination, &suppliers(), &supplier("Zenith", "I")).await.unwrap_err();
            assert_eq!((error.kind(), error.is_refused_credentials()), (Kind::Stop, false), "{profile:?}: {error}");
            assert!(error.to_string().contains(step) && error.to_string().contains(SUPPLIERS), "{profile:?}: {error}");
            let findings = destination.check(&[&suppliers()]).await;
            let bad: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
            assert_eq!(bad.len(), 1, "{findings:?}");
            assert!(bad[0].what == format!("write `supplier_attributes` by {SUPPLIERS}"), "{findings:?}");
            assert!(bad[0].detail.contains(step) && bad[0].detail.contains("peoplesoft queries"), "{findings:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let sandbox = site(Settings::default()).await;
    let destination = destination(&sandbox, json!({}));
    let there = stand(&destination, &suppliers(), &["0000000042|SHARE"]).await;
    sandbox.change_operator("CXUSER", |operator| operator.password = Some("another".into()));
    let key = engine::model::id::RecordKey::new("0000000042|SHARE");
    let cells = supplier("Zenith", "I");
    let record = engine::ports::Outgoing { key: &key, cells: &cells, there: Some(&there[0]), reference: "r" };
    for _ in 0..2 {
        let error = destination.send(&suppliers(), &record).await.unwrap_err();
        assert!(error.is_refused_credentials() && !error.to_string().contains("geheim"), "{error}");
    }
    assert_eq!(posts(&sandbox), 1);
}

#[tokio::test]
async fn a_token_that_died_is_replaced_once_and_the_record_is_written_once() {
    let mut provider = OAuth::new("connector", "geheim-cs");
    provider.operator = "CXUSER".to_owned();
    let sandbox = site(Settings::default().with_oauth(provider)).await;
    let auth = json!({"auth": {"oauth2": {"token_url": sandbox.token_url().unwrap()}}});
    let destination = destination(&sandbox, auth);
    sandbox.fault(Calls::to(SUPPLIERS), Fault::DeadToken);
    send(&destination, &suppliers(), &supplier("Zenith", "I")).await.unwrap();
    assert_eq!((posts(&sandbox), sandbox.writes().len()), (2, 1));
    sandbox.fault(Calls::to(SUPPLIERS).every(), Fault::DeadToken);
    let error = send(&destination, &suppliers(), &supplier("Acme", "I")).await.unwrap_err();
    assert!(error.kind() == Kind::Stop && error.to_string().contains("also with a new token"), "{error}");
}

#[tokio::test]
async fn a_check_tries_reading_back_and_writes_nothing() {
    for profile in [Profile::Pt856, Profile::Pt859, Profile::Pt861] {
        let sandbox = site(Settings::of(profile)).await;
        let findings = destination(&sandbox, json!({})).check(&[&suppliers()]).await;
        assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
        let whats: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
        let write = "write `supplier_attributes` by ML_VENDOR_UPDATE.v1";
        assert_eq!(whats, ["read ML_VENDOR", "find a record of ML_VENDOR by its key", write]);
        assert!(findings[2].detail.contains("there, active and granted"), "{findings:?}");
        assert_eq!((posts(&sandbox), sandbox.writes().len()), (0, 0));
    }
    let sandbox = site(Settings::default()).await;
    sandbox.drop_query("ML_VENDOR_K");
    sandbox.fault(Calls::to(SUPPLIERS), Fault::page(404));
    let findings = destination(&sandbox, json!({})).check(&[&suppliers()]).await;
    let bad: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
    assert!(bad.len() == 1 && bad[0].what.contains("by its key"), "{findings:?}");
    assert!(findings[2].detail.starts_with("cannot be told without writing"), "{findings:?}");
    let wrong = destination(&sandbox, json!({"secret": "acme/peoplesoft", "node": "PSFT_XX"}));
    let findings = wrong.check(&[&suppliers()]).await;
    assert!(findings.iter().all(|finding| !finding.ok && finding.detail.contains("PSFT_XX")), "{findings:?}");
}

#[tokio::test]
async fn reads_that_make_no_sense_there_say_so() {
    let sandbox = site(Settings::default()).await;
    let destination = destination(&sandbox, json!({}));
    let sync = "acme/peoplesoft-databricks/attributes".parse().unwrap();
    let all = destination.standing(&suppliers(), &sync, Which::After(None, 10)).await;
    for error in [all.unwrap_err(), destination.count_standing(&suppliers(), &sync).await.unwrap_err()] {
        assert!(error.kind() == Kind::Stop && error.to_string().contains("read back by key"), "{error}");
    }
    for (table, words) in [
        (
            table("suppliers", &[("setid", "text"), ("vendor_id", "text")]),
            "nothing says which takes the table `suppliers`",
        ),
        (
            table("supplier_attributes", &[("setid", "text"), ("site", "text")]),
            "ML_VENDOR finds a supplier by SETID, VENDOR_ID",
        ),
        (
            table("supplier_attributes", &[("setid", "text"), ("vendor_id", "text"), ("supplier_setid", "text")]),
            "two columns that are SETID",
        ),
    ] {
        let error = destination.prepare(&table).await.unwrap_err();
        assert!(error.kind() == Kind::Stop && error.to_string().contains(words), "{error}");
    }
    assert!(sandbox.calls().is_empty());
}
