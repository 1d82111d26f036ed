//! Statements as tokens: what the published grammar reads, and what is read by hand beside it.

use sqlparser::ast::{Expr, Query, Statement};
use sqlparser::dialect::DatabricksDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer};

use super::error::{Result, SqlError};
use crate::databricks::catalog::types::Type;

const DIALECT: DatabricksDialect = DatabricksDialect {};

/// How deep expressions may be nested.
const DEEPEST: usize = 500;

/// Tokens of one statement, read from the front.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    tokens: Vec<Token>,
    at: usize,
}

/// The tokens of one statement, without comments and the semicolon behind it.
pub(super) fn tokenize(text: &str) -> Result<Tokens> {
    refuse_doubled_quotes(text)?;
    let tokens = Tokenizer::new(&DIALECT, text).tokenize().map_err(|error| SqlError::syntax(format!("'{error}'")))?;
    let mut tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    while matches!(tokens.last(), Some(Token::SemiColon)) {
        tokens.pop();
    }
    if tokens.is_empty() {
        return Err(SqlError::syntax("end of input"));
    }
    if tokens.contains(&Token::SemiColon) {
        return Err(SqlError::syntax("';': extra input, one statement is expected"));
    }
    Ok(Tokens { tokens, at: 0 })
}

/// Two quotes within a literal are a quote to newer releases and nothing at all to older ones, so they are not to be
/// relied upon: `\'` means the same to all.
fn refuse_doubled_quotes(text: &str) -> Result<()> {
    if !text.contains("''") {
        return Ok(());
    }
    let raw = Tokenizer::new(&DIALECT, text).with_unescape(false).tokenize().unwrap_or_default();
    let doubled = raw.iter().any(|token| match token {
        Token::SingleQuotedString(raw) => raw.replace("\\\\", "").replace("\\'", "").contains("''"),
        _ => false,
    });
    if doubled { Err(SqlError::syntax("'''': write \\' for a quote within a literal")) } else { Ok(()) }
}

fn refused(error: ParserError) -> SqlError {
    match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => SqlError::syntax(format!("'{text}'")),
        ParserError::RecursionLimitExceeded => SqlError::syntax("an expression that is too deep"),
    }
}

/// Reads a query, such as that of a view.
pub(super) fn query(text: &str) -> Result<Query> {
    tokenize(text)?.into_query()
}

/// Reads a condition, such as that of a constraint.
pub(super) fn condition(text: &str) -> Result<Expr> {
    let mut parser = Parser::new(&DIALECT).with_recursion_limit(DEEPEST).try_with_sql(text).map_err(refused)?;
    parser.parse_expr().map_err(refused)
}

