//! Conformance suites; see each macro.
