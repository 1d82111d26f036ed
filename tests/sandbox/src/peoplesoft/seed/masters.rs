//! What transactions refer to: set control, suppliers, customers, accounts, departments.

use chrono::NaiveDate;

use super::words::{ACCOUNTS, DEPARTMENTS, city, company};
use super::{SeedOptions, age, days_before, working_time};
use crate::peoplesoft::cell::Cell;
use crate::peoplesoft::record::Records;
use crate::peoplesoft::schema::RecordError;
use crate::random::Random;

/// A business unit.
#[derive(Clone, Copy, Debug)]
pub(in crate::peoplesoft) struct Unit {
    pub(in crate::peoplesoft) id: &'static str,
    pub(in crate::peoplesoft) currency: &'static str,
    /// Whether the currency has cents.
    pub(in crate::peoplesoft) cents: bool,
    /// The set of its accounts and departments.
    pub(in crate::peoplesoft) set: &'static str,
}

/// The first does most of the business.
pub(in crate::peoplesoft) const UNITS: &[Unit] = &[
    Unit { id: "US001", currency: "USD", cents: true, set: "SHARE" },
    Unit { id: "US002", currency: "USD", cents: true, set: "SHARE" },
    Unit { id: "CAN01", currency: "CAD", cents: true, set: "SHARE" },
    Unit { id: "GBR01", currency: "GBP", cents: true, set: "EURO1" },
    Unit { id: "DEU01", currency: "EUR", cents: true, set: "EURO1" },
    Unit { id: "JPN01", currency: "JPY", cents: false, set: "SHARE" },
];

/// Suppliers and customers are shared by all units.
pub(super) const SHARE: &str = "SHARE";

/// What transactions refer to.
#[derive(Clone, Debug)]
pub(in crate::peoplesoft) struct Masters {
    /// VENDOR_ID of each supplier.
    pub(in crate::peoplesoft) vendors: Vec<String>,
    /// DEPTID of each department.
    pub(in crate::peoplesoft) departments: Vec<String>,
}

impl Masters {
    /// An account, mostly an expense.
    pub(super) fn account(&self, random: &mut Random) -> &'static str {
        let expenses = ACCOUNTS.len() - 11;
        ACCOUNTS.get(9 + random.below(expenses)).map_or("640000", |(account, ..)| account)
    }

    pub(super) fn department(&self, random: &mut Random) -> &str {
        random.pick(&self.departments).map_or("", String::as_str)
    }
}

pub(super) fn fill(records: &mut Records, options: &SeedOptions, random: &Random) -> Result<Masters, RecordError> {
    sets(records)?;
    let vendors = vendors(records, options, &mut random.fork("vendors"))?;
    customers(records, options, &mut random.fork("customers"))?;
    accounts(records, options.today, &mut random.fork("accounts"))?;
    let departments = departments(records, options.today, &mut random.fork("departments"))?;
    Ok(Masters { vendors, departments })
}

fn sets(records: &mut Records) -> Result<(), RecordError> {
    let mut rows = records.change("SET_CNTRL_REC")?.fill("SETCNTRLVALUE RECNAME SETID")?;
    for unit in UNITS {
        for record in ["VENDOR", "CUSTOMER", "GL_ACCOUNT_TBL", "DEPT_TBL"] {
            let set = if matches!(record, "VENDOR" | "CUSTOMER") { SHARE } else { unit.set };
            rows.row([unit.id.into(), record.into(), set.into()])?;
        }
    }
    Ok(())
}