impl Tokens {
    /// What is left, read by the published grammar.
    pub(super) fn into_statement(mut self) -> Result<Statement> {
        self.rewrite_history();
        let rest = self.tokens.split_off(self.at);
        let mut parser = Parser::new(&DIALECT).with_recursion_limit(DEEPEST).with_tokens(rest);
        let statement = parser.parse_statement().map_err(refused)?;
        match parser.peek_token().token {
            Token::EOF => Ok(statement),
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }

    pub(super) fn into_query(self) -> Result<Query> {
        match self.into_statement()? {
            Statement::Query(query) => Ok(*query),
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }

    /// `(DESCRIBE HISTORY t)` stands where a query may stand, which the published grammar does not know.
    fn rewrite_history(&mut self) {
        let mut at = 0;
        while at + 2 < self.tokens.len() {
            let open = self.tokens.get(at) == Some(&Token::LParen);
            if !(open && self.is_word_at(at + 1, "DESCRIBE") && self.is_word_at(at + 2, "HISTORY")) {
                at += 1;
                continue;
            }
            let mut end = at + 3;
            let mut name = String::new();
            while let Some(token @ (Token::Word(_) | Token::Period)) = self.tokens.get(end) {
                if self.is_word_at(end, "LIMIT") {
                    break;
                }
                name.push_str(&match token {
                    Token::Word(word) => word.value.clone(),
                    _ => ".".into(),
                });
                end += 1;
            }
            let call = [
                Token::make_keyword("SELECT"),
                Token::Mul,
                Token::make_keyword("FROM"),
                Token::make_word("describe_history", None),
                Token::LParen,
                Token::SingleQuotedString(name),
                Token::RParen,
            ];
            self.tokens.splice(at + 1..end, call);
            at += 1;
        }
    }

    fn is_word_at(&self, at: usize, word: &str) -> bool {
        matches!(self.tokens.get(at), Some(Token::Word(found)) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    /// Whether the next words are these, which stay where they are.
    pub(super) fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, word)| self.is_word_at(self.at + offset, word))
    }

    /// Takes the next words if they are these.
    pub(super) fn eat(&mut self, words: &[&str]) -> bool {
        let found = self.sees(words);
        if found {
            self.at += words.len();
        }
        found
    }

    pub(super) fn expect(&mut self, words: &[&str]) -> Result<()> {
        if self.eat(words) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn eat_mark(&mut self, mark: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(mark);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_mark(&mut self, mark: &Token) -> Result<()> {
        if self.eat_mark(mark) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn sees_mark(&self, mark: &Token) -> bool {
        self.tokens.get(self.at) == Some(mark)
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn finish(&self) -> Result<()> {
        if self.is_done() { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn unexpected(&self) -> SqlError {
        match self.tokens.get(self.at) {
            Some(token) => SqlError::syntax(format!("'{token}'")),
            None => SqlError::syntax("end of input"),
        }
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Takes some tokens out, such as words that the published grammar does not know.
    pub(super) fn remove(&mut self, from: usize, count: usize) {
        self.tokens.drain(from..from + count);
    }

    /// The place of some words behind the first token.
    pub(super) fn position(&self, words: &[&str]) -> Option<usize> {
        (1..self.tokens.len())
            .find(|at| words.iter().enumerate().all(|(offset, word)| self.is_word_at(at + offset, word)))
    }

    pub(super) fn identifier(&mut self) -> Result<String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => {
                let name = word.value.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A name with points between its parts.
    pub(super) fn name(&mut self) -> Result<Vec<String>> {
        let mut parts = vec![self.identifier()?];
        while self.eat_mark(&Token::Period) {
            parts.push(self.identifier()?);
        }
        Ok(parts)
    }

    pub(super) fn string(&mut self) -> Result<String> {
        match self.tokens.get(self.at) {
            Some(Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.unexpected()),
        }
    }

    pub(super) fn number(&mut self) -> Result<usize> {
        match self.tokens.get(self.at) {
            Some(Token::Number(digits, _)) => {
                let number = digits.parse().map_err(|_| self.unexpected())?;
                self.at += 1;
                Ok(number)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `(a, b, c)`.
    pub(super) fn identifiers(&mut self) -> Result<Vec<String>> {
        self.expect_mark(&Token::LParen)?;
        let mut names = vec![self.identifier()?];
        while self.eat_mark(&Token::Comma) {
            names.push(self.identifier()?);
        }
        self.expect_mark(&Token::RParen)?;
        Ok(names)
    }

    /// `('a' = 'b', c.d = true)`: options and properties.
    pub(super) fn pairs(&mut self) -> Result<Vec<(String, String)>> {
        self.expect_mark(&Token::LParen)?;
        let mut pairs = Vec::new();
        loop {
            let key = match self.string() {
                Ok(key) => key,
                Err(_) => self.name()?.join("."),
            };
            self.eat_mark(&Token::Eq);
            let value = match self.next() {
                Some(Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) => text,
                Some(Token::Word(word)) => word.value,
                Some(Token::Number(digits, _)) => digits,
                _ => return Err(self.unexpected()),
            };
            pairs.push((key, value));
            if !self.eat_mark(&Token::Comma) {
                break;
            }
        }
        self.expect_mark(&Token::RParen)?;
        Ok(pairs)
    }

    /// A type, with whatever stands in its brackets.
    pub(super) fn ty(&mut self) -> Result<Type> {
        let mut text = self.identifier()?;
        let (mut round, mut angled) = (0_i32, 0_i32);
        loop {
            match self.tokens.get(self.at) {
                Some(Token::LParen) => round += 1,
                Some(Token::RParen) if round > 0 => round -= 1,
                Some(Token::Lt) => angled += 1,
                Some(Token::Gt) if angled > 0 => angled -= 1,
                Some(Token::ShiftRight) if angled > 1 => angled -= 2,
                Some(_) if round + angled > 0 => {}
                _ => break,
            }
            let Some(token) = self.next() else { break };
            text.push_str(&token.to_string());
            text.push(' ');
        }
        Type::parse(&text.replace("> >", ">>").replace(" )", ")"))
    }

    /// What is left up to a closing parenthesis of this level or the end, as text.
    pub(super) fn rest_of_level(&mut self) -> String {
        let mut depth = 0;
        let mut text: Vec<String> = Vec::new();
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => break,
                Token::RParen => depth -= 1,
                _ => {}
            }
            text.push(match token {
                Token::SingleQuotedString(inner) => format!("'{}'", inner.replace('\\', "\\\\").replace('\'', "\\'")),
                other => other.to_string(),
            });
            self.at += 1;
        }
        text.join(" ")
    }
}
