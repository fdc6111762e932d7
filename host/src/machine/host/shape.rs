//! What holds packets of a link back.

use super::super::netlink::{Link, Request, link, qdisc, refused};
use super::super::{Difference, Effect, MachineError, Undone};
use super::HostKernel;
use crate::action::Action;
use crate::action::{Ifb, Shape};
use crate::value::{IfName, LinkRef, Netns};
use qdisc::{Bucket, Queues};
use std::io;

impl HostKernel {
    /// Makes what is missing of it.
    pub(super) fn shape(&mut self, shape: &Shape) -> Result<Effect, MachineError> {
        let host = self.require(Netns::Host, &shape.link)?;
        let queues = self.queues(&host)?;
        let wanted = Bucket::of(shape);
        let Some(ifb) = &shape.through else {
            if queues.bucket == Some(wanted) {
                return Ok(Effect::AlreadyThere);
            }
            self.queue(qdisc::set_bucket(host.index, wanted), "create qdisc")?;
            return Ok(Effect::Replaced(host.queue_length.to_string()));
        };
        let through = self.ensure_ifb(ifb, host.mtu)?;
        let redirects = self.redirects(&host)?;
        // What led to an ifb that somebody deleted leads nowhere, and comes first.
        let is_dead = redirects.contains(&0);
        if is_dead {
            self.queue(qdisc::delete_ingress(host.index), "delete ingress qdisc")?;
        }
        if is_dead || !queues.has_ingress {
            self.queue(qdisc::add_ingress(host.index), "create ingress qdisc")?;
        }
        if is_dead || !redirects.contains(&through.index) {
            self.queue(qdisc::redirect(host.index, through.index), "add filter")?;
        }
        if self.queues(&through)?.bucket != Some(wanted) {
            self.queue(qdisc::set_bucket(through.index, wanted), "create ifb qdisc")?;
        }
        Ok(Effect::Replaced(host.queue_length.to_string()))
    }

    /// Takes away what is ours of it.
    pub(super) fn unshape(
        &mut self,
        shape: &Shape,
        queue_length: Option<u32>,
    ) -> Result<Undone, MachineError> {
        let host = self.find(Netns::Host, &shape.link)?;
        let Some(ifb) = &shape.through else {
            let Some(host) = host else { return Ok(Undone::Gone) };
            if self.queues(&host)?.bucket != Some(Bucket::of(shape)) {
                return Ok(Undone::Gone);
            }
            self.queue(qdisc::delete_root(host.index), "delete qdisc")?;
            self.restore_queue_length(&host, queue_length)?;
            return Ok(Undone::Done);
        };
        let through = self.find(Netns::Host, &ifb.name)?;
        if through.as_ref().is_some_and(|found| !is_ours(found, ifb)) {
            return Ok(Undone::Left(format!("{} is not the ifb that was made", ifb.name)));
        }
        if let Some(host) = host
            && self.queues(&host)?.has_ingress
        {
            let redirects = self.redirects(&host)?;
            // What led to an ifb that is deleted leads to 0; without any filter yet, the step failed half-way.
            let is_ours = match &through {
                Some(through) => redirects.iter().all(|to| [0, through.index].contains(to)),
                None => redirects == [0],
            };
            if is_ours {
                self.queue(qdisc::delete_ingress(host.index), "delete ingress qdisc")?;
                self.restore_queue_length(&host, queue_length)?;
            }
        }
        match through {
            Some(through) => self.delete_found(Netns::Host, &ifb.name, &through),
            None => Ok(Undone::Gone),
        }
    }

    /// Deletes an ifb of the reference's.
    pub(super) fn delete_ifb(&mut self, name: &IfName) -> Result<Undone, MachineError> {
        match self.find(Netns::Host, name)? {
            Some(found) if found.kind == "ifb" && found.alias.is_none() => {
                self.delete_found(Netns::Host, name, &found)
            }
            Some(_) => Ok(Undone::Left(format!("{name} is no ifb of the reference's"))),
            None => Ok(Undone::Gone),
        }
    }

