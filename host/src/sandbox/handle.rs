//! Handles: a guest holds a number, and the host looks up the object of that number.

use super::limits;
use crate::cni::CniError;
use wasmtime::component::Resource;

/// The objects of one type of handle. The number of a dropped handle is not used again.
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
    /// Stores an object and returns its handle.
    pub fn push<R: 'static>(&mut self, thing: T) -> Result<Resource<R>, CniError> {
        let number = u32::try_from(self.things.len()).ok().filter(|_| self.things.len() < limits::HANDLES);
        let number = number.ok_or_else(|| limits::exceeded("handles of one plugin", limits::HANDLES))?;
        self.things.push(thing);
        Ok(Resource::new_own(number))
    }

    /// The object of a handle. wasmtime lets a guest pass only its own handles. A number that does not exist traps.
    pub fn get<R: 'static>(&self, handle: &Resource<R>) -> wasmtime::Result<&T> {
        let number = usize::try_from(handle.rep())?;
        self.things.get(number).ok_or_else(|| wasmtime::format_err!("handle {number} does not exist"))
    }
}
