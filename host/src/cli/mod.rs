//! `wasm-cni …`: what an operator types.

pub mod inspect;
pub mod plan;

use crate::cni::{CniError, result::go_json};
use crate::run::Host;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Runs CNI plugins as sandboxed WebAssembly components.
///
/// A container runtime executes this program under the name of a plugin (`bridge`, `host-local`); under its own name it
/// shows what would be done and what is known.
#[derive(Debug, Parser)]
#[command(name = "wasm-cni", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what ADD would do, and change nothing.
    Plan(plan::Arguments),
    /// Print what a component is and which capabilities it imports, without running it.
    Inspect(inspect::Arguments),
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What a command printed, and whether the answer is a good one.
struct Printed {
    text: String,
    success: bool,
}

/// Runs a command; `host` makes the places it works with, given whether it is dry and whether our own namespace is meant.
pub fn main(host: fn(bool, bool) -> Host) -> ExitCode {
    let arguments = Arguments::parse();
    let printed = match arguments.command {
        Command::Plan(arguments) => plan::run(&host(true, arguments.netns_override), &arguments),
        Command::Inspect(arguments) => inspect::run(&host(true, false), &arguments),
    };
    match printed {
        Ok(Printed { text, success }) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::from(u8::from(!success))
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{}", text(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error for people.
fn text(error: &CniError) -> String {
    match error.details.as_str() {
        "" => format!("error: {}", error.msg),
        details => format!("error: {}\n{details}", error.msg),
    }
}

/// JSON for programs, with a line end.
fn json(value: &impl serde::Serialize) -> String {
    go_json(value) + "\n"
}
