//! What the fuzzers have found and where they have been, with the compiler that everybody has.

use std::path::{Path, PathBuf};
use wasm_cni_fuzz_targets::TARGETS;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_promised_of_any_input_holds_for_every_one_that_was_kept() {
    let mut failed = Vec::new();
    for (name, run) in TARGETS {
        let corpus = corpora().join(name);
        let inputs = names(&corpus);
        assert!(inputs.len() >= 10, "{name}: {} inputs", inputs.len());
        for input in inputs {
            let data = std::fs::read(corpus.join(&input)).unwrap();
            if std::panic::catch_unwind(|| run(&data)).is_err() {
                failed.push(format!("fuzz/corpus/{name}/{input}"));
            }
        }
    }
    assert!(failed.is_empty(), "as told above: {failed:#?}");
}

#[test]
fn each_target_has_its_fuzzer_and_its_promise_in_the_readme() {
    let fuzz = corpora().with_file_name("");
    let read = |name: &str| std::fs::read_to_string(fuzz.join(name)).unwrap();
    let (manifest, readme) = (read("Cargo.toml"), read("README.md"));
    let mut targets = Vec::new();
    for (name, _) in TARGETS {
        assert!(read(&format!("fuzz_targets/{name}.rs")).contains(&format!("targets::{name}::run(data)")));
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")));
        assert!(readme.contains(&format!("\n| `{name}` | ")), "{name} is not in fuzz/README.md");
        targets.push(name.to_owned());
    }
    assert_eq!(names(&corpora()), targets, "a corpus without a target is not run");
}

#[test]
fn the_corpora_are_small() {
    let sizes = TARGETS.map(|(name, _)| {
        let corpus = corpora().join(name);
        names(&corpus).iter().map(|input| std::fs::metadata(corpus.join(input)).unwrap().len()).sum::<u64>()
    });
    assert!(sizes.iter().sum::<u64>() < 1 << 20, "{sizes:?}");
}
