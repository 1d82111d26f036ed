//! Reading page by page, slice by slice, turn by turn.

use std::time::Duration;

use engine::model::window::{Granularity, Position, Window};
use engine::plan::{Condition, StreamSpec, UpdatedSpec};
use engine::ports::{ReadRequest, Source, What};
use engine::{Kind, model::rows::RowsWriter};
use serde_json::json;

use super::fixture::{
    ALL, Site, TestClock, answer, at, keys_of, read_all, source, source_at, suppliers, texts, vouchers,
};
use super::stub::{Reply, Stub};

#[tokio::test]
async fn every_row_comes_once_whatever_the_page_size_and_the_servers_limit() {
    for cap in [None, Some(3), Some(7), Some(40)] {
        let site = Site::with(40, cap);
        let stub = site.serve().await;
        for size in [1, 2, 7, 39, 40, 41, 1000] {
            let stream = StreamSpec { page_size: Some(size), ..vouchers() };
            let rows = read_all(&source(&stub, json!({})), &stream, ALL).await.unwrap();
            assert_eq!(keys_of(&rows, 2), site.keys(), "{cap:?} {size}");
        }
    }
}

#[tokio::test]
async fn a_window_is_read_in_slices_that_leave_nothing_out() {
    let site = Site::with(60, Some(5));
    let stub = site.serve().await;
    // The database's November begins at five o'clock of Greenwich, or at four before the clocks go back.
    let window = Window { from: Some(at("2026-11-01T04:00:00Z")), to: None };
    for days in [0, 1, 3, 31] {
        let source = source(&stub, json!({"slice_days": days, "zone": "America/New_York"}));
        let mut keys = keys_of(&read_all(&source, &vouchers(), What::Window(window)).await.unwrap(), 2);
        keys.sort();
        assert_eq!(keys, site.keys(), "{days}");
    }
    let slices: Vec<_> = stub.asked().iter().map(|asked| asked.prompt("FROM_DTTM").unwrap()).collect();
    assert!(slices.contains(&"2026-11-04-00.00.00".to_owned()), "{slices:?}");
    let last = stub.asked().pop().unwrap();
    assert_eq!(last.prompt("TO_DTTM").unwrap(), "2999-12-31-00.00.00");
}

#[tokio::test]
async fn a_window_with_an_end_ends_there() {
    let site = Site::with(60, None);
    let stub = site.serve().await;
    let source = source(&stub, json!({"slice_days": 2}));
    let window = Window { from: Some(at("2026-11-04T00:00:00Z")), to: Some(at("2026-11-09T00:00:00Z")) };
    let rows = read_all(&source, &vouchers(), What::Window(window)).await.unwrap();
    assert_eq!(rows.len(), 15);
    assert_eq!(stub.asked().pop().unwrap().prompt("TO_DTTM").unwrap(), "2026-11-09-00.00.00");
}

#[tokio::test]
async fn a_voucher_that_moves_between_pages_is_read_where_it_is_now() {
    let site = Site::with(20, Some(2));
    let moved = site.keys()[18].clone();
    let (other, key) = (site.clone(), moved.clone());
    let stub = Stub::start(move |asked, call| {
        if call == 3 {
            other.change(&key, "2026-11-20-14.00.00.000000");
        }
        other.answer(asked)
    })
    .await;
    let source = source(&stub, json!({"slice_days": 5, "history_from": "2026-11-01"}));
    let rows = read_all(&source, &vouchers(), ALL).await.unwrap();
    let last = rows.iter().rfind(|row| keys_of(&[row.to_vec()], 2)[0] == moved).unwrap();
    assert_eq!(last[4].to_text(), "2026-11-20-14.00.00.000000");
    let mut keys = keys_of(&rows, 2);
    keys.sort();
    keys.dedup();
    assert_eq!(keys, site.keys());
}

