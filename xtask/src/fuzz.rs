//! `cargo xtask fuzz`: the inputs that the fuzzers have kept, as the folders that cargo-fuzz reads and writes (fuzz/README.md).

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use wasm_cni_fuzz_corpus::{Corpus, pack};

/// What to do with the inputs.
#[derive(clap::Subcommand)]
pub enum Step {
    /// Make target/corpus/TARGET from fuzz/corpus: a folder with a file for each input.
    Unpack {
        /// Only these targets.
        targets: Vec<String>,
    },
    /// Make fuzz/corpus/TARGET.txt from target/corpus/TARGET: a line for each input.
    Pack {
        /// Only these targets.
        targets: Vec<String>,
    },
}

impl Step {
    /// Does it, and says what is where.
    pub fn run(self) -> Result<()> {
        let workspace = Workspace::read()?;
        let corpora = workspace.root.join("fuzz/corpus");
        let folder = |target: &str| workspace.target_dir.join("corpus").join(target);
        match self {
            Step::Unpack { targets } => {
                for target in or_all(targets, &corpora)? {
                    let corpus = Corpus::read(&corpora, &target)?;
                    corpus.unpack(&folder(&target))?;
                    say(&folder(&target), corpus.named.len() + corpus.lines.len());
                }
            }
            Step::Pack { targets } => {
                for target in or_all(targets, &corpora)? {
                    let inputs = pack(&corpora, &target, &folder(&target))?;
                    say(&corpora.join(format!("{target}.txt")), inputs);
                }
            }
        }
        Ok(())
    }
}

fn say(path: &Path, inputs: usize) {
    println!("{}: {inputs} inputs", path.display());
}

/// Without any named, all that have a text file.
fn or_all(targets: Vec<String>, corpora: &Path) -> Result<Vec<String>> {
    if !targets.is_empty() {
        return Ok(targets);
    }
    let entries = std::fs::read_dir(corpora).with_context(|| corpora.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    let stem = |path: &PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut found: Vec<String> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .filter_map(stem)
        .collect();
    found.sort();
    Ok(found)
}
