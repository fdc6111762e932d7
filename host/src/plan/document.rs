//! A plan as a document: text for network engineers, and JSON for programs.

use super::Entry;
use crate::action::Action;
use crate::action::profile::{Found, Lane, Place};
use crate::value::{Attachment, Netns, PluginName, Report};
use serde::Serialize;

/// The output of a dry run, or the differences of an attachment.
#[derive(Debug, Clone, Serialize)]
pub struct PlanDocument<'a> {
    /// The first word of the text: `plan`, `drift`, `repaired`.
    #[serde(skip)]
    pub title: &'a str,
    /// Network, container and interface.
    pub attachment: &'a Attachment,
    /// `CNI_NETNS`, unchanged.
    pub netns: &'a str,
    /// The plugins that recorded the plan, with the SHA-256 of their components.
    pub plugins: &'a [(String, String)],
    /// The commands that ADD performs first: they undo an earlier ADD that failed, or whose interface is gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<String>,
    /// SHA-256 of the plan. The audit log has the same when the plan is applied. Empty for a repair.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub digest: &'a str,
    /// The differences between the machine and the journal.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub differences: &'a [String],
    /// The actions, in the order in which they would be applied.
    pub actions: Vec<Line<'a>>,
    /// The result for the runtime. `None` for a repair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'a Report>,
    /// The reason why the plan is not complete: the rest can be planned only after a native plugin was executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<&'a str>,
    /// The facts that could not be read and count as absent.
    pub unreadable: Vec<String>,
    /// The violations. If there are any, nothing would be applied.
    pub violations: Vec<String>,
    /// The violations that audit mode tolerates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerated: Vec<String>,
    /// What the configuration demands and the plan leaves out, where that is not refused.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub warnings: &'a [String],
    /// The lines of policy that would allow the violations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The differences that no action repairs. If there are any, nothing is repaired.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<String>,
}

/// An action of the document.
#[derive(Debug, Clone, Serialize)]
pub struct Line<'a> {
    /// The number, from 1.
    pub number: usize,
    /// The action, the plugin that recorded it, and its lifetime.
    #[serde(flatten)]
    pub entry: &'a Entry,
    /// The action as commands of `ip`, `iptables` and `sysctl`.
    pub commands: Vec<String>,
    /// Whether the machine already has what the action creates.
    pub state: Found,
}

