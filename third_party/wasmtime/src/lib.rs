//! Re-exports Wasmtime's C API, so that one archive carries it.
pub use wasmtime_c_api::*;
