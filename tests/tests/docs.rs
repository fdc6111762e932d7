//! What the documents claim is so.

use std::collections::BTreeSet;
use wasm_cni_tests::{Machine, WALKTHROUGH, dist, repository};

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The constants of `cni::error::code` and the table of `docs/error-codes.md` have the same codes.
#[test]
fn every_error_code_is_documented() {
    let source = read("host/src/cni/error.rs");
    let codes: BTreeSet<String> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const ")?.split(": u32 = ").nth(1))
        .map(|code| code.trim_end_matches(';').to_owned())
        .collect();
    let documented: BTreeSet<String> = read("docs/error-codes.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .filter(|code| code.parse::<u32>().is_ok())
        .map(str::to_owned)
        .collect();
    assert_eq!(codes, documented);
    assert!(codes.len() > 10);
}

/// The README's walkthrough, executed as it stands in a shell.
#[test]
fn the_walkthrough_of_the_readme_runs_word_for_word() {
    let readme = read("README.md");
    let block =
        readme.split("```sh\n").find(|block| block.contains("CNI_COMMAND=ADD")).expect("README has it");
    let script = block.split("```").next().unwrap();
    assert!(script.contains("target/dist/bridge < mybridge.conf"), "{script}");
    let machine = Machine::new();
    let target = dist().parent().unwrap().to_owned();
    // As in a clone: `target/dist` below the working directory, which is not the repository itself.
    let clone = machine.files();
    std::os::unix::fs::symlink(target, clone.join("target")).unwrap();
    let stdout = machine.sh(&format!("cd {} && set -e\n{script}", clone.display()));
    assert!(stdout.contains("\"ip\": \"10.15.20.2/24\""), "{stdout}");
    let normal = |text: &str| text.split_whitespace().collect::<String>();
    assert!(
        normal(&readme).contains(&normal(WALKTHROUGH)),
        "the README shows the configuration that the tests use"
    );
}

/// Every path that README and docs name in backticks exists.
#[test]
fn paths_in_documents_exist() {
    let mut missing = Vec::new();
    for document in ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/writing-a-plugin.md"] {
        for part in read(document).split('`').skip(1).step_by(2) {
            let is_path =
                ["host/", "guest-plugins/", "wit/", "tests/", "examples/", "docs/", "xtask/", ".ci/"]
                    .iter()
                    .any(|top| part.starts_with(top));
            if is_path && !part.contains([' ', '<', '*', '…']) && !repository().join(part).exists() {
                missing.push(format!("{document}: {part}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The example in the guide is the one that the swap test runs.
#[test]
fn the_plugin_in_the_guide_is_the_example() {
    assert!(read("docs/writing-a-plugin.md").contains(&read("examples/host-local-top/src/lib.rs")));
}
