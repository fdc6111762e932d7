#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasm_cni_fuzz_targets::request::run(data));
