//! CEL: the expression language of mappings.
//!
//! An expression sees the source columns it names. Amounts are text there, with functions that calculate exactly, and
//! never floats. Nothing an expression does can take the process down: errors and panics of the library refuse the row.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::common::types::{CelBool, CelInt, CelNull, CelString, DYN_TYPE};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, Program};

use super::apply::Row;
use super::convert::trim_end;
use super::{exact, number};
use crate::model::value::Value;

/// Longer expressions are programs, and belong elsewhere.
const MAX_LENGTH: usize = 4_000;

/// Deeper nesting could overflow the stack of whoever evaluates it, which nothing can catch.
const MAX_DEPTH: usize = 32;

/// The parser needs far more stack than the expressions that it accepts are worth; it gets a thread of its own.
const PARSER_STACK: usize = 64 << 20;

/// Names that CEL itself gives a meaning.
const TYPE_NAMES: [&str; 11] =
    ["bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint"];

const EXACT: &str = "numbers with a fraction are text in expressions: calculate with dec_add, dec_sub, dec_mul and \
                     dec_neg and compare with dec_cmp";

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    for (name, arguments, function) in exact::FUNCTIONS {
        // Refused only when a function of that name exists, which the tests would show.
        let _declared =
            env.add_overload(name, name, std::iter::repeat_with(|| DYN_TYPE).take(arguments).collect(), function);
    }
    Arc::new(env)
});

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Expression {
    program: Program,
    /// Source columns it names: name, and position among the mapping's source columns.
    variables: Vec<(String, usize)>,
}

impl Expression {
    /// Compiles. `column` tells the position of a source column among those the mapping reads.
    pub(super) fn compile(source: &str, mut column: impl FnMut(&str) -> usize) -> Result<Self, String> {
        if source.len() > MAX_LENGTH {
            return Err(format!(
                "the expression is longer than {MAX_LENGTH} characters: compute the value at the source"
            ));
        }
        let program = parse(source)?;
        let mut names = Names::default();
        names.visit(program.expression(), &mut Vec::new());
        if let Some(unknown) = names.functions.iter().find(|name| !is_function(name)) {
            return Err(format!("the expression calls `{unknown}`, which is no function"));
        }
        let variables = names.variables.iter().map(|name| (name.clone(), column(name))).collect();
        Ok(Self { program, variables })
    }

    /// The value for a row: `Null`, `Bool`, `Number` or `Text`.
    pub(super) fn evaluate(&self, row: Row<'_, '_>) -> Result<Value<'static>, String> {
        let resolver = Columns { names: &self.variables, row };
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(Arc::clone(&ENV));
            context.set_variable_resolver(&resolver);
            self.program.execute(&context)
        }));
        match result.map_err(|_| "the expression fails on this row: simplify it".to_owned())? {
            Ok(cel::Value::Null) => Ok(Value::Null),
            Ok(cel::Value::Bool(bool)) => Ok(Value::Bool(bool)),
            Ok(cel::Value::Int(int)) => Ok(Value::Number(int.to_string().into())),
            Ok(cel::Value::UInt(int)) => Ok(Value::Number(int.to_string().into())),
            Ok(cel::Value::String(text)) => Ok(Value::Text(Cow::Owned(Arc::unwrap_or_clone(text)))),
            Ok(cel::Value::Float(_)) => Err(format!("the expression gives a float, which is not exact: {EXACT}")),
            Ok(other) => Err(format!("the expression gives a {}, which no column holds", other.type_of())),
            Err(error) => Err(explained(&error)),
        }
    }

    /// What the expression sees in a row, for people.
    pub(super) fn inputs(&self, row: Row<'_, '_>) -> String {
        let inputs = self.variables.iter().map(|(name, at)| format!("{name}={}", row.cell(*at).to_text()));
        inputs.collect::<Vec<_>>().join(" ")
    }
}

