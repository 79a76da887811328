//! Reference adapters in memory.
