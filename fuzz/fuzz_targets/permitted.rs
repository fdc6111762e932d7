#![no_main]

use wasm_cni_fuzz_targets::permitted::mutation;

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasm_cni_fuzz_targets::permitted::run(data));

// A change is a line: bytes that are changed are hardly ever one.
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let text = String::from_utf8_lossy(&data[..size]).into_owned();
    let new = mutation::changed(&text, seed.into());
    if new.len() <= max_size.min(data.len()) {
        data[..new.len()].copy_from_slice(new.as_bytes());
        return new.len();
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
});
