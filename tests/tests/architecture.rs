//! Data flows one way: what each module may import.

use std::path::Path;
use wasm_cni_tests::{repository, sources};

/// A module and the modules of ours that it may name; `run`, `verb` and `cli` may name all.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("plan", &[]),
    ("cni", &["plan"]),
    ("sandbox", &["plan", "cni"]),
    ("policy", &["plan", "cni"]),
    ("kernel", &["plan"]),
    ("apply", &["policy", "plan", "kernel"]),
];

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for (module, allowed) in ALLOWED {
        let files = sources(&repository().join("host/src").join(module));
        assert!(!files.is_empty(), "{module} has no sources");
        // Unit tests may build what they test from anywhere.
        let is_test = |file: &Path| {
            ["test", "tests", "corpus"]
                .iter()
                .any(|name| file.components().any(|part| part.as_os_str() == *name))
        };
        for file in
            files.iter().filter(|file| !is_test(&file.strip_prefix(repository()).unwrap().with_extension("")))
        {
            let text = std::fs::read_to_string(file).unwrap();
            for part in text.split("crate::").skip(1) {
                let name: String =
                    part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                // `error::chain` prints causes; `signal::check` is for whatever waits, `panic::caught` for where a process begins.
                let free = name == module
                    || name == "error" && module == "apply"
                    || matches!(name.as_str(), "signal" | "panic")
                    || name.is_empty();
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
    let files = sources(&repository().join("host/src"));
    let naming: Vec<_> = files
        .iter()
        .filter(|file| std::fs::read_to_string(file).unwrap().contains("wasmtime::"))
        .filter(|file| !file.starts_with(repository().join("host/src/sandbox")))
        .collect();
    assert!(naming.is_empty(), "{naming:?}");
}
