//! The program `portal`: the command line is in [`portal::cli`], the web side in [`portal::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    portal::cli::run()
}
