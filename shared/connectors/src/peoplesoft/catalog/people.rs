//! Payroll. Data about persons: read only where it is switched on.

use super::{Entry, date, number, personal, text};

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "ML_PAY_CHECK",
    description: "Payroll checks",
    records: &[("PAY_CHECK", "A", &[])],
    key: &["COMPANY", "PAYGROUP", "PAY_END_DT", "OFF_CYCLE", "PAGE_NUM", "LINE_NUM", "SEPCHK"],
    stamp: Some("UPDATE_DT"),
    fields: &[
        text("A.COMPANY", 3),
        text("A.PAYGROUP", 3),
        date("A.PAY_END_DT"),
        text("A.OFF_CYCLE", 1),
        number("A.PAGE_NUM"),
        number("A.LINE_NUM"),
        number("A.SEPCHK"),
        personal(text("A.EMPLID", 11)),
        number("A.EMPL_RCD"),
        personal(text("A.NAME", 50)),
        text("A.DEPTID", 10),
        text("A.PAYCHECK_STATUS", 1),
        date("A.CHECK_DT"),
        number("A.TOTAL_GROSS"),
        number("A.TOTAL_TAXES"),
        number("A.TOTAL_DEDUCTIONS"),
        number("A.NET_PAY"),
        date("A.UPDATE_DT"),
    ],
    sums: &["TOTAL_GROSS", "NET_PAY"],
    personal: true,
    ..Entry::PLAIN
}];
