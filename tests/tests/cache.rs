//! Compiled components: compiled once, and verified at every call.

use wasm_cni_tests::{Background, Call, Machine, NOTHING, WALKTHROUGH, example_plugin};

/// ADD and DEL with the cache in its default directory.
fn round(machine: &Machine, plugins: &std::path::Path) -> String {
    let call =
        |command: &str| Call::new(plugins, "bridge", command, WALKTHROUGH).env("WASM_CNI_CACHE_DIR", "");
    let result = call("ADD").ok(machine);
    call("DEL").ok(machine);
    result
}

fn compiled(machine: &Machine) -> String {
    machine.sh("cd /var/cache/wasm-cni && stat -c '%n %i %a' *.cwasm")
}

#[test]
fn components_are_compiled_once() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    round(&machine, &plugins);
    let first = compiled(&machine);
    assert_eq!(first.lines().count(), 2, "bridge and host-local: {first}");
    assert_eq!(machine.sh("stat -c %a /var/cache/wasm-cni"), "700\n");
    round(&machine, &plugins);
    assert_eq!(compiled(&machine), first);
}

#[test]
fn changed_machine_code_is_compiled_again() {
    for damage in [
        "for f in *.cwasm; do truncate -s 4096 $f; done",
        "for f in *.cwasm; do chmod 666 $f; done",
        "for f in *.cwasm; do chown 65534 $f; done",
        "for f in *.cwasm; do ln $f $f.second; done",
        "for f in *.cwasm; do cp $f /tmp/copy.$$; printf x | dd of=/tmp/copy.$$ bs=1 seek=20000 conv=notrunc 2>/dev/null; mv /tmp/copy.$$ $f; done",
        "for f in *.cwasm; do mv $f $f.away; ln -s $f.away $f; done",
    ] {
        let machine = Machine::new();
        machine.netns("1234567890");
        let plugins = machine.plugins();
        let expected = round(&machine, &plugins).replace("10.15.20.2/24", "10.15.20.3/24");
        let before = compiled(&machine);
        machine.sh(&format!("cd /var/cache/wasm-cni; {damage}"));
        assert_eq!(round(&machine, &plugins), expected, "{damage}");
        let after = machine
            .sh("cd /var/cache/wasm-cni && find . -name '*.cwasm' -type f -links 1 -uid 0 -perm 444 | wc -l");
        assert_eq!(after, "2\n", "{damage}: {before}{}", compiled(&machine));
    }
}

#[test]
fn without_the_compile_helper_the_error_says_so() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    std::fs::remove_file(plugins.join("wasm-cni-compile")).unwrap();
    let before = machine.snapshot();
    let add = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).env("WASM_CNI_CACHE_DIR", "");
    let (_, msg, details) = add.error(&machine);
    assert!(format!("{msg}{details}").contains("wasm-cni-compile"), "{msg}\n{details}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    for spoilt in [
        "chown 65534 /var/cache/wasm-cni",
        "chmod 777 /var/cache/wasm-cni",
        "chmod 770 /var/cache/wasm-cni",
        "mv /var/cache/wasm-cni /var/cache/elsewhere; ln -s elsewhere /var/cache/wasm-cni",
        "rm -r /var/cache/wasm-cni; touch /var/cache/wasm-cni",
    ] {
        let machine = Machine::new();
        machine.netns("1234567890");
        let plugins = machine.plugins();
        let expected = round(&machine, &plugins).replace("10.15.20.2/24", "10.15.20.3/24");
        machine.sh(spoilt);
        // As an attacker would write it: invalid machine code.
        let list = "find /var/cache -type f | sort | xargs -r sha256sum";
        machine.sh("for f in $(find /var/cache -name '*.cwasm'); do chmod 644 $f; echo x > $f; done");
        let before = machine.sh(list);
        assert_eq!(round(&machine, &plugins), expected, "{spoilt}");
        assert_eq!(machine.sh(list), before, "{spoilt}");
        // The host uses the second directory.
        assert_eq!(machine.sh("ls /run/wasm-cni/cache/*.cwasm | wc -l"), "2\n", "{spoilt}");
    }
}

