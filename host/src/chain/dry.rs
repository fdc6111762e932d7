//! Dry runs of a network. For ADD: the plan of each plugin, on the state that the earlier plugins would leave. For
//! DEL and GC: what they would undo.

use super::{Chain, Target, Valid};
use crate::cni::list::Entry;
use crate::cni::result;
use crate::cni::{CniError, CniResult, Command, ErrorKind, Request, config};
use crate::value::{Interface, LinkRef, Netns};
use crate::verb::Output;
use crate::verb::dry::{self, DryPlan};
use serde_json::Value;

/// The plans of a chain, up to the first plugin that cannot be planned.
#[derive(Debug)]
pub struct Dry {
    /// The requests and plans, in the order of the chain.
    pub plans: Vec<(Request, DryPlan)>,
    /// The reason why later plugins have no plan: a native plugin comes next.
    pub rest: Option<String>,
}

impl Dry {
    /// Whether policy allows all plans.
    pub fn is_allowed(&self) -> bool {
        self.plans.iter().all(|(_, plan)| plan.is_allowed())
    }

    /// The plans as text.
    pub fn text(&self) -> String {
        let plans = self.plans.iter().map(|(request, plan)| plan.document(request).text());
        let rest = self.rest.iter().map(|rest| format!("{rest}\n"));
        plans.chain(rest).collect::<Vec<_>>().join("\n")
    }
}

impl Chain<'_> {
    /// Plans each plugin on the state that the earlier plugins would leave.
    ///
    /// It stops after a plan that policy refuses or that ends at a native delegate, and before a native plugin. The
    /// effect of a native plugin is known only after it was executed.
    pub fn plan_add(&self, target: &Target) -> Result<Dry, CniError> {
        let mut plans: Vec<DryPlan> = Vec::new();
        let mut requests = Vec::new();
        let mut previous: Option<Value> = None;
        let mut rest = None;
        for (index, plugin) in self.list.plugins.iter().enumerate() {
            let (name, program) = self.find("ADD", plugin, target)?;
            if let Some(program) = program {
                let later = self.list.plugins.get(index + 1..).unwrap_or_default();
                rest = Some(unplanned(&program.display().to_string(), later));
                break;
            }
            let config = config::decode(self.config(plugin, target, previous.take()).as_bytes())?;
            let request = Request {
                command: Command::Add,
                plugin: name,
                attachment: target.attachment.clone(),
                netns: target.netns.clone(),
                path: self.path.clone(),
                args: target.args(),
                config: config.text.clone(),
                cni_version: config.cni_version.clone(),
            };
            let plan = dry::plan(self.node, &request, &config, &plans)?;
            let goes_on = plan.is_allowed() && plan.is_whole();
            if goes_on && index + 1 < self.list.plugins.len() {
                previous = Some(planned_result(&plan, &request)?);
            }
            plans.push(plan);
            requests.push(request);
            if !goes_on {
                break;
            }
        }
        Ok(Dry { plans: requests.into_iter().zip(plans).collect(), rest })
    }

    /// The commands that DEL would run, plugin by plugin.
    pub fn plan_del(&self, target: &Target) -> Result<String, CniError> {
        let texts = self.list.plugins.iter().rev().map(|plugin| {
            let config = self.config(plugin, target, None);
            self.plan_undo("DEL", plugin, target, &config)
        });
        Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
    }

    /// What GC would delete and remove.
    pub fn plan_gc(&self, valid: Option<&Valid>) -> Result<String, CniError> {
        if self.list.disable_gc {
            return Ok(format!("network {} has disableGC\n", self.network));
        }
        let mut texts = Vec::new();
        for stale in self.stale(valid) {
            texts.push(self.plan_del(&stale)?);
        }
        let nobody = Target::nobody(&self.network)?;
        for plugin in self.collectors()? {
            texts.push(self.plan_undo("GC", plugin, &nobody, &self.gc_config(plugin, valid))?);
        }
        texts.retain(|text| !text.is_empty());
        Ok(if texts.is_empty() { "nothing to remove\n".to_owned() } else { texts.join("\n") })
    }

    fn plan_undo(
        &self,
        verb: &str,
        plugin: &Entry,
        target: &Target,
        config: &str,
    ) -> Result<String, CniError> {
        match self.find(verb, plugin, target)? {
            (_, Some(program)) => Ok(format!("native plugin\n  CNI_COMMAND={verb} {}\n", program.display())),
            (name, None) => match self.component(verb, &name, target, config, true)? {
                Output::Dry(text, _) | Output::Stdout(text) | Output::Stderr(text) => Ok(text),
            },
        }
    }
}

/// The line that says why the dry run stops.
fn unplanned(program: &str, later: &[Entry]) -> String {
    let kinds: Vec<&str> = later.iter().map(|plugin| plugin.kind.as_str()).collect();
    let later = if kinds.is_empty() { String::new() } else { format!("; after it: {}", kinds.join(", ")) };
    format!(
        "the plan stops here: what {program} does is known when it was executed, since it is native{later}"
    )
}

/// The planned result, as the next plugin of the chain would get it.
fn planned_result(plan: &DryPlan, request: &Request) -> Result<Value, CniError> {
    let interface = |link: &LinkRef| Interface {
        name: link.name.to_string(),
        mac: plan.mac(link).map(|mac| mac.to_string()).unwrap_or_default(),
        sandbox: if link.netns == Netns::Container { request.netns.clone() } else { String::new() },
    };
    let report = plan.report();
    let planned = CniResult {
        interfaces: report.passed.iter().cloned().chain(report.links.iter().map(interface)).collect(),
        ips: report.ips.clone(),
        routes: report.routes.clone(),
        dns: report.dns.clone(),
    };
    let text = result::encode(&planned, &request.cni_version)?;
    serde_json::from_slice(text.as_bytes())
        .map_err(|e| CniError::new(ErrorKind::Bug, format!("failed to encode the result: {e}")))
}
