//! A broker as a process.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{CARELESS, Call, command, program};

/// How long a broker may take to serve, or to end.
const WAIT: Duration = Duration::from_mins(1);

/// How a broker is started.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The configuration file's text.
    pub config: String,
    /// Its environment, besides `PATH`.
    pub env: Vec<(&'static str, String)>,
    /// A command that runs it: the words before the program's path.
    pub wrapper: Vec<String>,
    /// The domain of stock evidence on its admission listener.
    pub stock_domain: Option<&'static str>,
}

/// A broker: its directory, and its process while it runs.
pub struct Broker {
    dir: TempDir,
    setup: Setup,
    child: Option<Child>,
    /// How often it was started.
    runs: usize,
    /// The key service's address.
    pub listen: SocketAddr,
    /// Admission's address.
    pub admission: SocketAddr,
    /// Address of `/readyz` and `/metrics`.
    pub ops: SocketAddr,
    /// Address of the admin API over the network, where it is set up.
    pub admin_listen: Option<SocketAddr>,
}

impl Broker {
    /// A new broker without domains, serving.
    pub fn start() -> Self {
        Self::start_with(Setup::default())
    }

    /// The same, set up otherwise.
    pub fn start_with(setup: Setup) -> Self {
        let mut broker = Self::init(setup);
        broker.serve();
        broker
    }

    /// A new broker that isn't running yet.
    pub fn init(setup: Setup) -> Self {
        let dir = tempfile::Builder::new().prefix("claviger-test-").tempdir().expect("a directory");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let (listen, admission, ops) = (nowhere, nowhere, nowhere);
        let broker = Self { dir, setup, child: None, runs: 0, listen, admission, ops, admin_listen: None };
        let slot = format!("file:{}", broker.key_file().display());
        command("key-broker")
            .arg("init")
            .with("--data-dir", broker.data_dir())
            .with("--key-slot", slot)
            .run()
            .ok();
        broker
    }

    /// Sets the configuration that it is started with next.
    pub fn configure(&mut self, config: impl Into<String>) {
        self.setup.config = config.into();
    }

    /// Sets a variable of the environment that it is started with next.
    pub fn set_env(&mut self, key: &'static str, value: impl Into<String>) {
        self.setup.env.push((key, value.into()));
    }

    /// A call of `key-broker slot` on its data directory.
    pub fn slot(&self, line: &str) -> Call {
        let call = command("key-broker").arg("slot").args(line);
        call.with("--data-dir", self.data_dir())
    }

    /// A file of its directory with this in it, for its owner alone.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.dir.path().join(name);
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
        path
    }

    /// Starts it, and waits until it says that it serves.
    #[track_caller]
    pub fn serve(&mut self) {
        if let Err((status, stderr)) = self.try_serve() {
            panic!("the broker ended with {status} instead of serving: {stderr}");
        }
    }

    /// Starts it; how it ended and what it said, if it ends instead of serving.
    pub fn try_serve(&mut self) -> Result<(), (ExitStatus, String)> {
        assert!(self.child.is_none(), "it is running");
        self.runs += 1;
        let config = self.dir.path().join("broker.toml");
        fs::write(&config, &self.setup.config).expect("a configuration");
        let wrapper = CARELESS.iter().map(PathBuf::from).chain(self.setup.wrapper.iter().map(PathBuf::from));
        let mut words = wrapper.chain([program("key-broker")]);
        let mut serve = Command::new(words.next().expect("at least the program"));
        serve.args(words).args(["serve", "--output", "json"]);
        serve.arg("--data-dir").arg(self.data_dir()).arg("--config").arg(config);
        serve.arg("--admin-socket").arg(self.admin_socket());
        for option in ["--listen", "--ops-listen"] {
            serve.args([option, "127.0.0.1:0"]);
        }
        let domain = self.setup.stock_domain.map(|domain| format!("={domain}")).unwrap_or_default();
        serve.args(["--admission-listen", &format!("127.0.0.1:0{domain}")]);
        serve.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        serve.envs(self.setup.env.iter().map(|(key, value)| (key, value)));
        let file = |path: PathBuf| File::create(path).expect("a file for its output");
        serve.stdin(Stdio::null()).stdout(file(self.stdout_file())).stderr(file(self.stderr_file()));
        self.child = Some(serve.spawn().expect("the broker starts"));
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), (ExitStatus, String)> {
        let end = Instant::now() + WAIT;
        loop {
            let text = fs::read_to_string(self.stdout_file()).expect("its output");
            if let Some((line, _)) = text.split_once('\n') {
                let ready: Value = serde_json::from_str(line).expect("JSON");
                assert_eq!(ready["event"], "ready", "{line}");
                let address = |key: &str| ready[key].as_str().and_then(|text| text.parse().ok()).expect(key);
                (self.listen, self.admission, self.ops) =
                    (address("listen"), address("admission"), address("ops"));
                self.admin_listen = ready["admin"].as_str().and_then(|text| text.parse().ok());
                return Ok(());
            }
            if let Some(status) = self.child().try_wait().expect("its status") {
                self.child = None;
                return Err((status, self.log()));
            }
            assert!(Instant::now() < end, "the broker doesn't get ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it is running")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it is running").id()
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("its status").is_none())
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_child(self.child());
        kill_process(pid, signal).expect("a signal");
    }

    /// Ends it at once, as a crash or a power cut does.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.kill_done();
    }

    /// After somebody else killed it: waits until it is gone.
    pub fn kill_done(&mut self) {
        let status = self.wait();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    }

    /// Has it end, and waits until it has.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "it ended with {status}: {}", self.log());
    }

    /// Waits until it ends.
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + WAIT;
        loop {
            if let Some(status) = self.child().try_wait().expect("its status") {
                self.child = None;
                return status;
            }
            assert!(Instant::now() < end, "the broker doesn't end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A directory for whatever else a test writes; it goes with the broker.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The key of its root key's slot.
    pub fn key_file(&self) -> PathBuf {
        self.dir.path().join("root.key")
    }

    /// Its admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.dir.path().join("admin.sock")
    }

    /// What it wrote on standard output in its last run.
    pub fn stdout_file(&self) -> PathBuf {
        self.dir.path().join(format!("broker-{}.out", self.runs))
    }

    /// What it wrote on standard error in its last run: its log.
    pub fn stderr_file(&self) -> PathBuf {
        self.dir.path().join(format!("broker-{}.log", self.runs))
    }

    /// Its log of this run.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.stderr_file()).expect("its log")).into_owned()
    }

    /// A call of key-admin on it.
    pub fn admin(&self, line: &str) -> Call {
        command("key-admin").with("--admin-socket", self.admin_socket()).args(line)
    }

    /// A page of its ops listener: status and body.
    pub fn page(&self, path: &str) -> (u16, String) {
        let mut tcp = crate::channel::connect(self.ops).expect("the ops listener");
        write!(tcp, "GET {path} HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        (status, body)
    }

    /// Its resident memory, in KiB.
    pub fn resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Whatever the test was doing: nothing of it stays behind.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
