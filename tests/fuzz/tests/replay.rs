//! What the fuzzers have found and where they have been, with the compiler that everybody has.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wasm_cni::action::Action;
use wasm_cni_fuzz_corpus::{Corpus, line};
use wasm_cni_fuzz_targets::TARGETS;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn corpus(target: &str) -> Corpus {
    Corpus::read(&corpora(), target).unwrap()
}

/// The number of inputs of a target in a sample, in addition to the named ones. A thousand take about three seconds.
const MOST: usize = 2000;

#[test]
fn what_is_promised_of_any_input_holds_for_every_one_that_was_kept() {
    let mut failed = Vec::new();
    for (name, run) in TARGETS {
        let Corpus { named, lines } = corpus(name);
        assert!(named.len() + lines.len() >= 10, "{name}: too few inputs");
        let named = named.into_iter().map(|(file, input)| (format!("/{file}"), input));
        let lines = lines.into_iter().enumerate().map(|(line, input)| (format!(".txt:{}", line + 1), input));
        let lines = wasm_cni_sample::choose(&format!("inputs of {name}"), lines.collect(), MOST);
        for (place, input) in named.chain(lines) {
            if std::panic::catch_unwind(|| run(&input)).is_err() {
                failed.push(format!("fuzz/corpus/{name}{place}"));
            }
        }
    }
    assert!(failed.is_empty(), "as told above: {failed:#?}");
}

/// Whole, cut short by a death, and with what nobody knows the end of.
#[test]
fn every_kind_of_action_is_in_a_journal_of_version_2() {
    let mut missing: BTreeSet<String> = Action::KINDS.iter().map(|kind| tag(kind)).collect();
    for (name, input) in corpus("journal").named.iter().filter(|(name, _)| name.starts_with("version-2-")) {
        let text = str::from_utf8(input).unwrap();
        assert!(text.starts_with(r#"{"version":2,"#), "{name}");
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
    let mut targets = BTreeSet::new();
    for (name, _) in TARGETS {
        assert!(read(&format!("fuzz_targets/{name}.rs")).contains(&format!("targets::{name}::run(data)")));
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")));
        assert!(readme.contains(&format!("\n| `{name}` | ")), "{name} is not in fuzz/README.md");
        targets.insert(name.to_owned());
    }
    let entries = std::fs::read_dir(corpora()).unwrap().map(|entry| entry.unwrap().path());
    let corpora: BTreeSet<String> =
        entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(corpora, targets, "a corpus without a target is not run");
}

#[test]
fn the_corpora_are_small() {
    let sizes = TARGETS.map(|(name, _)| corpus(name).inputs().iter().map(|input| input.len()).sum::<usize>());
    assert!(sizes.iter().sum::<usize>() < 1 << 20, "{sizes:?}");
}

/// By hand nobody sees that a line is there twice, or is written otherwise than `cargo xtask fuzz pack` does.
#[test]
fn each_corpus_is_as_it_is_packed() {
    for (name, _) in TARGETS {
        let corpus = corpus(name);
        let packed: BTreeSet<&Vec<u8>> = corpus.lines.iter().collect();
        assert!(corpus.lines.iter().eq(packed), "{name}.txt is not sorted, or has a line twice");
        assert!(corpus.named.iter().all(|(_, input)| !corpus.lines.contains(input)), "{name}");
        let text = std::fs::read_to_string(corpora().join(format!("{name}.txt"))).unwrap();
        let lines: String = corpus.lines.iter().map(|input| line::encode(input) + "\n").collect();
        assert_eq!(text, lines, "{name}.txt");
    }
}