fn vendors(records: &mut Records, options: &SeedOptions, random: &mut Random) -> Result<Vec<String>, RecordError> {
    let today = options.today;
    let mut ids = Vec::new();
    let mut rows = Vec::new();
    for index in 0..options.vendors {
        // Gaps, as where suppliers were deleted.
        let id = format!("{:010}", 40 + index * 3 + random.below(3));
        let name = company(random, index);
        let status = ["A", "A", "A", "A", "A", "A", "A", "E", "I", "X"][random.below(10)];
        let added = days_before(today, random.between(200, 4000));
        rows.push((id.clone(), name, status, added, age(random)));
        ids.push(id);
    }
    let mut vendor = records.change("VENDOR")?.fill(
        "SETID VENDOR_ID VENDOR_NAME_SHORT NAME1 NAME2 VENDOR_STATUS VENDOR_CLASS VENDOR_PERSISTENCE DEFAULT_LOC \
         PRIM_ADDR_SEQ_NUM REMIT_SETID REMIT_VENDOR WTHD_SW CREATED_DTTM LAST_ACTIVITY_DT ENTERED_BY OPRID",
    )?;
    for (at, (id, name, status, added, touched)) in rows.iter().enumerate() {
        let short: String = name.chars().filter(|letter| letter.is_alphanumeric()).take(10).collect();
        let number: i64 = 1;
        vendor.row([
            SHARE.into(),
            id.as_str().into(),
            format!("{}-001", short.to_uppercase()).into(),
            name.chars().take(40).collect::<String>().into(),
            if at % 9 == 4 { "Attn: Accounts Receivable" } else { "" }.into(),
            (*status).into(),
            ["R", "R", "R", "A", "E", "H"][at % 6].into(),
            ["R", "R", "R", "O", "S", "P"][at % 6].into(),
            "MAIN".into(),
            number.into(),
            SHARE.into(),
            id.as_str().into(),
            if at % 7 == 0 { "Y" } else { "N" }.into(),
            working_time(*added, random).into(),
            // Some have never been active.
            (at % 12 != 5).then(|| days_before(today, *touched)).into(),
            "VP1".into(),
            "VP1".into(),
        ])?;
    }
    let mut address = records
        .change("VENDOR_ADDR")?
        .fill("SETID VENDOR_ID ADDRESS_SEQ_NUM EFFDT EFF_STATUS NAME1 COUNTRY ADDRESS1 CITY STATE POSTAL EMAILID")?;
    for (at, (id, name, _, added, _)) in rows.iter().enumerate() {
        for number in 1..=if at % 5 == 0 { 2 } else { 1_i64 } {
            for effective in effective_days(*added, today, at, random) {
                let (country, state, city) = city(random);
                address.row([
                    SHARE.into(),
                    id.as_str().into(),
                    number.into(),
                    effective.into(),
                    if at % 40 == 7 { "I" } else { "A" }.into(),
                    if number > 1 { name.chars().take(40).collect::<String>().into() } else { "".into() },
                    country.into(),
                    format!("{} Main Street", random.between(1, 9999)).into(),
                    city.into(),
                    state.into(),
                    format!("{:05}", random.below(100_000)).into(),
                    if at % 3 == 0 {
                        format!("ar{}@example.com", id.trim_start_matches('0')).into()
                    } else {
                        "".into()
                    },
                ])?;
            }
        }
    }
    let mut location = records
        .change("VENDOR_LOC")?
        .fill("SETID VENDOR_ID VNDR_LOC EFFDT EFF_STATUS CURRENCY_CD PYMNT_TERMS_CD REMIT_ADDR_SEQ_NUM PYMNT_METHOD")?;
    for (at, (id, _, _, added, _)) in rows.iter().enumerate() {
        location.row([
            SHARE.into(),
            id.as_str().into(),
            "MAIN".into(),
            (*added).into(),
            "A".into(),
            UNITS[at % UNITS.len()].currency.into(),
            ["00", "30", "45", "N60"][at % 4].into(),
            1.into(),
            ["ACH", "CHK", "EFT", "WIR"][at % 4].into(),
        ])?;
    }
    Ok(ids)
}

/// When rows took effect: always the first day, for some a later one, for a few one to come.
fn effective_days(first: NaiveDate, today: NaiveDate, at: usize, random: &mut Random) -> Vec<NaiveDate> {
    let mut days = vec![first];
    let since = (today - first).num_days();
    if at % 4 == 1 && since > 3 {
        days.push(days_before(today, random.between(1, since - 1)));
    }
    if at % 10 == 3 {
        days.push(days_before(today, -random.between(5, 90)));
    }
    days
}

