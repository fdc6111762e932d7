//! A machine in which one call of the port goes wrong.

use super::FakeMachine;
use std::io;
use std::ops::{Deref, DerefMut};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wasm_cni::machine::rules::TableError;

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and nothing is changed.
    Refused,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
    /// It is done, and its answer is lost; where no other process and no kernel socket answers, it is refused.
    AnswerLost,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 4] = [Fault::Refused, Fault::DiesBefore, Fault::DiesAfter, Fault::AnswerLost];

    fn is_death(self) -> bool {
        matches!(self, Fault::DiesBefore | Fault::DiesAfter)
    }
}

/// Counts calls of the port that change something, list a table or execute a program, and strikes at one of them. Clones share the count.
///
/// Each request of a batch is a call, and each change of a file in a lease directory. A process dies before a whole batch or after
/// it, and loses with one answer those that follow it.
#[derive(Debug, Clone)]
pub struct Strike {
    fault: Fault,
    at: usize,
    until: usize,
    seen: Arc<AtomicUsize>,
}

impl Strike {
    /// At the call of that number, from 0.
    pub fn at(at: usize, fault: Fault) -> Self {
        Strike { fault, at, until: at, seen: Arc::new(AtomicUsize::new(0)) }
    }

    /// At that call and at each that follows, so that what was done cannot be undone either.
    pub fn from(at: usize, fault: Fault) -> Self {
        Strike { until: usize::MAX, ..Strike::at(at, fault) }
    }

    /// At none: only counts.
    pub fn never() -> Self {
        Strike::at(usize::MAX, Fault::Refused)
    }

    /// Whether it strikes at more than one call.
    pub fn is_lasting(&self) -> bool {
        self.until > self.at
    }

    /// How many calls there were so far.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// Counts a call; the fault, if it is to go wrong.
    fn next(&self) -> Option<Fault> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        (self.at..=self.until).contains(&number).then_some(self.fault)
    }

    /// Whether the process dies at one of the next calls, which are so many.
    fn is_death_within(&self, count: usize) -> bool {
        let next = self.seen();
        self.fault.is_death() && (next..next + count).contains(&self.at)
    }
}

impl Default for Strike {
    fn default() -> Self {
        Self::never()
    }
}

/// The payload of the panic in whose place a process dies. It prints nothing; `std::panic::catch_unwind` catches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Died;

/// The machine, but for one call. Locks of lease stores that a process held which died are free once [`FakeMachine::next_verb`] was called.
pub struct Faulty<'a>(&'a mut FakeMachine);

impl<'a> Faulty<'a> {
    /// The machine, with a strike until this is dropped.
    pub fn new(machine: &'a mut FakeMachine, strike: Strike) -> Self {
        machine.strike.put(strike);
        Faulty(machine)
    }
}

impl Deref for Faulty<'_> {
    type Target = FakeMachine;

    fn deref(&self) -> &FakeMachine {
        self.0
    }
}

impl DerefMut for Faulty<'_> {
    fn deref_mut(&mut self) -> &mut FakeMachine {
        self.0
    }
}

impl Drop for Faulty<'_> {
    fn drop(&mut self) {
        self.0.strike.put(Strike::never());
    }
}

/// An error of the port.
pub(crate) trait Failure {
    /// Nothing was done.
    fn refused() -> Self;
    /// It may have been done.
    fn lost() -> Self;
}

impl Failure for io::Error {
    fn refused() -> Self {
        io::Error::other("made to fail")
    }
    fn lost() -> Self {
        io::Error::new(io::ErrorKind::TimedOut, "the answer was lost")
    }
}

impl Failure for TableError {
    fn refused() -> Self {
        TableError::Failed("made to fail".to_owned())
    }
    fn lost() -> Self {
        TableError::Unknown("the answer was lost".to_owned())
    }
}

/// Where a strike is put in. Clones share it: a machine's tables and lease directories have its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switch(Arc<Mutex<Strike>>);

impl Switch {
    fn put(&self, strike: Strike) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = strike;
    }

    /// Not held while a call is done: a process may die of it.
    fn strike(&self) -> Strike {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does what is answered by somebody else, or what goes wrong with it.
    pub fn remote<T, E: Failure>(&self, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        struck(self.strike().next(), call)
    }

    /// Does what is a system call of our own, or what goes wrong with it. Its answer cannot be lost: then it is refused.
    pub fn local<T, E: Failure>(&self, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let own = |fault: Fault| if fault.is_death() { fault } else { Fault::Refused };
        struck(self.strike().next().map(own), call)
    }

    /// Does the requests of a batch. The kernel does all of one within the system call that sends it, so that no process dies in between.
    pub fn batch<R>(
        &self,
        requests: Vec<R>,
        mut call: impl FnMut(R) -> io::Result<()>,
    ) -> Vec<io::Result<()>> {
        let strike = self.strike();
        if strike.is_death_within(requests.len()) {
            if strike.fault == Fault::DiesAfter {
                requests.into_iter().for_each(|request| drop(call(request)));
            }
            resume_unwind(Box::new(Died))
        }
        let mut is_lost = false;
        let one = |request| {
            let fault = strike.next();
            let answer = struck(fault, || call(request));
            // The kernel forgets answers for want of room, and who reads gets that as an error: no later answer of the batch is read.
            is_lost |= fault == Some(Fault::AnswerLost);
            if is_lost { Err(io::Error::lost()) } else { answer }
        };
        requests.into_iter().map(one).collect()
    }
}

fn struck<T, E: Failure>(fault: Option<Fault>, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let Some(fault) = fault else { return call() };
    if matches!(fault, Fault::DiesAfter | Fault::AnswerLost) {
        drop(call());
    }
    match fault {
        Fault::Refused => Err(E::refused()),
        Fault::AnswerLost => Err(E::lost()),
        Fault::DiesBefore | Fault::DiesAfter => resume_unwind(Box::new(Died)),
    }
}
