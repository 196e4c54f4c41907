//! Completions, man pages, and examples in all help.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use claviger_tests::programs::{PROGRAMS, command};
use claviger_tests::tools;

#[test]
fn every_shell_gets_completions_and_bash_reads_its_own() {
    for name in PROGRAMS {
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let run = command(name).arg("completions").arg(shell).run_text();
            let script = String::from_utf8(run.stdout().to_vec()).unwrap();
            assert_eq!((run.code(), script.contains(name)), (Some(0), true), "{run}");
            assert!(script.contains("completions") && script.lines().count() > 20, "{run}");
            if shell == "bash" && tools::have("bash", "bash") {
                let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
                bash.stdin.take().unwrap().write_all(run.stdout()).unwrap();
                assert!(bash.wait().unwrap().success(), "{name}");
            }
        }
        command(name).args("completions tcsh").run().failed(2);
        command(name).args("completions").run().failed(2);
    }
}

/// The pages of a program: file name and text.
fn pages(name: &str) -> (tempfile::TempDir, Vec<(PathBuf, String)>) {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("man").join("man1");
    let run = command(name).arg("man").arg(&into).run_text();
    assert_eq!(run.code(), Some(0), "{run}");
    let files = fs::read_dir(&into).unwrap().map(|item| item.unwrap().path());
    let mut pages: Vec<_> = files.map(|file| (file.clone(), fs::read_to_string(&file).unwrap())).collect();
    pages.sort();
    (dir, pages)
}

/// The pages that a page names as those of its subcommands.
fn subcommands(page: &str) -> impl Iterator<Item = String> {
    let named = page.split_once(".SH SUBCOMMANDS").map_or("", |(_, after)| after);
    let named = named.split(".SH ").next().unwrap_or_default().lines();
    named.filter_map(|line| Some(line.strip_suffix("(1)")?.replace('\\', "") + ".1"))
}

#[test]
fn every_subcommand_has_a_man_page_and_every_leaf_examples() {
    for (name, some) in [
        ("key-broker", "key-broker-slot-split.1"),
        ("key-client", "key-client-cryptstore-export.1"),
        ("key-admin", "key-admin-entry-import.1"),
    ] {
        let (_dir, pages) = pages(name);
        let files: BTreeSet<_> =
            pages.iter().map(|(file, _)| file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        assert!(files.contains(some) && files.contains(&format!("{name}.1")), "{files:?}");
        let mut named = BTreeSet::from([format!("{name}.1")]);
        for (file, page) in &pages {
            let below: Vec<_> = subcommands(page).collect();
            let example =
                page.split_once(".SH NOTES\n.nf\n").is_some_and(|(_, notes)| notes.contains("  key"));
            assert!(!below.is_empty() || example, "{} has no example", file.display());
            named.extend(below.into_iter().filter(|page| !page.ends_with("-help.1")));
        }
        assert_eq!(named, files, "those that are named, and those that are there");
        let alone = command(name).arg("man").run_text();
        assert!(String::from_utf8_lossy(alone.stdout()).contains(".SH NAME"), "{alone}");
    }
}

#[test]
fn groff_finds_nothing_wrong_with_a_man_page() {
    if !tools::have("groff", "groff") {
        return;
    }
    for name in PROGRAMS {
        let (_dir, pages) = pages(name);
        for (file, _) in pages {
            let output = Command::new("groff").args(["-Tutf8", "-man", "-ww"]).arg(&file).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{}: {said}", file.display());
            assert!(!output.stdout.is_empty());
        }
    }
}

#[test]
fn pages_that_cannot_be_written_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    command("key-admin").arg("man").arg(&file).run().failed(1).says(&["man pages"]);
}
