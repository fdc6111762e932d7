//! The wasmtime configuration for making and running machine code. `wasm-cni-compile` makes the code, and includes
//! this file by its path, so that both use the same configuration.

use wasmtime::{Config, WasmBacktraceDetails, WasmFeatures};

/// Identifies the kind of machine code. It is part of the name of every cached file, and fixed at build time.
///
/// Increment the number after `t` with every change of [`config`]. wasmtime itself refuses the code of another major
/// version.
pub const ENGINE_ID: &str = if cfg!(target_arch = "x86_64") {
    "wasmtime48-t3-x86_64"
} else if cfg!(target_arch = "aarch64") {
    "wasmtime48-t3-aarch64"
} else {
    panic!("wasm-cni runs on x86_64 and aarch64")
};

/// The configuration that host and compiler share.
pub fn config() -> Config {
    let mut config = Config::new();
    config
        // A signal handler ends endless loops. It can only increment an epoch.
        .epoch_interruption(true)
        // Nothing unwinds through guest frames. Registering them takes 30 to 90 µs.
        .native_unwind_info(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Mapping the initial contents of a memory saves 25 µs. But it needs an open file or a new one, which a
        // planner may not have.
        .memory_init_cow(false)
        // Each memory reserves all addresses that a 32-bit index can reach, and a guard area behind them. So no
        // access needs a bounds check. Compiling takes three quarters of the time, and the code has seven tenths of
        // the size.
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        // The address map gives a trap its position in the wasm, in addition to the function's name. It is a tenth of
        // a file that each call maps.
        .generate_address_map(false);
    // Features that plugins do not need are disabled, so that they cannot be attacked.
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
