//! Plans that are applied in memory, with faults, and on the kernel: those of the corpus, and some by hand. Every kind of action is in one.

mod by_hand;

use crate::FakeMachine;
use serde::Deserialize;
use std::collections::BTreeSet;
use tempfile::TempDir;
use wasm_cni::action::Action;
use wasm_cni::apply::{self, Header, StateDir, journal};
use wasm_cni::cni::{Command, Config, Request, config};
use wasm_cni::plan::{self, CheckedPlan, DraftPlan, Entry};
use wasm_cni::policy::Grants;
use wasm_cni::reference;
use wasm_cni::value::{Attachment, PluginName, Report};

/// A plan, and what was there before.
pub struct Plan {
    /// The case, or what it is about.
    pub name: String,
    /// Whose it is.
    pub attachment: Attachment,
    /// The plugin that the runtime executes.
    pub plugin: PluginName,
    /// Shell commands in the host's namespace that make the start state.
    pub real: String,
    /// The same start state.
    pub fake: FakeMachine,
    /// What was done after that, and before the plan.
    pub earlier: Vec<Entry>,
    /// The plan.
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
pub struct Recorded {
    case: String,
    /// Which step of the case: the first is 0.
    pub step: usize,
    config: String,
    args: Option<String>,
    attachment: Attachment,
    plugin: PluginName,
    /// What the plugins before it in the chain did.
    #[serde(default)]
    earlier: Vec<Entry>,
    entries: Vec<Entry>,
    /// What the plugin tells of it.
    pub report: Report,
}

impl Recorded {
    /// The call of the runtime.
    pub fn request(&self) -> Request {
        Request {
            command: Command::Add,
            plugin: self.plugin.clone(),
            attachment: self.attachment.clone(),
            netns: format!("/var/run/netns/{}", self.attachment.container),
            path: Vec::new(),
            args: self.args.clone().unwrap_or_default(),
            config: self.config.clone(),
            cni_version: self.config().cni_version,
        }
    }

    /// The configuration.
    ///
    /// # Panics
    /// If it is none.
    pub fn config(&self) -> Config {
        config::decode(self.config.as_bytes()).unwrap()
    }

    /// What the configuration allows.
    ///
    /// # Panics
    /// As [`Recorded::config`].
    pub fn grants(&self) -> Grants {
        let config = self.config();
        let previous = config.previous().unwrap();
        let of_type = reference::grants(&self.plugin, &config);
        Grants::for_request(&self.request(), &config, previous.as_ref(), &Default::default(), of_type)
    }
}

impl Plan {
    /// All plans.
    pub fn all() -> Vec<Plan> {
        let text = include_str!("../../../plans/corpus.json");
        let lines = text.lines().filter(|line| !line.is_empty());
        let corpus = lines.map(|line| Plan::of(serde_json::from_str(line).unwrap()));
        corpus.chain(by_hand::all()).collect()
    }

    fn of(recorded: Recorded) -> Plan {
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
        let draft = DraftPlan {
            entries: recorded.entries.clone(),
            report: recorded.report.clone(),
            unreadable: Vec::new(),
        };
        plan::check(draft, &[], &recorded.grants())
            .unwrap_or_else(|violations| panic!("{}: {violations:?}", self.name))
    }

    /// What was asked for, and what came of it; none for a plan that was made by hand.
    pub fn recorded(&self) -> Option<&Recorded> {
        match &self.permit {
            Permit::Request(recorded) => Some(recorded),
            Permit::Again => None,
        }
    }

    /// The machine on which the plan is the next: what was done before has been done.
    ///
    /// # Panics
    /// If it cannot be done.
    pub fn before(&self) -> FakeMachine {
        let (mut machine, directory) = (self.fake.clone(), TempDir::new().unwrap());
        let state = StateDir::new(directory.path().to_owned());
        let journal = state.lock(&self.attachment).unwrap();
        let header = Header {
            version: journal::VERSION,
            attachment: self.attachment.clone(),
            plugin: PluginName::parse("earlier").unwrap(),
            ordinal: 0,
            netns: String::new(),
            netns_id: None,
            plugins: Vec::new(),
            created: 1,
        };
        let mut writer = journal.begin(&header).unwrap();
        let plan = plan::check_again(self.earlier.clone(), &self.earlier).unwrap();
        apply::execute(&plan, &mut writer, &state, &mut machine).unwrap();
        machine.next_verb();
        machine
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
