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

/// The session at the top of the README: its commands print what it shows. Digests differ from build to build.
#[test]
fn the_session_of_the_readme_is_real() {
    let readme = read("README.md");
    let session =
        readme.split("```console\n").nth(1).expect("README has a session").split("```").next().unwrap();
    let machine = Machine::new();
    machine.netns("1234567890");
    let place = format!(
        "cd {} && PATH={}:$PATH CNI_PATH={}",
        repository().display(),
        dist().display(),
        dist().display()
    );
    let plain = |text: &str| -> Vec<String> {
        let line = |line: &str| match line.split_once("sha256:") {
            Some((before, _)) => format!("{before}sha256:"),
            None => line.trim_end().to_owned(),
        };
        text.lines().map(line).collect()
    };
    let mut commands = 0;
    for part in session.split("$ ").skip(1) {
        let (command, shown) = part.split_once('\n').unwrap();
        let printed = machine.sh(&format!("{place}; export CNI_PATH; {command}"));
        assert_eq!(plain(&printed), plain(shown), "{command}");
        commands += 1;
    }
    assert!(commands > 0);
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

/// Each dependency earns its place in a line.
#[test]
fn every_dependency_has_its_reason() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let reasons = read("docs/dependencies.md");
    let name = |line: &str| line.split_once(" = ").map(|(name, _)| name.to_owned());
    let ours = ["wasm-cni", "wasm-cni-sdk"];
    let names: Vec<String> =
        section.lines().filter_map(name).filter(|name| !ours.contains(&name.as_str())).collect();
    assert!(names.len() > 20);
    let missing: Vec<_> = names.iter().filter(|name| !reasons.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
