//! Vouchers with lines and distributions, their scheduled payments, and the payments made.
//!
//! Invariant: [`write`] is the one place where a voucher becomes rows, for the seeded past as for the changes made later. The
//! distributions of a voucher add up to its gross amount, to the cent.

use chrono::NaiveDateTime;

use super::words::{GOODS, invoice_id, remark};
use super::{Masters, Order, SeedOptions, UNITS, age, amount, cents, days_before, working_time};
use crate::peoplesoft::cell::{Cell, Decimal};
use crate::peoplesoft::record::Records;
use crate::peoplesoft::schema::RecordError;
use crate::random::Random;

/// One voucher before it becomes rows. Amounts in cents.
#[derive(Clone, Debug)]
pub(in crate::peoplesoft) struct Voucher {
    pub(in crate::peoplesoft) unit: usize,
    pub(in crate::peoplesoft) number: String,
    pub(in crate::peoplesoft) vendor: usize,
    pub(in crate::peoplesoft) vendor_id: String,
    pub(in crate::peoplesoft) style: &'static str,
    pub(in crate::peoplesoft) invoice: String,
    pub(in crate::peoplesoft) invoiced: chrono::NaiveDate,
    pub(in crate::peoplesoft) entered: NaiveDateTime,
    pub(in crate::peoplesoft) updated: NaiveDateTime,
    pub(in crate::peoplesoft) entry: &'static str,
    pub(in crate::peoplesoft) close: &'static str,
    pub(in crate::peoplesoft) posted: &'static str,
    pub(in crate::peoplesoft) approved: &'static str,
    pub(in crate::peoplesoft) matched: &'static str,
    /// Paid in full.
    pub(in crate::peoplesoft) paid: bool,
    /// Purchase order and line, if it comes from one.
    pub(in crate::peoplesoft) order: Option<(String, i64)>,
    pub(in crate::peoplesoft) remark: &'static str,
    pub(in crate::peoplesoft) lines: Vec<Line>,
}

/// A line with its one distribution. Amount in cents.
#[derive(Clone, Debug)]
pub(in crate::peoplesoft) struct Line {
    item: &'static str,
    amount: i64,
    account: &'static str,
    department: String,
}

impl Voucher {
    fn gross(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }

    fn due(&self) -> chrono::NaiveDate {
        days_before(self.invoiced, -[0, 30, 45, 60][self.vendor % 4])
    }

    fn key(&self) -> [Cell; 2] {
        [UNITS[self.unit].id.into(), self.number.as_str().into()]
    }
}

/// All vouchers, some at a time, so that they are not all held twice.
pub(super) fn fill(
    records: &mut Records,
    options: &SeedOptions,
    masters: &Masters,
    orders: &[Order],
    random: &Random,
) -> Result<(), RecordError> {
    let (mut drawing, mut paying) = (random.fork("vouchers"), random.fork("payments"));
    let (mut number, mut paid) = (0, 0);
    let mut left = options.vouchers;
    while left > 0 {
        let count = left.min(1000);
        left -= count;
        let some: Vec<Voucher> = (0..count)
            .map(|_| {
                number += if drawing.chance(15) { drawing.between(2, 9) } else { 1 };
                let updated = working_time(days_before(options.today, age(&mut drawing)), &mut drawing);
                draw(masters, orders, number, updated, &mut drawing)
            })
            .collect();
        if options.voucher_details {
            write(records, &some)?;
            payments(records, options, &some, &mut paid, &mut paying)?;
        } else {
            headers(records, &some)?;
        }
    }
    Ok(())
}

/// A voucher last touched at `updated`.
pub(in crate::peoplesoft) fn draw(
    masters: &Masters,
    orders: &[Order],
    number: i64,
    updated: NaiveDateTime,
    random: &mut Random,
) -> Voucher {
    let order = if random.chance(500) { orders.get(random.below(orders.len())) } else { None };
    let unit = order.map_or_else(|| random.skewed(UNITS.len()), |order| order.unit);
    let vendor = order.map_or_else(|| random.skewed(masters.vendors.len()), |order| order.vendor);
    let entered = working_time(days_before(updated.date(), random.between(0, 30)), random).min(updated);
    let style = if random.chance(40) {
        "ADJ"
    } else if random.chance(10) {
        "TMPL"
    } else {
        "REG"
    };
    let posted = random.chance(850) && style != "TMPL";
    let sign = if style == "ADJ" { -1 } else { 1 };
    let lines = (0..random.between(1, 3)).map(|_| {
        let size = amount(random);
        Line {
            item: GOODS[random.below(GOODS.len())],
            amount: sign * if UNITS[unit].cents { size } else { size / 100 * 100 + 100 },
            account: masters.account(random),
            department: masters.department(random).into(),
        }
    });
    let lines = lines.collect();
    Voucher {
        unit,
        number: format!("{number:08}"),
        vendor,
        vendor_id: masters.vendors.get(vendor).cloned().unwrap_or_default(),
        style,
        invoice: invoice_id(random),
        invoiced: days_before(entered.date(), random.between(0, 25)),
        entered,
        updated,
        entry: if posted { "P" } else { ["O", "P", "R", "S", "T"][random.below(4)] },
        close: if random.chance(20) { "C" } else { "O" },
        posted: if posted { "P" } else { "U" },
        approved: if posted { "A" } else { ["P", "A", "D"][random.below(3)] },
        matched: if order.is_some() { ["M", "T", "E", "O"][random.below(4)] } else { "N" },
        paid: posted && random.chance(700),
        order: order.map(|order| (order.number.clone(), random.between(1, order.lines))),
        remark: remark(random),
        lines,
    }
}

