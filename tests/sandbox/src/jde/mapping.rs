//! How the columns of a CSV file become the columns of JDE tables, and the line of text that says so on a command line.
//!
//! `F0411.DOC=Document No.,F0411.DCT='PV',F0411.SFX=seq():pad(3),F0411.DGJ=GL Date:date(%Y-%m-%d)`
//!
//! An entry is `TABLE.ALIAS=source[:convert…]`. The source is a CSV heading (in double quotes when it holds `,`, `:` or
//! quotes), a constant in single quotes, `row()` for the number of the row, or `seq()` for a count of the rows that
//! share the rest of the key. Converts apply from left to right: `date(FORMAT)` with strftime directives, `number` (drops
//! blanks and thousands commas), `digits` (keeps digits only), `upper`, `first(N)` (characters) and `pad(N)` (zeros to the
//! left). `TABLE.*=first` keeps the first row where keys repeat, instead of refusing the file.

use std::fmt;

use super::schema::Schema;

/// Rows of a CSV as one table.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The table they become.
    pub schema: Schema,
    /// Where each column's value comes from; columns not named stay blank.
    pub columns: Vec<Column>,
    /// What happens when a key comes again.
    pub repeats: Repeats,
}

/// One column of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The alias of the JDE column.
    pub alias: String,
    /// Where its value comes from.
    pub source: Source,
    /// What is done to the value, in order.
    pub converts: Vec<Convert>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A column of the CSV, by its heading.
    Field(String),
    /// The same for all rows.
    Constant(String),
    /// 1 for the first row of data, and so on.
    Row,
    /// 1 for the first row with this key (the other key columns taken together), 2 for the next, and so on.
    Sequence,
}

/// What is done to a value. A value a convert cannot read stays as it came, for the reader of the table to meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Convert {
    /// Reads a date by strftime directives.
    Date(String),
    /// Drops blanks and thousands commas.
    Number,
    /// Keeps the digits only.
    Digits,
    /// Upper case.
    Upper,
    /// Keeps so many characters.
    First(usize),
    /// Zeros to the left, up to so many characters.
    Pad(usize),
}

/// What happens when a key comes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// The file is refused.
    #[default]
    Refuse,
    /// The first row stays; for master data in a file of transactions.
    KeepFirst,
}

/// Why a mapping cannot be read: the entry and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub struct MappingError {
    entry: String,
    why: String,
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mapping entry {:?}: {}", self.entry, self.why)
    }
}

impl std::error::Error for MappingError {}

/// Reads a whole mapping: one [`Mapping`] for each table named, in the order they are first named.
pub fn parse(text: &str) -> Result<Vec<Mapping>, MappingError> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for entry in split(text, ',') {
        let error = |why: String| MappingError { entry: entry.trim().into(), why };
        if entry.trim().is_empty() {
            continue;
        }
        let (target, value) =
            entry.split_once('=').ok_or_else(|| error("expected TABLE.ALIAS=source, found no `=`".into()))?;
        let (table, alias) = target
            .trim()
            .split_once('.')
            .ok_or_else(|| error(format!("expected TABLE.ALIAS before the `=`, found {:?}", target.trim())))?;
        let at = match mappings.iter().position(|mapping| mapping.schema.name() == table) {
            Some(at) => at,
            None => {
                let known = || Schema::standard_names().collect::<Vec<_>>().join(", ");
                let schema = Schema::standard(table)
                    .ok_or_else(|| error(format!("unknown table {table:?}; the simulator knows {}", known())))?;
                mappings.push(Mapping { schema, columns: Vec::new(), repeats: Repeats::Refuse });
                mappings.len() - 1
            }
        };
        let mapping = &mut mappings[at];
        if alias == "*" {
            mapping.repeats = match value.trim() {
                "first" => Repeats::KeepFirst,
                other => return Err(error(format!("only `first` can stand for all columns, not {other:?}"))),
            };
            continue;
        }
        if mapping.schema.position(alias).is_none() {
            return Err(error(format!("{table} has no column {alias:?}")));
        }
        if mapping.columns.iter().any(|column| column.alias == alias) {
            return Err(error(format!("{table}.{alias} is mapped twice")));
        }
        let (source, converts) = source(value).map_err(error)?;
        mapping.columns.push(Column { alias: alias.into(), source, converts });
    }
    if mappings.is_empty() {
        return Err(MappingError { entry: text.into(), why: "names no column at all".into() });
    }
    Ok(mappings)
}

