//! Operations by which attributes of one record are written.

use chrono::TimeDelta;

use super::super::{
    Answered, Calls, ErrorBody, Fault, PeopleSoftSandbox, Profile, Records, Settings, TooLong, WriteOperation,
};
use super::{Answer, REST, basic, call, send, settings, start};

const ALIAS: &str = "ML_CUSTOMER_UPDATE.v1";

fn site(settings: Settings, operation: WriteOperation) -> PeopleSoftSandbox {
    let mut records = Records::standard().unwrap();
    let customer =
        [("SETID", "SHARE"), ("CUST_ID", "000042"), ("NAME1", "Acme"), ("CUST_STATUS", "A"), ("CR_LIMIT", "10.5")];
    records.change("CUSTOMER").unwrap().insert(&customer).unwrap();
    let sandbox = start(settings, records);
    sandbox.define_write(operation).unwrap();
    sandbox
}

fn post(sandbox: &PeopleSoftSandbox, path: &str, body: &str) -> Answer {
    let authorization = basic("CXUSER", "secret");
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
    call(sandbox, "POST", &format!("{REST}/{path}"), &headers, body)
}

fn stands(sandbox: &PeopleSoftSandbox, field: &str) -> String {
    sandbox.with_records(|records| {
        let row = records.get("CUSTOMER").unwrap().get(&["SHARE", "000042"]).unwrap();
        row.unwrap().text(field)
    })
}

#[test]
fn attributes_are_written_by_key_with_every_digit_and_stamped() {
    let sandbox = site(Settings::default(), WriteOperation::customers(ALIAS));
    let body = r#"{"SETID":"SHARE","CUST_ID":"000042","NAME1":"Zenith","CR_LIMIT":123456789012345.675,"SINCE_DT":"2020-02-29","NAME2":""}"#;
    let answer = post(&sandbox, ALIAS, body);
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"success","id":"SHARE/000042"}"#));
    let stand = ["NAME1", "CR_LIMIT", "SINCE_DT", "CUST_STATUS", "DATE_LAST_MAINT", "LAST_MAINT_OPRID"];
    let stand = stand.map(|field| stands(&sandbox, field));
    assert_eq!(stand, ["Zenith", "123456789012345.675", "2020-02-29", "A", "2026-11-20", "CXUSER"]);
    let journal = sandbox.writes();
    assert_eq!((journal.len(), journal[0].key.join("|").as_str()), (1, "SHARE|000042"));
    assert!(journal[0].values.contains(&("NAME1".into(), "Zenith".into())), "{journal:?}");
}

#[test]
fn whatever_is_wrong_is_refused_whole_and_in_words() {
    let sandbox = site(Settings::default(), WriteOperation::customers(ALIAS));
    let refused = |members: &str| {
        let answer = post(&sandbox, ALIAS, &format!(r#"{{"SETID":"SHARE","CUST_ID":"000042","NAME2":"x",{members}}}"#));
        assert_eq!((answer.status, answer.json()["status"].as_str()), (400, Some("error")), "{members}");
        answer.json()["message"].as_str().unwrap().to_owned()
    };
    for (members, words) in [
        (r#""NAME9":"x""#, "Field NAME9 is not known"),
        (r#""CUST_STATUS":"Q""#, "Q is not a valid value for CUST_STATUS."),
        (r#""SINCE_DT":"29.02.2020""#, "SINCE_DT must be a date"),
        (r#""CR_LIMIT":"10""#, "CR_LIMIT must be a number."),
        (r#""CR_LIMIT":1.2345"#, "CR_LIMIT has more than 3 decimals."),
        (r#""NAME1":null"#, "NAME1 must be a text."),
        (r#""NAMESHORT":"ELEVEN CHAR""#, "NAMESHORT is longer than 10 characters."),
    ] {
        let said = refused(members);
        assert!(said.starts_with(words), "{members}: {said}");
    }
    let gone = post(&sandbox, ALIAS, r#"{"SETID":"SHARE","CUST_ID":"000043","NAME1":"x"}"#);
    assert_eq!(gone.json()["message"], "SETID SHARE, CUST_ID 000043 does not exist.");
    assert_eq!(post(&sandbox, ALIAS, "{}").json()["message"], "Required field SETID is missing.");
    assert_eq!((stands(&sandbox, "NAME2"), sandbox.writes().len()), (String::new(), 0));
}

#[test]
fn refusals_come_as_the_release_or_the_operation_has_them() {
    let body = r#"{"SETID":"SHARE","CUST_ID":"000043"}"#;
    let old = post(&site(settings(Profile::Pt856), WriteOperation::customers(ALIAS)), ALIAS, body);
    assert_eq!((old.status, old.json()["status"].as_str()), (200, Some("error")));
    let refused = Some(Answered { status: 200, body: ErrorBody::IbResponse });
    let xml = WriteOperation { refused, ..WriteOperation::customers(ALIAS) };
    let xml = post(&site(Settings::default(), xml), ALIAS, body);
    assert!(xml.status == 200 && xml.body.contains(r#"<IBResponse type="error">"#), "{xml:?}");
    let sandbox = site(Settings::default(), WriteOperation::customers(ALIAS));
    sandbox.set_active(ALIAS, false);
    assert!(post(&sandbox, ALIAS, body).body.contains("is not active"));
    sandbox.set_active(ALIAS, true);
    sandbox.change_operator("CXUSER", |operator| operator.operations = Some(vec!["ExecuteQuery.v1".into()]));
    assert_eq!(post(&sandbox, ALIAS, body).status, 403);
    assert_eq!(super::get(&site(Settings::default(), WriteOperation::customers(ALIAS)), ALIAS).status, 405);
}

#[test]
fn a_site_may_change_what_it_is_given_and_show_it_late() {
    let operation = WriteOperation {
        upper_case: true,
        too_long: TooLong::Cut,
        visible_after: TimeDelta::seconds(30),
        template: "customers/{CUST_ID}".into(),
        reference: Some("ML_REFERENCE".into()),
        ..WriteOperation::customers(ALIAS)
    };
    let sandbox = site(Settings::default(), operation);
    let body = r#"{"SETID":"SHARE","CUST_ID":"000042","NAMESHORT":"zenith tools","ML_REFERENCE":"B1-7"}"#;
    assert_eq!(post(&sandbox, ALIAS, body).status, 400, "no template");
    assert_eq!(post(&sandbox, &format!("{ALIAS}/customers/000041"), body).json()["status"], "error");
    assert_eq!(post(&sandbox, &format!("{ALIAS}/customers/000042"), body).status, 200);
    assert_eq!(
        (stands(&sandbox, "NAMESHORT"), sandbox.writes()[0].reference.as_deref()),
        (String::new(), Some("B1-7"))
    );
    sandbox.clock().advance(TimeDelta::seconds(30));
    assert_eq!(stands(&sandbox, "NAMESHORT"), "ZENITH TOO");
}

#[test]
fn a_reply_that_is_lost_has_written_all_the_same() {
    let sandbox = site(Settings::default(), WriteOperation::customers(ALIAS));
    sandbox.fault(Calls::to(ALIAS), Fault::LostReply);
    let authorization = basic("CXUSER", "secret");
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
    let body = r#"{"SETID":"SHARE","CUST_ID":"000042","NAME1":"Zenith"}"#;
    assert!(send(&sandbox, &super::request("POST", &format!("{REST}/{ALIAS}"), &headers, body)).is_none());
    assert_eq!(stands(&sandbox, "NAME1"), "Zenith");
}