#[test]
fn changed_cache_records_are_written_again() {
    for damage in [
        "for f in *.record *.index; do chmod 666 $f; done",
        "for f in *.record *.index; do chown 65534 $f; done",
        "for f in *.record *.index; do ln $f $f.second; done",
        "for f in *.record *.index; do mv $f $f.away; ln -s $f.away $f; done",
        "for f in *.record *.index; do rm $f; mkfifo $f; done",
        "for f in *.record *.index; do chmod 644 $f; echo '{' > $f; done",
        // The code of one component under the name of the other.
        "set -- *.record; cp $1 x; cp $2 y; mv x $2; mv y $1; rm *.index",
    ] {
        let machine = Machine::new();
        machine.netns("1234567890");
        let plugins = machine.plugins();
        let expected = round(&machine, &plugins).replace("10.15.20.2/24", "10.15.20.3/24");
        machine.sh(&format!("cd /var/cache/wasm-cni; {damage}"));
        assert_eq!(round(&machine, &plugins), expected, "{damage}");
    }
}

#[test]
fn code_of_another_engine_is_compiled_again() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    round(&machine, &plugins);
    machine.sh(
        "cd /var/cache/wasm-cni; for f in *; do mv $f $(echo $f | sed 's/wasmtime[0-9]*/wasmtime1/'); done",
    );
    let old = "cd /var/cache/wasm-cni; sha256sum *.wasmtime1-*";
    let before = machine.sh(old);
    round(&machine, &plugins);
    assert_eq!(compiled(&machine).lines().count(), 4, "made anew beside the others");
    assert_eq!(machine.sh(old), before);
}

#[test]
fn a_cache_that_is_mounted_noexec_works() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    machine.sh("mount -t tmpfs -o noexec tmpfs /var/cache");
    round(&machine, &plugins);
    let first = compiled(&machine);
    round(&machine, &plugins);
    assert_eq!(compiled(&machine), first, "from there");
}

/// A thousand calls while a plugin is replaced again and again by a rename. Each call gets one of the two components.
#[test]
fn a_plugin_that_is_replaced_during_calls_is_the_old_one_or_the_new_one() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    std::fs::copy(plugins.join("host-local.wasm"), plugins.join("bottom")).unwrap();
    std::fs::copy(example_plugin(), plugins.join("top")).unwrap();
    let swaps = format!(
        "cd {}; while true; do for v in top bottom; do cp $v new; mv new host-local.wasm; sleep 0.005; done; done",
        plugins.display()
    );
    let swaps = Background::start(&machine, &swaps);
    let call =
        |command: &str| Call::new(&plugins, "bridge", command, WALKTHROUGH).env("WASM_CNI_CACHE_DIR", "");
    let (mut low, mut high) = (0, 0);
    for number in 0..1000 {
        // Every tenth call is a real ADD; for the others a dry run is enough, because only planning uses the component.
        let text = if number % 10 == 0 {
            let result = call("ADD").ok(&machine);
            call("DEL").ok(&machine);
            result
        } else {
            let reply = call("ADD").env("WASM_CNI_DRY_RUN", "1").run(&machine);
            assert_eq!(reply.error().0, 109, "{}", reply.stdout);
            reply.stderr
        };
        // Not the gateway's address.
        let mut hosts =
            text.split("10.15.20.").filter_map(|rest| rest.split_once("/24")?.0.parse::<u8>().ok());
        match hosts.find(|host| *host > 1) {
            Some(host) if host > 200 => high += 1,
            Some(_) => low += 1,
            None => panic!("{text}"),
        }
    }
    drop(swaps);
    assert!(low > 0 && high > 0, "{low} and {high}");
    assert_eq!(machine.sh("ls /var/cache/wasm-cni/*.cwasm | wc -l"), "3\n");
}
