//! A software TPM (swtpm) with an endorsement certificate of an authority of its own, and tpm2-tools to speak to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tools;

/// Longer than a TPM needs to be there.
const START: Duration = Duration::from_secs(30);

/// The handle under which makers keep the RSA endorsement key, and `swtpm_setup`, too.
pub const ENDORSEMENT: &str = "0x81010001";
/// The one under which the tests keep the quote key.
pub const QUOTE_KEY: &str = "0x81010002";

/// A TPM that runs. It ends with its value.
pub struct SwTpm {
    dir: TempDir,
    process: Child,
}

impl SwTpm {
    /// Whether what it needs is installed; as [`tools::have`].
    pub fn is_there() -> bool {
        tools::have("swtpm", "swtpm")
            && tools::have("swtpm_setup", "swtpm-tools")
            && tools::have("tpm2_quote", "tpm2-tools")
    }

    /// Makes and starts one, where swtpm and tpm2-tools are installed. Its maker kept the RSA endorsement key at [`ENDORSEMENT`].
    pub fn start() -> Option<Self> {
        Self::is_there().then(|| {
            let dir = tempfile::Builder::new().prefix("claviger-tpm-").tempdir().expect("a directory");
            manufacture(dir.path());
            let process = run(dir.path());
            let tpm = Self { dir, process };
            tpm.tool("tpm2_readpublic", &format!("-c {ENDORSEMENT} -f tss -o ek.pub")).done();
            tpm
        })
    }

    /// Its directory, where its tools run.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file there.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// What `TPM2TOOLS_TCTI` must be for it.
    pub fn tcti(&self) -> String {
        format!("swtpm:path={}", self.path("socket").display())
    }

    /// Runs one of tpm2-tools in its directory. Transient objects are taken away before, since there is no resource manager.
    pub fn tool(&self, program: &str, args: &str) -> Tool {
        for kind in ["--transient-object", "--loaded-session"] {
            if kind == "--transient-object" || !args.contains("session") {
                self.command("tpm2_flushcontext").arg(kind).output().expect("tpm2_flushcontext runs");
            }
        }
        let output = self.command(program).args(args.split_whitespace()).output().expect("a program");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        Tool { line: format!("{program} {args}"), succeeded: output.status.success(), told }
    }

    fn command(&self, program: &str) -> Command {
        let path = tools::path_of(program).unwrap_or_else(|| panic!("{program} (Debian: tpm2-tools)"));
        let mut command = Command::new(path);
        command.current_dir(self.dir()).env("TPM2TOOLS_TCTI", self.tcti()).stdin(Stdio::null());
        command
    }

    /// Makes a quote key by that algorithm, keeps it at [`QUOTE_KEY`], and its public area in `ak.pub`.
    pub fn quote_key(&self, algorithm: &str, scheme: &str) {
        let args = format!("-C {ENDORSEMENT} -c ak.ctx -G {algorithm} -g sha256 -s {scheme} -u ak.pub");
        self.tool("tpm2_createak", &args).done();
        // What was kept there before.
        self.tool("tpm2_evictcontrol", &format!("-c {QUOTE_KEY}"));
        self.tool("tpm2_evictcontrol", &format!("-c ak.ctx {QUOTE_KEY}")).done();
    }

    /// Quotes these registers, into `quote.bin` and `signature.bin` below `dir`.
    pub fn quote(&self, dir: &Path, pcrs: &str, qualifying_data: &str) -> Tool {
        let dir = dir.display();
        let files = format!("-m {dir}/quote.bin -s {dir}/signature.bin");
        self.tool("tpm2_quote", &format!("-c {QUOTE_KEY} -l {pcrs} -g sha256 -q {qualifying_data} {files}"))
    }

    /// Opens a credential for the quote key, into `secret.bin`.
    pub fn activate(&self, credential: &Path) -> Tool {
        self.tool("tpm2_startauthsession", "--policy-session -S session.ctx").done();
        self.tool("tpm2_policysecret", "-S session.ctx -c e").done();
        let (ek, ak) = (ENDORSEMENT, QUOTE_KEY);
        let args =
            format!("-c {ak} -C {ek} -i {} -o secret.bin -P session:session.ctx", credential.display());
        self.tool("tpm2_activatecredential", &args)
    }
}

impl Drop for SwTpm {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What one of tpm2-tools did.
pub struct Tool {
    line: String,
    succeeded: bool,
    told: String,
}

impl Tool {
    /// It succeeded.
    #[track_caller]
    pub fn done(&self) {
        assert!(self.succeeded, "{}: {}", self.line, self.told);
    }

    /// It failed.
    #[track_caller]
    pub fn failed(&self) {
        assert!(!self.succeeded, "{} succeeded", self.line);
    }
}

/// A TPM's state, with an endorsement certificate in it. Its authority's certificates are `ca/issuercert.pem` and
/// `ca/swtpm-localca-rootca-cert.pem`.
fn manufacture(dir: &Path) {
    let (ca, state) = (dir.join("ca"), dir.join("state"));
    fs::create_dir(&ca).expect("a directory");
    fs::create_dir(&state).expect("a directory");
    let at = ca.display();
    let localca = tools::path_of("swtpm_localca").expect("swtpm_localca comes with swtpm_setup");
    let authority = format!(
        "statedir = {at}\nsigningkey = {at}/signkey.pem\nissuercert = {at}/issuercert.pem\ncertserial = {at}/certserial\n"
    );
    fs::write(ca.join("localca.conf"), authority).expect("a file");
    fs::write(ca.join("localca.options"), "").expect("a file");
    let setup = format!(
        "create_certs_tool = {}\ncreate_certs_tool_config = {at}/localca.conf\n\
         create_certs_tool_options = {at}/localca.options\nactive_pcr_banks = sha256\n",
        localca.display()
    );
    fs::write(ca.join("setup.conf"), setup).expect("a file");
    let made = Command::new(tools::path_of("swtpm_setup").expect("it was there"))
        .args(["--tpm2", "--create-ek-cert", "--config"])
        .arg(ca.join("setup.conf"))
        .arg("--tpmstate")
        .arg(&state)
        .stdin(Stdio::null())
        .output()
        .expect("swtpm_setup runs");
    let told = [made.stdout, made.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(made.status.success(), "swtpm_setup: {}", told.join("\n"));
}

fn run(dir: &Path) -> Child {
    let socket = |name: &str| format!("type=unixio,path={}", dir.join(name).display());
    let process = Command::new(tools::path_of("swtpm").expect("it was there"))
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .args(["--tpmstate", &format!("dir={}", dir.join("state").display())])
        .args(["--server", &socket("socket"), "--ctrl", &socket("socket.ctrl")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("swtpm runs");
    let end = Instant::now() + START;
    while !(dir.join("socket").exists() && dir.join("socket.ctrl").exists()) {
        assert!(Instant::now() < end, "swtpm isn't there");
        std::thread::sleep(Duration::from_millis(10));
    }
    process
}
