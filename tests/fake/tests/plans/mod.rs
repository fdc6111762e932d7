//! Plans that are applied in memory, with faults, and on the kernel: those of the corpus, and some by hand. Every kind
//! of action is in one.

mod by_hand;

use serde::Deserialize;
use std::collections::BTreeSet;
use wasm_cni::action::Action;
use wasm_cni::cni::{Command, Request, config};
use wasm_cni::plan::{self, CheckedPlan, DraftPlan, Entry};
use wasm_cni::policy::Grants;
use wasm_cni::reference;
use wasm_cni::value::{Attachment, PluginName, Report};
use wasm_cni_fake::FakeMachine;

/// A plan, and what was there before.
pub struct Plan {
    pub name: String,
    pub attachment: Attachment,
    pub plugin: PluginName,
    /// Shell commands in the host's namespace that make the start state.
    pub real: String,
    /// The same start state.
    pub fake: FakeMachine,
    /// What was done after that, and before the plan.
    pub earlier: Vec<Entry>,
    pub entries: Vec<Entry>,
    /// How policy comes to allow it.
    permit: Permit,
    /// What an ADD deletes for good, if it gets as far: the lines that have one of these words.
    pub taken: &'static [&'static str],
}

enum Permit {
    /// By what a configuration grants.
    Request(Box<Recorded>),
    /// As if a journal held it.
    Again,
}

/// An ADD as it was.
#[derive(Deserialize, Clone)]
struct Recorded {
    case: String,
    config: String,
    args: Option<String>,
    attachment: Attachment,
    plugin: PluginName,
    /// What the plugins before it in the chain did.
    #[serde(default)]
    earlier: Vec<Entry>,
    entries: Vec<Entry>,
    report: Report,
}

impl Plan {
    /// All plans.
    pub fn all() -> Vec<Plan> {
        let text = include_str!("../../../plans/corpus.json");
        let lines = text.lines().filter(|line| !line.is_empty());
        let corpus = lines.map(|line| Plan::recorded(serde_json::from_str(line).unwrap()));
        corpus.chain(by_hand::all()).collect()
    }

    fn recorded(recorded: Recorded) -> Plan {
        let Recorded { case, attachment, plugin, earlier, entries, .. } = recorded.clone();
        let permit = Permit::Request(Box::new(recorded));
        let (name, real, fake) = (case, String::new(), FakeMachine::new());
        Plan { name, attachment, plugin, real, fake, earlier, entries, permit, taken: &[] }
    }

    /// The plan as policy allows it.
    pub fn checked(&self) -> CheckedPlan {
        let Permit::Request(recorded) = &self.permit else {
            return plan::check_again(self.entries.clone(), &self.entries).unwrap();
        };
        let Recorded { config: text, args, attachment, plugin, entries, report, .. } = &**recorded;
        let request = Request {
            command: Command::Add,
            plugin: plugin.clone(),
            attachment: attachment.clone(),
            netns: format!("/var/run/netns/{}", attachment.container),
            path: Vec::new(),
            args: args.clone().unwrap_or_default(),
            config: text.clone(),
            cni_version: "1.0.0".to_owned(),
        };
        let draft = DraftPlan { entries: entries.clone(), report: report.clone(), unreadable: Vec::new() };
        let config = config::decode(text.as_bytes()).unwrap();
        let previous = config.previous().unwrap();
        let of_type = reference::grants(plugin, &config);
        let grants = Grants::for_request(&request, &config, previous.as_ref(), &Default::default(), of_type);
        plan::check(draft, &[], &grants).unwrap_or_else(|violations| panic!("{}: {violations:?}", self.name))
    }

    /// The stages of the plan: entries, or the native plugin between two of them.
    pub fn stages(&self) -> Vec<&[Entry]> {
        let is_native = |entry: &Entry| matches!(entry.action, Action::Delegate(_));
        self.entries.chunk_by(|a, b| !is_native(a) && !is_native(b)).collect()
    }
}

/// The kind of an action, as [`Action::KINDS`] has it: `SetUp(SetUp { …`.
pub fn kind(action: &Action) -> String {
    format!("{action:?}").split('(').next().unwrap_or_default().to_owned()
}

/// The kinds of actions that none of these plans has.
pub fn missing<'a>(plans: impl Iterator<Item = &'a Plan>) -> Vec<&'static str> {
    let found: BTreeSet<String> =
        plans.flat_map(|plan| &plan.entries).map(|entry| kind(&entry.action)).collect();
    Action::KINDS.iter().copied().filter(|kind| !found.contains(*kind)).collect()
}
