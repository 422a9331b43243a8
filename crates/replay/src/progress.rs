//! The progress of a long task: a bar on a terminal, a line for every tenth elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows the progress of one task on standard error.
pub struct Progress {
    what: String,
    total: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts a task of `total` steps.
    pub fn begin(what: &str, total: usize) -> Self {
        let total = total as u64;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{msg:<16} [{bar:40}] {pos}/{len} {elapsed} left {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.set_message(what.to_owned());
            bar
        });
        Self { what: what.to_owned(), total, done: AtomicU64::new(0), bar }
    }

    /// Counts a finished step and returns its result.
    pub fn step<T>(&self, result: T) -> T {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let tenth = |done: u64| done * 10 / self.total.max(1);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        } else if tenth(done) > tenth(done - 1) {
            say(&format!("{}: {} % ({done} of {})", self.what, tenth(done) * 10, self.total));
        }
        result
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Writes a line of progress; errors are ignored.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
