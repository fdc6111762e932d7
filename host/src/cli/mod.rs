//! `wasm-cni …`: what an operator types.

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
use crate::error::printable;
use crate::node::Node;
use crate::timings;
use clap::{Parser, Subcommand};
use printed::{Format, Printed, json};
use runtime::network;
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
    /// Print the phases of the call, in microseconds, on standard error.
    #[arg(long, global = true, env = "WASM_CNI_TIMINGS", value_parser = clap::builder::FalseyValueParser::new())]
    timings: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Attach a container to a network, as a runtime does: ADD of each of its plugins, components and native ones.
    Add(attach::Add),
    /// Detach a container from a network, whoever attached it: DEL of each plugin, in reverse.
    Del(attach::Del),
    /// Ask each plugin of a network whether an attachment is as it was made.
    Check(attach::Check),
    /// Ask each plugin of a network whether an ADD would work.
    Status(attach::Status),
    /// Print what ADD would do, and change nothing.
    Plan(plan::Arguments),
    /// List what is attached on this node.
    Attachments(attachments::Arguments),
    /// Print how attachments differ from what was made, as the plan that would repair it; exit code 1 if any does, 2 on trouble.
    Diff(diff::Arguments),
    /// Apply what `diff` prints: links, addresses and containers stay as they are.
    Repair(diff::Arguments),
    /// Remove what is left of attachments that are no more.
    Gc(gc::Arguments),
    /// Print what a component is, which capabilities it imports, and what policy says of them, without running it.
    Inspect(inspect::Arguments),
    /// Read the administrator's policy.
    Policy(policy::Arguments),
    /// Put this program, its plugins and their components where a runtime looks for them; what they replace is kept.
    Install(install::Install),
    /// Take away what was installed, and put back what it had replaced.
    Uninstall(install::Uninstall),
}

/// Runs a command; `node` makes the places it works with, given whether it is dry and whether our own namespace is meant.
pub fn main(node: fn(bool, bool) -> Node) -> ExitCode {
    let arguments = Arguments::parse();
    // As diff(1): 1 is an answer.
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
        let _ = write!(std::io::stderr(), "{}", timings::end());
    }
    match printed {
        Ok(Printed { text, success }) => {
            let _ = std::io::stdout().write_all(printable(&text).as_bytes());
            ExitCode::from(u8::from(!success))
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{}", printable(&text(&error)));
            ExitCode::from(trouble)
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
