//! A server as a child process: started, asked what it cost, killed when it is let go of.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::error::BenchError;
use crate::serve::bare::Spec;
use crate::serve::control::{CPU, Cpu, Ready};

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    what: &'static str,
    pub(crate) listen: SocketAddr,
}

impl Server {
    /// A broker over this data directory.
    pub(crate) fn broker(data_dir: &Path) -> Result<Self, BenchError> {
        let mut command = this_program("serve-broker")?;
        command.arg("--data-dir").arg(data_dir);
        Self::spawn("the broker", command, None)
    }

    /// The same with its limits as they are, but for these rates of one domain, where there are any.
    pub(crate) fn broker_as_it_is(data_dir: &Path, rates: &[u32]) -> Result<Self, BenchError> {
        let mut command = this_program("serve-broker")?;
        command.arg("--as-it-is").arg("--data-dir").arg(data_dir);
        if !rates.is_empty() {
            command.arg("--rates").args(rates.iter().map(ToString::to_string));
        }
        Self::spawn("the broker", command, None)
    }

    /// A bare TLS server.
    pub(crate) fn bare(spec: &Spec) -> Result<Self, BenchError> {
        // Through the pipe, for there is a key in it.
        let spec = serde_json::to_string(spec)?;
        Self::spawn("the bare server", this_program("serve-bare")?, Some(&spec))
    }

    fn spawn(what: &'static str, mut command: Command, line: Option<&str>) -> Result<Self, BenchError> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = child.stdin.take().zip(child.stdout.take()).ok_or(BenchError::Server(what))?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, to, from: BufReader::new(from), what, listen };
        if let Some(line) = line {
            server.tell(line)?;
        }
        server.listen = server.hear::<Ready>()?.listen;
        Ok(server)
    }

    /// The processor time that it has taken since it began, in user and kernel mode, over all its threads.
    pub(crate) fn cpu(&mut self) -> Result<Duration, BenchError> {
        self.tell(CPU)?;
        Ok(Duration::from_nanos(self.hear::<Cpu>()?.cpu_ns))
    }

    /// Its memory that is resident now, in KiB (`VmRSS` in `proc_pid_status(5)`).
    pub(crate) fn resident_kib(&self) -> Result<u64, BenchError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        number.ok_or(BenchError::Server(self.what))
    }

    fn tell(&mut self, line: &str) -> Result<(), BenchError> {
        writeln!(self.to, "{line}").and_then(|()| self.to.flush()).map_err(|_| BenchError::Server(self.what))
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T, BenchError> {
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err(BenchError::Server(self.what)),
            _ => Ok(serde_json::from_str(&line)?),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; it is gone either way, and what it wrote goes with its directory.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn this_program(subcommand: &str) -> Result<Command, BenchError> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(subcommand);
    Ok(command)
}
