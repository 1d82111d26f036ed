//! Whole statements, from LookML to SQL.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::super::lookml::Project;
use super::super::warehouse::Dialect;
use super::{Problem, Question, compile};

const MODEL: &str = r#"
connection: "erp"
explore: ap_invoices {
  sql_always_where: ${is_deleted} = 0 ;;
  join: suppliers { relationship: many_to_one sql_on: ${ap_invoices.supplier_id} = ${suppliers.id} ;; }
  join: lines { relationship: one_to_many sql_on: ${ap_invoices.id} = ${lines.invoice_id} ;; }
}
view: ap_invoices {
  sql_table_name: main.ap_invoices ;;
  dimension: id { primary_key: yes type: number sql: ${TABLE}.id ;; }
  dimension: supplier_id { type: number }
  dimension: is_deleted { type: number hidden: yes }
  dimension: status {}
  dimension: is_paid { type: yesno sql: ${status} = 'P' ;; }
  dimension_group: due { type: time timeframes: [raw, date, quarter] datatype: date convert_tz: no sql: ${TABLE}.due_on ;; }
  measure: count { type: count }
  measure: open_count { type: count filters: [is_paid: "no"] }
  measure: total { type: sum sql: ${TABLE}.amount ;; }
  measure: share { type: number sql: 1.0 * ${open_count} / NULLIF(${count}, 0) ;; }
  measure: last_due { type: date sql: MAX(${due_raw}) ;; convert_tz: no }
}
view: suppliers {
  dimension: id { primary_key: yes type: number }
  dimension: name {}
  measure: count { type: count }
}
view: lines { dimension: invoice_id { type: number } measure: amount { type: sum sql: ${TABLE}.amount ;; } }
"#;

fn sql(fields: &[&str], filters: &[(&str, &str)], sorts: &[&str], dialect: Dialect) -> Result<String, Problem> {
    let project = Project::parse("erp", &[("erp.model.lkml", MODEL)]);
    assert_eq!(project.errors(), []);
    let explore = &project.model("erp").unwrap().explores[0];
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let filters: BTreeMap<String, String> = filters.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    let question = Question {
        fields: &texts(fields),
        filters: &filters,
        sorts: &texts(sorts),
        limit: Some(500),
        zone: Tz::UTC,
        now: "2026-11-20T12:00:00Z".parse().unwrap(),
    };
    compile(explore, dialect, &question).map(|compiled| compiled.sql.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_query_becomes_one_statement() {
    let fields = ["ap_invoices.status", "ap_invoices.count", "ap_invoices.total"];
    let filters = [("ap_invoices.due_date", "2026-11"), ("ap_invoices.total", ">100")];
    assert_eq!(
        sql(&fields, &filters, &["ap_invoices.total desc"], Dialect::Postgres).unwrap(),
        "SELECT \"ap_invoices\".status AS \"ap_invoices.status\", COUNT(*) AS \"ap_invoices.count\", \
         COALESCE(SUM(\"ap_invoices\".amount), 0) AS \"ap_invoices.total\" FROM main.ap_invoices AS \"ap_invoices\" \
         WHERE ((\"ap_invoices\".is_deleted) = 0) AND (((\"ap_invoices\".due_on)::timestamptz >= \
         '2026-11-01 00:00:00.000000+00'::timestamptz AND (\"ap_invoices\".due_on)::timestamptz < \
         '2026-12-01 00:00:00.000000+00'::timestamptz)) GROUP BY 1 \
         HAVING ((COALESCE(SUM(\"ap_invoices\".amount), 0)) > 100) ORDER BY 3 DESC LIMIT 500"
    );
    let sqlite = sql(&fields[1..], &[], &[], Dialect::Sqlite).unwrap();
    assert!(sqlite.contains("COALESCE(looker_sum(\"ap_invoices\".amount), '0')"), "{sqlite}");
    assert!(sqlite.ends_with("ORDER BY looker_order(\"ap_invoices.count\") DESC LIMIT 500"), "{sqlite}");
    assert!(!sqlite.contains("JOIN") && !sqlite.contains("GROUP BY"), "{sqlite}");
}

#[test]
fn joins_are_made_when_needed_and_never_sum_a_row_twice() {
    let joined = sql(&["suppliers.name", "ap_invoices.total", "suppliers.count"], &[], &[], Dialect::Postgres).unwrap();
    let on = "LEFT JOIN suppliers AS \"suppliers\" ON (\"ap_invoices\".supplier_id) = (\"suppliers\".id)";
    assert!(joined.contains(on) && joined.contains("COUNT(DISTINCT \"suppliers\".id)"), "{joined}");
    assert!(!joined.contains("lines"), "{joined}");
    let counted = sql(&["lines.amount", "ap_invoices.count"], &[], &[], Dialect::Postgres).unwrap();
    assert!(counted.contains("COUNT(DISTINCT \"ap_invoices\".id)"), "{counted}");
    let twice = sql(&["ap_invoices.total"], &[("lines.invoice_id", "5")], &[], Dialect::Postgres);
    assert!(matches!(twice, Err(Problem::Broken(_))), "{twice:?}");
}

#[test]
fn measures_may_filter_and_refer_to_others() {
    let share = sql(&["ap_invoices.share", "ap_invoices.last_due"], &[], &[], Dialect::Sqlite).unwrap();
    let open = "COUNT(CASE WHEN ((\"ap_invoices\".status) = 'P') IS NOT TRUE THEN 1 END)";
    assert!(share.contains(&format!("1.0 * ({open}) / NULLIF((COUNT(*)), 0)")), "{share}");
    assert!(share.contains("looker_frame(MAX((\"ap_invoices\".due_on)), 'date', 'UTC')"), "{share}");
}

#[test]
fn what_makes_no_sense_is_named() {
    for (fields, filters, sorts, says) in [
        (&["ap_invoices.nothing"][..], &[][..], &[][..], "UnknownField(\"ap_invoices.nothing\")"),
        (&["ap_invoices.due"], &[], &[], "UnknownField(\"ap_invoices.due\")"),
        (&["ap_invoices.count"], &[("ap_invoices.x", "1")], &[], "UnknownField(\"ap_invoices.x\")"),
        (&["ap_invoices.count"], &[("ap_invoices.id", "one")], &[], "filters.ap_invoices.id"),
        (&["ap_invoices.count"], &[], &["ap_invoices.count down"], "Unknown direction"),
        (&[], &[], &[], "at least one field"),
    ] {
        let problem = format!("{:?}", sql(fields, filters, sorts, Dialect::Sqlite).unwrap_err());
        assert!(problem.contains(says), "{problem}");
    }
}
