//! Data flows one way: what each module may import.

use std::path::Path;
use wasm_cni_tests::repository;

/// A module and the modules of ours that it may name; `run`, `verb` and `cli` may name all.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("plan", &[]),
    ("cni", &["plan"]),
    ("sandbox", &["plan", "cni"]),
    ("policy", &["plan", "cni"]),
    ("kernel", &["plan"]),
    ("apply", &["policy", "plan", "kernel"]),
];

fn sources(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for (module, allowed) in ALLOWED {
        let mut files = Vec::new();
        sources(&repository().join("host/src").join(module), &mut files);
        assert!(!files.is_empty(), "{module} has no sources");
        // Unit tests may build what they test from anywhere.
        let is_test = |file: &Path| {
            ["test", "tests"].iter().any(|name| file.components().any(|part| part.as_os_str() == *name))
        };
        for file in
            files.iter().filter(|file| !is_test(&file.strip_prefix(repository()).unwrap().with_extension("")))
        {
            let text = std::fs::read_to_string(file).unwrap();
            for part in text.split("crate::").skip(1) {
                let name: String =
                    part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                // `error::chain` prints causes: the one thing that everybody may use.
                let free = name == module || name == "error" && module == "apply" || name.is_empty();
                if !free && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{} names crate::{name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_sandbox_names_wasmtime() {
    let mut files = Vec::new();
    sources(&repository().join("host/src"), &mut files);
    let naming: Vec<_> = files
        .iter()
        .filter(|file| std::fs::read_to_string(file).unwrap().contains("wasmtime::"))
        .filter(|file| !file.starts_with(repository().join("host/src/sandbox")))
        .collect();
    assert!(naming.is_empty(), "{naming:?}");
}
