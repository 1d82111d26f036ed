//! How long a source is waited for: a pass-through to it that notes the time from each question to the end of its answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A pass-through to a source, until the process ends.
pub struct Watched {
    origin: String,
    waits: Arc<Mutex<Vec<Wait>>>,
}

/// One connection. A question is asked only after the answer to the one before has come.
#[derive(Default)]
struct Wait {
    asked: Option<Instant>,
    answered: Option<Instant>,
    before: Duration,
}

impl Wait {
    fn asks(&mut self) {
        if let (Some(asked), Some(answered)) = (self.asked, self.answered.take()) {
            self.before += answered - asked;
            self.asked = None;
        }
        self.asked.get_or_insert_with(Instant::now);
    }

    fn so_far(&self) -> Duration {
        self.before + self.asked.zip(self.answered).map_or(Duration::ZERO, |(asked, answered)| answered - asked)
    }
}

impl Watched {
    /// Passes through to the source at this origin (`http://host:port`).
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(origin: &str) -> Result<Self> {
        let target = origin.strip_prefix("http://").context("only plain HTTP is passed through")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let origin = format!("http://{}", listener.local_addr()?);
        let waits = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::clone(&waits);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A source that is gone closes the connection, and the program says so.
                let _ended = TcpStream::connect(&target).and_then(|server| pass(client, server, &connections)).is_ok();
            }
        });
        Ok(Self { origin, waits })
    }

    /// Where it listens.
    pub fn origin(&self) -> String {
        self.origin.clone()
    }

    /// For how long answers have been waited for, all connections together.
    pub fn waited(&self) -> Duration {
        lock(&self.waits).iter().map(Wait::so_far).sum()
    }
}

fn lock(waits: &Mutex<Vec<Wait>>) -> std::sync::MutexGuard<'_, Vec<Wait>> {
    waits.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes one connection through, both ways.
fn pass(client: TcpStream, server: TcpStream, waits: &Arc<Mutex<Vec<Wait>>>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let number = {
        let mut waits = lock(waits);
        waits.push(Wait::default());
        waits.len() - 1
    };
    let (from_client, to_client, from_server, to_server) = (client.try_clone()?, client, server.try_clone()?, server);
    let note = |what: fn(&mut Wait)| {
        let waits = Arc::clone(waits);
        move || {
            if let Some(wait) = lock(&waits).get_mut(number) {
                what(wait);
            }
        }
    };
    let (asks, answers) = (note(Wait::asks), note(|wait| wait.answered = Some(Instant::now())));
    thread::spawn(move || copy(from_client, to_server, asks));
    thread::spawn(move || copy(from_server, to_client, answers));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, note: impl Fn()) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        note();
        if to.write_all(buffer.get(..read).unwrap_or_default()).is_err() {
            break;
        }
    }
    let _closed = to.shutdown(Shutdown::Both).is_ok();
}
