//! Answers with rows, byte for byte.

use super::super::{DateTimeForm, FieldNames, Profile, QueryDefinition, Records, Settings};
use super::{ALL, get, path, query, settings, start, ten};

/// The two suppliers of section 3.2 of the reference.
fn suppliers(settings: Settings) -> super::PeopleSoftSandbox {
    let mut records = Records::standard().unwrap();
    let vendors = records.change("VENDOR").unwrap();
    vendors.add_field("GROSS_AMT:N3").unwrap();
    vendors.add_field("EFFDT:D").unwrap();
    let acme = [("NAME1", "Acme Paper Ltd"), ("VENDOR_STATUS", "A"), ("GROSS_AMT", "1250.5"), ("EFFDT", "2026-01-01")];
    let zenith = [("NAME1", "Zenith Tools"), ("VENDOR_STATUS", "I"), ("GROSS_AMT", "0"), ("EFFDT", "")];
    for (id, values) in [("0000000042", acme), ("0000000043", zenith)] {
        vendors.insert(&[[("SETID", "SHARE"), ("VENDOR_ID", id)].as_slice(), &values].concat()).unwrap();
    }
    let sandbox = start(settings, records);
    let query = QueryDefinition::new("CX_VENDORS").record("A", "VENDOR").order_by("A.VENDOR_ID").fields(&[
        "A.SETID",
        "A.VENDOR_ID",
        "A.NAME1",
        "A.VENDOR_STATUS",
        "A.GROSS_AMT",
        "A.EFFDT",
    ]);
    sandbox.define_query(query).unwrap();
    sandbox
}

/// The reference's example without the line breaks that only make it readable.
const EXAMPLE: &str = concat!(
    r#"{"status":"success","data":{"query":{"numrows":2,"queryname=":"CX_VENDORS","rows":["#,
    r#"{"attr:rownumber":1,"A.SETID":"SHARE","A.VENDOR_ID":"0000000042","A.NAME1":"Acme Paper Ltd","A.VENDOR_STATUS":"A","#,
    r#""A.GROSS_AMT":1250.5,"A.EFFDT":"2026-01-01"},"#,
    r#"{"attr:rownumber":2,"A.SETID":"SHARE","A.VENDOR_ID":"0000000043","A.NAME1":"Zenith Tools","A.VENDOR_STATUS":"I","#,
    r#""A.GROSS_AMT":0,"A.EFFDT":""}]}}}"#
);

#[test]
fn json_is_that_of_the_reference() {
    let sandbox = suppliers(Settings { field_names: FieldNames::Prefixed, ..Settings::default() });
    let answer = query(&sandbox, "CX_VENDORS", &[], 0);
    assert_eq!((answer.status, answer.body.as_str()), (200, EXAMPLE));
    assert!(answer.head.contains("content-type: application/json"));
    let filtered = get(
        &sandbox,
        "ExecuteQuery.v1/PUBLIC/CX_VENDORS/json/nonfile?isconnectedquery=n&maxrows=1\
         &filterfields=A.NAME1,A.SETID&json_resp=true",
    );
    assert_eq!(
        filtered.body,
        r#"{"status":"success","data":{"query":{"numrows":1,"queryname=":"CX_VENDORS","rows":[{"attr:rownumber":1,"A.SETID":"SHARE","A.NAME1":"Acme Paper Ltd"}]}}}"#
    );
}

