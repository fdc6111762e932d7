//! The hostile corpus: `tests/hostile`; its README has the format of an attack.

use crate::guest::{component_with, install, with_parts, with_versions};
use crate::{Call, Machine, NOTHING, Reply, dist, repository, walkthrough};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The time limit of an attack, also on a busy machine; the error contains the limit that ended it earlier.
const PATIENCE: Duration = Duration::from_secs(10);

/// The limit of an attack's log, in bytes: 64 KiB, plus the prefix of each line.
const LOG_BYTES: usize = 256 << 10;

/// The limit of an answer, in bytes: a line of 4 KiB and details of 64 KiB, as JSON.
const ANSWER_BYTES: usize = 80 << 10;

/// The host before an attack: an interface of its own, a bridge and chains of others, and a container with a lease on
/// the network. The operator has an address on the network's bridge, too.
const OTHERS: &str = "ip link add eth0 type veth peer name uplink && ip address add 192.0.2.1/24 dev eth0 && \
    ip link set eth0 up && ip link set uplink up && ip route add default via 192.0.2.254 && \
    ip link add docker0 type bridge && ip address add 172.17.0.1/16 dev docker0 && ip link set docker0 up && \
    iptables -t nat -N DOCKER && iptables -t nat -A DOCKER -i docker0 -j RETURN && \
    iptables -t nat -N KUBE-SERVICES && iptables -t nat -A PREROUTING -j KUBE-SERVICES";

/// A component that does what no plugin may do, and the expected refusal.
#[derive(Debug)]
pub struct Attack {
    /// Its file, without the extension: `targets/eth0`.
    pub name: String,
    /// The component.
    pub component: Vec<u8>,
    /// The plugin that it replaces.
    plugin: String,
    verb: String,
    code: u64,
    /// Texts in message and details.
    expected_words: Vec<String>,
    /// Whether it runs twice, to compare the answers.
    is_twice: bool,
}

/// The result of an attack.
#[derive(Debug)]
pub struct Verdict {
    /// The name of the attack.
    pub attack: String,
    /// What is wrong with the answer.
    pub answer: Vec<String>,
    /// How the machine differs.
    pub changes: Vec<String>,
}

impl Attack {
    /// All attacks, in the order of their names.
    pub fn all() -> Vec<Attack> {
        let mut files = Vec::new();
        for folder in entries(&folder()).into_iter().filter(|path| path.is_dir()) {
            files.extend(entries(&folder));
        }
        files.iter().map(|file| Attack::read(file)).collect()
    }

    /// The attack of that name.
    pub fn named(name: &str) -> Attack {
        Attack::read(&folder().join(format!("{name}.wat")))
    }

    fn read(file: &Path) -> Attack {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let name = file.strip_prefix(folder()).expect("it is in the folder").display().to_string();
        let keys: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.strip_prefix(";; ")?.split_once(": ")).collect();
        let all = |key: &str| keys.iter().filter(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned()).collect();
        let one = |key: &str, otherwise: &str| {
            let all: Vec<String> = all(key);
            all.first().cloned().unwrap_or_else(|| otherwise.to_owned())
        };
        let component = match name.strip_suffix(".component.wat") {
            Some(_) => match keys.iter().find(|(key, _)| *key == "versions") {
                Some((_, versions)) => with_versions(&text, versions),
                None => with_parts(&text),
            },
            None => {
                let (body, fields) = text.split_once(";; fields\n").unwrap_or((&text, ""));
                component_with(&format!("{body} (i32.const 0)"), fields)
            }
        };
        Attack {
            component,
            plugin: one("as", "bridge"),
            verb: one("verb", "ADD"),
            code: one("code", "").parse().unwrap_or_else(|e| panic!("{name} has no code: {e}")),
            expected_words: all("told"),
            is_twice: one("twice", "no") == "yes",
            name: name.split_once('.').map_or_else(|| name.clone(), |(name, _)| name.to_owned()),
        }
    }

    /// What is wrong with an answer, stderr included.
    fn faults(&self, reply: &Reply) -> Vec<String> {
        let mut faults = Vec::new();
        if reply.code != Some(1) {
            return vec![format!("exit code {:?}: {}{}", reply.code, reply.stdout, reply.stderr)];
        }
        let (code, msg, details) = reply.error();
        if code != self.code {
            faults.push(format!("code {code}, expected {}", self.code));
        }
        let text = format!("{msg}\n{details}");
        faults.extend(
            self.expected_words
                .iter()
                .filter(|word| !text.contains(*word))
                .map(|word| format!("no word of {word:?}")),
        );
        if !faults.is_empty() {
            faults.push(text.chars().take(2000).collect());
        }
        for (what, output, most) in
            [("answer", &reply.stdout, ANSWER_BYTES), ("log", &reply.stderr, LOG_BYTES)]
        {
            if output.len() > most {
                faults.push(format!("{what} of {} bytes", output.len()));
            }
            // Only programs read the answer. In JSON, every control character of ASCII is escaped.
            let odd = if what == "log" {
                terminal_control(output)
            } else {
                output.find(|c: char| c < ' ' && c != '\n')
            };
            if let Some(at) = odd {
                faults.push(format!("{:?} in the {what}", &output[at..].chars().next()));
            }
        }
        faults
    }
}

