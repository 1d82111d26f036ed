//! Exact decimals: whole units of a power of ten.
//!
//! Warehouses declare amounts up to 38 digits, which is what an `i128` holds; the usual decimal crates stop at 28. Only
//! what moving records needs is here: reading text exactly, changing the scale without loss, adding, printing.

use std::fmt;

use crate::error::{Error, Result};

/// The most digits a decimal holds, as in SQL's `DECIMAL(38, s)`.
pub const MAX_DIGITS: u32 = 38;

/// `units / 10^scale`, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    units: i128,
    scale: u8,
}

impl Decimal {
    /// `units / 10^scale`.
    pub const fn new(units: i128, scale: u8) -> Self {
        Self { units, scale }
    }

    /// The whole units of `10^-scale`.
    pub const fn units(self) -> i128 {
        self.units
    }

    /// Digits behind the point.
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// Reads `-1250.75`, `+3`, `1.5E3` or `.5` exactly as written.
    ///
    /// # Errors
    /// Rejects anything that is not a number or has more than 38 digits.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = || Error::reject(format!("`{}` is not a number", shortened(text)));
        let bytes = text.as_bytes();
        let (negative, digits) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut units: i128 = 0;
        let mut scale: i32 = 0;
        let mut seen_point = false;
        let mut seen_digit = false;
        let mut exponent: i32 = 0;
        let mut rest = digits;
        while let [byte, tail @ ..] = rest {
            match byte {
                b'0'..=b'9' => {
                    seen_digit = true;
                    units = units
                        .checked_mul(10)
                        .and_then(|u| u.checked_add(i128::from(byte - b'0')))
                        .ok_or_else(|| too_many_digits(text))?;
                    scale += i32::from(seen_point);
                }
                b'.' if !seen_point => seen_point = true,
                b'e' | b'E' if seen_digit => {
                    exponent = std::str::from_utf8(tail).ok().and_then(|t| t.parse().ok()).ok_or_else(fail)?;
                    break;
                }
                _ => return Err(fail()),
            }
            rest = tail;
        }
        if !seen_digit {
            return Err(fail());
        }
        let mut scale = scale.checked_sub(exponent).ok_or_else(fail)?;
        while scale < 0 {
            units = units.checked_mul(10).ok_or_else(|| too_many_digits(text))?;
            scale += 1;
        }
        let scale = u8::try_from(scale).ok().filter(|s| u32::from(*s) <= 2 * MAX_DIGITS);
        let scale = scale.ok_or_else(|| too_many_digits(text))?;
        Ok(Self { units: if negative { -units } else { units }, scale })
    }

    /// The same value with `scale` digits behind the point, or `None` when that would lose a digit or overflow.
    pub fn with_scale(self, scale: u8) -> Option<Self> {
        let mut units = self.units;
        let mut at = self.scale;
        while at < scale {
            units = units.checked_mul(10)?;
            at += 1;
        }
        while at > scale {
            if units % 10 != 0 {
                return None;
            }
            units /= 10;
            at -= 1;
        }
        Some(Self { units, scale })
    }

    /// The value with its point moved `places` to the left: implied decimals applied.
    pub fn shifted(self, places: u8) -> Self {
        Self { units: self.units, scale: self.scale.saturating_add(places) }
    }

    /// How many digits the units have; zero has one.
    pub fn digits(self) -> u32 {
        self.units.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1)
    }

    /// The sum, exactly.
    ///
    /// # Errors
    /// Rejects a sum of more than 38 digits.
    pub fn plus(self, other: Self) -> Result<Self> {
        let scale = self.scale.max(other.scale);
        let sum = self.with_scale(scale).zip(other.with_scale(scale)).and_then(|(a, b)| a.units.checked_add(b.units));
        sum.map(|units| Self { units, scale }).ok_or_else(|| Error::reject("the sum has more than 38 digits"))
    }

    /// The product, exactly.
    ///
    /// # Errors
    /// Rejects a product of more than 38 digits.
    pub fn times(self, other: Self) -> Result<Self> {
        let product = self.units.checked_mul(other.units).zip(self.scale.checked_add(other.scale));
        product
            .map(|(units, scale)| Self { units, scale })
            .ok_or_else(|| Error::reject("the product has more than 38 digits"))
    }

    /// The value with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { units: -self.units, ..self }
    }

    /// The same value without zeros at the end of its fraction.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        while self.scale > 0 && self.units % 10 == 0 {
            self.units /= 10;
            self.scale -= 1;
        }
        self
    }
}

fn too_many_digits(text: &str) -> Error {
    Error::reject(format!("`{}` has more than {MAX_DIGITS} digits", shortened(text)))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(60).collect::<String>())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.units);
        }
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{}{whole}.{fraction}", if self.units < 0 { "-" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_written() {
        for (text, printed) in [
            ("1250.75", "1250.75"),
            ("-0.01", "-0.01"),
            ("+7", "7"),
            (".5", "0.5"),
            ("1.000", "1.000"),
            ("1.5E3", "1500"),
            ("25e-3", "0.025"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_refused_with_its_text() {
        for text in ["", "-", ".", "1,5", "12a", "1..2", "NaN", "1e", "1e999999999", "0x10"] {
            assert!(Decimal::parse(text).is_err(), "{text}");
        }
        let error = Decimal::parse(&"9".repeat(40)).unwrap_err();
        assert!(error.to_string().contains("more than 38 digits"), "{error}");
    }

    #[test]
    fn a_smaller_scale_is_only_given_when_nothing_is_lost() {
        assert_eq!(Decimal::parse("1.500").unwrap().with_scale(1), Some(Decimal::new(15, 1)));
        assert_eq!(Decimal::parse("1.505").unwrap().with_scale(2), None);
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(units in any::<i64>(), scale in 0u8..20) {
            let decimal = Decimal::new(i128::from(units), scale);
            prop_assert_eq!(Decimal::parse(&decimal.to_string()).unwrap(), decimal);
        }
    }
}
