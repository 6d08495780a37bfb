//! A runner for tests that ends as told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sandbox::{Captured, Ending, Fault, Job, Outcome, Usage};
use tokio::sync::Notify;

/// Answers jobs by their code: `hold` waits to be released, `fault` is a fault, `panic` a panic; any
/// other code is its own output.
#[derive(Debug, Default, Clone)]
pub(crate) struct Script {
    /// Releases everything that holds.
    pub release: Arc<Notify>,
    /// Told whenever a job begins to hold.
    pub holding: Arc<Notify>,
    /// Told whenever a holding job is dropped before it was released.
    pub killed: Arc<Notify>,
    /// Jobs that were begun.
    pub begun: Arc<AtomicUsize>,
}

/// Tells of a job that was dropped while it ran.
struct Running<'s>(&'s Script, bool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.killed.notify_one();
        }
    }
}

impl Script {
    pub(crate) async fn run(&self, job: Job) -> Result<Outcome, Fault> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        match job.code.as_str() {
            "hold" => {
                let released = self.release.notified();
                let mut running = Running(self, false);
                self.holding.notify_one();
                released.await;
                running.1 = true;
            }
            "fault" => return Err(Fault::KeeperGone { doing: "a test" }),
            "panic" => panic!("told to"),
            _ => {}
        }
        let size = job
            .code
            .strip_prefix("flood ")
            .and_then(|size| size.parse().ok());
        Ok(Outcome {
            ending: Ending::Exited(0),
            stdout: Captured {
                bytes: size.map_or_else(|| job.code.clone().into_bytes(), |size| vec![b'x'; size]),
                dropped: 0,
            },
            stderr: Captured::default(),
            wall: Duration::from_millis(1),
            files: Vec::new(),
            usage: Usage::default(),
            limit_hit: None,
        })
    }
}
