//! Misbehaviour on demand: which call goes wrong, and how.
//!
//! Invariant: a fault hits exactly the calls it was told to hit, counted from the moment it was added, and each hit is one
//! call of the log. Without faults the server never misbehaves by chance.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::grid::Twist;
use super::row::Row;
use super::tables::Tables;
use crate::gate::Gate;

/// The body that comes with a [`Fault::Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorBody {
    /// A ServiceErrorResponse.
    Json,
    /// The page of a proxy or application server.
    Html,
    /// Nothing.
    Empty,
}

/// How a call goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// Answered only after this long.
    Slow(Duration),
    /// Not answered until the gate is opened.
    Hold(Gate),
    /// Answered with this status instead of being processed.
    Status {
        /// The HTTP status.
        code: u16,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u32>,
        /// What the body looks like.
        body: ErrorBody,
    },
    /// A proxy's page with status 200 instead of JSON.
    HtmlInsteadOfJson,
    /// Processed; the connection closes in the middle of the body, whose Content-Length promised all of it.
    TruncatedBody,
    /// The connection closes before the call is processed.
    DropConnection,
    /// The call is processed, its reply never arrives.
    LostReply,
    /// The session dies just before the call.
    DeadToken,
    /// 200 without rows and with `sysErrors` filled.
    SysErrors,
    /// 200 with rows and with `errors` filled beside them.
    FormErrors,
    /// 200 with a body that stops being JSON in the middle.
    BadJson,
    /// A column has vanished from the answer.
    ColumnGone(String),
    /// The first row comes again at the end of its page.
    DuplicateKeyInPage,
    /// The first row has null in its key columns.
    NullKey,
    /// No rows, but `moreRecords` is true.
    EmptyButMore,
    /// `records` counts one row more than the rowset holds.
    FewerRowsThanRecords,
    /// The last page with rows is sent again instead of this one.
    RepeatPage,
    /// Rows the user may not see are left out silently.
    HideRows(RowTest),
    /// Something happens to the data just before the call is processed.
    Before(Hook),
}

/// A test of rows, for [`Fault::HideRows`].
#[derive(Clone)]
pub struct RowTest(Arc<dyn Fn(&Row<'_>) -> bool + Send + Sync>);

impl RowTest {
    pub(super) fn holds(&self, row: &Row<'_>) -> bool {
        (self.0)(row)
    }
}

/// A change of the data, for [`Fault::Before`]; it runs once.
#[derive(Clone)]
pub struct Hook(Arc<Mutex<Option<HookFn>>>);

type HookFn = Box<dyn FnOnce(&mut Tables) + Send>;

impl Hook {
    fn run(&self, tables: &mut Tables) {
        let hook = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hook) = hook {
            hook(tables);
        }
    }
}

impl Fault {
    /// A status with a ServiceErrorResponse and no `Retry-After`.
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None, body: ErrorBody::Json }
    }

    /// Leaves out the rows for which the test is true.
    pub fn hide_rows(test: impl Fn(&Row<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self::HideRows(RowTest(Arc::new(test)))
    }

    /// Changes the data just before the call: rows that appear, change or vanish between two pages.
    pub fn before(change: impl FnOnce(&mut Tables) + Send + 'static) -> Self {
        Self::Before(Hook(Arc::new(Mutex::new(Some(Box::new(change))))))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Slow(_) => "Slow",
            Self::Hold(_) => "Hold",
            Self::Status { code, .. } => return write!(f, "Status({code})"),
            Self::HtmlInsteadOfJson => "HtmlInsteadOfJson",
            Self::TruncatedBody => "TruncatedBody",
            Self::DropConnection => "DropConnection",
            Self::LostReply => "LostReply",
            Self::DeadToken => "DeadToken",
            Self::SysErrors => "SysErrors",
            Self::FormErrors => "FormErrors",
            Self::BadJson => "BadJson",
            Self::ColumnGone(_) => "ColumnGone",
            Self::DuplicateKeyInPage => "DuplicateKeyInPage",
            Self::NullKey => "NullKey",
            Self::EmptyButMore => "EmptyButMore",
            Self::FewerRowsThanRecords => "FewerRowsThanRecords",
            Self::RepeatPage => "RepeatPage",
            Self::HideRows(_) => "HideRows",
            Self::Before(_) => "Before",
        };
        f.write_str(name)
    }
}

/// What the faults of one call amount to.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) delay: Duration,
    pub(super) gates: Vec<Gate>,
    pub(super) drop_before: bool,
    pub(super) drop_after: bool,
    pub(super) truncate: bool,
    pub(super) bad_json: bool,
    pub(super) instead: Option<(u16, Option<u32>, ErrorBody)>,
    pub(super) kill_session: bool,
    pub(super) repeat_page: bool,
    pub(super) twist: Twist,
    pub(super) hidden: Vec<RowTest>,
    pub(super) hooks: Vec<Hook>,
}

impl Effects {
    pub(super) fn of(faults: Vec<Fault>) -> Self {
        let mut effects = Self::default();
        for fault in faults {
            match fault {
                Fault::Slow(delay) => effects.delay += delay,
                Fault::Hold(gate) => effects.gates.push(gate),
                Fault::Status { code, retry_after, body } => effects.instead = Some((code, retry_after, body)),
                Fault::HtmlInsteadOfJson => effects.instead = Some((200, None, ErrorBody::Html)),
                Fault::TruncatedBody => effects.truncate = true,
                Fault::DropConnection => effects.drop_before = true,
                Fault::LostReply => effects.drop_after = true,
                Fault::DeadToken => effects.kill_session = true,
                Fault::SysErrors => effects.twist.sys_errors = true,
                Fault::FormErrors => effects.twist.form_errors = true,
                Fault::BadJson => effects.bad_json = true,
                Fault::ColumnGone(alias) => effects.twist.gone.push(alias),
                Fault::DuplicateKeyInPage => effects.twist.duplicate = true,
                Fault::NullKey => effects.twist.null_key = true,
                Fault::EmptyButMore => effects.twist.empty_but_more = true,
                Fault::FewerRowsThanRecords => effects.twist.short = true,
                Fault::RepeatPage => effects.repeat_page = true,
                Fault::HideRows(test) => effects.hidden.push(test),
                Fault::Before(hook) => effects.hooks.push(hook),
            }
        }
        effects
    }

    pub(super) fn run_hooks(&self, tables: &mut Tables) {
        self.hooks.iter().for_each(|hook| hook.run(tables));
    }
}
