//! `wasm-cni install` and `uninstall`: next to plugins of others, all or nothing, and back.

use std::path::{Path, PathBuf};
use wasm_cni_tests::install::{install, ok, program, said, uninstall, words};
use wasm_cni_tests::native::REFERENCE;
use wasm_cni_tests::{Background, Call, Machine, NOTHING, Reply, WALKTHROUGH, dist, example_plugin, target};

/// A directory with plugins of others, for the installation.
fn bin(machine: &Machine) -> PathBuf {
    let dir = machine.files().join("bin");
    // A plugin with another name, one that is a link, and a file that is no plugin.
    machine.sh(&format!(
        "mkdir {dir}; cp {REFERENCE}/bridge {REFERENCE}/macvlan {dir}; ln -s {REFERENCE}/host-local {dir}/host-local; \
         echo text > {dir}/README",
        dir = dir.display()
    ));
    dir
}

/// Every file below, with mode, owner, link target and contents.
fn listing(machine: &Machine, dir: &Path) -> String {
    machine.sh(&format!(
        "cd {}; find . -printf '%p %y %m %u %l\\n' | sort; find . -type f | sort | xargs sha256sum",
        dir.display()
    ))
}

fn refused(machine: &Machine, arguments: &[&str], dir: &Path) -> String {
    let output = program(machine, &dist().join("wasm-cni"), arguments, dir);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{}", said(&output));
    said(&output)
}

#[test]
fn install_keeps_plugins_of_others_and_uninstall_restores_what_it_replaced() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let dir = bin(&machine);
    let before = listing(&machine, &dir);
    let text = install(&machine, &dir);
    for line in [
        "wasm-cni installed sha256:",
        "host-local.wasm installed sha256:",
        "static installed -> wasm-cni",
        "bridge replaced -> wasm-cni",
        "host-local replaced -> wasm-cni",
        "not touched: README macvlan",
    ] {
        assert!(words(&text).contains(line), "{line:?} is not in:\n{text}");
    }
    let installed =
        |name: &str| std::fs::read(dir.join(name)).unwrap() == std::fs::read(dist().join(name)).unwrap();
    assert!(
        ["wasm-cni", "wasm-cni-compile", "bridge.wasm", "static.wasm"].iter().all(|name| installed(name))
    );
    assert!(Call::new(&dir, "bridge", "ADD", WALKTHROUGH).ok(&machine).contains("10.15.20.2/24"));
    assert_eq!(machine.sh("ls /run/wasm-cni/attachments | wc -l"), "1\n", "it was ours that did it");
    Call::new(&dir, "bridge", "DEL", WALKTHROUGH).ok(&machine);

    // A second installation, from the installed tree and from the original one, writes nothing.
    let times =
        format!("cd {}; find . -printf '%p %i %C@\\n' | grep -v -e '^. ' -e .wasm-cni | sort", dir.display());
    let all = (listing(&machine, &dir), machine.sh(&times));
    let again = install(&machine, &dir) + &ok(&program(&machine, &dir.join("wasm-cni"), &["install"], &dir));
    assert!(!again.contains("installed") && !again.contains("replaced"), "{again}");
    assert_eq!((listing(&machine, &dir), machine.sh(&times)), all);

    let text = uninstall(&machine, &dir);
    assert!(words(&text).contains("bridge what was there before is back"), "{text}");
    assert!(words(&text).contains("static removed"), "{text}");
    assert_eq!(listing(&machine, &dir), before);
    let text = refused(&machine, &["uninstall"], &dir);
    assert!(text.contains("wasm-cni is not installed in"), "{text}");
    assert_eq!(listing(&machine, &dir), before);
}

