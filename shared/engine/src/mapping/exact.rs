//! The functions of expressions that calculate with decimals, exactly.

use cel::ExecutionError;
use cel::common::functions::Function;
use cel::common::types::{CelInt, CelNull, CelString};
use cel::common::value::CowVal;

use super::convert::trim;
use crate::model::decimal::Decimal;

/// Name, number of arguments, function.
pub(super) const FUNCTIONS: [(&str, usize, Function); 5] = [
    ("dec_add", 2, dec_add),
    ("dec_sub", 2, dec_sub),
    ("dec_mul", 2, dec_mul),
    ("dec_neg", 1, dec_neg),
    ("dec_cmp", 2, dec_cmp),
];

fn dec_add<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [a, b] = decimals("dec_add", &arguments)?;
    given("dec_add", a.plus(b))
}

fn dec_sub<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [a, b] = decimals("dec_sub", &arguments)?;
    given("dec_sub", a.plus(b.negated()))
}

fn dec_mul<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [a, b] = decimals("dec_mul", &arguments)?;
    given("dec_mul", a.times(b))
}

fn dec_neg<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [a] = decimals("dec_neg", &arguments)?;
    given("dec_neg", Ok(a.negated()))
}

fn dec_cmp<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [a, b] = decimals("dec_cmp", &arguments)?;
    let difference = a.plus(b.negated()).map_err(|error| failed("dec_cmp", error))?;
    Ok(CowVal::owned(CelInt::from(difference.units().signum() as i64)))
}

fn decimals<const N: usize>(function: &str, arguments: &[CowVal<'_, '_>]) -> Result<[Decimal; N], ExecutionError> {
    let mut decimals = [Decimal::default(); N];
    for (decimal, argument) in decimals.iter_mut().zip(arguments) {
        *decimal = if let Some(int) = argument.downcast_ref::<CelInt>() {
            Decimal::new(i128::from(*int.inner()), 0)
        } else if let Some(text) = argument.downcast_ref::<CelString<'_>>() {
            Decimal::parse(trim(text.inner())).map_err(|error| failed(function, error))?
        } else if argument.downcast_ref::<CelNull>().is_some() {
            return Err(failed(function, "gets null: say what no value means, such as AG == null ? '0' : AG"));
        } else {
            return Err(failed(function, "takes whole numbers and decimals written as text, such as '1.50'"));
        };
    }
    Ok(decimals)
}

fn given<'b, 'v>(function: &str, decimal: crate::error::Result<Decimal>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let decimal = decimal.map_err(|error| failed(function, error))?;
    Ok(CowVal::owned(CelString::from(decimal.to_string())))
}

fn failed(function: &str, why: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, why)
}
