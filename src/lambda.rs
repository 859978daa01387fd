//! Glue between Lambda's events and the pipeline: batches, time limits, failures.
//!
//! | function | woken by | may |
//! |---|---|---|
//! | `ingest` | the function's url | verify and enqueue |
//! | `worker` | the work queue; the queue of what was put off, which it only forwards | read Graph, act, remember, deliver |
//! | `sweep` | the schedule, every minute | find what is due and enqueue it |

pub mod batch;
pub mod budget;
pub mod start;
pub mod sweep;
pub mod worker;