fn parse(source: &str) -> Result<Program, String> {
    let too_deep =
        || format!("the expression is nested deeper than {MAX_DEPTH} levels: compute the value at the source");
    if brackets(source) > MAX_DEPTH {
        return Err(too_deep());
    }
    let parsed = std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(PARSER_STACK);
        let parser = parser.spawn_scoped(scope, || match ENV.compile(source) {
            Ok(program) if depth(program.expression()) > MAX_DEPTH => Err(too_deep()),
            Ok(program) => Ok(program),
            Err(errors) => Err(errors.errors.first().map_or_else(String::new, |error| {
                format!("line {}, column {} of the expression: {}", error.pos.0, error.pos.1, first_line(&error.msg))
            })),
        });
        // A panic of the parser ends its thread, and is an error here.
        parser.ok().and_then(|parser| parser.join().ok())
    });
    parsed.unwrap_or_else(|| Err("the expression cannot be read: simplify it".to_owned()))
}

/// How deep brackets are nested at most; those inside texts count too.
fn brackets(source: &str) -> usize {
    let mut open: usize = 0;
    let mut deepest = 0;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

fn depth(expression: &IdedExpr) -> usize {
    1 + parts(expression).into_iter().map(depth).max().unwrap_or_default()
}

/// The expressions directly inside an expression.
fn parts(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(loops) => {
            vec![&loops.iter_range, &loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(fields) => fields.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

fn explained(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(error) => {
            format!(
                "the expression applies `{}` to ({}); {EXACT}",
                operator(error.function()),
                error.argument_types().join(", ")
            )
        }
        ExecutionError::UnsupportedBinaryOperator(name, left, right) => {
            format!("the expression applies `{}` to ({}, {}); {EXACT}", operator(name), left.type_of(), right.type_of())
        }
        ExecutionError::ValuesNotComparable(..) => {
            format!("the expression compares values of different types; {EXACT}")
        }
        ExecutionError::FunctionError { function, message } => format!("the expression's {function} {message}"),
        other => format!("the expression fails: {}", super::shortened(&other.to_string())),
    }
}

/// The operator as whoever wrote the expression knows it.
fn operator(function: &str) -> &str {
    match function {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        other => other.trim_matches('_'),
    }
}

/// What the parser says, without the names of its own types.
fn first_line(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    if line.contains("ParseError") { "this is no CEL, or nested too deeply" } else { line }
}

/// Whether CEL or we define a function of this name; operators are always defined.
fn is_function(name: &str) -> bool {
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return true;
    }
    // The library tells which functions it has only by refusing to define one of them again.
    Context::with_env(Arc::clone(&ENV)).add_function(name, |any: i64| any).is_err()
}

/// The variables and functions an expression names, without the variables its macros introduce.
#[derive(Default)]
struct Names {
    variables: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Names {
    fn visit<'e>(&mut self, expression: &'e IdedExpr, bound: &mut Vec<&'e str>) {
        match &expression.expr {
            Expr::Ident(name) => {
                let name = name.trim_start_matches('.');
                let own = name.starts_with('@') || bound.contains(&name) || TYPE_NAMES.contains(&name);
                if !own {
                    self.variables.insert(name.to_owned());
                }
            }
            Expr::Comprehension(loops) => {
                self.visit(&loops.iter_range, bound);
                self.visit(&loops.accu_init, bound);
                let outer = bound.len();
                bound.push(&loops.iter_var);
                bound.extend(loops.iter_var2.as_deref());
                bound.push(&loops.accu_var);
                for part in [&loops.loop_cond, &loops.loop_step, &loops.result] {
                    self.visit(part, bound);
                }
                bound.truncate(outer);
            }
            other => {
                if let Expr::Call(call) = other {
                    self.functions.insert(call.func_name.clone());
                }
                for part in parts(expression) {
                    self.visit(part, bound);
                }
            }
        }
    }
}

/// Gives an expression the cells it names, and builds no others.
struct Columns<'r> {
    names: &'r [(String, usize)],
    row: Row<'r, 'r>,
}

impl VariableResolver for Columns<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let (_, at) = self.names.iter().find(|(name, _)| name == variable)?;
        Some(match self.row.cell(*at) {
            Value::Null => CowVal::owned(CelNull),
            Value::Bool(bool) => CowVal::owned(CelBool::from(*bool)),
            Value::Number(number) => match number::integer(number, 0) {
                Ok(int) => CowVal::owned(CelInt::from(int)),
                Err(_) => CowVal::owned(CelString::from(number.as_ref())),
            },
            Value::Integer(int) => CowVal::owned(CelInt::from(*int)),
            Value::Text(text) => CowVal::owned(CelString::from(trim_end(text))),
            other => CowVal::owned(CelString::from(other.to_text())),
        })
    }
}
