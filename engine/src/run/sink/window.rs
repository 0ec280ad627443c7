//! How many writes may be under way: fewer after a throttle, one more after each clean write.

use std::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Window {
    most: usize,
    /// In tenths of a write, between 10 and `10 × most`.
    tenths: Mutex<usize>,
}

impl Window {
    pub fn new(most: usize) -> Window {
        let most = most.max(1);
        Window { most, tenths: Mutex::new(most * 10) }
    }

    /// Writes that may be under way.
    pub fn size(&self) -> usize {
        self.change(|tenths| tenths) / 10
    }

    /// The service asked for less.
    pub fn throttled(&self) {
        self.change(|tenths| tenths * 7 / 10);
    }

    /// A write went through.
    pub fn cleared(&self) {
        self.change(|tenths| tenths + 10);
    }

    fn change(&self, to: impl Fn(usize) -> usize) -> usize {
        let mut tenths = self.tenths.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *tenths = to(*tenths).clamp(10, self.most * 10);
        *tenths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shrinks_fast_and_grows_slowly_within_its_bounds() {
        let window = Window::new(8);
        let sizes: Vec<usize> = (0..8)
            .map(|_| {
                window.throttled();
                window.size()
            })
            .collect();
        assert_eq!(sizes, [5, 3, 2, 1, 1, 1, 1, 1]);
        (0..3).for_each(|_| window.cleared());
        assert_eq!(window.size(), 4);
        (0..30).for_each(|_| window.cleared());
        assert_eq!(window.size(), 8);
        assert_eq!(Window::new(0).size(), 1);
    }
}
