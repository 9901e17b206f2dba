//! The analysis on steps of the generator.
