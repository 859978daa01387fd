//! What decides, alone: the package in which `make mutants` changes it.

pub mod domain;
