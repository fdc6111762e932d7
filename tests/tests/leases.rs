//! Leases: one owner for each address, also with the reference on the same store; GC; and files that a crash left.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use wasm_cni_tests::{Call, Machine, WALKTHROUGH, dist};

const REFERENCE: &str = "/usr/lib/cni";
const STORE: &str = "/var/lib/cni/networks/mynet";

/// A configuration for host-local itself; `more` are additional members.
fn config(subnet: &str, more: Value) -> String {
    let mut config = json!({
        "cniVersion": "1.1.0", "name": "mynet", "type": "host-local",
        "ipam": {"type": "host-local", "subnet": subnet},
    });
    let members = config.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    config.to_string()
}

/// host-local, executed directly: ours, or Debian's, which does not support version 1.1.0.
fn host_local(dir: &Path, command: &str, config: &str, container: &str) -> Call {
    let config =
        if dir == Path::new(REFERENCE) { config.replace("1.1.0", "1.0.0") } else { config.to_owned() };
    assert!(dir.join("host-local").exists(), "{} has no host-local", dir.display());
    Call::new(dir, "host-local", command, &config)
        .env("CNI_CONTAINERID", container)
        .env("CNI_IFNAME", "eth0")
        .env("CNI_NETNS", "/run/netns/c")
}

/// A machine with one namespace for all calls; an IPAM plugin does not enter it.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("c");
    machine
}

/// The address of a result.
fn address_of(stdout: &str) -> String {
    let result: Value = serde_json::from_str(stdout).unwrap();
    result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().to_owned()
}

/// Every lease with its owner, from the files.
fn leases(machine: &Machine) -> BTreeMap<String, String> {
    let listing = machine.sh(&format!(
        "cd {STORE} && for f in [0-9]*.*; do [ ! -e $f ] || echo \"$f $(tr '\\r\\n' '/ ' < $f)\"; done"
    ));
    let line = |line: &str| {
        let (address, owner) = line.split_once(' ').unwrap();
        (address.to_owned(), owner.trim().replace("/ ", "/"))
    };
    listing.lines().map(line).collect()
}

fn names(machine: &Machine) -> String {
    machine.sh(&format!("ls -A {STORE} | tr '\\n' ' '")).trim().to_owned()
}

/// GC of host-local with this list.
fn gc(dir: &Path, valid: Value) -> Call {
    host_local(dir, "GC", &config("10.1.0.0/16", json!({"cni.dev/valid-attachments": valid})), "")
}

#[test]
fn allocations_beside_the_reference_give_no_address_twice() {
    const THREADS: usize = 8;
    const EACH: usize = 25;
    let machine = machine();
    let given = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (machine, given) = (&machine, &given);
            scope.spawn(move || {
                let ours = dist();
                for number in 0..EACH {
                    let dir = if (thread + number) % 2 == 0 { ours.as_path() } else { Path::new(REFERENCE) };
                    let container = format!("c{thread}-{number}");
                    let config = config("10.1.0.0/16", json!({}));
                    let stdout = host_local(dir, "ADD", &config, &container).ok(machine);
                    given.lock().unwrap().push((address_of(&stdout), format!("{container}/eth0")));
                    // Meanwhile some are deleted, half of them by the other implementation.
                    if number % 5 == 4 {
                        let dir = if thread % 2 == 0 { ours.as_path() } else { Path::new(REFERENCE) };
                        host_local(dir, "DEL", &config, &container).ok(machine);
                        given.lock().unwrap().retain(|(_, owner)| *owner != format!("{container}/eth0"));
                    }
                }
            });
        }
    });
    let given = given.into_inner().unwrap();
    let addresses: BTreeSet<&String> = given.iter().map(|(address, _)| address).collect();
    assert_eq!(given.len(), THREADS * EACH * 4 / 5);
    assert_eq!(addresses.len(), given.len(), "an address was given twice");
    assert_eq!(leases(&machine), given.into_iter().collect(), "the files are what was given");
}

#[test]
fn an_address_goes_round_between_us_and_the_reference() {
    let machine = machine();
    let config = config("10.1.2.0/29", json!({}));
    let add = |dir: &Path, container: &str| host_local(dir, "ADD", &config, container);
    let ours = dist();
    let both = [ours.as_path(), Path::new(REFERENCE)];
    // Five addresses, used in turn.
    for (number, dir) in both.iter().cycle().take(5).enumerate() {
        let stdout = add(dir, &format!("c{number}")).ok(&machine);
        assert_eq!(address_of(&stdout), format!("10.1.2.{}", number + 2));
    }
    for dir in both {
        assert!(add(dir, "late").error(&machine).1.contains("no IP addresses available"));
    }
    // One implementation releases an address, the other allocates it again.
    host_local(both[1], "DEL", &config, "c2").ok(&machine);
    assert_eq!(address_of(&add(both[0], "next").ok(&machine)), "10.1.2.4");
    host_local(both[0], "DEL", &config, "c3").ok(&machine);
    assert_eq!(address_of(&add(both[1], "after").ok(&machine)), "10.1.2.5");
    // The address of a deleted file is free at once.
    machine.sh(&format!("rm {STORE}/10.1.2.2"));
    assert_eq!(address_of(&add(both[0], "byhand").ok(&machine)), "10.1.2.2");
    assert!(add(both[0], "late").error(&machine).1.contains("no IP addresses available"));
}