#[test]
fn profiles_differ_in_names_types_and_single_rows() {
    let one = |profile| query(&suppliers(settings(profile)), "CX_VENDORS", &[], 1);
    let old = one(Profile::Pt856);
    assert!(old.head.contains("content-type: text/xml"), "{old:?}");
    assert_eq!(old.json()["data"]["query"]["rows"]["A.NAME1"], "Acme Paper Ltd", "one row is an object");
    let middle = one(Profile::Pt859);
    assert_eq!(middle.rows()[0]["NAME1"], "Acme Paper Ltd", "one record needs no prefix");
    let new = one(Profile::Pt861);
    assert_eq!(new.rows()[0]["NAME1"], "Acme Paper Ltd");

    let joined = |profile| {
        let sandbox = suppliers(settings(profile));
        let on = [("SETID", "A.SETID"), ("VENDOR_ID", "A.VENDOR_ID")];
        let query = QueryDefinition::new("CX_ADDR").record("A", "VENDOR").outer_join("B", "VENDOR_ADDR", &on);
        sandbox.define_query(query.fields(&["A.SETID", "A.NAME1", "B.NAME1", "B.CITY", "B.EFFDT"])).unwrap();
        super::query(&sandbox, "CX_ADDR", &[], 0).rows()[0].clone()
    };
    let keys = |row: &serde_json::Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&joined(Profile::Pt859)), ["A.NAME1", "A.SETID", "B.CITY", "B.EFFDT", "B.NAME1", "attr:rownumber"]);
    assert_eq!(keys(&joined(Profile::Pt861)), ["A.NAME1", "B.NAME1", "CITY", "EFFDT", "SETID", "attr:rownumber"]);
}

#[test]
fn nothing_found_is_an_empty_list_or_none_at_all() {
    let none = [("SINCE", "2030-01-01-00.00.00"), ("AFTER_KEY", "")];
    let empty = r#"{"status":"success","data":{"query":{"numrows":0,"queryname=":"CX_VOUCHERS","rows":[]}}}"#;
    assert_eq!(query(&ten(Settings::default()), "CX_VOUCHERS", &none, 5).body, empty);
    let settings = Settings { omit_empty_rows: true, query_name_key: "queryname", ..Settings::default() };
    let bare = r#"{"status":"success","data":{"query":{"numrows":0,"queryname":"CX_VOUCHERS"}}}"#;
    assert_eq!(query(&ten(settings), "CX_VOUCHERS", &none, 5).body, bare);
}

#[test]
fn xml_comes_in_two_forms_with_all_decimals() {
    let sandbox = suppliers(Settings { field_names: FieldNames::Prefixed, ..Settings::default() });
    let answer = get(&sandbox, "ExecuteQuery.v1/public/CX_VENDORS/XMLP/NONFILE?isconnectedquery=N&maxrows=0");
    assert!(answer.head.contains("content-type: text/xml"));
    assert_eq!(
        answer.body,
        concat!(
            "<?xml version=\"1.0\"?><QAS_GETQUERYRESULTS_RESP_MSG><query numrows=\"2\" queryname=\"CX_VENDORS\">",
            "<row rownumber=\"1\"><A.SETID><![CDATA[SHARE]]></A.SETID><A.VENDOR_ID><![CDATA[0000000042]]></A.VENDOR_ID>",
            "<A.NAME1><![CDATA[Acme Paper Ltd]]></A.NAME1><A.VENDOR_STATUS><![CDATA[A]]></A.VENDOR_STATUS>",
            "<A.GROSS_AMT>1250.500</A.GROSS_AMT><A.EFFDT><![CDATA[2026-01-01]]></A.EFFDT></row>",
            "<row rownumber=\"2\"><A.SETID><![CDATA[SHARE]]></A.SETID><A.VENDOR_ID><![CDATA[0000000043]]></A.VENDOR_ID>",
            "<A.NAME1><![CDATA[Zenith Tools]]></A.NAME1><A.VENDOR_STATUS><![CDATA[I]]></A.VENDOR_STATUS>",
            "<A.GROSS_AMT>0.000</A.GROSS_AMT><A.EFFDT/></row></query>",
            "<QAS_QUERYRESULTS_STATUS_RESP><status>finalBlockRetrieved</status></QAS_QUERYRESULTS_STATUS_RESP>",
            "</QAS_GETQUERYRESULTS_RESP_MSG>"
        )
    );
    let rows = get(&sandbox, "ExecuteQuery.v1/public/CX_VENDORS/WEBROWSET/NONFILE?isconnectedquery=N&maxrows=1").body;
    let first = "<webRowSet><data><currentRow><columnValue><![CDATA[SHARE]]></columnValue>";
    assert!(rows.contains(first) && rows.contains("<columnValue>1250.500</columnValue>"), "{rows}");
    // JSON that is not asked for with json_resp is XML, too.
    let unasked = get(&sandbox, "ExecuteQuery.v1/public/CX_VENDORS/JSON/NONFILE?isconnectedquery=N&maxrows=1");
    assert!(unasked.body.starts_with("<?xml"), "{unasked:?}");
}

