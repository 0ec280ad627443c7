//! Runs parts of a plan, one after the other, until they have ended or the user stops them.

use crate::exit::{Exit, Stop};
use crate::io::Io;
use crate::run::errors;
use crate::run::progress::Display;
use crate::run::signals::Signals;
use dsl::plan::Plan;
use dsl::span::SourceMap;
use engine::ctx::{Clock, Ctx};
use engine::failpoint::Failpoints;
use engine::run::Live;
use engine::summary::Summary;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdlib::registry::replay_registry;
use stdlib::replay::Session;
use stdlib::service::Opened;

/// What all runs of a replay have in common.
pub struct Runs<'a> {
    files: &'a SourceMap,
    opened: &'a Opened,
    clock: Arc<dyn Clock>,
    /// For tests; only what is sent again passes them.
    failpoints: Failpoints,
    signals: Signals,
    began: Instant,
}

/// How a run ended.
pub enum Ended {
    /// All is settled.
    Well(Summary),
    /// Something is wrong, or the user has stopped it; it was said.
    Stopped(Exit),
}

impl<'a> Runs<'a> {
    /// Listens to signals from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(
        files: &'a SourceMap,
        opened: &'a Opened,
        clock: Arc<dyn Clock>,
        failpoints: Failpoints,
    ) -> Result<Runs<'a>, Stop> {
        let signals = Signals::new().map_err(|error| {
            Stop::said(Exit::Failed, format!("cannot listen to signals: {error}"))
        })?;
        Ok(Runs { files, opened, clock, failpoints, signals, began: Instant::now() })
    }

    /// How long it has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Runs a part of a plan, with what it sends.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub async fn run(
        &mut self,
        plan: Plan,
        session: Option<Session>,
        io: &mut Io<'_>,
    ) -> Result<Ended, Stop> {
        let mut display = Display::new(&plan, session.is_none(), io);
        let sends = session.is_some();
        let registry = replay_registry(self.opened.services.clone(), session);
        let failpoints = if sends { self.failpoints.clone() } else { Failpoints::default() };
        let ctx = self.ctx(&display, failpoints);
        let live = Live::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut stop = Some(stop);
        let shutdown = async {
            // A dropped sender means that nobody can stop the run any more.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let run = engine::run::run(plan.clone(), &registry, &ctx, &live, shutdown);
        let mut running = std::pin::pin!(run);
        let mut tick = tokio::time::interval(display.every());
        let report = loop {
            tokio::select! {
                biased;
                report = &mut running => break report,
                keyboard = self.signals.next() => {
                    if keyboard {
                        display.after_echo();
                    }
                    let Some(stop) = stop.take() else {
                        display.close();
                        return Err(Stop::said(Exit::Undelivered, "stopped at once")
                            .help("the next replay goes on where this one was stopped"));
                    };
                    // The run may have ended in this moment; then there is nothing to stop.
                    let _ = stop.send(());
                    display.say("stopping: storing what is in flight; once more to stop at once");
                }
                _ = tick.tick() => display.update(&live.snapshot()),
            }
        };
        display.close();
        for error in &report.errors {
            write!(io.err, "{}", errors::text(error, &plan, self.files, io.err_style))?;
        }
        Ok(match (report.errors.is_empty(), stop.is_some()) {
            (true, true) => Ended::Well(report.summary),
            (true, false) => Ended::Stopped(Exit::Undelivered),
            (false, _) => Ended::Stopped(errors::exit(&report.errors)),
        })
    }

    fn ctx(&self, display: &Display, failpoints: Failpoints) -> Ctx {
        Ctx {
            failpoints,
            seed: self.clock.now_ns().unsigned_abs(),
            clock: self.clock.clone(),
            checkpoints: self.opened.checkpoints.clone(),
            keep_running: false,
            from_start: false,
            channel_batches: 4,
            in_flight_rows_max: 262_144,
            memory: engine::memory::Limits::default(),
            graph_change: engine::ctx::GraphChange::Unseen,
            drain: Duration::from_secs(30),
            log: display.log(),
        }
    }
}
