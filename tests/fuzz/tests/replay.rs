//! What the fuzzers have found and where they have been, with the compiler that everybody has.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wasm_cni::action::Action;
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

/// So many inputs of a target in a run that is not whole: a thousand take about three seconds.
const MOST: usize = 2000;

#[test]
fn what_is_promised_of_any_input_holds_for_every_one_that_was_kept() {
    let mut failed = Vec::new();
    for (name, run) in TARGETS {
        let corpus = corpora().join(name);
        let inputs = names(&corpus);
        assert!(inputs.len() >= 10, "{name}: {} inputs", inputs.len());
        for input in wasm_cni_sample::choose(&format!("inputs of {name}"), inputs, MOST) {
            let data = std::fs::read(corpus.join(&input)).unwrap();
            if std::panic::catch_unwind(|| run(&data)).is_err() {
                failed.push(format!("fuzz/corpus/{name}/{input}"));
            }
        }
    }
    assert!(failed.is_empty(), "as told above: {failed:#?}");
}

/// Whole, cut short by a death, and with what nobody knows the end of.
#[test]
fn every_kind_of_action_is_in_a_journal_of_version_2() {
    let corpus = corpora().join("journal");
    let mut missing: BTreeSet<String> = Action::KINDS.iter().map(|kind| tag(kind)).collect();
    for input in names(&corpus).iter().filter(|name| name.starts_with("version-2-")) {
        let text = std::fs::read_to_string(corpus.join(input)).unwrap();
        assert!(text.starts_with(r#"{"version":2,"#), "{input}");
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            for step in line["intent"].as_array().into_iter().flatten() {
                let kinds = step[0]["action"].as_object().unwrap();
                missing.retain(|kind| !kinds.contains_key(kind));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// As a journal writes a kind: `create-veth` of `CreateVeth`.
fn tag(kind: &str) -> String {
    let letter = |(place, letter): (usize, char)| match letter.is_ascii_uppercase() && place > 0 {
        true => format!("-{}", letter.to_ascii_lowercase()),
        false => letter.to_ascii_lowercase().to_string(),
    };
    kind.chars().enumerate().map(letter).collect()
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
