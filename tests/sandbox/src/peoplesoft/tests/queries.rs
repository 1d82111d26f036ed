//! Joins, effective dates, order, groups.

use super::super::{Comparison, Criterion, Expression, Operand, QueryDefinition, Records, Settings, Unordered};
use super::{PeopleSoftSandbox, query, start, ten};

fn departments() -> PeopleSoftSandbox {
    let mut records = Records::standard().unwrap();
    let rows = records.change("DEPT_TBL").unwrap();
    for (set, id, day, name) in [
        ("SHARE", "10000", "1995-01-01", "Old name"),
        ("SHARE", "10000", "2026-11-20", "Today's name"),
        ("SHARE", "10000", "2026-11-21", "Tomorrow's name"),
        ("SHARE", "20000", "2027-01-01", "Not yet"),
        ("EURO1", "10000", "2001-01-01", "Europe"),
    ] {
        rows.insert(&[("SETID", set), ("DEPTID", id), ("EFFDT", day), ("EFF_STATUS", "A"), ("DESCR", name)]).unwrap();
    }
    let jobs = records.change("JOB").unwrap();
    for (day, sequence, department) in [("2020-01-01", "0", "1"), ("2026-05-01", "0", "2"), ("2026-05-01", "1", "3")] {
        let values = [("EMPLID", "KU0001"), ("EFFDT", day), ("EFFSEQ", sequence), ("DEPTID", department)];
        jobs.insert(&values).unwrap();
    }
    start(Settings::default(), records)
}

#[test]
fn current_rows_are_the_latest_that_are_not_in_the_future() {
    let sandbox = departments();
    let current = QueryDefinition::new("CX_DEPT").record("A", "DEPT_TBL").fields(&["A.SETID", "A.DEPTID", "A.DESCR"]);
    sandbox.define_query(current.clone()).unwrap();
    assert_eq!(query(&sandbox, "CX_DEPT", &[], 0).column("DESCR"), ["Europe", "Today's name"]);
    sandbox.clock().advance(chrono::TimeDelta::hours(12));
    assert_eq!(query(&sandbox, "CX_DEPT", &[], 0).column("DESCR"), ["Europe", "Tomorrow's name"]);
    sandbox.define_query(current.all_history("A")).unwrap();
    assert_eq!(query(&sandbox, "CX_DEPT", &[], 0).rows().len(), 5);
    let jobs = QueryDefinition::new("CX_JOB").record("A", "JOB").field("A.DEPTID");
    sandbox.define_query(jobs).unwrap();
    assert_eq!(query(&sandbox, "CX_JOB", &[], 0).column("DEPTID"), ["3"]);
}

#[test]
fn records_join_and_lines_come_with_their_header() {
    let sandbox = ten(Settings::default());
    sandbox.with_records(|records| {
        let lines = records.change("VOUCHER_LINE").unwrap();
        for (voucher, line) in [("00000001", "2"), ("00000001", "10"), ("00000003", "1"), ("99999999", "1")] {
            let key = [("BUSINESS_UNIT", "US001"), ("VOUCHER_ID", voucher), ("VOUCHER_LINE_NUM", line)];
            lines.insert(&key).unwrap();
        }
    });
    let on = [("BUSINESS_UNIT", "A.BUSINESS_UNIT"), ("VOUCHER_ID", "A.VOUCHER_ID")];
    let number = Expression::Padded(Box::new(Expression::field("B.VOUCHER_LINE_NUM")), 5);
    let key = Expression::Concat(vec![Expression::field("A.VOUCHER_ID"), Expression::Text(".".into()), number]);
    let lines = QueryDefinition::new("CX_LINES").record("A", "VOUCHER").join("B", "VOUCHER_LINE", &on);
    let lines = lines.field("A.LAST_UPDATE_DTTM").expression("LINE_KEY", key).order_by("LINE_KEY");
    sandbox.define_query(lines).unwrap();
    let found = query(&sandbox, "CX_LINES", &[], 0).column("LINE_KEY");
    assert_eq!(found, ["00000001.00002", "00000001.00010", "00000003.00001"]);
    let outer = QueryDefinition::new("CX_OUTER").record("A", "VOUCHER").outer_join("B", "VOUCHER_LINE", &on);
    sandbox.define_query(outer.fields(&["A.VOUCHER_ID", "B.VOUCHER_LINE_NUM"]).order_by("A.VOUCHER_ID")).unwrap();
    let rows = query(&sandbox, "CX_OUTER", &[], 0).rows();
    assert_eq!((rows.len(), &rows[2]["B.VOUCHER_LINE_NUM"]), (11, &"".into()), "the second voucher has none");
    let second = |query: &mut QueryDefinition| {
        *query = query.clone().where_value("B.VOUCHER_LINE_NUM", Comparison::Greater, "1");
    };
    assert!(sandbox.change_query("CX_OUTER", second));
    let rows = query(&sandbox, "CX_OUTER", &[], 0).column("B.VOUCHER_LINE_NUM");
    assert_eq!(rows, ["2", "10"], "nothing is not greater than one");
}

