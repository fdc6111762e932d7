//! host-local under its own name, as a native main plugin executes it, compared with Debian's reference; and its
//! STATUS.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use wasm_cni_tests::native::Plugins;
use wasm_cni_tests::{Background, Call, Machine, NOTHING, dist, example_plugin};

const REFERENCE: &str = "/usr/lib/cni";
const STORE: &str = "/var/lib/cni/networks/net";

/// Our plugin and the reference's.
fn directories() -> [PathBuf; 2] {
    assert!(
        Path::new(REFERENCE).join("host-local").exists(),
        "Debian's containernetworking-plugins is not installed"
    );
    [dist(), REFERENCE.into()]
}

fn config(version: &str, ipam: Value) -> Value {
    let mut config = json!({"cniVersion": version, "name": "net", "type": "bridge", "ipam": ipam});
    config["ipam"]["type"] = "host-local".into();
    config
}

fn small(version: &str) -> Value {
    config(version, json!({"subnet": "10.1.2.0/29"}))
}

fn call(dir: &Path, command: &str, config: &Value) -> Call {
    Call::new(dir, "host-local", command, &config.to_string())
}

fn leases(machine: &Machine) -> String {
    machine.sh(&format!(
        "cd {STORE} 2>/dev/null && for f in *; do echo \"$f: $(tr '\\r\\n' '  ' < $f)\"; done || true"
    ))
}

