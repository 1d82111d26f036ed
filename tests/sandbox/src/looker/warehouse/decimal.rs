//! Exact decimals of up to 38 digits, since databases sum amounts without losing a cent and SQLite by itself does not.

use std::cmp::Ordering;
use std::fmt;

/// `units / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Decimal {
    units: i128,
    scale: u32,
}

const MOST_DIGITS: u32 = 38;

impl Decimal {
    /// Reads `-1250.75` or `1.5e3`; nothing for what is no number or has more than 38 digits.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut units: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            units = units.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
        }
        let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        while scale < 0 {
            units = units.checked_mul(10)?;
            scale += 1;
        }
        let scale = u32::try_from(scale).ok().filter(|scale| *scale <= MOST_DIGITS)?;
        Some(Self { units: if negative { -units } else { units }, scale })
    }

    fn units_at(self, scale: u32) -> Option<i128> {
        self.units.checked_mul(10_i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }

    /// The sum, with the longer fraction of the two; nothing beyond 38 digits.
    pub(in super::super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Some(Self { units: self.units_at(scale)?.checked_add(other.units_at(scale)?)?, scale })
    }

    /// Divided by a count, six more digits than it had, rounded half away from zero.
    pub(in super::super) fn over(self, count: u64) -> Option<Self> {
        let scale = (self.scale + 6).min(MOST_DIGITS);
        let (units, count) = (self.units_at(scale)?, i128::from(count));
        Some(Self { units: round_div(units, count)?, scale })
    }

    /// With so many digits behind the point, rounded half away from zero.
    pub(in super::super) fn rounded(self, scale: u32) -> Option<Self> {
        if scale >= self.scale {
            return Some(Self { units: self.units_at(scale)?, scale });
        }
        let divisor = 10_i128.checked_pow(self.scale - scale)?;
        Some(Self { units: round_div(self.units, divisor)?, scale })
    }

    pub(in super::super) fn compare(self, other: Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        match (self.units_at(scale), other.units_at(scale)) {
            (Some(a), Some(b)) => a.cmp(&b),
            // Too long to be written out at one scale: then the one with fewer digits behind the point is far larger.
            (None, _) => self.units.cmp(&0),
            (_, None) => 0.cmp(&other.units),
        }
    }

    /// A text that sorts as the number does.
    pub(in super::super) fn sort_key(self) -> String {
        let scale = self.scale as usize;
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let key = format!("{whole:0>40}{fraction:0<38}");
        if self.units >= 0 {
            return format!("1{key}");
        }
        let complement = key.bytes().map(|digit| char::from(b'9' - (digit - b'0')));
        std::iter::once('0').chain(complement).collect()
    }

    /// With `,` between thousands.
    pub(in super::super) fn grouped(self) -> String {
        let text = self.to_string();
        let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut grouped = String::from(sign);
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        if !fraction.is_empty() {
            grouped.push('.');
            grouped.push_str(fraction);
        }
        grouped
    }
}

fn round_div(units: i128, divisor: i128) -> Option<i128> {
    let (quotient, rest) = (units.checked_div(divisor)?, units.checked_rem(divisor)?);
    let up = rest.unsigned_abs().checked_mul(2)? >= divisor.unsigned_abs();
    Some(if up { quotient + units.signum() * divisor.signum() } else { quotient })
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.units);
        }
        let scale = self.scale as usize;
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{}{whole}.{fraction}", if self.units < 0 { "-" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn amounts_keep_every_digit() {
        let sum = ["0.10", "0.2", "-5", "99999999999999999999999999999.999"];
        let sum = sum.iter().try_fold(decimal("0"), |sum, text| sum.plus(decimal(text))).unwrap();
        assert_eq!(sum.to_string(), "99999999999999999999999999995.299");
        assert_eq!(decimal("1.5e3").to_string(), "1500");
        assert_eq!(decimal("-1234567.5").grouped(), "-1,234,567.5");
        assert_eq!(decimal("-2.345").rounded(2).unwrap().to_string(), "-2.35");
        assert_eq!(decimal("10.00").over(3).unwrap().to_string(), "3.33333333");
        for text in ["", ".", "1,5", "abc", "1e", "--1"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let sorted = ["-100", "-9.5", "-0.01", "0", "0.010", "9.00", "12.5", "100000"].map(decimal);
        for pair in sorted.windows(2) {
            assert!(pair[0].sort_key() < pair[1].sort_key(), "{pair:?}");
            assert_eq!(pair[0].compare(pair[1]), Ordering::Less);
        }
        assert_eq!(decimal("1.0").sort_key(), decimal("1.00").sort_key());
    }
}
