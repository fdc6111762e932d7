//! The part of WASI that plugins get, so that standard libraries work: standard error, exit, clocks and random
//! numbers. Clocks stand still, and random numbers are the same in every run.
//!
//! There are no files, sockets, environment variables or arguments. Every other function traps.

use super::limits;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

/// The WASI state of one plugin. It is created when the plugin calls a WASI function for the first time, which few
/// plugins do.
#[derive(Default)]
pub struct Wasi(Option<Used>);

/// The created state.
pub struct Used {
    /// The WASI context.
    pub context: WasiCtx,
    /// The resources behind handles, such as streams.
    pub table: ResourceTable,
    output: MemoryOutputPipe,
}

impl Wasi {
    /// The state. Creates it on the first call.
    pub fn used(&mut self) -> &mut Used {
        self.0.get_or_insert_with(Used::new)
    }

    /// The text that the plugin wrote to standard output and standard error.
    pub fn output(&self) -> String {
        let written = self.0.as_ref().map(|used| used.output.contents());
        String::from_utf8_lossy(&written.unwrap_or_default()).into_owned()
    }
}

impl Used {
    /// A state with an output buffer in memory and nothing else.
    fn new() -> Self {
        // Without a tokio runtime, wasmtime-wasi starts threads to print. One runtime is enough until the process
        // exits.
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

/// A clock that stands at the UNIX epoch. So a plan depends only on its request and the facts.
pub struct Still;

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
