//! The process: environment and standard streams, dispatch by program name, exit code.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use wasm_cni::apply::StateDir;
use wasm_cni::cli;
use wasm_cni::cni::{CniError, Environment, ErrorKind, result::go_json};
use wasm_cni::error::printable;
use wasm_cni::node::Node;
use wasm_cni::planning::CEILINGS;
use wasm_cni::policy::{self, Policy, PolicyError};
use wasm_cni::sandbox::cache::Cache;
use wasm_cni::sandbox::planner::Waiting;
use wasm_cni::value::PluginName;
use wasm_cni::verb::{self, Output};
use wasm_cni::{panic, signal, timings};
use wasm_cni_memory::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    timings::begin();
    let level = match variable("WASM_CNI_LOG").as_str() {
        "debug" => tracing::Level::DEBUG,
        "info" => tracing::Level::INFO,
        "error" => tracing::Level::ERROR,
        _ => tracing::Level::WARN,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        // Otherwise, when stderr cannot be written, tracing reports that on stderr with a macro that panics.
        .log_internal_errors(false)
        .with_ansi(false)
        .without_time()
        .init();

    let invoked = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let name = invoked.file_name().unwrap_or(OsStr::new("wasm-cni")).to_string_lossy();
    if name == "wasm-cni" {
        return cli::main(node);
    }
    let plugin = match PluginName::parse(&name) {
        Ok(plugin) => plugin,
        Err(e) => return exit(fail(&CniError::new(ErrorKind::InvalidPluginName, e.to_string()))),
    };
    let env = environment();
    // Start the planner process first: its setup runs in parallel with ours. If the fork fails, `verb::call` reports
    // the error.
    let planner = (env.command == "ADD" && !env.dry_run).then(Waiting::spawn).and_then(Result::ok);
    timings::ended("fork");
    panic::silence();
    signal::watch();
    let own_dir = invoked.parent().filter(|dir| !dir.as_os_str().is_empty()).map(Path::to_owned);
    let node = node(env.dry_run, env.netns_override);
    let call = || verb::call(&node, &plugin, &env, planner, own_dir, &mut Input, &mut *unbuffered_stdout());
    let called = panic::caught(call).flatten();
    if switch("WASM_CNI_TIMINGS") {
        print(&mut io::stderr(), &timings::end());
    }
    exit(match called {
        Ok(Output::Stdout(text)) => print(&mut io::stdout(), &text),
        Ok(Output::Stderr(text)) => print(&mut io::stderr(), &text),
        Ok(Output::Dry(plan, error)) => {
            print(&mut io::stderr(), &printable(&plan));
            fail(&error)
        }
        Err(error) => fail(&error),
    })
}

/// Standard input without a buffer. It polls, so that a signal can end a call that waits for input.
struct Input;

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        loop {
            signal::check().map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], 100_u8) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(nix::unistd::read(&stdin, buffer)?),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Standard output without a buffer. `Stdout` writes each line by itself; this writes a result with one `write`, so
/// that the runtime gets all of it or nothing.
fn unbuffered_stdout() -> Box<dyn Write> {
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(stdout) => Box::new(File::from(stdout)),
        Err(_) => Box::new(io::stdout()),
    }
}

/// Writes `text` and flushes. Returns the exit code.
fn print(to: &mut dyn Write, text: &str) -> i32 {
    i32::from(to.write_all(text.as_bytes()).and_then(|()| to.flush()).is_err())
}

/// Prints the error on stdout (SPEC, section 5). Returns the exit code.
fn fail(error: &CniError) -> i32 {
    print(&mut io::stdout(), &go_json(error));
    1
}

fn environment() -> Environment {
    Environment {
        command: variable("CNI_COMMAND"),
        container_id: variable("CNI_CONTAINERID"),
        netns: variable("CNI_NETNS"),
        interface: variable("CNI_IFNAME"),
        args: variable("CNI_ARGS"),
        path: variable("CNI_PATH"),
        netns_override: switch("CNI_NETNS_OVERRIDE"),
        dry_run: switch("WASM_CNI_DRY_RUN"),
    }
}

/// The value of an environment variable, or the empty string. Invalid UTF-8 is replaced, and the validation of the
/// value then refuses it.
fn variable(name: &str) -> String {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

fn switch(name: &str) -> bool {
    let value = variable(name);
    value == "1" || value.eq_ignore_ascii_case("true")
}

/// The directories of this node: `/run` and `/var/cache` for root, the user's cache for an ordinary user, or what
/// `WASM_CNI_*` names.
fn node(dry: bool, netns_override: bool) -> Node {
    let state = match variable("WASM_CNI_STATE_DIR").as_str() {
        "" => PathBuf::from("/run/wasm-cni"),
        dir => PathBuf::from(dir),
    };
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    let policy = policy();
    if let Err(error) = &policy {
        tracing::warn!("the policy cannot be used: {error}");
    }
    Node {
        state: StateDir::new(state),
        cache: Cache::new(&cache_dirs(), own.with_file_name("wasm-cni-compile"), dry),
        netns_override,
        policy: policy.map(Arc::new),
        traceparent: variable("TRACEPARENT"),
    }
}

/// Loads the administrator's policy.
///
/// `WASM_CNI_POLICY` may name another file, which must exist. This gives nobody new rights: a process that can set
/// our environment already runs with our privileges.
fn policy() -> Result<Policy, PolicyError> {
    match variable("WASM_CNI_POLICY").as_str() {
        "" => Policy::load(Path::new(policy::DEFAULT_PATH), false, &CEILINGS),
        path => Policy::load(Path::new(path), true, &CEILINGS),
    }
}

/// The directories for compiled components, in order of preference. The cache uses the first one that works.
fn cache_dirs() -> Vec<PathBuf> {
    let (given, xdg, home) = (variable("WASM_CNI_CACHE_DIR"), variable("XDG_CACHE_HOME"), variable("HOME"));
    if !given.is_empty() {
        vec![PathBuf::from(given)]
    } else if nix::unistd::Uid::effective().is_root() {
        vec![PathBuf::from("/var/cache/wasm-cni"), PathBuf::from("/run/wasm-cni/cache")]
    } else if !xdg.is_empty() {
        vec![Path::new(&xdg).join("wasm-cni")]
    } else {
        vec![Path::new(&home).join(".cache/wasm-cni")]
    }
}
