//! The command `monostable-lab`: reads its arguments, runs, and says what was found or why not.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use monostable_lab::cli::{Arguments, run};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command speaks on the terminal")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    match run(&arguments, command) {
        Ok(summary) => {
            // A process of ours has nothing to say at its end, and perhaps nobody to say it to.
            if !summary.is_empty() {
                println!("{summary}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
