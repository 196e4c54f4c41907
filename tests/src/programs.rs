//! The programs under test, and one run of one of them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

/// How long one call of a command line may take: far above what any needs, so that only a hang reaches it.
const CALL: Duration = Duration::from_secs(90);

/// The three programs' names.
pub const PROGRAMS: [&str; 3] = ["key-broker", "key-client", "key-admin"];

/// Where a program of this workspace is. Built once per test run, in the profile that the tests are built in.
pub fn program(name: &str) -> PathBuf {
    directory().join(name)
}

/// The directory of all three.
pub fn directory() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    // target/<profile>/deps/<this test>
    let exe = std::env::current_exe().expect("a test knows where it is");
    let directory =
        exe.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps").to_owned();
    let target = directory.parent().expect("a profile's directory lies in the target directory");
    let profile = match directory.file_name().and_then(OsStr::to_str).expect("profiles have names") {
        "debug" => "dev",
        named => named,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let packages = ["-p", "claviger-broker", "-p", "claviger-client", "-p", "claviger-admin"];
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--bins", "--profile", profile])
        .args(packages)
        .current_dir(workspace())
        .env("CARGO_TARGET_DIR", target)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the programs don't build");
    directory
}

/// The workspace's directory.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the workspace")
}

/// Runs the words after it under the most careless umask there is, so that files are private by the programs'
/// own doing.
pub const CARELESS: [&str; 4] = ["sh", "-c", "umask 000; exec \"$@\"", "sh"];

/// One of the programs, ready to be given arguments; nothing of this process's own `CLAVIGER_` settings
/// reaches it.
pub fn command(name: &str) -> Call {
    let mut command = assert_cmd::Command::new(CARELESS[0]);
    command.args(&CARELESS[1..]).arg(program(name));
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("CLAVIGER_") {
            command.env_remove(key);
        }
    }
    command.timeout(CALL);
    Call { command, line: name.to_owned() }
}

/// A call that is being put together.
pub struct Call {
    command: assert_cmd::Command,
    line: String,
}

impl Call {
    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.line.push(' ');
        self.line.push_str(&arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    /// Adds the words of `line`, split at spaces.
    #[must_use]
    pub fn args(self, line: &str) -> Self {
        line.split_whitespace().fold(self, Self::arg)
    }

    /// Adds an option and its value.
    #[must_use]
    pub fn with(self, option: &str, value: impl AsRef<OsStr>) -> Self {
        self.arg(option).arg(value)
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Where it runs.
    #[must_use]
    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// What it reads on its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.command.write_stdin(bytes);
        self
    }

    /// Runs it with `--output json`.
    pub fn run(self) -> Run {
        self.with("--output", "json").run_text()
    }

    /// Runs it as it is.
    pub fn run_text(mut self) -> Run {
        let output = self.command.output().unwrap_or_else(|error| panic!("{}: {error}", self.line));
        Run { line: self.line, output }
    }
}

/// What a call did.
pub struct Run {
    line: String,
    output: Output,
}

impl Run {
    /// The exit code; none if a signal (or the limit on a call's time) ended it.
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// What it wrote on standard output.
    pub fn stdout(&self) -> &[u8] {
        &self.output.stdout
    }

    /// What it wrote on standard error.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// It succeeded; what it said, as JSON (null if it said nothing).
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.code(), Some(0), "{self}");
        json(&self.output.stdout)
    }

    /// It failed with this exit code, in the one shape in which failures are told; the error object.
    #[track_caller]
    pub fn failed(&self, code: i32) -> Failure {
        assert_eq!(self.code(), Some(code), "{self}");
        assert!(self.stdout().is_empty(), "a failed command says nothing on standard output: {self}");
        let error = json(&self.output.stderr)["error"].take();
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        let failure = Failure { code: text("code"), message: text("message"), next: text("next") };
        let whole = !failure.code.is_empty() && !failure.message.is_empty() && !failure.next.is_empty();
        assert!(whole, "an error says its code, what happened and what to do next: {self}");
        failure
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, output } = self;
        write!(f, "`{line}` ended with {}\nstdout: ", output.status)?;
        write!(f, "{}\nstderr: {}", String::from_utf8_lossy(&output.stdout), self.stderr())
    }
}

/// The last line of an output as JSON.
fn json(output: &[u8]) -> Value {
    let text = String::from_utf8_lossy(output);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("null");
    serde_json::from_str(last).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

/// How a command says that it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The stable code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub next: String,
}

impl Failure {
    /// Checks the stable code.
    #[track_caller]
    pub fn is(&self, code: &str) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Checks that message and next step together contain these words.
    #[track_caller]
    pub fn says(&self, words: &[&str]) -> &Self {
        let text = format!("{}; {}", self.message, self.next);
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
        self
    }
}
