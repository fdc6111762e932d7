//! The host's own input (`docs/security.md`, S12): whatever is in the environment, on standard input, or at a path, the
//! call returns an error or does what was asked, and changes nothing else.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::time::{Duration, Instant};
use wasm_cni_tests::{Background, Call, Machine, NOTHING, Reply, WALKTHROUGH, dist};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

/// The time limit of a call, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes calls that must fail, on one machine, which must not change; returns each error.
fn errors(machine: &Machine, calls: &[(&str, Call)]) -> Vec<(u64, String, String)> {
    let before = machine.snapshot();
    let error = |(what, call): &(&str, Call)| {
        let begun = Instant::now();
        let reply = call.run(machine);
        assert_eq!(reply.code, Some(1), "{what}: {}{}", reply.stdout, reply.stderr);
        assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", begun.elapsed());
        assert_eq!(machine.changes(&before), NOTHING, "{what}");
        reply.error()
    };
    calls.iter().map(error).collect()
}

fn add(config: &str) -> Call {
    Call::bridge("ADD", config)
}

#[test]
fn a_namespace_path_that_is_something_else_is_refused() {
    let machine = machine();
    machine.sh(
        "mkdir /run/odd; cd /run/odd; touch file ns; mkdir directory; mkfifo fifo; ln -s loop loop; ln -s fifo to-fifo
         ln -s /proc/self/ns/net to-own; mount --bind /proc/self/ns/net ns",
    );
    let odd = |name: &str| format!("/run/odd/{name}");
    for (path, code, part) in [
        (odd("file"), 999, "unknown FS magic"),
        (odd("directory"), 999, "unknown FS magic"),
        (odd("fifo"), 999, "unknown FS magic"),
        (odd("to-fifo"), 999, "unknown FS magic"),
        (odd("loop"), 999, "symbolic links"),
        (odd("file/x"), 999, "not a directory"),
        ("x".repeat(5000), 999, "file name too long"),
        (odd("to-own"), 8, "should not be the same"),
        (odd("ns"), 8, "should not be the same"),
        ("/proc/self/ns/mnt".to_owned(), 999, "is no network namespace"),
        ("/proc/self/ns/../status".to_owned(), 999, "is no network namespace"),
        ("/proc".to_owned(), 999, "is no network namespace"),
        ("/dev/zero".to_owned(), 999, "unknown FS magic"),
    ] {
        for command in ["ADD", "CHECK"] {
            let config = WALKTHROUGH.replace("0.2.0", "1.0.0");
            let call = Call::bridge(command, &config).env("CNI_NETNS", &path);
            let [(got, msg, _)] = errors(&machine, &[(&path, call)]).try_into().unwrap();
            assert_eq!(got, code, "{command} {path}: {msg}");
            assert!(msg.contains(part), "{command} {path}: {msg}");
        }
        // For DEL, each of them is a deleted container.
        assert_eq!(Call::bridge("DEL", WALKTHROUGH).env("CNI_NETNS", &path).ok(&machine), "");
    }
}

#[test]
fn a_namespace_path_that_changes_meanwhile_leads_to_one_namespace_or_to_an_error() {
    let machine = machine();
    machine.sh("ln -s /run/netns/1234567890 /run/link; mkfifo /run/fifo");
    // Objects with the lifetime of the node already exist.
    add(WALKTHROUGH).ok(&machine);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    let before = machine.snapshot();
    let targets = "/proc/self/ns/net /run/fifo /run/netns/1234567890 /etc/passwd /run/netns/1234567890";
    let race = format!(
        "while true; do for t in {targets}; do ln -s $t /run/new; mv -T /run/new /run/link; done; done"
    );
    let race = Background::start(&machine, &race);
    let mut added = 0;
    for _ in 0..40 {
        let reply = add(WALKTHROUGH).env("CNI_NETNS", "/run/link").run(&machine);
        if reply.code == Some(0) {
            added += 1;
            machine.sh("ip -n 1234567890 link show eth12 > /run/shown");
        } else {
            assert!(matches!(reply.error().0, 8 | 999), "{}", reply.stdout);
        }
        assert!(!machine.sh("ip -o link").contains("eth12"), "the host's namespace belongs to no container");
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    }
    drop(race);
    machine.sh("rm -f /run/new /run/shown");
    assert!(added > 0, "some were lucky");
    let mut left = machine.changes(&before);
    // The next call gets the next address.
    left.retain(|line| !line.contains("last_reserved"));
    assert_eq!(left, NOTHING);
}

