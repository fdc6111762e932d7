//! How machine code is made and run: one configuration for the host, which runs it, and for `wasm-cni-compile`, which makes
//! it. That crate includes this file by its path, so that the two cannot differ.

use wasmtime::{Config, WasmBacktraceDetails, WasmFeatures};

/// Tells one kind of machine code from another: part of the name of every cached file, fixed at build time.
///
/// Change the number after `t` with every change of [`config`]; wasmtime refuses code of another major version by itself.
pub const ENGINE_ID: &str = if cfg!(target_arch = "x86_64") {
    "wasmtime48-t3-x86_64"
} else if cfg!(target_arch = "aarch64") {
    "wasmtime48-t3-aarch64"
} else {
    panic!("wasm-cni runs on x86_64 and aarch64")
};

/// The configuration that both sides share.
pub fn config() -> Config {
    let mut config = Config::new();
    config
        // A loop is ended from a signal handler, which can only count an epoch.
        .epoch_interruption(true)
        // Nobody unwinds through guest frames; registering them costs 30 to 90 µs.
        .native_unwind_info(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Mapping a memory's first contents saves 25 µs, and would take an open file or a new one, which a planner may not have.
        .memory_init_cow(false)
        // All that an index of 32 bits can reach is reserved, for each memory, and what lies behind it never becomes readable: no access
        // needs a check of its bounds. Compiling takes three quarters of the time, and the code has seven tenths of the size.
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        // Where in the wasm an instruction came from, which a trap would tell besides the function's name: a tenth of a file that each call maps.
        .generate_address_map(false);
    // What a plugin has no use for is not there to be attacked.
    for unused in [
        WasmFeatures::THREADS,
        WasmFeatures::MEMORY64,
        WasmFeatures::MULTI_MEMORY,
        WasmFeatures::RELAXED_SIMD,
        WasmFeatures::TAIL_CALL,
        WasmFeatures::WIDE_ARITHMETIC,
        WasmFeatures::CUSTOM_PAGE_SIZES,
        WasmFeatures::STACK_SWITCHING,
        WasmFeatures::EXCEPTIONS,
        WasmFeatures::GC,
        WasmFeatures::FUNCTION_REFERENCES,
    ] {
        config.wasm_features(unused, false);
    }
    config
}
