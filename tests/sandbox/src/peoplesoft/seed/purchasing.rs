//! Requisitions and purchase orders with their lines, schedules and distributions.

use super::words::{GOODS, remark};
use super::{Masters, Order, SeedOptions, UNITS, age, amount, cents, days_before, working_time};
use crate::peoplesoft::cell::{Cell, Decimal};
use crate::peoplesoft::record::Records;
use crate::peoplesoft::schema::RecordError;
use crate::random::Random;

/// A line with its one schedule and one distribution.
struct Line {
    unit: usize,
    document: String,
    number: i64,
    item: &'static str,
    quantity: i64,
    /// In cents.
    price: i64,
    vendor: String,
    account: &'static str,
    department: String,
    due: chrono::NaiveDate,
    cancelled: bool,
}

impl Line {
    fn total(&self) -> Decimal {
        cents(self.quantity * self.price)
    }

    fn key(&self) -> [Cell; 3] {
        [UNITS[self.unit].id.into(), self.document.as_str().into(), self.number.into()]
    }
}

/// What the lines of one document share.
struct Document<'a> {
    unit: usize,
    number: &'a str,
    vendor: &'a str,
    /// Days since it was last touched.
    touched: i64,
}

fn line(of: &Document<'_>, number: i64, options: &SeedOptions, masters: &Masters, random: &mut Random) -> Line {
    let unit = of.unit;
    let price = if UNITS[unit].cents { amount(random) } else { amount(random) / 100 * 100 + 100 };
    Line {
        unit,
        document: of.number.into(),
        number,
        item: GOODS[random.below(GOODS.len())],
        quantity: random.between(1, 40),
        price,
        vendor: of.vendor.into(),
        account: masters.account(random),
        department: masters.department(random).into(),
        due: days_before(options.today, of.touched - random.between(5, 40)),
        cancelled: random.chance(30),
    }
}

pub(super) fn requisitions(
    records: &mut Records,
    options: &SeedOptions,
    masters: &Masters,
    random: &mut Random,
) -> Result<(), RecordError> {
    let mut lines = Vec::new();
    let mut header = records.change("REQ_HDR")?.fill(
        "BUSINESS_UNIT REQ_ID REQ_STATUS REQ_DT REQUESTOR_ID ORIGIN CURRENCY_CD ACCOUNTING_DT ENTERED_DT \
         OPRID_ENTERED_BY OPRID_MODIFIED_BY ACTIVITY_DATE LAST_DTTM_UPDATE",
    )?;
    for index in 0..options.requisitions {
        let unit = random.skewed(UNITS.len());
        let number = format!("{:010}", 5000 + index);
        let touched = age(random);
        let day = days_before(options.today, touched);
        let entered = days_before(day, random.between(0, 20));
        header.row([
            UNITS[unit].id.into(),
            number.as_str().into(),
            ["A", "A", "A", "C", "C", "O", "P", "D", "X"][random.below(9)].into(),
            entered.into(),
            ["KU0007", "KU0012", "KU0031"][random.below(3)].into(),
            "ONL".into(),
            UNITS[unit].currency.into(),
            entered.into(),
            entered.into(),
            "PO1".into(),
            "PO1".into(),
            day.into(),
            working_time(day, random).into(),
        ])?;
        let vendor = masters.vendors.get(random.skewed(masters.vendors.len())).cloned().unwrap_or_default();
        let document = Document { unit, number: &number, vendor: &vendor, touched };
        for at in 1..=random.between(1, 2) {
            lines.push(line(&document, at, options, masters, random));
        }
    }
    let mut rows = records.change("REQ_LINE")?.fill(
        "BUSINESS_UNIT REQ_ID LINE_NBR CURR_STATUS DESCR254_MIXED CATEGORY_ID UNIT_OF_MEASURE VENDOR_SETID \
         VENDOR_ID QTY_REQ PRICE_REQ MERCHANDISE_AMT CURRENCY_CD",
    )?;
    for line in &lines {
        let [unit, document, number] = line.key();
        let currency = UNITS[line.unit].currency;
        rows.row([
            unit,
            document,
            number,
            if line.cancelled { "X" } else { "A" }.into(),
            line.item.into(),
            "SUPPLIES".into(),
            "EA".into(),
            "SHARE".into(),
            line.vendor.as_str().into(),
            line.quantity.into(),
            cents(line.price).into(),
            line.total().into(),
            currency.into(),
        ])?;
    }
    let mut rows = records.change("REQ_LINE_SHIP")?.fill(
        "BUSINESS_UNIT REQ_ID LINE_NBR SCHED_NBR QTY_REQ PRICE_REQ MERCHANDISE_AMT CURRENCY_CD DUE_DT SHIPTO_ID",
    )?;
    for line in &lines {
        let [unit, document, number] = line.key();
        let currency = UNITS[line.unit].currency;
        rows.row([
            unit,
            document,
            number,
            1.into(),
            line.quantity.into(),
            cents(line.price).into(),
            line.total().into(),
            currency.into(),
            line.due.into(),
            "US001".into(),
        ])?;
    }
    let mut rows = records.change("REQ_LN_DISTRIB")?.fill(
        "BUSINESS_UNIT REQ_ID LINE_NBR SCHED_NBR DISTRIB_LINE_NUM BUSINESS_UNIT_GL ACCOUNT DEPTID QTY_REQ \
         MERCHANDISE_AMT CURRENCY_CD",
    )?;
    for line in &lines {
        let [unit, document, number] = line.key();
        let currency = UNITS[line.unit].currency;
        rows.row([
            unit.clone(),
            document,
            number,
            1.into(),
            1.into(),
            unit,
            line.account.into(),
            line.department.as_str().into(),
            line.quantity.into(),
            line.total().into(),
            currency.into(),
        ])?;
    }
    Ok(())
}

