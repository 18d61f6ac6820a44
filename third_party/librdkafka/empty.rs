//! Nothing: the package exists so that Cargo fetches librdkafka's source (Cargo.toml).
