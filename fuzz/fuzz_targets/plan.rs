#![no_main]

mod configuration;

use configuration::{Dice, changed};

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasm_cni_fuzz_targets::plan::run(data));

// Every other time the configuration is changed as what it is, else the bytes are.
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut dice = Dice::new(seed);
    let text = String::from_utf8_lossy(&data[..size]).into_owned();
    let start = if text.starts_with('{') { Some(0) } else { text.find("\n{").map(|line| line + 1) };
    if dice.below(2) == 0
        && let Some((head, json)) = start.map(|start| text.split_at(start))
        && let Some(json) = changed(json, &mut dice)
    {
        let new = format!("{head}{json}");
        if new.len() <= max_size.min(data.len()) {
            data[..new.len()].copy_from_slice(new.as_bytes());
            return new.len();
        }
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
});
