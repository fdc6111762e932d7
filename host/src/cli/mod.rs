//! `wasm-cni …`: the commands for operators.

pub mod attach;
pub mod attachments;
pub mod diff;
mod effective;
pub mod gc;
pub mod inspect;
pub mod install;
pub mod plan;
pub mod policy;
mod printed;
pub mod repair;
mod runtime;
mod table;

use crate::cni::CniError;
use crate::node::Node;
use crate::printable::printable;
use crate::stderr::Stderr;
use crate::timings;
use clap::{Parser, Subcommand};
use printed::{Format, Printed, json};
use runtime::network;
use std::io::Write;
use std::process::ExitCode;

/// Runs CNI plugins as sandboxed WebAssembly components.
///
/// A container runtime executes this program under the name of a plugin (`bridge`, `host-local`). Under its own name,
/// it has commands for operators.
#[derive(Debug, Parser)]
#[command(name = "wasm-cni", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print the duration of each phase of the call on standard error, in microseconds.
    #[arg(long, global = true, env = "WASM_CNI_TIMINGS", value_parser = clap::builder::FalseyValueParser::new())]
    timings: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Attach a container to a network, as a runtime does: ADD of each of its plugins, components and native ones.
    Add(attach::Add),
    /// Detach a container from a network: DEL of each plugin, in reverse order. It does not matter which runtime
    /// attached it.
    Del(attach::Del),
    /// Check with each plugin of a network that an attachment is in the state that ADD left.
    Check(attach::Check),
    /// Check with each plugin of a network that an ADD would work.
    Status(attach::Status),
    /// Print what ADD would do, and change nothing.
    Plan(plan::Arguments),
    /// List the attachments of this node.
    Attachments(attachments::Arguments),
    /// Compare attachments with their journals, and print the plan that would repair the differences; exit code 1 if
    /// any differs, 2 on errors.
    Diff(diff::Arguments),
    /// Apply the plan that `diff` prints: links, addresses and containers stay as they are.
    Repair(diff::Arguments),
    /// Remove the remains of attachments that do not exist any more.
    Gc(gc::Arguments),
    /// Describe a component without running it: its imports, and what policy allows it.
    Inspect(inspect::Arguments),
    /// Check the administrator's policy.
    Policy(policy::Arguments),
    /// Install this program, its plugins and their components where a runtime looks for them; replaced files are
    /// kept.
    Install(install::Install),
    /// Remove what was installed, and restore the files that it replaced.
    Uninstall(install::Uninstall),
}

/// Runs a command. `node` makes the node. Its arguments say whether the node is dry, and whether the container's
/// namespace may be the host's own.
pub fn main(node: fn(bool, bool) -> Node) -> ExitCode {
    let arguments = Arguments::parse();
    // As in diff(1), exit code 1 is an answer and 2 an error.
    let trouble = if matches!(arguments.command, Command::Diff(_)) { 2 } else { 1 };
    let printed = match arguments.command {
        Command::Add(arguments) => {
            attach::add(&node(arguments.dry_run, arguments.netns_override), &arguments)
        }
        Command::Del(arguments) => attach::del(&node(arguments.dry_run, false), &arguments),
        Command::Check(arguments) => attach::check(&node(false, arguments.netns_override), &arguments),
        Command::Status(arguments) => attach::status(&node(false, false), &arguments),
        Command::Attachments(arguments) => attachments::run(&node(true, false), &arguments),
        Command::Diff(arguments) => diff::run(&node(true, false), &arguments),
        Command::Repair(arguments) => repair::run(&node(false, false), &arguments),
        Command::Gc(arguments) => gc::run(&node(arguments.dry_run, false), &arguments),
        Command::Plan(arguments) => plan::run(&node(true, arguments.netns_override), &arguments),
        Command::Inspect(arguments) => inspect::run(&node(true, false), &arguments),
        Command::Install(arguments) => install::install(&node(false, false), &arguments),
        Command::Uninstall(arguments) => install::uninstall(&node(true, false), &arguments),
        Command::Policy(arguments) => policy::run(node(true, false), &arguments),
    };
    if arguments.timings {
        let _ = write!(Stderr, "{}", timings::end());
    }
    match printed {
        Ok(Printed { text, success }) => {
            let _ = std::io::stdout().write_all(printable(&text).as_bytes());
            ExitCode::from(u8::from(!success))
        }
        Err(error) => {
            let _ = writeln!(Stderr, "{}", printable(&text(&error)));
            ExitCode::from(trouble)
        }
    }
}

/// An error as text for people.
fn text(error: &CniError) -> String {
    match error.details.as_str() {
        "" => format!("error: {}", error.msg),
        details => format!("error: {}\n{details}", error.msg),
    }
}