    /// What is missing of it, in one sentence.
    pub(super) fn verify_shape(&mut self, shape: &Shape) -> Result<Vec<Difference>, MachineError> {
        let action = Action::Shape(shape.clone());
        let different = |text: String| Ok(Difference::all(vec![text], &action));
        let link = &shape.link;
        let Some(host) = self.find(Netns::Host, link)? else {
            return Ok(vec![Difference::beyond(format!("link {link} is gone"))]);
        };
        let wanted = Bucket::of(shape);
        let Some(ifb) = &shape.through else {
            return match self.queues(&host)?.bucket {
                Some(found) if found == wanted => Ok(Vec::new()),
                found => different(format!("what goes to {link} is {}", described(found, shape))),
            };
        };
        let name = &ifb.name;
        match self.find(Netns::Host, name)? {
            None => different(format!("ifb {name} is gone: what comes from {link} is not limited")),
            Some(found) if !is_ours(&found, ifb) => {
                Ok(vec![Difference::beyond(format!("{name} is not the ifb that was made"))])
            }
            Some(found) if !self.redirects(&host)?.contains(&found.index) => {
                different(format!("what comes from {link} does not go through ifb {name}"))
            }
            Some(found) => match self.queues(&found)?.bucket {
                Some(found) if found == wanted => Ok(Vec::new()),
                found => different(format!("what comes from {link} is {}", described(found, shape))),
            },
        }
    }

    /// Unless a bucket is there still, which needs one.
    fn restore_queue_length(&mut self, link: &Link, packets: Option<u32>) -> Result<(), MachineError> {
        match packets {
            Some(packets) if packets != link.queue_length && self.queues(link)?.bucket.is_none() => {
                self.queue(Ok(link::set_queue_length(link.index, packets)), "set queue length")
            }
            _ => Ok(()),
        }
    }

    fn ensure_ifb(&mut self, ifb: &Ifb, mtu: u32) -> Result<Link, MachineError> {
        let link = LinkRef { netns: Netns::Host, name: ifb.name.clone() };
        match self.find(link.netns, &link.name)? {
            Some(found) if is_ours(&found, ifb) && found.alias.is_some() => return Ok(found),
            // Another interface of the container has it, or the reference's DEL never came.
            Some(_) => {
                let text = format!("adding link: file exists: {:?}", ifb.name.as_str());
                return Err(MachineError::Conflict(text));
            }
            None => {}
        }
        self.queue(Ok(link::create_ifb(&ifb.name, mtu)), "adding link")?;
        self.queue(Ok(link::mark_ifb(&ifb.name, &ifb.alias)), "marking ifb")?;
        self.require(link.netns, &link.name)
    }

    fn queues(&mut self, link: &Link) -> Result<Queues, MachineError> {
        let found = self.socket(Netns::Host).and_then(|socket| qdisc::queues(socket, link.index));
        found.map_err(|e| refused(format!("failed to list qdiscs of {:?}", link.name), e))
    }

    fn redirects(&mut self, link: &Link) -> Result<Vec<u32>, MachineError> {
        let found = self.socket(Netns::Host).and_then(|socket| qdisc::redirects(socket, link.index));
        match found {
            // There is no place for filters.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Vec::new()),
            found => found.map_err(|e| refused(format!("failed to list filters of {:?}", link.name), e)),
        }
    }

    fn queue(&mut self, request: io::Result<Request>, what: &str) -> Result<(), MachineError> {
        let answers =
            request.and_then(|request| self.socket(Netns::Host).map(|socket| socket.batch(vec![request])));
        let done = answers.and_then(|answers| answers.into_iter().collect::<Result<Vec<()>, _>>());
        done.map(drop).map_err(|e| refused(what.to_owned(), e))
    }
}

/// One that was made and not yet marked when its ADD was killed has no alias.
fn is_ours(found: &Link, ifb: &Ifb) -> bool {
    found.kind == "ifb" && found.alias.as_ref().is_none_or(|alias| *alias == ifb.alias)
}

fn described(found: Option<Bucket>, shape: &Shape) -> String {
    match found {
        None => "not limited".to_owned(),
        Some(found) => format!(
            "limited to {} bit/s (limit {}, buffer {}), not {} bit/s (limit {}, buffer {})",
            found.rate.saturating_mul(8),
            found.limit,
            found.buffer,
            shape.rate.saturating_mul(8),
            shape.limit(),
            shape.buffer()
        ),
    }
}
