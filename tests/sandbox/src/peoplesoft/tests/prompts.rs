//! Prompts, and the literal templates around them.

use super::super::{Comparison, Prompt, PromptKind, QueryDefinition, Settings};
use super::{ALL, get, numbers, path, query, ten};

fn since_and(after: &str) -> [(&str, &str); 2] {
    [("SINCE", "2026-01-01-00.00.00"), ("AFTER_KEY", after)]
}

#[test]
fn prompts_bound_the_rows() {
    let sandbox = ten(Settings::default());
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &ALL, 3)), [1, 2, 3]);
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &since_and("00000003.US001"), 3)), [4, 5, 6]);
    assert!(numbers(&query(&sandbox, "CX_VOUCHERS", &since_and("00000010.US002"), 3)).is_empty());
    let late = [("SINCE", "2026-11-18-09.15.02"), ("AFTER_KEY", "")];
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &late, 0)), [8, 9, 10], "0 is all; the bound itself belongs");
    // The comma at the end is an empty value, and so is one at the beginning: nothing is later than an empty date.
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &[("SINCE", ""), ("AFTER_KEY", "1")], 0)), Vec::<i64>::new());
}

#[test]
fn every_comparison_is_known() {
    let sandbox = ten(Settings::default());
    let asked = |query: QueryDefinition, prompts: &[(&str, &str)]| {
        let query = query.record("A", "VOUCHER").field("A.VOUCHER_ID").order_by("A.VOUCHER_ID");
        sandbox.define_query(query).unwrap();
        numbers(&super::query(&sandbox, "CX_ANY", prompts, 0))
    };
    let one = |field: &str, comparison, kind, value: &str| {
        asked(QueryDefinition::new("CX_ANY").prompt("P", kind).where_prompt(field, comparison, "P"), &[("P", value)])
    };
    assert_eq!(one("A.VOUCHER_ID", Comparison::Equal, PromptKind::Text, "00000004"), [4]);
    assert_eq!(one("A.GROSS_AMT", Comparison::Greater, PromptKind::Number, "800.08"), [9, 10]);
    assert_eq!(one("A.GROSS_AMT", Comparison::Less, PromptKind::Number, "200.02"), [1]);
    assert_eq!(one("A.LAST_UPDATE_DTTM", Comparison::GreaterOrEqual, PromptKind::Date, "2026-11-20"), [10]);
    assert_eq!(one("A.DUE_DT", Comparison::NotEqual, PromptKind::Date, "2026-01-01").len(), 9, "null is not unequal");
    let between = QueryDefinition::new("CX_ANY").prompt("FROM", PromptKind::Date).prompt("TO", PromptKind::Date);
    let between = between.where_between("A.INVOICE_DT", "FROM", "TO");
    assert_eq!(asked(between, &[("FROM", "2026-11-03"), ("TO", "2026-11-05")]), [3, 4, 5]);
    let some = ["BIND1", "BIND2"].map(|name| super::super::Operand::Prompt(name.into()));
    let list = QueryDefinition::new("CX_ANY").unnamed_prompt(PromptKind::Text).unnamed_prompt(PromptKind::Text);
    let list = list.where_operands("A.VOUCHER_ID", Comparison::In, some.into());
    assert_eq!(asked(list, &[("BIND1", "00000009"), ("BIND2", "00000002")]), [2, 9]);
    let mut american = QueryDefinition::new("CX_ANY").where_prompt("A.INVOICE_DT", Comparison::Less, "D");
    american.prompts.push(Prompt { name: Some("D".into()), kind: PromptKind::Date, pattern: Some("%m/%d/%Y".into()) });
    assert_eq!(asked(american, &[("D", "11%2F03%2F2026")]), [1, 2]);
}

#[test]
fn what_is_wrong_with_prompts_is_said_and_never_means_all_rows() {
    let sandbox = ten(Settings::default());
    let said = |prompts: &[(&str, &str)]| {
        let answer = query(&sandbox, "CX_VOUCHERS", prompts, 0);
        assert_eq!(answer.json()["status"], "error", "{answer:?}");
        answer.message()
    };
    assert_eq!(said(&[]), "A value is required for prompt SINCE of query CX_VOUCHERS.");
    assert_eq!(said(&ALL[..1]), "A value is required for prompt AFTER_KEY of query CX_VOUCHERS.");
    assert_eq!(said(&[ALL[0], ("after_key", "")]), "Prompt after_key does not exist in query CX_VOUCHERS.");
    assert_eq!(said(&[ALL[1], ALL[0]]), "The prompts of query CX_VOUCHERS are SINCE,AFTER_KEY, in this order.");
    assert_eq!(said(&[("SINCE", "2026/01/01"), ALL[1]]), "Invalid value \"2026/01/01\" for prompt SINCE.");
    assert_eq!(said(&[("SINCE", "2026-01-01-00.00.00,x"), ALL[1]]), "2 prompt names came with 3 values.");
    let lenient = ten(Settings { prompts_in_order: false, ..Settings::default() });
    let swapped = [("AFTER_KEY", "00000008"), ALL[0]];
    assert_eq!(numbers(&query(&lenient, "CX_VOUCHERS", &swapped, 0)), [8, 9, 10]);
}

#[test]
fn commas_must_not_be_encoded_but_where_a_site_splits_them_all_the_same() {
    let encoded = path("CX_VOUCHERS", &since_and("00000008"), 0).replace("SINCE,AFTER", "SINCE%2CAFTER");
    let encoded = encoded.replace("00.00.00,", "00.00.00%2C");
    assert_eq!(get(&ten(Settings::default()), &encoded).json()["status"], "error");
    let lenient = ten(Settings { split_encoded_commas: true, ..Settings::default() });
    assert_eq!(numbers(&get(&lenient, &encoded)), [8, 9, 10]);
}

#[test]
fn a_template_is_literal() {
    let sandbox = ten(Settings::default());
    let good = path("CX_VOUCHERS", &ALL, 5);
    assert_eq!(get(&sandbox, &good).status, 200);
    for (what, wrong) in [
        ("no maxrows", good.replace("&maxrows=5", "")),
        ("names without values", good.replace("&prompt_fieldvalue=2026-01-01-00.00.00,", "")),
        ("capitals", good.replace("maxrows", "MaxRows")),
        ("another order", good.replace("isconnectedquery=N&maxrows=5", "maxrows=5&isconnectedquery=N")),
        ("something unknown", good.clone() + "&startrow=6"),
        ("twice", good.clone() + "&json_resp=true"),
        ("too short a path", good.replace("/NONFILE", "")),
        ("too long a path", good.replace("/NONFILE", "/NONFILE/x")),
    ] {
        let answer = get(&sandbox, &wrong);
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        assert!(answer.body.contains("<StatusCode>10</StatusCode>"), "the gateway says so: {answer:?}");
    }
    let without_json = ten(Settings { json: false, ..Settings::default() });
    assert_eq!(get(&without_json, &good).status, 400);
    let xml = get(&without_json, &good.replace("&json_resp=true", ""));
    assert_eq!(xml.body.matches("<row ").count(), 5, "{xml:?}");
}
