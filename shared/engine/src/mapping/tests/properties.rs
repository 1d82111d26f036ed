//! What holds for every row, whatever it holds.

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate};
use proptest::prelude::*;

use super::super::hash;
use super::{column, compile, it};
use crate::mapping::{Mapped, Mapping};
use crate::model::decimal::Decimal;
use crate::model::id::RecordKey;
use crate::model::value::Value;

const EVERYTHING: &str = r#"
columns:
  id: {from: ID, type: text}
  number: {from: A, type: integer}
  amount: {from: A, type: "decimal(15,2)"}
  implied: {from: A, type: "decimal(9,2)", format: implied(2)}
  short: {from: B, type: text(5)}
  padded: {from: B, type: text, format: "pad_left(8,0)"}
  flag: {from: B, type: boolean, values: {V: true}, other: "null"}
  day: {from: A, type: date}
  julian: {from: A, type: date, format: cyyddd}
  american: {from: B, type: date, format: "%m/%d/%y"}
  stamp: {from: [A, B], type: timestamp}
  iso: {from: B, type: timestamp}
  epoch: {from: A, type: timestamp, format: epoch_millis}
  document: {from: B, type: json}
  computed: {expr: "dec_add(A, B)", type: "decimal(15,2)"}
  joined: {expr: "ID + string(size(B))", type: text}
key: [id]
source_key: [ID]
updated: {date: A, time: B}
where: "A != 'never'"
needs: [{stream: others, key: [short]}]
zone: America/Denver
"#;

/// Every column on its own too, so that a refusal of one does not hide the others.
static ALONE: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
    let declared = EVERYTHING.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": {"));
    declared.map(|(_, declared)| column(declared.trim_end_matches('}'))).collect()
});

static TOGETHER: LazyLock<Mapping> = LazyLock::new(|| compile(EVERYTHING).unwrap());

fn any_cell() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        ".*".prop_map(|text| Value::Text(text.into())),
        "[0-9]{0,8}".prop_map(|text| Value::Text(text.into())),
        "-?[0-9]{1,20}(\\.[0-9]{1,5})?(E[0-9])?".prop_map(|number| Value::Number(number.into())),
        "[0-9]{1,8}".prop_map(|number| Value::Number(number.into())),
        Just(Value::Json(r#"{"a":1}"#.into())),
        any::<i64>().prop_map(Value::Integer),
        (any::<i64>(), 0_u8..20).prop_map(|(units, scale)| Value::Decimal(Decimal::new(units.into(), scale))),
        any::<i32>().prop_map(Value::Date),
        any::<i64>().prop_map(Value::Timestamp),
    ]
}

proptest! {
    #[test]
    fn any_row_maps_or_is_refused_with_a_reason(cells in prop::collection::vec(any_cell(), 3)) {
        let columns = ["ID", "A", "B"].map(str::to_owned);
        let mut out = Vec::new();
        for alone in ALONE.iter() {
            if let Mapped::Refused(refusal) = alone.bind(&columns).unwrap().map(&cells, &mut out) {
                prop_assert!(!refusal.reason.is_empty() && refusal.value.chars().count() <= 80);
            }
        }
        if let Mapped::Row { key, .. } = TOGETHER.bind(&columns).unwrap().map(&cells, &mut out) {
            prop_assert_eq!(TOGETHER.source_key(&key).unwrap(), vec![out[0].to_text().into_owned()]);
        }
    }

    #[test]
    fn a_decimal_that_fits_comes_out_as_it_went_in(units in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0_u8..=2) {
        let written = Decimal::new(units.into(), scale);
        let result = it(&column(r#"from: A, type: "decimal(17,2)""#), &[&written.to_string()]).unwrap();
        prop_assert_eq!(Decimal::parse(&result).unwrap().normalized(), written.normalized());
    }

    #[test]
    fn every_day_has_a_julian_date_that_reads_back(days in 0_i32..=73_413) {
        let date = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap() + chrono::Days::new(days as u64);
        let julian = (date.year() - 1900) * 1000 + date.ordinal() as i32;
        let mapping = compile(
            "columns: {id: {from: D, type: date, format: cyyddd}}\nsource_key: [D]\n"
        ).unwrap();
        let mut out = Vec::new();
        let cells = [Value::Number(julian.to_string().into())];
        let Mapped::Row { key, .. } = mapping.bind(&["D".to_owned()]).unwrap().map(&cells, &mut out) else {
            panic!("{julian} is refused");
        };
        prop_assert_eq!(key.as_str(), date.to_string());
        prop_assert_eq!(mapping.source_key(&key).unwrap(), vec![julian.to_string()]);
    }

    #[test]
    fn the_fast_key_is_the_joined_key(a in ".*", b in any::<i64>(), c in "[a|\\\\]*") {
        let yaml = "columns:\n  a: {from: A, type: text, format: as_is}\n  b: {from: B, type: integer}\n  c: {from: C, type: text}\nkey: [a, b, c]\n";
        let mapping = compile(yaml).unwrap();
        prop_assume!(!a.contains('\0'));
        let cells = [Value::Text(a.clone().into()), Value::Number(b.to_string().into()), Value::Text(c.clone().into())];
        let mut out = Vec::new();
        let Mapped::Row { key, .. } = mapping.bind(&["A", "B", "C"].map(str::to_owned)).unwrap().map(&cells, &mut out) else {
            panic!("refused");
        };
        prop_assert_eq!(key, RecordKey::join([a.as_str(), &b.to_string(), &c]));
    }

    #[test]
    fn hashes_are_equal_exactly_when_the_cells_are(
        a in prop::collection::vec(any_cell(), 0..5),
        b in prop::collection::vec(any_cell(), 0..5),
    ) {
        prop_assert_eq!(hash::content(&a) == hash::content(&b), a == b);
        prop_assert_eq!(hash::content(&a), hash::content(&a.clone()));
    }

    #[test]
    fn long_rows_hash_by_their_whole_content(text in "[ab]{900,1200}", at in 0_usize..900) {
        let mut other = text.clone().into_bytes();
        other[at] = if other[at] == b'a' { b'b' } else { b'a' };
        let other = String::from_utf8(other).unwrap();
        let row = |text: &str| [Value::Integer(1), Value::Text(text.to_owned().into()), Value::Null];
        prop_assert_ne!(hash::content(&row(&text)), hash::content(&row(&other)));
        prop_assert_eq!(hash::content(&row(&text)), hash::content(&row(&text)));
    }
}

#[test]
fn the_hash_tells_apart_what_looks_alike() {
    let rows: [&[Value<'_>]; 9] = [
        &[],
        &[Value::Null],
        &[Value::text("")],
        &[Value::text(""), Value::text("")],
        &[Value::text("a"), Value::text("bc")],
        &[Value::text("ab"), Value::text("c")],
        &[Value::Integer(1)],
        &[Value::Bool(true)],
        &[Value::Timestamp(1)],
    ];
    for (i, one) in rows.iter().enumerate() {
        for (j, other) in rows.iter().enumerate() {
            assert_eq!(hash::content(one) == hash::content(other), i == j, "{one:?} {other:?}");
        }
    }
}
