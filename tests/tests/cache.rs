//! Compiled components: made once, checked always, never trusted for being there.

use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH};

/// ADD and DEL with the cache in the machine's own place.
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
fn compiled_code_that_is_not_as_we_left_it_is_compiled_again() {
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
