//! A plan as a document: text that a network engineer reads, and JSON for machines.

use super::Entry;
use crate::action::Action;
use crate::action::profile::{Found, Place};
use crate::value::{Attachment, Netns, PluginName, Report};
use serde::Serialize;

/// What a dry run shows, or how an attachment differs from what was made.
#[derive(Debug, Clone, Serialize)]
pub struct PlanDocument<'a> {
    /// What the text begins with: `plan`, `drift`, `repaired`.
    #[serde(skip)]
    pub title: &'a str,
    /// Whose interface on which network.
    pub attachment: &'a Attachment,
    /// `CNI_NETNS`, as given.
    pub netns: &'a str,
    /// The plugins that recorded it, with the SHA-256 of their components.
    pub plugins: &'a [(String, String)],
    /// SHA-256 of the plan: the audit log has the same when it is applied; empty for a repair.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub digest: &'a str,
    /// What is not as it was made.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub differences: &'a [String],
    /// The actions, in the order in which they would be applied.
    pub actions: Vec<Line<'a>>,
    /// What the runtime would be told; none, if it was told long ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'a Report>,
    /// Why this is not all: a native plugin would be executed, and only then the rest be planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<&'a str>,
    /// What could not be read and was taken to be absent.
    pub unreadable: Vec<String>,
    /// What policy refuses: with any, nothing would be applied.
    pub violations: Vec<String>,
    /// What policy would refuse, were it not in audit mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerated: Vec<String>,
    /// The lines of policy that would allow these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What no action repairs: with any, none is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<String>,
}

/// An action of a dry run.
#[derive(Debug, Clone, Serialize)]
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// The action, who recorded it, and its lifetime.
    #[serde(flatten)]
    pub entry: &'a Entry,
    /// The same as commands of `ip`, `iptables` and `sysctl`.
    pub commands: Vec<String>,
    /// Whether what it makes is there already.
    pub state: Found,
}

impl<'a> PlanDocument<'a> {
    /// Actions with what was found of each; `states` is as long as `entries`, what it lacks is unknown.
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

    /// What could not be read, what policy has to say, and what cannot be repaired.
    fn findings(&self) -> String {
        let mut text = String::new();
        let remedy: Vec<String> =
            self.remedy.iter().flat_map(|lines| lines.lines()).map(str::to_owned).collect();
        for (title, lines) in [
            ("not readable, taken to be absent", &self.unreadable),
            ("refused by policy", &self.violations),
            ("let through by audit mode", &self.tolerated),
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

    /// What policy says of it, without the plan itself.
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

    /// The heading under which an action stands.
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
