//! The process: environment and standard streams, dispatch by name, exit code.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasm_cni::apply::StateDir;
use wasm_cni::cli;
use wasm_cni::cni::{CniError, Environment, code, result::go_json};
use wasm_cni::plan::PluginName;
use wasm_cni::run::Host;
use wasm_cni::sandbox::cache::Cache;
use wasm_cni::verb::{self, Output};

/// musl's allocator gives memory back to the kernel at every turn, which a process of a few milliseconds has no use for.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let error = CniError::new(code::INTERNAL, "wasm-cni panicked: this is a bug in it")
            .with_details(info.to_string());
        std::process::exit(fail(&error));
    }));
    let level = match variable("WASM_CNI_LOG").as_str() {
        "debug" => tracing::Level::DEBUG,
        "info" => tracing::Level::INFO,
        "error" => tracing::Level::ERROR,
        _ => tracing::Level::WARN,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .init();

    let invoked = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let name = invoked.file_name().and_then(OsStr::to_str).unwrap_or("wasm-cni");
    if name == "wasm-cni" {
        return cli::main(host);
    }
    let plugin = match PluginName::parse(name) {
        Ok(plugin) => plugin,
        Err(e) => return exit(fail(&CniError::new(code::INTERNAL, e.to_string()))),
    };
    let env = environment();
    let own_dir = invoked.parent().filter(|dir| !dir.as_os_str().is_empty()).map(Path::to_owned);
    let output =
        verb::call(&host(env.dry_run, env.netns_override), &plugin, &env, own_dir, &mut std::io::stdin());
    exit(match output {
        Ok(Output::Stdout(text)) => print(&mut std::io::stdout(), &text),
        Ok(Output::Stderr(text)) => print(&mut std::io::stderr(), &text),
        Ok(Output::Dry(plan, error)) => {
            print(&mut std::io::stderr(), &plan);
            fail(&error)
        }
        Err(error) => fail(&error),
    })
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Writes at once; a reader that went away is not ours to report.
fn print(to: &mut dyn Write, text: &str) -> i32 {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    0
}

/// The error on stdout (SPEC, section 5); gives the exit code.
fn fail(error: &CniError) -> i32 {
    print(&mut std::io::stdout(), &go_json(error));
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
fn host(dry: bool, netns_override: bool) -> Host {
    let state = match variable("WASM_CNI_STATE_DIR").as_str() {
        "" => PathBuf::from("/run/wasm-cni"),
        dir => PathBuf::from(dir),
    };
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    Host {
        state: StateDir::new(state),
        cache: Cache::new(&cache_dirs(), own.with_file_name("wasm-cni-compile"), dry),
        netns_override,
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