/// A result without the `dns` that 1.1.1 writes even if it is empty.
fn comparable(stdout: &str) -> Value {
    let mut result: Value = serde_json::from_str(stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"));
    result.as_object_mut().unwrap().retain(|_, value| *value != json!({}));
    result
}

#[test]
fn like_the_reference_it_needs_no_namespace() {
    let [ours, theirs] = directories().map(|dir| {
        let machine = Machine::new();
        let call = |command: &str| call(&dir, command, &small("1.0.0")).env("CNI_NETNS", "/nonexistent");
        let before_add = call("CHECK").error(&machine);
        let result = comparable(&call("ADD").ok(&machine));
        let after_add = leases(&machine);
        assert_eq!(call("CHECK").ok(&machine), "");
        let other = call("CHECK").env("CNI_IFNAME", "other").error(&machine);
        assert_eq!(call("DEL").ok(&machine), "");
        let after_del = leases(&machine);
        ((before_add.0, before_add.1), result, after_add, (other.0, other.1), after_del)
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours.0.1, "host-local: Failed to find address added by container 1234567890");
    assert!(ours.2.contains("10.1.2.2: 1234567890  eth12"), "{}", ours.2);
}

#[test]
fn the_hosts_own_namespace_is_refused_by_add_and_does_not_matter_to_check() {
    let machine = Machine::new();
    let call = |command: &str| call(&dist(), command, &small("1.0.0")).env("CNI_NETNS", "/proc/self/ns/net");
    let (code, msg, _) = call("ADD").error(&machine);
    assert_eq!((code, msg.as_str()), (8, "plugin's netns and netns from CNI_NETNS should not be the same"));
    assert_eq!(leases(&machine), "");
    assert!(call("CHECK").error(&machine).1.starts_with("host-local: Failed to find address"));
    call("ADD").env("CNI_NETNS_OVERRIDE", "1").ok(&machine);
    assert_eq!(call("CHECK").ok(&machine), "");
}

#[test]
fn each_checks_and_deletes_the_leases_of_the_other() {
    let [ours, theirs] = directories();
    for (adds, checks) in [(&ours, &theirs), (&theirs, &ours)] {
        let machine = Machine::new();
        call(adds, "ADD", &small("1.0.0")).ok(&machine);
        assert_eq!(call(checks, "CHECK", &small("1.0.0")).ok(&machine), "");
        call(checks, "DEL", &small("1.0.0")).ok(&machine);
        assert!(!leases(&machine).contains("eth12"), "{}", leases(&machine));
    }
}

#[test]
fn check_of_a_bridge_that_the_reference_made_names_a_lease_that_is_gone() {
    let [ours, theirs] = directories();
    let machine = Machine::new();
    machine.netns("1234567890");
    let mut config = small("1.0.0");
    let bridge =
        |dir: &Path, command: &str, config: &Value| Call::new(dir, "bridge", command, &config.to_string());
    let result = bridge(&theirs, "ADD", &config).ok(&machine);
    config["prevResult"] = serde_json::from_str(&result).unwrap();
    assert_eq!(bridge(&ours, "CHECK", &config).ok(&machine), "");
    machine.sh(&format!("rm {STORE}/10.1.2.2"));
    let [ours, theirs] = [ours, theirs].map(|dir| {
        let (code, msg, _) = bridge(&dir, "CHECK", &config).error(&machine);
        (code, msg)
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours.1, "host-local: Failed to find address added by container 1234567890");
}

#[test]
fn ptp_of_the_reference_works_with_it() {
    let mut config = config("1.0.0", json!({"subnet": "10.1.2.0/29", "routes": [{"dst": "0.0.0.0/0"}]}));
    config["type"] = "ptp".into();
    let run = |path: String| {
        let machine = Machine::new();
        machine.netns("1234567890");
        let ptp = |command: &str, config: &Value| {
            Call::new(Path::new(REFERENCE), "ptp", command, &config.to_string()).env("CNI_PATH", &path)
        };
        let result = ptp("ADD", &config).ok(&machine);
        let after_add = leases(&machine);
        let is_ours = machine.try_sh("test -d /run/wasm-cni").status.success();
        let mut checked = config.clone();
        checked["prevResult"] = serde_json::from_str(&result).unwrap();
        ptp("CHECK", &checked).ok(&machine);
        ptp("DEL", &config).ok(&machine);
        let mut result = comparable(&result);
        result.as_object_mut().unwrap().remove("interfaces");
        (is_ours, result, after_add, leases(&machine))
    };
    let (ours, theirs) = (run(format!("{}:{REFERENCE}", dist().display())), run(REFERENCE.to_owned()));
    assert_eq!((ours.0, theirs.0), (true, false), "which host-local was run");
    assert_eq!((ours.1, ours.2, ours.3), (theirs.1, theirs.2, theirs.3));
}

/// A configuration whose resolver settings are in the file `name`.
fn with_file(machine: &Machine, name: &str) -> Value {
    let path = machine.files().join(name);
    config("1.0.0", json!({"subnet": "10.1.2.0/29", "ResolvConf": path.display().to_string()}))
}

#[test]
fn resolver_settings_come_from_the_file_that_the_configuration_names() {
    let text = "# by hand\nnameserver 10.0.0.53\n  nameserver fd00::53 x\ndomain a.example\nsearch a b\nsearch c\noptions ndots:1\nnameserver\n";
    let [ours, theirs] = directories().map(|dir| {
        let machine = Machine::new();
        std::fs::write(machine.files().join("resolv.conf"), text).unwrap();
        comparable(&call(&dir, "ADD", &with_file(&machine, "resolv.conf")).ok(&machine))
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours["dns"]["search"], json!(["a", "b", "c"]));
}

#[test]
fn a_relative_path_counts_from_the_working_directory() {
    let machine = Machine::new();
    std::fs::write(machine.files().join("resolv.conf"), "nameserver 10.0.0.53").unwrap();
    let config = config("1.0.0", json!({"subnet": "10.1.2.0/29", "resolvConf": "resolv.conf"}));
    let script = format!(
        "cd {} && CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_IFNAME=eth0 CNI_NETNS=/x CNI_PATH={dist} {dist}/host-local <<'END'\n{config}\nEND",
        machine.files().display(),
        dist = dist().display()
    );
    assert_eq!(comparable(&machine.sh(&script))["dns"], json!({"nameservers": ["10.0.0.53"]}));
}

#[test]
fn a_relative_directory_for_leases_is_refused() {
    let machine = Machine::new();
    let before = machine.snapshot();
    let config = config("1.0.0", json!({"subnet": "10.1.2.0/29", "dataDir": "leases"}));
    let (code, msg, _) = call(&dist(), "ADD", &config).error(&machine);
    assert_eq!(code, 103, "{msg}");
    assert!(msg.contains("no absolute path"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_file_that_cannot_be_read_is_reported_before_a_store_is_made() {
    let [ours, theirs] = directories().map(|dir| {
        let machine = Machine::new();
        std::fs::create_dir(machine.files().join("directory")).unwrap();
        let refusal = |name: &str| {
            let (code, msg, _) = call(&dir, "ADD", &with_file(&machine, name)).error(&machine);
            (code, msg.replace(&machine.files().display().to_string(), ""))
        };
        let refusals = [refusal("none"), refusal("directory"), refusal("none/below")];
        assert_eq!(machine.sh("ls /var/lib"), "");
        refusals
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours[0], (999, "open /none: no such file or directory".to_owned()));
    // The reference waits for a writer for ever.
    let machine = Machine::new();
    machine.sh(&format!("mkfifo {}/fifo", machine.files().display()));
    let (code, msg, _) = call(&dist(), "ADD", &with_file(&machine, "fifo")).error(&machine);
    assert_eq!(code, 999);
    assert!(msg.ends_with("/fifo: not a regular file"), "{msg}");
}

#[test]
fn resolver_settings_reach_the_result_of_bridge_and_the_plan_of_an_ordinary_user() {
    let machine = Machine::new();
    machine.netns("1234567890");
    std::fs::write(machine.files().join("resolv.conf"), "nameserver 10.0.0.53").unwrap();
    let config = with_file(&machine, "resolv.conf");
    let bridge = |command: &str| Call::new(&dist(), "bridge", command, &config.to_string());
    assert_eq!(comparable(&bridge("ADD").ok(&machine))["dns"], json!({"nameservers": ["10.0.0.53"]}));
    bridge("DEL").ok(&machine);

    let plugins = machine.plugins();
    std::fs::write(machine.files().join("net.conf"), config.to_string()).unwrap();
    let files = machine.files().display().to_string();
    machine.sh(&format!("chmod -R a+rX {files} && chmod 600 {files}/resolv.conf"));
    let script = format!(
        "setpriv --reuid=65534 --regid=65534 --clear-groups env -i HOME=/nonexistent {plugins}/wasm-cni plan {files}/net.conf \
         --netns /var/run/netns/1234567890 --container-id c --cni-path {plugins}",
        plugins = plugins.display()
    );
    let plan = machine.sh(&script);
    assert!(
        plan.contains(&format!("file {files}/resolv.conf")),
        "the plan names the unreadable file:\n{plan}"
    );
    assert!(plan.contains("ip address add 10.1.2.2/29"), "{plan}");
}

/// STATUS of `plugin`, without the variables of an attachment, as a runtime calls it.
fn status(dir: &Path, plugin: &str, config: &Value) -> Call {
    let call = Call::new(dir, plugin, "STATUS", &config.to_string());
    call.env("CNI_CONTAINERID", "").env("CNI_IFNAME", "").env("CNI_NETNS", "")
}

#[test]
fn status_of_a_node_whose_addresses_are_used_up_is_a_warning_and_an_error_only_on_request() {
    let machine = Machine::new();
    let of = |when: Option<&str>| {
        let mut ipam = json!({"subnet": "10.1.2.0/30"});
        if let Some(when) = when {
            ipam["statusWhenFull"] = json!(when);
        }
        config("1.1.0", ipam)
    };
    let config = of(Some("error"));
    let before = machine.snapshot();
    for plugin in ["host-local", "bridge"] {
        assert_eq!(status(&dist(), plugin, &config).ok(&machine), "");
    }
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(machine.sh("ls /var/lib; ls -d /run/wasm-cni || true"), "", "no store, no journal, no lock");
    call(&dist(), "ADD", &config).ok(&machine);
    // Somebody may hold the store's lock at that moment.
    let holder = Background::holding(&machine, &format!("{STORE}/lock"));
    for plugin in ["host-local", "bridge"] {
        let (code, msg, _) = status(&dist(), plugin, &config).error(&machine);
        assert_eq!((code, msg.as_str()), (50, "no IP addresses available in range set: 10.1.2.1-10.1.2.2"));
        for when in [None, Some("warn")] {
            let reply = status(&dist(), plugin, &of(when)).run(&machine);
            assert_eq!((reply.code, reply.stdout.as_str()), (Some(0), ""), "the node stays ready: {when:?}");
            assert!(reply.stderr.contains("no IP addresses available in range set"), "{}", reply.stderr);
        }
        let (code, msg, _) = status(&dist(), plugin, &of(Some("eror"))).error(&machine);
        assert_eq!(
            (code, msg.as_str()),
            (50, r#"ipam.statusWhenFull is "eror", and can be "warn" or "error""#)
        );
    }
    drop(holder);
    call(&dist(), "DEL", &config).ok(&machine);
    assert_eq!(status(&dist(), "bridge", &config).ok(&machine), "");
}

#[test]
fn status_fails_for_a_configuration_with_which_no_add_can_succeed() {
    let machine = Machine::new();
    for (ipam, expected) in [
        (json!({}), "no IP ranges specified"),
        (json!({"subnet": "10.1.2.3/24"}), "invalid range set 0: Network has host bits set. "),
        (json!({"subnet": "10.1.2.0/24", "resolvConf": "/none"}), "open /none: no such file or directory"),
        (
            json!({"subnet": "10.1.2.0/24", "dataDir": "/etc/passwd"}),
            "failed to read /etc/passwd/net: not a directory",
        ),
    ] {
        for plugin in ["host-local", "bridge"] {
            let (code, msg, _) = status(&dist(), plugin, &config("1.1.0", ipam.clone())).error(&machine);
            assert_eq!(code, 50, "{msg}");
            assert!(msg.starts_with(expected), "{msg}");
        }
    }
    let mut wrong = small("1.1.0");
    wrong["capabilities"] = json!({"ips": 5});
    let (code, msg, _) = status(&dist(), "bridge", &wrong).error(&machine);
    assert_eq!(code, 999);
    assert!(msg.starts_with("failed to load netconf: capabilities.ips"), "{msg}");
    // Nothing on the path, and nothing beside our program.
    let plugins = Plugins::new(&machine);
    std::os::unix::fs::symlink("wasm-cni", plugins.path().join("host-local")).unwrap();
    let (code, msg, _) = status(plugins.path(), "host-local", &small("1.1.0")).error(&machine);
    assert_eq!(code, 50, "{msg}");
    let (code, msg, _) = status(&dist(), "host-local", &small("1.0.0")).error(&machine);
    assert_eq!((code, msg.as_str()), (1, "config version does not allow STATUS"));
}

#[test]
fn another_choice_of_addresses_has_the_same_status() {
    let machine = Machine::new();
    let plugins = machine.plugins();
    std::fs::copy(example_plugin(), plugins.join("host-local.wasm")).unwrap();
    let config = config("1.1.0", json!({"subnet": "10.1.2.0/30", "statusWhenFull": "error"}));
    assert_eq!(status(&plugins, "bridge", &config).ok(&machine), "");
    call(&plugins, "ADD", &config).ok(&machine);
    assert_eq!(status(&plugins, "bridge", &config).error(&machine).0, 50);
}
