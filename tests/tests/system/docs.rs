//! The documentation's commands, run as they are written.
//!
//! The convention: in README.md and docs/*.md, a block marked `console` holds commands. A line that begins with
//! `$ ` is one (without the `$ `), and goes on over the lines after it as long as they end in `\`; any other line is
//! output, and is not compared. All blocks of a file are one script, in order, in one `sh -eu`: every command has to
//! succeed. It runs in an empty directory with the three programs on the path, and with free ports in the place
//! of 8120 to 8123, so that a broker of somebody else's is not in the way. What it left running is ended with it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use claviger_tests::programs::{directory, workspace};
use claviger_tests::swtpm::SwTpm;
use rustix::process::{Pid, Signal, kill_process_group};

/// Longer than any of it takes.
const LONGEST: Duration = Duration::from_mins(2);

/// The script that a page's `console` blocks are.
fn script(page: &str) -> String {
    commands(page, "```console")
}

/// The commands in the blocks that begin so. What isn't `console` alone is run by a test of its own, which says with what.
pub(crate) fn commands(page: &str, begin: &str) -> String {
    let mut script = String::new();
    let (mut inside, mut goes_on) = (false, false);
    for line in page.lines() {
        match line.trim_start() {
            fence if fence.starts_with("```") => inside = !inside && fence == begin,
            _ if !inside => {}
            text => {
                let command = if goes_on { Some(line) } else { text.strip_prefix("$ ") };
                if let Some(command) = command {
                    script.push_str(command);
                    script.push('\n');
                }
                goes_on = command.is_some_and(|command| command.ends_with('\\'));
            }
        }
    }
    script
}

/// Free ports in the place of the usual ones.
fn with_free_ports(script: &str) -> String {
    let listeners: Vec<_> = (8120..=8123).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let free = listeners.iter().map(|listener| listener.local_addr().unwrap().port().to_string());
    (8120..=8123).zip(free).fold(script.to_owned(), |script, (usual, free)| {
        script.replace(&format!("127.0.0.1:{usual}"), &format!("127.0.0.1:{free}"))
    })
}

#[track_caller]
fn run(name: &str, script: &str) {
    run_in(name, script, |_| ());
}

/// The same in a directory that `prepare` put something into.
#[track_caller]
pub(crate) fn run_in(name: &str, script: &str, prepare: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let (file, told) = (dir.path().join("script"), dir.path().join("told"));
    fs::write(&file, with_free_ports(script)).unwrap();
    let here = dir.path().join("here");
    fs::create_dir(&here).unwrap();
    prepare(&here);
    let path = std::env::var("PATH").unwrap_or_default();
    let told_to = fs::File::create(&told).unwrap();
    let mut shell = Command::new("sh")
        .args(["-eux", file.to_str().unwrap()])
        .current_dir(&here)
        .env("PATH", format!("{}:{path}", directory().display()))
        .env("TMPDIR", dir.path())
        .env_remove("CLAVIGER_ADMIN_SOCKET")
        .stdin(Stdio::null())
        .stdout(told_to.try_clone().unwrap())
        .stderr(told_to)
        .process_group(0)
        .spawn()
        .unwrap();
    let group = Pid::from_child(&shell);
    let end = Instant::now() + LONGEST;
    let status = loop {
        match shell.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > end => break None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    // Whatever it left in the background, or all of it.
    kill_process_group(group, Signal::KILL).ok();
    drop(shell.wait());
    let told = fs::read_to_string(&told).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{name}: {status:?}\n{told}");
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(workspace().join("docs")).unwrap().map(|item| item.unwrap().path());
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    pages.sort();
    pages
}

fn script_of(page: &Path) -> String {
    script(&fs::read_to_string(page).unwrap())
}

#[test]
fn the_readme_s_commands_succeed_in_their_order() {
    let script = script_of(&workspace().join("README.md"));
    for program in claviger_tests::programs::PROGRAMS {
        assert!(script.contains(program), "the README shows {program}");
    }
    run("README.md", &script);
}

#[test]
fn the_book_s_commands_succeed_in_their_order() {
    for page in pages() {
        let script = script_of(&page);
        if !script.is_empty() {
            run(&page.display().to_string(), &script);
        }
    }
}

/// What needs a TPM: blocks marked `console,tpm` are another script of their page.
#[test]
fn the_book_s_commands_with_a_tpm_succeed_in_their_order() {
    if !SwTpm::is_there() {
        return;
    }
    let script = |page: &Path| commands(&fs::read_to_string(page).unwrap(), "```console,tpm");
    let shown: Vec<_> = pages().into_iter().map(|page| (script(&page), page)).collect();
    assert!(shown.iter().any(|(script, _)| !script.is_empty()), "a page shows a TPM");
    for (script, page) in shown.iter().filter(|(script, _)| !script.is_empty()) {
        run(&page.display().to_string(), script);
    }
}

#[test]
fn only_console_blocks_are_commands() {
    let page = "$ no\n```sh\n$ no\n```\n```console\n$ one \\\n    two\noutput\n$ three\n```\n$ no\n```console\n$ four\n```\n";
    assert_eq!(script(page), "one \\\n    two\nthree\nfour\n");
}