#[test]
fn on_a_node_where_containers_run_either_deletes_what_was_attached_before() {
    let machine = Machine::new();
    let dir = machine.files().join("bin");
    machine
        .sh(&format!("mkdir {dir}; cp {REFERENCE}/bridge {REFERENCE}/host-local {dir}", dir = dir.display()));
    let call = |command: &str, container: &str| {
        Call::new(&dir, "bridge", command, WALKTHROUGH).container(container).ok(&machine)
    };
    ["first", "second", "third"].iter().for_each(|name| drop(machine.netns(name)));
    call("ADD", "third");
    call("DEL", "third");
    // What the first container leaves for others.
    let before = machine.snapshot();
    call("ADD", "first");
    install(&machine, &dir);
    assert!(call("ADD", "second").contains("10.15.20.4/24"), "the leases of before count");
    call("DEL", "first");
    call("ADD", "third");
    uninstall(&machine, &dir);
    call("DEL", "second");
    call("DEL", "third");
    ok(&program(&machine, &dist().join("wasm-cni"), &["install"], &dir));
    machine.sh("ip netns delete second; ip netns delete third");
    machine.command(dir.join("wasm-cni")).args(["gc", "--dead-namespaces"]).output().unwrap();
    let left = machine.changes(&before).into_iter().filter(|line| {
        let node = ["last_reserved_ip", "second", "third"];
        !node.iter().any(|part| line.contains(part))
    });
    assert_eq!(left.collect::<Vec<_>>(), NOTHING);
}

/// Two versions are installed in turn, and in between a package of somebody else puts its own plugin there again.
#[test]
fn a_runtime_finds_a_plugin_at_any_time() {
    let machine = Machine::new();
    let dir = bin(&machine);
    let newer = machine.plugins();
    // Other bytes: a custom section at the end.
    let mut wasm = std::fs::read(dist().join("bridge.wasm")).unwrap();
    wasm.extend([0, 5, 4, b'n', b'o', b't', b'e']);
    std::fs::write(newer.join("bridge.wasm"), wasm).unwrap();
    let files = machine.files().display();
    let script = format!(
        "export WASM_CNI_CACHE_DIR={}; cd {files}; while true; do cp {REFERENCE}/bridge new; mv new bin/bridge; sleep 0.1; \
         {}/wasm-cni install --dir bin && {newer}/wasm-cni install --dir bin || echo failed; echo turn >> turns; done > log 2>&1",
        target().join("test-cache").display(),
        dist().display(),
        newer = newer.display(),
    );
    let turning = Background::start(&machine, &script);
    let turns = || std::fs::read_to_string(machine.files().join("turns")).unwrap_or_default().lines().count();
    let (mut calls, mut native) = (0, 0);
    while turns() < 5 || calls < 100 || native == 0 {
        let text = Call::new(&dir, "bridge", "VERSION", "").ok(&machine);
        native += usize::from(!text.contains("1.1.0"));
        calls += 1;
    }
    drop(turning);
    assert!(native < calls);
    let log = std::fs::read_to_string(machine.files().join("log")).unwrap();
    assert!(!log.contains("failed") && words(&log).contains("bridge replaced"), "{log}");
}

