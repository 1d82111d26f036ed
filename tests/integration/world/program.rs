//! The program under test: where it lies, how it is started, and what it answered.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value as Json;

/// No command of these tests takes nearly as long; one that hangs fails its test instead of the whole run.
const DEADLINE: Duration = Duration::from_secs(240);

/// The program, built from the sources as they are now.
///
/// It is an example of this package, so the command that builds the tests has usually built it. A narrower command, such
/// as `cargo test --test integration`, has not: then it is built here, once. `ML_CONNECTOR_TEST_PROGRAM` names another one.
/// Tests of a deployment take the program that was built together with the functions.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("ML_CONNECTOR_TEST_PROGRAM") {
        Some(program) => program.into(),
        None if env!("CARGO_PKG_NAME") == "deployed" => {
            std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("ml-connector")
        }
        None => example(env!("CARGO_PKG_NAME"), "ml-connector-tested"),
    })
}

/// An example program of a package, built when it is not fresh: `cargo test` of one package builds no other's.
pub fn example(package: &str, name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !is_fresh(&program) {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", package, "--example", name]);
        if cfg!(feature = "databricks") {
            build.args(["--features", "databricks"]);
        }
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(built.success() && program.exists(), "{} cannot be built", program.display());
    }
    program
}

/// Whether the program is there and newer than every source file that cargo says it was made of.
fn is_fresh(program: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let Some(built) = changed(program) else { return false };
    let Ok(made_of) = fs::read_to_string(program.with_extension("d")) else { return false };
    let sources = made_of.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, sources)| paths(sources));
    sources.map(|source| changed(&source)).all(|changed: Option<SystemTime>| changed.is_some_and(|at| at <= built))
}

/// The paths of a line of dependencies: separated by blanks, with blanks of their own written as `\ `.
fn paths(line: &str) -> Vec<PathBuf> {
    line.replace("\\ ", "\0").split_whitespace().map(|path| path.replace('\0', " ").into()).collect()
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    /// As it was given.
    pub command: String,
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// Its data.
    pub stdout: String,
    /// Its words.
    pub stderr: String,
}

impl Ran {
    /// Fails the test, showing everything, unless the command ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        assert!(!self.stderr.contains("panicked at"), "{self}");
        self
    }

    /// Fails the test unless the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Fails the test unless every text stands somewhere in what the command said or answered.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text) || self.stdout.contains(text), "it does not say {text:?}\n{self}");
        }
        self
    }

    /// Fails the test if the text stands anywhere.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text) && !self.stdout.contains(text), "it says {text:?}\n{self}");
        self
    }

    /// The answer of a command that was given `--json`.
    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("stdout is not JSON: {e}\n{self}"))
    }

    /// The row of a sync in the answer of a `run --json`.
    #[track_caller]
    pub fn sync(&self, name: &str) -> Json {
        let answer = self.json();
        let rows = answer["syncs"].as_array().unwrap_or_else(|| panic!("no `syncs`\n{self}"));
        rows.iter().find(|row| row["sync"] == name).unwrap_or_else(|| panic!("no row of {name}\n{self}")).clone()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\nexit {:?}\n{}\n{}", self.command, self.code, self.stdout, self.stderr)
    }
}

/// A command under way. One that is dropped is killed.
pub struct Running {
    command: String,
    child: Child,
    stdout: Heard,
    stderr: Heard,
}

impl Running {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let words = format!("ml-connector {}", words.join(" "));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Heard::from(child.stdout.take().unwrap());
        let stderr = Heard::from(child.stderr.take().unwrap());
        Self { command: words, child, stdout, stderr }
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has said this on stderr.
    #[track_caller]
    pub fn says(&mut self, text: &str) {
        let said = self.wait(|running| running.stderr.text().contains(text) || running.has_ended());
        assert!(said && self.stderr.text().contains(text), "`{}` says {}", self.command, self.stderr.text());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ran {
        let ended = self.wait(Self::has_ended);
        assert!(ended, "`{}` does not end; it said {}", self.command, self.stderr.text());
        Ran {
            command: std::mem::take(&mut self.command),
            code: self.child.wait().unwrap().code(),
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }

    fn wait(&mut self, mut until: impl FnMut(&mut Self) -> bool) -> bool {
        let deadline = Instant::now() + DEADLINE;
        while !until(self) {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Killing what has ended already is no error; either way nothing is left behind.
        let _ended = self.child.kill().is_ok() && self.child.wait().is_ok();
    }
}

/// What a command writes, as far as it has written it.
struct Heard {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Heard {
    fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut some = [0; 8192];
            while let Ok(count) = pipe.read(&mut some)
                && count > 0
            {
                heard.lock().unwrap().extend_from_slice(&some[..count]);
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}
