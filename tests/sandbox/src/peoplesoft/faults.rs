//! Misbehaviour on demand: which call goes wrong, and how.
//!
//! Invariant: a fault hits exactly the calls it was told to hit, counted from the moment it was added, and each hit is one
//! call of the log. Without faults the server never misbehaves by chance.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::record::Records;
use super::settings::ErrorBody;
use crate::gate::Gate;

/// How a call goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// Answered only after this long.
    Slow(Duration),
    /// Not answered until the gate is opened.
    Hold(Gate),
    /// Answered like this instead of being processed.
    Status {
        /// The HTTP status.
        code: u16,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u32>,
        /// What the body looks like.
        body: ErrorBody,
    },
    /// 200 with `{"status":"error",…}` instead of rows.
    ErrorWith200,
    /// Processed; the connection closes in the middle of the body, whose Content-Length promised all of it.
    TruncatedBody,
    /// The connection closes before the call is processed.
    DropConnection,
    /// The call is processed, its reply never arrives.
    LostReply,
    /// All access tokens die just before the call.
    DeadToken,
    /// 200 with a body that stops being JSON in the middle.
    BadJson,
    /// A column has vanished from the answer.
    ColumnGone(String),
    /// A column has another name in the answer.
    ColumnRenamed(String, String),
    /// The server cuts the page after so many rows and does not say so.
    ShortPage(usize),
    /// No rows, although there are.
    NoRows,
    /// The first row comes again at the end of its page.
    DuplicateRow,
    /// The first row has nothing in its columns of this name.
    BlankInFirstRow(String),
    /// `numrows` counts one row more than there are.
    CountsOneMore,
    /// The last page with rows is sent again instead of this one.
    RepeatPage,
    /// The prompts are taken and their values ignored: the answer begins with the first row again.
    IgnorePrompts,
    /// An asynchronous query ends in `error`.
    AsyncFails,
    /// Something happens to the data just before the call is processed.
    Before(Hook),
}

/// A change of the data, for [`Fault::Before`]; it runs once.
#[derive(Clone)]
pub struct Hook(Arc<Mutex<Option<HookFn>>>);

type HookFn = Box<dyn FnOnce(&mut Records) + Send>;

impl Hook {
    fn run(&self, records: &mut Records) {
        let hook = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hook) = hook {
            hook(records);
        }
    }
}

impl Fault {
    /// A status with the IBResponse XML and no `Retry-After`.
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None, body: ErrorBody::IbResponse }
    }

    /// A status with the page of a web server, as while a domain boots.
    pub fn page(code: u16) -> Self {
        Self::Status { code, retry_after: None, body: ErrorBody::Html }
    }

    /// A status with nothing behind it.
    pub fn empty(code: u16) -> Self {
        Self::Status { code, retry_after: None, body: ErrorBody::Empty }
    }

    /// Changes the data just before the call: rows that appear, change or vanish between two pages.
    pub fn before(change: impl FnOnce(&mut Records) + Send + 'static) -> Self {
        Self::Before(Hook(Arc::new(Mutex::new(Some(Box::new(change))))))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Slow(_) => "Slow",
            Self::Hold(_) => "Hold",
            Self::Status { code, .. } => return write!(f, "Status({code})"),
            Self::ErrorWith200 => "ErrorWith200",
            Self::TruncatedBody => "TruncatedBody",
            Self::DropConnection => "DropConnection",
            Self::LostReply => "LostReply",
            Self::DeadToken => "DeadToken",
            Self::BadJson => "BadJson",
            Self::ColumnGone(_) => "ColumnGone",
            Self::ColumnRenamed(..) => "ColumnRenamed",
            Self::ShortPage(_) => "ShortPage",
            Self::NoRows => "NoRows",
            Self::DuplicateRow => "DuplicateRow",
            Self::BlankInFirstRow(_) => "BlankInFirstRow",
            Self::CountsOneMore => "CountsOneMore",
            Self::RepeatPage => "RepeatPage",
            Self::IgnorePrompts => "IgnorePrompts",
            Self::AsyncFails => "AsyncFails",
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
    pub(super) kill_tokens: bool,
    pub(super) repeat_page: bool,
    pub(super) async_fails: bool,
    pub(super) twist: Twist,
    pub(super) hooks: Vec<Hook>,
}

/// What is wrong with a page.
#[derive(Clone, Debug, Default)]
pub(super) struct Twist {
    pub(super) gone: Vec<String>,
    pub(super) renamed: Vec<(String, String)>,
    pub(super) blank: Vec<String>,
    pub(super) most: Option<usize>,
    pub(super) duplicate: bool,
    pub(super) counts_more: bool,
    pub(super) ignore_prompts: bool,
}

impl Effects {
    pub(super) fn of(faults: Vec<Fault>) -> Self {
        let mut effects = Self::default();
        for fault in faults {
            match fault {
                Fault::Slow(delay) => effects.delay += delay,
                Fault::Hold(gate) => effects.gates.push(gate),
                Fault::Status { code, retry_after, body } => effects.instead = Some((code, retry_after, body)),
                Fault::ErrorWith200 => effects.instead = Some((200, None, ErrorBody::Json)),
                Fault::TruncatedBody => effects.truncate = true,
                Fault::DropConnection => effects.drop_before = true,
                Fault::LostReply => effects.drop_after = true,
                Fault::DeadToken => effects.kill_tokens = true,
                Fault::BadJson => effects.bad_json = true,
                Fault::ColumnGone(name) => effects.twist.gone.push(name),
                Fault::ColumnRenamed(from, to) => effects.twist.renamed.push((from, to)),
                Fault::ShortPage(rows) => effects.twist.most = Some(rows),
                Fault::NoRows => effects.twist.most = Some(0),
                Fault::DuplicateRow => effects.twist.duplicate = true,
                Fault::BlankInFirstRow(name) => effects.twist.blank.push(name),
                Fault::CountsOneMore => effects.twist.counts_more = true,
                Fault::RepeatPage => effects.repeat_page = true,
                Fault::IgnorePrompts => effects.twist.ignore_prompts = true,
                Fault::AsyncFails => effects.async_fails = true,
                Fault::Before(hook) => effects.hooks.push(hook),
            }
        }
        effects
    }

    pub(super) fn run_hooks(&self, records: &mut Records) {
        self.hooks.iter().for_each(|hook| hook.run(records));
    }
}
