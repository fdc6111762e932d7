//! The journal: its format is documented, and DEL works with one that cannot be read.

use serde_json::Value;
use std::collections::BTreeSet;
use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH, kinds_of_actions, repository, variants};

const SECTION: &str = "/run/wasm-cni/attachments/*/bridge.0";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

/// The key of an object with one member: serde's form of an enum.
fn kind(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.as_object().unwrap().keys().next().unwrap().clone(),
    }
}

#[test]
fn the_format_is_the_documented_one() {
    let machine = machine();
    let written = lines(&machine.sh(&format!("cat {SECTION}")));
    let document = std::fs::read_to_string(repository().join("docs/journal.md")).unwrap();
    let example = document.split("```json\n").nth(1).expect("it has an example").split("```").next().unwrap();
    let documented = lines(example);

    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&documented[0]), keys(&written[0]), "the header");
    assert_eq!(documented[0]["version"], written[0]["version"]);
    let records = |lines: &[Value]| -> BTreeSet<String> { lines[1..].iter().map(kind).collect() };
    assert_eq!(records(&documented), records(&written), "the other lines");
    // What the host reads: DEL uses the example.
    let example: Vec<String> = documented.iter().map(Value::to_string).collect();
    let place = machine.sh(&format!("echo {SECTION}")).trim().to_owned();
    let file = machine.files().join("example");
    std::fs::write(&file, example.join("\n") + "\n").unwrap();
    machine.sh(&format!("cp {} {place}", file.display()));
    let reply = Call::bridge("DEL", WALKTHROUGH).run(&machine);
    assert!(reply.code == Some(0) && !reply.stderr.contains("kept aside"), "{}", reply.stderr);

    // Every action and effect: the variants in the code.
    let record = "host/src/action/record.rs";
    let of_record = ["Before", "Effect", "Old"].map(|name| variants(record, &format!("pub enum {name} {{")));
    let names = [kinds_of_actions(), of_record.concat()].concat();
    assert!(names.len() > 20);
    let missing: Vec<&String> =
        names.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/journal.md lacks {missing:?}");
}

#[test]
fn only_root_can_read_it() {
    let machine = machine();
    let modes = machine.sh("stat -c '%a %u' /run/wasm-cni /run/wasm-cni/attachments /run/wasm-cni/attachments/* /run/wasm-cni/attachments/*/*");
    assert_eq!(modes, "700 0\n700 0\n700 0\n600 0\n");
}

#[test]
fn del_removes_everything_whatever_happens_to_the_journal() {
    let whole = machine().sh(&format!("cat {SECTION}"));
    let count = whole.lines().count();
    let mut damages: Vec<(String, bool)> = [
        ("sed -i '1s/\"version\":2/\"version\":3/' F", true),
        ("sed -i '1s/\"version\":2/\"version\":2,\"more\":{}/' F", false),
        ("echo garbage > F", true),
        ("head -c 4096 /dev/urandom > F", true),
        ("sed -i '2s/intent/unheard-of/' F", true),
        ("rm F; mkdir F", true),
        ("rm F; ln -s /dev/null F", false),
        (": > F", false),
    ]
    .map(|(harm, aside)| (harm.to_owned(), aside))
    .to_vec();
    // A crash cuts off the last line; a line in the middle was never written by the host.
    for line in 1..=count {
        damages.push((format!("head -n {line} F | head -c -9 > G; cat G > F; rm G"), false));
        damages.push((format!("sed -i '{line}s/.$//' F"), true));
    }
    let before = {
        let fresh = Machine::new();
        fresh.netns("1234567890");
        fresh.snapshot()
    };
    for (harm, aside) in damages {
        let machine = machine();
        let file = machine.sh(&format!("echo {SECTION}")).trim().to_owned();
        machine.sh(&harm.replace('F', &file).replace('G', "/run/cut"));
        let reply = Call::bridge("DEL", WALKTHROUGH).run(&machine);
        assert_eq!((reply.code, reply.stdout.as_str()), (Some(0), ""), "{harm}: {}", reply.stderr);
        let left: Vec<String> = machine
            .changes(&before)
            .into_iter()
            .filter(|line| {
                ![
                    "cni_bridge0",
                    "forward",
                    "accept_redirects",
                    "last_reserved_ip",
                    ".unreadable",
                    "+ /run/wasm-cni/attachments",
                ]
                .iter()
                .any(|shared| line.contains(shared))
            })
            .collect();
        assert_eq!(left, NOTHING, "{harm}");
        let kept = machine.sh("ls /run/wasm-cni/attachments/*/ 2>/dev/null || true");
        assert_eq!(kept.contains("bridge.0.unreadable"), aside, "{harm}: {kept}");
        assert_eq!(reply.stderr.contains("kept aside"), aside, "{harm}: {}", reply.stderr);
        Call::bridge("ADD", WALKTHROUGH).ok(&machine);
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    }
}

#[test]
fn del_that_leaves_something_says_what() {
    let machine = machine();
    machine.sh("rm -r /run/wasm-cni");
    // Rules that return as soon as they are deleted.
    let path = machine.with_iptables("exit 0");
    let (code, _, details) = Call::bridge("DEL", WALKTHROUGH).env("PATH", &path).error(&machine);
    assert!(
        code == 105 && details.contains("it is still there") && details.contains("iptables -t nat -D"),
        "{details}"
    );
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert!(!machine.sh("iptables -t nat -S").contains("CNI-"));
}
