//! The form of LookML: what a file says before anybody asks what it means.
//!
//! Invariant: every parameter keeps the line it stands on, so that an error can name it. Only form is judged here.

/// `key: value`, as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) line: usize,
}

/// The right side of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `name { … }`, or `{ … }` without a name.
    Block { name: Option<String>, pairs: Vec<Pair> },
    /// `[a, b: "c"]`
    List(Vec<Item>),
    /// `"text"`
    Text(String),
    /// `yes`, `many_to_one`, `3`
    Word(String),
    /// Everything up to `;;`.
    Sql(String),
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    One(String),
    Pair(String, String),
}

/// Where a file stops being LookML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) message: String,
}

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Vec<Pair>, Broken> {
    let mut reader = Reader { rest: text, line: 1 };
    let pairs = reader.pairs()?;
    if reader.rest.is_empty() { Ok(pairs) } else { Err(reader.broken("a `}` without its `{`")) }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn broken(&self, message: impl Into<String>) -> Broken {
        Broken { line: self.line, message: message.into() }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Skips blanks and comments, which run from `#` to the end of the line.
    fn skip(&mut self) {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start().len();
            self.take(blanks);
            if !self.rest.starts_with('#') {
                return;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take(end);
        }
    }

    fn eat(&mut self, sign: char) -> bool {
        self.skip();
        let there = self.rest.starts_with(sign);
        if there {
            self.take(sign.len_utf8());
        }
        there
    }

    fn word(&mut self) -> Result<String, Broken> {
        self.skip();
        let belongs = |c: char| c.is_alphanumeric() || "_-.*+/%".contains(c);
        let end = self.rest.find(|c: char| !belongs(c)).unwrap_or(self.rest.len());
        if end == 0 {
            let found = self.rest.chars().next().map_or("the end of the file".into(), |c| format!("`{c}`"));
            return Err(self.broken(format!("a name was expected, and there is {found}")));
        }
        Ok(self.take(end).to_owned())
    }

    fn pairs(&mut self) -> Result<Vec<Pair>, Broken> {
        let mut pairs = Vec::new();
        loop {
            self.skip();
            if self.rest.is_empty() || self.rest.starts_with('}') {
                return Ok(pairs);
            }
            let line = self.line;
            let key = self.word()?;
            if !self.eat(':') {
                return Err(self.broken(format!("`{key}` is not followed by `:`")));
            }
            let value = self.value(&key)?;
            pairs.push(Pair { key, value, line });
        }
    }

    fn value(&mut self, key: &str) -> Result<Value, Broken> {
        self.skip();
        if holds_sql(key) {
            return self.sql(key);
        }
        if self.rest.starts_with('"') {
            return Ok(Value::Text(self.text()?));
        }
        if self.eat('[') {
            return self.list();
        }
        if self.eat('{') {
            return self.block(None);
        }
        let word = self.word()?;
        if self.eat('{') { self.block(Some(word)) } else { Ok(Value::Word(word)) }
    }

    fn block(&mut self, name: Option<String>) -> Result<Value, Broken> {
        let pairs = self.pairs()?;
        if self.eat('}') { Ok(Value::Block { name, pairs }) } else { Err(self.broken("a `{` without its `}`")) }
    }

    fn sql(&mut self, key: &str) -> Result<Value, Broken> {
        let end =
            self.rest.find(";;").ok_or_else(|| self.broken(format!("the SQL of `{key}` does not end in `;;`")))?;
        let sql = self.take(end).trim().to_owned();
        self.take(2);
        Ok(Value::Sql(sql))
    }

    fn text(&mut self) -> Result<String, Broken> {
        let mut text = String::new();
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                _ if escaped => {
                    text.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    self.take(at + 1);
                    return Ok(text);
                }
                _ => text.push(c),
            }
        }
        Err(self.broken("a `\"` without its partner"))
    }

    fn list(&mut self) -> Result<Value, Broken> {
        let mut items = Vec::new();
        loop {
            if self.eat(']') {
                return Ok(Value::List(items));
            }
            self.skip();
            let item = self.entry()?;
            items.push(if self.eat(':') {
                self.skip();
                Item::Pair(item, self.entry()?)
            } else {
                Item::One(item)
            });
            if !self.eat(',') && !self.rest.starts_with(']') {
                return Err(self.broken("an entry of a list is followed by neither `,` nor `]`"));
            }
        }
    }

    fn entry(&mut self) -> Result<String, Broken> {
        if self.rest.starts_with('"') { self.text() } else { self.word() }
    }
}

/// The parameters whose value is SQL or HTML and ends in `;;`.
fn holds_sql(key: &str) -> bool {
    matches!(key, "html" | "expression" | "sql") || key.starts_with("sql_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_read_with_its_lines_lists_and_sql() {
        let text = "# a comment\nview: ap_invoices {\n  sql_table_name: main.ap ;;\n  dimension_group: due {\n    \
                    timeframes: [raw, date,] # trailing comma\n    sql: ${TABLE}.due # kept ;;\n  }\n  \
                    measure: paid { filters: [status: \"P,Q\", x.y: \"-NULL\"] label: \"say \\\"hi\\\"\" }\n}\n";
        let pairs = parse(text).unwrap();
        let Value::Block { name, pairs } = &pairs[0].value else { panic!("{pairs:?}") };
        assert_eq!(name.as_deref(), Some("ap_invoices"));
        assert_eq!(pairs[0].value, Value::Sql("main.ap".into()));
        let Value::Block { pairs: group, .. } = &pairs[1].value else { panic!() };
        assert_eq!(group[0].value, Value::List(vec![Item::One("raw".into()), Item::One("date".into())]));
        assert_eq!((group[1].line, &group[1].value), (6, &Value::Sql("${TABLE}.due # kept".into())));
        let Value::Block { pairs: paid, .. } = &pairs[2].value else { panic!() };
        let filters = vec![Item::Pair("status".into(), "P,Q".into()), Item::Pair("x.y".into(), "-NULL".into())];
        assert_eq!(paid[0].value, Value::List(filters));
        assert_eq!(paid[1].value, Value::Text("say \"hi\"".into()));
    }

    #[test]
    fn what_is_no_lookml_is_named_with_its_line() {
        for (text, line, says) in [
            ("view: a {\n  dimension: b {\n", 3, "without its `}`"),
            ("view: a { }\n}", 2, "without its `{`"),
            ("view: a {\n sql_table_name: x\n}", 2, "`;;`"),
            ("view a {}", 1, "`:`"),
            ("label: \"x", 1, "without its partner"),
            ("a: [b c]", 1, "neither"),
            ("a: ?", 1, "`?`"),
        ] {
            let broken = parse(text).unwrap_err();
            assert_eq!(broken.line, line, "{text}: {broken:?}");
            assert!(broken.message.contains(says), "{text}: {broken:?}");
        }
    }
}
