//! Virtual time: when nothing can run, the earliest sleeper is woken, exactly one. The order of all things follows from
//! the seed alone.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The time of one simulated world.
#[derive(Default)]
pub(crate) struct Time {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    now: u64,
    made: u64,
    woken: u64,
    sleepers: BTreeMap<(u64, u64), Waker>,
}

impl Time {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nanoseconds since the world began.
    pub(crate) fn now(&self) -> u64 {
        self.inner().now
    }

    /// How many sleepers were woken so far.
    pub(crate) fn woken(&self) -> u64 {
        self.inner().woken
    }

    pub(crate) fn sleep(self: &Arc<Self>, nanos: u64) -> Sleep {
        let mut inner = self.inner();
        inner.made += 1;
        let due = (inner.now.saturating_add(nanos.max(1)), inner.made);
        drop(inner);
        Sleep { time: Arc::clone(self), due }
    }

    pub(crate) fn sleep_for(self: &Arc<Self>, time: Duration) -> Sleep {
        self.sleep(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Wakes the earliest sleeper; false when nobody sleeps.
    fn advance(&self) -> bool {
        let mut inner = self.inner();
        let Some(((at, _), waker)) = inner.sleepers.pop_first() else { return false };
        inner.now = inner.now.max(at);
        inner.woken += 1;
        drop(inner);
        waker.wake();
        true
    }
}

/// Sleeps until its time has come.
pub(crate) struct Sleep {
    time: Arc<Time>,
    due: (u64, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.time.inner();
        // Two sleepers of the same instant wake one after the other: the one that was made later is never ready first.
        if inner.now >= self.due.0 && !inner.sleepers.contains_key(&self.due) {
            return Poll::Ready(());
        }
        inner.sleepers.insert(self.due, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.time.inner().sleepers.remove(&self.due);
    }
}

/// Runs a world to its end on one thread.
///
/// # Panics
/// When nothing can happen any more although the world is not over.
pub(crate) fn run<T: Send + 'static>(time: &Arc<Time>, world: impl Future<Output = T> + Send + 'static) -> T {
    let over = Arc::new(AtomicBool::new(false));
    let (sleepers, ended) = (Arc::clone(time), Arc::clone(&over));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .on_thread_park(move || {
            if !ended.load(Ordering::SeqCst) {
                assert!(sleepers.advance(), "nothing can happen any more: everybody waits for somebody else");
            }
        })
        .build()
        .expect("a runtime");
    // Everything is a task: the runtime parks only when no task can run.
    let joined = runtime.block_on(async move {
        let task = tokio::spawn(async move {
            let answer = world.await;
            over.store(true, Ordering::SeqCst);
            answer
        });
        task.await
    });
    joined.expect("the world ended by a panic")
}
