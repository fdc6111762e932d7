//! Full and read-only file systems: a clear error, nothing is lost, and DEL works.

use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

/// Mounts a file system of its own at a directory.
fn mount(machine: &Machine, directory: &str, options: &str) {
    machine.sh(&format!("mkdir -p {directory}; mount -t tmpfs -o {options} tmpfs {directory}"));
}

fn leases(machine: &Machine) -> String {
    machine.sh("find /var/lib/cni -name '10.*' 2>/dev/null || true")
}

/// Nothing of the attachment is left. Its journal may be left, and is not inspected.
fn assert_gone(machine: &Machine, what: &str) {
    let links = machine.sh("ip -o link; ip -n 1234567890 -o link");
    assert!(!links.contains("veth") && !links.contains("eth12"), "{what}: {links}");
    let rules = machine.sh("iptables -t nat -S");
    assert!(!rules.contains("CNI-"), "{what}: {rules}");
}

/// What a failed ADD may have made nevertheless.
fn is_empty_store(line: &str) -> bool {
    line.ends_with("/lock: ")
}

/// ADDs whose directory has less and less space: each fails clearly and leaves nothing, or succeeds.
fn an_add_below(directory: &str, options: impl Fn(u32) -> String) {
    let mut worked = false;
    for room in 1..40 {
        let machine = machine();
        mount(&machine, directory, &options(room));
        let before = machine.snapshot();
        let reply = Call::bridge("ADD", WALKTHROUGH).run(&machine);
        if reply.code == Some(0) {
            machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
            worked = true;
        } else {
            assert!(!worked, "with more room it works less: {}", options(room));
            let (code, msg, details) = reply.error();
            let text = format!("{}: {code} {msg} {details}", options(room));
            assert_eq!(code, 999, "{text}");
            assert!(msg.to_lowercase().contains("no space left on device"), "{text}");
            assert!(msg.contains(directory), "{text}");
            let left: Vec<String> =
                machine.changes(&before).into_iter().filter(|line| !is_empty_store(line)).collect();
            assert_eq!(left, NOTHING, "{text}");
        }
        // A DEL does not write.
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
        assert_gone(&machine, &options(room));
        assert_eq!(leases(&machine), "", "{}", options(room));
        if worked && room > 3 {
            return;
        }
        // With space again, everything works.
        machine.sh(&format!("mount -o remount,size=1m,nr_inodes=1000 {directory}"));
        Call::bridge("ADD", WALKTHROUGH).ok(&machine);
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    }
    panic!("it never worked");
}

#[test]
fn an_add_with_less_and_less_room_in_run_leaves_nothing() {
    an_add_below("/run/wasm-cni", |pages| format!("size={}k", 4 * pages));
}

#[test]
fn an_add_with_fewer_and_fewer_files_in_run_leaves_nothing() {
    an_add_below("/run/wasm-cni", |files| format!("nr_inodes={}", files + 1));
}

#[test]
fn an_add_with_less_and_less_room_for_leases_leaves_nothing() {
    an_add_below("/var/lib/cni", |pages| format!("size={}k", 4 * pages));
}

#[test]
fn an_add_with_fewer_and_fewer_files_for_leases_leaves_nothing() {
    an_add_below("/var/lib/cni", |files| format!("nr_inodes={}", files + 1));
}

#[test]
fn a_del_needs_no_room_at_all() {
    let machine = machine();
    mount(&machine, "/run/wasm-cni", "size=1m,nr_inodes=100");
    mount(&machine, "/var/lib/cni", "size=1m,nr_inodes=100");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let fill = "for dir in /run/wasm-cni /var/lib/cni; do
        cat /dev/zero > $dir/full 2>/dev/null; i=0; while touch $dir/full$i 2>/dev/null; do i=$((i+1)); done; done; true";
    machine.try_sh(fill);
    assert!(!machine.try_sh("touch /run/wasm-cni/one-more").status.success());
    assert!(!machine.try_sh("touch /var/lib/cni/one-more").status.success());
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert_gone(&machine, "DEL");
    assert_eq!(leases(&machine), "");
}

#[test]
fn an_add_where_leases_cannot_be_written_leaves_nothing() {
    let machine = machine();
    machine.sh("mount -o remount,ro /var/lib");
    let before = machine.snapshot();
    let (code, msg, _) = Call::bridge("ADD", WALKTHROUGH).error(&machine);
    assert_eq!(code, 999);
    assert!(msg.contains("/var/lib/cni") && msg.contains("read-only file system"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
}

#[test]
fn a_lease_that_cannot_be_removed_is_reported_and_the_next_del_removes_it() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.sh("mount -o remount,ro /var/lib");
    for _ in 0..2 {
        let (code, _, details) = Call::bridge("DEL", WALKTHROUGH).error(&machine);
        assert_eq!(code, 105, "{details}");
        assert!(
            details.contains("left: `rm /var/lib/cni/networks/mybridge/10.15.20.2` removes it"),
            "{details}"
        );
        assert_gone(&machine, "all else");
    }
    machine.sh("mount -o remount,rw /var/lib");
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert_eq!(leases(&machine), "");
    assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "");
}

#[test]
fn without_a_place_for_journals_an_add_does_nothing_and_a_del_all_it_can() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.sh("cp -a /run/wasm-cni /run/copy");
    mount(&machine, "/run/wasm-cni", "size=1m");
    machine.sh("mount -o remount,ro /run/wasm-cni");
    machine.netns("other");
    let before = machine.snapshot();
    let (code, msg, _) = Call::bridge("ADD", WALKTHROUGH).container("other").error(&machine);
    assert_eq!(code, 999);
    assert!(msg.contains("/run/wasm-cni") && msg.to_lowercase().contains("read-only file system"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
    // Its journal is not visible.
    for _ in 0..2 {
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
        assert_gone(&machine, "DEL");
        assert_eq!(leases(&machine), "");
    }
}

#[test]
fn a_journal_that_cannot_be_removed_does_no_harm() {
    let machine = machine();
    mount(&machine, "/run/wasm-cni", "size=1m");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.sh("mount -o remount,ro /run/wasm-cni");
    for _ in 0..2 {
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
        assert_gone(&machine, "DEL");
        assert_eq!(leases(&machine), "");
    }
    machine.sh("mount -o remount,rw /run/wasm-cni");
    // The address goes to another container, and the old journal does not affect it.
    machine.netns("other");
    machine.sh("rm /var/lib/cni/networks/mybridge/last_reserved_ip.0");
    let added = Call::bridge("ADD", WALKTHROUGH).container("other").ok(&machine);
    assert!(added.contains("10.15.20.2/24"), "{added}");
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    machine.sh("ip netns exec other ping -c 1 -W 3 10.15.20.1");
    assert!(leases(&machine).contains("10.15.20.2"));
}
