//! The documents are true: their commands run, their paths exist, their tables match the source, and their form is the agreed one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wasm_cni_tests::guest::undeclared;
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

/// The plugin call of the operator's guide, executed as a shell script.
#[test]
fn the_plugin_call_of_the_operators_guide_runs_word_for_word() {
    let guide = read("docs/operating.md");
    let block =
        guide.split("```sh\n").find(|block| block.contains("CNI_COMMAND=ADD")).expect("the guide has it");
    let script = block.split("```").next().unwrap();
    assert!(script.contains("target/dist/bridge < mybridge.conf"), "{script}");
    let machine = Machine::new();
    let target = dist().parent().unwrap().to_owned();
    // The script writes into its directory, so it gets one that looks like a clone: `target/dist` is below it.
    let clone = machine.files();
    std::os::unix::fs::symlink(target, clone.join("target")).unwrap();
    let stdout = machine.sh(&format!("cd {} && set -e\n{script}", clone.display()));
    assert!(stdout.contains("\"ip\": \"10.15.20.2/24\""), "{stdout}");
    let normal = |text: &str| text.split_whitespace().collect::<String>();
    assert!(normal(&guide).contains(&normal(WALKTHROUGH)), "the guide has the configuration of the tests");
}

/// The network of the operator's guide, executed as a shell script.
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

/// The installation of the operator's guide, executed as a shell script.
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

/// The session at the top of the README: its commands print what it shows, except digests, which differ from build to build.
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

/// Every path in backticks of these documents exists.
#[test]
fn paths_in_documents_exist() {
    let mut missing = Vec::new();
    for document in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/README.md",
        "docs/architecture.md",
        "docs/faults.md",
        "docs/journal.md",
        "docs/operating.md",
        "docs/policy.md",
        "docs/testing.md",
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
                "benches/",
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

/// The guide for plugin authors shows the example that the swap test runs.
#[test]
fn the_plugin_in_the_guide_is_the_example() {
    assert!(read("docs/writing-a-plugin.md").contains(&read("examples/host-local-top/src/lib.rs")));
}

/// The commands of the guide for plugin authors that append the section `wasm-cni`, executed as a shell script.
#[test]
fn the_section_that_the_guide_appends_is_read() {
    let guide = read("docs/writing-a-plugin.md");
    let block = guide.split("```sh\n").find(|block| block.contains(">> TYPE.wasm")).unwrap();
    let script = block.split("```").next().unwrap();
    let machine = Machine::new();
    let plugins = machine.files();
    std::fs::write(plugins.join("TYPE.wasm"), undeclared()).unwrap();
    let place = format!("cd {} && set -e", plugins.display());
    let inspect = format!("{}/wasm-cni inspect TYPE.wasm", dist().display());
    assert!(!machine.try_sh(&format!("{place}; {inspect}")).status.success(), "it has no section yet");
    let read = machine.sh(&format!("{place}\n{script}\n{inspect}"));
    for line in ["kind          main", "CNI versions  0.4.0 1.0.0 1.1.0"] {
        assert!(read.contains(line), "{line}: {read}");
    }
}

/// Each dependency of the workspace has a line with its reason.
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
        // The workspace's own packages start with the project's name.
        names.extend(section.lines().filter_map(name).filter(|name| !name.starts_with("wasm-cni")));
    }
    assert!(names.len() > 20);
    let missing: Vec<_> = names.iter().filter(|name| !reasons.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Each property names tests that exist: `FILE: NAME`, further names of that file, or a whole file or folder.
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

/// The table lists exactly the files with `unsafe` code.
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

/// Every Markdown file of the repository.
fn documents() -> Vec<PathBuf> {
    files(&repository(), &["md"])
}

/// The files below a directory with one of these extensions; without build output and version control.
fn files(dir: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() || name == "target" || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|own| extensions.iter().any(|known| own == *known)) {
            found.push(path);
        }
    }
    found
}

fn short(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).display().to_string()
}

/// CONTRIBUTING.md allows 120 columns. A row of a table cannot be broken, and code is shown as it is: both may be longer.
#[test]
fn lines_of_prose_have_at_most_120_columns() {
    let mut long = Vec::new();
    let documents = documents();
    assert!(documents.len() > 30);
    for path in documents {
        let mut is_code = false;
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            is_code ^= line.trim_start().starts_with("```");
            let is_prose = !is_code && !line.starts_with('|') && !line.starts_with("    ");
            if is_prose && line.chars().count() > 120 {
                long.push(format!("{}:{}: {} columns", short(&path), number + 1, line.chars().count()));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// A reader has only this repository and public documents: nothing refers to notes that are not here.
#[test]
fn nothing_refers_to_documents_outside_of_the_repository() {
    // Joined, so that this file does not contain them.
    let outside = [
        ["design", " rule"],
        ["cni-", "behaviours"],
        ["style-", "anchors"],
        ["shared/", "reference"],
        ["/design", ".md"],
        ["`rooms", ".md"],
    ]
    .map(|parts| parts.concat());
    let mut found = Vec::new();
    for path in files(&repository(), &["md", "rs", "wit", "wat", "toml", "sh", "json", "conf", "conflist"]) {
        // Binary files contain no such references.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if outside.iter().any(|words| line.to_lowercase().contains(words.as_str())) {
                found.push(format!("{}:{}: {}", short(&path), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// A README that is longer than two screens is not read.
#[test]
fn the_readme_has_at_most_110_lines() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 110, "{lines} lines");
}

/// `docs/README.md` links every page of `docs`, and `docs/adr/README.md` every record; their relative links lead to files.
#[test]
fn the_tables_of_contents_are_complete() {
    for dir in ["docs", "docs/adr"] {
        let contents = read(&format!("{dir}/README.md"));
        let links: BTreeSet<&str> =
            contents.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).collect();
        let broken: Vec<_> =
            links.iter().filter(|link| !repository().join(dir).join(link).exists()).collect();
        assert!(broken.is_empty(), "{dir}: {broken:?}");
        let pages = std::fs::read_dir(repository().join(dir)).unwrap().map(|entry| entry.unwrap().path());
        let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
        let names = pages.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
        let missing: Vec<String> =
            names.filter(|name| name != "README.md" && !links.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "{dir}/README.md does not link {missing:?}");
    }
}

/// Every relative link of every document leads to a file.
#[test]
fn links_in_documents_lead_to_files() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://") && !link.contains(' ')) {
            checked += 1;
            if !path.parent().unwrap().join(link).exists() {
                broken.push(format!("{}: {link}", short(&path)));
            }
        }
    }
    assert!(checked > 50, "{checked}");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// `examples/README.md` has a line for every example.
#[test]
fn every_example_is_described() {
    let text = read("examples/README.md");
    let examples = repository().join("examples");
    let described = files(&examples, &["conf", "conflist", "json"])
        .into_iter()
        .map(|path| path.strip_prefix(&examples).unwrap().display().to_string());
    let missing: Vec<String> = described
        .chain(["host-local-top".to_owned(), "kubernetes/Containerfile".to_owned()])
        .filter(|name| !text.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
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