#[test]
fn the_post_twin_takes_its_prompts_from_xml() {
    let sandbox = ten(Settings::default());
    let body = "<QAS_EXEQRY_SYNC_REQ_MSG><QAS_EXEQRY_SYNC_REQ><QueryName>CX_VOUCHERS</QueryName>\
        <isConnectedQuery>N</isConnectedQuery><OwnerType>PUBLIC</OwnerType><BlockSizeKB>0</BlockSizeKB>\
        <MaxRow>2</MaxRow><OutResultType>xmlp</OutResultType><OutResultFormat>NONFILE</OutResultFormat><Prompts>\
        <PROMPT><UniquePromptName>SINCE</UniquePromptName><FieldValue>2026-11-14-00.00.00</FieldValue></PROMPT>\
        <PROMPT><UniquePromptName>AFTER_KEY</UniquePromptName><FieldValue>00000007.US001</FieldValue></PROMPT>\
        </Prompts></QAS_EXEQRY_SYNC_REQ></QAS_EXEQRY_SYNC_REQ_MSG>";
    let authorization = super::basic("CXUSER", "secret");
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "text/xml")];
    let answer = super::call(&sandbox, "POST", &format!("{}/ExecuteQuery.v1", super::REST), &headers, body);
    assert_eq!(answer.body.matches("<row ").count(), 2, "{answer:?}");
    assert!(answer.body.contains("<![CDATA[00000008.US002]]>") && !answer.body.contains("00000007"));
}

#[test]
fn values_come_in_the_forms_that_a_site_has() {
    let first = |settings: Settings| query(&ten(settings), "CX_VOUCHERS", &ALL, 5).rows()[4].clone();
    let row = first(Settings::default());
    assert_eq!(
        (row["LAST_UPDATE_DTTM"].as_str(), row["INVOICE_ID"].as_str()),
        (Some("2026-11-15-09.15.02.000000"), Some(""))
    );
    assert_eq!(row["GROSS_AMT"], serde_json::json!(500.05));
    let zone = chrono_tz::America::New_York;
    let row = first(Settings {
        date_time: DateTimeForm::IsoWithOffset,
        zone,
        blank: " ",
        numbers_as_strings: true,
        ..Settings::default()
    });
    assert_eq!(
        (row["LAST_UPDATE_DTTM"].as_str(), row["INVOICE_ID"].as_str()),
        (Some("2026-11-15T09:15:02-0500"), Some(" "))
    );
    assert_eq!(row["GROSS_AMT"], "500.05");
    let row = first(Settings { date_time: DateTimeForm::Iso, ..Settings::default() });
    assert_eq!(row["LAST_UPDATE_DTTM"], "2026-11-15T09:15:02");
}

#[test]
fn long_descriptions_bring_control_characters_when_a_site_lets_them() {
    let with = |raw_control_characters| {
        let sandbox = ten(Settings { raw_control_characters, ..Settings::default() });
        let change = [("INVOICE_ID", "a\nb\u{1}]]>")];
        sandbox.with_records(|records| {
            records.change("VOUCHER").unwrap().update(&["US001", "00000001"], &change).unwrap()
        });
        sandbox
    };
    let rows = query(&with(false), "CX_VOUCHERS", &ALL, 1).rows();
    assert_eq!(rows[0]["INVOICE_ID"], "a\nb\u{1}]]>");
    let raw = query(&with(true), "CX_VOUCHERS", &ALL, 1);
    assert!(raw.body.contains("\"a\nb\u{1}]]>\""), "{raw:?}");
    let xml = get(&with(false), &path("CX_VOUCHERS", &ALL, 1).replace("&json_resp=true", ""));
    assert!(xml.body.contains("<INVOICE_ID><![CDATA[a\nb\u{1}]]]]><![CDATA[>]]></INVOICE_ID>"), "{xml:?}");
}