impl<'a> PlanDocument<'a> {
    /// The actions with their present state. `states` may be shorter than `entries`; the missing states are unknown.
    pub fn lines(entries: &'a [Entry], states: &[Found]) -> Vec<Line<'a>> {
        let states = states.iter().copied().chain(std::iter::repeat(Found::Unknown));
        let numbered = entries.iter().zip(states).enumerate();
        numbered
            .map(|(index, (entry, state))| Line {
                number: index + 1,
                entry,
                commands: entry.action.kind().commands(),
                state,
            })
            .collect()
    }

    /// The plan as text.
    pub fn text(&self) -> String {
        let Attachment { network, container, interface } = self.attachment;
        let title = self.title;
        let mut text =
            format!("{title}: interface {interface} of container {container} on network {network}\n");
        for (plugin, digest) in self.plugins {
            text += &format!("  {plugin}.wasm sha256:{digest}\n");
        }
        if !self.differences.is_empty() {
            text += "\ndiffers\n";
            self.differences.iter().for_each(|line| text += &format!("  {line}\n"));
        }
        if !self.undone.is_empty() {
            text += "\nundo of an earlier ADD, first\n";
            self.undone.iter().for_each(|line| text += &format!("     {line}\n"));
        }
        let mut groups: Vec<(String, Vec<&Line<'_>>)> = Vec::new();
        for line in &self.actions {
            let place = self.place(&line.entry.action);
            match groups.iter_mut().find(|(name, _)| *name == place) {
                Some((_, lines)) => lines.push(line),
                None => groups.push((place, vec![line])),
            }
        }
        for (place, lines) in groups {
            text += &format!("\n{place}\n");
            lines.into_iter().for_each(|line| text += &line.text());
        }
        if let Some(result) = self.result {
            text += "\nresult\n";
            text += &match self.rest {
                Some(rest) => format!("  {rest}\n"),
                None => report(result),
            };
        }
        text + &self.findings()
    }

    /// The facts that could not be read, the violations, and the differences that cannot be repaired.
    fn findings(&self) -> String {
        let mut text = String::new();
        let remedy: Vec<String> =
            self.remedy.iter().flat_map(|lines| lines.lines()).map(str::to_owned).collect();
        for (title, lines) in [
            ("not readable, taken to be absent", self.unreadable.as_slice()),
            ("refused by policy", &self.violations),
            ("let through by audit mode", &self.tolerated),
            ("configured and left out", self.warnings),
            ("what would allow it", &remedy),
            ("cannot be repaired here", &self.beyond),
        ] {
            if !lines.is_empty() {
                text += &format!("\n{title}\n");
                lines.iter().for_each(|line| text += &format!("  {line}\n"));
            }
        }
        text
    }

    /// The verdict of policy, without the plan itself.
    pub fn verdict(&self, plugin: &PluginName) -> String {
        let actions = self.actions.len();
        let head = match (self.violations.is_empty(), self.tolerated.is_empty()) {
            (true, true) => format!("plugin {plugin}: all of its {actions} actions are allowed\n"),
            (true, false) => {
                format!("plugin {plugin}: its {actions} actions are allowed, by audit mode alone\n")
            }
            (false, _) => format!("plugin {plugin}: its plan of {actions} actions is refused\n"),
        };
        head + &self.findings() + self.rest.map(|rest| format!("  {rest}\n")).as_deref().unwrap_or_default()
    }

    /// The heading for an action.
    fn place(&self, action: &Action) -> String {
        match action.kind().profile().lane.place() {
            Place::Store => "lease store".to_owned(),
            Place::Netns(Netns::Host) => "host namespace".to_owned(),
            Place::Netns(Netns::Container) => format!("container namespace {}", self.netns),
            Place::Rules => "host namespace, rules".to_owned(),
            Place::Native => "native plugin".to_owned(),
        }
    }
}

impl Line<'_> {
    fn text(&self) -> String {
        let mark = match self.state {
            Found::Absent => "",
            Found::Present => "  # there already: left as it is",
            // Of a set of rules the shared part is there, or another part.
            Found::Other if matches!(self.entry.action.kind().profile().lane, Lane::Rules(_)) => {
                "  # a part of it is there already"
            }
            Found::Other => "  # has another value now",
            Found::Unknown => "  # not known whether it is there",
        };
        let mut text = String::new();
        for (index, command) in self.commands.iter().enumerate() {
            let number = if index == 0 { format!("{:3}", self.number) } else { "   ".to_owned() };
            text += &format!("{number}  {command}{}\n", if index == 0 { mark } else { "" });
        }
        text
    }
}

/// The result as lines.
fn report(report: &Report) -> String {
    let mut text = String::new();
    for interface in &report.passed {
        let place = if interface.sandbox.is_empty() { "" } else { " (container)" };
        text += &format!("  interface {}{place}\n", interface.name);
    }
    for link in &report.links {
        text += &format!("  interface {link}\n");
    }
    for ip in &report.ips {
        let gateway = ip.gateway.map(|gw| format!(" gateway {gw}")).unwrap_or_default();
        text += &format!("  address {}{gateway}\n", ip.address);
    }
    for link in &report.with_addresses {
        text += &format!("  the addresses of {link}\n");
    }
    for route in &report.routes {
        let gateway = route.gw.map(|gw| format!(" via {gw}")).unwrap_or_default();
        text += &format!("  route {}{gateway}\n", route.dst);
    }
    text
}
