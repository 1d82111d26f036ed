//! Accounts, departments, journals.

use super::super::queries::Effective;
use super::{Entry, Field, date, number, text, time};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "ML_GL_ACCOUNT",
        description: "Accounts of the general ledger, as they are now",
        records: &[("GL_ACCOUNT_TBL", "A", &[])],
        key: &["SETID", "ACCOUNT"],
        fields: ACCOUNT,
        effective: Some(Effective::Current),
        ..Entry::PLAIN
    },
    Entry {
        name: "ML_GL_ACCOUNT_H",
        description: "Accounts of the general ledger, with past and future ones",
        records: &[("GL_ACCOUNT_TBL", "A", &[])],
        key: &["SETID", "ACCOUNT", "EFFDT"],
        fields: ACCOUNT,
        effective: Some(Effective::All),
        ..Entry::PLAIN
    },
    Entry {
        name: "ML_DEPARTMENT",
        description: "Departments, as they are now",
        records: &[("DEPT_TBL", "A", &[])],
        key: &["SETID", "DEPTID"],
        fields: DEPARTMENT,
        effective: Some(Effective::Current),
        ..Entry::PLAIN
    },
    Entry {
        name: "ML_DEPARTMENT_H",
        description: "Departments, with past and future ones",
        records: &[("DEPT_TBL", "A", &[])],
        key: &["SETID", "DEPTID", "EFFDT"],
        fields: DEPARTMENT,
        effective: Some(Effective::All),
        ..Entry::PLAIN
    },
    Entry {
        name: "ML_JRNL_HEADER",
        description: "Headers of journals",
        records: &[("JRNL_HEADER", "A", &[])],
        key: &["BUSINESS_UNIT", "JOURNAL_ID", "JOURNAL_DATE", "UNPOST_SEQ"],
        stamp: Some("DTTM_STAMP_SEC"),
        fields: &[
            text("A.BUSINESS_UNIT", 5),
            text("A.JOURNAL_ID", 10),
            date("A.JOURNAL_DATE"),
            number("A.UNPOST_SEQ"),
            text("A.JRNL_HDR_STATUS", 1),
            text("A.JRNL_PROCESS_REQST", 1),
            text("A.LEDGER_GROUP", 10),
            text("A.SOURCE", 3),
            number("A.FISCAL_YEAR"),
            number("A.ACCOUNTING_PERIOD"),
            text("A.DESCR", 30),
            number("A.JRNL_TOTAL_DEBITS"),
            number("A.JRNL_TOT_CREDITS"),
            number("A.JRNL_TOTAL_LINES"),
            text("A.CURRENCY_CD", 3),
            text("A.FOREIGN_CURRENCY", 3),
            date("A.POSTED_DATE"),
            text("A.OPRID", 30),
            time("A.DTTM_STAMP_SEC"),
        ],
        sums: &["JRNL_TOTAL_DEBITS", "JRNL_TOT_CREDITS"],
        ..Entry::PLAIN
    },
    Entry {
        name: "ML_JRNL_LN",
        description: "Lines of journals",
        records: &[("JRNL_HEADER", "A", &[]), ("JRNL_LN", "B", JOURNAL)],
        key: &["BUSINESS_UNIT", "JOURNAL_ID", "JOURNAL_DATE", "UNPOST_SEQ", "JOURNAL_LINE", "LEDGER"],
        stamp: Some("DTTM_STAMP_SEC"),
        fields: &[
            text("B.BUSINESS_UNIT", 5),
            text("B.JOURNAL_ID", 10),
            date("B.JOURNAL_DATE"),
            number("B.UNPOST_SEQ"),
            number("B.JOURNAL_LINE"),
            text("B.LEDGER", 10),
            text("B.ACCOUNT", 10),
            text("B.DEPTID", 10),
            text("B.OPERATING_UNIT", 8),
            text("B.PRODUCT", 6),
            text("B.FUND_CODE", 5),
            text("B.PROJECT_ID", 15),
            text("B.AFFILIATE", 5),
            number("B.MONETARY_AMOUNT"),
            text("B.CURRENCY_CD", 3),
            number("B.FOREIGN_AMOUNT"),
            text("B.FOREIGN_CURRENCY", 3),
            text("B.JRNL_LN_REF", 10),
            text("B.LINE_DESCR", 30),
            time("A.DTTM_STAMP_SEC"),
        ],
        sums: &["MONETARY_AMOUNT"],
        ..Entry::PLAIN
    },
];

const JOURNAL: &[&str] = &["BUSINESS_UNIT", "JOURNAL_ID", "JOURNAL_DATE", "UNPOST_SEQ"];

const ACCOUNT: &[Field] = &[
    text("A.SETID", 5),
    text("A.ACCOUNT", 10),
    date("A.EFFDT"),
    text("A.EFF_STATUS", 1),
    text("A.DESCR", 30),
    text("A.DESCRSHORT", 10),
    text("A.ACCOUNT_TYPE", 1),
    text("A.UNIT_OF_MEASURE", 3),
    text("A.STATISTICS_ACCOUNT", 1),
    text("A.BUDGETARY_ONLY", 1),
];

const DEPARTMENT: &[Field] = &[
    text("A.SETID", 5),
    text("A.DEPTID", 10),
    date("A.EFFDT"),
    text("A.EFF_STATUS", 1),
    text("A.DESCR", 30),
    text("A.DESCRSHORT", 10),
    text("A.MANAGER_ID", 11),
];
