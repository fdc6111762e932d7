//! Plans for the fake machine, with faults, and for the real kernel: those of the corpus, and some written by hand.
//! Every kind of action is in one of them.

mod by_hand;

use crate::again;
use serde::Deserialize;
use std::collections::BTreeSet;
use wasm_cni::action::Action;
use wasm_cni::cni::{Command, Request, config};
use wasm_cni::plan::{self, CheckedPlan, DraftPlan, Entry};
use wasm_cni::policy::Grants;
use wasm_cni::reference;
use wasm_cni::value::{Attachment, PluginName, Report};
use wasm_cni_fake::FakeMachine;

/// A plan, and the state before it.
pub struct Plan {
    pub name: String,
    pub attachment: Attachment,
    pub plugin: PluginName,
    /// Shell commands that build the start state, in the host's namespace.
    pub real: String,
    /// The same start state of the fake machine.
    pub fake: FakeMachine,
    /// The actions between the start state and the plan.
    pub earlier: Vec<Entry>,
    pub entries: Vec<Entry>,
    /// Why policy allows the plan.
    permit: Permit,
    /// What an ADD deletes for good, if it gets that far: the lines that contain one of these words.
    pub taken: &'static [&'static str],
}

enum Permit {
    /// The configuration grants it.
    Request(Box<Recorded>),
    /// It is checked as a repair of what a journal contains.
    Again,
}

/// A recorded ADD.
#[derive(Deserialize, Clone)]
struct Recorded {
    case: String,
    config: String,
    args: Option<String>,
    attachment: Attachment,
    plugin: PluginName,
    /// The actions of the earlier plugins of the chain.
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

    /// The plan, checked by policy.
    pub fn checked(&self) -> CheckedPlan {
        let Permit::Request(recorded) = &self.permit else {
            return again::checked(&self.entries);
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

    /// The stages of the plan. A native plugin is a stage of its own.
    pub fn stages(&self) -> Vec<&[Entry]> {
        let is_native = |entry: &Entry| matches!(entry.action, Action::Delegate(_));
        self.entries.chunk_by(|a, b| !is_native(a) && !is_native(b)).collect()
    }
}

/// The kind of an action, in the format of [`Action::KINDS`]. It is the beginning of the debug text: `SetUp(SetUp { …`.
pub fn kind(action: &Action) -> String {
    format!("{action:?}").split('(').next().unwrap_or_default().to_owned()
}

/// The kinds of actions that are in none of these plans.
pub fn missing<'a>(plans: impl Iterator<Item = &'a Plan>) -> Vec<&'static str> {
    let found: BTreeSet<String> =
        plans.flat_map(|plan| &plan.entries).map(|entry| kind(&entry.action)).collect();
    Action::KINDS.iter().copied().filter(|kind| !found.contains(*kind)).collect()
}
