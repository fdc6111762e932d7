//! Demands: what the configuration says must be in a plan, because it protects others.

use crate::action::Action;
use crate::policy::Refusal;
use crate::value::Report;
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
}

impl Demand {
    /// A demand of a key of the configuration. `met` is whether a plan fulfils it.
    pub fn new(
        key: &'static str,
        rule: impl Into<String>,
        met: impl Fn(&[&Action], &Report) -> bool + 'static,
    ) -> Self {
        Demand { key, rule: rule.into(), met: Box::new(met) }
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

    /// Why a plan that does not fulfil it is refused.
    pub fn refusal(&self) -> Refusal {
        Refusal::never(format!("the configuration has `{}`, which demands {}", self.key, self.rule))
    }
}

impl fmt::Debug for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Demand({}: {})", self.key, self.rule)
    }
}
