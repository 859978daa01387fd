//! Stopping a request at a chosen point, to see what the client makes of it.

use tokio::sync::watch;

/// Where a held request stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It has arrived; nothing has been done yet.
    BeforeEffect,
    /// Everything has been done; nothing has been answered yet.
    AfterEffect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Armed,
    Reached,
    Abandoned,
    Released,
}

/// The next matching request stops until this is released or dropped.
///
/// If its client goes away meanwhile, the request ends where it stands: held before its effect,
/// it never has one. A request that a fault rule answers or drops is not stopped.
#[derive(Debug)]
pub struct Hold {
    stage: watch::Sender<Stage>,
}

impl Hold {
    /// Waits until a request is stopped here.
    pub async fn reached(&self) {
        let mut stage = self.stage.subscribe();
        // The sender is `self`: it outlives this wait.
        let _ = stage.wait_for(|stage| *stage != Stage::Armed).await;
    }

    /// Waits until the request stopped here has ended with its client, or has been released.
    /// Only then is it sure that the client's death came before the release.
    pub async fn abandoned(&self) {
        let mut stage = self.stage.subscribe();
        let ended = |stage: &Stage| matches!(stage, Stage::Abandoned | Stage::Released);
        // The sender is `self`: it outlives this wait.
        let _ = stage.wait_for(ended).await;
    }

    /// Lets the request go on. If none has come yet, none will be stopped.
    pub fn release(&self) {
        self.stage.send_replace(Stage::Released);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}

/// The server's side of a [`Hold`].
#[derive(Debug)]
pub(crate) struct Trap {
    method: String,
    path: String,
    when: When,
    stage: watch::Sender<Stage>,
}

impl Trap {
    /// A trap and what releases it.
    pub(crate) fn set(method: &str, path: &str, when: When) -> (Self, Hold) {
        let stage = watch::Sender::new(Stage::Armed);
        let hold = Hold { stage: stage.clone() };
        (Self { method: method.to_owned(), path: path.to_owned(), when, stage }, hold)
    }

    /// Whether this request is to stop here.
    pub(crate) fn catches(&self, method: &str, target: &str, when: When) -> bool {
        self.when == when
            && self.method.eq_ignore_ascii_case(method)
            && target.contains(&self.path)
            && *self.stage.borrow() == Stage::Armed
    }

    /// Stops here until released.
    pub(crate) async fn stop(&self) {
        self.advance(Stage::Armed, Stage::Reached);
        let mut stage = self.stage.subscribe();
        // The sender is `self`: it outlives this wait.
        let _ = stage.wait_for(|stage| *stage == Stage::Released).await;
    }

    pub(crate) fn released(&self) -> bool {
        *self.stage.borrow() == Stage::Released
    }

    fn advance(&self, from: Stage, to: Stage) {
        self.stage.send_if_modified(|stage| {
            let advances = *stage == from;
            if advances {
                *stage = to;
            }
            advances
        });
    }
}

/// The trap belongs to the request it has caught: it goes when the request ends.
impl Drop for Trap {
    fn drop(&mut self) {
        self.advance(Stage::Reached, Stage::Abandoned);
    }
}
