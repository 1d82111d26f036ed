//! Single values: declaration, cells, result.

use super::{check, fault_of};

#[test]
fn text_keeps_what_the_source_says() {
    check(
        "from: A, type: text",
        &[
            (&[r#""PV  ""#], "'PV'"),
            (&[r#"" x ""#], "' x'"),
            (&[r#"" ""#], "''"),
            (&[r#""""#], "''"),
            (&["null"], "null"),
            (&["70412"], "'70412'"),
            (&["1.000"], "'1.000'"),
            (&["true"], "'true'"),
            (&["\"a\0b\""], "!contains the character U+0000"),
        ],
    );
    check("from: A, type: text, format: trim", &[(&[r#""          30""#], "'30'"), (&[r#"" ""#], "''")]);
    check("from: A, type: text, format: as_is", &[(&[r#"" x  ""#], "' x  '"), (&[r#"" ""#], "' '")]);
    check("from: A, type: text, blank: null", &[(&[r#""  ""#], "null"), (&[r#""x""#], "'x'")]);
    check("from: A, type: text, blank: reject", &[(&[r#""  ""#], "!is blank"), (&["null"], "null")]);
    check(
        r#"from: A, type: text, format: "pad_left(8,0)""#,
        &[(&["10028"], "'00010028'"), (&[r#""123456789""#], "'123456789'"), (&[r#"" ""#], "''")],
    );
}

#[test]
fn text_that_is_too_long_is_refused_and_never_cut() {
    check(
        "from: A, type: text(3)",
        &[
            (&[r#""abc  ""#], "'abc'"),
            (&[r#""äöü""#], "'äöü'"),
            (&[r#""abcd""#], "!has 4 characters, the column holds 3: widen the column to text(4)"),
        ],
    );
}

#[test]
fn numbers_are_exact_however_they_are_written() {
    check(
        "from: A, type: integer",
        &[
            (&["70412"], "70412"),
            (&[r#"" 70412 ""#], "70412"),
            (&["70412.0"], "70412"),
            (&[r#""1.000""#], "1"),
            (&[r#"" ""#], "null"),
            (&["1.5"], "!is not a whole number"),
            (&["92233720368547758070"], "!is greater than an integer holds"),
            (&[r#""12a""#], "!is not a number"),
            (&["true"], "!is true or false"),
            (&["{}"], "!is a JSON document"),
        ],
    );
    check(
        r#"from: A, type: "decimal(15,2)""#,
        &[
            (&["1250.75"], "1250.75"),
            (&["1250.7"], "1250.70"),
            (&[r#""1250""#], "1250.00"),
            (&["-0.5"], "-0.50"),
            (&["1.2E+3"], "1200.00"),
            (&["0.005"], "!has 3 digits behind the point, the column holds 2: widen the column to decimal(16,3)"),
            (
                &["99999999999999.99"],
                "!has 14 digits before the point, the column holds 13: widen the column to decimal(16,2)",
            ),
            (&[r#""1,250.75""#], "!is not a number"),
        ],
    );
    check(r#"from: A, type: "decimal(15,2)", format: implied(2)"#, &[(&["125075"], "1250.75"), (&["7"], "0.07")]);
}

#[test]
fn booleans_are_the_usual_words_or_those_that_are_declared() {
    check(
        "from: A, type: boolean",
        &[
            (&["true"], "true"),
            (&[r#""Y""#], "true"),
            (&["0"], "false"),
            (&[r#"" ""#], "null"),
            (&[r#""P""#], "!is neither true/false, Y/N nor 1/0"),
        ],
    );
    check(
        r#"from: A, type: boolean, values: {V: true, "": false}"#,
        &[
            (&[r#""V""#], "true"),
            (&[r#"" ""#], "false"),
            (&["null"], "null"),
            (&[r#""X""#], "!is a code that `values` does not list"),
        ],
    );
}

#[test]
fn codes_become_what_they_mean() {
    check(
        "from: A, type: text, values: {P: paid, A: approved, X: null}",
        &[
            (&[r#""P ""#], "'paid'"),
            (&[r#""X""#], "null"),
            (&[r#"" ""#], "''"),
            (&[r#""H""#], "!is a code that `values` does not list"),
        ],
    );
    check("from: A, type: text, values: {P: paid}, other: keep", &[(&[r#""H""#], "'H'")]);
    check("from: A, type: text, values: {P: paid}, other: null", &[(&[r#""H""#], "null")]);
    check(
        "from: A, type: integer, nulls: [0, none]",
        &[(&["0"], "null"), (&["0.00"], "null"), (&[r#""none""#], "null"), (&["10"], "10")],
    );
}

#[test]
fn defaults_replace_what_is_not_there_and_nothing_else() {
    check(
        "from: A, type: text, default: USD",
        &[(&["null"], "'USD'"), (&[r#"" ""#], "'USD'"), (&[r#""EUR""#], "'EUR'")],
    );
    check(
        "from: A, type: integer, default: 0",
        &[(&["null"], "0"), (&[r#""""#], "0"), (&[r#""x""#], "!is not a number")],
    );
    check("from: A, type: date, default: 2026-01-31", &[(&[r#"" ""#], "2026-01-31")]);
    check("from: A, type: text, required: true", &[(&["null"], "!has no value"), (&[r#"" ""#], "''")]);
    check("from: A, type: integer, required: true", &[(&[r#"" ""#], "!has no value")]);
}

#[test]
fn dates_are_read_in_the_declared_format_only() {
    check(
        "from: A, type: date",
        &[
            (&[r#""20261118""#], "2026-11-18"),
            (&["20261118"], "2026-11-18"),
            (&[r#""20240229""#], "2024-02-29"),
            (&[r#""""#], "null"),
            (&[r#"" ""#], "null"),
            (&["null"], "null"),
            (&[r#""00000000""#], "!is not a date written YYYYMMDD"),
            (&[r#""20230229""#], "!is not a date written YYYYMMDD"),
            (&[r#""2026-11-18""#], "!is not a date written YYYYMMDD"),
        ],
    );
    check(r#"from: A, type: date, nulls: ["00000000"]"#, &[(&[r#""00000000""#], "null")]);
    check(
        "from: A, type: date, format: cyyddd",
        &[
            (&["126324"], "2026-11-20"),
            (&["99365"], "1999-12-31"),
            (&["100001"], "2000-01-01"),
            (&["0"], "null"),
            (&["126366"], "!is not a date written CYYDDD"),
            (&["-1"], "!is not a date written CYYDDD"),
        ],
    );
    check(
        "from: A, type: date, format: iso",
        &[(&[r#""2026-11-18""#], "2026-11-18"), (&[r#""2026-11-18T00:00:00""#], "!is not a date written YYYY-MM-DD")],
    );
    check(
        r#"from: A, type: date, format: "%m/%d/%y""#,
        &[
            (&[r#""11/20/26""#], "2026-11-20"),
            (&[r#""11/20/99""#], "1999-11-20"),
            (&[r#""13/20/26""#], "!is not a date of the declared `format`"),
        ],
    );
}

#[test]
fn date_and_time_make_a_point_in_time() {
    check(
        "from: [A, B], type: timestamp",
        &[
            (&[r#""20261120""#, "91502"], "2026-11-20T16:15:02Z"),
            (&[r#""20261120""#, "5"], "2026-11-20T07:00:05Z"),
            (&[r#""20261120""#, "0"], "2026-11-20T07:00:00Z"),
            (&[r#""20261120""#, r#""091502""#], "2026-11-20T16:15:02Z"),
            (&[r#"" ""#, "0"], "null"),
            (&["null", "91502"], "null"),
            (&[r#""20261120""#, "240000"], "!has a time that is not a number HHMMSS"),
            (&[r#""20261120""#, "96000"], "!has a time"),
            (&[r#""20261120""#, "null"], "!has a time"),
            (&[r#""2026112""#, "0"], "!is not a date"),
        ],
    );
    check("from: [A, B], type: timestamp, format: cyyddd hhmmss", &[(&["126324", "91502"], "2026-11-20T16:15:02Z")]);
}

#[test]
fn a_local_time_that_occurs_twice_is_the_earlier_and_one_that_is_skipped_moves_on() {
    check(
        "from: [A, B], type: timestamp",
        &[
            // On 2026-11-01 at 02:00 clocks in Denver go back to 01:00.
            (&[r#""20261101""#, "13000"], "2026-11-01T07:30:00Z"),
            (&[r#""20261101""#, "23000"], "2026-11-01T09:30:00Z"),
            // On 2026-03-08 at 02:00 they go on to 03:00.
            (&[r#""20260308""#, "13000"], "2026-03-08T08:30:00Z"),
            (&[r#""20260308""#, "23000"], "2026-03-08T09:30:00Z"),
            (&[r#""20260308""#, "33000"], "2026-03-08T09:30:00Z"),
            (&[r#""20260309""#, "33000"], "2026-03-09T09:30:00Z"),
        ],
    );
}

#[test]
fn points_in_time_come_in_other_forms_too() {
    check(
        "from: A, type: timestamp",
        &[
            (&[r#""2026-11-20T09:15:02Z""#], "2026-11-20T09:15:02Z"),
            (&[r#""2026-11-20T09:15:02.123456+01:00""#], "2026-11-20T08:15:02.123456Z"),
            (&[r#""2026-11-20T09:15:02""#], "2026-11-20T16:15:02Z"),
            (&[r#""2026-11-20 09:15:02.5""#], "2026-11-20T16:15:02.500Z"),
            (&[r#""2026-11-20-09.15.02.000000""#], "2026-11-20T16:15:02Z"),
            (&[r#""2026-11-20-09.15.02.5""#], "2026-11-20T16:15:02.500Z"),
            (&[r#""2026-11-20-09.15.02""#], "2026-11-20T16:15:02Z"),
            (&[r#""2026-11-20T09:15:02-0500""#], "2026-11-20T14:15:02Z"),
            (&[r#""2026-11-20-24.15.02""#], "!is not a timestamp"),
            (&[r#""2026-11-20-09.15.02.0000000""#], "!is not a timestamp"),
            (&[r#""2026-11-20T09:15:02.1234567Z""#], "!is not a timestamp"),
            (&[r#""2026-11-20""#], "!is not a timestamp"),
        ],
    );
    check(
        "from: A, type: timestamp, format: epoch_millis",
        &[
            (&["1763630102123"], "2025-11-20T09:15:02.123Z"),
            (&["9223372036854775807"], "!is not a number of milliseconds"),
        ],
    );
    check(
        r#"from: A, type: timestamp, format: "%Y-%m-%d:%H.%M.%S""#,
        &[(&[r#""2026-11-20:14.28.59""#], "2026-11-20T21:28:59Z")],
    );
    check(
        r#"from: A, type: timestamp, format: "%Y-%m-%d %H:%M %z""#,
        &[(&[r#""2026-11-20 14:28 +0100""#], "2026-11-20T13:28:00Z")],
    );
}

#[test]
fn documents_are_kept_as_they_are() {
    check(
        "from: A, type: json",
        &[
            (&[r#"{"a":[1,2.50]}"#], r#"{"a":[1,2.50]}"#),
            (&["12.50"], "12.50"),
            (&[r#""x""#], "!is not a JSON document"),
            (&[r#"["\\u0000"]"#], r#"["\\u0000"]"#),
            (&[r#"["\u0000"]"#], "!contains the character U+0000"),
        ],
    );
}

#[test]
fn mistakes_in_a_column_are_named_by_their_place() {
    for (declared, fault) in [
        ("from: A, type: money", "columns.it.type: `money` is not a column type"),
        ("from: A", "columns.it: has no `type`"),
        ("type: text", "columns.it: needs exactly one of `from`, `expr` and `lookup`"),
        ("from: A, expr: A, type: text", "columns.it: needs exactly one of"),
        ("from: [A, B], type: text", "columns.it.format: only a timestamp is read from two columns"),
        ("from: [A, B, C], type: timestamp", "columns.it.from: names one source column, or two"),
        ("from: A, type: date, format: julian", "columns.it.format: `julian` is no format of a date"),
        (r#"from: A, type: date, format: "%Q""#, "columns.it.format: `%Q` is no pattern"),
        ("from: A, type: timestamp, format: yyyymmdd hhmmss", "columns.it.format: `yyyymmdd hhmmss` reads two columns"),
        ("from: [A, B], type: timestamp, format: iso", "columns.it.format: `iso` reads one column"),
        ("from: A, type: integer, format: implied(x)", "columns.it.format: `implied(x)` is no format of a number"),
        ("from: A, type: boolean, format: trim", "columns.it.format: a boolean column has no format"),
        ("from: A, type: integer, default: none", "columns.it.default: `none` is not a number"),
        ("from: A, type: integer, blank: empty", "columns.it.blank: a column of type integer is never empty"),
        ("from: A, type: boolean, values: {P: paid}", "columns.it.values.P: `paid` is neither true/false"),
        (r#"from: A, type: text, values: {P: a, "P ": b}"#, "columns.it.values: lists the code `P` twice"),
        ("from: A, type: text, other: keep", "columns.it.other: says what happens to codes"),
        ("expr: A +, type: text", "columns.it.expr: line 1, column 4 of the expression:"),
        ("expr: upper(A), type: text", "columns.it.expr: the expression calls `upper`, which is no function"),
        (
            "lookup: {stream: s, key: [di]}, type: text",
            "columns.it.lookup.key: `di` is no column of this sync; did you mean `id`?",
        ),
    ] {
        let found = fault_of(declared);
        assert!(found.starts_with(fault), "{declared}\n  gave     {found}\n  expected {fault}");
    }
}
