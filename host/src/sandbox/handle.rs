//! Handles: what a guest holds is a number, and every number is looked up here.

use super::limits;
use crate::cni::CniError;
use wasmtime::component::Resource;

/// The things behind one type of handle. A dropped handle's number is not used again.
#[derive(Debug)]
pub struct Handles<T> {
    things: Vec<T>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Handles { things: Vec::new() }
    }
}

impl<T> Handles<T> {
    /// Hands out a handle.
    pub fn push<R: 'static>(&mut self, thing: T) -> Result<Resource<R>, CniError> {
        let number = u32::try_from(self.things.len()).ok().filter(|_| self.things.len() < limits::HANDLES);
        let number = number.ok_or_else(|| limits::exceeded("handles of one plugin", limits::HANDLES))?;
        self.things.push(thing);
        Ok(Resource::new_own(number))
    }

    /// What a handle stands for. wasmtime lets a guest pass none but its own; an unknown number traps nevertheless.
    pub fn get<R: 'static>(&self, handle: &Resource<R>) -> wasmtime::Result<&T> {
        let number = usize::try_from(handle.rep())?;
        self.things.get(number).ok_or_else(|| wasmtime::format_err!("handle {number} does not exist"))
    }
}
