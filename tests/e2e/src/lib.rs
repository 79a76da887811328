//! End-to-end tests: the real server and real clients. Each file in `tests/` is one promise; the tools are in
//! `sotto-testkit`. Run them with `make e2e` (the long versions with `make soak`).