/// Makes vouchers into rows of VOUCHER, VOUCHER_LINE and DISTRIB_LINE.
pub(in crate::peoplesoft) fn write(records: &mut Records, vouchers: &[Voucher]) -> Result<(), RecordError> {
    headers(records, vouchers)?;
    let mut rows = records.change("VOUCHER_LINE")?.fill(
        "BUSINESS_UNIT VOUCHER_ID VOUCHER_LINE_NUM DESCR MERCHANDISE_AMT QTY_VCHR UNIT_PRICE UNIT_OF_MEASURE \
         BUSINESS_UNIT_PO PO_ID LINE_NBR SCHED_NBR",
    )?;
    for voucher in vouchers {
        for (at, line) in voucher.lines.iter().enumerate() {
            let [unit, number] = voucher.key();
            let (order, order_line) = voucher.order.clone().unwrap_or_default();
            let order_unit: Cell = if order.is_empty() { "".into() } else { unit.clone() };
            rows.row([
                unit,
                number,
                (at as i64 + 1).into(),
                line.item.into(),
                cents(line.amount).into(),
                1.into(),
                cents(line.amount).into(),
                "EA".into(),
                order_unit,
                order.into(),
                order_line.into(),
                i64::from(order_line > 0).into(),
            ])?;
        }
    }
    let mut rows = records.change("DISTRIB_LINE")?.fill(
        "BUSINESS_UNIT VOUCHER_ID VOUCHER_LINE_NUM DISTRIB_LINE_NUM BUSINESS_UNIT_GL ACCOUNT DEPTID FUND_CODE \
         DESCR QTY_VCHR MERCHANDISE_AMT MONETARY_AMOUNT CURRENCY_CD FOREIGN_CURRENCY",
    )?;
    for voucher in vouchers {
        let currency = UNITS[voucher.unit].currency;
        for (at, line) in voucher.lines.iter().enumerate() {
            let [unit, number] = voucher.key();
            rows.row([
                unit.clone(),
                number,
                (at as i64 + 1).into(),
                1.into(),
                unit,
                line.account.into(),
                line.department.as_str().into(),
                "F100".into(),
                line.item.into(),
                1.into(),
                cents(line.amount).into(),
                cents(line.amount).into(),
                currency.into(),
                currency.into(),
            ])?;
        }
    }
    Ok(())
}

/// The rows of VOUCHER alone.
fn headers(records: &mut Records, vouchers: &[Voucher]) -> Result<(), RecordError> {
    let mut rows = records.change("VOUCHER")?.fill(
        "BUSINESS_UNIT VOUCHER_ID VOUCHER_STYLE INVOICE_ID INVOICE_DT VENDOR_SETID VENDOR_ID VNDR_LOC \
         ADDRESS_SEQ_NUM GRP_AP_ID ORIGIN OPRID OPRID_LAST_UPDT VCHR_SRC ENTRY_STATUS CLOSE_STATUS POST_STATUS_AP \
         APPR_STATUS MATCH_STATUS_VCHR GROSS_AMT TXN_CURRENCY_CD GROSS_AMT_BSE BASE_CURRENCY DSCNT_AMT \
         PYMNT_TERMS_CD DUE_DT ACCOUNTING_DT PO_ID DESCR254_MIXED ENTERED_DT ENTERED_DTTM LAST_UPDATE_DT \
         LAST_UPDATE_DTTM",
    )?;
    for voucher in vouchers {
        let [unit, number] = voucher.key();
        let gross = cents(voucher.gross());
        let discount = if voucher.vendor % 9 == 2 { voucher.gross() / 50 } else { 0 };
        let currency = UNITS[voucher.unit].currency;
        rows.row([
            unit,
            number,
            voucher.style.into(),
            voucher.invoice.as_str().into(),
            voucher.invoiced.into(),
            "SHARE".into(),
            voucher.vendor_id.as_str().into(),
            "MAIN".into(),
            1.into(),
            "".into(),
            ["ONL", "EDI", "XML"][voucher.vendor % 3].into(),
            "VP1".into(),
            ["VP1", "AP7", "BATCH"][voucher.lines.len() % 3].into(),
            ["ONL", "EDI", "XML"][voucher.vendor % 3].into(),
            voucher.entry.into(),
            voucher.close.into(),
            voucher.posted.into(),
            voucher.approved.into(),
            voucher.matched.into(),
            gross.into(),
            currency.into(),
            gross.into(),
            currency.into(),
            cents(discount).into(),
            ["00", "30", "45", "N60"][voucher.vendor % 4].into(),
            voucher.due().into(),
            voucher.entered.date().into(),
            voucher.order.as_ref().map_or("", |(order, _)| order.as_str()).into(),
            voucher.remark.into(),
            voucher.entered.date().into(),
            voucher.entered.into(),
            voucher.updated.date().into(),
            voucher.updated.into(),
        ])?;
    }
    Ok(())
}

