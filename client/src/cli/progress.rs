//! A sign that something is under way, for who waits at a terminal.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::OutputMode;

/// What is done before that needs no sign.
const AFTER: Duration = Duration::from_millis(300);
/// How often it moves.
const TICK: Duration = Duration::from_millis(100);

/// A spinner on standard error with the time that has passed, until it is dropped; then nothing is left of it. Where
/// standard error is no terminal, or the output is for machines, there is none.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Spinner {
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Spinner {
    /// Starts one that says what is being done.
    pub fn start(mode: OutputMode, what: impl Into<String>) -> Self {
        if mode == OutputMode::Json || !io::stderr().is_terminal() {
            return Self { running: None };
        }
        let what = what.into();
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            if ended.recv_timeout(AFTER) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::new_spinner().with_message(what).with_elapsed(AFTER);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                bar.tick();
            }
            bar.finish_and_clear();
        });
        Self { running: Some((end, thread)) }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.running.take() {
            drop(end);
            // It only draws: that it failed is nothing to the work.
            drop(thread.join());
        }
    }
}