#[test]
fn totals_are_exact_and_by_group() {
    let sandbox = ten(Settings::default());
    let sum = Expression::Sum(Box::new(Expression::field("A.GROSS_AMT")));
    let last = Expression::Max(Box::new(Expression::field("A.DUE_DT")));
    let totals = QueryDefinition::new("CX_TOTALS").record("A", "VOUCHER").field("A.BUSINESS_UNIT");
    let totals = totals.expression("ROWS", Expression::Count).expression("TOTAL", sum).expression("LAST", last);
    sandbox.define_query(totals).unwrap();
    let answer = query(&sandbox, "CX_TOTALS", &[], 0);
    assert_eq!(answer.column("BUSINESS_UNIT"), ["US001", "US002"]);
    assert_eq!(
        (answer.column("ROWS"), answer.column("TOTAL")),
        (vec!["5".into(); 2], vec!["2500.25".into(), "3000.3".into()])
    );
    assert_eq!(answer.column("LAST"), ["2026-12-01", "2026-12-01"]);
    let some =
        "ExecuteQuery.v1/public/CX_TOTALS/JSON/NONFILE?isconnectedquery=N&maxrows=0&filterfields=ROWS&json_resp=true";
    assert_eq!(super::get(&sandbox, some).column("ROWS"), ["10"], "what is not shown is not grouped by");
    let all = QueryDefinition::new("CX_COUNT").record("A", "PAYMENT_TBL").expression("ROWS", Expression::Count);
    sandbox.define_query(all).unwrap();
    assert_eq!(query(&sandbox, "CX_COUNT", &[], 0).column("ROWS"), ["0"], "nothing is still a row");
}

#[test]
fn rows_without_an_order_come_as_the_site_has_them() {
    let order = |unordered| {
        let sandbox = ten(Settings { unordered, ..Settings::default() });
        sandbox.define_query(QueryDefinition::new("CX_ANY").record("A", "VOUCHER").field("A.VOUCHER_ID")).unwrap();
        super::numbers(&query(&sandbox, "CX_ANY", &[], 4))
    };
    assert_eq!(order(Unordered::Key), [1, 3, 5, 7]);
    assert_eq!(order(Unordered::Arrival), [1, 2, 3, 4]);
}

#[test]
fn a_coalesced_date_compares_where_an_empty_one_does_not() {
    let sandbox = ten(Settings::default());
    let due = |name: &str, left: Expression| {
        let since = vec![Operand::Constant("1900-01-01".into())];
        let criterion = Criterion::Compare { left, operator: Comparison::GreaterOrEqual, right: since };
        let query = QueryDefinition::new(name).record("A", "VOUCHER").field("A.VOUCHER_ID").criterion(criterion);
        sandbox.define_query(query).unwrap();
    };
    let plain = || Expression::field("A.DUE_DT");
    due("CX_DUE", plain());
    due("CX_ALL", Expression::Coalesce(Box::new(plain()), "1900-01-01".into()));
    assert_eq!(query(&sandbox, "CX_DUE", &[], 0).rows().len(), 9, "one has no due date");
    assert_eq!(query(&sandbox, "CX_ALL", &[], 0).rows().len(), 10);
}
