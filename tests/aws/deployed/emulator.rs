//! The emulator of AWS, and a hand in it: see `hand.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// Nothing that a test waits for takes nearly as long; what never comes fails its test instead of the whole run.
const DEADLINE: Duration = Duration::from_secs(120);

/// How often is looked at what a test waits for.
const LOOK: Duration = Duration::from_millis(60);

/// A running emulator. It ends with this process.
pub struct Emulator {
    /// Its address.
    pub url: String,
    /// The process group that it and all functions are in.
    pub group: i32,
    /// Its log, where functions are heard too.
    log: PathBuf,
    hand: Mutex<Hand>,
}

struct Hand {
    // Ends when its stdin does.
    _process: Child,
    wishes: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Emulator {
    /// Starts it with this Python.
    pub fn start(python: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hand.py");
        let mut process = Command::new(python)
            .arg(script)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let wishes = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let place: Json = serde_json::from_str(&line).expect("the emulator starts");
        let text = |name: &str| place[name].as_str().unwrap().to_owned();
        Self {
            url: text("url"),
            group: i32::try_from(place["group"].as_i64().unwrap()).unwrap(),
            log: text("log").into(),
            hand: Mutex::new(Hand { _process: process, wishes, answers }),
        }
    }

    /// A folder that goes with the emulator.
    pub fn home(&self) -> &Path {
        self.log.parent().unwrap()
    }

    /// Calls a service, with the names and parameters of boto3.
    #[track_caller]
    pub fn call(&self, service: &str, operation: &str, parameters: Json) -> Json {
        let answer = self.wish(&json!({"service": service, "operation": operation, "parameters": parameters}));
        answer.unwrap_or_else(|e| panic!("{service} {operation} {parameters}: {e}"))
    }

    /// Calls a function of `deploy.py`.
    #[track_caller]
    pub fn deploy(&self, function: &str, arguments: Json) -> Json {
        let answer = self.wish(&json!({"function": function, "arguments": arguments}));
        answer.unwrap_or_else(|e| panic!("{function} {arguments}: {e}\n{}", self.heard()))
    }

    fn wish(&self, wish: &Json) -> Result<Json, String> {
        let mut line = String::new();
        {
            let mut hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
            writeln!(hand.wishes, "{wish}").map_err(|e| e.to_string())?;
            hand.answers.read_line(&mut line).map_err(|e| e.to_string())?;
        }
        let answer: Json = serde_json::from_str(&line).map_err(|e| format!("{e}: {line:?}"))?;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].clone()),
        }
    }

    /// Waits until `look` finds something.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}\n{}", self.heard());
            std::thread::park_timeout(LOOK);
        }
    }

    /// Everything in the log.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of the log that tell of something.
    fn heard(&self) -> String {
        let log = self.log();
        let lines = log.lines().filter(|line| !line.contains("\"_aws\"") && !line.contains("HTTP/1.1\" 200"));
        let lines: Vec<_> = lines.collect();
        lines[lines.len().saturating_sub(80)..].join("\n")
    }
}
