//! The structure of the host: which modules each module may name, which code knows the actions, and that no files
//! depend on each other in a circle.

use proc_macro2::TokenTree;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use syn::Item;
use wasm_cni_tests::architecture::circle::circles;
use wasm_cni_tests::architecture::source::{Module, Named, OTHERS};
use wasm_cni_tests::architecture::variants::{Known, known};
use wasm_cni_tests::architecture::{Arrow, Crate, Graph};
use wasm_cni_tests::{repository, sources};

/// A module directly below `host/src`, the modules that it may name, and the additional ones that its tests may name. A
/// module names only modules above it in this table; tests may name others.
const MODULES: [(&str, &str, &str); 30] = [
    ("patience", "", ""),
    ("signal", "", ""),
    ("stderr", "", ""),
    ("timings", "", ""),
    ("printable", "", ""),
    ("trust", "", ""),
    ("value", "", ""),
    ("cni", "value", ""),
    ("panic", "cni", ""),
    ("machine", "patience signal trust value", ""),
    ("policy", "cni value", ""),
    ("action", "machine policy signal value", ""),
    ("plan", "action policy value", ""),
    ("sandbox", "action cni panic plan signal trust value", ""),
    ("apply", "action machine patience plan printable signal timings value", ""),
    ("error", "action apply cni machine", ""),
    ("audit", "cni policy printable timings value", ""),
    ("reference", "action apply cni machine plan policy value", ""),
    ("delegate", "action cni machine printable sandbox signal stderr value", ""),
    ("node", "apply audit cni machine policy sandbox", ""),
    ("section", "action apply cni delegate error machine node panic plan value", ""),
    ("result", "action cni machine value", ""),
    ("plugin", "cni error machine node policy reference sandbox value", ""),
    (
        "planning",
        "action apply audit cni delegate machine node plan plugin policy sandbox section timings value",
        "",
    ),
    (
        "run",
        "audit cni machine node panic plan planning plugin policy reference result sandbox section signal timings",
        "",
    ),
    (
        "verb",
        "action apply audit cni delegate error machine node patience plan planning plugin policy reference run \
         sandbox section timings value",
        "",
    ),
    ("chain", "action cni delegate machine node panic plugin sandbox signal value verb", ""),
    ("install", "apply cni error node plugin sandbox value", ""),
    (
        "cli",
        "action apply audit chain cni install node plan planning policy printable reference sandbox stderr timings \
         value verb",
        "",
    ),
    (
        "main",
        "apply cli cni node panic planning policy printable sandbox signal stderr timings value verb",
        "",
    ),
];

/// The closed lists. Only the rooms of a list name its members.
const LISTS: [&str; 2] = ["Action", "Undo"];

/// The file with the lists and their matches, and nothing else. A list names the type of each of its rooms, and a room
/// names its list to refer to another action or to its undo. A closed list needs this, so these dependencies do not
/// count as a circle; all others do.
const LIST_FILE: &str = "action/mod.rs";

/// The code that may name variants: the rooms, the recorder of guest calls, and journals of a released version.
const ROOMS: [&str; 4] = ["action/", "apply/journal/v1/", "sandbox/imports/", "sandbox/recorder.rs"];

/// The only file that may have a `_` arm over actions: a few actions make a link of a guest, and all others give the same
/// error.
const LINKS: &str = "sandbox/imports/links.rs";

/// The input of all tests.
static HOST: LazyLock<Host> = LazyLock::new(Host::read);

/// `host/src`.
struct Host {
    library: Crate,
    binary: Crate,
}

impl Host {
    fn directory() -> PathBuf {
        repository().join("host/src")
    }

    fn read() -> Self {
        let read = |file: &str| Crate::read(&Host::directory().join(file));
        Host { library: read("lib.rs"), binary: read("main.rs") }
    }

    fn graph(&self) -> Graph<'_> {
        Graph::of(&self.library, "wasm_cni")
    }

    /// The modules that each module names, and the paths.
    fn named(&self) -> Vec<(&str, &str, &Named)> {
        let graph = self.graph();
        let by_main = graph.named_by(&self.binary).into_iter().map(|(to, named)| ("main", to, named));
        graph.between().into_iter().chain(by_main).collect()
    }

    /// What each file outside of tests knows about the lists.
    fn known(&self) -> BTreeMap<String, Known> {
        let shipped = self.library.modules.iter().filter(|module| !module.is_test);
        let files: BTreeSet<&PathBuf> = shipped.map(|module| &module.file).collect();
        let known = files.into_iter().map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            (short(file), known(&syn::parse_file(&text).unwrap(), &LISTS))
        });
        known.collect()
    }
}

fn short(file: &Path) -> String {
    file.strip_prefix(Host::directory()).unwrap_or(file).display().to_string()
}

/// Whether a file is one of these, or below one of these folders.
fn is_in(file: &str, places: &[&str]) -> bool {
    places.iter().any(|place| file == *place || place.ends_with('/') && file.starts_with(place))
}

