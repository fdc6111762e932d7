//! What a plugin has of WASI, so that a standard library works: standard error, exit, clocks that stand still and
//! randomness that is none. No files, sockets, environment or arguments; anything else traps when called.

use super::limits;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

/// The state of one plugin's WASI: made when the plugin first calls a function of it, which few do.
#[derive(Default)]
pub struct Wasi(Option<Used>);

/// The same once it is made.
pub struct Used {
    /// What the functions are about.
    pub context: WasiCtx,
    /// The streams behind handles.
    pub table: ResourceTable,
    output: MemoryOutputPipe,
}

impl Wasi {
    /// The state, which is made now if it was not yet.
    pub fn used(&mut self) -> &mut Used {
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

/// A clock that stands at the epoch, so that a plan depends on nothing but its request and the facts.
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