#[tokio::test]
async fn a_read_that_goes_on_later_keeps_the_ends_of_its_slice() {
    let site = Site::with(20, Some(2));
    let stub = site.serve().await;
    let clock = TestClock::new();
    let source = source_at(&stub, json!({"slice_days": 31, "history_from": "2026-11-01"}), clock.clone());
    let stream = vouchers();
    let mut rows = RowsWriter::new(&stream.columns);
    let first = source.read(ReadRequest { stream: &stream, what: ALL, after: None }, &mut rows).await.unwrap();
    // By now the slice would end, if it were cut anew.
    clock.set("2027-02-01T00:00:00Z");
    let request = ReadRequest { stream: &stream, what: ALL, after: first.next.as_ref() };
    source.read(request, &mut rows).await.unwrap();
    let asked = stub.asked();
    assert_eq!(asked[1].prompt("FROM_DTTM"), asked[0].prompt("FROM_DTTM"));
    assert_eq!(asked[1].prompt("TO_DTTM"), asked[0].prompt("TO_DTTM"));
}

#[tokio::test]
async fn a_page_that_comes_again_stops_and_names_what_the_query_lacks() {
    // The query has forgotten its criterion for the last key.
    let site = Site::with(10, Some(4));
    let stub = Stub::start(move |asked, _| {
        let mut forgotten = asked.clone();
        forgotten.query = asked.query.replace("US001%7C00000006", "").replace("US001%7C00000002", "");
        site.answer(&forgotten)
    })
    .await;
    let error = read_all(&source(&stub, json!({})), &vouchers(), ALL).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("ordered by ROW_KEY"), "{error}");
}

