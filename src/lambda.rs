//! Glue between Lambda's events and the pipeline: batches, time limits, failures.

pub mod batch;
pub mod budget;
pub mod worker;