#[test]
fn every_module_names_only_what_the_table_allows() {
    let host = &*HOST;
    let mut wrong = Vec::new();
    for (module, other, named) in host.named() {
        let row = MODULES.iter().find(|(of, _, _)| *of == module);
        let is_allowed = row.is_some_and(|(_, names, tests)| {
            let is_listed = |list: &str| list.split_whitespace().any(|listed| listed == other);
            is_listed(names) || named.is_test && is_listed(tests)
        });
        if !is_allowed {
            let what = if named.is_test { "in its tests " } else { "" };
            wrong.push(format!("{module} names {other} {what}as {}", named.path.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_a_row_and_names_those_above_it() {
    let host = &*HOST;
    let root = host.library.modules.first().unwrap();
    let modules: BTreeSet<&str> = root.children.keys().map(String::as_str).chain(["main"]).collect();
    let rows: BTreeSet<&str> = MODULES.iter().map(|(module, _, _)| *module).collect();
    assert_eq!(modules, rows);
    assert_eq!(rows.len(), MODULES.len());
    let mut above = BTreeSet::new();
    for (module, names, tests) in MODULES {
        let names: BTreeSet<&str> = names.split_whitespace().collect();
        assert!(names.is_subset(&above), "{module} names {:?}", names.difference(&above));
        assert!(tests.split_whitespace().all(|name| modules.contains(name)), "{module}: {tests}");
        above.insert(module);
    }
}

#[test]
fn every_file_is_read() {
    let host = &*HOST;
    let modules = host.library.modules.iter().chain(&host.binary.modules);
    let read: BTreeSet<PathBuf> = modules.map(|module| module.file.clone()).collect();
    let all: BTreeSet<PathBuf> = sources(&Host::directory()).into_iter().collect();
    assert_eq!(all.difference(&read).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

#[test]
fn no_files_depend_on_each_other_in_a_circle() {
    let host = &*HOST;
    let arrows = host.graph().arrows();
    let is_listed = |arrow: &Arrow| short(&arrow.from) == LIST_FILE && is_in(&short(&arrow.to), &["action/"]);
    let used: Vec<&Arrow> = arrows.iter().filter(|arrow| !arrow.is_handed_on && !is_listed(arrow)).collect();
    let texts: Vec<Vec<String>> = circles(&used)
        .iter()
        .map(|circle| {
            let arrow_text = |arrow: &&Arrow| {
                format!("{} names {} as {}", short(&arrow.from), short(&arrow.to), arrow.path)
            };
            circle.iter().map(arrow_text).collect()
        })
        .collect();
    assert!(texts.is_empty(), "{texts:#?}");
}

#[test]
fn the_file_of_the_lists_has_only_the_lists() {
    let text = std::fs::read_to_string(Host::directory().join(LIST_FILE)).unwrap();
    let file = syn::parse_file(&text).unwrap();
    let (mut lists, mut others) = (Vec::new(), 0);
    for item in &file.items {
        match item {
            Item::Mod(module) if module.content.is_none() => {}
            Item::Use(_) => {}
            // The macro that makes a list.
            Item::Macro(maker) if maker.ident.as_ref().is_some_and(|name| name == "list") => {}
            Item::Macro(list) if list.mac.path.is_ident("list") => {
                let name = list.mac.tokens.clone().into_iter().find_map(|token| match token {
                    TokenTree::Ident(name) => Some(name.to_string()),
                    _ => None,
                });
                lists.extend(name);
            }
            _ => others += 1,
        }
    }
    assert_eq!((lists.as_slice(), others), (LISTS.map(str::to_owned).as_slice(), 0), "{LIST_FILE}");
}

#[test]
fn only_the_sandbox_names_wasmtime() {
    let host = &*HOST;
    let is_wasmtime = |named: &&Named| {
        let first = named.path.iter().find(|segment| *segment != OTHERS);
        first.is_some_and(|first| first.starts_with("wasmtime"))
    };
    let outside = |module: &&Module| module.path.first().is_none_or(|first| first != "sandbox");
    let modules = host.library.modules.iter().chain(&host.binary.modules).filter(outside);
    let naming: Vec<String> = modules
        .filter(|module| module.named.iter().any(|named| is_wasmtime(&named)))
        .map(|module| short(&module.file))
        .collect();
    assert_eq!(naming, [""; 0]);
}

#[test]
fn only_rooms_name_variants_of_the_lists() {
    let mut wrong = Vec::new();
    for (file, Known { variants, rests }) in HOST.known() {
        if !variants.is_empty() && !is_in(&file, &ROOMS) {
            wrong.push(format!("{file} names {variants:?}"));
        }
        if !rests.is_empty() && file != LINKS {
            wrong.push(format!("{file} has an arm for whatever is not {rests:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A model of the kernel that grows as large as what it stands for is one more thing to get wrong.
#[test]
fn the_machine_in_memory_has_at_most_2000_lines() {
    let files = std::fs::read_dir(repository().join("tests/fake/src")).unwrap();
    let lines = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().lines().count());
    let lines: usize = lines.sum();
    assert!((1..=2000).contains(&lines), "{lines} lines");
}
