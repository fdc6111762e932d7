//! A machine with a fault in one call of the port.

use super::FakeMachine;
use std::io;
use std::ops::RangeInclusive;
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
    /// The call is done, but its answer is lost. A call that nobody answers (no process, no socket) fails instead.
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

/// Counts calls that change something, list a table or execute a program, and makes one fail. Clones share the count.
///
/// Each request of a batch counts as a call, and so does each change of a file in a lease directory. A process dies
/// before a whole batch or after it. A lost answer in a batch also loses the later answers.
#[derive(Debug, Clone)]
pub struct Strike {
    fault: Fault,
    calls: RangeInclusive<usize>,
    seen: Arc<AtomicUsize>,
}

impl Strike {
    /// A fault in the call with this number, counted from 0.
    pub fn at(at: usize, fault: Fault) -> Self {
        Strike { fault, calls: at..=at, seen: Arc::default() }
    }

    /// A fault in this call and in all later ones, so that an undo fails too.
    pub fn from(at: usize, fault: Fault) -> Self {
        Strike { calls: at..=usize::MAX, ..Strike::at(at, fault) }
    }

    /// No fault: only counts calls.
    pub fn never() -> Self {
        Strike::at(usize::MAX, Fault::Refused)
    }

    /// Whether more than one call has a fault.
    pub fn is_lasting(&self) -> bool {
        self.calls.end() > self.calls.start()
    }

    /// The number of calls so far.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// Counts a call. Returns the fault, if the call has one.
    fn next(&self) -> Option<Fault> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        self.calls.contains(&number).then_some(self.fault)
    }
}

/// The payload of the panic that stands for the death of a process. It prints nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Died;

impl FakeMachine {
    /// The machine with a fault, until [`FakeMachine::next_verb`], which also releases the locks of a dead process.
    pub fn struck(&mut self, strike: Strike) -> &mut Self {
        *self.gate.lock() = strike;
        self
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::AnswerLost => io::Error::new(io::ErrorKind::TimedOut, "the answer was lost"),
            Fault::Dry => io::Error::other(DRY),
            Fault::Refused | Fault::DiesBefore | Fault::DiesAfter => io::Error::other("made to fail"),
        }
    }
}

impl From<Fault> for TableError {
    fn from(fault: Fault) -> Self {
        let error = if fault == Fault::AnswerLost { TableError::Unknown } else { TableError::Failed };
        error(io::Error::from(fault).to_string())
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

    /// A change that somebody else answers, or its fault.
    pub fn remote<T, E: From<Fault>>(&self, change: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        struck(self.strike().next(), change)
    }

    /// A change that is a system call of our own process, or its fault.
    pub fn local<T, E: From<Fault>>(&self, change: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        struck(self.strike().next().map(Fault::without_answer), change)
    }

    /// The requests of a batch, or their fault. They are done within one system call, so no process dies in between.
    pub fn batch<R>(
        &self,
        requests: Vec<R>,
        mut change: impl FnMut(R) -> io::Result<()>,
    ) -> Vec<io::Result<()>> {
        let strike = self.strike();
        let faults: Vec<Option<Fault>> = requests.iter().map(|_| strike.next()).collect();
        if faults.contains(&Some(Fault::DiesBefore)) {
            resume_unwind(Box::new(Died))
        }
        let mut is_lost = false;
        let one = |(request, fault): (R, &Option<Fault>)| {
            let answer = struck(fault.filter(|fault| *fault != Fault::DiesAfter), || change(request));
            // When the socket's buffer is full, the kernel drops answers: the reader gets an error, and no more.
            is_lost |= *fault == Some(Fault::AnswerLost);
            if is_lost { Err(Fault::AnswerLost.into()) } else { answer }
        };
        let answers = requests.into_iter().zip(&faults).map(one).collect();
        if faults.contains(&Some(Fault::DiesAfter)) {
            resume_unwind(Box::new(Died))
        }
        answers
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
