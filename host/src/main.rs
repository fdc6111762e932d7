//! The process: environment and standard streams, dispatch by program name, exit code.

mod environment;
mod stack;
mod streams;

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use streams::{Input, fail, print, unbuffered_stdout};
use wasm_cni::cni::{CniError, ErrorKind};
use wasm_cni::printable::printable;
use wasm_cni::sandbox::own::{NOTE as NOTE_OF_PROGRAM, Note};
use wasm_cni::sandbox::planner::Waiting;
use wasm_cni::stderr::{self, Stderr};
use wasm_cni::value::PluginName;
use wasm_cni::verb::{self, Output};
use wasm_cni::{cli, panic, signal, timings};
use wasm_cni_memory::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// A copy of this program is known by it.
#[used]
#[expect(unsafe_code, reason = "the section of a static")]
// SAFETY: the section is read as a note, and the value is one.
#[unsafe(link_section = ".note.wasm-cni")]
static NOTE: Note = NOTE_OF_PROGRAM;

/// Does nothing that needs much stack before the stack is large enough.
fn main() -> ExitCode {
    signal::survive_file_limit();
    match stack::ensure() {
        Ok(()) => run(),
        Err(error) => exit(fail(&error)),
    }
}

#[inline(never)]
fn run() -> ExitCode {
    timings::begin();
    streams::log(environment::log_level());
    let invoked = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let name = invoked.file_name().unwrap_or(OsStr::new("wasm-cni")).to_string_lossy();
    if name == "wasm-cni" {
        return cli::main(environment::node);
    }
    let plugin = match PluginName::parse(&name) {
        Ok(plugin) => plugin,
        Err(e) => return exit(fail(&CniError::new(ErrorKind::InvalidPluginName, e.to_string()))),
    };
    let env = environment::read();
    // Start the planner process first: its setup runs in parallel with ours. If the fork fails, `verb::call` reports
    // the error.
    let planner = (env.command == "ADD" && !env.dry_run).then(Waiting::spawn).and_then(Result::ok);
    timings::ended("fork");
    panic::silence();
    signal::watch();
    let node = environment::node(env.dry_run, env.netns_override);
    let call = || verb::call(&node, &plugin, &env, planner, &mut Input, &mut *unbuffered_stdout());
    let called = panic::caught(call).flatten();
    if environment::wants_timings() {
        print(&mut Stderr, &timings::end());
    }
    exit(match called {
        Ok(Output::Stdout(text)) => print(&mut io::stdout(), &text),
        Ok(Output::Stderr(text)) => print(&mut Stderr, &printable(&text)),
        Ok(Output::Dry(plan, error)) => {
            // Without a reader, the error on stdout still says that this was a dry run.
            let _ = stderr::write_plan(&printable(&plan));
            fail(&error)
        }
        Err(error) => fail(&error),
    })
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
