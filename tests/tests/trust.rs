//! Components and lease stores that somebody else could have written. Root must not run the one, and not follow the
//! other.

use std::path::PathBuf;
use wasm_cni_tests::{Call, Machine, NOTHING, walkthrough};

fn machine() -> (Machine, PathBuf) {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    (machine, plugins)
}

#[test]
fn a_component_that_others_could_have_written_is_not_run() {
    for (what, harm, named, reason) in [
        ("writable", "chmod 666 bridge.wasm", "bridge.wasm", "(mode 0666)"),
        ("writable by its group", "chmod 664 bridge.wasm", "bridge.wasm", "(mode 0664)"),
        ("writable by others", "chmod 646 bridge.wasm", "bridge.wasm", "(mode 0646)"),
        ("of nobody", "chown 65534 bridge.wasm", "bridge.wasm", "it belongs to user 65534, not to root"),
        ("of a user", "chown 1000 bridge.wasm", "bridge.wasm", "it belongs to user 1000, not to root"),
        ("of nobody, and writable", "chown 65534 bridge.wasm; chmod 666 bridge.wasm", "bridge.wasm", "65534"),
        ("in a writable directory", "chmod 777 .", "plugins", "(mode 0777)"),
        ("in a sticky directory", "chmod 1777 .", "plugins", "(mode 1777)"),
        ("in a directory of nobody", "chown 65534 .", "plugins", "it belongs to user 65534"),
        (
            "behind a link",
            "mv bridge.wasm ../b; chown 65534 ../b; ln -s ../b bridge.wasm",
            "bridge.wasm",
            "65534",
        ),
        ("for IPAM", "chmod 666 host-local.wasm", "host-local.wasm", "(mode 0666)"),
        ("of nobody for IPAM", "chown 65534 host-local.wasm", "host-local.wasm", "65534"),
    ] {
        let (machine, plugins) = machine();
        let before = machine.snapshot();
        machine.sh(&format!("cd {}; {harm}", plugins.display()));
        let call = |verb: &str| Call::new(&plugins, "bridge", verb, &walkthrough("1.1.0"));
        for verb in ["ADD", "STATUS", "VERSION", "CHECK", ""] {
            if what.ends_with("IPAM") && !matches!(verb, "ADD" | "STATUS") {
                continue;
            }
            let (code, msg, details) = call(verb).error(&machine);
            assert_eq!(code, if verb == "STATUS" { 50 } else { 100 }, "{what} {verb}: {msg}");
            assert!(msg.contains(&format!("{named} is not trusted: ")), "{what} {verb}: {msg}");
            assert!(msg.contains(reason), "{what} {verb}: {msg}");
            assert!(details.contains("chown root") && details.contains("wasm-cni install"), "{details}");
        }
        assert_eq!(machine.changes(&before), NOTHING, "{what}");
        // DEL runs no component.
        call("DEL").ok(&machine);
    }
}

#[test]
fn a_component_that_only_root_can_write_is_run_wherever_it_is() {
    for harm in [
        "chmod 444 *.wasm; chmod 555 .",
        "chmod 600 *.wasm; chmod 700 .",
        "mkdir ../real; mv bridge.wasm ../real; ln -s ../real/bridge.wasm .",
        // Native plugins are the runtime's matter, as with the reference.
        "touch native; chmod 777 native",
        "chmod 777 ..",
    ] {
        let (machine, plugins) = machine();
        machine.sh(&format!("cd {}; {harm}", plugins.display()));
        for verb in ["ADD", "DEL"] {
            Call::new(&plugins, "bridge", verb, &walkthrough("1.1.0")).ok(&machine);
        }
    }
}

/// What a developer does: a tree of an ordinary user, and root who runs it with sudo. The error says what to do.
#[test]
fn the_own_build_of_an_ordinary_user_runs_as_root_after_what_the_error_says() {
    let (machine, plugins) = machine();
    machine.sh(&format!("chown -R -h 1000:1000 {}", plugins.display()));
    let call = |dir: &PathBuf, verb: &str| Call::new(dir, "bridge", verb, &walkthrough("1.1.0"));
    let (_, _, details) = call(&plugins, "ADD").error(&machine);
    // One way is to install it.
    let installed = PathBuf::from("/run/installed");
    machine.sh(&format!("{}/wasm-cni install --dir {}", plugins.display(), installed.display()));
    for verb in ["ADD", "DEL"] {
        call(&installed, verb).ok(&machine);
    }
    // The other is to become the owner, for each component that the error names.
    let commands = |details: &str| details.split('`').nth(1).unwrap().replace("sudo ", "");
    machine.sh(&commands(&details));
    let (_, msg, details) = call(&plugins, "ADD").error(&machine);
    assert!(msg.contains("host-local.wasm is not trusted"), "{msg}");
    machine.sh(&commands(&details));
    for verb in ["ADD", "DEL"] {
        call(&plugins, verb).ok(&machine);
    }
}

