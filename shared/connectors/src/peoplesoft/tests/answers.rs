//! Answers in all the shapes they are known to come in, and those that are none.

use engine::Kind;
use engine::model::value::Value;
use engine::plan::StreamSpec;
use serde_json::json;

use super::fixture::{answer, first_page, source, vouchers};
use super::stub::{Reply, Stub};

const ROW: &str = r#""A.BUSINESS_UNIT":"US001","A.VOUCHER_ID":"00000042","A.INVOICE_ID":"INV-7","A.GROSS_AMT":1250.500,"A.LAST_UPDATE_DTTM":"2026-11-20-09.15.02.000000","ROW_KEY":"US001|00000042""#;

async fn read(reply: Reply, more: serde_json::Value) -> engine::Result<Vec<Vec<String>>> {
    let stub = Stub::scripted(vec![reply]).await;
    let (rows, _) = first_page(&source(&stub, more), &vouchers()).await?;
    Ok(rows.iter().map(|row| row.iter().map(|cell| cell.to_text().into_owned()).collect()).collect())
}

#[tokio::test]
async fn a_row_keeps_every_digit_and_every_blank() {
    let stub = Stub::scripted(vec![Reply::json(200, answer(&[ROW.replace("INV-7", "INV-7  ")]))]).await;
    let (rows, page) = first_page(&source(&stub, json!({})), &vouchers()).await.unwrap();
    let text = |text: &str| Value::Text(text.to_owned().into());
    let stamp = text("2026-11-20-09.15.02.000000");
    assert_eq!(rows, [[text("US001"), text("00000042"), text("INV-7  "), Value::Number("1250.500".into()), stamp]]);
    assert!(page.next.is_some(), "a page ends a read only when it is empty");
}

