//! Decoding of answers, one by one.

use engine::Kind;
use engine::model::rows::RowsWriter;
use engine::model::value::Value;
use engine::plan::StreamSpec;
use proptest::prelude::*;

use super::fixture::{Row, invoices, rows, texts};
use crate::jde::decode::{Grid, Layout, grid};
use crate::jde::refusal::Failure;

fn stream(columns: &[&str]) -> StreamSpec {
    StreamSpec { key: texts(&["DOC"]), columns: texts(columns), ..invoices() }
}

fn decode(stream: &StreamSpec, limit: usize, text: &str) -> Result<(Vec<Row>, Grid), Failure> {
    let layout = Layout::new(stream, &stream.columns, limit).unwrap();
    let mut writer = RowsWriter::new(&stream.columns);
    let grid = grid(text, &layout, &mut writer)?;
    Ok((rows(&writer), grid))
}

fn answer(rowset: &str, records: usize) -> String {
    format!(
        r#"{{"fs_DATABROWSE_F0411":{{"title":"t","data":{{"gridData":{{"id":54,"fullGridId":"54","columns":{{"F0411_DOC":"D"}},
        "rowset":[{rowset}],"summary":{{"records":{records},"moreRecords":false}}}}}},"errors":[],"warnings":[]}},
        "stackId":1,"timeStamp":"2026-11-20:14.30.02","sysErrors":[]}}"#
    )
}

fn error(stream: &StreamSpec, text: &str) -> engine::Error {
    match decode(stream, 1 << 20, text) {
        Err(Failure::Failed(error)) => error,
        Err(other) => panic!("{other:?}"),
        Ok((rows, _)) => panic!("{rows:?}"),
    }
}

#[test]
fn cells_come_as_the_server_wrote_them() {
    let stream = stream(&["DOC", "AG", "RMK", "MCU", "UPMJ", "VOD", "LNID"]);
    let row = r#"{"F0411_DOC":70412,"F0411_AG":1250.10,"F0411_RMK":"say \"hi\" \u00fc\\","F0411_MCU":"         M30",
        "F0411_UPMJ":null,"F0411_VOD":" ","F0411_LNID":"1.000"}"#;
    let other = r#"{"F0411_LNID":true,"EXTRA":{"a":[1]},"F0411_AG":-1.0E+7,"F0411_VOD":"","F0411_UPMJ":"20261120",
        "F0411_MCU":"","F0411_RMK":"ü","F0411_DOC":99999999999999999999999999999999.5}"#;
    let (rows, grid) = decode(&stream, 1 << 20, &answer(&format!("{row},{other},{row}"), 3)).unwrap();
    let number = |text: &'static str| Value::Number(text.into());
    let first = [
        number("70412"),
        number("1250.10"),
        Value::text("say \"hi\" ü\\"),
        Value::text("         M30"),
        Value::Null,
        Value::text(" "),
        Value::text("1.000"),
    ];
    assert_eq!(rows[0], first);
    let second = [
        number("99999999999999999999999999999999.5"),
        number("-1.0E+7"),
        Value::text("ü"),
        Value::text(""),
        Value::text("20261120"),
        Value::text(""),
        Value::Bool(true),
    ];
    assert_eq!(rows[1], second);
    assert_eq!(rows[2], first);
    assert_eq!(grid.rows, 3);
    assert_eq!(grid.time_stamp.as_deref(), Some("2026-11-20:14.30.02"));
    assert_eq!(grid.first, Some(vec![Some("70412".to_owned())]));
}

