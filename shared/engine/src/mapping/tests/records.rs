//! Whole records: keys, stamps, lookups, refusals, hashes.

use super::compile;
use crate::mapping::{Lookup, Mapped, Mapping, Refusal};
use crate::model::id::RecordKey;
use crate::model::value::{Value, timestamp_text};

const INVOICES: &str = r#"
columns:
  document_number: {from: DOC, type: integer}
  document_type: {from: DCT, type: text}
  pay_item_extension: {from: SFXE, type: integer, default: 0}
  supplier_number: {from: AN8, type: integer}
  supplier_id: {lookup: {stream: suppliers, key: [supplier_number], required: true}, type: text}
  order_number: {from: PO, type: text, format: trim}
  gross_amount: {from: AG, type: "decimal(15,2)"}
key: [document_number, document_type, pay_item_extension]
source_key: [DOC, DCT, SFXE]
updated: {date: UPMJ, time: UPMT}
needs: [{stream: purchase_orders, key: [order_number]}]
zone: America/Denver
"#;

fn map(mapping: &Mapping, cells: &[(&str, Value<'static>)]) -> (Mapped, Vec<Value<'static>>) {
    let columns = mapping.source_columns();
    let of =
        |column: &String| cells.iter().find(|(name, _)| name == column).map_or(Value::Null, |(_, cell)| cell.clone());
    let row: Vec<_> = columns.iter().map(of).collect();
    let mut out = Vec::new();
    (mapping.bind(columns).unwrap().map(&row, &mut out), out)
}

fn number(text: &'static str) -> Value<'static> {
    Value::Number(text.into())
}

fn invoice() -> Vec<(&'static str, Value<'static>)> {
    vec![
        ("DOC", number("70412")),
        ("DCT", Value::text("PV")),
        ("AN8", number("4242")),
        ("PO", Value::text("  00001234")),
        ("AG", number("1250.75")),
        ("UPMJ", Value::text("20261120")),
        ("UPMT", number("91502")),
    ]
}

fn with(
    mut row: Vec<(&'static str, Value<'static>)>,
    column: &'static str,
    cell: Value<'static>,
) -> Vec<(&'static str, Value<'static>)> {
    row.retain(|(name, _)| *name != column);
    row.push((column, cell));
    row
}

#[test]
fn a_record_has_a_key_a_stamp_and_the_records_it_names() {
    let mapping = compile(INVOICES).unwrap();
    assert_eq!(mapping.source_columns(), ["DOC", "DCT", "SFXE", "UPMJ", "UPMT", "AN8", "PO", "AG"]);
    let (mapped, cells) = map(&mapping, &invoice());
    let Mapped::Row { key, updated_at, lookups } = mapped else { panic!("{mapped:?}") };
    assert_eq!(key.as_str(), "70412|PV|0");
    assert_eq!(timestamp_text(updated_at.unwrap()), "2026-11-20T16:15:02Z");
    assert_eq!(cells[4], Value::Null, "the link fills it");
    assert_eq!(
        lookups,
        [
            Lookup { column: None, stream: "purchase_orders".into(), key: RecordKey::new("00001234"), required: true },
            Lookup { column: Some(4), stream: "suppliers".into(), key: RecordKey::new("4242"), required: true },
        ]
    );
}

#[test]
fn a_record_that_names_none_looks_nothing_up() {
    let mapping = compile(INVOICES).unwrap();
    let row = with(with(invoice(), "PO", Value::text("   ")), "AN8", Value::Null);
    let Mapped::Row { lookups, .. } = map(&mapping, &row).0 else { panic!("refused") };
    assert_eq!(lookups, []);
}

#[test]
fn a_refusal_says_which_record_which_field_which_value_and_what_to_do() {
    let mapping = compile(INVOICES).unwrap();
    let (mapped, _) = map(&mapping, &with(invoice(), "AG", number("1250.755")));
    assert_eq!(mapped, Mapped::Refused(Refusal {
        key: Some(RecordKey::new("70412|PV|0")),
        field: "gross_amount".into(),
        value: "1250.755".into(),
        reason: "has 3 digits behind the point, the column holds 2: widen the column to decimal(16,3) in the tenant file".into(),
    }));
    let (mapped, _) = map(&mapping, &with(invoice(), "DOC", Value::Null));
    let Mapped::Refused(refusal) = mapped else { panic!("a key column is required") };
    assert_eq!((refusal.key, refusal.field.as_str()), (None, "document_number"));
    let (mapped, _) = map(&mapping, &with(invoice(), "AG", Value::Text("x".repeat(200).into())));
    let Mapped::Refused(refusal) = mapped else { panic!("no number") };
    assert_eq!(refusal.value, format!("{}…", "x".repeat(79)));
}

#[test]
fn an_empty_key_text_is_a_key_and_no_value_is_none() {
    let mapping = compile("columns: {id: {from: ID, type: text}}").unwrap();
    assert!(matches!(map(&mapping, &[("ID", Value::text(" "))]).0, Mapped::Row { key, .. } if key.as_str().is_empty()));
    assert!(matches!(map(&mapping, &[("ID", Value::Null)]).0, Mapped::Refused(_)));
}

#[test]
fn stamps_are_read_in_the_forms_that_sources_use_and_are_never_a_reason_to_refuse() {
    let mapping =
        compile("columns: {id: {from: ID, type: integer}}\nupdated: {date: D, time: T}\nzone: America/Denver\n")
            .unwrap();
    for (date, time, stamp) in [
        (Value::text("20261120"), number("91502"), Some("2026-11-20T16:15:02Z")),
        (number("126324"), number("91502"), Some("2026-11-20T16:15:02Z")),
        (Value::text("2026-11-20"), Value::Null, Some("2026-11-20T07:00:00Z")),
        (Value::text("2026-11-20T09:15:02Z"), Value::Null, Some("2026-11-20T09:15:02Z")),
        (Value::text("20261120"), Value::text(" "), Some("2026-11-20T07:00:00Z")),
        (Value::text(" "), number("0"), None),
        (Value::Null, Value::Null, None),
        (Value::text("20261120"), number("999999"), None),
        (Value::text("yesterday"), number("0"), None),
    ] {
        let row = [("ID", number("1")), ("D", date.clone()), ("T", time.clone())];
        let Mapped::Row { updated_at, .. } = map(&mapping, &row).0 else { panic!("{date:?} is refused") };
        assert_eq!(updated_at.map(timestamp_text).as_deref(), stamp, "{date:?} {time:?}");
    }
}

#[test]
fn a_key_turns_back_into_what_the_source_writes() {
    for (declared, source_key, key, expected) in [
        ("id: {from: DOC, type: integer}", "[DOC]", "70412", "70412"),
        ("id: {from: MCU, type: text, format: trim}", "[MCU]", "30", "30"),
        (r#"id: {from: LNID, type: "decimal(7,3)"}"#, "[LNID]", "1.000", "1.000"),
        (r#"id: {from: LNID, type: "decimal(7,3)", format: implied(3)}"#, "[LNID]", "1.000", "1000"),
        ("id: {from: DGJ, type: date}", "[DGJ]", "2026-11-20", "20261120"),
        (r#"id: {from: DGJ, type: date, format: "%m/%d/%y"}"#, "[DGJ]", "2026-11-20", "11/20/26"),
        ("id: {from: PST, type: text, values: {P: paid, A: open}}", "[PST]", "paid", "P"),
        ("id: {from: PST, type: text, values: {P: paid}, other: keep}", "[PST]", "H", "H"),
        ("id: {from: A, type: text}", "[A]", "a\\|b", "a|b"),
    ] {
        let mapping = compile(&format!("columns:\n  {declared}\nsource_key: {source_key}\n")).unwrap();
        assert_eq!(mapping.source_key(&RecordKey::new(key)).unwrap(), [expected], "{declared}");
    }
}

#[test]
fn a_key_that_cannot_be_turned_back_says_why() {
    for (declared, key, reason) in [
        ("id: {expr: A + 'x', type: text}", "1", "no key column of the table is filled from the source's key column A"),
        ("id: {from: A, type: boolean}", "true", "the key column id is of type boolean"),
        (
            "id: {from: A, type: text, values: {P: x, Q: x}}",
            "x",
            "`values` of the key column id turns several codes into one",
        ),
        ("id: {from: A, type: date}", "soon", "`soon` is no key of this sync"),
        (
            "id: {from: A, type: integer}",
            "1|2",
            "`1|2` is no key of this sync: it has 2 parts, joined by |, and 1 are needed",
        ),
    ] {
        let mapping = compile(&format!("columns:\n  {declared}\nsource_key: [A]\n")).unwrap();
        let error = mapping.source_key(&RecordKey::new(key)).unwrap_err();
        assert!(error.to_string().contains(reason), "{declared}: {error}");
    }
}

#[test]
fn a_block_without_a_needed_column_stops_and_names_it() {
    let error = compile(INVOICES).unwrap().bind(&["DOC".to_owned()]).unwrap_err();
    assert!(error.to_string().starts_with("the rows have no column DCT"), "{error}");
}

#[test]
fn the_hash_of_a_mapping_changes_with_its_content_and_with_nothing_else() {
    let hash = |yaml: &str| compile(yaml).unwrap().hash().to_owned();
    let base = hash(INVOICES);
    assert_eq!(base, hash(&INVOICES.replace("decimal(15,2)", "decimal( 15 , 2 )")));
    assert_eq!(base, hash(&INVOICES.replace("{from: AG,", "{description: Gross, from: AG,")));
    for (from, to) in [
        ("decimal(15,2)", "decimal(17,2)"),
        ("format: trim", "format: as_is"),
        ("from: AG", "from: AAP"),
        ("America/Denver", "UTC"),
        ("time: UPMT", "time: TDAY"),
        ("default: 0", "default: 1"),
        ("required: true", "required: false"),
        ("gross_amount", "amount"),
        ("zone:", "where: DOC > 0\nzone:"),
    ] {
        assert_ne!(base, hash(&INVOICES.replace(from, to)), "{from} → {to}");
    }
    // It stands in databases: another value for the same mapping makes every record look changed.
    assert_eq!(base, "1f30398f2336402f1d443e8633cbb5e7");
}