#[test]
fn a_file_that_a_crash_left_empty_is_given_out_again() {
    let machine = machine();
    let config = config("10.1.2.0/30", json!({}));
    machine
        .sh(&format!("mkdir -p {STORE}; : > {STORE}/10.1.2.2; printf 'x\\r\\neth0' > {STORE}/.10.1.2.2.new"));
    let reference = host_local(Path::new(REFERENCE), "ADD", &config, "abc").error(&machine);
    assert!(reference.1.contains("no IP addresses available"), "the reference leaks it: {}", reference.1);
    assert_eq!(address_of(&host_local(&dist(), "ADD", &config, "abc").ok(&machine)), "10.1.2.2");
    assert_eq!(names(&machine), "10.1.2.2 last_reserved_ip.0 lock", "with what our own kill left");
    assert_eq!(leases(&machine), [("10.1.2.2".to_owned(), "abc/eth0".to_owned())].into());
}

#[test]
fn a_writer_that_is_killed_anywhere_leaves_the_store_usable() {
    let machine = machine();
    let config = config("10.1.0.0/16", json!({}));
    let mut killed = 0;
    let conf = machine.files().join("conf");
    std::fs::write(&conf, &config).unwrap();
    for turn in 0..60 {
        // Each is killed a little later than the one before.
        let delay = 0.001 + f64::from(turn) * 0.0005;
        let script = format!(
            "CNI_COMMAND=ADD CNI_CONTAINERID=k{turn} CNI_IFNAME=eth0 CNI_NETNS=/run/netns/c CNI_PATH={dist} \
             WASM_CNI_CACHE_DIR={cache} timeout -s KILL {delay} {dist}/host-local < {conf} > /dev/null; echo $?",
            dist = dist().display(),
            cache = wasm_cni_tests::target().join("test-cache").display(),
            conf = conf.display(),
        );
        killed += usize::from(machine.try_sh(&script).stdout.starts_with(b"137"));
    }
    assert!(killed > 0, "nothing was killed");
    let mut given: Vec<_> = (0..20)
        .map(|n| address_of(&host_local(&dist(), "ADD", &config, &format!("c{n}")).ok(&machine)))
        .collect();
    let files = leases(&machine);
    for (number, address) in given.iter().enumerate() {
        assert_eq!(files.get(address), Some(&format!("c{number}/eth0")));
    }
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 20);
    assert!(!names(&machine).contains(".new"), "{}", names(&machine));
}

#[test]
fn gc_frees_what_is_not_listed_whoever_made_it() {
    let machine = machine();
    let config = config("10.1.0.0/16", json!({}));
    let ours = dist();
    for (dir, container) in [
        (ours.as_path(), "ours-valid"),
        (ours.as_path(), "ours-gone"),
        (Path::new(REFERENCE), "theirs-valid"),
        (Path::new(REFERENCE), "theirs-gone"),
    ] {
        host_local(dir, "ADD", &config, container).ok(&machine);
    }
    // The format before version 0.7: only a container.
    let (old_valid, old_gone) = ("0a".repeat(32), "0b".repeat(32));
    machine.sh(&format!(
        "cd {STORE}; printf {old_valid} > 10.1.0.10; printf {old_gone} > 10.1.0.11; : > 10.1.0.12; \
         printf '\\0\\0\\0' > 10.1.0.13; printf 'theirs-valid\\r\\nnet1' > 10.1.0.14; \
         mkdir -p ../othernet; printf 'x\\r\\neth0' > ../othernet/10.1.0.2"
    ));
    let before = leases(&machine);
    let listed = |container: &str| json!({"containerID": container, "ifname": "eth0"});

    let (code, msg, _) = host_local(&ours, "GC", &config, "").error(&machine);
    assert_eq!((code, leases(&machine)), (7, before.clone()), "without a list nothing is removed: {msg}");

    let valid =
        json!([listed("ours-valid"), listed("theirs-valid"), listed(&old_valid), listed("unheard-of")]);
    assert_eq!(gc(&ours, valid).ok(&machine), "");
    let owned = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
        list.iter().map(|(address, owner)| ((*address).to_owned(), (*owner).to_owned())).collect()
    };
    assert_eq!(
        leases(&machine),
        owned(&[
            ("10.1.0.2", "ours-valid/eth0"),
            ("10.1.0.4", "theirs-valid/eth0"),
            ("10.1.0.10", &old_valid),
        ])
    );
    assert_eq!(
        machine.sh("ls -A /run/wasm-cni/attachments | wc -l"),
        "1\n",
        "the journal of ours-gone went too, that of ours-valid did not"
    );

    // Only the old key, which libcni wrote first.
    let old = self::config("10.1.0.0/16", json!({"cni.dev/attachments": [listed("ours-valid")]}));
    host_local(&ours, "GC", &old, "").ok(&machine);
    assert_eq!(leases(&machine), owned(&[("10.1.0.2", "ours-valid/eth0")]));

    gc(&ours, json!([])).ok(&machine);
    assert_eq!(names(&machine), "last_reserved_ip.0 lock");
    assert_eq!(machine.sh("ls -A /var/lib/cni/networks/othernet"), "10.1.0.2\n", "another network's");
    gc(&ours, json!([])).ok(&machine);
}

