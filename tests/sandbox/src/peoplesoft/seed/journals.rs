//! Journals that balance.

use chrono::Datelike;

use super::{Masters, SeedOptions, UNITS, age, amount, cents, days_before, working_time};
use crate::peoplesoft::record::Records;
use crate::peoplesoft::schema::RecordError;
use crate::random::Random;

struct Line {
    unit: usize,
    journal: String,
    day: chrono::NaiveDate,
    number: i64,
    account: &'static str,
    department: String,
    amount: i64,
}

pub(super) fn fill(
    records: &mut Records,
    options: &SeedOptions,
    masters: &Masters,
    random: &mut Random,
) -> Result<(), RecordError> {
    let mut lines = Vec::new();
    let mut rows = records.change("JRNL_HEADER")?.fill(
        "BUSINESS_UNIT JOURNAL_ID JOURNAL_DATE UNPOST_SEQ BUSINESS_UNIT_IU JRNL_HDR_STATUS JRNL_PROCESS_REQST \
         LEDGER_GROUP SOURCE DESCR FISCAL_YEAR ACCOUNTING_PERIOD CURRENCY_CD FOREIGN_CURRENCY JRNL_TOTAL_LINES \
         JRNL_TOTAL_DEBITS JRNL_TOT_CREDITS OPRID POSTED_DATE DTTM_STAMP_SEC",
    )?;
    for index in 0..options.journals {
        let unit = random.skewed(UNITS.len());
        let touched = days_before(options.today, age(random));
        let day = days_before(touched, random.between(0, 20));
        let journal = format!("{}{:07}", ["AP0", "PO0", "GL0"][index % 3], index + 1);
        let status = ["P", "P", "P", "P", "P", "V", "E", "N", "U", "D"][random.below(10)];
        let pairs = random.between(1, 3);
        let mut total = 0;
        for pair in 0..pairs {
            let size = if UNITS[unit].cents { amount(random) } else { amount(random) / 100 * 100 + 100 };
            total += size;
            for (side, amount) in [size, -size].into_iter().enumerate() {
                lines.push(Line {
                    unit,
                    journal: journal.clone(),
                    day,
                    number: pair * 2 + side as i64 + 1,
                    account: if side == 0 { masters.account(random) } else { "200000" },
                    department: masters.department(random).into(),
                    amount,
                });
            }
        }
        let currency = UNITS[unit].currency;
        rows.row([
            UNITS[unit].id.into(),
            journal.as_str().into(),
            day.into(),
            0.into(),
            UNITS[unit].id.into(),
            status.into(),
            if status == "V" { "P" } else { "N" }.into(),
            "RECORDING".into(),
            ["ALL", "ONL", "XLS"][index % 3].into(),
            ["Month-end accrual", "AP accounting", "Reclass, see mail"][index % 3].into(),
            i64::from(day.year()).into(),
            i64::from(day.month()).into(),
            currency.into(),
            currency.into(),
            (pairs * 2).into(),
            cents(total).into(),
            cents(total).into(),
            "GL1".into(),
            matches!(status, "P" | "U").then_some(touched).into(),
            working_time(touched, random).into(),
        ])?;
    }
    let mut rows = records.change("JRNL_LN")?.fill(
        "BUSINESS_UNIT JOURNAL_ID JOURNAL_DATE UNPOST_SEQ JOURNAL_LINE LEDGER ACCOUNT DEPTID MONETARY_AMOUNT \
         FOREIGN_AMOUNT CURRENCY_CD FOREIGN_CURRENCY LINE_DESCR",
    )?;
    for line in &lines {
        let currency = UNITS[line.unit].currency;
        rows.row([
            UNITS[line.unit].id.into(),
            line.journal.as_str().into(),
            line.day.into(),
            0.into(),
            line.number.into(),
            "LOCAL".into(),
            line.account.into(),
            line.department.as_str().into(),
            cents(line.amount).into(),
            cents(line.amount).into(),
            currency.into(),
            currency.into(),
            if line.number % 3 == 0 { "Rounding" } else { "" }.into(),
        ])?;
    }
    Ok(())
}
