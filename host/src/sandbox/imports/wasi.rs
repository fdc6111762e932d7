//! WASI: a few interfaces are linked, without access to the machine. Every other function traps.

use crate::sandbox::guest::Guest;
use crate::sandbox::wasi::Still;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{HasData, Linker, ResourceTable, ResourceType};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{HostMonotonicClock, WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::{cli, clocks, random, sync};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiCtxView, WasiView};

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let used = self.wasi.used();
        WasiCtxView { ctx: &mut used.context, table: &mut used.table }
    }
}

/// Gives the functions of `wasi:io` access to their resource table.
struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links an interface of WASI. Returns `true` if all of it is linked, and `false` if only the functions that `ty`
/// imports are.
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
            // The timers of wasmtime-wasi would wait in real time, so only `now` and `resolution` are linked.
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

/// The type of a resource: that of `wasi:io` if the interface only uses it, otherwise a type without values.
fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<sync::io::poll::Pollable>(),
        "input-stream" => ResourceType::host::<sync::io::streams::InputStream>(),
        "output-stream" => ResourceType::host::<sync::io::streams::OutputStream>(),
        "error" => ResourceType::host::<sync::io::error::Error>(),
        _ => ResourceType::host::<()>(),
    }
}

/// Links the functions of an interface so that they trap, except those in `but`, which the caller links.
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
