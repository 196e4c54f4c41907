//! How `start` and its servers speak: lines on the servers' stdin and stdout.
//!
//! A server says once where it listens; then it answers each line `cpu` with what it has cost so far. When its
//! stdin ends, so does it: whoever started it is gone.

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::BenchError;

/// The question what a server has cost.
pub(crate) const CPU: &str = "cpu";

/// A server serves.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Where.
    pub(crate) listen: SocketAddr,
}

/// What a server has cost since it began.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cpu {
    /// Processor time of all its threads, in user and kernel mode, in nanoseconds.
    pub(crate) cpu_ns: u64,
}

/// Says something to whoever started this server.
pub(crate) fn say(what: &impl Serialize) -> Result<(), BenchError> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(what)?)?;
    Ok(stdout.flush()?)
}

/// Answers until stdin ends. Blocks.
pub(crate) fn answer() -> Result<(), BenchError> {
    for line in io::stdin().lock().lines() {
        if line? == CPU {
            let cpu_ns = process_cpu().as_nanos().try_into().unwrap_or(u64::MAX);
            say(&Cpu { cpu_ns })?;
        }
    }
    Ok(())
}

/// Processor time that this process has taken.
pub(crate) fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    // Both are non-negative: it is a duration.
    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let ready = Ready { listen: "127.0.0.1:8120".parse().expect("an address") };
        let line = serde_json::to_string(&ready).expect("a line");
        assert_eq!(line, r#"{"listen":"127.0.0.1:8120"}"#);
        assert_eq!(serde_json::from_str::<Ready>(&line).expect("read"), ready);
        assert!(serde_json::from_str::<Cpu>(&line).is_err());
    }

    #[test]
    fn work_shows_in_the_processor_time() {
        let before = process_cpu();
        let began = std::time::Instant::now();
        while process_cpu() < before + Duration::from_millis(1) {
            assert!(began.elapsed().as_secs() < 10, "the clock stands still");
        }
    }
}