#[test]
fn a_plugin_is_named_by_a_file_name_and_nothing_else() {
    let machine = machine();
    let plugins = machine.plugins();
    std::fs::create_dir(plugins.join("sub")).unwrap();
    std::fs::copy(plugins.join("host-local.wasm"), plugins.join("sub/x.wasm")).unwrap();
    let absolute = plugins.join("host-local").display().to_string();
    for (name, part) in [
        ("../plugins/host-local", "invalid plugin name: ../plugins/host-local"),
        ("sub/x", "invalid plugin name: sub/x"),
        (absolute.as_str(), "invalid plugin name: /"),
        ("..", "invalid plugin name: .."),
        (".", "invalid plugin name: ."),
        ("host-local\\u0000x", "invalid plugin name: host-local\\0x"),
        (&"x".repeat(256), "invalid plugin name: xxx"),
        // A file of that name exists, but is not executable.
        ("host-local.wasm", "failed to execute"),
        ("wasm-cni-compile", ""),
    ] {
        let config = WALKTHROUGH.replace("\"host-local\"", &format!("\"{name}\""));
        let call = Call::new(&plugins, "bridge", "ADD", &config);
        let [(_, msg, _)] = errors(&machine, &[(name, call)]).try_into().unwrap();
        assert!(msg.replace('\0', "\\0").contains(part), "{name}: {msg}");
    }
}

/// Executes our binary under a name that is not UTF-8.
fn odd(machine: &Machine, name: &[u8], variables: &[(&str, &[u8])]) -> Reply {
    let mut command = machine.command("bash");
    command.args(["-c", "exec -a \"$0\" \"$1\""]).arg(OsStr::from_bytes(name)).arg(dist().join("wasm-cni"));
    command.env_clear();
    for (variable, value) in [
        ("CNI_COMMAND", &b"ADD"[..]),
        ("CNI_CONTAINERID", b"1234567890"),
        ("CNI_IFNAME", b"eth12"),
        ("CNI_NETNS", b"/var/run/netns/1234567890"),
        ("CNI_PATH", dist().as_os_str().as_bytes()),
    ] {
        command.env(variable, OsStr::from_bytes(value));
    }
    for (variable, value) in variables {
        command.env(variable, OsStr::from_bytes(value));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), WALKTHROUGH.as_bytes());
    Reply::of(child)
}

#[test]
fn the_name_that_we_are_executed_under_is_validated() {
    let machine = machine();
    let before = machine.snapshot();
    for (name, part) in [
        (&b"\xff\xfe"[..], "failed to find plugin"),
        (&b"x".repeat(100_000), "is no file name"),
        (b"/nowhere/nosuch", "failed to find plugin \"nosuch\""),
        (b"-rf", "failed to find plugin \"-rf\""),
    ] {
        let shown = String::from_utf8_lossy(name).chars().take(40).collect::<String>();
        let reply = odd(&machine, name, &[]);
        assert_eq!(reply.code, Some(1), "{shown}: {}{}", reply.stdout, reply.stderr);
        let (_, msg, _) = reply.error();
        assert!(msg.contains(part), "{shown}: {msg}");
        assert_eq!(machine.changes(&before), NOTHING, "{shown}");
    }
}

#[test]
fn variables_that_are_no_text_are_refused() {
    let machine = machine();
    let before = machine.snapshot();
    for (variable, code) in [
        ("CNI_CONTAINERID", 4),
        ("CNI_IFNAME", 4),
        ("CNI_NETNS", 999),
        ("CNI_PATH", 999),
        ("CNI_ARGS", 999),
        ("CNI_COMMAND", 4),
    ] {
        let reply = odd(&machine, b"bridge", &[(variable, b"\xff\xfe=\xc3")]);
        assert_eq!(reply.code, Some(1), "{variable}: {}", reply.stdout);
        assert_eq!(reply.error().0, code, "{variable}: {}", reply.stdout);
        assert_eq!(machine.changes(&before), NOTHING, "{variable}");
    }
}

#[test]
fn an_environment_as_large_as_the_kernel_allows_is_an_error_or_has_no_effect() {
    let machine = machine();
    // 10 000 directories, none of which has the plugin.
    let long = (0..10_000).map(|n| format!("/none/{n:05}")).collect::<Vec<_>>().join(":");
    // Our own directory is searched, too.
    let without_plugin = WALKTHROUGH.replace("\"host-local\"", "\"nobody\"");
    let calls = [
        ("path", add(&without_plugin).env("CNI_PATH", &long)),
        ("arguments", add(WALKTHROUGH).env("CNI_ARGS", &"A=b;".repeat(30_000))),
        ("container", add(WALKTHROUGH).env("CNI_CONTAINERID", &"x".repeat(100_000))),
        ("interface", add(WALKTHROUGH).env("CNI_IFNAME", &"x".repeat(100_000))),
        ("netns", add(WALKTHROUGH).env("CNI_NETNS", &"x".repeat(100_000))),
        ("command", add(WALKTHROUGH).env("CNI_COMMAND", &"x".repeat(100_000))),
    ];
    let codes: Vec<u64> = errors(&machine, &calls).into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, [999, 999, 4, 4, 999, 4]);
    // The plugin is in the last of them.
    let path = format!("{long}:{}", dist().display());
    add(WALKTHROUGH).env("CNI_PATH", &path).ok(&machine);
}