/// A call of `install` with a fault at one of its renames, which put the files in place.
fn install_with(machine: &Machine, dir: &Path, fault: &str) -> Reply {
    let mut command = machine.command("strace");
    command.args(["-qqq", "-o", "/dev/null", "-e", "trace=rename", "-e", &format!("inject=rename:{fault}")]);
    command.arg(dist().join("wasm-cni")).arg("install").arg("--dir").arg(dir);
    command.env("WASM_CNI_CACHE_DIR", target().join("test-cache"));
    let output = command.output().unwrap();
    Reply {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn an_install_that_fails_half_way_changes_nothing() {
    let machine = Machine::new();
    let dir = bin(&machine);
    let before = listing(&machine, &dir);
    let mut failures = 0;
    for number in 1.. {
        let reply = install_with(&machine, &dir, &format!("error=EIO:when={number}"));
        if reply.code == Some(0) {
            break;
        }
        failures += 1;
        assert!(reply.stderr.contains("I/O error"), "{}", reply.stderr);
        assert!(number == 1 || reply.stderr.contains("nothing was changed"), "{}", reply.stderr);
        assert_eq!(listing(&machine, &dir), before, "rename {number}");
    }
    // The record, two programs, and for each plugin a component and a link; two of them replaced files of others.
    assert!(failures >= 1 + 2 + 6 + 2, "{failures}");
}

#[test]
fn an_install_that_is_killed_is_completed_by_the_next_one_and_undone_by_uninstall() {
    let machine = Machine::new();
    let dir = bin(&machine);
    let before = listing(&machine, &dir);
    let mut killed = 0;
    for number in 1.. {
        let reply = install_with(&machine, &dir, &format!("signal=KILL:when={number}"));
        Call::new(&dir, "bridge", "VERSION", "").ok(&machine);
        if reply.code == Some(0) {
            break;
        }
        killed += 1;
        if number % 2 == 0 {
            install(&machine, &dir);
            assert!(Call::new(&dir, "bridge", "VERSION", "").ok(&machine).contains("1.1.0"));
        }
        ok(&program(&machine, &dist().join("wasm-cni"), &["uninstall"], &dir));
        assert_eq!(listing(&machine, &dir), before, "rename {number}");
    }
    assert!(killed >= 11, "{killed}");
}

#[test]
fn an_upgrade_keeps_what_was_there_before_the_first_install() {
    let machine = Machine::new();
    let dir = bin(&machine);
    let before = listing(&machine, &dir);
    install(&machine, &dir);
    let newer = machine.plugins();
    std::fs::copy(example_plugin(), newer.join("host-local.wasm")).unwrap();
    let text = ok(&program(&machine, &newer.join("wasm-cni"), &["install"], &dir));
    assert!(words(&text).contains("host-local.wasm updated"), "{text}");
    assert_eq!(std::fs::read(dir.join("host-local.wasm")).unwrap(), std::fs::read(example_plugin()).unwrap());
    // Back to the older version, whose digests are known too.
    assert!(words(&install(&machine, &dir)).contains("host-local.wasm updated"));
    // A package of somebody else installs its plugin again, and then a newer one.
    machine.sh(&format!("cd {}; cp {REFERENCE}/ptp new; mv new bridge", dir.display()));
    assert!(words(&install(&machine, &dir)).contains("bridge replaced"));
    uninstall(&machine, &dir);
    let after = listing(&machine, &dir);
    assert_eq!(
        std::fs::read(dir.join("bridge")).unwrap(),
        std::fs::read(Path::new(REFERENCE).join("ptp")).unwrap()
    );
    let but_bridge =
        |text: &str| text.lines().filter(|l| !l.ends_with("./bridge")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(but_bridge(&after), but_bridge(&before));
}

#[test]
fn a_component_that_somebody_swapped_is_replaced_only_by_force_and_comes_back() {
    let machine = Machine::new();
    let dir = bin(&machine);
    install(&machine, &dir);
    machine.sh(&format!(
        "cd {}; cp {} new; mv new host-local.wasm",
        dir.display(),
        example_plugin().display()
    ));
    let before = listing(&machine, &dir);
    let text = refused(&machine, &["install"], &dir);
    assert!(text.contains("host-local.wasm is not what was installed, or was changed since"), "{text}");
    assert!(text.contains("nothing was changed") && text.contains("--force"), "{text}");
    assert_eq!(listing(&machine, &dir), before);
    ok(&program(&machine, &dist().join("wasm-cni"), &["install", "--force"], &dir));
    uninstall(&machine, &dir);
    assert_eq!(std::fs::read(dir.join("host-local.wasm")).unwrap(), std::fs::read(example_plugin()).unwrap());
    // Files that were changed after the installation stay.
    install_by_force(&machine, &dir);
    std::fs::write(dir.join("static.wasm"), "mine").unwrap();
    let text = uninstall(&machine, &dir);
    assert!(words(&text).contains("static.wasm left alone: it is not what was installed"), "{text}");
    assert_eq!(std::fs::read(dir.join("static.wasm")).unwrap(), b"mine");
}

fn install_by_force(machine: &Machine, dir: &Path) {
    ok(&program(machine, &dist().join("wasm-cni"), &["install", "--force"], dir));
}

#[test]
fn what_it_cannot_do_is_refused_and_nothing_is_changed() {
    for (harm, expected) in [
        ("mkdir bin/bridge.wasm", "bin/bridge.wasm is no file"),
        ("rm bin/bridge; mkfifo bin/bridge", "bin/bridge is no file"),
        ("echo x > bin/wasm-cni", "bin/wasm-cni is not what was installed"),
        ("chmod 777 bin", "everybody can write to"),
        ("mount --bind bin bin; mount -o remount,ro,bind bin", "Read-only file system"),
        (
            "cp -a bin b; mount -t tmpfs -o noexec tmpfs bin; chmod 755 bin; cp -a b/* bin; rm -r b",
            "is the file system mounted noexec?",
        ),
        ("mkdir -p ../run; rm -r bin; echo x > bin", "bin: File exists"),
    ] {
        let machine = Machine::new();
        let dir = bin(&machine);
        machine.sh(&format!("cd {}; {harm}", machine.files().display()));
        let before = listing(&machine, machine.files());
        let text = refused(&machine, &["install"], &dir);
        assert!(text.contains(expected), "{harm}: {text}");
        assert_eq!(listing(&machine, machine.files()), before, "{harm}");
    }
}

#[test]
fn only_root_installs() {
    let machine = Machine::new();
    let dir = bin(&machine);
    let plugins = machine.plugins();
    machine.sh(&format!("chmod -R a+rX {}", machine.files().display()));
    let mut command = machine.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "env", "-i"]);
    command.arg(plugins.join("wasm-cni")).arg("install").arg("--dir").arg(&dir);
    let output = command.output().unwrap();
    let expected = "error: only root can do this: runtimes execute what is in ";
    assert!(said(&output).starts_with(expected) && output.status.code() == Some(1), "{}", said(&output));
}

#[test]
fn what_does_not_compile_or_policy_pins_otherwise_is_not_installed() {
    let machine = Machine::new();
    let dir = bin(&machine);
    let before = listing(&machine, &dir);
    let plugins = machine.plugins();
    std::fs::write(plugins.join("static.wasm"), "text").unwrap();
    let output = program(&machine, &plugins.join("wasm-cni"), &["install"], &dir);
    assert!(said(&output).contains("static.wasm: not a plugin"), "{}", said(&output));
    assert_eq!(listing(&machine, &dir), before);
    let policy = machine.files().join("policy.toml");
    let pinned = format!("[[rule]]\nplugin = \"bridge\"\nsha256 = [\"{}\"]\n", "0".repeat(64));
    for (text, expected) in [
        (pinned.as_str(), "bridge.wasm: "),
        // With such a policy no container would start.
        ("[[rule]]\nplugins = 5\n", "the policy cannot be used: nothing is allowed until it can"),
    ] {
        std::fs::write(&policy, text).unwrap();
        let mut command = machine.command(dist().join("wasm-cni"));
        command.arg("install").arg("--dir").arg(&dir).env("WASM_CNI_POLICY", &policy);
        let output = command.env("WASM_CNI_CACHE_DIR", target().join("test-cache")).output().unwrap();
        assert!(said(&output).contains(expected), "{}", said(&output));
        assert_eq!((listing(&machine, &dir), output.status.code()), (before.clone(), Some(1)));
    }
}

#[test]
fn uninstall_refuses_while_containers_need_a_plugin_without_replacement() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let dir = machine.files().join("new/bin");
    install(&machine, &dir);
    Call::new(&dir, "bridge", "ADD", WALKTHROUGH).ok(&machine);
    let before = listing(&machine, &dir);
    let text = refused(&machine, &["uninstall"], &dir);
    assert!(text.contains("containers are attached by what would be gone: bridge, host-local"), "{text}");
    assert_eq!(listing(&machine, &dir), before);
    Call::new(&dir, "bridge", "DEL", WALKTHROUGH).ok(&machine);
    uninstall(&machine, &dir);
    assert_eq!(machine.sh(&format!("ls -A {}", dir.display())), "");
    install(&machine, &dir);
    Call::new(&dir, "bridge", "ADD", WALKTHROUGH).ok(&machine);
    ok(&program(&machine, &dir.join("wasm-cni"), &["uninstall", "--force"], &dir));
}

#[test]
fn a_terminal_shows_the_progress_of_compiling() {
    let machine = Machine::new();
    let dir = machine.files().join("bin");
    let line = format!("{} install --dir {}", dist().join("wasm-cni").display(), dir.display());
    let shown = machine.sh(&format!("export TERM=xterm; stty() {{ :; }}; script -qec '{line}' /dev/null"));
    assert!(shown.contains("compiling bridge") && shown.contains("compiling static"), "{shown:?}");
    // The installation compiled the components, so the first container does not.
    let compiled = machine.sh("ls /var/cache/wasm-cni/*.cwasm | wc -l").trim().parse::<usize>().unwrap();
    let components = std::fs::read_dir(dist()).unwrap().flatten();
    let components = components.filter(|e| e.path().extension().is_some_and(|extension| extension == "wasm"));
    assert_eq!(compiled, components.count());
    machine.netns("1234567890");
    Call::new(&dir, "bridge", "ADD", WALKTHROUGH).env("WASM_CNI_CACHE_DIR", "").ok(&machine);
    assert_eq!(machine.sh("ls /var/cache/wasm-cni/*.cwasm | wc -l").trim(), compiled.to_string());
}