/// A payment pays one voucher in full; some are void, stopped or reconciled later. `made` counts them.
fn payments(
    records: &mut Records,
    options: &SeedOptions,
    vouchers: &[Voucher],
    made: &mut usize,
    random: &mut Random,
) -> Result<(), RecordError> {
    let mut paid = Vec::new();
    let mut rows = records.change("PYMNT_VCHR_XREF")?.fill(
        "BUSINESS_UNIT VOUCHER_ID PYMNT_CNT PYMNT_SELCT_STATUS PYMNT_METHOD SCHEDULED_PAY_DT DUE_DT \
         PYMNT_GROSS_AMT PAID_AMT CURRENCY_PYMNT TXN_CURRENCY_CD BANK_SETID BANK_CD BANK_ACCT_KEY PYMNT_ID \
         REMIT_SETID REMIT_VENDOR",
    )?;
    for voucher in vouchers.iter().filter(|voucher| voucher.style != "TMPL") {
        let [unit, number] = voucher.key();
        let currency = UNITS[voucher.unit].currency;
        let payment = if voucher.paid { format!("{:010}", 300_000 + *made + paid.len()) } else { String::new() };
        let bank = |text: &'static str| Cell::from(if voucher.paid { text } else { "" });
        rows.row([
            unit,
            number,
            1.into(),
            if voucher.paid { "P" } else { ["N", "N", "N", "R", "X"][voucher.vendor % 5] }.into(),
            ["ACH", "CHK", "EFT", "WIR"][voucher.vendor % 4].into(),
            voucher.due().into(),
            voucher.due().into(),
            cents(voucher.gross()).into(),
            if voucher.paid { cents(voucher.gross()) } else { Decimal::new(0, 0) }.into(),
            currency.into(),
            currency.into(),
            bank("SHARE"),
            bank("USBNK"),
            bank("CHCK"),
            payment.as_str().into(),
            "SHARE".into(),
            voucher.vendor_id.as_str().into(),
        ])?;
        if voucher.paid {
            paid.push((payment, voucher));
        }
    }
    *made += paid.len();
    let names: Vec<String> = {
        let vendors = records.get("VENDOR")?;
        let name = |id: &str| vendors.get(&["SHARE", id]).ok().flatten().map(|row| row.text("NAME1"));
        paid.iter().map(|(_, voucher)| name(&voucher.vendor_id).unwrap_or_default()).collect()
    };
    let mut rows = records.change("PAYMENT_TBL")?.fill(
        "BANK_SETID BANK_CD BANK_ACCT_KEY PYMNT_ID PYMNT_ID_REF PYMNT_STATUS PYMNT_METHOD PYMNT_DT PYMNT_AMT \
         CURRENCY_PYMNT CREATION_DT ACCOUNTING_DT CANCEL_DT PYMNT_RECONCILE_DT RECON_STATUS REMIT_SETID \
         REMIT_VENDOR VNDR_LOC NAME1 POST_STATUS_AP PAY_CYCLE PAY_CYCLE_SEQ_NUM",
    )?;
    for ((id, voucher), name) in paid.into_iter().zip(names) {
        let day = voucher.updated.date();
        let since = (options.today - day).num_days();
        let void = random.chance(25);
        let cleared = !void && since > 3 && random.chance(800);
        rows.row([
            "SHARE".into(),
            "USBNK".into(),
            "CHCK".into(),
            id.as_str().into(),
            id.trim_start_matches('0').into(),
            if void { ["V", "S", "R"][random.below(3)] } else { "P" }.into(),
            ["ACH", "CHK", "EFT", "WIR"][voucher.vendor % 4].into(),
            day.into(),
            cents(voucher.gross()).into(),
            UNITS[voucher.unit].currency.into(),
            day.into(),
            day.into(),
            void.then(|| days_before(options.today, random.between(0, since))).into(),
            cleared.then(|| days_before(options.today, random.between(0, since - 2))).into(),
            if cleared { "REC" } else { "UNR" }.into(),
            "SHARE".into(),
            voucher.vendor_id.as_str().into(),
            "MAIN".into(),
            name.into(),
            "P".into(),
            "WEEKLY".into(),
            (since / 7 + 1).into(),
        ])?;
    }
    Ok(())
}
