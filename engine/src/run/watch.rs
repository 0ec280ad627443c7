//! A value that many wait on: as tokio's `watch`, but who has waited first is woken first, so that
//! the same run does the same in the same order.

use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// The writing end.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// A reading end, which knows the last change that it has seen.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

#[derive(Debug)]
struct Shared<T> {
    value: Mutex<(T, u64)>,
    changed: Notify,
}

impl<T: Copy> Sender<T> {
    pub fn new(value: T) -> Sender<T> {
        Sender(Arc::new(Shared { value: Mutex::new((value, 0)), changed: Notify::new() }))
    }

    pub fn get(&self) -> T {
        self.0.lock().0
    }

    /// A reading end that has seen what is there now.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver { shared: self.0.clone(), seen: self.0.lock().1 }
    }

    /// Sets the value; nobody is woken where it is the same.
    pub fn update(&self, to: impl FnOnce(T) -> T)
    where
        T: PartialEq,
    {
        let mut value = self.0.lock();
        let next = to(value.0);
        if next != value.0 {
            *value = (next, value.1 + 1);
            drop(value);
            self.0.changed.notify_waiters();
        }
    }
}

impl<T: Copy> Receiver<T> {
    pub fn get(&self) -> T {
        self.shared.lock().0
    }

    /// The value, which counts as seen.
    pub fn see(&mut self) -> T {
        let (value, version) = *self.shared.lock();
        self.seen = version;
        value
    }

    /// Waits for a change that it has not seen, and sees it. Cancel-safe.
    pub async fn changed(&mut self) {
        loop {
            let changed = self.shared.changed.notified();
            let version = self.shared.lock().1;
            if version != self.seen {
                self.seen = version;
                return;
            }
            changed.await;
        }
    }

    /// Waits until the value is so. Cancel-safe.
    pub async fn wait_for(&mut self, is: impl Fn(&T) -> bool) {
        while !is(&self.see()) {
            self.changed().await;
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, (T, u64)> {
        self.value.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_seen_once_by_each() {
        let sender = Sender::new(1);
        let (mut one, mut other) = (sender.subscribe(), sender.subscribe());
        sender.update(|n| n + 1);
        one.changed().await;
        assert_eq!((one.get(), other.see()), (2, 2));
        sender.update(|n| n);
        let again = async {
            tokio::select! {
                biased;
                () = one.changed() => true,
                () = other.changed() => true,
                () = tokio::task::yield_now() => false,
            }
        };
        assert!(!again.await, "nothing has changed");
        let late = async {
            tokio::task::yield_now().await;
            sender.update(|n| n + 5);
        };
        tokio::join!(one.wait_for(|n| *n > 6), late);
        assert_eq!(sender.get(), 7);
    }

    #[tokio::test]
    async fn who_has_waited_first_is_woken_first() {
        let sender = Sender::new(0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let (mut receiver, order) = (sender.subscribe(), order.clone());
                tokio::spawn(async move {
                    receiver.changed().await;
                    order.lock().unwrap().push(n);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        sender.update(|_| 1);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }
}
