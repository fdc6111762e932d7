//! Demands: what the configuration says must be in a plan, because it protects others.

use crate::action::Action;
use crate::policy::{Refusal, Rules};
use crate::value::{PluginName, Report};
use std::fmt;

/// Whether a plan with this report does what is demanded.
type Met = dyn Fn(&[&Action], &Report) -> bool;

/// Something that a plan must contain.
pub struct Demand {
    /// The key of the configuration that demands it.
    key: &'static str,
    /// What must be in the plan.
    rule: String,
    met: Box<Met>,
    /// Whether a plan without it is refused, whatever the policy says.
    is_binding: bool,
}

impl Demand {
    /// A binding demand of a key of the configuration. `met` is whether a plan fulfils it.
    pub fn new(
        key: &'static str,
        rule: impl Into<String>,
        met: impl Fn(&[&Action], &Report) -> bool + 'static,
    ) -> Self {
        Demand { key, rule: rule.into(), met: Box::new(met), is_binding: true }
    }

    /// The same, for a plugin of which nobody knows whether it reads the key. A plan without it gets a warning, unless the
    /// policy has the key under `demand`.
    pub fn not_binding(self) -> Self {
        Demand { is_binding: false, ..self }
    }

    /// Whether a plan without it is refused, whatever the policy says.
    pub fn is_binding(&self) -> bool {
        self.is_binding
    }

    /// The key of the configuration.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// Whether a plan fulfils the demand.
    pub fn is_met(&self, plan: &[&Action], report: &Report) -> bool {
        (self.met)(plan, report)
    }

    /// What the plan does instead, in place of a command.
    pub fn left_out(&self) -> String {
        format!("leave out `{}`", self.key)
    }

    /// Why a plan that does not fulfil it is refused. `None`: it is not, and gets a [`Demand::warning`].
    pub fn refusal(&self, rules: &Rules<'_>) -> Option<Refusal> {
        match self.is_binding {
            true => Some(Refusal::never(self.text())),
            false => rules.refuse_without(self.key, &self.text()),
        }
    }

    /// The warning about a plan that does not fulfil it, of the plugin with this name.
    pub fn warning(&self, plugin: &PluginName) -> String {
        let Demand { key, .. } = self;
        let text = self.text();
        format!("{plugin}: {text}, and the plan leaves it out; `demand = [\"{key}\"]` in a rule refuses that")
    }

    fn text(&self) -> String {
        format!("the configuration has `{}`, which demands {}", self.key, self.rule)
    }
}

impl fmt::Debug for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Demand({}: {})", self.key, self.rule)
    }
}
