//! Shells' completions and man pages, made from the command line as it is defined.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;

use super::failure::Failure;
use crate::files::FileError;

/// What every program can print about itself, to flatten into its subcommands.
#[derive(Subcommand, Clone, Debug)]
pub enum Manual {
    /// Print completions for a shell
    #[command(after_help = "\
Examples, for key-client; key-admin and key-broker have their own:
  key-client completions bash > ~/.local/share/bash-completion/completions/key-client
  key-client completions zsh > /usr/local/share/zsh/site-functions/_key-client
  key-client completions fish > ~/.config/fish/completions/key-client.fish")]
    Completions {
        /// Which shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the man page, or write one for each subcommand into a directory
    #[command(after_help = "\
Examples, for key-client; key-admin and key-broker have their own:
  key-client man | man -l -
  key-client man ~/.local/share/man/man1

Files of the same names are written anew.")]
    Man {
        /// The directory; made if it isn't there
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

impl Manual {
    /// Prints or writes what was asked for about the program `C`.
    pub fn run<C: CommandFactory>(&self) -> Result<(), Failure> {
        let mut command = C::command();
        match self {
            Self::Completions { shell } => {
                let (name, mut script) = (command.get_name().to_owned(), Vec::new());
                clap_complete::generate(*shell, &mut command, name, &mut script);
                print(&script)
            }
            Self::Man { dir: None } => {
                let page = page(&Man::new(command)).map_err(|error| unwritten(&error))?;
                print(page.as_bytes())
            }
            Self::Man { dir: Some(dir) } => write_pages(command, dir).map_err(|source| {
                let action = "writing man pages into";
                FileError::system(action, dir, source).into()
            }),
        }
    }
}

fn write_pages(command: Command, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_tree(&command, dir)
}

fn write_tree(command: &Command, dir: &Path) -> io::Result<()> {
    let man = Man::new(command.clone());
    std::fs::write(dir.join(man.get_filename()), page(&man)?)?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|below| write_tree(below, dir))
}

/// A page, of which the part after the options keeps its lines: examples are in it.
fn page(man: &Man) -> io::Result<String> {
    let mut page = Vec::new();
    man.render(&mut page)?;
    let page = String::from_utf8(page).map_err(io::Error::other)?;
    let Some((before, examples)) = page.split_once("\n.SH EXTRA\n") else { return Ok(page) };
    let (examples, after) = examples.split_once("\n.SH ").unwrap_or((examples.trim_end(), ""));
    let after = if after.is_empty() { String::new() } else { format!(".SH {after}") };
    Ok(format!("{before}\n.SH NOTES\n.nf\n{examples}\n.fi\n{after}"))
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text).and_then(|()| stdout.flush()).map_err(|error| unwritten(&error))
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::new("output", 1, format!("it can't be written: {error}"), "check where the output goes")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_lines_and_what_follows_them_its_place() {
        let command = || Command::new("x").about("X").after_help("Examples:\n  x one\n  x two");
        for (command, last) in [(command().version("1.0"), "v1.0"), (command(), ".fi")] {
            let page = page(&Man::new(command)).unwrap();
            assert!(page.contains(".SH NOTES\n.nf\nExamples:\n  x one\n  x two\n.fi\n"), "{page}");
            assert!(page.trim_end().ends_with(last), "{page}");
        }
    }
}