/// A machine for all attacks, because no attack changes it.
#[derive(Debug)]
pub struct Ground {
    machine: Machine,
    plugins: PathBuf,
    before: String,
}

impl Ground {
    /// A machine with [`OTHERS`], and a container for the attacks.
    pub fn new() -> Self {
        let machine = Machine::new();
        let plugins = machine.plugins();
        machine.sh(OTHERS);
        machine.netns("other");
        Call::new(&plugins, "bridge", "ADD", &walkthrough("1.1.0")).container("other").ok(&machine);
        machine.sh("ip address add 10.200.0.1/24 dev cni_bridge0");
        machine.netns("1234567890");
        let before = machine.snapshot();
        Ground { machine, plugins, before }
    }

    /// Runs an attack.
    pub fn attack(&mut self, attack: &Attack) -> Verdict {
        install(&self.plugins, &attack.plugin, &attack.component);
        let call = Call::new(&self.plugins, "bridge", &attack.verb, &walkthrough("1.1.0"));
        let (mut reply, mut answer) = self.answer(attack, &call);
        for _ in 0..5 {
            // On a busy machine, another time limit may end the attack before the expected limit does.
            if !answer.is_empty() && reply.stdout.contains("the plugin exceeded a limit: time") {
                (reply, answer) = self.answer(attack, &call);
            }
        }
        if attack.is_twice && call.run(&self.machine).stdout != reply.stdout {
            answer.push("another answer the second time".to_owned());
        }
        let changes = self.machine.changes(&self.before);
        if !changes.is_empty() {
            self.before = self.machine.snapshot();
        }
        let honest = format!("{}.wasm", attack.plugin);
        std::fs::copy(dist().join(&honest), self.plugins.join(&honest)).expect("the plugin is put back");
        Verdict { attack: attack.name.clone(), answer, changes }
    }

    fn answer(&self, attack: &Attack, call: &Call) -> (Reply, Vec<String>) {
        let begun = Instant::now();
        let reply = call.run(&self.machine);
        let took = begun.elapsed();
        let mut faults = attack.faults(&reply);
        if took > PATIENCE {
            faults.push(format!("it took {took:?}"));
        }
        (reply, faults)
    }

    /// Whether the network still works: another container's journal is complete, and addresses are left.
    pub fn assert_well(&self) {
        let call = |verb: &str| Call::new(&self.plugins, "bridge", verb, &walkthrough("1.1.0"));
        assert!(call("ADD").ok(&self.machine).contains("10.15.20.3/24"), "the next address, not a later one");
        call("DEL").ok(&self.machine);
        call("DEL").container("other").ok(&self.machine);
        assert_eq!(self.machine.sh("ls /run/wasm-cni/attachments"), "");
        assert!(!self.machine.sh("iptables-save -t nat; ip link").contains("CNI-"));
    }
}

impl Default for Ground {
    fn default() -> Self {
        Self::new()
    }
}

impl Verdict {
    /// Whether the host refused the attack with the expected error.
    pub fn is_refused(&self) -> bool {
        self.answer.is_empty()
    }

    /// Whether the machine is byte for byte as before.
    pub fn is_unchanged(&self) -> bool {
        self.changes == NOTHING
    }
}

/// The position of the first character that changes how a terminal shows other text.
pub fn terminal_control(text: &str) -> Option<usize> {
    text.find(|c: char| {
        c.is_control() && !"\n\t".contains(c)
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

fn folder() -> PathBuf {
    repository().join("tests/hostile")
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
}
