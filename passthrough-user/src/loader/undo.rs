//! Takes back what a command has done, last first, unless the command came to its end.

/// How to take one thing back.
type Step = Box<dyn FnOnce() -> anyhow::Result<()>>;

/// Steps to take back. Dropped without [`Undo::keep`], it takes them.
#[derive(Default)]
pub struct Undo {
    steps: Vec<(String, Step)>,
}

impl Undo {
    /// Remembers how to take back something that was just done; `what` names it should even that fail.
    pub fn push(&mut self, what: impl Into<String>, step: impl FnOnce() -> anyhow::Result<()> + 'static) {
        self.steps.push((what.into(), Box::new(step)));
    }

    /// Everything worked: nothing is taken back.
    pub fn keep(mut self) {
        self.steps.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for (what, step) in self.steps.drain(..).rev() {
            if let Err(error) = step() {
                anstream::eprintln!("passthrough: could not undo {what}: {error:#}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    #[test]
    fn steps_are_taken_back_last_first_unless_kept() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let fill = |undo: &mut Undo| {
            for step in 1..=3 {
                let seen = Rc::clone(&seen);
                undo.push("a step", move || {
                    seen.borrow_mut().push(step);
                    Ok(())
                });
            }
        };
        let mut undo = Undo::default();
        fill(&mut undo);
        undo.keep();
        assert!(seen.borrow().is_empty());
        let mut undo = Undo::default();
        fill(&mut undo);
        drop(undo);
        assert_eq!(*seen.borrow(), [3, 2, 1]);
    }
}
