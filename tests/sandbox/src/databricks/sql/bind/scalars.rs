//! Functions of single values.

use sqlparser::ast::{CeilFloorKind, Expr, Function, TrimWhereField};

use super::cast::{Cast, common, type_text};
use super::expression::truth;
use super::{Binder, Scope, Typed, quoted};
use crate::databricks::catalog::types::{Field, Type};
use crate::databricks::sql::error::{Result, SqlError};

impl Binder<'_> {
    pub(super) fn scalar(&mut self, name: &str, args: Vec<Typed>, function: &Function) -> Result<Typed> {
        let count = args.len();
        if let Some(bound) = self.conditional(name, &args)? {
            return Ok(bound);
        }
        if let Some(bound) = self.of_text(name, &args)? {
            return Ok(bound);
        }
        if let Some(bound) = self.of_numbers(name, &args)? {
            return Ok(bound);
        }
        if let Some(bound) = self.of_time(name, &args)? {
            return Ok(bound);
        }
        if let Some(bound) = self.nested(name, &args, function)? {
            return Ok(bound);
        }
        if let (Some(bound), 0) = (self.bare(name), count) {
            return Ok(bound);
        }
        if let ([value], Ok(ty)) = (args.as_slice(), Type::parse(name)) {
            return self.cast(value.clone(), &ty, Cast::Strict);
        }
        let message = format!(
            "Cannot resolve routine `{name}` on search path [`system`.`builtin`, `system`.`session`], or not with {count} \
             arguments."
        );
        Err(SqlError::new("UNRESOLVED_ROUTINE", "42883", message))
    }

    /// What may be called without parentheses.
    pub(super) fn bare(&mut self, name: &str) -> Option<Typed> {
        let session = self.session;
        let text = |text: &str| Typed::new(quoted(text), Type::String);
        Some(match name.to_lowercase().as_str() {
            "current_timestamp" | "now" => Typed::new(session.now.timestamp_micros().to_string(), Type::Timestamp),
            "localtimestamp" => Typed::new(session.now.timestamp_micros().to_string(), Type::TimestampNtz),
            "current_date" | "curdate" => {
                Typed::new(super::super::moment::days_of(session.now.date_naive()).to_string(), Type::Date)
            }
            "current_user" | "session_user" | "user" => text(&session.user),
            "current_catalog" => text(&session.catalog),
            "current_schema" | "current_database" => text(&session.schema),
            "current_timezone" => text("Etc/UTC"),
            "uuid" => Typed::new(
                "(SELECT text_lower(substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 14, 3) || '-a' || \
                 substr(h, 18, 3) || '-' || substr(h, 21, 12)) FROM (SELECT hex(randomblob(16)) AS h))",
                Type::String,
            ),
            _ => return None,
        })
    }

    fn text(&self, value: &Typed) -> Result<String> {
        Ok(self.cast(value.clone(), &Type::String, Cast::Strict)?.sql)
    }

    fn conditional(&mut self, name: &str, args: &[Typed]) -> Result<Option<Typed>> {
        let bound = match (name, args) {
            ("coalesce" | "ifnull" | "nvl", [_, ..]) => {
                let (values, ty) = self.unified(args.to_vec(), name)?;
                if values.len() == 1 {
                    return Ok(values.into_iter().next());
                }
                let values: Vec<String> = values.into_iter().map(|value| value.sql).collect();
                Typed::new(format!("coalesce({})", values.join(", ")), ty)
            }
            ("nvl2", [test, then, otherwise]) => {
                let (values, ty) = self.unified(vec![then.clone(), otherwise.clone()], name)?;
                let values: Vec<String> = values.into_iter().map(|value| value.sql).collect();
                Typed::new(format!("iif({} IS NOT NULL, {})", test.sql, values.join(", ")), ty)
            }
            ("nullif", [a, b]) => {
                let equal = self.compared(a.clone(), "=", b.clone())?;
                Typed::new(format!("iif({}, NULL, {})", equal.sql, a.sql), a.ty.clone())
            }
            ("if" | "iff", [condition, then, otherwise]) => {
                let (values, ty) = self.unified(vec![then.clone(), otherwise.clone()], name)?;
                let values: Vec<String> = values.into_iter().map(|value| value.sql).collect();
                Typed::new(format!("iif({}, {})", condition.sql, values.join(", ")), ty)
            }
            ("equal_null", [a, b]) => self.compared(a.clone(), "IS", b.clone())?,
            ("isnull", [value]) => truth(format!("({} IS NULL)", value.sql)),
            ("isnotnull", [value]) => truth(format!("({} IS NOT NULL)", value.sql)),
            ("greatest" | "least", [_, _, ..]) => self.extreme(name, args)?,
            ("typeof", [value]) => Typed::new(quoted(&value.ty.to_string().to_lowercase()), Type::String),
            ("raise_error", [message]) => Typed::new(format!("raise_error({})", message.sql), Type::Null),
            _ => return Ok(None),
        };
        Ok(Some(bound))
    }

    /// The greatest or least of those that are not null.
    fn extreme(&mut self, name: &str, args: &[Typed]) -> Result<Typed> {
        let (values, ty) = self.unified(args.to_vec(), name)?;
        let collation = if matches!(ty, Type::Decimal(..)) { " COLLATE DECIMALS" } else { "" };
        let rows: Vec<String> = values.into_iter().map(|value| format!("({})", value.sql)).collect();
        let pick = if name == "greatest" { "max" } else { "min" };
        Ok(Typed::new(format!("(SELECT {pick}(column1{collation}) FROM (VALUES {}))", rows.join(", ")), ty))
    }

    fn of_text(&mut self, name: &str, args: &[Typed]) -> Result<Option<Typed>> {
        let written = |sql: String| Ok(Some(Typed::new(sql, Type::String)));
        match (name, args) {
            ("concat", [_, ..]) => {
                let parts = args.iter().map(|arg| self.text(arg)).collect::<Result<Vec<_>>>()?;
                written(format!("({})", parts.join(" || ")))
            }
            ("concat_ws", [_, ..]) => {
                let parts = args.iter().map(|arg| self.text(arg)).collect::<Result<Vec<_>>>()?;
                written(format!("concat_with({})", parts.join(", ")))
            }
            ("length" | "len" | "char_length" | "character_length", [value]) => {
                let value = if value.ty == Type::Binary { value.sql.clone() } else { self.text(value)? };
                Ok(Some(Typed::new(format!("length({value})"), Type::Int)))
            }
            ("octet_length", [value]) => {
                Ok(Some(Typed::new(format!("length(CAST({} AS BLOB))", self.text(value)?), Type::Int)))
            }
            ("lower" | "lcase", [value]) => written(format!("text_lower({})", self.text(value)?)),
            ("upper" | "ucase", [value]) => written(format!("text_upper({})", self.text(value)?)),
            ("trim" | "ltrim" | "rtrim", [value]) => written(format!("{name}({})", self.text(value)?)),
            ("reverse", [value]) => written(format!("text_reverse({})", self.text(value)?)),
            ("repeat", [value, times]) => written(format!("text_repeat({}, {})", self.text(value)?, times.sql)),
            ("lpad" | "rpad", [value, length, rest @ ..]) => {
                let filling = rest.first().map_or_else(|| Ok("' '".into()), |filling| self.text(filling))?;
                let left = u8::from(name == "lpad");
                written(format!("text_pad({}, {}, {filling}, {left})", self.text(value)?, length.sql))
            }
            ("substr" | "substring", [value, from, rest @ ..]) => {
                let length = rest.first().map_or("2147483647", |length| length.sql.as_str());
                written(format!("text_substr({}, {}, {length})", self.text(value)?, from.sql))
            }
            ("left", [value, length]) => written(format!("text_substr({}, 1, {})", self.text(value)?, length.sql)),
            ("right", [value, length]) => {
                let value = self.text(value)?;
                written(format!("text_substr({value}, max(length({value}) - {} + 1, 1), {})", length.sql, length.sql))
            }
            ("replace", [value, from, rest @ ..]) => {
                let to = rest.first().map_or_else(|| Ok("''".into()), |to| self.text(to))?;
                written(format!("replace({}, {}, {to})", self.text(value)?, self.text(from)?))
            }
            ("split_part", [value, separator, part]) => {
                written(format!("text_part({}, {}, {})", self.text(value)?, self.text(separator)?, part.sql))
            }
            ("instr", [value, part]) => {
                Ok(Some(Typed::new(format!("instr({}, {})", self.text(value)?, self.text(part)?), Type::Int)))
            }
            ("startswith", [value, part]) => {
                let (value, part) = (self.text(value)?, self.text(part)?);
                Ok(Some(truth(format!("(text_before({value}, length({part})) = {part})"))))
            }
            ("endswith", [value, part]) => {
                let (value, part) = (self.text(value)?, self.text(part)?);
                Ok(Some(truth(format!("(text_before(text_reverse({value}), length({part})) = text_reverse({part}))"))))
            }
            ("contains", [value, part]) => {
                Ok(Some(truth(format!("(instr({}, {}) > 0)", self.text(value)?, self.text(part)?))))
            }
            ("md5", [value]) => written(format!("hash_md5({})", self.bytes(value)?)),
            ("sha2", [value, bits]) => written(format!("hash_sha2({}, {})", self.bytes(value)?, bits.sql)),
            ("hex", [value]) if value.ty.is_whole() => written(format!("to_hex({})", value.sql)),
            ("hex", [value]) => written(format!("to_hex({})", self.bytes(value)?)),
            ("unhex", [value]) => Ok(Some(Typed::new(format!("from_hex({})", self.text(value)?), Type::Binary))),
            ("base64", [value]) => written(format!("to_base64({})", self.bytes(value)?)),
            ("unbase64", [value]) => Ok(Some(Typed::new(format!("from_base64({})", self.text(value)?), Type::Binary))),
            ("conv", [value, from, to]) => {
                written(format!("base_convert({}, {}, {})", self.text(value)?, from.sql, to.sql))
            }
            ("get_json_object", [value, path]) => {
                written(format!("get_json_text({}, {})", self.text(value)?, path.sql))
            }
            _ => Ok(None),
        }
    }

    fn bytes(&self, value: &Typed) -> Result<String> {
        if value.ty == Type::Binary { Ok(value.sql.clone()) } else { self.text(value) }
    }

    fn of_numbers(&mut self, name: &str, args: &[Typed]) -> Result<Option<Typed>> {
        let Some(value) = args.first() else {
            return Ok(None);
        };
        let (sql, ty) = (value.sql.clone(), value.ty.clone());
        let bound = match (name, args) {
            ("abs", [_]) if matches!(ty, Type::Decimal(..)) => {
                Typed::new(format!("iif({sql} LIKE '-%', decimal_neg({sql}), {sql})"), ty)
            }
            ("abs", [_]) => Typed::new(format!("abs({sql})"), ty),
            ("negative", [_]) => self.negated(value.clone())?,
            ("round", [_, rest @ ..]) => {
                let places = rest.first().map_or("0", |places| places.sql.as_str());
                match ty {
                    Type::Decimal(precision, scale) => {
                        let kept = places.parse::<u8>().unwrap_or(0).min(scale);
                        let precision = (precision - scale + kept + 1).min(38);
                        Typed::new(format!("decimal_round({sql}, {kept})"), Type::Decimal(precision, kept))
                    }
                    ty if ty.is_whole() => Typed::new(sql, ty),
                    _ => Typed::new(format!("float_round({sql}, {places})"), Type::Double),
                }
            }
            ("floor" | "ceil" | "ceiling", [_]) => {
                let name = if name == "floor" { "floor" } else { "ceil" };
                match ty {
                    Type::Decimal(precision, scale) => {
                        let precision = (precision - scale + 1).min(38);
                        Typed::new(format!("decimal_{name}({sql})"), Type::Decimal(precision, 0))
                    }
                    ty if ty.is_whole() => Typed::new(sql, Type::Long),
                    _ => Typed::new(format!("float_{name}({sql})"), Type::Long),
                }
            }
            ("sign" | "signum", [_]) => {
                let number = self.cast(value.clone(), &Type::Double, Cast::Strict)?.sql;
                Typed::new(format!("CAST(sign({number}) AS REAL)"), Type::Double)
            }
            ("mod", [a, b]) => self.arithmetic(a.clone(), '%', b.clone())?,
            ("pmod", [a, b]) => {
                let rest = self.arithmetic(a.clone(), '%', b.clone())?;
                let sum = self.arithmetic(rest, '+', b.clone())?;
                self.arithmetic(sum, '%', b.clone())?
            }
            ("power" | "pow", [a, b]) => Typed::new(format!("float_power({}, {})", a.sql, b.sql), Type::Double),
            ("sqrt", [_]) => Typed::new(format!("float_sqrt({sql})"), Type::Double),
            ("try_divide", [a, b]) => {
                let zero = self.compared(b.clone(), "=", Typed::new("0", Type::Int))?;
                let quotient = self.arithmetic(a.clone(), '/', b.clone())?;
                Typed::new(format!("iif({}, NULL, {})", zero.sql, quotient.sql), quotient.ty)
            }
            _ => return Ok(None),
        };
        Ok(Some(bound))
    }

    fn nested(&mut self, name: &str, args: &[Typed], function: &Function) -> Result<Option<Typed>> {
        let bound = match (name, args) {
            ("from_json", [value, schema, ..]) => {
                let schema =
                    literal(&schema.sql).ok_or_else(|| SqlError::syntax("'from_json' without a constant schema"))?;
                let ty = Type::parse(&schema)
                    .or_else(|error| Type::parse_fields(&schema).map(Type::Struct).map_err(|_| error))?;
                Typed::new(format!("from_json_as({}, {})", self.text(value)?, type_text(&ty)), ty)
            }
            ("to_json", [value, ..]) => {
                Typed::new(format!("shown_as_json({}, {})", value.sql, type_text(&value.ty)), Type::String)
            }
            ("parse_json", [value]) => Typed::new(format!("parse_json_as({})", self.text(value)?), Type::Variant),
            ("split", [value, separator, ..]) => {
                let sql = format!("split_text({}, {})", self.text(value)?, self.text(separator)?);
                Typed::new(sql, Type::Array(Box::new(Type::String)))
            }
            ("size" | "cardinality" | "array_size", [value]) => {
                Typed::new(format!("json_array_length({})", value.sql), Type::Int)
            }
            ("element_at", [value, at]) => match &value.ty {
                Type::Array(item) => Typed::new(format!("array_at({}, {} - 1)", value.sql, at.sql), (**item).clone()),
                Type::Map(_, of) => {
                    Typed::new(format!("json_extract({}, '$.\"' || {} || '\"')", value.sql, at.sql), (**of).clone())
                }
                other => {
                    return Err(SqlError::mismatch(name, format!("an ARRAY or a MAP is required, not \"{other}\"")));
                }
            },
            ("array_contains", [value, wanted]) => match &value.ty {
                Type::Array(item) => {
                    let ty = common(item, &wanted.ty).ok_or_else(|| SqlError::mismatch(name, "the types differ"))?;
                    let wanted = self.cast(wanted.clone(), &ty, Cast::Strict)?;
                    truth(format!("array_has({}, {})", value.sql, wanted.sql))
                }
                other => return Err(SqlError::mismatch(name, format!("an ARRAY is required, not \"{other}\""))),
            },
            ("array", _) => {
                let (values, ty) = self.unified(args.to_vec(), name)?;
                let values: Vec<String> = values.iter().map(json_value).collect();
                Typed::new(format!("json_array({})", values.join(", ")), Type::Array(Box::new(ty)))
            }
            ("named_struct", [_, _, ..]) if args.len().is_multiple_of(2) => {
                let pairs = args.chunks(2).map(|pair| match pair {
                    [name, value] => literal(&name.sql).map(|name| (name, value.clone())),
                    _ => None,
                });
                let pairs: Vec<(String, Typed)> =
                    pairs.collect::<Option<_>>().ok_or_else(|| SqlError::syntax(format!("'{function}'")))?;
                object(pairs)
            }
            ("struct", [_, ..]) => {
                let names = super::functions::arguments(function)?.iter().enumerate();
                let names = names.map(|(at, arg)| match arg.to_string() {
                    name if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte)) => {
                        name.rsplit('.').next().unwrap_or_default().to_owned()
                    }
                    _ => format!("col{}", at + 1),
                });
                object(names.zip(args.iter().cloned()).collect())
            }
            _ => return Ok(None),
        };
        Ok(Some(bound))
    }

    /// `STRUCT(a, b AS c)`, which the grammar knows as an expression of its own.
    pub(super) fn structure(&mut self, values: &[Expr], scope: &Scope<'_>) -> Result<Typed> {
        let mut pairs = Vec::new();
        for (at, value) in values.iter().enumerate() {
            let (name, value) = match value {
                Expr::Named { expr, name } => (name.value.clone(), &**expr),
                Expr::Identifier(name) => (name.value.clone(), value),
                Expr::CompoundIdentifier(names) => {
                    (names.last().map(|name| name.value.clone()).unwrap_or_default(), value)
                }
                _ => (format!("col{}", at + 1), value),
            };
            pairs.push((name, self.expr(value, scope)?));
        }
        Ok(object(pairs))
    }

    /// Functions with a grammar of their own.
    pub(super) fn special(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Typed> {
        match expr {
            Expr::Substring { expr: value, substring_from: Some(from), substring_for, .. } => {
                let mut args = vec![self.expr(value, scope)?, self.expr(from, scope)?];
                if let Some(length) = substring_for {
                    args.push(self.expr(length, scope)?);
                }
                self.of_text("substr", &args)?.ok_or_else(|| SqlError::syntax(format!("'{expr}'")))
            }
            Expr::Trim { expr: value, trim_where, trim_what, trim_characters: None } => {
                let value = self.expr(value, scope)?;
                let value = self.text(&value)?;
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let what = match trim_what {
                    Some(what) => format!(", {}", self.expr(what, scope)?.sql),
                    None => String::new(),
                };
                Ok(Typed::new(format!("{name}({value}{what})"), Type::String))
            }
            Expr::Position { expr: part, r#in } => {
                let (part, value) = (self.expr(part, scope)?, self.expr(r#in, scope)?);
                Ok(Typed::new(format!("instr({}, {})", self.text(&value)?, self.text(&part)?), Type::Int))
            }
            Expr::Floor {
                expr: value,
                field: CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime),
            } => {
                let value = self.expr(value, scope)?;
                self.of_numbers("floor", &[value])?.ok_or_else(|| SqlError::syntax(format!("'{expr}'")))
            }
            Expr::Ceil {
                expr: value,
                field: CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime),
            } => {
                let value = self.expr(value, scope)?;
                self.of_numbers("ceil", &[value])?.ok_or_else(|| SqlError::syntax(format!("'{expr}'")))
            }
            Expr::Extract { field, expr: value, .. } => {
                let value = self.expr(value, scope)?;
                self.part_of(&field.to_string(), value)
            }
            Expr::JsonAccess { value, path } => {
                let value = self.expr(value, scope)?;
                if value.ty != Type::Variant && !value.ty.is_text() {
                    return Err(SqlError::mismatch(&expr.to_string(), "a VARIANT or a STRING of JSON is required"));
                }
                let path = quoted(&format!("${}", path.to_string().replacen(':', ".", 1)));
                Ok(Typed::new(format!("get_json_text({}, {path})", value.sql), Type::String))
            }
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }
}

/// The text of a literal in the storage's SQL.
pub(super) fn literal(sql: &str) -> Option<String> {
    let inner = sql.strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

/// A value as a member of JSON: nested values are JSON already.
fn json_value(value: &Typed) -> String {
    if value.ty.is_nested() { format!("json({})", value.sql) } else { value.sql.clone() }
}

fn object(pairs: Vec<(String, Typed)>) -> Typed {
    let written: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}, {}", quoted(name), json_value(value))).collect();
    let fields = pairs.into_iter().map(|(name, value)| Field { name, ty: value.ty }).collect();
    Typed::new(format!("json_object({})", written.join(", ")), Type::Struct(fields))
}
