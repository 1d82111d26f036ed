//! SQL types: how they are written, read and named.

use std::fmt;

use crate::databricks::sql::error::{Result, SqlError};

/// A type of a column or an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Type {
    Null,
    Boolean,
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    Decimal(u8, u8),
    String,
    Char(u32),
    Varchar(u32),
    Date,
    Timestamp,
    TimestampNtz,
    Binary,
    Variant,
    Array(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Struct(Vec<Field>),
}

/// A member of a struct.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Field {
    pub(in super::super) name: String,
    pub(in super::super) ty: Type,
}

/// How it is written in SQL.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Null => "VOID",
            Self::Boolean => "BOOLEAN",
            Self::Byte => "TINYINT",
            Self::Short => "SMALLINT",
            Self::Int => "INT",
            Self::Long => "BIGINT",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::String => "STRING",
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP",
            Self::TimestampNtz => "TIMESTAMP_NTZ",
            Self::Binary => "BINARY",
            Self::Variant => "VARIANT",
            Self::Decimal(precision, scale) => return write!(f, "DECIMAL({precision},{scale})"),
            Self::Char(length) => return write!(f, "CHAR({length})"),
            Self::Varchar(length) => return write!(f, "VARCHAR({length})"),
            Self::Array(item) => return write!(f, "ARRAY<{item}>"),
            Self::Map(key, value) => return write!(f, "MAP<{key}, {value}>"),
            Self::Struct(fields) => {
                let fields: Vec<String> = fields.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
                return write!(f, "STRUCT<{}>", fields.join(", "));
            }
        };
        f.write_str(word)
    }
}

