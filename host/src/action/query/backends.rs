//! Questions about what rules are made with on this machine.

use super::{Answer, Question};
use crate::action::context::ReadContext;
use crate::action::profile::only_nftables;
use crate::machine::MachineError;
use crate::machine::port::ZoneQuery;
use crate::policy::{Capability, Grants, Refusal, Rules};
use crate::value;

/// See [`Query::Backend`](super::Query::Backend).
#[derive(Debug, Clone, Copy)]
pub struct Backend;

impl Question for Backend {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        None
    }

    fn refuse(&self, _grants: &Grants, _rules: &Rules<'_>) -> Vec<Refusal> {
        Vec::new()
    }

    fn describe(&self) -> String {
        "look for a firewall".to_owned()
    }

    fn subject(&self) -> String {
        "which firewall there is".to_owned()
    }

    /// As the reference: nftables only where there is no iptables (cni-behaviours, section 2.10).
    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        Ok(Answer::Backend(match only_nftables(cx.look) {
            true => value::Backend::Nftables,
            false => value::Backend::Iptables,
        }))
    }

    fn nothing(&self) -> Answer {
        Answer::Backend(value::Backend::Iptables)
    }
}

/// See [`Query::Firewall`](super::Query::Firewall).
#[derive(Debug, Clone, Copy)]
pub struct Firewall;

impl Question for Firewall {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        None
    }

    fn refuse(&self, _grants: &Grants, _rules: &Rules<'_>) -> Vec<Refusal> {
        Vec::new()
    }

    fn describe(&self) -> String {
        "look for a firewall".to_owned()
    }

    fn subject(&self) -> String {
        "whether firewalld runs".to_owned()
    }

    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        // Where nobody can be asked, it does not run.
        Ok(match cx.look.zone(ZoneQuery::IsRunning) {
            Ok(true) => Answer::Firewall(value::Firewall::Firewalld),
            Ok(false) | Err(_) => self.nothing(),
        })
    }

    fn nothing(&self) -> Answer {
        Answer::Firewall(value::Firewall::Iptables)
    }
}