#[tokio::test]
async fn a_key_without_a_value_or_with_a_comma_stops() {
    for (key, words) in [("null", "has no value in ROW_KEY"), (r#""US001|A,B""#, "no prompt can carry a comma")] {
        let row = format!(
            r#""BUSINESS_UNIT":"US001","VOUCHER_ID":"A","INVOICE_ID":"","GROSS_AMT":0,"LAST_UPDATE_DTTM":"","ROW_KEY":{key}"#
        );
        let stub = Stub::scripted(vec![Reply::json(200, answer(&[row]))]).await;
        let error = read_all(&source(&stub, json!({})), &vouchers(), ALL).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Stop, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn setids_and_values_of_a_filter_are_read_one_after_the_other() {
    let stub = Stub::start(|asked, _| {
        let (setid, status) = (asked.prompt("SETID").unwrap(), asked.prompt("STATUS").unwrap());
        let row = format!(r#""SETID":"{setid}","VENDOR_ID":"{status}1","NAME1":"x""#);
        let is_first = asked.prompt("AFTER_KEY").unwrap().is_empty();
        Reply::json(200, answer(&is_first.then_some(row).into_iter().collect::<Vec<_>>()))
    })
    .await;
    let prompts = json!([{"name": "SETID", "value": "setid"}, {"name": "STATUS", "value": {"filter": "VENDOR_STATUS"}},
        {"name": "AFTER_KEY", "value": {"after": "VENDOR_ID"}}]);
    let more = json!({"setids": ["SHARE", "FED"], "queries": {"ML_VENDOR": {"prompts": prompts, "totals": {"enabled": false}}}});
    let filter = vec![Condition { column: "VENDOR_STATUS".to_owned(), equals: texts(&["A", "I"]) }];
    let stream = StreamSpec { filter: filter.clone(), ..suppliers() };
    let rows = read_all(&source(&stub, more), &stream, ALL).await.unwrap();
    assert_eq!(keys_of(&rows, 2), ["SHARE|A1", "SHARE|I1", "FED|A1", "FED|I1"]);

    let error = read_all(&source(&stub, json!({})), &stream, ALL).await.unwrap_err();
    assert!(error.to_string().contains("no prompt for the filter"), "{error}");
}

#[tokio::test]
async fn a_query_of_the_sites_own_is_read_by_the_prompts_that_are_written() {
    let stub = Stub::start(|asked, _| {
        let row = r#""BUSINESS_UNIT":"US001","VOUCHER_ID":"1","INVOICE_ID":"","GROSS_AMT":1,"LAST_UPDATE_DTTM":"","KEY_ALL":"k""#;
        let is_first = asked.prompt("BIND2").unwrap().is_empty();
        Reply::json(200, answer(&is_first.then(|| row.to_owned()).into_iter().collect::<Vec<_>>()))
    })
    .await;
    let own = json!({"name": "CX_VOUCHER", "owner": "private", "updates": "day", "fields": {"ROW_KEY": "KEY_ALL"},
        "prompts": [{"name": "BIND1", "value": "from"}, {"name": "BIND2", "value": {"after": "ROW_KEY"}}, {"name": "BIND3", "value": {"constant": "X Y"}}]});
    let source = source(&stub, json!({"queries": {"ML_VOUCHER": own}, "date_prompt": "%m/%d/%Y"}));
    assert_eq!(source.capabilities(&vouchers()).granularity, Granularity::Day);
    let window = Window { from: Some(at("2026-11-19T00:00:00Z")), to: None };
    let rows = read_all(&source, &vouchers(), What::Window(window)).await.unwrap();
    assert_eq!(rows.len(), 1);
    let asked = &stub.asked()[1];
    assert!(asked.path.ends_with("/ExecuteQuery.v1/private/CX_VOUCHER/JSON/NONFILE"), "{}", asked.path);
    assert_eq!(asked.parameter("prompt_fieldvalue").unwrap(), "11%2F19%2F2026,k,X%20Y");
}

#[tokio::test]
async fn what_a_stream_can_tell_follows_from_its_query() {
    let stub = Site::default().serve().await;
    let source = source(&stub, json!({"sessions": 2}));
    let of = |stream: &StreamSpec| {
        let can = source.capabilities(stream);
        (can.granularity, can.keys_per_read.is_some(), can.counts, can.sessions)
    };
    assert_eq!(of(&vouchers()), (Granularity::Second, true, true, 2));
    assert_eq!(of(&suppliers()), (Granularity::None, true, true, 2));
    let customers = StreamSpec {
        object: "ML_CUSTOMER".to_owned(),
        updated: Some(UpdatedSpec { date: "DATE_LAST_MAINT".to_owned(), time: None }),
        ..suppliers()
    };
    assert_eq!(of(&customers).0, Granularity::Day);
}

#[tokio::test]
async fn a_query_that_nothing_goes_on_behind_must_fit_into_one_page() {
    let stub = Site::with(10, None).serve().await;
    let own = json!({"queries": {"ML_VOUCHER": {"prompts": [{"name": "FROM_DTTM", "value": "from"}, {"name": "TO_DTTM", "value": "to"},
        {"name": "AFTER_KEY", "value": {"constant": ""}}]}}});
    let source = source(&stub, own);
    let rows = read_all(&source, &StreamSpec { page_size: Some(11), ..vouchers() }, ALL).await.unwrap();
    assert_eq!((rows.len(), stub.asked().len()), (10, 1));
    let error = read_all(&source, &StreamSpec { page_size: Some(10), ..vouchers() }, ALL).await.unwrap_err();
    assert!(error.to_string().contains("nothing asks for what follows"), "{error}");
}

#[tokio::test]
async fn the_page_that_follows_is_asked_for_while_one_is_put_away() {
    let site = Site::with(40, None);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let pages = site.clone();
    let stub = Stub::start(move |asked, call| {
        tell.send(call).unwrap();
        // The third page fails once.
        if call == 2 { Reply::json(503, "") } else { pages.answer(asked) }
    })
    .await;
    let (source, stream) = (source(&stub, json!({})), StreamSpec { page_size: Some(10), ..vouchers() });
    let mut rows = RowsWriter::new(&stream.columns);
    let first = source.read(ReadRequest { stream: &stream, what: ALL, after: None }, &mut rows).await.unwrap();
    assert_eq!((told.recv().await, told.is_empty()), (Some(0), true), "whoever looks at one page costs one call");
    let read = async |after: Option<&Position>, rows: &mut RowsWriter| {
        source.read(ReadRequest { stream: &stream, what: ALL, after }, rows).await
    };
    let second = read(first.next.as_ref(), &mut rows).await.unwrap();
    let third_call = async { (told.recv().await, told.recv().await) };
    let asked = tokio::time::timeout(Duration::from_secs(30), third_call).await;
    assert_eq!(asked.expect("nobody has read the third page yet"), (Some(1), Some(2)));
    // What became of it is told to whoever reads the page, and a page that did not come is asked for again.
    let error = read(second.next.as_ref(), &mut rows).await.unwrap_err();
    assert!(error.is_later(), "{error}");
    let mut after = second.next;
    while after.is_some() {
        after = read(after.as_ref(), &mut rows).await.unwrap().next;
    }
    assert_eq!(keys_of(&super::fixture::rows(&rows), 2), site.keys());
    assert_eq!(stub.asked().len(), 6, "four pages, the one that failed, and the empty one at the end");
}
