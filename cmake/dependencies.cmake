# What the server is built on, as one interface target. Debian's packages, but for Wasmtime and librdkafka, which
# scripts/wasmtime.sh and scripts/librdkafka.sh build from their crates.
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
find_library(GRPC_REFLECTION_LIBRARY grpc++_reflection REQUIRED)
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)
find_library(SIMDJSON_LIBRARY simdjson REQUIRED)

add_library(fs_dependencies INTERFACE)
target_include_directories(fs_dependencies SYSTEM INTERFACE ${FS_WASMTIME_DIR}/include ${FS_RDKAFKA_DIR}/include ${YAML_CPP_INCLUDE_DIR})
target_link_libraries(fs_dependencies INTERFACE
  $<$<BOOL:${FS_WASMTIME_DIR}>:${FS_WASMTIME_DIR}/lib/libwasmtime_static.a>
  $<$<BOOL:${FS_RDKAFKA_DIR}>:${FS_RDKAFKA_DIR}/lib/librdkafka.a>
  ${ROCKSDB_LIBRARY}
  -Wl,--no-as-needed ${GRPC_REFLECTION_LIBRARY} -Wl,--as-needed
  PkgConfig::GRPC PkgConfig::HTTPLIB PkgConfig::LIBZIP protobuf::libprotobuf
  absl::status absl::statusor absl::flat_hash_map absl::btree absl::synchronization absl::time
  fmt::fmt spdlog::spdlog yaml-cpp nlohmann_json::nlohmann_json CLI11::CLI11 OpenSSL::SSL OpenSSL::Crypto
  ${SIMDJSON_LIBRARY} sasl2 zstd lz4 z curl Threads::Threads ${CMAKE_DL_LIBS} m)