#[test]
fn a_number_with_an_exponent_is_asked_for_without_it() {
    let (_, grid) = decode(&stream(&["DOC"]), 1 << 20, &answer(r#"{"F0411_DOC":1.0E7}"#, 1)).unwrap();
    assert_eq!(grid.last, Some(vec![Some("10000000".to_owned())]));
}

#[test]
fn a_missing_column_is_named() {
    let stream = stream(&["DOC", "RMK", "AG"]);
    let first = error(&stream, &answer(r#"{"F0411_DOC":1,"F0411_AG":2}"#, 1));
    assert_eq!(first.kind(), Kind::Stop);
    assert_eq!(first.to_string(), "column F0411.RMK is not in the answer: has security or the table changed?");
    let later =
        error(&stream, &answer(r#"{"F0411_DOC":1,"F0411_AG":2,"F0411_RMK":" "},{"F0411_DOC":2,"F0411_DOC":2}"#, 2));
    assert_eq!(
        later.to_string(),
        "columns F0411.RMK, F0411.AG are not in the answer: has security or the table changed?"
    );
}

#[test]
fn a_missing_rowset_is_empty_and_titles_name_columns_too() {
    let text = r#"{"fs_DATABROWSE_F0411":{"data":{"gridData":{"titles":{"F0411_DOC":"D"},"summary":{"records":0,"moreRecords":false}}}}}"#;
    let (rows, grid) = decode(&stream(&["DOC"]), 1 << 20, text).unwrap();
    assert_eq!((rows.len(), grid.rows, grid.more), (0, 0, Some(false)));
    assert_eq!(grid.columns, ["F0411_DOC"]);
    let nothing = r#"{"fs_DATABROWSE_F0411":{"data":{"gridData":{"rowset":null}}}}"#;
    assert_eq!(decode(&stream(&["DOC"]), 1 << 20, nothing).unwrap().1.rows, 0);
}

#[test]
fn columns_of_a_view_carry_their_table() {
    let view =
        StreamSpec { object: "V0411A".to_owned(), key: texts(&["DOC"]), ..stream(&["DOC", "F0101.ALPH", "AN8"]) };
    let text = answer(r#"{"F0411_DOC":1,"F0101_ALPH":"Acme","F0411_AN8":2}"#, 1);
    let (rows, _) = decode(&view, 1 << 20, &text).unwrap();
    assert_eq!(rows[0][1], Value::text("Acme"));
    let gone = error(&view, &answer(r#"{"F0411_DOC":1,"F0401_ALPH":"Acme","F0411_AN8":2}"#, 1));
    assert!(gone.to_string().contains("F0101.ALPH"), "{gone}");
}

#[test]
fn other_shapes_are_refused_in_words() {
    let stream = stream(&["DOC", "AG"]);
    let version1 = answer(r#"{"rowIndex":0,"MOExist":false,"mnDocument_5":{"id":5,"value":"1","internalValue":1}}"#, 1);
    let version2 = answer(r#"{"F0411_DOC":{"value":"1"},"F0411_AG":{"value":"1"}}"#, 1);
    for text in [version1, version2] {
        let refused = error(&stream, &text);
        assert_eq!(refused.kind(), Kind::Stop);
        assert!(refused.to_string().contains("GRID_DATA"), "{refused}");
    }
    for text in ["{}", r#"{"ServiceRequest1":{}}"#, r#"{"fs_DATABROWSE_F0411":{"data":{}}}"#] {
        let refused = error(&stream, text);
        assert_eq!(refused.kind(), Kind::Stop, "{text}");
        assert!(refused.to_string().contains("GRID_DATA"), "{refused}");
    }
}

#[test]
fn an_answer_cut_short_anywhere_is_an_error_and_never_fewer_rows() {
    let stream = stream(&["DOC", "RMK"]);
    let whole = answer(r#"{"F0411_DOC":1,"F0411_RMK":"a"},{"F0411_DOC":2,"F0411_RMK":"b"}"#, 2);
    for end in 0..whole.len() {
        let cut = error(&stream, &whole[..end]);
        assert!(cut.is_later(), "{end}: {cut}");
    }
    assert!(decode(&stream, 1 << 20, &whole).is_ok());
    let short = error(&stream, &answer(r#"{"F0411_DOC":1,"F0411_RMK":"a"}"#, 2));
    assert!(short.is_later() && short.to_string().contains("2 records and holds 1"), "{short}");
    for text in ["[]", "null", "12", "oops", &format!("{whole}x")] {
        assert!(error(&stream, text).is_later(), "{text}");
    }
}

#[test]
fn a_row_too_big_to_carry_is_left_out_with_its_key() {
    let stream = stream(&["DOC", "RMK"]);
    let big = "x".repeat(2000);
    let text = answer(&format!(r#"{{"F0411_DOC":1,"F0411_RMK":"a"}},{{"F0411_DOC":2,"F0411_RMK":"{big}"}}"#), 2);
    let (rows, grid) = decode(&stream, 1024, &text).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(grid.rows, 2);
    assert_eq!(grid.too_big[0].key, ["2"]);
    assert_eq!(grid.too_big[0].bytes, 2003);
    assert_eq!(grid.last, Some(vec![Some("2".to_owned())]));
}

#[test]
fn errors_inside_an_answer_are_errors() {
    let stream = stream(&["DOC"]);
    let one = r#"[{"TITLE":"Invalid Column","DESC":"Column F0411.XX is unknown","CODE":"7"}]"#;
    for text in [
        answer("", 0).replace(r#""sysErrors":[]"#, &format!(r#""sysErrors":{one}"#)),
        answer(r#"{"F0411_DOC":1}"#, 1).replace(r#""errors":[]"#, &format!(r#""errors":{one}"#)),
        r#"{"message":"Invalid Column: Column F0411.XX is unknown","exception":null}"#.to_owned(),
    ] {
        match decode(&stream, 1 << 20, &text) {
            Err(Failure::Reported(words)) => assert!(words.contains("Invalid Column"), "{words}"),
            other => panic!("{other:?}"),
        }
    }
    let warned = answer("", 0).replace(r#""warnings":[]"#, r#""warnings":[{"TITLE":"slow"}]"#);
    assert!(decode(&stream, 1 << 20, &warned).is_ok());
}

#[test]
fn a_page_that_promises_more_and_holds_nothing_is_an_error() {
    let text = answer("", 0).replace(r#""moreRecords":false"#, r#""moreRecords":true"#);
    assert!(error(&stream(&["DOC"]), &text).is_later());
}

fn any_cell() -> impl Strategy<Value = (String, Value<'static>)> {
    prop_oneof![
        Just(("null".to_owned(), Value::Null)),
        any::<bool>().prop_map(|b| (b.to_string(), Value::Bool(b))),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?"
            .prop_map(|n| (n.clone(), Value::Number(n.into()))),
        any::<String>().prop_map(|t| (serde_json::to_string(&t).unwrap(), Value::Text(t.into()))),
        "[ -!#-\\[\\]-~]{0,40}".prop_map(|t| (format!("\"{t}\""), Value::Text(t.into()))),
    ]
}

proptest! {
    #[test]
    fn rows_of_any_cells_in_any_order_come_as_they_are(
        cells in prop::collection::vec(prop::collection::vec(any_cell(), 3), 0..12),
        turns in prop::collection::vec(0..3_usize, 12),
        blank in "[ \n\t]{0,2}",
    ) {
        let stream = stream(&["DOC", "AG", "RMK"]);
        let names = ["F0411_DOC", "F0411_AG", "F0411_RMK"];
        let mut rowset = Vec::new();
        for (row, turn) in cells.iter().zip(&turns) {
            let member = |at: usize| format!("{blank}\"{}\"{blank}:{blank}{}{blank}", names[at], row[at].0);
            let members: Vec<_> = (0..3).map(|at| member((at + turn) % 3)).collect();
            rowset.push(format!("{blank}{{{}}}", members.join(",")));
        }
        let (rows, _) = decode(&stream, 1 << 20, &answer(&rowset.join(","), rowset.len())).unwrap();
        let wanted: Vec<Row> = cells.iter().map(|row| row.iter().map(|(_, value)| value.clone()).collect()).collect();
        prop_assert_eq!(rows, wanted);
    }

    #[test]
    fn damaged_answers_are_errors_and_never_panics(at in 0..500_usize, byte in 0..128_u8) {
        let whole = answer(r#"{"F0411_DOC":1,"F0411_RMK":"a"},{"F0411_DOC":2,"F0411_RMK":"b"}"#, 2);
        let mut bytes = whole.into_bytes();
        let place = at % bytes.len();
        bytes[place] = byte;
        let text = String::from_utf8(bytes).unwrap();
        let _decoded = decode(&stream(&["DOC", "RMK"]), 1 << 20, &text).is_ok();
    }
}