#[test]
fn oversized_configurations_are_refused() {
    let machine = machine();
    let with = |key: &str, value: &str| {
        format!("{{\"{key}\": {value}, {}", WALKTHROUGH.trim_start().trim_start_matches('{'))
    };
    let nested =
        |open: &str, close: &str| with("x", &format!("{}{}", open.repeat(100_000), close.repeat(100_000)));
    let routes: Vec<String> =
        (0..10_000).map(|n| format!("{{\"dst\":\"10.{}.{}.0/24\"}}", n / 256, n % 256)).collect();
    let routes = WALKTHROUGH.replace("\"routes\": [", &format!("\"routes\": [{},", routes.join(",")));
    let calls = [
        ("10 MB", add(&with("x", &format!("\"{}\"", "x".repeat(10 << 20))))),
        ("10 MB of nothing", add(&" ".repeat(10 << 20))),
        ("lists in lists", add(&nested("[", "]"))),
        ("objects in objects", add(&nested("{\"a\":", "}").replace(":}", ":0}"))),
        ("no end", add(&"[".repeat(100_000))),
        ("10 000 routes", add(&routes)),
        ("a number", add(&with("mtu", &"9".repeat(100_000)))),
        ("no UTF-8 in a name", add(&WALKTHROUGH.replace("mybridge", "my\u{fffd}bridge"))),
    ];
    let found = errors(&machine, &calls);
    let codes: Vec<u64> = found.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, [7, 7, 6, 6, 6, 102, 6, 7], "{found:?}");
}

#[test]
fn of_a_key_that_is_there_twice_the_last_counts_as_in_the_reference() {
    let machine = machine();
    let config = WALKTHROUGH.replacen("{", "{\"name\": \"../x\", \"bridge\": \"other0\",", 1);
    add(&config).ok(&machine);
    let links = machine.sh("ip -o link");
    assert!(links.contains("cni_bridge0") && !links.contains("other0"), "{links}");
    Call::bridge("DEL", &config).ok(&machine);
}

/// A call whose standard input comes from a shell command.
fn with_input(machine: &Machine, input: &str) -> Reply {
    let script = format!(
        "export CNI_COMMAND=ADD CNI_CONTAINERID=1234567890 CNI_IFNAME=eth12 CNI_NETNS=/var/run/netns/1234567890 CNI_PATH={dist}; \
         exec {dist}/bridge {input}",
        dist = dist().display()
    );
    let mut command = machine.command("sh");
    command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Reply::of(command.spawn().unwrap())
}

#[test]
fn an_input_that_is_closed_endless_or_no_stream_is_an_error() {
    let machine = machine();
    let before = machine.snapshot();
    for (input, code) in [("<&-", 6), ("</dev/null", 6), ("</dev/zero", 7), ("</", 5), ("<>/dev/full", 7)] {
        let begun = Instant::now();
        let reply = with_input(&machine, input);
        assert_eq!(reply.code, Some(1), "{input}: {}{}", reply.stdout, reply.stderr);
        assert_eq!(reply.error().0, code, "{input}: {}", reply.stdout);
        assert!(begun.elapsed() < PATIENCE, "{input}");
        assert_eq!(machine.changes(&before), NOTHING, "{input}");
    }
}

#[test]
fn no_lock_is_held_while_a_call_waits_for_its_input() {
    // If a runtime never writes, its call waits for ever, as with the reference. Other calls are not blocked.
    let machine = machine();
    let mut command = machine.command(dist().join("bridge"));
    command
        .env_clear()
        .env("CNI_COMMAND", "ADD")
        .env("CNI_CONTAINERID", "1234567890")
        .env("CNI_IFNAME", "eth12");
    command.env("CNI_NETNS", "/var/run/netns/1234567890").env("CNI_PATH", dist());
    let mut waiting = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    add(WALKTHROUGH).ok(&machine);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert!(waiting.try_wait().unwrap().is_none(), "it waits");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}
