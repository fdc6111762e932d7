//! The contract is a specification: it parses, and every item has documentation.

use wasm_cni_tests::repository;
use wit_parser::{Docs, Resolve, TypeDefKind};

fn contract() -> (Resolve, wit_parser::PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(repository().join("wit")).expect("the contract parses");
    (resolve, package)
}

#[test]
fn every_item_of_the_contract_is_documented() {
    let (resolve, package) = contract();
    let mut bare = Vec::new();
    let mut items = 0;
    let mut see = |what: String, docs: &Docs| {
        items += 1;
        if docs.contents.as_deref().is_none_or(|text| text.trim().len() < 10) {
            bare.push(what);
        }
    };
    for (name, id) in &resolve.packages[package].interfaces {
        let interface = &resolve.interfaces[*id];
        see(name.clone(), &interface.docs);
        for (type_name, id) in &interface.types {
            let definition = &resolve.types[*id];
            let path = format!("{name}.{type_name}");
            match &definition.kind {
                // `use types.{error}`: the documentation is at the definition.
                TypeDefKind::Type(wit_parser::Type::Id(_)) => continue,
                TypeDefKind::Record(record) => {
                    record.fields.iter().for_each(|f| see(format!("{path}.{}", f.name), &f.docs))
                }
                TypeDefKind::Variant(variant) => {
                    variant.cases.iter().for_each(|c| see(format!("{path}.{}", c.name), &c.docs))
                }
                TypeDefKind::Enum(cases) => {
                    cases.cases.iter().for_each(|c| see(format!("{path}.{}", c.name), &c.docs))
                }
                _ => {}
            }
            see(path, &definition.docs);
        }
        for (function, definition) in &interface.functions {
            see(format!("{name}.{function}"), &definition.docs);
        }
    }
    for (name, id) in &resolve.packages[package].worlds {
        see(name.clone(), &resolve.worlds[*id].docs);
    }
    assert!(bare.is_empty(), "without prose: {bare:#?}");
    assert!(items > 80, "only {items} items were looked at");
}

/// A capability that changes the machine documents everything that an author or an auditor needs.
#[test]
fn every_capability_documents_kernel_equivalent_undo_and_grant() {
    for file in ["links", "addresses", "routes", "sysctls", "nat", "filter", "qdiscs", "leases"] {
        let text = std::fs::read_to_string(repository().join("wit").join(format!("{file}.wit"))).unwrap();
        for word in ["- Kernel:", "- Refused:", "- Idempotent:", "- Undo:", "- Grant:"] {
            assert!(
                text.contains(word) || text.contains("- Refused, idempotent, undo, grant:"),
                "{file}.wit has no `{word}`"
            );
        }
    }
}

#[test]
fn half_of_the_contract_is_documentation() {
    let (mut prose, mut all) = (0, 0);
    for entry in std::fs::read_dir(repository().join("wit")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wit") {
            let text = std::fs::read_to_string(path).unwrap();
            all += text.lines().filter(|line| !line.trim().is_empty()).count();
            prose += text.lines().filter(|line| line.trim_start().starts_with("///")).count();
        }
    }
    assert!(prose * 2 >= all, "{prose} of {all} lines");
}
