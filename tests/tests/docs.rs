//! What the documents claim is so.

use std::collections::BTreeSet;
use wasm_cni_tests::{Machine, WALKTHROUGH, dist, repository, sources};

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The constants of `cni::code` and the table of `docs/error-codes.md` have the same codes.
#[test]
fn every_error_code_is_documented() {
    let source = read("host/src/cni/code.rs");
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

/// The session of the operator's guide, executed as it stands in a shell.
#[test]
fn the_network_of_the_operators_guide_is_attached_word_for_word() {
    let guide = read("docs/operating.md");
    let block = guide.split("```sh\n").find(|block| block.contains("wasm-cni add mynet")).unwrap();
    let script = block.split("```").next().unwrap();
    let machine = Machine::new();
    let clone = machine.files();
    std::os::unix::fs::symlink(dist().parent().unwrap(), clone.join("target")).unwrap();
    let place = format!("cd {} && PATH={}:$PATH && set -e", clone.display(), dist().display());
    let (before, end) = script.split_once("wasm-cni del").unwrap();
    let stdout = machine.sh(&format!("{place}\n{before}"));
    assert!(stdout.contains("ip link add mynet0"), "{stdout}");
    assert!(stdout.contains("\"address\": \"10.20.0.2/24\""), "{stdout}");
    assert!(machine.sh("iptables-save").contains("--dport 8080"));
    let places = script.lines().next().unwrap();
    machine.sh(&format!("{place}\n{places}\nwasm-cni del{end}"));
    assert!(!machine.sh("iptables-save; ip -n mycontainer link").contains("8080"));
    assert_eq!(machine.sh("ls -A /var/lib/cni/results; ip -n mycontainer -o link | grep eth0 || true"), "");
}

/// The operator's guide installs from the tarball, as it stands in a shell.
#[test]
fn the_installation_of_the_operators_guide_runs_word_for_word() {
    let guide = read("docs/operating.md");
    let block = guide.split("```sh\n").find(|block| block.contains("wasm-cni install --dir")).unwrap();
    let script = block.split("```").next().unwrap();
    let machine = Machine::new();
    let clone = machine.files();
    std::os::unix::fs::symlink(dist().parent().unwrap(), clone.join("target")).unwrap();
    let stdout = machine.sh(&format!("cd {} && set -e\n{script}", clone.display()));
    assert!(stdout.contains("\"supportedVersions\"") && stdout.contains("removed"), "{stdout}");
    assert_eq!(machine.sh(&format!("ls -A {}/bin", clone.display())), "");
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
    for document in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/journal.md",
        "docs/operating.md",
        "docs/policy.md",
        "docs/writing-a-plugin.md",
        "fuzz/README.md",
        "tests/hostile/README.md",
    ] {
        for part in read(document).split('`').skip(1).step_by(2) {
            let is_path = [
                "host/",
                "guest-plugins/",
                "wit/",
                "tests/",
                "examples/",
                "docs/",
                "xtask/",
                "fuzz/",
                ".ci/",
            ]
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
    let reasons = read("docs/dependencies.md");
    let mut names = Vec::new();
    for (manifest, heading) in
        [("Cargo.toml", "[workspace.dependencies]"), ("fuzz/Cargo.toml", "[dependencies]")]
    {
        let manifest = read(manifest);
        let section = manifest.split(heading).nth(1).unwrap().split("\n[").next().unwrap();
        let name = |line: &str| line.split_once(" = ").map(|(name, _)| name.to_owned());
        // Ours begin with the project's name.
        names.extend(section.lines().filter_map(name).filter(|name| !name.starts_with("wasm-cni")));
    }
    assert!(names.len() > 20);
    let missing: Vec<_> = names.iter().filter(|name| !reasons.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Each property has a test, and what is named as one is there: `FILE: NAME`, more names of that file, or a whole file or folder.
#[test]
fn every_property_of_the_security_model_has_tests_that_exist() {
    let document = read("docs/security.md");
    let properties: Vec<&str> = document.lines().filter(|line| line.starts_with("| S")).collect();
    assert!(properties.len() >= 16);
    for property in properties {
        let tests = property.split(" | ").last().unwrap();
        let (mut text, mut found) = (String::new(), 0);
        for named in tests.split('`').skip(1).step_by(2) {
            let (file, name) = match named.split_once(": ") {
                Some((file, name)) => (Some(file), Some(name)),
                None if named.contains('/') => (Some(named), None),
                None => (None, Some(named)),
            };
            if let Some(file) = file {
                assert!(repository().join(file).exists(), "{file}");
                text = std::fs::read_to_string(repository().join(file)).unwrap_or_default();
            }
            assert!(name.is_none_or(|name| text.contains(&format!("fn {name}()"))), "{named}: {property}");
            found += 1;
        }
        assert!(found > 0, "{property}");
    }
}

/// The files with `unsafe` in their code, and no others.
#[test]
fn every_file_with_unsafe_code_has_its_reason() {
    let documented: BTreeSet<String> = read("docs/security.md")
        .split("## `unsafe`")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned()))
        .collect();
    let words = ["{", "impl ", "fn ", "extern "].map(|word| ["unsafe", word].join(" "));
    let is_unsafe = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.contains(&["unsafe", "("].concat()) || words.iter().any(|word| code.contains(word.as_str()))
    };
    let mut found = BTreeSet::new();
    for top in ["host", "guest-plugins", "examples", "tests", "xtask"] {
        for file in sources(&repository().join(top)) {
            if std::fs::read_to_string(&file).unwrap().lines().any(is_unsafe) {
                found.insert(file.strip_prefix(repository()).unwrap().display().to_string());
            }
        }
    }
    assert_eq!(found, documented);
}

/// Of the last commits, each has a subject of the form that CONTRIBUTING.md asks for. Merges are git's.
#[test]
fn the_subject_of_a_commit_begins_with_its_area() {
    let log = std::process::Command::new("git")
        .args(["log", "--no-merges", "--max-count=50", "--format=%s"])
        .current_dir(repository())
        .output();
    let log = match log {
        Ok(log) if log.status.success() => String::from_utf8_lossy(&log.stdout).into_owned(),
        Ok(log) => return eprintln!("not checked: {}", String::from_utf8_lossy(&log.stderr)),
        Err(error) => return eprintln!("not checked: git: {error}"),
    };
    let wrong: Vec<&str> = log.lines().filter(|subject| !has_area(subject)).collect();
    assert!(wrong.is_empty(), "no `area: imperative summary`: {wrong:#?}");
}

fn has_area(subject: &str) -> bool {
    let is_area = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || " ,_./-".contains(c);
    subject.split_once(": ").is_some_and(|(area, summary)| {
        !area.is_empty() && area.chars().all(is_area) && !summary.trim().is_empty()
    })
}

#[test]
fn a_subject_without_area_is_found() {
    assert!(has_area("host, xtask: print the error") && has_area("a/b.rs: x"));
    for wrong in ["Print the error", "Host: print it", ": print it", "host: ", "host:print it"] {
        assert!(!has_area(wrong), "{wrong}");
    }
}
