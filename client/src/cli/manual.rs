//! Shells' completions and man pages, made from the command line as it is defined.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;

use super::failure::Failure;
use crate::files::FileError;

/// What every program can print about itself, to flatten into its subcommands.
#[derive(Subcommand, Clone, Debug)]
pub enum Manual {
    /// Print completions for a shell
    #[command(after_help = "\
Where they go:
  bash  ~/.local/share/bash-completion/completions/PROGRAM
  zsh   a file _PROGRAM in a directory of $fpath
  fish  ~/.config/fish/completions/PROGRAM.fish")]
    Completions {
        /// Which shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the man page, or write one for each subcommand into a directory
    #[command(after_help = "\
Without a directory it is one page, to read at once (man | man -l -). With one, such as
~/.local/share/man/man1, files of the same names are written anew.")]
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
                let mut page = Vec::new();
                Man::new(command).render(&mut page).map_err(|error| unwritten(&error))?;
                print(&page)
            }
            Self::Man { dir: Some(dir) } => write_pages(command, dir).map_err(|source| {
                let action = "writing man pages into";
                FileError::system(action, dir, source).into()
            }),
        }
    }
}

fn write_pages(command: clap::Command, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(command, dir)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text).and_then(|()| stdout.flush()).map_err(|error| unwritten(&error))
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::new("output", 1, format!("it can't be written: {error}"), "check where the output goes")
}
