//! What holds packets of links back.

use super::super::{Effect, MachineError, Undone};
use crate::action::Shape;
use crate::plan::render;
use crate::value::IfName;

/// Of all links.
#[derive(Debug, Clone, Default)]
pub struct Shapes(Vec<Shape>);

impl Shapes {
    /// Whether an ifb of that name is there.
    pub fn has_ifb(&self, name: &IfName) -> bool {
        self.0.iter().any(|shape| shape.through.as_ref().is_some_and(|ifb| ifb.name == *name))
    }

    /// Adds one; an ifb of that name is somebody else's.
    pub fn add(&mut self, shape: &Shape) -> Result<Effect, MachineError> {
        if self.0.contains(shape) {
            return Ok(Effect::AlreadyThere);
        }
        if let Some(ifb) = shape.through.as_ref().filter(|ifb| self.has_ifb(&ifb.name)) {
            return Err(MachineError::Conflict(format!("adding link: file exists: {:?}", ifb.name.as_str())));
        }
        self.0.push(shape.clone());
        Ok(Effect::Created)
    }

    /// Ends one.
    pub fn delete(&mut self, shape: &Shape) -> Undone {
        let count = self.0.len();
        self.0.retain(|other| other != shape);
        if self.0.len() < count { Undone::Done } else { Undone::Gone }
    }

    /// What is missing, in one sentence.
    pub fn verify(&self, shape: &Shape) -> Vec<String> {
        if self.0.contains(shape) {
            Vec::new()
        } else {
            vec![format!("what passes {} is not limited", shape.link)]
        }
    }

    /// One line for each thing.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.0.iter().flat_map(render::shape::commands).collect();
        lines.sort();
        lines
    }
}
