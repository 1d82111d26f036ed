//! People, their jobs and their pay checks. All of it is invented.

use super::words::{city, person};
use super::{Masters, SeedOptions, cents, days_before, working_time};
use crate::peoplesoft::record::Records;
use crate::peoplesoft::schema::RecordError;
use crate::random::Random;

pub(super) fn fill(
    records: &mut Records,
    options: &SeedOptions,
    masters: &Masters,
    random: &mut Random,
) -> Result<(), RecordError> {
    // Everybody has been paid a dozen times.
    let people = options.pay_checks.div_ceil(12);
    let staff: Vec<_> = (0..people)
        .map(|at| {
            let (family, given) = person(random);
            (format!("KU{:04}", at + 1), family, given, masters.department(random).to_owned())
        })
        .collect();
    let mut rows =
        records.change("PERSONAL_DATA")?.fill("EMPLID NAME LAST_NAME FIRST_NAME COUNTRY CITY LASTUPDDTTM")?;
    for (id, family, given, _) in &staff {
        let (country, _, city) = city(random);
        rows.row([
            id.as_str().into(),
            format!("{family},{given}").into(),
            (*family).into(),
            (*given).into(),
            country.into(),
            city.into(),
            working_time(days_before(options.today, random.between(1, 900)), random).into(),
        ])?;
    }
    let mut rows = records.change("JOB")?.fill(
        "EMPLID EMPL_RCD EFFDT EFFSEQ DEPTID JOBCODE SETID_DEPT COMPANY PAYGROUP EMPL_STATUS ACTION LASTUPDDTTM",
    )?;
    for (at, (id, _, _, department)) in staff.iter().enumerate() {
        let hired = days_before(options.today, random.between(900, 5000));
        // Two changes on one day, the second of which counts.
        let changes = if at % 6 == 2 { vec![("HIR", 0), ("DTA", 1)] } else { vec![("HIR", 0)] };
        for (action, sequence) in changes {
            rows.row([
                id.as_str().into(),
                0.into(),
                hired.into(),
                i64::from(sequence).into(),
                department.as_str().into(),
                format!("{:06}", 180_000 + at % 40).into(),
                "SHARE".into(),
                "GBI".into(),
                "KM1".into(),
                if at % 15 == 9 { "L" } else { "A" }.into(),
                action.into(),
                working_time(hired, random).into(),
            ])?;
        }
    }
    let mut rows = records.change("PAY_CHECK")?.fill(
        "COMPANY PAYGROUP PAY_END_DT OFF_CYCLE PAGE_NUM LINE_NUM SEPCHK FORM_ID PAYCHECK_NBR EMPLID EMPL_RCD NAME \
         DEPTID PAYCHECK_STATUS PAYCHECK_OPTION CHECK_DT TOTAL_GROSS TOTAL_TAXES TOTAL_DEDUCTIONS NET_PAY \
         CURRENCY_CD UPDATE_DT",
    )?;
    for at in 0..options.pay_checks {
        let Some((id, family, given, department)) = staff.get(at % people.max(1)) else { break };
        let period = (at / people.max(1)) as i64;
        let ended = days_before(options.today, 10 + period * 14);
        let place = (at % people.max(1)) as i64;
        let gross = random.between(180_000, 900_000);
        let (taxes, deductions) = (gross * random.between(12, 31) / 100, random.between(2_000, 40_000));
        rows.row([
            "GBI".into(),
            "KM1".into(),
            ended.into(),
            "N".into(),
            (place / 6 + 1).into(),
            (place % 6 + 1).into(),
            0.into(),
            "CHECK".into(),
            (70_000 + at as i64).into(),
            id.as_str().into(),
            0.into(),
            format!("{family},{given}").into(),
            department.as_str().into(),
            if random.chance(20) { "R" } else { "F" }.into(),
            "A".into(),
            days_before(ended, -5).into(),
            cents(gross).into(),
            cents(taxes).into(),
            cents(deductions).into(),
            cents(gross - taxes - deductions).into(),
            "USD".into(),
            days_before(ended, -3).into(),
        ])?;
    }
    Ok(())
}
