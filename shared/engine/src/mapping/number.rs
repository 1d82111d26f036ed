//! Numbers as sources write them, read exactly.

use crate::model::decimal::{Decimal, MAX_DIGITS};

/// A plain number of at most this many digits is read without the exact but slower arithmetic.
const FAST_DIGITS: usize = 18;

/// Powers of ten by which a number of [`FAST_DIGITS`] is multiplied without overflowing.
const FAST_POWERS: [i128; 20] = {
    let mut powers = [1; 20];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Reads a whole number; `implied` digits at its end stand behind the point and have to be zero.
pub(super) fn integer(text: &str, implied: u8) -> Result<i64, String> {
    if implied == 0
        && let Some((units, 0)) = fast(text)
    {
        return Ok(units);
    }
    let decimal = read(text, implied)?;
    let whole = decimal
        .with_scale(0)
        .ok_or("is not a whole number: declare the column as decimal(p,s), with the digits the source has")?;
    i64::try_from(whole.units())
        .map_err(|_| "is greater than an integer holds: declare the column as decimal(38,0)".to_owned())
}

/// Reads a decimal and gives it the declared scale; nothing is rounded. `limit` is 10 to the power of `precision`.
pub(super) fn decimal(text: &str, precision: u8, scale: u8, implied: u8, limit: u128) -> Result<Decimal, String> {
    let read = match fast(text) {
        Some((units, digits)) => {
            let behind = digits + implied;
            if behind <= scale && usize::from(scale - behind) < FAST_POWERS.len() {
                let units = i128::from(units) * FAST_POWERS[usize::from(scale - behind)];
                if units.unsigned_abs() < limit {
                    return Ok(Decimal::new(units, scale));
                }
            }
            Decimal::new(i128::from(units), behind)
        }
        None => read(text, implied)?,
    };
    match read.with_scale(scale) {
        Some(decimal) if decimal.units().unsigned_abs() < limit => Ok(decimal),
        _ => Err(too_narrow(read, precision, scale)),
    }
}

fn read(text: &str, implied: u8) -> Result<Decimal, String> {
    match Decimal::parse(text) {
        Ok(decimal) => Ok(decimal.shifted(implied)),
        Err(error) if error.to_string().contains("more than") => Err(format!(
            "has more than {MAX_DIGITS} digits, more than any number column holds: declare the column as text"
        )),
        Err(_) => {
            Err("is not a number: correct it at the source, list it in `nulls` if it means no value, or declare \
                       the column as text"
                .to_owned())
        }
    }
}

fn too_narrow(value: Decimal, precision: u8, scale: u8) -> String {
    let exact = value.normalized();
    let needed_scale = exact.scale().max(scale);
    let whole_digits = exact.digits().saturating_sub(u32::from(exact.scale()));
    let needed = u32::from(needed_scale) + whole_digits.max(u32::from(precision - scale));
    let advice = if needed <= MAX_DIGITS {
        format!("widen the column to decimal({needed},{needed_scale}) in the tenant file")
    } else {
        "declare the column as text in the tenant file".to_owned()
    };
    if exact.scale() > scale {
        return format!("has {} digits behind the point, the column holds {scale}: {advice}", exact.scale());
    }
    let room = precision - scale;
    format!("has {whole_digits} digits before the point, the column holds {room}: {advice}")
}

/// Reads `-1250.75`: the whole units and how many of their digits stand behind the point. `None` says that it takes the
/// slower way to tell.
fn fast(text: &str) -> Option<(i64, u8)> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > FAST_DIGITS {
        return None;
    }
    let mut units: i64 = 0;
    let mut point = None;
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => units = units * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let behind = match point {
        Some(_) if digits.len() == 1 => return None,
        Some(at) => digits.len() - at - 1,
        None => 0,
    };
    Some((if negative { -units } else { units }, behind as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal_15_2(text: &str) -> Result<String, String> {
        decimal(text, 15, 2, 0, 10_u128.pow(15)).map(|d| d.to_string())
    }

    #[test]
    fn decimals_take_the_declared_scale_when_nothing_is_lost() {
        for (text, read) in
            [("1250.75", "1250.75"), ("1250.7", "1250.70"), ("12", "12.00"), ("-0.500", "-0.50"), ("1.5E3", "1500.00")]
        {
            assert_eq!(decimal_15_2(text).as_deref(), Ok(read), "{text}");
        }
    }

    #[test]
    fn a_decimal_that_does_not_fit_names_the_type_that_would() {
        for (text, reason) in [
            (
                "1.005",
                "has 3 digits behind the point, the column holds 2: widen the column to decimal(16,3) in the tenant file",
            ),
            (
                "12345678901234.5",
                "has 14 digits before the point, the column holds 13: widen the column to decimal(16,2) in the tenant file",
            ),
            (
                "0.00000000000000000000000000000000000001",
                "has 38 digits behind the point, the column holds 2: declare the column as text in the tenant file",
            ),
        ] {
            assert_eq!(decimal_15_2(text).unwrap_err(), reason, "{text}");
        }
    }

    #[test]
    fn implied_decimals_move_the_point() {
        assert_eq!(decimal("125075", 15, 2, 2, 10_u128.pow(15)).unwrap().to_string(), "1250.75");
        assert_eq!(integer("3000", 3), Ok(3));
        assert!(integer("3500", 3).is_err());
    }

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        for (text, read) in [("70412", 70412), ("70412.0", 70412), ("1.000", 1), ("-5", -5), ("1E2", 100)] {
            assert_eq!(integer(text, 0), Ok(read), "{text}");
        }
        assert_eq!(integer("9223372036854775807", 0), Ok(i64::MAX));
    }

    #[test]
    fn what_is_no_whole_number_is_refused() {
        for (text, reason) in [
            ("1.5", "is not a whole number"),
            ("9223372036854775808", "is greater than an integer holds"),
            ("12a", "is not a number"),
            (".", "is not a number"),
            ("-", "is not a number"),
        ] {
            let refusal = integer(text, 0).unwrap_err();
            assert!(refusal.starts_with(reason), "{text}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_and_the_exact_way_agree(text in "-?[0-9]{0,10}\\.?[0-9]{0,9}") {
            if let Some((units, scale)) = fast(&text) {
                prop_assert_eq!(Decimal::parse(&text).ok(), Some(Decimal::new(i128::from(units), scale)));
            }
        }

        #[test]
        fn the_fast_way_to_a_scale_and_the_exact_way_agree(
            text in "-?[0-9]{1,18}|-?[0-9]{1,10}\\.[0-9]{1,7}",
            scale in 0_u8..=38,
            implied in 0_u8..=6,
        ) {
            let exact = Decimal::parse(&text).unwrap().shifted(implied).with_scale(scale);
            let exact = exact.filter(|decimal| decimal.digits() <= 38);
            prop_assert_eq!(decimal(&text, 38, scale, implied, 10_u128.pow(38)).ok(), exact);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _read = (integer(&text, 0), decimal(&text, 15, 2, 0, 10_u128.pow(15)));
        }
    }
}
