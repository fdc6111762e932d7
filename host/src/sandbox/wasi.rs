//! What a plugin has of WASI, so that a standard library works: standard error, exit, clocks that stand still and
//! randomness that is none. No files, sockets, environment or arguments; anything else traps when called.

use super::guest::Guest;
use super::limits;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{HasData, Linker, ResourceTable, ResourceType};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock, WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::{cli, clocks, random, sync};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::random::{Deterministic, WasiRandom};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// The state of one plugin's WASI: made when the plugin first calls a function of it, which few do.
#[derive(Default)]
pub struct Wasi(Option<Used>);

struct Used {
    context: WasiCtx,
    table: ResourceTable,
    output: MemoryOutputPipe,
}

impl Wasi {
    fn used(&mut self) -> &mut Used {
        self.0.get_or_insert_with(Used::new)
    }

    /// What the plugin wrote to standard output and standard error.
    pub fn output(&self) -> String {
        let written = self.0.as_ref().map(|used| used.output.contents());
        String::from_utf8_lossy(&written.unwrap_or_default()).into_owned()
    }
}

impl Used {
    /// Nothing but an output into memory.
    fn new() -> Self {
        // To print, wasmtime-wasi would start threads unless there is a runtime. One is enough, until the process ends.
        if Handle::try_current().is_err()
            && let Ok(runtime) = Builder::new_current_thread().build()
        {
            std::mem::forget(runtime.enter());
            std::mem::forget(runtime);
        }
        let output = MemoryOutputPipe::new(limits::LOG_BYTES);
        let context = WasiCtxBuilder::new()
            .stdout(output.clone())
            .stderr(output.clone())
            .wall_clock(Still)
            .monotonic_clock(Still)
            .secure_random(Deterministic::new(vec![0]))
            .insecure_random(Deterministic::new(vec![0]))
            .insecure_random_seed(0)
            .max_random_size(1 << 16)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        Used { context, table: ResourceTable::new(), output }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let used = self.wasi.used();
        WasiCtxView { ctx: &mut used.context, table: &mut used.table }
    }
}

/// A clock that stands at the epoch, so that a plan depends on nothing but its request and the facts.
struct Still;

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

/// How the functions of `wasi:io` reach their data.
struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links an interface of WASI; tells whether all of it, or as much as `ty` imports.
pub fn link(linker: &mut Linker<Guest>, name: &str, ty: &ComponentItem) -> wasmtime::Result<bool> {
    let interface = name.strip_prefix("wasi:").and_then(|name| name.split_once('@'));
    let Some((interface, _)) = interface else { return Ok(false) };
    match interface {
        "io/error" => sync::io::error::add_to_linker::<Guest, Io>(linker, |g| &mut g.wasi.used().table)?,
        "io/streams" => sync::io::streams::add_to_linker::<Guest, Io>(linker, |g| &mut g.wasi.used().table)?,
        "io/poll" => sync::io::poll::add_to_linker::<Guest, Io>(linker, |g| &mut g.wasi.used().table)?,
        "cli/stdin" => cli::stdin::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "cli/stdout" => cli::stdout::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "cli/stderr" => cli::stderr::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "cli/exit" => cli::exit::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "cli/environment" => cli::environment::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "cli/terminal-input" => cli::terminal_input::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "cli/terminal-output" => cli::terminal_output::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "cli/terminal-stdin" => cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "cli/terminal-stdout" => cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "cli/terminal-stderr" => cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(linker, Guest::cli)?,
        "clocks/wall-clock" => clocks::wall_clock::add_to_linker::<Guest, WasiClocks>(linker, Guest::clocks)?,
        "random/random" => {
            random::random::add_to_linker::<Guest, WasiRandom>(linker, |g| g.wasi.used().context.random())?;
        }
        "random/insecure" => {
            random::insecure::add_to_linker::<Guest, WasiRandom>(linker, |g| g.wasi.used().context.random())?;
        }
        "random/insecure-seed" => {
            random::insecure_seed::add_to_linker::<Guest, WasiRandom>(linker, |g| {
                g.wasi.used().context.random()
            })?;
        }
        "clocks/monotonic-clock" => {
            // Its timers would wait in real time.
            trap(linker, name, ty, &["now", "resolution"])?;
            let mut functions = linker.instance(name)?;
            functions.func_wrap("now", |_, ()| Ok((HostMonotonicClock::now(&Still),)))?;
            functions.func_wrap("resolution", |_, ()| Ok((HostMonotonicClock::resolution(&Still),)))?;
        }
        _ => {
            trap(linker, name, ty, &[])?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// The type of a resource: that of `wasi:io`, where it is only used, or one of which there is nothing.
fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<sync::io::poll::Pollable>(),
        "input-stream" => ResourceType::host::<sync::io::streams::InputStream>(),
        "output-stream" => ResourceType::host::<sync::io::streams::OutputStream>(),
        "error" => ResourceType::host::<sync::io::error::Error>(),
        _ => ResourceType::host::<()>(),
    }
}

/// Links an interface whose functions trap, but for those that somebody else links.
fn trap(
    linker: &mut Linker<Guest>,
    interface: &str,
    item: &ComponentItem,
    but: &[&str],
) -> wasmtime::Result<()> {
    let ComponentItem::ComponentInstance(instance) = item else { return Ok(()) };
    let engine = linker.engine().clone();
    let mut functions = linker.instance(interface)?;
    for (name, item) in instance.exports(&engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) if !but.contains(&name) => {
                let message = format!("the plugin called {interface}#{name}, which plugins do not have");
                functions.func_new(name, move |_, _, _, _| Err(wasmtime::format_err!("{message}")))?;
            }
            ComponentItem::Resource(_) => functions.resource(name, resource(name), |_, _| Ok(()))?,
            _ => {}
        }
    }
    Ok(())
}