fn customers(records: &mut Records, options: &SeedOptions, random: &mut Random) -> Result<(), RecordError> {
    let mut rows = records.change("CUSTOMER")?.fill(
        "SETID CUST_ID CUST_STATUS CUST_STATUS_DT NAME1 NAMESHORT ADD_DT SINCE_DT DATE_LAST_MAINT CURRENCY_CD \
         COUNTRY ADDRESS1 CITY STATE POSTAL CR_LIMIT LAST_MAINT_OPRID",
    )?;
    for index in 0..options.customers {
        let name = company(random, index + 3);
        let added = days_before(options.today, random.between(800, 4000));
        let (country, state, city) = city(random);
        rows.row([
            SHARE.into(),
            format!("{:06}", 1000 + index).into(),
            if index % 11 == 6 { "I" } else { "A" }.into(),
            added.into(),
            name.chars().take(40).collect::<String>().into(),
            name.chars().filter(|letter| letter.is_alphanumeric()).take(10).collect::<String>().to_uppercase().into(),
            added.into(),
            added.into(),
            days_before(options.today, age(random)).into(),
            UNITS[index % UNITS.len()].currency.into(),
            country.into(),
            format!("{} High Street", random.between(1, 400)).into(),
            city.into(),
            state.into(),
            format!("{:05}", random.below(100_000)).into(),
            super::cents(random.between(0, 50) * 100_000).into(),
            "AR1".into(),
        ])?;
    }
    Ok(())
}

fn accounts(records: &mut Records, today: NaiveDate, random: &mut Random) -> Result<(), RecordError> {
    let mut rows = records
        .change("GL_ACCOUNT_TBL")?
        .fill("SETID ACCOUNT EFFDT EFF_STATUS DESCR DESCRSHORT ACCOUNT_TYPE BUDGETARY_ONLY LASTUPDDTTM LASTUPDOPRID")?;
    let first = NaiveDate::from_ymd_opt(1901, 1, 1).unwrap_or(today);
    for set in ["SHARE", "EURO1"] {
        for (at, (account, name, kind)) in ACCOUNTS.iter().enumerate() {
            for (turn, effective) in effective_days(first, today, at, random).into_iter().enumerate() {
                let name = if turn == 0 { (*name).to_owned() } else { format!("{name} ({turn})") };
                rows.row([
                    set.into(),
                    (*account).into(),
                    effective.into(),
                    if at % 13 == 5 && turn > 0 { "I" } else { "A" }.into(),
                    name.chars().take(30).collect::<String>().into(),
                    name.chars().take(10).collect::<String>().trim_end().into(),
                    (*kind).into(),
                    "N".into(),
                    working_time(days_before(today, age(random)), random).into(),
                    "GL1".into(),
                ])?;
            }
        }
    }
    Ok(())
}

fn departments(records: &mut Records, today: NaiveDate, random: &mut Random) -> Result<Vec<String>, RecordError> {
    let mut rows = records.change("DEPT_TBL")?.fill(
        "SETID DEPTID EFFDT EFF_STATUS DESCR DESCRSHORT COMPANY MANAGER_ID MANAGER_NAME LASTUPDDTTM LASTUPDOPRID",
    )?;
    let first = NaiveDate::from_ymd_opt(1995, 1, 1).unwrap_or(today);
    let mut ids = Vec::new();
    for (at, name) in DEPARTMENTS.iter().enumerate() {
        let id = format!("{}", 10_000 + at * 1000);
        for set in ["SHARE", "EURO1"] {
            for (turn, effective) in effective_days(first, today, at, random).into_iter().enumerate() {
                rows.row([
                    set.into(),
                    id.as_str().into(),
                    effective.into(),
                    "A".into(),
                    if turn == 0 { (*name).into() } else { Cell::from(format!("{name} {}", turn + 1)) },
                    name.chars().take(10).collect::<String>().trim_end().into(),
                    "GBI".into(),
                    format!("KU{:04}", random.below(200)).into(),
                    "".into(),
                    working_time(days_before(today, age(random)), random).into(),
                    "HR1".into(),
                ])?;
            }
        }
        ids.push(id);
    }
    Ok(ids)
}
