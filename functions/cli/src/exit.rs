//! How a command ends: its exit code, and errors in words with the next step.

use std::fmt;
use std::process::ExitCode;

/// How a command ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// Something did not succeed: a run is not complete, a proof does not agree, a check failed.
    NotOk = 1,
    /// Wrong usage or configuration; nothing was done.
    Usage = 2,
    /// Another process is working in the state directory.
    Busy = 3,
    /// What was asked for is not known, such as the audit of an unknown key.
    NotFound = 4,
    /// Stopped with Ctrl-C.
    Interrupted = 130,
}

/// The exit codes as `--help` shows them.
pub const HELP: &str = "\
Exit codes:
  0    all went well
  1    something did not succeed: a run is not complete, a proof does not agree, a check failed
  2    wrong usage or configuration; nothing was done
  3    another process is working in the state directory
  4    what was asked for is not known, such as the audit of an unknown key
  130  stopped with Ctrl-C; `run` continues";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows its exit code. Any other error ends with [`Exit::NotOk`].
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Wrong usage or configuration.
pub fn usage(message: impl fmt::Display) -> anyhow::Error {
    failure(Exit::Usage, message)
}

/// What was asked for is not known.
pub fn not_found(message: impl fmt::Display) -> anyhow::Error {
    failure(Exit::NotFound, message)
}

/// An error with this exit code.
pub fn failure(exit: Exit, message: impl fmt::Display) -> anyhow::Error {
    Failure { exit, message: message.to_string() }.into()
}

/// The exit code of an error.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Failure>().map_or(Exit::NotOk, |failure| failure.exit)
}

/// An error as people read it: what is wrong, then what to do, where the message says so.
pub fn explain(error: &anyhow::Error) -> String {
    // `{:#}` puts the context in front of the cause; no backtrace, whatever the environment asks for.
    let text = format!("{error:#}");
    if exit_of(error) == Exit::Interrupted {
        return text;
    }
    match split_next_step(&text) {
        Some((what, next)) => format!("error: {what}\n next: {next}"),
        None => format!("error: {text}"),
    }
}

/// Verbs with which the engine's messages begin to say what to do next.
const VERBS: [&str; 28] = [
    "add", "ask", "check", "choose", "correct", "free", "give", "leave", "let", "look", "move", "name", "open", "pass",
    "put", "read", "remove", "rename", "repeat", "replay", "run", "set", "start", "try", "use", "wait", "restore",
    "write",
];

/// Splits `<what>: <next step>` or `<what>; <next step>` where the second half begins with a verb that tells somebody
/// what to do.
fn split_next_step(message: &str) -> Option<(&str, &str)> {
    let breaks = message.match_indices([':', ';']).filter(|(at, _)| message[at + 1..].starts_with(' '));
    let mut found = breaks.filter(|(at, _)| {
        let rest = message[at + 2..].trim_start();
        let word = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
        VERBS.contains(&word)
    });
    let (at, _) = found.next()?;
    let (what, next) = (message[..at].trim(), message[at + 2..].trim());
    (!what.is_empty() && !next.is_empty()).then_some((what, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_a_next_step_is_shown_in_two_lines() {
        let error = anyhow::Error::from(engine::Error::stop(
            "secret `jde` has no `password`: set it with `ml-connector secrets set jde password`",
        ));
        assert_eq!(
            explain(&error),
            "error: secret `jde` has no `password`\n next: set it with `ml-connector secrets set jde password`"
        );
    }

    #[test]
    fn a_message_without_one_stays_whole() {
        let error = usage("acme.yaml:12:3: `tabel` is not known; did you mean `table`?");
        assert_eq!(explain(&error), "error: acme.yaml:12:3: `tabel` is not known; did you mean `table`?");
        assert_eq!(exit_of(&error), Exit::Usage);
    }

    #[test]
    fn an_error_of_the_engine_ends_with_one() {
        assert_eq!(exit_of(&engine::Error::later("the disk is full").into()), Exit::NotOk);
    }
}