fn source(text: &str) -> Result<(Source, Vec<Convert>), String> {
    let mut parts = split(text.trim(), ':').into_iter();
    let first = parts.next().unwrap_or("").trim();
    let source = match (first, quoted(first, '\''), quoted(first, '"')) {
        (_, Some(constant), _) => Source::Constant(constant),
        (_, _, Some(field)) => Source::Field(field),
        ("row()", ..) => Source::Row,
        ("seq()", ..) => Source::Sequence,
        ("", ..) => return Err("names no CSV column".into()),
        (field, ..) => Source::Field(field.into()),
    };
    Ok((source, parts.map(|part| convert(part.trim())).collect::<Result<_, _>>()?))
}

fn convert(text: &str) -> Result<Convert, String> {
    let (name, argument) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, argument)) => (name, Some(argument)),
        None => (text, None),
    };
    let width = |argument: &str| argument.parse().map_err(|_| format!("{name} needs a number, not {argument:?}"));
    match (name, argument) {
        ("date", Some(format)) => Ok(Convert::Date(format.into())),
        ("date", None) => Err("date needs a format, such as date(%Y-%m-%d)".into()),
        ("number", None) => Ok(Convert::Number),
        ("digits", None) => Ok(Convert::Digits),
        ("upper", None) => Ok(Convert::Upper),
        ("first", Some(count)) => width(count).map(Convert::First),
        ("pad", Some(count)) => width(count).map(Convert::Pad),
        _ => {
            Err(format!("unknown convert {text:?}; there are date(FORMAT), number, digits, upper, first(N) and pad(N)"))
        }
    }
}

/// The text within quotes, a doubled quote standing for one.
fn quoted(text: &str, quote: char) -> Option<String> {
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let doubled: String = [quote, quote].iter().collect();
    Some(inner.replace(&doubled, &quote.to_string()))
}

/// Splits where the separator stands outside of quotes and brackets. A quote counts only where a piece begins with it,
/// so that headings such as `Supplier's No.` need no care.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut quote, mut depth) = (0, None, 0);
    let mut before = '=';
    for (at, letter) in text.char_indices() {
        match letter {
            _ if quote == Some(letter) => quote = None,
            _ if quote.is_some() => {}
            '\'' | '"' if ['=', separator].contains(&before) || (separator == ':' && at == 0) => quote = Some(letter),
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if letter == separator && depth <= 0 => {
                pieces.push(text.get(start..at).unwrap_or(""));
                start = at + letter.len_utf8();
            }
            _ => {}
        }
        if !letter.is_whitespace() {
            before = letter;
        }
    }
    pieces.push(text.get(start..).unwrap_or(""));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_read_entry_by_entry() {
        let text = "F0411.DOC=Document No., F0411.DCT='PV',F0411.SFX=seq():pad(3),F0411.DGJ=GL Date:date(%d, %b: %Y),\
                    F0411.AG=\"Value, net: total\":number,F0101.AN8=Address Book No.,F0101.*=first,F0411.VINV=Supplier's (own) No.:first(25):upper";
        let mappings = parse(text).unwrap();
        assert_eq!(mappings.len(), 2);
        let [ledger, book] = mappings.as_slice() else { panic!() };
        assert_eq!((ledger.repeats, book.repeats), (Repeats::Refuse, Repeats::KeepFirst));
        let column = |alias: &str| {
            let column = ledger.columns.iter().find(|column| column.alias == alias).unwrap();
            (column.source.clone(), column.converts.clone())
        };
        assert_eq!(column("DOC"), (Source::Field("Document No.".into()), vec![]));
        assert_eq!(column("DCT"), (Source::Constant("PV".into()), vec![]));
        assert_eq!(column("SFX"), (Source::Sequence, vec![Convert::Pad(3)]));
        assert_eq!(column("DGJ"), (Source::Field("GL Date".into()), vec![Convert::Date("%d, %b: %Y".into())]));
        assert_eq!(column("AG"), (Source::Field("Value, net: total".into()), vec![Convert::Number]));
        assert_eq!(
            column("VINV"),
            (Source::Field("Supplier's (own) No.".into()), vec![Convert::First(25), Convert::Upper])
        );
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_entry() {
        for (text, says) in [
            ("", "names no column at all"),
            ("F0411.DOC", "found no `=`"),
            ("DOC=x", "expected TABLE.ALIAS before"),
            ("F9999.DOC=x", "unknown table \"F9999\""),
            ("F0411.NOPE=x", "F0411 has no column \"NOPE\""),
            ("F0411.DOC=", "names no CSV column"),
            ("F0411.DOC=x:sqrt", "unknown convert \"sqrt\""),
            ("F0411.DGJ=x:date", "date needs a format"),
            ("F0411.SFX=x:pad(three)", "pad needs a number"),
            ("F0411.DOC=x,F0411.DOC=y", "F0411.DOC is mapped twice"),
            ("F0411.*=last", "only `first`"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
