//! Operators: comparison, logic, arithmetic.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::cast::{Cast, common};
use super::{Binder, Scope, Typed};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::error::{Result, SqlError};

impl Binder<'_> {
    pub(super) fn binary(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        scope: &Scope<'_>,
    ) -> Result<Typed> {
        use BinaryOperator as Op;
        if let (Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq, Expr::Tuple(a), Expr::Tuple(b)) =
            (op, left, right)
        {
            return self.rows_compared(a, op, b, scope);
        }
        if matches!(op, Op::Plus | Op::Minus)
            && let Expr::Interval(interval) = right
        {
            let moment = self.expr(left, scope)?;
            return self.shifted(moment, interval, *op == Op::Minus);
        }
        let (a, b) = (self.expr(left, scope)?, self.expr(right, scope)?);
        match op {
            Op::And | Op::Or => {
                let (a, b) = (self.condition(a, left)?, self.condition(b, right)?);
                let word = if *op == Op::And { "AND" } else { "OR" };
                Ok(Typed::new(format!("({a} {word} {b})"), Type::Boolean))
            }
            Op::Eq => self.compared(a, "=", b),
            Op::NotEq => self.compared(a, "<>", b),
            Op::Lt => self.compared(a, "<", b),
            Op::LtEq => self.compared(a, "<=", b),
            Op::Gt => self.compared(a, ">", b),
            Op::GtEq => self.compared(a, ">=", b),
            Op::Spaceship => self.compared(a, "IS", b),
            Op::StringConcat => {
                let a = self.cast(a, &Type::String, Cast::Strict)?;
                let b = self.cast(b, &Type::String, Cast::Strict)?;
                Ok(Typed::new(format!("({} || {})", a.sql, b.sql), Type::String))
            }
            Op::Plus => self.arithmetic(a, '+', b),
            Op::Minus => self.arithmetic(a, '-', b),
            Op::Multiply => self.arithmetic(a, '*', b),
            Op::Divide => self.arithmetic(a, '/', b),
            Op::Modulo => self.arithmetic(a, '%', b),
            Op::MyIntegerDivide | Op::DuckIntegerDivide => self.arithmetic(a, 'd', b),
            Op::BitwiseAnd => self.bits(a, "&", b),
            Op::BitwiseOr => self.bits(a, "|", b),
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }

    pub(super) fn unary(&mut self, op: UnaryOperator, inner: &Expr, scope: &Scope<'_>) -> Result<Typed> {
        let value = self.expr(inner, scope)?;
        match op {
            UnaryOperator::Not | UnaryOperator::BangNot => {
                let condition = self.condition(value, inner)?;
                Ok(Typed::new(format!("(NOT {condition})"), Type::Boolean))
            }
            UnaryOperator::Plus => Ok(value),
            UnaryOperator::Minus => self.negated(value),
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }

    pub(super) fn negated(&mut self, value: Typed) -> Result<Typed> {
        match &value.ty {
            Type::Decimal(..) => Ok(Typed::new(format!("decimal_neg({})", value.sql), value.ty)),
            ty if ty.is_float() => Ok(Typed::new(format!("(-{})", value.sql), value.ty)),
            // A literal stays one, so that it can be an ordinal or the value of LIMIT.
            ty if ty.is_whole() && is_digits(&value.sql) => Ok(Typed::new(format!("-{}", value.sql), value.ty)),
            ty if ty.is_whole() => self.arithmetic(Typed::new("0", value.ty.clone()), '-', value),
            _ => {
                let value = self.cast(value, &Type::Double, Cast::Strict)?;
                Ok(Typed::new(format!("(-{})", value.sql), Type::Double))
            }
        }
    }

    /// A condition's SQL; what is no BOOLEAN is refused.
    pub(in super::super) fn condition(&self, value: Typed, shown: &Expr) -> Result<String> {
        match value.ty {
            Type::Boolean | Type::Null => Ok(value.sql),
            ty if ty.is_text() => Ok(self.cast(Typed::new(value.sql, ty), &Type::Boolean, Cast::Strict)?.sql),
            ty => Err(SqlError::mismatch(
                &shown.to_string(),
                format!("the condition requires the \"BOOLEAN\" type, however it has the type \"{ty}\""),
            )),
        }
    }

    /// `=`, `<`, … or `IS`, which takes two nulls for equal.
    pub(in super::super) fn compared(&self, a: Typed, op: &str, b: Typed) -> Result<Typed> {
        if matches!((&a.ty, &b.ty), (Type::Decimal(..), Type::Decimal(..))) && a.ty != b.ty {
            return Ok(Typed::new(format!("({} {op} {} COLLATE DECIMALS)", a.sql, b.sql), Type::Boolean));
        }
        let ty = common(&a.ty, &b.ty).ok_or_else(|| {
            let message = format!(
                "Cannot resolve \"(… {op} …)\" due to data type mismatch: the left and right operands of the binary operator \
                 have incompatible types (\"{}\" and \"{}\").",
                a.ty, b.ty
            );
            SqlError::new("DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09", message)
        })?;
        let decimal = matches!(ty, Type::Decimal(..)) && !matches!(op, "=" | "<>" | "IS");
        let (a, b) = (self.cast(a, &ty, Cast::Strict)?, self.cast(b, &ty, Cast::Strict)?);
        let collation = if decimal { " COLLATE DECIMALS" } else { "" };
        Ok(Typed::new(format!("({} {op} {}{collation})", a.sql, b.sql), Type::Boolean))
    }

    /// Rows are compared column by column, the first difference decides.
    fn rows_compared(&mut self, a: &[Expr], op: &BinaryOperator, b: &[Expr], scope: &Scope<'_>) -> Result<Typed> {
        if a.len() != b.len() || a.is_empty() {
            return Err(SqlError::syntax("rows of different length"));
        }
        let mut pairs = Vec::new();
        for (a, b) in a.iter().zip(b) {
            pairs.push((self.expr(a, scope)?, self.expr(b, scope)?));
        }
        let strict = match op {
            BinaryOperator::Lt | BinaryOperator::LtEq => "<",
            BinaryOperator::Gt | BinaryOperator::GtEq => ">",
            _ => "=",
        };
        let equal: Vec<String> =
            pairs.iter().map(|(a, b)| Ok(self.compared(a.clone(), "=", b.clone())?.sql)).collect::<Result<_>>()?;
        let sql = match op {
            BinaryOperator::Eq => equal.join(" AND "),
            BinaryOperator::NotEq => format!("NOT ({})", equal.join(" AND ")),
            _ => {
                let mut ways = Vec::new();
                for (at, (a, b)) in pairs.iter().enumerate() {
                    let mut way: Vec<String> = equal.iter().take(at).cloned().collect();
                    way.push(self.compared(a.clone(), strict, b.clone())?.sql);
                    ways.push(format!("({})", way.join(" AND ")));
                }
                if matches!(op, BinaryOperator::LtEq | BinaryOperator::GtEq) {
                    ways.push(format!("({})", equal.join(" AND ")));
                }
                ways.join(" OR ")
            }
        };
        Ok(Typed::new(format!("({sql})"), Type::Boolean))
    }

    fn bits(&mut self, a: Typed, op: &str, b: Typed) -> Result<Typed> {
        let (values, ty) = self.unified(vec![a, b], op)?;
        if !ty.is_whole() {
            return Err(SqlError::mismatch(op, "whole numbers are required"));
        }
        let values: Vec<String> = values.into_iter().map(|value| value.sql).collect();
        Ok(Typed::new(format!("({})", values.join(op)), ty))
    }

    /// `+ - * / %`, and `d` for DIV.
    pub(super) fn arithmetic(&mut self, a: Typed, op: char, b: Typed) -> Result<Typed> {
        let (a, b) = (self.numeric(a)?, self.numeric(b)?);
        if a.ty.is_float() || b.ty.is_float() {
            return self.floats(a, op, b);
        }
        match (&a.ty, &b.ty) {
            (a_ty, b_ty) if a_ty.is_whole() && b_ty.is_whole() && op != '/' => self.wholes(a, op, b),
            (a_ty, b_ty) if a_ty.is_whole() && b_ty.is_whole() => self.floats(a, op, b),
            _ => self.decimals(a, op, b),
        }
    }

    /// Text and nothing become numbers; other things are none.
    fn numeric(&self, value: Typed) -> Result<Typed> {
        match &value.ty {
            ty if ty.is_number() => Ok(value),
            Type::Null => Ok(Typed::new(value.sql, Type::Int)),
            ty if ty.is_text() => self.cast(value, &Type::Double, Cast::Strict),
            ty => Err(SqlError::mismatch(
                "an arithmetic operator",
                format!("a \"NUMERIC\" type is required, not \"{ty}\""),
            )),
        }
    }

    fn floats(&mut self, a: Typed, op: char, b: Typed) -> Result<Typed> {
        let (a, b) = (self.cast(a, &Type::Double, Cast::Strict)?, self.cast(b, &Type::Double, Cast::Strict)?);
        let sql = match op {
            '/' => format!("float_div({}, {})", a.sql, b.sql),
            '+' | '-' | '*' => format!("({} {op} {})", a.sql, b.sql),
            other => return Err(SqlError::syntax(format!("'{other}' of floats, which the sandbox does not know"))),
        };
        Ok(Typed::new(sql, Type::Double))
    }

    fn wholes(&mut self, a: Typed, op: char, b: Typed) -> Result<Typed> {
        let (name, ty) = match op {
            '+' => ("whole_add", None),
            '-' => ("whole_sub", None),
            '*' => ("whole_mul", None),
            '%' => ("whole_mod", None),
            _ => ("whole_div", Some(Type::Long)),
        };
        let ty = ty.or_else(|| common(&a.ty, &b.ty)).unwrap_or(Type::Long);
        let bits = match ty {
            Type::Byte => 8,
            Type::Short => 16,
            Type::Int => 32,
            _ => 64,
        };
        Ok(Typed::new(format!("{name}({}, {}, {bits})", a.sql, b.sql), ty))
    }

    fn decimals(&mut self, a: Typed, op: char, b: Typed) -> Result<Typed> {
        let (a, b) = (self.as_decimal(a)?, self.as_decimal(b)?);
        let (Type::Decimal(p1, s1), Type::Decimal(p2, s2)) = (&a.ty, &b.ty) else {
            return Err(SqlError::syntax("an operator of decimals"));
        };
        let (p1, s1, p2, s2) = (u32::from(*p1), u32::from(*s1), u32::from(*p2), u32::from(*s2));
        let (name, precision, scale) = match op {
            '+' | '-' => {
                let scale = s1.max(s2);
                (if op == '+' { "decimal_add" } else { "decimal_sub" }, (p1 - s1).max(p2 - s2) + scale + 1, scale)
            }
            '*' => ("decimal_mul", p1 + p2 + 1, s1 + s2),
            '/' => {
                let scale = 6.max(s1 + p2 + 1);
                ("decimal_div", p1 - s1 + s2 + scale, scale)
            }
            '%' => ("decimal_mod", (p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
            _ => return Err(SqlError::syntax("DIV of decimals, which the sandbox does not know")),
        };
        let (precision, scale) = adjusted(precision, scale);
        let sql = format!("{name}({}, {}, {precision}, {scale})", a.sql, b.sql);
        Ok(Typed::new(sql, Type::Decimal(precision, scale)))
    }

    /// Whole numbers become the decimal that holds them; a literal no larger than it is.
    fn as_decimal(&self, value: Typed) -> Result<Typed> {
        if is_digits(&value.sql) {
            let digits = u8::try_from(value.sql.len()).unwrap_or(38).min(38);
            return self.cast(value, &Type::Decimal(digits, 0), Cast::Strict);
        }
        let (precision, scale) = value.ty.as_decimal().unwrap_or((38, 18));
        self.cast(value, &Type::Decimal(precision, scale), Cast::Strict)
    }
}

pub(super) fn is_digits(sql: &str) -> bool {
    !sql.is_empty() && sql.bytes().all(|byte| byte.is_ascii_digit())
}

/// A precision beyond 38 is cut at the cost of the scale, of which 6 digits stay.
pub(super) fn adjusted(precision: u32, scale: u32) -> (u8, u8) {
    let small = |number: u32| u8::try_from(number).unwrap_or(38);
    if precision <= 38 {
        return (small(precision), small(scale));
    }
    let least = scale.min(6);
    let left = 38_u32.saturating_sub(precision - scale);
    (38, small(left.max(least)))
}