#[test]
fn gc_of_a_main_plugin_frees_the_leases_of_its_ipam() {
    let machine = Machine::new();
    machine.netns("1234567890");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    // Another directory and the default one: both may have leases of this network.
    let dir = "/var/lib/cni/elsewhere";
    machine.sh(&format!("mkdir -p {dir}/mybridge; printf 'gone\\r\\neth0' > {dir}/mybridge/10.15.20.9"));
    machine.sh("printf 'gone\\r\\neth0' > /var/lib/cni/networks/mybridge/10.15.20.8");
    let config = |valid: Value| {
        let mut config: Value = serde_json::from_str(WALKTHROUGH).unwrap();
        config["cniVersion"] = "1.1.0".into();
        config["ipam"]["dataDir"] = dir.into();
        config["cni.dev/valid-attachments"] = valid;
        config.to_string()
    };
    let valid = json!([{"containerID": "1234567890", "ifname": "eth12"}]);
    Call::bridge("GC", &config(valid)).env("CNI_CONTAINERID", "").env("CNI_NETNS", "").ok(&machine);
    let list =
        || machine.sh(&format!("ls /var/lib/cni/networks/mybridge {dir}/mybridge | grep '^10' || true"));
    assert_eq!(list(), "10.15.20.2\n");
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
    // Without IPAM, the network has no leases to free.
    let mut without: Value = serde_json::from_str(&config(json!([]))).unwrap();
    without.as_object_mut().unwrap().remove("ipam");
    machine.sh("printf 'gone\\r\\neth0' > /var/lib/cni/networks/mybridge/10.15.20.8");
    Call::bridge("GC", &without.to_string()).ok(&machine);
    assert_eq!(list(), "10.15.20.8\n", "only the attachment itself, from its journal");
}

#[test]
fn del_without_a_journal_frees_the_old_form_only_when_there_is_no_other() {
    let machine = machine();
    let config = config("10.1.0.0/16", json!({}));
    host_local(Path::new(REFERENCE), "ADD", &config, "abc").ok(&machine);
    machine.sh(&format!("printf abc > {STORE}/10.1.0.9"));
    let del = host_local(&dist(), "DEL", &config, "abc");
    del.ok(&machine);
    assert_eq!(leases(&machine), [("10.1.0.9".to_owned(), "abc".to_owned())].into());
    del.ok(&machine);
    assert!(leases(&machine).is_empty());
    del.ok(&machine);
}

#[test]
fn the_index_is_private_and_can_be_lost() {
    let machine = machine();
    let config = config("10.1.0.0/16", json!({}));
    let add = |container: &str| address_of(&host_local(&dist(), "ADD", &config, container).ok(&machine));
    assert_eq!(add("a"), "10.1.0.2");
    let dir = PathBuf::from("/run/wasm-cni/leases");
    assert_eq!(machine.sh(&format!("stat -c %a {0} {0}/*", dir.display())), "700\n600\n");
    for damage in
        ["rm -r leases", "for f in leases/*; do echo nonsense > $f; done", "rm -r leases; : > leases"]
    {
        machine.sh(&format!("cd /run/wasm-cni; {damage}"));
        let container = format!("c{}", damage.len());
        let address = add(&container);
        assert_eq!(leases(&machine).get(&address), Some(&format!("{container}/eth0")), "{damage}");
    }
    assert_eq!(leases(&machine).len(), 4);
}
