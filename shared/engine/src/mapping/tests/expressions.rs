//! CEL in columns and filters.

use super::{check, compile, fault_of};
use crate::mapping::Mapped;
use crate::model::value::Value;

#[test]
fn whole_numbers_are_ints_and_other_numbers_are_text() {
    check(
        "expr: type(A) == int, type: boolean",
        &[
            (&["70412"], "true"),
            (&["1.000"], "true"),
            (&["1250.75"], "false"),
            (&["9223372036854775808"], "false"),
            (&[r#""1""#], "false"),
        ],
    );
    check(
        "expr: A + 1, type: integer",
        &[(&["41"], "42"), (&["9223372036854775807"], "!the expression fails: Overflow")],
    );
}

#[test]
fn text_comes_without_the_blanks_at_its_end() {
    check("expr: A + '/' + B, type: text", &[(&[r#""PV ""#, r#"" x ""#], "'PV/ x'")]);
    check("expr: 'A == null ? \"none\" : A', type: text", &[(&["null"], "'none'"), (&[r#""x""#], "'x'")]);
}

#[test]
fn amounts_are_calculated_exactly() {
    check(
        r#"expr: "dec_sub(A, B)", type: "decimal(15,2)""#,
        &[
            (&["1250.75", "0.05"], "1250.70"),
            (&["1250", "0.01"], "1249.99"),
            (&[r#""0.3""#, r#""0.1""#], "0.20"),
            (&["1.005", "0"], "!has 3 digits behind the point"),
            (&["null", "0"], "!the expression's dec_sub gets null: say what no value means"),
            (&[r#""x""#, "0"], "!the expression's dec_sub `x` is not a number"),
            (&["true", "0"], "!the expression's dec_sub takes whole numbers and decimals"),
        ],
    );
    check(r#"expr: "dec_mul(dec_neg(A), '0.19')", type: "decimal(15,4)""#, &[(&["10.50"], "-1.9950")]);
    check(
        r#"expr: "dec_cmp(dec_add(A, B), 100) > 0", type: boolean"#,
        &[(&["99.99", "0.01"], "false"), (&["99.99", "0.02"], "true")],
    );
}

#[test]
fn a_float_is_refused_with_the_functions_that_are_exact() {
    let reason = "!the expression gives a float, which is not exact: numbers with a fraction are text in expressions: \
                  calculate with dec_add, dec_sub, dec_mul";
    check(r#"expr: "double(A) * 0.19", type: "decimal(15,2)""#, &[(&["10.50"], reason)]);
    check(
        r#"expr: "A * 2", type: "decimal(15,2)""#,
        &[
            (&["10.50"], "!the expression applies `*` to (string, int); numbers with a fraction are text"),
            (&["10"], "20.00"),
        ],
    );
}

#[test]
fn results_go_through_the_declared_type_like_any_value() {
    check("expr: A, type: date", &[(&[r#""20261120""#], "2026-11-20"), (&[r#""soon""#], "!is not a date")]);
    check(
        "expr: A, type: text(2), values: {P: ok}, other: keep",
        &[(&[r#""P""#], "'ok'"), (&[r#""abc""#], "!has 3 characters")],
    );
    check("expr: '[A]', type: text", &[(&["1"], "!the expression gives a list, which no column holds")]);
    check("expr: '[A, B].filter(x, x != null).size()', type: integer", &[(&["1", "null"], "1")]);
}

#[test]
fn what_cannot_be_compiled_says_where() {
    for (declared, fault) in [
        ("expr: 'A == ', type: text", "columns.it.expr: line 1, column"),
        ("expr: 'A.matches(\"x\")', type: text", "columns.it.expr: the expression calls `matches`"),
    ] {
        let found = fault_of(declared);
        assert!(found.starts_with(fault), "{declared}: {found}");
    }
    let long = format!("expr: '{}', type: text", "A + ".repeat(1_000) + "A");
    assert!(fault_of(&long).contains("longer than 4000 characters"));
    let deep = format!("expr: '{}A{}', type: text", "(".repeat(40), ")".repeat(40));
    assert!(fault_of(&deep).contains("nested deeper than 32 levels"));
}

#[test]
fn the_filter_leaves_rows_out_or_refuses_what_it_cannot_judge() {
    let mapping = compile("columns: {id: {from: ID, type: integer}}\nwhere: CO == '00001'\n").unwrap();
    let columns = ["ID", "CO"].map(str::to_owned);
    let mapper = mapping.bind(&columns).unwrap();
    let mut out = Vec::new();
    let mut of = |company: Value<'static>| mapper.map(&[Value::Number("7".into()), company], &mut out);
    assert!(matches!(of(Value::text("00001")), Mapped::Row { .. }));
    assert_eq!(of(Value::text("00002")), Mapped::Filtered);

    let mapping = compile("columns: {id: {from: ID, type: integer}}\nwhere: CO\n").unwrap();
    let mapper = mapping.bind(&columns).unwrap();
    let Mapped::Refused(refusal) = mapper.map(&[Value::Number("7".into()), Value::text("00001")], &mut out) else {
        panic!("a text is neither true nor false");
    };
    assert_eq!((refusal.field.as_str(), refusal.value.as_str()), ("where", "CO=00001"));
    assert_eq!(refusal.key.unwrap().as_str(), "7");
    assert_eq!(refusal.reason, "the filter gives `00001` instead of true or false");
}

/// Expressions that would overflow the stack of the parser or of the evaluation, which nothing can catch.
#[test]
fn nesting_without_end_is_a_mistake_and_not_a_crash() {
    for levels in [10, 30, 90, 400, 1_200] {
        for text in [
            "(".repeat(levels) + "A" + &")".repeat(levels),
            "A + ".repeat(levels) + "A",
            "!".repeat(levels) + "true",
            "-".repeat(levels) + "1",
            "A == 1 ? 2 : ".repeat(levels) + "1",
            "[".repeat(levels) + "1" + &"]".repeat(levels),
            "dec_neg(".repeat(levels) + "1" + &")".repeat(levels),
            "A".to_owned() + &".size()".repeat(levels),
            "A == 1 && ".repeat(levels) + "true",
        ] {
            if let Ok(mapping) = compile(&format!("columns: {{id: {{expr: '{text}', type: text}}}}")) {
                let mapper = mapping.bind(&["A".to_owned()]).unwrap();
                mapper.map(&[Value::Number("1".into())], &mut Vec::new());
            }
        }
    }
}
