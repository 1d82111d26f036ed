//! Benchmarks of whole processes. Each is a bench target of its own; `tests/bench/run` runs them and commits their
//! results beside itself.