#[tokio::test]
async fn odd_names_types_and_shapes_are_all_read() {
    let bare = ROW.replace("A.", "");
    let plain = |rows: &str| format!(r#"{{"status":"success","data":{{"query":{{"numrows":1,"rows":{rows}}}}}}}"#);
    let expected = ["US001", "00000042", "INV-7", "1250.500", "2026-11-20-09.15.02.000000"];
    for reply in [
        Reply::json(200, answer(&[ROW.to_owned()])),
        Reply::json(200, answer(std::slice::from_ref(&bare))),
        Reply::json(200, plain(&format!("[{{{bare}}}]"))),
        // One row, without an array around it.
        Reply::json(200, plain(&format!(r#"{{"attr:rownumber":1,{ROW}}}"#))),
        // JSON that is called XML, with a byte order mark.
        Reply::xml(200, format!("\u{feff} {}", answer(&[ROW.to_owned()]))),
        // A number as text, and the status behind the data.
        Reply::json(
            200,
            format!(
                r#"{{"data":{{"query":{{"rows":[{{{}}}],"numrows":"1"}}}},"status":"SUCCESS"}}"#,
                ROW.replace("1250.500", r#""1250.500""#)
            ),
        ),
        Reply::xml(200, xml(1, "finalBlockRetrieved")),
    ] {
        assert_eq!(read(reply, json!({})).await.unwrap(), [expected]);
    }
}

#[tokio::test]
async fn no_rows_are_no_rows_however_that_is_said() {
    for body in [
        answer(&[]),
        r#"{"status":"success","data":{"query":{"numrows":0,"queryname=":"Q"}}}"#.to_owned(),
        r#"{"status":"success","data":{"query":{"numrows":0,"rows":""}}}"#.to_owned(),
        r#"{"status":"success","data":{"query":{"rows":null}}}"#.to_owned(),
    ] {
        let stub = Stub::scripted(vec![Reply::json(200, body.clone())]).await;
        let (rows, page) = first_page(&source(&stub, json!({})), &vouchers()).await.unwrap();
        assert!(rows.is_empty() && page.next.is_none(), "{body}");
    }
    let empty = "<QAS_GETQUERYRESULTS_RESP_MSG><query numrows=\"0\"/></QAS_GETQUERYRESULTS_RESP_MSG>";
    assert!(read(Reply::xml(200, empty), json!({"format": "xml"})).await.unwrap().is_empty());
}

#[tokio::test]
async fn raw_control_characters_in_long_texts_are_carried() {
    let row = ROW.replace("INV-7", "one\ntwo\u{b}\\\"three");
    let rows = read(Reply::json(200, answer(&[row])), json!({})).await.unwrap();
    assert_eq!(rows[0][2], "one\ntwo\u{b}\"three");
    let pretty = answer(&[ROW.to_owned()]).replace(",\"A.", ",\n  \"A.");
    assert_eq!(read(Reply::json(200, pretty), json!({})).await.unwrap()[0][2], "INV-7");
}

#[tokio::test]
async fn xml_is_asked_for_and_read_where_json_is_not_to_be_had() {
    // The templates of releases before JSON do not have `json_resp`.
    for (tools, end) in [("pt854", "00.00.00,"), ("pt859", "&json_resp=false")] {
        let stub = Stub::scripted(vec![Reply::xml(200, xml(1, "finalBlockRetrieved"))]).await;
        let source = source(&stub, json!({"format": "xml", "tools": tools}));
        let (rows, _) = first_page(&source, &vouchers()).await.unwrap();
        assert_eq!(rows[0][0].to_text(), "US001");
        let asked = &stub.asked()[0];
        assert!(asked.path.ends_with("/ML_VOUCHER/XMLP/NONFILE") && asked.query.ends_with(end), "{asked:?}");
    }
}

#[tokio::test]
async fn a_column_that_vanished_is_named() {
    let gone = ROW.replace("A.INVOICE_ID", "A.INVOICE").replace("A.GROSS_AMT", "A.AMOUNT");
    for reply in [
        Reply::json(200, answer(&[gone])),
        Reply::xml(200, xml(1, "finalBlockRetrieved").replace("A.INVOICE_ID", "A.INV").replace("A.GROSS_AMT", "A.G")),
    ] {
        let error = read(reply, json!({})).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Stop);
        let words = error.to_string();
        assert!(words.contains("columns INVOICE_ID, GROSS_AMT are not in the answer of ML_VOUCHER"), "{words}");
        assert!(words.contains("ml-connector peoplesoft queries"), "{words}");
    }
}

#[tokio::test]
async fn a_column_that_two_fields_could_be_has_to_be_named() {
    let twice = format!(r#"{ROW},"B.BUSINESS_UNIT":"US002""#);
    let error = read(Reply::json(200, answer(std::slice::from_ref(&twice))), json!({})).await.unwrap_err();
    assert!(error.to_string().contains("two fields called BUSINESS_UNIT"), "{error}");
    let named = json!({"queries": {"ML_VOUCHER": {"fields": {"BUSINESS_UNIT": "B.BUSINESS_UNIT"}}}});
    assert_eq!(read(Reply::json(200, answer(&[twice])), named).await.unwrap()[0][0], "US002");
}

#[tokio::test]
async fn what_is_cut_short_is_an_error_and_never_fewer_rows() {
    let whole = answer(&[ROW.to_owned()]);
    for reply in [
        Reply::json(200, whole.replace(r#""numrows":1"#, r#""numrows":2"#)),
        Reply::json(200, &whole[..whole.len() - 3]),
        Reply::json(200, whole.clone()).cut_at(whole.len() / 2),
        Reply::json(200, r#"{"status":"success","data":{}}"#),
        Reply::json(200, "{}"),
        Reply::json(200, ""),
        Reply::xml(200, xml(2, "finalBlockRetrieved")),
        Reply::xml(200, xml(1, "blockRetrieved")),
        Reply::xml(200, &xml(1, "finalBlockRetrieved")[..200]),
    ] {
        let error = read(reply, json!({})).await.unwrap_err();
        assert!(error.is_later(), "{error}");
    }
}

#[tokio::test]
async fn a_record_that_is_too_big_is_named_and_left_out() {
    let big = ROW.replace("INV-7", &"x".repeat(5_000));
    let stub = Stub::scripted(vec![Reply::json(200, answer(&[big]))]).await;
    let (rows, page) = first_page(&source(&stub, json!({"max_record_bytes": 2048})), &vouchers()).await.unwrap();
    assert!(rows.is_empty());
    assert_eq!(page.too_big[0].key, ["US001", "00000042"]);
    assert!(page.next.is_some());
}

#[tokio::test]
async fn a_stream_has_to_read_its_own_key() {
    let stub = Stub::scripted(vec![Reply::json(200, answer(&[]))]).await;
    let stream = StreamSpec { columns: vec!["BUSINESS_UNIT".to_owned()], ..vouchers() };
    let error = first_page(&source(&stub, json!({})), &stream).await.unwrap_err();
    assert!(error.to_string().contains("`VOUCHER_ID`, which is part of its key"), "{error}");
}

fn xml(numrows: usize, status: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><QAS_GETQUERYRESULTS_RESP_MSG xmlns=\"http://x/\"><query numrows=\"{numrows}\" queryname=\"Q\">\
         <row rownumber=\"1\"><A.BUSINESS_UNIT><![CDATA[US001]]></A.BUSINESS_UNIT><A.VOUCHER_ID>00000042</A.VOUCHER_ID>\
         <A.INVOICE_ID>INV&#45;7</A.INVOICE_ID><A.GROSS_AMT>1250.500</A.GROSS_AMT>\
         <A.LAST_UPDATE_DTTM>2026-11-20-09.15.02.000000</A.LAST_UPDATE_DTTM><A.NOTE/><ROW_KEY><![CDATA[US001|00000042]]></ROW_KEY>\
         </row></query></QAS_GETQUERYRESULTS_RESP_MSG>"
    )
    .replace(
        "</QAS_GETQUERYRESULTS_RESP_MSG>",
        &format!("<QAS_QUERYRESULTS_STATUS_RESP><status>{status}</status></QAS_QUERYRESULTS_STATUS_RESP></QAS_GETQUERYRESULTS_RESP_MSG>"),
    )
}
