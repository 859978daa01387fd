//! Where things are kept, and for which part of the program they are read.

use std::fmt;
use std::path::PathBuf;

/// Where a document is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Things kept on AWS, by name: secrets in Secrets Manager (`aws:ID`), or one object in S3
    /// (`s3://BUCKET/KEY`).
    Aws(Vec<String>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Aws(names) => f.write_str(&names.join(", ")),
        }
    }
}

/// Where something is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A DynamoDB table by its name, or an SQS queue by its url.
    Aws(String),
}

/// What of the program is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The router alone, which may hold neither the application's credential nor a sink's key.
    Door,
    /// The sweep alone, which reads and subscribes, or a scan, which reads: they may hold neither the
    /// writer's credential nor a sink's key.
    Sweep,
    /// The command that puts back what was taken away, which writes whatever the mode is, and may
    /// hold no sink's key.
    Restore,
    /// The command that tries a ticket sink, which holds no credential. It sees to the key of that
    /// one sink itself.
    Tickets,
}