pub(super) fn orders(
    records: &mut Records,
    options: &SeedOptions,
    masters: &Masters,
    random: &mut Random,
) -> Result<Vec<Order>, RecordError> {
    let mut orders = Vec::new();
    let mut lines = Vec::new();
    let mut header = records.change("PO_HDR")?.fill(
        "BUSINESS_UNIT PO_ID PO_STATUS PO_TYPE PO_DT PO_REF VENDOR_SETID VENDOR_ID VNDR_LOC BUYER_ID ORIGIN \
         ACCOUNTING_DT CURRENCY_CD CURRENCY_CD_BASE RECV_STATUS PYMNT_TERMS_CD DISP_METHOD ACTIVITY_DATE ENTERED_DT \
         OPRID_ENTERED_BY OPRID_MODIFIED_BY LAST_DTTM_UPDATE",
    )?;
    for index in 0..options.purchase_orders {
        let unit = random.skewed(UNITS.len());
        let number = format!("{:010}", 100_000 + index);
        let vendor = random.skewed(masters.vendors.len());
        let id = masters.vendors.get(vendor).cloned().unwrap_or_default();
        let touched = age(random);
        let day = days_before(options.today, touched);
        let entered = days_before(day, random.between(0, 30));
        let count = random.between(1, 4);
        header.row([
            UNITS[unit].id.into(),
            number.as_str().into(),
            ["D", "D", "D", "D", "C", "C", "A", "O", "PA", "I", "X", "PX"][random.below(12)].into(),
            "GEN".into(),
            entered.into(),
            remark(random).replace('\n', " ").into(),
            "SHARE".into(),
            id.as_str().into(),
            "MAIN".into(),
            "VP1".into(),
            "ONL".into(),
            entered.into(),
            UNITS[unit].currency.into(),
            UNITS[unit].currency.into(),
            ["N", "P", "R"][index % 3].into(),
            ["00", "30", "45", "N60"][vendor % 4].into(),
            "PRN".into(),
            day.into(),
            entered.into(),
            "PO1".into(),
            "PO2".into(),
            working_time(day, random).into(),
        ])?;
        let document = Document { unit, number: &number, vendor: &id, touched };
        for at in 1..=count {
            lines.push(line(&document, at, options, masters, random));
        }
        orders.push(Order { unit, number, vendor, lines: count });
    }
    order_lines(records, &lines)?;
    Ok(orders)
}

fn order_lines(records: &mut Records, lines: &[Line]) -> Result<(), RecordError> {
    let status = |line: &Line| Cell::from(if line.cancelled { "X" } else { "A" });
    let mut rows = records.change("PO_LINE")?.fill(
        "BUSINESS_UNIT PO_ID LINE_NBR CANCEL_STATUS ITM_SETID DESCR254_MIXED CATEGORY_ID UNIT_OF_MEASURE AMT_ONLY_FLG \
         RECV_REQ",
    )?;
    for line in lines {
        let [unit, document, number] = line.key();
        rows.row([
            unit,
            document,
            number,
            status(line),
            "SHARE".into(),
            line.item.into(),
            "SUPPLIES".into(),
            "EA".into(),
            if line.quantity == 1 { "Y" } else { "N" }.into(),
            if line.cancelled { "X" } else { "Y" }.into(),
        ])?;
    }
    let mut rows = records.change("PO_LINE_SHIP")?.fill(
        "BUSINESS_UNIT PO_ID LINE_NBR SCHED_NBR CANCEL_STATUS QTY_PO PRICE_PO MERCHANDISE_AMT CURRENCY_CD MERCH_AMT_BSE \
         CURRENCY_CD_BASE DUE_DT SHIPTO_ID",
    )?;
    for line in lines {
        let [unit, document, number] = line.key();
        let currency = UNITS[line.unit].currency;
        rows.row([
            unit,
            document,
            number,
            1.into(),
            status(line),
            line.quantity.into(),
            cents(line.price).into(),
            line.total().into(),
            currency.into(),
            line.total().into(),
            currency.into(),
            line.due.into(),
            "US001".into(),
        ])?;
    }
    let mut rows = records.change("PO_LINE_DISTRIB")?.fill(
        "BUSINESS_UNIT PO_ID LINE_NBR SCHED_NBR DST_ACCT_TYPE DISTRIB_LINE_NUM BUSINESS_UNIT_GL ACCOUNT DEPTID FUND_CODE \
         PROJECT_ID QTY_PO MERCHANDISE_AMT CURRENCY_CD",
    )?;
    for line in lines {
        let [unit, document, number] = line.key();
        let currency = UNITS[line.unit].currency;
        let project = if line.quantity % 5 == 0 { "PRJ0001" } else { "" };
        rows.row([
            unit.clone(),
            document,
            number,
            1.into(),
            "DST".into(),
            1.into(),
            unit,
            line.account.into(),
            line.department.as_str().into(),
            "F100".into(),
            project.into(),
            line.quantity.into(),
            line.total().into(),
            currency.into(),
        ])?;
    }
    Ok(())
}
