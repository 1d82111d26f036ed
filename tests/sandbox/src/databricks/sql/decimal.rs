//! Exact decimals of up to 38 digits.
//!
//! Invariant: a value that a DECIMAL column holds is text with exactly the column's digits behind the point, so that equal
//! values of one type are equal texts.

use std::cmp::Ordering;
use std::fmt;

/// `units / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Decimal {
    pub(in super::super) units: i128,
    pub(in super::super) scale: u8,
}

/// The most digits a DECIMAL has.
pub(in super::super) const MOST_DIGITS: u8 = 38;

pub(in super::super) fn power(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

impl Decimal {
    /// Reads `-1250.75` or `1.5E3`; nothing for what is no number or too long.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
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
        let scale = u8::try_from(scale).ok().filter(|scale| *scale <= MOST_DIGITS)?;
        Some(Self { units: if negative { -units } else { units }, scale })
    }

    /// With so many digits behind the point, rounded half away from zero.
    pub(in super::super) fn rescaled(self, scale: u8) -> Option<Self> {
        if scale >= self.scale {
            return Some(Self { units: self.units.checked_mul(power(scale - self.scale)?)?, scale });
        }
        Some(Self { units: divided(self.units, power(self.scale - scale)?)?, scale })
    }

    /// With so many digits behind the point, if it then has no more than `precision` digits.
    pub(in super::super) fn fitted(self, precision: u8, scale: u8) -> Option<Self> {
        let fitted = self.rescaled(scale)?;
        (fitted.units.unsigned_abs() < power(precision)?.unsigned_abs()).then_some(fitted)
    }

    pub(in super::super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.rescaled(scale)?.units.checked_add(other.rescaled(scale)?.units)?;
        Some(Self { units, scale })
    }

    pub(in super::super) fn negated(self) -> Self {
        Self { units: -self.units, ..self }
    }

    pub(in super::super) fn times(self, other: Self) -> Option<Self> {
        Some(Self { units: self.units.checked_mul(other.units)?, scale: self.scale.checked_add(other.scale)? })
    }

    /// The quotient with so many digits behind the point; nothing when it is too long.
    pub(in super::super) fn over(self, other: Self, scale: u8) -> Option<Self> {
        let shift = i32::from(scale) - i32::from(self.scale) + i32::from(other.scale);
        let (up, down) = (u8::try_from(shift.max(0)).ok()?, u8::try_from((-shift).max(0)).ok()?);
        let units = divided(self.units.checked_mul(power(up)?)?, other.units.checked_mul(power(down)?)?)?;
        Some(Self { units, scale })
    }

    pub(in super::super) fn modulo(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.rescaled(scale)?.units.checked_rem(other.rescaled(scale)?.units)?;
        Some(Self { units, scale })
    }

    /// The whole number before the point.
    pub(in super::super) fn truncated(self) -> i128 {
        power(self.scale).map_or(0, |divisor| self.units / divisor)
    }

    pub(in super::super) fn floor(self) -> i128 {
        power(self.scale).map_or(0, |divisor| self.units.div_euclid(divisor))
    }
}

fn divided(units: i128, divisor: i128) -> Option<i128> {
    let (quotient, rest) = (units.checked_div(divisor)?, units.checked_rem(divisor)?);
    let up = rest.unsigned_abs().checked_mul(2)? >= divisor.unsigned_abs();
    Some(if up { quotient + units.signum() * divisor.signum() } else { quotient })
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let digits = self.units.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let scale = usize::from(self.scale);
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// Compares two decimals in their written form, which has no needless zeros in front.
pub(in super::super) fn compare(a: &str, b: &str) -> Ordering {
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (None, None) => magnitudes(a, b),
        (Some(a), Some(b)) => magnitudes(b, a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

fn magnitudes(a: &str, b: &str) -> Ordering {
    let (whole_a, fraction_a) = a.split_once('.').unwrap_or((a, ""));
    let (whole_b, fraction_b) = b.split_once('.').unwrap_or((b, ""));
    let whole = whole_a.len().cmp(&whole_b.len()).then_with(|| whole_a.cmp(whole_b));
    whole.then_with(|| fraction_a.trim_end_matches('0').cmp(fraction_b.trim_end_matches('0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn amounts_keep_every_digit() {
        assert_eq!(decimal("99999999999999999999999999999.999").plus(decimal("-5")).unwrap().to_string().len(), 33);
        assert_eq!(decimal("0.10").plus(decimal("0.2")).unwrap().to_string(), "0.30");
        assert_eq!(decimal("-2.345").rescaled(2).unwrap().to_string(), "-2.35");
        assert_eq!(decimal("10.00").over(decimal("3"), 8).unwrap().to_string(), "3.33333333");
        assert_eq!(decimal("1.5e3").to_string(), "1500");
        assert_eq!(decimal("999.995").fitted(5, 2), None);
        assert_eq!(decimal("-0.00").to_string(), "0.00");
    }

    #[test]
    fn texts_compare_as_numbers() {
        let sorted = ["-100", "-9.5", "-0.01", "0", "0.010", "9.00", "12.5", "100000"];
        for pair in sorted.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare("1.0", "1.00"), Ordering::Equal);
    }
}
