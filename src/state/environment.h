// What the states of a server share, as the state room itself sees it. The public face is StateEnvironment in function_state.h.
#ifndef FUNCTION_STREAM_STATE_ENVIRONMENT_H_
#define FUNCTION_STREAM_STATE_ENVIRONMENT_H_

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>

#include <memory>

#include "state/cache_budget.h"
#include "state/function_state.h"

namespace fs::state {

class Environment final : public StateEnvironment {
 public:
  Environment(const Options& options, std::unique_ptr<rocksdb::Env> memory_env);

  [[nodiscard]] Memory memory() const override;

  // Of the machine, or of memory; what database_options() have may add to it.
  [[nodiscard]] rocksdb::Env* env() const { return memory_env_ != nullptr ? memory_env_.get() : rocksdb::Env::Default(); }
  [[nodiscard]] bool in_memory() const { return memory_env_ != nullptr; }
  [[nodiscard]] const rocksdb::Options& database_options() const { return options_; }
  [[nodiscard]] CacheBudget& cache_budget() { return cache_budget_; }

 private:
  std::unique_ptr<rocksdb::Env> memory_env_;
  std::unique_ptr<rocksdb::Env> opening_env_;  // nullptr in memory
  std::shared_ptr<rocksdb::Cache> block_cache_;
  rocksdb::Options options_;
  CacheBudget cache_budget_;
};

}  // namespace fs::state

#endif  // FUNCTION_STREAM_STATE_ENVIRONMENT_H_
