//! Writes the fixtures of `tests/journals/v1` with the host of an installed tree: see `tests/journals/README.md`.
//!
//! Arguments: that tree (`target/dist` of the commit), then the names of scenarios. Without names: all scenarios that
//! this machine's kernel supports.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use wasm_cni_tests::faults::Trace;
use wasm_cni_tests::journals::{Fixture, Scenario, Scene};
use wasm_cni_tests::{Call, Reply, workers};

/// The delay of every write to the journal, for a process that is to be killed after one.
const DELAY: Duration = Duration::from_millis(300);

/// The time limit for an ADD to reach a journal line.
const PATIENCE: Duration = Duration::from_secs(4);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dist = PathBuf::from(arguments.next().context("which installed tree?")?).canonicalize()?;
    let names: Vec<String> = arguments.collect();
    let scenarios = match names.as_slice() {
        [] => Scenario::here(),
        names => names.iter().map(|name| Scenario::named(name)).collect(),
    };
    let written = workers::map(&scenarios, |scenario| {
        Written::by(scenario, &dist).with_context(|| scenario.name().to_owned())
    });
    let mut seen = BTreeSet::new();
    for (scenario, written) in scenarios.iter().zip(written) {
        written?.save(scenario, &mut seen)?;
    }
    Ok(())
}

/// Writes the journals of one scenario.
struct Written {
    complete: String,
    killed: String,
    unclear: Vec<String>,
}

impl Written {
    fn by(scenario: &Scenario, dist: &Path) -> Result<Self> {
        let mut scene = Scene::with(scenario, dist);
        scene.add(scenario.add(), None);
        let text = section(&scene, scenario);
        let complete = Fixture::parse("complete", &text);
        let mut killed = String::new();
        // An ADD that is killed at a line must leave the lines before it.
        for line in 2..=complete.len() {
            let scene = Scene::with(scenario, dist);
            scene.add_until(line);
            let text = section(&scene, scenario);
            let left = Fixture::parse("killed", &text);
            let is_same = left.anonymous() == complete.first(line - 1).anonymous();
            ensure!(is_same, "killed at line {line} it left:\n{text}");
            if complete.record(line) == "effect" {
                killed = text;
            }
        }
        let unclear = unclear(scenario, dist, &complete)?;
        eprintln!("{}: {} lines, {} unclear", scenario.name(), complete.len(), unclear.len());
        Ok(Written { complete: text, killed, unclear })
    }

    /// Of the unclear journals: each one with a kind of action that no earlier one has.
    fn save(&self, scenario: &Scenario, seen: &mut BTreeSet<String>) -> Result<()> {
        let directory = Scenario::directory().join(scenario.name());
        let save = |name: &str, text: &str| std::fs::write(directory.join(name), text);
        save("complete", &self.complete)?;
        save("killed", &self.killed)?;
        let mut number = 0;
        for text in &self.unclear {
            let unclear_kinds = unclear_kinds(&Fixture::parse("unclear", text));
            if !unclear_kinds.is_subset(seen) {
                seen.extend(unclear_kinds);
                number += 1;
                save(&format!("unclear-{number}"), text)?;
            }
        }
        Ok(())
    }
}

/// The kinds of actions whose effect is unclear; separate for steps in which all actions were tried.
fn unclear_kinds(fixture: &Fixture) -> BTreeSet<String> {
    let effects = fixture.effects();
    let is_tried =
        effects.iter().all(|(_, _, effect)| effect.as_deref().is_some_and(|effect| effect != "null"));
    let unclear = effects.into_iter().filter(|(_, _, effect)| effect.as_deref() == Some("unclear"));
    unclear
        .map(|(action, _, _)| if is_tried { format!("{action}, and all was tried") } else { action })
        .collect()
}

/// The current journal.
fn section(scene: &Scene<'_>, scenario: &Scenario) -> String {
    scene.machine.sh(&format!("cat {}", scenario.section()))
}

