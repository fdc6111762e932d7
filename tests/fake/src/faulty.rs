//! A machine with a fault in one call of the port.

use super::FakeMachine;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasm_cni::machine::errno::DRY;
use wasm_cni::machine::lease;
use wasm_cni::machine::rules::TableError;

/// The fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails, and changes nothing.
    Refused,
    /// The process dies before the call.
    DiesBefore,
    /// The process dies after the call.
    DiesAfter,
    /// The call is done, but its answer is lost. If no other process and no kernel socket answers the call, it fails
    /// instead.
    AnswerLost,
    /// The call would change something, but the machine is read-only.
    Dry,
}

impl Fault {
    /// All faults that a call can have.
    pub const ALL: [Fault; 4] = [Fault::Refused, Fault::DiesBefore, Fault::DiesAfter, Fault::AnswerLost];

    /// The fault of a call without a separate answer, which cannot be lost.
    fn without_answer(self) -> Self {
        if self == Fault::AnswerLost { Fault::Refused } else { self }
    }
}

/// Counts the calls of the port that change something, list a table or execute a program, and causes a fault in one of
/// them. Clones share the count.
///
/// Each request of a batch counts as a call, and so does each change of a file in a lease directory. A process dies
/// before a whole batch or after it. A lost answer in a batch also loses the later answers.
#[derive(Debug, Clone)]
pub struct Strike {
    fault: Fault,
    at: usize,
    until: usize,
    seen: Arc<AtomicUsize>,
}

impl Strike {
    /// A fault in the call with this number, counted from 0.
    pub fn at(at: usize, fault: Fault) -> Self {
        Strike { fault, at, until: at, seen: Arc::new(AtomicUsize::new(0)) }
    }

    /// A fault in this call and in all later ones, so that an undo fails too.
    pub fn from(at: usize, fault: Fault) -> Self {
        Strike { until: usize::MAX, ..Strike::at(at, fault) }
    }

    /// No fault: only counts calls.
    pub fn never() -> Self {
        Strike::at(usize::MAX, Fault::Refused)
    }

    /// Whether more than one call has a fault.
    pub fn is_lasting(&self) -> bool {
        self.until > self.at
    }

    /// The number of calls so far.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// Counts a call. Returns the fault, if the call has one.
    fn next(&self) -> Option<Fault> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        (self.at..=self.until).contains(&number).then_some(self.fault)
    }

    /// Whether the process dies in one of the next `count` calls.
    fn is_death_within(&self, count: usize) -> bool {
        let next = self.seen();
        matches!(self.fault, Fault::DiesBefore | Fault::DiesAfter) && (next..next + count).contains(&self.at)
    }
}

/// The payload of the panic that stands for the death of a process. It prints nothing. `std::panic::catch_unwind`
/// catches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Died;

impl FakeMachine {
    /// The machine with a fault, until [`FakeMachine::next_verb`]. That call also releases the locks of lease stores
    /// that a dead process held.
    pub fn struck(&mut self, strike: Strike) -> &mut Self {
        *self.gate.lock() = strike;
        self
    }
}

impl Fault {
    fn text(self) -> &'static str {
        match self {
            Fault::Dry => DRY,
            Fault::AnswerLost => "the answer was lost",
            Fault::Refused | Fault::DiesBefore | Fault::DiesAfter => "made to fail",
        }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        let kind = if fault == Fault::AnswerLost { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
        io::Error::new(kind, fault.text())
    }
}

impl From<Fault> for TableError {
    fn from(fault: Fault) -> Self {
        let error = if fault == Fault::AnswerLost { TableError::Unknown } else { TableError::Failed };
        error(fault.text().to_owned())
    }
}

/// The gate that each call passes. Clones share it: a machine's tables and lease directories have the same gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Mutex<Strike>>);

impl Gate {
    /// A gate for a machine that is read-only, or one without a fault.
    pub fn new(is_dry: bool) -> Self {
        let strike = if is_dry { Strike::from(0, Fault::Dry) } else { Strike::never() };
        Gate(Arc::new(Mutex::new(strike)))
    }

    /// Whether the machine is read-only.
    pub fn is_dry(&self) -> bool {
        self.lock().fault == Fault::Dry
    }

    fn lock(&self) -> MutexGuard<'_, Strike> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The strike. The lock is not held during a call, because a panic in the call would poison it.
    fn strike(&self) -> Strike {
        self.lock().clone()
    }

    /// A query that somebody else answers, or its fault.
    pub fn look<T, E: From<Fault>>(&self, look: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let fault = self.strike().next().filter(|fault| *fault != Fault::Dry);
        struck(fault.map(Fault::without_answer), look)
    }

    /// A change that somebody else answers, or its fault.
    pub fn remote<T, E: From<Fault>>(&self, change: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        struck(self.strike().next(), change)
    }

    /// A change that is a system call of our own process, or its fault.
    pub fn local<T, E: From<Fault>>(&self, change: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        struck(self.strike().next().map(Fault::without_answer), change)
    }

    /// The requests of a batch, or their fault. The kernel does all requests within the system call that sends the
    /// batch, so no process dies in between.
    pub fn batch<R>(
        &self,
        requests: Vec<R>,
        mut change: impl FnMut(R) -> io::Result<()>,
    ) -> Vec<io::Result<()>> {
        let strike = self.strike();
        if strike.is_death_within(requests.len()) {
            if strike.fault == Fault::DiesAfter {
                requests.into_iter().for_each(|request| drop(change(request)));
            }
            resume_unwind(Box::new(Died))
        }
        let mut is_lost = false;
        let one = |request| {
            let fault = strike.next();
            let answer = struck(fault, || change(request));
            // When the socket's buffer is full, the kernel discards answers, and the reader gets an error. So no later
            // answer of the batch is read.
            is_lost |= fault == Some(Fault::AnswerLost);
            if is_lost { Err(Fault::AnswerLost.into()) } else { answer }
        };
        requests.into_iter().map(one).collect()
    }
}

impl lease::Gate for Gate {
    fn pass(&self, change: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.local(change)
    }
}

fn struck<T, E: From<Fault>>(fault: Option<Fault>, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let Some(fault) = fault else { return call() };
    if matches!(fault, Fault::DiesAfter | Fault::AnswerLost) {
        drop(call());
    }
    match fault {
        Fault::Refused | Fault::AnswerLost | Fault::Dry => Err(fault.into()),
        Fault::DiesBefore | Fault::DiesAfter => resume_unwind(Box::new(Died)),
    }
}