/// A directory for leases that the configuration names.
fn with_data_dir(dir: &str) -> String {
    let ipam = format!(r#""type": "host-local", "dataDir": "{dir}""#);
    let config = walkthrough("1.1.0").replace(r#""type": "host-local""#, &ipam);
    assert!(config.contains(dir), "{config}");
    config
}

#[test]
fn a_lease_store_that_others_could_exchange_is_not_followed() {
    // /var/lib is a tmpfs with mode 1777, so anybody could make the directories in it.
    for (what, harm, reason) in [
        ("writable", "mkdir -p leases; chmod 777 leases", "leases is not trusted: others"),
        ("writable by a group", "mkdir -p leases; chmod 775 leases", "(mode 0775)"),
        (
            "of nobody",
            "mkdir -p leases; chown 65534 leases",
            "leases is not trusted: it belongs to user 65534",
        ),
        (
            "below a directory of nobody",
            "mkdir -p up/leases; chown 65534 up",
            "up is not trusted: it belongs",
        ),
        ("below a writable directory", "mkdir -p up/leases; chmod 777 up", "up is not trusted: others"),
        ("to be made in a directory of nobody", "mkdir up; chown 65534 up", "up is not trusted: it belongs"),
        (
            "a link of nobody",
            "mkdir real; ln -s real leases; chown -h 65534 leases",
            "leases is not trusted: it belongs",
        ),
        (
            "a link to one of nobody",
            "mkdir real; chown 65534 real; ln -s real leases",
            "is not trusted: it belongs",
        ),
        (
            "a link below nobody's",
            "mkdir -p up/leases; chown 65534 up; ln -s up/leases leases",
            "is not trusted",
        ),
        (
            "with a link for the network",
            "mkdir -p leases victim; ln -s ../victim leases/mybridge",
            "it is a symbolic link",
        ),
        (
            "with a dangling link",
            "mkdir -p leases; ln -s /var/lib/none leases/mybridge",
            "it is a symbolic link",
        ),
        (
            "with a folder of nobody",
            "mkdir -p leases/mybridge; chown 65534 leases/mybridge",
            "mybridge is not trusted: it",
        ),
        (
            "with a writable folder",
            "mkdir -p leases/mybridge; chmod 777 leases/mybridge",
            "mybridge is not trusted: others",
        ),
        (
            "with a link for the lock",
            "mkdir -p leases/mybridge; ln -s ../../victim leases/mybridge/lock",
            "lock is not trusted: it is a symbolic link",
        ),
        (
            "with a link inside for the lock",
            "mkdir -p leases/mybridge; touch leases/mybridge/x; ln -s x leases/mybridge/lock",
            "it is a symbolic link",
        ),
        (
            "with a link for the last lease",
            "mkdir -p leases/mybridge; echo 10.15.20.9 > leases/mybridge/x; ln -s x leases/mybridge/last_reserved_ip.0",
            "last_reserved_ip.0 is not trusted: it is a symbolic link",
        ),
    ] {
        let (machine, plugins) = machine();
        machine.sh(&format!("cd /var/lib; {harm}"));
        let dir = if harm.contains("up") && !harm.contains("ln -s") {
            "/var/lib/up/leases"
        } else {
            "/var/lib/leases"
        };
        let call = |verb: &str| Call::new(&plugins, "bridge", verb, &with_data_dir(dir));
        let files = "cd /var/lib; find . -printf '%p %u %m %l %T@\\n' | sort";
        let (before, listed) = (machine.snapshot(), machine.sh(files));
        let (code, msg, details) = call("ADD").error(&machine);
        assert_eq!(code, 999, "{what}: {msg}");
        assert!(format!("{msg}\n{details}").contains(reason), "{what}: {msg}\n{details}");
        assert_eq!(machine.changes(&before), NOTHING, "{what}");
        let lock = |text: &str| -> Vec<String> {
            text.lines().filter(|l| !l.contains("mybridge")).map(str::to_owned).collect()
        };
        assert_eq!(lock(&machine.sh(files)), lock(&listed), "{what}");
    }
}

#[test]
fn legal_places_for_leases_work() {
    for (what, made) in [
        ("nothing yet", "true"),
        ("of root alone", "mkdir -p -m 700 leases"),
        ("a tmpfs", "mkdir leases; mount -t tmpfs tmpfs leases"),
        ("a tmpfs for the network", "mkdir -p leases/mybridge; mount -t tmpfs tmpfs leases/mybridge"),
        ("a sticky directory", "mkdir -m 1777 leases"),
        ("root's link to root's directory", "mkdir -m 755 elsewhere; ln -s elsewhere leases"),
        ("root's link through root's link", "mkdir -m 755 a; ln -s a b; ln -s /var/lib/b leases"),
        ("a bind mount", "mkdir -m 755 a leases; mount --bind a leases"),
        ("read-only for others", "mkdir -m 755 leases; mkdir -m 755 leases/mybridge; chmod 711 leases"),
    ] {
        let (machine, plugins) = machine();
        machine.sh(&format!("umask 022; cd /var/lib; {made}"));
        let call = |verb: &str| Call::new(&plugins, "bridge", verb, &with_data_dir("/var/lib/leases"));
        let result = call("ADD").ok(&machine);
        assert!(result.contains("10.15.20.2/24"), "{what}: {result}");
        assert_eq!(
            machine.sh("ls /var/lib/leases/mybridge/10.15.20.2"),
            "/var/lib/leases/mybridge/10.15.20.2\n",
            "{what}"
        );
        call("DEL").ok(&machine);
        assert_eq!(machine.sh("ls /var/lib/leases/mybridge | grep -c '^10' || true"), "0\n", "{what}");
    }
}

#[test]
fn a_lease_that_is_a_link_is_neither_read_nor_removed_through() {
    let (machine, plugins) = machine();
    machine.sh("mkdir -p /var/lib/leases/mybridge; cd /var/lib/leases/mybridge; \
        printf '1234567890\\r\\neth12' > /var/lib/secret; ln -s /var/lib/secret 10.15.20.2; \
        printf '1234567890\\r\\neth12' > x; ln -s x 10.15.20.3");
    let call = |verb: &str| Call::new(&plugins, "bridge", verb, &with_data_dir("/var/lib/leases"));
    let result = call("ADD").ok(&machine);
    assert!(result.contains("10.15.20.4/24"), "both count as taken: {result}");
    call("DEL").ok(&machine);
    assert_eq!(
        machine.sh(
            "cat /var/lib/secret; ls /var/lib/leases/mybridge/x; readlink /var/lib/leases/mybridge/10.15.20.2"
        ),
        "1234567890\r\neth12/var/lib/leases/mybridge/x\n/var/lib/secret\n"
    );
}

#[test]
fn a_del_in_a_store_that_became_untrusted_says_so_and_works_after_the_repair() {
    for (harm, repair) in [
        ("chmod 777 leases", "chmod 755 leases"),
        ("chown 65534 leases", "chown 0 leases"),
        (
            "mv leases/mybridge other; ln -s ../other leases/mybridge",
            "rm leases/mybridge; mv other leases/mybridge",
        ),
    ] {
        let (machine, plugins) = machine();
        let call = |verb: &str| Call::new(&plugins, "bridge", verb, &with_data_dir("/var/lib/leases"));
        let before = machine.snapshot();
        call("ADD").ok(&machine);
        machine.sh(&format!("cd /var/lib; {harm}"));
        let (_, msg, details) = call("DEL").error(&machine);
        assert!(format!("{msg}{details}").contains("is not trusted: "), "{harm}: {msg}\n{details}");
        machine.sh(&format!("cd /var/lib; {repair}"));
        call("DEL").ok(&machine);
        assert!(
            !machine
                .changes(&before)
                .iter()
                .any(|line| line.contains("/10.15.20.2:") || line.contains("veth")),
            "{harm}"
        );
    }
}