impl Type {
    /// Its name in manifests and in Unity Catalog.
    pub(in super::super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Boolean => "BOOLEAN",
            Self::Byte => "BYTE",
            Self::Short => "SHORT",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Decimal(..) => "DECIMAL",
            Self::String | Self::Varchar(_) => "STRING",
            Self::Char(_) => "CHAR",
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP",
            Self::TimestampNtz => "TIMESTAMP_NTZ",
            Self::Binary => "BINARY",
            Self::Variant => "VARIANT",
            Self::Array(_) => "ARRAY",
            Self::Map(..) => "MAP",
            Self::Struct(_) => "STRUCT",
        }
    }

    pub(in super::super) fn is_text(&self) -> bool {
        matches!(self, Self::String | Self::Char(_) | Self::Varchar(_))
    }

    pub(in super::super) fn is_whole(&self) -> bool {
        matches!(self, Self::Byte | Self::Short | Self::Int | Self::Long)
    }

    pub(in super::super) fn is_float(&self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    pub(in super::super) fn is_number(&self) -> bool {
        self.is_whole() || self.is_float() || matches!(self, Self::Decimal(..))
    }

    pub(in super::super) fn is_moment(&self) -> bool {
        matches!(self, Self::Timestamp | Self::TimestampNtz)
    }

    pub(in super::super) fn is_nested(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Map(..) | Self::Struct(_))
    }

    /// The decimal that holds every value of a whole number, and a decimal itself.
    pub(in super::super) fn as_decimal(&self) -> Option<(u8, u8)> {
        Some(match self {
            Self::Byte => (3, 0),
            Self::Short => (5, 0),
            Self::Int => (10, 0),
            Self::Long => (20, 0),
            Self::Decimal(precision, scale) => (*precision, *scale),
            _ => return None,
        })
    }

    /// Reads a type as it is written in SQL.
    pub(in super::super) fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { text, rest: text.trim() };
        let ty = reader.ty()?;
        if reader.rest.trim().is_empty() { Ok(ty) } else { Err(reader.bad()) }
    }

    /// Reads `a INT, b STRING COMMENT '…'` or a struct type: what readers of files take as a schema.
    pub(in super::super) fn parse_fields(text: &str) -> Result<Vec<Field>> {
        let trimmed = text.trim();
        if trimmed.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("struct"))
            && let Ok(Self::Struct(fields)) = Self::parse(trimmed)
        {
            return Ok(fields);
        }
        let mut reader = Reader { text, rest: trimmed };
        let fields = reader.fields()?;
        if reader.rest.trim().is_empty() { Ok(fields) } else { Err(reader.bad()) }
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn bad(&self) -> SqlError {
        SqlError::new("UNSUPPORTED_DATATYPE", "0A000", format!("Unsupported data type \"{}\".", self.text.trim()))
    }

    fn eat(&mut self, mark: char) -> bool {
        self.rest = self.rest.trim_start();
        let found = self.rest.strip_prefix(mark);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn expect(&mut self, mark: char) -> Result<()> {
        if self.eat(mark) { Ok(()) } else { Err(self.bad()) }
    }

    fn word(&mut self) -> Result<String> {
        self.rest = self.rest.trim_start();
        if let Some(quoted) = self.rest.strip_prefix('`') {
            let (name, rest) = quoted.split_once('`').ok_or_else(|| self.bad())?;
            self.rest = rest;
            return Ok(name.into());
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.bad());
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word.into())
    }

    fn number(&mut self) -> Result<u32> {
        self.word()?.parse().map_err(|_| self.bad())
    }

    fn fields(&mut self) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        loop {
            let name = self.word()?;
            self.eat(':');
            let ty = self.ty()?;
            self.rest_of_field()?;
            fields.push(Field { name, ty });
            if !self.eat(',') {
                return Ok(fields);
            }
        }
    }

    /// `NOT NULL` and `COMMENT '…'`, which do not change how a value is read.
    fn rest_of_field(&mut self) -> Result<()> {
        loop {
            let before = self.rest;
            match self.word().map(|word| word.to_ascii_uppercase()).as_deref() {
                Ok("NOT") => {
                    self.word()?;
                }
                Ok("COMMENT") => {
                    self.expect('\'')?;
                    let end = self.rest.find('\'').ok_or_else(|| self.bad())?;
                    self.rest = self.rest.get(end + 1..).unwrap_or_default();
                }
                _ => {
                    self.rest = before;
                    return Ok(());
                }
            }
        }
    }

    fn ty(&mut self) -> Result<Type> {
        let word = self.word()?.to_ascii_uppercase();
        Ok(match word.as_str() {
            "VOID" => Type::Null,
            "BOOLEAN" => Type::Boolean,
            "TINYINT" | "BYTE" => Type::Byte,
            "SMALLINT" | "SHORT" => Type::Short,
            "INT" | "INTEGER" => Type::Int,
            "BIGINT" | "LONG" => Type::Long,
            "FLOAT" | "REAL" => Type::Float,
            "DOUBLE" => Type::Double,
            "STRING" => Type::String,
            "DATE" => Type::Date,
            "TIMESTAMP" => Type::Timestamp,
            "TIMESTAMP_NTZ" => Type::TimestampNtz,
            "BINARY" => Type::Binary,
            "VARIANT" => Type::Variant,
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal()?,
            "CHAR" | "CHARACTER" => Type::Char(self.length()?),
            "VARCHAR" => Type::Varchar(self.length()?),
            "ARRAY" => {
                self.expect('<')?;
                let item = self.ty()?;
                self.expect('>')?;
                Type::Array(Box::new(item))
            }
            "MAP" => {
                self.expect('<')?;
                let key = self.ty()?;
                self.expect(',')?;
                let value = self.ty()?;
                self.expect('>')?;
                Type::Map(Box::new(key), Box::new(value))
            }
            "STRUCT" => {
                self.expect('<')?;
                let fields = self.fields()?;
                self.expect('>')?;
                Type::Struct(fields)
            }
            _ => return Err(self.bad()),
        })
    }

    fn length(&mut self) -> Result<u32> {
        self.expect('(')?;
        let length = self.number()?;
        self.expect(')')?;
        Ok(length)
    }

    fn decimal(&mut self) -> Result<Type> {
        if !self.eat('(') {
            return Ok(Type::Decimal(10, 0));
        }
        let precision = self.number()?;
        let scale = if self.eat(',') { self.number()? } else { 0 };
        self.expect(')')?;
        let small = |number: u32| u8::try_from(number).ok().filter(|number| *number <= 38);
        match (small(precision), small(scale)) {
            (Some(precision), Some(scale)) if scale <= precision && precision > 0 => {
                Ok(Type::Decimal(precision, scale))
            }
            _ => {
                let message = format!("Decimal precision {precision} exceeds max precision 38.");
                Err(SqlError::new("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", "22003", message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_written() {
        for text in
            ["DECIMAL(18,4)", "ARRAY<STRUCT<a: INT, b: STRING>>", "MAP<STRING, BIGINT>", "TIMESTAMP_NTZ", "VARCHAR(5)"]
        {
            assert_eq!(Type::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Type::parse("struct<a int, `b c`: decimal>").unwrap().to_string(),
            "STRUCT<a: INT, b c: DECIMAL(10,0)>"
        );
        assert!(Type::parse("DECIMAL(39,2)").unwrap_err().to_string().starts_with("[DECIMAL_PRECISION"));
        assert!(Type::parse("TEXT").is_err());
        assert_eq!(Type::parse_fields("a INT NOT NULL COMMENT 'x, y', b DATE").unwrap().len(), 2);
    }
}
