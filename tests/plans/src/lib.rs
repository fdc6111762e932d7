//! Plans for the fake machine, with faults, and for the real kernel: those of the corpus, and some written by hand.
//! Every kind of action is in one of them.

pub mod again;
mod by_hand;
pub mod play;
pub mod scene;

use serde::Deserialize;
use std::collections::BTreeSet;
use tempfile::TempDir;
use wasm_cni::action::Action;
use wasm_cni::apply::{self, Header, StateDir, journal};
use wasm_cni::cni::{Command, Config, Request, config};
use wasm_cni::plan::{self, CheckedPlan, DraftPlan, Entry};
use wasm_cni::policy::Grants;
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::{Attachment, PluginName, Report};
use wasm_cni_fake::FakeMachine;

/// A plan, and the state before it.
pub struct Plan {
    /// The name of the case, or the topic of the plan.
    pub name: String,
    /// The attachment.
    pub attachment: Attachment,
    /// The plugin that the runtime executes.
    pub plugin: PluginName,
    /// Shell commands that build the start state, in the host's namespace.
    pub real: String,
    /// The same start state of the fake machine.
    pub fake: FakeMachine,
    /// The actions between the start state and the plan.
    pub earlier: Vec<Entry>,
    /// The plan.
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
pub struct Recorded {
    case: String,
    /// Which step of the case: the first is 0.
    pub step: usize,
    config: String,
    args: Option<String>,
    attachment: Attachment,
    plugin: PluginName,
    /// The actions of the earlier plugins of the chain.
    #[serde(default)]
    earlier: Vec<Entry>,
    entries: Vec<Entry>,
    /// The report of the plugin.
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
    /// If it is not valid.
    pub fn config(&self) -> Config {
        config::decode(self.config.as_bytes()).unwrap()
    }

    /// What policy grants because of the configuration.
    ///
    /// # Panics
    /// As [`Recorded::config`].
    pub fn grants(&self) -> Grants {
        let config = self.config();
        let previous = config.previous().unwrap();
        let request = self.request();
        reference::grants(
            &request,
            &config,
            previous.as_ref(),
            &Default::default(),
            &Identity::named(&request.plugin),
        )
    }
}

impl Plan {
    /// All plans.
    ///
    /// # Panics
    /// If the corpus is not valid.
    pub fn all() -> Vec<Plan> {
        let text = include_str!("../corpus.json");
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

    /// The plan, checked by policy.
    ///
    /// # Panics
    /// If policy refuses it.
    pub fn checked(&self) -> CheckedPlan {
        let Permit::Request(recorded) = &self.permit else {
            return again::checked(&self.entries);
        };
        let draft = DraftPlan {
            entries: recorded.entries.clone(),
            report: recorded.report.clone(),
            unreadable: Vec::new(),
        };
        plan::check(draft, &[], &recorded.grants(), &[])
            .unwrap_or_else(|violations| panic!("{}: {violations:?}", self.name))
    }

    /// The recorded ADD. None for a plan that was written by hand.
    pub fn recorded(&self) -> Option<&Recorded> {
        match &self.permit {
            Permit::Request(recorded) => Some(recorded),
            Permit::Again => None,
        }
    }

    /// The machine after the earlier actions.
    ///
    /// # Panics
    /// If they fail.
    pub fn before(&self) -> FakeMachine {
        let (mut machine, directory) = (self.fake.clone(), TempDir::new().unwrap());
        let state = StateDir::new(directory.path().to_owned());
        let journal = state.lock(&self.attachment).unwrap();
        let header = Header {
            version: journal::VERSION,
            attachment: self.attachment.clone(),
            plugin: PluginName::parse("earlier").unwrap(),
            ordinal: 0,
            level: 0,
            netns: String::new(),
            netns_id: None,
            plugins: Vec::new(),
            asker: None,
            created: 1,
        };
        let mut writer = journal.begin(&header).unwrap();
        let plan = again::checked(&self.earlier);
        apply::execute(&plan, &mut writer, &state, &mut machine).unwrap();
        machine.next_verb();
        machine
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
