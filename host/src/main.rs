//! The process: environment and standard streams, dispatch by name, exit code.

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
use wasm_cni::cni::{CniError, Environment, code, result::go_json};
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
        // It would be told on the same standard error, by a panic.
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
        Err(e) => return exit(fail(&CniError::new(code::INTERNAL, e.to_string()))),
    };
    let env = environment();
    // Before anything else: what it does until there is a plugin for it, it does beside us. Where it cannot be started, the call tells so.
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

/// Standard input, unbuffered: who waits for it can be told to end.
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

/// All in one `write`, where `Stdout` makes one of each line: a result is told whole or not at all.
fn unbuffered_stdout() -> Box<dyn Write> {
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(stdout) => Box::new(File::from(stdout)),
        Err(_) => Box::new(io::stdout()),
    }
}

/// Writes at once; gives the exit code.
fn print(to: &mut dyn Write, text: &str) -> i32 {
    i32::from(to.write_all(text.as_bytes()).and_then(|()| to.flush()).is_err())
}

/// The error on stdout (SPEC, section 5); gives the exit code.
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

/// A variable, or the empty text; bytes that are no UTF-8 fail the validation of whatever it is.
fn variable(name: &str) -> String {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

fn switch(name: &str) -> bool {
    let value = variable(name);
    value == "1" || value.eq_ignore_ascii_case("true")
}

/// Where things are kept: root's places, an ordinary user's, or what `WASM_CNI_*` says.
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

/// The administrator's policy. Whoever can set our environment can do without us what we do, so it may name another one; that
/// one has to be there.
fn policy() -> Result<Policy, PolicyError> {
    match variable("WASM_CNI_POLICY").as_str() {
        "" => Policy::load(Path::new(policy::DEFAULT_PATH), false, &CEILINGS),
        path => Policy::load(Path::new(path), true, &CEILINGS),
    }
}

/// Where compiled components are kept: the first of these that can be used.
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