/// Journals of ADDs that failed with an unclear effect and were killed after they recorded it, before the undo.
fn unclear(scenario: &Scenario, dist: &Path, complete: &Fixture) -> Result<Vec<String>> {
    let scene = Scene::with(scenario, dist);
    // Calls that only the first run makes are not counted.
    scene.call("VERSION", scenario.add(), None).ok(&scene.machine);
    let (reply, trace) = Trace::of(&scene.call("ADD", scenario.add(), None), &scene.machine);
    ensure!(reply.code == Some(0), "{}{}", reply.stdout, reply.stderr);
    let calls = &trace.processes.first().context("the plugin's own")?.calls;
    let mut texts = Vec::new();
    let (mut noted, mut writes) = (0, 0);
    let mut counts = BTreeMap::<&str, usize>::new();
    for (name, arguments) in calls {
        let count = counts.entry(name).or_default();
        *count += 1;
        if name == "write" {
            writes = *count;
            noted += usize::from(arguments.contains("/attachments/"));
        }
        // Between an intent and its effect.
        if name != "write" && noted >= 2 && noted < complete.len() && complete.record(noted) == "intent" {
            let fault = format!("inject={name}:error=EIO:when={count}");
            texts.extend(failed(scenario, dist, noted + 1, &Cause::Call(fault, writes + 1))?);
        }
    }
    // A tool that did its work and died before it reported it.
    for tool in TOOLS {
        for line in complete.lines_of("effect") {
            texts.extend(failed(scenario, dist, line, &Cause::Tool(tool))?);
        }
    }
    Ok(texts)
}

/// The reason why an ADD fails.
enum Cause {
    /// A system call, as an argument of strace, and the number of the next `write` after it.
    Call(String, usize),
    /// A tool of the firewall is killed after it did its work.
    Tool(Tool),
}

/// Its name, and its arguments when it is killed.
type Tool = (&'static str, &'static str);

const TOOLS: [Tool; 4] =
    [("iptables-restore", ""), ("ip6tables-restore", ""), ("nft", "masq"), ("nft", "macspoofchk")];

/// The journal up to that line, of an ADD that fails before it, if it has an unclear effect.
fn failed(scenario: &Scenario, dist: &Path, line: usize, cause: &Cause) -> Result<Option<String>> {
    let scene = Scene::with(scenario, dist);
    scene.call("VERSION", scenario.add(), None).ok(&scene.machine);
    let mut call: Call = scene.call("ADD", scenario.add(), None);
    let (delay, section) = (DELAY.as_micros(), scenario.section());
    let mut words: Vec<String> = ["strace", "-qqq", "-o", "/dev/null", "-e"].map(str::to_owned).to_vec();
    match cause {
        Cause::Call(fault, next) => {
            let slow = format!("inject=write:delay_exit={delay}:when={next}+");
            words.extend(["trace=all", "-e", &slow, "-e", fault].map(str::to_owned));
        }
        Cause::Tool((tool, rule_word)) => {
            let script = format!(
                "input=$(cat); printf '%s\\n' \"$input\" | /usr/sbin/{tool} \"$@\" || exit\ncase \"$input\" in *{rule_word}?*) kill -KILL $$;; esac"
            );
            call = call.env("PATH", &scene.machine.with_tool(tool, &script));
            let slow = format!("inject=write:delay_exit={delay}:when={line}");
            words.extend(["trace=write", "-P", &section, "-e", &slow].map(str::to_owned));
        }
    }
    let child = call.under(&words).spawn(&scene.machine);
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a process ID"));
    let (begun, mut text) = (Instant::now(), String::new());
    while begun.elapsed() < PATIENCE && text.lines().count() < line {
        sleep(Duration::from_millis(20));
        let output = scene.machine.try_sh(&format!("cat {section}"));
        text = String::from_utf8_lossy(&output.stdout).into_owned();
    }
    let _ = killpg(group, Signal::SIGKILL);
    let _ = Reply::of(child);
    let is_unclear =
        text.lines().count() == line && text.lines().last().is_some_and(|last| last.contains("unclear"));
    Ok(Some(text).filter(|_| is_unclear))
}
